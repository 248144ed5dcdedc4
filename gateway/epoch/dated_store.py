"""A Store and Bus in front of the real ones: what another epoch wrote is absent.

Every key bears the prefix of the name in force. A read asks for the pulse in the same call and gives no answer that was
read beside a wrong one; a write is preceded by a look at the pulse when the last is a second old or the store has
failed since. A store that may have gone back is ``StoreUnavailable`` until its epoch is settled.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from gateway.epoch.epochs import NEWS, Epochs
from gateway.epoch.judgement import PULSE, Pulse
from gateway.ports import Bus, Store
from gateway.reasons import StoreUnavailable

_PROOF = 1.0  # seconds a look at the pulse is good for

T = TypeVar("T")


class DatedStore:
    """``raw`` and ``bus``: the real ones, opened and closed by whoever made them. Keys of up to 170 characters."""

    def __init__(self, raw: Store, bus: Bus, epochs: Epochs) -> None:
        self._raw = raw
        self._bus = bus
        self._epochs = epochs
        self._standing = epochs.standing
        bus.listen(self._hear)

    async def read(self, *keys: str) -> tuple[bytes | None, ...]:
        if not keys:
            return ()
        held = await self._epochs.hold()
        prefix = held.prefix
        pulse, *values = await self._told(self._raw.read(PULSE, *[prefix + key for key in keys]))
        self._standing.check(held, pulse)
        return tuple(values)

    async def write(self, key: str, value: bytes, ttl: timedelta) -> None:
        held = await self._proved()
        await self._told(self._raw.write(held.prefix + key, value, ttl))
        self._standing.still(held)

    async def swap(self, key: str, old: bytes | None, new: bytes | None, ttl: timedelta | None = None) -> bool:
        held = await self._proved()
        done = await self._told(self._raw.swap(held.prefix + key, old, new, ttl))
        self._standing.still(held)
        return done

    async def publish(self, message: str) -> None:
        await self._bus.publish(message)

    def listen(self, heard: Callable[[str], None]) -> None:
        self._bus.listen(heard)
        self._epochs.on_change(heard)

    async def close(self) -> None:
        """Nothing: the real store is closed by whoever opened it."""

    async def _proved(self) -> Pulse:
        held = await self._epochs.hold()
        if not self._standing.proved(_PROOF):
            (pulse,) = await self._told(self._raw.read(PULSE))
            self._standing.check(held, pulse)
        return held

    async def _told(self, work: Awaitable[T]) -> T:
        try:
            return await work
        except StoreUnavailable:
            self._standing.unsure()
            raise

    def _hear(self, message: str) -> None:
        if message == NEWS:
            self._standing.look.set()
