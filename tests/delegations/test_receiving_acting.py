"""Acting for a doctor, being oneself again, and giving back (R115, R116, R125, R129–R132, R149)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.accounts.delegation import State
from gateway.administration.actor import NotThere
from gateway.delegations.author import By
from gateway.identity import Assurance, Method
from gateway.ports import Update
from gateway.reasons import Reason, RecordsUnavailable, StoreUnavailable
from gateway.session.keeper import SessionGone, digest_of
from gateway.session.model import Session
from tests.ambient import START
from tests.delegations.practice import DAY, PETIT, RULES, TODAY, Practice, trace

LAST = TODAY + 9 * DAY
ONE, TWO = "a" * 43, "b" * 43


async def acting(practice: Practice, by: By, delegation_id: str, ticket: str = ONE) -> By:
    """The same person, acting."""
    session = await practice.receiving.begin(by, delegation_id, practice.now, ticket)
    assert isinstance(session, Session)
    return replace(by, session=session)


async def test_r116_r129_acting_is_a_context_under_a_new_ticket(practice: Practice) -> None:
    """The old ticket is dead, the person is the same; the audit and the list of uses name the session as the access
    journal does (R149)."""
    one = await practice.accepted()
    by = await practice.by("moreau")
    now = await acting(practice, by, one.id)
    assert (now.session.digest, now.session.acting_under) == (digest_of(ONE), one.id)
    assert (now.session.account, now.session.reference) == ("acc_moreau", by.session.reference)
    assert now.session.proofs == by.session.proofs
    assert await practice.there(now.session) and not await practice.there(by.session)
    record = practice.trail.records[-1]
    assert (record.act.value, record.account) == ("acting:begin", "acc_moreau")
    assert record.facts == {
        "delegation": one.id,
        "delegator": "acc_bernard",
        "method": "cpe",
        "session": trace(ONE),
        "from": by.session.digest[:12],
    }
    (use,) = await practice.delegations.uses(one.id)
    assert (use.user, use.session, use.method, use.ended_at) == ("acc_moreau", trace(ONE), "cpe", None)
    context = await practice.contexts.of(now.session, now.account, START)
    assert context is not None
    assert (context.doctor, context.refusal, context.rights) == ("Luc BERNARD", None, {"grandage:consulter"})
    assert await practice.contexts.of(by.session, by.account, START) is None


async def test_r129_oneself_again(practice: Practice) -> None:
    one = await practice.accepted()
    by = await acting(practice, await practice.by("moreau"), one.id)
    practice.ambient.advance(60)
    session = await practice.receiving.leave(by, practice.now, TWO, why="delegation-ended")
    assert (session.digest, session.acting_under) == (digest_of(TWO), None)
    assert not await practice.there(by.session)
    record = practice.trail.records[-1]
    assert record.act.value == "acting:end"
    assert record.facts == {
        "delegation": one.id,
        "method": "cpe",
        "session": trace(TWO),
        "from": trace(ONE),
        "why": "delegation-ended",
    }
    (use,) = await practice.delegations.uses(one.id)
    assert use.ended_at == practice.now


async def test_r116_from_one_doctor_to_the_next(practice: Practice) -> None:
    """The old use ends as the new one begins, and the audit says instead of what."""
    first = await practice.accepted()
    second, token = await practice.invited(await practice.by("petit"))
    await practice.receiving.finalise(token, await practice.by("moreau"), START)
    by = await acting(practice, await practice.by("moreau"), first.id)
    practice.ambient.advance(60)
    by = await acting(practice, by, second.id, TWO)
    assert by.session.acting_under == second.id
    (old,), (new,) = await practice.delegations.uses(first.id), await practice.delegations.uses(second.id)
    assert (old.ended_at, new.began_at, new.ended_at) == (practice.now, practice.now, None)
    facts = practice.trail.records[-1].facts
    assert (facts["from"], facts["session"], facts["instead_of"]) == (trace(ONE), trace(TWO), first.id)


async def test_who_may_not_act_changes_nothing(practice: Practice) -> None:
    """Somebody else's, an invented one, one that is over or has not begun, means that will not do (R110, R115, R130): the
    session stays what it was and no use is written."""
    one = await practice.accepted()
    later = await practice.accepted(first=LAST + DAY, last=LAST + 2 * DAY, mail="b@example.test")
    ended = await practice.accepted(first=LAST + 3 * DAY, last=LAST + 3 * DAY, mail="c@example.test")
    await practice.office.end(await practice.by("bernard"), ended.id, START)
    staff = await practice.by("moreau")
    password = practice.proof("moreau", Method.PASSWORD, assurance=Assurance.PASSWORD)
    cases = [
        (await practice.by("henry"), one.id, Reason.DELEGATION_UNKNOWN),
        (await practice.by("bernard"), one.id, Reason.DELEGATION_UNKNOWN),  # the doctor's own
        (staff, "dlg_invented", Reason.DELEGATION_UNKNOWN),
        (staff, "", Reason.DELEGATION_UNKNOWN),
        (staff, later.id, Reason.DELEGATION_NOT_YET),
        (staff, ended.id, Reason.DELEGATION_ENDED),
        (await practice.by("moreau", password), one.id, Reason.LEVEL_TOO_LOW),
        (await practice.by("moreau", practice.proof("moreau", Method.PASSKEY)), one.id, Reason.METHOD_DISABLED),
    ]
    said = len(practice.trail.records)
    for by, which, reason in cases:
        assert await practice.receiving.begin(by, which, START, ONE) is reason
        assert await practice.there(by.session)
    assert await practice.records.count("delegation_uses", {}) == 0
    assert len(practice.trail.records) == said


@pytest.mark.parametrize(
    ("who", "changes", "reason"),
    [
        ("bernard", {"suspended_at": START}, Reason.DELEGATOR_UNAVAILABLE),
        ("bernard", {"closed_at": START}, Reason.DELEGATOR_UNAVAILABLE),
        ("moreau", {"suspended_at": START}, Reason.ACCOUNT_DORMANT),
    ],
)
async def test_r131_r132_nobody_acts_while_either_is_away(
    practice: Practice, who: str, changes: dict[str, object], reason: Reason
) -> None:
    one = await practice.accepted()
    by = await practice.by("moreau")
    await practice.records.write(Update("accounts", changes, {"id": f"acc_{who}"}))  # type: ignore[arg-type]
    by = replace(by, account=await practice.account("moreau"))
    assert await practice.receiving.begin(by, one.id, START, ONE) is reason


async def test_r115_card_only_where_it_is_configured(practice: Practice) -> None:
    one = await practice.accepted()
    by = await practice.by("moreau", practice.proof("moreau", Method.OTP_SMS))
    practice.furnish(replace(RULES, staff_methods=frozenset({"card"})))
    assert await practice.receiving.begin(by, one.id, START, ONE) is Reason.METHOD_DISABLED
    practice.furnish(RULES)
    await acting(practice, by, one.id)


async def test_r120_no_rights_to_hand_on(practice: Practice) -> None:
    """A to B, not B to C: a colleague who acts gives nothing, neither the doctor's nor their own."""
    one = await practice.office.add_colleague(await practice.by("bernard"), PETIT.rpps, TODAY, LAST, START)
    by = await acting(practice, await practice.by("petit"), one.id)
    with pytest.raises(Exception, match="Vous agissez pour un médecin") as caught:
        practice.office.may(by, START)
    assert caught.value.reason is Reason.ACTING_FOR_ANOTHER  # type: ignore[attr-defined]


async def test_r129_of_two_tabs_at_once_one_context(either: Practice) -> None:
    """One takes the session with it; the other signs in again, and its use is closed."""
    one = await either.accepted()
    by = await either.by("moreau")
    done = await asyncio.gather(
        either.receiving.begin(by, one.id, START, ONE),
        either.receiving.begin(by, one.id, START, TWO),
        return_exceptions=True,
    )
    assert {type(each) for each in done} == {Session, SessionGone}
    uses = await either.delegations.uses(one.id)
    open_uses = [use.session for use in uses if use.ended_at is None]
    (won,) = [each for each in done if isinstance(each, Session)]
    assert open_uses == [won.digest[:12]]


async def test_acting_needs_its_audit_and_its_store(practice: Practice, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the audit nothing begins; without the store the line of use is closed again."""
    one = await practice.accepted()
    by = await practice.by("moreau")
    practice.trail.down = True
    with pytest.raises(RecordsUnavailable):
        await practice.receiving.begin(by, one.id, START, ONE)
    assert await practice.delegations.uses(one.id) == ()
    practice.trail.down = False

    async def unknown(*ignored: object) -> None:
        raise StoreUnavailable("the test says so")

    monkeypatch.setattr(practice.keeper, "act_under", unknown)
    with pytest.raises(StoreUnavailable):
        await practice.receiving.begin(by, one.id, START, ONE)
    (use,) = await practice.delegations.uses(one.id)
    assert use.ended_at == START


async def test_a_use_that_cannot_be_closed_keeps_nobody_from_leaving(
    practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session is oneself's again, and its ticket reaches the browser."""
    one = await practice.accepted()
    by = await acting(practice, await practice.by("moreau"), one.id)

    async def unknown(*ignored: object) -> None:
        raise RecordsUnavailable("the test says so")

    monkeypatch.setattr(practice.delegations, "ended", unknown)
    session = await practice.receiving.leave(by, START, TWO)
    assert session.acting_under is None and await practice.there(session)


# Giving back


async def test_the_delegate_gives_it_back(practice: Practice) -> None:
    """At once, while acting too; both are told; the doctor reads who did it; a second time changes nothing."""
    one = await practice.accepted()
    by = await acting(practice, await practice.by("moreau"), one.id)
    practice.mailed(), practice.heard.clear()
    await practice.receiving.renounce(by, one.id, START)
    held = await practice.held(one.id)
    assert (held.state(START), held.revoked_by) == (State.REVOKED, "delegate")
    assert f"delegation:{one.id}" in practice.heard
    assert [to for to, _ in practice.mailed()] == ["bernard@example.test", "moreau@example.test"]
    context = await practice.contexts.of(by.session, by.account, START)
    assert context is not None and context.refusal is Reason.DELEGATION_ENDED
    await practice.receiving.renounce(by, one.id, START)
    assert await practice.held(one.id) == held
    assert practice.letters == []
    assert practice.trail.records[-1].facts == {"delegation": one.id, "by": "delegate", "delegator": "acc_bernard"}


async def test_a_colleague_gives_back_what_is_under_their_number(practice: Practice) -> None:
    one = await practice.office.add_colleague(await practice.by("bernard"), PETIT.rpps, TODAY, LAST, START)
    await practice.receiving.renounce(await practice.by("petit"), one.id, START)
    assert (await practice.held(one.id)).revoked_by == "delegate"


async def test_nobody_gives_back_what_is_not_theirs(practice: Practice) -> None:
    """An invented one, somebody else's, and their own as a doctor look alike."""
    one = await practice.accepted()
    for who, which in (("henry", one.id), ("bernard", one.id), ("moreau", "dlg_invented")):
        with pytest.raises(NotThere):
            await practice.receiving.renounce(await practice.by(who), which, START)
    assert await practice.held(one.id) == one


async def test_given_back_and_ended_at_once(either: Practice) -> None:
    one = await either.accepted()
    doctor, staff = await either.by("bernard"), await either.by("moreau")
    later = START + timedelta(seconds=1)
    await asyncio.gather(either.office.end(doctor, one.id, later), either.receiving.renounce(staff, one.id, later))
    assert (await either.past(one.id)).count("ended") == 1
    assert (await either.held(one.id)).revoked_by in ("delegator", "delegate")


async def test_who_may_not_act_by_a_name_that_no_database_holds(either: Practice) -> None:
    """Half of what a form can hold is no text for a database: it is nobody's delegation, and not a database that is down."""
    by = await either.by("moreau")
    for name in ("dlg_\x00", "\x00", "dlg_\x7f\n"):
        assert await either.receiving.begin(by, name, START, ONE) is Reason.DELEGATION_UNKNOWN
        with pytest.raises(NotThere):
            await either.receiving.renounce(by, name, START)
    assert await either.there(by.session)
