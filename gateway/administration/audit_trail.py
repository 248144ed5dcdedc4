"""The list of what was done, for those who look after a place: what bears on it, and on its people (R93)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import cast

from gateway.administration.actor import Actor, NotYours, record, require
from gateway.audit import Act, Record
from gateway.desk import PolicyDesk
from gateway.overview import AuditQuery, Overview
from gateway.policy.rights import Reach, Right
from gateway.ports import Audit, Row
from gateway.spreadsheet import BOM, line

LONGEST_PAGE = 500
TITLES = (
    "Numéro", "Instant (UTC)", "Acte", "Compte", "Périmètre", "Motif", "Auteur", "Adresse", "Corrélation", "Détails",
    "Empreinte",
)  # fmt: skip


class AuditTrail:
    """``query`` says what is looked for; its ``reach`` is never the caller's to say, it is the actor's.

    Both methods raise ``NotThere`` for a scope outside that reach, and ``NotYours`` for who has none.
    """

    def __init__(self, overview: Overview, audit: Audit, desk: PolicyDesk) -> None:
        self._overview = overview
        self._audit = audit
        self._desk = desk

    async def page(self, actor: Actor, query: AuditQuery, now: datetime) -> Sequence[Row]:
        """Rows of ``audit``, the newest first; the number of the last is ``before`` of the next page. Raises
        ``RecordsUnavailable``."""
        within = self._within_reach(actor, query)
        return [self._told(row, within) for row in await self._overview.audit(within)]

    def export(self, actor: Actor, query: AuditQuery, now: datetime) -> AsyncIterator[str]:
        """All such rows as lines for a spreadsheet, whatever ``limit`` says.

        What the actor may not see is refused at once. The first line comes when the audit holds that it was asked for;
        it, and those behind it, raise ``RecordsUnavailable``.
        """
        within = self._within_reach(actor, replace(query, limit=LONGEST_PAGE))
        return self._lines(within, export_record(actor, query, now))

    async def _lines(self, query: AuditQuery, asked: Record) -> AsyncIterator[str]:
        await self._audit.record(asked)
        yield BOM + line(TITLES)
        while rows := await self._overview.audit(query):
            for row in rows:
                yield line(cells(self._told(row, query)))
            query = replace(query, before=cast(int, rows[-1]["seq"]))

    def _told(self, row: Row, query: AuditQuery) -> Row:
        """The row without the other places of its person: a sign-in names all that they have."""
        reach = Reach(query.reach)
        facts = json.loads(cast(str, row["facts"]))
        if reach.everything or "scopes" not in facts:
            return row
        places = [self._desk.book.scope(one) for one in str(facts.pop("scopes")).split()]
        if mine := " ".join(one.id for one in places if one is not None and one.path in reach):
            facts["scopes"] = mine
        return {**row, "facts": json.dumps(facts, ensure_ascii=False, sort_keys=True)}

    def _within_reach(self, actor: Actor, query: AuditQuery) -> AuditQuery:
        book = self._desk.book
        reach = actor.reach(book).paths
        if not reach:
            raise NotYours("Cette page est réservée à l'administration.")
        if query.scope:
            require(actor, Right.SEE, query.scope, book)
        return replace(query, reach=reach, limit=max(1, min(query.limit, LONGEST_PAGE)))


def export_record(actor: Actor, query: AuditQuery, now: datetime, **facts: str) -> Record:
    """What the audit keeps of an export: who asked for what."""
    asked = {
        "acts": " ".join(query.acts),
        "below": query.scope_path,
        "since": query.since.isoformat() if query.since else "",
        "until": query.until.isoformat() if query.until else "",
    }
    said = {name: text for name, text in asked.items() if text}
    return record(
        Act.AUDIT_EXPORTED, actor, now, account=query.account or None, scope=query.scope or None, **said, **facts
    )


def cells(row: Row) -> Sequence[object]:
    """One row under ``TITLES``. The author stands in a column of its own, the other facts together."""
    facts = json.loads(cast(str, row["facts"]))
    name, author = facts.pop("author_name", ""), facts.pop("author", "")
    return (
        *(row[column] for column in ("seq", "at", "act", "account", "scope", "reason")),
        f"{name} ({author})" if name and name != author else author,
        row["address"],
        row["correlation"],
        ", ".join(f"{key}={value}" for key, value in facts.items()),
        row["hash"],
    )
