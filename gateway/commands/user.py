"""``user``: accounts looked at and looked after from the shell (R97–R100, R104).

Nobody sees or sets a password here. Every change takes a reason, is written to the audit before it is made, and is told
to the workers that run.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.commands.options import columns, id_argument, json_option, reason_option
from gateway.commands.places import attach, detach, grant, invite, revoke
from gateway.commands.shared import config_option

if TYPE_CHECKING:
    from gateway.accounts.account import Account
    from gateway.commands.office import Office


@click.group()
def user() -> None:
    """Accounts: who has one, how it stands, and what to do about it.

    ID is an account's id or any of its logins: 8 and the RPPS number, the RPPS number alone, 0 and the ADELI number, a
    user name.

    \b
    Examples:
      vt-gateway user list --config gateway.toml --standing dormant
      vt-gateway user show --config gateway.toml 10001234567
      vt-gateway user reactivate --config gateway.toml 10001234567 --reason "call of 3 March"
    """


@user.command("list")
@config_option
@json_option
@click.option(
    "--standing",
    type=click.Choice(["open", "dormant", "suspended", "closed"]),
    help="Only these; without it all but the closed ones, which have no name any more.",
)
@click.option("--shared-mail", is_flag=True, help="Only accounts whose address belongs to another account too.")
@click.option("--generic", is_flag=True, help="Only accounts named like a service (account.generic_names).")
def list_(config: Path, as_json: bool, standing: str | None, shared_mail: bool, generic: bool) -> None:
    """List accounts, in the order of their ids.

    \b
    Examples:
      vt-gateway user list --config gateway.toml
      vt-gateway user list --config gateway.toml --shared-mail --json
    """
    from gateway.accounts.account import Standing
    from gateway.commands.office import work

    async def read(office: Office) -> list[dict[str, object]]:
        found = []
        async for account in office.accounts():
            state = office.standing(account)
            wanted = state is not Standing.CLOSED if standing is None else state.value == standing
            if not wanted or (shared_mail and not account.mail_shared):
                continue
            line = _line(office, account)
            if not generic or line["generic"]:
                found.append(line)
        return found

    lines = work(config, read)
    if as_json:
        click.echo(json.dumps(lines, ensure_ascii=False))
        return
    for line in lines:
        marks = [word for word, name in (("shared-mail", "shared_mail"), ("generic", "generic")) if line[name]]
        name = f"{line['family_name']} {line['given_name']}".strip()
        columns(line["id"], line["standing"], line["national_id"], name, line["mail"], line["last_sign_in_at"], *marks)


@user.command("show")
@config_option
@json_option
@id_argument
def show(config: Path, as_json: bool, who: str) -> None:
    """Show one account, without any secret.

    \b
    Examples:
      vt-gateway user show --config gateway.toml 810001234567
      vt-gateway user show --config gateway.toml acc_Zm9vYmFy --json
    """
    from gateway.commands.office import work

    async def read(office: Office) -> dict[str, object]:
        account = await office.account(who)
        row = await office.row(account)
        held = {
            name: await office.records.count(name, {"account_id": account.id})
            for name in ("passkeys", "authenticators")
        }
        return {
            **_line(office, account),
            "logins": list(account.logins),
            "scopes": list(account.scopes),
            "roles": [f"{grant.role.value} {grant.scope}" for grant in account.grants],
            "phone": account.phone,
            "mail_proved_at": _iso(account.mail_proved_at),
            "phone_proved_at": _iso(account.phone_proved_at),
            "has_password": account.password_hash is not None,
            "passkeys": held["passkeys"],
            "authenticator": bool(held["authenticators"]),
            "first_strong_at": _iso(account.first_strong_at),
            "last_method": account.last_method,
            "origin": account.origin.value,
            "space": account.space.value,
            "created_at": _iso(account.created_at),
            "reactivated_at": _iso(account.reactivated_at),
            "warned_at": _iso(account.warned_at),
            "suspended_at": _iso(account.suspended_at),
            "suspended_reason": row["suspended_reason"],
            "closed_at": _iso(account.closed_at),
            "charter_version": account.charter_version,
        }

    found = work(config, read)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
    else:
        for name, value in found.items():
            shown = ", ".join(map(str, value)) if isinstance(value, list) else value
            click.echo(f"{name}: {'' if shown is None else shown}")


def _act(config: Path, who: str, act: Callable[[Office, Account], Awaitable[str]]) -> None:
    """Do this to the account, and print what came of it."""
    from gateway.commands.office import work

    async def run(office: Office) -> str:
        return await act(office, await office.living(who))

    click.echo(work(config, run))


@user.command("reactivate")
@config_option
@reason_option()
@id_argument
def reactivate(config: Path, reason: str, who: str) -> None:
    """Wake an account that sleeps for want of a sign-in (R97). An account that is awake stays as it is.

    \b
    Example:
      vt-gateway user reactivate --config gateway.toml 810001234567 --reason "back from leave"
    """

    async def act(office: Office, account: Account) -> str:
        changed = await office.people.reactivate(office.actor, account.id, None, reason, office.now)
        return f"{account.id} is awake{' already' if changed.version == account.version else ''}."

    _act(config, who, act)


@user.command("suspend")
@config_option
@reason_option()
@id_argument
def suspend(config: Path, reason: str, who: str) -> None:
    """Let nobody in with this account until it is resumed, and end its sessions.

    \b
    Example:
      vt-gateway user suspend --config gateway.toml 810001234567 --reason "stolen telephone"
    """

    async def act(office: Office, account: Account) -> str:
        changed = await office.people.suspend(office.actor, account.id, None, reason, office.now)
        return f"{account.id} is suspended{' already' if changed.version == account.version else ''}."

    _act(config, who, act)


@user.command("resume")
@config_option
@reason_option("end of the suspension")
@id_argument
def resume(config: Path, reason: str, who: str) -> None:
    """End a suspension.

    \b
    Example:
      vt-gateway user resume --config gateway.toml 810001234567
    """

    async def act(office: Office, account: Account) -> str:
        changed = await office.people.resume(office.actor, account.id, None, reason, office.now)
        same = changed.version == account.version
        return f"{account.id} is {'not suspended' if same else office.standing(changed).value}."

    _act(config, who, act)


@user.command("set-mail")
@config_option
@reason_option()
@id_argument
@click.argument("address")
def set_mail(config: Path, reason: str, who: str, address: str) -> None:
    """Correct the mail address of an account (R99, R100). Its holder has to prove it again; the old one is told.

    When this leaves a formerly shared address to a single account, that account can receive codes there again.

    \b
    Example:
      vt-gateway user set-mail --config gateway.toml 810001234567 a.martin@example.fr --reason "shared mailbox"
    """
    from gateway.accounts.register import mail_key

    if mail_key(address) is None:
        raise click.BadParameter("this is not a mail address", param_hint="ADDRESS")

    async def act(office: Office, account: Account) -> str:
        await office.people.correct_mail(office.actor, account.id, None, address, reason, office.now)
        return f"{account.id} has the address {address}, to be proved."

    _act(config, who, act)


@user.command("end-sessions")
@config_option
@id_argument
def end_sessions(config: Path, who: str) -> None:
    """Sign an account out everywhere, at once.

    \b
    Example:
      vt-gateway user end-sessions --config gateway.toml 810001234567
    """

    async def act(office: Office, account: Account) -> str:
        office.need_sessions()
        ended = await office.people.end_sessions(office.actor, account.id, office.now)
        return f"{ended} sessions of {account.id} ended."

    _act(config, who, act)


@user.command("export")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Accepted and needless: the copy is always JSON.")
@id_argument
def export(config: Path, as_json: bool, who: str) -> None:
    """Print everything held of a person as JSON, for a request of access (R104). Secrets are left out.

    \b
    Example:
      vt-gateway user export --config gateway.toml 810001234567 > copy.json
    """
    from gateway.administration.actor import record
    from gateway.audit import Act
    from gateway.commands.office import work

    async def read(office: Office) -> dict[str, object]:
        account = await office.account(who)
        await office.audit.record(record(Act.ACCOUNT_EXPORTED, office.actor, office.now, account=account.id))
        return await office.archive.export(account.id)

    click.echo(json.dumps(work(config, read), ensure_ascii=False, indent=1))


@user.command("erase")
@config_option
@reason_option()
@click.option("--yes", is_flag=True, help="Needed: there is no way back.")
@id_argument
def erase(config: Path, reason: str, yes: bool, who: str) -> None:
    """Erase a person's account and data (R104). Traces that must be kept stay under a pseudonym until their time.

    The same person may create a new account afterwards.

    \b
    Example:
      vt-gateway user erase --config gateway.toml 810001234567 --reason "request of 3 March" --yes
    """
    from gateway.accounts.account import Standing
    from gateway.administration.actor import record
    from gateway.audit import Act
    from gateway.commands.office import work

    if not yes:
        raise click.UsageError("erasing cannot be undone; say --yes")

    async def act(office: Office) -> str:
        account = await office.account(who)
        if office.standing(account) is Standing.CLOSED:
            return f"{account.id} is erased already."
        done = record(Act.ACCOUNT_ERASED, office.actor, office.now, account=account.id, why=reason)
        await office.audit.record(done)
        before = await office.mailboxes.holders(account.mail) if account.mail else ()
        await office.archive.erase(account, office.now, "administration")
        for one in {account.id, *before}:
            await office.tell(one)
        ended = await office.end_sessions(account)
        return f"{account.id} is erased; {ended} sessions ended."

    click.echo(work(config, act))


def _line(office: Office, account: Account) -> dict[str, object]:
    """What every list says of an account."""
    return {
        "id": account.id,
        "standing": office.standing(account).value,
        "national_id": account.national_id.text if account.national_id else None,
        "family_name": account.family_name,
        "given_name": account.given_name,
        "mail": account.mail,
        "shared_mail": account.mail_shared,
        "generic": account.named_generically(office.settings.account.generic_names),
        "last_sign_in_at": _iso(account.last_sign_in_at),
        "sleeps_at": _iso(account.awake_at + office.dormancy),
    }


def _iso(instant: Any) -> str | None:
    return None if instant is None else instant.isoformat()


for one in (invite, attach, detach, grant, revoke):
    user.add_command(one)
