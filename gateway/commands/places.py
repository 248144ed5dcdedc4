"""``user invite``, ``attach``, ``detach``, ``grant``, ``revoke``: who works where, and who looks after what (R87, R100, R101)."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.commands.options import id_argument, json_option, reason_option, role_option, scope_option
from gateway.commands.shared import config_option

if TYPE_CHECKING:
    from gateway.accounts.account import Account
    from gateway.commands.office import Office


@click.command("invite")
@config_option
@json_option
@click.option("--scope", default="", help="The id of the scope where they work.")
@click.option("--family-name", default="", help="As on the identity card.")
@click.option("--given-name", default="", help="The usual one.")
@click.option("--mail", default="", help="The person's own address, where the link goes.")
@click.option("--identifier", default="", help="RPPS, ADELI or a user name; without it a user name is made.")
@click.option("--space", default="professionnel", type=click.Choice(["professionnel", "liberal"]), show_default=True)
@click.option("--again", metavar="ID", default="", help="Send another link to this account instead.")
def invite(
    config: Path,
    as_json: bool,
    scope: str,
    family_name: str,
    given_name: str,
    mail: str,
    identifier: str,
    space: str,
    again: str,
) -> None:
    """Make an account for somebody, and send a link by which they choose their password (R100).

    Somebody who has an account already is attached to the scope, and keeps what they have.

    \b
    Examples:
      vt-gateway user invite --config gateway.toml --scope ehpad --family-name Roux --given-name Lea --mail l.roux@example.fr
      vt-gateway user invite --config gateway.toml --again acc_Zm9vYmFy
    """
    from gateway.administration.newcomers import Invitation
    from gateway.commands.office import work

    if not scope and not again:
        raise click.UsageError("say --scope, and who; or --again")

    async def act(office: Office) -> Account:
        await office.read_policy()
        if again:
            account = await office.living(again)
            return await office.people.resend_invitation(office.actor, account.id, office.now)
        typed = Invitation(scope, family_name, given_name, mail, identifier, space)
        return await office.people.invite(office.actor, typed, office.now)

    account = work(config, act)
    if as_json:
        click.echo(json.dumps({"id": account.id, "login": account.login, "scopes": list(account.scopes)}))
    else:
        click.echo(f"{account.id} ({account.login}) is invited; places: {', '.join(account.scopes)}.")


@click.command("attach")
@config_option
@scope_option
@reason_option()
@id_argument
def attach(config: Path, scope: str, reason: str, who: str) -> None:
    """Say that somebody works in this scope too.

    \b
    Example:
      vt-gateway user attach --config gateway.toml 810001234567 --scope ehpad --reason "new post"
    """

    async def act(office: Office, account: Account) -> Account:
        return await office.people.attach(office.actor, account.id, scope, reason, office.now)

    changed = _placed(config, who, act)
    click.echo(f"{changed.id} works in: {', '.join(changed.scopes)}.")


@click.command("detach")
@config_option
@scope_option
@reason_option()
@id_argument
def detach(config: Path, scope: str, reason: str, who: str) -> None:
    """Say that somebody works in this scope no more: rights there end, the account stays (R101).

    \b
    Example:
      vt-gateway user detach --config gateway.toml 810001234567 --scope ehpad --reason "left on 3 March"
    """

    async def act(office: Office, account: Account) -> Account:
        return await office.people.detach(office.actor, account.id, scope, reason, office.now)

    changed = _placed(config, who, act)
    click.echo(f"{changed.id} works in: {', '.join(changed.scopes) or 'no scope'}.")


@click.command("grant")
@config_option
@role_option
@scope_option
@reason_option()
@id_argument
def grant(config: Path, role: str, scope: str, reason: str, who: str) -> None:
    """Appoint a référent of a scope, or an administrator of a region or of the nation (R87).

    \b
    Example:
      vt-gateway user grant --config gateway.toml 810001234567 --role referent --scope ehpad --reason "appointed"
    """
    _appoint(config, who, role, scope, reason, given=True)


@click.command("revoke")
@config_option
@role_option
@scope_option
@reason_option()
@id_argument
def revoke(config: Path, role: str, scope: str, reason: str, who: str) -> None:
    """Dismiss somebody from a role; what they could do ends at once.

    \b
    Example:
      vt-gateway user revoke --config gateway.toml 810001234567 --role referent --scope ehpad --reason "left"
    """
    _appoint(config, who, role, scope, reason, given=False)


def _appoint(config: Path, who: str, role: str, scope: str, reason: str, *, given: bool) -> None:
    from gateway.accounts.account import Role

    async def act(office: Office, account: Account) -> Account:
        do = office.people.grant if given else office.people.revoke
        return await do(office.actor, account.id, Role(role), scope, reason, office.now)

    changed = _placed(config, who, act)
    held = ", ".join(f"{one.role.value} of {one.scope}" for one in changed.grants)
    click.echo(f"{changed.id} is {held or 'no administrator'}.")


def _placed(config: Path, who: str, act: Callable[[Office, Account], Awaitable[Account]]) -> Account:
    """Do this to the account under the policy in force."""
    from gateway.commands.office import work

    async def run(office: Office) -> Account:
        account = await office.living(who)
        await office.read_policy()
        return await act(office, account)

    return work(config, run)
