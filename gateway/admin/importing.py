"""Importing accounts and scopes from a file: the form, the progress, the report by line (R82, R102).

A trial is the rule: it does everything but the writes. The file of a trial is not kept, so the real import asks for it
again. Nothing reloads by itself unless somebody asks for it (WCAG 2.2.2).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

from aiohttp import web

from gateway import texts
from gateway.admin.download import table
from gateway.admin.frame import NOTHING, Room, Typed, asked
from gateway.admin.uploads import TooLarge, Uploads, drop, take
from gateway.admin.words import IMPORT_STATES, OUTCOMES, count, share, whole
from gateway.administration.actor import Actor, Faulty, NotYours
from gateway.administration.offices import Offices
from gateway.pages.administrator import Work
from gateway.pages.base import Visit, go
from gateway.pages.house import House
from gateway.policy.rights import TABLE, Right
from gateway.reasons import Reason

_KINDS = {"accounts": ("Comptes", Right.IMPORT), "scopes": ("Établissements et services", Right.SHAPE)}
_OPTIONS = ("move", "retire")
_LINES = 200
_MEGA = 1024 * 1024


class ImportPages(Room):
    """admin/imports."""

    section = "imports"

    def __init__(self, house: House, offices: Offices, uploads: Uploads) -> None:
        super().__init__(house, offices)
        self._uploads = uploads

    def table(self) -> Sequence[tuple[str, str, Work]]:
        return [
            ("GET", "/imports", self.form),
            ("POST", "/imports", self.start),
            ("GET", "/imports/{import}", self.progress),
            ("GET", "/imports/{import}/report.csv", self.report),
        ]

    def _kinds(self, actor: Actor) -> list[tuple[str, str]]:
        held = {right for grant in actor.grants for right in TABLE[grant.role]}
        return [(name, label) for name, (label, right) in _KINDS.items() if right in held]

    async def form(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        return self._show(visit, actor, asked(visit))

    def _show(
        self,
        visit: Visit,
        actor: Actor,
        typed: Typed,
        faults: Mapping[str, Sequence[str]] | None = None,
        status: int = 200,
    ) -> web.Response:
        kinds = self._kinds(actor)
        if not kinds:
            raise NotYours("Les imports sont réservés à l'équipe régionale.")
        return self.page(
            visit,
            actor,
            "imports",
            "Imports",
            status=422 if faults and status == 200 else status,
            kinds=kinds,
            typed=typed,
            faults=faults or {},
            largest=f"{whole(self._uploads.largest // _MEGA)}\u00a0Mo"
            if self._uploads.largest >= _MEGA
            else f"{whole(self._uploads.largest // 1024)}\u00a0Ko",
        )

    async def start(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        if not self._kinds(actor):
            raise NotYours("Les imports sont réservés à l'équipe régionale.")
        try:
            typed, path = await take(visit, self._uploads)
        except TooLarge:
            visit.log(Reason.BODY_TOO_LARGE, 413)
            return self._show(visit, actor, NOTHING, {"file": ["Ce fichier dépasse la taille permise."]}, 413)
        if path is None:
            return self._show(visit, actor, typed, {"file": ["Choisissez un fichier qui n'est pas vide."]})
        kind = typed.get("kind")
        options = {name: "1" for name in _OPTIONS if kind == "scopes" and typed.has(name)}
        try:
            made = await self.offices.imports.start(
                actor, kind, path, dry_run=typed.get("mode") != "real", options=options, now=visit.now
            )
        except BaseException as error:
            drop(path)  # nobody took it
            if isinstance(error, Faulty):
                return self._show(visit, actor, typed, error.faults)
            raise
        await self.offices.imports.wait(made, 1.0)  # a small file is done by now
        return go(self.url("imports", made))

    async def progress(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        import_id = visit.request.match_info["import"]
        row = await self.offices.imports.status(actor, import_id)
        after = visit.request.query.get("after", "")
        start = int(after) if after.isascii() and after.isdigit() and len(after) < 10 else 0
        lines = await self.offices.imports.report(actor, import_id, start, _LINES)
        counts = json.loads(cast(str, row["counts"]))
        total, done, running = cast("int | None", row["total"]), cast(int, row["done"]), row["state"] == "running"
        kind = str(row["kind"])
        label = _KINDS.get(kind, (kind, Right.IMPORT))[0]
        live = visit.request.query.get("live") == "1"
        return self.page(
            visit,
            actor,
            "import",
            f"{'Essai' if row['dry_run'] else 'Import'}\u00a0: {label.lower()}",
            crumbs=[("Imports", self.url("imports"))],
            id=import_id,
            kind=kind,
            dry_run=bool(row["dry_run"]),
            running=running,
            failed=row["state"] == "failed",
            state=IMPORT_STATES.get(str(row["state"]), str(row["state"])),
            fault=row["fault"] or "",
            live=live and running,
            percent=share(done, total or 0),
            done=done,
            total=total or 0,
            at=texts.moment(cast(datetime, row["created_at"]), visit.zone),
            counts=[(OUTCOMES.get(name, name), whole(number)) for name, number in _numbers(counts)],
            lines=[self._line(one) for one in lines],
            next=self.url("imports", import_id, after=str(lines[-1]["line"])) if len(lines) >= _LINES else "",
            said_lines=count(len(lines), "ligne du rapport", "lignes du rapport"),
        )

    def _line(self, line: Mapping[str, Any]) -> SimpleNamespace:
        outcome = str(line["outcome"])
        return SimpleNamespace(
            line=line["line"],
            outcome=_ONE.get(outcome, outcome),
            bad=outcome == "refused",
            key=line.get("key") or "–",
            detail=line.get("detail") or "",
        )

    async def report(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        import_id = visit.request.match_info["import"]
        await self.offices.imports.status(actor, import_id)
        return await table("rapport-import.csv", self.offices.imports.report_csv(actor, import_id))


_ONE = {"created": "créée", "updated": "modifiée", "unchanged": "inchangée", "refused": "refusée"}


def _numbers(counts: Mapping[str, Any]) -> list[tuple[str, int]]:
    return [(name, number) for name, number in counts.items() if isinstance(number, int)]
