"""What is done to delegations because time passes: reminders before the end (R133), and the end of what is kept (R148).

Both may be stopped at any moment and begun again: a stage is written of once, guarded by the delegation's version, and
what is too old is still too old. Tables are walked a page at a time, so that nothing else waits.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import cast
from zoneinfo import ZoneInfo

from gateway.accounts.account import Standing
from gateway.accounts.delegation import Delegation
from gateway.accounts.delegations import Delegations, delegation_of
from gateway.accounts.register import Register
from gateway.accounts.upkeep import stage_of
from gateway.audit import Act, Record
from gateway.delegations import mails
from gateway.delegations.acts import Post
from gateway.jobs import Job
from gateway.policy.delegation import DelegationRules
from gateway.ports import Audit, Delete, Records, Span, Where
from gateway.reasons import Stale

_PAGE = 200
_AT_ONCE = 500  # reminders of one run: mails wait in a bounded queue
_DAY = timedelta(days=1)


class DelegationUpkeep:
    """``remind_days``: so many days before its end a doctor hears of it; ``retention``: how long after its end a
    delegation is kept, with its history and its use. Methods raise ``RecordsUnavailable``; what was done stays done."""

    def __init__(
        self,
        records: Records,
        delegations: Delegations,
        register: Register,
        audit: Audit,
        post: Post,
        *,
        remind_days: Sequence[int],
        retention: timedelta,
        rules: DelegationRules,
        base: str,
        zone: ZoneInfo,
    ) -> None:
        self._records = records
        self._delegations = delegations
        self._register = register
        self._audit = audit
        self._post = post
        self._remind_days = remind_days
        self._retention = retention
        self._rules = rules
        self._base = base
        self._zone = zone

    def jobs(self) -> Sequence[Job]:
        """Reminders every hour, so that they come when the day comes; removal once a day."""
        return (
            Job("delegation-reminders", timedelta(hours=1), self.remind),
            Job("delegation-purge", _DAY, self.purge),
        )

    # Reminders

    async def remind(self, now: datetime) -> None:
        """Write to the doctor of every delegation that reached a stage and was not written of it; some of them, if they
        are many: of the others at the next run."""
        reminded = 0
        async for one, touched_at in self._ending(now):
            if await self._remind(one, touched_at, now):
                reminded += 1
                if reminded == _AT_ONCE:
                    return

    async def _remind(self, one: Delegation, touched_at: datetime, now: datetime) -> bool:
        stage = stage_of(one.ends, now, self._remind_days)
        if stage is None or (one.reminded is not None and one.reminded <= stage):
            return False
        if touched_at >= one.ends - stage * _DAY:  # who gave or changed it within the stage knows its end
            return False
        doctor = await self._register.by_id(one.delegator)
        if doctor is None or doctor.standing(now, self._rules.dormancy) is not Standing.OPEN or not doctor.mail:
            return False
        left = math.ceil((one.ends - now) / _DAY)
        facts = {"delegation": one.id, "stage": str(stage), "days_left": str(left)}
        await self._audit.record(Record(Act.DELEGATION_REMINDED, now, doctor.id, facts=facts))
        try:
            await self._delegations.change(one, now, "reminded", "system", {"days": str(stage)}, reminded=stage)
        except Stale:  # somebody changes it: looked at again at the next run
            return False
        text = mails.reminder(one, left, f"{self._base}/delegations", self._zone)
        self._post(doctor, text, "delegation", f"remind-{one.id}-{stage}")
        return True

    async def _ending(self, now: datetime) -> AsyncIterator[tuple[Delegation, datetime]]:
        """Those in force or to come that end within the longest stage, and when each was last written."""
        if not self._remind_days:
            return
        # The first instant at which the end is nearer than the longest stage, and the end itself still to come.
        span = Span(now + timedelta(microseconds=1), now + max(self._remind_days) * _DAY + timedelta(microseconds=1))
        last = ""
        while True:
            where: Where = {"ends": span, "revoked_at": None, "id": Span(after=last)}
            page = await self._records.find("delegations", where, order=("id",), limit=_PAGE)
            for row in page:
                if row["id"] != last and row["finalised_at"] is not None:
                    yield delegation_of(row), cast(datetime, row["updated_at"])
            if len(page) < _PAGE:
                return
            last = cast(str, page[-1]["id"])

    # Removal

    async def purge(self, now: datetime) -> None:
        """Remove delegations that ended longer ago than the retention, by themselves or by somebody, with all that
        belongs to them. The audit keeps its own records as long as it does."""
        edge = now - self._retention
        old = Span(before=edge)
        ended: Sequence[Where] = ({"ends": old}, {"revoked_at": old, "ends": Span(after=edge)})
        counts = [await self._records.count("delegations", where) for where in ended]
        if not any(counts):
            return
        facts = {"delegations": str(sum(counts)), "older_than": edge.isoformat()}
        await self._audit.record(Record(Act.DATA_PURGED, now, facts=facts))
        for where in ended:
            while rows := await self._records.find("delegations", where, limit=_PAGE):
                ids = [row["id"] for row in rows]
                await self._records.write(
                    Delete("delegation_uses", {"delegation_id": ids}),
                    Delete("delegation_history", {"delegation_id": ids}),
                    Delete("delegations", {"id": ids}),
                )
                await asyncio.sleep(0)  # others first
