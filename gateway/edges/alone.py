"""Being the only one who does something: among the workers of a machine by a locked file, among machines by an advisory
lock of PostgreSQL. Either goes with whoever held it: killed, cut off, or its machine lost.

SQLite belongs to one machine, where the kernel's lock is as good as a server's; PostgreSQL's lock lives as long as its
connection, which is therefore nobody else's, and is looked at all the time.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psycopg

from gateway.edges.postgres_lines import Line, Lines
from gateway.ports import Hold

_CLASS = 7_247_202  # first key of our advisory locks, any fixed number; the second comes from the name
_LOOK = 2.0  # seconds between two looks at the connection


class _Kept:
    """The kernel keeps the lock as long as this process lives."""

    async def lost(self) -> None:
        await asyncio.Event().wait()


class _Line:
    def __init__(self, line: Line) -> None:
        self._line = line

    async def lost(self) -> None:
        while not self._line.only_reads:
            await asyncio.sleep(_LOOK)
            try:
                await self._line.execute("SELECT 1")
            except psycopg.Error:
                return


@asynccontextmanager
async def by_file(database: Path, name: str) -> AsyncIterator[Hold | None]:
    """``None``: another has it. Raises ``OSError``."""
    file = os.open(database.with_name(f"{database.name}.{name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield None
    else:
        yield _Kept()
    finally:
        os.close(file)


@asynccontextmanager
async def by_server(lines: Lines, name: str) -> AsyncIterator[Hold | None]:
    """``None``: another has it. Raises ``psycopg.Error``."""
    line = await lines.open()
    keys = (_CLASS, zlib.crc32(name.encode()) - 2**31)
    try:
        await line.set_autocommit(True)
        asked = await line.execute("SELECT pg_try_advisory_lock(%s::int, %s::int)", keys)
        row = await asked.fetchone()
        if row is None or not row[0]:
            yield None
            return
        try:
            yield _Line(line)
        finally:
            with suppress(psycopg.Error):  # gone already, and the lock with it
                await line.execute("SELECT pg_advisory_unlock(%s::int, %s::int)", keys)
    finally:
        await line.close()
