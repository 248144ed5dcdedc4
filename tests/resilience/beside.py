"""Gateways beside a demo: its simulators, keys, people and addresses, other ports, and memory and records of their own.

The demo's own gateway is moved to ports nobody knows; the addresses in ``demo.json`` are for who stands in its place.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.servers import free_ports
from tests.visitor import Demo

LISTENERS = {"public": "gateway", "card": "card", "plain": "gateway_plain", "management": "management"}


def aside() -> dict[str, str]:
    """The environment that moves a demo's own gateway out of the way, and keeps it from working by itself."""
    ports = zip(LISTENERS, free_ports(len(LISTENERS)), strict=True)
    moved = {f"GATEWAY_LISTEN__{name.upper()}__ADDRESS": f"127.0.0.1:{port}" for name, port in ports}
    return {**moved, "GATEWAY_JOBS__EVERY": "3600"}


def port_of(demo: Demo, listener: str) -> int:
    """The port where people look for this listener."""
    return int(demo.about[LISTENERS[listener]].rsplit(":", 1)[1])


def beside(demo: Demo, name: str, *, store: str, records: str, workers: int = 1) -> tuple[Path, dict[str, int]]:
    """The configuration file of one more gateway in the demo's folder, and its ports by listener."""
    text = (demo.folder / "gateway.toml").read_text()
    ports = dict(zip(LISTENERS, free_ports(len(LISTENERS)), strict=True))
    for listener, port in ports.items():
        before = f'address = "127.0.0.1:{port_of(demo, listener)}"'
        assert text.count(before) == 1
        text = text.replace(before, f'address = "127.0.0.1:{port}"')
    before = 'state_dir = "state"\n'
    assert text.count(before) == 1
    text = text.replace(before, f'state_dir = "state-{name}"\nworkers = {workers}\ndrain = 3\n')
    path = demo.folder / f"gateway-{name}.toml"
    path.write_text(f"{text}[store]\nurl = {json.dumps(store)}\n[records]\nurl = {json.dumps(records)}\n")
    return path, ports
