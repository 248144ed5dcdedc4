"""A small country on SQLite for the tests of reports: two regions, three establishments, a service, some people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gateway.accounts.account import Grant, Role
from gateway.administration.actor import Actor
from gateway.desk import PolicyDesk
from gateway.edges.database import Database
from gateway.edges.overview import SqlOverview
from gateway.edges.tally import Tally
from gateway.identity import searchable
from gateway.overview import Measure
from gateway.policy.establishments import Defaults
from gateway.ports import Insert
from tests.blank import opened

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
PARIS = ZoneInfo("Europe/Paris")
PATHS = {
    "nation": "/nation/",
    "ara": "/nation/ara/",
    "naq": "/nation/naq/",
    "lyon": "/nation/ara/lyon/",
    "urgences": "/nation/ara/lyon/urgences/",
    "vienne": "/nation/ara/vienne/",
    "pau": "/nation/naq/pau/",
}
KINDS = {"nation": "nation", "ara": "region", "naq": "region", "urgences": "service"}
NATIONAL = Actor("acc_n", "Nationale", (Grant(Role.NATIONAL, ""),))
REGIONAL = Actor("acc_r", "Régionale", (Grant(Role.REGION, "ara"),))
REFERENT = Actor("acc_f", "Référente", (Grant(Role.REFERENT, "lyon"),))
NOBODY = Actor("acc_x", "Personne", ())


def measure(now: datetime) -> Measure:
    return Measure(now, timedelta(days=365), ("SERVICE",), ("accueil",))


@dataclass
class Country:
    database: Database
    overview: SqlOverview
    desk: PolicyDesk
    tally: Tally

    async def person(self, name: str, *scopes: str, **changes: Any) -> None:
        mail = f"{name}@example.test"
        values: dict[str, Any] = {
            "id": f"acc_{name}", "family_name": name.upper(), "given_name": "Zoé", "search": searchable(name, "Zoé"),
            "mail": mail, "mail_key": mail, "mail_canonical": mail, "mail_proved_at": NOW, "first_strong_at": NOW,
            "last_sign_in_at": NOW, "origin": "import", "space_default": "professionnel", "password_must_change": False,
            "created_at": NOW, "updated_at": NOW, "version": 1,
        }  # fmt: skip
        await self.database.write(
            Insert("accounts", values | changes),
            *(Insert("memberships", {"account_id": f"acc_{name}", "scope_id": one, "since": NOW}) for one in scopes),
        )

    async def sign_in(self, number: int, name: str, at: datetime, method: str = "cps") -> None:
        word = {"password": "password", "otp-mail": "transition"}.get(method, "substantial")
        values = {
            "id": f"sgn_{number}", "account_id": f"acc_{name}", "at": at, "method": method, "assurance": word,
            "space": "professionnel",
        }  # fmt: skip
        await self.database.write(Insert("sign_ins", values))

    async def trace(
        self, act: str, at: datetime, account: str | None, facts: str = "{}", reason: str | None = None
    ) -> None:
        await self.database.write(
            Insert("audit", {"at": at, "act": act, "account": account, "reason": reason, "facts": facts})
        )


@asynccontextmanager
async def country(url: str | Path) -> AsyncIterator[Country]:
    database = await opened(f"sqlite:///{url}" if isinstance(url, Path) else url)
    for one, path in PATHS.items():
        parent = path.split("/")[-3] or None
        await database.write(
            Insert("scopes", {
                "id": one, "parent_id": parent, "kind": KINDS.get(one, "etablissement"), "name": one.title(),
                "path": path, "revision": 1, "updated_at": NOW, "version": 1,
            })
        )  # fmt: skip
    await database.write(
        Insert("switches", {
            "id": "swi_1", "scope_id": "lyon", "state": "strong", "effective_from": NOW - timedelta(days=9),
            "reason": "Campagne", "author": "acc_r", "kind": "switch", "created_at": NOW - timedelta(days=9),
        })
    )  # fmt: skip
    desk = PolicyDesk(database, Defaults(datetime(2030, 1, 1, tzinfo=UTC)), timedelta(minutes=15))
    await desk.refresh()
    yield Country(database, SqlOverview(database), desk, Tally(database))
    await database.close()
