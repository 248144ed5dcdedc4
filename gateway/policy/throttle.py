"""How often: failures of an account (R58) and events from an address, as values. Pure.

A ``Ledger`` remembers failures of the last 24 hours and how many came in a row. After ``after`` in a row each further
try waits, first ``delay``, then twice as long each time; at most ``most`` failures in 24 hours, however they are
spread. A success resets the row and not the day. A clock set back never shortens a wait.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

_DAY = timedelta(hours=24)
_LONGEST_WAIT = timedelta(hours=12)
LONGEST = 1000  # failures remembered at most: no `most` can be larger


@dataclass(frozen=True, slots=True)
class Pace:
    """The numbers of R58."""

    after: int = 5
    delay: timedelta = timedelta(seconds=60)
    most: int = 25


@dataclass(frozen=True, slots=True)
class Ledger:
    """Failures, oldest first, and those in a row since the last success."""

    failures: tuple[float, ...] = ()
    row: int = 0

    @classmethod
    def read(cls, raw: bytes | None) -> Ledger:
        """The ledger of these bytes; nothing is an empty one. Raises ``ValueError`` when it is something else."""
        if raw is None:
            return cls()
        data = json.loads(raw)
        return cls(tuple(float(one) for one in data["failures"]), int(data["row"]))

    def encode(self) -> bytes:
        return json.dumps({"failures": self.failures, "row": self.row}).encode()


def wait(ledger: Ledger, pace: Pace, now: datetime) -> timedelta:
    """How long a try has to wait now; zero when it may go on."""
    recent = _recent(ledger, now)
    waits = [timedelta(0)]
    if len(recent) >= pace.most:
        waits.append(_at(recent[-pace.most]) + _DAY - now)
    if ledger.row >= pace.after and recent:
        steps = min(ledger.row - pace.after, 16)
        waits.append(_at(recent[-1]) + min(pace.delay * 2**steps, _LONGEST_WAIT) - now)
    return max(waits)


def failed(ledger: Ledger, now: datetime) -> Ledger:
    """One more failure. Its instant is never before the last one: a clock set back does not age the others."""
    stamp = max(now.timestamp(), ledger.failures[-1] if ledger.failures else 0.0)
    kept = tuple(one for one in ledger.failures if one > stamp - _DAY.total_seconds())
    return Ledger((*kept, stamp)[-LONGEST:], ledger.row + 1)


def succeeded(ledger: Ledger) -> Ledger:
    """The row ends; the day's count stays (R58)."""
    return replace(ledger, row=0)


def taken_back(ledger: Ledger) -> Ledger:
    """One try less: it was counted before it was judged, and was right."""
    return Ledger(ledger.failures[:-1], max(0, ledger.row - 1))


def _recent(ledger: Ledger, now: datetime) -> tuple[float, ...]:
    edge = now.timestamp() - _DAY.total_seconds()
    return tuple(one for one in ledger.failures if one > edge)


def _at(stamp: float) -> datetime:
    return datetime.fromtimestamp(stamp, UTC)
