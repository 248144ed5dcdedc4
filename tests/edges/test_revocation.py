"""Revocation lists: believed only when signed, fresh and not older than the one held."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import CertificateRevocationListBuilder, CRLNumber, DeltaCRLIndicator

from gateway.demo.cards import Authority, Hierarchy
from gateway.edges.revocation import BadList, Revocation, read_list
from tests.ambient import START, TestAmbient

WORLD = Hierarchy.make(START)
PINNED = {"fort": WORLD.fort.certificate}


def lists(tmp_path: Path, ambient: TestAmbient, data: bytes) -> tuple[Revocation, Path]:
    source = tmp_path / "fort.crl"
    source.write_bytes(data)
    return Revocation([f"file:{source}"], PINNED, ambient, refresh=3600, keep=tmp_path / "kept"), source


async def test_r30_revoked_good_and_unknown(tmp_path: Path) -> None:
    """A serial on the list is revoked, another is good, and past its end the list knows no good one."""
    ambient = TestAmbient()
    data = WORLD.fort.crl([5], now=START, life=timedelta(days=1))
    found, _ = lists(tmp_path, ambient, data)
    await found.start()
    assert found.status("fort", 5, START).revoked is True
    assert found.status("fort", 6, START).revoked is False
    assert found.status("other", 6, START).revoked is None
    later = START + timedelta(days=1)
    assert found.status("fort", 6, later).revoked is None
    assert found.status("fort", 5, later).revoked is True
    assert found.missing(START) is None
    assert found.missing(later)
    await found.close()


def other_list(authority: Authority, *, delta: bool = False) -> bytes:
    builder = (
        CertificateRevocationListBuilder()
        .issuer_name(authority.name)
        .last_update(START - timedelta(hours=1))
        .next_update(START + timedelta(days=1))
        .add_extension(CRLNumber(1), False)
    )
    if delta:
        builder = builder.add_extension(DeltaCRLIndicator(1), True)
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"nonsense", "not a revocation list"),
        (WORLD.root.crl(now=START), "no accepted authority"),
        (WORLD.fort.crl(now=START, age=timedelta(days=40)), "past its next update"),
        (WORLD.fort.crl(now=START, age=timedelta(hours=-1)), "in the future"),
        (other_list(WORLD.fort, delta=True), "unknown critical extension"),
    ],
)
def test_k4_lists_that_are_not_believed(data: bytes, why: str) -> None:
    """A list that is foreign, old, early or partial is refused with its reason."""
    with pytest.raises(BadList, match=why):
        read_list(data, PINNED, START)


def test_k4_a_forged_list_is_refused() -> None:
    """A list in the right name with another key's signature is not believed."""
    forger = Authority("TEST AC IGC-SANTE FORT PERSONNES", WORLD.root.key, START, WORLD.root)
    with pytest.raises(BadList, match="wrong signature"):
        read_list(forger.crl(now=START), PINNED, START)


async def test_k4_a_lower_number_never_replaces_a_higher_one(tmp_path: Path) -> None:
    """An older list put back in place does not bring a revoked card to life; a newer one takes effect."""
    found, source = lists(tmp_path, TestAmbient(), WORLD.fort.crl([5], now=START, number=7))
    await found.start()
    source.write_bytes(WORLD.fort.crl([], now=START, number=6))
    assert not await found.refresh_now(f"file:{source}")
    assert found.status("fort", 5, START).revoked is True
    source.write_bytes(WORLD.fort.crl([5, 6], now=START, number=8))
    assert await found.refresh_now(f"file:{source}")
    assert found.status("fort", 6, START).revoked is True
    await found.close()


async def test_k5_the_last_good_list_survives_a_restart_without_its_source(tmp_path: Path) -> None:
    """After a restart with the source gone, the kept list is in force."""
    ambient = TestAmbient()
    found, source = lists(tmp_path, ambient, WORLD.fort.crl([5], now=START))
    await found.start()
    await found.close()
    source.unlink()
    again = Revocation([f"file:{source}"], PINNED, ambient, refresh=3600, keep=tmp_path / "kept")
    await again.start()
    assert again.status("fort", 5, START).revoked is True
    await again.close()


async def test_r30_lists_by_http_are_fetched_and_bounded(tmp_path: Path) -> None:
    """A list served over HTTP is taken; an error, a redirect or garbage leaves the held one in force."""
    answers = {"/good": (200, WORLD.fort.crl([5], now=START)), "/error": (500, b""), "/garbage": (200, b"<html>")}

    async def serve(request: web.Request) -> web.Response:
        if request.path == "/redirect":
            raise web.HTTPFound("/good")
        code, body = answers[request.path]
        return web.Response(status=code, body=body)

    app = web.Application()
    app.router.add_get("/{name}", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    found = Revocation([base + "/good"], PINNED, TestAmbient(), refresh=3600)
    await found.start()
    for name in ("error", "garbage", "redirect", "good"):
        assert await found.refresh_now(f"{base}/{name}") is (name == "good")
        assert found.status("fort", 5, START).revoked is True
    await found.close()
    await runner.cleanup()
