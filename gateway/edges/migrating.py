"""Bringing the schema up to date while others work on it, one caller at a time.

SQLite: all steps in one transaction, and nobody in between. PostgreSQL: one transaction a step, under an advisory lock that
other migrations wait for. A step that does not get its tables in a second lets everybody through and tries again, so that
one long read does not block all who come after it.

Steps only add (``tests/edges/test_migrations.py``), so that workers of the version before go on meanwhile, and workers
of an older version work on a schema that a newer one made: its revision is unknown to them and greater than theirs.
"""

from __future__ import annotations

import asyncio
import random
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.edges.database_faults import state
from gateway.reasons import RecordsUnavailable

_LOCK = 7_247_201  # advisory lock of the migrations, any fixed number
_TABLES = 1000  # milliseconds to get a table; whoever comes later waits behind us for that long
_PAUSE = 0.5, 1.5  # seconds for others between two tries
_TRIES = 20  # for all steps together
_NO_LOCK = ("55P03", "40P01")  # not had in time; in each other's way


def config(connection: sa.Connection) -> Config:
    """Alembic's settings, for the steps in ``migrations/versions``."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    made.attributes["connection"] = connection
    return made


def current(connection: sa.Connection) -> bool:
    """Whether this version of the gateway works on this schema: it is its own, or one that a newer version made."""
    return _next(connection) is None


async def upgrade_sqlite(connection: AsyncConnection) -> None:
    """In the transaction of the caller, who commits."""
    if not await connection.run_sync(current):
        await connection.run_sync(lambda raw: command.upgrade(config(raw), "head"))


async def upgrade_postgres(connection: AsyncConnection) -> None:
    """On a connection without time limits, which the caller closes: with it goes the lock. Raises
    ``RecordsUnavailable`` when the tables were not to be had in so many tries."""
    await connection.execute(sa.text("SET statement_timeout = 0"))
    await connection.execute(sa.text("SET idle_in_transaction_session_timeout = 0"))
    await connection.execute(sa.text("SET lock_timeout = 0"))
    await connection.execute(sa.text(f"SELECT pg_advisory_lock({_LOCK})"))
    await connection.execute(sa.text(f"SET lock_timeout = {_TABLES}"))
    await connection.commit()
    tries = 0
    while (step := await connection.run_sync(_next)) is not None:
        await connection.rollback()  # the step begins its own transaction
        try:
            await connection.run_sync(_do, step)
            await connection.commit()
        except DBAPIError as error:
            await connection.rollback()
            tries += 1
            if state(error.orig) not in _NO_LOCK:
                raise
            if tries == _TRIES:
                raise RecordsUnavailable(
                    f"step {step}: tables in use all along, {tries} tries; the steps before are done"
                ) from error
            await asyncio.sleep(random.uniform(*_PAUSE))  # noqa: S311 - jitter, not a secret


def _do(connection: sa.Connection, step: str) -> None:
    command.upgrade(config(connection), step)


def _next(connection: sa.Connection) -> str | None:
    """The step that comes next; ``None`` when there is none, or the schema is newer than this version."""
    steps = _steps(str(config(connection).get_main_option("script_location")))
    now = MigrationContext.configure(connection).get_current_revision()
    if now is None:
        return steps[0]
    if now not in steps:
        if now > steps[-1]:
            return None
        raise RecordsUnavailable(f"the schema is of an unknown revision {now}")
    return next(iter(steps[steps.index(now) + 1 :]), None)


@cache
def _steps(folder: str) -> tuple[str, ...]:
    """The revisions in their order; read once, for they are asked for with every look whether we are ready."""
    return tuple(one.revision for one in ScriptDirectory(folder).walk_revisions())[::-1]
