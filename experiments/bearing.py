"""Faults of several kinds of servers that are made, borne for a while, and mended in the same way."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from experiments.crowd import Crowd
from experiments.disk import fill
from experiments.network import Line
from experiments.table import Impossible


async def bear(crowd: Crowd, seconds: float, mend: Callable[[], object]) -> None:
    """The fault is there; after so long it is mended, whatever happens meanwhile."""
    try:
        await crowd.lasting(seconds)
    finally:
        mend()
        crowd.over()


async def slowed(crowd: Crowd, line: Line | None, delay: float, seconds: float) -> None:
    """Every answer over this line takes twice ``delay`` (seconds) longer."""
    assert line is not None
    line.delay(delay)
    await bear(crowd, seconds, lambda: line.delay(0.0))


async def severed(crowd: Crowd, line: Line | None, seconds: float) -> None:
    """Nothing passes this line, and nothing is closed."""
    assert line is not None
    line.cut()
    await bear(crowd, seconds, line.mend)


async def filled(crowd: Crowd, disk: Path, seconds: float) -> None:
    """This disk is full to the last block. Raises ``Impossible`` without one that may be filled."""
    if not os.path.ismount(disk):
        raise Impossible("a memory disk can be mounted by root only")
    ballast = disk / "ballast"
    await asyncio.to_thread(fill, ballast)
    await bear(crowd, seconds, ballast.unlink)
