"""The journal on SQLite and on a real PostgreSQL: durable when it returns, a chain without gaps, whoever writes at once."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import trail
from gateway.edges.database import Database
from gateway.edges.journal import Journal
from gateway.edges.keys import FileSigner
from gateway.ports import Change, Delete, Insert, Row, Update, Where
from gateway.reasons import Reason, RecordsUnavailable
from gateway.trail import Checkpoints
from tests.ambient import START
from tests.blank import opened
from tests.edges.chained import KEY, act, faults, signer_in


@pytest.fixture
async def records(url: str) -> AsyncIterator[Database]:
    database = await opened(url)
    yield database
    await database.close()


@pytest.fixture
def signer(tmp_path: Path) -> FileSigner:
    return signer_in(tmp_path)


class Slow:
    """Records whose transactions wait until they may go on, or fail."""

    def __init__(self, records: Database) -> None:
        self.records = records
        self.go_on = asyncio.Event()
        self.begun: asyncio.Queue[int] = asyncio.Queue()
        self.failing = False

    async def amend(self, table: str, where: Where, compose: Callable[[Row | None], Sequence[Change]]) -> None:
        def counted(row: Row | None) -> Sequence[Change]:
            changes = compose(row)
            self.begun.put_nowait(len(changes) - 1)
            return changes

        if self.failing:
            self.begun.put_nowait(0)
        await self.go_on.wait()
        if self.failing:
            raise RecordsUnavailable("told to fail")
        await self.records.amend(table, where, counted)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.records, name)


async def numbers(records: Database) -> list[Any]:
    return [row["seq"] for row in await records.find("audit", {}, order=("seq",))]


async def test_g2_every_column_is_written_and_chained(records: Database, signer: FileSigner) -> None:
    """The row is there when the call returns, the chain is sound, and the act is counted."""
    journal = Journal(records, KEY)
    await journal.record(act(1, reason=Reason.NOT_ALLOWED))
    (row,) = await records.find("audit", {})
    assert row["hash"] is not None
    assert {name: row[name] for name in ("seq", "act", "account", "reason", "scope", "address", "correlation")} == {
        "seq": 1,
        "act": "session:open",
        "account": "acc_1",
        "reason": "not-allowed",
        "scope": "sco_1",
        "address": "192.0.2.7",
        "correlation": "cor_1",
    }
    assert json.loads(str(row["facts"])) == {"method": "cps", "who": "Inès; D’ALMÉIDA"}
    await journal.record(act(2))
    assert await faults(records, signer) == []
    assert journal.acts == {("session:open", "not-allowed"): 1, ("session:open", ""): 1}


async def test_g2_a_database_in_use_gets_a_chain(records: Database, signer: FileSigner) -> None:
    """Rows that were there before stay as they are; the chain begins behind them."""
    await records.write(*(Insert("audit", {"at": START, "act": "x", "facts": "{}"}) for _ in range(3)))
    before = await records.find("audit", {}, order=("seq",))
    journal = Journal(records, KEY)
    await asyncio.gather(*(journal.record(act(n)) for n in range(3)))
    assert (await records.find("audit", {}, order=("seq",)))[:3] == before
    assert await numbers(records) == [1, 2, 3, 4, 5, 6]
    assert await faults(records, signer) == []


async def test_g2_two_hundred_at_once_from_several_gateways(url: str, records: Database, signer: FileSigner) -> None:
    """Four gateways on one database, the first start included: one chain, no number twice, none left out."""
    others = [Database(url) for _ in range(3)]
    journals = [Journal(one, KEY) for one in (records, *others)]
    await asyncio.gather(*(journals[n % 4].record(act(n)) for n in range(200)))
    assert await numbers(records) == [*range(1, 201)]
    assert sorted(str(row["account"]) for row in await records.find("audit", {})) == sorted(
        f"acc_{n}" for n in range(200)
    )
    assert await faults(records, signer) == []
    for one in others:
        await one.close()


async def test_g2_processes_writing_at_once(url: str, records: Database, signer: FileSigner) -> None:
    """Three processes that write one record after the other share the chain."""
    program = (
        "import asyncio, sys\n"
        "from gateway.edges.database import Database\n"
        "from gateway.edges.journal import Journal\n"
        "from tests.edges.chained import KEY, act\n"
        "async def main():\n"
        " d = Database(sys.argv[1]); j = Journal(d, KEY)\n"
        " for n in range(40): await j.record(act(n))\n"
        " await d.close()\n"
        "asyncio.run(main())"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, url], stdout=subprocess.DEVNULL) for _ in range(3)]
    assert [await asyncio.to_thread(process.wait, 60) for process in running] == [0, 0, 0]
    assert await numbers(records) == [*range(1, 121)]
    assert await faults(records, signer) == []


async def test_g2_what_waits_is_written_together(records: Database) -> None:
    """One transaction for the first, one for all that came while it was under way."""
    slow = Slow(records)
    journal = Journal(slow, KEY)  # type: ignore[arg-type]
    first = asyncio.create_task(journal.record(act(0)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    rest = [asyncio.create_task(journal.record(act(n))) for n in range(1, 30)]
    await asyncio.sleep(0)
    assert not first.done()
    slow.go_on.set()
    await asyncio.gather(first, *rest)
    assert [slow.begun.get_nowait() for _ in range(slow.begun.qsize())] == [1, 29]
    assert [row["account"] for row in await records.find("audit", {}, order=("seq",))] == [
        f"acc_{n}" for n in range(30)
    ]


async def test_g2_who_gives_up_takes_nobody_along(records: Database, signer: FileSigner) -> None:
    """Cancelled before its turn a record is not written, cancelled in the middle it may be; the others are, once."""
    slow = Slow(records)
    journal = Journal(slow, KEY)  # type: ignore[arg-type]
    under_way = asyncio.create_task(journal.record(act(0)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(journal.record(act(n))) for n in range(1, 6)]
    await asyncio.sleep(0)
    under_way.cancel()
    waiting[2].cancel()
    await asyncio.gather(under_way, waiting[2], return_exceptions=True)
    slow.go_on.set()
    await asyncio.gather(*waiting[:2], *waiting[3:])
    found = [row["account"] for row in await records.find("audit", {}, order=("seq",))]
    assert found == ["acc_0", "acc_1", "acc_2", "acc_4", "acc_5"]
    assert await faults(records, signer) == []
    assert journal.acts["session:open", ""] == 4


async def test_g2_a_failure_refuses_everybody_who_waits(records: Database, signer: FileSigner) -> None:
    """No row, no act: every caller hears it, and the next one is written again."""
    slow = Slow(records)
    slow.failing = True
    journal = Journal(slow, KEY)  # type: ignore[arg-type]
    first = asyncio.create_task(journal.record(act(0)))
    await slow.begun.get()
    rest = [asyncio.create_task(journal.record(act(n))) for n in range(1, 5)]
    await asyncio.sleep(0)
    slow.go_on.set()
    results = await asyncio.gather(first, *rest, return_exceptions=True)
    assert [type(one) for one in results] == [RecordsUnavailable] * 5
    assert len({id(one) for one in results}) == 5
    assert journal.acts.total() == 0
    assert await records.find("audit", {}) == ()
    slow.failing = False
    await journal.record(act(9))
    assert await numbers(records) == [1]
    assert await faults(records, signer) == []


async def test_g2_one_record_does_not_spoil_the_others(records: Database, signer: FileSigner) -> None:
    """What an engine cannot hold is written in another way, so that nobody can keep others from being written."""
    journal = Journal(records, KEY)
    spoiled = act(1)
    object.__setattr__(spoiled, "correlation", "a\0b\ud800")
    await asyncio.gather(journal.record(spoiled), journal.record(act(2)))
    assert [row["correlation"] for row in await records.find("audit", {}, order=("seq",))] == ["a\ufffdb?", "cor_2"]
    assert await faults(records, signer) == []


async def test_g2_a_row_of_somebody_else_is_stepped_over(records: Database, signer: FileSigner) -> None:
    """It stands where the next link belongs: acts go on, and the row is found."""
    journal = Journal(records, KEY)
    await journal.record(act(1))
    await records.write(*(Insert("audit", {"seq": n, "at": START, "act": "x", "facts": "{}"}) for n in (2, 3)))
    await asyncio.gather(journal.record(act(2)), journal.record(act(3)))
    assert await numbers(records) == [1, 2, 3, 4, 5]
    assert await faults(records, signer) == ["extra 2", "extra 3"]


@pytest.mark.parametrize("head", ["gone", "altered", "old"])
async def test_g2_a_head_that_was_tampered_with_is_not_built_upon(
    records: Database, signer: FileSigner, head: str
) -> None:
    """The last row was removed and the head made to fit; acts go on, and the break stays to be seen for ever."""
    journal = Journal(records, KEY)
    for n in range(1, 4):
        await journal.record(act(n))
    (old,) = await records.find("audit_head", {})
    await journal.record(act(4))
    await records.write(Delete("audit", {"seq": 4}), Delete("audit_head", {"id": 1}))
    if head != "gone":
        await records.write(Insert("audit_head", {**old, "mac": old["mac"] if head == "old" else "0" * 64}))
    await journal.record(act(5))
    await journal.record(act(6))
    assert await faults(records, signer) == ["restart 4"]


async def test_g2_an_old_head_after_a_restart(records: Database, signer: FileSigner) -> None:
    """Put back together with the rows of that time, and built upon by a gateway that remembers nothing: the newest
    checkpoint contradicts."""
    for n in range(1, 4):
        await Journal(records, KEY).record(act(n))
    (old,) = await records.find("audit_head", {})
    await Journal(records, KEY).record(act(4))
    await Checkpoints(records, signer).take(START)
    await records.write(
        Delete("audit", {"seq": 4}), Update("audit_head", {name: old[name] for name in old if name != "id"}, {"id": 1})
    )
    assert await faults(records, signer) == ["checkpoint 4"]
    await Journal(records, KEY).record(act(5))
    assert await faults(records, signer) == ["checkpoint 4"]


async def test_r148_g2_removal_while_others_write(
    url: str, records: Database, signer: FileSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Old rows go while new ones come, on both engines: what is left proves itself."""
    monkeypatch.setattr(trail, "_REMOVED_AT_ONCE", 7)
    journal, other = Journal(records, KEY), Database(url)
    for n in range(30):
        await journal.record(act(n))
    writing = asyncio.gather(*(Journal(other, KEY).record(act(n)) for n in range(100, 130)))
    edge = START + timedelta(seconds=20)
    await Checkpoints(records, signer).remove_old(edge, START + timedelta(seconds=200))
    await writing
    assert await numbers(records) == [*range(21, 61)]
    assert await faults(records, signer) == []
    await other.close()
