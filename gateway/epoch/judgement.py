"""The pulse, and what it says about a store or records that were put back to an earlier moment. Pure.

* The pulse is one value of the store: a random name, a count that only grows, and the count that the records are known
  to hold. The name is given when the store is empty or a new epoch begins; it never serves again.
* The count goes into the store first and into the records second. A store whose count is lower than theirs went back.
* ``kept`` goes into the store once the records have it. Records whose count is lower than that went back.
* ``sure`` is a beat that as many replicas have as were asked for. Later ones may be lost at a fail-over though others read
  them: they are no proof of anything, and nobody signs in again for their sake.
* Each beat leaves a mark made by chance. Beats that were lost, and made again by others in another place, bear other
  marks: so a store is found out that counted on by itself while the network was cut.
* Nothing is judged by a clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from gateway.ports import Ambient

PULSE = "pulse"  # the key in the store
LAG = 120  # beats, about as many seconds, that records may lose at a fail-over without a new epoch
_FIRST = "first-"
_MARK = 2  # characters
_MARKS = 30  # beats whose marks are remembered


@dataclass(frozen=True, slots=True)
class Pulse:
    """``marks``: of the latest beats, the newest first, two characters each."""

    name: str
    count: int
    kept: int
    sure: int
    marks: str

    @classmethod
    def born(cls, name: str, ambient: Ambient) -> Pulse:
        return cls(name, 1, 0, 0, _mark(ambient))

    @classmethod
    def read(cls, raw: bytes | None) -> Pulse | None:
        """The pulse spelled so; ``None`` for what is absent or was not written by us."""
        parts = (raw or b"").decode("ascii", "replace").split(" ")
        if len(parts) != 5 or not all(part.isdecimal() for part in parts[1:4]):
            return None
        return cls(parts[0], int(parts[1]), int(parts[2]), int(parts[3]), parts[4])

    def encode(self) -> bytes:
        return f"{self.name} {self.count} {self.kept} {self.sure} {self.marks}".encode()

    @property
    def prefix(self) -> str:
        """What stands before every key written under this name. An installation's first has none, so that people stay
        signed in when epochs come to it with a new version."""
        return "" if self.name.startswith(_FIRST) else f"{self.name}."

    @property
    def floor(self) -> Pulse:
        """The latest beat that a fail-over cannot lose."""
        return replace(self, count=self.sure, marks=self.marks[(self.count - self.sure) * _MARK :])

    def beaten(self, ambient: Ambient, *, kept: int, sure: int) -> Pulse:
        """The next beat, by somebody who knows as much."""
        marks = (_mark(ambient) + self.marks)[: _MARK * _MARKS]
        return replace(self, count=self.count + 1, kept=max(kept, self.kept), sure=max(sure, self.sure), marks=marks)

    def follows(self, known: Pulse) -> bool:
        """Whether a store that showed ``known`` may show this now. Beats too old for a mark are believed."""
        back = self.count - known.count
        if self.name != known.name or back < 0:
            return False
        mark = self.marks[back * _MARK : (back + 1) * _MARK]
        return not mark or not known.marks or mark == known.marks[:_MARK]


@dataclass(frozen=True, slots=True)
class Kept:
    """What the records hold of one pulse: the epoch it was made in, the last count, whether it ended."""

    epoch: int
    count: int
    ended: bool


class Verdict(StrEnum):
    FINE = "fine"
    FIRST = "first"  # a new installation, or one that has just learned of epochs
    FRESH = "fresh"  # nothing in this store is alive: it is empty, or of an earlier epoch. It gets a new name
    STORE_BACK = "store-back"
    RECORDS_BACK = "records-back"


def judge(shown: Pulse | None, rows: Mapping[str, Kept], newest: int, known: Sequence[Pulse], seen: int = 0) -> Verdict:
    """What is to be done. ``shown``: the store's pulse, read after ``rows``; ``newest``: the newest epoch of the
    records, 0 without any; ``known`` and ``seen``: pulses of this store and the epoch that somebody else remembers."""
    if not (newest or seen or known or shown):
        return Verdict.FIRST
    if newest < seen or any(_lost(rows.get(one.name), one) for one in known):
        return Verdict.RECORDS_BACK
    if shown is None:
        return Verdict.FRESH
    row = rows.get(shown.name)
    if row is None and known:  # the records remember ours, so it is the store that is another
        return Verdict.STORE_BACK
    if row is None or _lost(row, shown):
        return Verdict.RECORDS_BACK
    if row.epoch < newest:
        return Verdict.FRESH
    if row.ended or shown.count < row.count:
        return Verdict.STORE_BACK
    if any(one.name == shown.name and not shown.follows(one) for one in known):
        return Verdict.STORE_BACK
    return Verdict.FINE


def new_name(ambient: Ambient, *, first: bool = False) -> str:
    """A name that nobody had: 72 bits."""
    return (_FIRST if first else "") + ambient.token(9)


def is_first(name: str) -> bool:
    return name.startswith(_FIRST)


def _lost(row: Kept | None, one: Pulse) -> bool:
    """Whether the records forgot of this pulse more than a fail-over may cost."""
    return row is None or row.count < one.kept - LAG


def _mark(ambient: Ambient) -> str:
    return ambient.token(3)[:_MARK]
