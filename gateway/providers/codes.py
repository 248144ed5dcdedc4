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
import hmac
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from gateway import texts
from gateway.accounts.account import Account
from gateway.audit import Act, Record
from gateway.identity import Method
from gateway.ports import Ambient, Audit, Message, Sender, Store
from gateway.providers.base import Attempt, Form, Rejected
from gateway.providers.code import (
    MARK,
    Code,
    CodePolicy,
    CodeSettings,
    alive,
    destination_of,
    instant,
    mask_mail,
    mask_phone,
    place_of,
)
from gateway.providers.pretence import Pretence
from gateway.providers.tries import Tries
from gateway.reasons import Reason, SenderFailed, StoreUnavailable

_DELIVERY = 3.0  # seconds a request waits for the relay (A8)
_TRIES = 50
_METHODS = {"mail": Method.OTP_MAIL, "sms": Method.OTP_SMS}
_log = structlog.get_logger("gateway.otp")


class Authenticators(Protocol):
    """The persons' own applications (RFC 6238) and recovery codes."""

    async def enrolled(self, account_id: str) -> bool: ...

    async def verify(self, account_id: str, code: str, now: datetime) -> bool: ...

    async def use_recovery(self, account_id: str, code: str, now: datetime) -> int | None: ...


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
        self.pretence = Pretence(store, key, settings, self.usable)
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
        place = place_of(attempt.browser, account.id, channel)
        (raw,) = await self._store.read(place)
        held = Code.read(raw)
        living = held is not None and alive(held, now) and _still_there(held, account)
        again = held is not None and living and (held.channel == channel or self._early(held, now))
        if held is not None and again and (not fresh or channel == "totp"):
            # R69: with a long validity the pending code of this browser serves again, without another message.
            return self._form(account, held, channels)
        braking = living or (held is not None and held.wrong >= self._settings.max_wrong and self._early(held, now))
        refused = await self._too_many(account, held if braking or fresh else None, channel, channels, now, fresh=fresh)
        if refused is not None:
            return refused
        digits = self._ambient.digits(self._settings.digits)
        code = Code(
            digest="" if channel == "totp" else self._digest(account.id, digits),
            channel=channel,
            ends=(now + policy.validity).timestamp(),
            sent=now.timestamp(),
            sends=(held.sends if held is not None and (living or fresh) else 0) + 1,
            wrong=held.wrong if held is not None and living else 0,
            sent_to=destination_of(account.mail if channel == "mail" else account.phone),
        )
        if not await self._store.swap(place, raw, code.encode(), MARK):
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
        return now < instant(held.sent) + settings.resend_delay or held.sends >= settings.max_sends_per_attempt

    async def _usual(self, attempt: Attempt, account: Account, channels: tuple[str, ...], now: datetime) -> str:
        """Without a choice: the way of the code still pending in this browser, else the last one used (R72)."""
        (raw,) = await self._store.read(place_of(attempt.browser, account.id, "mail"))
        held = Code.read(raw)
        if held is not None and alive(held, now) and held.channel in channels:
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
            if now < instant(held.sent) + settings.resend_delay:
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
        until, zone = instant(code.ends), self._settings.zone
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
            void = replace(code, state="dead", sends=code.sends - 1, sent=0.0)  # not sent: it counts for nothing (R71)
            await self._store.swap(place, code.encode(), void.encode(), MARK)
            await self._audit.record(Record(Act.CODE_NOT_SENT, now, account.id, facts={"channel": channel}))
            return False
        await self._audit.record(Record(Act.CODE_SENT, now, account.id, facts={"channel": channel}))
        return True

    # Checking

    async def check(
        self, attempt: Attempt, account_id: str, typed: str, lane: str, now: datetime
    ) -> Accepted | Rejected:
        """Judge what was typed. Wrong entries are counted here, by the code and in ``lane``."""
        if not await self._tries.begin_code(lane, now):
            return Rejected(Reason.TOO_MANY_ATTEMPTS, over=False)
        channel = attempt.memory.get("channel", "mail")
        place = place_of(attempt.browser, account_id, channel)
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
            if await self._store.swap(place, raw, after.encode(), MARK):
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
            if await self._store.swap(place, raw, self._counted(code).encode(), MARK):
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
        await self._store.write(place, replace(code, state="used").encode(), MARK)
        return accepted

    def _not_pending(self, code: Code | None, now: datetime) -> Rejected | None:
        if code is None or now >= instant(code.ends):
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
            return self.pretence.mask(code, account.id)
        destination = {"mail": mask_mail(account.mail or ""), "sms": mask_phone(account.phone or ""), "totp": ""}
        return {
            "channel": code.channel,
            "destination": destination[code.channel],
            "channels": ",".join(channels),
            "until": instant(code.ends).isoformat(),
            "resend_at": (instant(code.sent) + self._settings.resend_delay).isoformat(),
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


def _still_there(held: Code, account: Account) -> bool:
    """Whether the address this code went to is still the account's: otherwise it opens nothing any more."""
    address = {"mail": account.mail, "sms": account.phone}
    return held.channel not in address or held.sent_to == destination_of(address[held.channel])
