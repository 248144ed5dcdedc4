"""A doctor gives: who may, what is written before it counts, and what is refused (R105–R111, R118–R124)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.accounts.delegation import Delegation, State
from gateway.administration.actor import NotThere, NotYours
from gateway.delegations.author import By
from gateway.delegations.judging import Barred, NotFresh, Overlap, TooOften
from gateway.delegations.office import DelegationOffice
from gateway.identity import Assurance, Method, Space
from gateway.policy.delegation import PARIS, days
from gateway.reasons import Reason, RecordsUnavailable, StoreUnavailable
from tests.ambient import START
from tests.delegations.practice import BASE, DAY, MAIL, PETIT, RULES, TODAY, Practice, asked

LAST = TODAY + 9 * DAY
Act = Callable[[DelegationOffice, By, str], Awaitable[Any]]
OWN: dict[str, Act] = {
    "one": lambda office, by, which: office.one(by, which, START),
    "history": lambda office, by, which: office.history(by, which, START),
    "uses": lambda office, by, which: office.uses(by, which, START),
    "resend": lambda office, by, which: office.resend(by, which, START),
    "confirm": lambda office, by, which: office.confirm(by, which, 1, START),
    "decline": lambda office, by, which: office.decline(by, which, 1, START),
    "change": lambda office, by, which: office.change(by, which, 1, TODAY, LAST, None, START),
    "end": lambda office, by, which: office.end(by, which, START),
}
ACTS: dict[str, Act] = {
    **OWN,
    "given": lambda office, by, which: office.given(by, START),
    "invite": lambda office, by, which: office.invite(by, asked(mail="b@example.test"), START),
    "add_colleague": lambda office, by, which: office.add_colleague(by, PETIT.rpps, TODAY, LAST, START),
}


async def kept(practice: Practice) -> int:
    return await practice.records.count("delegations", {})


# Who may (R106, R120)


@pytest.mark.parametrize("act", ACTS)
async def test_r106_r120_who_gives_no_rights_does_nothing_here(practice: Practice, act: str) -> None:
    """A secretary, a doctor in the other space, a password alone, somebody who acts for a doctor: none of the acts, each
    with its reason and a sentence, and nothing changes."""
    made, _ = await practice.invited()
    acting = await practice.by("bernard")
    password = practice.proof("bernard", Method.PASSWORD, assurance=Assurance.PASSWORD)
    barred = {
        Reason.NOT_A_DELEGATOR: (
            await practice.by("moreau"),
            await practice.by("bernard", space=Space.PROFESSIONNEL),
        ),
        Reason.LEVEL_TOO_LOW: (await practice.by("bernard", password),),
        Reason.ACTING_FOR_ANOTHER: (replace(acting, session=replace(acting.session, acting_under="dlg_x")),),
    }
    for reason, people in barred.items():
        for by in people:
            with pytest.raises(NotYours) as caught:
                await ACTS[act](practice.office, by, made.id)
            assert isinstance(caught.value, Barred)
            assert (caught.value.reason, caught.value.sentence[-1]) == (reason, ".")
    assert await practice.delegations.given_by("acc_bernard") == (made,)
    assert practice.trail.said() == ["delegation:give"]


@pytest.mark.parametrize("act", OWN)
async def test_another_doctors_delegation_and_none_look_alike(practice: Practice, act: str) -> None:
    made, _ = await practice.invited()
    other = await practice.by("petit")
    for which in (made.id, "dlg_invented", ""):
        with pytest.raises(NotThere):
            await OWN[act](practice.office, other, which)
    assert await practice.held(made.id) == made


async def test_r106_giving_asks_for_a_fresh_proof(practice: Practice) -> None:
    """An hour old is good, a second more is not; a remembered code is none; nothing is created."""
    by = await practice.by("bernard")
    practice.ambient.advance(3600)
    assert practice.office.fresh(by, practice.now)
    practice.ambient.advance(1)
    assert not practice.office.fresh(by, practice.now)
    remembered = practice.proof("bernard", Method.OTP_MAIL, remembered=True)
    for one in (by, await practice.by("bernard", remembered)):
        for act in ("invite", "add_colleague"):
            with pytest.raises(NotFresh) as caught:
                await _give(practice, act, one)
            assert caught.value.reason is Reason.STEP_UP_NEEDED
    assert await kept(practice) == 0
    assert practice.trail.said() == []


async def _give(practice: Practice, act: str, by: By) -> Delegation:
    if act == "invite":
        return await practice.office.invite(by, asked(), practice.now)
    return await practice.office.add_colleague(by, PETIT.rpps, TODAY, LAST, practice.now)


# Practice staff (R110, R111)


async def test_r110_r111_an_invitation(practice: Practice) -> None:
    """The audit, the row with its history, the workers, the mail; the link is kept as a digest; nobody may act yet."""
    made, token = await practice.invited(profession="Secrétaire")
    assert await practice.held(made.id) == made
    assert made.state(START) is State.INVITED
    assert days(made, PARIS) == (TODAY, LAST)
    assert (made.delegate, made.delegate_key, made.finalised_at, made.number) == (None, None, None, 1)
    assert made.invite_until == made.ends
    assert made.invite_digest == hashlib.sha256(token.encode()).hexdigest()
    assert len(token) >= 32
    assert await practice.past(made.id) == ["given"]
    (record,) = practice.trail.records
    assert (record.account, record.address, record.correlation) == ("acc_bernard", "192.0.2.7", "req_1")
    assert record.facts["delegation"] == made.id
    assert practice.trail.held == [0]  # the audit was first
    assert f"delegation:{made.id}" in practice.heard
    assert token not in str(record) + str(await practice.delegations.history(made.id)) + str(made)
    ((to, mail),) = practice.letters
    assert to == MAIL
    assert f"{BASE}/delegations/invitation?token={token}" in mail.text.splitlines()
    assert "Dr\u00a0Luc BERNARD" in mail.text
    secretary = await practice.by("moreau")
    assert await practice.receiving.begin(secretary, made.id, START, "t" * 43) is Reason.DELEGATION_UNKNOWN


async def test_r111_a_link_lives_as_configured(practice: Practice) -> None:
    """Two weeks, and never beyond the last day."""
    long, _ = await practice.invited(last=TODAY + 60 * DAY)
    assert long.invite_until == START + RULES.invite_life
    short, _ = await practice.invited(mail="b@example.test", last=TODAY)
    assert short.invite_until == short.ends


@pytest.mark.parametrize("act", ["invite", "add_colleague"])
async def test_nothing_is_given_that_cannot_be_written_down(practice: Practice, act: str) -> None:
    """No audit, no delegation and no mail."""
    by = await practice.by("bernard")
    practice.trail.down = True
    with pytest.raises(RecordsUnavailable):
        await ACTS[act](practice.office, by, "")
    assert await kept(practice) == 0
    assert practice.letters == []


async def test_a_silent_bus_undoes_nothing(practice: Practice, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row is written: it counts within seconds all the same, and the person is told."""

    async def silent(message: str) -> None:
        raise StoreUnavailable("the test says so")

    by = await practice.by("bernard")
    monkeypatch.setattr(practice.store, "publish", silent)
    made = await practice.office.invite(by, asked(), START)
    assert (await practice.office.end(by, made.id, START)).state(START) is State.REVOKED
    assert [to for to, _ in practice.letters] == [MAIL, "bernard@example.test", MAIL]


# No two at once (R124)


@pytest.mark.parametrize("mail", [MAIL, "LEA@Example.Test"])
async def test_r124_one_person_one_delegation_at_a_time(practice: Practice, mail: str) -> None:
    """Refused for shared days, in any spelling of the address; the day after is another matter, and so is another doctor."""
    by = await practice.by("bernard")
    await practice.invited(by)
    with pytest.raises(Overlap) as caught:
        await practice.office.invite(by, asked(mail=mail, first=LAST, last=LAST + DAY), START)
    assert caught.value.reason is Reason.DELEGATION_OVERLAP
    assert list(caught.value.faults) == ["start"]
    assert practice.trail.said() == ["delegation:give"]
    await practice.office.invite(by, asked(mail=mail, first=LAST + DAY, last=LAST + DAY), START)
    await practice.office.invite(await practice.by("petit"), asked(mail=mail), START)
    assert [one.number for one in await practice.office.given(by, START)] == [2, 1]


async def test_r124_what_is_over_is_in_nobodys_way(practice: Practice) -> None:
    by = await practice.by("bernard")
    made, _ = await practice.invited(by)
    await practice.office.end(by, made.id, START)
    again, _ = await practice.invited(by)
    assert again.id != made.id


async def test_r124_the_same_person_by_another_address(practice: Practice) -> None:
    """Whoever holds the delegation is known by their account's address too."""
    await practice.accepted()
    by = await practice.by("bernard")
    with pytest.raises(Overlap):
        await practice.office.invite(by, asked(mail="moreau@example.test"), START)
    await practice.office.invite(by, asked(mail="henry@example.test"), START)


@pytest.mark.parametrize("act", ["invite", "add_colleague"])
async def test_r124_two_additions_at_once(either: Practice, act: str) -> None:
    """Eight clicks at one instant: one delegation; the others hear of it."""
    by = await either.by("bernard")
    done = await asyncio.gather(*(ACTS[act](either.office, by, "") for _ in range(8)), return_exceptions=True)
    assert sum(isinstance(one, Delegation) for one in done) == 1
    assert sum(isinstance(one, Overlap) for one in done) == 7
    assert await kept(either) == 1
    said = either.trail.said()  # whoever was written down as giving, and did not, is written down as refused
    assert said.count("delegation:give") - said.count("delegation:refuse") == 1


async def test_r124_additions_of_several_people_at_once_are_all_kept(either: Practice) -> None:
    """Each under a number of its own."""
    by = await either.by("bernard")
    await asyncio.gather(*(either.office.invite(by, asked(mail=f"{one}@example.test"), START) for one in range(6)))
    assert sorted(one.number for one in await either.office.given(by, START)) == [1, 2, 3, 4, 5, 6]


# Nobody's mailbox is filled (R111)


async def test_r111_one_person_hears_of_one_doctor_so_often_a_day(practice: Practice) -> None:
    """Given and ended, given for other days, changed to and fro: in all so many in a day, then a sentence; ending and
    narrowing are never refused, another address and another doctor are another matter, and so is the next day."""
    by = await practice.by("bernard")
    made, _ = await practice.invited(by)
    for turn in range(6):  # six given, six ended
        await practice.office.end(by, made.id, START)
        made, _ = await practice.invited(by, mail=MAIL.upper() if turn % 2 else MAIL)
    for turn in range(6):
        made = await practice.office.change(by, made.id, made.version, TODAY, LAST + (turn + 1) * DAY, None, START)
    for _ in range(5):
        await practice.office.resend(by, made.id, START)
    other, _ = await practice.invited(by, first=LAST + 20 * DAY, last=LAST + 20 * DAY)
    await practice.office.resend(by, other.id, START)  # the twentieth
    practice.letters.clear()
    version = (await practice.held(made.id)).version
    far = LAST + 30 * DAY
    for attempt in (
        lambda: practice.invited(by, first=far, last=far),
        lambda: practice.office.resend(by, other.id, START),
        lambda: practice.office.change(by, made.id, version, TODAY, LAST + 8 * DAY, None, START),
    ):
        with pytest.raises(TooOften) as caught:
            await attempt()
        assert caught.value.reason is Reason.RESEND_TOO_MANY
    assert practice.letters == []
    assert (await practice.held(made.id)).version == version
    shorter = await practice.office.change(by, made.id, version, TODAY, LAST, None, START)
    assert shorter.version == version + 1  # taking away is not
    assert (await practice.office.end(by, made.id, START)).state(START) is State.REVOKED
    await practice.invited(by, mail="b@example.test", first=far, last=far)
    await practice.invited(await practice.by("petit"), first=far, last=far)
    practice.at(START + DAY + timedelta(seconds=1))
    await practice.invited(await practice.by("bernard"), first=far, last=far)


async def test_r121_a_colleague_is_added_so_often_a_day(practice: Practice) -> None:
    """Added and ended again and again: the same count, by number."""
    by = await practice.by("bernard")
    for _ in range(20):
        made = await practice.office.add_colleague(by, PETIT.rpps, TODAY, LAST, START)
        await practice.office.end(by, made.id, START)
    with pytest.raises(TooOften):
        await practice.office.add_colleague(by, PETIT.rpps, TODAY, LAST, START)


async def test_r111_a_doctor_gives_so_many_a_day(practice: Practice) -> None:
    """Fifty people in a day, whoever they are; nothing of the next one is written, and nothing mailed."""
    by = await practice.by("bernard")
    for number in range(50):
        await practice.office.invite(by, asked(mail=f"p{number}@example.test"), START)
    practice.letters.clear()
    said = practice.trail.said()
    with pytest.raises(TooOften):
        await practice.office.invite(by, asked(), START)
    assert (await kept(practice), practice.letters, practice.trail.said()) == (50, [], said)
    practice.at(START + DAY + timedelta(seconds=1))
    await practice.office.invite(await practice.by("bernard"), asked(first=TODAY + DAY), practice.now)
