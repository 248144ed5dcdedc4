"""The daily statistics, kept up to date: yesterday and today every hour, and days that were missed (R94).

Days begin at midnight in the deployment's time zone, also on the two days of the year that have 23 or 25 hours. Once a
day things are counted as they stand: people, readiness, and establishments by state, for the nation, each region and
each department. Sums are kept for ``KEPT`` days: once a day the oldest go, a few at a time. The work may be stopped and
begun again at any moment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from gateway.administration.states import States, count_states
from gateway.desk import PolicyDesk
from gateway.jobs import Job
from gateway.overview import ROLLED, DayBook, Measure, Overview, Readiness
from gateway.policy.establishments import State
from gateway.policy.rights import Reach

KEPT = 400  # days: the longest period of the dashboard, and a month to look back at its beginning
_LOOKED_BACK = 7  # days
_AT_ONCE = 5000  # rows that one write removes: nobody waits long behind it
_DAY = timedelta(days=1)


class Statistics:
    """``measure`` says what readiness depends on at an instant. Methods raise ``RecordsUnavailable``."""

    def __init__(
        self,
        day_book: DayBook,
        overview: Overview,
        desk: PolicyDesk,
        measure: Callable[[datetime], Measure],
        zone: ZoneInfo,
    ) -> None:
        self._day_book = day_book
        self._overview = overview
        self._desk = desk
        self._measure = measure
        self._zone = zone

    def jobs(self) -> Sequence[Job]:
        return Job("statistics", timedelta(hours=1), self.roll), Job("statistics-end", _DAY, self.forget)

    async def forget(self, now: datetime) -> None:
        """Remove the sums of days that are older than ``KEPT`` days, the oldest first."""
        oldest = (now.astimezone(self._zone).date() - KEPT * _DAY).isoformat()
        while await self._day_book.forget(oldest, _AT_ONCE) == _AT_ONCE:
            pass

    async def roll(self, now: datetime) -> None:
        """Bring the last days up to date, the oldest first, and count things once a day."""
        today = now.astimezone(self._zone).date()
        known = await self._day_book.days((today - _LOOKED_BACK * _DAY).isoformat(), today.isoformat())
        for back in range(_LOOKED_BACK, -1, -1):
            day = today - back * _DAY
            if back <= 1 or day.isoformat() not in known:
                await self._day_book.events(day.isoformat(), self._midnight(day), self._midnight(day + _DAY))
        if not await self._day_book.has_snapshot(today.isoformat()):
            await self._count(today, now)

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self._zone).astimezone(UTC)

    async def _count(self, today: date, now: datetime) -> None:
        book, measure = self._desk.book, self._measure(now)
        states = await count_states(book, Reach(("/",)), now)
        everything = states.by_kind["etablissement"]
        counts = {"": _numbers(await self._overview.readiness(("/",), measure), everything)}
        for scope in [one for one in book.scopes.values() if one.kind in ROLLED and one.path and not one.retired]:
            readiness = await self._overview.readiness((scope.path,), measure)
            counts[scope.id] = _numbers(readiness, states.below.get(scope.id, {}))
        await self._day_book.snapshot(today.isoformat(), counts)


def _numbers(readiness: Readiness, states: States) -> dict[str, int]:
    return {
        "people": readiness.people,
        "ready": readiness.ready,
        **{name: readiness.counts[name] for name in ("never_strong", "dormant", "shared_mail")},
        "scopes": sum(states.values()),
        "scopes_strong": states.get(State.STRONG, 0),
    }
