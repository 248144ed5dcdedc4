"""Identifier and password, then a code by mail or SMS (R52–R81).

Rules of the room:

* Tries are counted before anything is looked up, by account key and by address; every failure of the first step gives
  the same answer after the same work (R55).
* A code is sent after a right password only (R64). Only its keyed hash is stored (R76), under browser and account
  (R69), with the validity of the policy at that moment (R67). It is taken away by one atomic swap (R68).
* A wrong entry is counted by swap before it is compared; five kill the code (R70) and count in the account's day (R58).
* A new code voids the old one; the count of wrong entries stays (R71).
* Marks of used and dead codes are kept longer than any code lives: a clock set back revives nothing (R80).
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from gateway import texts
from gateway.accounts.account import Account, Origin
from gateway.accounts.password import Passwords, TooBusy
from gateway.audit import Act, Record
from gateway.identity import Assurance, Identity, Login, Method, NationalId, Proof
from gateway.policy.throttle import Ledger, Pace, failed, succeeded, wait
from gateway.ports import Ambient, Audit, Message, Sender, Store
from gateway.providers.base import Attempt, Form, Rejected, Reply
from gateway.reasons import Reason, SenderFailed, StoreUnavailable

_DELIVERY = 3.0  # seconds a request waits for the relay (A8)
_TRIES = 50
_DAY = timedelta(hours=24)
_MARK = timedelta(hours=9)  # longer than the longest code
_METHODS = {"mail": Method.OTP_MAIL, "sms": Method.OTP_SMS}
_log = structlog.get_logger("gateway.otp")


@dataclass(frozen=True, slots=True)
class CodePolicy:
    """What the policy of this person's scopes asks now."""

    strong: bool
    validity: timedelta = timedelta(seconds=600)
    channels: tuple[str, ...] = ("mail",)


@dataclass(frozen=True, slots=True)
class CodeSettings:
    """The deployment's own numbers."""

    digits: int = 6
    max_wrong: int = 5
    resend_delay: timedelta = timedelta(seconds=30)
    max_sends_per_attempt: int = 3
    max_sends_per_day: int = 20
    requires_prior_strong: bool = True
    pace: Pace = field(default_factory=Pace)
    address_pace: Pace = field(default_factory=lambda: Pace(after=1000, most=300))


class Accounts(Protocol):
    """Where accounts are looked up, and a hash renewed."""

    async def by_login(self, key: str) -> Account | None: ...

    async def by_id(self, account_id: str) -> Account | None: ...


class CodeRules(Protocol):
    """The policy in force."""

    def for_account(self, account: Account, now: datetime) -> CodePolicy: ...


@dataclass(frozen=True, slots=True)
class Code:
    """A pending code, as stored: never the digits."""

    digest: str
    channel: str
    ends: float
    sent: float
    sends: int
    wrong: int = 0
    state: str = "pending"  # pending | used | dead

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def read(cls, raw: bytes | None) -> Code | None:
        return None if raw is None else cls(**json.loads(raw))


class PasswordAndCode:
    """The provider ``password``. ``key`` keys the hashes of codes; ``senders`` by channel."""

    name = "password"

    def __init__(
        self,
        *,
        accounts: Accounts,
        passwords: Passwords,
        store: Store,
        ambient: Ambient,
        senders: Mapping[str, Sender],
        rules: CodeRules,
        audit: Audit,
        key: bytes,
        settings: CodeSettings,
    ) -> None:
        self._accounts = accounts
        self._passwords = passwords
        self._store = store
        self._ambient = ambient
        self._senders = senders
        self._rules = rules
        self._audit = audit
        self._key = key
        self._settings = settings

    async def begin(self, attempt: Attempt, now: datetime) -> Form:
        return Form("sign-in")

    async def complete(self, attempt: Attempt, reply: Reply, now: datetime) -> Proof | Form | Rejected:
        if attempt.account is None:
            return await self._password(attempt, reply, now)
        return await self._code(attempt, reply, now)

    # First step: identifier and password

    async def _password(self, attempt: Attempt, reply: Reply, now: datetime) -> Proof | Form | Rejected:
        password = reply.fields.get("password", "")
        login = Login.parse(reply.fields.get("identifier", ""))
        if login is None or not password or len(password) > 4096:
            await self._passwords.verify(None, password[:4096])
            return Rejected(Reason.WRONG_CREDENTIALS, {"why": "empty"}, over=False)
        # (1) counted before looking up: by address, then by what the identifier opens
        if await self._waits(f"tries-from:{reply.address}", self._settings.address_pace, now) > timedelta(0):
            return Rejected(Reason.TOO_MANY_ATTEMPTS, {"by": "address"}, over=False)
        account = await self._accounts.by_login(login.key)
        ledger = self._ledger_key(account, login)
        pause = await self._waits(ledger, self._settings.pace, now)
        if pause > timedelta(0):
            return Rejected(Reason.TOO_MANY_ATTEMPTS, {"by": "account"}, over=False)
        # (2) the same work whatever is wrong
        try:
            verdict = await self._passwords.verify(account.password_hash if account else None, password)
        except TooBusy:
            return Rejected(Reason.TOO_MANY_ATTEMPTS, {"by": "load"}, over=False)
        why = self._why_not(account, now) if verdict.right else "password"
        if account is None or why is not None:
            await self._failed(ledger, now)
            await self._failed(f"tries-from:{reply.address}", now)
            return Rejected(Reason.WRONG_CREDENTIALS, {"why": why or "unknown"}, over=False)
        # (3) is a code needed?
        policy = self._rules.for_account(account, now)
        if not policy.strong:
            await self._succeeded(ledger)
            return self._proof(account, Method.PASSWORD, Assurance.PASSWORD, now, {})
        return await self._issue(attempt, account, policy, reply.fields.get("channel"), now, fresh=False)

    def _why_not(self, account: Account | None, now: datetime) -> str | None:
        """What stands against this account beside its password; all of it answers like a wrong password (R55)."""
        if account is None:
            return "unknown"
        if account.suspended_at is not None and account.suspended_at <= now:
            return Reason.ACCOUNT_SUSPENDED.value
        prior = self._settings.requires_prior_strong and account.origin is not Origin.REFERENT
        if prior and account.first_strong_at is None:
            return Reason.STRONG_FIRST.value  # R79
        return None

    # Second step: the code

    async def resend(self, attempt: Attempt, channel: str | None, now: datetime) -> Form | Rejected:
        """Another code, which voids the one before; the old one's count of wrong entries stays (R71)."""
        account = await self._accounts.by_id(attempt.account or "")
        if account is None:
            return Rejected(Reason.ATTEMPT_UNKNOWN)
        policy = self._rules.for_account(account, now)
        return await self._issue(attempt, account, policy, channel, now, fresh=True)

    async def _issue(
        self, attempt: Attempt, account: Account, policy: CodePolicy, wanted: str | None, now: datetime, *, fresh: bool
    ) -> Form | Rejected:
        settings = self._settings
        channels = usable_channels(account, policy, self._senders)
        if not channels:
            return Rejected(Reason.NO_CHANNEL, {"account": account.id})
        channel = wanted if wanted in channels else account.last_channel
        channel = channel if channel in channels else channels[0]
        place = self._place(attempt, account)
        (raw,) = await self._store.read(place)
        held = Code.read(raw)
        alive = held is not None and held.state == "pending" and now < _at(held.ends)
        if held is not None and alive and not fresh:
            # R69: with a long validity the pending code of this browser serves again, without another message.
            return self._form(account, held, channels)
        sends = held.sends if held is not None and alive else 0
        if held is not None and fresh:
            if now < _at(held.sent) + settings.resend_delay:
                return Rejected(Reason.RESEND_TOO_SOON, facts=self._facts(account, held, channels), over=False)
            if sends >= settings.max_sends_per_attempt:
                return Rejected(Reason.RESEND_TOO_MANY, facts=self._facts(account, held, channels), over=False)
        if not await self._count_send(account, now):
            return Rejected(Reason.RESEND_TOO_MANY, {"by": "day"}, over=False)
        digits = self._ambient.digits(settings.digits)
        code = Code(
            digest=self._digest(account, digits),
            channel=channel,
            ends=(now + policy.validity).timestamp(),
            sent=now.timestamp(),
            sends=sends + 1,
            wrong=held.wrong if held is not None and alive else 0,
        )
        if not await self._store.swap(place, raw, code.encode(), _MARK):
            raise StoreUnavailable("two requests for a code at once")
        if not await self._deliver(account, channel, digits, policy.validity, code, now):
            await self._store.swap(place, code.encode(), replace(code, state="dead").encode(), _MARK)
            others = [one for one in channels if one != channel]
            return Rejected(
                Reason.DELIVERY_FAILED, {"channel": channel}, {"other": others[0] if others else ""}, over=False
            )
        await self._audit.record(Record(Act.CODE_SENT, now, account.id, facts={"channel": channel}))
        return self._form(account, code, channels)

    async def _deliver(
        self, account: Account, channel: str, digits: str, validity: timedelta, code: Code, now: datetime
    ) -> bool:
        if channel == "mail":
            mail = texts.code_mail(digits, validity, _at(code.ends), now)
            message = Message(
                account.mail or "", mail.subject, mail.text, mail.html, "code", account.id, _at(code.ends)
            )
        else:
            text = texts.code_sms(digits, validity)
            message = Message(account.phone or "", "", text, None, "code", account.id, _at(code.ends))
        try:
            async with asyncio.timeout(_DELIVERY):
                await self._senders[channel].send(message)
        except (SenderFailed, TimeoutError) as error:
            _log.warning("code not delivered", channel=channel, account=account.id, error=type(error).__name__)
            return False
        return True

    async def _code(self, attempt: Attempt, reply: Reply, now: datetime) -> Proof | Rejected:
        account = await self._accounts.by_id(attempt.account or "")
        if account is None:
            return Rejected(Reason.ATTEMPT_UNKNOWN)
        typed = "".join(character for character in reply.fields.get("code", "") if not character.isspace())
        ledger = self._ledger_key(account, None)
        if await self._waits(ledger, replace(self._settings.pace, after=1000), now) > timedelta(0):
            return Rejected(Reason.TOO_MANY_ATTEMPTS, over=False)
        place = self._place(attempt, account)
        for _ in range(_TRIES):
            (raw,) = await self._store.read(place)
            code = Code.read(raw)
            if code is None or now >= _at(code.ends):
                return Rejected(Reason.CODE_EXPIRED, over=False)
            if code.state == "used":
                return Rejected(Reason.CODE_USED, over=False)
            if code.state == "dead" or code.wrong >= self._settings.max_wrong:
                return Rejected(Reason.CODE_DEAD, over=False)
            right = hmac.compare_digest(code.digest, self._digest(account, typed))
            if right:
                after = replace(code, state="used")
            else:
                wrong = code.wrong + 1
                after = replace(code, wrong=wrong, state="dead" if wrong >= self._settings.max_wrong else "pending")
            # One swap takes the code away or counts the wrong entry: of fifty at once, each sees the others' effect.
            if await self._store.swap(place, raw, after.encode(), _MARK):
                break
        else:
            return Rejected(Reason.TOO_MANY_ATTEMPTS, {"by": "race"}, over=False)
        if not right:
            await self._failed(ledger, now)
            return Rejected(Reason.WRONG_CODE, over=False)
        await self._succeeded(ledger)
        evidence = {"proved": code.channel}
        return self._proof(account, _METHODS[code.channel], Assurance.TRANSITION, now, evidence)

    def _form(self, account: Account, code: Code, channels: tuple[str, ...]) -> Form:
        return Form("code", self._facts(account, code, channels), account=account.id)

    def _facts(self, account: Account, code: Code, channels: tuple[str, ...]) -> dict[str, str]:
        destination = mask_mail(account.mail or "") if code.channel == "mail" else mask_phone(account.phone or "")
        return {
            "channel": code.channel,
            "destination": destination,
            "channels": ",".join(channels),
            "until": _at(code.ends).isoformat(),
            "resend_at": (_at(code.sent) + self._settings.resend_delay).isoformat(),
        }

    def _proof(
        self, account: Account, method: Method, assurance: Assurance, now: datetime, evidence: Mapping[str, str]
    ) -> Proof:
        identity = Identity(
            account.national_id or NationalId("raw", account.id),
            account.family_name,
            account.given_name,
            account.profession,
            account.specialty,
        )
        return Proof(identity, method, assurance, now, evidence={"account": account.id, **evidence})

    # Places and counters in the store

    def _place(self, attempt: Attempt, account: Account) -> str:
        return f"code:{attempt.browser[:32]}:{account.id}"

    def _ledger_key(self, account: Account | None, login: Login | None) -> str:
        """One counter per account, whatever was typed; unknown identifiers have theirs, under a keyed hash."""
        if account is not None:
            return f"failures:{account.id}"
        text = login.key if login else ""
        return "failures:?" + hmac.new(self._key, text.encode(), "sha256").hexdigest()[:32]

    def _digest(self, account: Account, digits: str) -> str:
        return hmac.new(self._key, f"{account.id}:{digits}".encode(), "sha256").hexdigest()

    async def _waits(self, key: str, pace: Pace, now: datetime) -> timedelta:
        (raw,) = await self._store.read(key)
        return wait(Ledger.read(raw), pace, now)

    async def _failed(self, key: str, now: datetime) -> None:
        for _ in range(_TRIES):
            (raw,) = await self._store.read(key)
            if await self._store.swap(key, raw, failed(Ledger.read(raw), now).encode(), _DAY + timedelta(hours=1)):
                return
        raise StoreUnavailable("a counter changes too often")

    async def _succeeded(self, key: str) -> None:
        for _ in range(_TRIES):
            (raw,) = await self._store.read(key)
            if raw is None:
                return
            if await self._store.swap(key, raw, succeeded(Ledger.read(raw)).encode(), _DAY + timedelta(hours=1)):
                return
        raise StoreUnavailable("a counter changes too often")

    async def _count_send(self, account: Account, now: datetime) -> bool:
        key = f"sends:{account.id}"
        most = Pace(after=10_000, most=self._settings.max_sends_per_day)
        if await self._waits(key, most, now) > timedelta(0):
            return False
        await self._failed(key, now)
        return True


def usable_channels(account: Account, policy: CodePolicy, senders: Mapping[str, Sender]) -> tuple[str, ...]:
    """The channels by which a code can reach this person now (R72–R74)."""
    return tuple(
        channel
        for channel in policy.channels
        if channel in senders
        and (
            (channel == "mail" and account.mail and not account.mail.lower().endswith(".mssante.fr"))
            or (channel == "sms" and account.phone and account.phone_proved_at)
        )
    )


def mask_mail(address: str) -> str:
    """First letter of the mailbox and of the domain (R66): « c•••@e•••.fr »."""
    local, _, domain = address.rpartition("@")
    name, _, top = domain.rpartition(".")
    return f"{local[:1]}•••@{name[:1]}•••.{top}"


def mask_phone(number: str) -> str:
    """The last two digits only (R66)."""
    return f"•• •• •• •• {number[-2:]}"


def _at(stamp: float) -> datetime:
    return datetime.fromtimestamp(stamp, UTC)
