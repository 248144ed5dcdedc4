"""A change of all workers, at SIGHUP (``reload``) or SIGUSR2 (``upgrade``): checked first, then one worker after the other.

1. A fresh process, so that it is the code on disk that judges, checks the configuration and says the plan.
2. For an upgrade, another one tries whether the supervisor on disk understands what it is going to be handed; then this
   process becomes it (``loop.become``), and step 3 is done by the new one.
3. New listeners are opened. Each worker is started, and when it serves the old one of its slot drains. Slots that are not
   wanted any more are given up, and then the listeners.

Whatever fails, the workers that serve go on, with what they were started with; a later signal tries again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Protocol

from gateway.commands.supervision.listeners import CannotListen, Listeners
from gateway.commands.supervision.plan import Address, Plan
from gateway.commands.supervision.processes import Errand, Worker
from gateway.commands.supervision.slots import Slot
from gateway.commands.supervision.speech import Speech

_CHECK = 60.0  # seconds for an errand
_BAD_CONFIGURATION = 78


class House(Protocol):
    """What a change does to the supervisor."""

    config: str
    plan: Plan
    slots: dict[int, Slot]
    listeners: Listeners
    speech: Speech

    def start(self, slot: Slot, plan: Plan) -> Worker: ...

    def retire(self, worker: Worker) -> None: ...

    def trial(self) -> Errand: ...

    def become(self, plan: Plan) -> None: ...

    def changed(self, kind: str, result: str, why: str) -> None: ...


class Change:
    """Told by the supervisor when an errand has ended, a worker serves or one that was coming has not made it."""

    def __init__(self, house: House, kind: str) -> None:
        self.kind = kind
        self._house = house
        self._plan: Plan | None = None
        self._before = house.plan
        self._opened: list[Address] = []
        self._waiting: list[int] = []  # slots to be done, the next one first
        self._replaced = 0
        self.slot: Slot | None = None  # whose new worker is awaited
        self.errand: Errand | None = None
        self._then: Callable[[int, str, str], None] = self._checked

    def begin(self) -> None:
        line = [sys.executable, "-m", "gateway", "check", "--plan", "--config", self._house.config]
        self._send(lambda: Errand(line, os.environ, (), _CHECK), self._checked)

    def _send(self, errand: Callable[[], Errand], then: Callable[[int, str, str], None]) -> None:
        try:
            self.errand, self._then = errand(), then
        except OSError as error:
            self._over("failed", f"no process could be started: {error.strerror}")

    def errand_ended(self, code: int) -> None:
        assert self.errand is not None  # noqa: S101 - whose end this is
        (out, err), self.errand = self.errand.answer(), None
        self._then(code, out, err)

    def _checked(self, code: int, out: str, err: str) -> None:
        try:
            if code == 0:
                self._plan = Plan.of(out)
        except ValueError as error:
            err = f"{error}: {out[:200]}"
        if self._plan is None:
            faults = [line for line in err.splitlines() if line.strip()] or [f"the check ended with {code}"]
            self._house.speech.error("configuration not taken, the old one goes on", faults=faults)
            self._over("refused" if code == _BAD_CONFIGURATION else "failed", faults[-1])
        elif self.kind == "upgrade":
            self._send(self._house.trial, self._tried)
        else:
            self.replace(self._plan)

    def _tried(self, code: int, _: str, err: str) -> None:
        assert self._plan is not None  # noqa: S101 - checked before
        if code == 0:
            self._house.become(self._plan)  # and does not return, unless it fails
            err = "the new program could not be run"
        faults = err.splitlines()[-3:] or [f"it ended with {code}"]
        self._house.speech.error("program not renewed, the old one goes on", faults=faults)
        self._over("failed", faults[-1])

    def replace(self, plan: Plan) -> None:
        """Step 3."""
        house = self._house
        self._plan = plan
        try:
            self._opened = house.listeners.open(plan.listeners)
        except CannotListen as error:
            house.speech.error("cannot listen, the old workers go on", faults=str(error).split("; "))
            self._over("refused", str(error))
            return
        self._waiting = list(range(1, plan.workers + 1))
        self._next()

    def _next(self) -> None:
        house, plan = self._house, self._plan
        assert plan is not None  # noqa: S101 - set when replacing begins
        if not self._waiting:
            self._finish(plan)
            return
        number = self._waiting.pop(0)
        slot = self.slot = house.slots.get(number) or Slot(number, plan)
        slot.due = None
        if slot.coming is not None:  # started before this change
            house.retire(slot.coming)
            slot.coming = None
        try:
            slot.coming = house.start(slot, plan)
        except OSError as error:
            self._stop(f"worker {number}: no process could be started: {error.strerror}")

    def served(self, slot: Slot) -> None:
        """The new worker of this slot serves."""
        assert self._plan is not None  # noqa: S101 - set when replacing begins
        slot.plan, slot.pause = self._plan, 0.0
        self._house.slots[slot.number] = slot
        self._replaced += 1
        self.slot = None
        self._next()

    def lost(self, slot: Slot, why: str) -> None:
        """The new worker of this slot has ended before it served."""
        self._stop(f"worker {slot.number}: {why}")

    def _stop(self, why: str) -> None:
        house = self._house
        house.speech.error("workers not replaced, those that serve go on", replaced=self._replaced, why=why)
        if not self._replaced:
            house.listeners.close(self._opened)
        self.slot = None
        self._over("failed", why)

    def _finish(self, plan: Plan) -> None:
        house = self._house
        for slot in [one for one in house.slots.values() if one.number > plan.workers]:
            del house.slots[slot.number]
            for worker in slot.workers():
                house.retire(worker)
        house.plan = plan
        house.listeners.keep(plan.listeners.values())
        house.speech.level = plan.level
        house.speech.info("workers replaced", count=plan.workers, by=self.kind)
        self._over("done", "")

    def _over(self, result: str, why: str) -> None:
        self._house.changed(self.kind, result, why)
