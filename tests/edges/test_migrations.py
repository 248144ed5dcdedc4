"""From every released schema to today's, on both engines: no row is lost or changed, each step only adds, and code of the
version before goes on writing. Revisions are read from the folder."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from tests.blank import Blank
from tests.conftest import ENGINES
from tests.edges.migrated import HEAD, REVISIONS, Shape, bring, connected, fill, found, insert, rows_of


@dataclass
class Released:
    """A database of each revision, filled, then brought to the head. ``said``: the statements of the step to it."""

    shapes: dict[str, Shape] = field(default_factory=dict)
    rows: dict[str, dict[str, list[dict[str, Any]]]] = field(default_factory=dict)  # to write, in that schema's columns
    before: dict[str, dict[str, set[tuple[str, ...]]]] = field(default_factory=dict)
    after: dict[str, dict[str, set[tuple[str, ...]]]] = field(default_factory=dict)
    said: dict[str, list[str]] = field(default_factory=dict)  # PostgreSQL only: where locks are kept from many
    head: str = ""  # a database at the head, without rows of ours


@pytest.fixture(scope="module", params=ENGINES)
def released(request: pytest.FixtureRequest) -> Released:
    blank: Blank = request.getfixturevalue("sqlite_blank" if request.param == "sqlite" else "postgres_blank")
    made = Released(head=blank.empty())
    for revision in REVISIONS:
        said = bring(made.head, revision)
        made.said[revision] = said if request.param == "postgresql" else []  # of SQLite there is nothing to say
        with connected(made.head) as connection:
            made.shapes[revision] = Shape.of(connection)
            made.rows[revision] = rows_of(connection, f"v{revision}")
        old = blank.copy(made.head)
        with connected(old) as connection:
            fill(connection, "old")
        with connected(old) as connection:
            made.before[revision] = found(connection, made.shapes[revision])
        bring(old, HEAD)
        with connected(old) as connection:
            made.after[revision] = found(connection, made.shapes[revision])
    return made


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_row_of_a_released_schema_is_kept(released: Released, revision: str) -> None:
    """Each table had rows, and each row is there after all steps, with every value it had."""
    for table, rows in released.before[revision].items():
        assert len(rows) >= 2, table
        assert rows <= released.after[revision][table], table


@pytest.mark.parametrize("revision", REVISIONS)
def test_code_of_a_released_version_writes_to_the_newest_schema(released: Released, revision: str) -> None:
    """A row with no more columns than that version knew, full or as short as it could be, is taken by every table."""
    with connected(released.head) as connection:
        rows = insert(connection, released.rows[revision])
        assert set(rows) == set(released.shapes[revision].tables)
        connection.rollback()


# Steps that broke a rule before it was one, and why that did no harm. From 0006 on there are none.
RETYPED = {("0004", "accounts", "search")}  # its collation, for which no table is rewritten; SQLite has none


@pytest.mark.parametrize(("old", "new"), [*pairwise(REVISIONS)])
def test_a_step_only_adds(released: Released, old: str, new: str) -> None:
    """No table or column goes or changes its kind; a new column of an old table may stay out; nothing new is asked of
    columns that the version before writes."""
    was, now = released.shapes[old], released.shapes[new]
    assert set(was.tables) <= set(now.tables)
    for table, columns in was.tables.items():
        later = now.tables[table]
        assert set(columns) <= set(later), table
        assert was.keys[table] == now.keys[table], table
        for name, column in columns.items():
            if (new, table, name) not in RETYPED:
                assert repr(column["type"]) == repr(later[name]["type"]), (table, name)
            assert later[name]["nullable"] or not column["nullable"], (table, name)
            assert later[name]["default"] is not None or column["default"] is None, (table, name)
        for name in set(later) - set(columns):
            assert later[name]["nullable"] or later[name]["default"] is not None, (table, name)
    asked = {(table, columns) for table, columns in now.unique - was.unique}
    asked |= {(table, columns) for table, columns, _ in now.foreign - was.foreign}
    for table, columns in asked:
        assert table not in was.tables or not set(columns) <= set(was.tables[table]), (table, columns)
    assert not [one for one in now.checks - was.checks if one[0] in was.tables]


# On PostgreSQL: what keeps writers out of a table for as long as it takes to read or rewrite all of it.
_LONG = {
    "an index that keeps writers out": re.compile(r"CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY)\S+ ON (\w+)"),
    "a table read or rewritten": re.compile(r"ALTER TABLE (\w+) ALTER COLUMN \w+ (?:TYPE|SET NOT NULL)"),
    "a constraint checked at once": re.compile(r"ALTER TABLE (\w+) ADD CONSTRAINT (?!.*NOT VALID)"),
    "rows changed under the lock": re.compile(r"UPDATE (\w+) SET"),
}
# Released before the rule. Their tables were small then; who comes from them with millions of accounts migrates in a quiet
# hour (docs/operations.md).
BEFORE_THE_RULE = {
    "0002": {"accounts", "sign_ins"},  # three indexes; mail_canonical written
    "0003": {"scopes", "switches", "accounts", "audit"},  # seven indexes; paths and names as searched written
    "0004": {"accounts", "scopes", "memberships", "audit"},  # indexes made anew; the collation of accounts.search
}


@pytest.mark.parametrize(("old", "new"), [*pairwise(REVISIONS)])
def test_a_step_keeps_nobody_out_for_long(released: Released, old: str, new: str) -> None:
    """Tables that may be big get their indexes ``CONCURRENTLY`` (Alembic's ``autocommit_block``), and their values in
    portions, by a job; the named steps are older than this rule. SQLite knows no such thing."""
    there = set(released.shapes[old].tables)
    broken = {
        (why, match[1])
        for statement in released.said[new]
        for why, pattern in _LONG.items()
        for match in [pattern.match(" ".join(statement.split()))]
        if match and match[1] in there
    }
    known = BEFORE_THE_RULE.get(new, set()) if released.said[new] else set()
    assert {table for _, table in broken} == known, broken


def test_the_exceptions_are_no_more_than_were_released() -> None:
    """The rules hold from 0006 on."""
    assert max([*BEFORE_THE_RULE, *(revision for revision, _, _ in RETYPED)]) < "0006"
