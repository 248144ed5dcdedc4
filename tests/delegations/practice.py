"""A practice on one database: two doctors, their staff, a directory and a post of the test, a clock that only it moves.

Dr Luc BERNARD gives; Léa MOREAU (secretary, CPE) and Paul HENRY (likewise) receive; Dr Anne PETIT is a colleague.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from gateway.accounts.account import Account
from gateway.accounts.delegation import Delegation
from gateway.accounts.delegations import Delegations
from gateway.accounts.register import Register
from gateway.delegations.author import By
from gateway.delegations.context import Contexts
from gateway.delegations.forms import Invitation
from gateway.delegations.office import DelegationOffice
from gateway.delegations.receiving import ReceivingOffice
from gateway.delegations.search import DirectorySearch
from gateway.edges.database import Database
from gateway.edges.memory_store import MemoryStore
from gateway.identity import Assurance, Identity, Method, NationalId, Proof, Space
from gateway.policy.delegation import PARIS, DelegationRules
from gateway.ports import Audit, Insert, Listed
from gateway.reasons import DirectoryUnavailable, RecordsUnavailable
from gateway.session.keeper import Keeper, digest_of
from gateway.session.model import Lifetimes, Session
from gateway.texts import Text
from tests.accounts.shelf import account
from tests.ambient import START, TestAmbient
from tests.blank import opened

DAY = timedelta(days=1)
TODAY = date(2026, 3, 2)  # START, in Paris
BASE = "https://vt.test/_gateway"
RULES = DelegationRules()
NUMBERS = {
    "bernard": "899700100011",
    "petit": "899700100029",
    "moreau": "3690780028/000000042",
    "henry": "3690780028/000000043",
}
NAMES = {
    "bernard": ("BERNARD", "Luc", "10"),
    "petit": ("PETIT", "Anne", "10"),
    "moreau": ("MOREAU", "Léa", None),
    "henry": ("HENRY", "Paul", None),
}
MAIL = "lea@example.test"
PETIT = Listed("99700100029", "PETIT", "Anne", "10", "SM54", "Médecine générale", (("38000", "GRENOBLE"),))
GARNIER = Listed("99700100060", "GARNIER", "Élodie", "10", "SM54", "Médecine générale")
BERNARD = Listed("99700100011", "BERNARD", "Luc", "10", "SM54", "", (("69003", "LYON"),))


class PaperDirectory:
    """What the test wrote down."""

    def __init__(self) -> None:
        self.known: list[Listed] = [PETIT, GARNIER, BERNARD]
        self.down = False
        self.asked: list[tuple[str, str]] = []

    async def search(self, name: str, postal_code: str = "", *, limit: int = 50) -> tuple[Sequence[Listed], bool]:
        self.asked.append((name, postal_code))
        if self.down:
            raise DirectoryUnavailable("the test says so")
        return tuple(self.known), False

    async def by_rpps(self, rpps: str) -> Listed | None:
        self.asked.append((rpps, ""))
        if self.down:
            raise DirectoryUnavailable("the test says so")
        return next((one for one in self.known if one.rpps == rpps), None)

    async def close(self) -> None: ...


class Trail:
    """The audit: what was recorded, each with what the database held of delegations at that instant."""

    def __init__(self, records: Database) -> None:
        self._records = records
        self.records: list[Any] = []
        self.held: list[int] = []
        self.down = False

    async def record(self, record: Any) -> None:
        if self.down:
            raise RecordsUnavailable("the test says so")
        self.records.append(record)
        self.held.append(await self._records.count("delegation_history", {}))

    def said(self) -> list[str]:
        return [one.act.value for one in self.records]


class Practice:
    def __init__(self, records: Database, rules: DelegationRules = RULES) -> None:
        self.records = records
        self.rules = rules
        self.ambient = TestAmbient()
        self.store = MemoryStore(self.ambient)
        self.heard: list[str] = []
        self.store.listen(self.heard.append)
        self.trail = Trail(records)
        self.audit: Audit = self.trail
        self.register = Register(records, self.ambient)
        self.delegations = Delegations(records, self.ambient)
        self.keeper = Keeper(self.store, self.store, self.ambient)
        self.directory = PaperDirectory()
        self.letters: list[tuple[str, Text]] = []
        self.furnish(rules)

    def furnish(self, rules: DelegationRules) -> None:
        """The offices, as a deployment with these rules has them."""
        self.rules = rules
        shared: dict[str, Any] = {
            "delegations": self.delegations,
            "register": self.register,
            "audit": self.audit,
            "bus": self.store,
            "post": self.post,
            "rules": rules,
            "base": BASE,
            "zone": PARIS,
        }
        self.office = DelegationOffice(directory=self.directory, ambient=self.ambient, **shared)
        self.receiving = ReceivingOffice(keeper=self.keeper, **shared)
        self.contexts = Contexts(self.delegations, self.register, rules)
        self.search = DirectorySearch(self.store, self.audit, self.directory, rules, 5)

    def post(self, account: Account, text: Text, kind: str, correlation: str, *, to: str | None = None) -> None:
        assert kind == "delegation"
        self.letters.append((to or account.mail or "", text))

    @property
    def now(self) -> datetime:
        return self.ambient.now()

    def at(self, instant: datetime) -> None:
        self.ambient.instant = instant

    async def account(self, name: str) -> Account:
        found = await self.register.by_id(f"acc_{name}")
        assert found is not None
        return found

    def proof(self, name: str, method: Method = Method.CPS, **changes: Any) -> Proof:
        family, given, profession = NAMES[name]
        identity = Identity(NationalId.parse(NUMBERS[name]), family, given, profession)
        level = Assurance.SUBSTANTIAL if method in (Method.CPS, Method.CPE, Method.CPA) else Assurance.TRANSITION
        return replace(Proof(identity, method, level, self.now), **changes)

    async def by(self, name: str, *proofs: Proof, space: Space | None = None) -> By:
        """This person, signed in now: doctors by CPS in their space, staff by CPE."""
        is_doctor = NAMES[name][2] is not None
        chosen = proofs or (self.proof(name, Method.CPS if is_doctor else Method.CPE),)
        where = space or (Space.LIBERAL if is_doctor else Space.PROFESSIONNEL)
        _, session = await self.keeper.open(f"acc_{name}", where, chosen, Lifetimes(), self.now)
        return By(await self.account(name), session, "192.0.2.7", "req_1")

    async def there(self, session: Session) -> bool:
        return await self.keeper.resume(session.digest, self.now) is not None

    async def held(self, delegation_id: str) -> Delegation:
        found = await self.delegations.by_id(delegation_id)
        assert found is not None
        return found

    async def past(self, delegation_id: str) -> list[str]:
        return [one.what for one in await self.delegations.history(delegation_id)]

    def token(self) -> str:
        """Of the last link in a mail."""
        text = next(text.text for _, text in reversed(self.letters) if "token=" in text.text)
        return text.partition("token=")[2].split()[0]

    def mailed(self) -> list[tuple[str, str]]:
        """To whom, and what about; then the box is emptied."""
        told = [(to, text.subject.removeprefix("ViaTrajectoire : ")) for to, text in self.letters]
        self.letters.clear()
        return told

    async def invited(self, by: By | None = None, **changes: Any) -> tuple[Delegation, str]:
        """Léa Moreau, invited by Dr Bernard from today for ten days, and the token of her link."""
        made = await self.office.invite(by or await self.by("bernard"), asked(**changes), self.now)
        return made, self.token()

    async def accepted(self, **changes: Any) -> Delegation:
        """The same, accepted with her card."""
        made, token = await self.invited(**changes)
        outcome, _ = await self.receiving.finalise(token, await self.by("moreau"), self.now)
        assert outcome.value == "active"
        return await self.held(made.id)


def asked(**changes: Any) -> Invitation:
    values: dict[str, Any] = {
        "family_name": "Moreau",
        "given_name": "Léa",
        "mail": MAIL,
        "profession": None,
        "rights": frozenset({"grandage:consulter"}),
        "first": TODAY,
        "last": TODAY + 9 * DAY,
    }
    return Invitation(**values | changes)


@asynccontextmanager
async def practice_on(url: str) -> AsyncIterator[Practice]:
    records = await opened(url)
    for name, number in NUMBERS.items():
        family, given, profession = NAMES[name]
        await records.write(
            account(
                name,
                national_id=number,
                family_name=family,
                given_name=given,
                profession=profession,
                first_strong_at=START - 100 * DAY,
            ),
            Insert("logins", {"key": number, "account_id": f"acc_{name}", "created_at": START}),
        )
    yield Practice(records)
    await records.close()


def facts_of(row: Any) -> dict[str, str]:
    found: dict[str, str] = json.loads(row["facts"])
    return found


def trace(ticket: str) -> str:
    return digest_of(ticket)[:12]
