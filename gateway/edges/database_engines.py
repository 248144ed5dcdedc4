"""Engines over SQLite and PostgreSQL: what each connection is told when it is made, and when it is left for another."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from gateway.database_url import PostgresUrl
from gateway.edges.database_faults import is_left
from gateway.edges.postgres_lines import Line, Lines

_READER_CACHE = 32_768  # KiB of pages that a long read of SQLite may keep
_BUSY = 2500  # milliseconds a writer of SQLite waits for another


@dataclass(slots=True)
class Doubt:
    """Connections asked for before ``since`` may lead to a server that is gone; all pools share it. By the monotonic clock:
    SQLAlchemy's own mark is a time of day, and a clock set back an hour would make it reconnect for an hour."""

    since: float = 0.0

    def arise(self) -> None:
        self.since = time.monotonic()


def sqlite(path: Path, *, readers: int, patience: float) -> tuple[AsyncEngine, AsyncEngine]:
    """The engine for all, and the one for long reads; the file is made when it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    where = f"sqlite+aiosqlite:///{path}"
    main = create_async_engine(where, pool_size=4)
    long = create_async_engine(where, pool_size=readers, max_overflow=0, pool_timeout=patience)
    for engine in (main, long):
        sa.event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        sa.event.listen(engine.sync_engine, "begin", _begin_sqlite)
    sa.event.listen(long.sync_engine, "connect", _prepare_reader)
    return main, long


def postgres(url: PostgresUrl, lines: Lines, doubt: Doubt, *, size: int, wait: float) -> AsyncEngine:
    """A bounded pool of such lines; ``wait``: seconds a caller may wait for its turn."""
    user, password, name = (url.parameters.get(one) for one in ("user", "password", "dbname"))
    host, port = url.hosts[0]
    engine = create_async_engine(
        sa.URL.create("postgresql+psycopg", user, password, host or None, int(port) if port else None, name),
        pool_size=size,
        max_overflow=0,
        pool_timeout=wait,
        async_creator=lines.open,
    )

    def checkout(connection: Any, record: Any, _: Any) -> None:
        line: Line = record.driver_connection
        if not line.used:
            line.used = True
            return
        if line.born < doubt.since:
            raise DisconnectionError("the server did not answer lately")
        try:
            engine.dialect.do_ping(connection)
        except psycopg.Error as error:
            doubt.arise()
            raise DisconnectionError(str(error)) from error
        if lines.writes and line.only_reads:
            doubt.arise()
            raise DisconnectionError("the server takes no writes any more")

    def fault(context: ExceptionContext) -> None:
        error = context.original_exception
        if is_left(error):
            context.is_disconnect = True
        context.invalidate_pool_on_disconnect = False
        if context.is_disconnect and isinstance(error, psycopg.Error):
            doubt.arise()

    sa.event.listen(engine.sync_engine, "checkout", checkout)
    sa.event.listen(engine.sync_engine, "handle_error", fault)
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(f"PRAGMA busy_timeout={_BUSY}")
    cursor.close()
    connection.isolation_level = None  # we say BEGIN ourselves


def _prepare_reader(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA cache_size=-{_READER_CACHE}")
    cursor.execute("PRAGMA temp_store=MEMORY")
    cursor.execute("PRAGMA query_only=ON")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    # A writer takes its lock at once: two that upgrade a read lock would block each other for good.
    writing = connection.get_execution_options().get("vtgw_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
