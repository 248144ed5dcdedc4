"""``scope set``, ``create``, ``switch``, ``undo``, ``breakglass``: what changes a place and its policy (R83–R92, G26)."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.commands.instants import INSTANT
from gateway.commands.options import columns, json_option
from gateway.commands.shared import FAILED, config_option

if TYPE_CHECKING:
    from gateway.administration.switching import Preview
    from gateway.commands.office import Office
    from gateway.policy.establishments import Scope

_SECONDS = ("code_validity", "second_factor_memory", "session_absolute", "session_idle")
_LISTS = ("channels", "methods")
_JSON = ("contacts", "legal")
_TEXTS = ("banner", "banner_from", "name", "city", "parent")
_reason = click.option("--reason", required=True, help="Why, in a few words (3 to 200 characters); kept in the audit.")


@click.command("set")
@config_option
@click.option(
    "--reason", default="", help="Why; needed for a memory of the second factor, a legal status, a move, an end."
)
@click.option("--version", type=int, help="Only if nobody changed the scope since this version.")
@click.argument("name", metavar="ID")
@click.argument("changes", metavar="FIELD=VALUE...", nargs=-1, required=True)
def set_(config: Path, reason: str, version: int | None, name: str, changes: tuple[str, ...]) -> None:
    """Set fields of a scope. An empty value inherits again.

    \b
    Seconds: code_validity, second_factor_memory, session_absolute, session_idle.
    Lists, with commas: channels (mail, sms, totp), methods (psc, card, otp_mail, otp_sms, otp_totp, passkey, password).
    Texts: banner, banner_from (an instant), name, city, parent (an id); retired is true or false.
    JSON: contacts, legal.

    \b
    Examples:
      vt-gateway scope set --config gateway.toml 690780010 code_validity=28800 channels=mail,sms
      vt-gateway scope set --config gateway.toml 690780010 banner= --reason "it is done"
    """
    from gateway.commands.office import work
    from gateway.commands.rooms import Rooms

    wanted = dict(_change(one) for one in changes)

    async def act(office: Office) -> tuple[Scope, list[str]]:
        rooms = await Rooms.opened(office)
        found = rooms.scope(name)
        changed = await rooms.scopes.edit(office.actor, found.id, version, wanted, reason, office.now)
        return changed, rooms.scopes.warnings(changed)

    changed, warnings = work(config, act)
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{changed.id} is at version {changed.version}.")


@click.command("create")
@config_option
@click.option("--parent", required=True, metavar="ID", help="The scope above.")
@click.option("--kind", required=True, type=click.Choice(
    ["region", "departement", "entite", "etablissement", "service"]), help="What it is.")  # fmt: skip
@click.option("--name", required=True, help="What people call it.")
@click.option("--id", "scope_id", default="", help="Its id; otherwise made from the FINESS number or the name.")
@click.option("--finess", default="", help="Its FINESS number, if it has one.")
@click.option("--city", default="", help="Where it is.")
@click.option("--reason", default="", help="Why; optional.")
def create(config: Path, parent: str, kind: str, name: str, scope_id: str, finess: str, city: str, reason: str) -> None:
    """Make a scope below another one and print its id.

    \b
    Example:
      vt-gateway scope create --config gateway.toml --parent rhone --kind etablissement --name "EHPAD Test" --finess 690780051
    """
    from gateway.commands.office import work
    from gateway.commands.rooms import Rooms

    async def act(office: Office) -> Scope:
        rooms = await Rooms.opened(office)
        above = rooms.scope(parent)
        return await rooms.scopes.create(
            office.actor,
            above.id,
            kind,
            name,
            scope_id=scope_id,
            finess=finess,
            city=city,
            reason=reason,
            now=office.now,
        )

    click.echo(work(config, act).id)


@click.command("switch")
@config_option
@json_option
@_reason
@click.option(
    "--state", required=True, type=click.Choice(["strong", "password_only"]), help="What a password is worth."
)
@click.option("--from", "begin", type=INSTANT, help="When it takes effect; otherwise now.")
@click.option("--until", type=INSTANT, help="The end of the derogation, for password_only after the national date.")
@click.option("--announce", is_flag=True, help="Tell the people of each scope, by a banner.")
@click.option("--dry-run", is_flag=True, help="Show what would change and who would be stuck; change nothing.")
@click.argument("names", metavar="ID...", nargs=-1, required=True)
def switch(
    config: Path,
    as_json: bool,
    reason: str,
    state: str,
    begin: datetime | None,
    until: datetime | None,
    announce: bool,
    dry_run: bool,
    names: tuple[str, ...],
) -> None:
    """Switch strong authentication on or off, for all these scopes or none; prints the batch, by which undo finds it.

    \b
    Examples:
      vt-gateway scope switch --config gateway.toml 690780010 690780028 --state strong --reason "calendar" --dry-run
      vt-gateway scope switch --config gateway.toml ssr-lac --state strong --from 2026-09-01T06:00:00+02:00 --reason "calendar"
      vt-gateway scope switch --config gateway.toml ssr-lac --state password_only --until 2026-06-30T20:00:00+02:00 --reason "x"
    """
    from gateway.administration.switching import Wanted
    from gateway.commands.office import work
    from gateway.commands.rooms import Rooms
    from gateway.policy.establishments import State

    wanted = Wanted(State(state), reason, begin, until, announce)

    async def act(office: Office) -> Preview | str:
        rooms = await Rooms.opened(office)
        ids = [rooms.scope(name).id for name in names]
        if dry_run:
            return await rooms.switches.preview(office.actor, ids, wanted, office.now)
        return await rooms.switches.switch(office.actor, ids, wanted, office.now)

    done = work(config, act)
    if isinstance(done, str):
        click.echo(json.dumps({"batch": done}) if as_json else done)
        return
    _show(done, as_json=as_json)
    if done.faults:
        raise click.exceptions.Exit(FAILED)


@click.command("undo")
@config_option
@_reason
@click.option("--only", metavar="ID", multiple=True, help="Only this scope of the batch; may be given several times.")
@click.argument("batch")
def undo(config: Path, reason: str, only: tuple[str, ...], batch: str) -> None:
    """Undo a switch: what was before governs again.

    \b
    Example:
      vt-gateway scope undo --config gateway.toml swb_Zm9vYmFy --reason "wrong establishment"
    """
    from gateway.commands.office import work
    from gateway.commands.rooms import Rooms

    async def act(office: Office) -> int:
        rooms = await Rooms.opened(office)
        ids = [rooms.scope(name).id for name in only]
        return await rooms.switches.undo(office.actor, batch, reason, office.now, ids)

    undone = work(config, act)
    click.echo(f"{undone} switch{'es' if undone != 1 else ''} undone.")


@click.command("breakglass")
@config_option
@_reason
@click.option("--until", required=True, type=INSTANT, help="Its end: breakglass.max from now at the latest.")
@click.argument("name", metavar="ID")
def breakglass(config: Path, reason: str, until: datetime, name: str) -> None:
    """Open a scope and all below it to passwords alone, at once and for a day at most; prints the batch, to undo it early.

    \b
    Example:
      vt-gateway scope breakglass --config gateway.toml ch-exemple --until 2026-03-02T20:00:00+01:00 --reason "no mail"
    """
    from gateway.commands.office import work
    from gateway.commands.rooms import Rooms

    async def act(office: Office) -> str:
        rooms = await Rooms.opened(office)
        found = rooms.scope(name)
        return await rooms.switches.breakglass(office.actor, found.id, until, reason, office.now)

    click.echo(work(config, act))


def _change(text: str) -> tuple[str, Any]:
    """``field=value`` as JSON would have it."""
    field, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text} is not FIELD=VALUE", param_hint="FIELD=VALUE")
    if field == "retired":
        if value not in ("true", "false"):
            raise click.BadParameter("retired is true or false", param_hint=field)
        return field, value == "true"
    if field not in (*_SECONDS, *_LISTS, *_JSON, *_TEXTS):
        raise click.BadParameter(f"no field is called {field}", param_hint="FIELD=VALUE")
    if not value:
        return field, "" if field == "city" else None
    if field in _SECONDS:
        if not value.isascii() or not value.isdigit():
            raise click.BadParameter(f"{field} is a number of seconds", param_hint=field)
        return field, int(value)
    if field in _LISTS:
        return field, [one.strip() for one in value.split(",") if one.strip()]
    if field in _JSON:
        try:
            return field, json.loads(value)
        except ValueError as error:
            raise click.BadParameter(f"{field} is JSON: {error}", param_hint=field) from error
    return field, value


def _show(preview: Preview, *, as_json: bool) -> None:
    """What would change, and what it would be refused for."""
    if as_json:
        effects = [
            {
                "scope": one.scope.id,
                "before": one.before.state.value,
                "before_why": one.before.why.value,
                "after": one.after.state.value,
                "people": one.people,
                "ready": one.ready,
                "counts": dict(one.counts),
                "version": one.version,
            }
            for one in preview.effects
        ]
        faults = {name: list(sentences) for name, sentences in preview.faults.items()}
        said = {"effects": effects, "people": preview.people, "stuck": preview.stuck, "faults": faults}
        click.echo(json.dumps(said, ensure_ascii=False))
        return
    for one in preview.effects:
        reasons = ", ".join(f"{name} {count}" for name, count in one.counts.items() if count)
        change = f"{one.before.state.value} -> {one.after.state.value}"
        columns(one.scope.id, change, f"{one.people} people", f"{one.ready} ready", reasons or None)
    click.echo(f"{preview.people} people, {preview.stuck} stuck; nothing was changed.")
    for name, sentences in preview.faults.items():
        for sentence in sentences:
            click.echo(f"{name}: {sentence}" if name else sentence, err=True)
