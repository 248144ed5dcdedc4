"""Every way to tamper with the audit of a real journal, and that each is found (R93, G2)."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit_chain import COLUMNS, Checkpoint, Examination, genesis, link, mac, vouched
from gateway.edges.database import Database
from gateway.edges.journal import Journal
from gateway.edges.keys import FileSigner
from gateway.ports import Insert
from gateway.reasons import Reason
from gateway.trail import Checkpoints
from tests.ambient import START
from tests.edges.chained import KEY, act, signer_in

OLDER, ROWS = 2, 12
FIRST, LAST = OLDER + 1, OLDER + ROWS
STAMPED = (FIRST + 4, LAST - 2)  # rows of which a checkpoint speaks


@dataclass
class Chain:
    """What is in the database, as whoever tampers with it sees it. ``heads``: the head after each row."""

    rows: list[dict[str, Any]]
    stamps: list[Checkpoint]
    head: dict[str, Any] | None
    heads: dict[int, dict[str, Any]]
    signer: FileSigner
    witnesses: dict[int, str]

    def examined(self) -> Examination:
        found = Examination(self.stamps, [self.signer.public_jwk], self.witnesses)
        for row in sorted(self.rows, key=lambda row: row["seq"]):
            found.row(row)
        found.end(self.head, KEY)
        return found

    @property
    def faults(self) -> list[str]:
        return [f"{one.kind.value} {one.seq}" for one in self.examined().faults]

    def __getitem__(self, seq: int) -> dict[str, Any]:
        return next(row for row in self.rows if row["seq"] == seq)

    def without(self, *numbers: int) -> None:
        self.rows = [row for row in self.rows if row["seq"] not in numbers]

    def rehash(self, first: int, before: str) -> None:
        """What somebody without the key can do: compute every hash anew."""
        for row in self.rows:
            if row["seq"] >= first:
                before = row["hash"] = link(before, row)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    folder: Path = tmp_path_factory.mktemp("chain")
    return asyncio.run(_write(folder))


async def _write(folder: Path) -> Chain:
    records, signer = Database(f"sqlite:///{folder / 'records.db'}"), signer_in(folder)
    await records.migrate()
    await records.write(*(Insert("audit", {"at": START, "act": "x", "facts": "{}"}) for _ in range(OLDER)))
    journal, checkpoints = Journal(records, KEY), Checkpoints(records, signer)
    heads = {}
    for number in range(FIRST, LAST + 1):
        await journal.record(act(number, reason=Reason.NOT_ALLOWED))
        (head,) = await records.find("audit_head", {})
        heads[number] = dict(head)
        if number in STAMPED:
            await checkpoints.take(START)
    rows = [dict(row) for row in await records.find("audit", {}, order=("seq",))]
    stamps = [Checkpoint.of(row) for row in await records.find("audit_checkpoints", {})]
    await records.close()
    return Chain(rows, stamps, heads[LAST], heads, signer, {})


@pytest.fixture
def chain(written: Chain) -> Chain:
    return replace(written, rows=deepcopy(written.rows), stamps=list(written.stamps), witnesses={})


def test_g2_an_untouched_chain_is_sound(chain: Chain) -> None:
    """No fault, and what was there is counted: rows before the chain, rows of it, checkpoints."""
    found = chain.examined()
    assert found.faults == []
    assert (found.older, found.rows, found.checkpoints, found.first, found.last) == (OLDER, ROWS, 2, FIRST, LAST)


@pytest.mark.parametrize("column", [*COLUMNS[1:], "hash"])
@pytest.mark.parametrize("seq", range(FIRST, LAST + 1))
@pytest.mark.parametrize("emptied", [False, True])
def test_g2_any_altered_column_of_any_row(chain: Chain, seq: int, column: str, emptied: bool) -> None:
    """Another value, or none: the examination names the row, or the one after it when its hash itself was changed."""
    value = chain[seq][column]
    other = value + timedelta(microseconds=1) if isinstance(value, datetime) else f"{value} "
    chain[seq][column] = None if emptied and column != "at" else other
    assert any(int(one.split()[1]) in (seq, seq + 1) for one in chain.faults)


def test_g2_no_value_moves_into_the_next_column(chain: Chain) -> None:
    """Two rows whose columns read the same one after the other have different hashes."""
    row = chain[FIRST]
    moved = {**row, "scope": row["scope"][:-1], "address": row["scope"][-1] + row["address"]}
    absent = {**row, "scope": None}
    empty = {**row, "scope": ""}
    assert len({link("", one) for one in (row, moved, absent, empty)}) == 4


@pytest.mark.parametrize("seq", range(FIRST, LAST + 1))
def test_g2_any_removed_row(chain: Chain, seq: int) -> None:
    """The first, one in the middle, or the last."""
    chain.without(seq)
    expected = f"beginning {seq + 1}" if seq == FIRST else f"missing {seq}"
    assert expected in chain.faults
    assert len([one for one in chain.faults if not one.startswith("checkpoint")]) == 1


def test_g2_all_rows_removed(chain: Chain) -> None:
    """The head remembers that there were some."""
    chain.without(*range(1, LAST + 1))
    assert chain.faults[0] == f"missing {LAST}"


@pytest.mark.parametrize("seq", range(FIRST, LAST))
def test_g2_any_two_rows_in_another_order(chain: Chain, seq: int) -> None:
    """Neighbours that changed places, with and without their hashes."""
    one, other = chain[seq], chain[seq + 1]
    one["seq"], other["seq"] = seq + 1, seq
    assert f"altered {seq}" in chain.faults or f"beginning {seq}" in chain.faults
    one["hash"], other["hash"] = other["hash"], one["hash"]
    assert f"altered {seq}" in chain.faults or f"beginning {seq}" in chain.faults


@pytest.mark.parametrize("hashed", [False, True])
def test_g2_a_row_put_at_the_end(chain: Chain, hashed: bool) -> None:
    """Without a hash nobody chained it; with one the head does not know it."""
    row = {**chain[LAST], "seq": LAST + 1, "hash": None}
    row["hash"] = link(chain[LAST]["hash"], row) if hashed else None
    chain.rows.append(row)
    assert chain.faults == [f"head {LAST}" if hashed else f"extra {LAST + 1}"]


def test_g2_a_row_put_between(chain: Chain) -> None:
    """Room was made for it by moving the rows behind, and every hash was made anew: the head and a checkpoint know."""
    middle = FIRST + 4
    for row in chain.rows:
        if row["seq"] >= middle:
            row["seq"] += 1
    chain.rows.append({**chain[middle + 1], "seq": middle, "act": "invented"})
    chain.rows.sort(key=lambda row: row["seq"])
    assert f"altered {middle}" in chain.faults
    chain.rehash(FIRST, genesis(OLDER))
    assert chain.faults == [*(f"checkpoint {seq}" for seq in STAMPED), f"head {LAST}"]


def test_g2_every_hash_made_anew(chain: Chain) -> None:
    """An altered row under a chain computed anew: the head does not fit, and a new one needs the key."""
    chain[FIRST]["account"] = "acc_other"
    chain.rehash(FIRST, genesis(OLDER))
    assert chain.faults == [*(f"checkpoint {seq}" for seq in STAMPED), f"head {LAST}"]
    found = chain[LAST]["hash"]
    chain.head = {"id": 1, "seq": LAST, "hash": found, "mac": mac(b"guess", LAST, found)}
    chain.stamps = []
    assert chain.faults == [f"head {LAST}"]


@pytest.mark.parametrize(
    "change",
    [
        {"seq": LAST - 1},
        {"hash": "0" * 64},
        {"mac": "0" * 64},
        {"mac": ""},
        {"mac": "é"},
    ],
)
def test_g2_an_altered_head(chain: Chain, change: dict[str, Any]) -> None:
    """Its number, its hash, or its MAC."""
    chain.head = {**chain.heads[LAST], **change}
    assert f"head {chain.head['seq']}" in chain.faults


def test_g2_no_head(chain: Chain) -> None:
    """A chain without a head had one."""
    chain.head = None
    assert chain.faults == [f"head {LAST}"]


def test_g2_an_old_head_put_back_with_the_last_rows_removed(chain: Chain) -> None:
    """It is genuine and fits the rows: the newest checkpoint speaks of what came later, and so does a line of the log."""
    old = STAMPED[1] - 1
    chain.without(*range(old + 1, LAST + 1))
    chain.head = chain.heads[old]
    assert chain.faults == [f"checkpoint {STAMPED[1]}"]
    chain.stamps = [one for one in chain.stamps if one.seq <= old]
    assert chain.faults == []  # whoever removes the checkpoint as well is found only by what is kept elsewhere
    chain.witnesses = {STAMPED[1]: "0" * 64}
    assert chain.faults == [f"checkpoint {STAMPED[1]}"]


def test_g2_a_history_invented_after_an_old_head(chain: Chain) -> None:
    """The gateway itself went on from an old head: the later checkpoint contradicts what stands there now."""
    old = STAMPED[1] - 1
    chain.head = None
    before = chain[old]["hash"]
    for seq in range(old + 1, LAST + 1):
        chain[seq]["act"] = "invented"
        before = chain[seq]["hash"] = link(before, chain[seq])
    chain.head = {"id": 1, "seq": LAST, "hash": before, "mac": mac(KEY, LAST, before)}
    assert chain.faults == [f"checkpoint {STAMPED[1]}"]


@pytest.mark.parametrize(
    "change",
    [
        {"seq": STAMPED[0] + 1},
        {"hash": "0" * 64},
        {"at": START + timedelta(seconds=1)},
        {"kind": "purge"},
        {"kid": "other"},
        {"signature": "A" * 86},
        {"signature": "A"},
        {"signature": ""},
    ],
)
def test_g2_an_altered_checkpoint(chain: Chain, change: dict[str, Any]) -> None:
    """Any of its columns: one cannot make a chain that begins later out of it."""
    chain.stamps[0] = replace(chain.stamps[0], **change)
    assert f"checkpoint {chain.stamps[0].seq}" in chain.faults


@pytest.mark.parametrize("cut", [FIRST + 1, STAMPED[0], STAMPED[0] + 1, LAST - 1])
def test_r148_g2_a_chain_whose_beginning_was_removed(chain: Chain, cut: int) -> None:
    """It begins exactly where a signed checkpoint says: not a row later, and no removed row may come back."""

    async def signed() -> Checkpoint:
        plain = Checkpoint(cut, "purge", chain[cut]["hash"], START)
        return plain.signed(chain.signer.kid, await chain.signer.sign(plain.statement))

    back, chain.stamps = chain[cut], [*chain.stamps, asyncio.run(signed())]
    chain.without(*range(1, cut + 1))
    assert chain.faults == []
    kept = list(chain.rows)
    chain.rows = [back, *kept]
    assert chain.faults == [f"extra {cut}"]
    chain.rows = kept
    chain.without(cut + 1)
    assert f"missing {cut + 1}" in chain.faults


def test_g2_rows_removed_from_the_beginning_need_a_checkpoint(chain: Chain) -> None:
    """Without one the chain begins nowhere."""
    chain.without(*range(1, FIRST + 2))
    assert chain.faults == [f"beginning {FIRST + 2}"]


def test_g2_a_row_that_was_stepped_over(chain: Chain) -> None:
    """The chain goes on behind a row somebody else put there: it alone is at fault, until it is removed."""
    stray = LAST + 1
    row = {**chain[LAST], "seq": stray + 1}
    row["hash"] = link(chain[LAST]["hash"], row)
    chain.rows += [{**chain[LAST], "seq": stray, "hash": None}, row]
    chain.head = {"id": 1, "seq": stray + 1, "hash": row["hash"], "mac": mac(KEY, stray + 1, row["hash"])}
    assert chain.faults == [f"extra {stray}"]
    chain.without(stray)
    assert chain.faults == [f"missing {stray}"]


def test_g2_a_second_chain(chain: Chain) -> None:
    """Where the head could not be trusted the gateway began anew: that stays to be seen."""
    middle = FIRST + 6
    chain.stamps = chain.stamps[:1]
    chain.rehash(middle, genesis(middle - 1))
    found = chain[LAST]["hash"]
    chain.head = {"id": 1, "seq": LAST, "hash": found, "mac": mac(KEY, LAST, found)}
    assert chain.faults == [f"restart {middle}"]


def test_nothing_at_all_is_sound() -> None:
    """A gateway that never wrote anything has no chain and no fault."""
    found = Examination([], [])
    found.end(None, KEY)
    assert found.faults == []


def test_g2_the_head_needs_the_key(chain: Chain) -> None:
    """Only the holder of the key makes a MAC that fits."""
    head = chain.heads[LAST]
    assert vouched(KEY, head)
    assert not vouched(b"x" * 32, head)


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-14, 14))
def test_an_instant_hashes_the_same_in_every_zone(at: datetime, hours: int) -> None:
    """Engines give instants back in zones of their own."""
    row = dict.fromkeys(COLUMNS) | {"seq": 1, "at": at}
    try:
        moved = at.astimezone(timezone(timedelta(hours=hours)))
    except OverflowError:
        return
    assert link("", row) == link("", row | {"at": moved})
