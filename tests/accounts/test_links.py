"""Links by mail: looked at as often as one likes, taken once, voided by newer ones, ended by time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.accounts.links import Links
from gateway.edges.sqlite_store import SqliteStore
from tests.ambient import TestAmbient

LIFE = timedelta(hours=1)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[tuple[SqliteStore, TestAmbient]]:
    ambient = TestAmbient()
    made = SqliteStore(tmp_path / "store.db", ambient)
    await made.start()
    yield made, ambient
    await made.close()


async def test_taken_once_by_one_of_many(store: tuple[SqliteStore, TestAmbient]) -> None:
    """Looking consumes nothing; of twenty at once on a real store one has it; nothing readable is kept."""
    links = Links(*store, "trial")
    token = await links.make("acc_a", {"mail": "a@example.test"}, LIFE)
    for _ in range(3):
        assert await links.find(token) == {"account": "acc_a", "mail": "a@example.test"}
    taken = await asyncio.gather(*(links.take(token) for _ in range(20)))
    assert sum(one is not None for one in taken) == 1
    assert await links.find(token) is None
    assert await links.take(token) is None


async def test_newer_voided_given_back_and_ended(store: tuple[SqliteStore, TestAmbient]) -> None:
    """Only the newest link of an account and kind is good; kinds and accounts do not touch each other."""
    links, others = Links(*store, "trial"), Links(*store, "other")
    first = await links.make("acc_a", {}, LIFE)
    neighbour, other = await links.make("acc_b", {}, LIFE), await others.make("acc_a", {}, LIFE)
    second = await links.make("acc_a", {}, LIFE)
    assert [await links.find(one) is not None for one in (first, second, neighbour, other)] == [
        False,
        True,
        True,
        False,
    ]
    assert await others.find(other) is not None
    facts = await links.take(second)
    assert facts is not None
    await links.give_back(second, facts, LIFE)
    assert await links.find(second) == facts
    await links.void("acc_a")
    await links.void("acc_nobody")
    assert await links.find(second) is None
    store[1].advance(3600)
    assert await links.find(neighbour) is None


@pytest.mark.parametrize("garbage", ["", "x" * 9, "x" * 65, "é" * 20, "A" * 32])
async def test_garbage_is_no_link(store: tuple[SqliteStore, TestAmbient], garbage: str) -> None:
    """Whatever somebody types into the address."""
    assert await Links(*store, "trial").find(garbage) is None
