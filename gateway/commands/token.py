"""``token``: what programs present to the API. A secret is printed once, and kept nowhere."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.commands.options import columns, json_option, role_option, scope_option
from gateway.commands.shared import config_option

if TYPE_CHECKING:
    from gateway.commands.office import Office
    from gateway.ports import Row


@click.group()
def token() -> None:
    """Tokens of the API: each has a name, a role, a scope and an end.

    \b
    Examples:
      vt-gateway token create --config gateway.toml --role region --scope aura --name "dashboard" --days 90
      vt-gateway token list --config gateway.toml
      vt-gateway token revoke --config gateway.toml tok_Zm9vYmFy
    """


@token.command("create")
@config_option
@json_option
@role_option
@scope_option
@click.option("--name", required=True, help="What it is for.")
@click.option("--days", type=click.IntRange(1, 366), help="How long it lives; otherwise admin.token_days.")
def create(config: Path, as_json: bool, role: str, scope: str, name: str, days: int | None) -> None:
    """Make a token and print its secret, once.

    \b
    Example:
      vt-gateway token create --config gateway.toml --role region --scope aura --name "dashboard" --days 90
    """
    from gateway.accounts.account import Role
    from gateway.commands.office import work

    async def act(office: Office) -> tuple[str, str]:
        await office.read_policy()
        return await office.tokens.create(office.actor, name, Role(role), scope, office.now, days)

    token_id, secret = work(config, act)
    if as_json:
        click.echo(json.dumps({"id": token_id, "token": secret}))
    else:
        click.echo(secret)
        click.echo(f"{token_id}: keep the secret now, it is not shown again.", err=True)


@token.command("list")
@config_option
@json_option
def list_(config: Path, as_json: bool) -> None:
    """List all tokens, the newest first, without their secrets.

    \b
    Example:
      vt-gateway token list --config gateway.toml --json
    """
    from gateway.commands.office import work

    async def read(office: Office) -> list[dict[str, object]]:
        return [_line(row) for row in await office.tokens.list(office.actor, office.now)]

    lines = work(config, read)
    if as_json:
        click.echo(json.dumps(lines, ensure_ascii=False))
        return
    for line in lines:
        columns(*(line[name] for name in ("id", "state", "role", "scope", "name", "expires_at", "created_by")))


@token.command("revoke")
@config_option
@click.argument("token_id", metavar="ID")
def revoke(config: Path, token_id: str) -> None:
    """End a token; workers that run refuse it within five seconds.

    \b
    Example:
      vt-gateway token revoke --config gateway.toml tok_Zm9vYmFy
    """
    from gateway.administration.actor import NotThere
    from gateway.commands.office import Problem, work

    async def act(office: Office) -> None:
        try:
            await office.tokens.revoke(office.actor, token_id, office.now)
        except NotThere:
            raise Problem(f"no token has the id {token_id}") from None

    work(config, act)
    click.echo(f"{token_id} is revoked.")


def _line(row: Row) -> dict[str, object]:
    """A token as lists show it."""
    instants = {
        name: value.isoformat() if isinstance(value := row[name], datetime) else None
        for name in ("created_at", "expires_at", "revoked_at")
    }
    kept = {name: row[name] for name in ("id", "state", "role", "name", "created_by")}
    return {**kept, "scope": row["scope_id"], **instants}
