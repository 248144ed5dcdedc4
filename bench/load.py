"""The loads: wrk, curl, hey, openssl, and two small clients of our own; each gives numbers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

from bench.process import cores

Numbers = dict[str, float]
_SCALE = {"us": 1e-3, "ms": 1.0, "s": 1e3}


class LoadError(Exception):
    """The load did not run as it should; the figures would say nothing."""


def _pinned(line: list[str], seconds: float) -> str:
    core = cores()[1]
    done = subprocess.run(["taskset", "-c", str(core), *line], capture_output=True, text=True, timeout=seconds + 120)
    if done.returncode:
        raise LoadError(f"{line[0]}: {done.stderr[-300:]}")
    return done.stdout


def wrk(url: str, *, seconds: float, headers: dict[str, str], script: str = "", redirects: bool = False) -> Numbers:
    """One round of wrk: 32 keep-alive connections."""
    line = ["wrk", "-t1", "-c32", f"-d{max(1, round(seconds))}s", "--latency"]
    for name, value in headers.items():
        line += ["-H", f"{name}: {value}"]
    if script:
        line += ["-s", script]
    text = _pinned([*line, url], seconds)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    if bad:
        raise LoadError(f"{url}: {bad[1]} answers were neither 2xx nor 3xx")

    def latency(percent: str) -> float:
        found = re.search(percent + r"%\s+([0-9.]+)(us|ms|s)", text)
        assert found, text
        return float(found[1]) * _SCALE[found[2]]

    rate = re.search(r"Requests/sec:\s+([0-9.]+)", text)
    count = re.search(r"(\d+) requests in", text)
    assert rate and count, text
    return {"rate": float(rate[1]), "p50": latency("50"), "p99": latency("99"), "count": float(count[1])}


def hey(url: str, *, seconds: float, headers: dict[str, str], rate: int) -> Numbers:
    """A fixed rate over ten connections; latencies in milliseconds."""
    workers = 10
    line = ["hey", "-z", f"{round(seconds)}s", "-c", str(workers), "-q", str(rate // workers), "-o", "csv"]
    for name, value in headers.items():
        line += ["-H", f"{name}: {value}"]
    rows = _pinned([*line, url], seconds).splitlines()[1:]
    times = sorted(float(row.split(",")[0]) * 1e3 for row in rows)
    if not times or any(row.split(",")[6] != "200" for row in rows):
        raise LoadError(f"{url}: not every answer was 200")
    return {
        "rate": len(times) / seconds,
        "p50": times[len(times) // 2],
        "p99": times[int(len(times) * 0.99)],
        "count": float(len(times)),
    }


def download(url: str, headers: dict[str, str]) -> Numbers:
    return _curl(["-o", "/dev/null", "-w", "%{speed_download} %{http_code} %{size_download}"], url, headers)


def upload(url: str, headers: dict[str, str], file: Path) -> Numbers:
    wanted = ["-o", "/dev/null", "-H", "Expect:", "-T", str(file), "-X", "POST"]
    return _curl([*wanted, "-w", "%{speed_upload} %{http_code} %{size_upload}"], url, headers)


def _curl(line: list[str], url: str, headers: dict[str, str]) -> Numbers:
    for name, value in headers.items():
        line += ["-H", f"{name}: {value}"]
    speed, code, size = _pinned(["curl", "-sk", *line, url], 60).split()
    if code != "200":
        raise LoadError(f"{url}: {code}")
    return {"rate": float(speed) / 1e6, "count": 1, "bytes": float(size)}


def handshakes(port: int, *, seconds: float, version: str, pair: tuple[Path, Path] | None = None) -> Numbers:
    """New TLS connections, one after the other, nothing resumed."""
    line = ["openssl", "s_time", "-connect", f"127.0.0.1:{port}", "-new", "-time", str(max(1, round(seconds))), version]
    if pair is not None:
        line += ["-cert", str(pair[0]), "-key", str(pair[1])]
    text = _pinned(line, seconds)
    found = re.search(r"(\d+) connections in (\d+) real seconds", text)
    assert found, text
    return {"rate": int(found[1]) / int(found[2]), "count": float(found[1])}


def websockets(port: int, *, seconds: float, cookie: str) -> Numbers:
    """Round trips of 64-byte frames over 32 WebSockets."""
    return _own("bench.rounds", "websockets", str(port), str(seconds), cookie, seconds=seconds)


class Idle:
    """Many connections that did one request each and then stand still; in a process of their own."""

    def __init__(self, port: int, count: int, cookie: str, *, tls: bool) -> None:
        line = [sys.executable, "-m", "bench.rounds", "idle", str(port), str(count), cookie, "tls" if tls else "clear"]
        self._process = subprocess.Popen(line, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)

    def __enter__(self) -> Idle:
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != "ready":
            raise LoadError("the idle connections did not open")
        time.sleep(1.5)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate("\n", timeout=60)


def _own(*line: str, seconds: float) -> Numbers:
    found: Numbers = json.loads(_pinned([sys.executable, "-m", *line], seconds))
    return found
