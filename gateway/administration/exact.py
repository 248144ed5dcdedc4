"""Changes of the policy that are computed from the book and written only over that very book.

What an administrator may do, what a value was before, which paths lie below a place: all of it is read from the book
in force. If anybody writes in between, nothing is written, the book is read again, and the act is thought over from
the start: two moves can make no circle, and of two acts that expect the same version one is told of the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from gateway.administration.revisions import Revisions
from gateway.audit import Record
from gateway.desk import PolicyDesk
from gateway.ports import Audit, Change
from gateway.reasons import Stale

_TURNS = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What is written to the audit first, and the changes under the next revision."""

    records: Sequence[Record]
    changes: Callable[[int], Sequence[Change]]


class _Overtaken(Exception):
    """Somebody else wrote since the book was read."""


class ExactWriter:
    """One for each room that changes scopes."""

    def __init__(self, revisions: Revisions, audit: Audit, desk: PolicyDesk) -> None:
        self._revisions = revisions
        self._audit = audit
        self._desk = desk

    async def write(self, plan: Callable[[], Awaitable[Plan | None]]) -> bool:
        """Do what ``plan`` says of the book in force; ``None``: nothing. ``plan`` raises what forbids it, and may be
        asked again. When it returns, this worker's book has the change. False when there was nothing to do.

        Raises ``RecordsUnavailable``, ``Taken``, and ``Stale`` when the policy changes without a pause.
        """
        written: Sequence[Record] = ()
        for _ in range(_TURNS):
            await self._desk.refresh()
            seen = self._desk.revision
            said = await plan()
            if said is None:
                return False
            if written != said.records:  # a second look that says the same is not a second act
                await asyncio.gather(*(self._audit.record(record) for record in said.records))
                written = said.records
            try:
                await self._revisions.write(partial(_over, seen, said))
            except (_Overtaken, Stale):
                continue
            await self._desk.refresh()
            return True
        raise Stale("the policy changes too often")


def _over(seen: int, said: Plan, revision: int) -> Sequence[Change]:
    if revision != seen + 1:
        raise _Overtaken
    return said.changes(revision)
