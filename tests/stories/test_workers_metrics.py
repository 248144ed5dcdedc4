"""Numbers of all workers in one scrape, whoever is asked; one worker alone says what it always said."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.edges.pulse import Pulse
from gateway.edges.scrape import merged
from tests.stories.fleet import Crowd, Fleet, Long, origin, until

pytestmark = pytest.mark.timeout(300)  # on a machine with other work; alone a tenth of it


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with origin() as port:
        yield port


def total(found: dict[str, float], name: str) -> float:
    return sum(value for key, value in found.items() if key.partition("{")[0] == name)


def test_texts_of_workers_become_one() -> None:
    """Families stay together, every sample says whose it is, the first label or not, and values with braces are left."""
    first = b'# HELP a_total A\n# TYPE a_total counter\na_total{x="{1} 2"} 3.0\n# HELP b B\n# TYPE b gauge\nb 1.0\n'
    second = b'# HELP b B\n# TYPE b gauge\nb 2.0\n# HELP a_total A\n# TYPE a_total counter\na_total{x="y"} 4.0\n'
    assert merged([("1", first), ("2-77", second)]) == (
        b'# HELP a_total A\n# TYPE a_total counter\na_total{worker="1",x="{1} 2"} 3.0\na_total{worker="2-77",x="y"} 4.0\n'
        b'# HELP b B\n# TYPE b gauge\nb{worker="1"} 1.0\nb{worker="2-77"} 2.0\n'
    )
    assert merged([("", first)]) == first
    assert merged([]) == b""


async def test_the_pulse_sees_how_long_the_loop_was_held() -> None:
    """The longest delay since it was asked last, and a sign of life about once a second."""
    signs: list[float] = []
    pulse = Pulse(lambda: signs.append(time.monotonic()))
    pulse.start()
    time.sleep(0.4)
    await until(lambda: signs)
    assert 0.25 < pulse.worst() < 5
    assert pulse.worst() == 0
    pulse.stop()


async def test_any_worker_answers_for_all(tmp_path: Path, port: int) -> None:
    """Three workers, scraped again and again by whichever accepts: every answer has all three and counts every request.
    One that is stopped is left out after two seconds and said to be down; one that was killed begins again under its number.
    Nobody else may enter the folder where they meet, and it is gone at the end."""
    fleet = Fleet(tmp_path, port)
    fleet.configure(workers=3)
    run = Path(tempfile.mkdtemp(prefix="run-"))  # a short name: Unix sockets bear no long one
    await fleet.start(RUNTIME_DIRECTORY=str(run))
    try:
        (folder,) = run.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        async with Crowd(fleet.public, kept=6, new=2) as crowd:
            pass
        for _ in range(12):
            found = await fleet.metrics()
            assert {f'vtgw_worker_up{{worker="{n}"}}' for n in (1, 2, 3)} <= set(found)
            assert total(found, "vtgw_worker_up") == 3
            assert total(found, "vtgw_requests_total") == crowd.answered
            assert {f'vtgw_loop_lag_seconds{{worker="{n}"}}' for n in (1, 2, 3)} <= set(found)
        assert found["vtgw_workers"] == 3
        assert not [name for name in found if name.startswith("vtgw_requests_total") and 'worker="' not in name]

        stopped = fleet.workers()[0]
        os.kill(stopped, signal.SIGSTOP)
        for _ in range(3):  # a stopped one accepts nothing, so it is never who is asked
            before = time.monotonic()
            found = await fleet.metrics()
            assert time.monotonic() - before < 5
            assert total(found, "vtgw_worker_up") == 2
        os.kill(stopped, signal.SIGCONT)

        os.kill(fleet.workers()[1], signal.SIGKILL)
        await fleet.said("worker serves again")
        await until(lambda: len(list(folder.glob("*.sock"))) == 4)
        deadline = time.monotonic() + 60
        while total(found := await fleet.metrics(), "vtgw_worker_up") != 3:
            assert time.monotonic() < deadline
        assert total(found, "vtgw_worker_restarts_total") == 1
        assert {name for name in found if name.startswith("vtgw_connections")} == {
            f'vtgw_connections{{worker="{n}"}}' for n in (1, 2, 3)
        }
        assert await fleet.end() == 0
        assert not list(run.iterdir())
    finally:
        fleet.kill()
        shutil.rmtree(run)


async def test_one_worker_has_no_label_and_one_that_drains_has_its_own(tmp_path: Path, port: int) -> None:
    """What dashboards know stays; while the old one drains its last requests still count, and are not added to the new
    one's: the sum over both loses nothing."""
    fleet = Fleet(tmp_path, port)
    fleet.configure()
    await fleet.start()
    try:
        (old,) = fleet.workers()
        async with Crowd(fleet.public, kept=1, new=1) as crowd:
            pass
        found = await fleet.metrics()
        assert found['vtgw_requests_total{status="200"}'] == crowd.answered
        assert "vtgw_connections" in found
        assert {name for name in found if 'worker="' in name} == {
            'vtgw_worker_up{worker="1"}',
            'vtgw_worker_restarts_total{worker="1"}',
        }
        async with Long(fleet.public) as long:
            fleet.signal(signal.SIGHUP)
            await fleet.said("workers replaced")
            found = await fleet.metrics()
            assert found[f'vtgw_requests_total{{worker="1-{old}",status="200"}}'] == crowd.answered
            assert found[f'vtgw_connections{{worker="1-{old}"}}'] >= 1
            assert found["vtgw_connections"] == 0
            for _ in range(6):  # the one that drains is not asked any more whether the gateway is ready
                assert (await fleet.ask("/readyz"))[0] == 200
            await long.uploaded()
        await until(lambda: fleet.workers() != [] and old not in fleet.workers())
        assert not [name for name in await fleet.metrics() if str(old) in name]
        assert await fleet.end() == 0
    finally:
        fleet.kill()
