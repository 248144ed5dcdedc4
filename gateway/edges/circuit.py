"""Fail fast while a dependency is down, and let one caller at a time see whether it is back.

A dependency that does not answer costs each caller its whole time-out, and the callers behind them their turn in the
pool. After some failures in a row the circuit opens: callers are told at once. Every so often one of them is let through;
when that one succeeds, so does everybody again. Pauses are drawn by chance, so that workers do not come back in step.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

_FAILURES = 3  # in a row until it opens
# Seconds between two looks; doubled each time. A dependency that is back is used within 2 s.
_PAUSE, _LONGEST = 0.25, 1.0


class CircuitOpen(Exception):
    """The dependency failed lately; it was not asked."""


class Circuit:
    """``clock`` gives seconds that never go back. ``opened`` counts how often it opened."""

    def __init__(self, clock: Callable[[], float], *, failures: int = _FAILURES) -> None:
        self._clock = clock
        self._limit = failures
        self._failed = 0
        self._pause = _PAUSE
        self._again = 0.0
        self._looking = False
        self.opened = 0

    @property
    def is_open(self) -> bool:
        return self._failed >= self._limit

    @asynccontextmanager
    async def guard(self, *faults: type[BaseException]) -> AsyncIterator[None]:
        """Around one call. ``faults`` are the errors by which the dependency shows that it is down; other errors are its
        answers, and prove that it is up. Raises ``CircuitOpen``."""
        looking = self._enter()
        try:
            yield
        except faults:
            self._failure()
            raise
        except Exception:
            self._success()
            raise
        else:
            self._success()
        finally:
            if looking:
                self._looking = False  # also when the caller was cancelled, which says nothing

    def _enter(self) -> bool:
        if not self.is_open:
            return False
        if self._looking or self._clock() < self._again:
            raise CircuitOpen
        self._looking = True
        return True

    def _failure(self) -> None:
        self._failed += 1
        if not self.is_open:
            return
        if self._failed == self._limit:
            self.opened += 1
            self._pause = _PAUSE
        else:
            self._pause = min(self._pause * 2, _LONGEST)
        self._again = self._clock() + self._pause * (0.5 + random.random())  # noqa: S311 - jitter, not a secret

    def _success(self) -> None:
        self._failed = 0
