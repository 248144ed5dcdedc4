"""The soak and the bench themselves run: a few seconds of each, and numbers come out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.servers import program

ROOT = Path(__file__).parents[1]


def test_the_soak_runs_and_judges() -> None:
    program("nginx", "nginx-light", Path("/usr/sbin/nginx"))
    line = [sys.executable, "-m", "soak", "--minutes", "0.06"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout[done.stdout.index("{") :])
    assert found["wrong"] == {}
    assert all(found["rounds"].values())


def test_the_bench_runs_and_its_numbers_are_numbers(tmp_path: Path) -> None:
    program("nginx", "nginx-light", Path("/usr/sbin/nginx"))
    program("wrk", "wrk")
    path = tmp_path / "results.json"
    line = [
        sys.executable,
        "-m",
        "bench",
        "--seconds",
        "1",
        "--rounds",
        "1",
        "--scenario",
        "tls-get",
        "--json",
        str(path),
    ]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found = json.loads(path.read_text())["scenarios"]["tls-get"]
    assert set(found) == {"nginx", "gateway"}
    for numbers in found.values():
        assert all(numbers[name] > 0 for name in ("rate", "cpu", "p50", "p99", "rss", "count"))
