"""How what was started ends: tasks of the background, and everything a gateway opened. Within a time, whatever they wait for.

* A task that is cancelled once may go on as if nothing had been said: ``asyncio.wait_for`` of Python 3.11 drops a
  cancellation that comes while its operation ends (cpython gh-86296), and libraries below us use it. It is told again.
* What does not close in time is left behind, with a line in the log: the process is about to end, and who started it
  waits for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

CLOSING = 8.0  # seconds that all there is to close may take together, once the door has drained
LAST = CLOSING + 2  # seconds after which nothing is waited for any more, not even the event loop
_AGAIN = 1.0  # seconds between two words to a task; longer than what tidies up after itself takes when all is well
_LEAST = 0.1  # seconds for what closes last, when others have used up the time
_log = structlog.get_logger("gateway")

Close = Callable[[], Coroutine[Any, Any, Any]]


async def ended(*tasks: asyncio.Task[Any]) -> None:
    """Cancel these tasks and wait until they have ended, however that was."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        done, left = await asyncio.wait(left, timeout=_AGAIN)
        for task in done:
            if not task.cancelled():
                task.exception()  # looked at: nobody is to be told of it later


class Closing:
    """What is open. ``aclose`` closes it, the last first; as with ``contextlib.AsyncExitStack``, none keeps another open,
    neither by failing nor, here, by taking long."""

    def __init__(self) -> None:
        self._open: list[tuple[str, Close]] = []

    def push_async_callback(self, close: Close) -> None:
        self._open.append((getattr(close, "__qualname__", repr(close)), close))

    def callback(self, close: Callable[[], object]) -> None:
        async def at_once() -> None:
            close()

        self._open.append((getattr(close, "__qualname__", repr(close)), at_once))

    async def aclose(self, seconds: float = CLOSING) -> None:
        """Close everything in so many seconds. Raises the first fault when all is closed."""
        loop = asyncio.get_running_loop()
        last = loop.time() + seconds
        faults: list[Exception] = []
        while self._open:
            name, close = self._open.pop()
            try:
                await within(name, close(), max(last - loop.time(), _LEAST))
            except Exception as error:
                faults.append(error)
        if faults:
            raise faults[0]


async def within(name: str, work: Coroutine[Any, Any, Any], seconds: float) -> None:
    """Do this work, but wait for it no longer than so many seconds; then it is cancelled and left behind."""
    task = asyncio.get_running_loop().create_task(work, name=f"close {name}")
    _, late = await asyncio.wait({task}, timeout=seconds)
    if late:
        task.cancel()
        _log.error("not closed in time", part=name, seconds=round(seconds, 1))
    else:
        task.result()
