"""Words between workers over Redis: one connection that hears, wherever the primary is.

Whatever happens to it, it is made again, after a pause drawn by chance. What was said in between is lost; so each time it
hears (again) it says ``AGAIN`` to the listeners, who then know nothing that they could not ask for.

A network that is cut without a word looks like silence. So there is a PING whenever nothing was heard for a second, and no
answer for another second is an end.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Sequence

import structlog
from redis.exceptions import ConnectionError, RedisError, ResponseError

from gateway.edges.circuit import CircuitOpen
from gateway.edges.redis_line import Line
from gateway.edges.redis_link import ATTEMPT, Link
from gateway.ending import ended

_log = structlog.get_logger("gateway.store")

AGAIN = "store:again"
_SILENCE = 1.0  # seconds
_PAUSE, _LONGEST = 0.1, 1.0  # seconds between two attempts; doubled each time


class News:
    def __init__(self, link: Link, channel: str, heard: Sequence[Callable[[str], None]]) -> None:
        self._link = link
        self._channel = channel
        self._heard = heard
        self._task: asyncio.Task[None] | None = None
        self.listens = False

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._always(), name="store news")

    async def close(self) -> None:
        if self._task is not None:
            await ended(self._task)

    async def _always(self) -> None:
        pause = _PAUSE
        refused = False
        while True:
            line: Line | None = None
            try:
                async with asyncio.timeout(ATTEMPT):
                    line = await self._link.listening(self._channel)
                pause, refused = _PAUSE, False
                self.listens = True
                self._tell(AGAIN)
                await self._hear(line)
            except (RedisError, OSError, TimeoutError, CircuitOpen) as error:
                if isinstance(error, ResponseError) and not refused:  # a right is missing; that it is away others say
                    _log.error("words of other workers are not heard", why=str(error)[:200])
                    refused = True
                await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311 - jitter, not a secret
                pause = min(pause * 2, _LONGEST)
            finally:
                self.listens = False
                if line is not None:
                    line.cut()

    async def _hear(self, line: Line) -> None:
        """Ends with what ended the connection."""
        asked = False
        while True:
            reading = asyncio.ensure_future(line.read_response(disable_decoding=True, timeout=math.inf))
            try:
                while not (await asyncio.wait({reading}, timeout=_SILENCE))[0]:
                    if asked:
                        raise ConnectionError("no answer to a PING")
                    await line.send_command("PING", check_health=False)
                    asked = True
            finally:
                if not reading.done():
                    await ended(reading)
            said = reading.result()
            asked = False
            if not self._link.hears(line):
                raise ConnectionError("another server is the one to listen at")
            if isinstance(said, list) and said[0] == b"message":
                self._tell(said[2].decode("utf-8", "replace"))

    def _tell(self, message: str) -> None:
        for heard in self._heard:
            try:
                heard(message)
            except Exception:  # a fault of one listener must not make all of them deaf
                _log.exception("a listener of the store failed", listener=getattr(heard, "__qualname__", ""))
