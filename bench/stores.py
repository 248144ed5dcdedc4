"""How many operations a second the store takes, and what each costs the worker that asks.

\b
python -m bench.stores                                        # a SQLite file, and a Redis of its own
python -m bench.stores --url redis+sentinel://…/mymaster      # and one that stands already

Each line is one process, as one worker: so many operations under way at once on keys of sessions. A read is what a question
for facts does, a swap what single use does.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from statistics import quantiles

from gateway.edges.stores import open_store
from gateway.edges.system import SystemAmbient
from tests.servers import redis_server

_TTL = timedelta(minutes=30)
_VALUE = b"x" * 700  # as long as the record of a session
_KEYS = 2000


async def measure(url: str, seconds: float, at_once: int) -> dict[str, tuple[float, float, float]]:
    """By operation: how many a second, CPU of this process in milliseconds, p99 in milliseconds."""
    ambient = SystemAmbient()
    store = open_store(url, ambient)
    await store.start()
    held: dict[int, bytes] = {}

    async def write(number: int) -> None:
        await store.write(f"session:{number:064x}", _VALUE, _TTL)
        held[number] = _VALUE

    async def read(number: int) -> None:
        await store.read(f"session:{number:064x}")

    async def swap(number: int) -> None:
        new = _VALUE + str(time.monotonic_ns()).encode()
        if not await store.swap(f"session:{number:064x}", held[number], new, _TTL):
            raise SystemExit("a swap that nobody contends was refused")
        held[number] = new

    try:
        for number in range(_KEYS):
            await write(number)
        return {
            "read": await _rate(read, seconds, at_once),
            "write": await _rate(write, seconds, at_once),
            "swap": await _rate(swap, seconds, at_once),
        }
    finally:
        await store.close()


async def _rate(doing: Callable[[int], Awaitable[None]], seconds: float, at_once: int) -> tuple[float, float, float]:
    waited: list[float] = []
    end, cpu = time.monotonic() + seconds, time.process_time()

    async def line(first: int) -> None:
        number = first  # each line has keys of its own
        while (began := time.monotonic()) < end:
            await doing(number)
            waited.append(time.monotonic() - began)
            number = (number + at_once) % (_KEYS - _KEYS % at_once)

    await asyncio.gather(*(line(first) for first in range(at_once)))
    cpu = time.process_time() - cpu
    return len(waited) / seconds, cpu / len(waited) * 1000, quantiles(waited, n=100)[98] * 1000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.stores", description=__doc__)
    parser.add_argument("--url", action="append", default=[])
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--at-once", type=int, default=16)
    options = parser.parse_args()
    print("| Store | operation | a second | CPU each (ms) | p99 (ms) |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with redis_server(folder) as server:
            for url in (f"sqlite:///{folder / 'store.db'}", server.url, *options.url):
                found = asyncio.run(measure(url, options.seconds, options.at_once))
                for operation, (rate, cpu, p99) in found.items():
                    print(
                        f"| {url.partition(':')[0]} | {operation} | {rate:,.0f} | {cpu:.3f} | {p99:.1f} |", flush=True
                    )


if __name__ == "__main__":
    main()
