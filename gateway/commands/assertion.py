"""``assertion``: what a backend would conclude from an assertion, and assertions by which it can test itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from gateway.commands.shared import FAILED


@click.group()
def assertion() -> None:
    """The signed assertion that backends receive."""


@assertion.command("verify")
@click.option(
    "--jwks", required=True, metavar="URL_OR_FILE", help="Address (https://…/jwks.json) or file of the key set."
)
@click.option("--audience", required=True, help="The audience this backend is.")
@click.option("--issuer", help="The issuer expected (public_url of the gateway). Without it any issuer of these keys.")
@click.option("--at", "at", type=float, help="Judge as of this instant (seconds since 1970) instead of now.")
@click.option(
    "--leeway",
    type=click.IntRange(0, 60),
    default=0,
    show_default=True,
    help="Seconds by which this clock and the gateway's may differ; the kits allow 5.",
)
@click.option("--json", "as_json", is_flag=True, help="Person, delegation and claims as JSON.")
@click.argument("token")
def verify(
    jwks: str, audience: str, issuer: str | None, at: float | None, leeway: int, as_json: bool, token: str
) -> None:
    """Print who asks, for whom, and the claims when a backend may believe them; say why not, and exit 1, otherwise.

    TOKEN is the value of the header X-VT-Assertion; "-" reads it from standard input.

    \b
    Examples:
      vt-gateway assertion verify --jwks https://vt.example.fr/_gateway/jwks.json --audience vt "$TOKEN"
      pbpaste | vt-gateway assertion verify --jwks jwks.json --audience vt --at 1764072000 -
    """
    from datetime import UTC, datetime

    from gateway.assertion_check import Unbelievable, conclude

    try:
        now = datetime.fromtimestamp(at, UTC) if at is not None else datetime.now(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise click.BadParameter("no instant that a clock could show", param_hint="--at") from error
    text = sys.stdin.read() if token == "-" else token  # noqa: S105 - a dash, not a secret
    try:
        found = conclude(text.strip(), _key_set(jwks), issuer, audience, now, leeway=leeway)
    except (Unbelievable, OSError, ValueError, KeyError, TypeError) as error:
        click.echo(f"refused: {error}", err=True)
        sys.exit(FAILED)
    given = found.delegation
    said: dict[str, Any] | None = None
    if given is not None:
        said = {
            "identifier": given.identifier,
            "on_behalf_of": given.on_behalf_of,
            "kind": given.kind,
            "rights": sorted(f"{module}:{action}" for module, action in given.rights),
            "until": given.until.isoformat(),
        }
    if as_json:
        whole = {"person": found.person, "delegation": said, "claims": dict(found.claims)}
        click.echo(json.dumps(whole, ensure_ascii=False))
        return
    click.echo(f"person: {found.person}", err=True)
    if said is not None:
        rights = ", ".join(said["rights"])
        click.echo(f"acts for: {said['on_behalf_of']} ({said['kind']}), until {said['until']}: {rights}", err=True)
    click.echo(json.dumps(dict(found.claims), ensure_ascii=False, indent=2))


@assertion.command("vectors")
@click.option("--issuer", default="https://vt.example.test/assertion-tests", show_default=True)
@click.option("--audience", default="self-test", show_default=True)
def vectors(issuer: str, audience: str) -> None:
    """Print good and bad assertions of this instant, with keys of their own, as the kits read them.

    \b
    Example:
      vt-gateway assertion vectors > document.json && python examples/backends/python/self_test.py document.json
    """
    from datetime import UTC, datetime

    from gateway.assertion_tests import TrialKeys, document
    from gateway.edges.system import SystemAmbient

    chance = SystemAmbient().token(32)
    found = document(
        TrialKeys(chance.encode()), issuer=issuer, audience=audience, now=datetime.now(UTC), chance=chance[:12]
    )
    click.echo(json.dumps(found, ensure_ascii=False, indent=1))


def _key_set(where: str) -> Any:
    """The document of this address or file; raises ``OSError`` or ``ValueError``."""
    import urllib.request

    if where.startswith(("http://", "https://")):
        with urllib.request.urlopen(where, timeout=10) as answer:  # noqa: S310 - scheme checked just above
            found = json.load(answer)
    else:
        found = json.loads(Path(where).read_text("utf-8"))
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list) or not all(isinstance(one, dict) for one in keys):
        raise ValueError("this is no key set")
    return found
