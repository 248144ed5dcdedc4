"""The Database over a primary and its standby: killed, paused, demoted, restarted. No acknowledged write is lost, no caller
waits longer than three seconds, and nobody has to restart anything."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest
import sqlalchemy as sa

from gateway.edges.database import Database
from gateway.ports import Change, Insert, Row, Update
from gateway.reasons import RecordsUnavailable
from tests.postgres_servers import Pair, Server, one_server, postgres_pair

CALL = 3.5  # seconds: three, and what a busy machine adds
BACK = 5.0  # seconds from the moment somebody takes writes again


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with postgres_pair(tmp_path_factory.mktemp("pair")) as both:
        yield both


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with one_server(tmp_path_factory.mktemp("single"), "-c", "max_connections=12") as server:
        yield server


@pytest.fixture
async def records(pair: Pair) -> AsyncIterator[Database]:
    database = Database(pair.url)
    await database.migrate()
    yield database
    await database.close()


@pytest.fixture
async def alone(single: Server) -> AsyncIterator[Database]:
    database = Database(single.url)
    await database.migrate()
    yield database
    await database.close()


@dataclass
class Traffic:
    """Writers and a reader that never stop. ``told``: what was acknowledged; ``longest``: seconds of the slowest call."""

    records: Database
    prefix: str
    told: list[str] = field(default_factory=list)
    failed: int = 0
    longest: float = 0.0
    last: float = 0.0  # when a write was last acknowledged, monotonic
    gap: float = 0.0  # seconds, the longest without one

    async def write(self) -> None:
        name = f"{self.prefix}{len(self.told)}-{self.failed}-{time.monotonic_ns()}"
        if await self._timed(self.records.write(Insert("revisions", {"name": name, "value": 1}))):
            self.told.append(name)
            now = time.monotonic()
            self.last, self.gap = now, max(self.gap, now - (self.last or now))

    async def read(self) -> None:
        await self._timed(self.records.count("revisions", {"name": "policy"}))

    async def _timed(self, call: object) -> bool:
        began = time.monotonic()
        try:
            await call  # type: ignore[misc]
        except RecordsUnavailable:
            self.failed += 1
            await asyncio.sleep(0.01)
            return False
        finally:
            self.longest = max(self.longest, time.monotonic() - began)
        return True

    async def __aenter__(self) -> Traffic:
        async def again(work: object) -> None:
            while True:
                await work()  # type: ignore[operator]

        self._tasks = [asyncio.create_task(again(one)) for one in (self.write, self.write, self.write, self.read)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def goes_on(self, since: float, seconds: float = 20) -> float:
        """Seconds from ``since`` until a write that began no sooner was acknowledged."""
        while self.last <= since:
            assert time.monotonic() - since < seconds, "no write was acknowledged any more"
            await asyncio.sleep(0.01)
        return self.last - since


async def names(server: Server) -> set[object]:
    return {name for (name,) in await asyncio.to_thread(server.ask, "SELECT name FROM revisions")}


async def test_no_acknowledged_write_is_lost_when_the_primary_is_killed(pair: Pair, records: Database) -> None:
    """With a synchronous standby, kill -9 of the primary and promotion: all that was acknowledged is there, and the
    workers find the new primary by themselves."""
    await asyncio.to_thread(pair.synchronous)
    async with Traffic(records, "kill") as traffic:
        await traffic.goes_on(time.monotonic())
        pair.primary.kill()
        await asyncio.to_thread(pair.promote)
        seconds = await traffic.goes_on(time.monotonic())
        print(f"primary killed: writes go on {seconds:.2f} s after the promotion, {traffic.failed} calls failed")
        assert seconds < BACK
        assert traffic.longest < CALL
    assert set(traffic.told) <= await names(pair.primary)
    await asyncio.to_thread(pair.repair)


async def test_a_paused_primary_is_left_for_the_one_that_took_over(pair: Pair, records: Database) -> None:
    """It accepts connections and receipts bytes, and answers nothing: nobody waits more than three seconds, and after the
    first three all are told at once."""
    async with Traffic(records, "pause") as traffic:
        await traffic.goes_on(time.monotonic())
        pair.primary.pause()
        try:
            async with asyncio.timeout(15):
                while not records._circuit.is_open:
                    await asyncio.sleep(0.01)
            began = time.monotonic()
            with pytest.raises(RecordsUnavailable):
                await records.count("revisions", {})
            assert time.monotonic() - began < 0.1
            await asyncio.to_thread(pair.promote)
            seconds = await traffic.goes_on(time.monotonic())
        finally:
            pair.standby.resume()
            pair.primary.resume()
        print(f"primary paused: writes go on {seconds:.2f} s after the promotion, slowest call {traffic.longest:.2f} s")
        assert seconds < BACK
        assert traffic.longest < CALL
    assert set(traffic.told) - await names(pair.primary) == set()
    await asyncio.to_thread(pair.repair)


async def test_roles_exchanged_in_good_order(pair: Pair, records: Database) -> None:
    """The old primary comes back as a standby, first in the address: it is passed over."""
    async with Traffic(records, "switch") as traffic:
        await traffic.goes_on(time.monotonic())
        began = time.monotonic()
        await asyncio.to_thread(pair.switch)
        await traffic.goes_on(time.monotonic())
        print(f"roles exchanged: no write for {traffic.gap:.2f} s of {time.monotonic() - began:.2f} s")
        assert traffic.longest < CALL
    assert set(traffic.told) <= await names(pair.primary)
    fresh = Database(pair.url)
    assert await fresh.count("revisions", {"name": traffic.told}) == len(traffic.told)
    await fresh.close()


async def test_a_server_that_became_read_only_is_left(single: Server, alone: Database) -> None:
    """It answers, and is refused for reading too: what it holds may be old. With writes allowed again all is well."""
    await alone.write(Insert("revisions", {"name": "before", "value": 1}))
    single.configure(default_transaction_read_only="on")
    for _ in range(5):
        with pytest.raises(RecordsUnavailable):
            await alone.write(Insert("revisions", {"name": "meanwhile", "value": 1}))
        with pytest.raises(RecordsUnavailable):
            await alone.count("revisions", {})
    assert alone._circuit.is_open
    single.configure(default_transaction_read_only="off")
    assert await back(alone) < BACK
    assert await alone.count("revisions", {"name": "meanwhile"}) == 0


async def test_a_restart_costs_no_call_afterwards(single: Server, alone: Database) -> None:
    """Connections of before are found dead before they are used."""
    await asyncio.gather(*(alone.count("revisions", {}) for _ in range(8)))
    single.stop()
    single.start("-c", "max_connections=12")
    for _ in range(8):
        await alone.count("revisions", {})
    # SQLAlchemy's mark is a time of day: with the clock set back an hour, every call of that hour would connect anew.
    assert alone._engine.sync_engine.pool._invalidate_time == 0


async def test_a_server_without_connections_left_is_unavailable(single: Server, alone: Database) -> None:
    """Others took them all: told, not waited for; and soon well again."""
    import psycopg

    single.stop()
    single.start("-c", "max_connections=12")
    taken: list[psycopg.Connection[object]] = []
    try:
        with pytest.raises(psycopg.OperationalError):
            while True:
                taken.append(psycopg.connect(single.url.replace("+psycopg", "")))  # type: ignore[arg-type]
        for _ in range(5):
            began = time.monotonic()
            with pytest.raises(RecordsUnavailable):
                await alone.count("revisions", {})
            assert time.monotonic() - began < CALL
    finally:
        for one in taken:
            one.close()
    assert await back(alone) < BACK


async def test_r8_a_dead_server_costs_nothing_after_three_failures(single: Server, alone: Database) -> None:
    """And is used again within seconds of its return."""
    await asyncio.to_thread(single.pause)
    try:
        slow = [await took(alone) for _ in range(3)]
        quick = [await took(alone) for _ in range(20)]
    finally:
        single.resume()
    seconds = await back(alone)
    print(f"paused: {slow=} then {max(quick):.4f} s at most; back after {seconds:.2f} s")
    assert max(slow) < CALL
    assert sorted(quick)[-3] < 0.05  # one of them may be the one that looks
    assert seconds < BACK


async def test_a_server_paused_in_the_middle_of_a_transaction(single: Server, alone: Database) -> None:
    """What was begun is not waited for either when it is undone; the server undoes it when it is back."""
    await alone.write(Insert("revisions", {"name": "middle", "value": 1}))

    def compose(row: Row | None) -> list[Change]:
        single.pause()
        return [Update("revisions", {"value": 2}, {"name": "middle"})]

    began = time.monotonic()
    try:
        with pytest.raises(RecordsUnavailable):
            await alone.amend("revisions", {"name": "middle"}, compose)
        assert time.monotonic() - began < CALL
    finally:
        single.resume()
    assert await back(alone) < BACK
    await alone.write(Update("revisions", {"value": 3}, {"name": "middle", "value": 1}))


async def test_r8_long_work_does_not_wait_for_a_dead_server(single: Server, alone: Database) -> None:
    """Reports, sums and jobs may take long, but are told like everybody once the server counts as gone."""
    await asyncio.to_thread(single.pause)
    try:
        while not alone._circuit.is_open:
            await took(alone)
        began = time.monotonic()
        with pytest.raises(RecordsUnavailable):
            await alone.read(sa.select(1))
        with pytest.raises(RecordsUnavailable):
            async with alone.long(60):
                raise AssertionError("nothing to work with")
        with pytest.raises(RecordsUnavailable):
            async with alone.alone("x"):
                raise AssertionError("nobody is alone")
        assert time.monotonic() - began < 2 * CALL
    finally:
        single.resume()
    assert await back(alone) < BACK


async def took(records: Database) -> float:
    began = time.monotonic()
    with pytest.raises(RecordsUnavailable):
        await records.count("revisions", {})
    return time.monotonic() - began


async def back(records: Database) -> float:
    began = time.monotonic()
    while True:
        try:
            await records.count("revisions", {})
            return time.monotonic() - began
        except RecordsUnavailable:
            assert time.monotonic() - began < 20
            await asyncio.sleep(0.02)
