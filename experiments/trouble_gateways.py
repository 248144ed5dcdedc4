"""Trouble with the gateways themselves: workers and machines killed, configurations reloaded, keys changed, all under load."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from contextlib import suppress

from experiments.crowd import Crowd
from experiments.serving import Serving
from experiments.table import experiment
from gateway.edges.keys import ensure_assertion_key

_REPLACED = 180.0  # seconds until all workers of a gateway are new ones, on cores that others use too


async def _until_replaced(one: Serving, since: int) -> None:
    """Until this gateway says, behind ``since`` characters of its log, that its workers are new ones."""
    deadline = time.monotonic() + _REPLACED
    while "workers replaced" not in one.said()[since:]:
        assert time.monotonic() < deadline, f"{one.name} was not reloaded in {_REPLACED:g} s"
        await asyncio.sleep(0.1)


async def _reload(one: Serving) -> float:
    """Reload this gateway; the seconds until its last new worker served."""
    began, since = time.monotonic(), len(one.said())
    one.reload()
    await _until_replaced(one, since)
    return time.monotonic() - began


async def without_one(one: Serving, chance: random.Random) -> float:
    """kill -9 of one of its workers; the seconds until another serves in its place. A worker that is only being started is
    none that could be spared."""
    began, served = time.monotonic(), one.served()
    with suppress(ProcessLookupError):
        os.kill(chance.choice(one.workers()), signal.SIGKILL)
    while one.served() == served:
        assert time.monotonic() < began + _REPLACED, f"{one.name} has {len(one.workers())} workers"
        await asyncio.sleep(0.1)
    return time.monotonic() - began


@experiment(
    "worker-killed",
    "kill -9 of a worker while people sign in, and of another when all are there again, of either gateway in turn",
    "no acknowledged sign-in, sign-out or used code is lost; each gateway has all its workers again; the audit chain is whole",
    on="pair",
    comers=4,
)
async def worker_killed(crowd: Crowd, seconds: float) -> None:
    chance, took = random.Random(7), list[float]()
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        crowd.over()
        took.append(await without_one(crowd.estate.gateways[len(took) % len(crowd.estate.gateways)], chance))
    crowd.said.append(
        f"{len(took)} workers killed; another served in the place of each after {max(took):.1f} s at most"
    )
    crowd.said.append(await crowd.audited())


@experiment(
    "gateway-killed",
    "kill -9 of one of two gateways with all its workers; it is started again later",
    "the other one serves everybody, without their knowing; no session is lost; the audit chain is whole",
    on="pair",
)
async def gateway_killed(crowd: Crowd, seconds: float) -> None:
    one = crowd.estate.gateways[0]
    one.kill()
    crowd.over()
    await crowd.lasting(seconds)
    began = time.monotonic()
    one.start(wait=False)
    await asyncio.to_thread(one.wait)
    crowd.said.append(f"started again in {time.monotonic() - began:.1f} s")
    crowd.said.append(await crowd.audited())


@experiment(
    "reload-under-load",
    "both gateways are told to reload (SIGHUP), one after the other; their workers are replaced one by one",
    "not one request fails",
    on="pair",
    whole=True,
)
async def reloaded(crowd: Crowd, seconds: float) -> None:
    took = [await _reload(one) for one in crowd.estate.gateways]
    crowd.over()
    crowd.said.append(f"workers of both replaced in {sum(took):.1f} s")


@experiment(
    "key-rotation",
    "the key of assertions is replaced in two steps, each a reload of both gateways: first published, then used",
    "not one request fails; every assertion verifies against the keys as published then",
    on="pair",
    whole=True,
    comers=1,
)
async def key_rotated(crowd: Crowd, seconds: float) -> None:
    """The estate is left with the new key."""
    old = f"file:{crowd.estate.demo.folder / 'assertion.pem'}"
    new = f"file:{ensure_assertion_key(crowd.estate.folder / 'next.pem')}"
    began = time.monotonic()
    for key, other in ((old, new), (new, old)):
        for one in crowd.estate.gateways:
            _with_keys(one, f'key = "{key}"\nprevious = ["{other}"]\n')
        await asyncio.gather(*(_reload(one) for one in crowd.estate.gateways))
    await crowd.lasting(1.0)
    crowd.over()
    keys = " and ".join(str(count) for _, count in crowd.believed().most_common())
    crowd.said.append(
        f"two reloads of both in {time.monotonic() - began:.1f} s; {keys} assertions of either key verified"
    )


def _with_keys(one: Serving, text: str) -> None:
    """The configuration with these lines in its section of assertions."""
    before, _, rest = one.config.read_text().partition("[assertion]\n")
    kept = rest.splitlines(keepends=True)
    while kept and kept[0].startswith(("key =", "previous =")):
        kept.pop(0)
    one.config.write_text(f"{before}[assertion]\n{text}{''.join(kept)}")
