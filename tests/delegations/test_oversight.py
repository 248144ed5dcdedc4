"""Delegations as administrators see them, and from a line of the access journal to the person behind it (R149)."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.accounts.delegation import Delegation, Kind, State
from gateway.accounts.delegations import Happening
from gateway.administration.actor import Actor, Faulty, NotThere, NotYours
from gateway.audit import Act
from gateway.delegations.oversight import NobodyKnown
from gateway.delegations.past import as_of
from gateway.ports import Insert, Update
from gateway.reasons import RecordsUnavailable, Stale
from tests.administration.world import AURA, CLI, NATIONAL, REFERENT, REUNION, world_in
from tests.delegations.watch import DAY, FIRST, HOUR, RULES, SECOND, THIRD, Watch, watch_over

NOBODY = Actor("acc_x", "Personne", ())


@pytest.fixture
async def watch(tmp_path: Path) -> AsyncIterator[Watch]:
    async with world_in(tmp_path) as world:
        made = watch_over(world)
        await made.people()
        yield made


async def ids(watch: Watch, actor: Actor, **asked: Any) -> list[str]:
    given: dict[str, Any] = {"account": None, "state": None, "after": None, "limit": 50, **asked}
    return [one.delegation.id for one in await watch.oversight.listed(actor, now=watch.now, **given)]


# Listing


async def test_r149_delegations_are_listed_by_reach(watch: Watch) -> None:
    """Those whose doctor or delegate works there; the nation and the shell see all; who administers nothing is told so."""
    await watch.given("dlg_1")  # doctor of nowhere, secretary of aura
    await watch.given("dlg_2", "island", delegate="clerk")  # both of reunion
    await watch.given("dlg_3", "island")  # doctor of reunion, secretary of aura
    await watch.given(
        "dlg_4", delegate=None, delegate_key=None, mail="x@example.test", finalised_at=None
    )  # nobody's yet
    assert await ids(watch, NATIONAL) == await ids(watch, CLI) == ["dlg_1", "dlg_2", "dlg_3", "dlg_4"]
    assert await ids(watch, AURA) == await ids(watch, REFERENT) == ["dlg_1", "dlg_3"]
    assert await ids(watch, REUNION) == ["dlg_2", "dlg_3"]
    with pytest.raises(NotYours):
        await ids(watch, NOBODY)
    for actor, hidden in ((AURA, "dlg_2"), (REUNION, "dlg_1"), (AURA, "dlg_4"), (NATIONAL, "dlg_9"), (NATIONAL, "\0")):
        with pytest.raises(NotThere):
            await watch.oversight.detail(actor, hidden, watch.now)
    assert (await watch.oversight.detail(REFERENT, "dlg_1", watch.now)).facts.delegation.id == "dlg_1"


async def test_r122_a_colleague_is_found_by_their_number_before_they_have_linked_it(watch: Watch) -> None:
    """A delegation to a doctor of the CHU bears their national number alone, and is La Réunion's all the same."""
    await watch.given(
        "dlg_1", kind=Kind.COLLEAGUE, rights=frozenset(), delegate=None, delegate_key="810000000002", mail=None
    )
    assert await ids(watch, REUNION) == ["dlg_1"] == await ids(watch, NATIONAL, account="island")
    assert await ids(watch, AURA) == []
    (one,) = await watch.oversight.listed(REUNION, account=None, state=None, after=None, limit=5, now=watch.now)
    assert (one.delegate.account, one.delegate.family_name, one.delegate.seen) == ("island", "ISLAND", True)
    assert (one.doctor.account, one.doctor.seen) == ("doctor", False)
    assert one.rights == RULES.catalogue
    assert one.as_json()["all_rights"] is True


async def test_lists_by_account_state_and_page(watch: Watch) -> None:
    """Walking page by page shows each once, also while others are added; filters take away, and never add."""
    for number in range(7):
        await watch.given(f"dlg_{number}")
    await watch.given("dlg_7", "island")
    walked, after = [], None
    while page := await ids(watch, NATIONAL, after=after, limit=3):
        walked += page
        after = page[-1]
    assert walked == [f"dlg_{number}" for number in range(8)]
    assert await ids(watch, NATIONAL, account="island") == ["dlg_7"]
    assert await ids(watch, NATIONAL, account="secretary", limit=2) == ["dlg_0", "dlg_1"]
    assert await ids(watch, AURA, account="island") == ["dlg_7"]  # the secretary is theirs
    assert await ids(watch, NATIONAL, account="clerk") == await ids(watch, NATIONAL, limit=0) == []


async def test_r126_the_database_and_the_value_know_the_same_states(watch: Watch) -> None:
    """Every combination of instants around now, at and beside each limit: ``state=`` finds what ``state()`` says."""
    now, tick = watch.now, timedelta(microseconds=1)
    around = [now - tick, now, now + tick, now + 2 * tick]
    number = 0
    for ends in around:
        for begins in [one for one in around if one < ends] or [ends - tick]:
            for finalised in (None, now - DAY):
                for proposed, until in ((None, None), (None, now), (None, now + tick), ("clerk", now + tick)):
                    for revoked in (None, now - tick):
                        number += 1
                        await watch.given(
                            f"dlg_{number:03d}", begins=begins, ends=ends, finalised_at=finalised, proposed=proposed,
                            invite_until=until, invite_digest=f"{number}" if until else None, revoked_at=revoked,
                        )  # fmt: skip
    rows = await watch.delegations.given_by("doctor")
    assert {one.state(now) for one in rows} == set(State)
    for state in State:
        expected = sorted(one.id for one in rows if one.state(now) is state)
        assert await ids(watch, NATIONAL, state=state, limit=500) == expected, state


async def test_the_file_of_one_has_history_and_uses(watch: Watch) -> None:
    """Who acted, by which means, from when to when; what happened, the oldest first; people by their names."""
    await watch.given()
    await watch.acting()
    found = await watch.oversight.detail(AURA, "dlg_1", watch.now)
    said = found.as_json()
    assert [one["what"] for one in said["history"]] == ["given"]  # type: ignore[attr-defined]
    (use,) = said["uses"]  # type: ignore[misc]
    assert (use["person"]["family_name"], use["means"], use["session"]) == ("SECRETARY", "cpe", SECOND)
    assert (use["ended_at"], found.users["secretary"].seen) == (None, True)
    assert (said["state"], said["first_day"], said["last_day"]) == ("active", "2026-03-01", "2026-03-31")
    assert said["rights"] == ["grandage:consulter", "sanitaire:creer"]


async def test_r104_who_was_erased_keeps_a_pseudonym_and_no_name(watch: Watch) -> None:
    """An erased doctor has no name left; of an erased delegate the name that the doctor wrote remains the doctor's."""
    await watch.given()
    gone = {"family_name": "", "given_name": "", "national_id": None, "closed_at": watch.now}
    await watch.world.records.write(*(Update("accounts", gone, {"id": one}) for one in ("doctor", "secretary")))
    (one,) = await watch.oversight.listed(NATIONAL, account=None, state=None, after=None, limit=5, now=watch.now)
    assert (one.doctor.name, one.doctor.account, one.doctor.national_id) == ("", "doctor", None)
    assert one.delegate.family_name == "SECRETARY"


# Ending


@pytest.mark.parametrize(("actor", "account"), [(NATIONAL, "doctor"), (CLI, "doctor"), (AURA, "secretary")])
async def test_r125_an_administrator_ends_a_delegation(watch: Watch, actor: Actor, account: str) -> None:
    """Audit before, history, a word to the workers, a mail to both; it stands in the audit under somebody in reach."""
    await watch.given(finalised_at=None, delegate="secretary", invite_digest="d", invite_until=watch.now + DAY)
    ended = await watch.oversight.end(actor, "dlg_1", "  Départ du\tcabinet ", watch.now)
    assert (ended.state(watch.now), ended.revoked_by, ended.invite_digest) == (State.REVOKED, "administrator", None)
    assert await watch.delegations.by_id("dlg_1") == ended
    (said,) = await watch.world.audited("delegation:end")
    assert said["account"] == account
    assert (said["facts"]["delegation"], said["facts"]["why"]) == ("dlg_1", "Départ du cabinet")
    assert (said["facts"]["author"], said["facts"]["by"]) == (actor.id, "administrator")
    event = (await watch.delegations.history("dlg_1"))[-1]
    assert (event.what, event.author) == ("ended", actor.id)
    assert event.detail == {"by": "administrator", "why": "Départ du cabinet"}
    assert watch.heard == ["delegation:dlg_1"]
    assert {to for to, _ in watch.posted} == {"doctor@example.test", "secretary@example.test"}
    again = await watch.oversight.end(actor, "dlg_1", "encore une fois", watch.now + HOUR)
    assert again == ended
    assert len(await watch.world.audited("delegation:end")) == 1
    assert len(watch.posted) == 2


async def test_r125_who_may_not_end_changes_nothing(watch: Watch) -> None:
    """A référent may not (403); another region finds nothing (404); a reason has at least three letters (422)."""
    await watch.given()
    with pytest.raises(NotYours) as refused:
        await watch.oversight.end(REFERENT, "dlg_1", "essai refusé", watch.now)
    assert not isinstance(refused.value, NotThere) and "régionale" in refused.value.sentence
    for actor, name in ((REUNION, "dlg_1"), (AURA, "dlg_nowhere"), (NOBODY, "dlg_1")):
        with pytest.raises(NotThere):
            await watch.oversight.end(actor, name, "essai refusé", watch.now)
    with pytest.raises(Faulty):
        await watch.oversight.end(NATIONAL, "dlg_1", " x ", watch.now)
    assert (await watch.delegations.by_id("dlg_1")).version == 1  # type: ignore[union-attr]
    assert await watch.world.audited("delegation:end") == []
    assert watch.posted == []


async def test_an_end_that_cannot_be_written_down_does_not_happen(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The audit comes first."""

    async def down(record: Any) -> None:
        raise RecordsUnavailable("down")

    await watch.given()
    monkeypatch.setattr(watch.world.audit, "record", down)
    with pytest.raises(RecordsUnavailable):
        await watch.oversight.end(NATIONAL, "dlg_1", "essai", watch.now)
    assert (await watch.delegations.by_id("dlg_1")).state(watch.now) is State.ACTIVE  # type: ignore[union-attr]
    assert watch.posted == []


async def test_an_end_wins_over_a_change_at_the_same_instant(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else changed it in between: read again, ended all the same."""
    await watch.given()
    change, turns = watch.delegations.change, []

    async def overtaken(*args: Any, **fields: Any) -> Any:
        turns.append(args)
        if len(turns) == 1:
            raise Stale("overtaken")
        return await change(*args, **fields)

    monkeypatch.setattr(watch.delegations, "change", overtaken)
    assert (await watch.oversight.end(NATIONAL, "dlg_1", "essai", watch.now)).revoked_by == "administrator"
    assert len(turns) == 2


# Who acted


async def test_r149_from_a_session_to_person_doctor_delegation_and_means(watch: Watch) -> None:
    """The line names a session; everything else follows, as it was then and as it is now."""
    await watch.given()
    began = watch.now
    await watch.acting()
    line = began + 20 * timedelta(minutes=1)
    watch.world.ambient.advance(5 * 86400)
    changed = await watch.delegations.change(
        await watch.delegations.by_id("dlg_1"),  # type: ignore[arg-type]
        watch.now, "changed", "doctor",
        {"rights": "tnd:envoyer", "rights_before": "grandage:consulter sanitaire:creer", "end": "2026-03-20",
         "end_before": "2026-03-31"},
        rights="tnd:envoyer", ends=datetime(2026, 3, 20, 23, tzinfo=UTC),
    )  # fmt: skip
    watch.world.ambient.advance(86400)
    await watch.oversight.end(NATIONAL, "dlg_1", "essai", watch.now)
    for at in (line, None):
        found = await watch.oversight.trace(NATIONAL, SECOND, at, watch.now)
        sign, acted = found.sign, found.acted_for
        assert (found.person.account, found.person.family_name) == ("secretary", "SECRETARY")
        assert found.person.national_id == "3690780010/17"
        assert (sign.means, sign.assurance, sign.space) == ("cpe", "substantial", "professionnel")
        assert (sign.since, sign.signed_in_at, sign.address) == (began, began, "192.0.2.77")
        assert acted is not None and acted.doctor is not None and acted.then is not None
        assert (acted.id, acted.doctor.family_name, acted.doctor.national_id) == ("dlg_1", "DOCTOR", "810000000001")
        assert acted.then.rights == {"grandage:consulter", "sanitaire:creer"}
        assert (acted.then.first, acted.then.last) == (date(2026, 3, 1), date(2026, 3, 31))
        assert (acted.then.state, acted.now) == (State.ACTIVE, State.REVOKED)
        said = found.as_json()
        assert said["acted_for"]["state_then"] == "active"  # type: ignore[index]
    assert changed.rights == {"tnd:envoyer"}


async def test_r149_each_name_is_one_person_in_one_context(watch: Watch) -> None:
    """Before, during and after: the sign-in's own name acts for nobody, the next for the doctor, the last for nobody."""
    await watch.given()
    await watch.acting()
    watch.world.ambient.advance(600)
    await watch.sign(Act.ACTING_ENDED, THIRD, watch.now, **{"from": SECOND, "delegation": "dlg_1", "method": "cpe"})
    for session, under in ((FIRST, None), (SECOND, "dlg_1"), (THIRD, None)):
        found = await watch.oversight.trace(NATIONAL, session, watch.now + HOUR, watch.now)
        assert found.sign.account == "secretary"
        assert (found.acted_for.id if found.acted_for else None) == under, session
        assert (found.sign.means, found.sign.assurance, found.sign.space) == ("cpe", "substantial", "professionnel")


async def test_r149_the_strongest_proof_speaks_and_the_space_follows(watch: Watch) -> None:
    """A step-up by a lesser means changes nothing of the level; a change of space keeps means and delegation."""
    await watch.given()
    await watch.acting()
    facts = {"method": "otp-mail", "assurance": "transition", "space": "professionnel", "delegation": "dlg_1"}
    watch.world.ambient.advance(60)
    await watch.sign(Act.STEP_UP, THIRD, watch.now, **facts, **{"from": SECOND})
    fourth = "f" * 12
    watch.world.ambient.advance(60)
    await watch.sign(Act.SPACE_CHANGED, fourth, watch.now, space="liberal", delegation="dlg_1", **{"from": THIRD})
    for session, space in ((THIRD, "professionnel"), (fourth, "liberal")):
        found = await watch.oversight.trace(NATIONAL, session, None, watch.now)
        assert (found.sign.means, found.sign.assurance, found.sign.space) == ("cpe", "substantial", space)
        assert found.acted_for is not None and found.acted_for.id == "dlg_1"
    watch.world.ambient.advance(60)
    await watch.sign(Act.STEP_UP, "e" * 12, watch.now, method="psc-ecps", assurance="substantial", **{"from": fourth})
    assert (await watch.oversight.trace(NATIONAL, "e" * 12, None, watch.now)).sign.means == "psc-ecps"


@pytest.mark.parametrize("missing", ["sign-in", "delegation", "account"])
async def test_r149_what_is_gone_is_not_made_up(watch: Watch, missing: str) -> None:
    """Without the trace of the sign-in, the delegation or the account the rest is told, and that part is empty."""
    records = watch.world.records
    if missing != "delegation":
        await watch.given()
        await watch.acting()
    else:
        facts = {"delegation": "dlg_1", "delegator": "doctor", "method": "cpe", "from": FIRST}
        await watch.signed_in()
        await watch.sign(Act.ACTING_BEGUN, SECOND, watch.now, **facts)
    if missing == "sign-in":
        row = (await records.find("audit", {"act": "session:open"}))[0]
        await records.write(Update("audit", {"facts": "{}"}, {"seq": row["seq"]}))
    if missing == "account":
        await records.write(Update("accounts", {"family_name": "", "given_name": ""}, {"id": "secretary"}))
    found = await watch.oversight.trace(CLI, SECOND, watch.now, watch.now)
    assert found.sign.means == "cpe"
    if missing == "sign-in":
        assert (found.sign.assurance, found.sign.signed_in_at, found.as_json()["space"]) == ("", None, None)
    elif missing == "delegation":
        assert found.acted_for is not None
        assert (found.acted_for.id, found.acted_for.then, found.acted_for.now) == ("dlg_1", None, None)
        assert found.as_json()["acted_for"]["doctor"] is None  # type: ignore[index]
    else:
        assert (found.person.account, found.person.name) == ("secretary", "")


async def test_r149_found_by_time(watch: Watch) -> None:
    """A line up to four hours after its session began; typed to the minute; and without a time the newest one, however
    far back traces go, and no further."""
    began = watch.now
    await watch.signed_in(at=began - 200 * DAY)
    await watch.signed_in(SECOND, at=began - 200 * DAY, account="clerk")
    await watch.signed_in(at=began)
    for at, found in (
        (began - 200 * DAY + 4 * HOUR, True), (began - 200 * DAY + 5 * HOUR, False), (began - 3 * HOUR, False),
        (began - timedelta(seconds=59), True), (began - 10 * timedelta(minutes=1), False), (began + 4 * HOUR, True),
    ):  # fmt: skip
        if found:
            trace = await watch.oversight.trace(NATIONAL, FIRST, at, began)
            assert abs(trace.sign.since - at) <= 4 * HOUR
            assert trace.at >= trace.sign.since
        else:
            with pytest.raises(NobodyKnown):
                await watch.oversight.trace(NATIONAL, FIRST, at, began)
    assert (await watch.oversight.trace(NATIONAL, FIRST, None, began)).sign.since == began
    assert (await watch.oversight.trace(NATIONAL, SECOND, None, began)).person.account == "clerk"
    with pytest.raises(NobodyKnown):
        await watch.oversight.trace(NATIONAL, SECOND, None, began + 166 * DAY)
    for far in (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)):
        with pytest.raises(NobodyKnown):
            await watch.oversight.trace(NATIONAL, FIRST, far, began)


async def test_r149_nobody_known_and_somebody_elsewhere_are_the_same_answer(watch: Watch) -> None:
    """A region learns of its own people, and of whoever acted for its doctors; a référent of nobody at all."""
    await watch.given("dlg_1")
    await watch.given("dlg_2", "island")
    await watch.acting()  # the secretary, of aura, for a doctor of nowhere
    await watch.acting(THIRD, "a" * 12, "dlg_2")  # and for one of la Réunion
    answers = []
    for session in (SECOND, "b" * 12):
        with pytest.raises(NobodyKnown) as refused:
            await watch.oversight.trace(REUNION, session, watch.now, watch.now)
        answers.append((refused.value.sentence, refused.value.reason))
    assert answers[0] == answers[1] and "Personne n'est connu" in answers[0][0]
    island = await watch.oversight.trace(REUNION, THIRD, watch.now, watch.now)
    assert (island.person.account, island.person.seen) == ("secretary", False)
    assert (await watch.oversight.trace(AURA, SECOND, watch.now, watch.now)).person.seen
    for actor in (REFERENT, NOBODY):
        with pytest.raises(NotYours):
            await watch.oversight.trace(actor, SECOND, watch.now, watch.now)
    for text in ("", "short", "0123456789AB", "0123456789abc", "0123456789a%", '0123456789"b'):
        with pytest.raises(Faulty):
            await watch.oversight.trace(NATIONAL, text, watch.now, watch.now)


async def test_r149_whoever_looks_is_written_down_first(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looked for whom, found or not; and when that cannot be written, nobody is told anything."""
    await watch.signed_in()
    await watch.oversight.trace(AURA, FIRST, watch.now, watch.now)
    for actor, session in ((REUNION, FIRST), (NATIONAL, SECOND)):
        with pytest.raises(NobodyKnown):
            await watch.oversight.trace(actor, session, None, watch.now)
    found, elsewhere, unknown = await watch.world.audited("trace:look-up")
    assert (found["account"], found["reason"], found["facts"]["author"]) == ("secretary", None, AURA.id)
    assert (found["facts"]["looked_for"], found["facts"]["moment"]) == (FIRST, watch.now.isoformat())
    assert (elsewhere["account"], elsewhere["reason"]) == ("secretary", "not-there")
    assert (unknown["account"], unknown["reason"], unknown["facts"]["looked_for"]) == (None, "not-there", SECOND)
    # What was written about the search is no sign of a session.
    assert (await watch.oversight.trace(NATIONAL, FIRST, None, watch.now)).person.account == "secretary"

    async def down(record: Any) -> None:
        raise RecordsUnavailable("down")

    monkeypatch.setattr(watch.world.audit, "record", down)
    with pytest.raises(RecordsUnavailable):
        await watch.oversight.trace(NATIONAL, FIRST, None, watch.now)
    with pytest.raises(RecordsUnavailable):
        await watch.oversight.traces(NATIONAL, [(FIRST, watch.now)], watch.now)


async def test_r149_many_lines_at_once_say_the_same_as_one_by_one(watch: Watch) -> None:
    """In order, with a blank for who is unknown and for lines of another time; one record for all of them."""
    await watch.given()
    await watch.acting()
    watch.world.ambient.advance(3 * 3600)
    await watch.signed_in(THIRD, account="clerk")
    now = watch.now
    lines = [
        (SECOND, now), (THIRD, now), ("b" * 12, now), (SECOND, now - 2 * HOUR), (FIRST, now - 3 * HOUR), ("-", now),
        ("d" * 12, datetime(1970, 1, 1, tzinfo=UTC)),
    ]  # fmt: skip
    found = await watch.oversight.traces(CLI, lines, now)
    assert [one and one.sign.account for one in found] == [
        "secretary", "clerk", None, "secretary", "secretary", None, None,
    ]  # fmt: skip
    for (session, at), one in zip(lines, found, strict=True):
        if one is not None:
            assert dataclasses.replace(one) == await watch.oversight.trace(CLI, session, at, now)
    said = (await watch.world.audited("trace:look-up"))[0]["facts"]
    assert (said["lines"], said["sessions"]) == ("7", "6")
    assert await watch.oversight.traces(CLI, [], now) == []
    with pytest.raises(NotYours):
        await watch.oversight.traces(AURA, lines, now)


def test_r149_a_delegation_as_it_was() -> None:
    """Changes since are put back one by one, the newest first; what came before stays."""
    now = datetime(2026, 3, 10, tzinfo=UTC)
    one = Delegation(
        id="dlg_1", number=1, delegator="d", kind=Kind.ASSISTANT, family_name="A", given_name="B",
        created_at=now - 6 * DAY, rights=frozenset({"c:x"}),
        begins=datetime(2026, 3, 4, 23, tzinfo=UTC), ends=datetime(2026, 3, 20, 23, tzinfo=UTC),
        finalised_at=now - 5 * DAY, revoked_at=now, revoked_by="delegate",
    )  # fmt: skip
    history = [
        Happening(now - 6 * DAY, "given", "d", {"rights": "a:x", "start": "2026-03-01", "end": "2026-03-31"}),
        Happening(now - 3 * DAY, "changed", "d", {"rights": "b:x", "rights_before": "a:x"}),
        Happening(now - 2 * DAY, "changed", "d", {"rights": "c:x", "rights_before": "b:x", "start": "2026-03-05",
                                                  "start_before": "2026-03-01", "end": "2026-03-20",
                                                  "end_before": "2026-03-31"}),
    ]  # fmt: skip
    zone = RULES.zone

    def then(at: datetime) -> tuple[Any, ...]:
        found = as_of(one, history, at, zone)
        return next(iter(found.rights)), found.begins, found.ends, found.state(at)

    march = datetime(2026, 2, 28, 23, tzinfo=UTC), datetime(2026, 3, 31, 22, tzinfo=UTC)
    assert then(now) == ("c:x", one.begins, one.ends, State.REVOKED)
    assert then(now - DAY) == ("c:x", one.begins, one.ends, State.ACTIVE)
    assert then(now - 2 * DAY - HOUR) == ("b:x", *march, State.ACTIVE)
    assert then(now - 4 * DAY) == ("a:x", *march, State.ACTIVE)
    assert then(now - 5 * DAY - HOUR)[3] is State.INVITATION_EXPIRED


async def test_the_office_of_a_use_finds_the_session_by_its_index(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an instant, a session in which somebody acted is found in one look, however long ago."""
    await watch.given()
    await watch.acting()
    asked: list[Any] = []
    signs = watch.oversight._overview.signs

    async def counted(*args: Any) -> Any:
        asked.append(args)
        return await signs(*args)

    monkeypatch.setattr(watch.oversight._overview, "signs", counted)
    found = await watch.oversight.trace(NATIONAL, SECOND, None, watch.now + 300 * DAY)
    assert found.sign.since == watch.now
    assert len(asked) == 1
    await watch.world.records.write(
        Insert("audit", {"seq": 10**6, "at": watch.now, "act": "session:open", "account": "clerk", "facts": "{}"})
    )
    with pytest.raises(NobodyKnown):
        await watch.oversight.trace(NATIONAL, "b" * 12, None, watch.now + 300 * DAY)
    assert len(asked) < 80
