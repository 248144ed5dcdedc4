"""A delegation as a value: what it is at an instant, whose it is, what it shares days with (R126)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from gateway.accounts.delegation import Delegation, Kind, State
from tests.ambient import START

DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
INVITED = Delegation(
    id="dlg_1",
    number=1,
    delegator="acc_doctor",
    kind=Kind.ASSISTANT,
    family_name="MOREAU",
    given_name="Léa",
    rights=frozenset({"grandage:consulter"}),
    begins=START + 5 * DAY,
    ends=START + 10 * DAY,
    created_at=START,
    mail="lea@example.test",
    invite_digest="d",
    invite_until=START + 3 * DAY,
)
ACCEPTED: dict[str, Any] = {"finalised_at": START + DAY, "delegate": "acc_lea", "invite_digest": None}
PROPOSED: dict[str, Any] = {"proposed": "acc_other", "invite_digest": None, "invite_until": None}
REVOKED: dict[str, Any] = {"revoked_at": START + 6 * DAY}


@pytest.mark.parametrize(
    ("changes", "at", "state"),
    [
        ({}, timedelta(0), State.INVITED),
        ({}, 3 * DAY - TICK, State.INVITED),
        ({}, 3 * DAY, State.INVITATION_EXPIRED),  # at its very instant
        ({}, 6 * DAY, State.INVITATION_EXPIRED),  # its period runs, and nobody accepted
        ({"invite_until": None}, timedelta(0), State.INVITATION_EXPIRED),
        ({}, 10 * DAY, State.EXPIRED),  # whatever became of the invitation
        (PROPOSED, DAY, State.PENDING_CONFIRMATION),
        (PROPOSED, 6 * DAY, State.PENDING_CONFIRMATION),
        (PROPOSED, 10 * DAY, State.EXPIRED),
        (ACCEPTED, 2 * DAY, State.NOT_STARTED),
        (ACCEPTED, 5 * DAY - TICK, State.NOT_STARTED),
        (ACCEPTED, 5 * DAY, State.ACTIVE),  # from the first instant
        (ACCEPTED, 10 * DAY - TICK, State.ACTIVE),  # to the last
        (ACCEPTED, 10 * DAY, State.EXPIRED),
        (REVOKED, 7 * DAY, State.REVOKED),
        ({**ACCEPTED, **REVOKED}, 7 * DAY, State.REVOKED),
        ({**ACCEPTED, **REVOKED}, 11 * DAY, State.REVOKED),  # that is how it ended
        ({**PROPOSED, **REVOKED}, 7 * DAY, State.REVOKED),
    ],
)
def test_r126_states(changes: dict[str, Any], at: timedelta, state: State) -> None:
    """The whole table, with the instant of each passage and the one before it."""
    assert replace(INVITED, **changes).state(START + at) is state


def test_r126_a_clock_set_back_brings_nothing_back() -> None:
    """What was ended stays ended a month before its end; nothing but the period is judged by the clock."""
    one = replace(INVITED, **ACCEPTED, **REVOKED)
    for days in (-30, 0, 5, 6):
        assert one.state(START + days * DAY) is State.REVOKED
    assert replace(INVITED, **ACCEPTED).state(START - 30 * DAY) is State.NOT_STARTED


def test_only_two_states_are_over() -> None:
    assert {state for state in State if state.over} == {State.EXPIRED, State.REVOKED}


@pytest.mark.parametrize(
    ("delegate", "key", "account", "keys", "theirs"),
    [
        ("acc_lea", "3690780028/1", "acc_lea", set(), True),
        ("acc_lea", "3690780028/1", "acc_other", {"3690780028/1"}, False),  # an account was named: that one alone
        (None, "899700100029", "acc_petit", {"899700100029", "0691000009"}, True),  # R122
        (None, "899700100029", "acc_other", {"899700100037"}, False),
        (None, None, "acc_lea", {"3690780028/1"}, False),  # an invitation is nobody's
        (None, None, "acc_lea", set(), False),
    ],
)
def test_r122_whose_it_is(delegate: str | None, key: str | None, account: str, keys: set[str], theirs: bool) -> None:
    assert replace(INVITED, delegate=delegate, delegate_key=key).belongs_to(account, keys) is theirs


@pytest.mark.parametrize(
    ("begins", "ends", "shared"),
    [(5, 10, True), (0, 5, False), (0, 6, True), (9, 20, True), (10, 20, False), (6, 7, True), (0, 20, True)],
)
def test_r124_shared_days(begins: int, ends: int, shared: bool) -> None:
    """The end is not in it: the next one may begin at that instant."""
    first: datetime = START + begins * DAY
    assert INVITED.overlaps(first, START + ends * DAY) is shared
