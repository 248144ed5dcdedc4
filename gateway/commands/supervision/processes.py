"""Child processes: a worker, and an errand (something asked of a fresh process). Known by their id alone, so that a
supervisor that has replaced itself goes on with the children of the one before."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf

from gateway.commands.supervision.plan import in_memory, read_whole

# Blocked in a new process until it has said what it does with them: a terminal, a service manager or pkill may send them
# to all of us, and the supervisor decides.
HELD_BACK = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
# Others go on serving in its place; SIGTERM: nobody does. No signal that anybody else would send.
REPLACED = signal.SIGRTMIN + 1
LAST_WORDS = 2.0  # seconds to say where it hangs, before it is killed


class State(StrEnum):
    STARTING = "starting"
    SERVING = "serving"
    LEAVING = "leaving"


@dataclass(eq=False)
class Worker:
    """One process of a slot. ``heard`` is the pipe on which it gives signs of life; times are of the monotonic clock."""

    slot: int
    pid: int
    heard: int
    began: float
    deadline: float  # by then it serves, or is gone
    state: State = State.STARTING
    sign: float = 0.0  # when it was heard last
    waiting: bool = False  # it says that something it needs is away
    struck: bool = False  # it was told to say where it hangs

    def read(self, now: float) -> bool:
        """Hear what it said; whether it says for the first time that it serves."""
        try:
            said = os.read(self.heard, 4096)
        except BlockingIOError:
            return False
        except OSError:
            said = b""
        if not said:
            self.close()
            return False
        self.sign = now
        self.waiting = said.endswith(b"w")
        if b"r" in said and self.state is State.STARTING:
            self.state, self.deadline = State.SERVING, inf
            return True
        return False

    def send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def leave(self, deadline: float, number: int) -> None:
        """Drain and end, by then; ``number``: the signal that says so."""
        self.state, self.deadline = State.LEAVING, deadline
        self.send(number)

    def strike(self, now: float) -> None:
        """Say where each thread stands, and end; ``overdue`` once more, it is killed."""
        if self.struck:
            self.send(signal.SIGKILL)
        else:
            self.struck = True
            self.send(signal.SIGQUIT)
        self.deadline = now + LAST_WORDS

    def close(self) -> None:
        if self.heard >= 0:
            os.close(self.heard)
            self.heard = -1


class Errand:
    """A fresh process that answers a question by its exit code and its output."""

    def __init__(self, line: Sequence[str], environment: Mapping[str, str], fds: Iterable[int], seconds: float) -> None:
        self._out, self._err = in_memory("answer", ""), in_memory("faults", "")
        self.deadline = time.monotonic() + seconds
        try:
            self.pid = spawn(line, environment, fds, {1: self._out, 2: self._err})
        except OSError:
            self._close()
            raise

    def answer(self) -> tuple[str, str]:
        """What it wrote, to stdout and to stderr; to be asked once, when it has ended."""
        said = read_whole(self._out), read_whole(self._err)
        self._close()
        return said

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def _close(self) -> None:
        os.close(self._out)
        os.close(self._err)


def spawn(
    line: Sequence[str],
    environment: Mapping[str, str],
    fds: Iterable[int],
    streams: Mapping[int, int] | None = None,
    blocked: Iterable[int] = (),
) -> int:
    """A new process that inherits ``fds`` and nothing else; its id. ``streams``: its standard files. Raises ``OSError``."""
    handed = list(fds)
    for fd in handed:
        os.set_inheritable(fd, True)
    try:
        actions = [(os.POSIX_SPAWN_DUP2, own, there) for there, own in (streams or {}).items()]
        return os.posix_spawn(line[0], list(line), environment, file_actions=actions, setsigmask=list(blocked))
    finally:
        for fd in handed:
            os.set_inheritable(fd, False)
