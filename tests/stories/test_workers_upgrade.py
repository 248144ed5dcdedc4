"""New code installed in place: SIGHUP starts workers of it, SIGUSR2 renews the supervisor too, and nothing is lost."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import gateway
from tests.stories.fleet import Crowd, Fleet, Long, origin, until

pytestmark = pytest.mark.timeout(300)  # on a machine with other work; alone a tenth of it


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    """Run from a copy of the program."""
    code = tmp_path / "code"
    shutil.copytree(Path(gateway.__file__).parent, code / "gateway")
    async with origin() as port:
        made = Fleet(tmp_path, port, code)
        made.configure(workers=2)
        await made.start()
        try:
            yield made
        finally:
            made.kill()


def install(fleet: Fleet, version: str) -> None:
    path = fleet.folder / "code/gateway/__init__.py"
    path.write_text(re.sub(r'__version__ = ".*"', f'__version__ = "{version}"', path.read_text()))


def files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def test_a_new_version_is_taken_under_load_and_nothing_is_lost(fleet: Fleet) -> None:
    """SIGHUP: workers of the new code under the old supervisor. SIGUSR2: the supervisor as well, in the same process, with
    the same sockets; a broken version is found before anything changes. Kept and new connections, an upload and a
    WebSocket go through it all; the metrics count on; no descriptor is left over."""
    pid, first = fleet.process.pid, fleet.workers()
    rested = files(pid)
    async with Crowd(fleet.public) as crowd:
        install(fleet, "7.0.1")
        fleet.signal(signal.SIGHUP)
        await fleet.said("workers replaced", 1)
        found = await fleet.metrics()
        assert '"7.0.1"' in (await fleet.ask("/version"))[1]
        assert f'vtgw_supervisor_info{{version="{gateway.__version__}"}}' in found

        install(fleet, "7.0.2")
        broken = fleet.folder / "code/gateway/commands/supervision/loop.py"
        whole = broken.read_text()
        broken.write_text(whole + "\nraise RuntimeError('half installed')\n")
        await until(lambda: len(fleet.workers()) == 2)  # the old ones have drained
        second = fleet.workers()
        fleet.signal(signal.SIGUSR2)
        (said,) = await fleet.said("program not renewed, the old one goes on")
        assert "half installed" in said["faults"][-1]
        assert fleet.workers() == second

        broken.write_text(whole)
        async with Long(fleet.public) as long:
            fleet.signal(signal.SIGUSR2)
            assert await long.closed() == 1001
            await fleet.said("workers replaced", 2)
            sent, arrived = await long.uploaded()
            assert sent == arrived > 0
        await until(lambda: len(fleet.workers()) == 2)
    print(json.dumps({"answered": crowd.answered, "lost": len(crowd.lost)}))
    assert crowd.lost == []
    assert fleet.process.poll() is None
    assert not {*first, *second} & set(fleet.workers())
    assert '"7.0.2"' in (await fleet.ask("/version"))[1]
    found = await fleet.metrics()
    assert 'vtgw_supervisor_info{version="7.0.2"}' in found
    assert found['vtgw_reloads_total{by="reload",result="done"}'] == 1
    assert found['vtgw_reloads_total{by="upgrade",result="failed"}'] == 1
    assert found['vtgw_reloads_total{by="upgrade",result="done"}'] == 1
    await until(lambda: files(pid) == rested)

    os.kill(fleet.workers()[0], signal.SIGKILL)  # the new supervisor watches
    await fleet.said("worker ended")
    await until(lambda: len(fleet.workers()) == 2)
    assert await fleet.end() == 0
