"""The experiments by name: what each does, what must hold, and on which estate it runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from experiments.crowd import PROMISE, Crowd
from experiments.estate import Estate
from experiments.watch import Figures

Fault = Callable[[Crowd, float], Awaitable[None]]


class Impossible(Exception):
    """This experiment cannot be made here; the message says what is missing."""


@dataclass(frozen=True)
class Experiment:
    """``fault`` makes the trouble while a crowd is at work, for so many seconds, and sets ``fault_ended``. ``recover``:
    seconds promised until people are served again; ``None``: nothing is promised, the figure is told."""

    name: str
    done: str
    holds: str
    on: str
    fault: Fault
    recover: float | None
    steady: int
    comers: int
    whole: bool  # not one request may fail


EXPERIMENTS: dict[str, Experiment] = {}


def experiment(
    name: str,
    done: str,
    holds: str,
    *,
    on: str,
    recover: float | None = PROMISE,
    steady: int = 8,
    comers: int = 2,
    whole: bool = False,
) -> Callable[[Fault], Fault]:
    """Put a fault in the table. ``on``: pair (Sentinel, two gateways of three), wired (one Redis and one PostgreSQL behind
    lines that can be cut), cluster (Redis Cluster), files (SQLite), clocks (gateways whose clock can be moved)."""

    def put(fault: Fault) -> Fault:
        EXPERIMENTS[name] = Experiment(name, done, holds, on, fault, recover, steady, comers, whole)
        return fault

    return put


def broken(one: Experiment, found: Figures) -> list[str]:
    """The promises of this experiment that did not hold."""
    faults = found.broken(to_recover=one.recover)
    if one.whole and found.failures:
        faults.append(f"{found.failures} requests failed")
    if one.whole and found.sign_ins_done < found.sign_ins_tried:
        faults.append(f"{found.sign_ins_tried - found.sign_ins_done} sign-ins were refused")
    return faults


async def carry_out(one: Experiment, estate: Estate, seconds: float) -> Figures:
    """Make the trouble while people are at work, wait until they are served again, and look at what was promised them."""
    crowd = Crowd(estate, steady=one.steady, comers=one.comers, timeless=one.on == "clocks")
    async with crowd.at_work():
        await crowd.lasting(1.0)
        await one.fault(crowd, seconds)
        await crowd.recovered(20.0)
        await crowd.lasting(0.5)
    return await crowd.settle()


def folder_of(estate: Estate, name: str) -> Path:
    """A folder for what an experiment writes."""
    folder = estate.folder / name
    folder.mkdir(exist_ok=True)
    return folder
