"""The chain of the audit, looked after while time passes: signed checkpoints, the removal of what is too old (R148),
and the examination of all of it (G2).

``edges.journal`` writes the chain; this room reads it. Nothing here changes a row: the oldest are removed, and in the
same transaction a signed checkpoint says where the chain begins since then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import cast

import structlog

from gateway import audit_chain
from gateway.audit_chain import Checkpoint, Examination, Fault, Wrong
from gateway.jobs import Job
from gateway.ports import Change, Delete, Insert, Records, Row, Signer, Span, Where
from gateway.reasons import GatewayError, Taken

_REMOVED_AT_ONCE = 500
_READ_AT_ONCE = 2000
_TIMES = 5  # an examination that a removal overtook begins again
_log = structlog.get_logger("gateway.audit")


class ChainBroken(GatewayError):
    """The rows are not what was written: nothing is signed over them, and none of them is removed."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.text)
        self.fault = fault


class Checkpoints:
    """Methods raise ``RecordsUnavailable``, ``KeyUnavailable``, and ``ChainBroken`` for a chain that was tampered with.

    Each checkpoint is also a line of the log: where logs go elsewhere, that is a witness no database can contradict.
    """

    def __init__(self, records: Records, signer: Signer) -> None:
        self._records = records
        self._signer = signer

    def job(self) -> Job:
        async def work(now: datetime) -> None:
            await self.take(now)

        return Job("audit-checkpoint", timedelta(hours=1), work)

    async def take(self, now: datetime) -> Checkpoint | None:
        """Sign how the chain stands; nothing when it did not move since the last time."""
        before = await self._newest("time")
        head = await _head(self._records)
        if head is None:
            return None
        seq, found = cast(int, head["seq"]), cast(str, head["hash"])
        if before is not None and before.seq >= seq:
            if before.seq > seq:
                raise self._said(
                    _broken(Wrong.HEAD, seq, f"the head is at row {seq}, a checkpoint at row {before.seq}")
                )
            return None
        row = _first(await self._records.find("audit", {"seq": seq}, limit=1))
        if row is None or row["hash"] != found:
            raise self._said(_broken(Wrong.HEAD, seq, f"the head says another hash than row {seq} has"))
        made = await self._sign("time", seq, found, now)
        try:
            await self._records.write(_insertion(made))
        except Taken:  # another worker was asked at the same time
            return None
        self._say(made)
        return made

    async def standing(self, now: datetime) -> Checkpoint | None:
        """The checkpoint that says how the chain stands, made now unless there is one: whoever takes it elsewhere as a
        witness gets it also when the hourly one came first. ``None``: nothing was ever written."""
        return await self.take(now) or await self._newest("time")

    async def count_old(self, edge: datetime, now: datetime) -> int:
        """How many rows ``remove_old`` would remove."""
        last = await self._last_old(edge, now)
        return 0 if last is None else await self._records.count("audit", {"seq": Span(before=last + 1)})

    async def remove_old(self, edge: datetime, now: datetime, *, faulty: bool = False) -> None:
        """Remove the rows before ``edge``, from the beginning of the chain on and no further than the first younger one.

        A few at a time, each time with the checkpoint that says where the chain begins: whenever it is interrupted, what
        is there is sound. Rows that are not what was written stay, so that nobody makes the gateway itself remove what
        would prove it; ``faulty`` removes them too, once a human decided.
        """
        last = await self._last_old(edge, now)
        if last is None:
            return
        span = Span(before=last + 1)
        while True:
            begun = await self._newest("purge")
            rows = await self._records.find("audit", {"seq": span}, order=("seq",), limit=_REMOVED_AT_ONCE)
            if not rows:
                return
            try:
                await self._remove(rows, begun, now, faulty)
            except Taken:  # another worker removed the same
                continue
            except ChainBroken as error:
                if await self._newest("purge") == begun:
                    raise self._said(error) from None  # nobody removed anything meanwhile
            await asyncio.sleep(0)  # others first

    async def _remove(self, rows: Sequence[Row], begun: Checkpoint | None, now: datetime, faulty: bool) -> None:
        last, found = cast(int, rows[-1]["seq"]), _hash_after(rows, begun, faulty)
        changes: list[Change] = [Delete("audit", {"seq": Span(before=last + 1)})]
        made: Checkpoint | None = None
        if found is not None and (begun is None or last > begun.seq):
            made = await self._sign("purge", last, found, now)
            changes += [_insertion(made), Delete("audit_checkpoints", {"seq": Span(before=last)})]
        await self._records.write(*changes)
        if made is not None:
            self._say(made)

    async def _last_old(self, edge: datetime, now: datetime) -> int | None:
        """The number of the last row to remove. Rows written by a clock that ran ahead keep nobody from going."""
        tick = timedelta(microseconds=1)
        younger = _first(await self._records.find("audit", {"at": Span(edge, now + tick)}, order=("seq",), limit=1))
        below = Span(before=cast(int, younger["seq"]) if younger else None)
        where = {"at": Span(before=edge), "seq": below}
        found = _first(await self._records.find("audit", where, order=("-seq",), limit=1))
        return cast(int, found["seq"]) if found else None

    async def _newest(self, kind: str) -> Checkpoint | None:
        row = _first(await self._records.find("audit_checkpoints", {"kind": kind}, order=("-seq",), limit=1))
        return Checkpoint.of(row) if row else None

    async def _sign(self, kind: str, seq: int, found: str, now: datetime) -> Checkpoint:
        plain = Checkpoint(seq, kind, found, now)
        return plain.signed(self._signer.kid, await self._signer.sign(plain.statement))

    def _say(self, made: Checkpoint) -> None:
        _log.info("checkpoint", kind=made.kind, seq=made.seq, hash=made.hash, kid=made.kid, signature=made.signature)

    def _said(self, error: ChainBroken) -> ChainBroken:
        fault = error.fault
        _log.error(
            "the audit chain is broken; see vt-gateway audit verify",
            fault=fault.kind.value,
            seq=fault.seq,
            why=fault.text,
        )
        return error


async def examine(
    records: Records,
    key: bytes,
    keys: Sequence[Mapping[str, str]],
    witnesses: Mapping[int, str] | None = None,
    progress: Callable[[int, int], None] = lambda done, last: None,
) -> Examination:
    """Read the whole chain and say all that is wrong with it, while the gateway may go on writing.

    ``key``: of the head; ``keys``: public keys of the checkpoints; ``witnesses``: hashes by number from elsewhere.
    ``progress`` hears the last row read and the last there is. Raises ``RecordsUnavailable``.
    """
    for _ in range(_TIMES):
        stamps = await _checkpoints(records)
        found = Examination(stamps, keys, witnesses)
        await _read(records, found, key, progress)
        begun = {one.seq for one in await _checkpoints(records) if one.kind == "purge"}
        if begun == {one.seq for one in stamps if one.kind == "purge"}:
            break
    return found


async def _read(records: Records, found: Examination, key: bytes, progress: Callable[[int, int], None]) -> None:
    head = await _head(records)
    last: int | None = None
    while True:
        before = last
        while rows := await records.find("audit", _behind(last), order=("seq",), limit=_READ_AT_ONCE):
            for row in rows:
                found.row(row)
            last = cast(int, rows[-1]["seq"])
            progress(last, max(last, cast(int, head["seq"]) if head else 0))
            await asyncio.sleep(0)
        # Rows and head move together: a head read after the rows is at the last of them, or further.
        head = await _head(records)
        if head is None or last is None or last == before or cast(int, head["seq"]) <= last:
            break
    found.end(head, key)


def _hash_after(rows: Sequence[Row], begun: Checkpoint | None, faulty: bool) -> str | None:
    """The hash of the last row of the chain among these, or before them; none when the chain begins later. Raises
    ``ChainBroken`` unless ``faulty``."""
    found = begun.hash if begun else None
    for row in rows:
        seq, stored = cast(int, row["seq"]), cast("str | None", row["hash"])
        if begun is not None and seq <= begun.seq:
            if not faulty:
                raise _broken(Wrong.EXTRA, seq, f"row {seq} was removed before, and is back")
        elif stored is not None:
            if not faulty and not _follows(row, stored, found):
                raise _broken(Wrong.ALTERED, seq, f"row {seq} is too old to keep, and not what was written")
            found = stored
    return found


def _broken(kind: Wrong, seq: int, text: str) -> ChainBroken:
    return ChainBroken(Fault(kind, seq, text))


def _follows(row: Row, stored: str, before: str | None) -> bool:
    """Whether the row is the next of its chain, or the first of one."""
    first = audit_chain.link(audit_chain.genesis(cast(int, row["seq"]) - 1), row)
    return stored == first or (before is not None and stored == audit_chain.link(before, row))


def _behind(last: int | None) -> Where:
    return {} if last is None else {"seq": Span(after=last + 1)}


async def _head(records: Records) -> Row | None:
    return _first(await records.find("audit_head", {"id": 1}, limit=1))


async def _checkpoints(records: Records) -> Sequence[Checkpoint]:
    return [Checkpoint.of(row) for row in await records.find("audit_checkpoints", {}, order=("seq",))]


def _insertion(made: Checkpoint) -> Insert:
    return Insert("audit_checkpoints", made.row())


def _first(rows: Sequence[Row]) -> Row | None:
    return rows[0] if rows else None
