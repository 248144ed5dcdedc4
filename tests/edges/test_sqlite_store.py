"""The SQLite store as several processes use it: what they share, what a killed one leaves, and a file that is not there."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.edges.sqlite_store import SqliteStore
from gateway.edges.system import SystemAmbient
from gateway.reasons import StoreUnavailable
from tests.ambient import TestAmbient

HOUR = timedelta(hours=1)


@pytest.fixture
def ambient() -> TestAmbient:
    return TestAmbient()


_CONTENDER = """
import asyncio, sys
from pathlib import Path
from datetime import timedelta
from gateway.edges.sqlite_store import SqliteStore
from gateway.edges.system import SystemAmbient

async def main():
    store = SqliteStore(Path(sys.argv[1]), SystemAmbient())
    await store.start()
    for _ in range(int(sys.argv[2])):
        while True:
            (raw,) = await store.read("count")
            if await store.swap("count", raw, str(int(raw or b"0") + 1).encode(), timedelta(hours=1)):
                break
        print("x", end="", flush=True)
    await store.close()

asyncio.run(main())
"""


async def test_processes_sharing_a_file_lose_no_count(tmp_path: Path) -> None:
    """Three processes that count through swap on one file reach the exact sum."""
    path = tmp_path / "store.db"
    line = [sys.executable, "-c", _CONTENDER, str(path), "100"]
    running = [subprocess.Popen(line, stdout=subprocess.DEVNULL) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    store = SqliteStore(path, SystemAmbient())
    await store.start()
    assert await store.read("count") == (b"300",)
    await store.close()


async def test_a_killed_process_loses_nothing_it_was_told(tmp_path: Path) -> None:
    """After kill -9 the file is whole and holds at least every count that was acknowledged."""
    path = tmp_path / "store.db"
    process = subprocess.Popen([sys.executable, "-c", _CONTENDER, str(path), "100000"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    acknowledged = len(process.stdout.read(200))
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    store = SqliteStore(path, SystemAmbient())
    await store.start()
    (raw,) = await store.read("count")
    assert int(raw or b"0") >= acknowledged
    assert store._db is not None
    await store.close()


async def test_r7_a_broken_file_is_unknown(ambient: TestAmbient, tmp_path: Path) -> None:
    """A store file that is no database raises StoreUnavailable."""
    path = tmp_path / "store.db"
    path.write_bytes(b"this is no database" * 100)
    store = SqliteStore(path, ambient)
    with pytest.raises(StoreUnavailable):
        await store.start()
    with pytest.raises(StoreUnavailable):
        await store.read("a")
    await store.close()


async def test_r7_a_vanished_file_is_unknown_and_not_an_empty_store(ambient: TestAmbient, tmp_path: Path) -> None:
    """While the store file is away every call raises; when it is back, what was in it is there."""
    path = tmp_path / "store.db"
    store = SqliteStore(path, ambient)
    await store.start()
    await store.write("a", b"1", HOUR)
    path.rename(tmp_path / "aside")
    for call in (store.read("a"), store.write("b", b"2", HOUR), store.swap("a", b"1", None), store.publish("x")):
        with pytest.raises(StoreUnavailable):
            await call
    assert not path.exists()
    (tmp_path / "aside").rename(path)
    assert await store.read("a", "b") == (b"1", None)
    await store.close()
