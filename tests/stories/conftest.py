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
    """Ten free ports in a row, below those that the system gives out. Each process begins to look far from the
    others: two that look at once in one place would find the same."""
    for turn in range(2200):
        base = 10_000 + (os.getpid() * 37 + turn) * 10 % 22_000
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
    """A demo world in this folder, started as a person starts it; ``settings`` are environment variables.

    With ``VTGW_WIDE=1`` two gateways of three workers on Redis and PostgreSQL stand in its place (``tests.resilience.wide``),
    with ``VTGW_WIDE=killed`` while their workers are killed.
    """
    if os.environ.get("VTGW_WIDE"):
        from tests.resilience.wide import wide

        with wide(folder, **settings) as demo:
            yield demo
        return
    with demo_alone(folder, **settings) as demo:
        yield demo


@contextmanager
def demo_alone(folder: Path, **settings: str) -> Iterator[Demo]:
    """The demo's one process, whatever stands in front of it."""
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("VTGW_WIDE"):
        from tests.resilience.wide import NOT_WIDE

        for item in items:
            if (why := NOT_WIDE.get(item.path.name) or NOT_WIDE.get(item.name)) is not None:
                item.add_marker(pytest.mark.skip(reason=why))


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
