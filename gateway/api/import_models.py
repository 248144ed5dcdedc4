"""What goes in and comes out about imports (R102)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.api.kinds import Asked, Flag, Format, Instant, Number, Said, Text


class ImportQuery(Asked):
    """``dry_run=1``: everything is checked and nothing written."""

    dry_run: Flag = False


class ScopeImportQuery(ImportQuery):
    """``move=1``: scopes that the table puts elsewhere are moved; ``retire=1``: those it calls closed are retired."""

    move: Flag = False
    retire: Flag = False


class CsvAsked(Asked):
    """The other ways to send the table: ``text/csv`` as it is, or ``multipart/form-data`` with the field ``file``."""

    csv: Annotated[Text, Field(min_length=1)]


class ImportSaid(Said):
    """``total`` and ``done`` in bytes of the file; ``counts``: lines by outcome."""

    id: str
    kind: str
    author: str
    dry_run: bool
    state: Literal["running", "done", "failed"]
    total: int | None
    done: int
    counts: dict[str, int]
    fault: str | None
    created_at: Instant
    updated_at: Instant


class LineSaid(Said):
    line: int
    outcome: str
    key: str
    detail: str


class ImportDone(ImportSaid):
    """The state of the import with the first lines of its report; the others at ``report``."""

    lines: list[LineSaid]
    report: str


class ReportQuery(Asked):
    limit: Annotated[Number, Field(ge=1, le=1000)] = 1000
    after: Annotated[Number, Field(le=2**31 - 1)] = 0
    format: Format | None = None


class ReportPage(Said):
    """``next``: the address of the next page; ``null`` on the last one."""

    lines: list[LineSaid]
    next: str | None
