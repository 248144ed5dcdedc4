"""Several workers: fresh processes on shared listening sockets, watched, restarted, replaced one by one.

SIGTERM ends all of them, each draining; a second one ends them at once. SIGHUP reads the configuration again: a bad file
changes nothing and says why; a good one replaces the workers one after the other, the new one serving before the old one
drains, so that no request is lost. A worker that dies is started again, with growing pauses.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import structlog

from gateway.edges.sockets import hand_over, open_listener
from gateway.ending import LAST

_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
_START = 60.0  # seconds a worker may take until it serves
_PAUSE, _LONGEST = 0.5, 30.0  # seconds before a dead worker is started again; doubled each time up to the longest
_STEADY = 60.0  # seconds after which a worker that dies is an accident, not a habit
_log = structlog.get_logger("gateway.supervisor")


class WorkerFailed(Exception):
    """A worker ended before it served; ``code`` is its exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"a worker ended with {code} before it served")
        self.code = code


class Supervisor:
    """Runs ``count`` workers of the configuration in ``config`` until SIGTERM; ``addresses`` are its listeners."""

    def __init__(self, config: Path, count: int, addresses: Mapping[str, tuple[str, int]], grace: float) -> None:
        self._config = config
        self._count = count
        self._grace = grace
        self._sockets: dict[str, socket.socket] = {}
        self._addresses = addresses
        self._workers: list[tuple[subprocess.Popen[bytes], float]] = []
        self._leaving: list[subprocess.Popen[bytes]] = []  # replaced, and draining
        self._again: list[float] = []  # when dead ones are started again
        self._pause = _PAUSE
        # Workers hold the reading end; when this process is gone, however it went, they read the end of the file.
        self._alive, self._held = os.pipe()

    def run(self, reread: object) -> int:
        """The exit code. ``reread()`` checks the configuration: what is wrong with it, or nothing."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            for name, (host, port) in self._addresses.items():
                try:
                    self._sockets[name] = open_listener(host, port)
                except OSError as error:
                    _log.error("cannot listen", listener=name, address=f"{host}:{port}", error=error.strerror)
                    return 75
            try:
                for _ in range(self._count):
                    self._workers.append((self._start(), time.monotonic()))
            except WorkerFailed as error:
                self._end(self._grace)
                return error.code if error.code > 0 else 1
            _log.info("workers serving", count=self._count)
            return self._watch(reread)
        finally:
            for one in self._sockets.values():
                one.close()

    def _watch(self, reread: object) -> int:
        while True:
            due = min(self._again, default=time.monotonic() + 3600) - time.monotonic()
            told = signal.sigtimedwait(_SIGNALS, max(0.01, due))
            if told is None or told.si_signo == signal.SIGCHLD:
                self._reap()
            elif told.si_signo == signal.SIGHUP:
                assert callable(reread)  # noqa: S101 - the caller's function
                fault = reread()
                if fault:
                    _log.error("configuration not taken, the old one goes on", faults=fault)
                else:
                    self._replace()
            else:
                return self._end(self._grace)

    def _start(self) -> subprocess.Popen[bytes]:
        """A worker that serves; raises ``WorkerFailed``."""
        heard, said = os.pipe()
        fds = [*(one.fileno() for one in self._sockets.values()), self._alive, said]
        line = [sys.executable, "-m", "gateway", "serve", "--config", str(self._config)]
        environment = {**os.environ, **hand_over(self._sockets, self._alive, said)}
        try:
            process = subprocess.Popen(line, env=environment, pass_fds=fds)  # noqa: S603 - ourselves
            os.close(said)
            if select.select([heard], [], [], _START)[0] and os.read(heard, 1):
                return process
        finally:
            os.close(heard)
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        raise WorkerFailed(process.wait())

    def _reap(self) -> None:
        """Take note of who ended, and start again what should be there."""
        now = time.monotonic()
        self._leaving = [one for one in self._leaving if one.poll() is None]
        for worker in list(self._workers):
            process, began = worker
            if process.poll() is not None:
                self._workers.remove(worker)
                self._pause = _PAUSE if now - began > _STEADY else min(self._pause * 2, _LONGEST)
                self._again.append(now + self._pause)
                _log.error("worker ended", pid=process.pid, code=process.returncode, again_in=self._pause)
        for due in [one for one in self._again if one <= now]:
            self._again.remove(due)
            try:
                self._workers.append((self._start(), time.monotonic()))
            except WorkerFailed as error:
                self._pause = min(self._pause * 2, _LONGEST)
                self._again.append(time.monotonic() + self._pause)
                _log.error("worker not started", code=error.code, again_in=self._pause)

    def _replace(self) -> None:
        """Each worker by a new one; the old one drains when the new one serves."""
        for number, (old, _) in enumerate(list(self._workers)):
            try:
                self._workers[number] = (self._start(), time.monotonic())
            except WorkerFailed as error:
                _log.error("reload stopped, the remaining workers stay", code=error.code)
                return
            old.send_signal(signal.SIGTERM)
            self._leaving.append(old)
        _log.info("workers replaced", count=len(self._workers))

    def _end(self, grace: float) -> int:
        """All drain; what has not ended some seconds after ``grace``, or at a second signal, is killed."""
        processes = [process for process, _ in self._workers] + self._leaving
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + grace + LAST + 1
        while any(process.poll() is None for process in processes):
            told = signal.sigtimedwait(_SIGNALS, 0.2)
            asked = told is not None and told.si_signo in (signal.SIGTERM, signal.SIGINT)
            if asked or time.monotonic() > deadline:
                for process in processes:
                    process.kill()
                    process.wait()
        os.close(self._held)
        return 0
