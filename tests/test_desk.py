"""The book in force: read again when the counter moves, only what changed, and never half (R83)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.accounts.account import Grant, Role
from gateway.accounts.register import Register
from gateway.administration.revisions import Revisions
from gateway.desk import PolicyDesk
from gateway.edges.database import Database
from gateway.identity import Method
from gateway.policy.establishments import Scope, Switch
from gateway.policy.legal import Legal, Status
from gateway.ports import Change, Insert, Row, Update, Where
from gateway.reasons import RecordsUnavailable
from tests.administration.world import World, defaults, person, place, world_in


class Counting:
    """The records, with a note of what was asked, and a fault or a pause on demand."""

    def __init__(self, records: Database) -> None:
        self._records = records
        self.asked: list[tuple[str, int]] = []
        self.down = False
        self.gate: asyncio.Event | None = None

    async def find(
        self, table: str, where: Where, *, order: Sequence[str] = (), limit: int | None = None
    ) -> tuple[Row, ...]:
        if self.down and table == "switches":
            raise RecordsUnavailable("the test says so")
        rows = await self._records.find(table, where, order=order, limit=limit)
        self.asked.append((table, len(rows)))
        if self.gate is not None and table == "scopes":
            gate, self.gate = self.gate, None
            await gate.wait()
        return rows

    def __getattr__(self, name: str) -> Any:
        return getattr(self._records, name)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with world_in(tmp_path) as made:
        yield made


@pytest.fixture
async def counting(world: World) -> Counting:
    return Counting(world.records)


@pytest.fixture
async def desk(counting: Counting) -> PolicyDesk:
    desk = PolicyDesk(counting, defaults(), timedelta(minutes=15))  # type: ignore[arg-type]
    await desk.refresh()
    counting.asked.clear()
    return desk


async def changed(world: World, *changes: Change, scope: str = "ch") -> None:
    """One change of one scope, as administration writes it."""

    def under(revision: int) -> Sequence[Change]:
        return [Update("scopes", {"revision": revision, "code_validity": 60 + revision}, {"id": scope}), *changes]

    await Revisions(world.records, None).write(under)


async def test_r83_without_a_change_a_look_at_the_counter_is_all(desk: PolicyDesk, counting: Counting) -> None:
    book = desk.book
    await desk.refresh()
    assert counting.asked == [("revisions", 1)]
    assert desk.book is book


async def test_r83_one_change_reads_one_scope(desk: PolicyDesk, counting: Counting, world: World) -> None:
    """The others are the very same values as before; the tree is made anew from the one before."""
    before, tree = desk.book, desk.tree
    await changed(world)
    await desk.refresh()
    assert counting.asked == [("revisions", 1), ("scopes", 1), ("switches", 0)]
    assert desk.book.scopes["ch"].set.code_validity == timedelta(seconds=61)
    assert desk.book.scopes["ehpad"] is before.scopes["ehpad"]
    assert desk.revision == 1
    assert desk.tree is not tree
    assert desk.tree.book is desk.book


async def test_r83_a_fault_leaves_the_old_book_and_the_next_look_catches_up(
    desk: PolicyDesk, counting: Counting, world: World
) -> None:
    before = desk.book
    await changed(world)
    counting.down = True
    with pytest.raises(RecordsUnavailable):
        await desk.refresh()
    assert (desk.book, desk.revision) == (before, 0)
    counting.down = False
    await desk.refresh()
    assert desk.book.scopes["ch"].set.code_validity == timedelta(seconds=61)


@pytest.mark.parametrize(
    "bad",
    [
        {"methods": "telepathy"},
        {"contacts": "[{}]"},
        {"contacts": "{"},
        {"legal": '{"otp_mail": []}'},
        {"legal": '{"otp_mail": {"status": "perhaps"}}'},
        {"legal": "[]"},
        {"contacts": "3"},
    ],
)
async def test_r83_a_word_no_policy_knows_is_a_value_error_whatever_its_kind(
    desk: PolicyDesk, world: World, bad: dict[str, str]
) -> None:
    """So that the loop that refreshes says it and goes on with the old book."""
    before = desk.book
    await changed(world, Update("scopes", bad, {"id": "ch"}))
    with pytest.raises(ValueError):
        await desk.refresh()
    assert desk.book is before


async def test_r83_an_older_reading_is_never_the_last_to_be_kept(
    desk: PolicyDesk, counting: Counting, world: World
) -> None:
    """Two refreshes at once: one follows the other, and the newest state stays."""
    await changed(world)
    counting.gate = gate = asyncio.Event()
    slow = asyncio.create_task(desk.refresh())
    while counting.gate is not None:  # the slow one has read the scopes of revision 1
        await asyncio.sleep(0)
    await changed(world)
    quick = asyncio.create_task(desk.refresh())
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(slow, quick)
    assert desk.revision == 2
    assert desk.book.scopes["ch"].set.code_validity == timedelta(seconds=62)


async def test_r83_a_database_put_back_is_read_whole(desk: PolicyDesk, world: World) -> None:
    """A restored backup has a smaller counter: what was known from after it counts no more."""
    await changed(world)
    await changed(world)
    await desk.refresh()
    await world.records.write(
        Update("revisions", {"value": 1}, {"name": "policy"}),
        Update("scopes", {"code_validity": None, "revision": 1}, {"id": "ch"}),
    )
    await desk.refresh()
    assert desk.book.scopes["ch"].set.code_validity is None
    assert len(desk.book.scopes) == 10


async def test_r83_many_scopes_are_read_page_by_page(world: World, counting: Counting) -> None:
    """More than two pages, each scope once, with its switches in the order of their dates; undone ones are not there."""
    now = world.now
    rows: list[Change] = [
        place(f"s{number:04d}", "ch", "service", f"S {number}", f"/nation/s{number:04d}/") for number in range(2100)
    ]
    for number, days in ((1, 2), (2, 1), (3, 3)):
        rows.append(
            Insert(
                "switches",
                {
                    "id": f"swi_{number}",
                    "scope_id": "s2000",
                    "state": "strong",
                    "effective_from": now + timedelta(days=days),
                    "reason": "essai",
                    "author": "test",
                    "kind": "switch",
                    "created_at": now,
                    "cancelled_at": now if number == 3 else None,
                },
            )
        )
    await world.records.write(*rows)
    desk = PolicyDesk(counting, defaults(), timedelta(minutes=15))  # type: ignore[arg-type]
    await desk.refresh()
    assert len(desk.book.scopes) == 2110
    assert [one.id for one in desk.book.scopes["s2000"].switches] == ["swi_2", "swi_1"]
    assert isinstance(desk.book.scopes["s2000"].switches[0], Switch)
    assert isinstance(desk.book.scopes["s0000"], Scope)


async def test_g59_a_place_does_not_lock_out_who_looks_after_more(world: World) -> None:
    """The means of administrators are the nation's to say: what a scope accepts reduces others, a legal status everybody."""
    desk = PolicyDesk(world.records, defaults(), timedelta(minutes=15), frozenset({Method.CPS, Method.PSC_ECPS}))
    await desk.refresh()
    ehpad = desk.book.scopes["ehpad"]
    limited = replace(ehpad, set=replace(ehpad.set, methods=frozenset({Method.OTP_MAIL})))
    desk.book = desk.book.with_scopes([limited])
    await world.records.write(*person("acc_1", "ehpad"))
    somebody = await Register(world.records, world.ambient).by_id("acc_1")
    assert somebody is not None
    leader = replace(somebody, grants=(Grant(Role.NATIONAL, "nation"),))
    assert desk.methods(somebody, world.now) == {Method.OTP_MAIL}
    assert desk.methods(leader, world.now) == {Method.CPS, Method.PSC_ECPS}
    barred = replace(limited, set=replace(limited.set, legal={"card": Legal(Status.INTERDIT)}))
    desk.book = desk.book.with_scopes([barred])
    assert desk.methods(leader, world.now) == {Method.PSC_ECPS}
