"""Establishments that an extraction of FINESS no longer has: reported, and retired when that is wanted and nobody is there.

Only those that came from FINESS, and lie in a department that the file speaks of: a file of one region says nothing about
the others. They stand in the report after the last line of the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from gateway.administration.actor import reserved
from gateway.administration.import_report import Note, Outcome, Run
from gateway.administration.import_traces import Traces, retired
from gateway.administration.revisions import Revisions
from gateway.administration.scope_changes import at, below, changed
from gateway.administration.scope_files import Place
from gateway.desk import PolicyDesk
from gateway.policy.rights import Right, Verdict, verdict
from gateway.ports import Records, Span

_PAGE = 500
_MOST = 400  # scopes below one that are asked for people at once
_FORBIDDEN = reserved(Right.SHAPE)
_GONE = Place(0, 0, "etablissement", "")


class Absent:
    """``report`` raises ``RecordsUnavailable``."""

    def __init__(self, records: Records, revisions: Revisions, written: Traces, desk: PolicyDesk, run: Run) -> None:
        self._records = records
        self._revisions = revisions
        self._traces = written
        self._desk = desk
        self._run = run
        self._actor = run.actor

    async def report(self, covered: set[str]) -> None:
        """Establishments of FINESS in the departments of the file that the file does not have; after its last line."""
        await self._desk.refresh()
        reach = self._actor.reach(self._desk.book)
        line, last = self._run.ledger.last + 1, ""
        while True:
            page = await self._records.find(
                "scopes",
                {"source": "finess", "kind": "etablissement", "retired_at": None, "id": Span(after=last)},
                order=("id",),
                limit=_PAGE,
            )
            for row in page:
                path, number = cast("str | None", row["path"]) or "", cast("str | None", row["finess"]) or ""
                if row["id"] == last or path not in reach or not covered & set(path.split("/")):
                    continue
                if not self._run.ledger.seen("present", number)[0]:
                    await self._run.settle([replace(_GONE, line=line, id=cast(str, row["id"]))], self._gone)
                    line += 1
            if len(page) < _PAGE:
                return
            last = cast(str, page[-1]["id"])

    async def _gone(self, places: Sequence[Place]) -> Sequence[Note]:
        (place,) = places
        (row,) = await self._records.find("scopes", {"id": place.id}, limit=1)
        said = "Absent de l'extraction"
        if self._run.options.get("retire") != "1":
            return [Note(place.line, Outcome.UNCHANGED, place.id, f"{said} (option retire pour le fermer).")]
        parent = cast("str | None", row["parent_id"]) or place.id
        if verdict(self._actor.grants, Right.SHAPE, parent, self._desk.book) is not Verdict.ALLOWED:
            return [Note(place.line, Outcome.REFUSED, place.id, _FORBIDDEN)]
        rows = await self._records.find("scopes", {"path": below(cast(str, row["path"]))}, limit=_MOST)
        here = {"scope_id": [one["id"] for one in rows]}
        if len(rows) == _MOST or await self._records.find("memberships", here, limit=1):
            return [Note(place.line, Outcome.UNCHANGED, place.id, f"{said}, mais des personnes y sont rattachées.")]
        if not self._run.dry_run:
            change = changed(row, {"retired_at": self._run.now()}, self._run.now())
            await self._traces.write([retired(self._actor, self._run.id, place.id, self._run.now())])
            await self._revisions.write(lambda revision: [at(revision, change)])
        return [Note(place.line, Outcome.UPDATED, place.id, f"{said} : fermé.")]
