"""A demo world for each file of stories, started as a person starts it: counters of a day begin anew with it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.visitor import Demo, Visitor


def free_base() -> int:
    """Ten free ports in a row."""
    for base in range(20_000 + os.getpid() % 5000, 60_000, 10):
        try:
            for port in range(base, base + 10):
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
    raise AssertionError("no free ports")


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Demo]:
    """A demo world in this folder, started as a person starts it; ``settings`` are environment variables."""
    line = [sys.executable, "-W", "ignore", "-m", "gateway", "demo", "--dir", str(folder)]
    process = subprocess.Popen(
        [*line, "--port-base", str(free_base())],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **settings},
    )
    deadline = time.monotonic() + 60
    while not (folder / "demo.json").exists():
        assert process.poll() is None, process.stdout and process.stdout.read().decode()
        assert time.monotonic() < deadline, "the demo does not start"
        time.sleep(0.1)
    try:
        yield Demo(folder)
    finally:  # a story that fails leaves no world running
        process.send_signal(signal.SIGTERM)
        ended = process.wait(20)
        assert process.stdout is not None
        process.stdout.close()
    assert ended == 0
    assert not (folder / "demo.json").exists()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


@pytest.fixture
def demo(world: Demo) -> Demo:
    world.forget()
    return world


@pytest.fixture
def visitor(demo: Demo) -> Visitor:
    return Visitor(demo)
