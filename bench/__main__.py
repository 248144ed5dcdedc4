"""make bench: interleaved rounds, pinned cores, medians. CPU per request is the figure that noise does not move.

python -m bench [--seconds N] [--rounds N] [--scenario small|large|all]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench import peers

SCENARIOS = {"small": "/small", "large": "/large"}


async def session(folder: Path) -> str:
    """A signed-in session in the gateway's own store; the ticket, for the cookie."""
    from gateway.deployment import charter
    from gateway.edges.database import Database
    from gateway.edges.sqlite_store import SqliteStore
    from gateway.edges.system import SystemAmbient
    from gateway.identity import Assurance, Identity, Method, NationalId, Proof, Space
    from gateway.ports import Insert
    from gateway.session.keeper import Keeper
    from gateway.session.model import Lifetimes
    from gateway.settings import load

    ambient = SystemAmbient()
    now = ambient.now()
    settings = load(folder / "gateway.toml")
    records = Database(f"sqlite:///{folder / 'state/records.db'}")
    row = {
        "id": "acc_bench", "national_id": "899700000005", "family_name": "MARTIN", "given_name": "Claire", "profession": "10",
        "password_must_change": False, "origin": "strong", "space_default": "liberal", "created_at": now, "updated_at": now,
        "last_sign_in_at": now, "charter_version": charter(settings).stamp, "version": 1,
    }  # fmt: skip
    await records.write(Insert("accounts", row))
    await records.close()
    store = SqliteStore(folder / "state/store.db", ambient)
    await store.start()
    proof = Proof(
        Identity(NationalId("8", "99700000005"), "MARTIN", "Claire", "10"), Method.CPS, Assurance.SUBSTANTIAL, now
    )
    ticket, _ = await Keeper(store, store, ambient).open("acc_bench", Space.LIBERAL, (proof,), Lifetimes(), now)
    await store.close()
    return ticket


def load_once(url: str, cookie: str, seconds: int, core: int) -> dict[str, float]:
    """One round of wrk: 32 connections, keep-alive."""
    line = [
        "taskset",
        "-c",
        str(core),
        "wrk",
        "-t1",
        "-c32",
        f"-d{seconds}s",
        "--latency",
        "-H",
        f"Cookie: {cookie}",
        url,
    ]
    text = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    if bad:
        raise SystemExit(f"{url}: {bad[1]} answers were not 200")
    scale = {"us": 1e-3, "ms": 1.0, "s": 1e3}
    value = re.search(r"99%\s+([0-9.]+)(us|ms|s)", text)
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", text)
    count = re.search(r"(\d+) requests in", text)
    assert value and rate and count, text
    return {"rps": float(rate[1]), "p99": float(value[1]) * scale[value[2]], "count": float(count[1])}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scenario", choices=[*SCENARIOS, "all"], default="all")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    tested, other = cores[-1], cores[0]  # the program under test has its core alone; load and origin share the other
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryFile() as log:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's worker is another user
        ports = {key: peers.free_port() for key in ("origin", "gateway", "management", "nginx", "naive")}
        programs = {"origin": peers.origin(folder, ports["origin"], other, log)}
        began = time.monotonic()
        programs["gateway"] = peers.gateway(folder, ports, tested, log)
        peers.wait_for(ports["gateway"])
        started = time.monotonic() - began
        programs["nginx"] = peers.nginx_proxy(folder, ports["nginx"], ports["origin"], tested, log)
        programs["naive"] = peers.naive(ports["naive"], ports["origin"], tested, log)
        for key in ("origin", "nginx", "naive"):
            peers.wait_for(ports[key])
        cookie = "__Host-vtgw=" + asyncio.run(session(folder)) + "; ASP.NET_SessionId=abcdef0123456789"
        rounds: dict[str, dict[str, list[dict[str, float]]]] = {}
        try:
            for scenario, path in SCENARIOS.items():
                if options.scenario not in (scenario, "all"):
                    continue
                for _ in range(options.rounds):
                    for peer in ("nginx", "gateway", "naive"):
                        program = programs[peer]
                        url = f"http://127.0.0.1:{ports[peer]}{path}"
                        load_once(url, cookie, 1, other)
                        before = program.cpu()
                        found = load_once(url, cookie, options.seconds, other)
                        found["cpu"] = (program.cpu() - before) / found["count"] * 1e6
                        found["rss"] = program.rss() / 1e6
                        rounds.setdefault(scenario, {}).setdefault(peer, []).append(found)
                        print(scenario, peer, {key: round(value, 2) for key, value in found.items()}, file=sys.stderr)
        finally:
            for program in programs.values():
                program.stop()
    report(rounds, started)


def report(rounds: dict[str, dict[str, list[dict[str, float]]]], started: float) -> None:
    """JSON to bench/results.json, a table to stdout."""
    medians = {
        scenario: {
            peer: {key: statistics.median(one[key] for one in found) for key in found[0]} for peer, found in by.items()
        }
        for scenario, by in rounds.items()
    }
    machine = (
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    data = {"at": datetime.now(UTC).isoformat(), "machine": machine, "start_seconds": started, "medians": medians}
    Path("bench/results.json").write_text(json.dumps(data, indent=1) + "\n")
    print(f"Machine: {machine}. Start of `serve` to first connection: {started:.2f} s.\n")
    print("| Scenario | Program | requests/s | to nginx | CPU per request (µs) | p99 (ms) | RSS (MB) |")
    print("|---|---|---|---|---|---|---|")
    for scenario, by in medians.items():
        for peer, one in by.items():
            ratio = one["rps"] / by["nginx"]["rps"]
            print(
                f"| {scenario} GET | {peer} | {one['rps']:,.0f} | {ratio:.2f} | {one['cpu']:.1f} | {one['p99']:.2f} "
                f"| {one['rss']:.0f} |"
            )


if __name__ == "__main__":
    main()
