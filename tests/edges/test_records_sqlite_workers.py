"""Several workers on one SQLite file, killed at any instant again and again: nothing acknowledged is lost, nothing is half
done, nothing is had twice, and nobody waits longer than for a lock."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.blank import Blank

ROOT = Path(__file__).parents[2]
WORKERS = 4
SECONDS = 4.0
CALL = 3.5  # seconds: what a call may take at most, and what a busy machine adds


@dataclass
class Told:
    """What the workers were told: by kind, what stands behind it, and how often."""

    said: dict[str, Counter[str]] = field(default_factory=dict)
    kills: int = 0

    def __getitem__(self, kind: str) -> Counter[str]:
        return self.said.get(kind, Counter())

    @property
    def longest(self) -> float:
        return max(map(float, self["took"]))


@contextmanager
def mother(what: str, url: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    line = [sys.executable, "-m", "tests.edges.sqlite_worker", what, url, str(folder)]
    with subprocess.Popen(line, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def trouble(what: str, url: str, folder: Path) -> Told:
    """Workers at work, one of them killed every fraction of a second and followed by another; all killed at the end."""
    chance = random.Random(7)
    told, alive = Told(), []
    with mother(what, url, folder) as process:
        assert process.stdin is not None and process.stdout is not None

        def one_more() -> int:
            print(f"w{told.kills}-{len(alive)}", file=process.stdin, flush=True)
            return int(process.stdout.readline())  # type: ignore[union-attr]

        try:
            while len(alive) < WORKERS:
                alive.append(one_more())
            until = time.monotonic() + SECONDS
            while time.monotonic() < until:
                time.sleep(0.05 + chance.random() * 0.25)
                os.kill(alive.pop(chance.randrange(WORKERS)), signal.SIGKILL)
                told.kills += 1
                alive.append(one_more())
        finally:
            for one in alive:
                os.kill(one, signal.SIGKILL)
    for file in folder.iterdir():
        for sentence in file.read_text().splitlines():
            kind, _, rest = sentence.partition(" ")
            told.said.setdefault(kind, Counter())[rest] += 1
    return told


def test_records_of_several_workers_outlive_any_kill(sqlite_blank: Blank, tmp_path: Path) -> None:
    url = sqlite_blank.migrated()
    file = Path(url.removeprefix("sqlite:///"))
    with sqlite3.connect(file) as database:
        database.execute("INSERT INTO revisions (name, value) VALUES ('sum', 0)")
    database.close()
    told = trouble("records", url, tmp_path)
    database = sqlite3.connect(file)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    rows = dict(database.execute("SELECT name, value FROM revisions"))
    database.close()
    print(f"{told.kills} kills, {len(told['pair'])} pairs, longest call {told.longest:.2f} s, {told['unavailable']}")
    assert told.kills >= 10
    assert len(told["pair"]) >= 20
    assert {f"{pair}-{side}" for pair in told["pair"] for side in "ab"} <= set(rows)
    assert sum(name.startswith("pair-") for name in rows) % 2 == 0
    assert not told["half"]
    counted = told["sum"]["1"]
    assert counted <= rows["sum"] <= counted + told.kills + WORKERS + told["unavailable"]["1"]
    assert set(told["won"].values()) == {1}
    assert set(told["won"]) <= set(rows)
    assert told.longest < CALL


def test_the_store_of_several_workers_outlives_any_kill(tmp_path: Path) -> None:
    folder = tmp_path / "said"
    folder.mkdir()
    file = tmp_path / "store.db"
    told = trouble("store", f"sqlite:///{file}", folder)
    database = sqlite3.connect(file)
    assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    entries = dict(database.execute("SELECT key, value FROM entries"))
    database.close()
    counted = told["sum"]["1"]
    assert counted <= int(entries["sum"]) <= counted + told.kills + WORKERS + told["unavailable"]["1"]
    assert set(told["won"]) <= set(entries)
    print(f"{told.kills} kills, {told['sum']['1']} swaps, longest call {told.longest:.2f} s, {told['unavailable']}")
    assert told.kills >= 10
    assert set(told["won"].values()) == {1}
    assert told.longest < CALL
