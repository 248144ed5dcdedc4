"""Two gateways on the files of one demo, as two machines behind a balancer: each on a loopback address of its own, with the same
ports, so that the samples of deploy/ need no other change than names and places."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.deploy.running import until
from tests.stories.conftest import free_base
from tests.visitor import Answer, Demo, Visitor

# Of this process alone, so the ports are free whoever else tests on this machine.
_NETWORK = f"127.{1 + os.getpid() % 250}.{1 + os.getpid() // 250 % 250}"
ADDRESSES = {"a": f"{_NETWORK}.11", "b": f"{_NETWORK}.12"}
PEOPLE, CARDS, CLEAR, MANAGEMENT = 10443, 18444, 18080, 19180
DEEP = "/Trajectoire/Pages/AccesRestreint/x"


class Pair:
    """Gateways ``a`` and ``b`` behind a balancer that listens at ``front`` for people and ``card_front`` for cards."""

    def __init__(self, demo: Demo, folder: Path) -> None:
        self.demo = demo
        self.folder = folder
        self.front = free_base()
        self.card_front = self.front + 1
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._about = dict(demo.about)
        for name, address in ADDRESSES.items():
            (demo.folder / f"{name}.toml").write_text(self._config(address))
        demo.about["gateway"] = f"https://localhost:{self.front}"
        demo.about["card"] = f"https://localhost:{self.card_front}"

    def _config(self, address: str) -> str:
        """The demo's own configuration, at this address; people and cards come by the balancer."""
        text = (self.demo.folder / "gateway.toml").read_text()
        people = int(self._about["gateway"].rpartition(":")[2])
        listening = {0: PEOPLE, 1: CARDS, 3: MANAGEMENT, 9: CLEAR}
        for place, port in listening.items():
            text = text.replace(f'address = "127.0.0.1:{people + place}"', f'address = "{address}:{port}"')
        text = text.replace(f"localhost:{people}", f"localhost:{self.front}")
        text = text.replace(f"localhost:{people + 1}", f"localhost:{self.card_front}")
        text = text.replace(f"https://127.0.0.1:{people + 1}", f"https://127.0.0.1:{self.card_front}")
        return text.replace('state_dir = "state"\n', 'state_dir = "state"\ndrain = 5\n')

    def start(self, name: str) -> None:
        line = [sys.executable, "-W", "ignore", "-m", "gateway", "serve", "--config", f"{self.demo.folder}/{name}.toml"]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(line, stdout=log, stderr=log, start_new_session=True)

    def kill(self, name: str) -> None:
        """All its processes at once, as when the machine loses its current."""
        os.killpg(self.processes[name].pid, signal.SIGKILL)
        self.processes[name].wait()

    def ready(self, name: str) -> bool:
        """Whether it says so itself."""
        process = self.processes[name]
        assert process.poll() is None, (self.folder / f"{name}.log").read_text()
        with contextlib.suppress(OSError):
            where = f"http://{ADDRESSES[name]}:{MANAGEMENT}/readyz"
            with urllib.request.urlopen(where, timeout=2) as answer:
                return bool(answer.status == 200)
        return False

    def served(self, name: str) -> int:
        """Requests for protected pages in its access log so far."""
        lines = (self.folder / f"{name}.log").read_text().splitlines()
        return sum(DEEP in line for line in lines)

    def stop(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@contextmanager
def pair(demo: Demo, folder: Path) -> Iterator[Pair]:
    made = Pair(demo, folder)
    try:
        for name in ADDRESSES:
            made.start(name)
        for name in ADDRESSES:
            until(lambda name=name: made.ready(name), 40)  # type: ignore[misc]
        yield made
    finally:
        made.stop()


class Load(threading.Thread):
    """One person who asks without pause on one connection after the other, until told; ``answers`` keeps every status,
    0 for a connection that broke."""

    def __init__(self, visitor: Visitor) -> None:
        super().__init__()
        self._visitor = visitor
        self._over = threading.Event()
        self.answers: list[int] = []

    def run(self) -> None:
        while not self._over.is_set():
            url = f"{self._visitor.demo.about['gateway']}{DEEP}?n={len(self.answers)}"
            try:
                self.answers.append(self._visitor.raw("GET", url, None, {}).status)
            except OSError:
                self.answers.append(0)

    def end(self) -> list[int]:
        self._over.set()
        self.join()
        return self.answers


def echo(visitor: Visitor, **headers: str) -> dict[str, list[str]]:
    """What the application received with a request of this person, by lower-case header name."""
    answer: Answer = visitor.raw(
        "GET", visitor.demo.about["gateway"] + DEEP, None, {"Accept": "application/json", **headers}
    )
    assert answer.status == 200, answer.text
    found: dict[str, list[str]] = {}
    for name, value in json.loads(answer.body)["headers"]:
        found.setdefault(name.lower(), []).append(value)
    return found


def wait_until_shared(pair: Pair, visitor: Visitor, name: str) -> None:
    """Until the balancer gives requests to this gateway (again)."""
    before = pair.served(name)
    deadline = time.monotonic() + 20
    while pair.served(name) == before:
        assert visitor.raw("GET", visitor.demo.about["gateway"] + DEEP, None, {}).status == 200
        assert time.monotonic() < deadline, f"the balancer does not use {name}"
