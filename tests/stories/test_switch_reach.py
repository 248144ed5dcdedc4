"""A switch made through one worker is heard by all of them (R83): three processes on shared sockets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bearer import Bearer
from tests.stories.conftest import running
from tests.visitor import Demo

WORKERS = 3
ASKED = 30  # connections in one look, each taken by any worker


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Demo]:
    """The demo's gateway alone, as ``serve`` runs it, with three workers."""
    folder = tmp_path / "demo"
    with running(folder):
        about = (folder / "demo.json").read_text()
    line = [sys.executable, "-W", "ignore", "-m", "gateway", "serve", "--config", str(folder / "gateway.toml")]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(line, stderr=log, env={**os.environ, "GATEWAY_GATEWAY__WORKERS": str(WORKERS)})
        (folder / "demo.json").write_text(about)
        deadline = time.monotonic() + 60
        while (tmp_path / "log").read_text().count('"serving"') < WORKERS:
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.1)
        try:
            yield Demo(folder)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0


def test_r83_a_switch_reaches_every_worker_within_five_seconds(many: Demo) -> None:
    """Whichever worker is asked says the new state, at the latest five seconds after the act was answered."""
    region = Bearer(many, "region")
    assert region.get("scopes/ch-exemple").json()["state"] == "password_only"
    said = region.switch("ch-exemple", "strong")
    assert said.status == 201, said.body
    answered = time.monotonic()
    while True:
        begun = time.monotonic()
        states = {region.get("scopes/ch-exemple").json()["state"] for _ in range(ASKED)}
        if states == {"strong"}:
            break
        assert time.monotonic() - answered < 5, "a worker has not heard of it"
    print(json.dumps({"seconds_until_all_say_so": round(begun - answered, 3)}))
