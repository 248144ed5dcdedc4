"""``scope import`` and ``user import``: a file worked through beside the gateway, with its progress (R82, R102).

The file is read from a copy: it stays where it is. A trial does all but the writes.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.commands.options import json_option
from gateway.commands.shared import FAILED, config_option

if TYPE_CHECKING:
    from gateway.commands.office import Office
    from gateway.commands.rooms import Rooms

_LOOK = 0.5  # seconds between two lines of progress
_REFUSED = "refused"
_SHOWN = 200  # refused lines on the screen; all are in the report

FILE = click.argument("source", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
DRY_RUN = click.option("--dry-run", is_flag=True, help="Say what would be done, line by line; write nothing.")
REPORT = click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False, writable=True),
    help="Every line with its outcome, as CSV.",
)


@click.command("import")
@config_option
@json_option
@DRY_RUN
@REPORT
@click.option(
    "--format", "kind", type=click.Choice(["finess", "csv"]), help="What the file must be; otherwise found out."
)
@click.option("--move", is_flag=True, help="Let the file move scopes to another parent.")
@click.option("--retire", is_flag=True, help="Close establishments that a FINESS extraction does not list any more.")
@FILE
def import_scopes(
    config: Path,
    as_json: bool,
    dry_run: bool,
    report: Path | None,
    kind: str | None,
    move: bool,
    retire: bool,
    source: Path,
) -> None:
    """Take scopes from a FINESS extraction or a table with a heading. The same file twice changes nothing the second time.

    \b
    Examples:
      vt-gateway scope import --config gateway.toml etalab-cs1100502.csv --dry-run --report report.csv
      vt-gateway scope import --config gateway.toml places.csv --format csv
    """
    if kind is not None:
        from gateway.administration.scope_files import is_finess
        from gateway.administration.tables import Unreadable, inspect

        try:
            found = "finess" if is_finess(inspect(source)) else "csv"
        except Unreadable as error:
            click.echo(f"{source}: {error.sentence}", err=True)
            sys.exit(FAILED)
        if found != kind:
            click.echo(f"{source} looks like {found}, not like {kind}", err=True)
            sys.exit(FAILED)
    options = {name: "1" for name, wanted in (("move", move), ("retire", retire)) if wanted}
    run_import(config, "scopes", source, options, dry_run=dry_run, report=report, as_json=as_json)


def run_import(
    config: Path,
    kind: str,
    source: Path,
    options: Mapping[str, str],
    *,
    dry_run: bool,
    report: Path | None,
    as_json: bool,
) -> None:
    from gateway.commands.office import work
    from gateway.commands.rooms import Rooms

    async def act(office: Office) -> dict[str, Any]:
        rooms = await Rooms.opened(office)
        copy = await asyncio.to_thread(_copied, source)
        try:
            import_id = await rooms.imports.start(
                office.actor, kind, copy, dry_run=dry_run, options=options, now=office.now
            )
        except BaseException:
            copy.unlink(missing_ok=True)
            raise
        try:
            while not await rooms.imports.wait(import_id, _LOOK):
                _progress(await rooms.imports.status(office.actor, import_id))
            row = await rooms.imports.status(office.actor, import_id)
            _progress(row)
            if report is not None:
                with report.open("w", encoding="utf-8", newline="") as written:
                    async for piece in rooms.imports.report_csv(office.actor, import_id):
                        written.write(piece)
            refused = await _refused(rooms, office, import_id)
        finally:
            await rooms.imports.close()
        plain = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
        return {**plain, "counts": json.loads(str(row["counts"])), "refused": refused}

    done = work(config, act)
    if as_json:
        click.echo(json.dumps(done, ensure_ascii=False))
    else:
        for line in done["refused"]:
            click.echo(f"line {line['line']}: {line['key']}: {line['detail']}", err=True)
        said = ", ".join(f"{count} {name}" for name, count in done["counts"].items()) or "nothing"
        click.echo(f"{said}{' (nothing was written)' if dry_run else ''}.")
    if done["state"] != "done":
        click.echo(f"not finished: {done['fault']}", err=True)
        sys.exit(FAILED)


async def _refused(rooms: Rooms, office: Office, import_id: str) -> list[dict[str, Any]]:
    """The first lines that were not taken."""
    found: list[dict[str, Any]] = []
    last = 0
    while lines := await rooms.imports.report(office.actor, import_id, last):
        found += [line for line in lines if line["outcome"] == _REFUSED]
        last = lines[-1]["line"]
        if len(found) >= _SHOWN:
            break
    return found[:_SHOWN]


def _copied(source: Path) -> Path:
    """The import owns and removes what it is given."""
    with tempfile.NamedTemporaryFile(prefix="vt-import-", suffix=source.suffix, delete=False) as made:
        with source.open("rb") as original:
            shutil.copyfileobj(original, made)
        return Path(made.name)


def _progress(row: Mapping[str, Any]) -> None:
    total, done = row["total"] or 0, row["done"]
    share = f"{min(100, 100 * done // total)} %" if total else "…"
    click.echo(f"{share} {row['state']}", err=True)
