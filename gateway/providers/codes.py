"""One-time codes: made, sent, checked (R63–R81).

Rules of the room:

* Only a keyed hash of a code is stored (R76), under browser and account (R69), with the validity of the policy at
  that moment (R67). It is taken away by one atomic swap (R68).
* A wrong entry is counted by swap before its answer is given; five kill the code (R70) and count in the account's day.
* A new code voids the old one; the count of wrong entries stays (R71).
* Marks of used and dead codes are kept longer than any code lives: a clock set back revives nothing (R80).
* Nobody waits for a relay longer than three seconds; what was not delivered is void (R75, A8).
* The channel ``totp`` sends nothing: the person's own application makes the code, or a recovery code replaces it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Coroutine, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import structlog

from gateway import texts
from gateway.accounts.account import Account
from gateway.audit import Act, Record
from gateway.identity import Method
from gateway.ports import Ambient, Audit, Message, Sender, Store
from gateway.providers.base import Attempt, Form, Rejected
from gateway.providers.tries import Tries
from gateway.reasons import Reason, SenderFailed, StoreUnavailable

_DELIVERY = 3.0  # seconds a request waits for the relay (A8)
_TRIES = 50
_MARK = timedelta(hours=9)  # longer than the longest code
_METHODS = {"mail": Method.OTP_MAIL, "sms": Method.OTP_SMS}
_NOBODY = "nobody:"
_log = structlog.get_logger("gateway.otp")


@dataclass(frozen=True, slots=True)
class CodePolicy:
    """What the policy of this person's scopes asks now."""

    strong: bool
    validity: timedelta = timedelta(seconds=600)
    channels: tuple[str, ...] = ("mail",)
    memory: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class CodeSettings:
    """The deployment's own numbers."""

    digits: int = 6
    max_wrong: int = 5
    resend_delay: timedelta = timedelta(seconds=30)
    max_sends_per_attempt: int = 3
    max_sends_per_day: int = 20
    prove_mail_first: bool = False  # account.verify_mail = strict (R19)
    blocked_names: frozenset[str] = frozenset()  # accounts named after a service get no code (R98)
    allow_mssante: bool = False
    hide_destination: bool = False  # login.uniform_failure: the page must not tell a right password from a wrong one
    usual: CodePolicy = field(default_factory=lambda: CodePolicy(True))  # for identifiers that open nothing
    zone: ZoneInfo = texts.PARIS


class Authenticators(Protocol):
    """The persons' own applications (RFC 6238) and recovery codes."""

    async def enrolled(self, account_id: str) -> bool: ...

    async def verify(self, account_id: str, code: str, now: datetime) -> bool: ...

    async def use_recovery(self, account_id: str, code: str, now: datetime) -> int | None: ...


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
    sent_to: str = ""  # digest of the address it went to

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def read(cls, raw: bytes | None) -> Code | None:
        return None if raw is None else cls(**json.loads(raw))


@dataclass(frozen=True, slots=True)
class Accepted:
    """A right code: by which method, and through what. ``recovery_left``: only after a recovery code."""

    method: Method
    channel: str
    recovery_left: int | None = None
    sent_to: str = ""  # see ``destination_of``


class Codes:
    """``senders`` by channel; ``key`` keys the hashes."""

    def __init__(
        self,
        *,
        store: Store,
        ambient: Ambient,
        senders: Mapping[str, Sender],
        authenticators: Authenticators,
        tries: Tries,
        audit: Audit,
        key: bytes,
        settings: CodeSettings,
    ) -> None:
        self._store = store
        self._ambient = ambient
        self._senders = senders
        self._authenticators = authenticators
        self._tries = tries
        self._audit = audit
        self._key = key
        self._settings = settings
        self._sending: set[asyncio.Task[Any]] = set()

    async def usable(self, account: Account, policy: CodePolicy) -> tuple[tuple[str, ...], Reason]:
        """The channels by which a code can reach this person now (R72–R74), and why the first missing one is missing."""
        if account.named_generically(self._settings.blocked_names):
            return (), Reason.GENERIC_ACCOUNT
        found: list[str] = []
        why = Reason.NO_CHANNEL
        for channel in policy.channels:
            missing = await self._missing(account, channel)
            if missing is None:
                found.append(channel)
            elif missing is not Reason.NO_CHANNEL:
                why = missing
        return tuple(found), why

    async def _missing(self, account: Account, channel: str) -> Reason | None:
        """Why this channel cannot be used; ``None`` when it can."""
        if channel == "totp":
            return None if await self._authenticators.enrolled(account.id) else Reason.NO_CHANNEL
        if channel not in self._senders:
            return Reason.NO_CHANNEL
        if channel == "sms":
            return None if account.phone and account.phone_proved_at else Reason.NO_CHANNEL
        if not account.mail:
            return Reason.NO_CHANNEL
        # G87: the gateway is no member of that closed space; what it sends there does not arrive
        if account.mail.lower().endswith(".mssante.fr") and not self._settings.allow_mssante:
            return Reason.NO_CHANNEL
        if account.mail_shared:
            return Reason.MAIL_SHARED
        if self._settings.prove_mail_first and account.mail_proved_at is None:
            return Reason.MAIL_UNPROVED
        return None

    async def issue(
        self,
        attempt: Attempt,
        account: Account,
        policy: CodePolicy,
        wanted: str | None,
        now: datetime,
        *,
        fresh: bool,
        wait: bool = True,
    ) -> Form | Rejected:
        """A code on its way, or the one that is pending. ``fresh``: the person asked for a new one (R71).

        ``wait``: whether the answer may tell, by its words or its time, if the message left (not with R81).
        """
        channels, why = await self.usable(account, policy)
        if not channels:
            return Rejected(why, {"account": account.id})
        channel = wanted if wanted in channels else await self._usual(attempt, account, channels, now)
        place = _place(attempt.browser, account.id, channel)
        (raw,) = await self._store.read(place)
        held = Code.read(raw)
        alive = _alive(held, now)
        again = held is not None and alive and (held.channel == channel or self._early(held, now))
        if held is not None and again and (not fresh or channel == "totp"):
            # R69: with a long validity the pending code of this browser serves again, without another message.
            return self._form(account, held, channels)
        braking = alive or (held is not None and held.wrong >= self._settings.max_wrong and self._early(held, now))
        refused = await self._too_many(account, held if braking else None, channel, channels, now, fresh=fresh)
        if refused is not None:
            return refused
        digits = self._ambient.digits(self._settings.digits)
        code = Code(
            digest="" if channel == "totp" else self._digest(account.id, digits),
            channel=channel,
            ends=(now + policy.validity).timestamp(),
            sent=now.timestamp(),
            sends=(held.sends if held is not None and alive else 0) + 1,
            wrong=held.wrong if held is not None and alive else 0,
            sent_to=destination_of(account.mail if channel == "mail" else account.phone),
        )
        if not await self._store.swap(place, raw, code.encode(), _MARK):
            raise StoreUnavailable("two requests for a code at once")
        if channel == "totp":
            return self._form(account, code, channels)
        sending = self._deliver(account, channel, digits, policy.validity, place, code, now)
        if not wait:
            self._start(sending)
        elif not await sending:
            facts = self._facts(account, replace(code, state="dead"), channels)
            return Rejected(Reason.DELIVERY_FAILED, {"channel": channel}, facts, {"account": account.id}, over=False)
        return self._form(account, code, channels)

    def _early(self, held: Code, now: datetime) -> bool:
        """Too soon after this one was sent, or too often already (R71)."""
        settings = self._settings
        return now < _at(held.sent) + settings.resend_delay or held.sends >= settings.max_sends_per_attempt

    async def _usual(self, attempt: Attempt, account: Account, channels: tuple[str, ...], now: datetime) -> str:
        """Without a choice: the way of the code still pending in this browser, else the last one used (R72)."""
        (raw,) = await self._store.read(_place(attempt.browser, account.id, "mail"))
        held = Code.read(raw)
        if held is not None and _alive(held, now) and held.channel in channels:
            return held.channel
        return account.last_channel if account.last_channel in channels else channels[0]

    async def _too_many(
        self,
        account: Account,
        held: Code | None,
        channel: str,
        channels: tuple[str, ...],
        now: datetime,
        *,
        fresh: bool,
    ) -> Rejected | None:
        """The limits of R71; ``held`` is the living code of this place."""
        settings = self._settings
        if channel == "totp":
            return None
        if held is not None and fresh:
            facts = self._facts(account, held, channels)
            if now < _at(held.sent) + settings.resend_delay:
                return Rejected(Reason.RESEND_TOO_SOON, facts=facts, over=False)
            if held.sends >= settings.max_sends_per_attempt:
                return Rejected(Reason.RESEND_TOO_MANY, facts=facts, over=False)
        if not await self._tries.spend(f"sends:{account.id}", settings.max_sends_per_day, now):
            return Rejected(Reason.RESEND_TOO_MANY, {"by": "day"}, over=False)
        return None

    async def _deliver(
        self, account: Account, channel: str, digits: str, validity: timedelta, place: str, code: Code, now: datetime
    ) -> bool:
        """Hand the code over; what could not be handed over in time is dead (R75)."""
        until, zone = _at(code.ends), self._settings.zone
        if channel == "mail":
            mail = texts.code_mail(digits, validity, until, now, zone=zone)
            message = Message(account.mail or "", mail.subject, mail.text, mail.html, "code", account.id, until)
        else:
            message = Message(
                account.phone or "", "", texts.code_sms(digits, validity), None, "code", account.id, until
            )
        try:
            async with asyncio.timeout(_DELIVERY):
                await self._senders[channel].send(message)
        except (SenderFailed, TimeoutError) as error:
            _log.warning("code not delivered", channel=channel, account=account.id, error=type(error).__name__)
            await self._store.swap(place, code.encode(), replace(code, state="dead").encode(), _MARK)
            await self._audit.record(Record(Act.CODE_NOT_SENT, now, account.id, facts={"channel": channel}))
            return False
        await self._audit.record(Record(Act.CODE_SENT, now, account.id, facts={"channel": channel}))
        return True

    # A code that nobody was sent (R81)

    async def pretend(
        self, attempt: Attempt, account: Account | None, login: str, policy: CodePolicy | None, now: datetime
    ) -> Form:
        """The code page for a password that was wrong: the same as for a right one, and no code is right.

        Without ``account`` the identifier ``login`` opens nothing. Only with ``hide_destination``, under which right
        passwords show the same mask.
        """
        policy = policy or self._settings.usual
        channels, usual, who = policy.channels, policy.channels[0], login
        if account is not None:
            channels = (await self.usable(account, policy))[0] or policy.channels
            usual = account.last_channel if account.last_channel in channels else channels[0]
            who = account.id
        seed = self._seed(who)
        place = _place(attempt.browser, _NOBODY + seed, "mail")
        (raw,) = await self._store.read(place)
        held = Code.read(raw)
        if held is None or not _alive(held, now):
            held = Code(seed, usual, (now + policy.validity).timestamp(), now.timestamp(), 1)
            await self._store.write(place, held.encode(), _MARK)
        return Form("code", self._mask(held, who), account=_NOBODY + seed)

    async def pretend_again(
        self, attempt: Attempt, channel: str | None, now: datetime, *, fresh: bool
    ) -> Form | Rejected:
        """« Renvoyer un code » on such a page: the limits of R71, and nothing sent."""
        settings, account = self._settings, attempt.account or ""
        place = _place(attempt.browser, account, "mail")
        (raw,) = await self._store.read(place)
        held = Code.read(raw)
        sends = held.sends if held is not None else 0
        if held is not None and fresh:
            if now < _at(held.sent) + settings.resend_delay:
                return Rejected(Reason.RESEND_TOO_SOON, facts=attempt.memory, over=False)
            if sends >= settings.max_sends_per_attempt:
                return Rejected(Reason.RESEND_TOO_MANY, facts=attempt.memory, over=False)
        channels = attempt.memory.get("channels", "mail").split(",")
        wanted = channel if channel in channels else channels[0]
        ends = (now + settings.usual.validity).timestamp()
        made = Code(account.removeprefix(_NOBODY), wanted, ends, now.timestamp(), sends + 1, held.wrong if held else 0)
        await self._store.write(place, made.encode(), _MARK)
        destination = attempt.memory.get("destination", "")
        if wanted == "sms":
            destination = mask_phone(account)
        shown = {**attempt.memory, "channel": wanted, "destination": destination, "until": _at(ends).isoformat()}
        return Form("code", shown, account=account)

    def _seed(self, who: str) -> str:
        return hmac.new(self._key, f"pretend:{who}".encode(), "sha256").hexdigest()[:32]

    def _mask(self, code: Code, who: str) -> dict[str, str]:
        """What the page shows when it must not tell: stable for one person, nobody's real address, and one way only:
        which others there are would tell that somebody exists."""
        seed = self._seed(who)
        first, second = (chr(ord("a") + int(seed[at : at + 4], 16) % 26) for at in (0, 4))
        number = f"{int(seed[8:12], 16) % 100:02d}"
        shown = {"mail": f"{first}•••@{second}•••.fr", "sms": mask_phone(number), "totp": ""}
        return {
            "channel": code.channel,
            "destination": shown[code.channel],
            "channels": code.channel,
            "until": _at(code.ends).isoformat(),
            "resend_at": (_at(code.sent) + self._settings.resend_delay).isoformat(),
        }

    # Checking

    async def check(
        self, attempt: Attempt, account_id: str, typed: str, lane: str, now: datetime
    ) -> Accepted | Rejected:
        """Judge what was typed. Wrong entries are counted here, by the code and in ``lane``."""
        if not await self._tries.begin_code(lane, now):
            return Rejected(Reason.TOO_MANY_ATTEMPTS, over=False)
        channel = attempt.memory.get("channel", "mail")
        place = _place(attempt.browser, account_id, channel)
        if channel == "totp":
            found = await self._check_own(place, account_id, typed, now)
        else:
            found = await self._check_sent(place, account_id, typed, now)
        if isinstance(found, Rejected):
            if found.reason is not Reason.WRONG_CODE:
                await self._tries.take_back(lane)
            return found
        await self._tries.take_back(lane)
        await self._tries.succeeded(lane)
        return found

    async def _check_sent(self, place: str, account_id: str, typed: str, now: datetime) -> Accepted | Rejected:
        for _ in range(_TRIES):
            (raw,) = await self._store.read(place)
            code = Code.read(raw)
            no = self._not_pending(code, now)
            if no is not None or code is None:
                return no or Rejected(Reason.CODE_EXPIRED, over=False)
            right = hmac.compare_digest(code.digest, self._digest(account_id, typed))
            after = replace(code, state="used") if right else self._counted(code)
            # One swap takes the code away or counts the wrong entry: of fifty at once, each sees the others' effect.
            if await self._store.swap(place, raw, after.encode(), _MARK):
                if not right:
                    return Rejected(Reason.WRONG_CODE, over=False)
                return Accepted(_METHODS[code.channel], code.channel, sent_to=code.sent_to)
        return Rejected(Reason.TOO_MANY_ATTEMPTS, {"by": "race"}, over=False)

    async def _check_own(self, place: str, account_id: str, typed: str, now: datetime) -> Accepted | Rejected:
        """A code of the person's application, or a recovery code. The entry is counted before it is looked at, so that
        fifty guesses at once are fifty."""
        for _ in range(_TRIES):
            (raw,) = await self._store.read(place)
            code = Code.read(raw)
            no = self._not_pending(code, now)
            if no is not None or code is None:
                return no or Rejected(Reason.CODE_EXPIRED, over=False)
            if await self._store.swap(place, raw, self._counted(code).encode(), _MARK):
                break
        else:
            return Rejected(Reason.TOO_MANY_ATTEMPTS, {"by": "race"}, over=False)
        accepted: Accepted | None = None
        if await self._authenticators.verify(account_id, typed, now):
            accepted = Accepted(Method.OTP_TOTP, "totp")
        elif (left := await self._authenticators.use_recovery(account_id, typed, now)) is not None:
            accepted = Accepted(Method.OTP_RECOVERY, "totp", left)
        if accepted is None:
            return Rejected(Reason.WRONG_CODE, over=False)
        await self._store.write(place, replace(code, state="used").encode(), _MARK)
        return accepted

    def _not_pending(self, code: Code | None, now: datetime) -> Rejected | None:
        if code is None or now >= _at(code.ends):
            return Rejected(Reason.CODE_EXPIRED, over=False)
        if code.state == "used":
            return Rejected(Reason.CODE_USED, over=False)
        if code.state == "dead" or code.wrong >= self._settings.max_wrong:
            return Rejected(Reason.CODE_DEAD, over=False)
        return None

    def _counted(self, code: Code) -> Code:
        wrong = code.wrong + 1
        return replace(code, wrong=wrong, state="dead" if wrong >= self._settings.max_wrong else "pending")

    # What the page shows

    def _form(self, account: Account, code: Code, channels: tuple[str, ...]) -> Form:
        return Form("code", self._facts(account, code, channels), account=account.id)

    def _facts(self, account: Account, code: Code, channels: tuple[str, ...]) -> dict[str, str]:
        if self._settings.hide_destination:
            return self._mask(code, account.id)
        destination = {"mail": mask_mail(account.mail or ""), "sms": mask_phone(account.phone or ""), "totp": ""}
        return {
            "channel": code.channel,
            "destination": destination[code.channel],
            "channels": ",".join(channels),
            "until": _at(code.ends).isoformat(),
            "resend_at": (_at(code.sent) + self._settings.resend_delay).isoformat(),
        }

    def _digest(self, account_id: str, digits: str) -> str:
        return hmac.new(self._key, f"{account_id}:{digits}".encode(), "sha256").hexdigest()

    def _start(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="code delivery")
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def close(self) -> None:
        """Wait for what is being handed over."""
        while self._sending:
            await asyncio.gather(*self._sending, return_exceptions=True)


def destination_of(address: str | None) -> str:
    """Where a code went, as it is kept with the code."""
    return hashlib.sha256((address or "").encode()).hexdigest()[:16]


def is_nobody(account_id: str) -> bool:
    """Whether this stands for an identifier that opens nothing (R81)."""
    return account_id.startswith(_NOBODY)


def mask_mail(address: str) -> str:
    """First letter of the mailbox and of the domain (R66): « c•••@e•••.fr »."""
    local, _, domain = address.rpartition("@")
    name, _, top = domain.rpartition(".")
    return f"{local[:1]}•••@{name[:1]}•••.{top}"


def mask_phone(number: str) -> str:
    """The last two digits only (R66)."""
    return f"•• •• •• •• {number[-2:]}"


def _place(browser: str, account_id: str, channel: str) -> str:
    """Mail and SMS share a place, so that a new code voids the one before whatever its way (R71)."""
    return f"code:{browser[:32]}:{account_id}" + (":totp" if channel == "totp" else "")


def _alive(code: Code | None, now: datetime) -> bool:
    return code is not None and code.state == "pending" and now < _at(code.ends)


def _at(stamp: float) -> datetime:
    return datetime.fromtimestamp(stamp, UTC)
