"""make bench: interleaved rounds, pinned cores, medians. CPU per request is the figure that noise does not move.

\b
python -m bench --list
python -m bench --scenario small-get --scenario tls-get --rounds 5
python -m bench --write        # and rewrite the tables of docs/performance.md
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from bench import account, report
from bench.load import LoadError, Numbers
from bench.oidc import apache_oidc
from bench.programs import Peer, Yard, missing
from bench.scenarios import ALL, SCENARIOS, Run, Scenario


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--scenario", action="append", choices=[*SCENARIOS, "workers", "all"], help="may be repeated")
    parser.add_argument("--peer", action="append", choices=ALL, help="may be repeated; nginx is always there")
    parser.add_argument("--seconds", type=float, default=3, help="of one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, default=Path("bench/results.json"))
    parser.add_argument("--write", action="store_true", help="rewrite the tables of docs/performance.md")
    parser.add_argument("--list", action="store_true", help="name the scenarios and end")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    if options.list:
        for one in SCENARIOS.values():
            print(f"{one.name:16} {one.text} ({one.unit}): {', '.join(one.peers)}")
        print(f"{'workers':16} 1 KiB GET with 1, 2 and 4 workers, not pinned: nginx, gateway")
        return
    asked = options.scenario or ["all"]
    names = [name for name in SCENARIOS if name in asked or "all" in asked]
    wanted = {"nginx", "gateway", *(options.peer or ALL)}
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryFile() as log:
        folder = Path(name)
        folder.chmod(0o755)  # nginx's worker is another user
        yard = Yard(folder, log)
        try:
            prepare(folder)
            yard.open_origin()
            peers, absent, start = line_up(yard, wanted & {one for key in names for one in SCENARIOS[key].peers})
            run = Run(yard, asyncio.run(account.cookie(folder)), options.seconds)
            found = {key: measure(SCENARIOS[key], run, peers, options.rounds) for key in names}
            if "workers" in asked or "all" in asked:
                found["workers"] = workers(yard, run, options.rounds)
        finally:
            yard.stop()
    report.write(found, SCENARIOS, absent, start, options.json, tables=options.write)


def prepare(folder: Path) -> None:
    """Certificates of the servers, and a card."""
    from datetime import UTC, datetime

    from gateway.demo.cards import Holder, write_server_certificates, write_world

    now = datetime.now(UTC)
    write_server_certificates(folder, now)
    write_world(folder, [Holder("doctor", "cps", "899700000005", "Martin", "Claire")], now)


def line_up(yard: Yard, names: set[str]) -> tuple[dict[str, Peer], list[str], float]:
    """Start who takes part; who is not installed is named. And the seconds from start to first answer of ours."""
    began = time.monotonic()
    gateway = yard.gateway()
    start = time.monotonic() - began
    peers, absent = {"gateway": gateway, "nginx": yard.nginx_proxy()}, []
    needs = {"haproxy": "haproxy", "apache+oidc": "apache2", "go reverseproxy": "go"}
    make = {
        "nginx+auth": lambda: yard.auth_request(gateway),
        "haproxy": yard.haproxy,
        "apache+oidc": lambda: apache_oidc(yard),
        "go reverseproxy": yard.go,
        "naive aiohttp": yard.naive,
    }
    for name in sorted(names & make.keys()):
        if name in needs and missing(needs[name]):
            absent.append(name)
            print(f"{name}: {needs[name]} is not installed; left out", file=sys.stderr)
        else:
            peers[name] = make[name]()
    return peers, absent, start


def measure(scenario: Scenario, run: Run, peers: dict[str, Peer], rounds: int) -> dict[str, Numbers]:
    """Medians by program; the programs take turns in every round."""
    found: dict[str, list[Numbers]] = {}
    taking = [peers[name] for name in scenario.peers if name in peers]
    for _ in range(rounds):
        for peer in taking:
            try:
                warm = Run(run.yard, run.cookie, 1)
                if scenario.unit in ("requests/s", "round trips/s"):
                    scenario.round(warm, peer)
                before = peer.cpu()
                numbers = scenario.round(run, peer)
                numbers["cpu"] = (peer.cpu() - before) / numbers["count"] * 1e6
                numbers["rss"] = peer.rss() / 2**20
            except LoadError as error:
                raise SystemExit(f"{scenario.name}: {peer.name}: {error}") from None
            found.setdefault(peer.name, []).append(numbers)
            told = {key: round(value, 2) for key, value in numbers.items()}
            print(f"{scenario.name} {peer.name} {told}", file=sys.stderr)
    # Memory that one round gave back is used again by the next: of idle connections the round that cost most is true.
    summary = max if scenario.unit == "KiB each" else median
    return {
        name: {key: summary([one[key] for one in several]) for key in several[0]} for name, several in found.items()
    }


def workers(yard: Yard, run: Run, rounds: int) -> dict[str, Numbers]:
    """1, 2 and 4 workers of nginx and of ours, on all cores, load and origin included."""
    scenario, peers = SCENARIOS["small-get"], {}
    for count in (1, 2, 4):
        for made in (yard.nginx_proxy(count, None), yard.gateway(count, None)):
            made.name = f"{made.name} × {count}"
            peers[made.name] = made
    many = Scenario("workers", scenario.text, tuple(peers), scenario.round)
    return measure(many, run, peers, rounds)


if __name__ == "__main__":
    main()
