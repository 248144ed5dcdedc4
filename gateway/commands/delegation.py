"""``delegation``: who lets whom act, looked at and ended from the shell; and who was behind a request (R126, R149).

Nothing is given, widened or prolonged here: only the doctor does. Looking up who acted is written to the audit first.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.commands.delegation_trace import trace
from gateway.commands.options import columns, json_option, reason_option
from gateway.commands.shared import config_option

if TYPE_CHECKING:
    from gateway.commands.office import Office
    from gateway.delegations.facts import DelegationFacts, DelegationFile, Party

_PAGE = 500
_STATES = [
    "invited", "invitation_expired", "pending_confirmation", "not_started", "active", "expired", "revoked",
]  # fmt: skip
_id_argument = click.argument("delegation_id", metavar="ID")


@click.group()
def delegation() -> None:
    """Delegations: who may act for which doctor, what became of it, and who sent a request.

    \b
    Examples:
      vt-gateway delegation list --config gateway.toml --state active
      vt-gateway delegation end --config gateway.toml dlg_Zm9vYmFy --reason "left the practice"
      vt-gateway delegation trace --config gateway.toml --session 3fa9c1d2e4b5 --at 2026-03-02T09:30:00+01:00
    """


@delegation.command("list")
@config_option
@json_option
@click.option("--account", metavar="ID", help="Only what this person gave or received: an account's id or a login.")
@click.option("--state", type=click.Choice(_STATES), help="Only these, as they are now.")
def list_(config: Path, as_json: bool, account: str | None, state: str | None) -> None:
    """List delegations, in the order of their ids.

    \b
    Examples:
      vt-gateway delegation list --config gateway.toml --account 810001234567
      vt-gateway delegation list --config gateway.toml --state pending_confirmation --json
    """
    from gateway.accounts.delegation import State
    from gateway.commands.office import work
    from gateway.commands.oversight import oversight_of

    async def read(office: Office) -> list[DelegationFacts]:
        who = (await office.account(account)).id if account else None
        oversight, after = oversight_of(office), ""
        found: list[DelegationFacts] = []
        while True:
            page = await oversight.listed(
                office.actor,
                account=who,
                state=State(state) if state else None,
                after=after,
                limit=_PAGE,
                now=office.now,
            )
            found += page
            if len(page) < _PAGE:
                return found
            after = page[-1].delegation.id

    lines = work(config, read)
    if as_json:
        click.echo(json.dumps([one.as_json() for one in lines], ensure_ascii=False))
        return
    for one in lines:
        doctor, delegate = _name(one.doctor), _name(one.delegate)
        columns(one.delegation.id, one.state.value, one.delegation.kind.value, doctor, delegate, one.first, one.last)


@delegation.command("show")
@config_option
@json_option
@_id_argument
def show(config: Path, as_json: bool, delegation_id: str) -> None:
    """Show one delegation as it is now.

    \b
    Example:
      vt-gateway delegation show --config gateway.toml dlg_Zm9vYmFy --json
    """
    said = _file(config, delegation_id).facts.as_json()
    if as_json:
        click.echo(json.dumps(said, ensure_ascii=False))
        return
    for name, value in said.items():
        if isinstance(value, dict):
            value = " ".join(str(one) for one in value.values() if one)
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        click.echo(f"{name}: {'' if shown is None else shown}")


@delegation.command("history")
@config_option
@json_option
@_id_argument
def history(config: Path, as_json: bool, delegation_id: str) -> None:
    """What happened to a delegation, the oldest first, then who acted under it, the newest first.

    \b
    Example:
      vt-gateway delegation history --config gateway.toml dlg_Zm9vYmFy
    """
    found = _file(config, delegation_id)
    if as_json:
        said = found.as_json()
        click.echo(json.dumps({"history": said["history"], "uses": said["uses"]}, ensure_ascii=False))
        return
    for event in found.history:
        detail = " ".join(f"{name}={value}" for name, value in event.detail.items())
        columns(event.at.isoformat(), event.what, event.author, detail)
    for use in found.uses:
        person, ended = _name(found.users[use.user]), _iso(use.ended_at)
        columns(use.began_at.isoformat(), "acted", use.user, person, use.method, use.session, ended)


@delegation.command("end")
@config_option
@reason_option()
@_id_argument
def end(config: Path, reason: str, delegation_id: str) -> None:
    """End a delegation at once, whatever state it is in. The doctor and the delegate are told by mail.

    \b
    Example:
      vt-gateway delegation end --config gateway.toml dlg_Zm9vYmFy --reason "left the practice"
    """
    from gateway.commands.office import work
    from gateway.commands.oversight import oversight_of

    async def act(office: Office) -> str:
        oversight = oversight_of(office)
        over = (await oversight.detail(office.actor, delegation_id, office.now)).facts.state.over
        ended = await oversight.end(office.actor, delegation_id, reason, office.now)
        return f"{ended.id} is {ended.state(office.now).value}{' already' if over else ''}."

    click.echo(work(config, act))


delegation.add_command(trace)


def _file(config: Path, delegation_id: str) -> DelegationFile:
    from gateway.commands.office import work
    from gateway.commands.oversight import oversight_of

    async def read(office: Office) -> DelegationFile:
        return await oversight_of(office).detail(office.actor, delegation_id, office.now)

    return work(config, read)


def _name(party: Party) -> str | None:
    return party.name or party.account or None


def _iso(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()
