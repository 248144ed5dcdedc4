"""The database is away when the gateway starts: alive, not ready, nothing passes, and it serves once the database is back."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers import postgres_server
from tests.stories.fleet import Fleet, origin

pytestmark = pytest.mark.timeout(300)  # on a machine with other work; alone a tenth of it


async def test_a_database_that_is_away_is_waited_for(tmp_path: Path) -> None:
    """Store or records down at the start: not ready, keeps trying, never open. A schema that is not current is no outage:
    75, with its sentence."""
    folder = tmp_path / "postgres"
    folder.mkdir()
    async with origin() as port:
        with postgres_server(folder) as server:
            fleet = Fleet(tmp_path, port)
            fleet.configure(workers=2, more=f'[records]\nurl = "{server.url}"\n')

            def run(command: str) -> tuple[int, str]:
                line = [sys.executable, "-m", "gateway", command, "--config", str(fleet.path)]
                done = subprocess.run(line, capture_output=True, text=True, timeout=90)
                return done.returncode, done.stderr

            code, said = await asyncio.to_thread(run, "serve")
            assert code == 75
            assert "the schema is not current; run vt-gateway migrate" in said
            assert (await asyncio.to_thread(run, "migrate"))[0] == 0

            server.stop()
            fleet.launch()
            try:
                await fleet.said("waiting for what is needed to start")
                assert (await fleet.ask("/healthz"))[0] == 200
                status, text = await fleet.ask("/readyz")
                assert (status, json.loads(text)["checks"]["records"]) == (503, "records-down")
                assert (await fleet.ask("/readyz?exclude=records"))[0] == 503  # nothing serves yet
                assert (await fleet.metrics())['vtgw_worker_up{worker="1"}'] == 0
                assert not fleet.lines("serving")
                waiting = asyncio.create_task(fleet.ask("/small", fleet.public))  # in the queue: nobody is let in
                server.start()
                back = time.monotonic()
                await fleet.said("workers serving")
                print(json.dumps({"seconds_until_all_serve": round(time.monotonic() - back, 1)}))
                assert (await waiting)[0] == 200
                assert (await fleet.ask("/readyz"))[0] == 200
                server.stop()
                assert await fleet.end() == 0

                fleet.launch()  # and it ends at once while it waits
                await fleet.said("waiting for what is needed to start", 2)
                before = time.monotonic()
                assert await fleet.end() == 0
                assert time.monotonic() - before < 10
            finally:
                fleet.kill()
