"""``delegation trace``: from the access journal to who acted, for whom, under what, by which means (R149)."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from gateway.commands.instants import INSTANT
from gateway.commands.options import json_option
from gateway.commands.shared import FAILED, config_option

if TYPE_CHECKING:
    from gateway.commands.office import Office
    from gateway.delegations.facts import Trace

_AT_ONCE = 20_000  # lines: the audit is read once for all of them
_LONGEST = 64 * 1024  # bytes of a line that may be one of the journal


@dataclass(frozen=True, slots=True)
class Line:
    """A request of the journal. ``session`` is empty when nobody was signed in."""

    request: str
    at: datetime
    what: str
    status: object
    session: str


class Reading:
    """The requests of a journal, one after the other; other lines are counted and left out. ``request``: only the one of
    this number, or of this reference (R155), which is the end of it."""

    def __init__(self, file: IO[bytes], request: str | None, told: Callable[[int], None]) -> None:
        self._file = file
        self._wanted = (request or "").replace("-", "").strip().lower()
        self._told = told
        self._done = 0
        self.odd = 0

    def __iter__(self) -> Iterator[Line]:
        while raw := self._file.readline(_LONGEST):
            self._done += len(raw)
            self._told(self._done)
            if self._wanted and self._wanted.encode() not in raw.lower():
                continue
            line = _line(raw)
            if line is None:
                self.odd += bool(raw.strip())
            elif line.request.replace("-", "").lower().endswith(self._wanted):
                yield line


@click.command("trace")
@config_option
@json_option
@click.option("--session", metavar="HEX", help='The session, as the access journal names it ("session").')
@click.option("--at", type=INSTANT, help="When the request was; without it the newest session of that name.")
@click.option("--request", metavar="ID", help='Only this request ("id", or the reference a person was shown).')
@click.option("--journal", metavar="FILE", type=click.Path(allow_dash=True, dir_okay=False), help="The access journal.")
@click.argument("file", metavar="[FILE|-]", required=False, type=click.Path(allow_dash=True, dir_okay=False))
def trace(
    config: Path,
    as_json: bool,
    session: str | None,
    at: datetime | None,
    request: str | None,
    journal: str | None,
    file: str | None,
) -> None:
    """Who sent a request: the person, the doctor they acted for, the delegation, the means.

    Either one session, or a journal: FILE, --journal FILE, or - for what comes on stdin. Of a journal each request is one
    line: instant, request, person, doctor, delegation, means, what was asked. Every search is written to the audit.

    Exit code 1: nobody is known under this session, or the journal has no such request.

    \b
    Examples:
      vt-gateway delegation trace --config gateway.toml --session 3fa9c1d2e4b5 --at 2026-03-02T09:30:00+01:00
      vt-gateway delegation trace --config gateway.toml --request 7C0E-4F31 --journal access.log
      zcat access.log.3.gz | vt-gateway delegation trace --config gateway.toml - > who.tsv
    """
    source = journal or file
    if (session is None) == (source is None) or (journal and file):
        raise click.UsageError("say either --session, or one journal")
    if at is not None and session is None:
        raise click.UsageError("--at goes with --session: the lines of a journal have their own instants")
    if request is not None and source is None:
        raise click.UsageError("--request goes with a journal")
    if request is not None and len(request.replace("-", "").strip()) < 8:
        raise click.BadParameter("a request is its id, or the reference a person was shown", param_hint="--request")
    if session is not None:
        _one(config, session, at, as_json)
    elif source is not None:
        _many(config, source, request, as_json)


def _one(config: Path, session: str, at: datetime | None, as_json: bool) -> None:
    from gateway.commands.office import work
    from gateway.commands.oversight import oversight_of

    async def read(office: Office) -> Trace:
        return await oversight_of(office).trace(office.actor, session, at, office.now)

    _show(work(config, read), as_json)


def _many(config: Path, source: str, request: str | None, as_json: bool) -> None:
    from gateway.commands.office import work
    from gateway.commands.oversight import oversight_of

    async def read(office: Office) -> int:
        oversight, number, known = oversight_of(office), 0, 0
        with click.open_file(source, "rb") as file:
            reading = Reading(file, request, _progress(file))
            lines = iter(reading)
            while some := list(islice(lines, _AT_ONCE)):
                asked = [(one.session, one.at) for one in some if one.session]
                told = iter(await oversight.traces(office.actor, asked, office.now))
                found = [next(told) if one.session else None for one in some]
                number, known = number + len(some), known + sum(one is not None for one in found)
                sys.stdout.write("".join(_written(*pair, as_json) for pair in zip(some, found, strict=True)))
        if reading.odd:
            click.echo(f"{reading.odd} lines are no requests of an access journal and were left out", err=True)
        if request is not None and not number:
            click.echo(f"no line of this journal has the request {request}", err=True)
        return 0 if request is None or known else FAILED

    if code := work(config, read):
        sys.exit(code)


def _show(found: Trace, as_json: bool) -> None:
    said = found.as_json()
    if as_json:
        click.echo(json.dumps(said, ensure_ascii=False))
        return
    acted = said.pop("acted_for")
    for name, value in {**said, **(acted if isinstance(acted, dict) else {"acted_for": None})}.items():
        if isinstance(value, dict):
            value = " ".join(str(one) for one in value.values() if one)
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        click.echo(f"{name}: {'' if shown is None else shown}")


def _written(line: Line, found: Trace | None, as_json: bool) -> str:
    """One request and who was behind it, as it is printed."""
    if as_json:
        said = {"request": line.request, "at": line.at.isoformat(), "asked": line.what, "status": line.status}
        return json.dumps({**said, "trace": found.as_json() if found else None}, ensure_ascii=False) + "\n"
    person = doctor = delegation = means = None
    if found is not None:
        person, means = f"{found.person.name} ({found.person.national_id or found.person.account})", found.sign.means
        if (acted := found.acted_for) is not None:
            doctor, delegation = acted.doctor.name if acted.doctor else None, acted.id
    elif line.session:
        person = "nobody known"
    cells = (line.at.isoformat(), line.request, person, doctor, delegation, means, line.what)
    return "\t".join(_plain(cell) if cell else "-" for cell in cells) + "\n"


def _plain(text: str) -> str:
    """What a terminal shows as it is: a journal holds what strangers asked for."""
    return "".join(one if one.isprintable() else "?" for one in text)


def _line(raw: bytes) -> Line | None:
    """A line of the journal that is a request; ``None`` for any other."""
    try:
        said = json.loads(raw)
        if not isinstance(said, dict) or said.get("event") != "request":
            return None
        at = datetime.fromisoformat(str(said["timestamp"]))
        what = f"{said['method']} {said['path']}"
        return Line(str(said["id"]), at.astimezone(UTC), what, said["status"], str(said["session"] or ""))
    except (ValueError, KeyError, OverflowError, RecursionError):
        return None


def _progress(file: IO[bytes]) -> Callable[[int], None]:
    """Once a second on stderr, for those who wait."""
    told = time.monotonic()
    try:
        size = os.fstat(file.fileno()).st_size  # of a pipe: 0
    except OSError:
        size = 0

    def progress(done: int) -> None:
        nonlocal told
        if time.monotonic() - told >= 1:
            told = time.monotonic()
            click.echo(f"{done} of {size} bytes" if size else f"{done} bytes", err=True)

    return progress
