"""How many people stand where, as SQL: readiness of a reach, and of many scopes at once (R88).

* Below scopes, one walk from the scopes to their people finds name, place and findings of everybody, kept as one number
  with a bit for each; sums and duplicates are taken from these rows.
* Nearly everybody is one walk over the accounts, beside which duplicates are looked for. A whole tree is everybody less
  those whom no scope of it has, who are few.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any, cast

import sqlalchemy as sa

from gateway.edges.database import Database
from gateway.edges.findings import (
    EVERYTHING,
    alike,
    anchor_of,
    below,
    duplicates,
    elsewhere,
    findings,
    listed,
    ready,
    spelled_out,
    whole_tree,
    within,
)
from gateway.edges.schema import accounts, memberships, scopes
from gateway.overview import CATEGORIES, Measure, Readiness
from gateway.ports import Row

NOBODY = Readiness(0, 0, dict.fromkeys(CATEGORIES, 0))
_FEW = 127  # places; below this the number makes no difference
_LIVING = accounts.c.closed_at.is_(None)


async def counted(database: Database, tops: Sequence[str], measure: Measure) -> Readiness:
    """``Overview.readiness`` for tops of which none lies below another."""
    if not tops:
        return NOBODY
    if EVERYTHING in tops or whole_tree(tops):
        return await _nearly_everybody(database, tops, measure)
    key: sa.ColumnElement[str] = sa.literal_column("''")
    if spelled_out(tops):
        places = _places(key).where(within(scopes, tops))
    else:
        places = await _foreseen(database, _below(listed({str(number): top for number, top in enumerate(tops)}), key))
    rows = await database.read(_sums(places, measure))
    return _said(rows[0]) if rows else NOBODY


async def counted_each(database: Database, tops: Mapping[str, str], measure: Measure) -> dict[str, Readiness]:
    """``Overview.readiness_each``."""
    large = {one: top for one, top in tops.items() if top == EVERYTHING or whole_tree((top,))}
    small = [one for one in tops if one not in large]
    found = dict.fromkeys(tops, NOBODY)
    if small:
        top = listed({str(number): tops[one] for number, one in enumerate(small)})
        rows = await database.read(_sums(await _foreseen(database, _below(top, top.c.key)), measure))
        found.update({small[int(cast(str, row["key"]))]: _said(row) for row in rows})
    for one, path in large.items():
        found[one] = await counted(database, (path,), measure)
    return found


def _places(key: sa.ColumnElement[str]) -> sa.Select[Any]:
    return sa.select(key.label("key"), scopes.c.id, anchor_of(scopes).label("anchor"))


def _below(top: Any, key: sa.ColumnElement[str]) -> sa.Select[Any]:
    return _places(key).select_from(top.join(scopes, below(top.c.value, scopes.c.path)))


async def _foreseen(database: Database, places: sa.Select[Any]) -> sa.Select[Any]:
    """The same with a limit that they do not meet, not even twice as many: by it PostgreSQL knows how few they are, and
    does not read all accounts for the people of twenty services. A power of two, in words: few statements to remember."""
    (row,) = await database.read(sa.select(sa.func.count().label("number")).select_from(places.subquery("places")))
    power = (cast(int, row["number"]) | _FEW).bit_length() + 1
    return places.limit(sa.literal_column(str(1 << power)))


def _sums(places: sa.Select[Any], measure: Measure) -> sa.Select[Any]:
    """One row for each ``key`` of the scopes in ``places`` (``key``, ``id``, ``anchor``) that has people. The places are
    settled first: SQLite would otherwise begin with all there are."""
    marks = _marks(measure)
    bits = {name: 1 << place for place, name in enumerate(marks)}
    flags = reduce(add, (sa.case((one, bits[name]), else_=0) for name, one in marks.items()))
    place = places.cte("places").prefix_with("MATERIALIZED")
    joined = place.join(memberships, memberships.c.scope_id == place.c.id).join(
        accounts, accounts.c.id == memberships.c.account_id
    )
    columns = place.c.key, place.c.anchor, accounts.c.id, accounts.c.search, flags.label("flags")
    mine = sa.select(*columns).select_from(joined).where(_LIVING).cte("mine").prefix_with("MATERIALIZED")
    people = sa.select(mine.c.key, mine.c.id, mine.c.flags).distinct().subquery("people")
    numbers = [_how_many(people.c.flags.op("&")(bit) != 0).label(name) for name, bit in bits.items()]
    sums = sa.select(people.c.key, sa.func.count().label("people"), *numbers).group_by(people.c.key).subquery("sums")
    twice = (
        sa.select(mine.c.key, sa.func.count(mine.c.id.distinct()).label("duplicate"))
        .where(alike(mine, "key"))
        .group_by(mine.c.key)
        .subquery("twice")
    )
    return sa.select(sums, twice.c.duplicate).select_from(sums.outerjoin(twice, twice.c.key == sums.c.key))


async def _nearly_everybody(database: Database, tops: Sequence[str], measure: Measure) -> Readiness:
    numbers = [_how_many(one).label(name) for name, one in _marks(measure).items()]
    sums = sa.select(sa.func.count().label("people"), *numbers).where(_LIVING)
    asked: sa.Executable = sums
    if EVERYTHING not in tops:  # in one statement, so that both are of one instant
        outside = sums.where(sa.not_(_attached(tops)))
        asked = sa.union_all(
            *(one.add_columns(sa.literal(sign).label("sign")) for sign, one in ((1, sums), (-1, outside)))
        )
    doubled = sa.select(sa.func.count().label("duplicate")).select_from(duplicates(tops).subquery())
    rows, (twice,) = await asyncio.gather(database.read(asked), database.read(doubled))
    names = ("people", *_marks(measure))
    found = {name: sum(cast(int, row[name]) * cast(int, row.get("sign", 1)) for row in rows) for name in names}
    return _said({**found, **twice})


def _attached(tops: Sequence[str]) -> sa.ColumnElement[bool]:
    """Whether an account has a scope of nearly all of them: the few others are found first."""
    mine = sa.and_(memberships.c.account_id == accounts.c.id, memberships.c.scope_id.not_in(elsewhere(tops)))
    return sa.exists(sa.select(sa.literal(1)).select_from(memberships).where(mine))


def _marks(measure: Measure) -> dict[str, Any]:
    return {"ready": ready(accounts, measure), **findings(accounts, measure)}


def _how_many(condition: Any) -> sa.ColumnElement[int]:
    return cast("sa.ColumnElement[int]", sa.func.count().filter(condition))


def _said(row: Row) -> Readiness:
    counts = {name: cast("int | None", row[name]) or 0 for name in CATEGORIES}
    return Readiness(cast(int, row["people"]), cast(int, row["ready"]), counts)
