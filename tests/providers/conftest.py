from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from gateway.accounts.account import Account, Origin
from gateway.accounts.password import Passwords
from gateway.edges.memory_store import MemoryStore
from gateway.identity import NationalId, Space
from tests.ambient import START, TestAmbient
from tests.providers.world import PASSWORD, Mailbox, World


@pytest.fixture(scope="module")
def hashed() -> str:
    passwords = Passwords(memory=7168)
    made = asyncio.run(passwords.hash(PASSWORD))
    passwords.close()
    return made


@pytest.fixture
def world(hashed: str) -> Iterator[World]:
    ambient = TestAmbient()
    store, passwords, mail, sms = MemoryStore(ambient), Passwords(memory=7168), Mailbox(), Mailbox()
    account = Account(
        id="acc_1",
        national_id=NationalId("8", "99700000005"),
        logins=("899700000005", "0069209997"),
        family_name="MARTIN",
        given_name="Claire",
        profession="10",
        specialty=None,
        mail="claire.martin@example.test",
        phone="+33612345678",
        origin=Origin.STRONG,
        space=Space.LIBERAL,
        created_at=START,
        password_hash=hashed,
        first_strong_at=START,
    )
    made = World(ambient, store, passwords, mail, sms, {"acc_1": account})
    made.build()
    yield made
    passwords.close()
