"""Somebody with an account, a mailbox, a telephone and an application, for the tests of passwords and codes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gateway.accounts.account import Account
from gateway.accounts.password import Passwords
from gateway.audit import Record
from gateway.edges.memory_store import MemoryStore
from gateway.identity import Space
from gateway.ports import Message
from gateway.providers.base import Attempt, Form, Outcome, Rejected, Reply
from gateway.providers.code import CodePolicy, CodeSettings
from gateway.providers.codes import Codes
from gateway.providers.devices import Devices
from gateway.providers.otp import LoginSettings, PasswordAndCode
from gateway.providers.tries import Tries
from gateway.reasons import Reason, SenderFailed
from tests.ambient import TestAmbient

PASSWORD = "Soleil-du-7-matin"


class Mailbox:
    """A sender that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.broken = False

    async def send(self, message: Message) -> str:
        if self.broken:
            raise SenderFailed("down")
        self.sent.append(message)
        return "ok"

    async def close(self) -> None: ...

    @property
    def code(self) -> str:
        text = self.sent[-1].text.replace(" ", "").replace("\u00a0", "")
        return next(text[n : n + 6] for n in range(len(text)) if text[n : n + 6].isdigit())


@dataclass
class World:
    ambient: TestAmbient
    store: MemoryStore
    passwords: Passwords
    mail: Mailbox
    sms: Mailbox
    accounts: dict[str, Account]
    policy: CodePolicy = field(default_factory=lambda: CodePolicy(True))
    acts: list[Record] = field(default_factory=list)
    used: bool = False
    numbers: Iterator[int] = field(default_factory=itertools.count)
    own_codes: set[str] = field(default_factory=set)  # codes the person's application would show now
    recovery: set[str] = field(default_factory=set)
    renewed: int = 0

    def build(self, codes: CodeSettings | None = None, login: LoginSettings | None = None) -> None:
        """The provider with these settings, over the same store."""
        login = login or LoginSettings(even=0)
        self.devices = Devices(self.store, timedelta(days=90))
        self.tries = Tries(self.store, self.devices, b"k" * 32, login.pace, login.address_pace)
        self.codes = Codes(
            store=self.store,
            ambient=self.ambient,
            senders={"mail": self.mail, "sms": self.sms},
            authenticators=self,
            tries=self.tries,
            audit=self,
            key=b"k" * 32,
            settings=codes or CodeSettings(),
        )
        self.provider = PasswordAndCode(
            accounts=self,
            passwords=self.passwords,
            codes=self.codes,
            devices=self.devices,
            tries=self.tries,
            rules=self,
            settings=login,
        )

    async def change(self, account: Account, now: datetime, *, password_hash: str) -> Account:
        self.renewed += 1
        self.accounts[account.id] = changed = replace(account, password_hash=password_hash)
        return changed

    async def enrolled(self, account_id: str) -> bool:
        return bool(self.own_codes)

    async def verify(self, account_id: str, code: str, now: datetime) -> bool:
        if code not in self.own_codes or self.used:
            return False
        self.used = True
        return True

    async def use_recovery(self, account_id: str, code: str, now: datetime) -> int | None:
        if code not in self.recovery:
            return None
        self.recovery.remove(code)
        return len(self.recovery)

    async def by_login(self, key: str) -> Account | None:
        return next((one for one in self.accounts.values() if key in one.logins), None)

    async def by_id(self, account_id: str) -> Account | None:
        return self.accounts.get(account_id)

    def for_account(self, account: Account, now: datetime) -> CodePolicy:
        return self.policy

    async def record(self, record: Record) -> None:
        self.acts.append(record)

    def attempt(self, browser: str = "b" * 64) -> Attempt:
        return Attempt(f"att{next(self.numbers)}", browser, Space.LIBERAL, "/", "password", self.ambient.now())

    async def login(
        self,
        identifier: str = "899700000005",
        password: str = PASSWORD,
        browser: str = "b" * 64,
        channel: str = "",
        *,
        shared: bool = False,
    ) -> tuple[Attempt, Outcome]:
        attempt = replace(self.attempt(browser), shared=shared)
        fields = {"identifier": identifier, "password": password, "channel": channel}
        outcome = await self.provider.complete(attempt, Reply(fields, address="192.0.2.1"), self.ambient.now())
        if isinstance(outcome, Form):
            attempt = replace(attempt, account=outcome.account, memory=outcome.facts)
        return attempt, outcome

    async def type(self, attempt: Attempt, code: str) -> Outcome:
        return await self.provider.complete(attempt, Reply({"code": code}), self.ambient.now())


def reason(outcome: Outcome) -> Reason | None:
    return outcome.reason if isinstance(outcome, Rejected) else None
