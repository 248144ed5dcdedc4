"""``check``: a configuration looked at without serving."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from gateway.commands.shared import BAD_CONFIGURATION, config_option


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="The faults as a JSON list.")
@click.option("--plan", "as_plan", is_flag=True, hidden=True)  # asked by a supervisor: what it is to do
def check(config: Path, as_json: bool, as_plan: bool) -> None:
    """Validate everything that can be without serving; list all faults together. Exit 0, or 78.

    \b
    Example:
      vt-gateway check --config gateway.toml
    """
    from gateway.commands.plans import plan_of, text_of
    from gateway.deployment import StartError, regions
    from gateway.edges.keys import FileSigner
    from gateway.edges.tls import client_context, public_context
    from gateway.providers.certificates import trust_of
    from gateway.reasons import GatewayError
    from gateway.settings import SettingsError, load

    faults: list[str] = []
    text = text_of(config) if as_plan else None
    try:
        import os

        settings = load(config, os.environ, text)
    except SettingsError as error:
        faults = error.faults
    else:
        for name in ("public", "card"):
            listener = getattr(settings.listen, name)
            if listener is not None and listener.certificate is not None:
                try:
                    public_context(listener.certificate, listener.key)
                except (OSError, ValueError) as error:
                    faults.append(f"{config}: listen.{name}.certificate: {error}")
        if settings.card is not None:
            try:
                trust_of(
                    [path.read_bytes() for path in settings.card.trust],
                    test=settings.card.environment == "test",
                    hard=settings.card.revocation == "hard",
                )
            except (OSError, ValueError) as error:
                faults.append(f"{config}: card.trust: {error}")
        for key in (settings.assertion.key, *settings.assertion.previous):
            if key:
                try:
                    FileSigner(Path(key.removeprefix("file:")))
                except GatewayError as error:
                    faults.append(f"{config}: assertion.key: {error}")
        if settings.psc is not None:
            try:
                client_context(settings.psc.ca)
            except (OSError, ValueError) as error:
                faults.append(f"{config}: psc.ca: {error}")
        try:
            client_context(settings.store.ca, settings.store.certificate, settings.store.key)
        except (OSError, ValueError) as error:
            faults.append(f"{config}: store.ca, certificate, key: {error}")
        try:
            regions(settings)
        except StartError as error:
            faults.append(f"{config}: {error}")
    if text is not None and not faults:
        click.echo(plan_of(settings, text).dump())
    elif as_json:
        click.echo(json.dumps(faults, ensure_ascii=False))
    else:
        for fault in faults:
            click.echo(fault, err=True)
        if not faults:
            click.echo(f"{config}: no fault found")
    sys.exit(BAD_CONFIGURATION if faults else 0)
