"""The API as the pages' application serves it, over real offices on a real database; with tokens of every role.

The door's headers are stamped by the client, as the door would. People: ``anna`` works in the EHPAD, ``bruno`` in the SSR,
``chloe`` on the other island, ``nobody`` nowhere; the administrators are accounts too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from gateway.accounts.account import Role
from gateway.accounts.delegations import Delegations
from gateway.accounts.mailboxes import Mailboxes
from gateway.accounts.register import Register
from gateway.administration.audit_trail import AuditTrail
from gateway.administration.compliance import Compliance, ComplianceSettings
from gateway.administration.dashboard import Dashboard
from gateway.administration.explain import Explainer, ExplainSettings
from gateway.administration.imports import Imports
from gateway.administration.invitations import Invitations, InvitationSettings
from gateway.administration.offices import Offices
from gateway.administration.people import PeopleOffice, PeopleSettings
from gateway.administration.readiness import ReadinessReport
from gateway.administration.scopes import Bounds, ScopeOffice
from gateway.administration.switching import SwitchBoard, SwitchSettings
from gateway.administration.tokens import Tokens
from gateway.api.app import Api
from gateway.api.imports import UploadSettings
from gateway.api.operation import Operation
from gateway.api.table import ROOT, operations, with_document
from gateway.delegations.context import Contexts
from gateway.edges.memory_store import MemoryStore
from gateway.edges.overview import SqlOverview
from gateway.identity import Assurance, Method, Proof, Space
from gateway.overview import Measure
from gateway.pages.app import make_app
from gateway.pages.base import BROWSER, SESSION
from gateway.pages.house import House
from gateway.policy.decision import Rules
from gateway.policy.delegation import DelegationRules
from gateway.policy.routes import Route, RouteClass, RouteTable
from gateway.policy.throttle import Pace
from gateway.ports import Change, Delete, Insert, Update
from gateway.providers.devices import Devices
from gateway.providers.tries import Tries
from gateway.reasons import Reason
from gateway.session.keeper import Keeper
from gateway.session.model import Lifetimes
from tests.administration.world import NATIONAL, World, person, world_in
from tests.delegations.watch import Watch, watch_over
from tests.pages.hollow import PREFIX, house_of

BASE = PREFIX + ROOT
DORMANCY = timedelta(days=365)
STAMPED = {
    "vtgw-client": "192.0.2.7", "vtgw-request-id": "ab" * 16, "vtgw-scheme": "https", "vtgw-host": "vt.test",
}  # fmt: skip
PEOPLE = {
    "anna": ("ehpad",), "bruno": ("ssr",), "chloe": ("chu",), "both": ("ehpad", "chu"), "nobody": (), "nora": ("ehpad",),
    "aude": ("aura",), "remi": ("reunion",), "eva": ("ehpad",),
}  # fmt: skip
GRANTS = (
    ("nora", "national", "nation"),
    ("aude", "region", "aura"),
    ("remi", "region", "reunion"),
    ("eva", "referent", "ehpad"),
)


class PostBox:
    """Mails that were posted."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    def post(self, account: Any, text: Any, kind: str, correlation: str, *, to: str | None = None) -> None:
        self.sent.append((to or account.mail, kind))


@dataclass
class Office:
    """A running API. ``tokens``: secrets by name; ``ticket``: of a session of the national administrator."""

    world: World
    client: TestClient[Any, Any]
    offices: Offices
    table: list[Operation]
    store: MemoryStore
    keeper: Keeper
    register: Register
    uploads: Path
    watch: Watch
    tokens: dict[str, str] = field(default_factory=dict)

    async def ask(
        self, method: str, path: str, who: str | None = "national", *, tag: int | str | None = None, **how: Any
    ) -> ClientResponse:
        """One request, with the token of this name (or this very secret); ``tag``: the version for If-Match."""
        headers = dict(how.pop("headers", {}))
        if who is not None:
            headers["Authorization"] = f"Bearer {self.tokens.get(who, who)}"
        if tag is not None:
            headers["If-Match"] = f'"{tag}"'
        return await self.client.request(method, f"{BASE}/{path}", headers=headers, **how)

    async def said(self, method: str, path: str, who: str | None = "national", **how: Any) -> Any:
        """The body of an answer that went well."""
        async with await self.ask(method, path, who, **how) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json()

    async def status(self, method: str, path: str, who: str | None = "national", **how: Any) -> int:
        async with await self.ask(method, path, who, **how) as answer:
            await answer.read()
            return answer.status

    async def put_back(self) -> None:
        """Undo what an operation did to the world: scopes, switches, requests and the people of the seed."""
        records = self.world.records
        rows = await records.find("switches", {"cancelled_at": None})
        settled = {"settled_at": self.world.now, "outcome": "done", "settled_by": "cli:root"}
        cancelled = {"cancelled_at": self.world.now, "cancelled_by": "cli:root", "cancel_reason": "essai"}
        changes: list[Change] = [Update("switches", cancelled, {"id": row["id"]}) for row in rows]
        changes += [
            Update("requests", settled, {"id": row["id"]})
            for row in await records.find("requests", {"settled_at": None})
        ]
        await self.world.revisions.write(
            lambda revision: [Update("scopes", {"revision": revision}, {"id": "ehpad"}), *changes]
        )
        await self.world.desk.refresh()
        await records.write(
            *(Update("accounts", {"suspended_at": None}, {"id": who}) for who in PEOPLE),
            Delete("roles", {"account_id": list(PEOPLE)}),
            Delete("memberships", {"account_id": list(PEOPLE)}),
            *_grants(self.world),
            *(
                Insert("memberships", {"account_id": who, "scope_id": one, "since": self.world.now})
                for who, scopes in PEOPLE.items()
                for one in scopes
            ),
        )

    async def signed_in(self, account_id: str, *, strong: bool = True) -> dict[str, str]:
        """Cookies of a browser in which this account has a session."""
        account = await self.register.by_id(account_id)
        assert account is not None
        method, level = (Method.PSC_CPS, Assurance.SUBSTANTIAL) if strong else (Method.PASSWORD, Assurance.PASSWORD)
        proof = Proof(account.identity, method, level, self.world.now)
        ticket, _ = await self.keeper.open(account_id, Space.PROFESSIONNEL, (proof,), Lifetimes(), self.world.now)
        return {SESSION: ticket, BROWSER: "browser-of-the-tests-0123456789"}


@asynccontextmanager
async def office_in(folder: Path) -> AsyncIterator[Office]:
    """A world of its own with its API on loopback."""
    async with world_in(folder) as world:
        store = MemoryStore(world.ambient)
        keeper, register = Keeper(store, store, world.ambient), Register(world.records, world.ambient)
        await _people(world)
        offices = await _offices(world, store, keeper, register, folder)
        house = _house(world, store, keeper, register)
        watch = watch_over(world, store)
        uploads = UploadSettings(folder / "uploads", 400_000, wait=5)
        table = with_document(operations(offices, uploads, watch.oversight), BASE)
        app = make_app(house, [Api(house, table, offices.tokens.actor_of)])
        async with TestClient(TestServer(app), headers=STAMPED) as client:
            office = Office(world, client, offices, table, store, keeper, register, uploads.folder, watch)
            await _give_tokens(office)
            yield office
        await _close(offices)


async def _people(world: World) -> None:
    await world.records.write(*(one for who, scopes in PEOPLE.items() for one in person(who, *scopes)), *_grants(world))


def _grants(world: World) -> list[Insert]:
    given = {"granted_by": "cli:root", "since": world.now}
    return [
        Insert("roles", {"account_id": who, "role": role, "scope_id": scope, **given}) for who, role, scope in GRANTS
    ]


def _measure(now: datetime) -> Measure:
    return Measure(now, DORMANCY, ("ACCUEIL",), ("accueil",))


async def _offices(world: World, store: MemoryStore, keeper: Keeper, register: Register, folder: Path) -> Offices:
    limit = timedelta(hours=8)
    zone, overview = ZoneInfo("Europe/Paris"), SqlOverview(world.records)
    return Offices(
        desk=world.desk,
        overview=overview,
        dashboard=Dashboard(world.desk, overview, _measure, zone),
        readiness=ReadinessReport(world.desk, overview, _measure, zone, world.audit),
        measure=_measure,
        scopes=ScopeOffice(
            world.records, world.revisions, world.audit, world.desk, world.ambient, Bounds(limit, limit, limit, limit)
        ),
        switches=SwitchBoard(
            world.records, world.revisions, world.audit, world.desk, overview, world.ambient,
            SwitchSettings(timedelta(days=365), timedelta(hours=24), False, True, DORMANCY, (), (), zone),
        ),
        people=PeopleOffice(
            world.records, register, keeper, store, world.audit, world.desk, Mailboxes(world.records),
            Invitations(store, world.ambient, InvitationSettings("https://vt.test/_gateway")), PostBox(), world.ambient,
            PeopleSettings(DORMANCY),
        ),
        tokens=Tokens(world.records, world.audit, world.desk, world.ambient, 90),
        audit_trail=AuditTrail(overview, world.audit, world.desk),
        compliance=Compliance(world.desk, overview, world.records, _compliance_settings(zone)),
        explainer=_explainer(world, register, zone),
        imports=Imports(world.records, world.ambient, world.audit, world.revisions, world.desk, store),
    )  # fmt: skip


def _compliance_settings(zone: ZoneInfo) -> ComplianceSettings:
    return ComplianceSettings(
        offered=frozenset({"psc", "card", "password"}), password_bits=0, failures_in_a_row=5,
        failures_in_a_day=25, idle=timedelta(minutes=30), absolute=timedelta(hours=4), revocation="hard",
        revoke_on_enable=True, derogation_max=timedelta(days=365), breakglass_max=timedelta(hours=24), dormancy=DORMANCY,
        generic_names=(), generic_mailboxes=(), zone=zone,
    )  # fmt: skip


class _Channels:
    async def usable(self, account: Any, policy: Any) -> tuple[tuple[str, ...], Reason]:
        return tuple(policy.channels), Reason.NO_CHANNEL


def _explainer(world: World, register: Register, zone: ZoneInfo) -> Explainer:
    settings = ExplainSettings(
        arrival=lambda *_, **__: None, offered=dict.fromkeys(Space, ("psc", "password")),
        requires_prior_strong=False, entries=("/",), hosts=frozenset({"vt.test"}), prefix=PREFIX, reserved=frozenset(),
        zone=zone,
    )  # fmt: skip
    routes = RouteTable([Route("/", RouteClass.PROTECTED, "vt", Space.PROFESSIONNEL)])
    return Explainer(world.desk, register, world.records, routes, Rules("1"), _Channels(), settings)


async def _close(offices: Any) -> None:
    await offices.imports.close()


def _house(world: World, store: MemoryStore, keeper: Keeper, register: Register) -> House:
    pace = Pace()
    return house_of(
        ambient=world.ambient,
        store=store,
        keeper=keeper,
        register=register,
        contexts=Contexts(Delegations(world.records, world.ambient), register, DelegationRules()),
        dormancy=DORMANCY,
        admin_methods=frozenset({Method.PSC_CPS, Method.CPS}),
        tries=Tries(store, Devices(store, timedelta(days=1)), b"t" * 32, pace, pace),
        rules=world.desk,
    )


async def _give_tokens(office: Office) -> None:
    tokens, now = office.offices.tokens, office.world.now
    given = (
        ("national", Role.NATIONAL, "nation"), ("region", Role.REGION, "aura"), ("other", Role.REGION, "reunion"),
        ("referent", Role.REFERENT, "ehpad"), ("revoked", Role.NATIONAL, "nation"), ("expired", Role.NATIONAL, "nation"),
    )  # fmt: skip
    for name, role, scope in given:
        made, office.tokens[name] = await tokens.create(
            NATIONAL, name, role, scope, now, days=1 if name == "expired" else 90
        )
        if name == "revoked":
            await tokens.revoke(NATIONAL, made, now)
    office.world.ambient.advance(86_401)
