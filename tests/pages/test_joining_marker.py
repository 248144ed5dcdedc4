"""What a browser remembers of an invitation: one at a time, sealed, bounded in time."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from aiohttp import web

from gateway.edges.keys import Secrets, ensure_secret
from gateway.edges.memory_store import MemoryStore
from gateway.pages.base import Visit
from gateway.pages.house import House
from gateway.pages.joining_marker import Marker, mark, marked, marker_key, unmark
from tests.ambient import START, TestAmbient
from tests.pages.hollow import house_of


@pytest.fixture
def house(tmp_path: Path) -> House:
    ambient, secrets = TestAmbient(), Secrets(ensure_secret(tmp_path / "secret"))
    life = timedelta(minutes=30)
    store = MemoryStore(ambient)
    return house_of(ambient=ambient, store=store, seal=secrets.seal, unseal=secrets.unseal, proof_life=life)


def visit(house: House, browser: str = "a" * 64, seconds: float = 0) -> Visit:
    return Visit(house, cast(web.Request, None), START + timedelta(seconds=seconds), "", "0" * 32, browser or None)


async def test_r112_it_is_of_one_browser_for_half_an_hour(house: House) -> None:
    """Also on a machine whose clock is some seconds behind. A clock set back makes nothing good again, and a browser
    without a cookie has none."""
    await mark(visit(house), "token", "Luc BERNARD")
    assert await marked(visit(house)) == Marker("token", "Luc BERNARD", START)
    for seconds in (1799.9, -5):
        assert await marked(visit(house, seconds=seconds)) is not None
    for other in (visit(house, "b" * 64), visit(house, ""), visit(house, seconds=1800), visit(house, seconds=-61)):
        assert await marked(other) is None


async def test_r112_the_last_invitation_is_the_one(house: House) -> None:
    """Settling an earlier one leaves it alone."""
    await mark(visit(house), "first", "Luc BERNARD")
    first = await marked(visit(house))
    await mark(visit(house), "second", "Anne PETIT")
    second = await marked(visit(house))
    assert first is not None and second is not None and second.token == "second"
    await unmark(visit(house), first)
    assert await marked(visit(house)) == second
    await unmark(visit(house, "b" * 64), second)
    assert await marked(visit(house)) == second
    await unmark(visit(house), second)
    assert await marked(visit(house)) is None


async def test_what_was_not_sealed_here_is_nothing(house: House) -> None:
    """A record that somebody wrote into the store names no invitation."""
    key = marker_key(hashlib.sha256(b"x").hexdigest())
    await house.store.write(key, b'["token", "Luc BERNARD", 1772443800.0]', timedelta(minutes=30))
    assert await marked(visit(house, hashlib.sha256(b"x").hexdigest())) is None
