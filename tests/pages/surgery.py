"""A doctor's surgery for the pages of delegations: real records, sessions and offices; a directory and a post of the test.

People: Dr Luc BERNARD and Dr Anne PETIT (médecins libéraux), Léa MOREAU (secretary with a CPE), Paul HENRY (secretary).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.accounts.account import Account
from gateway.accounts.delegation import Delegation, Kind, State
from gateway.accounts.delegations import Delegations
from gateway.accounts.register import Register
from gateway.delegations.author import By
from gateway.delegations.context import Contexts
from gateway.delegations.office import DelegationOffice
from gateway.delegations.receiving import ReceivingOffice
from gateway.delegations.search import DirectorySearch
from gateway.edges.memory_store import MemoryStore
from gateway.identity import Assurance, Method, NationalId, Proof, Space
from gateway.pages.acting import ActingPages
from gateway.pages.base import BROWSER, SESSION
from gateway.pages.delegating import DelegatingPages
from gateway.pages.delegation_detail import DelegationDetail
from gateway.pages.delegations import DelegationPages
from gateway.pages.house import HOUSE
from gateway.policy.delegation import DelegationRules, period
from gateway.ports import Insert, Listed
from gateway.reasons import DirectoryUnavailable
from gateway.session.keeper import Keeper, digest_of
from gateway.session.model import Lifetimes, Session
from gateway.texts import Text
from tests.administration.world import World, person, world_in
from tests.pages.hollow import PREFIX, house_of

PAGE = f"{PREFIX}/delegations"
STAMPS = {
    "vtgw-client": "192.0.2.7",
    "vtgw-request-id": "ab" * 16,
    "vtgw-scheme": "https",
    "vtgw-host": "vt.test",
}
COOKIE = "b" * 43
LIVES = Lifetimes(timedelta(hours=4), timedelta(hours=4))
BERNARD, PETIT, MOREAU, HENRY = "acc_bernard", "acc_petit", "acc_moreau", "acc_henry"
_PEOPLE = (
    (BERNARD, "BERNARD", "Luc", "10", "899700100011", Space.LIBERAL),
    (PETIT, "PETIT", "Anne", "10", "899700100029", Space.LIBERAL),
    (MOREAU, "MOREAU", "Léa", None, "3690780028/000000042", Space.PROFESSIONNEL),
    (HENRY, "HENRY", "Paul", None, "3690780028/000000043", Space.PROFESSIONNEL),
)
GARNIER = Listed(
    "99700100060",
    "GARNIER",
    "Élodie",
    "10",
    "SM54",
    "Médecine générale",
    (("69003", "Lyon"), ("69100", "Villeurbanne")),
)
PETIT_LISTED = Listed("99700100029", "PETIT", "Anne", "10", "SM54", "", (("38000", "Grenoble"),))


class PaperDirectory:
    """What the test wrote down; ``down`` answers nothing."""

    def __init__(self) -> None:
        self.known: list[Listed] = [GARNIER, PETIT_LISTED]
        self.down = False
        self.asked: list[tuple[str, str]] = []
        self.more = False

    async def search(self, name: str, postal_code: str = "", *, limit: int = 50) -> tuple[Sequence[Listed], bool]:
        self._up()
        self.asked.append((name, postal_code))
        fit = [one for one in self.known if one.family_name.lower().startswith(name.lower()) and one.active]
        return [one for one in fit if any(code.startswith(postal_code) for code, _ in one.places)], self.more

    async def by_rpps(self, rpps: str) -> Listed | None:
        self._up()
        return next((one for one in self.known if one.rpps == rpps), None)

    async def close(self) -> None: ...

    def _up(self) -> None:
        if self.down:
            raise DirectoryUnavailable("the test says so")


@dataclass
class Reading:
    """A page: status, where it leads, and what is on it."""

    status: int
    where: str
    text: str
    headers: dict[str, str]

    @property
    def words(self) -> str:
        """What is read, in one line."""
        return _Words.of(self.text.partition("<main")[2].partition("</main>")[0])

    @property
    def folded(self) -> str:
        """What is read from the first folded part on."""
        return _Words.of(self.text.partition("<details")[2].partition("</main>")[0])

    def input(self, name: str, value: str = "") -> dict[str, str]:
        """The attributes of the field of this name (and value)."""
        for tag in re.findall(r"<input[^>]*>", self.text):
            found = dict(re.findall(r'([a-z-]+)(?:="([^"]*)")?', tag.removeprefix("<input")))
            if found.get("name") == name and (not value or found.get("value") == value):
                return found
        raise AssertionError(f"no field {name} {value}: {self.words}")


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    @classmethod
    def of(cls, text: str) -> str:
        reader = cls()
        reader.feed(text)
        return " ".join(" ".join(reader.said).replace("\u00a0", " ").split())


@dataclass
class Surgery:
    world: World
    client: TestClient[Any, Any]
    keeper: Keeper
    register: Register
    delegations: Delegations
    office: DelegationOffice
    receiving: ReceivingOffice
    directory: PaperDirectory
    rules: DelegationRules
    posted: list[tuple[str, Text]] = field(default_factory=list)
    ticket: str = ""

    @property
    def now(self) -> datetime:
        return self.world.now

    def day(self, days: int = 0) -> str:
        """A day from today on, as date fields send it."""
        return ((self.now + timedelta(days=days)).astimezone(self.rules.zone)).date().isoformat()

    async def be(
        self,
        who: str = BERNARD,
        *,
        space: Space = Space.LIBERAL,
        method: Method = Method.CPS,
        assurance: Assurance = Assurance.SUBSTANTIAL,
    ) -> By:
        """Signed in this instant."""
        account = await self.account(who)
        proof = Proof(account.identity, method, assurance, self.now)
        self.ticket, session = await self.keeper.open(who, space, (proof,), LIVES, self.now)
        return By(account, session)

    async def account(self, who: str) -> Account:
        found = await self.register.by_id(who)
        assert found is not None
        return found

    async def acts_for(self, delegation: Delegation) -> None:
        """« Agir pour », by whoever is signed in."""
        session = await self.keeper.resume(digest_of(self.ticket), self.now)
        assert session is not None
        account = await self.account(session.account)
        ticket = "t" + self.world.ambient.token(32)
        begun = await self.receiving.begin(By(account, session), delegation.id, self.now, ticket)
        assert isinstance(begun, Session), begun
        self.ticket = ticket

    async def get(self, path: str = "") -> Reading:
        answer = await self.client.get(PAGE + path, headers=self._headers(), allow_redirects=False)
        return Reading(answer.status, answer.headers.get("Location", ""), await answer.text(), dict(answer.headers))

    async def post(self, path: str, *, csrf: str = "", **fields: str | list[str]) -> Reading:
        who = hashlib.sha256(COOKIE.encode()).hexdigest()[:32]
        headers = {**self._headers(), "Content-Type": "application/x-www-form-urlencoded"}
        data = urlencode({"csrf": csrf or f"{who}.{self._word(who)}", **fields}, doseq=True)
        answer = await self.client.post(PAGE + path, data=data, headers=headers, allow_redirects=False)
        return Reading(answer.status, answer.headers.get("Location", ""), await answer.text(), dict(answer.headers))

    def _word(self, who: str) -> str:
        return hmac.new(b"k" * 32, who.encode(), "sha256").hexdigest()[:32]

    def _headers(self) -> dict[str, str]:
        session = f"{SESSION}={self.ticket}; " if self.ticket else ""
        return {"Cookie": f"{session}{BROWSER}={COOKIE}"}

    async def has(self, state: State = State.ACTIVE, doctor: str = BERNARD, **more: Any) -> Delegation:
        """A delegation of this doctor to Léa Moreau, in this state, written straight into the records."""
        first = (self.now + timedelta(days=3 if state is State.NOT_STARTED else -2)).astimezone(self.rules.zone).date()
        last = first + timedelta(days=1 if state is State.EXPIRED else 30)
        begins, ends = period(first, last, self.rules.zone)
        given = await self.delegations.given_by(doctor)
        made = Delegation(
            id="dlg_" + self.world.ambient.token(12),
            number=max((one.number for one in given), default=0) + 1,
            delegator=doctor,
            kind=Kind.ASSISTANT,
            family_name="MOREAU",
            given_name="Léa",
            rights=frozenset({"grandage:consulter", "grandage:completer"}),
            begins=begins,
            ends=ends,
            created_at=self.now - timedelta(days=5),
            mail="lea.moreau@example.test",
            profession="Secrétaire médicale",
        )
        accepted = {"finalised_at": self.now - timedelta(days=4), "delegate": MOREAU}
        by_state: dict[State, dict[str, Any]] = {
            State.INVITED: {"invite_digest": made.id, "invite_until": self.now + timedelta(days=9)},
            State.INVITATION_EXPIRED: {"invite_digest": made.id, "invite_until": self.now - timedelta(hours=1)},
            State.PENDING_CONFIRMATION: {"proposed": HENRY, "proposed_name": "Paul HENRY", "proposed_at": self.now},
            State.NOT_STARTED: accepted,
            State.ACTIVE: accepted,
            State.EXPIRED: accepted,
            State.REVOKED: {**accepted, "revoked_at": self.now, "revoked_by": "delegator"},
        }
        made = replace(made, **{**by_state[state], **more})
        assert made.state(self.now) is state
        await self.delegations.add(made, doctor, {"kind": made.kind.value})
        return made

    async def colleague(self, doctor: str = PETIT, **more: Any) -> Delegation:
        """Dr Petit has given all of hers to Dr Bernard, or as ``more`` says."""
        fields = {
            "kind": Kind.COLLEAGUE, "family_name": "BERNARD", "given_name": "Luc", "rights": frozenset(), "mail": None,
            "delegate": BERNARD, "delegate_key": "899700100011", "profession": "Médecine générale",
            "place": "69003 Lyon", **more,
        }  # fmt: skip
        return await self.has(State.ACTIVE, doctor, **fields)

    async def read(self, one: Delegation) -> Delegation:
        found = await self.delegations.by_id(one.id)
        assert found is not None
        return found

    async def mine(self, doctor: str = BERNARD) -> tuple[Delegation, ...]:
        return await self.delegations.given_by(doctor)


@asynccontextmanager
async def surgery(folder: Path, rules: DelegationRules | None = None, *, searches: int = 60) -> AsyncIterator[Surgery]:
    """The pages over their real offices, and nobody signed in."""
    rules = rules or DelegationRules()
    async with world_in(folder) as world:
        for account, family, given, profession, number, space in _PEOPLE:
            assert NationalId.parse(number) is not None
            await world.records.write(
                *person(
                    account,
                    family_name=family,
                    given_name=given,
                    profession=profession,
                    national_id=number,
                    space_default=space.value,
                    first_strong_at=world.now - timedelta(days=90),
                ),
                Insert("logins", {"key": number, "account_id": account, "created_at": world.now}),
            )
        store, directory = MemoryStore(world.ambient), PaperDirectory()
        keeper, register = Keeper(store, store, world.ambient), Register(world.records, world.ambient)
        delegations = Delegations(world.records, world.ambient)
        posted: list[tuple[str, Text]] = []

        def post(account: Account, text: Text, kind: str, correlation: str, *, to: str | None = None) -> None:
            posted.append((to or account.mail or "", text))

        shared: dict[str, Any] = {
            "delegations": delegations, "register": register, "audit": world.audit, "bus": store, "post": post,
            "rules": rules, "base": f"https://vt.test{PREFIX}", "zone": rules.zone,
        }  # fmt: skip
        office = DelegationOffice(**shared, ambient=world.ambient, directory=directory)
        receiving = ReceivingOffice(**shared, keeper=keeper)
        search = DirectorySearch(store, world.audit, directory, rules, searches)
        house = house_of(
            ambient=world.ambient,
            store=store,
            keeper=keeper,
            register=register,
            contexts=Contexts(delegations, register, rules),
            audit=world.audit,
            physicians=rules.physicians,
            dormancy=rules.dormancy,
            rules=SimpleNamespace(
                above=lambda scope: [scope],
                banner=lambda account, now: "",
                contexts=(),
                contacts=lambda account, now: (),
            ),
        )
        app = web.Application()
        app[HOUSE] = house
        for room in (
            DelegationPages(house, office, receiving),
            DelegatingPages(house, office, search),
            DelegationDetail(house, office, register),
            ActingPages(house, receiving),
        ):
            app.router.add_routes(room.routes())
        async with TestClient(TestServer(app), headers=STAMPS) as client:
            yield Surgery(
                world, client, keeper, register, delegations, office, receiving, directory, rules, posted=posted
            )
