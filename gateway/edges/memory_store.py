"""The Store and Bus ports in this process's memory: for tests, and for trying things out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from gateway.ports import Ambient

_SWEEP_EVERY = 1000  # writes between two clean-ups


class MemoryStore:
    """Keys with an end. An entry that was once seen expired is gone, whatever the clock does later."""

    replicated = False

    def __init__(self, ambient: Ambient) -> None:
        self._ambient = ambient
        self._entries: dict[str, tuple[bytes, datetime]] = {}
        self._heard: list[Callable[[str], None]] = []
        self._writes = 0

    async def start(self) -> None:
        """Nothing to open."""

    async def read(self, *keys: str) -> tuple[bytes | None, ...]:
        now = self._ambient.now()
        return tuple(self._live(key, now) for key in keys)

    async def write(self, key: str, value: bytes, ttl: timedelta) -> None:
        now = self._ambient.now()
        self._writes += 1
        if self._writes % _SWEEP_EVERY == 0:
            for old in [one for one, (_, end) in self._entries.items() if end <= now]:
                del self._entries[old]
        self._entries[key] = (value, now + ttl)

    async def swap(self, key: str, old: bytes | None, new: bytes | None, ttl: timedelta | None = None) -> bool:
        now = self._ambient.now()
        if self._live(key, now) != old:
            return False
        if new is None:
            self._entries.pop(key, None)
        else:
            if ttl is None:
                raise ValueError("a new value needs a ttl")
            self._entries[key] = (new, now + ttl)
        return True

    async def publish(self, message: str) -> None:
        loop = asyncio.get_running_loop()
        for heard in self._heard:
            loop.call_soon(heard, message)

    def listen(self, heard: Callable[[str], None]) -> None:
        self._heard.append(heard)

    async def close(self) -> None:
        """Nothing to let go of."""

    def _live(self, key: str, now: datetime) -> bytes | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[1] <= now:
            del self._entries[key]
            return None
        return entry[0]
