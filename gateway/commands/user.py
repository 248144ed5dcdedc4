"""``user``: accounts looked at and looked after from the shell (R97–R100, R104).

Nobody sees or sets a password here. Every change takes a reason, is written to the audit before it is made, and is told
to the workers that run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gateway.commands.shared import config_option

if TYPE_CHECKING:
    from gateway.accounts.account import Account
    from gateway.commands.office import Office

_F = TypeVar("_F", bound=Callable[..., Any])
_LONGEST_REASON = 200


def _checked_reason(_: click.Context, __: click.Parameter, value: str) -> str:
    text = " ".join(value.split())
    if not text or len(text) > _LONGEST_REASON or not text.isprintable():
        raise click.BadParameter(f"a reason has 1 to {_LONGEST_REASON} printable characters")
    return text


_id_argument: Callable[[_F], _F] = click.argument("who", metavar="ID")
_reason_option: Callable[[_F], _F] = click.option(
    "--reason", required=True, callback=_checked_reason, help="Why, in a few words; kept in the audit."
)
_json_option: Callable[[_F], _F] = click.option("--json", "as_json", is_flag=True, help="The result as JSON.")


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
@_json_option
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
        _row(line["id"], line["standing"], line["national_id"], name, line["mail"], line["last_sign_in_at"], *marks)


@user.command("show")
@config_option
@_json_option
@_id_argument
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


@user.command("reactivate")
@config_option
@_reason_option
@_id_argument
def reactivate(config: Path, reason: str, who: str) -> None:
    """Wake an account that sleeps for want of a sign-in (R97). An account that is awake stays as it is.

    \b
    Example:
      vt-gateway user reactivate --config gateway.toml 810001234567 --reason "back from leave"
    """
    from gateway.accounts.account import Standing
    from gateway.audit import Act
    from gateway.commands.office import Problem, work

    async def act(office: Office) -> str:
        account, standing = await office.living(who)
        if standing is Standing.SUSPENDED:
            raise Problem(f"the account {account.id} is suspended; see vt-gateway user resume")
        if standing is Standing.OPEN:
            return f"{account.id} is awake already."
        await office.note(Act.ACCOUNT_REACTIVATED, account, why=reason)
        await office.register.insist(account.id, office.now, reactivated_at=office.now, warned_at=None)
        await office.tell(account.id)
        return f"{account.id} is awake."

    click.echo(work(config, act))


@user.command("suspend")
@config_option
@_reason_option
@_id_argument
def suspend(config: Path, reason: str, who: str) -> None:
    """Let nobody in with this account until it is resumed, and end its sessions.

    \b
    Example:
      vt-gateway user suspend --config gateway.toml 810001234567 --reason "stolen telephone"
    """
    from gateway.accounts.account import Standing
    from gateway.audit import Act
    from gateway.commands.office import work

    async def act(office: Office) -> str:
        account, standing = await office.living(who)
        if standing is Standing.SUSPENDED:
            return f"{account.id} is suspended already."
        await office.note(Act.ACCOUNT_CHANGED, account, change="suspend", why=reason)
        await office.register.insist(account.id, office.now, suspended_at=office.now, suspended_reason=reason)
        await office.tell(account.id)
        ended = await office.end_sessions(account) if office.reaches_sessions else 0
        return f"{account.id} is suspended; {ended} sessions ended."

    click.echo(work(config, act))


@user.command("resume")
@config_option
@click.option("--reason", default="", callback=lambda c, p, v: v and _checked_reason(c, p, v), help="Why; optional.")
@_id_argument
def resume(config: Path, reason: str, who: str) -> None:
    """End a suspension.

    \b
    Example:
      vt-gateway user resume --config gateway.toml 810001234567
    """
    from gateway.audit import Act
    from gateway.commands.office import work

    async def act(office: Office) -> str:
        account, _ = await office.living(who)
        if account.suspended_at is None:
            return f"{account.id} is not suspended."
        await office.note(Act.ACCOUNT_CHANGED, account, change="resume", **({"why": reason} if reason else {}))
        changed = await office.register.insist(account.id, office.now, suspended_at=None, suspended_reason=None)
        await office.tell(account.id)
        return f"{account.id} is {office.standing(changed).value}."

    click.echo(work(config, act))


@user.command("set-mail")
@config_option
@_reason_option
@_id_argument
@click.argument("address")
def set_mail(config: Path, reason: str, who: str, address: str) -> None:
    """Correct the mail address of an account (R99, R100). Its holder has to prove it again.

    When this leaves a formerly shared address to a single account, that account can receive codes there again.

    \b
    Example:
      vt-gateway user set-mail --config gateway.toml 810001234567 a.martin@example.fr --reason "shared mailbox"
    """
    from gateway.accounts.register import mail_key
    from gateway.audit import Act
    from gateway.commands.office import Problem, work
    from gateway.reasons import Taken

    if mail_key(address) is None:
        raise click.BadParameter("this is not a mail address", param_hint="ADDRESS")

    async def act(office: Office) -> str:
        account, _ = await office.living(who)
        taken = Problem(f"the address {address} belongs to another account")
        before = await office.mailboxes.holders(account.mail) if account.mail else ()
        if any(one != account.id for one in await office.mailboxes.holders(address)):
            raise taken
        # Findable for as long as traces are kept, and unreadable, as when the holder changes it.
        old = {"before": hashlib.sha256(account.mail.casefold().encode()).hexdigest()[:16]} if account.mail else {}
        await office.note(Act.MAIL_CHANGED, account, why=reason, **old)
        try:
            await office.mailboxes.repair_mail(account, address, office.now)
        except Taken:
            raise taken from None
        for one in {account.id, *before}:
            await office.tell(one)
        return f"{account.id} has the address {address}, to be proved."

    click.echo(work(config, act))


@user.command("end-sessions")
@config_option
@_id_argument
def end_sessions(config: Path, who: str) -> None:
    """Sign an account out everywhere, at once.

    \b
    Example:
      vt-gateway user end-sessions --config gateway.toml 810001234567
    """
    from gateway.audit import Act
    from gateway.commands.office import work

    async def act(office: Office) -> str:
        account = await office.account(who)
        await office.note(Act.SESSION_REVOKED, account, sessions="all")
        return f"{await office.end_sessions(account)} sessions of {account.id} ended."

    click.echo(work(config, act))


@user.command("export")
@config_option
@click.option("--json", "as_json", is_flag=True, help="Accepted and needless: the copy is always JSON.")
@_id_argument
def export(config: Path, as_json: bool, who: str) -> None:
    """Print everything held of a person as JSON, for a request of access (R104). Secrets are left out.

    \b
    Example:
      vt-gateway user export --config gateway.toml 810001234567 > copy.json
    """
    from gateway.audit import Act
    from gateway.commands.office import work

    async def read(office: Office) -> dict[str, object]:
        account = await office.account(who)
        await office.note(Act.ACCOUNT_EXPORTED, account)
        return await office.archive.export(account.id)

    click.echo(json.dumps(work(config, read), ensure_ascii=False, indent=1))


@user.command("erase")
@config_option
@_reason_option
@click.option("--yes", is_flag=True, help="Needed: there is no way back.")
@_id_argument
def erase(config: Path, reason: str, yes: bool, who: str) -> None:
    """Erase a person's account and data (R104). Traces that must be kept stay under a pseudonym until their time.

    The same person may create a new account afterwards.

    \b
    Example:
      vt-gateway user erase --config gateway.toml 810001234567 --reason "request of 3 March" --yes
    """
    from gateway.accounts.account import Standing
    from gateway.audit import Act
    from gateway.commands.office import work

    if not yes:
        raise click.UsageError("erasing cannot be undone; say --yes")

    async def act(office: Office) -> str:
        account = await office.account(who)
        if office.standing(account) is Standing.CLOSED:
            return f"{account.id} is erased already."
        await office.note(Act.ACCOUNT_ERASED, account, why=reason)
        before = await office.mailboxes.holders(account.mail) if account.mail else ()
        await office.archive.erase(account, office.now, "administration")
        for one in {account.id, *before}:
            await office.tell(one)
        ended = await office.end_sessions(account) if office.reaches_sessions else 0
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


def _row(*cells: object) -> None:
    click.echo("\t".join("-" if cell is None else str(cell) for cell in cells))


def _iso(instant: Any) -> str | None:
    return None if instant is None else instant.isoformat()
