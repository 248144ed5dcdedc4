"""What a doctor does with a delegation afterwards: sends again, confirms, declines, changes, ends (R111, R112, R125, R126)."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gateway.accounts.delegation import Delegation, State
from gateway.administration.actor import ChangedMeanwhile, Faulty
from gateway.delegations.judging import NotFresh, Overlap, TooOften
from gateway.ports import Update
from gateway.reasons import Reason
from tests.ambient import START
from tests.delegations.practice import DAY, RULES, TODAY, Practice

LAST = TODAY + 9 * DAY
NARROW = frozenset({"grandage:consulter"})
WIDE = frozenset({"grandage:consulter", "tnd:envoyer"})


async def proposed(practice: Practice, **changes: object) -> Delegation:
    """Léa Moreau's invitation, used by Paul Henry with his card."""
    made, token = await practice.invited(**changes)
    outcome, _ = await practice.receiving.finalise(token, await practice.by("henry"), practice.now)
    assert outcome.value == "pending"
    practice.letters.clear()
    return await practice.held(made.id)


# The link (R111)


async def test_r111_sent_again_the_old_link_leads_nowhere(practice: Practice) -> None:
    """Whether it still was good or not; the new one has its whole life."""
    made, first = await practice.invited(last=TODAY + 60 * DAY)
    assert await practice.receiving.invited(first, START) is not None
    practice.ambient.advance(20 * 86400)
    by = await practice.by("bernard")
    assert (await practice.held(made.id)).state(practice.now) is State.INVITATION_EXPIRED
    changed = await practice.office.resend(by, made.id, practice.now)
    second = practice.token()
    assert second != first
    assert changed.state(practice.now) is State.INVITED
    assert changed.invite_until == practice.now + RULES.invite_life
    assert await practice.receiving.invited(first, practice.now) is None
    assert await practice.receiving.invited(second, practice.now) is not None
    await practice.office.resend(by, made.id, practice.now)
    assert await practice.receiving.invited(second, practice.now) is None
    assert (await practice.past(made.id))[0] == "given"
    assert practice.trail.said() == ["delegation:give", "delegation:invite-again", "delegation:invite-again"]


async def test_r111_five_times_a_day(practice: Practice) -> None:
    """The sixth has to wait until the first is a day old; another invitation has a count of its own."""
    made, _ = await practice.invited(last=TODAY + 60 * DAY)
    other, _ = await practice.invited(mail="b@example.test")
    by = await practice.by("bernard")
    for _ in range(5):
        await practice.office.resend(by, made.id, practice.now)
        practice.ambient.advance(60)
    link = (await practice.held(made.id)).invite_digest
    with pytest.raises(TooOften) as caught:
        await practice.office.resend(by, made.id, practice.now)
    assert caught.value.reason is Reason.RESEND_TOO_MANY
    assert (await practice.held(made.id)).invite_digest == link
    await practice.office.resend(by, other.id, practice.now)
    practice.at(START + DAY)
    await practice.office.resend(await practice.by("bernard"), made.id, practice.now)


async def test_r111_five_times_a_day_however_many_at_once(either: Practice) -> None:
    """Nine clicks at one instant send five mails, and one of their links is good."""
    made, _ = await either.invited()
    by = await either.by("bernard")
    either.letters.clear()
    later = START + timedelta(seconds=1)
    done = await asyncio.gather(*(either.office.resend(by, made.id, later) for _ in range(9)), return_exceptions=True)
    assert sum(isinstance(one, Delegation) for one in done) == len(either.letters) == 5
    assert {type(one) for one in done} == {Delegation, TooOften}
    links = [text.text.partition("token=")[2].split()[0] for _, text in either.letters]
    assert sum([await either.receiving.invited(link, later) is not None for link in links]) == 1


async def test_r111_nobody_is_invited_to_what_is_taken_or_over(practice: Practice) -> None:
    accepted = await practice.accepted()
    ended, _ = await practice.invited(mail="b@example.test")
    by = await practice.by("bernard")
    await practice.office.end(by, ended.id, START)
    pending = await proposed(practice, mail="c@example.test")
    for one in (accepted, ended, pending):
        with pytest.raises(Faulty):
            await practice.office.resend(by, one.id, START)
    assert "delegation:invite-again" not in practice.trail.said()


# Another card (R112)


async def test_r112_the_doctor_confirms_the_person_of_the_card(practice: Practice) -> None:
    """Theirs from then on, under their own name; they are told."""
    one = await proposed(practice)
    by = await practice.by("bernard")
    changed = await practice.office.confirm(by, one.id, one.version, START)
    assert changed == await practice.held(one.id)
    assert (changed.state(START), changed.delegate) == (State.ACTIVE, "acc_henry")
    assert (changed.delegate_key, changed.proposed, changed.proposed_name) == ("3690780028/000000043", None, None)
    assert (changed.family_name, changed.given_name) == ("HENRY", "Paul")
    assert practice.mailed() == [("henry@example.test", "un médecin vous habilite")]
    assert practice.trail.said()[-1] == "delegation:confirm"
    assert "HENRY" not in str(practice.trail.records[-1].facts)
    henry = await practice.by("henry")
    (received,) = await practice.receiving.received(henry.session, henry.account, START)
    assert received.refusal is None


async def test_r112_the_doctor_declines(practice: Practice) -> None:
    """Forgotten; nobody has anything, and the right person can be invited again."""
    one = await proposed(practice)
    by = await practice.by("bernard")
    changed = await practice.office.decline(by, one.id, one.version, START)
    assert changed == await practice.held(one.id)
    assert changed.state(START) is State.INVITATION_EXPIRED
    assert (changed.proposed, changed.proposed_name, changed.delegate) == (None, None, None)
    henry = await practice.by("henry")
    assert await practice.receiving.received(henry.session, henry.account, START) == []
    await practice.office.resend(by, one.id, START)
    outcome, _ = await practice.receiving.finalise(practice.token(), await practice.by("moreau"), START)
    assert outcome.value == "active"


async def test_r112_confirming_asks_for_a_fresh_proof_and_declining_does_not(practice: Practice) -> None:
    one = await proposed(practice)
    by = await practice.by("bernard")
    practice.ambient.advance(3601)
    with pytest.raises(NotFresh):
        await practice.office.confirm(by, one.id, one.version, practice.now)
    assert (await practice.held(one.id)) == one
    await practice.office.decline(by, one.id, one.version, practice.now)


@pytest.mark.parametrize("act", ["confirm", "decline"])
async def test_r112_there_is_nobody_to_decide_on(practice: Practice, act: str) -> None:
    """Of an invitation, of one that is taken, of one that is over."""
    by = await practice.by("bernard")
    invited, _ = await practice.invited(mail="b@example.test")
    ended = await proposed(practice, mail="c@example.test")
    ended = await practice.office.end(by, ended.id, START)
    for one in (invited, await practice.accepted(), ended):
        with pytest.raises(Faulty):
            await getattr(practice.office, act)(by, one.id, one.version, START)
        assert await practice.held(one.id) == one


async def test_r112_who_is_gone_or_has_one_is_not_confirmed(practice: Practice) -> None:
    """An account erased meanwhile; somebody who has a delegation of these days already."""
    by = await practice.by("bernard")
    one = await proposed(practice)
    await practice.records.write(Update("accounts", {"closed_at": START}, {"id": "acc_henry"}))
    with pytest.raises(Faulty):
        await practice.office.confirm(by, one.id, one.version, START)
    await practice.records.write(Update("accounts", {"closed_at": None}, {"id": "acc_henry"}))
    hers = await practice.office.confirm(by, one.id, one.version, START)
    second, token = await practice.invited(mail="d@example.test", first=LAST + DAY, last=LAST + 9 * DAY)
    assert (await practice.receiving.finalise(token, await practice.by("henry"), START))[0].value == "pending"
    second = await practice.held(second.id)
    await practice.office.change(by, hers.id, hers.version, TODAY, LAST + DAY, None, START)
    with pytest.raises(Overlap):
        await practice.office.confirm(by, second.id, second.version, START)
    assert await practice.held(second.id) == second


async def test_r112_of_two_decisions_at_once_one_is_taken(either: Practice) -> None:
    one = await proposed(either)
    by = await either.by("bernard")
    done = await asyncio.gather(
        either.office.confirm(by, one.id, one.version, START),
        either.office.decline(by, one.id, one.version, START),
        return_exceptions=True,
    )
    assert {type(each) for each in done} == {Delegation, ChangedMeanwhile}
    (won,) = [each for each in done if isinstance(each, Delegation)]
    assert await either.held(one.id) == won
    assert len(await either.past(one.id)) == 3
