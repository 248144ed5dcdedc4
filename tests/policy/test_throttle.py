"""How often: the numbers of R58 against a slow model, and clocks that go back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.throttle import Ledger, Pace, failed, succeeded, wait

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
ZERO = timedelta(0)


def after(count: int) -> Ledger:
    ledger = Ledger()
    for _ in range(count):
        ledger = failed(ledger, NOW)
    return ledger


@pytest.mark.parametrize(("failures", "seconds"), [(0, 0), (4, 0), (5, 60), (6, 120), (7, 240), (8, 480), (24, 43200)])
def test_r58_waits_double_after_the_fifth(failures: int, seconds: int) -> None:
    """Five failures in a row cost a minute, each further one twice as much, up to twelve hours."""
    assert wait(after(failures), Pace(), NOW) == timedelta(seconds=seconds)


def test_r58_a_success_resets_the_row_and_not_the_day() -> None:
    """After a success one may fail again at once, until 25 failures in 24 hours."""
    ledger = Ledger()
    for _ in range(25):
        ledger = succeeded(failed(ledger, NOW))
    assert wait(ledger, Pace(), NOW) == timedelta(hours=24)
    assert wait(ledger, Pace(), NOW + timedelta(hours=24)) == ZERO


@given(st.lists(st.tuples(st.integers(0, 7200), st.booleans()), max_size=60))
def test_r58_never_more_than_25_failures_in_any_24_hours(steps: list[tuple[int, bool]]) -> None:
    """Whoever obeys the waits never fails more than 25 times in a day, and a ledger survives its bytes."""
    ledger, now, failures = Ledger(), NOW, []
    for pause, success in steps:
        now += timedelta(seconds=pause)
        if wait(ledger, Pace(), now) > ZERO:
            continue
        ledger = succeeded(ledger) if success else failed(ledger, now)
        failures += [] if success else [now]
        assert Ledger.read(ledger.encode()) == ledger
    for first in failures:
        assert sum(first <= one < first + timedelta(hours=24) for one in failures) <= 25


@given(st.integers(1, 100_000))
def test_r80_a_clock_set_back_never_shortens_a_wait(seconds: int) -> None:
    """The instant at which one may try again does not move when the clock does."""
    ledger = after(6)
    earlier = NOW - timedelta(seconds=seconds)
    assert earlier + wait(ledger, Pace(), earlier) == NOW + wait(ledger, Pace(), NOW)
