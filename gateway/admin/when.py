"""Dates as people type them, in the hour of their region, to instants (R154). Pure.

* Taken: what ``datetime-local`` fields send (``2026-03-29T08:00``), and what people write where the browser has no such
  field: « 29/03/2026 8:00 », « 29/03/2026 8 h », « 29/03/2026 » (midnight).
* In spring an hour does not exist, in autumn one comes twice: both are said instead of guessed.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.texts import day

_FIELD = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}):(\d{2})(?::\d{2}(?:\.\d+)?)?)?\Z", re.ASCII)
_TYPED = re.compile(
    r"(?P<day>\d{1,2})[/.\- ](?P<month>\d{1,2})[/.\- ](?P<year>\d{4})"
    r"(?:(?:\s+|\s*à\s*)(?P<hour>\d{1,2})\s*(?:[h:]\s*(?P<minute>\d{2})?)?)?\Z",
    re.ASCII,
)
FORMAT = "Par exemple 29/03/2026 8:00."


class BadDate(Exception):
    """No instant. ``sentence`` says why, in French."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def instant_of(text: str, zone: ZoneInfo) -> datetime:
    """The instant that this local time is, UTC; raises ``BadDate``."""
    said = " ".join(text.replace("\u00a0", " ").replace("\u202f", " ").split())
    try:
        local = _local(said)
    except ValueError:
        raise BadDate(f"Cette date n'existe pas. {FORMAT}") from None
    if local is None:
        raise BadDate(f"Cette date n'est pas lisible. {FORMAT}")
    # A slip of the keys; and at the ends of the calendar no zone can be reckoned with.
    if not 1900 <= local.year < 2200:
        raise BadDate(f"Cette date n'existe pas. {FORMAT}")
    early, late = local.replace(tzinfo=zone, fold=0), local.replace(tzinfo=zone, fold=1)
    shown = f"{local.hour}\u00a0h\u00a0{local.minute:02d}"
    if early.utcoffset() != late.utcoffset():
        if early.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != local:
            raise BadDate(
                f"Le {day(early, zone)}, {shown} n'existe pas\u00a0: les horloges avancent d'une heure cette nuit-là. "
                "Choisissez une autre heure."
            )
        raise BadDate(
            f"Le {day(early, zone)}, {shown} a lieu deux fois\u00a0: les horloges reculent d'une heure cette nuit-là. "
            "Choisissez une heure avant ou après ce passage."
        )
    return early.astimezone(UTC)


def _local(said: str) -> datetime | None:
    if match := _FIELD.match(said):
        year, month, number, hour, minute = (int(part or 0) for part in match.groups())
        return datetime(year, month, number, hour, minute)
    if match := _TYPED.match(said):
        part = match.groupdict()
        return datetime(
            int(part["year"]), int(part["month"]), int(part["day"]), int(part["hour"] or 0), int(part["minute"] or 0)
        )
    return None


def field_of(instant: datetime | None, zone: ZoneInfo) -> str:
    """The value of a ``datetime-local`` field; empty for nothing."""
    return instant.astimezone(zone).strftime("%Y-%m-%dT%H:%M") if instant is not None else ""


def next_hour(now: datetime, zone: ZoneInfo) -> str:
    """A value to begin with: tomorrow at eight."""
    return (now.astimezone(zone) + timedelta(days=1)).strftime("%Y-%m-%dT08:00")
