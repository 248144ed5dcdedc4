"""Browsers a person has used before: known ones, and those that hold a second factor for a while (R78).

* A device is a browser's long-lived random cookie, known here by its digest, always together with one account: for
  another account the same cookie says nothing.
* A remembered second factor ends by itself with its delay, with any change of password, mail or mobile or « Se déconnecter
  partout » (its stamp no longer fits, whatever the clocks of machines say), and when the policy shortens the delay.
* It is written after a code and never renewed by its own use.

Methods raise ``StoreUnavailable``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.accounts.account import Account
from gateway.clocks import lately
from gateway.identity import Method
from gateway.ports import Store


@dataclass(frozen=True, slots=True)
class Remembered:
    """The second factor this browser gave: which, and when."""

    method: Method
    at: datetime


class Devices:
    """``known_life``: how long a browser stays known after the last sign-in there; zero switches that off."""

    def __init__(self, store: Store, known_life: timedelta) -> None:
        self._store = store
        self._known_life = known_life

    async def known(self, browser: str, account: str) -> bool:
        """Whether this person signed in from this browser lately: its failures then have a lane of their own."""
        if self._known_life <= timedelta(0):
            return False
        (raw,) = await self._store.read(_known(browser, account))
        return raw is not None

    async def signed_in(self, browser: str, account: str) -> None:
        if self._known_life > timedelta(0):
            await self._store.write(_known(browser, account), b"1", self._known_life)

    async def remember(self, browser: str, account: Account, method: Method, now: datetime, life: timedelta) -> None:
        """Hold the second factor just given, for ``life``."""
        record = {
            "method": method.value,
            "at": now.timestamp(),
            "life": life.total_seconds(),
            "stamp": _stamp(account),
        }
        await self._store.write(_memory(browser, account.id), json.dumps(record).encode(), life)

    async def remembered(self, browser: str, account: Account, now: datetime, longest: timedelta) -> Remembered | None:
        """The second factor this browser still holds for the account, if the policy of now (``longest``) allows it."""
        if longest <= timedelta(0):
            return None
        (raw,) = await self._store.read(_memory(browser, account.id))
        if raw is None:
            return None
        record = json.loads(raw)
        at = datetime.fromtimestamp(record["at"], UTC)
        life = min(longest, timedelta(seconds=record["life"]))
        if not lately(at, now, life) or record["stamp"] != _stamp(account):
            return None
        return Remembered(Method(record["method"]), at)

    async def forget(self, browser: str, account: str) -> None:
        """« Ce poste est partagé » ticked: nothing stays (R146)."""
        (raw,) = await self._store.read(_memory(browser, account))
        if raw is not None:
            await self._store.swap(_memory(browser, account), raw, None)


def _stamp(account: Account) -> str:
    """Changes with the password, the mail, the mobile, and with every act that ends what browsers remember."""
    password = account.password_set_at.timestamp() if account.password_set_at else 0
    parts = [password, account.mail, account.phone, *([account.void] if account.void else [])]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _known(browser: str, account: str) -> str:
    return f"known:{account}:{browser[:32]}"


def _memory(browser: str, account: str) -> str:
    return f"memory:{account}:{browser[:32]}"
