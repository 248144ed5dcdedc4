"""What the dashboard draws, as values (R94): scopes by state, sign-ins by means, adoption, codes delivered, failures,
and who is ready. Within the reach of who asks, or at and below one scope of it.

Sums of days come from the daily statistics, those of today as of the last hour; scopes and readiness are counted now,
but the readiness of more than ``CROWD`` people serves whoever asks again within a minute. The report never reuses any.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from gateway.administration.actor import Actor, NotThere, require
from gateway.administration.states import StateCounter, States
from gateway.desk import PolicyDesk
from gateway.overview import Measure, Overview, Readiness
from gateway.policy.establishments import State
from gateway.policy.rights import Reach, Right
from gateway.ports import Row

LONGEST = 366  # days
CROWD = 100_000  # people, whom it takes a second or more to count
_MINUTE = timedelta(minutes=1)
_KEPT = 50  # reaches
ASSURANCES = ("substantial", "transition", "password")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Region:
    """One line of the table by region. Snapshots are ``None`` until the first count of a day."""

    id: str
    name: str
    strong: int
    password_only: int
    sign_ins: int
    substantial: int
    codes_sent: int
    codes_not_sent: int
    refused: int
    people: int | None
    ready: int | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """Codes of one channel over the period. ``rate``: share handed over, ``None`` when none was to be sent."""

    channel: str
    sent: int
    not_sent: int
    rate: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """All series have one number for each of ``days``.

    ``scopes``: by kind, by state; ``sign_ins``: by means; ``adoption``: sign-ins by level; ``scopes_strong`` and
    ``scopes_all``: establishments as counted each day, ``None`` where nobody counted; ``failures``: by reason, the most
    frequent first; ``people``, ``ready`` and ``counts``: readiness now, by category.
    """

    since: str
    until: str
    days: tuple[str, ...]
    scopes: Mapping[str, Mapping[str, int]]
    regions: tuple[Region, ...]
    sign_ins: Mapping[str, tuple[int, ...]]
    adoption: Mapping[str, tuple[int, ...]]
    scopes_strong: tuple[int | None, ...]
    scopes_all: tuple[int | None, ...]
    delivery: tuple[Delivery, ...]
    failures: Mapping[str, int]
    people: int
    ready: int
    counts: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Dashboard:
    """Methods raise ``RecordsUnavailable`` and the ``Refused`` family.

    Everything is as it stands, but for what is a minute old at most: the states of scopes (``StateCounter``), and the
    readiness of reaches with more than ``CROWD`` people. Both are exact for the instant when they were counted."""

    def __init__(
        self, desk: PolicyDesk, overview: Overview, measure: Callable[[datetime], Measure], zone: ZoneInfo
    ) -> None:
        self._desk = desk
        self._overview = overview
        self._measure = measure
        self._zone = zone
        self._states = StateCounter(desk)
        self._crowds: OrderedDict[tuple[str, ...], tuple[datetime, Readiness]] = OrderedDict()

    async def figures(self, actor: Actor, now: datetime, days: int = 90, scope_id: str = "") -> Figures:
        """The figures of the last ``days`` days, today included. ``NotThere`` for a scope out of reach, and for whoever
        looks after nothing."""
        reach = reach_of(actor, self._desk, scope_id)
        today = now.astimezone(self._zone).date()
        number = min(max(days, 1), LONGEST)
        dates = tuple((today - back * _DAY).isoformat() for back in range(number - 1, -1, -1))
        since, until = dates[0], dates[-1]
        daily = _by_measure(await self._overview.statistics(reach.paths, since, until), dates)
        by_region = await self._overview.by_region(reach.paths, since, until)
        readiness = await self._readiness(reach.paths, now)
        states = await self._states.counts(reach, now)
        return Figures(
            since=since,
            until=until,
            days=dates,
            scopes={kind: _said(found) for kind, found in states.by_kind.items()},
            regions=self._regions(reach, by_region, states.below),
            sign_ins={name: _whole(series) for name, series in _family(daily, "sign_in:").items()},
            adoption={name: _whole(daily.get(f"assurance:{name}", (None,) * number)) for name in ASSURANCES},
            scopes_strong=daily.get("scopes_strong", (None,) * number),
            scopes_all=daily.get("scopes", (None,) * number),
            delivery=_delivery(daily),
            failures=_failures(daily),
            people=readiness.people,
            ready=readiness.ready,
            counts=readiness.counts,
        )

    async def _readiness(self, paths: tuple[str, ...], now: datetime) -> Readiness:
        at, found = self._crowds.get(paths, (None, None))
        if at is not None and found is not None and timedelta(0) <= now - at < _MINUTE:
            return found
        found = await self._overview.readiness(paths, self._measure(now))
        self._crowds.pop(paths, None)
        if found.people > CROWD:
            self._crowds[paths] = now, found
            while len(self._crowds) > _KEPT:
                self._crowds.popitem(last=False)
        return found

    def _regions(self, reach: Reach, rows: Sequence[Row], states: Mapping[str, States]) -> tuple[Region, ...]:
        sums: dict[str, dict[str, int]] = {}
        for row in rows:
            sums.setdefault(cast(str, row["scope_id"]), {})[cast(str, row["measure"])] = cast(int, row["count"])
        found = [scope for scope in self._desk.book.scopes.values() if scope.kind == "region" and not scope.retired]
        lines = []
        for scope in sorted(found, key=lambda one: (one.name, one.id)):
            if not scope.path or scope.path not in reach:
                continue
            mine, asked = sums.get(scope.id, {}), states.get(scope.id, {})
            lines.append(
                Region(
                    id=scope.id,
                    name=scope.name,
                    strong=asked.get(State.STRONG, 0),
                    password_only=asked.get(State.PASSWORD_ONLY, 0),
                    sign_ins=_total(mine, "sign_in:"),
                    substantial=mine.get("assurance:substantial", 0),
                    codes_sent=_total(mine, "code_sent:"),
                    codes_not_sent=_total(mine, "code_not_sent:"),
                    refused=_total(mine, "refused:"),
                    people=mine.get("people"),
                    ready=mine.get("ready"),
                )
            )
        return tuple(lines)


def reach_of(actor: Actor, desk: PolicyDesk, scope_id: str) -> Reach:
    """What is asked about: one scope and what lies below it, or all the actor sees. The nation, asked by somebody who
    sees everything, is everything: people attached nowhere follow its rules."""
    book = desk.book
    mine = actor.reach(book)
    if not scope_id:
        if not mine.paths:
            raise NotThere
        return mine
    require(actor, Right.SEE, scope_id, book)
    scope = book.scope(scope_id)
    if scope is None or not scope.path:
        raise NotThere
    return mine if mine.everything and scope.parent is None else Reach((scope.path,))


def _by_measure(rows: Sequence[Row], dates: Sequence[str]) -> dict[str, tuple[int | None, ...]]:
    """Series of the days; ``None`` where no row is."""
    place = {day: number for number, day in enumerate(dates)}
    found: dict[str, list[int | None]] = {}
    for row in rows:
        day = place.get(cast(str, row["day"]))
        if day is not None:
            series = found.setdefault(cast(str, row["measure"]), [None] * len(dates))
            series[day] = cast(int, row["count"])
    return {name: tuple(series) for name, series in found.items()}


def _family(daily: Mapping[str, tuple[int | None, ...]], prefix: str) -> dict[str, tuple[int | None, ...]]:
    return {name.removeprefix(prefix): daily[name] for name in sorted(daily) if name.startswith(prefix)}


def _whole(series: Sequence[int | None]) -> tuple[int, ...]:
    """Events that nobody counted did not happen."""
    return tuple(number or 0 for number in series)


def _delivery(daily: Mapping[str, tuple[int | None, ...]]) -> tuple[Delivery, ...]:
    sent, missed = _family(daily, "code_sent:"), _family(daily, "code_not_sent:")
    found = []
    for channel in sorted({*sent, *missed}):
        yes, no = sum(_whole(sent.get(channel, ()))), sum(_whole(missed.get(channel, ())))
        found.append(Delivery(channel, yes, no, yes / (yes + no) if yes + no else None))
    return tuple(found)


def _failures(daily: Mapping[str, tuple[int | None, ...]]) -> dict[str, int]:
    numbers = {reason: sum(_whole(series)) for reason, series in _family(daily, "refused:").items()}
    return dict(sorted(numbers.items(), key=lambda one: (-one[1], one[0])))


def _said(found: States) -> dict[str, int]:
    return {state.value: found.get(state, 0) for state in State}


def _total(sums: Mapping[str, int], prefix: str) -> int:
    return sum(number for name, number in sums.items() if name.startswith(prefix))
