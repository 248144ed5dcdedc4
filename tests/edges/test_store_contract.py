"""One contract for every Store: memory, a SQLite file, a real Redis."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.edges.memory_store import MemoryStore
from gateway.edges.redis_store import RedisStore
from gateway.edges.sqlite_store import SqliteStore
from gateway.edges.stores import AnyStore, open_store
from gateway.ending import ended
from gateway.reasons import StoreUnavailable
from tests.ambient import TestAmbient
from tests.servers import RedisServer, redis_server

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def ambient() -> TestAmbient:
    return TestAmbient()


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def store(request: pytest.FixtureRequest, ambient: TestAmbient, tmp_path: Path) -> AsyncIterator[AnyStore]:
    url = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path / 'store.db'}"}.get(request.param)
    made = open_store(url or request.getfixturevalue("redis").url, ambient)
    await made.start()
    if isinstance(made, RedisStore):
        await made._redis.flushdb()
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


async def test_bus_reaches_every_worker(store: AnyStore, ambient: TestAmbient, tmp_path: Path) -> None:
    """A message is heard by the worker that spoke and by the others, within a second."""
    others: list[AnyStore] = [store]
    if isinstance(store, SqliteStore):
        others.append(SqliteStore(tmp_path / "store.db", ambient))
    elif isinstance(store, RedisStore):
        others.append(RedisStore(store._url, ambient))
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


_CONTENDER = """
import asyncio, sys
from pathlib import Path
from datetime import timedelta
from gateway.edges.sqlite_store import SqliteStore
from gateway.edges.system import SystemAmbient

async def main():
    store = SqliteStore(Path(sys.argv[1]), SystemAmbient())
    await store.start()
    for _ in range(int(sys.argv[2])):
        while True:
            (raw,) = await store.read("count")
            if await store.swap("count", raw, str(int(raw or b"0") + 1).encode(), timedelta(hours=1)):
                break
        print("x", end="", flush=True)
    await store.close()

asyncio.run(main())
"""


async def test_processes_sharing_a_file_lose_no_count(tmp_path: Path) -> None:
    """Three processes that count through swap on one file reach the exact sum."""
    path = tmp_path / "store.db"
    line = [sys.executable, "-c", _CONTENDER, str(path), "100"]
    running = [subprocess.Popen(line, stdout=subprocess.DEVNULL) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    from gateway.edges.system import SystemAmbient

    store = SqliteStore(path, SystemAmbient())
    await store.start()
    assert await store.read("count") == (b"300",)
    await store.close()


async def test_a_killed_process_loses_nothing_it_was_told(tmp_path: Path) -> None:
    """After kill -9 the file is whole and holds at least every count that was acknowledged."""
    path = tmp_path / "store.db"
    process = subprocess.Popen([sys.executable, "-c", _CONTENDER, str(path), "100000"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    acknowledged = len(process.stdout.read(200))
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    from gateway.edges.system import SystemAmbient

    store = SqliteStore(path, SystemAmbient())
    await store.start()
    (raw,) = await store.read("count")
    assert int(raw or b"0") >= acknowledged
    assert store._db is not None
    await store.close()


async def test_r7_store_down_is_unknown_and_comes_back(ambient: TestAmbient, tmp_path: Path) -> None:
    """A Redis that is gone raises StoreUnavailable within 3 s, never None; when it is back, calls work again."""
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
        assert await store.read("a") == (None,)
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
        assert await store.read("b") == (b"b",)
        await store.close()


async def test_r7_a_broken_file_is_unknown(ambient: TestAmbient, tmp_path: Path) -> None:
    """A store file that is no database raises StoreUnavailable."""
    path = tmp_path / "store.db"
    path.write_bytes(b"this is no database" * 100)
    store = SqliteStore(path, ambient)
    with pytest.raises(StoreUnavailable):
        await store.start()
    with pytest.raises(StoreUnavailable):
        await store.read("a")
    await store.close()


async def test_r7_a_vanished_file_is_unknown_and_not_an_empty_store(ambient: TestAmbient, tmp_path: Path) -> None:
    """While the store file is away every call raises; when it is back, what was in it is there."""
    path = tmp_path / "store.db"
    store = SqliteStore(path, ambient)
    await store.start()
    await store.write("a", b"1", HOUR)
    path.rename(tmp_path / "aside")
    for call in (store.read("a"), store.write("b", b"2", HOUR), store.swap("a", b"1", None), store.publish("x")):
        with pytest.raises(StoreUnavailable):
            await call
    assert not path.exists()
    (tmp_path / "aside").rename(path)
    assert await store.read("a", "b") == (b"1", None)
    await store.close()


def test_unknown_addresses_are_refused(ambient: TestAmbient) -> None:
    """An address of no known kind, or of a kind not supported, is refused when it is read."""
    for url in ("mysql://x", "redis+sentinel://x", "redis+cluster://x"):
        with pytest.raises(ValueError, match="address"):
            open_store(url, ambient)
    assert isinstance(open_store("memory://", ambient), MemoryStore)
