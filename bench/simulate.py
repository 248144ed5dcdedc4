"""A Monday morning at a stated scale: people come in by all three means, others turn pages, and every answer is looked at.

\b
python -m bench.simulate --scale 0.01 --seconds 60
python -m bench.simulate --gateways 2 --workers 3 --store sentinel --records pair --scale 0.03 --seconds 60
python -m bench.simulate --morning psc --scale 0.05         # Pro Santé Connect is away: everybody types codes
python -m bench.simulate --morning herd --scale 0.05        # everybody was signed out

``--scale 1`` is the country of ``bench.nation``. All programs run on this machine and share its cores with the load: the times
people waited are those of a machine that does everything at once. What holds elsewhere is the CPU of the gateways.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench import nation
from bench.crowd import Crowd, Seen
from bench.nation import MEANS, Habits, Load
from bench.people import open_sessions
from bench.town import Town, town

MORNINGS = ("hour", "minute", "psc", "herd")
_SPARE = 200  # people beyond those who are there: they come in, in turn


@dataclass
class Result:
    """``cpu``: cores that the gateways used in the mean; ``rss``: bytes of each worker at the end."""

    seen: dict[str, Seen]
    seconds: float
    cpu: float
    rss: list[int]
    sessions: int

    @property
    def sound(self) -> bool:
        """Whether everybody got what they asked for, and nobody what was another's."""
        return all(not one.refused and not one.crossed for one in self.seen.values())


def sessions_at(load: Load, scale: float) -> int:
    """How many people are there and turn pages."""
    return max(1, round(load.at_work * scale))


async def simulate(place: Town, load: Load, scale: float, seconds: float, habits: Habits | None = None) -> Result:
    """One morning in this town; its people are as many as are at work, and some more who come in."""
    habits = habits or Habits()
    there = place.people[: sessions_at(load, scale)]
    tickets = await open_sessions(place.estate.store_url, place.estate.records_url, there)
    rates = {means: load.sign_ins[means] * scale for means in MEANS}
    async with Crowd(place, tickets) as crowd:
        began, cpu = time.monotonic(), place.cpu()
        await crowd.work(rates, load.pages * scale, round(habits.requests_a_page), seconds)
        took = time.monotonic() - began
        return Result(crowd.seen, took, (place.cpu() - cpu) / took, place.rss(), len(tickets))


def table(result: Result) -> str:
    """As Markdown."""
    lines = ["| | done | a second | p50 (ms) | p99 (ms) | refused | wrong identity |", "|---|---|---|---|---|---|---|"]
    for kind, one in sorted(result.seen.items()):
        refused = ", ".join(f"{what} × {count}" for what, count in one.refused.most_common(4)) or "0"
        done = len(one.times)
        times = f"{one.quantile(50):.0f} | {one.quantile(99):.0f}"
        lines.append(f"| {kind} | {done:,} | {done / result.seconds:.2f} | {times} | {refused} | {one.crossed} |")
    memory = " ".join(f"{one / 2**20:.0f}" for one in result.rss)
    lines.append(
        f"\n{result.sessions:,} people there. The gateways used {result.cpu:.2f} cores. MiB of each worker: {memory}."
    )
    return "\n".join(lines)


def morning(name: str) -> Load:
    """One of ``MORNINGS``."""
    return dict(zip(MORNINGS, nation.loads(), strict=True))[name]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.simulate", description=__doc__)
    parser.add_argument("--scale", type=float, default=0.01)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--morning", choices=MORNINGS, default="hour")
    parser.add_argument("--gateways", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="of each gateway")
    parser.add_argument("--store", default="redis", choices=["redis", "sentinel", "cluster", "sqlite"])
    parser.add_argument("--records", default="postgres", choices=["postgres", "pair", "sqlite"])
    options = parser.parse_args()
    load = morning(options.morning)
    people = sessions_at(load, options.scale) + _SPARE
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        with town(
            folder,
            gateways=options.gateways,
            workers=options.workers,
            store=options.store,
            records=options.records,
            front=options.gateways > 1,
            people=people,
        ) as place:
            result = asyncio.run(simulate(place, load, options.scale, options.seconds))
    print(table(result))
    raise SystemExit(0 if result.sound else 1)


if __name__ == "__main__":
    main()
