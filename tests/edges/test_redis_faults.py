"""Whatever is wrong with Redis, callers hear that it is unavailable, never that something is absent."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import timedelta

import pytest

from gateway.edges.redis_news import AGAIN
from gateway.edges.redis_store import RedisStore
from gateway.reasons import StoreUnavailable
from tests.redis_clients import nothing_is_known, opened
from tests.redis_servers import HOST, One, until

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[One]:
    server = One(tmp_path_factory.mktemp("one"), [])
    server.start()
    until(server.is_up)
    yield server
    server.kill()


def url_of(one: One) -> str:
    return f"redis://{HOST}:{one.port}/0"


async def comes_back(store: RedisStore, key: str = "a") -> bytes | None:
    async with asyncio.timeout(5):
        while True:
            with suppress(StoreUnavailable):
                return (await store.read(key))[0]
            await asyncio.sleep(0.02)


# What a server may be


async def test_a_primary_made_a_replica_is_not_believed(one: One) -> None:
    """Within a second of its demotion nothing is read from it over connections made before, and nothing is written."""
    async with opened(url_of(one), start=False) as store:  # no beat: calls find out for themselves
        await store.write("a", b"1", HOUR)
        one.ask("REPLICAOF", HOST, "1")
        try:
            with pytest.raises(StoreUnavailable):
                await store.write("a", b"2", HOUR)  # READONLY at once
            await nothing_is_known(store)
        finally:
            one.ask("REPLICAOF", "NO", "ONE")
        assert await comes_back(store) == b"1"


async def test_a_replica_is_noticed_by_its_role(one: One) -> None:
    """Also by who only reads, where no READONLY is said."""
    async with opened(url_of(one)) as store:
        await store.write("a", b"1", HOUR)
        one.ask("REPLICAOF", HOST, "1")
        try:
            async with asyncio.timeout(2):
                with pytest.raises(StoreUnavailable):
                    while True:
                        assert await store.read("a") == (b"1",)
                        await asyncio.sleep(0.02)
        finally:
            one.ask("REPLICAOF", "NO", "ONE")
        assert await comes_back(store) == b"1"


async def test_a_server_without_memory_reads_and_refuses_to_write(one: One) -> None:
    """At maxmemory nothing is evicted: what is there is read, what would be written is unavailable; the circuit stays closed."""
    async with opened(url_of(one)) as store:
        await store.write("a", b"1", HOUR)
        one.ask("CONFIG", "SET", "maxmemory", "1mb")
        one.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        try:
            for _ in range(5):
                with pytest.raises(StoreUnavailable):
                    await store.write("b", b"2", HOUR)
                with pytest.raises(StoreUnavailable):
                    await store.swap("b", None, b"2", HOUR)
                assert await store.read("a") == (b"1",)
            assert await store.swap("a", b"1", None)  # to take away needs no memory: codes and sessions still end
        finally:
            one.ask("CONFIG", "SET", "maxmemory", "0")
        assert await store.swap("b", None, b"2", HOUR)


@pytest.mark.parametrize(
    "error",
    [
        "LOADING Redis is loading the dataset in memory",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "CLUSTERDOWN The cluster is down",
        "NOREPLICAS Not enough good replicas to write.",
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
        "BUSY Redis is busy running a script.",
        "ERR max number of clients reached",
    ],
)
async def test_a_refusal_is_no_absence(error: str) -> None:
    """Every way in which a primary may refuse to answer."""

    serving: set[asyncio.Task[None] | None] = set()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        with suppress(OSError):
            while line := await reader.readline():
                words = []
                for _ in range(int(line[1:])):
                    await reader.readline()
                    words.append((await reader.readline()).strip())
                if words[0] in (b"CLIENT", b"SELECT"):
                    writer.write(b"+OK\r\n")
                elif words[0] == b"ROLE":
                    writer.write(b"*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n")
                else:
                    writer.write(f"-{error}\r\n".encode())
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(refuse, HOST, 0)
    async with server:
        url = f"redis://{HOST}:{server.sockets[0].getsockname()[1]}/0"
        async with opened(url) as store:
            await nothing_is_known(store)
        await asyncio.gather(*(task for task in serving if task is not None))


async def test_a_first_script_is_loaded_and_a_lost_one_again(one: One) -> None:
    """A server that was restarted or replaced does not know the script."""
    async with opened(url_of(one)) as store:
        for number in range(2):
            one.ask("SCRIPT", "FLUSH")
            assert await store.swap(f"fresh:{number}", None, b"1", HOUR)


# Being told


async def test_a_listener_that_lost_its_connection_is_told_so(one: One) -> None:
    """A server that is silent without closing anything is noticed by PING; when it is back, listeners hear that they may have
    missed something, then what is said."""
    heard: list[str] = []
    async with opened(url_of(one)) as store:
        store.listen(heard.append)
        await _until(lambda: heard.count(AGAIN) == 1)
        one.signal(signal.SIGSTOP)
        try:
            await _until(lambda: not _listens(store))
        finally:
            one.signal(signal.SIGCONT)
        await _until(lambda: heard.count(AGAIN) == 2)
        await store.publish("policy:3")
        await _until(lambda: "policy:3" in heard)
        with closing(one.console()) as console:
            console.client_kill_filter(_type="pubsub")
        await _until(lambda: heard.count(AGAIN) == 3)


def _listens(store: RedisStore) -> bool:
    return store._news.listens


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.02)


async def test_storms_are_bounded(one: One) -> None:
    """A thousand calls at once: all are answered rightly, over no more connections than are allowed, and the last of them
    still within the time."""
    async with opened(url_of(one)) as store:
        for number in range(50):
            await store.write(f"mine:{number}", str(number).encode(), HOUR)
        before = int(str(one.ask("CLIENT", "LIST")).count("vt-gateway"))
        found = await asyncio.gather(*(store.read(f"mine:{number % 50}") for number in range(1000)))
        assert [value for (value,) in found] == [str(number % 50).encode() for number in range(1000)]
        assert int(str(one.ask("CLIENT", "LIST")).count("vt-gateway")) - before <= 64
