"""Workers that hang, crash again and again, or cannot start: replaced, with pauses, and the others serve on."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import gateway
from tests.stories.fleet import Crowd, Fleet, origin, until

pytestmark = pytest.mark.timeout(300)  # on a machine with other work; alone a tenth of it


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    """Run from a copy of the program, in which asking for the version hangs the worker that is asked."""
    code = tmp_path / "code"
    shutil.copytree(Path(gateway.__file__).parent, code / "gateway")
    ops = code / "gateway/ops.py"
    text = ops.read_text()
    answer = 'return web.json_response({"version"'
    change = text.replace(answer, f'__import__("time").sleep(900)\n        {answer}')
    assert change != text
    ops.write_text(change)
    async with origin() as port:
        made = Fleet(tmp_path, port, code)
        made.configure("watchdog = 3", workers=2)
        await made.start()
        try:
            yield made
        finally:
            made.kill()


async def test_a_worker_that_hangs_says_where_and_is_replaced(fleet: Fleet) -> None:
    """One whose event loop is held writes its stacks to the log; one that is stopped by a signal cannot, and is killed all
    the same. The other one answers meanwhile."""
    before = set(fleet.workers())

    _, asking = await asyncio.open_connection("127.0.0.1", fleet.management)
    asking.write(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
    (said,) = await fleet.said("worker is silent")
    assert said["pid"] in before and 3 <= said["seconds"] < 9
    assert (await fleet.ask("/small", fleet.public))[0] == 200
    await until(lambda: "in version" in fleet.log.read_text())
    await until(lambda: len(fleet.workers()) == 2 and said["pid"] not in fleet.workers())
    await fleet.said("worker serves again", 1)
    asking.close()

    stopped = fleet.workers()[0]
    os.kill(stopped, signal.SIGSTOP)
    await fleet.said("worker is silent", 2)
    await until(lambda: len(fleet.workers()) == 2 and stopped not in fleet.workers())
    await fleet.said("worker serves again", 2)
    found = await fleet.metrics()
    assert sum(value for name, value in found.items() if name.startswith("vtgw_worker_restarts_total")) == 2
    assert await fleet.end() == 0


async def test_a_crash_loop_does_not_spin_and_disturbs_nobody(fleet: Fleet) -> None:
    """The program on disk is broken and a worker dies: it is tried again ever later while the other one serves; a SIGTERM
    does not wait for any of it. Mended, it comes back by itself."""
    app = fleet.folder / "code/gateway/app.py"
    whole = app.read_text()
    app.write_text("raise RuntimeError('half installed')\n")
    first, second = fleet.workers()
    async with Crowd(fleet.public, kept=1, new=1) as crowd:
        os.kill(first, signal.SIGKILL)
        dead = await fleet.said("worker ended", 4)
        crowd.lost.clear()  # what the first one had in hand when it was killed
        pauses = [one["again_in"] for one in dead]
        assert pauses == [0.5, 1, 2, 4]
        assert fleet.workers() == [second]
        answered = crowd.answered
        app.write_text(whole)
        await fleet.said("worker serves again")
        await until(lambda: crowd.answered > answered)
    assert crowd.lost == []
    assert await fleet.end() == 0


def test_a_gateway_that_cannot_start_says_why_and_ends(tmp_path: Path) -> None:
    """78 for a bad configuration, 75 for a port that is taken or means that are not there, and the sentence."""
    fleet = Fleet(tmp_path, 1)

    def run() -> tuple[int, str]:
        line = [sys.executable, "-m", "gateway", "serve", "--config", str(fleet.path)]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stderr

    fleet.configure(workers=0)
    code, said = run()
    assert code == 78 and "gateway.workers" in said
    fleet.configure(public=fleet.management)
    code, said = run()
    assert code == 75 and "listen.management.address" in said and "already in use" in said
    fleet.configure(workers=2, more='[methods]\nliberal = ["card"]\n')
    code, said = run()
    assert code == 75 and "methods" in said


async def test_signals_before_it_serves_are_heard(tmp_path: Path) -> None:
    """SIGTERM while the first worker starts: the end, at once, with 0. Twice is as good as once."""
    async with origin() as port:
        fleet = Fleet(tmp_path, port)
        fleet.configure(workers=2)
        fleet.launch()
        try:
            await until(lambda: len(fleet.workers()) == 1)
            began = time.monotonic()
            fleet.signal(signal.SIGTERM)
            fleet.signal(signal.SIGINT)
            await until(lambda: fleet.process.poll() is not None, 15)
            assert fleet.process.returncode == 0
            assert time.monotonic() - began < 10
        finally:
            fleet.kill()
