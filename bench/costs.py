"""What one sign-in and one request cost the gateways, in CPU, store commands and transactions: the figures that scale.

\b
python -m bench.costs --store redis --records postgres
python -m bench.costs --store sqlite --records sqlite --count 100

CPU is that of the gateway's processes alone, from ``/proc/…/schedstat``, less what they spend at rest. It is read with one
worker; the load, the application, Pro Santé Connect, mails, Redis and PostgreSQL are other processes and do not count.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import redis

from bench.crowd import REQUEST, Crowd, Seen
from bench.nation import MEANS
from bench.people import open_sessions
from bench.process import spent, tree
from bench.town import Town, town

_REST = 3.0  # seconds at rest, to know what is spent without anybody
_SETTLE = 1.5  # seconds until PostgreSQL has told its numbers


@dataclass
class Spent:
    """Of one doing, in the mean."""

    cpu: float  # milliseconds
    store: float  # commands
    transactions: float
    rows: float  # written
    redis: float  # milliseconds of CPU of the store's server
    postgres: float
    p50: float  # milliseconds waited
    count: int


def _pid(server: Any) -> int:
    """Of the one server, where there is one; of several none is told apart."""
    process = getattr(server, "process", None)
    return int(process.pid) if process is not None else 0


class Meter:
    """Reads what was spent between two instants."""

    def __init__(self, place: Town) -> None:
        self._town = place
        self._redis = (
            redis.Redis.from_url(place.estate.store_url) if place.estate.store_url.startswith("redis://") else None
        )
        url = place.estate.records_url
        self._postgres = psycopg.connect(url.replace("+psycopg", ""), autocommit=True) if "postgresql" in url else None
        self._servers = [_pid(place.estate.redis), _pid(place.estate.postgres)]
        self.rest = 0.0  # seconds of CPU a second

    def read(self) -> tuple[float, float, int, int, int, float, float]:
        """Now: seconds, CPU seconds, store commands, transactions, rows written, CPU seconds of both servers."""
        commands = self._redis.info("stats")["total_commands_processed"] if self._redis else 0  # type: ignore[index]
        transactions = rows = 0
        if self._postgres:
            found = self._postgres.execute(
                "SELECT xact_commit + xact_rollback, tup_inserted + tup_updated + tup_deleted FROM pg_stat_database"
                " WHERE datname = current_database()"
            ).fetchone()
            assert found is not None
            transactions, rows = found
        servers = [spent(tree(pid)) if pid else 0.0 for pid in self._servers]
        return time.monotonic(), self._town.cpu(), int(commands), int(transactions), int(rows), servers[0], servers[1]

    async def at_rest(self) -> None:
        before = self.read()
        await asyncio.sleep(_REST)
        after = self.read()
        self.rest = (after[1] - before[1]) / (after[0] - before[0])

    async def spent(self, work: Callable[[], Awaitable[None]], seen: Callable[[], Seen]) -> Spent:
        """What this work took, for each that was done."""
        await asyncio.sleep(_SETTLE)
        before = self.read()
        await work()
        done = time.monotonic()
        cpu = self._town.cpu()
        await asyncio.sleep(_SETTLE)
        after = self.read()
        found = seen()
        if found.refused or found.crossed or not found.times:
            raise SystemExit(f"not as it should be: {dict(found.refused)}, crossed {found.crossed}")
        count = len(found.times)
        return Spent(
            (cpu - before[1] - self.rest * (done - before[0])) / count * 1000,
            (after[2] - before[2]) / count,
            (after[3] - before[3]) / count,
            (after[4] - before[4]) / count,
            (after[5] - before[5]) / count * 1000,
            (after[6] - before[6]) / count * 1000,
            found.quantile(50),
            count,
        )


async def measure(place: Town, count: int, at_once: int, people: int) -> tuple[dict[str, Spent], float]:
    """By means; then ``cold`` and ``warm`` requests. And by how many bytes the worker grew with each session it knows."""
    meter, found = Meter(place), dict[str, Spent]()
    tickets = await open_sessions(place.estate.store_url, place.estate.records_url, place.people[:people])
    async with Crowd(place, tickets) as crowd:
        for means in MEANS:
            await crowd.come_in_turn(means, 4, 2)  # everything is loaded, and connections stand
        await crowd.ask(0, "/Trajectoire/warm")
        await asyncio.sleep(1)
        await meter.at_rest()
        for means in MEANS:
            crowd.seen.clear()
            found[means] = await meter.spent(
                lambda means=means: crowd.come_in_turn(means, count, at_once), lambda means=means: crowd.seen[means]
            )
        crowd.seen.clear()
        before = sum(place.rss())
        found["cold"] = await meter.spent(
            lambda: _round(crowd, range(1, len(tickets)), at_once), lambda: crowd.seen[REQUEST]
        )
        memory = (sum(place.rss()) - before) / (len(tickets) - 1)
        crowd.seen.clear()
        few = list(range(1, 9))  # soon enough again for all of them to be known
        await _round(crowd, few, at_once)
        crowd.seen.clear()
        found["warm"] = await meter.spent(
            lambda: _round(crowd, list(itertools.islice(itertools.cycle(few), 800)), at_once),
            lambda: crowd.seen[REQUEST],
        )
    return found, memory


async def _round(crowd: Crowd, numbers: range | list[int], at_once: int) -> None:
    left = iter(numbers)

    async def line() -> None:
        for number in left:
            await crowd.ask(number, f"/Trajectoire/dossiers/{number}")

    await asyncio.gather(*(line() for _ in range(at_once)))


def table(found: dict[str, Spent]) -> str:
    """As Markdown."""
    lines = [
        "| | CPU (ms) | store commands | transactions | rows written | CPU of Redis (ms) | of PostgreSQL (ms) | p50 (ms) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, one in found.items():
        cells = f"{one.cpu:.2f} | {one.store:.1f} | {one.transactions:.1f} | {one.rows:.1f} | {one.redis:.2f}"
        lines.append(f"| {name} | {cells} | {one.postgres:.2f} | {one.p50:.0f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.costs", description=__doc__)
    parser.add_argument("--store", default="redis", help="redis, sentinel, cluster, sqlite")
    parser.add_argument("--records", default="postgres", help="postgres, pair, sqlite")
    parser.add_argument("--count", type=int, default=60, help="sign-ins by each means")
    parser.add_argument("--at-once", type=int, default=3)
    parser.add_argument("--sessions", type=int, default=600, help="people whose first request is measured")
    parser.add_argument("--json", type=Path, default=Path("bench/costs.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        people = options.sessions + options.count + 20
        with town(folder, store=options.store, records=options.records, people=people) as place:
            found, memory = asyncio.run(measure(place, options.count, options.at_once, options.sessions))
            worker = place.rss()
    print(table(found))
    megabytes = " ".join(f"{one / 2**20:.0f}" for one in worker)
    print(
        f"\n{memory / 1024:.1f} KiB in the worker for each session it knows; MiB of the worker at the end: {megabytes}."
    )
    data = {
        "sign_in": {means: round(found[means].cpu, 2) for means in MEANS},
        "warm": round(found["warm"].cpu, 4),
        "cold": round(found["cold"].cpu, 3),
    }
    options.json.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
