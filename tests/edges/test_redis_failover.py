"""Sentinel: the primary dies, is paused and replaced, or is cut off from all others. Real servers, on real time."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar

import pytest

from gateway.edges.circuit import CircuitOpen
from gateway.edges.redis_news import AGAIN
from gateway.edges.redis_store import RedisStore
from gateway.edges.system import SystemAmbient
from gateway.reasons import StoreUnavailable
from tests.redis_servers import SentinelGroup, sentinel_group

HOUR = timedelta(hours=1)
T = TypeVar("T")


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelGroup]:
    with sentinel_group(tmp_path_factory.mktemp("sentinel")) as made:
        yield made


@pytest.fixture
async def stores(group: SentinelGroup) -> AsyncIterator[list[RedisStore]]:
    """Two workers; the second does nothing by itself: it has only what it was asked for."""
    for one in group.servers:
        if one.process is None:  # what a test killed
            await asyncio.to_thread(group.start_again, one)
    made = [RedisStore(group.url, SystemAmbient()) for _ in range(2)]
    await made[0].start()
    yield made
    for store in made:
        await store.close()


async def back(store: RedisStore, key: str, value: bytes) -> float:
    """Seconds until a write counts again."""
    began = time.monotonic()
    while True:
        with suppress(StoreUnavailable):
            await store.write(key, value, HOUR)
            return time.monotonic() - began
        assert time.monotonic() - began < 15, "the store does not come back"
        await asyncio.sleep(0.02)


async def sure(call: Callable[[], Awaitable[T]]) -> T:
    """An answer, however often it takes: the replica that is left may change its primary meanwhile."""
    async with asyncio.timeout(10):
        while True:
            with suppress(StoreUnavailable):
                return await call()
            await asyncio.sleep(0.02)


async def test_a_primary_without_memory_is_read_as_long_as_it_proves_itself(
    group: SentinelGroup, stores: list[RedisStore]
) -> None:
    """It refuses the write of the beat too; that its replicas follow is shown without new memory."""
    store = stores[0]
    await store.write("a", b"1", HOUR)
    await store._link.beat()
    group.primary().ask("CONFIG", "SET", "maxmemory", "1mb")
    try:
        began = time.monotonic()
        while time.monotonic() - began < 2.5:  # longer than any proof from before is good for
            assert await store.read("a") == (b"1",)
            with pytest.raises(StoreUnavailable):
                await store.write("b", b"1", HOUR)
            await asyncio.sleep(0.05)
    finally:
        group.primary().ask("CONFIG", "SET", "maxmemory", "0")


async def test_r7_what_was_acknowledged_survives_the_death_of_the_primary(
    group: SentinelGroup, stores: list[RedisStore], capsys: pytest.CaptureFixture[str]
) -> None:
    """A lost "consumed" mark never revives a code: 500 codes are consumed while the primary is killed. Each acknowledged one
    stays consumed, every counter is at least where it was said to be, and while nobody is primary calls fail at once."""
    store = stores[0]
    heard: list[str] = []
    store.listen(heard.append)
    for number in range(500):
        await store.write(f"code:{number}", b"stored", HOUR)
    left, consumed, unsure = list(range(500)), set[int](), set[int]()
    counted = [0] * 8
    at_once: list[float] = []
    longest = 0.0
    killed_at = refused_at = again_at = 0.0

    async def consume(worker: int) -> None:
        nonlocal again_at, longest, refused_at
        while left:
            number = left.pop()
            began = time.monotonic()
            try:
                (held,) = await store.read(f"count:{worker}")
                if await store.swap(f"count:{worker}", held, str(int(held or b"0") + 1).encode(), HOUR):
                    counted[worker] = int(held or b"0") + 1
                began = time.monotonic()
                if await store.swap(f"code:{number}", b"stored", None):
                    assert number not in consumed
                    consumed.add(number)
                if refused_at and began > refused_at and not again_at:
                    again_at = time.monotonic()
            except StoreUnavailable as error:
                took = time.monotonic() - began
                refused_at = refused_at or time.monotonic()
                longest = max(longest, took)
                if isinstance(error.__cause__, CircuitOpen):
                    at_once.append(took)
                    await asyncio.sleep(0.01)
                if number not in unsure:
                    unsure.add(number)
                    left.insert(0, number)  # once more, when all others were

    primary = group.primary()
    work = [asyncio.create_task(consume(worker)) for worker in range(8)]
    while len(consumed) < 200:
        await asyncio.sleep(0.001)
    primary.kill()
    killed_at = time.monotonic()
    # A refusal takes no time: 300 codes are soon through, so they are offered until there is a primary again.
    while not again_at:
        assert time.monotonic() - killed_at < 15, "no new primary is used"
        if not left:
            left.extend(unsure - consumed)
            unsure.clear()
            work += [asyncio.create_task(consume(worker)) for worker in range(8)]
        await asyncio.sleep(0.01)
    await asyncio.gather(*work)
    await back(store, "well", b"1")

    said = set(consumed)
    assert len(said) >= 200
    for number in said:
        assert await sure(lambda key=f"code:{number}": store.read(key)) == (None,)
        assert not await sure(lambda key=f"code:{number}": store.swap(key, b"stored", None))
    for worker, count in enumerate(counted):
        (held,) = await sure(lambda key=f"count:{worker}": store.read(key))
        assert int(held or b"0") >= count
    assert longest < 3
    assert at_once and statistics.median(at_once) < 0.05
    async with asyncio.timeout(5):
        while heard.count(AGAIN) < 2:  # words follow too, and who listened knows that some may be missing
            await asyncio.sleep(0.02)
        while "policy:7" not in heard:
            await stores[1].publish("policy:7")
            await asyncio.sleep(0.05)
    with capsys.disabled():
        print(f"\n[sentinel, primary killed] served again after {again_at - killed_at:.1f} s", end="")


async def test_r7_a_former_primary_that_wakes_up_is_not_believed(
    group: SentinelGroup, stores: list[RedisStore], capsys: pytest.CaptureFixture[str]
) -> None:
    """The primary is stopped, replaced, and goes on as if it were primary still. A worker that slept meanwhile and holds
    connections to it reads what is, or nothing."""
    store, sleeper = stores
    await back(store, "switch", b"on")
    assert await sure(lambda: asyncio.gather(*(sleeper.read("switch") for _ in range(8)))) == [(b"on",)] * 8
    primary = group.primary()
    primary.pause()
    try:
        took = await back(store, "switch", b"off")
        assert group.primary() is not primary
    finally:
        primary.resume()
    seen = set[bytes | None]()
    began = time.monotonic()
    while time.monotonic() - began < 1.0:
        for one in (sleeper, store):
            with suppress(StoreUnavailable):
                seen.update(await one.read("switch"))
    assert seen == {b"off"}
    with capsys.disabled():
        print(f"\n[sentinel, primary stopped] served again after {took:.1f} s", end="")


async def test_r7_a_primary_alone_is_not_believed(group: SentinelGroup, stores: list[RedisStore]) -> None:
    """Cut off from its replicas and from every sentinel, it may have been replaced: two seconds later nothing is read from it
    and nothing written counts, though it answers. When they are back, so is the store."""
    store = stores[0]
    await back(store, "a", b"1")
    others = [one for one in (*group.servers, *group.sentinels) if one is not group.primary()]
    for one in others:
        one.pause()
    try:
        with pytest.raises(StoreUnavailable):
            await store.write("a", b"2", HOUR)
        await asyncio.sleep(2)  # what is promised, not a wait for something
        for _ in range(20):
            with pytest.raises(StoreUnavailable):
                await store.read("a")
            await asyncio.sleep(0.02)
    finally:
        for one in others:
            one.resume()
    assert await back(store, "b", b"1") < 15
    assert (await sure(lambda: store.read("a")))[0] in (
        b"1",
        b"2",
    )  # the one refused may have been done: unknown is not undone
