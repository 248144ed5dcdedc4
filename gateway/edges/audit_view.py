"""Reading the audit within a reach, newest first.

A row that names a scope belongs to that scope; one that names none belongs to the scopes of its account. So a référent
never reads that one of their people was given a role elsewhere. Rows of neither are the nation's.

Of a small reach all traces are found by the scopes and the people in it; of a large one the newest rows are looked at,
one act at a time when acts are asked for, until the page is full.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa

from gateway.edges.database import Database
from gateway.edges.findings import EVERYTHING, attached, lies, narrowed, people_within, place_of, within
from gateway.edges.schema import audit, memberships, scopes
from gateway.overview import AuditQuery
from gateway.ports import Row

_FEW = 2000  # scopes, and memberships, of a small reach


class AuditView:
    """Raises ``RecordsUnavailable``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def rows(self, query: AuditQuery) -> Sequence[Row]:
        tops = narrowed(query.reach, query.scope_path)
        if not tops or query.limit < 1:
            return ()
        asked = _asked(query)
        if EVERYTHING in tops:
            parts = [[*asked, *more] for more in _by_act(query)]
        elif query.account or query.scope:  # found by its own index
            parts = [[*asked, _within(tops)]]
        elif await self._small(tops):
            acts = [audit.c.act.in_(query.acts)] if query.acts else []
            parts = [[*asked, *acts, one] for one in _branches(tops)]
        else:
            parts = [[*asked, *more, _within(tops)] for more in _by_act(query)]
        pages = [
            sa.select(audit.c.seq).where(*part).order_by(audit.c.seq.desc()).limit(query.limit).subquery()
            for part in parts
        ]
        newest = sa.union_all(*(sa.select(page.c.seq) for page in pages)).subquery()
        keys = sa.select(newest.c.seq).order_by(newest.c.seq.desc()).limit(query.limit)
        return await self._database.read(sa.select(audit).where(audit.c.seq.in_(keys)).order_by(audit.c.seq.desc()))

    async def signs(self, acts: Sequence[str], since: datetime, until: datetime, session: str = "") -> Sequence[Row]:
        """By the index on instants alone: of sign-ins there are as many as rows, and that of acts would find them all."""
        named = f'"session": "{session}"' if session else '"session": "'
        query = sa.select(audit).where(
            audit.c.at >= since,
            audit.c.at < until,
            audit.c.act.op("||")("").in_(acts),
            place_of(audit.c.facts, named) > 0,
        )
        return await self._database.read(query.order_by(audit.c.at.desc(), audit.c.seq.desc()))

    async def _small(self, tops: Sequence[str]) -> bool:
        there = within(scopes, tops)
        places = sa.select(scopes.c.id).where(there).limit(_FEW + 1).subquery()
        joined = scopes.join(memberships, memberships.c.scope_id == scopes.c.id)
        people = sa.select(memberships.c.account_id).select_from(joined).where(there).limit(_FEW + 1).subquery()
        (row,) = await self._database.read(
            sa.select(
                sa.select(sa.func.count()).select_from(places).scalar_subquery().label("places"),
                sa.select(sa.func.count()).select_from(people).scalar_subquery().label("people"),
            )
        )
        return cast(int, row["places"]) <= _FEW and cast(int, row["people"]) <= _FEW


def _asked(query: AuditQuery) -> list[Any]:
    found: list[Any] = []
    if query.scope:
        found.append(audit.c.scope == query.scope)
    if query.account:
        found.append(audit.c.account == query.account)
        if query.acts:
            found.append(audit.c.act.in_(query.acts))
    elif query.scope and query.acts:
        found.append(audit.c.act.in_(query.acts))
    if query.since is not None:
        found.append(audit.c.at >= query.since)
    if query.until is not None:
        found.append(audit.c.at < query.until)
    if query.before is not None:
        found.append(audit.c.seq < query.before)
    return found


def _by_act(query: AuditQuery) -> list[list[Any]]:
    """One list of conditions for each act that is asked for, so that each is one walk of its index."""
    if query.account or query.scope or not query.acts:
        return [[]]
    return [[audit.c.act == act] for act in dict.fromkeys(query.acts)]


def _branches(tops: Sequence[str]) -> list[Any]:
    """The rows of a small reach: no row is in both branches."""
    return [
        sa.and_(audit.c.scope.is_(None), audit.c.account.in_(people_within(tops))),
        audit.c.scope.in_(sa.select(scopes.c.id).where(within(scopes, tops))),
    ]


def _within(tops: Sequence[str]) -> Any:
    there = scopes.alias("place")
    named = sa.exists(
        sa.select(sa.literal(1))
        .select_from(there)
        .where(there.c.id == audit.c.scope, lies(there, tops))
    )  # fmt: skip
    return sa.or_(sa.and_(audit.c.scope.is_(None), attached(audit.c.account, tops)), named)
