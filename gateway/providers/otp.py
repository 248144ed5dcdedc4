"""Identifier and password, then a code (R52–R81). The code itself is the business of ``codes``.

Rules of the room:

* Tries are counted before anything is looked up, by account and by address; every failure of the first step gives the
  same answer after the same work and the same time (R55).
* A code is sent after a right password only (R64).
* A browser that holds a second factor needs the password alone, and what it gives is marked as remembered (R78).
* With ``uniform`` the code page appears after every well-formed try (R81).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from gateway.accounts.account import Account
from gateway.accounts.password import Passwords, TooBusy
from gateway.identity import Assurance, Login, Method, Proof
from gateway.policy.throttle import Pace
from gateway.providers.base import VOID, Attempt, Form, Rejected, Reply
from gateway.providers.code import CodePolicy, destination_of, is_nobody
from gateway.providers.codes import Codes
from gateway.providers.devices import Devices
from gateway.providers.tries import Tries
from gateway.reasons import Reason, Stale


@dataclass(frozen=True, slots=True)
class LoginSettings:
    """``even``: no refusal of a password is answered sooner than so many seconds after it came."""

    requires_prior_strong: bool = True
    uniform: bool = False
    even: float = 0.25
    pace: Pace = field(default_factory=Pace)
    address_pace: Pace = field(default_factory=lambda: Pace(after=1_000_000, most=300))


class Accounts(Protocol):
    """Where accounts are looked up, and a hash renewed."""

    async def by_login(self, key: str) -> Account | None: ...

    async def by_id(self, account_id: str) -> Account | None: ...

    async def change(self, account: Account, now: datetime, *, password_hash: str) -> Account: ...


class CodeRules(Protocol):
    """The policy in force."""

    def for_account(self, account: Account, now: datetime) -> CodePolicy: ...


class PasswordAndCode:
    """The provider ``password``."""

    name = "password"

    def __init__(
        self,
        *,
        accounts: Accounts,
        passwords: Passwords,
        codes: Codes,
        devices: Devices,
        tries: Tries,
        rules: CodeRules,
        settings: LoginSettings,
    ) -> None:
        self._accounts = accounts
        self._passwords = passwords
        self._codes = codes
        self._devices = devices
        self._tries = tries
        self._rules = rules
        self._settings = settings

    async def begin(self, attempt: Attempt, now: datetime) -> Form:
        return Form("sign-in")

    async def complete(self, attempt: Attempt, reply: Reply, now: datetime) -> Proof | Form | Rejected:
        if attempt.account is not None:
            return await self._code(attempt, reply, now)
        clock = asyncio.get_running_loop().time
        began = clock()
        outcome = await self._password(attempt, reply, now)
        if isinstance(outcome, Rejected) or (isinstance(outcome, Form) and self._settings.uniform):
            # Looking up somebody who exists takes a few reads more: the answer waits until that cannot be seen.
            await asyncio.sleep(max(0.0, began + self._settings.even - clock()))
        return outcome

    # First step: identifier and password

    async def _password(self, attempt: Attempt, reply: Reply, now: datetime) -> Proof | Form | Rejected:
        password = reply.fields.get("password", "")
        login = Login.parse(reply.fields.get("identifier", ""))
        # (1) by address first: except for a browser the person used before, behind an address that many share
        full = await self._tries.address_waits(reply.address, now)
        if full and not await self._is_known(attempt, login):
            return Rejected(Reason.TOO_MANY_ATTEMPTS, {"by": "address"}, over=False)
        if login is None or not password or len(password) > 4096:
            await self._tries.failed_from(reply.address, now)
            await self._verify(None, password[:4096])
            return Rejected(Reason.WRONG_CREDENTIALS, {"why": "empty"}, over=False)
        account = await self._accounts.by_login(login.key)
        lane = await self._tries.lane(attempt.browser, account, login)
        async with self._tries.turn(lane):
            # (2) counted before it is judged, and taken back when it was right
            if not await self._tries.begin(lane, now):
                return Rejected(Reason.TOO_MANY_ATTEMPTS, {"by": "account"}, over=False)
            # (3) the same work whatever is wrong
            try:
                verdict = await self._passwords.verify(account.password_hash if account else None, password)
            except TooBusy:
                await self._tries.take_back(lane)
                return Rejected(Reason.TOO_MANY_ATTEMPTS, {"by": "load"}, over=False)
            why = self._why_not(account) if verdict.right else "password"
            if account is not None and why is None:
                await self._tries.take_back(lane)
        if account is None or why is not None:
            await self._tries.failed_from(reply.address, now)
            if self._settings.uniform:
                return await self._codes.pretence.begin(attempt, account, login.key, self._policy(account, now), now)
            return Rejected(Reason.WRONG_CREDENTIALS, {"why": why or "unknown"}, over=False)
        if verdict.rehash:
            account = await self._rehash(account, password, now)
        # (4) is a code needed?
        policy = self._rules.for_account(account, now)
        if not policy.strong:
            await self._tries.succeeded(lane)
            return self._proof(account, Method.PASSWORD, Assurance.PASSWORD, now, {})
        # (5) or was it given in this browser not long ago? (R78)
        if attempt.shared:
            await self._devices.forget(attempt.browser, account.id)
        elif held := await self._devices.remembered(attempt.browser, account, now, policy.memory):
            await self._tries.succeeded(lane)
            proof = self._proof(account, held.method, Assurance.TRANSITION, now, {"remembered": "1"})
            return replace(proof, remembered=True)
        wanted = reply.fields.get("channel")
        sent = await self._codes.issue(
            attempt, account, policy, wanted, now, fresh=False, wait=not self._settings.uniform
        )
        if isinstance(sent, Rejected) and self._settings.uniform:  # no channel, too many: nothing may tell (R81)
            return await self._codes.pretence.begin(attempt, account, login.key, policy, now)
        return _bound(sent, account.void)

    async def _is_known(self, attempt: Attempt, login: Login | None) -> bool:
        account = await self._accounts.by_login(login.key) if login is not None else None
        return account is not None and await self._devices.known(attempt.browser, account.id)

    def _policy(self, account: Account | None, now: datetime) -> CodePolicy | None:
        return self._rules.for_account(account, now) if account is not None else None

    async def _verify(self, stored: str | None, password: str) -> None:
        """The work of a comparison, for what cannot be right."""
        try:
            await self._passwords.verify(stored, password)
        except TooBusy:
            return

    async def _rehash(self, account: Account, password: str, now: datetime) -> Account:
        """Today's parameters for yesterday's hash (R59)."""
        try:
            return await self._accounts.change(account, now, password_hash=await self._passwords.hash(password))
        except (Stale, TooBusy):  # somebody changed the account, or much is going on: next time
            return account

    def _why_not(self, account: Account | None) -> str | None:
        """What stands against this account beside its password; all of it answers like a wrong password (R55)."""
        if account is None:
            return "unknown"
        if account.closed_at is not None:
            return Reason.ACCOUNT_CLOSED.value
        if account.suspended_at is not None:
            return Reason.ACCOUNT_SUSPENDED.value
        if self._settings.requires_prior_strong and account.strong_first:
            return Reason.STRONG_FIRST.value  # R79
        return None

    # Second step: the code

    async def resend(self, attempt: Attempt, channel: str | None, now: datetime) -> Form | Rejected:
        """Another code, which voids the one before; its count of wrong entries stays (R71)."""
        return await self._again(attempt, channel, now, fresh=True)

    async def ask(self, attempt: Attempt, channel: str | None, now: datetime) -> Form | Rejected:
        """A code for somebody who is signed in and has to prove it again (R4, R96); no password is asked."""
        return await self._again(attempt, channel, now, fresh=False)

    async def channels(self, account: Account, now: datetime) -> tuple[str, ...]:
        """By which ways a code could reach this person now."""
        return (await self._codes.usable(account, self._rules.for_account(account, now)))[0]

    async def _again(self, attempt: Attempt, channel: str | None, now: datetime, *, fresh: bool) -> Form | Rejected:
        if attempt.account is not None and is_nobody(attempt.account):
            return await self._codes.pretence.again(attempt, channel, now, fresh=fresh)
        account = await self._accounts.by_id(attempt.account or "")
        if account is None:
            return Rejected(Reason.ATTEMPT_UNKNOWN)
        policy = self._rules.for_account(account, now)
        sent = await self._codes.issue(
            attempt, account, policy, channel, now, fresh=fresh, wait=not self._settings.uniform
        )
        return _bound(sent, attempt.memory.get(VOID, account.void))

    async def _code(self, attempt: Attempt, reply: Reply, now: datetime) -> Proof | Rejected:
        account_id = attempt.account or ""
        account = None if is_nobody(account_id) else await self._accounts.by_id(account_id)
        if account is None and not is_nobody(account_id):
            return Rejected(Reason.ATTEMPT_UNKNOWN)
        typed = "".join(character for character in reply.fields.get("code", "")[:64] if not character.isspace())
        lane = await self._tries.lane(attempt.browser, account, Login(account_id))
        accepted = await self._codes.check(attempt, account_id, typed, lane, now)
        if isinstance(accepted, Rejected):
            return accepted
        assert account is not None  # noqa: S101 - no code is right for nobody
        address = {"mail": account.mail, "sms": account.phone}
        if accepted.channel in address and accepted.sent_to != destination_of(address[accepted.channel]):
            return Rejected(Reason.CODE_EXPIRED, over=False)  # whoever reads the address of before may have it (R100)
        evidence = {"channel": accepted.channel}
        if accepted.channel == "mail":
            evidence["proved"] = "mail"
        if accepted.recovery_left is not None:
            evidence["recovery_left"] = str(accepted.recovery_left)
        return self._proof(account, accepted.method, Assurance.TRANSITION, now, evidence)

    def _proof(
        self, account: Account, method: Method, assurance: Assurance, now: datetime, evidence: Mapping[str, str]
    ) -> Proof:
        return Proof(account.identity, method, assurance, now, evidence={"account": account.id, **evidence})


def _bound(answer: Form | Rejected, void: str) -> Form | Rejected:
    """What the attempt keeps also says as of when the password was right: see ``Account.void``."""
    return replace(answer, facts={**answer.facts, VOID: void}) if answer.facts else answer
