"""``scope``: places, their policy and their state, from the shell (R82–R92). The same offices as on pages and in the API.

Reading here; acts are in ``scope_acts``, files in ``importing``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.commands.importing import import_scopes
from gateway.commands.options import columns, json_option
from gateway.commands.scope_acts import breakglass, create, set_, switch, undo
from gateway.commands.shared import config_option

if TYPE_CHECKING:
    from gateway.commands.office import Office
    from gateway.overview import Readiness
    from gateway.policy.establishments import Ruling, Scope
    from gateway.ports import Row

_PAGE = 200


@click.group()
def scope() -> None:
    """Establishments, services and what lies above them: policy, state, readiness.

    ID is a scope's id or its FINESS number. Instants need their offset: 2026-03-02T08:00:00+01:00.

    \b
    Examples:
      vt-gateway scope list --config gateway.toml --state password_only
      vt-gateway scope show --config gateway.toml 690780010
      vt-gateway scope switch --config gateway.toml 690780010 --state strong --reason "calendar of the region" --dry-run
    """


for one in (set_, create, switch, undo, breakglass, import_scopes):
    scope.add_command(one)


@scope.command("list")
@config_option
@json_option
@click.option("--text", default="", help="Words of the name, the town, or the FINESS number.")
@click.option("--kind", default="", type=click.Choice(
    ["", "nation", "region", "departement", "entite", "etablissement", "service"]), help="Only these.")  # fmt: skip
@click.option("--state", type=click.Choice(["strong", "password_only"]), help="Only those in this state now.")
@click.option("--parent", default="", help="Only those right below this scope.")
@click.option("--retired", is_flag=True, help="Only those that are closed.")
@click.option("--limit", type=click.IntRange(1), help="So many at most.")
def list_(
    config: Path, as_json: bool, text: str, kind: str, state: str | None, parent: str, retired: bool, limit: int | None
) -> None:
    """List scopes with their state: kinds from the top down, then names.

    \b
    Examples:
      vt-gateway scope list --config gateway.toml --kind etablissement --state password_only
      vt-gateway scope list --config gateway.toml --text "glycines lyon" --json
    """
    from gateway.commands.office import work
    from gateway.commands.rooms import Rooms
    from gateway.policy.establishments import State
    from gateway.policy.tree import Wanted

    async def read(office: Office) -> list[dict[str, Any]]:
        rooms, book = await Rooms.opened(office), office.desk.book
        above = rooms.scope(parent).id if parent else ""
        wanted = Wanted(text, kind, State(state) if state else None, above, retired)
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            count = _PAGE if limit is None else min(_PAGE, limit - len(found))
            page, after = rooms.scopes.find(office.actor, wanted, office.now, after=after, limit=count)
            found += [line_of(one, book.ruling(one.id, office.now)) for one in page]
            if not after or len(found) == limit:
                return found

    lines = work(config, read)
    if as_json:
        click.echo(json.dumps(lines, ensure_ascii=False))
        return
    for line in lines:
        columns(*(line[name] for name in ("id", "kind", "state", "why", "until", "finess", "city", "name")))


@scope.command("show")
@config_option
@json_option
@click.argument("name", metavar="ID")
def show(config: Path, as_json: bool, name: str) -> None:
    """Show one scope: its state and why, and every setting with the scope it comes from.

    \b
    Example:
      vt-gateway scope show --config gateway.toml 690780010
    """
    from gateway.commands.office import work
    from gateway.commands.rooms import Rooms

    async def read(office: Office) -> dict[str, Any]:
        rooms, book = await Rooms.opened(office), office.desk.book
        found = rooms.scope(name)
        change = book.next_change(found.id, office.now)
        return {
            **line_of(found, book.ruling(found.id, office.now)),
            "next_change": change.isoformat() if change else None,
            "path": [above.id for above in book.chain(found.id)],
            "version": found.version,
            "policy": rooms.scopes.sourced_as_json(found.id),
            "warnings": rooms.scopes.warnings(found),
        }

    found = work(config, read)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    policy = found.pop("policy")
    for key, value in found.items():
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        click.echo(f"{key}: {'' if shown is None else shown}")
    for key, one in policy.items():
        here = "set here" if one["set_here"] else f"from {one['from'] or 'the configuration'}"
        click.echo(f"{key}: {_plain(one['value'])} ({here})")


@scope.command("history")
@config_option
@json_option
@click.argument("name", metavar="ID")
def history(config: Path, as_json: bool, name: str) -> None:
    """The switches a scope has seen, those undone too, the newest first.

    \b
    Example:
      vt-gateway scope history --config gateway.toml ehpad-glycines --json
    """
    from gateway.commands.office import work
    from gateway.commands.rooms import Rooms

    async def read(office: Office) -> Sequence[Row]:
        rooms = await Rooms.opened(office)
        return await rooms.switches.history(office.actor, rooms.scope(name).id)

    lines = [
        {key: value.isoformat() if isinstance(value, datetime) else value for key, value in row.items()}
        for row in work(config, read)
    ]
    if as_json:
        click.echo(json.dumps(lines, ensure_ascii=False))
        return
    for line in lines:
        undone = f"undone by {line['cancelled_by']}" if line["cancelled_at"] else None
        shown = ("effective_from", "kind", "state", "derogation_until", "batch", "author", "reason")
        columns(*(line[key] for key in shown), undone)


@scope.command("readiness")
@config_option
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="The people, one a line, for spreadsheets.")
@click.argument("name", metavar="ID")
def readiness(config: Path, as_json: bool, as_csv: bool, name: str) -> None:
    """Who would be stuck if strong authentication came to a scope and all below it (R88).

    \b
    Examples:
      vt-gateway scope readiness --config gateway.toml aura
      vt-gateway scope readiness --config gateway.toml 690780010 --csv > readiness.csv
    """
    from gateway.commands.office import work
    from gateway.commands.rooms import Rooms

    async def read(office: Office) -> tuple[Scope, Readiness]:
        rooms = await Rooms.opened(office)
        found = rooms.scope(name)
        if as_csv:
            async for line in rooms.readiness.csv(office.actor, found.id, office.now):
                sys.stdout.write(line)
        return found, await rooms.readiness.counts(office.actor, found.id, office.now)

    found, counts = work(config, read)
    if as_csv:
        return
    stuck = counts.people - counts.ready
    if as_json:
        said = {"scope": found.id, "people": counts.people, "ready": counts.ready, "stuck": stuck}
        click.echo(json.dumps({**said, "counts": dict(counts.counts)}, ensure_ascii=False))
        return
    for key, value in {"people": counts.people, "ready": counts.ready, "stuck": stuck, **counts.counts}.items():
        columns(key, value)


def line_of(found: Scope, ruling: Ruling) -> dict[str, Any]:
    """What every list says of a scope."""
    until = ruling.switch.derogation_until if ruling.switch is not None else None
    return {
        "id": found.id,
        "kind": found.kind,
        "name": found.name,
        "finess": found.finess,
        "city": found.city,
        "parent": found.parent,
        "retired": found.retired,
        "state": ruling.state.value,
        "why": ruling.why.value,
        "from": ruling.scope,
        "until": until.isoformat() if until else None,
    }


def _plain(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False)
    return "-" if value is None else str(value)
