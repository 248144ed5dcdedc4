"""What becomes of delegations when one of their people is erased, and what a copy says of them (R104, R149)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.accounts.account import Account
from gateway.accounts.delegation import Delegation, State
from gateway.accounts.delegations import Delegations
from gateway.accounts.erasure import Archive
from gateway.accounts.register import Register
from gateway.edges.database import Database
from gateway.ports import Insert
from tests.accounts.shelf import DAY, account, database
from tests.accounts.test_delegation import INVITED
from tests.ambient import START, TestAmbient


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Database]:
    async with database(tmp_path) as made:
        login = {"key": "899700000005", "account_id": "acc_a", "created_at": START}
        await made.write(account("a"), account("b"), account("c"), Insert("logins", login))
        yield made


async def read(records: Database) -> Account:
    found = await Register(records, TestAmbient()).by_id("acc_a")
    assert found is not None
    return found


def delegation(number: int, **changes: object) -> Delegation:
    """From acc_a to acc_b, in force, with a link and an address left from its beginning."""
    one = replace(
        INVITED,
        id=f"dlg_{number}",
        number=number,
        delegator="acc_a",
        delegate="acc_b",
        delegate_key="3690780028/1",
        finalised_at=START,
        invite_digest=f"digest {number}",
        mail="b@example.test",
    )
    return replace(one, **changes)  # type: ignore[arg-type]


async def give(records: Database, *given: Delegation) -> Delegations:
    delegations = Delegations(records, TestAmbient())
    for one in given:
        await delegations.add(one, one.delegator, {})
        await delegations.began(one.id, one.delegate or "acc_x", f"{one.number:012}", "cpe", START)
    return delegations


async def test_r104_what_was_given_and_received_ends_with_the_account(records: Database) -> None:
    """Both ways, by account or by number, whatever state it is in; its address and its link go; history says why."""
    delegations = await give(
        records,
        delegation(1),
        delegation(2, finalised_at=None, delegate=None, delegate_key=None),
        delegation(3, delegator="acc_c", delegate="acc_a"),
        delegation(4, delegator="acc_c", delegate=None, delegate_key="899700000005"),
        delegation(5, delegator="acc_c"),
    )
    await Archive(records).erase(await read(records), START, "owner")
    for number in (1, 2, 3, 4):
        one = await delegations.by_id(f"dlg_{number}")
        assert one is not None
        assert (one.state(START), one.revoked_by, one.revoked_at) == (State.REVOKED, "closed", START)
        assert (one.mail, one.invite_digest, one.invite_until, one.version) == (None, None, None, 2)
        ended = [line for line in await delegations.history(one.id) if line.what == "ended"]
        assert [(line.author, line.detail) for line in ended] == [("acc_a", {"by": "closed"})]
        assert len(await delegations.uses(one.id)) == 1  # R149: what was done stays known
    assert await delegations.by_id("dlg_5") == delegation(5, delegator="acc_c")


async def test_r104_what_was_over_stays_as_it_ended(records: Database) -> None:
    """Only the address goes."""
    past = {"begins": START - 9 * DAY, "ends": START}
    delegations = await give(
        records, delegation(1, **past), delegation(2, revoked_at=START - DAY, revoked_by="delegate")
    )
    await Archive(records).erase(await read(records), START, "owner")
    expired, revoked = await delegations.by_id("dlg_1"), await delegations.by_id("dlg_2")
    assert expired is not None and revoked is not None
    assert (expired.state(START), expired.mail) == (State.EXPIRED, None)
    assert (revoked.revoked_by, revoked.revoked_at, revoked.mail) == ("delegate", START - DAY, None)
    assert [line.what for line in await delegations.history("dlg_1")] == ["given"]


async def test_r104_who_was_only_proposed_is_forgotten(records: Database) -> None:
    """The doctor may invite again; the delegation itself, and the address it was offered to, are somebody else's."""
    waiting = {"delegate": None, "delegate_key": None, "finalised_at": None, "invite_digest": None}
    proposal = {"proposed": "acc_a", "proposed_name": "ANNE MARTIN", "proposed_at": START}
    delegations = await give(records, delegation(1, delegator="acc_c", **waiting, **proposal))
    await Archive(records).erase(await read(records), START, "owner")
    one = await delegations.by_id("dlg_1")
    assert one is not None
    assert one.state(START) is State.INVITATION_EXPIRED
    assert (one.proposed, one.proposed_name, one.proposed_at, one.mail) == (None, None, None, "b@example.test")
    assert {line.what for line in await delegations.history("dlg_1")} == {"given", "declined"}


@pytest.mark.parametrize("answer", ["waiting", "declined", "another confirmed"])
async def test_r104_the_history_forgets_the_name_of_who_was_only_proposed(records: Database, answer: str) -> None:
    """Of a card that gained nothing no name is left, whatever the doctor said and whoever has the delegation now; what the
    history says of others stays, and so does the name of who had it (R149)."""
    waiting = {"delegate": None, "delegate_key": None, "finalised_at": None, "invite_digest": None}
    delegations = await give(records, delegation(1, delegator="acc_c", **waiting))
    one = await delegations.by_id("dlg_1")
    assert one is not None
    name, proposal = {"name": "ANNE MARTIN"}, {"method": "cpe", "name": "ANNE MARTIN"}
    fields = {"proposed": "acc_a", "proposed_name": "ANNE MARTIN", "proposed_at": START}
    nobody = dict.fromkeys(fields)
    one = await delegations.change(one, START, "proposed", "acc_a", proposal, **fields)
    if answer != "waiting":
        one = await delegations.change(one, START, "declined", "acc_c", name, **nobody)
    if answer == "another confirmed":
        other = {"name": "PAUL HENRY", "name_before": "Léa MOREAU"}
        one = await delegations.change(one, START, "proposed", "acc_b", {**proposal, "name": "PAUL HENRY"})
        await delegations.change(one, START, "confirmed", "acc_c", other, delegate="acc_b", finalised_at=START)
    await Archive(records).erase(await read(records), START, "owner")
    past = await delegations.history("dlg_1")
    assert "MARTIN" not in str(past)
    assert [line.detail for line in past if line.author == "acc_a" and line.what == "proposed"] == [{"method": "cpe"}]
    if answer == "another confirmed":
        assert str(past).count("PAUL HENRY") == 2


async def test_r104_the_history_of_who_had_it_keeps_what_was_done(records: Database) -> None:
    """Confirmed and then erased: it was theirs, and stays known as long as the delegation is kept (R149)."""
    delegations = await give(records, delegation(1, delegator="acc_c", delegate="acc_a"))
    one = await delegations.by_id("dlg_1")
    assert one is not None
    one = await delegations.change(one, START, "proposed", "acc_a", {"method": "cpe", "name": "ANNE MARTIN"})
    await delegations.change(one, START, "confirmed", "acc_c", {"name": "ANNE MARTIN", "name_before": "Léa MOREAU"})
    await Archive(records).erase(await read(records), START, "owner")
    assert str(await delegations.history("dlg_1")).count("ANNE MARTIN") == 2


async def test_r104_erasure_and_a_change_of_a_delegation_at_once(records: Database) -> None:
    """Whichever is first, all of the account is gone and the delegation is over."""
    delegations = await give(records, delegation(1))
    person = await read(records)
    change = delegations.change(delegation(1), START, "changed", "acc_a", {}, rights="tnd:creer")
    done = await asyncio.gather(Archive(records).erase(person, START, "owner"), change, return_exceptions=True)
    assert done[0] is None
    one = await delegations.by_id("dlg_1")
    assert one is not None and one.state(START) is State.REVOKED
    assert (await read(records)).closed_at == START


async def test_r104_the_copy_has_delegations_with_their_use(records: Database) -> None:
    """What was given, to whom; what was received, from whom; in each the use that is the person's to know; no link."""
    await give(
        records,
        delegation(1),
        delegation(2, delegator="acc_b", delegate="acc_a"),
        delegation(3, delegator="acc_b", delegate=None, delegate_key="899700000005", mail=None),
        delegation(4, delegator="acc_b", delegate="acc_c"),
    )
    data = json.loads(json.dumps(await Archive(records).export("acc_a"), ensure_ascii=False))
    (given,) = data["delegations_given"]
    use = {"method": "cpe", "began_at": START.isoformat(), "ended_at": None}
    assert given == {
        "family_name": "MOREAU",
        "given_name": "Léa",
        "id": "dlg_1",
        "kind": "assistant",
        "profession": None,
        "place": None,
        "mail": "b@example.test",
        "rights": "grandage:consulter",
        "begins": INVITED.begins.isoformat(),
        "ends": INVITED.ends.isoformat(),
        "created_at": START.isoformat(),
        "finalised_at": START.isoformat(),
        "revoked_at": None,
        "revoked_by": None,
        "uses": [use],
    }
    received = data["delegations_received"]
    assert [(one["id"], one["doctor"], one["uses"]) for one in received] == [
        ("dlg_2", "ANNE MARTIN", [use]),
        ("dlg_3", "ANNE MARTIN", []),  # used by somebody else
    ]
    text = json.dumps(data)
    assert "digest" not in text and "acc_b" not in text and "acc_c" not in text
