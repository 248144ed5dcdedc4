"""The supervisor: one process that starts workers, hears their signs of life, and does what signals ask. It never waits
for anything but all of it together.

* SIGTERM, SIGINT: all workers drain; exit code 0. A second one ends them at once.
* SIGHUP: the configuration is read again, SIGUSR2: the program too (``change``). One at a time, a later one afterwards.
* A worker that dies is started again after a rest that grows while it dies soon (``slots``). One that is silent is told
  to say where it hangs, killed, and replaced.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import time

from gateway import __version__
from gateway.commands.supervision import succession
from gateway.commands.supervision.change import Change
from gateway.commands.supervision.crew import START, Crew
from gateway.commands.supervision.facts import Facts
from gateway.commands.supervision.listeners import CannotListen, Listeners
from gateway.commands.supervision.plan import Plan, in_memory
from gateway.commands.supervision.processes import Errand, State, Worker
from gateway.commands.supervision.slots import Slot
from gateway.commands.supervision.speech import Speech
from gateway.edges.notify import Notifier

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2, signal.SIGCHLD)
_AT_ONCE = 3.0  # seconds for workers that were told twice
_NOT_READY = 75
_TURN = 1.0  # seconds between two looks at the clock
_STOOD = 5.0  # seconds after which this process was not slow but stopped, and its workers may have been too
_EXTEND = 30.0  # seconds asked of the service manager while workers wait for something
_CHANGES = {signal.SIGHUP: "reload", signal.SIGUSR2: "upgrade"}


class Supervisor:
    """Goes on from ``state``; see ``succession``."""

    def __init__(self, state: succession.State) -> None:
        self.config = state.config
        self.plan = state.plan
        self.listeners = Listeners.restored(state.listeners)
        self.speech = Speech(state.plan.level)
        # Workers hold the reading end; when this process is gone, however it went, they read the end of the file.
        self._alive, self._held = state.alive or os.pipe()
        for fd in (self._alive, self._held):
            os.set_inheritable(fd, False)
        self._facts = Facts(state.folder, state.plan.state_dir, self._answer)
        self._changes = dict(state.changes)
        self._changed = ("", 0.0)  # the last result, and when (Unix time)
        self._then = state.next  # all workers are replaced by this plan first
        self._wanted = state.wanted
        self._change: Change | None = None
        self._served = bool(state.slots)  # all workers have served once
        self._ending = 0  # how often it was asked for
        self._deadline = 0.0
        self._end_code = 0
        self._code: int | None = None  # once everything is over
        self._turned = time.monotonic()
        self._well = self._extended = 0.0
        self._notify = Notifier(os.environ)
        self._selector = selectors.DefaultSelector()
        self._crew = Crew(
            state, self.listeners, self._selector, self.speech, self._alive, self._facts.folder, self._serves
        )
        self.slots = self._crew.slots

    def run(self) -> int:
        """The exit code."""
        told, telling = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(telling, warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, lambda *_: None)
        self._selector.register(told, selectors.EVENT_READ, lambda: self._signalled(os.read(told, 4096)))
        if self._facts.socket is not None:
            self._selector.register(self._facts.socket, selectors.EVENT_READ, self._facts.serve)
        # They are blocked since before this program was run: none is lost, and none meets it without a handler.
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        try:
            self._begin()
            while self._code is None:
                for key, _ in self._selector.select(self._pause()):
                    key.data()
                self._turn()
            return self._code
        finally:
            self._facts.close()

    def _begin(self) -> None:
        self._crew.take_over()
        if self.slots:
            self.speech.info("supervisor renewed", workers=len(self.slots))
            self._reap()
            if self._then is not None:
                self._change = Change(self, "upgrade")
                self._change.replace(self._then)
            return
        try:
            self.listeners.open(self.plan.listeners)
        except CannotListen as error:
            for fault in str(error).split("; "):
                self.speech.plain(f"{self.config}: {fault}")
            self._code = _NOT_READY
            return
        self._add(1)

    def _add(self, number: int) -> None:
        self.slots[number] = slot = Slot(number, self.plan)
        self._crew.start_again(slot)

    # Processes

    def start(self, slot: Slot, plan: Plan) -> Worker:
        return self._crew.start(slot, plan)

    def retire(self, worker: Worker) -> None:
        self._crew.retire(worker, self.plan.grace)

    def _awaited(self) -> Slot | None:
        """The slot whose new worker a change waits for; it may be none of ours yet."""
        return self._change.slot if self._change is not None else None

    def _all(self) -> list[Worker]:
        return self._crew.all(self._awaited())

    def _serves(self, worker: Worker) -> None:
        change = self._change
        slot = change.slot if change and change.slot and change.slot.coming is worker else self.slots.get(worker.slot)
        if slot is None or slot.coming is not worker:  # it was told to leave meanwhile
            return
        old, slot.serving, slot.coming = slot.serving, worker, None
        if old is not None:
            self.retire(old)
        if change is not None and change.slot is slot:
            change.served(slot)
        elif not self._served:
            self._first(slot)
        else:
            self.speech.info("worker serves again", worker=slot.number, pid=worker.pid)
            self._notify.status(self._status())

    def _first(self, slot: Slot) -> None:
        """Once one worker serves, all others start; once all serve, we do."""
        if slot.number == 1:
            for number in range(2, self.plan.workers + 1):
                self._add(number)
        if len(self.slots) == self.plan.workers and all(one.serving for one in self.slots.values()):
            self._served = True
            self.speech.info("workers serving", count=self.plan.workers)
            self._notify.ready(self._status())
            self._do_next()

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            code = os.waitstatus_to_exitcode(status)
            change = self._change
            if change is not None and change.errand is not None and change.errand.pid == pid:
                if not self._ending:
                    change.errand_ended(code)
                continue
            for worker in self._all():
                if worker.pid == pid:
                    self._ended(worker, code)

    def _ended(self, worker: Worker, code: int) -> None:
        now = time.monotonic()
        self._facts.forget(worker)
        if self._crew.forget(worker):
            return
        change = self._change
        awaited = self._awaited()
        slot = awaited if awaited is not None and worker in awaited.workers() else self.slots[worker.slot]
        why = f"it ended with {code}" if code >= 0 else f"signal {-code} ended it"
        came = slot.coming is not worker
        if came:
            slot.serving = None
        else:
            slot.coming = None
            why += " before it served"
        if self._ending:
            return
        if not came and change is not None and slot is awaited:
            change.lost(slot, why)  # ``changed`` sees to the slot
        elif not came and not self._served:
            self._give_up(code if code > 0 else 1)
        elif slot is awaited and slot.coming is not None:  # the next one is on its way
            self.speech.error("worker ended", worker=slot.number, pid=worker.pid, why=why)
        else:
            pause = slot.rest(now, now - worker.began if came else 0.0)
            self.speech.error("worker ended", worker=slot.number, pid=worker.pid, why=why, again_in=pause)
            self._notify.status(self._status())

    # Time

    def _pause(self) -> float:
        now = time.monotonic()
        due = [slot.due - now for slot in self.slots.values() if slot.due is not None]
        often = self._notify.watchdog or _TURN
        return max(0.0, min([_TURN, often, *due]))

    def _turn(self) -> None:
        now = time.monotonic()
        stood, self._turned = now - self._turned - _TURN > _STOOD, now
        if stood:  # a machine that was paused: nobody could give a sign meanwhile
            for worker in self._all():
                worker.sign = now
        for slot in list(self.slots.values()):
            if slot.due is not None and slot.due <= now and not self._ending:
                slot.restarts += 1
                self._crew.start_again(slot)
        awaited = self._awaited()
        for worker in self._all():
            self._crew.look_at(worker, now, self.plan.watchdog, awaited is not None and worker is awaited.coming)
        if self._change is not None and self._change.errand is not None and now > self._change.errand.deadline:
            self._change.errand.kill()
        if self._ending and (now > self._deadline or not self._all()):
            self._finish()
        self._tell(now)

    def _tell(self, now: float) -> None:
        """The service manager: that all is well, or that it takes longer."""
        notify = self._notify
        if notify.watchdog and now >= self._well and self._crew.serving():
            self._well = now + notify.watchdog * 0.9
            notify.well()
        if not self._served and now > self._extended and any(one.waiting for one in self._all()):
            self._extended = now + _EXTEND / 3
            notify.extend(_EXTEND)
            notify.status("waiting for what a worker needs to start")

    # Signals

    def _signalled(self, numbers: bytes) -> None:
        for number in numbers:
            if number == signal.SIGCHLD:
                self._reap()
            elif number in (signal.SIGTERM, signal.SIGINT):
                self._end()
            elif number in _CHANGES and not self._ending:
                if self._wanted != "upgrade":  # which is a reload too
                    self._wanted = _CHANGES[signal.Signals(number)]
                self._do_next()

    def _do_next(self) -> None:
        if self._wanted is None or self._change is not None or not self._served or self._ending:
            return
        kind, self._wanted = self._wanted, None
        self._notify.reloading("checking the configuration")
        self._change = Change(self, kind)
        self._change.begin()

    def changed(self, kind: str, result: str, why: str) -> None:
        """A change is over."""
        self._change = None
        self._changes[f"{kind} {result}"] = self._changes.get(f"{kind} {result}", 0) + 1
        self._changed = (result, time.time())
        if self._ending:
            return
        for slot in self.slots.values():  # one whose worker died while its turn was awaited
            if not slot.workers() and slot.due is None:
                slot.rest(time.monotonic(), 0.0)
        self._notify.ready(self._status() + (f"; {kind} {result}: {why}" if why else ""))
        self._do_next()

    def trial(self) -> Errand:
        fd = in_memory("state", self._state(None).dump())
        line = succession.line(self.config, "--try")
        try:
            return Errand(line, succession.environment(fd), (fd,), START)
        finally:
            os.close(fd)

    def become(self, plan: Plan) -> None:
        self.speech.info("supervisor renews itself")
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            succession.become(self._state(plan))
        except OSError as error:
            self.speech.error("the new program cannot be run", error=error.strerror)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, [])

    def _state(self, then: Plan | None) -> succession.State:
        return succession.State(
            config=self.config,
            plan=self.plan,
            listeners=self.listeners.dump(),
            alive=(self._alive, self._held),
            folder=self._facts.folder,
            slots=list(self.slots.values()),
            leaving=self._crew.leaving,
            next=then,
            wanted=self._wanted,
            changes=self._changes,
        )

    # The end

    def _give_up(self, code: int) -> None:
        """It never came to serve."""
        self._end()
        self._end_code = code

    def _end(self) -> None:
        now = time.monotonic()
        self._ending += 1
        if self._ending == 1:
            self._notify.stopping("draining")
            self.listeners.keep(())  # workers close theirs: who comes now is refused, and asks another machine at once
            self._deadline = now + self.plan.grace
            for slot in self.slots.values():
                slot.due = None
            for worker in self._all():
                if worker.state is not State.LEAVING:
                    worker.leave(self._deadline, signal.SIGTERM)
            if self._change is not None and self._change.errand is not None:
                self._change.errand.kill()
        elif self._ending == 2:
            self._deadline = min(self._deadline, now + _AT_ONCE)
            for worker in self._all():
                worker.send(signal.SIGUSR1)

    def _finish(self) -> None:
        for worker in self._all():
            worker.send(signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(worker.pid, 0)
        self._code = self._end_code

    # Facts

    def _status(self) -> str:
        return f"{self._crew.serving()} of {self.plan.workers} workers serve"

    def _answer(self) -> dict[str, object]:
        result, at = self._changed
        return {
            "version": __version__,
            "workers": self.plan.workers,
            "serving": {str(one.number): one.serving.pid if one.serving else 0 for one in self.slots.values()},
            "leaving": [one.pid for one in self._crew.leaving],
            "restarts": {str(one.number): one.restarts for one in self.slots.values()},
            "changes": self._changes,
            "last": {"result": result, "at": at},
        }
