"""What the database answers when it can do no more, and calls that are given up: told as unavailable, never mixed up, and no
reason to leave a server that lives."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import random
import socket
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from gateway.database_url import parse
from gateway.edges.database import Database
from gateway.edges.postgres_lines import Lines, Unreachable
from gateway.ports import Change, Insert, Row, Update
from gateway.reasons import RecordsUnavailable
from tests.blank import Blank
from tests.servers import PostgresServer, free_port

CALL = 3.5  # seconds: three, and what a busy machine adds


@pytest.fixture
async def records(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    yield database
    await database.close()


@pytest.fixture
async def served(postgres_blank: Blank) -> AsyncIterator[tuple[Database, str]]:
    """A database on PostgreSQL, and its address for psycopg itself."""
    url = postgres_blank.migrated()
    database = Database(url)
    yield database, url.replace("+psycopg", "")
    await database.close()


@pytest.fixture
def file(sqlite_blank: Blank) -> Path:
    return Path(sqlite_blank.migrated().removeprefix("sqlite:///"))


def row(name: str, value: int = 0) -> Insert:
    return Insert("revisions", {"name": name, "value": value})


async def unavailable(call: Any) -> float:
    """Seconds until it was told."""
    began = time.monotonic()
    with pytest.raises(RecordsUnavailable):
        await call
    return time.monotonic() - began


# Calls that are given up


async def test_r8_replies_never_cross_after_cancellation(records: Database) -> None:
    """However calls are given up, at any instant, every other call has its own answer: a connection whose call was given
    up serves nobody any more. Counters say that what was acknowledged was done, once."""
    await records.write(*(row(f"r{n}", n) for n in range(30)), row("sum"))
    chance = random.Random(20260302)
    acknowledged = given_up = 0

    def raised(found: Row | None) -> list[Change]:
        assert found is not None and isinstance(found["value"], int) and found["name"] == "sum"
        return [Update("revisions", {"value": found["value"] + 1}, {"name": "sum"})]

    async def ask(number: int) -> None:
        rows = await records.find("revisions", {"name": f"r{number}"})
        assert [(one["name"], one["value"]) for one in rows] == [(f"r{number}", number)]

    async def add() -> None:
        nonlocal acknowledged, given_up
        try:
            await records.amend("revisions", {"name": "sum"}, raised)
        except (asyncio.CancelledError, RecordsUnavailable):
            given_up += 1
            raise
        acknowledged += 1

    for _ in range(25):
        tasks = [asyncio.create_task(ask(chance.randrange(30))) for _ in range(16)]
        tasks += [asyncio.create_task(add()) for _ in range(3)]
        for task in chance.sample(tasks, 9):
            await asyncio.sleep(chance.random() * 0.004)
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert outcome is None or isinstance(outcome, asyncio.CancelledError | RecordsUnavailable), outcome
    assert given_up
    await asyncio.gather(*(ask(number) for number in range(30)))
    (total,) = (one["value"] for one in await records.find("revisions", {"name": "sum"}))
    assert isinstance(total, int)
    assert acknowledged <= total <= acknowledged + given_up


@pytest.mark.parametrize("kind", ["find", "write"])
async def test_a_call_given_up_hands_its_connection_back(
    served: tuple[Database, str], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Wherever the driver gives way to others on a loop that has been busy, also where it has nothing to wait for. A
    connection lost there is missing in the pool until the collector finds it."""
    database, _ = served
    pool = database._engine.sync_engine.pool
    assert isinstance(pool, sa.AsyncAdaptedQueuePool)
    call: asyncio.Task[Any]
    left = 0

    async def give_way(_: float) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            call.cancel()
        await asyncio.sleep(0)

    monkeypatch.setattr(psycopg.waiting, "MAX_BUSY_TIME", -1.0)
    monkeypatch.setattr(psycopg.waiting, "sleep", give_way)
    gc.disable()
    try:
        for turn in itertools.count(1):
            await database.count("revisions", {})  # there is a connection that was used before
            left = turn
            work = database.find("revisions", {}) if kind == "find" else database.write(row(f"r{turn}"))
            call = asyncio.ensure_future(work)
            await asyncio.wait([call])
            while tidying := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(tidying)
            assert pool.checkedout() == 0
            if not call.cancelled():
                break
    finally:
        gc.enable()
    assert call.exception() is None


async def test_a_call_given_up_leaves_no_lock_behind(served: tuple[Database, str]) -> None:
    """The server notices that nobody listens, undoes the work, and the row is free."""
    database, address = served
    await database.write(row("x"))
    with psycopg.connect(address) as other:
        other.execute("SELECT * FROM revisions WHERE name = 'x' FOR UPDATE")
        waiting = asyncio.create_task(database.write(Update("revisions", {"value": 1}, {"name": "x"})))
        while not _waiting(address):
            await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        until = time.monotonic() + 4
        while _waiting(address):
            assert time.monotonic() < until
            await asyncio.sleep(0.01)
    assert [one["value"] for one in await database.find("revisions", {"name": "x"})] == [0]


def _waiting(address: str) -> int:
    with psycopg.connect(address) as third:
        (number,) = third.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ).fetchone() or (0,)
    return int(number)


# Answers of a PostgreSQL that lives


async def test_a_lock_that_is_not_had_is_no_outage(served: tuple[Database, str]) -> None:
    """Three that wait in vain are told in time, and the circuit stays closed: others are served all along."""
    database, address = served
    await database.write(row("x"))
    with psycopg.connect(address) as other:
        other.execute("SELECT * FROM revisions WHERE name = 'x' FOR UPDATE")
        calls = [unavailable(database.amend("revisions", {"name": "x"}, lambda found: [])) for _ in range(4)]
        seconds, number = await asyncio.gather(asyncio.gather(*calls), database.count("revisions", {}))
    assert max(seconds) < CALL
    assert number == 2
    assert database._circuit.opened == 0


async def test_a_deadlock_is_tried_again(served: tuple[Database, str]) -> None:
    """Of two that wait for each other the server undoes one: when that is us, we do it again, and both are done."""
    database, address = served
    await database.write(row("a"), row("b"))

    def other() -> None:
        with psycopg.connect(address) as connection:
            connection.execute("SET deadlock_timeout = '20s'")  # the gateway is the one that notices
            connection.execute("UPDATE revisions SET value = value + 1 WHERE name = 'a'")
            loop.call_soon_threadsafe(locked.set)
            until = time.monotonic() + 10
            while not _waiting(address):
                assert time.monotonic() < until
            connection.execute("UPDATE revisions SET value = value + 1 WHERE name = 'b'")

    locked, loop = asyncio.Event(), asyncio.get_running_loop()
    working = asyncio.create_task(asyncio.to_thread(other))
    await locked.wait()
    await database.write(
        Update("revisions", {"value": 10}, {"name": "b", "value": [0, 1]}),
        Update("revisions", {"value": 10}, {"name": "a", "value": [0, 1]}),
    )
    await working
    assert [one["value"] for one in await database.find("revisions", {"name": ["a", "b"]})] == [10, 10]
    assert database._circuit.opened == 0


STATES = {
    "53100": "disk full",
    "53200": "out of memory",
    "53400": "limit of the configuration",
    "55P03": "lock not available",
    "57014": "query cancelled",
    "40001": "serialization failure, again and again",
    "40P01": "deadlock, again and again",
    "58030": "error of the disk",
    "XX001": "corrupted page",
}


async def test_whatever_the_server_cannot_do_is_unavailable(served: tuple[Database, str]) -> None:
    """Nothing of the write is there, reads go on, and the server is not left for that."""
    database, address = served
    with psycopg.connect(address, autocommit=True) as other:
        for state, name in STATES.items():
            other.execute(
                "CREATE OR REPLACE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS"
                f" $$ BEGIN RAISE EXCEPTION '{name}' USING ERRCODE = '{state}'; END $$"
            )
            other.execute("CREATE OR REPLACE TRIGGER fails BEFORE INSERT ON imports EXECUTE FUNCTION fails()")
            now = datetime.now(UTC)
            values = {"id": "i", "kind": "k", "author": "a", "dry_run": False, "state": "s", "done": 0, "counts": "{}"}
            broken = Insert("imports", values | {"created_at": now, "updated_at": now})
            assert await unavailable(database.write(row(state), broken)) < CALL
            assert await database.count("revisions", {"name": state}) == 0, name
    assert database._circuit.opened == 0


# Servers that do not answer


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """A port that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        yield int(one.getsockname()[1])


async def test_silent_servers_cost_no_more_than_a_head_start(postgres: PostgresServer) -> None:
    """However many of those named first are silent or gone, the one that answers is found in time, and first the next time."""
    with silent() as first, silent() as second:
        ports = f"127.0.0.1:{first},127.0.0.1:{free_port()},127.0.0.1:{second},127.0.0.1:{postgres.port}"
        lines = Lines(parse(f"postgresql+psycopg://postgres@{ports}/postgres"), {})
        for most in (2.0, 0.29):
            began = time.monotonic()
            line = await lines.open()
            seconds = time.monotonic() - began
            await line.close()
            assert seconds < most


async def test_why_no_server_gave_a_connection(postgres: PostgresServer) -> None:
    """Each with its reason, and never the password."""
    gone = free_port()
    url = f"postgresql+psycopg://postgres:secret@127.0.0.1:{gone},127.0.0.1:{postgres.port}/nowhere"
    with pytest.raises(Unreachable) as error:
        await Lines(parse(url), {}).open()
    assert f"127.0.0.1:{gone}: " in str(error.value)
    assert '"nowhere" does not exist' in str(error.value)
    assert "secret" not in str(error.value)
    database = Database(url)
    with pytest.raises(RecordsUnavailable, match="does not exist"):
        await database.count("accounts", {})
    await database.close()


# Answers of SQLite


def told(database: Database, sentence: str) -> None:
    """Each connection begins with this."""

    def connect(connection: Any, _: Any) -> None:
        connection.cursor().execute(sentence)

    sa.event.listen(database._engine.sync_engine, "connect", connect)


async def test_a_full_disk(file: Path) -> None:
    """What does not fit is told and not half there; reads go on; with room again so do writes."""
    with sqlite3.connect(file) as other:
        (pages,) = other.execute("PRAGMA page_count").fetchone()
    other.close()
    database = Database(f"sqlite:///{file}")
    told(database, f"PRAGMA max_page_count={pages + 4}")
    large = [Insert("revisions", {"name": f"{n}-{'x' * 500}", "value": n}) for n in range(200)]
    for _ in range(4):
        assert await unavailable(database.write(row("small"), *large)) < CALL
        assert await database.count("revisions", {}) == 1
    assert database._circuit.opened == 0
    await database.close()
    roomy = Database(f"sqlite:///{file}")
    await roomy.write(row("small"), *large)
    assert await roomy.count("revisions", {}) == 202
    await roomy.close()


async def test_a_file_that_only_reads(file: Path) -> None:
    database = Database(f"sqlite:///{file}")
    told(database, "PRAGMA query_only=ON")
    for _ in range(4):
        await unavailable(database.write(row("x")))
    assert await database.count("revisions", {}) == 1
    await database.close()


async def test_a_writer_that_never_ends(file: Path) -> None:
    """Others are told within three seconds; readers do not wait; when it ended all is well."""
    database = Database(f"sqlite:///{file}")
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writes = [asyncio.create_task(unavailable(database.write(row(f"x{n}")))) for n in range(3)]
    assert await database.count("revisions", {}) == 1
    assert max(await asyncio.gather(*writes)) < CALL
    other.execute("ROLLBACK")
    other.close()
    await database.write(row("x"))
    await database.close()


@pytest.mark.parametrize("where", ["header", "pages"])
async def test_a_broken_file(file: Path, where: str) -> None:
    """Never an answer out of what cannot be right."""
    with sqlite3.connect(file) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    size = file.stat().st_size
    with file.open("r+b") as raw:
        raw.seek(0 if where == "header" else 4096)
        raw.write(b"\x5a" * (100 if where == "header" else size - 4096))
    database = Database(f"sqlite:///{file}")
    for _ in range(4):
        await unavailable(database.find("revisions", {}))
        await unavailable(database.write(row("x")))
    await database.close()
