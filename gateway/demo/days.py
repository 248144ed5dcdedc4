"""Sums of the last ninety days for the demo's dashboard, as the gateway would have counted them; the same every time.

As ``edges.tally`` writes them: events under each establishment, and once more under everything above it that has sums
of its own (its id with a slash, ``/`` for all); how things stood only there.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from gateway.demo.places import PLACES, Place
from gateway.overview import ROLLED
from gateway.texts import PARIS

_DAYS = 90
# Of a hundred sign-ins, how many by each means on the first and on the last day: passwords give way.
_MEANS: tuple[tuple[str, str, int, int], ...] = (
    ("cps", "substantial", 8, 14),
    ("psc-ecps", "substantial", 6, 16),
    ("otp-mail", "transition", 18, 38),
    ("otp-sms", "transition", 2, 8),
    ("otp-totp", "transition", 0, 4),
    ("password", "password", 66, 20),
)
_BY_ID = {place.id: place for place in PLACES}


def write_days(records: Path, now: datetime) -> None:
    """All at once into the demo's own database: so many rows, one by one, would keep people waiting."""
    with closing(sqlite3.connect(records, timeout=10)) as database, database:
        database.executemany(
            "INSERT OR IGNORE INTO statistics (day, scope_id, measure, count) VALUES (?, ?, ?, ?)", days(now)
        )


def days(now: datetime) -> Iterator[tuple[str, str, str, int]]:
    """Rows of ``statistics``."""
    today = now.astimezone(PARIS).date()
    places = [place for place in PLACES if place.kind == "etablissement" and not place.retired]
    for back in range(_DAYS, 0, -1):
        date = today - timedelta(days=back)
        sums: Counter[tuple[str, str]] = Counter()
        for number, place in enumerate(places):
            tops = _tops(place)
            for measure, count in _events(_DAYS - back, number, busy=date.weekday() < 5):
                for where in (place.id, *tops):
                    sums[where, measure] += count
            for measure, count in _stands(_DAYS - back, number):
                for where in tops:
                    sums[where, measure] += count
        for (where, measure), count in sums.items():
            if count:
                yield date.isoformat(), where, measure, count


def _tops(place: Place) -> Sequence[str]:
    found, current = ["/"], place.parent
    while current is not None:
        if _BY_ID[current].kind in ROLLED:
            found.append(f"{current}/")
        current = _BY_ID[current].parent
    return found


def _events(passed: int, number: int, *, busy: bool) -> Iterator[tuple[str, int]]:
    """What happened that day in the establishment of this number."""
    people = (14 + number * 7 % 23) * (3 if busy else 1) // 2 + (passed * 5 + number * 3) % 7
    for method, assurance, first, last in _MEANS:
        count = people * (first + (last - first) * passed // _DAYS) // 100
        yield f"sign_in:{method}", count
        yield f"assurance:{assurance}", count
        if method in ("otp-mail", "otp-sms"):
            yield f"code_sent:{method.removeprefix('otp-')}", count + count // 12
    yield "code_not_sent:mail", int((passed + number) % 9 == 0)
    yield "refused:wrong-credentials", people * 4 // 100 + (passed + number) % 2
    yield "refused:wrong-code", int((passed * 2 + number) % 5 == 0)


def _stands(passed: int, number: int) -> Iterator[tuple[str, int]]:
    """How many people and places there were that evening, and how far they had come."""
    people = 4 + number % 3
    yield "people", people
    yield "ready", people * (45 + 40 * passed // _DAYS + number % 5) // 100
    yield "never_strong", people - people * (passed + number) // (_DAYS * 3)
    yield "dormant", int(number % 3 == 0)
    yield "shared_mail", int(number % 5 == 0 and passed < 50) * 2
    yield "scopes", 1
    yield "scopes_strong", int(number % 5 not in (1, 3) and number * 5 % _DAYS < passed)
