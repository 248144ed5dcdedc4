"""One gateway of several workers, as ``vt-gateway serve`` runs it, in a process group of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from bench.process_tree import alive, workers

_START = 90.0  # seconds until a gateway is ready: all programs of the estate share a few cores
_END = 30.0
_AGAIN = 0.05


def until(true: Callable[[], bool], seconds: float, what: str) -> None:
    """Look until it is true; raises ``AssertionError`` with ``what`` when it is not in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(_AGAIN)


class Serving:
    """A gateway that can be killed, ended, started again and told to read its file again.

    ``url`` is its listener in clear: who speaks to it says ``X-Forwarded-Proto: https``, as a terminator would.
    """

    def __init__(
        self, name: str, config: Path, plain: int, management: int, *, count: int, module: str = "gateway"
    ) -> None:
        self.name = name
        self.count = count  # of workers
        self.config = config
        self.plain = plain
        self.port = management
        self.log = config.with_suffix(".log")
        self.process: subprocess.Popen[bytes] | None = None
        self._began = 0  # in the log
        self._supervised = module == "gateway"
        words = ("serve",) if module == "gateway" else ()
        self._line = (sys.executable, "-W", "ignore", "-m", module, *words)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.plain}"

    @property
    def management(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *, wait: bool = True) -> None:
        """Start it; with ``wait`` until it is ready."""
        line = [*self._line, "--config", str(self.config)]
        self._began = len(self.said())
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(line, stdout=log, stderr=log, start_new_session=True)
        if wait:
            self.wait()

    def wait(self, seconds: float = _START) -> None:
        """Until every worker serves and what they need answers."""

        def ready() -> bool:
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended with {self.process.returncode}: {self.said()[-2000:]}")
            all_serve = not self._supervised or "workers serving" in self.said()[self._began :]
            return all_serve and self.ready()

        until(ready, seconds, f"{self.name} is ready")

    def ready(self) -> bool:
        return self.get("/readyz") == 200

    def get(self, path: str) -> int:
        """The status of a management address; 0 when nobody answers."""
        try:
            with urllib.request.urlopen(self.management + path, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return int(error.code)
        except OSError:
            return 0

    def workers(self) -> list[int]:
        """The processes that serve: the children of the supervisor, or the process itself when it is alone."""
        if self.process is None:
            return []
        return [one for one in workers(self.process.pid) if alive(one)] or [self.process.pid]

    def served(self) -> int:
        """How many workers have begun to serve since the log began."""
        return self.said().count('"event": "serving"')

    def kill(self) -> None:
        """kill -9 of the supervisor and all its workers at once."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None

    def stop(self) -> int | None:
        """SIGTERM, as an operator ends it; the exit code."""
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(_END)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self.kill()

    def reload(self) -> None:
        """SIGHUP: read the configuration again and replace the workers."""
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def said(self) -> str:
        """Its log so far."""
        return self.log.read_text("utf-8", "replace") if self.log.exists() else ""
