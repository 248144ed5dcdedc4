"""Where acts are written down: a row in the records, durable before the act takes effect, and a line in the log."""

from __future__ import annotations

import json
from collections import Counter

import structlog

from gateway.audit import Record
from gateway.ports import Insert, Records

_log = structlog.get_logger("gateway.audit")


class Journal:
    """The Audit port. Raises ``RecordsUnavailable`` when the row could not be written: then the act must not happen."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self.acts: Counter[tuple[str, str]] = Counter()  # by act and reason, since the start; for the metrics

    async def record(self, record: Record) -> None:
        await self._records.write(
            Insert(
                "audit",
                {
                    "at": record.at,
                    "act": record.act.value,
                    "account": record.account,
                    "reason": record.reason.value if record.reason else None,
                    "scope": record.scope,
                    "address": record.address,
                    "correlation": record.correlation,
                    "facts": json.dumps(dict(record.facts), ensure_ascii=False, sort_keys=True),
                },
            )
        )
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
