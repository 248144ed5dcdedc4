"""A gateway beside the demo, which is its mailbox and its backend: with records, store and state of its own, stopped and
started again as a test wants."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
import structlog
from click.testing import CliRunner

from experiments.people import populate
from gateway import trail
from gateway.__main__ import cli
from gateway.edges import journal, logs
from gateway.edges.database import Database
from gateway.epoch import epochs
from tests.deploy.running import DEPLOY, replaced, until
from tests.stories.conftest import free_base
from tests.visitor import Demo, Visitor

T = TypeVar("T")
BACKUP = DEPLOY / "backup"


class Site:
    """``url``: of its records, which are seeded here; ``store``: of its store, otherwise a file. ``demo`` is a description
    of its own: where people and cards are asked is changed in it."""

    def __init__(self, demo: Demo, folder: Path, url: str, *, store: str = "", workers: int = 1) -> None:
        populate(url, demo.folder / "gateway.toml")
        self.demo = demo
        self.folder = folder
        self.url = url
        self.config = demo.folder / "site.toml"
        self.log = folder / "log"
        base, own = free_base(), int(demo.about["gateway"].rpartition(":")[2])
        changes = {
            f'address = "127.0.0.1:{own + place}"': f'address = "127.0.0.1:{base + place}"' for place in (0, 1, 3, 9)
        }
        changes |= {f"localhost:{own + place}": f"localhost:{base + place}" for place in (0, 1)}
        changes['state_dir = "state"'] = f'state_dir = "{folder}/state"\ndrain = 2\nworkers = {workers}'
        text = replaced((demo.folder / "gateway.toml").read_text(), changes)
        text = text.replace(f"https://127.0.0.1:{own + 1}", f"https://127.0.0.1:{base + 1}")
        text += f'[records]\nurl = "{url}"\n'
        self.config.write_text(text + (f'[store]\nurl = "{store}"\n' if store else ""))
        self._management = f"http://127.0.0.1:{base + 3}"
        demo.about |= {"gateway": f"https://localhost:{base}", "card": f"https://localhost:{base + 1}"}

    def ready(self) -> bool:
        try:
            return Visitor(self.demo).raw("GET", self._management + "/readyz", None, {}).status == 200
        except OSError:
            return False

    def metric(self, name: str) -> list[float]:
        """The value in each worker."""
        text = Visitor(self.demo).raw("GET", self._management + "/metrics", None, {}).text
        lines = [line for line in text.splitlines() if line.startswith((name + " ", name + "{"))]
        return [float(line.rpartition(" ")[2]) for line in lines]

    @contextmanager
    def serving(self) -> Iterator[None]:
        line = [sys.executable, "-W", "ignore", "-m", "gateway", "serve", "--config", str(self.config)]
        with self.log.open("ab") as log:
            process = subprocess.Popen(line, stdout=log, stderr=log)
        try:
            until(lambda: process.poll() is not None or self.ready(), 90)
            assert process.poll() is None, self.log.read_text()
            yield
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def shell(self, command: str, *arguments: str, code: int = 0) -> str:
        """``vt-gateway COMMAND …`` with this configuration, in this process; what it printed."""
        silent = structlog.wrap_logger(structlog.ReturnLogger())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(logs, "configure", lambda level: None)  # the log belongs to the test run
            for room in (journal, trail, epochs):
                patch.setattr(room, "_log", silent)
            found = CliRunner().invoke(cli, [*command.split(), "--config", str(self.config), *arguments])
        assert found.exit_code == code, (found.output, found.exception)
        return found.output

    def script(self, name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A script of deploy/backup with this configuration."""
        told = {**os.environ, "VTGW": f"{sys.executable} -m gateway", **environment}
        line = ["sh", str(BACKUP / name), str(self.config), *arguments]
        return subprocess.run(line, env=told, capture_output=True, text=True, timeout=200, check=False)

    def records(self, work: Callable[[Database], Awaitable[T]]) -> T:
        async def open_and_close() -> T:
            records = Database(self.url)
            try:
                return await work(records)
            finally:
                await records.close()

        return asyncio.run(open_and_close())
