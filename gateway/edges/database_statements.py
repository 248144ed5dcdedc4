"""From changes and conditions to SQL: the tables and columns they name, many changes of one shape as one statement."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from gateway.edges.database_views import VIEWS
from gateway.edges.schema import metadata
from gateway.ports import Change, Delete, Find, Insert, Span, Update, Where

_SQLITE_TAKEN = re.compile(r"UNIQUE constraint failed: ([a-z_]+\.[a-z_]+)")


def table_of(name: str) -> sa.Table:
    if name not in metadata.tables:
        raise LookupError(f"no table {name}")
    return metadata.tables[name]


def source_of(name: str) -> sa.FromClause:
    """What can be read under this name: a table, or what stands for one."""
    return VIEWS[name] if name in VIEWS else table_of(name)


def column_of(table: sa.FromClause, name: str) -> sa.ColumnElement[Any]:
    if name not in table.c:
        raise LookupError(f"no column {table.description}.{name}")
    return table.c[name]


def conditions(table: sa.FromClause, where: Where) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    for name, value in where.items():
        column = column_of(table, name)
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


def chosen(question: Find) -> sa.Select[Any]:
    """The rows a question is about, in its order."""
    source = source_of(question.table)
    query = sa.select(source).where(*conditions(source, question.where))
    for name in question.order:
        column = column_of(source, name.removeprefix("-"))
        query = query.order_by(column.desc() if name.startswith("-") else column)
    return query if question.limit is None else query.limit(question.limit)


def steps(changes: Sequence[Change]) -> Iterator[tuple[Change, Any, Sequence[Mapping[str, Any]] | None]]:
    """Statements in their order. Neighbouring insertions of one shape are one statement for many rows; so are updates
    that each name their row by its key: of these every one matches one row if as many rows match as there are."""
    for shape, group in groupby(changes, key=_shape):
        members = list(group)
        if shape is None or len(members) == 1:
            yield from ((change, _statement(change), None) for change in members)
            continue
        table = table_of(shape[1])
        if shape[0] is Insert:
            for name in shape[2]:
                column_of(table, name)
            yield members[0], sa.insert(table), [change.values for change in members if isinstance(change, Insert)]
            continue
        found = {"w": shape[3], "v": shape[2]}
        bound = {
            kind: {name: sa.bindparam(f"{kind}_{name}", type_=column_of(table, name).type) for name in names}
            for kind, names in found.items()
        }
        statement = (
            sa.update(table)
            .where(*(column_of(table, name) == one for name, one in bound["w"].items()))
            .values({column_of(table, name): one for name, one in bound["v"].items()})
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
    keys = {column.name for column in table_of(change.table).primary_key}
    plain = all(isinstance(one, str | int | float | datetime) for one in change.where.values())
    return (
        (Update, change.table, tuple(change.values), tuple(change.where))
        if plain and keys <= set(change.where)
        else None
    )


def _statement(change: Change) -> Any:
    table = table_of(change.table)
    match change:
        case Insert(_, values):
            return sa.insert(table).values({column_of(table, name): value for name, value in values.items()})
        case Update(_, values, where):
            limits = conditions(table, where)
            if not limits:
                raise LookupError("an update needs a condition")
            return sa.update(table).where(*limits).values({column_of(table, n): v for n, v in values.items()})
        case Delete(_, where):
            limits = conditions(table, where)
            if not limits:
                raise LookupError("a deletion needs a condition")
            return sa.delete(table).where(*limits)


def taken(error: IntegrityError) -> str | None:
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
