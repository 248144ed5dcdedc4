"""Failures counted per account and per address (R58), in the store, shared by all workers.

* What was typed does not matter: an account has one counter whichever identifier opened it; identifiers that open
  nothing have theirs, under a keyed hash.
* A browser the person signed in from before has a lane of its own: failures made elsewhere do not lock it (lesson 29).
* Counters change by compare and set; a success ends the row and not the day's count.

Methods raise ``StoreUnavailable``.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

from gateway.accounts.account import Account
from gateway.identity import Login
from gateway.policy.throttle import Ledger, Pace, failed, succeeded, taken_back, wait
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
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def turn(self, lane: str) -> asyncio.Lock:
        """One judgement of a lane at a time in this worker: tries that are right and come together do not count against
        each other. Among workers ``begin`` holds by itself."""
        found = self._turns.get(lane)
        if found is None:
            found = self._turns[lane] = asyncio.Lock()
        return found

    async def lane(self, browser: str, account: Account | None, login: Login | None = None) -> str:
        """The name of the counter these tries belong to."""
        if account is None:
            text = login.key if login else ""
            return "failures:?" + hmac.new(self._key, text.encode(), "sha256").hexdigest()[:32]
        known = await self._devices.known(browser, account.id)
        return f"failures:{account.id}:{browser[:32]}" if known else f"failures:{account.id}"

    async def address_waits(self, address: str, now: datetime) -> bool:
        return await self._waits(_from(address), self._address_pace, now)

    async def waits(self, lane: str, now: datetime) -> bool:
        """Whether this lane has to wait now: after failures in a row, or for the day."""
        return await self._waits(lane, self._pace, now)

    async def begin_code(self, lane: str, now: datetime) -> bool:
        """``begin`` for a code: only the day's count. Somebody who typed the right password may type the code at once."""
        return await self._reserve(lane, replace(self._pace, after=1000), now)

    async def failed(self, lane: str, now: datetime, address: str = "") -> None:
        await self._change(lane, now)
        if address:
            await self.failed_from(address, now)

    async def begin(self, lane: str, now: datetime) -> bool:
        """Count a try as failed before it is judged, by one swap: forty at once are forty. False: it has to wait."""
        return await self._reserve(lane, self._pace, now)

    async def _reserve(self, key: str, pace: Pace, now: datetime) -> bool:
        for _ in range(_TRIES):
            (raw,) = await self._store.read(key)
            ledger = Ledger.read(raw)
            if wait(ledger, pace, now) > timedelta(0):
                return False
            if await self._store.swap(key, raw, failed(ledger, now).encode(), _KEPT):
                return True
        raise StoreUnavailable("a counter changes too often")

    async def take_back(self, lane: str) -> None:
        """The try that ``begin`` counted was none to count: the password was right, and a code decides."""
        await self._rewrite(lane, taken_back)

    async def failed_from(self, address: str, now: datetime) -> None:
        """One more failure from this address."""
        await self._change(_from(address), now)

    async def succeeded(self, lane: str) -> None:
        await self._rewrite(lane, succeeded)

    async def _rewrite(self, lane: str, change: Callable[[Ledger], Ledger]) -> None:
        for _ in range(_TRIES):
            (raw,) = await self._store.read(lane)
            if raw is None or await self._store.swap(lane, raw, change(Ledger.read(raw)).encode(), _KEPT):
                return
        raise StoreUnavailable("a counter changes too often")

    async def spend(self, name: str, most: int, now: datetime) -> bool:
        """Count one more of something that is bounded per day; false, and nothing counted, when the day is full."""
        return await self._reserve(name, Pace(after=10_000, most=most), now)

    async def _waits(self, key: str, pace: Pace, now: datetime) -> bool:
        (raw,) = await self._store.read(key)
        return wait(Ledger.read(raw), pace, now) > timedelta(0)

    async def _change(self, key: str, now: datetime) -> None:
        for _ in range(_TRIES):
            (raw,) = await self._store.read(key)
            if await self._store.swap(key, raw, failed(Ledger.read(raw), now).encode(), _KEPT):
                return
        raise StoreUnavailable("a counter changes too often")


def _from(address: str) -> str:
    """The counter of an address: a whole /64 for IPv6, because one customer has all of it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return f"tries-from:{address[:64]}"
    if parsed.version == 6:
        return f"tries-from:{ipaddress.ip_network((parsed, 64), strict=False)}"
    return f"tries-from:{parsed}"
