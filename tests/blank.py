"""Databases for tests, empty or with today's schema.

Migrating takes a tenth of a second; a copy of what was migrated once takes much less, and thousands of tests want one.
"""

from __future__ import annotations

import asyncio
import atexit
import itertools
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import psycopg

from gateway.edges.database import Database
from tests.servers import PostgresServer

_NUMBERS = itertools.count(1)


async def opened(url: str) -> Database:
    """The database at this address with today's schema; a SQLite file that is not there is a copy."""
    path = Path(url.removeprefix("sqlite:///"))
    if url.startswith("sqlite:///") and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(_file(os.getpid()), path)
    database = Database(url)
    await database.migrate()
    return database


class Blank:
    """Databases of one engine, each in a place of its own; ``server`` ``None``: SQLite files in the folder."""

    def __init__(self, folder: Path, server: PostgresServer | None) -> None:
        self._folder = folder
        self._server = server
        self._template: str | None = None

    def empty(self) -> str:
        name = f"test_{next(_NUMBERS)}"
        if self._server is None:
            return f"sqlite:///{self._folder / name}.db"
        self._say(f"CREATE DATABASE {name}")
        return self._at(name)

    def migrated(self) -> str:
        name = f"test_{next(_NUMBERS)}"
        if self._server is None:
            shutil.copyfile(_file(os.getpid()), self._folder / f"{name}.db")
            return f"sqlite:///{self._folder / name}.db"
        if self._template is None:
            self._template = self.empty()
            _migrate(self._template)
        self._say(f"CREATE DATABASE {name} TEMPLATE {self._template.rpartition('/')[2]}")
        return self._at(name)

    def copy(self, url: str) -> str:
        """A database of its own with all that stands in that one, which nobody is connected to."""
        name = f"test_{next(_NUMBERS)}"
        if self._server is None:
            shutil.copyfile(url.removeprefix("sqlite:///"), self._folder / f"{name}.db")
            return f"sqlite:///{self._folder / name}.db"
        self._say(f"CREATE DATABASE {name} TEMPLATE {url.rpartition('/')[2]}")
        return self._at(name)

    def _at(self, name: str) -> str:
        assert self._server is not None
        return f"{self._server.url.rpartition('/')[0]}/{name}"

    def _say(self, sentence: str) -> None:
        assert self._server is not None
        with psycopg.connect(self._server.url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(sentence)


@cache
def _file(process: int) -> Path:
    """A migrated SQLite file of this process."""
    path = Path(tempfile.mkdtemp(prefix=f"schema-{process}-")) / "schema.db"
    atexit.register(shutil.rmtree, path.parent, ignore_errors=True)
    _migrate(f"sqlite:///{path}")
    return path


def _migrate(url: str) -> None:
    async def work() -> None:
        database = Database(url)
        await database.migrate()
        await database.close()

    with ThreadPoolExecutor(1) as thread:  # this thread may have an event loop that runs
        thread.submit(lambda: asyncio.run(work())).result()
