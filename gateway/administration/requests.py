"""What référents ask the region for (R87): a line somebody answers. Answering switches nothing by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from typing import cast

from gateway.administration.actor import Actor, Faulty, NotThere, checked_reason, record, require
from gateway.audit import Act
from gateway.desk import PolicyDesk
from gateway.policy.rights import Right
from gateway.ports import Audit, Insert, Records, Row, Update, Value, Where
from gateway.reasons import Stale, Taken

_OUTCOMES = ("done", "refused")
_SETTLED = 1000  # of old requests, the newest are shown


class Requests:
    """Rows of ``requests``."""

    def __init__(self, records: Records, audit: Audit, desk: PolicyDesk) -> None:
        self._records = records
        self._audit = audit
        self._desk = desk

    async def ask(self, actor: Actor, scope_id: str, wanted_from: datetime | None, reason: str, now: datetime) -> str:
        """Ask that a scope be switched, from a date if one is given. Raises ``NotThere``, ``NotYours``, and ``Faulty``
        on ``wanted_from``, ``reason``, or when the same person's request still waits."""
        await self._desk.refresh()
        require(actor, Right.ASK, scope_id, self._desk.book)
        if self._desk.book.scopes[scope_id].retired:
            raise Faulty({"": ["Cet établissement est fermé."]})
        if wanted_from is not None and wanted_from < now:
            raise Faulty({"wanted_from": ["Cette date est passée."]})
        why = checked_reason(reason)
        # One reading judges and names: with two, another's request could come between them, and both would be made.
        theirs: Where = {"scope_id": scope_id, "author": actor.id}
        before = await self._records.find("requests", theirs, order=("-created_at", "id"), limit=1)
        if before and before[0]["settled_at"] is None:
            raise Faulty({"": [_WAITS]})
        request_id = _next_id(scope_id, actor.id, cast(str, before[0]["id"]) if before else "")
        wish = {"from": wanted_from.isoformat()} if wanted_from else {}
        asked = record(Act.SCOPE_SWITCH_ASKED, actor, now, scope=scope_id, request=request_id, why=why, **wish)
        await self._audit.record(asked)
        row: dict[str, Value] = {
            "id": request_id,
            "scope_id": scope_id,
            "author": actor.id,
            "wanted_from": wanted_from,
            "reason": why,
            "created_at": now,
        }
        try:
            await self._records.write(Insert("requests", row))
        except Taken:  # sent twice at this instant
            raise Faulty({"": [_WAITS]}) from None
        return request_id

    async def within_reach(self, actor: Actor, *, open_only: bool = True) -> Sequence[Row]:
        """Those that wait, the oldest first; or all, the newest first."""
        await self._desk.refresh()
        book = self._desk.book
        reach = actor.reach(book)
        if open_only:
            rows = await self._records.find("requests", {"settled_at": None}, order=("created_at", "id"))
        else:
            rows = await self._records.find("requests", {}, order=("-created_at", "id"))
        seen = [row for row in rows if (one := book.scope(cast(str, row["scope_id"]))) and one.path in reach]
        return seen if open_only else seen[:_SETTLED]

    async def answer(self, actor: Actor, request_id: str, outcome: str, reason: str, now: datetime) -> None:
        """Say that it was done or refused, and why. Raises ``NotThere``, ``NotYours``, and ``Faulty`` on ``outcome``,
        ``reason``, or when somebody has answered before."""
        await self._desk.refresh()
        rows = await self._records.find("requests", {"id": request_id}, limit=1)
        if not rows:
            raise NotThere
        scope_id = cast(str, rows[0]["scope_id"])
        require(actor, Right.SWITCH, scope_id, self._desk.book)
        if outcome not in _OUTCOMES:
            raise Faulty({"outcome": ["Répondez « faite » (done) ou « refusée » (refused)."]})
        why = checked_reason(reason)
        if rows[0]["settled_at"] is not None:
            raise Faulty({"": [_ANSWERED]})
        said = {"request": request_id, "outcome": outcome, "why": why}
        await self._audit.record(record(Act.SCOPE_SWITCH_ANSWERED, actor, now, scope=scope_id, **said))
        settled: dict[str, Value] = {"settled_at": now, "settled_by": actor.id, "outcome": outcome}
        try:
            await self._records.write(Update("requests", settled, {"id": request_id, "settled_at": None}))
        except Stale as error:
            raise Faulty({"": [_ANSWERED]}) from error


def _next_id(scope_id: str, author: str, before: str) -> str:
    """The id of whoever asks next after this request: of two sent at once, one finds it taken."""
    return "req_" + blake2b("\0".join((scope_id, author, before)).encode(), digest_size=12).hexdigest()


_WAITS = "Votre demande précédente attend encore sa réponse."
_ANSWERED = "Quelqu'un a déjà répondu à cette demande."
