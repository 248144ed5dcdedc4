"""The demo's clock for stories that live by the second, and days as Paris counts them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from tests.stories.test_delegations import PARIS
from tests.visitor import Demo

DAY = timedelta(days=1)
MARGIN = timedelta(milliseconds=150)  # of our reading of the clock


class Clock:
    """Read without asking, after it was set."""

    def __init__(self, demo: Demo) -> None:
        self._demo = demo
        self._offset = self._read()

    def _read(self) -> timedelta:
        return datetime.fromisoformat(self._demo.console("GET", "/clock")["now"]) - datetime.now(UTC)

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def today(self) -> date:
        return self.now().astimezone(PARIS).date()

    def go(self, instant: datetime) -> None:
        """Only ever forward."""
        step = (instant - self.now()).total_seconds()
        assert step > 0
        self._demo.advance(step)
        self._offset = self._read()


def midnight(day: date) -> datetime:
    """00:00 of this day in Paris."""
    return datetime.combine(day, time(), PARIS).astimezone(UTC)


def nights(day: date) -> Iterator[date]:
    """The next day, and the two after it that have 23 or 25 hours."""
    day += DAY
    yield day
    for _ in range(2):
        day += DAY
        while midnight(day + DAY) - midnight(day) == DAY:
            day += DAY
        yield day
