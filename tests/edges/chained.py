"""What tests of the audit chain share: a key, a signer, records, and what an examination of it all says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from gateway.audit import Act, Record
from gateway.edges.database import Database
from gateway.edges.keys import FileSigner, ensure_assertion_key
from gateway.trail import examine
from tests.ambient import START

KEY = b"k" * 32


def signer_in(folder: Path) -> FileSigner:
    return FileSigner(ensure_assertion_key(folder / "assertion.pem"))


def act(number: int = 0, **changes: object) -> Record:
    """A record that has something in every column."""
    return Record(
        Act.SIGN_IN,
        START + timedelta(seconds=number),
        f"acc_{number}",
        scope="sco_1",
        address="192.0.2.7",
        correlation=f"cor_{number}",
        facts={"method": "cps", "who": "Inès; D’ALMÉIDA"},
        **changes,  # type: ignore[arg-type]
    )


async def faults(records: Database, signer: FileSigner, witnesses: Mapping[int, str] | None = None) -> list[str]:
    found = await examine(records, KEY, [signer.public_jwk], witnesses)
    assert found.count == len(found.faults)
    return [f"{one.kind.value} {one.seq}" for one in found.faults]
