"""One contract for every Store: memory, a SQLite file, a real Redis in each of its shapes."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis as redis_client

from gateway.edges.memory_store import MemoryStore
from gateway.edges.redis_store import RedisStore
from gateway.edges.stores import AnyStore, open_store
from gateway.ending import ended
from gateway.reasons import StoreUnavailable
from tests.ambient import TestAmbient
from tests.redis_servers import ClusterGroup, SentinelGroup, cluster_group, sentinel_group
from tests.redis_tls import TlsServer, tls_server
from tests.servers import RedisServer, redis_server

HOUR = timedelta(hours=1)


REDIS = ("redis", "tls", "sentinel", "cluster")


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    with tls_server(tmp_path_factory.mktemp("tls")) as server:
        yield server


@pytest.fixture(scope="module")
def sentinel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SentinelGroup]:
    with sentinel_group(tmp_path_factory.mktemp("sentinel"), down_after=20000) as group:  # nothing is killed here
        yield group


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterGroup]:
    with cluster_group(tmp_path_factory.mktemp("cluster"), node_timeout=3000) as group:
        yield group


def consoles(server: Any) -> list[redis_client.Redis]:
    """Operators' connections to all that hold keys."""
    if isinstance(server, RedisServer):
        return [redis_client.Redis("127.0.0.1", server.port)]
    ones = [server.one] if isinstance(server, TlsServer) else server.servers
    return [one.console() for one in ones if one.role() == "master"]


@pytest.fixture
def opener(request: pytest.FixtureRequest, ambient: TestAmbient, tmp_path: Path) -> Callable[[str], AnyStore]:
    """Opens one more store of that kind on the same keys, not started."""

    def opened(kind: str) -> AnyStore:
        if kind in ("memory", "sqlite"):
            return open_store("memory://" if kind == "memory" else f"sqlite:///{tmp_path / 'store.db'}", ambient)
        server = request.getfixturevalue(kind)
        return open_store(server.url, ambient, server.access() if isinstance(server, TlsServer) else None)

    return opened


@pytest.fixture
def ambient() -> TestAmbient:
    return TestAmbient()


@pytest.fixture(params=["memory", "sqlite", *REDIS])
async def store(request: pytest.FixtureRequest, opener: Callable[[str], AnyStore]) -> AsyncIterator[AnyStore]:
    made = opener(request.param)
    await made.start()
    if request.param in REDIS:
        for console in consoles(request.getfixturevalue(request.param)):
            with contextlib.closing(console):
                console.flushall()
    yield made
    await made.close()


async def test_what_is_written_is_read(store: AnyStore) -> None:
    """Values come back byte for byte and in the order asked; what is not there is None."""
    await store.write("a", b"\x00\xff binary", HOUR)
    await store.write("b", b"", HOUR)
    assert await store.read("b", "missing", "a") == (b"", None, b"\x00\xff binary")
    assert await store.read() == ()


async def test_r80_expiry_at_the_very_instant_and_never_again(store: AnyStore, ambient: TestAmbient) -> None:
    """A key is there until its end, gone at it, and a clock set back does not revive it once seen gone."""
    await store.write("a", b"1", timedelta(seconds=10))
    ambient.advance(9.999)
    assert await store.read("a") == (b"1",)
    ambient.advance(0.001)
    assert await store.read("a") == (None,)
    if not isinstance(store, RedisStore):  # Redis keeps what reads found ended; used marks never rely on it
        ambient.advance(-5)
        assert await store.read("a") == (None,)


@pytest.mark.parametrize(
    ("held", "old", "new", "done", "after"),
    [
        (None, None, b"1", True, b"1"),
        (b"0", None, b"1", False, b"0"),
        (b"0", b"0", b"1", True, b"1"),
        (b"0", b"x", b"1", False, b"0"),
        (b"0", b"0", None, True, None),
        (None, b"0", None, False, None),
        (b"", b"", b"1", True, b"1"),
        (b"", None, b"1", False, b""),
        (None, None, None, True, None),
    ],
)
async def test_swap(
    store: AnyStore, held: bytes | None, old: bytes | None, new: bytes | None, done: bool, after: bytes | None
) -> None:
    """A swap happens only from the value expected, absence included."""
    if held is not None:
        await store.write("k", held, HOUR)
    assert await store.swap("k", old, new, HOUR) is done
    assert await store.read("k") == (after,)


async def test_swap_sees_an_expired_key_as_absent(store: AnyStore, ambient: TestAmbient) -> None:
    """What has ended cannot be swapped from, and can be swapped over."""
    await store.write("k", b"old", timedelta(seconds=1))
    ambient.advance(1)
    assert not await store.swap("k", b"old", b"new", HOUR)
    assert await store.swap("k", None, b"new", HOUR)


async def test_r68_fifty_swaps_one_winner(store: AnyStore) -> None:
    """Of fifty tasks that take the same value away, exactly one succeeds."""
    await store.write("code", b"stored", HOUR)
    results = await asyncio.gather(*(store.swap("code", b"stored", None) for _ in range(50)))
    assert results.count(True) == 1


async def test_cancelled_calls_leave_no_answer_for_the_next_caller(store: AnyStore) -> None:
    """Under random cancellation every reader receives its own value or none."""
    for number in range(40):
        await store.write(f"mark:{number}", f"value {number}".encode(), HOUR)
    chance = random.Random(7)

    async def ask(number: int) -> None:
        task = asyncio.create_task(store.read(f"mark:{number}"))
        if chance.random() < 0.5:
            await asyncio.sleep(chance.random() * 0.002)
            task.cancel()
        try:
            assert await task == (f"value {number}".encode(),)
        except asyncio.CancelledError:
            return

    for _ in range(10):
        await asyncio.gather(*(ask(number) for number in range(40)))


async def test_whoever_is_cancelled_ends(store: AnyStore) -> None:
    """At whatever step of a command a task is cancelled, it ends: none goes on as if nothing had been said."""

    async def ask() -> None:
        while True:
            await store.read("a")
            await store.swap("a", None, b"1", HOUR)
            await asyncio.sleep(0)  # a store in memory waits for nothing

    for steps in range(60):
        task = asyncio.create_task(ask())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        _, going = await asyncio.wait({task}, timeout=5)
        await ended(*going)
        assert not going, f"cancelled after {steps} steps, and going on"


async def test_bus_reaches_every_worker(
    store: AnyStore, request: pytest.FixtureRequest, opener: Callable[[str], AnyStore]
) -> None:
    """A message is heard by the worker that spoke and by the others, within a second."""
    kind = request.node.callspec.params["store"]
    others = [store] if kind == "memory" else [store, opener(kind)]
    heard: list[list[str]] = [[] for _ in others]
    for place, one in enumerate(others):
        one.listen(heard[place].append)
        if one is not store:
            await one.start()
    async with asyncio.timeout(3):
        while not all("session:x" in one for one in heard):
            await store.publish("session:x")
            await asyncio.sleep(0.05)
    for one in others[1:]:
        await one.close()


@pytest.mark.parametrize("kind", REDIS)
async def test_every_key_has_an_end(
    kind: str, request: pytest.FixtureRequest, opener: Callable[[str], AnyStore]
) -> None:
    """After each verb in each of its ways, whatever stands in Redis goes by itself: values, what was swapped, the beat."""
    store = opener(kind)
    await store.start()
    await store.write("a", b"1", HOUR)
    await store.write("a", b"2", timedelta(seconds=1))
    assert await store.swap("b", None, b"1", HOUR) and await store.swap("b", b"1", b"2", HOUR)
    assert await store.swap("c", None, b"1", HOUR) and await store.swap("c", b"1", None)
    assert not await store.swap("b", b"1", b"3", HOUR)
    await store.publish("policy:1")
    await store.close()
    seen = 0
    for console in consoles(request.getfixturevalue(kind)):
        with contextlib.closing(console):
            for key in console.keys("*"):
                seen += 1
                assert 0 < console.pttl(key) <= (HOUR.total_seconds() + 3600) * 1000, key
    assert seen >= 2


async def soon(store: AnyStore, key: str) -> tuple[bytes | None, ...]:
    """What is read, once the store answers again: within the 5 s of the promise."""
    async with asyncio.timeout(5):
        while True:
            with contextlib.suppress(StoreUnavailable):
                return await store.read(key)
            await asyncio.sleep(0.02)


async def test_r7_store_down_is_unknown_and_comes_back(ambient: TestAmbient, tmp_path: Path) -> None:
    """A Redis that is gone raises StoreUnavailable within 3 s, never None; when it is back, calls work within 5 s."""
    with redis_server(tmp_path) as server:
        store = RedisStore(server.url, ambient)
        await store.start()
        await store.write("a", b"1", HOUR)
        server.stop()
        for call in (store.read("a"), store.write("a", b"2", HOUR), store.swap("a", b"1", None), store.publish("x")):
            began = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await call
            assert time.monotonic() - began < 3
        server.start()
        assert await soon(store, "a") == (None,)
        await store.close()


async def test_r7_a_silent_store_is_unknown(ambient: TestAmbient, tmp_path: Path) -> None:
    """A Redis that hangs raises StoreUnavailable within 3 s, and its late answers reach nobody."""
    with redis_server(tmp_path) as server:
        store = RedisStore(server.url, ambient)
        await store.start()
        await store.write("a", b"a", HOUR)
        await store.write("b", b"b", HOUR)
        assert server.process is not None
        server.process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            await store.read("a")
        assert time.monotonic() - began < 3
        server.process.send_signal(signal.SIGCONT)
        assert await soon(store, "b") == (b"b",)
        await store.close()


def test_unknown_addresses_are_refused(ambient: TestAmbient) -> None:
    """An address of no known kind is refused when it is read."""
    with pytest.raises(ValueError, match="a store address starts with"):
        open_store("mysql://x", ambient)
    assert isinstance(open_store("memory://", ambient), MemoryStore)
