"""The people of a simulation: each has every means, a name nobody else has, and a session when one is wanted.

Their accounts are written into the records of an estate that has the demo's places; they belong to a place where a code is
asked beside the password.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bench.account import store_in_use
from experiments.people import PASSWORD
from gateway.accounts.password import Passwords
from gateway.accounts.register import mail_key
from gateway.demo.cards import Holder, write_world
from gateway.demo.people import PEOPLE
from gateway.demo.psc import PscPerson
from gateway.deployment import charter
from gateway.edges.database import Database
from gateway.edges.system import SystemAmbient
from gateway.identity import Assurance, Identity, Method, NationalId, Proof, Space, luhn, searchable
from gateway.ports import Change, Insert
from gateway.session.keeper import Keeper
from gateway.session.model import Lifetimes
from gateway.settings import load

_SCOPE = "ehpad-glycines"
_GIVEN = "Simulée"
_LETTERS = str.maketrans("0123456789", "ABCDEFGHIJ")
_AT_ONCE = 100  # accounts of one transaction
_BEFORE = timedelta(days=30)  # they have used their means before: no mail tells them of a first time
_USED = (("otp-mail", "transition"), ("cps", "substantial"), ("psc-ecps", "substantial"))


@dataclass(frozen=True, slots=True)
class Person:
    """Who signs in with ``login`` and the password of all, gets codes at ``mail``, has the card ``card`` if they are among
    the first, and is ``mark`` to the application."""

    number: int

    @property
    def login(self) -> str:
        return f"simulee{self.number:06d}"

    @property
    def account(self) -> str:
        return f"acc_{self.login}"

    @property
    def mail(self) -> str:
        return f"{self.login}@example.test"

    @property
    def mark(self) -> str:
        """The family name in assertions. Cards bear letters alone."""
        return "SIMULEE" + f"{self.number:06d}".translate(_LETTERS)

    @property
    def card(self) -> str:
        return f"simulee-{self.number:06d}"

    @property
    def idnat(self) -> str:
        """An invented RPPS of the range of test persons, with its key."""
        stem = f"9971{self.number:06d}"
        return "8" + next(f"{stem}{key}" for key in range(10) if luhn(f"{stem}{key}"))


def at_psc(number: int) -> PscPerson:
    """The same person, as the simulator of Pro Santé Connect knows them."""
    one = Person(number)
    return PscPerson(one.login, one.idnat, one.mark, _GIVEN)


def write_cards(folder: Path, count: int) -> None:
    """The demo's cards and those of the first ``count`` people, before the demo is started: what exists it keeps."""
    known = [
        Holder(
            one.key, one.card, one.idnat or "", one.family_name, one.given_name, one.title or "Médecin",
            int(one.profession or 0), one.specialty or None, one.structure,
        )
        for one in PEOPLE
        if one.card
    ]  # fmt: skip
    ours = [Holder(one.card, "cps", one.idnat, one.mark, _GIVEN) for one in map(Person, range(count))]
    write_world(folder, [*known, *ours], SystemAmbient().now())


async def populate(records_url: str, config: Path, count: int) -> None:
    """Accounts of the first ``count`` people."""
    stamp, now = charter(load(config)).stamp, SystemAmbient().now()
    passwords = Passwords()
    hashed = await passwords.hash(PASSWORD)
    passwords.close()
    records = Database(records_url)
    try:
        for first in range(0, count, _AT_ONCE):
            some = [Person(number) for number in range(first, min(count, first + _AT_ONCE))]
            accounts: list[Change] = []
            belongings: list[Change] = []
            for one in some:
                values = {
                    "id": one.account, "national_id": one.idnat, "family_name": one.mark, "given_name": _GIVEN.upper(),
                    "search": searchable(one.mark, _GIVEN), "profession": "10", "mail": one.mail,
                    "mail_key": mail_key(one.mail), "mail_canonical": mail_key(one.mail), "mail_proved_at": now - _BEFORE,
                    "password_hash": hashed, "password_set_at": now - _BEFORE, "password_must_change": False,
                    "first_strong_at": now - _BEFORE, "last_sign_in_at": now - timedelta(days=1), "origin": "strong",
                    "space_default": "professionnel", "charter_version": stamp, "charter_at": now - _BEFORE,
                    "created_at": now - _BEFORE, "updated_at": now, "version": 1,
                }  # fmt: skip
                accounts.append(Insert("accounts", values))
                belongings += [
                    Insert("logins", {"key": key, "account_id": one.account, "created_at": now - _BEFORE})
                    for key in (one.idnat, f"u:{one.login}")
                ]
                belongings.append(
                    Insert("memberships", {"account_id": one.account, "scope_id": _SCOPE, "since": now - _BEFORE})
                )
                for method, assurance in _USED:
                    values = {
                        "id": f"sgn_{one.login}_{method}", "account_id": one.account, "at": now - timedelta(days=1),
                        "method": method, "assurance": assurance, "space": "professionnel", "address": "127.0.0.1",
                    }  # fmt: skip
                    belongings.append(Insert("sign_ins", values))
            belongings.sort(key=lambda one: one.table)  # neighbours of one shape are one statement
            await records.write(*accounts, *belongings)
    finally:
        await records.close()


async def open_sessions(store_url: str, records_url: str, people: Sequence[Person]) -> list[str]:
    """A session for each of them, as a sign-in by card would have opened it; the tickets, in order."""
    ambient, records, tickets = SystemAmbient(), Database(records_url), []
    try:
        async with store_in_use(store_url, records) as store:
            keeper = Keeper(store, store, ambient)
            for one in people:
                now = ambient.now()
                who = Identity(NationalId("8", one.idnat[1:]), one.mark, _GIVEN.upper(), "10")
                proof = Proof(who, Method.CPS, Assurance.SUBSTANTIAL, now)
                ticket, _ = await keeper.open(
                    one.account,
                    Space.PROFESSIONNEL,
                    (proof,),
                    Lifetimes(),
                    now,
                    agent="Firefox, Windows",
                    address="192.0.2.1",
                )
                tickets.append(ticket)
    finally:
        await records.close()
    return tickets
