"""``card check``: one certificate, judged as the card route would."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from gateway.commands.shared import FAILED, config_option, settings_of


@click.group()
def card() -> None:
    """Cards and their certificates."""


@card.command("check")
@config_option
@click.option("--chain", type=click.Path(path_type=Path, exists=True), help="Ignored but read: authorities are pinned.")
@click.option("--at", "at", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d"]), help="Judge as of this instant.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@click.argument("certificate", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def check(config: Path, chain: Path | None, at: datetime | None, as_json: bool, certificate: Path) -> None:
    """Print the facts read from a certificate (PEM or DER), or the reason of refusal (exit 1).

    \b
    Example:
      vt-gateway card check --config gateway.toml card.pem
    """
    import asyncio
    from datetime import UTC

    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    from gateway.deployment import StartError, trust
    from gateway.edges.revocation import Revocation
    from gateway.edges.system import SystemAmbient
    from gateway.providers.certificates import Refused, judge

    settings = settings_of(config)
    try:
        trusted = trust(settings)
    except StartError as error:
        click.echo(f"{config}: {error}", err=True)
        sys.exit(78)
    if trusted is None or settings.card is None:
        click.echo(f"{config}: card: no [card] section", err=True)
        sys.exit(78)
    data = certificate.read_bytes()
    try:
        der = x509.load_pem_x509_certificate(data).public_bytes(Encoding.DER) if b"-----BEGIN" in data else data
    except ValueError:
        der = data
    now = at if at is not None else datetime.now(UTC)
    now = now if now.tzinfo else now.replace(tzinfo=UTC)
    pinned = {one.name: one.certificate for one in trusted.authorities}
    keep = settings.gateway.state_dir / "crl"
    lists = Revocation(settings.card.crl, pinned, SystemAmbient(), refresh=1e9, keep=keep if keep.is_dir() else None)

    async def read() -> None:
        await lists.start()
        await lists.close()

    asyncio.run(read())
    found = judge(der, trusted, lists, now)
    result: dict[str, Any]
    if isinstance(found, Refused):
        result = {"accepted": False, "reason": found.reason.value, "step": found.step, "evidence": dict(found.evidence)}
    else:
        result = {
            "accepted": True,
            "type": found.type.value,
            "idnat_ps": found.id.text,
            "rpps": found.id.rpps,
            "family_name": found.family_name,
            "given_name": found.given_name,
            "profession": found.profession,
            "specialties": list(found.specialties),
            "structure": found.structure,
            "card_number": found.card_number,
            "serial": found.serial,
            "not_after": found.not_after.isoformat(),
        }
    if as_json:
        click.echo(json.dumps(result, ensure_ascii=False))
    else:
        for name, value in result.items():
            click.echo(f"{name}: {value}")
    sys.exit(0 if result["accepted"] else FAILED)
