"""The Store and Bus ports in Redis: shared by several machines. Commands up to Redis 7.0.

* A value carries its own end (8 bytes, milliseconds) judged by the gateway's clock; Redis' expiry only cleans up.
* ``swap`` is one script, atomic in Redis.
* A command that was cancelled or timed out takes its connection with it: no reply can reach the next caller.
* Bounded pool, explicit time-outs, no retry of a command that may have been done. Faults are ``StoreUnavailable``.
* The time-outs are ours, not the client's: with ``socket_timeout`` it sends through ``asyncio.wait_for``, which Python
  3.11 lets drop a cancellation. Whoever was stopped in a command then went on, and who waited for them did for ever.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from gateway.ending import ended
from gateway.ports import Ambient
from gateway.reasons import StoreUnavailable

_CONNECT = 1.0  # seconds
_WAIT = 2.5  # seconds a caller waits at most
_POOL = 64
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

T = TypeVar("T")


class RedisStore:
    """``url`` is redis:// or rediss://, with user, password and database as usual."""

    def __init__(self, url: str, ambient: Ambient) -> None:
        if url.startswith(("redis+sentinel://", "redis+cluster://")):
            raise ValueError("Sentinel and Cluster addresses are not accepted by this version")
        self._ambient = ambient
        self._url = url
        options: dict[str, Any] = {
            "socket_timeout": None,
            "socket_connect_timeout": _CONNECT,
            "retry": Retry(NoBackoff(), 0),
        }
        pool = BlockingConnectionPool.from_url(url, max_connections=_POOL, timeout=_CONNECT, **options)
        self._redis: Redis = Redis.from_pool(pool)
        # Listening needs a client of its own, which may be silent for as long as nobody speaks.
        self._ear: Redis = Redis.from_url(url, **options)
        self._heard: list[Callable[[str], None]] = []
        self._listener: asyncio.Task[None] | None = None
        self._sha = ""

    async def start(self) -> None:
        """Begin to hear other workers. Does not fail when Redis is away: the gateway starts closed and waits."""
        self._listener = asyncio.get_running_loop().create_task(self._hear(), name="store news")

    async def read(self, *keys: str) -> tuple[bytes | None, ...]:
        if not keys:
            return ()
        now = self._stamp()
        values = await self._run(lambda: self._redis.mget([_PREFIX + key for key in keys]))
        return tuple(None if value is None or _end(value) <= now else value[8:] for value in values)

    async def write(self, key: str, value: bytes, ttl: timedelta) -> None:
        kept, whole = self._whole(value, ttl)
        await self._run(lambda: self._redis.set(_PREFIX + key, whole, px=kept))

    async def swap(self, key: str, old: bytes | None, new: bytes | None, ttl: timedelta | None = None) -> bool:
        expected = b"" if old is None else b"=" + old
        if new is None:
            wanted, kept = b"", 1
        elif ttl is None:
            raise ValueError("a new value needs a ttl")
        else:
            kept, whole = self._whole(new, ttl)
            wanted = b"=" + whole
        arguments = (_PREFIX + key, self._stamp(), expected, wanted, kept)
        return bool(await self._run(lambda: self._eval(*arguments)))

    async def publish(self, message: str) -> None:
        await self._run(lambda: self._redis.publish(_CHANNEL, message))

    def listen(self, heard: Callable[[str], None]) -> None:
        self._heard.append(heard)

    async def close(self) -> None:
        if self._listener is not None:
            await ended(self._listener)
        for client in (self._redis, self._ear):
            try:
                await client.aclose()
            except RedisError:
                continue  # it was gone already

    async def _eval(self, key: str, *arguments: Any) -> Any:
        if self._sha:
            try:
                return await self._redis.evalsha(self._sha, 1, key, *arguments)
            except NoScriptError:
                pass
        self._sha = await self._redis.script_load(_SWAP)
        return await self._redis.evalsha(self._sha, 1, key, *arguments)

    async def _run(self, work: Callable[[], Any]) -> Any:
        try:
            async with asyncio.timeout(_WAIT):
                return await work()
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailable("Redis gives no answer") from error

    async def _hear(self) -> None:
        while True:
            try:
                async with self._ear.pubsub() as channel:
                    async with asyncio.timeout(_WAIT):
                        await channel.subscribe(_CHANNEL)
                    async for message in channel.listen():
                        if message["type"] == "message":
                            text = cast(bytes, message["data"]).decode("utf-8", "replace")
                            for heard in self._heard:
                                heard(text)
            except (RedisError, OSError):
                # What was missed meanwhile is covered by the age of caches.
                await asyncio.sleep(0.2 + random.random() * 0.8)  # noqa: S311 - jitter, not a secret

    def _whole(self, value: bytes, ttl: timedelta) -> tuple[int, bytes]:
        life = max(1, int(ttl.total_seconds() * 1000))
        return life + _GRACE, (self._stamp() + life).to_bytes(8, "big") + value

    def _stamp(self) -> int:
        return int(self._ambient.now().timestamp() * 1000)


def _end(value: bytes) -> int:
    return int.from_bytes(value[:8], "big")
