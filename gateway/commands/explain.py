"""``explain``: which rule decides about one person at one address, and why; beside a gateway that runs, on its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.commands.instants import INSTANT
from gateway.commands.options import columns, json_option
from gateway.commands.shared import config_option

if TYPE_CHECKING:
    from gateway.audit import Record
    from gateway.commands.office import Office
    from gateway.policy.explain import Explanation
    from gateway.policy.ways import Verdict
    from gateway.providers.codes import Codes


@click.command("explain")
@config_option
@json_option
@click.option("--user", "who", required=True, metavar="ID", help="An account's id, or any of its logins.")
@click.option("--url", required=True, help="An address of ViaTrajectoire, or its path.")
@click.option("--at", type=INSTANT, help="As if it were this instant; otherwise now.")
def explain(config: Path, as_json: bool, who: str, url: str, at: datetime | None) -> None:
    """Say what would happen to a person at an address, by every way of coming in, and which rule says so.

    Nothing is changed. Every value is shown with the scope it comes from.

    \b
    Examples:
      vt-gateway explain --config gateway.toml --user 810001234567 --url /Trajectoire/Pages/AccesRestreint/accueil
      vt-gateway explain --config gateway.toml --user pleroy --url https://vt.example.fr/ --at 2026-03-02T08:00:00+01:00
    """
    from gateway.administration.actor import NotThere
    from gateway.commands.office import Problem, work

    async def read(office: Office) -> Explanation:
        await office.read_policy()
        try:
            return await _explained(office, who, url, at or office.now)
        except NotThere:
            raise Problem(f"no account has the id or login {who}") from None

    found = work(config, read)
    if as_json:
        click.echo(json.dumps(found.as_json(), ensure_ascii=False))
    else:
        _show(found)


async def _explained(office: Office, who: str, url: str, now: datetime) -> Explanation:
    from gateway import connections
    from gateway.administration.explain import Explainer
    from gateway.deployment import charter, explain_settings, routes, rules

    settings = office.settings
    senders = connections.senders(settings, office.ambient)
    try:
        explainer = Explainer(
            office.desk,
            office.register,
            office.records,
            routes(settings),
            rules(settings, charter(settings)),
            _codes(office, senders),
            explain_settings(settings),
        )
        return await explainer.explain(office.actor, who, url, now)
    finally:
        for sender in senders.values():
            await sender.close()


def _codes(office: Office, senders: Mapping[str, Any]) -> Codes:
    """The room of codes, asked only by which ways one could reach somebody: it seals, sends and counts nothing here."""
    from datetime import timedelta

    from gateway.accounts.authenticator import Authenticators
    from gateway.deployment import code_settings, login_settings
    from gateway.edges.memory_store import MemoryStore
    from gateway.providers.codes import Codes
    from gateway.providers.devices import Devices
    from gateway.providers.tries import Tries

    store, ambient, nothing = MemoryStore(office.ambient), office.ambient, bytes(32)
    logins = login_settings(office.settings)
    return Codes(
        store=store,
        ambient=ambient,
        senders=senders,
        authenticators=Authenticators(
            office.records, seal=lambda text: text, unseal=lambda text: None, key=nothing, ambient=ambient
        ),
        tries=Tries(store, Devices(store, timedelta(0)), nothing, logins.pace, logins.address_pace),
        audit=_Unheard(),
        key=nothing,
        settings=code_settings(office.settings),
    )


class _Unheard:
    """Nothing is done here that would have to be written down."""

    async def record(self, record: Record) -> None:
        raise AssertionError(f"explaining is no act: {record.act.value}")


def _show(found: Explanation) -> None:
    click.echo(f"{found.account} ({found.name}) at {found.path}, {found.at.isoformat()}")
    click.echo(f"a request without a session: {_verdict(found.verdict)}")
    for step in found.steps:
        click.echo(f"\n{step.number}. {step.key} [{step.rule}]")
        _facts(step.facts, "   ")
    click.echo("\nway\tat sign-in\tat the address")
    for way in found.ways:
        name = f"{way.name} + code by {way.channel}" if way.channel else way.name
        stopped = way.at_sign_in.outcome.value == "refused"
        columns(name, _verdict(way.at_sign_in), None if stopped else _verdict(way.at_url))


def _verdict(verdict: Verdict) -> str:
    reason = f" ({verdict.reason.value})" if verdict.reason else ""
    return f"{verdict.outcome.value}{reason} [{verdict.rule}]"


def _facts(facts: Mapping[str, Any], margin: str) -> None:
    """One line a fact; what holds facts itself follows below it."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            click.echo(f"{margin}{name}:")
            _facts(value, margin + "  ")
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            click.echo(f"{margin}{name}:")
            for one in value:
                click.echo(f"{margin}  - " + ", ".join(f"{key}: {_plain(held)}" for key, held in one.items()))
        else:
            click.echo(f"{margin}{name}: {_plain(value)}")


def _plain(value: Any) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
