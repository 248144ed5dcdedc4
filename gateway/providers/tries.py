"""Failures counted per account and per address (R58), in the store, shared by all workers.

* What was typed does not matter: an account has one counter whichever identifier opened it; identifiers that open
  nothing have theirs, under a keyed hash.
* A browser the person signed in from before has a lane of its own: failures made elsewhere do not lock it (lesson 29).
* Counters change by compare and set; a success ends the row and not the day's count.

Methods raise ``StoreUnavailable``.
"""

from __future__ import annotations

import hmac
from dataclasses import replace
from datetime import datetime, timedelta

from gateway.accounts.account import Account
from gateway.identity import Login
from gateway.policy.throttle import Ledger, Pace, failed, succeeded, wait
from gateway.ports import Store
from gateway.providers.devices import Devices
from gateway.reasons import StoreUnavailable

_TRIES = 50
_KEPT = timedelta(hours=25)  # the day the ledger looks back on, and a little more


class Tries:
    """``pace``: for accounts; ``address_pace``: for addresses; ``key`` keys the hashes of unknown identifiers."""

    def __init__(self, store: Store, devices: Devices, key: bytes, pace: Pace, address_pace: Pace) -> None:
        self._store = store
        self._devices = devices
        self._key = key
        self._pace = pace
        self._address_pace = address_pace

    async def lane(self, browser: str, account: Account | None, login: Login | None = None) -> str:
        """The name of the counter these tries belong to."""
        if account is None:
            text = login.key if login else ""
            return "failures:?" + hmac.new(self._key, text.encode(), "sha256").hexdigest()[:32]
        known = await self._devices.known(browser, account.id)
        return f"failures:{account.id}:{browser[:32]}" if known else f"failures:{account.id}"

    async def address_waits(self, address: str, now: datetime) -> bool:
        return await self._waits(f"tries-from:{address}", self._address_pace, now)

    async def waits(self, lane: str, now: datetime) -> bool:
        """Whether this lane has to wait now: after failures in a row, or for the day."""
        return await self._waits(lane, self._pace, now)

    async def day_is_full(self, lane: str, now: datetime) -> bool:
        """Only the day's count: somebody who typed the right password may type the code at once."""
        return await self._waits(lane, replace(self._pace, after=1000), now)

    async def failed(self, lane: str, now: datetime, address: str = "") -> None:
        await self._change(lane, now)
        if address:
            await self._change(f"tries-from:{address}", now)

    async def succeeded(self, lane: str) -> None:
        for _ in range(_TRIES):
            (raw,) = await self._store.read(lane)
            if raw is None or await self._store.swap(lane, raw, succeeded(Ledger.read(raw)).encode(), _KEPT):
                return
        raise StoreUnavailable("a counter changes too often")

    async def spend(self, name: str, most: int, now: datetime) -> bool:
        """Count one more of something that is bounded per day; false, and nothing counted, when the day is full."""
        if await self._waits(name, Pace(after=10_000, most=most), now):
            return False
        await self._change(name, now)
        return True

    async def _waits(self, key: str, pace: Pace, now: datetime) -> bool:
        (raw,) = await self._store.read(key)
        return wait(Ledger.read(raw), pace, now) > timedelta(0)

    async def _change(self, key: str, now: datetime) -> None:
        for _ in range(_TRIES):
            (raw,) = await self._store.read(key)
            if await self._store.swap(key, raw, failed(Ledger.read(raw), now).encode(), _KEPT):
                return
        raise StoreUnavailable("a counter changes too often")
