"""The circuit: opens after failures in a row, lets one look, closes when that one succeeds."""

from __future__ import annotations

import asyncio

import pytest

from gateway.edges.circuit import Circuit, CircuitOpen


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def circuit(clock: Clock) -> Circuit:
    return Circuit(clock)


async def ask(circuit: Circuit, fault: Exception | None = None) -> None:
    async with circuit.guard(OSError):
        if fault is not None:
            raise fault


async def broken(circuit: Circuit) -> None:
    for _ in range(3):
        with pytest.raises(OSError, match="down"):
            await ask(circuit, OSError("down"))


async def test_r8_after_failures_in_a_row_callers_are_told_at_once(circuit: Circuit, clock: Clock) -> None:
    """The third failure opens it; a success in between begins the count anew."""
    for _ in range(2):
        with pytest.raises(OSError, match="down"):
            await ask(circuit, OSError("down"))
    await ask(circuit)
    assert not circuit.is_open
    await broken(circuit)
    assert circuit.is_open
    assert circuit.opened == 1
    with pytest.raises(CircuitOpen):
        await ask(circuit)


async def test_r8_a_dependency_that_is_back_is_used_within_two_seconds(circuit: Circuit, clock: Clock) -> None:
    """However long it was away: the pauses between two looks have an end."""
    await broken(circuit)
    for _ in range(20):
        clock.now += 1.5
        with pytest.raises(OSError, match="down"):
            await ask(circuit, OSError("down"))
    clock.now += 1.5
    await ask(circuit)
    assert not circuit.is_open
    assert circuit.opened == 1


async def test_one_looks_and_the_others_do_not_wait_for_it(circuit: Circuit, clock: Clock) -> None:
    await broken(circuit)
    clock.now += 2
    inside, go = asyncio.Event(), asyncio.Event()

    async def look() -> None:
        async with circuit.guard(OSError):
            inside.set()
            await go.wait()

    first = asyncio.create_task(look())
    await inside.wait()
    with pytest.raises(CircuitOpen):
        await ask(circuit)
    go.set()
    await first
    await ask(circuit)


async def test_who_is_cancelled_while_looking_says_nothing(circuit: Circuit, clock: Clock) -> None:
    """Neither up nor down: the next caller looks."""
    await broken(circuit)
    clock.now += 2

    async def look() -> None:
        async with circuit.guard(OSError):
            await asyncio.Event().wait()

    first = asyncio.create_task(look())
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert circuit.is_open
    await ask(circuit)
    assert not circuit.is_open


async def test_an_answer_we_do_not_like_proves_that_it_is_up(circuit: Circuit, clock: Clock) -> None:
    await broken(circuit)
    clock.now += 2
    with pytest.raises(ValueError, match="no such column"):
        await ask(circuit, ValueError("no such column"))
    assert not circuit.is_open
