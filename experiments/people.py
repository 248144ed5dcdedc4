"""The marked people of the experiments: each has a name nobody else has, so that an answer says whose it is."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from gateway.reasons import RecordsUnavailable

COUNT = 160
PASSWORD = "Garde-du-soir-21h"  # noqa: S105 - of people who do not exist
_TURNS = 5
_SCOPE = "ehpad-glycines"  # there a code by mail is asked beside the password


@dataclass(frozen=True)
class Person:
    """Who signs in with ``login`` and ``PASSWORD``, gets codes at ``mail``, and is ``mark`` to the application."""

    number: int

    @property
    def login(self) -> str:
        return f"personne{self.number:03d}"

    @property
    def mail(self) -> str:
        return f"{self.login}@example.test"

    @property
    def mark(self) -> str:
        """The family name in assertions."""
        return f"PERSONNE{self.number:03d}"


PEOPLE = tuple(Person(number) for number in range(COUNT))


def populate(url: str, config: Path) -> None:
    """Bring the records at ``url`` up to date, with the demo's places and people and the marked ones."""
    with ThreadPoolExecutor(1) as thread:  # the caller's thread may have an event loop that runs
        for turn in range(_TURNS):
            try:
                thread.submit(lambda: asyncio.run(_populate(url, config))).result()
                return
            except RecordsUnavailable:  # a machine that is busy with something else
                if turn == _TURNS - 1:
                    raise


async def _populate(url: str, config: Path) -> None:
    from gateway.accounts.password import Passwords
    from gateway.accounts.register import mail_key
    from gateway.demo.seed import seed
    from gateway.deployment import charter
    from gateway.edges.database import Database
    from gateway.edges.system import SystemAmbient
    from gateway.identity import searchable
    from gateway.ports import Change, Insert
    from gateway.settings import load

    stamp, now = charter(load(config)).stamp, SystemAmbient().now()
    records = Database(url)
    try:
        await records.migrate()
        await seed(records, stamp, now)
        if await records.find("accounts", {"id": f"acc_{PEOPLE[0].login}"}):
            return
        passwords = Passwords()
        hashed = await passwords.hash(PASSWORD)
        passwords.close()
        changes: list[Change] = []
        for one in PEOPLE:
            account = f"acc_{one.login}"
            values = {
                "id": account, "family_name": one.mark, "given_name": "MARQUÉE", "search": searchable(one.mark, "MARQUÉE"),
                "mail": one.mail, "mail_key": mail_key(one.mail), "mail_canonical": mail_key(one.mail), "mail_proved_at": now,
                "password_hash": hashed, "password_set_at": now, "password_must_change": False, "last_sign_in_at": now,
                "origin": "referent", "space_default": "professionnel", "charter_version": stamp, "charter_at": now,
                "created_at": now, "updated_at": now, "version": 1,
            }  # fmt: skip
            changes += [
                Insert("accounts", values),
                Insert("logins", {"key": f"u:{one.login}", "account_id": account, "created_at": now}),
                Insert("memberships", {"account_id": account, "scope_id": _SCOPE, "since": now}),
            ]
        await records.write(*changes)
    finally:
        await records.close()
