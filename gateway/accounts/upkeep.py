"""What is done to accounts because time passes: warnings before they fall asleep (R97), and the end of what is kept
only for a while (R148).

Both may be stopped at any moment and begun again: nobody is warned twice of the same stage, and what is too old is
still too old. Tables are walked a page at a time, and rows removed a few at a time, so that nothing else waits.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, cast
from zoneinfo import ZoneInfo

from gateway import texts
from gateway.accounts.account import Account
from gateway.accounts.erasure import SATELLITES
from gateway.accounts.register import account_of
from gateway.audit import Act, Record
from gateway.jobs import Job
from gateway.ports import Audit, Delete, Records, Row, Span, Update, Where
from gateway.reasons import Stale
from gateway.trail import Checkpoints

_PAGE = 500
_WARNED_AT_ONCE = 500  # in one run: mails wait in a bounded queue, and an import makes thousands of one age
_DAY = timedelta(days=1)


class Post(Protocol):
    """``Notices.post``: never waits, never fails."""

    def __call__(self, account: Account, text: texts.Text, kind: str, correlation: str) -> None: ...


@dataclass(frozen=True, slots=True)
class UpkeepSettings:
    """``dormancy``: how long an account stays awake without a sign-in; ``warn_days``: so many days before its end a
    warning goes out; ``retention``: how long traces are kept."""

    dormancy: timedelta = timedelta(days=365)
    warn_days: Sequence[int] = (30, 7)
    retention: timedelta = timedelta(days=365)
    zone: ZoneInfo = texts.PARIS


class Upkeep:
    """Methods raise ``RecordsUnavailable``; what was done until then stays done."""

    def __init__(
        self, records: Records, audit: Audit, trail: Checkpoints, post: Post, settings: UpkeepSettings
    ) -> None:
        self._records = records
        self._audit = audit
        self._trail = trail
        self._post = post
        self._settings = settings

    def jobs(self) -> Sequence[Job]:
        """Warnings every hour, so that they come when the day comes and never too many at once; removal once a day."""
        return (
            Job("warn-dormant", timedelta(hours=1), self.warn_dormant),
            Job("purge", _DAY, self.purge),
        )

    # Warnings

    async def warn_dormant(self, now: datetime) -> None:
        """Warn every open account that reached a stage before its sleep and was not warned of it; some of them, if they
        are many: the others at the next run."""
        warned = 0
        async for account in self._drowsy(now):
            if await self._warn(account, now):
                warned += 1
                if warned == _WARNED_AT_ONCE:
                    return

    async def _warn(self, account: Account, now: datetime) -> bool:
        sleep = account.awake_at + self._settings.dormancy
        stage = stage_of(sleep, now, self._settings.warn_days)
        if stage is None or (account.warned_at is not None and account.warned_at >= sleep - stage * _DAY):
            return False
        left = max(1, math.ceil((sleep - now) / _DAY))
        await self._audit.record(
            Record(Act.ACCOUNT_WARNED, now, account.id, facts={"stage": str(stage), "days_left": str(left)})
        )
        try:
            await self._records.write(
                Update(
                    "accounts",
                    {"warned_at": now, "updated_at": now, "version": account.version + 1},
                    {"id": account.id, "version": account.version},
                )
            )
        except Stale:  # the person came back, or the account is being changed: looked at again at the next run
            return False
        last = account.last_sign_in_at or account.created_at
        mail = texts.dormancy_mail(left, last, sleep, zone=self._settings.zone)
        self._post(account, mail, "dormancy", f"warn-{account.id}-{stage}")
        return True

    async def _drowsy(self, now: datetime) -> AsyncIterator[Account]:
        """Accounts that may be in the last days before their sleep and can be written to, without their satellites."""
        settings = self._settings
        if not settings.warn_days:
            return
        edge = now - settings.dormancy
        days = Span(edge, edge + max(settings.warn_days) * _DAY + timedelta(microseconds=1))
        # An account that was woken sleeps by its waking, one that never signed in by its creation.
        spans: Sequence[Where] = (
            {"last_sign_in_at": days},
            {"last_sign_in_at": None, "created_at": days},
            {"reactivated_at": days},
        )
        for span in spans:
            async for row in self._walk("accounts", {**span, "suspended_at": None, "closed_at": None}):
                account = account_of(row, [], [])
                # A mailbox that two people read would make each believe it is theirs (R99).
                if account.mail is not None and not account.mail_shared:
                    yield account

    async def _walk(self, table: str, where: Where) -> AsyncIterator[Row]:
        last = ""
        while True:
            page = await self._records.find(table, {**where, "id": Span(after=last)}, order=("id",), limit=_PAGE)
            for row in page:
                if row["id"] != last:
                    yield row
            if len(page) < _PAGE:
                return
            last = cast(str, page[-1]["id"])

    # Removal

    async def purge(self, now: datetime) -> None:
        """Remove traces older than the retention, and the empty accounts of people erased before that (R148, R104).

        Raises also ``KeyUnavailable``, and ``ChainBroken`` when old traces were tampered with: those stay.
        """
        edge = now - self._settings.retention
        old = Span(before=edge)
        counts = {
            "audit": await self._trail.count_old(edge, now),
            "sign_ins": await self._records.count("sign_ins", {"at": old}),
            "accounts": await self._records.count("accounts", {"closed_at": old}),
        }
        if not any(counts.values()):
            return
        facts = {name: str(count) for name, count in counts.items()}
        await self._audit.record(Record(Act.DATA_PURGED, now, facts={**facts, "older_than": edge.isoformat()}))
        await self._remove_sign_ins(old)
        await self._remove_shells(old)
        await self._trail.remove_old(edge, now)

    async def _remove_sign_ins(self, old: Span) -> None:
        while rows := await self._records.find("sign_ins", {"at": old}, order=("at",), limit=_PAGE):
            await self._records.write(Delete("sign_ins", {"id": [row["id"] for row in rows]}))
            await asyncio.sleep(0)  # others first

    async def _remove_shells(self, old: Span) -> None:
        while rows := await self._records.find("accounts", {"closed_at": old}, limit=_PAGE):
            ids = [row["id"] for row in rows]
            await self._records.write(
                *(Delete(table, {"account_id": ids}) for table in SATELLITES), Delete("accounts", {"id": ids})
            )


def stage_of(sleep: datetime, now: datetime, warn_days: Sequence[int]) -> int | None:
    """The stage reached before the instant of sleep: the smallest number of days that still covers what is left; none
    when more is left, or nothing."""
    if now > sleep:
        return None
    return min((days for days in warn_days if sleep - now <= days * _DAY), default=None)
