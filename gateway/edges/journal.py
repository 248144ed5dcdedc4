"""Where acts are written down: a row in the records, durable before the act takes effect, and a line in the log.

* Every row is a link of the chain of ``audit_chain``, numbered without gaps after the head, which moves in the same
  transaction. The head is read under the lock of the records: workers and machines write one after the other.
* Records that arrive while a transaction is under way go into the next one together.
* A head that is not there, not vouched for, or older than one this process wrote itself is not built upon: a second
  chain begins, which every later examination shows. Going on from it would make the tampering good.
* A row somebody else put where the next link belongs is stepped over, and stays to be found.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from typing import cast

import structlog

from gateway import audit_chain
from gateway.audit import Record
from gateway.ports import Change, Insert, Records, Row, Update, Value
from gateway.reasons import RecordsUnavailable, Taken

_AT_ONCE = 200  # rows of one transaction
_TURNS = 10
_log = structlog.get_logger("gateway.audit")


class _LastUnknown(Exception):
    """A chain is to begin, and where was not looked up yet."""


class Journal:
    """The Audit port. Raises ``RecordsUnavailable`` when the row could not be written: then the act must not happen.

    ``key``: of the head, the same for all who write to these records.
    """

    def __init__(self, records: Records, key: bytes) -> None:
        self._records = records
        self._key = key
        self._waiting: list[tuple[dict[str, Value], asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None
        self._written = 0  # the number of the last row written here
        self.acts: Counter[tuple[str, str]] = Counter()  # by act and reason, since the start; for the metrics

    async def record(self, record: Record) -> None:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._waiting.append((_values(record), done))
        if self._writer is None:
            self._writer = loop.create_task(self._write_waiting(), name="audit")
        await done
        self.acts[record.act.value, record.reason.value if record.reason else ""] += 1
        _log.info(
            record.act.value,
            account=record.account,
            reason=record.reason.value if record.reason else None,
            scope=record.scope,
            address=record.address,
            correlation=record.correlation,
            **{f"fact_{name}": value for name, value in record.facts.items()},
        )

    async def _write_waiting(self) -> None:
        batch: list[tuple[dict[str, Value], asyncio.Future[None]]] = []
        try:
            while self._waiting:
                taken, self._waiting = self._waiting[:_AT_ONCE], self._waiting[_AT_ONCE:]
                batch = [one for one in taken if not one[1].done()]  # who gave up before their turn wrote nothing
                if batch:
                    await self._append([values for values, _ in batch])
                for _, done in batch:
                    if not done.done():
                        done.set_result(None)
        except BaseException as error:
            for _, done in (*batch, *self._waiting):
                if not done.done():
                    done.set_exception(RecordsUnavailable(f"the audit was not written: {str(error) or 'stopped'}"))
            self._waiting = []
            if not isinstance(error, RecordsUnavailable):
                raise
        finally:
            self._writer = None

    async def _append(self, rows: Sequence[dict[str, Value]]) -> None:
        """Link the rows to the chain, all or none. Raises ``RecordsUnavailable``."""
        last: int | None = None  # of all rows there are, once it matters
        for _ in range(_TURNS):
            links: list[Change] = []

            def compose(head: Row | None, last: int | None = last, links: list[Change] = links) -> Sequence[Change]:
                links += self._links(rows, head, last)
                return links

            try:
                await self._records.amend("audit_head", {"id": 1}, compose)
            except (Taken, _LastUnknown) as error:
                # Nobody's head yet, or another made it first, or a row stands in the way: look where the rows end.
                found = await self._records.find("audit", {}, order=("-seq",), limit=1)
                last = cast(int, found[0]["seq"]) if found else 0
                if isinstance(error, Taken) and error.key == "audit.seq":
                    _log.error("a row of the audit was not written by a gateway", seq=last)
                continue
            self._written = cast(int, cast(Insert, links[-1]).values["seq"])
            return
        raise RecordsUnavailable("others keep writing rows into the audit")

    def _links(self, rows: Sequence[dict[str, Value]], head: Row | None, last: int | None) -> list[Change]:
        if head is not None and audit_chain.vouched(self._key, head) and cast(int, head["seq"]) >= self._written:
            seq, found = max(cast(int, head["seq"]), last or 0), cast(str, head["hash"])
        elif last is None:
            raise _LastUnknown
        else:
            seq, found = last, audit_chain.genesis(last)
            if head is not None or self._written:
                _log.error("the head of the audit chain cannot be trusted, a second chain begins", seq=last + 1)
            else:
                _log.info("the audit chain begins", seq=last + 1)
        links: list[Change] = []
        for row in rows:
            seq += 1
            linked = {"seq": seq, **row}
            found = audit_chain.link(found, linked)
            links.append(Insert("audit", {**linked, "hash": found}))
        moved: dict[str, Value] = {"seq": seq, "hash": found, "mac": audit_chain.mac(self._key, seq, found)}
        return [Update("audit_head", moved, {"id": 1}) if head else Insert("audit_head", {"id": 1, **moved}), *links]


def _values(record: Record) -> dict[str, Value]:
    return {
        "at": record.at,
        "act": record.act.value,
        "account": _storable(record.account),
        "reason": record.reason.value if record.reason else None,
        "scope": _storable(record.scope),
        "address": _storable(record.address),
        "correlation": _storable(record.correlation),
        "facts": _storable(json.dumps(dict(record.facts), ensure_ascii=False, sort_keys=True)),
    }


def _storable(text: str | None) -> str | None:
    """Text every engine takes: what one record holds must not keep those beside it from being written."""
    return text and text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")
