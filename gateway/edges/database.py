"""The Records port, in SQLite or PostgreSQL: one schema, one transaction a call, uniqueness held by constraints.

SQLite: WAL, ``synchronous=FULL``, foreign keys, writers wait for each other. PostgreSQL: bounded pools, one server of
several, time limits of which the server's end before the callers'. A database that is down costs nothing after a few
failures in a row, and is used again within two seconds of its return.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.database_url import parse
from gateway.edges import alone, database_engines, migrating
from gateway.edges.circuit import Circuit, CircuitOpen
from gateway.edges.database_faults import Down, is_repeatable, told
from gateway.edges.database_statements import chosen, conditions, source_of, steps, table_of, taken
from gateway.edges.postgres_lines import UNTIL, Lines
from gateway.ports import Change, Find, Hold, Row, Update, Where
from gateway.reasons import RecordsUnavailable, Stale, Taken

_WAIT = 3.0  # seconds a call may take before the database counts as unavailable
_TURN = 2.5  # seconds a call may wait for a connection: a pool in use all along is no server that is gone
_MIGRATION = 120.0  # seconds for all steps of a migration
_READERS = 2  # long reads at once: what ten dashboards ask waits in line, and sign-ins do not
_PATIENCE = 15.0  # seconds a long read may take, its turn in the line included
_AGAIN = 3  # times a transaction is done when the server says that nothing of it happened


class Database:
    """``url`` is sqlite:///path or postgresql+psycopg://… (``gateway.database_url``); ``pool``: connections to a
    PostgreSQL at most, beside those of long reads and of ``alone``."""

    def __init__(self, url: str, pool: int = 10) -> None:
        self._sqlite = url.startswith("sqlite:///")
        self._circuit = Circuit(time.monotonic)
        self._doubt = database_engines.Doubt()
        self._engine: AsyncEngine
        self._readers: AsyncEngine
        if self._sqlite:
            self._path = Path(url.removeprefix("sqlite:///"))
            self._engine, self._readers = database_engines.sqlite(self._path, readers=_READERS, patience=_PATIENCE)
            self._reading = self._engine
            return
        address = parse(url)
        # The server gives up before the caller does: its connection stays usable, and the circuit hears an answer.
        limits = {"statement_timeout": "2500", "lock_timeout": "2000"}
        self._lines = Lines(address, limits)
        limits = {"statement_timeout": f"{int(_PATIENCE * 900)}", "lock_timeout": "3000", "jit": "off"}
        readers = Lines(address, limits)
        self._engine = database_engines.postgres(address, self._lines, self._doubt, size=pool, wait=_TURN)
        self._readers = database_engines.postgres(address, readers, self._doubt, size=_READERS, wait=_PATIENCE * 0.9)
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")  # no BEGIN and no ROLLBACK

    async def migrate(self) -> None:
        """Bring the schema up to date; several callers at once do it once. A schema that a newer version made stays as it
        is. Raises ``RecordsUnavailable``."""
        async with self._told(_MIGRATION), self._engine.connect() as connection:
            if self._sqlite:
                await connection.execution_options(vtgw_write=True)
                await migrating.upgrade_sqlite(connection)
                await connection.commit()
                return
            try:
                await migrating.upgrade_postgres(connection)
            finally:
                await connection.invalidate()  # it has no time limits, and holds the lock

    async def is_current(self) -> bool:
        """Whether the schema is one that this version of the gateway works on."""
        async with self._guarded(), self._engine.connect() as connection:
            return await connection.run_sync(migrating.current)

    async def find(
        self,
        table: str,
        where: Where,
        *,
        order: Sequence[str] = (),
        limit: int | None = None,
    ) -> tuple[Row, ...]:
        (found,) = await self.find_all(Find(table, where, order, limit))
        return found

    async def find_all(self, *questions: Find) -> tuple[tuple[Row, ...], ...]:
        queries = [chosen(one) for one in questions]
        async with self._guarded(), self._reading.connect() as connection:
            found = [(await connection.execute(query)).mappings().all() for query in queries]
        return tuple(tuple(dict(row) for row in rows) for rows in found)

    async def count(self, table: str, where: Where) -> int:
        source = source_of(table)
        query = sa.select(sa.func.count()).select_from(source).where(*conditions(source, where))
        async with self._guarded(), self._reading.connect() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def read(self, statement: sa.Executable) -> tuple[Row, ...]:
        """The rows of one question, of those that may take long: these have a few connections and a time limit of
        their own, so that nobody's sign-in waits behind them. Raises ``RecordsUnavailable``."""
        await self._there()
        async with self._told(_PATIENCE), self._readers.connect() as connection:
            return tuple(dict(row) for row in (await connection.execute(statement)).mappings())

    @asynccontextmanager
    async def long(self, wait: float) -> AsyncIterator[AsyncConnection]:
        """A connection for work of up to ``wait`` seconds that nobody waits for; the caller commits. Raises
        ``RecordsUnavailable``."""
        await self._there()
        async with self._told(wait), self._engine.connect() as connection:
            if not self._sqlite:
                for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
                    await connection.execute(sa.text(f"SET LOCAL {name} = {int(wait * 900)}"))
            yield connection

    async def write(self, *changes: Change) -> None:
        async with self._guarded():
            for left in reversed(range(_AGAIN)):
                try:
                    async with self._writing() as connection:
                        await self._apply_all(connection, changes)
                        await connection.commit()
                    return
                except DBAPIError as error:
                    if not left or not is_repeatable(error):
                        raise
                    await asyncio.sleep(random.uniform(0.01, 0.1))  # noqa: S311 - jitter, not a secret

    async def amend(self, table: str, where: Where, compose: Callable[[Row | None], Sequence[Change]]) -> None:
        source = table_of(table)
        query = sa.select(source).where(*conditions(source, where)).limit(1).with_for_update()
        async with self._guarded(), self._writing() as connection:
            found = (await connection.execute(query)).mappings().first()
            await self._apply_all(connection, compose(None if found is None else dict(found)))
            await connection.commit()

    @asynccontextmanager
    async def alone(self, name: str) -> AsyncIterator[Hold | None]:
        await self._there()
        async with AsyncExitStack() as stack:
            try:
                if self._sqlite:
                    hold = await stack.enter_async_context(alone.by_file(self._path, name))
                else:
                    async with asyncio.timeout(_WAIT):
                        hold = await stack.enter_async_context(alone.by_server(self._lines, name))
            except (psycopg.Error, OSError, TimeoutError) as error:
                raise RecordsUnavailable("the database gives no lock") from error
            yield hold

    async def close(self) -> None:
        await self._engine.dispose()
        await self._readers.dispose()

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        async with self._engine.connect() as connection:
            await connection.execution_options(vtgw_write=True)
            yield connection

    async def _apply_all(self, connection: AsyncConnection, changes: Sequence[Change]) -> None:
        for change, statement, rows in list(steps(changes)):  # unknown names before anything is done
            await self._apply(connection, change, statement, rows)

    async def _apply(
        self, connection: AsyncConnection, change: Change, statement: Any, rows: Sequence[Mapping[str, Any]] | None
    ) -> None:
        try:
            result = await connection.execute(statement, rows)
        except IntegrityError as error:
            key = taken(error)
            if key is None:
                raise
            raise Taken(key) from error
        if isinstance(change, Update) and result.rowcount != (1 if rows is None else len(rows)):
            raise Stale(f"{result.rowcount} rows of {change.table} match")

    async def _there(self) -> None:
        """Before what may take long: whether the database has come back, for as long as it counts as gone."""
        if self._circuit.is_open:
            async with self._guarded(), self._engine.connect() as connection:
                await connection.execute(sa.select(1))

    @asynccontextmanager
    async def _guarded(self) -> AsyncIterator[None]:
        """A call that somebody waits for. Raises ``RecordsUnavailable``, at once while the database is down."""
        try:
            async with self._circuit.guard(Down), self._told(_WAIT):
                yield
        except CircuitOpen as error:
            raise RecordsUnavailable("the database gave no answer lately") from error

    @asynccontextmanager
    async def _told(self, wait: float) -> AsyncIterator[None]:
        """Whatever goes wrong within, and what takes longer, as ``RecordsUnavailable``."""
        token = UNTIL.set(time.monotonic() + wait)
        try:
            async with asyncio.timeout(wait):
                yield
        except (SQLAlchemyError, psycopg.Error, OSError, TimeoutError) as error:
            if isinstance(error, TimeoutError):
                self._doubt.arise()  # the other connections of that time would cost as much, one after the other
            raise told(error, sqlite=self._sqlite) from error
        finally:
            UNTIL.reset(token)
