"""Options and arguments that many commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])


def _checked_reason(_: click.Context, __: click.Parameter, value: str) -> str:
    from gateway.administration.actor import Faulty, checked_reason

    try:
        return checked_reason(value)
    except Faulty as fault:
        raise click.BadParameter("a reason has 3 to 200 printable characters") from fault


def reason_option(default: str | None = None) -> Callable[[_F], _F]:
    """``--reason``; needed unless there is a text for who gives none."""
    said = "Why, in a few words; kept in the audit."
    if default is None:
        return click.option("--reason", required=True, callback=_checked_reason, help=said)
    return click.option("--reason", default=default, callback=_checked_reason, help=said)


id_argument: Callable[[_F], _F] = click.argument("who", metavar="ID")
json_option: Callable[[_F], _F] = click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
scope_option: Callable[[_F], _F] = click.option("--scope", required=True, metavar="SCOPE", help="The scope's id.")
role_option: Callable[[_F], _F] = click.option(
    "--role", required=True, type=click.Choice(["national", "region", "referent"]), help="What somebody looks after."
)


def columns(*cells: object) -> None:
    """One line of a table for people and for cut(1)."""
    click.echo("\t".join("-" if cell is None else str(cell) for cell in cells))
