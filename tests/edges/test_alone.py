"""Being the only one, on both engines: among Databases, processes and machines; and how it ends."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from gateway.edges.database import Database
from gateway.edges.stores import open_store
from gateway.jobs import Job, Jobs
from gateway.reasons import RecordsUnavailable
from tests.ambient import TestAmbient
from tests.blank import Blank
from tests.servers import free_port

HOLDER = """
import asyncio, sys
from gateway.edges.database import Database
async def main():
    async with Database(sys.argv[1]).alone("x") as hold:
        print(hold is not None, flush=True)
        await hold.lost()
asyncio.run(main())
"""


@pytest.fixture
async def two(url: str) -> AsyncIterator[tuple[Database, Database]]:
    """The same database as two machines (SQLite: two workers) see it."""
    both = Database(url), Database(url)
    yield both
    for one in both:
        await one.close()


async def test_one_at_a_time_by_name(two: tuple[Database, Database]) -> None:
    """The second is told at once, other names are free, and so is this one afterwards."""
    first, second = two
    async with first.alone("x") as hold, second.alone("x") as none, second.alone("y") as other:
        assert hold is not None
        assert none is None
        assert other is not None
        async with first.alone("x") as again:
            assert again is None
    async with second.alone("x") as hold:
        assert hold is not None


async def test_what_goes_wrong_within_comes_out_and_frees_the_name(two: tuple[Database, Database]) -> None:
    with pytest.raises(ZeroDivisionError):
        async with two[0].alone("x"):
            raise ZeroDivisionError
    async with two[1].alone("x") as hold:
        assert hold is not None


async def test_a_holder_that_was_killed_is_followed(url: str, two: tuple[Database, Database]) -> None:
    """The kernel and the server let go for it, whatever it was doing."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, url], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        async with two[0].alone("x") as hold:
            assert hold is None
        process.kill()
        process.wait()
    async with asyncio.timeout(10):
        while True:
            async with two[0].alone("x") as hold:
                if hold is not None:
                    return
            await asyncio.sleep(0.02)


async def test_the_holder_is_told_that_the_server_let_go(
    postgres_blank: Blank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart or a fail-over ends the connection, and with it the lock: who works must stop."""
    monkeypatch.setattr("gateway.edges.alone._LOOK", 0.05)
    url = postgres_blank.migrated()
    database = Database(url)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as other:
        async with database.alone("x") as hold:
            assert hold is not None
            told = asyncio.create_task(hold.lost())
            await asyncio.sleep(0.2)
            assert not told.done()
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database ="
                " (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            async with asyncio.timeout(5):
                await told
    await database.close()


async def test_a_database_that_is_gone_gives_no_lock() -> None:
    database = Database(f"postgresql+psycopg://postgres@127.0.0.1:{free_port()}/postgres")
    with pytest.raises(RecordsUnavailable):
        async with database.alone("x"):
            raise AssertionError("nobody is alone without a database")
    await database.close()


async def test_machines_whose_stores_know_nothing_of_each_other(two: tuple[Database, Database]) -> None:
    """The store was emptied, or is another one after a fail-over: both have a lease, and one does the work."""
    ambient = TestAmbient()
    begun, go = asyncio.Event(), asyncio.Event()
    calls: list[int] = []

    def machine(number: int) -> Jobs:
        async def work(now: datetime) -> None:
            calls.append(number)
            begun.set()
            await go.wait()

        store = open_store("memory://", ambient)
        return Jobs(store, ambient, [Job("purge", timedelta(days=1), work)], 10, alone=two[number])

    first, second = machine(0), machine(1)
    working = asyncio.create_task(first.tick(ambient.now()))
    await begun.wait()
    for _ in range(3):
        await second.tick(ambient.now())
    assert calls == [0]
    go.set()
    await working
    assert (first.done, second.done, second.failed) == ({"purge": 1}, {"purge": 0}, {"purge": 0})


async def test_locks_of_a_file_are_nobody_elses_to_read(sqlite_blank: Blank) -> None:
    """They lie beside the database, for its owner alone, and hold nothing."""
    url = sqlite_blank.migrated()
    database = Database(url)
    async with database.alone("job-purge"):
        lock = Path(url.removeprefix("sqlite:///") + ".job-purge.lock")
        assert (lock.stat().st_mode & 0o777, lock.stat().st_size) == (0o600, 0)
    await database.close()
