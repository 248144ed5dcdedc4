"""The event loop's pulse: how late it is at most, and a sign of life about once a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_EVERY = 0.1  # seconds between two beats: what holds the loop longer than that is seen
_SIGN = 10  # beats between two signs of life


class Pulse:
    """``sign``: called about once a second, as long as the loop turns."""

    def __init__(self, sign: Callable[[], None] = lambda: None) -> None:
        self.sign = sign
        self._worst = 0.0
        self._beats = 0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = loop.time() + _EVERY
        self._timer = loop.call_at(self._due, self._beat, loop)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        self._worst = max(self._worst, now - self._due)
        self._beats += 1
        if self._beats >= _SIGN:
            self._beats = 0
            self.sign()
        self._due = now + _EVERY
        self._timer = loop.call_at(self._due, self._beat, loop)

    def worst(self) -> float:
        """The longest delay in seconds since this was asked last."""
        worst, self._worst = self._worst, 0.0
        return worst
