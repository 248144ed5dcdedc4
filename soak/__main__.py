"""python -m soak [--minutes 10]: ends with 1 when memory or descriptors grow, or a request that should be served is not."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from bench import account
from bench.__main__ import prepare
from bench.programs import Peer, Yard
from soak.load import Load

_EVERY = 2.0  # seconds between two looks
_TOLD = 30.0
_SLOPE = 1.0  # MiB a minute that memory may grow after the warm-up
_GROWN = 8.0  # MiB in all; below it a slope says nothing


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryFile() as log:
        folder = Path(name)
        folder.chmod(0o755)
        yard = Yard(folder, log)
        try:
            prepare(folder)
            yard.open_origin()
            gateway = yard.gateway(core=None)
            cookie = asyncio.run(account.cookie(folder))
            faults = asyncio.run(watch(gateway, Load(gateway.clear, gateway.tls, cookie), options.minutes * 60))
        finally:
            yard.stop()
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(1 if faults else 0)


def files(peer: Peer) -> int:
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in peer.program.pids())


async def watch(gateway: Peer, load: Load, seconds: float) -> list[str]:
    """Look at memory and descriptors while the load runs; what is wrong at the end."""
    at_rest = files(gateway)
    began = told = time.monotonic()
    looks: list[tuple[float, float]] = []
    work = asyncio.create_task(load.run(seconds))
    while not work.done():
        await asyncio.wait({work}, timeout=_EVERY)
        now = time.monotonic()
        looks.append((now - began, gateway.rss() / 2**20))
        if now - told > _TOLD:
            told = now
            print(
                f"{now - began:5.0f} s  {looks[-1][1]:.1f} MiB  {files(gateway)} files  {sum(load.done.values())} rounds",
                flush=True,
            )
    await work
    await asyncio.sleep(3)
    left = files(gateway)
    steady = [look for look in looks if look[0] > seconds * 0.2]
    slope = _slope(steady) * 60
    grown = steady[-1][1] - steady[0][1] if steady else 0.0
    result = {
        "seconds": round(seconds), "rounds": dict(load.done), "wrong": dict(load.wrong), "rss_first": round(looks[0][1], 1),
        "rss_last": round(looks[-1][1], 1), "slope_mib_per_minute": round(slope, 2), "files_before": at_rest, "files_after": left,
    }  # fmt: skip
    print(json.dumps(result, indent=1))
    faults = []
    if slope > _SLOPE and grown > _GROWN:
        faults.append(f"memory grows by {slope:.2f} MiB a minute, {grown:.1f} MiB in all")
    if left > at_rest + 80:  # connections kept to the origin are no leak
        faults.append(f"{left} files are open, {at_rest} were before")
    if load.wrong:
        faults.append(f"not served as they should be: {dict(load.wrong)}")
    if not all(load.done.values()) or not load.done:
        faults.append("some kind of client never came to its end")
    return faults


def _slope(looks: list[tuple[float, float]]) -> float:
    """Least squares, MiB a second."""
    if len(looks) < 2:
        return 0.0
    x = sum(one[0] for one in looks) / len(looks)
    y = sum(one[1] for one in looks) / len(looks)
    across = sum((one[0] - x) ** 2 for one in looks)
    return sum((one[0] - x) * (one[1] - y) for one in looks) / across if across else 0.0


if __name__ == "__main__":
    main()
