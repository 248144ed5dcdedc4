"""Several workers on shared sockets: replaced under load without losing a request, restarted when they die."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench import account
from bench.__main__ import prepare
from bench.programs import Peer, Yard
from tests.servers import program


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    program("nginx", "nginx-light", Path("/usr/sbin/nginx"))
    program("wrk", "wrk")
    for place in (tmp_path, *tmp_path.parents[:2]):
        place.chmod(0o755)  # nginx's worker is another user
    with (tmp_path / "log").open("wb") as log:
        made = Yard(tmp_path, log)
        try:
            prepare(tmp_path)
            made.open_origin()
            yield made
        finally:
            made.stop()


def workers(peer: Peer) -> list[int]:
    return peer.program.pids()[1:]


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_r6_workers_are_replaced_under_load_and_no_request_is_lost(yard: Yard) -> None:
    """SIGHUP twice while 32 connections ask without pause: every answer is 200, no connection breaks, and all workers
    are new; a configuration with a fault replaces nobody; SIGTERM ends everything with 0."""
    gateway = yard.gateway(workers=2, core=None)
    (yard.folder / "gateway1.toml").write_text((yard.folder / "gateway2.toml").read_text())
    cookie = asyncio.run(account.cookie(yard.folder))
    until(lambda: b"workers serving" in (yard.folder / "log").read_bytes())
    before = workers(gateway)
    line = ["wrk", "-t1", "-c32", "-d8s", "-H", f"Cookie: {cookie}", f"http://127.0.0.1:{gateway.clear}/small"]
    load = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    for _ in range(2):
        known = set(workers(gateway))
        os.kill(gateway.program.process.pid, signal.SIGHUP)
        until(lambda known=known: len(workers(gateway)) >= 2 and not known & set(workers(gateway)))  # type: ignore[misc]
    text = load.communicate(timeout=60)[0]
    assert "Socket errors" not in text, text
    assert "Non-2xx" not in text, text
    count = re.search(r"(\d+) requests in", text)
    assert count and int(count[1]) > 10_000, text
    assert not set(before) & set(workers(gateway))

    config = yard.folder / "gateway2.toml"
    config.write_text(config.read_text() + "\n[nonsense]\nx = 1\n")
    known = set(workers(gateway))
    os.kill(gateway.program.process.pid, signal.SIGHUP)
    until(lambda: b"configuration not taken" in (yard.folder / "log").read_bytes())
    assert set(workers(gateway)) == known
    gateway.program.process.send_signal(signal.SIGTERM)
    assert gateway.program.process.wait(20) == 0


def test_r7_a_worker_that_is_killed_is_started_again(yard: Yard) -> None:
    """kill -9 on a worker: the other one serves on, and soon there are two again; when the supervisor is killed, its
    workers end by themselves."""
    gateway = yard.gateway(workers=2, core=None)
    until(lambda: b"workers serving" in (yard.folder / "log").read_bytes())
    first, second = workers(gateway)
    os.kill(first, signal.SIGKILL)
    until(lambda: first not in workers(gateway) and len(workers(gateway)) == 2)
    left = workers(gateway)
    assert second in left
    gateway.program.process.kill()
    gateway.program.process.wait()

    def gone(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True

    until(lambda: all(gone(pid) for pid in left))
