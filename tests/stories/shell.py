"""A gateway's configuration and files, without the gateway: what commands of the shell work on."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest
import structlog
from click.testing import CliRunner

from gateway.__main__ import cli
from gateway.edges import journal, logs
from gateway.edges.database import Database
from gateway.edges.sqlite_store import SqliteStore
from gateway.edges.system import SystemAmbient
from gateway.ports import Insert
from tests.smallest import SMALLEST

T = TypeVar("T")


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


class Place:
    """A gateway's configuration and files, without the gateway."""

    def __init__(self, folder: Path, command: str) -> None:
        self.command = command
        self.config = folder / "gateway.toml"
        self.config.write_text(SMALLEST)
        self.state = folder / "state"

    def shell(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``vt-gateway COMMAND …`` in a process of its own."""
        line = [
            sys.executable,
            "-m",
            "gateway",
            self.command,
            *arguments[:1],
            "--config",
            str(self.config),
            *arguments[1:],
        ]
        return subprocess.run(line, capture_output=True, text=True, timeout=60)

    def run(self, *arguments: str) -> Done:
        """The same in this process, where everything is imported already."""
        line = [self.command, *arguments[:1], "--config", str(self.config), *arguments[1:]]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(logs, "configure", lambda level: None)  # the log belongs to the test run
            patch.setattr(journal, "_log", structlog.wrap_logger(structlog.ReturnLogger()))
            found = CliRunner().invoke(cli, line)
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        return Done(found.exit_code, found.stdout, found.stderr)

    def read(self, *arguments: str) -> Any:
        """The JSON of a reading command."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def with_records(self, work: Callable[[Database], Awaitable[T]]) -> T:
        async def run() -> T:
            records = Database(f"sqlite:///{self.state / 'records.db'}")
            await records.migrate()
            try:
                return await work(records)
            finally:
                await records.close()

        return asyncio.run(run())

    def with_store(self) -> None:
        """The store that a gateway would have made."""

        async def run() -> None:
            store = SqliteStore(self.state / "store.db", SystemAmbient())
            await store.start()
            await store.close()

        asyncio.run(run())

    def acts(self, name: str) -> list[tuple[str, dict[str, str]]]:
        """What the audit holds of an account, oldest first."""
        with sqlite3.connect(self.state / "records.db") as db:
            found = db.execute(
                "SELECT act, facts FROM audit WHERE account = ? ORDER BY seq", (f"acc_{name}",)
            ).fetchall()
        db.close()
        return [(act, json.loads(facts)) for act, facts in found]

    def tree(self, *kinds: tuple[str, str | None, str]) -> None:
        """Scopes (id, parent, kind), parents first."""
        paths: dict[str | None, str] = {None: "/"}
        rows = []
        for scope, parent, kind in kinds:
            paths[scope] = f"{paths[parent]}{scope}/"
            values = {"id": scope, "parent_id": parent, "kind": kind, "name": scope.title(), "path": paths[scope]}
            rows.append(Insert("scopes", {**values, "revision": 0, "updated_at": NOW, "version": 1}))
        self.with_records(lambda records: records.write(*rows))


NOW = datetime.now(UTC)
TREE = (("nation", None, "nation"), ("aura", "nation", "region"), ("ehpad", "aura", "etablissement"))
