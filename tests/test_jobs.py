"""Jobs: each period once, whichever worker; leases, crashes, clocks, failures."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.edges.stores import AnyStore, open_store
from gateway.jobs import LEASE, Job, Jobs
from gateway.ports import Store
from gateway.reasons import StoreUnavailable
from tests.ambient import TestAmbient

DAY = timedelta(days=1)
NIGHT = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)


class Work:
    """Counts its calls; fails as often as it is told."""

    def __init__(self, failures: int = 0) -> None:
        self.calls: list[datetime] = []
        self._failures = failures

    async def __call__(self, now: datetime) -> None:
        self.calls.append(now)
        await asyncio.sleep(0)
        if len(self.calls) <= self._failures:
            raise RuntimeError("told to fail")


class Gate:
    """Work that goes on until it is let go, and knows when it was stopped."""

    def __init__(self) -> None:
        self.begun, self.go = asyncio.Event(), asyncio.Event()
        self.stopped = False

    async def __call__(self, now: datetime) -> None:
        self.begun.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.stopped = True
            raise


class Naps:
    """A ``sleep`` that ends when the test says so."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue()

    async def __call__(self, seconds: float) -> None:
        nap: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._waiting.put(nap)
        await nap

    async def end(self) -> None:
        while (nap := await self._waiting.get()).done():  # of a task that was cancelled
            pass
        nap.set_result(None)


@pytest.fixture
def ambient() -> TestAmbient:
    return TestAmbient(NIGHT + timedelta(hours=3))


@pytest.fixture(params=["memory", "sqlite"])
async def open_one(
    request: pytest.FixtureRequest, ambient: TestAmbient, tmp_path: Path
) -> AsyncIterator[Callable[[], Awaitable[Store]]]:
    """Each call gives the store as one more worker sees it."""
    made: list[AnyStore] = []

    async def one() -> Store:
        if request.param == "memory" and made:
            return made[0]
        url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path / 'store.db'}"
        made.append(open_store(url, ambient))
        await made[-1].start()
        return made[-1]

    yield one
    for store in made:
        await store.close()


@pytest.fixture
async def store(ambient: TestAmbient) -> Store:
    return open_store("memory://", ambient)


def jobs_of(
    store: Store, ambient: TestAmbient, work: Callable[[datetime], Awaitable[None]], name: str = "purge"
) -> Jobs:
    return Jobs(store, ambient, [Job(name, DAY, work)], 10)


async def test_twenty_workers_do_each_period_once(
    open_one: Callable[[], Awaitable[Store]], ambient: TestAmbient
) -> None:
    """Of twenty workers that look at the same instant, one does the work; the next day one does it again."""
    work = Work()
    workers = [jobs_of(await open_one(), ambient, work) for _ in range(20)]
    for day in range(3):
        for _ in range(2):
            await asyncio.gather(*(one.tick(ambient.now()) for one in workers))
            assert len(work.calls) == day + 1
        ambient.advance(DAY.total_seconds())
    assert sum(one.done["purge"] for one in workers) == 3
    assert sum(one.failed["purge"] for one in workers) == 0


async def test_a_period_is_due_from_its_first_instant(store: Store, ambient: TestAmbient) -> None:
    """The day begins at midnight UTC, not 24 hours after the last time."""
    work = Work()
    jobs = jobs_of(store, ambient, work)
    await jobs.tick(ambient.now())
    ambient.instant = NIGHT + DAY - timedelta(microseconds=1)
    await jobs.tick(ambient.now())
    assert len(work.calls) == 1
    ambient.instant = NIGHT + DAY
    await jobs.tick(ambient.now())
    assert len(work.calls) == 2
    assert jobs.last_done["purge"] == NIGHT + DAY


async def test_a_clock_set_back_repeats_nothing(store: Store, ambient: TestAmbient) -> None:
    """A day that was done is not done again when the clock returns to it, or to the day before."""
    work = Work()
    jobs = jobs_of(store, ambient, work)
    await jobs.tick(ambient.now())
    for back in (timedelta(hours=2), timedelta(days=2)):
        ambient.advance(-back.total_seconds())
        await jobs.tick(ambient.now())
    assert len(work.calls) == 1
    ambient.instant = NIGHT + DAY
    await jobs.tick(ambient.now())
    assert len(work.calls) == 2


async def test_a_crashed_holder_is_followed(store: Store, ambient: TestAmbient) -> None:
    """While a lease lasts nobody else works; when it has ended, another does."""
    assert await store.swap("lease:purge", None, b"a worker that is dead", LEASE)
    work = Work()
    jobs = jobs_of(store, ambient, work)
    ambient.advance(LEASE.total_seconds() - 0.001)
    await jobs.tick(ambient.now())
    assert work.calls == []
    ambient.advance(0.001)
    await jobs.tick(ambient.now())
    assert len(work.calls) == 1
    assert await store.read("lease:purge") == (None,)


async def test_the_lease_is_renewed_while_the_work_runs(store: Store, ambient: TestAmbient) -> None:
    """Work longer than a lease keeps it, and another worker finds it taken all along."""
    work, naps, other = Gate(), Naps(), Work()
    jobs = Jobs(store, ambient, [Job("purge", DAY, work)], 10, sleep=naps)
    ticking = asyncio.create_task(jobs.tick(ambient.now()))
    await work.begun.wait()
    (before,) = await store.read("lease:purge")
    for _ in range(6):
        ambient.advance(LEASE.total_seconds() / 3)
        await naps.end()
        while (await store.read("lease:purge"))[0] == before:
            await asyncio.sleep(0)
        (before,) = await store.read("lease:purge")
        assert before is not None
        assert json.loads(before)["until"] == (ambient.now() + LEASE).isoformat()
        await jobs_of(store, ambient, other).tick(ambient.now())
    work.go.set()
    await ticking
    assert other.calls == []
    assert jobs.done["purge"] == 1


async def test_work_without_its_lease_is_stopped(store: Store, ambient: TestAmbient) -> None:
    """A worker whose lease another took stops, marks nothing, and leaves the other's lease alone."""
    work, naps = Gate(), Naps()
    jobs = Jobs(store, ambient, [Job("purge", DAY, work)], 10, sleep=naps)
    ticking = asyncio.create_task(jobs.tick(ambient.now()))
    await work.begun.wait()
    ambient.advance(LEASE.total_seconds() + 1)
    assert await store.swap("lease:purge", None, b"another", LEASE)
    await naps.end()
    await ticking
    assert work.stopped
    assert jobs.failed["purge"] == 1
    assert await store.read("lease:purge", "job:purge") == (b"another", None)


async def test_closing_stops_the_work_and_frees_the_lease(store: Store, ambient: TestAmbient) -> None:
    """A worker that ends lets another do the work at once."""
    work, after = Gate(), Work()
    jobs = Jobs(store, ambient, [Job("purge", DAY, work)], 0.001)
    jobs.start()
    await work.begun.wait()
    await jobs.close()
    assert work.stopped
    assert await store.read("lease:purge", "job:purge") == (None, None)
    await jobs_of(store, ambient, after).tick(ambient.now())
    assert len(after.calls) == 1


async def test_failures_are_tried_again_with_growing_pauses(store: Store, ambient: TestAmbient) -> None:
    """The next tick, then twice as long each time, up to an hour, whichever worker looks; a success ends the row."""
    work = Work(failures=12)
    workers = [jobs_of(store, ambient, work) for _ in range(3)]
    began = ambient.now()
    tries: list[float] = []
    turn = 0
    while len(work.calls) < 13:
        for one in workers[turn % 3 :] + workers[: turn % 3]:
            calls = len(work.calls)
            await one.tick(ambient.now())
            if len(work.calls) > calls:
                tries.append((ambient.now() - began).total_seconds())
        turn += 1
        ambient.advance(10)
    pauses = [later - sooner for sooner, later in itertools.pairwise(tries)]
    assert pauses == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600]
    assert sum(one.failed["purge"] for one in workers) == 12
    assert sum(one.done["purge"] for one in workers) == 1
    assert len(work.calls) == 13


async def test_a_clock_set_back_does_not_lengthen_a_pause(store: Store, ambient: TestAmbient) -> None:
    """A pause written before the clock went back a day is not waited for all that day."""
    work = Work(failures=1)
    jobs = jobs_of(store, ambient, work)
    await jobs.tick(ambient.now())
    ambient.advance(-DAY.total_seconds())
    await jobs.tick(ambient.now())
    assert len(work.calls) == 2
    assert jobs.done["purge"] == 1


async def test_one_job_that_fails_does_not_hold_the_others(store: Store, ambient: TestAmbient) -> None:
    """Each job has its own mark and its own lease."""
    bad, good = Work(failures=99), Work()
    jobs = Jobs(store, ambient, [Job("bad", DAY, bad), Job("good", timedelta(hours=1), good)], 10)
    for _ in range(2):
        await jobs.tick(ambient.now())
        ambient.advance(3600)
    assert len(bad.calls) == 2
    assert len(good.calls) == 2
    assert (jobs.done, jobs.failed) == ({"bad": 0, "good": 2}, {"bad": 2, "good": 0})


class Down:
    """A store that gives no answer."""

    async def read(self, *keys: str) -> tuple[bytes | None, ...]:
        raise StoreUnavailable("down")

    async def write(self, key: str, value: bytes, ttl: timedelta) -> None:
        raise StoreUnavailable("down")

    async def swap(self, key: str, old: bytes | None, new: bytes | None, ttl: timedelta | None = None) -> bool:
        raise StoreUnavailable("down")

    async def close(self) -> None:
        """Nothing to close."""


async def test_r7_a_store_that_is_down_stops_the_work_and_not_the_worker(ambient: TestAmbient) -> None:
    """Unknown is not due: without an answer nothing is done, and the next look asks again."""
    work = Work()
    jobs = jobs_of(Down(), ambient, work)
    for _ in range(3):
        await jobs.tick(ambient.now())
    assert work.calls == []
    assert jobs.unreachable == 3


@pytest.mark.parametrize("raw", [b"", b"nonsense", b"{}", b"[1]", b'{"done": null}', b"\xff"])
async def test_a_mark_that_cannot_be_read_is_none(store: Store, ambient: TestAmbient, raw: bytes) -> None:
    """The work is done once more, and the mark is whole again."""
    await store.write("job:purge", raw, DAY)
    work = Work()
    jobs = jobs_of(store, ambient, work)
    for _ in range(2):
        await jobs.tick(ambient.now())
    assert len(work.calls) == 1


async def test_a_worker_looks_again_and_again(store: Store, ambient: TestAmbient) -> None:
    """Started, it looks every so many seconds by its own; closed, it looks no more."""
    naps, work = Naps(), Work()
    jobs = Jobs(store, ambient, [Job("purge", DAY, work)], 10, sleep=naps)
    jobs.start()
    for day in range(3):
        await naps.end()
        while jobs.done["purge"] <= day:
            await asyncio.sleep(0)
        ambient.advance(DAY.total_seconds())
    await jobs.close()
    assert len(work.calls) == 3
