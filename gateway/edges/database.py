"""The Records port, in SQLite or PostgreSQL: one schema, one transaction a call, uniqueness held by constraints.

SQLite: WAL, ``synchronous=FULL``, foreign keys, writers wait for each other. PostgreSQL: bounded pool, statement
time-outs. Migrations run under a lock, so that several workers starting at once do them once.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from gateway.edges.schema import metadata
from gateway.ports import Change, Delete, Insert, Row, Span, Update, Where
from gateway.reasons import RecordsUnavailable, Stale, Taken

_WAIT = 3.0  # seconds a call may take before the database counts as unavailable
_LOCK = 7_247_201  # advisory lock of the migrations, any fixed number
_POOL = 10
_READERS = 2  # long reads at once: what ten dashboards ask waits in line, and sign-ins do not
_PATIENCE = 15.0  # seconds a long read may take, its turn in the line included
_READER_CACHE = 32_768  # KiB of pages that a long read of SQLite may keep
_SQLITE_TAKEN = re.compile(r"UNIQUE constraint failed: ([a-z_]+\.[a-z_]+)")


class Database:
    """``url`` is sqlite:///path or postgresql+psycopg://…; both through SQLAlchemy Core."""

    def __init__(self, url: str) -> None:
        self._sqlite = url.startswith("sqlite:///")
        if self._sqlite:
            path = Path(url.removeprefix("sqlite:///"))
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            where = "sqlite+aiosqlite:///" + str(path)
            self._engine: AsyncEngine = create_async_engine(where, pool_size=4)
            self._readers: AsyncEngine = create_async_engine(
                where, pool_size=_READERS, max_overflow=0, pool_timeout=_PATIENCE
            )
            for engine in (self._engine, self._readers):
                sa.event.listen(engine.sync_engine, "connect", _prepare_sqlite)
                sa.event.listen(engine.sync_engine, "begin", _begin_sqlite)
            sa.event.listen(self._readers.sync_engine, "connect", _prepare_reader)
        else:
            self._engine = _postgres(url, _POOL, _WAIT, "-c statement_timeout=5000 -c lock_timeout=3000")
            patience = int(_PATIENCE * 900)  # the server gives up first: the connection then stays usable
            self._readers = _postgres(
                url, _READERS, _PATIENCE, f"-c statement_timeout={patience} -c lock_timeout=3000 -c jit=off"
            )

    async def migrate(self) -> None:
        """Bring the schema up to date; several callers at once do it once. Raises ``RecordsUnavailable``."""
        async with self._guarded(60), self._engine.connect() as connection:
            if not self._sqlite:
                await connection.execute(sa.text("SET statement_timeout = 0"))
                await connection.execute(sa.text("SET lock_timeout = 0"))
                await connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            else:
                await connection.execution_options(vtgw_write=True)
            await connection.run_sync(_upgrade)
            await connection.commit()

    async def is_current(self) -> bool:
        """Whether the schema is the one this version of the gateway was written for."""
        async with self._guarded(), self._engine.connect() as connection:
            return await connection.run_sync(_current)

    async def find(
        self,
        table: str,
        where: Where,
        *,
        order: Sequence[str] = (),
        limit: int | None = None,
    ) -> tuple[Row, ...]:
        source = _table(table)
        query = sa.select(source).where(*_conditions(source, where))
        for name in order:
            column = _column(source, name.removeprefix("-"))
            query = query.order_by(column.desc() if name.startswith("-") else column)
        if limit is not None:
            query = query.limit(limit)
        async with self._guarded(), self._engine.connect() as connection:
            return tuple(dict(row) for row in (await connection.execute(query)).mappings())

    async def count(self, table: str, where: Where) -> int:
        source = _table(table)
        query = sa.select(sa.func.count()).select_from(source).where(*_conditions(source, where))
        async with self._guarded(), self._engine.connect() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def read(self, statement: sa.Executable) -> tuple[Row, ...]:
        """The rows of one question, of those that may take long: these have a few connections and a time limit of
        their own, so that nobody's sign-in waits behind them. Raises ``RecordsUnavailable``."""
        async with self._guarded(_PATIENCE), self._readers.connect() as connection:
            return tuple(dict(row) for row in (await connection.execute(statement)).mappings())

    @asynccontextmanager
    async def long(self, wait: float) -> AsyncIterator[AsyncConnection]:
        """A connection for work of up to ``wait`` seconds that nobody waits for; the caller commits. Raises
        ``RecordsUnavailable``."""
        async with self._guarded(wait), self._engine.connect() as connection:
            if not self._sqlite:
                await connection.execute(sa.text(f"SET LOCAL statement_timeout = {int(wait * 1000)}"))
            yield connection

    async def write(self, *changes: Change) -> None:
        async with self._guarded(), self._engine.connect() as connection:
            await connection.execution_options(vtgw_write=True)
            await self._apply_all(connection, changes)
            await connection.commit()

    async def amend(self, table: str, where: Where, compose: Callable[[Row | None], Sequence[Change]]) -> None:
        source = _table(table)
        query = sa.select(source).where(*_conditions(source, where)).limit(1).with_for_update()
        async with self._guarded(), self._engine.connect() as connection:
            await connection.execution_options(vtgw_write=True)
            found = (await connection.execute(query)).mappings().first()
            await self._apply_all(connection, compose(None if found is None else dict(found)))
            await connection.commit()

    async def _apply_all(self, connection: AsyncConnection, changes: Sequence[Change]) -> None:
        for change, statement, rows in list(_steps(changes)):  # unknown names before anything is done
            await self._apply(connection, change, statement, rows)

    async def _apply(
        self, connection: AsyncConnection, change: Change, statement: Any, rows: Sequence[Mapping[str, Any]] | None
    ) -> None:
        try:
            result = await connection.execute(statement, rows)
        except IntegrityError as error:
            key = _taken(error)
            if key is None:
                raise
            raise Taken(key) from error
        if isinstance(change, Update) and result.rowcount != (1 if rows is None else len(rows)):
            raise Stale(f"{result.rowcount} rows of {change.table} match")

    async def close(self) -> None:
        await self._engine.dispose()
        await self._readers.dispose()

    @asynccontextmanager
    async def _guarded(self, wait: float = _WAIT) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(wait):
                yield
        except (DBAPIError, SQLAlchemyError, OSError, TimeoutError) as error:
            raise RecordsUnavailable("the database gives no answer") from error


def _prepare_sqlite(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA busy_timeout=2500")
    cursor.close()
    connection.isolation_level = None  # we say BEGIN ourselves


def _prepare_reader(connection: Any, _: Any) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA cache_size=-{_READER_CACHE}")
    cursor.execute("PRAGMA temp_store=MEMORY")
    cursor.execute("PRAGMA query_only=ON")
    cursor.close()


def _postgres(url: str, size: int, wait: float, options: str) -> AsyncEngine:
    return create_async_engine(
        url,
        pool_size=size,
        max_overflow=0,
        pool_timeout=wait,
        pool_pre_ping=True,
        connect_args={"connect_timeout": 2, "options": options},
    )


def _begin_sqlite(connection: sa.Connection) -> None:
    # A writer takes its lock at once: two that upgrade a read lock would block each other for good.
    writing = connection.get_execution_options().get("vtgw_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _table(name: str) -> sa.Table:
    if name not in metadata.tables:
        raise LookupError(f"no table {name}")
    return metadata.tables[name]


def _column(table: sa.Table, name: str) -> sa.Column[Any]:
    if name not in table.c:
        raise LookupError(f"no column {table.name}.{name}")
    return table.c[name]


def _conditions(table: sa.Table, where: Where) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    for name, value in where.items():
        column = _column(table, name)
        if value is None:
            found.append(column.is_(None))
        elif isinstance(value, Span):
            found.append(column.is_not(None))
            if value.after is not None:
                found.append(column >= value.after)
            if value.before is not None:
                found.append(column < value.before)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            found.append(column.in_(list(value)))
        else:
            found.append(column == value)
    return found


def _steps(changes: Sequence[Change]) -> Iterator[tuple[Change, Any, Sequence[Mapping[str, Any]] | None]]:
    """Statements in their order. Neighbouring insertions of one shape are one statement for many rows; so are updates
    that each name their row by its key: of these every one matches one row if as many rows match as there are."""
    for shape, group in groupby(changes, key=_shape):
        members = list(group)
        if shape is None or len(members) == 1:
            yield from ((change, _statement(change), None) for change in members)
            continue
        table = _table(shape[1])
        if shape[0] is Insert:
            for name in shape[2]:
                _column(table, name)
            yield members[0], sa.insert(table), [change.values for change in members if isinstance(change, Insert)]
            continue
        found = {"w": shape[3], "v": shape[2]}
        bound = {
            kind: {name: sa.bindparam(f"{kind}_{name}", type_=_column(table, name).type) for name in names}
            for kind, names in found.items()
        }
        statement = (
            sa.update(table)
            .where(*(_column(table, name) == one for name, one in bound["w"].items()))
            .values({_column(table, name): one for name, one in bound["v"].items()})
        )
        rows = [
            {f"v_{n}": v for n, v in change.values.items()} | {f"w_{n}": v for n, v in change.where.items()}
            for change in members
            if isinstance(change, Update)
        ]
        yield members[0], statement, rows


def _shape(change: Change) -> tuple[type, str, tuple[str, ...], tuple[str, ...]] | None:
    """What changes that can be one statement have in common."""
    if isinstance(change, Insert):
        return Insert, change.table, tuple(change.values), ()
    if not isinstance(change, Update) or not change.values:
        return None
    keys = {column.name for column in _table(change.table).primary_key}
    plain = all(isinstance(one, str | int | float | datetime) for one in change.where.values())
    return (
        (Update, change.table, tuple(change.values), tuple(change.where))
        if plain and keys <= set(change.where)
        else None
    )


def _statement(change: Change) -> Any:
    table = _table(change.table)
    match change:
        case Insert(_, values):
            return sa.insert(table).values({_column(table, name): value for name, value in values.items()})
        case Update(_, values, where):
            conditions = _conditions(table, where)
            if not conditions:
                raise LookupError("an update needs a condition")
            return sa.update(table).where(*conditions).values({_column(table, n): v for n, v in values.items()})
        case Delete(_, where):
            conditions = _conditions(table, where)
            if not conditions:
                raise LookupError("a deletion needs a condition")
            return sa.delete(table).where(*conditions)


def _taken(error: IntegrityError) -> str | None:
    """Which unique value was taken, as ``table.column``; ``None`` for another kind of violation."""
    match = _SQLITE_TAKEN.search(str(error.orig))
    if match:
        return match[1]
    diagnosis = getattr(error.orig, "diag", None)
    name = getattr(diagnosis, "constraint_name", None) or ""
    table = getattr(diagnosis, "table_name", None) or ""
    if getattr(error.orig, "sqlstate", None) != "23505":
        return None
    if name.startswith("uq_"):
        return f"{table}.{name.removeprefix(f'uq_{table}_')}"
    return f"{table}.{next(iter(metadata.tables[table].primary_key)).name}"


def _config(connection: sa.Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def _upgrade(connection: sa.Connection) -> None:
    command.upgrade(_config(connection), "head")


def _current(connection: sa.Connection) -> bool:
    head = ScriptDirectory.from_config(_config(connection)).get_current_head()
    return MigrationContext.configure(connection).get_current_revision() == head
