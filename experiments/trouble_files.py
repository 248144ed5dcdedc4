"""Trouble with the small kind: one machine, several workers, store and records in SQLite files."""

from __future__ import annotations

import random
import time

from experiments.bearing import filled
from experiments.crowd import Crowd
from experiments.table import experiment
from experiments.trouble_gateways import without_one


@experiment(
    "files-disk-full",
    "the disk of both SQLite files (a small memory disk) is full to the last block",
    "sign-ins are refused and none is half done; nobody is signed out; served again within 5 s of room",
    on="files",
)
async def disk_full(crowd: Crowd, seconds: float) -> None:
    await filled(crowd, crowd.estate.folder / "disk", seconds)
    await crowd.recovered(10.0)
    crowd.said.append(await crowd.audited())


@experiment(
    "files-worker-killed",
    "kill -9 of one of three workers on the same SQLite files while people sign in, and of another when all are there again",
    "no acknowledged sign-in, sign-out or used code is lost; the audit chain is whole",
    on="files",
    comers=3,
)
async def worker_killed(crowd: Crowd, seconds: float) -> None:
    (one,) = crowd.estate.gateways
    chance, took = random.Random(7), list[float]()
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        crowd.over()
        took.append(await without_one(one, chance))
    crowd.said.append(
        f"{len(took)} workers killed; another served in the place of each after {max(took):.1f} s at most"
    )
    crowd.said.append(await crowd.audited())
