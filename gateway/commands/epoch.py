"""``epoch``: whether what the store holds is of this time, and a new beginning after something was restored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.commands.options import columns, json_option, reason_option
from gateway.commands.shared import config_option

if TYPE_CHECKING:
    from gateway.commands.office import Office
    from gateway.epoch.epochs import Overview


@click.group()
def epoch() -> None:
    """The epoch: what the store holds of another one is dead (sessions, codes, links, proofs under way).

    The gateway begins a new one by itself when it sees that the store or the records were put back to an earlier
    moment. After a restore that nothing tells it of, say so with renew.

    \b
    Examples:
      vt-gateway epoch show --config gateway.toml
      vt-gateway epoch renew --config gateway.toml --restored --reason "backup of 3 March restored"
    """


@epoch.command("show")
@config_option
@json_option
def show(config: Path, as_json: bool) -> None:
    """Print the epoch in force, and how far each store was seen to have counted.

    A store in use counts about once a second; the records follow every few seconds.

    \b
    Example:
      vt-gateway epoch show --config gateway.toml --json
    """
    from gateway.commands.office import work

    async def read(office: Office) -> Overview:
        return await office.epochs.overview()

    found = work(config, read)
    now = found.store
    if as_json:
        click.echo(
            json.dumps(
                {
                    "epoch": _plain(found.epoch) if found.epoch else None,
                    "store": {"name": now.name, "beats": now.count, "kept": now.kept} if now else None,
                    "pulses": [_plain(row) for row in found.pulses],
                },
                ensure_ascii=False,
            )
        )
        return
    if found.epoch is None:
        click.echo("no epoch yet: it begins when the gateway starts")
        return
    columns("epoch", *_plain(found.epoch).values())
    columns("store", *((now.name, now.count) if now else (None, None)))
    for row in found.pulses:
        columns("records", *_plain(row).values())


@epoch.command("renew")
@config_option
@json_option
@reason_option()
@click.option("--restored", is_flag=True, help="The records were restored: recovery codes are void too.")
def renew(config: Path, as_json: bool, reason: str, restored: bool) -> None:
    """Begin a new epoch: everybody signs in again, every pending code and every link that was sent is dead.

    Gateways that run follow within a second. Invitations to delegations are sent again by whoever made them; people
    whose recovery codes are void make new ones on « Mon compte ».

    \b
    Examples:
      vt-gateway epoch renew --config gateway.toml --restored --reason "backup of 3 March restored"
      vt-gateway epoch renew --config gateway.toml --reason "a copy of the store was stolen"
    """
    from gateway.administration.actor import record
    from gateway.audit import Act
    from gateway.commands.office import work
    from gateway.reasons import StoreUnavailable

    async def act(office: Office) -> tuple[int, bool]:
        facts = {"why": reason, "restored": "yes" if restored else "no"}
        await office.audit.record(record(Act.EPOCH_BEGUN, office.actor, office.now, **facts))
        number = await office.epochs.renew(reason, restored=restored)
        if office.store is None:
            return number, False
        try:
            await office.epochs.settle()
        except StoreUnavailable:
            return number, False
        return number, True

    number, told = work(config, act)
    if as_json:
        click.echo(json.dumps({"epoch": number, "store": told}))
        return
    click.echo(f"epoch {number} has begun.")
    if not told:
        click.echo("The store was not reached from here; gateways that serve find out by themselves.", err=True)


def _plain(row: Mapping[str, object]) -> dict[str, object]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
