"""The ``Overview`` port over SQLite and PostgreSQL.

* A small reach is walked from its scopes to its people; a large one from the rows in their order, each asked whether it
  lies within, until the page is full. Which of the two is cheaper is decided by a count that stops at ``_FEW``.
* Pages go on from a key, never from a number of rows.
* Accounts that are closed do not exist here.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa

from gateway.edges.audit_view import AuditView
from gateway.edges.counting import counted, counted_each
from gateway.edges.database import Database
from gateway.edges.delegation_view import delegations_within
from gateway.edges.findings import (
    EVERYTHING,
    attached,
    below,
    duplicates,
    duplicates_of,
    findings,
    lies,
    narrowed,
    people_within,
    place_of,
    ready,
    whole_tree,
    within,
)
from gateway.edges.schema import accounts, logins, memberships, scopes
from gateway.edges.tally import by_region, statistics_within
from gateway.identity import Login, searchable
from gateway.overview import AccountQuery, AuditQuery, DelegationQuery, Measure, Page, Readiness
from gateway.ports import Row

_FEW = 3000  # people of a small reach
_LARGE = 5000  # people of a scope whose number may be a minute old
_MINUTE = 60.0
_WORDS = 6
_LONGEST = 200  # characters of a search
_COLUMNS = [column for column in accounts.c if column.name != "password_hash"]
_LIVING = accounts.c.closed_at.is_(None)

# Stages of a list: exact matches, family names that begin as typed, then all others.
_EXACT, _FAMILY, _REST = range(3)


class SqlOverview:
    """Reads of ``Database.read``: few at a time, with their own patience."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._audit = AuditView(database)
        self._large: dict[str, tuple[float, int]] = {}

    # Sums

    async def people(self, scope_ids: Sequence[str]) -> Mapping[str, int]:
        """A number above 5 000 may be a minute old; all others are counted now."""
        now = asyncio.get_running_loop().time()
        found = {one: number for one in scope_ids if (number := self._remembered(one, now)) is not None}
        asked = [one for one in dict.fromkeys(scope_ids) if one not in found]
        if asked:
            top, scope = scopes.alias("top"), scopes.alias("scope")
            closed = sa.select(accounts.c.id).where(accounts.c.closed_at.is_not(None))
            source = top.join(scope, below(top.c.path, scope.c.path)).join(
                memberships, memberships.c.scope_id == scope.c.id
            )
            rows = await self._database.read(
                sa.select(top.c.id, sa.func.count(memberships.c.account_id.distinct()).label("people"))
                .select_from(source)
                .where(top.c.id.in_(asked), memberships.c.account_id.not_in(closed))
                .group_by(top.c.id)
            )
            found.update({cast(str, row["id"]): cast(int, row["people"]) for row in rows})
            self._large.update({one: (now, found[one]) for one in asked if found.get(one, 0) >= _LARGE})
        return {one: found.get(one, 0) for one in scope_ids}

    def _remembered(self, scope_id: str, now: float) -> int | None:
        at, number = self._large.get(scope_id, (0.0, 0))
        return number if number and now - at < _MINUTE else None

    async def readiness(self, reach: Sequence[str], measure: Measure) -> Readiness:
        return await counted(self._database, narrowed(reach, ""), measure)

    async def readiness_each(self, tops: Mapping[str, str], measure: Measure) -> Mapping[str, Readiness]:
        return await counted_each(self._database, tops, measure)

    async def statistics(self, reach: Sequence[str], since: str, until: str) -> Sequence[Row]:
        return await statistics_within(self._database, narrowed(reach, ""), since, until)

    async def by_region(self, reach: Sequence[str], since: str, until: str) -> Sequence[Row]:
        return await by_region(self._database, narrowed(reach, ""), since, until)

    # Lists

    async def accounts(self, query: AccountQuery, measure: Measure) -> Page:
        tops = narrowed(query.reach, query.scope_path)
        wanted = _category(query.category, tops, measure)
        typed = " ".join(query.text.split())[:_LONGEST]
        words = searchable(typed).split()[:_WORDS]
        if not tops or query.limit < 1 or (typed and not words and "@" not in typed):
            return Page((), "")
        small = not _nearly_all(tops) and await self._small(tops)
        exact = await self._exact(typed, tops, wanted) if typed else []
        stage, after = _read_cursor(query.after)
        keys: list[tuple[int, str, str]] = []
        if stage == _EXACT:
            keys += [(_EXACT, search, one) for search, one in exact if after is None or (search, one) > after]
            stage, after = _FAMILY, None
        stage = max(stage, _FAMILY if words else _REST)
        if not typed or ("@" not in typed and words):
            base = [*wanted, accounts.c.id.not_in([one for _, one in exact])] if exact else list(wanted)
            # A rare category would be looked for in the whole country: from the scopes, even of a large reach.
            driven = small or (bool(query.category) and not _nearly_all(tops))
            for turn in range(stage, _REST + 1):
                left = query.limit + 1 - len(keys)
                if left > 0:
                    found = await self._walk(tops, [*base, *_spoken(words, turn)], after, left, driven=driven)
                    keys += [(turn, search, one) for search, one in found]
                after = None
        rows = await self._whole([one for _, _, one in keys[: query.limit]], tops, measure, small=small)
        more = len(keys) > query.limit
        return Page(rows, _cursor(*keys[query.limit - 1]) if more else "")

    async def _exact(self, typed: str, tops: Sequence[str], wanted: Iterable[Any]) -> list[tuple[str, str]]:
        """Who has exactly this login or address."""
        login = Login.parse(typed)
        by_login = sa.select(logins.c.account_id).where(logins.c.key == login.key) if login else None
        matches = [accounts.c.mail_canonical == _address(typed)]
        if by_login is not None:
            matches.append(accounts.c.id.in_(by_login))
        conditions = [_LIVING, *wanted]
        if EVERYTHING not in tops:
            conditions.append(attached(accounts.c.id, tops))
        found: set[tuple[str, str]] = set()
        for match in matches:  # one after the other: each has its index
            rows = await self._database.read(_keys().where(match, *conditions).limit(_WORDS * 10))
            found.update((cast(str, row["search"]), cast(str, row["id"])) for row in rows)
        return sorted(found)

    async def _small(self, tops: Sequence[str]) -> bool:
        """Whether to go from the scopes in reach to their people, and not the other way round."""
        some = (
            sa.select(sa.literal(1))
            .select_from(scopes.join(memberships, memberships.c.scope_id == scopes.c.id))
            .where(within(scopes, tops))
            .limit(_FEW + 1)
            .subquery()
        )
        (row,) = await self._database.read(sa.select(sa.func.count().label("number")).select_from(some))
        return cast(int, row["number"]) <= _FEW

    async def _walk(
        self, tops: Sequence[str], conditions: list[Any], after: tuple[str, str] | None, limit: int, *, driven: bool
    ) -> list[tuple[str, str]]:
        query = _keys().where(_LIVING, *conditions)
        if driven:
            query = query.select_from(_source(tops))
        elif EVERYTHING not in tops:
            query = query.where(attached(accounts.c.id, tops))
        if after is not None:
            # The first comparison alone is what an index walks by.
            search, one = after
            later = sa.or_(accounts.c.search > search, sa.and_(accounts.c.search == search, accounts.c.id > one))
            query = query.where(accounts.c.search >= search, later)
        rows = await self._database.read(query.order_by(accounts.c.search, accounts.c.id).limit(limit))
        return [(cast(str, row["search"]), cast(str, row["id"])) for row in rows]

    async def _whole(self, ids: Sequence[str], tops: Sequence[str], measure: Measure, *, small: bool) -> Sequence[Row]:
        if not ids:
            return ()
        flags = {**findings(accounts, measure), "ready": ready(accounts, measure)}
        marks = [sa.case((one, 1), else_=0).label(name) for name, one in flags.items()]
        rows = await self._database.read(sa.select(*_COLUMNS, *marks).where(accounts.c.id.in_(ids)))
        doubled = await self._database.read(duplicates(tops) if small else duplicates_of(ids, tops))
        twice = {row["id"] for row in doubled}
        place = {one: number for number, one in enumerate(ids)}
        whole = [{**row, "duplicate": int(row["id"] in twice)} for row in rows]
        return sorted(whole, key=lambda row: place[cast(str, row["id"])])

    async def places(self, account_ids: Sequence[str], reach: Sequence[str]) -> Mapping[str, Sequence[str]]:
        tops = narrowed(reach, "")
        if not tops or not account_ids:
            return {}
        joined = memberships.join(scopes, scopes.c.id == memberships.c.scope_id)
        query = sa.select(memberships.c.account_id, memberships.c.scope_id).select_from(joined)
        if EVERYTHING not in tops:
            query = query.where(lies(scopes, tops))
        found: dict[str, list[str]] = {}
        rows = await self._database.read(
            query.where(memberships.c.account_id.in_(account_ids)).order_by(memberships.c.scope_id)
        )
        for row in rows:
            found.setdefault(cast(str, row["account_id"]), []).append(cast(str, row["scope_id"]))
        return found

    async def audit(self, query: AuditQuery) -> Sequence[Row]:
        return await self._audit.rows(query)

    async def signs(self, acts: Sequence[str], since: datetime, until: datetime, session: str = "") -> Sequence[Row]:
        return await self._audit.signs(acts, since, until, session)

    async def delegations(self, query: DelegationQuery, now: datetime) -> Sequence[Row]:
        return await delegations_within(self._database, query, now)


def _nearly_all(tops: Sequence[str]) -> bool:
    return EVERYTHING in tops or whole_tree(tops)


def _keys() -> sa.Select[Any]:
    return sa.select(accounts.c.search, accounts.c.id).where(accounts.c.search.is_not(None))


def _source(tops: Sequence[str]) -> sa.FromClause:
    """The accounts of a reach, each once."""
    if _nearly_all(tops):
        return accounts
    people = people_within(tops).cte("people").prefix_with("MATERIALIZED")
    return people.join(accounts, accounts.c.id == people.c.account_id)


def _category(name: str, tops: Sequence[str], measure: Measure) -> tuple[Any, ...]:
    if not name or not tops:
        return ()
    if name == "duplicate":
        return (accounts.c.id.in_(duplicates(tops)),)
    if name == "ready":
        return (ready(accounts, measure),)
    found = findings(accounts, measure)
    if name not in found:
        raise LookupError(f"no category {name}")
    return (found[name],)


def _spoken(words: Sequence[str], stage: int) -> list[Any]:
    """The conditions under which a name answers to these words at this stage."""
    if not words:
        return []
    search = accounts.c.search
    spaced = sa.literal(" ").op("||")(search)
    first, *others = words
    begins = sa.and_(search >= first, search < first + "~")  # after every letter and figure
    if stage == _FAMILY:
        return [begins, *(place_of(spaced, f" {word}") > 0 for word in others)]
    return [sa.not_(begins), *(place_of(spaced, f" {word}") > 0 for word in words)]


def _address(typed: str) -> str:
    """A typed address in the spelling of ``mail_canonical``; what is no address equals none."""
    local, _, domain = unicodedata.normalize("NFKC", typed).strip().rpartition("@")
    try:
        return f"{local.casefold()}@{domain.casefold().encode('idna').decode('ascii')}"
    except UnicodeError:
        return ""


def _cursor(stage: int, search: str, one: str) -> str:
    return f"{stage}.{search.replace(' ', '.')}~{one}"


def _read_cursor(text: str) -> tuple[int, tuple[str, str] | None]:
    """What no page of ours gave is the beginning."""
    head, tilde, one = text.partition("~")
    stage, dot, search = head.partition(".")
    if not tilde or not dot or stage not in ("0", "1", "2"):
        return _EXACT, None
    return int(stage), (search.replace(".", " "), one)
