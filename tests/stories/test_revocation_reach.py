"""A delegation ended at one gateway is refused by every worker of another (R125, S3)."""

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

from tests.stories.conftest import free_base
from tests.stories.test_delegations import DEEP, doctor, invite, join, take_up
from tests.visitor import Demo, Visitor

WORKERS = 3
ASKED = 20  # connections in one look, each taken by any worker


@pytest.fixture
def beside(world: Demo, tmp_path: Path) -> Iterator[Demo]:
    """A second gateway with three workers, on the records and the store of the demo's own."""
    base, own = free_base(), int(world.about["gateway"].rsplit(":", 1)[1])
    text = (world.folder / "gateway.toml").read_text()
    for offset in (0, 1, 3, 9):  # public, card, management, plain
        text = text.replace(f'address = "127.0.0.1:{own + offset}"', f'address = "127.0.0.1:{base + offset}"')
    config = world.folder / "beside.toml"
    config.write_text(text)
    line = [sys.executable, "-W", "ignore", "-m", "gateway", "serve", "--config", str(config)]
    log = tmp_path / "log"
    with log.open("wb") as written:
        process = subprocess.Popen(line, stderr=written, env={**os.environ, "GATEWAY_GATEWAY__WORKERS": str(WORKERS)})
    try:
        deadline = time.monotonic() + 60
        while log.read_text().count('"serving"') < WORKERS:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        demo = Demo(world.folder)
        demo.about["gateway_plain"] = f"http://127.0.0.1:{base + 9}"
        yield demo
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            ended = process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert ended == 0


def statuses(visitor: Visitor, demo: Demo) -> set[int]:
    """What this person's requests get at the second gateway, each over a connection of its own."""
    cookies = "; ".join(f"{name}={value}" for (_, name), value in visitor.cookies.items())
    head = {"X-Forwarded-Proto": "https", "Cookie": cookies}
    stranger = Visitor(demo)
    return {stranger.raw("GET", demo.about["gateway_plain"] + DEEP, None, head).status for _ in range(ASKED)}


def test_r125_ended_here_is_refused_there(world: Demo, beside: Demo) -> None:
    """Every worker lets the secretary through before; soon after the doctor's click none does."""
    giver = doctor(world)
    invite(giver, "secretary-moreau")
    staff = join(world, "secretary-moreau")
    take_up(staff)
    assert statuses(staff, beside) == {200}
    assert statuses(staff, beside) == {200}  # each worker knows her now
    giver = doctor(world)
    giver.click("Léa Moreau")
    giver.click("Mettre fin à cette délégation")
    giver.submit("/end")
    assert giver.last.status == 200
    answered = time.monotonic()
    while True:
        begun = time.monotonic()
        if statuses(staff, beside) == {302}:
            break
        assert time.monotonic() - answered < 5, "a worker has not heard of it"
    print(json.dumps({"seconds_from_the_answer_to_refusal_by_all": round(begun - answered, 3)}))
