"""Several workers on shared sockets: replaced under load without losing a request, restarted when they die."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench import account, process_tree
from bench.__main__ import prepare
from bench.programs import Peer, Yard
from tests.servers import program
from tests.stories.fleet import Crowd, Fleet, Long, origin
from tests.stories.fleet import until as asyncio_until


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
    return process_tree.workers(peer.program.process.pid)


def until(true: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.timeout(300)
def test_r6_workers_are_replaced_under_load_and_no_request_is_lost(yard: Yard) -> None:
    """SIGHUP twice while 32 connections ask without pause: every answer is 200, no connection breaks, and all workers
    are new; a configuration with a fault replaces nobody; SIGTERM ends everything with 0."""
    gateway = yard.gateway(workers=2, core=None)
    (yard.folder / "gateway1.toml").write_text((yard.folder / "gateway2.toml").read_text())
    cookie = asyncio.run(account.cookie(yard.folder))
    until(lambda: b"workers serving" in (yard.folder / "log").read_bytes())
    before = workers(gateway)
    line = ["wrk", "-t1", "-c32", "-d8s", "-H", f"Cookie: {cookie}", f"http://127.0.0.1:{gateway.clear}/small"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as load:
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


@pytest.mark.timeout(300)
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

    until(lambda: not any(process_tree.alive(pid) for pid in left))


@pytest.mark.timeout(300)  # on a machine with other work; alone a tenth of it
async def test_kill_9_again_and_again_under_load_and_the_others_answer_on(tmp_path: Path) -> None:
    """Each kill costs at most what the dead worker had in hand; whoever comes anew is answered, and every connection that
    broke is answered when it comes again. Printed: how many were lost, and how long until all serve again."""
    async with origin() as port:
        fleet = Fleet(tmp_path, port)
        fleet.configure(workers=2)
        await fleet.start()
        try:
            kept, new, seconds = 6, 2, []
            async with Crowd(fleet.public, kept, new) as crowd:
                for times in range(1, 4):
                    began, answered = time.monotonic(), crowd.answered
                    os.kill(fleet.workers()[0], signal.SIGKILL)
                    await asyncio_until(lambda answered=answered: crowd.answered > answered + 50)
                    await fleet.said("worker serves again", times)
                    seconds.append(round(time.monotonic() - began, 1))
            assert len(crowd.lost) <= 3 * (kept + new)
            assert not [one for one in crowd.lost if "Timeout" in one or "refused" in one]
            ended = fleet.lines("worker ended")
            assert [one["why"] for one in ended] == ["signal 9 ended it"] * 3
            print(json.dumps({"answered": crowd.answered, "lost": len(crowd.lost), "seconds": seconds}))
            assert await fleet.end() == 0
        finally:
            fleet.kill()


@pytest.mark.timeout(300)
async def test_the_end_refuses_who_comes_says_so_and_a_second_signal_hastens_it(tmp_path: Path) -> None:
    """SIGTERM with an upload under way: who comes now is refused at once, not left in a queue; readiness says draining, and
    the upload goes on. A second SIGTERM ends it, with 0. What a terminal sends to all of them changes nothing."""
    async with origin() as port:
        fleet = Fleet(tmp_path, port)
        fleet.configure()
        await fleet.start()
        (worker,) = fleet.workers()
        try:
            async with Long(fleet.public):
                for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR2):
                    os.kill(worker, number)
                assert (await fleet.ask("/readyz"))[0] == 200
                fleet.signal(signal.SIGTERM)
                os.kill(worker, signal.SIGTERM)  # as a service manager does that tells the whole group

                def refused() -> bool:
                    with socket.socket() as one:
                        return one.connect_ex(("127.0.0.1", fleet.public)) == errno.ECONNREFUSED

                await asyncio_until(refused)
                status, text = await fleet.ask("/readyz")
                assert (status, json.loads(text)["checks"]["draining"]) == (503, "draining")
                assert fleet.workers() == [worker]
                fleet.signal(signal.SIGTERM)
                await asyncio_until(lambda: fleet.process.poll() is not None, 20)
                assert fleet.process.returncode == 0
        finally:
            fleet.kill()
