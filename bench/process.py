"""A started program and all its children, with their CPU time and memory from /proc."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from bench.process_tree import cpu, tree

FILES = 65_536  # descriptors each program may open


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cores() -> tuple[int, int]:
    """The core of the program under test, and the core of load and origin."""
    known = sorted(os.sched_getaffinity(0))
    return known[-1], known[0]


def _many_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, hard), hard))


def spent(pids: Iterable[int]) -> float:
    """Seconds of CPU so far, of all threads of these processes that are alive, to the nanosecond."""
    return sum(cpu(pid) for pid in pids) / 1e9


class Program:
    """``core``: where it is pinned; ``None`` leaves it to the scheduler."""

    def __init__(self, line: list[str], core: int | None, log: IO[bytes], env: dict[str, str] | None = None) -> None:
        pinned = [] if core is None else ["taskset", "-c", str(core)]
        self.process = subprocess.Popen(
            [*pinned, *line], stdout=log, stderr=log, env={**os.environ, **(env or {})}, preexec_fn=_many_files
        )

    def pids(self) -> list[int]:
        return tree(self.process.pid)

    def cpu(self) -> float:
        """Seconds of CPU so far, of all threads that are alive, to the nanosecond."""
        return spent(self.pids())

    def rss(self) -> int:
        """Resident bytes."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self.pids())
        return pages * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def wait_for(port: int, program: Program | None = None, seconds: float = 20) -> None:
    """Until somebody listens; raises when the program ends before that."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 0.2):
                return
        except OSError:
            if program is not None and program.process.poll() is not None:
                raise RuntimeError(f"{program.process.args} ended with {program.process.returncode}") from None
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
