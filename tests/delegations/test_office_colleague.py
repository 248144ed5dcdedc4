"""A fellow doctor, from the national directory (R118–R124)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.accounts.delegation import Kind, State
from gateway.administration.actor import Faulty
from gateway.delegations.judging import Overlap
from gateway.delegations.office import DelegationOffice
from gateway.policy.delegation import PARIS, rights_of
from gateway.ports import Delete, Update
from gateway.reasons import DirectoryUnavailable, Reason
from gateway.session.model import Session
from tests.ambient import START
from tests.delegations.practice import BASE, BERNARD, DAY, GARNIER, PETIT, RULES, TODAY, Practice

LAST = TODAY + 9 * DAY


async def test_r119_r120_r121_a_colleague_may_act_at_once(practice: Practice) -> None:
    """No rights to choose, all of them in force; nothing to accept; both are told; the directory's words are kept."""
    made = await practice.office.add_colleague(await practice.by("bernard"), PETIT.rpps, TODAY, LAST, START)
    assert made == await practice.held(made.id)
    assert (made.kind, made.rights, made.state(START)) == (Kind.COLLEAGUE, frozenset(), State.ACTIVE)
    assert rights_of(made, RULES) == RULES.catalogue
    assert (made.delegate_key, made.delegate) == ("899700100029", "acc_petit")
    assert (made.family_name, made.given_name) == ("PETIT", "Anne")
    assert (made.profession, made.place, made.mail) == ("Médecine générale", "38000 GRENOBLE", None)
    assert practice.trail.held == [0]
    assert practice.mailed() == [
        ("petit@example.test", "un médecin vous habilite"),
        ("bernard@example.test", "vous habilitez un médecin"),
    ]
    colleague = await practice.by("petit")
    (received,) = await practice.receiving.received(colleague.session, colleague.account, START)
    assert (received.delegation, received.refusal) == (made, None)
    assert isinstance(await practice.receiving.begin(colleague, made.id, START, "t" * 43), Session)


async def test_r122_a_colleague_without_an_account(practice: Practice) -> None:
    """Kept under the number; effective with the account that a card makes, and only then."""
    await practice.records.write(
        Delete("logins", {"account_id": "acc_petit"}), Update("accounts", {"national_id": None}, {"id": "acc_petit"})
    )
    made = await practice.office.add_colleague(await practice.by("bernard"), PETIT.rpps, TODAY, LAST, START)
    assert (made.delegate, made.state(START)) == (None, State.ACTIVE)
    assert practice.mailed() == [("bernard@example.test", "vous habilitez un médecin")]
    colleague = await practice.by("petit")
    assert await practice.receiving.begin(colleague, made.id, START, "t" * 43) is Reason.DELEGATION_UNKNOWN
    proof = practice.proof("petit")
    account = await practice.register.signed_in(colleague.account, proof, colleague.session.space, "", START)
    assert isinstance(
        await practice.receiving.begin(replace(colleague, account=account), made.id, START, "u" * 43), Session
    )


async def test_r122_a_number_that_no_card_has_proved(practice: Practice) -> None:
    """An account that somebody made with the colleague's number acts for nobody until a card has opened it."""
    await practice.records.write(Update("accounts", {"first_strong_at": None}, {"id": "acc_petit"}))
    made = await practice.office.add_colleague(await practice.by("bernard"), PETIT.rpps, TODAY, LAST, START)
    colleague = await practice.by("petit")
    assert await practice.receiving.begin(colleague, made.id, START, "t" * 43) is Reason.LEVEL_TOO_LOW


@pytest.mark.parametrize(
    "rpps", ["99700100037", "", "9970010002", "99700100029 ", "899700100029", "٩٩٧٠٠١٠٠٠٢٩", "u:petit"]
)
async def test_r118_somebody_who_is_not_listed(practice: Practice, rpps: str) -> None:
    """What is no number is not even asked for."""
    with pytest.raises(Faulty):
        await practice.office.add_colleague(await practice.by("bernard"), rpps, TODAY, LAST, START)
    assert practice.directory.asked == ([("99700100037", "")] if rpps == "99700100037" else [])
    assert await practice.records.count("delegations", {}) == 0
    assert practice.trail.said() == []


@pytest.mark.parametrize("changes", [{"active": False}, {"profession": "40"}])
async def test_r118_somebody_who_practises_no_more_or_is_no_physician(
    practice: Practice, changes: dict[str, str]
) -> None:
    practice.directory.known = [replace(PETIT, **changes)]  # type: ignore[arg-type]
    with pytest.raises(Faulty):
        await practice.office.add_colleague(await practice.by("bernard"), PETIT.rpps, TODAY, LAST, START)
    assert await practice.records.count("delegations", {}) == 0


async def test_r124_not_oneself(practice: Practice) -> None:
    """By any of one's numbers."""
    with pytest.raises(Faulty) as caught:
        await practice.office.add_colleague(await practice.by("bernard"), BERNARD.rpps, TODAY, LAST, START)
    assert not isinstance(caught.value, Overlap)
    by = await practice.by("bernard")
    two = replace(by, account=replace(by.account, logins=("899700100011", "899700100029")))
    with pytest.raises(Faulty):
        await practice.office.add_colleague(two, PETIT.rpps, TODAY, LAST, START)
    assert await practice.records.count("delegations", {}) == 0


async def test_r124_no_second_one_for_the_same_days(practice: Practice) -> None:
    by = await practice.by("bernard")
    await practice.office.add_colleague(by, PETIT.rpps, TODAY, LAST, START)
    with pytest.raises(Overlap):
        await practice.office.add_colleague(by, PETIT.rpps, LAST, LAST + DAY, START)
    await practice.office.add_colleague(by, PETIT.rpps, LAST + DAY, LAST + DAY, START)
    bare = await practice.office.add_colleague(by, GARNIER.rpps, TODAY, LAST, START)
    assert (bare.place, bare.delegate) == (None, None)


async def test_r123_the_directory_is_down(practice: Practice) -> None:
    """Nothing is created, told or written; and nothing either where there is no directory at all."""
    practice.directory.down = True
    by = await practice.by("bernard")
    without = DelegationOffice(
        delegations=practice.delegations,
        register=practice.register,
        audit=practice.audit,
        bus=practice.store,
        post=practice.post,
        ambient=practice.ambient,
        directory=None,
        rules=RULES,
        base=BASE,
        zone=PARIS,
    )
    for office in (practice.office, without):
        with pytest.raises(DirectoryUnavailable):
            await office.add_colleague(by, PETIT.rpps, TODAY, LAST, START)
    assert await practice.records.count("delegations", {}) == 0
    assert practice.letters == [] and practice.trail.said() == []
