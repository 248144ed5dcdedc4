"""Practice staff accept with their card; everybody sees, and gives back, what they received (R112–R117, R121, R128)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.accounts.delegation import State
from gateway.delegations.receiving import Outcome
from gateway.identity import Assurance, Identity, Method, NationalId
from gateway.ports import Delete, Update
from gateway.reasons import Reason, RecordsUnavailable
from tests.ambient import START
from tests.delegations.practice import DAY, RULES, TODAY, Practice

LAST = TODAY + 9 * DAY


# The link


async def test_r111_looking_at_a_link_consumes_nothing(practice: Practice) -> None:
    made, token = await practice.invited()
    for _ in range(3):
        found = await practice.receiving.invited(token, START)
        assert found is not None
        assert (found[0], found[1].id) == (made, "acc_bernard")


@pytest.mark.parametrize("token", ["", "x", "x" * 32, "x" * 65, "é" * 32, "' OR 1=1 --        "])
async def test_r111_what_is_no_link(practice: Practice, token: str) -> None:
    await practice.invited()
    assert await practice.receiving.invited(token, START) is None
    assert await practice.receiving.finalise(token, await practice.by("moreau"), START) == (Outcome.LOST, None)


@pytest.mark.parametrize(
    "doctor",
    [{"suspended_at": START}, {"closed_at": START}, {"profession": "40"},
     {"last_sign_in_at": START - 366 * DAY, "created_at": START - 400 * DAY}],
)  # fmt: skip
async def test_r131_a_link_of_a_doctor_who_is_away_leads_nowhere(practice: Practice, doctor: dict[str, Any]) -> None:
    """And is good again once they are back: nothing used it."""
    made, token = await practice.invited()
    by = await practice.by("moreau")
    before = {"suspended_at": None, "closed_at": None, "profession": "10", "last_sign_in_at": START}
    await practice.records.write(Update("accounts", doctor, {"id": "acc_bernard"}))
    assert await practice.receiving.invited(token, START) is None
    assert (await practice.receiving.finalise(token, by, START))[0] is Outcome.LOST
    assert await practice.held(made.id) == made
    await practice.records.write(Update("accounts", before, {"id": "acc_bernard"}))
    assert (await practice.receiving.finalise(token, by, START))[0] is Outcome.ACTIVE


async def test_r111_a_link_ends_at_its_instant(practice: Practice) -> None:
    made, token = await practice.invited(last=TODAY + 60 * DAY)
    assert made.invite_until is not None
    assert await practice.receiving.invited(token, made.invite_until - timedelta(microseconds=1)) is not None
    assert await practice.receiving.invited(token, made.invite_until) is None


# Accepting (R112, R117)


async def test_r112_r117_accepted_with_a_card_of_that_name(practice: Practice) -> None:
    """The delegation is added to the account there is, by its number too; the link is used; the doctor is told."""
    made, token = await practice.invited(first=TODAY + DAY)
    practice.mailed(), practice.heard.clear()
    outcome, one = await practice.receiving.finalise(token, await practice.by("moreau"), START)
    assert outcome is Outcome.ACTIVE
    assert one == await practice.held(made.id)
    assert one is not None
    assert (one.delegate, one.delegate_key) == ("acc_moreau", "3690780028/000000042")
    assert (one.finalised_at, one.state(START), one.invite_digest) == (START, State.NOT_STARTED, None)
    assert one.state(one.begins) is State.ACTIVE
    assert await practice.receiving.invited(token, START) is None
    assert f"delegation:{made.id}" in practice.heard
    assert practice.mailed() == [("bernard@example.test", "votre invitation est acceptée")]
    assert practice.trail.said() == ["delegation:give", "delegation:accept"]
    assert practice.trail.held == [0, 1]
    assert practice.trail.records[-1].facts == {"delegation": made.id, "method": "cpe", "delegator": "acc_bernard"}
    assert sorted(await practice.past(made.id)) == ["accepted", "given"]
    again = await practice.receiving.finalise(token, await practice.by("moreau"), START)
    assert again == (Outcome.LOST, None)


async def test_r112_another_persons_card_gains_nothing(practice: Practice) -> None:
    """The doctor is asked, the link is used, nobody has anything."""
    made, token = await practice.invited()
    practice.letters.clear()
    outcome, one = await practice.receiving.finalise(token, await practice.by("henry"), START)
    assert (outcome, one) == (Outcome.PENDING, await practice.held(made.id))
    assert one is not None
    assert (one.state(START), one.delegate, one.delegate_key) == (State.PENDING_CONFIRMATION, None, None)
    assert (one.proposed, one.proposed_name, one.proposed_at) == ("acc_henry", "Paul HENRY", START)
    assert (one.invite_digest, one.invite_until) == (None, None)
    assert practice.trail.records[-1].reason is Reason.NAME_MISMATCH
    ((to, mail),) = practice.letters
    assert to == "bernard@example.test"
    assert "Paul HENRY" in mail.text and "/delegations" in mail.text
    for who in ("henry", "moreau"):
        by = await practice.by(who)
        assert await practice.receiving.received(by.session, by.account, START) == []
        assert await practice.receiving.begin(by, made.id, START, "t" * 43) is Reason.DELEGATION_UNKNOWN
        assert await practice.receiving.finalise(token, by, START) == (Outcome.LOST, None)


@pytest.mark.parametrize(
    ("method", "changes", "fit"),
    [
        (Method.CPE, {}, True),
        (Method.CPA, {}, True),
        (Method.CPS, {}, True),
        (Method.PSC_ECPS, {}, False),
        (Method.PSC_CPS, {}, False),
        (Method.OTP_MAIL, {}, False),
        (Method.PASSKEY, {}, False),
        (Method.PASSWORD, {"assurance": Assurance.PASSWORD}, False),
        (Method.CPF, {}, False),
        (Method.CPE, {"at": START - timedelta(minutes=30)}, True),
        (Method.CPE, {"at": START - timedelta(minutes=30, seconds=1)}, False),
        (Method.CPE, {"at": START + timedelta(seconds=5)}, True),  # shown to a machine whose clock runs ahead
        (Method.CPE, {"at": START + timedelta(seconds=61)}, False),  # the clock was set back
        (Method.CPE, {"remembered": True}, False),
        (Method.CPE, {"identity": Identity(NationalId("3", "690780028/000000099"), "MOREAU", "Léa")}, False),
        (Method.CPE, {"identity": Identity(None, "MOREAU", "Léa")}, False),
    ],
)
async def test_r112_by_a_card_of_an_accepted_type_shown_of_late(
    practice: Practice, method: Method, changes: dict[str, Any], fit: bool
) -> None:
    """And of this account's person; otherwise nothing happens and the link stays good."""
    made, token = await practice.invited()
    by = await practice.by("moreau", practice.proof("moreau", method, **changes))
    outcome, _ = await practice.receiving.finalise(token, by, START)
    assert outcome is (Outcome.ACTIVE if fit else Outcome.WRONG_MEANS)
    if not fit:
        assert await practice.held(made.id) == made
        assert practice.trail.records[-1].reason is Reason.METHOD_DISABLED
        assert (await practice.receiving.finalise(token, await practice.by("moreau"), START))[0] is Outcome.ACTIVE


async def test_r112_accepted_types_are_configured(practice: Practice) -> None:
    """With e-CPS it is e-CPS, and a card is none of them."""
    practice.furnish(replace(RULES, finalise_with=frozenset({"ecps"})))
    _, token = await practice.invited()
    assert (await practice.receiving.finalise(token, await practice.by("moreau"), START))[0] is Outcome.WRONG_MEANS
    by = await practice.by("moreau", practice.proof("moreau", Method.PSC_ECPS))
    assert (await practice.receiving.finalise(token, by, START))[0] is Outcome.ACTIVE


async def test_r112_the_newest_card_of_the_session_decides(practice: Practice) -> None:
    """Names change: what the card says now counts, beside whatever else was proved."""
    _, token = await practice.invited()
    old = practice.proof("moreau", Method.CPE, at=START - timedelta(minutes=20))
    old = replace(old, identity=replace(old.identity, family_name="DUVAL"))
    by = await practice.by(
        "moreau", old, practice.proof("moreau", Method.CPE), practice.proof("moreau", Method.OTP_MAIL)
    )
    assert (await practice.receiving.finalise(token, by, START))[0] is Outcome.ACTIVE


async def test_r124_the_doctors_own_card(practice: Practice) -> None:
    """With their own account, or another one under a number of theirs; the link stays good."""
    made, token = await practice.invited(family_name="Bernard", given_name="Luc")
    assert (await practice.receiving.finalise(token, await practice.by("bernard"), START))[0] is Outcome.OWN
    by = await practice.by("moreau", practice.proof("bernard"))
    twin = replace(by, account=replace(by.account, logins=(*by.account.logins, "899700100011")))
    assert (await practice.receiving.finalise(token, twin, START))[0] is Outcome.OWN
    assert await practice.held(made.id) == made
    assert practice.trail.said().count("delegation:refuse") == 2


async def test_r124_one_that_would_overlap(practice: Practice) -> None:
    """Two invitations to two addresses of one person: the second stays unused; a later one is another matter."""
    await practice.accepted()
    second, token = await practice.invited(mail="b@example.test", first=LAST)
    outcome, one = await practice.receiving.finalise(token, await practice.by("moreau"), START)
    assert (outcome, one) == (Outcome.ALREADY, second)
    assert practice.trail.records[-1].reason is Reason.DELEGATION_OVERLAP
    assert await practice.held(second.id) == second
    _, later = await practice.invited(mail="c@example.test", first=LAST + DAY, last=LAST + DAY)
    assert (await practice.receiving.finalise(later, await practice.by("moreau"), START))[0] is Outcome.ACTIVE
    _, other = await practice.invited(await practice.by("petit"), mail="d@example.test")
    assert (await practice.receiving.finalise(other, await practice.by("moreau"), START))[0] is Outcome.ACTIVE


async def test_r112_twice_at_once_one_wins(either: Practice) -> None:
    """The right person and another, four times each at one instant: one of them, once."""
    made, token = await either.invited()
    people = [await either.by(who) for who in ("moreau", "henry") for _ in range(4)]
    done = await asyncio.gather(*(either.receiving.finalise(token, by, START) for by in people))
    outcomes = [outcome for outcome, _ in done]
    assert outcomes.count(Outcome.LOST) == 7
    (won,) = [one for outcome, one in done if outcome is not Outcome.LOST]
    held = await either.held(made.id)
    assert held == won
    assert (held.delegate is None) is (Outcome.PENDING in outcomes)
    assert len(await either.past(made.id)) == 2
    assert [to for to, _ in either.letters].count("bernard@example.test") == 1


async def test_r124_two_links_of_one_person_at_once(either: Practice) -> None:
    """One is theirs; the other link was not used."""
    links = [(await either.invited(mail=f"{one}@example.test"))[1] for one in ("a", "b")]
    by = await either.by("moreau")
    done = await asyncio.gather(*(either.receiving.finalise(link, by, START) for link in links))
    assert sorted(outcome.value for outcome, _ in done) == ["active", "already"]


async def test_nothing_is_accepted_that_cannot_be_written_down(practice: Practice) -> None:
    made, token = await practice.invited()
    by = await practice.by("moreau")
    practice.trail.down = True
    with pytest.raises(RecordsUnavailable):
        await practice.receiving.finalise(token, by, START)
    assert await practice.held(made.id) == made


# What one has (R128)


async def test_r128_what_was_received_with_why_it_is_not_to_be_used(practice: Practice) -> None:
    """What is alive first; each with its doctor and its reason; of others' nothing."""
    over = await practice.accepted()
    await practice.office.end(await practice.by("bernard"), over.id, START)
    _, later = await practice.invited(first=TODAY + DAY, mail="b@example.test")
    await practice.receiving.finalise(later, await practice.by("moreau"), START)
    _, other = await practice.invited(await practice.by("petit"))
    await practice.receiving.finalise(other, await practice.by("moreau"), START)
    await practice.invited(mail="c@example.test", first=LAST + DAY, last=LAST + DAY)  # nobody's yet
    by = await practice.by("moreau")
    received = await practice.receiving.received(by.session, by.account, START)
    found = {(one.delegator.id if one.delegator else "", one.refusal) for one in received}
    assert found == {
        ("acc_bernard", Reason.DELEGATION_NOT_YET),
        ("acc_bernard", Reason.DELEGATION_ENDED),
        ("acc_petit", None),
    }
    assert [one.delegation.state(START).over for one in received] == [False, False, True]
    await practice.records.write(Update("accounts", {"suspended_at": START}, {"id": "acc_petit"}))
    received = await practice.receiving.received(by.session, by.account, START)
    assert Reason.DELEGATOR_UNAVAILABLE in {one.refusal for one in received}
    await practice.records.write(Delete("logins", {"account_id": "acc_petit"}), Delete("accounts", {"id": "acc_petit"}))
    received = await practice.receiving.received(by.session, by.account, START)
    assert (None, Reason.DELEGATION_UNKNOWN) in {(one.delegator, one.refusal) for one in received}
    nobody = await practice.by("henry")
    assert await practice.receiving.received(nobody.session, nobody.account, START) == []
