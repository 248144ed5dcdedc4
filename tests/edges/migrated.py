"""Schemas of every released revision on either engine, and rows that fill them: for the tests of migrations.

Revisions are those of the folder: who adds one need not touch a test.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from gateway.edges import migrating

_FOLDER = Path(migrating.__file__).parent / "migrations"
REVISIONS = [one.revision for one in ScriptDirectory(str(_FOLDER)).walk_revisions()][::-1]
HEAD = REVISIONS[-1]


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    """A connection of its own, committed at the end."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def bring(url: str, revision: str) -> list[str]:
    """Migrate to that revision; the statements it took."""
    said: list[str] = []
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    sa.event.listen(engine, "before_cursor_execute", lambda c, cursor, statement, *more: said.append(statement))
    try:
        with engine.connect() as connection:
            command.upgrade(migrating.config(connection), revision)
            connection.commit()
    finally:
        engine.dispose()
    return said


@dataclass(frozen=True)
class Shape:
    """What a schema looks like from outside: enough to write to it, and to see what changed."""

    tables: Mapping[str, Mapping[str, Any]]
    keys: Mapping[str, tuple[str, ...]]
    unique: frozenset[tuple[str, tuple[str, ...]]]
    foreign: frozenset[tuple[str, tuple[str, ...], str]]
    checks: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, connection: sa.Connection) -> Shape:
        seen = sa.inspect(connection)
        names = [name for name in seen.get_table_names() if name != "alembic_version"]
        unique = {(t, tuple(one["column_names"])) for t in names for one in seen.get_unique_constraints(t)}
        unique |= {(t, tuple(map(str, i["column_names"]))) for t in names for i in seen.get_indexes(t) if i["unique"]}
        return cls(
            {t: {str(c["name"]): c for c in seen.get_columns(t)} for t in names},
            {t: tuple(seen.get_pk_constraint(t)["constrained_columns"]) for t in names},
            frozenset(unique),
            frozenset(
                (t, tuple(one["constrained_columns"]), str(one["referred_table"]))
                for t in names
                for one in seen.get_foreign_keys(t)
            ),
            frozenset((t, str(one["sqltext"])) for t in names for one in seen.get_check_constraints(t)),
        )


def fill(connection: sa.Connection, tag: str) -> dict[str, list[dict[str, Any]]]:
    """Two rows in every table of this schema: one with every column, one with no more than must be."""
    return insert(connection, rows_of(connection, tag))


def rows_of(connection: sa.Connection, tag: str) -> dict[str, list[dict[str, Any]]]:
    """By table, those that are referred to first. ``tag`` keeps them apart from others."""
    metadata = sa.MetaData()
    metadata.reflect(connection)
    made: dict[str, list[dict[str, Any]]] = {}
    for table in metadata.sorted_tables:
        if table.name != "alembic_version":
            made[table.name] = [
                {c.name: _value(c, tag, n, made) for c in table.columns if full or _needed(c)}
                for n, full in enumerate((False, True))
            ]
    return made


def _needed(column: sa.Column[Any]) -> bool:
    return (not column.nullable and column.server_default is None) or column.primary_key


def _value(column: sa.Column[Any], tag: str, number: int, made: Mapping[str, list[dict[str, Any]]]) -> Any:
    for foreign in column.foreign_keys:
        target = foreign.column
        if target.table.name == column.table.name:
            return f"{tag}-{target.name}-0"
        return made[target.table.name][number][target.name]
    salt = sum(tag.encode()) * 10 + number
    match column.type:
        case sa.Boolean():
            return bool(number)
        case sa.Integer():
            return salt
        case sa.DateTime():
            return datetime(2026, 3, 2, 9, 30, number)
        case sa.String():
            return f"{tag}-{column.name}-{number}"
    raise AssertionError(f"no value for {column.table.name}.{column.name}: {column.type}")


def insert(connection: sa.Connection, rows: Mapping[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """With the columns of these rows and no others."""
    for name, some in rows.items():
        for row in some:
            table = sa.table(name, *(sa.column(column) for column in row))
            connection.execute(sa.insert(table).values(row))
    return dict(rows)


def found(connection: sa.Connection, shape: Shape) -> dict[str, set[tuple[str, ...]]]:
    """All rows by table, in the columns of that shape and no others, as the engine spells them."""
    return {
        name: {
            tuple(map(str, row))
            for row in connection.execute(sa.select(*(sa.column(c) for c in columns)).select_from(sa.table(name)))
        }
        for name, columns in shape.tables.items()
    }
