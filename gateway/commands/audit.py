"""``audit``: what was done, by whom, and whether the trace of it is what was written (R93, R148, R149, G2)."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from gateway.commands.options import columns, json_option, reason_option
from gateway.commands.shared import FAILED, NOT_READY, config_option

if TYPE_CHECKING:
    from gateway.audit_chain import Examination
    from gateway.commands.office import Office
    from gateway.edges.keys import FileSigner
    from gateway.ports import Row, Span, Value

_F = TypeVar("_F", bound=Callable[..., Any])
_PAGE = 1000
_WITNESS = re.compile(r"([0-9]{1,10}):([0-9a-f]{64})")


def _instant(_: click.Context, __: click.Parameter, value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError as error:
        raise click.BadParameter("this is no day and no instant (2026-03-02, 2026-03-02T09:30:00+01:00)") from error
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _kept(_: click.Context, __: click.Parameter, values: Sequence[str]) -> dict[int, str]:
    found: dict[int, str] = {}
    for value in values:
        match = _WITNESS.fullmatch(value)
        if match is None:
            raise click.BadParameter("a witness is the seq and the hash of a checkpoint's log line: 48211:9f2c…")
        found[int(match[1])] = match[2]
    return found


def _filters(command: _F) -> _F:
    for option in (
        click.option("--until", callback=_instant, help="Only before this instant or day (UTC without an offset)."),
        click.option("--since", callback=_instant, help="Only from this instant or day on (UTC without an offset)."),
        click.option("--act", "acts", multiple=True, help="Only this act, session:open for one; may be repeated."),
        click.option("--scope", help="Only what bears on this scope."),
        click.option("--account", help="Only what bears on this account."),
    ):
        command = option(command)
    return command


@click.group()
def audit() -> None:
    """The audit: one row for each act, chained so that nothing can be changed or taken away unseen.

    \b
    Examples:
      vt-gateway audit verify --config gateway.toml
      vt-gateway audit list --config gateway.toml --account acc_Zm9vYmFy --since 2026-03-01
      vt-gateway audit export --config gateway.toml --since 2026-03-01 > march.csv
    """


@audit.command("verify")
@config_option
@json_option
@click.option(
    "--witness",
    "witnesses",
    metavar="SEQ:HASH",
    multiple=True,
    callback=_kept,
    help="A checkpoint kept elsewhere (the log has a line for each); may be repeated.",
)
def verify(config: Path, as_json: bool, witnesses: dict[int, str]) -> None:
    """Read the whole chain and print all that is wrong with it. Exit code 0: sound; 1: it was tampered with.

    The gateway may run meanwhile. Whoever controls both the database and the gateway's keys can make a chain that looks
    sound: only a checkpoint that was kept elsewhere then tells.

    \b
    Examples:
      vt-gateway audit verify --config gateway.toml
      vt-gateway audit verify --config gateway.toml --json --witness 48211:9f2c…
    """
    from gateway.commands.office import work
    from gateway.trail import examine

    async def act(office: Office) -> Examination:
        keys = [one.public_jwk for one in _signers(office)]
        return await examine(office.records, _head_key(office), keys, witnesses, _progress())

    found = work(config, act)
    if as_json:
        click.echo(json.dumps(_result(found)))
    else:
        for fault in found.faults:
            columns(fault.kind.value, fault.seq, fault.text)
        if found.count > len(found.faults):
            click.echo(f"and {found.count - len(found.faults)} more")
        begins = f", those before {found.purged.seq + 1} removed for their age" if found.purged else ""
        rows = f"{found.rows} rows of the chain ({found.first} to {found.last}{begins})" if found.rows else "no rows"
        state = "sound" if not found.count else f"NOT SOUND, {found.count} faults"
        click.echo(f"{state}: {rows}, {found.older} older than the chain, {found.checkpoints} checkpoints")
    sys.exit(FAILED if found.count else 0)


@audit.command("list")
@config_option
@json_option
@_filters
@click.option("--session", help="Only the session that the access log calls so: who acted, and by which means (R149).")
@click.option("--limit", type=click.IntRange(1, 10000), default=50, show_default=True, help="At most so many.")
def list_(
    config: Path,
    as_json: bool,
    account: str | None,
    scope: str | None,
    acts: Sequence[str],
    since: datetime | None,
    until: datetime | None,
    session: str | None,
    limit: int,
) -> None:
    """List what was done, the newest first.

    \b
    Examples:
      vt-gateway audit list --config gateway.toml --limit 20
      vt-gateway audit list --config gateway.toml --act scope:switch --act scope:breakglass --json
      vt-gateway audit list --config gateway.toml --session kQ3f9_aXz01b --since 2026-03-01
    """
    from gateway.commands.office import work

    async def read(office: Office) -> Sequence[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async for row in _rows(office, _where(account, scope, acts, since, until), newest_first=True):
            line = _plain(row)
            if session is None or line["facts"].get("session") == session:
                found.append(line)
            if len(found) == limit:
                break
        return found

    lines = work(config, read)
    if as_json:
        click.echo(json.dumps(lines, ensure_ascii=False))
        return
    for line in lines:
        facts = " ".join(f"{name}={value}" for name, value in line["facts"].items())
        columns(*(line[name] for name in ("seq", "at", "act", "account", "scope", "reason", "address")), facts)


@audit.command("export")
@config_option
@_filters
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl"]),
    default="csv",
    show_default=True,
    help="csv: for a spreadsheet; jsonl: one JSON object a line.",
)
def export(
    config: Path,
    account: str | None,
    scope: str | None,
    acts: Sequence[str],
    since: datetime | None,
    until: datetime | None,
    form: str,
) -> None:
    """Print the rows, the oldest first, with their hashes. The export itself is written to the audit.

    \b
    Examples:
      vt-gateway audit export --config gateway.toml --since 2026-03-01 --until 2026-04-01 > march.csv
      vt-gateway audit export --config gateway.toml --format jsonl --account acc_Zm9vYmFy > person.jsonl
    """
    from gateway.administration.audit_trail import TITLES, cells, export_record
    from gateway.commands.office import work
    from gateway.overview import AuditQuery
    from gateway.spreadsheet import BOM, line

    async def act(office: Office) -> None:
        asked = AuditQuery(("/",), scope or "", "", account or "", tuple(acts), since, until)
        await office.audit.record(export_record(office.actor, asked, office.now, form=form))
        out = sys.stdout.buffer  # lines end as they are written
        if form == "csv":
            out.write((BOM + line(TITLES)).encode())
        async for row in _rows(office, _where(account, scope, acts, since, until)):
            text = line(cells(row)) if form == "csv" else json.dumps(_plain(row), ensure_ascii=False) + "\n"
            out.write(text.encode())
        out.flush()

    work(config, act)


@audit.command("checkpoint")
@config_option
@json_option
def checkpoint(config: Path, as_json: bool) -> None:
    """Sign how the chain stands now, and print it: a witness, to be kept elsewhere. The gateway signs every hour; when
    nothing was written since, what it signed is printed.

    \b
    Example:
      vt-gateway audit checkpoint --config gateway.toml --json
    """
    from gateway.audit_chain import Checkpoint
    from gateway.commands.office import work
    from gateway.trail import Checkpoints

    async def act(office: Office) -> Checkpoint | None:
        return await Checkpoints(office.records, _signers(office)[0]).standing(office.now)

    made = work(config, act)
    if as_json:
        click.echo(json.dumps(made.row() | {"at": made.at.isoformat()} if made else None))
    elif made is None:
        click.echo("nothing was written yet")
    else:
        columns(made.seq, made.hash, made.at.isoformat(), made.kid, made.signature)


@audit.command("purge")
@config_option
@reason_option()
@click.option("--yes", is_flag=True, help="Needed: what is removed cannot be examined any more.")
def purge(config: Path, reason: str, yes: bool) -> None:
    """Remove rows older than log.retention_days although they were tampered with.

    The gateway removes what is too old by itself, every day, and stops at rows that are not what was written, so that
    the proof is not lost. When that was looked into, this removes them too.

    \b
    Example:
      vt-gateway audit purge --config gateway.toml --reason "incident of 3 March closed" --yes
    """
    from gateway.administration.actor import record
    from gateway.audit import Act
    from gateway.commands.office import work
    from gateway.trail import Checkpoints

    if not yes:
        raise click.UsageError("removing cannot be undone; say --yes")

    async def act(office: Office) -> int:
        trail = Checkpoints(office.records, _signers(office)[0])
        edge = office.now - timedelta(days=office.settings.log.retention_days)
        count = await trail.count_old(edge, office.now)
        if count:
            facts = {"audit": str(count), "older_than": edge.isoformat(), "why": reason, "faulty": "yes"}
            await office.audit.record(record(Act.DATA_PURGED, office.actor, office.now, **facts))
            await trail.remove_old(edge, office.now, faulty=True)
        return count

    click.echo(f"{work(config, act)} rows removed.")


def _signers(office: Office) -> Sequence[FileSigner]:
    """The key in use, then the earlier ones."""
    from gateway.commands.office import Problem
    from gateway.edges.keys import FileSigner
    from gateway.reasons import KeyUnavailable

    settings = office.settings.assertion
    key = settings.key.removeprefix("file:")
    paths = [Path(key) if key else office.settings.gateway.state_dir / "assertion.pem"]
    try:
        return [FileSigner(path) for path in (*paths, *(Path(one.removeprefix("file:")) for one in settings.previous))]
    except KeyUnavailable as error:
        raise Problem(f"assertion.key: {error}; the gateway makes it when it starts", NOT_READY) from error


def _head_key(office: Office) -> bytes:
    from gateway.commands.office import Problem
    from gateway.edges.keys import Secrets
    from gateway.reasons import KeyUnavailable

    try:
        return Secrets(office.settings.secrets.key_file or office.settings.gateway.state_dir / "gateway.key").key(
            "audit"
        )
    except KeyUnavailable as error:
        raise Problem(f"secrets.key_file: {error}; the gateway makes it when it starts", NOT_READY) from error


def _where(
    account: str | None, scope: str | None, acts: Sequence[str], since: datetime | None, until: datetime | None
) -> dict[str, Value | Span | Sequence[Value]]:
    from gateway.ports import Span

    where: dict[str, Value | Span | Sequence[Value]] = {}
    if account:
        where["account"] = account
    if scope:
        where["scope"] = scope
    if acts:
        where["act"] = list(acts)
    if since or until:
        where["at"] = Span(since, until)
    return where


async def _rows(
    office: Office, where: dict[str, Value | Span | Sequence[Value]], *, newest_first: bool = False
) -> AsyncIterator[Row]:
    from gateway.ports import Span

    beyond: Span | None = None
    order = ("-seq",) if newest_first else ("seq",)
    while rows := await office.records.find(
        "audit", {**where, "seq": beyond} if beyond else where, order=order, limit=_PAGE
    ):
        for row in rows:
            yield row
        last = cast(int, rows[-1]["seq"])
        beyond = Span(before=last) if newest_first else Span(after=last + 1)


def _plain(row: Row) -> dict[str, Any]:
    at = cast(datetime, row["at"])
    return {**row, "at": at.isoformat(), "facts": json.loads(cast(str, row["facts"]))}


def _progress() -> Callable[[int, int], None]:
    """Once a second on stderr, for those who wait."""
    told = time.monotonic()

    def progress(done: int, last: int) -> None:
        nonlocal told
        if time.monotonic() - told >= 1:
            told = time.monotonic()
            click.echo(f"row {done} of {last}", err=True)

    return progress


def _result(found: Examination) -> dict[str, object]:
    return {
        "sound": not found.count,
        "rows": found.rows,
        "first": found.first,
        "last": found.last,
        "begins_after": found.purged.seq if found.purged else None,
        "older": found.older,
        "checkpoints": found.checkpoints,
        "fault_count": found.count,
        "faults": [{"kind": one.kind.value, "seq": one.seq, "text": one.text} for one in found.faults],
    }
