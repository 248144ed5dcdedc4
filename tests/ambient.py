"""A clock that only the test moves, with real chance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gateway.edges.system import SystemAmbient

START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


class TestAmbient(SystemAmbient):
    """``now`` stands still until ``advance``; ``monotonic`` moves with it."""

    __test__ = False

    def __init__(self, start: datetime = START) -> None:
        super().__init__()
        self.instant = start
        self.now = lambda: self.instant

    def monotonic(self) -> float:
        return self.instant.timestamp()

    def advance(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)
