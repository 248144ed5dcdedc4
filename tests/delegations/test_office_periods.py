"""Other days, other rights, and the end, at any time (R109, R124, R125)."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest

from gateway.accounts.delegation import Delegation, State
from gateway.administration.actor import ChangedMeanwhile, Faulty
from gateway.delegations.judging import NotFresh, Overlap
from gateway.policy.delegation import PARIS, days
from gateway.reasons import RecordsUnavailable
from tests.ambient import START
from tests.delegations.practice import DAY, MAIL, PETIT, TODAY, Practice, asked

LAST = TODAY + 9 * DAY
NARROW = frozenset({"grandage:consulter"})
WIDE = frozenset({"grandage:consulter", "tnd:envoyer"})
BOTH = [
    ("bernard@example.test", "une délégation a été modifiée"),
    ("moreau@example.test", "une délégation a été modifiée"),
]


async def test_r125_days_and_rights_change(practice: Practice) -> None:
    """The row, the history with old and new, the workers, both people; reminders begin anew."""
    one = await practice.accepted()
    one = await practice.delegations.change(one, START, "reminded", "system", {}, reminded=15)
    by = await practice.by("bernard")
    practice.mailed(), practice.heard.clear()
    later = START + timedelta(seconds=1)
    changed = await practice.office.change(by, one.id, one.version, TODAY, LAST + DAY, WIDE, later)
    assert changed == await practice.held(one.id)
    assert (changed.rights, days(changed, PARIS), changed.reminded) == (WIDE, (TODAY, LAST + DAY), None)
    assert changed.state(START) is State.ACTIVE
    line = (await practice.delegations.history(one.id))[-1]
    assert (line.what, line.author) == ("changed", "acc_bernard")
    assert line.detail == {
        "end": "2026-03-12",
        "end_before": "2026-03-11",
        "rights": "grandage:consulter tnd:envoyer",
        "rights_before": "grandage:consulter",
    }
    assert practice.heard == [f"delegation:{one.id}"]
    assert practice.mailed() == BOTH
    assert practice.trail.said()[-1] == "delegation:change"


async def test_r125_nothing_changed_is_nothing_written(practice: Practice) -> None:
    one = await practice.accepted()
    practice.letters.clear()
    by = await practice.by("bernard")
    practice.ambient.advance(3601)  # and needs no proof
    same = await practice.office.change(by, one.id, one.version, TODAY, LAST, NARROW, practice.now)
    assert same == one == await practice.held(one.id)
    assert practice.letters == []


@pytest.mark.parametrize(
    ("first", "last", "rights", "wider"),
    [
        (TODAY, LAST, WIDE, True),
        (TODAY, LAST + DAY, None, True),
        (TODAY, LAST, frozenset({"tnd:envoyer"}), True),  # another right, though not more of them
        (TODAY, LAST - DAY, None, False),
        (TODAY + DAY, LAST, None, False),
    ],
)
async def test_r125_widening_asks_for_a_fresh_proof(
    practice: Practice, first: date, last: date, rights: frozenset[str] | None, wider: bool
) -> None:
    """Taking away does not."""
    one = await practice.accepted()
    by = await practice.by("bernard")
    practice.ambient.advance(3601)
    change = practice.office.change(by, one.id, one.version, first, last, rights, practice.now)
    if wider:
        with pytest.raises(NotFresh):
            await change
        assert await practice.held(one.id) == one
    else:
        assert days(await change, PARIS) == (first, last)


async def test_r125_a_first_day_moved_forward_is_wider(practice: Practice) -> None:
    one, _ = await practice.invited(first=TODAY + 2 * DAY)
    by = await practice.by("bernard")
    practice.ambient.advance(3601)
    with pytest.raises(NotFresh):
        await practice.office.change(by, one.id, one.version, TODAY + DAY, LAST, None, practice.now)


@pytest.mark.parametrize("rights", [frozenset(), frozenset({"grandage:inventer"}), WIDE | {"x:y"}])
async def test_r108_rights_of_the_catalogue_and_at_least_one(practice: Practice, rights: frozenset[str]) -> None:
    one = await practice.accepted()
    with pytest.raises(Faulty) as caught:
        await practice.office.change(await practice.by("bernard"), one.id, one.version, TODAY, LAST, rights, START)
    assert list(caught.value.faults) == ["rights"]
    assert await practice.held(one.id) == one


async def test_r119_a_colleagues_rights_are_not_chosen(practice: Practice) -> None:
    by = await practice.by("bernard")
    one = await practice.office.add_colleague(by, PETIT.rpps, TODAY, LAST, START)
    with pytest.raises(Faulty):
        await practice.office.change(by, one.id, one.version, TODAY, LAST, WIDE, START)
    moved = await practice.office.change(by, one.id, one.version, TODAY, LAST + DAY, None, START)
    assert (moved.rights, days(moved, PARIS)) == (frozenset(), (TODAY, LAST + DAY))


async def test_r125_an_old_page_changes_nothing(practice: Practice) -> None:
    """The present version is told; nothing is written."""
    one = await practice.accepted()
    with pytest.raises(ChangedMeanwhile) as caught:
        await practice.office.change(await practice.by("bernard"), one.id, one.version - 1, TODAY, LAST, WIDE, START)
    assert caught.value.version == one.version
    assert await practice.held(one.id) == one


async def test_r126_what_is_over_does_not_come_back(practice: Practice) -> None:
    """Ended, or past its last day: no other days bring it back."""
    by = await practice.by("bernard")
    ended = await practice.office.end(by, (await practice.accepted()).id, START)
    expired, _ = await practice.invited(mail="b@example.test", last=TODAY)
    practice.at(START + DAY)
    by = await practice.by("bernard")
    for one in (ended, expired):
        with pytest.raises(Faulty):
            await practice.office.change(by, one.id, one.version, TODAY + DAY, LAST + DAY, WIDE, practice.now)
        assert await practice.held(one.id) == one


async def test_r124_days_do_not_grow_over_others(practice: Practice) -> None:
    """Longer over the next one is refused; shorter never is."""
    by = await practice.by("bernard")
    first, _ = await practice.invited(by)
    await practice.invited(by, first=LAST + DAY, last=LAST + 5 * DAY)
    with pytest.raises(Overlap):
        await practice.office.change(by, first.id, first.version, TODAY, LAST + DAY, None, START)
    assert await practice.held(first.id) == first
    await practice.office.change(by, first.id, first.version, TODAY, LAST - DAY, None, START)


async def test_r124_days_do_not_grow_over_each_other_at_once(either: Practice) -> None:
    """Two of one person's, each made longer into the gap between them, and a third one added there: one is done."""
    by = await either.by("bernard")
    first, _ = await either.invited(by, last=TODAY + DAY)
    second, _ = await either.invited(by, first=TODAY + 6 * DAY)
    done = await asyncio.gather(
        either.office.change(by, first.id, first.version, TODAY, TODAY + 4 * DAY, None, START),
        either.office.change(by, second.id, second.version, TODAY + 3 * DAY, LAST, None, START),
        either.office.invite(by, asked(first=TODAY + 2 * DAY, last=TODAY + 5 * DAY), START),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in done) == ["Delegation", "Overlap", "Overlap"]
    held = await either.office.given(by, START)
    assert not any(one.overlaps(two.begins, two.ends) for one in held for two in held if one.id < two.id)


# The end


async def test_r125_ended_at_any_time(practice: Practice) -> None:
    """Whatever state it is in, without a fresh proof; both are told; a second time changes nothing."""
    one = await practice.accepted()
    by = await practice.by("bernard")
    practice.mailed(), practice.heard.clear()
    practice.ambient.advance(3601)
    ended = await practice.office.end(by, one.id, practice.now)
    assert ended == await practice.held(one.id)
    assert (ended.state(practice.now), ended.revoked_by) == (State.REVOKED, "delegator")
    assert practice.heard == [f"delegation:{one.id}"]
    assert practice.mailed() == [
        ("bernard@example.test", "une délégation est terminée"),
        ("moreau@example.test", "une délégation est terminée"),
    ]
    assert (await practice.delegations.history(one.id))[-1].detail == {"by": "delegator"}
    assert await practice.office.end(by, one.id, practice.now) == ended
    assert practice.letters == []
    assert practice.trail.said().count("delegation:end") == 1


async def test_r111_a_cancelled_invitation_leads_nowhere(practice: Practice) -> None:
    """The invited person is told at the address they were invited at."""
    one, token = await practice.invited()
    practice.letters.clear()
    ended = await practice.office.end(await practice.by("bernard"), one.id, START)
    assert (ended.invite_digest, ended.invite_until) == (None, None)
    assert await practice.receiving.invited(token, START) is None
    outcome, _ = await practice.receiving.finalise(token, await practice.by("moreau"), START)
    assert outcome.value == "lost"
    assert [to for to, _ in practice.letters] == ["bernard@example.test", MAIL]


async def test_r125_the_end_wins_against_changes_at_once(either: Practice) -> None:
    """Ended with four changes at one instant, it is over in the end, and stays so."""
    one = await either.accepted()
    by = await either.by("bernard")
    later = START + timedelta(seconds=1)
    done = await asyncio.gather(
        *(either.office.change(by, one.id, one.version, TODAY, LAST + n * DAY, WIDE, later) for n in (1, 2)),
        either.office.end(by, one.id, later),
        either.office.end(by, one.id, later),
        *(either.office.change(by, one.id, one.version, TODAY, LAST + n * DAY, WIDE, later) for n in (3, 4)),
        return_exceptions=True,
    )
    ended = [one for one in done[2:4] if isinstance(one, Delegation)]
    assert [each.state(later) for each in ended] == [State.REVOKED] * 2
    held = await either.held(one.id)
    assert held.state(later) is State.REVOKED
    assert (await either.past(one.id)).count("ended") == 1
    assert {type(each) for each in [*done[:2], *done[4:]]} <= {Delegation, ChangedMeanwhile, Faulty}


async def test_nothing_ends_or_changes_that_cannot_be_written_down(practice: Practice) -> None:
    one = await practice.accepted()
    by = await practice.by("bernard")
    practice.trail.down = True
    practice.letters.clear()
    for act in (
        practice.office.change(by, one.id, one.version, TODAY, LAST + DAY, WIDE, START),
        practice.office.end(by, one.id, START),
    ):
        with pytest.raises(RecordsUnavailable):
            await act
    assert await practice.held(one.id) == one
    assert practice.letters == []
