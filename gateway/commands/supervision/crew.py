"""All workers there are: their slots, those that drain beside them, how they are started, heard and judged by the clock."""

from __future__ import annotations

import os
import selectors
import sys
import time
from collections.abc import Callable

from gateway.commands.supervision import succession
from gateway.commands.supervision.listeners import Listeners
from gateway.commands.supervision.plan import Plan, in_memory
from gateway.commands.supervision.processes import HELD_BACK, REPLACED, State, Worker, spawn
from gateway.commands.supervision.slots import Slot
from gateway.commands.supervision.speech import Speech
from gateway.edges.notify import OURS
from gateway.edges.sockets import hand_over

START = 120.0  # seconds a worker may take until it serves, or says that it waits for something


class Crew:
    """``alive``: the reading end of the pipe that ends with the supervisor; ``serves``: told of a worker that does now."""

    def __init__(
        self,
        state: succession.State,
        listeners: Listeners,
        selector: selectors.BaseSelector,
        speech: Speech,
        alive: int,
        folder: str | None,
        serves: Callable[[Worker], None],
    ) -> None:
        self.slots = {slot.number: slot for slot in state.slots}
        self.leaving = list(state.leaving)
        self._config = state.config
        self._listeners = listeners
        self._selector = selector
        self._speech = speech
        self._alive = alive
        self._folder = folder
        self._serves = serves

    def take_over(self) -> None:
        """Hear the workers that another supervisor started."""
        for worker in self.all(None):
            if worker.heard >= 0:
                os.set_inheritable(worker.heard, False)
                self._hear(worker)

    def all(self, awaited: Slot | None) -> list[Worker]:
        """Every process; ``awaited``: a slot that may be none of ours yet."""
        slots = {*self.slots.values(), *([awaited] if awaited else [])}
        return [*self.leaving, *(worker for slot in slots for worker in slot.workers())]

    def serving(self) -> int:
        return sum(1 for slot in self.slots.values() if slot.serving)

    def start(self, slot: Slot, plan: Plan) -> Worker:
        """A worker of this slot and plan; raises ``OSError``. It is heard, and in no slot yet."""
        now = time.monotonic()
        text = in_memory("configuration", plan.text)
        heard, said = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        sockets = self._listeners.of(plan.listeners)
        try:
            handed = hand_over(sockets, self._alive, said, text, slot.number, plan.workers, self._folder)
            environment = {**{name: value for name, value in os.environ.items() if name not in OURS}, **handed}
            fds = [*(one.fileno() for one in sockets.values()), self._alive, said, text]
            line = [sys.executable, "-m", "gateway", "serve", "--config", self._config]
            pid = spawn(line, environment, fds, blocked=HELD_BACK)
        except OSError:
            os.close(heard)
            raise
        finally:
            os.close(said)
            os.close(text)
        worker = Worker(slot.number, pid, heard, now, now + START, sign=now)
        self._hear(worker)
        return worker

    def start_again(self, slot: Slot) -> None:
        slot.due = None
        try:
            slot.coming = self.start(slot, slot.plan)
        except OSError as error:
            pause = slot.rest(time.monotonic(), 0.0)
            self._speech.error("no process could be started", worker=slot.number, error=error.strerror, again_in=pause)

    def _hear(self, worker: Worker) -> None:
        def heard() -> None:
            pipe = worker.heard
            if pipe < 0:  # its end was seen in this very turn
                return
            serves = worker.read(time.monotonic())
            if worker.heard < 0:
                self._selector.unregister(pipe)
            if serves:
                self._serves(worker)

        self._selector.register(worker.heard, selectors.EVENT_READ, heard)

    def forget(self, worker: Worker) -> bool:
        """It has ended; whether it was one that drained."""
        if worker.heard >= 0:
            self._selector.unregister(worker.heard)
            worker.close()
        if worker in self.leaving:
            self.leaving.remove(worker)
            return True
        return False

    def retire(self, worker: Worker, grace: float) -> None:
        """Others serve in its place: it drains."""
        worker.leave(time.monotonic() + grace, REPLACED)
        self.leaving.append(worker)

    def look_at(self, worker: Worker, now: float, watchdog: float, awaited: bool) -> None:
        """Whether it is silent or late; ``awaited``: a change waits for it."""
        silent = now - worker.sign
        if worker.state is State.SERVING and not worker.struck and silent > watchdog:
            self._speech.error("worker is silent", worker=worker.slot, pid=worker.pid, seconds=round(silent, 1))
            worker.strike(now)
        elif now > worker.deadline:
            if worker.state is State.STARTING and worker.waiting and silent < watchdog:
                if not awaited:
                    worker.deadline = now + START  # what it needs is away; ending it would not bring that back
                    return
                worker.struck = True  # a change does not wait for that; and where it hangs is known
            if not worker.struck:
                self._speech.error("worker is late", worker=worker.slot, pid=worker.pid, state=worker.state)
            worker.strike(now)
