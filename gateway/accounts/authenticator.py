"""Authenticator applications (TOTP, RFC 6238) and the recovery codes that stand in for a lost one.

Rules of the room:

* The secret is sealed at rest; of a recovery code only a keyed hash is kept. Both are shown once, by the pages.
* A time step serves once: the newest one that served is written by a guarded update, and only grows. A clock set back
  revives nothing (R80), and fifty right codes at once are one (R68).
* A code of the step before or after is right too (RFC 6238 §5.2): a telephone's clock may be a little off (R80).
* Wrong entries are counted by whoever asks (``providers.codes``): here a code is right or it is not.

Methods may raise ``RecordsUnavailable``.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable
from datetime import datetime
from typing import cast
from urllib.parse import quote

import segno
from pyotp import TOTP

from gateway.ports import Ambient, Change, Delete, Insert, Records, Row, Update, Value
from gateway.reasons import Stale

DIGITS = 6
_STEP = 30  # seconds, what every application understands
_DRIFT = (-1, 0, 1)  # steps
_ISSUER = "ViaTrajectoire"
_SECRET_BYTES = 20  # 160 bits, as RFC 4226 §4 recommends
_RECOVERY_CODES, _RECOVERY_LENGTH = 10, 10
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # 32 letters and digits, none easily read for another
_LONGEST_LABEL = 64  # characters: what a QR code of reasonable size holds
_BETWEEN = re.compile(r"[\s\-\u2010-\u2015\u2212]")
_TURNS = 4


class Authenticators:
    """``seal`` and ``unseal`` protect secrets at rest; ``key`` hashes recovery codes (32 bytes, used for nothing else)."""

    def __init__(
        self,
        records: Records,
        *,
        seal: Callable[[str], str],
        unseal: Callable[[str], str | None],
        key: bytes,
        ambient: Ambient,
    ) -> None:
        self._records = records
        self._seal = seal
        self._unseal = unseal
        self._key = key
        self._ambient = ambient

    async def enrolled(self, account_id: str) -> bool:
        """Whether this account has an application."""
        return await self._row(account_id) is not None

    # Adding one

    def new_secret(self) -> str:
        """A secret nobody has yet: 160 bits, in base32 without padding."""
        return base64.b32encode(self._chance(_SECRET_BYTES)).decode("ascii")

    def uri(self, secret: str, label: str) -> str:
        """What the QR code says (Key URI format). ``label``: the person's login, to tell accounts apart."""
        name = quote(label[:_LONGEST_LABEL], safe="")
        return f"otpauth://totp/{_ISSUER}:{name}?secret={secret}&issuer={_ISSUER}&algorithm=SHA1&digits={DIGITS}&period={_STEP}"

    def qr(self, uri: str) -> str:
        """The QR code as the address of a picture (``data:image/svg+xml…``): black on white on every page, or no
        telephone reads it in dark mode."""
        code = segno.make(uri, error="m", micro=False)
        return code.svg_data_uri(border=4, dark="#000", light="#fff", omitsize=True, svgclass=None, lineclass=None)

    def right(self, secret: str, code: str, now: datetime) -> bool:
        """Whether the application that was given ``secret`` shows this code now."""
        return _step_of(secret, code, now) is not None

    async def confirm(self, account_id: str, secret: str, code: str, now: datetime) -> tuple[str, ...] | None:
        """Keep the secret, once its first code is right; ``None`` when it is not.

        Returns the recovery codes, as they are shown. An application and codes the account had before are gone.
        Raises ``Taken`` when another request for the account did the same at this instant.
        """
        step = _step_of(secret, code, now)
        if step is None:
            return None
        values: dict[str, Value] = {
            "account_id": account_id,
            "secret": self._seal(secret),
            "last_step": step,  # the code just typed does not open a session as well
            "created_at": now,
        }
        codes = self._new_codes()
        await self._records.write(
            Delete("authenticators", {"account_id": account_id}),
            Insert("authenticators", values),
            *self._instead(account_id, codes, now),
        )
        return tuple(map(_shown, codes))

    # Using it

    async def verify(self, account_id: str, code: str, now: datetime) -> bool:
        """Whether this is a right code that has not served, of this step or the one before or after; then it has."""
        for _ in range(_TURNS):
            row = await self._row(account_id)
            secret = None if row is None else self._unseal(cast(str, row["secret"]))
            if row is None or secret is None:
                return False
            last, step = cast(int, row["last_step"]), _step_of(secret, code, now)
            if step is None or step <= last:
                return False
            where = {"account_id": account_id, "secret": row["secret"], "last_step": last}
            try:
                await self._records.write(Update("authenticators", {"last_step": step}, where))
            except Stale:
                continue  # another code served meanwhile: perhaps this one, perhaps an older one
            return True
        return False

    async def remove(self, account_id: str) -> None:
        """Forget the application and its recovery codes."""
        await self._records.write(
            Delete("recovery_codes", {"account_id": account_id}), Delete("authenticators", {"account_id": account_id})
        )

    # Recovery codes

    async def use_recovery(self, account_id: str, code: str, now: datetime) -> int | None:
        """Use up one recovery code; returns how many are left, ``None`` when this is none that is still good."""
        typed = _BETWEEN.sub("", code[:64]).upper()
        if len(typed) != _RECOVERY_LENGTH or not set(typed) <= set(_ALPHABET):
            return None
        digest = self._digest(account_id, typed)
        found: Row | None = None
        for row in await self._unused(account_id):
            if hmac.compare_digest(cast(str, row["digest"]), digest):
                found = row
        if found is None:
            return None
        try:
            await self._records.write(Update("recovery_codes", {"used_at": now}, {"id": found["id"], "used_at": None}))
        except Stale:  # used, or replaced, at the same instant
            return None
        return await self.recovery_left(account_id)

    async def recovery_left(self, account_id: str) -> int:
        """How many recovery codes are still good."""
        return len(await self._unused(account_id))

    async def renew_recovery(self, account_id: str, now: datetime) -> tuple[str, ...]:
        """New recovery codes, as they are shown; the older ones are void. Raises ``Stale`` without an application."""
        codes = self._new_codes()
        # The first change waits for any other renewal of this account, so that never two sets are good.
        held = Update("authenticators", {"account_id": account_id}, {"account_id": account_id})
        await self._records.write(held, *self._instead(account_id, codes, now))
        return tuple(map(_shown, codes))

    def _new_codes(self) -> list[str]:
        return [
            "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in self._chance(_RECOVERY_LENGTH))  # 256 is 8 times 32
            for _ in range(_RECOVERY_CODES)
        ]

    def _instead(self, account_id: str, codes: list[str], now: datetime) -> list[Change]:
        """These codes, and no others."""
        changes: list[Change] = [Delete("recovery_codes", {"account_id": account_id})]
        for code in codes:
            values: dict[str, Value] = {
                "id": "rec_" + self._ambient.token(12),
                "account_id": account_id,
                "digest": self._digest(account_id, code),
                "used_at": None,
                "created_at": now,
            }
            changes.append(Insert("recovery_codes", values))
        return changes

    async def _unused(self, account_id: str) -> tuple[Row, ...]:
        return await self._records.find("recovery_codes", {"account_id": account_id, "used_at": None})

    async def _row(self, account_id: str) -> Row | None:
        found = await self._records.find("authenticators", {"account_id": account_id})
        return found[0] if found else None

    def _digest(self, account_id: str, code: str) -> str:
        return hmac.new(self._key, f"{account_id}:{code}".encode(), "sha256").hexdigest()

    def _chance(self, size: int) -> bytes:
        token = self._ambient.token(size)
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


def _step_of(secret: str, typed: str, now: datetime) -> int | None:
    """The time step whose code was typed; ``None`` for a wrong one. Of two steps with the same code the newer, so that
    the code does not serve again for it."""
    code = _BETWEEN.sub("", typed[:64])
    if len(code) != DIGITS or not (code.isascii() and code.isdigit()):
        return None
    totp = TOTP(secret, digits=DIGITS, interval=_STEP)
    present = totp.timecode(now)
    found: int | None = None
    for step in (present + drift for drift in _DRIFT):
        if step >= 0 and hmac.compare_digest(totp.generate_otp(step), code):
            found = step
    return found


def _shown(code: str) -> str:
    """As people copy it by hand: XXXXX-XXXXX."""
    half = _RECOVERY_LENGTH // 2
    return f"{code[:half]}-{code[half:]}"
