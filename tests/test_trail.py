"""Checkpoints, the removal of what is too old, and the examination of a database in use (R148, G2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway import trail
from gateway.audit import Act, Record
from gateway.edges.database import Database
from gateway.edges.journal import Journal
from gateway.edges.keys import FileSigner
from gateway.ports import Change, Delete, Insert, Update
from gateway.reasons import KeyUnavailable, RecordsUnavailable
from gateway.trail import ChainBroken, Checkpoints, examine
from tests.accounts.shelf import DAY, database
from tests.ambient import START
from tests.edges.chained import KEY, act, faults, signer_in

HOUR = timedelta(hours=1)


class World:
    def __init__(self, records: Database, folder: Path) -> None:
        self.records = records
        self.folder = folder
        self.signer = signer_in(folder)
        self.journal = Journal(records, KEY)
        self.checkpoints = Checkpoints(records, self.signer)

    async def days(self, count: int, start: datetime = START) -> None:
        """A row a day, each of them chained."""
        for day in range(count):
            await self.journal.record(Record(Act.SIGN_IN, start + day * DAY, f"acc_{day}"))

    async def numbers(self) -> list[Any]:
        return [row["seq"] for row in await self.records.find("audit", {}, order=("seq",))]

    async def stamps(self) -> list[tuple[Any, Any]]:
        rows = await self.records.find("audit_checkpoints", {}, order=("seq", "kind"))
        return [(row["kind"], row["seq"]) for row in rows]

    async def faults(self) -> list[str]:
        return await faults(self.records, self.signer)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with database(tmp_path) as records:
        yield World(records, tmp_path)


async def test_g2_a_checkpoint_when_the_chain_moved(world: World) -> None:
    """Once for each state of the chain, signed, and said in the log; before the first row there is nothing to sign."""
    assert await world.checkpoints.take(START) is None
    await world.days(2)
    with capture_logs() as lines:
        made = await world.checkpoints.take(START)
    assert made is not None
    assert made.is_signed_by(world.signer.public_jwk)
    assert [(line["event"], line["seq"], line["hash"]) for line in lines] == [("checkpoint", 2, made.hash)]
    assert await world.checkpoints.take(START + HOUR) is None
    await world.days(1)
    await world.checkpoints.job().work(START + 2 * HOUR)
    assert await world.stamps() == [("time", 2), ("time", 3)]
    assert await world.faults() == []
    assert (world.checkpoints.job().name, world.checkpoints.job().period) == ("audit-checkpoint", HOUR)


async def test_g2_two_workers_sign_the_same(world: World) -> None:
    """Asked at once, one checkpoint stands and nobody fails."""
    await world.days(1)
    made = await asyncio.gather(*(world.checkpoints.take(START) for _ in range(4)))
    assert len([one for one in made if one is not None]) == 1
    assert await world.stamps() == [("time", 1)]


@pytest.mark.parametrize(
    "change",
    [
        Update("audit_head", {"hash": "0" * 64}, {"id": 1}),
        Update("audit", {"hash": "0" * 64}, {"seq": 3}),
        Delete("audit", {"seq": 3}),
        Update("audit_head", {"seq": 1}, {"id": 1}),
    ],
)
async def test_g2_nothing_is_signed_over_a_broken_end(world: World, change: Change) -> None:
    """A head that does not fit its row, or that went back: the job fails and the log says why."""
    await world.days(2)
    await world.checkpoints.take(START)
    await world.days(1)
    await world.records.write(change)
    with capture_logs() as lines, pytest.raises(ChainBroken):
        await world.checkpoints.take(START)
    assert [line["log_level"] for line in lines] == ["error"]
    assert await world.stamps() == [("time", 2)]


async def test_g2_another_key_signs_later(world: World, tmp_path: Path) -> None:
    """Checkpoints of an earlier key count while it is configured; under a key nobody knows they do not."""
    await world.days(1)
    await world.checkpoints.take(START)
    (tmp_path / "later").mkdir()
    later = signer_in(tmp_path / "later")
    await world.days(1)
    await Checkpoints(world.records, later).take(START)
    keys = [later.public_jwk, world.signer.public_jwk]
    assert (await examine(world.records, KEY, keys)).faults == []
    found = await examine(world.records, KEY, keys[:1])
    assert [(one.kind.value, one.seq) for one in found.faults] == [("checkpoint", 1)]


async def test_r148_g2_the_oldest_rows_go(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """In pages, to the last row before the edge; the chain then begins where the newest checkpoint says."""
    monkeypatch.setattr(trail, "_REMOVED_AT_ONCE", 3)
    await world.days(10)
    await world.checkpoints.take(START + 9 * DAY)
    assert await world.checkpoints.count_old(START + 7 * DAY, START + 10 * DAY) == 7
    await world.checkpoints.remove_old(START + 7 * DAY, START + 10 * DAY)
    assert await world.numbers() == [8, 9, 10]
    assert await world.stamps() == [("purge", 7), ("time", 10)]
    assert await world.faults() == []
    await world.checkpoints.remove_old(START + 7 * DAY, START + 10 * DAY)
    await world.days(1, START + 10 * DAY)
    await world.checkpoints.remove_old(START + 10 * DAY, START + 11 * DAY)
    assert await world.numbers() == [11]
    assert await world.stamps() == [("purge", 10), ("time", 10)]
    assert await world.faults() == []


@pytest.mark.parametrize("writes", [0, 1, 2, 3])
async def test_r148_g2_an_interrupted_removal_is_sound(
    world: World, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """Whichever page was the last, what is left proves itself, and the removal goes on another day."""
    monkeypatch.setattr(trail, "_REMOVED_AT_ONCE", 2)
    await world.days(10)
    real, left = world.records.write, writes

    async def failing(*changes: Change) -> None:
        nonlocal left
        if not left:
            raise RecordsUnavailable("told to fail")
        left -= 1
        await real(*changes)

    with monkeypatch.context() as patch:
        patch.setattr(world.records, "write", failing)
        with pytest.raises(RecordsUnavailable):
            await world.checkpoints.remove_old(START + 8 * DAY, START + 10 * DAY)
    assert len(await world.numbers()) == 10 - 2 * writes
    assert await world.faults() == []
    await world.checkpoints.remove_old(START + 8 * DAY, START + 10 * DAY)
    assert await world.numbers() == [9, 10]
    assert await world.faults() == []


async def test_r148_rows_before_the_chain_go_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of before need no checkpoint; the first of the chain does."""
    monkeypatch.setattr(trail, "_REMOVED_AT_ONCE", 2)
    await world.records.write(*(Insert("audit", {"at": START, "act": "x", "facts": "{}"}) for _ in range(3)))
    await world.days(4, START + DAY)
    await world.checkpoints.remove_old(START + DAY, START + 5 * DAY)
    assert (await world.numbers(), await world.stamps(), await world.faults()) == ([4, 5, 6, 7], [], [])
    await world.checkpoints.remove_old(START + 3 * DAY, START + 5 * DAY)
    assert (await world.numbers(), await world.stamps(), await world.faults()) == ([6, 7], [("purge", 5)], [])


async def test_r148_only_a_beginning_is_removed(world: World) -> None:
    """A young row keeps the older ones behind it; one of a clock that ran ahead does not; a clock that went back removes
    nothing."""
    for day in (0, 5, 1, 900, 2, 6):
        await world.journal.record(Record(Act.SIGN_IN, START + day * DAY))
    await world.checkpoints.remove_old(START - 900 * DAY, START - 800 * DAY)
    assert len(await world.numbers()) == 6
    await world.checkpoints.remove_old(START + 4 * DAY, START + 7 * DAY)
    assert await world.numbers() == [2, 3, 4, 5, 6]
    await world.checkpoints.remove_old(START + 5 * DAY + HOUR, START + 7 * DAY)
    assert await world.numbers() == [6]
    assert await world.faults() == []


@pytest.mark.parametrize(
    "change",
    [
        Update("audit", {"at": START - 400 * DAY}, {"seq": 4}),  # young, and made to look old
        Update("audit", {"account": "acc_other"}, {"seq": 2}),
        Delete("audit", {"seq": 2}),
    ],
)
async def test_r148_g2_what_was_tampered_with_is_not_removed(world: World, change: Change) -> None:
    """The gateway destroys no proof by itself; a human may decide that it goes."""
    await world.days(5)
    await world.records.write(change)
    edge, now = START + 3 * DAY, START + 5 * DAY
    before = await world.numbers()
    with pytest.raises(ChainBroken):
        await world.checkpoints.remove_old(edge, now)
    assert await world.numbers() == before
    await world.checkpoints.remove_old(edge, now, faulty=True)
    assert (await world.numbers())[-1] == 5
    assert (await world.numbers())[0] in (4, 5)
    assert await world.faults() == []


async def test_r148_g2_removed_rows_that_are_back(world: World) -> None:
    """Rows put back before the beginning are found, stop the removal, and never move the beginning backwards."""
    await world.days(6)
    (second,) = await world.records.find("audit", {"seq": 2})
    await world.checkpoints.remove_old(START + 3 * DAY, START + 6 * DAY)
    await world.records.write(Insert("audit", dict(second)))
    assert await world.faults() == ["extra 2"]
    with pytest.raises(ChainBroken):
        await world.checkpoints.remove_old(START + 3 * DAY, START + 6 * DAY)
    await world.checkpoints.remove_old(START + 3 * DAY, START + 6 * DAY, faulty=True)
    assert (await world.numbers(), await world.stamps(), await world.faults()) == ([4, 5, 6], [("purge", 3)], [])


async def test_r148_two_workers_remove_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease may be lost: both end, and the chain is sound."""
    monkeypatch.setattr(trail, "_REMOVED_AT_ONCE", 2)
    await world.days(12)
    await asyncio.gather(*(world.checkpoints.remove_old(START + 10 * DAY, START + 12 * DAY) for _ in range(3)))
    assert await world.numbers() == [11, 12]
    assert await world.faults() == []


async def test_g2_an_examination_while_the_gateway_writes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that come and go meanwhile are no faults."""
    monkeypatch.setattr(trail, "_READ_AT_ONCE", 3)
    await world.days(30)
    steps: list[tuple[int, int]] = []
    busy = asyncio.gather(*(world.journal.record(act(n)) for n in range(40)))
    removal = asyncio.create_task(world.checkpoints.remove_old(START + 20 * DAY, START + 60 * DAY))
    found = await examine(
        world.records, KEY, [world.signer.public_jwk], progress=lambda done, last: steps.append((done, last))
    )
    await asyncio.gather(busy, removal)
    assert found.faults == []
    assert all(done <= last for done, last in steps)
    assert (await world.faults()) == []


async def test_g2_a_row_below_every_number(world: World) -> None:
    """Numbers nobody gives are read too."""
    await world.days(2)
    await world.checkpoints.remove_old(START + DAY, START + 2 * DAY)
    await world.records.write(Insert("audit", {"seq": -7, "at": START, "act": "x", "facts": "{}"}))
    assert await world.faults() == ["extra -7"]


async def test_g2_a_witness_tells_of_a_chain_made_anew(world: World) -> None:
    """Everything was removed, and the gateway began anew: only the log remembers."""
    await world.days(3)
    made = await world.checkpoints.take(START)
    assert made is not None
    for table in ("audit", "audit_checkpoints"):
        await world.records.write(Delete(table, {"seq": [1, 2, 3]}))
    await world.records.write(Delete("audit_head", {"id": 1}))
    await Journal(world.records, KEY).record(act(1))
    assert await world.faults() == []
    assert await faults(world.records, world.signer, {made.seq: made.hash}) == ["checkpoint 3"]


async def test_g2_no_key_no_removal(world: World) -> None:
    """Without a signature nothing is removed."""
    await world.days(3)

    class Broken(FileSigner):
        async def sign(self, data: bytes) -> bytes:
            raise KeyUnavailable("a device that gives no answer")

    signer = Broken(world.folder / "assertion.pem")
    with pytest.raises(KeyUnavailable):
        await Checkpoints(world.records, signer).remove_old(START + 2 * DAY, START + 3 * DAY)
    assert await world.numbers() == [1, 2, 3]
