"""What is read of /proc while processes come and go."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bench import process_tree


def test_whoever_ends_while_it_is_read_is_left_out() -> None:
    """Threads and children that end by the hundred are never an error."""
    ended = threading.Event()

    def hurry() -> None:
        while not ended.is_set():
            threading.Thread(target=int).start()

    hurrying = threading.Thread(target=hurry)
    hurrying.start()
    try:
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
            seen = [child.pid in process_tree.tree(os.getpid()) for _ in range(200)]
            child.communicate(b"\n")
    finally:
        ended.set()
        hurrying.join()
    assert all(seen)
    assert not process_tree.alive(child.pid)


def test_threads_and_processes_that_are_gone_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    assert process_tree.children(ended.pid) == []
    assert process_tree.cpu(ended.pid) == 0
    assert not process_tree.alive(ended.pid)
    monkeypatch.setattr(Path, "iterdir", lambda _: iter([Path(f"/proc/{ended.pid}/task/{ended.pid}")]))
    assert process_tree.children(os.getpid()) == []
    assert process_tree.cpu(os.getpid()) == 0


def test_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    try:
        assert not process_tree.alive(child.pid)
        assert process_tree.alive(os.getpid())
    finally:
        child.wait()


def test_cpu_grows_with_work() -> None:
    before = process_tree.cpu(os.getpid())
    sum(range(1_000_000))
    assert process_tree.cpu(os.getpid()) > before > 0


def test_only_those_that_serve_are_workers() -> None:
    line = [sys.executable, "-c", "input()"]
    with (
        subprocess.Popen([*line, "serve", "x"], stdin=subprocess.PIPE) as worker,
        subprocess.Popen([*line, "check"], stdin=subprocess.PIPE) as other,
    ):
        try:
            assert process_tree.workers(os.getpid()) == [worker.pid]
        finally:
            worker.communicate(b"\n")
            other.communicate(b"\n")
