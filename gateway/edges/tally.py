"""Sums of a day: what the dashboard draws, kept when the single traces are gone (R94, R148).

A row of ``statistics`` under a scope's id counts events of the people attached to that very scope; under ``""`` those of
people attached nowhere, or whom nobody could tell. Somebody of two scopes is in both rows. Beside them stand sums over
everything at or below a scope, for the kinds of ``overview.ROLLED``, under the id with a slash behind it, and under
``/`` for everything. There each event counts once, however many scopes its person has below.

Measures: ``sign_in:<method>``, ``assurance:<word>``, ``code_sent:<channel>``, ``code_not_sent:<channel>``,
``refused:<reason>``; and the snapshots of ``overview.SNAPSHOTS``, which the rolling up of events leaves alone.

A day is computed again from its traces as often as wished: what is written differs from what stands, and nothing else is
touched, so that the write is short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.audit import Act
from gateway.edges.database import Database
from gateway.edges.findings import EVERYTHING, below, within
from gateway.edges.schema import PATH, audit, memberships, metadata, scopes, sign_ins, statistics
from gateway.overview import ROLLED, SNAPSHOTS
from gateway.ports import Row

_PATIENCE = 120.0  # seconds; nobody waits for it
_REFUSED = (Act.SIGN_IN_REFUSED, Act.CARD_REFUSED, Act.PSC_REFUSED)

_own = sa.MetaData()
_events = sa.Table(
    "day_events",
    _own,
    sa.Column("account", sa.String, index=True),
    sa.Column("measure", sa.String),
    sa.Column("number", sa.Integer),
    prefixes=["TEMPORARY"],
)
_where = sa.Table(
    "day_places",  # where the people of the day's events are attached
    _own,
    sa.Column("account", sa.String),
    sa.Column("path", PATH),
    prefixes=["TEMPORARY"],
)
_fresh = sa.Table(
    "day_sums",
    _own,
    sa.Column("scope_id", sa.String, primary_key=True),
    sa.Column("measure", sa.String, primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
    prefixes=["TEMPORARY"],
)


class Tally:
    """Methods raise ``RecordsUnavailable``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def events(self, day: str, begin: datetime, end: datetime) -> None:
        """Write the sums of the events from ``begin`` to before ``end`` as those of ``day``, whatever stood there."""
        async with self._database.long(_PATIENCE) as connection:
            await connection.run_sync(_own.drop_all)  # what a run that was stopped left behind
            await connection.run_sync(_own.create_all)
            await _gather(connection, begin, end)
            if connection.dialect.name == "sqlite":
                await connection.commit()  # only now does it need the lock that writers wait for
                await connection.execution_options(vtgw_write=True)
            await _look_at(connection, _fresh)
            for statement in _settle(day, connection.dialect.name):
                await connection.execute(statement)
            await connection.commit()
            await connection.run_sync(_own.drop_all)
            await connection.commit()

    async def days(self, since: str, until: str) -> set[str]:
        """Which days from ``since`` to ``until`` have sums of events."""
        mine = [statistics.c.scope_id == EVERYTHING, statistics.c.measure.contains(":", autoescape=True)]
        rows = await self._database.read(
            sa.select(statistics.c.day).distinct().where(statistics.c.day.between(since, until), *mine)
        )
        return {cast(str, row["day"]) for row in rows}

    async def has_snapshot(self, day: str) -> bool:
        rows = await self._database.read(
            sa.select(statistics.c.day)
            .where(statistics.c.day == day, statistics.c.scope_id == EVERYTHING, statistics.c.measure == SNAPSHOTS[0])
            .limit(1)
        )
        return bool(rows)

    async def snapshot(self, day: str, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Write what was counted on ``day``: by scope id (``""`` for everything) the numbers of ``SNAPSHOTS``."""
        rows = [
            {"day": day, "scope_id": f"{scope}/", "measure": name, "count": number}
            for scope, numbers in counts.items()
            for name, number in numbers.items()
            if name in SNAPSHOTS
        ]
        async with self._database.long(_PATIENCE) as connection:
            await connection.execution_options(vtgw_write=True)
            await connection.execute(
                sa.delete(statistics).where(statistics.c.day == day, statistics.c.measure.in_(SNAPSHOTS))
            )
            if rows:
                await connection.execute(sa.insert(statistics), rows)
            await connection.commit()

    async def forget(self, before: str, most: int) -> int:
        s = statistics.c
        key = s.day, s.scope_id, s.measure
        oldest = sa.select(*key).where(s.day < before).order_by(*key).limit(most)
        async with self._database.long(_PATIENCE) as connection:
            await connection.execution_options(vtgw_write=True)
            gone = await connection.execute(sa.delete(statistics).where(sa.tuple_(*key).in_(oldest)))
            await connection.commit()
            return gone.rowcount


async def _gather(connection: AsyncConnection, begin: datetime, end: datetime) -> None:
    """The day's events by account, and from them its sums."""
    signed = sign_ins.c.at >= begin, sign_ins.c.at < end
    traced = audit.c.at >= begin, audit.c.at < end
    channel = _fact("channel", connection.dialect.name)
    whom = sa.func.coalesce(audit.c.account, _fact("account", connection.dialect.name))

    def named(prefix: str, column: Any) -> Any:
        return sa.literal(prefix).op("||")(sa.func.coalesce(column, "?"))

    events = sa.union_all(
        sa.select(sign_ins.c.account_id.label("account"), named("sign_in:", sign_ins.c.method).label("measure")).where(
            *signed
        ),
        sa.select(sign_ins.c.account_id, named("assurance:", sign_ins.c.assurance)).where(*signed),
        sa.select(audit.c.account, named("code_sent:", channel)).where(*traced, audit.c.act == Act.CODE_SENT.value),
        sa.select(audit.c.account, named("code_not_sent:", channel)).where(
            *traced, audit.c.act == Act.CODE_NOT_SENT.value
        ),
        sa.select(whom, named("refused:", audit.c.reason)).where(
            *traced, audit.c.act.in_([act.value for act in _REFUSED])
        ),
    ).subquery()
    grouped = sa.select(events.c.account, events.c.measure, sa.func.count()).group_by(
        events.c.account, events.c.measure
    )
    await connection.execute(sa.insert(_events).from_select(["account", "measure", "number"], grouped))
    await _look_at(connection, _events)
    await connection.execute(sa.insert(_where).from_select(["account", "path"], _places()))
    await _look_at(connection, _where)
    for sums in (_direct(), _rolled(), _everything()):
        await connection.execute(sa.insert(_fresh).from_select(["scope_id", "measure", "count"], sums))


async def _look_at(connection: AsyncConnection, table: sa.Table) -> None:
    """PostgreSQL knows nothing of a table just made, and would take it for a small one."""
    if connection.dialect.name == "postgresql":
        await connection.execute(sa.text(f"ANALYZE {table.name}"))


def _direct() -> sa.Select[Any]:
    where = sa.func.coalesce(memberships.c.scope_id, sa.literal_column("''"))
    joined = _events.outerjoin(memberships, memberships.c.account_id == _events.c.account)
    return (
        sa.select(where, _events.c.measure, sa.func.sum(_events.c.number))
        .select_from(joined)
        .group_by(where, _events.c.measure)
    )


def _places() -> sa.Select[Any]:
    who = sa.select(_events.c.account).distinct().where(_events.c.account.is_not(None)).cte("who")
    who = who.prefix_with("MATERIALIZED")
    joined = who.join(memberships, memberships.c.account_id == who.c.account).join(
        scopes, scopes.c.id == memberships.c.scope_id
    )
    return sa.select(who.c.account, scopes.c.path).select_from(joined).where(scopes.c.path.is_not(None))


def _rolled() -> sa.Select[Any]:
    tops = (
        sa.select(scopes.c.id, scopes.c.path)
        .where(scopes.c.kind.in_(ROLLED), scopes.c.path.is_not(None))
        .cte("tops")
        .prefix_with("MATERIALIZED")
    )
    joined = _where.join(tops, below(tops.c.path, _where.c.path))
    belongs = (
        sa.select(_where.c.account, tops.c.id).distinct().select_from(joined).cte("belongs").prefix_with("MATERIALIZED")
    )
    return (
        sa.select(belongs.c.id.op("||")("/"), _events.c.measure, sa.func.sum(_events.c.number))
        .select_from(belongs.join(_events, _events.c.account == belongs.c.account))
        .group_by(belongs.c.id, _events.c.measure)
    )


def _everything() -> sa.Select[Any]:
    return sa.select(sa.literal(EVERYTHING), _events.c.measure, sa.func.sum(_events.c.number)).group_by(
        _events.c.measure
    )


def _settle(day: str, engine: str) -> Sequence[Any]:
    """What turns the rows of the day into the sums: gone what is no more, and new or other what is."""
    same = sa.and_(_fresh.c.scope_id == statistics.c.scope_id, _fresh.c.measure == statistics.c.measure)
    exists = sa.exists(sa.select(sa.literal(1)).select_from(_fresh).where(same).correlate(statistics))
    gone = sa.delete(statistics).where(
        statistics.c.day == day, statistics.c.measure.contains(":", autoescape=True), sa.not_(exists)
    )
    stands = sa.exists(
        sa.select(sa.literal(1))
        .select_from(statistics)
        .where(statistics.c.day == day, same, statistics.c.count == _fresh.c.count)
        .correlate(_fresh)
    )
    insert = sqlite.insert(statistics) if engine == "sqlite" else postgresql.insert(statistics)
    rows = sa.select(sa.literal(day), _fresh.c.scope_id, _fresh.c.measure, _fresh.c.count).where(sa.not_(stands))
    key = ["day", "scope_id", "measure"]
    written = insert.from_select([*key, "count"], rows)
    return gone, written.on_conflict_do_update(index_elements=key, set_={"count": written.excluded.count})


def _fact(name: str, engine: str) -> sa.ColumnElement[Any]:
    """One fact of an audit row, which keeps them as JSON text."""
    if engine == "sqlite":
        return sa.func.json_extract(audit.c.facts, f"$.{name}")
    return sa.cast(audit.c.facts, postgresql.JSON).op("->>")(name)


# Reading


async def statistics_within(database: Database, tops: Sequence[str], since: str, until: str) -> Sequence[Row]:
    """``Overview.statistics``."""
    if not tops:
        return ()
    s = statistics.c
    query = sa.select(s.day, s.measure, sa.func.sum(s.count).label("count")).where(
        s.day.between(since, until), sa.or_(*await _rows_of(database, tops))
    )
    return await database.read(query.group_by(s.day, s.measure).order_by(s.day, s.measure))


async def by_region(database: Database, tops: Sequence[str], since: str, until: str) -> Sequence[Row]:
    """``Overview.by_region``."""
    if not tops:
        return ()
    region = [scopes.c.kind == "region", scopes.c.path.is_not(None)]
    seen = region if EVERYTHING in tops else [*region, within(scopes, tops)]
    whole = [cast(str, row["id"]) for row in await database.read(sa.select(scopes.c.id).where(*seen))]
    found = [*await _events_of(database, whole, since, until), *await _newest_of(database, whole, since, until)]
    for region_id, part in (await _parts(database, tops, whole)).items():
        sums: dict[str, int] = {}
        for one in await statistics_within(database, part, since, until):
            if one["measure"] not in SNAPSHOTS:
                name = cast(str, one["measure"])
                sums[name] = sums.get(name, 0) + cast(int, one["count"])
        found += [{"scope_id": region_id, "measure": name, "count": number} for name, number in sums.items()]
    totals: dict[tuple[str, str], int] = {}
    for one in found:
        key = cast(str, one["scope_id"]), cast(str, one["measure"])
        totals[key] = totals.get(key, 0) + cast(int, one["count"])
    return [{"scope_id": scope, "measure": name, "count": totals[scope, name]} for scope, name in sorted(totals)]


async def _parts(database: Database, tops: Sequence[str], whole: Sequence[str]) -> dict[str, list[str]]:
    """By region seen in part, those of the tops that lie in it."""
    query = sa.select(scopes.c.id).where(scopes.c.kind == "region", scopes.c.id.not_in(whole))
    regions = {cast(str, row["id"]) for row in await database.read(query)}
    found: dict[str, list[str]] = {}
    for top in tops:
        for one in regions.intersection(top.split("/")):
            found.setdefault(one, []).append(top)
    return found


async def _events_of(database: Database, regions: Sequence[str], since: str, until: str) -> list[Row]:
    s = statistics.c
    rows = await database.read(
        sa.select(s.scope_id, s.measure, sa.func.sum(s.count).label("count"))
        .where(s.scope_id.in_([f"{one}/" for one in regions]), s.day.between(since, until), s.measure.not_in(SNAPSHOTS))
        .group_by(s.scope_id, s.measure)
    )
    return [{**row, "scope_id": cast(str, row["scope_id"])[:-1]} for row in rows]


async def _newest_of(database: Database, regions: Sequence[str], since: str, until: str) -> list[Row]:
    s = statistics.c
    newest = (
        sa.select(s.scope_id, s.measure, sa.func.max(s.day).label("day"))
        .where(s.scope_id.in_([f"{one}/" for one in regions]), s.day.between(since, until), s.measure.in_(SNAPSHOTS))
        .group_by(s.scope_id, s.measure)
        .subquery()
    )
    same = sa.and_(s.scope_id == newest.c.scope_id, s.measure == newest.c.measure, s.day == newest.c.day)
    rows = await database.read(
        sa.select(s.scope_id, s.measure, s.count).select_from(newest.join(metadata.tables["statistics"], same))
    )
    return [{**row, "scope_id": cast(str, row["scope_id"])[:-1]} for row in rows]


async def _rows_of(database: Database, tops: Sequence[str]) -> list[Any]:
    """Which rows make up a reach: the sums of a top that has some, else all rows of the scopes below it."""
    if EVERYTHING in tops:
        return [statistics.c.scope_id == EVERYTHING]
    rows = await database.read(
        sa.select(scopes.c.id, scopes.c.path).where(scopes.c.path.in_(tops), scopes.c.kind.in_(ROLLED))
    )
    rolled = {cast(str, row["path"]): f"{row['id']}/" for row in rows}
    found: list[Any] = [statistics.c.scope_id.in_(list(rolled.values()))] if rolled else []
    others = [top for top in tops if top not in rolled]
    if others:
        found.append(statistics.c.scope_id.in_(sa.select(scopes.c.id).where(within(scopes, others))))
    return found
