"""Trouble that another machine takes over from: primaries killed or stopped, of the database and of the store."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

import redis

from experiments.crowd import Crowd
from experiments.table import experiment
from tests.redis_servers import until

_LATE = 30.0  # seconds within which Sentinel has to choose
_NOTICED = 1.0  # seconds until whoever watches the database promotes the standby: a manager's business, not ours


@experiment(
    "records-primary-killed",
    "kill -9 of the primary of PostgreSQL; its synchronous standby is promoted a second later",
    "no acknowledged sign-in is missing; the audit chain is whole; nobody is signed out; served again within 5 s of promotion",
    on="pair",
)
async def primary_killed(crowd: Crowd, seconds: float) -> None:
    pair = crowd.estate.postgres
    await crowd.lasting(seconds / 2)
    await asyncio.to_thread(pair.primary.kill)
    await crowd.lasting(_NOTICED)
    began = time.monotonic()
    await asyncio.to_thread(pair.promote)
    crowd.over()
    crowd.said.append(f"promoted in {time.monotonic() - began:.1f} s")
    await crowd.recovered(20.0)
    crowd.said.append(await crowd.audited())
    await asyncio.to_thread(_whole_again, pair)


@experiment(
    "records-switched",
    "primary and standby of PostgreSQL change roles in good order, as for maintenance",
    "no acknowledged sign-in is missing; nobody is signed out; served again within 5 s",
    on="pair",
)
async def switched(crowd: Crowd, seconds: float) -> None:
    pair = crowd.estate.postgres
    await crowd.lasting(seconds / 2)
    await asyncio.to_thread(pair.switch)
    crowd.over()
    await crowd.recovered(20.0)
    crowd.said.append(await crowd.audited())


def _whole_again(pair: Any) -> None:
    """A standby that follows, in step, for the next experiment."""
    pair.repair()
    pair.synchronous()


async def _failed_over(crowd: Crowd, old: Any) -> None:
    """Until Sentinel has made another server the primary; the fault ends then."""
    began = time.monotonic()
    group = crowd.estate.redis
    while True:
        new = await asyncio.to_thread(group.primary)
        if new is not old:
            with suppress(redis.RedisError, OSError):
                if await asyncio.to_thread(new.role) == "master":
                    break
        if time.monotonic() > began + _LATE:
            raise AssertionError("Sentinel chose no other primary")
        await asyncio.sleep(0.1)
    crowd.over()
    crowd.said.append(f"Sentinel failed over in {time.monotonic() - began:.1f} s")


@experiment(
    "store-primary-killed",
    "kill -9 of the primary of Redis; Sentinel makes a replica the primary",
    "served again within 5 s of the fail-over; nobody is signed out; no sign-out and no used code comes back to life",
    on="pair",
)
async def store_killed(crowd: Crowd, seconds: float) -> None:
    group = crowd.estate.redis
    old = group.primary()
    await crowd.lasting(seconds / 2)
    old.kill()
    await _failed_over(crowd, old)
    await crowd.recovered(20.0)
    await asyncio.to_thread(group.start_again, old)


@experiment(
    "store-primary-paused",
    "the primary of Redis is stopped (SIGSTOP); Sentinel makes a replica the primary; the old one wakes up, still sure of itself",
    "nobody writes to the old one; served again within 5 s of the fail-over; nobody is signed out; nothing comes back to life",
    on="pair",
)
async def store_paused(crowd: Crowd, seconds: float) -> None:
    group = crowd.estate.redis
    old = group.primary()
    old.pause()
    try:
        await _failed_over(crowd, old)
        await crowd.lasting(seconds / 2)
    finally:
        old.resume()
    await crowd.lasting(seconds / 2)
    await asyncio.to_thread(until, group.is_whole, 30, "the group is whole again")


@experiment(
    "store-primary-behind",
    "the replicas of Redis stand still while people sign out and type codes; then the primary is killed and a replica takes over "
    "that never heard of it",
    "no sign-out and no used code comes back to life; who signed in meanwhile signs in again",
    on="pair",
    recover=None,
)
async def store_behind(crowd: Crowd, seconds: float) -> None:
    group = crowd.estate.redis
    crowd.forgets = True
    left, typed = await crowd.some(4), await crowd.some(4, begun=True)
    old = group.primary()
    copies = [one for one in group.servers if one is not old]
    for one in copies:
        one.pause()
    try:
        outs = len(crowd.gone)
        await asyncio.gather(*(crowd.leave(one) for one in left))
        codes = sum(await asyncio.gather(*(crowd.typed(one) for one in typed)))
        crowd.said.append(
            f"{len(crowd.gone) - outs} sign-outs and {codes} codes were acknowledged that no replica knew"
        )
        old.kill()
    finally:
        for one in copies:
            one.resume()
    await _failed_over(crowd, old)
    await crowd.recovered(20.0)
    await asyncio.to_thread(group.start_again, old)


@experiment(
    "cluster-primary-killed",
    "kill -9 of one of three primaries of a Redis Cluster; its replica takes over its slots, and gets a replica from another",
    "served again within 5 s once every part has a copy again; nobody is signed out; no sign-out and no code comes back to life",
    on="cluster",
)
async def cluster_killed(crowd: Crowd, seconds: float) -> None:
    group = crowd.estate.redis
    old = (await asyncio.to_thread(group.primaries))[1]  # the first has two replicas
    await crowd.lasting(seconds / 2)
    began = time.monotonic()
    old.kill()
    await asyncio.to_thread(until, lambda: len(group.primaries()) == 3, _LATE, "another primary")
    crowd.said.append(f"the cluster failed over in {time.monotonic() - began:.1f} s")
    await asyncio.to_thread(until, group.is_whole, _LATE, "a replica for every primary")
    crowd.over()
    crowd.said.append(f"every primary had a replica again after {time.monotonic() - began:.1f} s")
    await crowd.recovered(20.0)
    await asyncio.to_thread(group.start_again, old)
