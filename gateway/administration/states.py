"""How many scopes ask for what, here and region by region (R94).

A walk over a hundred thousand scopes takes most of a second: it lets others run in between, and its result serves whoever
asks again within a minute under the same book.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.desk import PolicyDesk
from gateway.overview import ROLLED
from gateway.policy.establishments import PolicyBook, State
from gateway.policy.rights import Reach

KINDS = ("etablissement", "service")
_AT_ONCE = 200  # scopes between two breaths, one or two milliseconds
_MINUTE = timedelta(minutes=1)
_KEPT = 50
States = Mapping[State, int]


@dataclass(frozen=True, slots=True)
class StateCounts:
    """``by_kind``: within reach; ``below``: establishments at or below each scope of a ``ROLLED`` kind, by its id."""

    by_kind: Mapping[str, States]
    below: Mapping[str, States]


class StateCounter:
    """Counts by reach, each kept for a minute."""

    def __init__(self, desk: PolicyDesk) -> None:
        self._desk = desk
        self._kept: OrderedDict[tuple[str, ...], tuple[PolicyBook, datetime, StateCounts]] = OrderedDict()

    async def counts(self, reach: Reach, now: datetime) -> StateCounts:
        book = self._desk.book
        kept = self._kept.get(reach.paths)
        if kept is not None and kept[0] is book and timedelta(0) <= now - kept[1] < _MINUTE:
            return kept[2]
        found = await count_states(book, reach, now)
        self._kept[reach.paths] = book, now, found
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return found


async def count_states(book: PolicyBook, reach: Reach, now: datetime) -> StateCounts:
    """Every scope once; retired ones do not count, nor those that hang on no top."""
    by_kind: dict[str, Counter[State]] = {kind: Counter() for kind in KINDS}
    below: defaultdict[str, Counter[State]] = defaultdict(Counter)
    for number, scope in enumerate(book.scopes.values()):
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
        if scope.kind not in by_kind or scope.retired or not scope.path or scope.path not in reach:
            continue
        state = book.ruling(scope.id, now).state
        by_kind[scope.kind][state] += 1
        if scope.kind == "etablissement":
            for above in book.chain(scope.id):
                if above.kind in ROLLED:
                    below[above.id][state] += 1
    return StateCounts(by_kind, below)
