"""``check``: a configuration looked at without serving; ``assertion verify``: what a backend would conclude."""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path

import click

from gateway.commands.shared import BAD_CONFIGURATION, FAILED, config_option, settings_of


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="The faults as a JSON list.")
def check(config: Path, as_json: bool) -> None:
    """Validate everything that can be without serving; list all faults together. Exit 0, or 78.

    \b
    Example:
      vt-gateway check --config gateway.toml
    """
    from gateway.deployment import StartError, regions
    from gateway.edges.keys import FileSigner
    from gateway.edges.tls import client_context, public_context
    from gateway.providers.certificates import trust_of
    from gateway.reasons import GatewayError
    from gateway.settings import SettingsError, load

    faults: list[str] = []
    try:
        import os

        settings = load(config, os.environ)
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
            regions(settings)
        except StartError as error:
            faults.append(f"{config}: {error}")
    if as_json:
        click.echo(json.dumps(faults, ensure_ascii=False))
    else:
        for fault in faults:
            click.echo(fault, err=True)
        if not faults:
            click.echo(f"{config}: no fault found")
    sys.exit(BAD_CONFIGURATION if faults else 0)


@click.group()
def assertion() -> None:
    """The signed assertion that backends receive."""


@assertion.command("verify")
@click.option("--jwks", required=True, help="Address or file of the key set.")
@click.option("--audience", required=True, help="The audience this backend is.")
@click.option("--issuer", help="The issuer expected (public_url of the gateway).")
@click.option("--at", "at", type=float, help="Judge as of this instant (seconds since 1970) instead of now.")
@click.argument("token")
def verify(jwks: str, audience: str, issuer: str | None, at: float | None, token: str) -> None:
    """Print the claims when a backend may believe them; say why not, and exit 1, otherwise.

    \b
    Example:
      vt-gateway assertion verify --jwks https://vt.example.fr/_gateway/jwks.json --audience vt "$TOKEN"
    """
    import time

    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    try:
        if jwks.startswith(("http://", "https://")):
            with urllib.request.urlopen(jwks, timeout=10) as answer:  # noqa: S310 - scheme checked just above
                document = json.load(answer)
        else:
            document = json.loads(Path(jwks).read_text("utf-8"))
        keys = KeySet.import_key_set(document)
        found = jwt.decode(token, keys, algorithms=["ES256"])
        rules = jwt.JWTClaimsRegistry(
            now=int(at if at is not None else time.time()),
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            sub={"essential": True},
            iss={"essential": True, "value": issuer} if issuer else {"essential": True},
        )
        rules.validate(found.claims)
    except (JoseError, OSError, ValueError, KeyError) as error:
        click.echo(f"refused: {error}", err=True)
        sys.exit(FAILED)
    click.echo(json.dumps(found.claims, ensure_ascii=False, indent=2))


__all__ = ["assertion", "check", "settings_of"]
