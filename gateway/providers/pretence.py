"""The code page for a password that was wrong (R81): the same as for a right one, and no code is right there.

Only where a deployment hides which passwords are right. The page shows a made-up mask, stable for one person, and the
limits of a real code; nothing is ever sent.
"""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import Protocol

from gateway.accounts.account import Account
from gateway.ports import Store
from gateway.providers.base import Attempt, Form, Rejected
from gateway.providers.code import MARK, NOBODY, Code, CodePolicy, CodeSettings, alive, instant, mask_phone, place_of
from gateway.reasons import Reason


class Usable(Protocol):
    """By which ways a code could reach somebody (``Codes.usable``)."""

    async def __call__(self, account: Account, policy: CodePolicy) -> tuple[tuple[str, ...], Reason]: ...


class Pretence:
    """``key`` makes the masks; ``usable`` says what a right password would have shown."""

    def __init__(self, store: Store, key: bytes, settings: CodeSettings, usable: Usable) -> None:
        self._store = store
        self._key = key
        self._settings = settings
        self._usable = usable

    async def begin(
        self, attempt: Attempt, account: Account | None, login: str, policy: CodePolicy | None, now: datetime
    ) -> Form:
        """The code page for a password that was wrong: the same as for a right one, and no code is right.

        Without ``account`` the identifier ``login`` opens nothing. Only with ``hide_destination``, under which right
        passwords show the same mask.
        """
        policy = policy or self._settings.usual
        channels: tuple[str, ...] = ("mail",)  # what an ordinary account shows
        usual, who = "mail", login
        if account is not None:
            channels = (await self._usable(account, policy))[0] or channels
            usual = account.last_channel if account.last_channel in channels else channels[0]
            who = account.id
        seed = self._seed(who)
        place = place_of(attempt.browser, NOBODY + seed, "mail")
        (raw,) = await self._store.read(place)
        held = Code.read(raw)
        if held is None or not alive(held, now):
            held = Code(seed, usual, (now + policy.validity).timestamp(), now.timestamp(), 1)
            await self._store.write(place, held.encode(), MARK)
        return Form("code", self.mask(held, who), account=NOBODY + seed)

    async def again(self, attempt: Attempt, channel: str | None, now: datetime, *, fresh: bool) -> Form | Rejected:
        """« Renvoyer un code » on such a page: the limits of R71, and nothing sent."""
        settings, account = self._settings, attempt.account or ""
        place = place_of(attempt.browser, account, "mail")
        (raw,) = await self._store.read(place)
        held = Code.read(raw)
        sends = held.sends if held is not None else 0
        if held is not None and fresh:
            if now < instant(held.sent) + settings.resend_delay:
                return Rejected(Reason.RESEND_TOO_SOON, facts=attempt.memory, over=False)
            if sends >= settings.max_sends_per_attempt:
                return Rejected(Reason.RESEND_TOO_MANY, facts=attempt.memory, over=False)
        channels = attempt.memory.get("channels", "mail").split(",")
        wanted = channel if channel in channels else channels[0]
        ends = (now + settings.usual.validity).timestamp()
        made = Code(account.removeprefix(NOBODY), wanted, ends, now.timestamp(), sends + 1, held.wrong if held else 0)
        await self._store.write(place, made.encode(), MARK)
        destination = attempt.memory.get("destination", "")
        if wanted == "sms":
            destination = mask_phone(account)
        shown = {**attempt.memory, "channel": wanted, "destination": destination, "until": instant(ends).isoformat()}
        return Form("code", shown, account=account)

    def _seed(self, who: str) -> str:
        return hmac.new(self._key, f"pretend:{who}".encode(), "sha256").hexdigest()[:32]

    def mask(self, code: Code, who: str) -> dict[str, str]:
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
            "until": instant(code.ends).isoformat(),
            "resend_at": (instant(code.sent) + self._settings.resend_delay).isoformat(),
        }
