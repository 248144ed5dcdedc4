"""From a session of the access journal to who was signed in under that name, as the audit wrote it down (R149).

A session gets a new name (the first 12 digits of its ticket's digest) whenever what it may do changes, and the act that
changed it names the new one, and the one before: each name is one person in one context. So the act is looked for,
then followed back through the names before it to the sign-in, for what only that one says: the space, the level.

Nothing is searched without an end: a session lives four hours at most, and without an instant the time that traces are
kept is walked backwards, a little at first and then in longer steps.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from gateway.audit import Act
from gateway.identity import Assurance
from gateway.overview import Overview
from gateway.ports import Records, Row, Span

LIFE = timedelta(hours=4)  # R143: no session lives longer
# A machine's clock may run ahead of another's, and people type minutes: a session that begins within this still counts.
SLACK = timedelta(minutes=2)
_NAME = re.compile(r"[0-9a-f]{12}\Z")
_ACTS = tuple(act.value for act in (Act.SIGN_IN, Act.STEP_UP, Act.SPACE_CHANGED, Act.ACTING_BEGUN, Act.ACTING_ENDED))
_LONGEST_STEP = timedelta(days=8)
_SLICE = timedelta(hours=1)
_TICK = timedelta(microseconds=1)


def is_name(text: str) -> bool:
    """Whether the access journal could call a session so."""
    return _NAME.match(text) is not None


@dataclass(frozen=True, slots=True)
class Sign:
    """Who a session was. ``since``: when it got this name; ``signed_in_at``: when its person signed in, and ``address``
    from where. ``means``, ``assurance`` and ``space`` are words of ``identity``, empty where the trace is gone.
    ``delegation``: the one it acted under."""

    session: str
    account: str
    means: str
    assurance: str
    space: str
    since: datetime
    signed_in_at: datetime | None
    address: str
    delegation: str | None


class Signs:
    """``retention``: how long traces are kept. Methods raise ``RecordsUnavailable``."""

    def __init__(self, overview: Overview, records: Records, retention: timedelta) -> None:
        self._overview = overview
        self._records = records
        self._retention = retention

    async def of(self, session: str, at: datetime | None, now: datetime) -> Sign | None:
        """Who this session was at this instant; without one, the newest session of this name. ``None``: nobody known."""
        if not is_name(session) or (at is not None and not self._kept(at, now)):
            return None
        if at is None:
            at = await self._used_at(session)
        if at is not None:
            rows = await self._overview.signs(_ACTS, at - LIFE - SLACK, at + SLACK + _TICK, session)
            return await self._told(rows[0]) if rows else None
        until, step, oldest = now + SLACK, LIFE, now - self._retention
        while until > oldest:
            since = max(until - step, oldest)
            if rows := await self._overview.signs(_ACTS, since, until, session):
                return await self._told(rows[0])
            until, step = since, min(2 * step, _LONGEST_STEP)
        return None

    async def many(self, wanted: Mapping[str, datetime], now: datetime) -> Mapping[str, Sign]:
        """Who these sessions were, by name, each with the last instant it was seen at: for many lines of one journal.
        Whoever is missing is unknown."""
        names = {name for name, at in wanted.items() if is_name(name) and self._kept(at, now)}
        if not names:
            return {}
        instants = [wanted[name] for name in names]
        since, end = min(instants) - LIFE - SLACK, max(instants) + SLACK + _TICK
        found: dict[str, Row] = {}
        while since < end:
            until = min(since + _SLICE, end)
            for row in await self._overview.signs(_ACTS, since, until):
                name = _facts(row).get("session", "")
                if name in names and _at(row) <= wanted[name] + SLACK:
                    known = found.get(name)
                    if known is None or _at(known) < _at(row):
                        found[name] = row
            since = until
        return {name: await self._told(row) for name, row in found.items()}

    def _kept(self, at: datetime, now: datetime) -> bool:
        """Whether there can be traces of this instant: whatever somebody types, no walk through centuries."""
        return now - self._retention - LIFE <= at <= now + LIFE

    async def _used_at(self, session: str) -> datetime | None:
        """An instant of the session's life, when somebody acted in it: that has an index."""
        rows = await self._records.find("delegation_uses", {"session": session}, order=("-began_at",), limit=1)
        return cast(datetime, rows[0]["began_at"]) if rows else None

    async def _told(self, row: Row) -> Sign:
        """The act, and what those before it say of the same session."""
        facts, at, account = _facts(row), _at(row), str(row["account"] or "")
        chain: Sequence[Row] = (row,)
        if row["act"] != Act.SIGN_IN.value and account:
            span = Span(at - LIFE - SLACK, at + SLACK + _TICK)
            chain = _chain(row, await self._records.find("audit", {"account": account, "at": span}))
        first = chain[-1]
        opened = first["act"] == Act.SIGN_IN.value
        spoken = [_facts(one) for one in chain]
        means, assurance = _proved(chain)
        return Sign(
            session=facts["session"],
            account=account,
            means=means or facts.get("method", ""),
            assurance=assurance,
            space=next((one["space"] for one in spoken if one.get("space")), ""),
            since=at,
            signed_in_at=_at(first) if opened else None,
            address=str(first["address"] or "") if opened else "",
            # The end of acting names the delegation that is over: the session that begins with it has none.
            delegation=None if row["act"] == Act.ACTING_ENDED.value else facts.get("delegation") or None,
        )


def _chain(row: Row, rows: Iterable[Row]) -> Sequence[Row]:
    """This act and those that made the names before, back to the sign-in or as far as there are traces."""
    made = {_facts(one).get("session", ""): one for one in rows if one["act"] in _ACTS}
    found = [row]
    while found[-1]["act"] != Act.SIGN_IN.value:
        before = made.pop(_facts(found[-1]).get("from", ""), None)
        if before is None:
            break
        found.append(before)
    return found


def _proved(chain: Sequence[Row]) -> tuple[str, str]:
    """Means and level of the proof that spoke: the strongest, the newest of equals, as ``session.model`` has it."""
    proofs = [
        (Assurance[word.upper()], _at(one), _facts(one).get("method", ""))
        for one in chain
        if one["act"] in (Act.SIGN_IN.value, Act.STEP_UP.value)
        and (word := _facts(one).get("assurance", "")).upper() in Assurance.__members__
    ]
    if not proofs:
        return "", ""
    level, _, means = max(proofs, key=lambda one: (one[0], one[1]))
    return means, level.word


def _facts(row: Row) -> Mapping[str, str]:
    return cast("Mapping[str, str]", json.loads(cast(str, row["facts"]) or "{}"))


def _at(row: Row) -> datetime:
    return cast(datetime, row["at"])
