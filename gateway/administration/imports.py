"""Imports of scopes and accounts (R82, R102): one task in the background for each, its progress, and a report by line.

A trial (``dry_run``) does all but the writes. The file is looked through before anything is written: what cannot be read
whole changes nothing. What was written stays when an import ends half-way, and the same file again leads to the same end.
An import whose process died is found by the silence of its row. One of a kind runs for each author: of two begun at once,
on whichever machines, the second finds the mark of the first, a row of ``revisions`` that goes with the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import structlog

from gateway import spreadsheet
from gateway.accounts.account import Role
from gateway.administration import import_accounts, import_scopes
from gateway.administration.actor import Actor, Faulty, NotThere, NotYours, record, reserved
from gateway.administration.import_accounts import AccountImport
from gateway.administration.import_report import Run
from gateway.administration.import_scopes import ScopeImport
from gateway.administration.revisions import Revisions
from gateway.administration.tables import Unreadable, inspect
from gateway.audit import Act
from gateway.desk import PolicyDesk
from gateway.policy.rights import TABLE, Right
from gateway.ports import Ambient, Audit, Bus, Delete, Insert, Records, Row, Span, Update, Value
from gateway.reasons import RecordsUnavailable, Stale, Taken

SILENT = timedelta(minutes=5)  # a running import says something more often than this
_RUNNING = "Un import que vous avez lancé est encore en cours."
INTERRUPTED = "L'import a été interrompu. Relancez-le avec le même fichier : ce qui est fait ne sera pas refait."
_ACTS = {"accounts": Act.ACCOUNTS_IMPORTED, "scopes": Act.SCOPES_IMPORTED}
_RIGHTS = {"accounts": Right.IMPORT, "scopes": Right.SHAPE}
_OPTIONS: Mapping[str, Sequence[str]] = {"accounts": import_accounts.OPTIONS, "scopes": import_scopes.OPTIONS}
_NO_LINE = 2**31 - 2  # beyond the last of any file, and within what every engine counts
_HEADINGS = {"line": "ligne", "outcome": "resultat", "key": "cle", "detail": "detail"}
_OUTCOMES = {"created": "créé", "updated": "modifié", "unchanged": "inchangé", "refused": "refusé"}
_log = structlog.get_logger("gateway.imports")


class Imports:
    """``revisions``, ``desk``: of this worker; ``bus`` tells the others which accounts changed."""

    def __init__(
        self,
        records: Records,
        ambient: Ambient,
        audit: Audit,
        revisions: Revisions,
        desk: PolicyDesk,
        bus: Bus | None,
    ) -> None:
        self._records = records
        self._ambient = ambient
        self._audit = audit
        self._scopes = ScopeImport(records, revisions, audit, desk)
        self._accounts = AccountImport(records, ambient, audit, bus, desk)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(
        self, actor: Actor, kind: str, source: Path, *, dry_run: bool, options: Mapping[str, str], now: datetime
    ) -> str:
        """Begin in the background and return the id. The file is ours from then on, and removed in the end; when this
        raises it stays the caller's. Raises ``Faulty``, ``NotYours``, ``RecordsUnavailable``."""
        if kind not in _ACTS:
            raise Faulty({"kind": ["Import inconnu : accounts ou scopes."]})
        faults = {
            name: [f"Option inconnue : {name}." if name not in _OPTIONS[kind] else f"Option {name} : 0 ou 1."]
            for name, value in options.items()
            if name not in _OPTIONS[kind] or value not in ("0", "1")
        }
        if faults:
            raise Faulty(faults)
        if not any(_RIGHTS[kind] in TABLE[grant.role] for grant in actor.grants):
            raise NotYours(reserved(_RIGHTS[kind]))
        await self.recover(now)
        left = await self._records.find("revisions", {"name": _mark(kind, actor.id)}, limit=1)
        if await self._records.find("imports", {"kind": kind, "author": actor.id, "state": "running"}, limit=1):
            raise Faulty({"": [_RUNNING]})
        if left:  # an earlier version ended the import and knew nothing of its mark
            await self._records.write(Delete("revisions", {"name": left[0]["name"], "value": left[0]["value"]}))
        import_id = "imp_" + self._ambient.token(12)
        size = (await asyncio.to_thread(source.stat)).st_size
        await self._note(actor, import_id, kind, dry_run, now, phase="start", **options)
        try:
            await self._records.write(
                Insert("revisions", {"name": _mark(kind, actor.id), "value": int(self._ambient.digits(9))}),
                Insert(
                    "imports",
                    {
                        "id": import_id, "kind": kind, "author": actor.id, "dry_run": dry_run, "state": "running",
                        "total": size, "done": 0, "counts": "{}", "created_at": now, "updated_at": now,
                    },
                ),
            )  # fmt: skip
        except Taken:  # begun at this instant, by another form or on another machine
            await self._note(actor, import_id, kind, dry_run, now, phase="end", state="refused")
            raise Faulty({"": [_RUNNING]}) from None
        run = Run(import_id, actor, self._records, self._ambient, dry_run=dry_run, options=options)
        task = asyncio.get_running_loop().create_task(self._do(run, kind, source), name=f"import {import_id}")
        self._tasks[import_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(import_id, None))
        return import_id

    async def recover(self, now: datetime) -> None:
        """Mark imports whose process died as failed. Raises ``RecordsUnavailable``."""
        for row in await self._records.find("imports", {"state": "running"}):
            import_id, updated = cast(str, row["id"]), cast(datetime, row["updated_at"])
            if now - updated > SILENT and import_id not in self._tasks:
                await self._end(import_id, "failed", now, fault=INTERRUPTED, seen=updated)

    async def status(self, actor: Actor, import_id: str) -> Row:
        """The row of ``imports``; raises ``NotThere`` but for its author and the nation's team."""
        rows = await self._records.find("imports", {"id": import_id}, limit=1)
        national = any(grant.role is Role.NATIONAL for grant in actor.grants)
        if not rows or not (national or rows[0]["author"] == actor.id):
            raise NotThere
        return rows[0]

    async def report(
        self, actor: Actor, import_id: str, after_line: int = 0, limit: int = 1000
    ) -> Sequence[dict[str, Any]]:
        """Lines of the report after this line of the file: ``line``, ``outcome``, ``key``, ``detail``. A few more than
        ``limit`` rather than half of what belongs to one line. Raises ``NotThere``."""
        await self.status(actor, import_id)
        after_line, limit = min(max(after_line, 0), _NO_LINE), max(limit, 1)
        before = await self._records.find(
            "import_reports", {"import_id": import_id, "chunk": Span(before=after_line + 1)}, order=("-chunk",), limit=1
        )
        first = cast(int, before[0]["chunk"]) if before else 0
        found: list[dict[str, Any]] = []
        while True:
            rows = await self._records.find(
                "import_reports", {"import_id": import_id, "chunk": Span(after=first)}, order=("chunk",), limit=2
            )
            for text in cast(str, rows[0]["lines"]).splitlines() if rows else ():
                said = json.loads(text)
                if said["line"] <= after_line:
                    continue
                if len(found) >= limit and said["line"] != found[-1]["line"]:
                    return found
                found.append(said)
            if len(rows) < 2:
                return found
            first = cast(int, rows[1]["chunk"])

    async def report_csv(self, actor: Actor, import_id: str) -> AsyncIterator[str]:
        """The whole report as a table for spreadsheets, a piece at a time. Raises ``NotThere``."""
        await self.status(actor, import_id)
        yield spreadsheet.BOM + spreadsheet.line(list(_HEADINGS.values()))
        last = 0
        while lines := await self.report(actor, import_id, last):
            yield "".join(
                spreadsheet.line([one["line"], _OUTCOMES[one["outcome"]], one["key"], one["detail"]]) for one in lines
            )
            last = lines[-1]["line"]

    async def wait(self, import_id: str, seconds: float) -> bool:
        """Wait for an import of this process; whether it has ended."""
        task = self._tasks.get(import_id)
        if task is not None:
            done, _ = await asyncio.wait({task}, timeout=seconds)
            return bool(done)
        rows = await self._records.find("imports", {"id": import_id}, limit=1)
        return not rows or rows[0]["state"] != "running"

    async def close(self) -> None:
        """Stop what is under way; it is marked as interrupted."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _do(self, run: Run, kind: str, path: Path) -> None:
        state, fault, digest = "failed", INTERRUPTED, ""
        try:
            source = await asyncio.to_thread(inspect, path)
            digest = source.sha256
            await (self._accounts if kind == "accounts" else self._scopes).run(run, source)
            state, fault = "done", ""
        except Unreadable as error:
            fault = error.sentence
        except RecordsUnavailable:
            fault = "La base de données n'a pas répondu. Relancez l'import avec le même fichier."
        except Stale:
            fault = INTERRUPTED  # another worker took it for dead, and said so
        except Exception as error:  # a fault of ours: the import must not look as if it went on
            _log.error("import failed", id=run.id, error=f"{type(error).__name__}: {error}")
            fault = "L'import s'est arrêté sur une erreur interne. Rien d'autre ne sera écrit."
        finally:
            # Shielded: an import that is stopped with the process still says so.
            await asyncio.shield(self._close(run, kind, path, state, fault, digest))

    async def _close(self, run: Run, kind: str, path: Path, state: str, fault: str, digest: str) -> None:
        now = self._ambient.now()
        try:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(path.unlink, missing_ok=True)
            if state == "failed":
                with contextlib.suppress(RecordsUnavailable):
                    await run.publish()
            counts = {name: str(count) for name, count in sorted(run.counts.items())}
            await self._note(
                run.actor, run.id, kind, run.dry_run, now, phase="end", state=state, sha256=digest, **counts
            )
            await self._end(run.id, state, now, fault=fault, counts=run.counts)
        except RecordsUnavailable as error:
            _log.error("the end of an import is not written", id=run.id, error=str(error))
        finally:
            run.ledger.close()

    async def _end(
        self,
        import_id: str,
        state: str,
        now: datetime,
        *,
        fault: str,
        counts: Mapping[str, int] | None = None,
        seen: datetime | None = None,
    ) -> None:
        row = (await self._records.find("imports", {"id": import_id}, limit=1))[0]
        values: dict[str, Value] = {"state": state, "fault": fault or None, "updated_at": now}
        if counts is not None:
            values["counts"] = json.dumps(counts)
        if state == "done":
            values["done"] = row["total"]
        where: dict[str, Value] = {"id": import_id, "state": "running"}
        if seen is not None:
            where["updated_at"] = seen
        with contextlib.suppress(Stale):  # another worker was quicker
            mark = _mark(cast(str, row["kind"]), cast(str, row["author"]))
            await self._records.write(Update("imports", values, where), Delete("revisions", {"name": mark}))

    async def _note(self, actor: Actor, import_id: str, kind: str, dry_run: bool, now: datetime, **facts: str) -> None:
        await self._audit.record(
            record(
                _ACTS[kind],
                actor,
                now,
                scope=_place(actor),
                **{"import": import_id, "dry_run": "1" if dry_run else "0", **facts},
            )
        )


def _mark(kind: str, author: str) -> str:
    return f"import:{kind}:{author}"


def _place(actor: Actor) -> str | None:
    """Where the trace of an import belongs, so that a region finds its own in its journal."""
    return next((grant.scope for grant in actor.grants if grant.role is not Role.NATIONAL), None)
