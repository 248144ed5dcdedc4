"""``backup``: the records in one file that was checked, the keys in another, and the way back."""

from __future__ import annotations

import json
import sys
import tarfile
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from gateway.commands.options import json_option, reason_option
from gateway.commands.shared import FAILED, NOT_READY, config_option, settings_of

if TYPE_CHECKING:
    from gateway.edges.backup import Manifest
    from gateway.edges.backup_databases import Replaced
    from gateway.settings import Settings

T = TypeVar("T")
_file = click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))


@click.group()
def backup() -> None:
    """Backups: the records without the keys, and the keys by themselves. The store needs none.

    \b
    Examples:
      vt-gateway backup create --config gateway.toml /var/backups/records.tar
      vt-gateway backup check /var/backups/records.tar
      vt-gateway backup restore --config gateway.toml /var/backups/records.tar --yes --reason "disk of 3 March"
    """


@backup.command("create")
@config_option
@json_option
@_file
def create(config: Path, as_json: bool, file: Path) -> None:
    """Write the records to FILE while the gateway runs, and read it again whole before it has that name.

    SQLite, or PostgreSQL with its pg_dump and pg_restore. FILE must not exist; it is readable by its owner alone. It holds
    personal data, and no key: what is sealed in it stays so.

    \b
    Example:
      vt-gateway backup create --config gateway.toml /var/backups/records-$(date +%F).tar
    """
    from gateway import __version__
    from gateway.edges import backup as room

    url = _records(settings_of(config))
    _say(_done(lambda: room.create(url, file, __version__, datetime.now(UTC))), as_json)


@backup.command("check")
@json_option
@_file
def check(as_json: bool, file: Path) -> None:
    """Read a whole backup: its sums, and whether the database in it is sound. Exit code 0: good.

    \b
    Example:
      vt-gateway backup check /var/backups/records.tar
    """
    from gateway.edges import backup as room

    _say(_done(lambda: room.check(file)), as_json)


@backup.command("keys")
@config_option
def keys(config: Path) -> None:
    """Write a tar of the configuration and the gateway's own keys to stdout: to be encrypted, and kept apart.

    Who has these keys and the records can make assertions and an audit that looks sound. Without them second factors
    cannot be read any more. deploy/backup/backup encrypts them with a certificate.

    \b
    Example:
      vt-gateway backup keys --config gateway.toml | openssl cms -encrypt -binary -aes-256-cbc -outform DER \\
        -out keys.cms operator.pem
    """
    settings = settings_of(config)
    if sys.stdout.isatty():
        raise click.UsageError("keys are not shown: send stdout to a program that encrypts them")
    state = settings.gateway.state_dir
    signing = settings.assertion.key.removeprefix("file:")
    paths = {
        "gateway.toml": config,
        "gateway.key": settings.secrets.key_file or state / "gateway.key",
        "assertion.pem": Path(signing) if signing else state / "assertion.pem",
    }
    for number, one in enumerate(settings.assertion.previous, 1):
        paths[f"assertion-previous-{number}.pem"] = Path(one.removeprefix("file:"))
    missing = [str(path) for path in paths.values() if not path.is_file()]
    if missing:
        click.echo(f"not there: {', '.join(missing)}; the gateway makes its keys when it starts", err=True)
        sys.exit(NOT_READY)
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for name, path in paths.items():
            tar.add(path, name, recursive=False)
    sys.stdout.buffer.flush()


@backup.command("restore")
@config_option
@json_option
@reason_option()
@click.option("--yes", is_flag=True, help="Needed: the records there are put aside.")
@_file
def restore(config: Path, as_json: bool, reason: str, yes: bool, file: Path) -> None:
    """Put the records of FILE in place of those there are, and begin a new epoch. Every gateway must be stopped.

    What was there is put aside, not removed. Afterwards everybody signs in again; codes, links, recovery codes and
    invitations to delegations of before are dead. What was done after the backup is lost: acts are counted where the
    replaced records can still be read, and the log has a line for each.

    \b
    Example:
      vt-gateway backup restore --config gateway.toml /var/backups/records.tar --yes --reason "disk of 3 March"
    """
    import asyncio

    from gateway.administration.actor import record
    from gateway.audit import Act
    from gateway.commands.office import Office, work
    from gateway.edges import backup as room
    from gateway.edges.database import Database

    if not yes:
        raise click.UsageError("the records there are put aside; say --yes")
    settings = settings_of(config)
    key = settings.secrets.key_file or settings.gateway.state_dir / "gateway.key"
    if not key.is_file():  # a new one would begin a second audit chain, and could not open what the records hold sealed
        click.echo(f"{key} is not there: put the keys back first", err=True)
        sys.exit(NOT_READY)
    url = _records(settings)
    made, replaced = _done(lambda: room.restore(url, file, datetime.now(UTC)))

    async def migrate() -> None:
        database = Database(url)
        try:
            await database.migrate()
        finally:
            await database.close()

    async def begin(office: Office) -> int:
        facts = {"why": reason, "restored": "yes", "backup": made.made_at, "audit_seq": str(made.audit_seq)}
        await office.audit.record(record(Act.EPOCH_BEGUN, office.actor, office.now, **facts))
        return await office.epochs.renew(reason, restored=True)

    asyncio.run(migrate())
    number = work(config, begin)
    if as_json:
        kept = asdict(replaced) if replaced else None
        click.echo(json.dumps({"backup": asdict(made), "replaced": kept, "epoch": number}))
        return
    _say(made, False)
    _say_lost(made, replaced)
    click.echo(f"epoch {number} has begun: everybody signs in again.")


def _say(made: Manifest, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(made)))
        return
    click.echo(f"good: {made.records} of {made.made_at}, schema {made.schema}, {made.accounts} accounts")
    click.echo(f"the audit goes to row {made.audit_seq}, of {made.audit_at or 'no instant'}")


def _say_lost(made: Manifest, replaced: Replaced | None) -> None:
    if replaced is None:
        click.echo(f"lost: what the log says after {made.audit_at or made.made_at}")
        return
    click.echo(f"the records that were there are kept as {replaced.kept_as}")
    if replaced.audit_seq is None:
        click.echo(f"they cannot be read; lost: what the log says after {made.audit_at or made.made_at}")
        return
    click.echo(f"lost: rows {made.audit_seq + 1} to {replaced.audit_seq} of the audit")
    for act, count in replaced.lost.items():
        click.echo(f"lost\t{act}\t{count}")


def _records(settings: Settings) -> str:
    return settings.records.url or f"sqlite:///{settings.gateway.state_dir / 'records.db'}"


def _done(job: Callable[[], T]) -> T:
    from gateway.edges.backup_databases import BackupFailed

    try:
        return job()
    except BackupFailed as error:
        click.echo(f"not done: {error}", err=True)
        sys.exit(FAILED)
