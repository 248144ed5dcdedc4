"""Delegations within a reach, as SQL: of a doctor or a delegate who works there.

Of a small part of the country the people are found first, and their delegations by the indexes on doctor and delegate;
the whole of it is walked in the order of ids. States are the words of ``accounts.delegation.State``, from which this
room is kept apart: a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gateway.edges.database import Database
from gateway.edges.findings import EVERYTHING, narrowed, people_within
from gateway.edges.schema import accounts, delegations, logins
from gateway.overview import DelegationQuery
from gateway.ports import Row


async def delegations_within(database: Database, query: DelegationQuery, now: datetime) -> Sequence[Row]:
    """Rows in the order of ids. Raises ``RecordsUnavailable``, and ``LookupError`` for a state there is none of."""
    tops = narrowed(query.reach, "")
    if not tops or query.limit < 1:
        return ()
    conditions: list[Any] = [delegations.c.id > query.after]
    if query.account:
        conditions.append(_of_people(sa.select(sa.literal(query.account))))
    if query.state:
        conditions.append(_in_state(query.state, now))
    if EVERYTHING not in tops:
        people = people_within(tops).cte("people").prefix_with("MATERIALIZED")
        conditions.append(_of_people(sa.select(people.c.account_id)))
    statement = sa.select(delegations).where(*conditions).order_by(delegations.c.id).limit(query.limit)
    return await database.read(statement)


def _of_people(people: sa.Select[Any]) -> Any:
    """Given by one of these accounts, or theirs: by account, or by a national identifier that waits for one (R122)."""
    given = delegations.c.delegator_id.in_(people)
    received = delegations.c.delegate_id.in_(people)
    keys = sa.union(
        sa.select(logins.c.key).where(logins.c.account_id.in_(people)),
        sa.select(accounts.c.national_id).where(accounts.c.id.in_(people), accounts.c.national_id.is_not(None)),
    )
    waiting = sa.and_(delegations.c.delegate_id.is_(None), delegations.c.delegate_key.in_(keys))
    return sa.or_(given, received, waiting)


def _in_state(word: str, now: datetime) -> Any:
    one = delegations.c
    revoked, expired = one.revoked_at.is_not(None), one.ends <= now
    over = sa.or_(revoked, expired)
    given, proposed = one.finalised_at.is_not(None), one.proposed_id.is_not(None)
    good = sa.and_(one.invite_until.is_not(None), one.invite_until > now)
    open_ones = sa.and_(sa.not_(over), sa.not_(given))
    invited = sa.and_(open_ones, sa.not_(proposed))
    states = {
        "revoked": revoked,
        "expired": sa.and_(expired, sa.not_(revoked)),
        "active": sa.and_(sa.not_(over), given, one.begins <= now),
        "not_started": sa.and_(sa.not_(over), given, one.begins > now),
        "pending_confirmation": sa.and_(open_ones, proposed),
        "invited": sa.and_(invited, good),
        "invitation_expired": sa.and_(invited, sa.not_(good)),
    }
    if word not in states:
        raise LookupError(f"no state {word}")
    return states[word]
