"""Trouble with the store: silent, slow, full, read-only, cut off, restored from a copy of before."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import redis

from experiments.bearing import bear, severed, slowed
from experiments.crowd import Crowd
from experiments.table import experiment

_CLOSED = (
    "protected pages refuse (503) at the latest when facts are 5 s old; nobody is signed out; served again within 5 s"
)


def _console(server: Any) -> redis.Redis:
    """The server itself, beside the line that the gateways use."""
    return redis.Redis(host="127.0.0.1", port=server.port, socket_timeout=5)


@experiment("store-paused", "Redis is stopped in the middle of everything (SIGSTOP), then goes on", _CLOSED, on="wired")
async def paused(crowd: Crowd, seconds: float) -> None:
    process = crowd.estate.redis.process
    process.send_signal(signal.SIGSTOP)
    await bear(crowd, seconds, lambda: process.send_signal(signal.SIGCONT))


@experiment(
    "store-slow",
    "every answer of Redis takes 200 ms longer",
    "everybody is served, later; no time-out is met",
    on="wired",
)
async def slow(crowd: Crowd, seconds: float) -> None:
    await slowed(crowd, crowd.estate.to_store, 0.1, seconds)


@experiment("store-too-slow", "every answer of Redis takes 3 s longer, beyond every time-out", _CLOSED, on="wired")
async def too_slow(crowd: Crowd, seconds: float) -> None:
    await slowed(crowd, crowd.estate.to_store, 1.5, seconds)


@experiment("store-cut", "the network to Redis is cut: packets vanish, nothing is closed", _CLOSED, on="wired")
async def cut(crowd: Crowd, seconds: float) -> None:
    await severed(crowd, crowd.estate.to_store, seconds)


@experiment(
    "store-full",
    "Redis is at maxmemory and evicts nothing: reads answer, writes are refused",
    "who is signed in works on; sign-ins are refused (503), none is half done; nobody is signed out",
    on="wired",
)
async def full(crowd: Crowd, seconds: float) -> None:
    with _console(crowd.estate.redis) as console:
        console.config_set("maxmemory-policy", "noeviction")
        console.config_set("maxmemory", "1")
        await bear(crowd, seconds, lambda: console.config_set("maxmemory", "0"))


@experiment(
    "store-read-only",
    "Redis becomes a replica of nobody: reads answer with what was, writes are refused",
    "sign-ins are refused (503), none is half done; nobody is signed out; served again within 5 s",
    on="wired",
)
async def read_only(crowd: Crowd, seconds: float) -> None:
    with _console(crowd.estate.redis) as console:
        console.replicaof("127.0.0.1", "9")
        await bear(crowd, seconds, lambda: console.execute_command("REPLICAOF", "NO", "ONE"))


@experiment(
    "store-restored",
    "Redis is killed and comes back from a copy made before the last sign-outs and codes",
    "who signed in since signs in again; no sign-out and no used code comes back to life",
    on="wired",
    recover=None,
)
async def restored(crowd: Crowd, seconds: float) -> None:
    crowd.forgets = True
    left, typed = await crowd.some(4), await crowd.some(4, begun=True)
    with _console(crowd.estate.redis) as console:
        await asyncio.to_thread(console.save)
    for one in left:
        await crowd.leave(one)
    for one in typed:
        await crowd.typed(one)
    await crowd.lasting(min(seconds, 2.0))
    await asyncio.to_thread(crowd.estate.redis.stop)
    crowd.said.append(f"{len(left)} people signed out and {len(typed)} codes were used after the copy was made")
    await crowd.lasting(1.0)
    await asyncio.to_thread(crowd.estate.redis.start)
    crowd.over()
    await crowd.recovered(20.0)
