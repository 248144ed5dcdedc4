"""Words to the service manager, heard on a real datagram socket; and a whole service of the kind notify-reload."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.edges.notify import Notifier
from tests.stories.fleet import Fleet, origin, until


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """The address as the manager writes it, and its socket."""
    where = str(tmp_path / "notify") if request.param == "path" else f"@vtgw-test-{os.getpid()}-{time.monotonic_ns()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind("\0" + where[1:] if where.startswith("@") else where)
        heard.setblocking(False)
        yield where, heard


def test_each_word_is_one_datagram(manager: tuple[str, socket.socket]) -> None:
    """In the spelling of sd_notify(3); the time of a reload is the monotonic clock's, in microseconds."""
    where, heard = manager
    notifier = Notifier({"NOTIFY_SOCKET": where})
    assert notifier.watchdog == 0
    assert notifier.ready("all well")
    assert heard.recv(4096) == b"READY=1\nSTATUS=all well"
    before = time.monotonic_ns() // 1000
    assert notifier.reloading("checking")
    first, second, third = heard.recv(4096).decode().split("\n")
    assert (first, third) == ("RELOADING=1", "STATUS=checking")
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
    assert notifier.stopping("draining")
    assert notifier.status("one of two")
    assert notifier.extend(1.5)
    assert notifier.well()
    said = [heard.recv(4096) for _ in range(4)]
    assert said == [b"STOPPING=1\nSTATUS=draining", b"STATUS=one of two", b"EXTEND_TIMEOUT_USEC=1500000", b"WATCHDOG=1"]


def test_without_a_manager_nothing_is_said(tmp_path: Path) -> None:
    """No address, an address where nobody is, and a manager that does not read: never a wait, never a fault."""
    assert not Notifier({}).ready("")
    assert not Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready("")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(tmp_path / "deaf"))
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "deaf")})
        assert any(not notifier.well() for _ in range(10_000))


def test_the_watchdog_is_half_of_what_is_allowed() -> None:
    """And only when it is this process that is watched."""
    said = {"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "30000000"}
    assert Notifier(said).watchdog == 15
    assert Notifier({**said, "WATCHDOG_PID": str(os.getpid())}).watchdog == 15
    assert Notifier({**said, "WATCHDOG_PID": "1"}).watchdog == 0
    assert Notifier({"WATCHDOG_USEC": "30000000"}).watchdog == 0


async def test_a_service_tells_ready_reloading_ready_again_and_stopping(tmp_path: Path) -> None:
    """Ready once it serves, not before; ready again after each reload, refused or done; alive every half period only while
    a worker serves; and no worker can speak for the service."""
    where = str(tmp_path / "notify")
    said: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(where)
        heard.setblocking(False)

        def listen() -> list[str]:
            while True:
                try:
                    said.append(heard.recv(4096).decode())
                except BlockingIOError:
                    return said

        def words() -> list[str]:
            return [one.split("\n")[0] for one in listen() if not one.startswith(("WATCHDOG", "STATUS"))]

        async with origin() as port:
            fleet = Fleet(tmp_path, port)
            fleet.configure("watchdog = 3")
            fleet.launch(NOTIFY_SOCKET=where, WATCHDOG_USEC="1000000")
            try:
                await until(lambda: words() == ["READY=1"])
                assert fleet.lines("serving")
                (worker,) = fleet.workers()
                environ = Path(f"/proc/{worker}/environ").read_bytes()
                assert b"NOTIFY_SOCKET" not in environ and b"WATCHDOG_USEC" not in environ
                await until(lambda: listen().count("WATCHDOG=1") >= 2)

                good = fleet.path.read_text()
                fleet.path.write_text(good + "[nonsense]\n")
                fleet.signal(signal.SIGHUP)
                await until(lambda: words() == ["READY=1", "RELOADING=1", "READY=1"])
                assert "reload refused" in said[-1] or "reload refused" in "".join(said)
                fleet.path.write_text(good)
                fleet.signal(signal.SIGHUP)
                await until(lambda: words() == ["READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1"])

                await until(lambda: len(fleet.workers()) == 1)  # the old one has drained
                fleet.path.write_text(good + "[nonsense]\n")
                os.kill(fleet.workers()[0], signal.SIGKILL)
                await until(lambda: any("0 of 1 workers serve" in one for one in listen()))
                assert "WATCHDOG=1" not in said[said.index("STATUS=0 of 1 workers serve") :]
                await until(lambda: listen()[-1] == "WATCHDOG=1")  # it serves again
                assert await fleet.end() == 0
                assert words()[-1] == "STOPPING=1"
            finally:
                fleet.kill()
