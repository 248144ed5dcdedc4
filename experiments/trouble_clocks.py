"""Trouble with clocks: the gateways' clock steps, as it does when somebody sets it or a time server comes back.

The system's clock is everybody's, and a time namespace moves no wall clock: the gateways of these experiments are processes
that run the same composition root with a clock of their own (``clocked``). Redis, PostgreSQL and the people keep the right
time. The application here has the gateways' clock: one with the right time would believe no assertion of a gateway that is
minutes behind, because it has expired, and its pages would be closed meanwhile.
"""

from __future__ import annotations

from experiments.clocked import move
from experiments.crowd import Crowd
from experiments.table import experiment


async def _steps(crowd: Crowd, seconds: float, *offsets: float) -> None:
    try:
        for offset in offsets:
            for one in crowd.estate.gateways:
                move(one.config, offset)
            await crowd.lasting(seconds)
    finally:
        for one in crowd.estate.gateways:
            move(one.config, 0.0)
        crowd.over()


@experiment(
    "clock-30-seconds",
    "the clock of both gateways steps by +30 s, to −30 s, and back",
    "nobody notices: not one request fails",
    on="clocks",
    whole=True,
)
async def half_a_minute(crowd: Crowd, seconds: float) -> None:
    await _steps(crowd, seconds / 2, 30.0, -30.0)


@experiment(
    "clock-10-minutes",
    "the clock of both gateways steps by +10 min, to −10 min, and back",
    "nobody is signed out, because a session may be idle for longer; no sign-out and no used code comes back to life",
    on="clocks",
)
async def ten_minutes(crowd: Crowd, seconds: float) -> None:
    await _steps(crowd, seconds / 2, 600.0, -600.0)


@experiment(
    "clock-1-hour",
    "the clock of both gateways steps by +1 h, to −1 h, and back",
    "sessions count as idle an hour ahead, and people sign in again; no sign-out and no used code comes back to life; no loop",
    on="clocks",
)
async def one_hour(crowd: Crowd, seconds: float) -> None:
    crowd.forgets = True
    await _steps(crowd, seconds / 2, 3600.0, -3600.0)


@experiment(
    "clocks-apart",
    "the clock of one of two gateways is 5 s behind the other's, without sticky routing",
    "nobody notices: not one request fails",
    on="clocks",
    whole=True,
)
async def apart(crowd: Crowd, seconds: float) -> None:
    move(crowd.estate.gateways[0].config, -5.0)
    await crowd.lasting(seconds)
    move(crowd.estate.gateways[0].config, 0.0)
    crowd.over()
