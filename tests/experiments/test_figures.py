"""What the experiments count, and what they call broken: judged without any estate."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from experiments import trouble_gateways  # noqa: F401 - it puts itself in the table
from experiments.report import Result, markdown, row
from experiments.table import EXPERIMENTS, broken
from experiments.watch import Figures, Seen, figures
from experiments.wire import Wire


def seen(at: float, status: int = 200, who: str = "A", whose: str | None = "A", took: float = 0.1) -> Seen:
    return Seen(at, took, status, who, whose if status == 200 else None)


def test_figures_tell_refusals_and_recovery() -> None:
    """One person refused from 2 to 5 s, the fault over at 4: 3.1 s of refusal, 0.6 s to recover."""
    answers = [seen(1), seen(2, 503), seen(3, 0), seen(4.5, 503), seen(5), seen(3, who="B", whose="B")]
    found = figures(answers, 4.0)
    assert found.requests == 6
    assert found.failed == {"503": 2, "connection": 1}
    assert round(found.longest_refusal, 3) == 3.1
    assert round(found.to_recover, 3) == 0.6
    assert found.broken(to_recover=5) == []
    assert found.broken(to_recover=0.5) == ["recovery took 0.6 s, promised are 0.5"]


def test_a_refusal_that_never_ends_counts_to_the_last_answer() -> None:
    assert round(figures([seen(1), seen(2, 503), seen(9, 503)], None).longest_refusal, 3) == 7.1


def test_who_asks_once_cannot_tell_how_long_a_refusal_lasts() -> None:
    answers = [seen(1, 503, who="once"), seen(9, who="once", whose="once"), seen(1, 503), seen(2)]
    assert round(figures(answers, None, {"A"}).longest_refusal, 3) == 1.1


def test_an_identity_that_is_not_the_callers_is_seen() -> None:
    found = figures([seen(1, whose="B"), seen(2, whose=None)], None)
    assert (found.crossed, found.nobody) == (1, 1)
    assert found.broken() == ["identities crossed: 1", "protected answers without identity: 1"]


def test_every_promise_that_is_broken_is_named() -> None:
    worst = Figures(
        sign_ins_lost=1,
        unwritten=1,
        chain="torn",
        signed_out_wrongly=1,
        sign_outs_revived=1,
        codes_twice=1,
        unbelievable=1,
    )
    assert len(worst.broken()) == 7


def test_where_nothing_may_fail_one_failure_is_too_many() -> None:
    one = EXPERIMENTS["reload-under-load"]
    fine = Figures(requests=10, sign_ins_tried=2, sign_ins_done=2)
    assert broken(one, fine) == []
    assert broken(one, replace(fine, failed={"503": 1})) == ["1 requests failed"]
    assert broken(one, replace(fine, sign_ins_tried=3)) == ["1 sign-ins were refused"]


def test_the_report_rewrites_its_table_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "experiments.md"
    path.write_text(
        "before\n<!-- table: made by python -m experiments -->\nas it was\n<!-- end of the table -->\nafter\n"
    )
    results = [
        Result("reload-under-load", Figures(requests=7, failed={"503": 2}), ["2 requests failed"], "", 1.0),
        Result("key-rotation", None, [], "not here", 0.0),
    ]
    markdown(path, results, 6)
    text = path.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "as it was" not in text
    assert "| reload-under-load | 7 | 2 × 503 |" in text and "**2 requests failed**" in text
    assert row(results[1]) in text and "not made: not here" in text


async def test_a_wire_passes_late_and_holds_back_without_closing() -> None:
    """What goes through it arrives whole and as late as it was told; while it is silent nothing arrives, and nothing ends."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(100):
            writer.write(piece)
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as far:
        wire = Wire(far.sockets[0].getsockname()[1])
        async with await asyncio.start_server(wire.carry, "127.0.0.1", 0) as near:
            reader, writer = await asyncio.open_connection(*near.sockets[0].getsockname())
            clock = asyncio.get_running_loop().time
            writer.write(b"one")
            assert await reader.readexactly(3) == b"one"
            wire.delay, began = 0.1, clock()
            writer.write(b"two")
            assert await reader.readexactly(3) == b"two"
            assert clock() - began >= 0.19
            wire.delay = 0.0
            wire.passing.clear()
            writer.write(b"six")
            held = asyncio.create_task(reader.readexactly(3))
            done, _ = await asyncio.wait({held}, timeout=0.2)
            assert not done
            wire.passing.set()
            assert await held == b"six"
            writer.close()
            await writer.wait_closed()
            while len(asyncio.all_tasks()) > 1:
                await asyncio.sleep(0.01)
