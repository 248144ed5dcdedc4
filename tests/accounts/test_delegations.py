"""Delegations kept in rows, on both engines: there and back, versions, history, use."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import fields, replace
from datetime import timedelta

import pytest

from gateway.accounts.delegation import Delegation, Kind
from gateway.accounts.delegations import Delegations, Happening
from gateway.edges.database import Database
from gateway.policy.delegation import PARIS, period
from gateway.reasons import Stale, Taken
from tests.accounts.test_delegation import INVITED
from tests.ambient import START, TestAmbient
from tests.blank import opened

DAY = timedelta(days=1)
WHOLE = replace(
    INVITED,
    delegate_key="3690780028/000000042",
    delegate="acc_lea",
    profession="Secrétaire médicale",
    place="69003 LYON",
    rights=frozenset({"tnd:envoyer", "grandage:consulter"}),
    proposed="acc_x",
    proposed_name="Léa D’ALMÉIDA",
    proposed_at=START,
    finalised_at=START + DAY,
    revoked_at=START + 2 * DAY,
    revoked_by="delegate",
    reminded=15,
)


@pytest.fixture
async def records(url: str) -> AsyncIterator[Database]:
    database = await opened(url)
    yield database
    await database.close()


@pytest.fixture
def delegations(records: Database) -> Delegations:
    return Delegations(records, TestAmbient())


def colleague(number: int, key: str = "899700100029", **changes: object) -> Delegation:
    one = replace(INVITED, id=f"dlg_{number}", number=number, kind=Kind.COLLEAGUE, rights=frozenset(), delegate_key=key)
    return replace(one, invite_digest=None, mail=None, **changes)  # type: ignore[arg-type]


async def test_what_is_written_comes_back(delegations: Delegations) -> None:
    """Every field, accents and all; nothing stays nothing; instants are aware, whatever zone they were written in."""
    assert all(getattr(WHOLE, one.name) is not None for one in fields(Delegation))
    await delegations.add(WHOLE, "acc_doctor", {})
    assert await delegations.by_id("dlg_1") == WHOLE
    begins, ends = period(START.date(), START.date(), PARIS)
    bare = colleague(2, begins=begins, ends=ends)
    await delegations.add(bare, "acc_doctor", {})
    assert await delegations.by_id("dlg_2") == bare
    assert await delegations.by_id("dlg_3") is None
    assert await delegations.by_invitation("d") == WHOLE
    assert await delegations.by_invitation("e") is None


async def test_r105_what_a_doctor_gave_and_a_person_received(delegations: Delegations) -> None:
    """By account and, where none is named, by number (R122); the newest first; nobody else's."""
    await delegations.add(replace(INVITED, delegate="acc_lea"), "acc_doctor", {})
    await delegations.add(colleague(2, created_at=START + DAY), "acc_doctor", {})
    await delegations.add(colleague(3, delegate="acc_petit", created_at=START + 2 * DAY), "acc_doctor", {})
    await delegations.add(replace(colleague(4), delegator="acc_b"), "acc_b", {})
    assert [one.id for one in await delegations.given_by("acc_doctor")] == ["dlg_3", "dlg_2", "dlg_1"]
    assert [one.id for one in await delegations.given_by("acc_nobody")] == []
    assert [one.id for one in await delegations.received_by("acc_lea", ())] == ["dlg_1"]
    keys = {"899700100029", "0691000009"}
    assert [one.id for one in await delegations.received_by("acc_petit", keys)] == ["dlg_3", "dlg_2", "dlg_4"]
    assert [one.id for one in await delegations.received_by("acc_new", keys)] == ["dlg_2", "dlg_4"]
    assert await delegations.received_by("acc_new", ()) == ()


async def test_r124_of_two_with_one_number_one_is_written(delegations: Delegations) -> None:
    """Ten at once that all judged on the same list: one is kept, with one line of history; the others are told."""
    ten = [replace(INVITED, id=f"dlg_{one}", invite_digest=f"d{one}") for one in range(10)]
    done = await asyncio.gather(*(delegations.add(one, "acc_doctor", {}) for one in ten), return_exceptions=True)
    assert done.count(None) == 1
    assert {type(one) for one in done} == {type(None), Taken}
    (kept,) = await delegations.given_by("acc_doctor")
    assert [one.what for one in await delegations.history(kept.id)] == ["given"]
    await delegations.add(replace(INVITED, id="dlg_other", delegator="acc_b", invite_digest="x"), "acc_b", {})


async def test_r126_a_change_names_the_version_it_was_decided_on(delegations: Delegations) -> None:
    """Of ten at once one wins; the loser changed nothing, its line of history included."""
    await delegations.add(INVITED, "acc_doctor", {"kind": "assistant"})
    changes = (
        delegations.change(INVITED, START + DAY, "changed", "acc_doctor", {"end": str(one)}, ends=START + one * DAY)
        for one in range(20, 30)
    )
    done = await asyncio.gather(*changes, return_exceptions=True)
    (won,) = [one for one in done if isinstance(one, Delegation)]
    assert sum(isinstance(one, Stale) for one in done) == 9
    assert won == await delegations.by_id("dlg_1")
    assert won == replace(INVITED, ends=won.ends, version=2)
    assert [one.what for one in await delegations.history("dlg_1")] == ["given", "changed"]
    with pytest.raises(Stale):
        await delegations.change(INVITED, START, "ended", "acc_doctor", {}, revoked_at=START)
    with pytest.raises(Stale):
        await delegations.change(replace(won, id="dlg_9"), START, "ended", "acc_doctor", {}, revoked_at=START)


async def test_fields_and_columns_of_other_names(delegations: Delegations) -> None:
    """What ``change`` returns is what is kept: people by id, rights as a set."""
    await delegations.add(INVITED, "acc_doctor", {})
    changed = await delegations.change(
        INVITED, START, "x", "y", {}, delegate="acc_lea", proposed="acc_p", rights="tnd:creer grandage:consulter"
    )
    assert changed.rights == {"tnd:creer", "grandage:consulter"}
    assert (changed.delegate, changed.proposed) == ("acc_lea", "acc_p")
    assert await delegations.by_id("dlg_1") == changed


async def test_r126_history_is_kept_in_order(delegations: Delegations) -> None:
    """Who, when, and from what to what, with accents."""
    await delegations.add(INVITED, "acc_doctor", {"kind": "assistant"})
    changed = await delegations.change(
        INVITED, START + DAY, "changed", "acc_doctor", {"end": "é", "end_before": "à"}, ends=START + 20 * DAY
    )
    await delegations.change(changed, START + 2 * DAY, "ended", "cli:root", {}, revoked_at=START + 2 * DAY)
    assert await delegations.history("dlg_1") == (
        Happening(START, "given", "acc_doctor", {"kind": "assistant"}),
        Happening(START + DAY, "changed", "acc_doctor", {"end": "é", "end_before": "à"}),
        Happening(START + 2 * DAY, "ended", "cli:root", {}),
    )
    assert await delegations.history("dlg_2") == ()


async def test_r126_what_came_first_and_is_written_last_stands_last(delegations: Delegations) -> None:
    """A doctor's « Mettre fin » that a change overtook: nothing seems to have been changed after its end."""
    await delegations.add(INVITED, "acc_doctor", {})
    changed = await delegations.change(INVITED, START + DAY, "changed", "acc_doctor", {}, ends=START + 20 * DAY)
    early = START + DAY - timedelta(milliseconds=4)
    ended = await delegations.change(changed, early, "ended", "acc_doctor", {}, revoked_at=early)
    assert ended.revoked_at == early
    assert [(one.what, one.at) for one in await delegations.history("dlg_1")] == [
        ("given", START),
        ("changed", START + DAY),
        ("ended", START + DAY + timedelta(microseconds=1)),
    ]


async def test_r149_use_begins_and_ends_by_session(delegations: Delegations) -> None:
    """Each with its means, the newest first; a second end changes nothing, and another session's stays open."""
    await delegations.add(INVITED, "acc_doctor", {})
    await delegations.began("dlg_1", "acc_lea", "aaaaaaaaaaaa", "cpe", START)
    await delegations.began("dlg_1", "acc_lea", "bbbbbbbbbbbb", "otp-mail", START + DAY)
    await delegations.ended("aaaaaaaaaaaa", START + timedelta(hours=1))
    await delegations.ended("aaaaaaaaaaaa", START + timedelta(hours=2))
    await delegations.ended("cccccccccccc", START)
    newest, oldest = await delegations.uses("dlg_1")
    assert (oldest.session, oldest.method, oldest.user) == ("aaaaaaaaaaaa", "cpe", "acc_lea")
    assert (oldest.began_at, oldest.ended_at) == (START, START + timedelta(hours=1))
    assert (newest.session, newest.ended_at) == ("bbbbbbbbbbbb", None)
    assert await delegations.uses("dlg_1", limit=1) == (newest,)
    assert await delegations.use_in("aaaaaaaaaaaa") == oldest
    assert await delegations.use_in("cccccccccccc") is None
