"""What a pulse says: each way back of a store or of the records is told from its neighbour."""

from __future__ import annotations

import pytest

from gateway.epoch.judgement import LAG, Kept, Pulse, Verdict, judge
from tests.ambient import TestAmbient


def pulse(count: int, *, kept: int = 0, name: str = "a", marks: str = "") -> Pulse:
    return Pulse(name, count, kept, count, marks)


GOOD = {"a": Kept(1, 100, False), "old": Kept(1, 90, True), "b": Kept(2, 10, False)}


@pytest.mark.parametrize(
    ("shown", "newest", "known", "seen", "verdict"),
    [
        (None, 0, [], 0, Verdict.FIRST),
        (pulse(100, kept=100), 1, [], 0, Verdict.FINE),
        (pulse(105, kept=100), 1, [pulse(103)], 1, Verdict.FINE),
        (pulse(99), 1, [], 0, Verdict.STORE_BACK),  # lower than the records
        (pulse(102), 1, [pulse(103)], 1, Verdict.STORE_BACK),  # lower than this worker, or the disk
        (pulse(120, name="old"), 1, [], 0, Verdict.STORE_BACK),  # the store was emptied since
        (pulse(5, name="alien"), 1, [pulse(103)], 1, Verdict.STORE_BACK),
        (None, 1, [], 0, Verdict.FRESH),  # emptied
        (None, 1, [pulse(103)], 1, Verdict.FRESH),
        (pulse(100), 2, [], 0, Verdict.FRESH),  # of the epoch before
        (pulse(300, kept=220), 1, [], 0, Verdict.FINE),  # what a fail-over of the records may lose
        (pulse(300, kept=101 + LAG), 1, [], 0, Verdict.RECORDS_BACK),
        (None, 1, [pulse(300, kept=101 + LAG)], 1, Verdict.RECORDS_BACK),  # only we remember
        (pulse(5, name="alien"), 1, [], 0, Verdict.RECORDS_BACK),  # a store younger than the records
        (pulse(100), 1, [], 2, Verdict.RECORDS_BACK),  # an epoch is gone
        (pulse(100), 0, [], 0, Verdict.RECORDS_BACK),
        (None, 0, [pulse(100)], 0, Verdict.RECORDS_BACK),
    ],
)
def test_what_is_judged(shown: Pulse | None, newest: int, known: list[Pulse], seen: int, verdict: Verdict) -> None:
    """Each way back is told from its neighbour."""
    rows = {} if newest == 0 else GOOD
    assert judge(shown, rows, newest, known, seen) is verdict


def test_beats_made_again_elsewhere_are_other_beats() -> None:
    """A store that counted on by itself while the network was cut is found out, although it counted further."""

    ambient = TestAmbient()

    def beat(one: Pulse) -> Pulse:
        return one.beaten(ambient, kept=0, sure=0)

    begun = Pulse.born("a", ambient)
    ours = beat(beat(begun))
    assert ours.follows(begun)
    theirs = beat(begun)
    while theirs.count < ours.count + 3:
        theirs = beat(theirs)
    marks = list(theirs.marks)
    place = 2 * (theirs.count - ours.count)
    marks[place : place + 2] = "!!"  # whatever chance gave: not the mark we saw
    assert not Pulse("a", theirs.count, 0, 0, "".join(marks)).follows(ours)
    for _ in range(100):
        theirs = beat(theirs)
    assert len(theirs.encode()) < 100
    assert theirs.follows(ours)  # too long ago for a mark


@pytest.mark.parametrize(
    "raw", [None, b"", b"1", b"a 1 0 0", b"a x 0 0 yy", b"a 1 -1 0 yy", b"a 1 0 x yy", b"\xff 1 0 0", b"{}"]
)
def test_what_is_no_pulse(raw: bytes | None) -> None:
    assert Pulse.read(raw) is None
