"""A slot: the place of one worker, kept when the process in it changes. And how long it rests when processes die in it."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.commands.supervision.plan import Plan
from gateway.commands.supervision.processes import Worker

_SHORTEST, _LONGEST = 0.25, 30.0  # seconds of rest before a worker is started again; doubled each time
_STEADY = 60.0  # seconds after which a worker that dies is an accident, not a habit


@dataclass(eq=False)
class Slot:
    """``plan``: what its worker was started with, and is started with again. ``coming`` is started, and not serving yet:
    beside ``serving`` when it is to take its place. ``due``: when it is started again, while the slot rests."""

    number: int
    plan: Plan
    serving: Worker | None = None
    coming: Worker | None = None
    due: float | None = None
    pause: float = 0.0  # the last rest; 0 when all has been well
    restarts: int = 0

    def workers(self) -> list[Worker]:
        return [one for one in (self.serving, self.coming) if one is not None]

    def rest(self, now: float, served: float) -> float:
        """A worker died after it had served so many seconds: how long the slot rests."""
        self.pause = _SHORTEST if served >= _STEADY else min(max(self.pause * 2, 2 * _SHORTEST), _LONGEST)
        self.due = now + self.pause
        return self.pause

    @property
    def state(self) -> str:
        if self.serving is not None:
            return "serving"
        return "starting" if self.coming is not None else "resting"
