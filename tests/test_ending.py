"""What was started ends: tasks that lost a cancellation, parts that do not close, a process that is held."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

import gateway.app
from gateway import ending
from gateway.app import Gateway
from gateway.edges.redis_store import RedisStore
from gateway.ending import Closing, ended
from gateway.jobs import Job, Jobs
from gateway.settings import load
from tests.ambient import TestAmbient
from tests.servers import free_port, redis_server
from tests.smallest import SMALLEST


async def never() -> None:
    """A part that does not close."""
    await asyncio.Event().wait()


async def deaf(times: int) -> None:
    """Drops so many cancellations, as ``asyncio.wait_for`` of Python 3.11 may."""
    while True:
        try:
            await never()
        except asyncio.CancelledError:
            if not times:
                raise
            times -= 1


async def fails() -> None:
    raise ValueError("told to fail")


async def test_a_task_that_lost_its_cancellation_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever drops a cancellation once or more, whoever waits for the end is let go; a task that failed is no fault."""
    monkeypatch.setattr(ending, "_AGAIN", 0.01)
    tasks = [asyncio.create_task(one) for one in (never(), deaf(1), deaf(3), fails())]
    await asyncio.sleep(0)  # begun: who is cancelled before never hears of it
    try:
        async with asyncio.timeout(10):
            await ended(*tasks)
    finally:
        for _ in range(4):  # whatever came out of it, nothing deaf is left to the next test
            for task in tasks:
                task.cancel()
            await asyncio.sleep(0)
    assert [task.cancelled() for task in tasks] == [True, True, True, False]
    await ended()


async def test_no_part_keeps_another_open() -> None:
    """Closing goes on past a part that fails and one that hangs, in reverse; the fault is raised when all is closed, and
    the log says what hung."""
    closed: list[str] = []

    async def first() -> None:
        closed.append("first")

    parts = Closing()
    parts.push_async_callback(first)
    parts.push_async_callback(fails)
    parts.push_async_callback(never)
    parts.callback(lambda: closed.append("last"))
    with capture_logs() as lines, pytest.raises(ValueError, match="told to fail"):
        async with asyncio.timeout(10):
            await parts.aclose(0.2)
    assert closed == ["last", "first"]
    assert [line["part"] for line in lines] == ["never"]
    await parts.aclose()  # nothing is left


@pytest.fixture
async def gateway_up(tmp_path: Path) -> AsyncIterator[Gateway]:
    config = tmp_path / "gateway.toml"
    config.write_text(SMALLEST + f'[listen.management]\naddress = "127.0.0.1:{free_port()}"\n')
    one = Gateway(load(config, {}), ambient=TestAmbient())
    await one.start()
    yield one
    await one._stack.aclose()


async def test_a_gateway_stops_whatever_does_not_close(gateway_up: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something that never closes costs its time and no more: what was opened before it is closed all the same."""
    monkeypatch.setattr(gateway.app, "CLOSING", 0.3)
    gateway_up._stack.push_async_callback(never)
    with capture_logs() as lines:
        async with asyncio.timeout(20):
            await gateway_up.stop(0)
    assert "never" in [line.get("part") for line in lines]
    left = {task.get_name() for task in asyncio.all_tasks()}
    assert not left & {"jobs", "policy book", "store news", "notices 0"}


async def test_r7_jobs_stop_wherever_a_command_of_the_store_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker is told to stop at every step of the event loop while it asks a real Redis: it stops at once. Closing
    once waited for ever, when the word came as a command was being sent."""
    monkeypatch.setattr(ending, "_AGAIN", 10.0)

    async def work(now: object) -> None:
        """Nothing to do."""

    with redis_server(tmp_path) as server:
        store = RedisStore(server.url, TestAmbient())
        await store.start()
        for steps in range(60):
            each = [Job(f"{steps}-{number}", timedelta(hours=1), work) for number in range(3)]
            jobs = Jobs(store, TestAmbient(), each, 0)
            jobs.start()
            for _ in range(steps):
                await asyncio.sleep(0)
            closing = asyncio.create_task(jobs.close())
            _, late = await asyncio.wait({closing}, timeout=5)  # before they would be told again
            await closing
            assert not late, f"told to stop after {steps} steps, and going on"
        await store.close()


def test_a_process_that_is_held_ends_all_the_same() -> None:
    """A call that does not return to the event loop holds nothing for longer than the time: the process is gone, says
    where it stood, and does not say that all went well."""
    code = "from gateway.commands.serve import end_within\nimport time\nend_within(0.1)\nwhile True: time.sleep(60)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    assert done.returncode == 1
    assert b"Timeout" in done.stderr and b'File "<string>", line 4' in done.stderr
