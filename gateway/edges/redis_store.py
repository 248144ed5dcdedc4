"""The Store and Bus ports in Redis: shared by several machines. Commands up to Redis 7.0.

* A value carries its own end (8 bytes, milliseconds) judged by the gateway's clock; Redis' expiry only cleans up.
* ``swap`` is one script, atomic in Redis.
* Every call ends within two seconds, its turn included. No retry of a command that may have been done. Faults are
  ``StoreUnavailable``; while a server is down it is said at once (``circuit``).
* Where the server is, and whether it may be believed, is the link's matter (``redis_link``).
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import structlog
from redis.exceptions import RedisError

from gateway.edges.circuit import CircuitOpen
from gateway.edges.redis_address import link_of
from gateway.edges.redis_news import News
from gateway.ending import ended
from gateway.ports import Ambient
from gateway.reasons import StoreUnavailable
from gateway.redis_url import RedisAccess

_WAIT = 2.0  # seconds a caller waits at most
_AT_ONCE = 64  # calls of one process that Redis has at a time
_BEAT = 1.0  # seconds
_LOOK = 0.2  # seconds between two beats when the last one failed
_CHANNEL = "vtgw:news"
_PREFIX = "vtgw:"
_GRACE = 3_600_000  # milliseconds Redis keeps a key beyond its end: the gateway's clock decides, also when it differs

# KEYS[1]; ARGV: now, expected ("" absent, else "=" + value), new ("" absent, else "=" + end + value), ttl in ms.
_SWAP = """
local held = redis.call('GET', KEYS[1])
if held then
  local ends = 0
  for i = 1, 8 do ends = ends * 256 + string.byte(held, i) end
  if ends <= tonumber(ARGV[1]) then held = false end
end
if held then held = '=' .. string.sub(held, 9) else held = '' end
if held ~= ARGV[2] then return 0 end
if ARGV[3] == '' then redis.call('DEL', KEYS[1])
else redis.call('SET', KEYS[1], string.sub(ARGV[3], 2), 'PX', ARGV[4]) end
return 1
"""
_SHA = hashlib.sha1(_SWAP.encode(), usedforsecurity=False).hexdigest()  # the name Redis gives it

T = TypeVar("T")
_log = structlog.get_logger("gateway.store")


class RedisStore:
    """``url``: an address as ``gateway.redis_url`` knows them; raises ``ValueError`` for another. ``access``: who we are and
    whom we trust, where the address does not say. Raises ``OSError`` for files of TLS that are of no use."""

    def __init__(self, url: str, ambient: Ambient, access: RedisAccess | None = None) -> None:
        self._ambient = ambient
        self._url = url
        beat = f"{_PREFIX}beat:{ambient.token(9)}"
        self._link = link_of(url, access or RedisAccess(), script=_SWAP, beat=beat, clock=time.monotonic)
        self.replicated = self._link.replicas > 0  # what was read here may be lost at a fail-over
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._heard: list[Callable[[str], None]] = []
        self._news = News(self._link, _CHANNEL, self._heard)
        self._beating: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to hear other workers. Does not fail when Redis is away: the gateway starts closed and waits."""
        self._news.start()
        self._beating = asyncio.get_running_loop().create_task(self._beat(), name="store beat")

    async def read(self, *keys: str) -> tuple[bytes | None, ...]:
        if not keys:
            return ()
        now = self._stamp()
        values = await self._run(lambda: self._link.get([_PREFIX + key for key in keys]))
        return tuple(None if value is None or _end(value) <= now else value[8:] for value in values)

    async def write(self, key: str, value: bytes, ttl: timedelta) -> None:
        kept, whole = self._whole(value, ttl)
        key = _PREFIX + key
        await self._run(lambda: self._link.change(key, "SET", key, whole, "PX", kept))

    async def swap(self, key: str, old: bytes | None, new: bytes | None, ttl: timedelta | None = None) -> bool:
        expected = b"" if old is None else b"=" + old
        if new is None:
            wanted, kept = b"", 1
        elif ttl is None:
            raise ValueError("a new value needs a ttl")
        else:
            kept, whole = self._whole(new, ttl)
            wanted = b"=" + whole
        key, now = _PREFIX + key, self._stamp()
        command = ("EVALSHA", _SHA, 1, key, now, expected, wanted, kept)
        return bool(await self._run(lambda: self._link.change(key, *command)))

    async def publish(self, message: str) -> None:
        await self._run(lambda: self._link.say(_CHANNEL, message))

    def listen(self, heard: Callable[[str], None]) -> None:
        self._heard.append(heard)

    async def close(self) -> None:
        if self._beating is not None:
            await ended(self._beating)
        await self._news.close()
        await self._link.close()
        await asyncio.sleep(0)  # sockets close at the next turn of the loop

    async def _run(self, work: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(_WAIT), self._turns:
                return await work()
        except CircuitOpen as error:
            raise StoreUnavailable("Redis gave no answer lately") from error
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable("Redis gives no answer") from error

    async def _beat(self) -> None:
        """Look whether Redis is well, so that callers need not; the log says when that changes, and why."""
        away = False
        while True:
            pause = _BEAT
            try:
                await self._link.beat()
            except CircuitOpen:
                pause = _LOOK
            except (RedisError, OSError, TimeoutError) as error:
                pause = _LOOK
                if not away:
                    _log.error("store away", at=self._link.name, why=_why(error))
                away = True
            else:
                if away:
                    _log.warning("store back", at=self._link.name)
                away = False
            await asyncio.sleep(pause * (0.8 + 0.4 * random.random()))  # noqa: S311 - jitter, not a secret

    def _whole(self, value: bytes, ttl: timedelta) -> tuple[int, bytes]:
        life = max(1, int(ttl.total_seconds() * 1000))
        return life + _GRACE, (self._stamp() + life).to_bytes(8, "big") + value

    def _stamp(self) -> int:
        return int(self._ambient.now().timestamp() * 1000)


def _end(value: bytes) -> int:
    return int.from_bytes(value[:8], "big")


def _why(error: Exception) -> str:
    """Replies of Redis name commands and reasons, never a password."""
    return f"{type(error).__name__}: {error}"[:200] if str(error) else "no answer in time"
