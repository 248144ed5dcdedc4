"""Work that comes back: each thing once a period, whichever of several workers does it.

* Periods are counted from 1970 in UTC: a daily job is due from midnight, and as soon as the gateway runs again.
* ``job:<name>`` in the store holds the last period done. A period is never done twice, a clock set back included.
* ``lease:<name>`` belongs to the one worker that does the work. It is renewed while the work goes on; whoever loses it
  stops. A worker that crashed is followed by another when its lease has ended.
* The store may be emptied, or another one after a fail-over; so whoever works also holds a lock of the database
  (``ports.Alone``) all the while. Two machines do a job at once only if store and database fail in the same seconds.
* What fails is tried again at the next tick, then after pauses that double, whichever worker tries.

The work must bear being stopped half-way and begun again: the store may be emptied, and a lease may be lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog

from gateway.ending import ended
from gateway.ports import Alone, Ambient, Hold, Store
from gateway.reasons import RecordsUnavailable, StoreUnavailable

LEASE = timedelta(minutes=2)
_RENEWALS = 3  # within one lease
_LONGEST_PAUSE = timedelta(hours=1)
_KEPT = timedelta(days=7)  # a mark outlives its period by this
_log = structlog.get_logger("gateway.jobs")


@dataclass(frozen=True, slots=True)
class Job:
    """``work`` is called with the present instant; it may raise anything, and is then tried again."""

    name: str
    period: timedelta
    work: Callable[[datetime], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Mark:
    """What the store knows of a job: the last period done, and the failures since."""

    done: int = -1
    at: float = 0.0  # when it was done, seconds since 1970
    failures: int = 0
    again: float = 0.0  # not tried before

    @classmethod
    def read(cls, raw: bytes | None) -> Mark:
        """What cannot be read is no mark: the work is done once more."""
        try:
            data = json.loads(raw or b"{}")
            return cls(int(data["done"]), float(data["at"]), int(data["failures"]), float(data["again"]))
        except (ValueError, KeyError, TypeError):
            return cls()

    def encode(self) -> bytes:
        return json.dumps({"done": self.done, "at": self.at, "failures": self.failures, "again": self.again}).encode()

    def due(self, period: int, now: datetime) -> bool:
        wait = self.again - now.timestamp()
        # A pause that lies further away than any pause is long was written before the clock was set back.
        return self.done < period and not 0 < wait <= _LONGEST_PAUSE.total_seconds()


class _LeaseLost(Exception):
    """Somebody else may do the work now."""


class Jobs:
    """``every``: seconds between two looks. ``alone``: who keeps other machines away, beside the lease. ``done`` and
    ``failed`` count by name, ``unreachable`` counts looks that the store or the database did not answer; ``last_done`` is
    when this worker last finished each."""

    def __init__(
        self,
        store: Store,
        ambient: Ambient,
        jobs: Sequence[Job],
        every: float,
        *,
        alone: Alone | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._alone = alone
        self._ambient = ambient
        self._jobs = tuple(jobs)
        self._every = every
        self._sleep = sleep
        self._owner = ambient.token(9)
        self._turns = 0
        self._task: asyncio.Task[None] | None = None
        self.done = {job.name: 0 for job in jobs}
        self.failed = {job.name: 0 for job in jobs}
        self.last_done: dict[str, datetime] = {}
        self.unreachable = 0

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._look(), name="jobs")

    async def close(self) -> None:
        """Stop, work under way included; what was not finished is done by another worker, or later."""
        if self._task is not None:
            await ended(self._task)
            self._task = None

    async def tick(self, now: datetime) -> None:
        """Do what is due at ``now`` and nobody else does. Never raises but for being cancelled."""
        for job in self._jobs:
            try:
                await self._attend(job, now)
            except (StoreUnavailable, RecordsUnavailable) as error:
                self.unreachable += 1
                _log.warning("job not looked at", job=job.name, error=str(error))
            except _LeaseLost:
                self.failed[job.name] += 1
                _log.warning("job stopped, its lease or its lock is lost", job=job.name)

    async def _look(self) -> None:
        while True:
            await self._sleep(self._every)
            try:
                await self.tick(self._ambient.now())
            except Exception as error:  # a fault of ours: the next look may still do the other jobs
                _log.error("jobs not looked at", error=f"{type(error).__name__}: {error}")

    async def _attend(self, job: Job, now: datetime) -> None:
        period = int(now.timestamp() // job.period.total_seconds())
        mark, _ = await self._mark(job)
        if not mark.due(period, now):
            return
        key = f"lease:{job.name}"
        lease = self._lease(now)
        if not await self._store.swap(key, None, lease[0], LEASE):
            return
        try:
            mark, raw = await self._mark(job)  # another may have done it between our look and our lease
            if mark.due(period, now):
                if self._alone is None:
                    await self._do(job, now, period, mark, raw, lease, None)
                    return
                async with self._alone.alone(f"job-{job.name}") as hold:
                    if hold is None:
                        _log.warning("job left to another, who has no lease for it", job=job.name)
                    else:
                        await self._do(job, now, period, mark, raw, lease, hold)
        finally:
            with contextlib.suppress(StoreUnavailable):
                await self._store.swap(key, lease[0], None)

    async def _do(
        self,
        job: Job,
        now: datetime,
        period: int,
        mark: Mark,
        raw: bytes | None,
        lease: list[bytes],
        hold: Hold | None,
    ) -> None:
        begun = self._ambient.monotonic()
        try:
            await self._held(job, now, lease, hold)
        except _LeaseLost:
            raise
        except Exception as error:
            self.failed[job.name] += 1
            pause = min(timedelta(seconds=self._every) * 2 ** min(mark.failures, 16), _LONGEST_PAUSE)
            ended = self._ambient.now()
            later = replace(mark, failures=mark.failures + 1, again=(ended + pause).timestamp())
            _log.error(
                "job failed",
                job=job.name,
                error=f"{type(error).__name__}: {error}",
                failures=later.failures,
                again_in=pause.total_seconds(),
            )
        else:
            ended = self._ambient.now()
            self.done[job.name] += 1
            self.last_done[job.name] = ended
            later = Mark(period, ended.timestamp())
            _log.info("job done", job=job.name, seconds=round(self._ambient.monotonic() - begun, 3))
        await self._store.swap(f"job:{job.name}", raw, later.encode(), job.period + _KEPT)

    async def _held(self, job: Job, now: datetime, lease: list[bytes], hold: Hold | None) -> None:
        """The work, for as long as the lease and the lock are ours."""

        async def run() -> None:
            await job.work(now)

        loop = asyncio.get_running_loop()
        work = loop.create_task(run(), name=f"job {job.name}")
        tasks = [work, loop.create_task(self._keep(job, lease), name=f"lease {job.name}")]
        if hold is not None:
            tasks.append(loop.create_task(hold.lost(), name=f"lock {job.name}"))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await ended(*(one for one in tasks if not one.done()))
        if work.cancelled():
            raise _LeaseLost
        work.result()

    async def _keep(self, job: Job, lease: list[bytes]) -> None:
        """Renew the lease; returns when it is lost. A store that gives no answer is asked again until its end."""
        begun = self._ambient.monotonic()
        while True:
            await self._sleep(LEASE.total_seconds() / _RENEWALS)
            fresh = self._lease(self._ambient.now())
            asked = self._ambient.monotonic()
            try:
                if not await self._store.swap(f"lease:{job.name}", lease[0], fresh[0], LEASE):
                    return
            except StoreUnavailable:
                if asked - begun >= LEASE.total_seconds() * (_RENEWALS - 1) / _RENEWALS:
                    return
                continue
            lease[0], begun = fresh[0], asked

    def _lease(self, now: datetime) -> list[bytes]:
        """A value nobody else writes, in a box: renewing replaces it."""
        self._turns += 1
        until = (now + LEASE).astimezone(UTC).isoformat()
        return [json.dumps({"owner": self._owner, "turn": self._turns, "until": until}).encode()]

    async def _mark(self, job: Job) -> tuple[Mark, bytes | None]:
        (raw,) = await self._store.read(f"job:{job.name}")
        return Mark.read(raw), raw
