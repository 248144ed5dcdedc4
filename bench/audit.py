"""How many rows a second the chained audit takes from several processes at once: every one of them moves the same head.

\b
python -m bench.audit                                  # SQLite and a PostgreSQL of its own; 1, 2 and 6 writers
python -m bench.audit --at-once 1 --seconds 5          # one row at a time in each writer: what one sign-in waits

A writer is a process with a ``Journal`` as a worker has it; ``--at-once`` records wait in it together, as sign-ins do, and go
into one transaction when the one before is done.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles

from tests.servers import postgres_server

_KEY = b"k" * 32


async def write(url: str, seconds: float, at_once: int) -> dict[str, float]:
    """One writer: rows, CPU seconds, and how long each record waited."""
    import logging

    import structlog

    from gateway.audit import Act, Record
    from gateway.edges.database import Database
    from gateway.edges.journal import Journal
    from gateway.edges.system import SystemAmbient

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    ambient, records = SystemAmbient(), Database(url)
    journal = Journal(records, _KEY)
    facts = {"method": "otp-mail", "assurance": "transition", "space": "professionnel", "session": "0123456789ab"}
    waited: list[float] = []
    await records.find("audit_head", {"id": 1})  # a connection stands
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    began, end = time.process_time(), time.monotonic() + seconds

    async def one() -> None:
        while (now := time.monotonic()) < end:
            await journal.record(
                Record(Act.SIGN_IN, ambient.now(), "acc_x", scope="s", address="192.0.2.1", facts=facts)
            )
            waited.append(time.monotonic() - now)

    await asyncio.gather(*(one() for _ in range(at_once)))
    cpu = time.process_time() - began
    await records.close()
    return {"rows": len(waited), "cpu": cpu, "p50": _quantile(waited, 50), "p99": _quantile(waited, 99)}


def _quantile(times: list[float], percent: int) -> float:
    return quantiles(times, n=100)[percent - 1] * 1000 if len(times) > 1 else 0.0


async def _prepare(url: str) -> None:
    from gateway.edges.database import Database

    records = Database(url)
    await records.migrate()
    await records.close()


def measure(url: str, writers: int, seconds: float, at_once: int) -> dict[str, float]:
    """All writers at once; ``p50`` and ``p99`` are those of the slowest of them."""
    line = [sys.executable, "-W", "ignore", "-m", "bench.audit", "--write", url]
    line += ["--seconds", str(seconds), "--at-once", str(at_once)]
    started = [subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(writers)]
    try:
        for one in started:
            assert one.stdout is not None
            if one.stdout.readline().strip() != "ready":
                raise SystemExit("a writer did not start")
        for one in started:
            assert one.stdin is not None
            one.stdin.write("\n")
            one.stdin.flush()
        said = [json.loads(one.communicate(timeout=seconds + 60)[0].strip().splitlines()[-1]) for one in started]
    finally:
        for one in started:
            if one.poll() is None:
                one.kill()
                one.wait()
    rows = sum(one["rows"] for one in said)
    return {
        "rows": rows / seconds,
        "cpu": sum(one["cpu"] for one in said) / rows * 1000,
        "p50": max(one["p50"] for one in said),
        "p99": max(one["p99"] for one in said),
    }


@contextmanager
def databases(folder: Path) -> Iterator[dict[str, str]]:
    """A file, and a PostgreSQL of its own that waits for its disk as the one of a deployment does."""
    (folder / "postgres").mkdir()
    with postgres_server(folder / "postgres") as server:
        _sync(server.url)
        yield {"SQLite": f"sqlite:///{folder / 'records.db'}", "PostgreSQL": server.url}


def _sync(url: str) -> None:
    """The test server is started without fsync; a figure without it would flatter."""
    import psycopg

    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = on")
        connection.execute("SELECT pg_reload_conf()")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.audit", description=__doc__)
    parser.add_argument("--write", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--writers", type=int, action="append")
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--at-once", type=int, default=20, help="records that wait together in one writer")
    options = parser.parse_args()
    if options.write:
        print(json.dumps(asyncio.run(write(options.write, options.seconds, options.at_once))))
        return
    print("| Records in | writers | rows/s | CPU a row (ms) | p50 (ms) | p99 (ms) |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        with databases(folder) as urls:
            for engine, url in urls.items():
                asyncio.run(_prepare(url))
                for writers in options.writers or [1, 2, 6]:
                    one = measure(url, writers, options.seconds, options.at_once)
                    cells = f"{one['rows']:,.0f} | {one['cpu']:.2f} | {one['p50']:.1f} | {one['p99']:.1f}"
                    print(f"| {engine} | {writers} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
