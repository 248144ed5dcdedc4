"""Imports of people and of scopes: the table comes in, is worked through in the background, and leaves a report (R102)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gateway.administration.actor import NotYours, reserved
from gateway.administration.offices import Offices
from gateway.api import uploads
from gateway.api.import_models import (
    CsvAsked,
    ImportDone,
    ImportQuery,
    ImportSaid,
    LineSaid,
    ReportPage,
    ReportQuery,
    ScopeImportQuery,
)
from gateway.api.operation import UPLOAD_KINDS, Call, Operation, Reply, lists_next
from gateway.policy.rights import TABLE, Right

_FIRST_LINES = 100  # of the report, in the answer that says it is done


@dataclass(frozen=True, slots=True)
class UploadSettings:
    """``folder``: where tables wait to be read; ``largest`` in bytes; ``wait``: seconds an answer may take."""

    folder: Path
    largest: int
    wait: float = 10


class ImportDesk:
    """``offices.imports`` in the words of the API."""

    def __init__(self, offices: Offices, settings: UploadSettings) -> None:
        self._offices = offices
        self._settings = settings

    def operations(self) -> list[Operation]:
        answers: dict[int, type[BaseModel] | None] = {200: ImportDone, 202: ImportSaid}
        return [
            Operation(
                "importAccounts", "POST", "accounts/import", "Importer des personnes", self.accounts, answers,
                right=Right.IMPORT, query=ImportQuery, body=CsvAsked, kinds=UPLOAD_KINDS, upload=True,
            ),
            Operation(
                "importScopes", "POST", "scopes/import", "Importer des périmètres", self.scopes, answers,
                right=Right.SHAPE, query=ScopeImportQuery, body=CsvAsked, kinds=UPLOAD_KINDS, upload=True,
            ),
            Operation(
                "readImport", "GET", "imports/{import}", "Suivre un import", self.read, {200: ImportSaid},
                right=Right.IMPORT,
            ),
            Operation(
                "readReport", "GET", "imports/{import}/report", "Lire le rapport d'un import, ligne par ligne",
                self.report, {200: ReportPage}, right=Right.IMPORT, query=ReportQuery, table=True,
            ),
        ]  # fmt: skip

    async def accounts(self, call: Call) -> Reply:
        return await self._start(call, "accounts")

    async def scopes(self, call: Call) -> Reply:
        return await self._start(call, "scopes")

    async def _start(self, call: Call, kind: str) -> Reply:
        """200 with the beginning of the report when it is done soon, 202 while it goes on."""
        right = Right.IMPORT if kind == "accounts" else Right.SHAPE
        if not any(right in TABLE[grant.role] for grant in call.actor.grants):  # before a byte is kept
            raise NotYours(reserved(right))
        query: ImportQuery = call.query
        imports, settings = self._offices.imports, self._settings
        source = await uploads.received(call.visit.request, settings.folder, settings.largest)
        options = {name: "1" for name in ("move", "retire") if getattr(query, name, False)}
        try:
            made = await imports.start(call.actor, kind, source, dry_run=query.dry_run, options=options, now=call.now)
        except BaseException:
            uploads.drop(source)  # nobody took it
            raise
        ended = await imports.wait(made, settings.wait)
        status = _status(await imports.status(call.actor, made))
        headers = {"Location": call.address("imports", made)}
        if not ended or status["state"] == "running":
            return Reply(ImportSaid(**status), 202, headers)
        lines = await imports.report(call.actor, made, limit=_FIRST_LINES)
        report = call.address("imports", made, "report")
        return Reply(ImportDone(**status, lines=_lines(lines), report=report), 200, headers)

    async def read(self, call: Call) -> Reply:
        return Reply(ImportSaid(**_status(await self._offices.imports.status(call.actor, call.path["import"]))))

    async def report(self, call: Call) -> Reply:
        query: ReportQuery = call.query
        imports, name = self._offices.imports, call.path["import"]
        if call.csv:
            return Reply(lines=imports.report_csv(call.actor, name), file=f"{name}.csv")
        lines = _lines(await imports.report(call.actor, name, query.after, query.limit))
        more = len(lines) >= query.limit
        address, headers = lists_next(call, str(lines[-1].line) if more else "")
        return Reply(ReportPage(lines=lines, next=address), 200, headers)


def _status(row: Mapping[str, Any]) -> dict[str, Any]:
    facts = {name: row[name] for name in ImportSaid.model_fields}
    counts = facts["counts"]
    facts["counts"] = json.loads(counts) if isinstance(counts, str) else dict(counts)
    return facts


def _lines(report: Sequence[Mapping[str, Any]]) -> list[LineSaid]:
    return [
        LineSaid(
            line=int(one["line"]),
            outcome=str(one["outcome"]),
            key=str(one.get("key") or ""),
            detail=str(one.get("detail") or ""),
        )
        for one in report
    ]
