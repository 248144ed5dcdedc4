"""A small seeded world for the rooms of administration: real SQLite, a clock that only the test moves, a few actors.

nation
  aura (region)
    rhone (departement)
      exemple-sante (entite)
        ehpad, ssr, ch (etablissement)
          ch-geriatrie (service, under ch)
  reunion (region)
    chu (etablissement)
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.accounts.account import Grant, Role
from gateway.administration.actor import SHELL, Actor
from gateway.administration.revisions import Revisions
from gateway.desk import PolicyDesk
from gateway.edges.database import Database
from gateway.edges.journal import Journal
from gateway.overview import CATEGORIES, AccountQuery, AuditQuery, Measure, Page, Readiness
from gateway.policy.establishments import Defaults
from gateway.policy.legal import Legal, Status
from gateway.ports import Insert, Row
from tests.ambient import START, TestAmbient
from tests.blank import opened

CUT_OFF = datetime(2025, 12, 31, 23, tzinfo=UTC)
NATIONAL = Actor("acc_national", "Nora Nation", (Grant(Role.NATIONAL, "nation"),), "192.0.2.1", "req_1")
AURA = Actor("acc_aura", "Aude Aura", (Grant(Role.REGION, "aura"),), "192.0.2.2", "req_2")
REUNION = Actor("acc_reunion", "Rémi Réunion", (Grant(Role.REGION, "reunion"),), "192.0.2.3", "req_3")
REFERENT = Actor("acc_referent", "Éva Ehpad", (Grant(Role.REFERENT, "ehpad"),), "192.0.2.4", "req_4")
CLI = Actor("cli:root", "root", SHELL)

# id, parent, kind, name, finess, city
PLACES: Sequence[tuple[str, str | None, str, str, str | None, str | None]] = (
    ("nation", None, "nation", "France", None, None),
    ("aura", "nation", "region", "Auvergne-Rhône-Alpes", None, None),
    ("rhone", "aura", "departement", "Rhône", None, None),
    ("exemple-sante", "rhone", "entite", "Exemple Santé", "690000013", "Lyon"),
    ("ehpad", "exemple-sante", "etablissement", "EHPAD Les Glycines", "690780010", "Lyon"),
    ("ssr", "exemple-sante", "etablissement", "SSR du Lac", "690780028", "Écully"),
    ("ch", "exemple-sante", "etablissement", "CH de l'Exemple", "690780036", "Villeurbanne"),
    ("ch-geriatrie", "ch", "service", "Gériatrie", None, None),
    ("reunion", "nation", "region", "La Réunion", None, None),
    ("chu", "reunion", "etablissement", "CHU de l'Île", "970408589", "Saint-Denis"),
)


def paths(places: Sequence[tuple[str, str | None, Any, Any, Any, Any]] = PLACES) -> Mapping[str, str]:
    """The path of each scope, parents first."""
    found: dict[str | None, str] = {None: "/"}
    for scope_id, parent, *_ in places:
        found[scope_id] = f"{found[parent]}{scope_id}/"
    return {scope_id: path for scope_id, path in found.items() if scope_id is not None}


def place(scope_id: str, parent: str | None, kind: str, name: str, path: str, **more: Any) -> Insert:
    values = {"id": scope_id, "parent_id": parent, "kind": kind, "name": name, "path": path, "source": "test"}
    return Insert("scopes", {**values, "revision": 0, "updated_at": START, "version": 1, **more})


def person(account_id: str, *scopes: str, **more: Any) -> list[Insert]:
    """An account as an import would leave it, attached to these scopes."""
    values: dict[str, Any] = {
        "id": account_id,
        "family_name": account_id.upper(),
        "given_name": "Dominique",
        "search": f"{account_id.upper()} DOMINIQUE",
        "mail": f"{account_id}@example.test",
        "mail_key": f"{account_id}@example.test",
        "mail_canonical": f"{account_id}@example.test",
        "mail_proved_at": START - timedelta(days=100),
        "password_must_change": False,
        "last_sign_in_at": START - timedelta(days=1),
        "origin": "import",
        "space_default": "professionnel",
        "created_at": START - timedelta(days=200),
        "updated_at": START,
        "version": 1,
    }
    account = Insert("accounts", {**values, **more})
    return [account, *(_attached(account_id, scope) for scope in scopes)]


def _attached(account_id: str, scope: str) -> Insert:
    return Insert("memberships", {"account_id": account_id, "scope_id": scope, "since": START})


class FakeOverview:
    """Counts set by hand, by scope: (people, ready). Sums are of the scopes asked for and those below, each once."""

    def __init__(self) -> None:
        self.by_path: dict[str, tuple[int, int]] = {}
        self.asked: list[tuple[str, ...]] = []

    def _sum(self, tops: Sequence[str]) -> tuple[int, int]:
        found = [pair for path, pair in self.by_path.items() if any(path.startswith(top) for top in tops)]
        return sum(one for one, _ in found), sum(ready for _, ready in found)

    async def people(self, scope_ids: Sequence[str]) -> Mapping[str, int]:
        return {one: self._sum([path for path in self.by_path if f"/{one}/" in path])[0] for one in scope_ids}

    async def accounts(self, query: AccountQuery, measure: Measure) -> Page:
        return Page((), "")

    async def readiness(self, reach: Sequence[str], measure: Measure) -> Readiness:
        self.asked.append(tuple(reach))
        people, ready = self._sum(reach)
        return Readiness(people, ready, {**dict.fromkeys(CATEGORIES, 0), "no_mail": people - ready})

    async def readiness_each(self, tops: Mapping[str, str], measure: Measure) -> Mapping[str, Readiness]:
        return {one: await self.readiness((top,), measure) for one, top in tops.items()}

    async def statistics(self, reach: Sequence[str], since: str, until: str) -> Sequence[Row]:
        return ()

    async def by_region(self, reach: Sequence[str], since: str, until: str) -> Sequence[Row]:
        return ()

    async def audit(self, query: AuditQuery) -> Sequence[Row]:
        return ()

    async def places(self, account_ids: Sequence[str], reach: Sequence[str]) -> Mapping[str, Sequence[str]]:
        return dict.fromkeys(account_ids, ())


@dataclass
class World:
    """``worker()`` is another worker's desk on the same database."""

    records: Database
    desk: PolicyDesk
    ambient: TestAmbient = field(default_factory=TestAmbient)
    overview: FakeOverview = field(default_factory=FakeOverview)

    def __post_init__(self) -> None:
        self.audit = Journal(self.records, b"k" * 32)
        self.revisions = Revisions(self.records, None)

    @property
    def now(self) -> datetime:
        return self.ambient.now()

    async def worker(self) -> PolicyDesk:
        desk = PolicyDesk(self.records, defaults(), timedelta(minutes=15))
        await desk.refresh()
        return desk

    async def audited(self, act: str = "") -> list[dict[str, Any]]:
        """Rows of the audit with their facts read, oldest first."""
        rows = await self.records.find("audit", {"act": act} if act else {}, order=("seq",))
        return [{**row, "facts": json.loads(str(row["facts"]))} for row in rows]


def defaults() -> Defaults:
    means = ("otp_mail", "otp_sms", "otp_totp", "passkey", "password")
    transition = {name: Legal(Status.TRANSITION, until=CUT_OFF) for name in means}
    return Defaults(CUT_OFF, legal={"psc": Legal(Status.PSC), "card": Legal(Status.CPX), **transition})


@asynccontextmanager
async def world_on(url: str) -> AsyncIterator[World]:
    """The world on the database at this address, migrated and seeded."""
    records = await opened(url)
    try:
        where = paths()
        await records.write(
            *(
                place(scope_id, parent, kind, name, where[scope_id], finess=finess, city=city)
                for scope_id, parent, kind, name, finess, city in PLACES
            )
        )
        desk = PolicyDesk(records, defaults(), timedelta(minutes=15))
        await desk.refresh()
        yield World(records, desk)
    finally:
        await records.close()


@asynccontextmanager
async def world_in(folder: Path) -> AsyncIterator[World]:
    async with world_on(f"sqlite:///{folder / 'records.db'}") as world:
        yield world
