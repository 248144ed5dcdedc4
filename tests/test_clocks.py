"""Instants that another machine wrote, whose clock differs by seconds."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.clocks import SKEW, lately
from tests.ambient import START

LIFE = timedelta(minutes=30)


@pytest.mark.parametrize(
    ("age", "good"),
    [
        (timedelta(0), True),
        (LIFE - timedelta(seconds=1), True),
        (LIFE, False),
        (timedelta(seconds=-5), True),  # dated by a machine that is five seconds ahead
        (-SKEW, True),
        (-SKEW - timedelta(seconds=1), False),  # dated before a clock was set back
        (timedelta(hours=-1), False),
    ],
)
def test_what_lies_a_little_ahead_is_new_and_what_lies_far_ahead_is_nothing(age: timedelta, good: bool) -> None:
    """Seconds between machines refuse nobody; a clock set back an hour or a day makes nothing good again."""
    assert lately(START - age, START, LIFE) is good
