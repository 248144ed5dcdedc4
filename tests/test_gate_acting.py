"""The gate while somebody acts for a doctor: read anew, ended at once, cut in what is open (R125, R127, R130–R132)."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.accounts.account import Account
from gateway.accounts.delegation import Delegation, Kind
from gateway.assertion import Mint, Minted
from gateway.identity import NationalId, Space
from gateway.policy.decision import Challenge, Facts, Forward
from gateway.reasons import Reason
from gateway.session.keeper import digest_of
from tests.ambient import START
from tests.policy.test_decision import ACCOUNT
from tests.test_gate import World

DOCTOR = replace(
    ACCOUNT,
    id="acc_doctor",
    national_id=NationalId("8", "99700100011"),
    logins=("899700100011",),
    scopes=(),
    last_sign_in_at=START,
    created_at=START,
)
GIVEN = Delegation(
    id="dlg_1",
    number=1,
    delegator=DOCTOR.id,
    kind=Kind.ASSISTANT,
    family_name="MARTIN",
    given_name="Claire",
    rights=frozenset({"grandage:consulter", "grandage:completer"}),
    begins=START - timedelta(days=1),
    ends=START + timedelta(minutes=20),
    created_at=START - timedelta(days=2),
    delegate="acc_1",
    finalised_at=START - timedelta(days=1),
)


class Practice(World):
    """A world where acc_1 may act for acc_doctor."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.delegations.known[GIVEN.id] = GIVEN
        self.doctor: Account | None = DOCTOR
        own = self.register.by_id

        async def by_id(account_id: str) -> Account | None:
            return self.doctor if account_id == DOCTOR.id else await own(account_id)

        self.register.by_id = by_id  # type: ignore[method-assign]

    async def act(self, delegation: str = "dlg_1") -> str:
        """The ticket of a session that acts under it."""
        ticket = await self.sign_in()
        session = await self.keeper.resume(digest_of(ticket), self.ambient.now())
        assert session is not None
        ticket, _ = await self.keeper.act_under(session, delegation, self.ambient.now())
        await asyncio.sleep(0)  # the word about the ticket of before
        self.cut.clear()
        return ticket


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Practice]:
    made = Practice(tmp_path)
    yield made
    await made.gate.close()


def claims(stamp: bytes) -> dict[str, Any]:
    token = dict(line.split(": ", 1) for line in stamp.decode().split("\r\n") if line)["X-VT-Assertion"]
    body = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


ENDED = Challenge(Reason.DELEGATION_ENDED, ACCOUNT.space, "delegations/ended")


async def test_r139_the_person_stays_and_the_doctor_is_told(world: Practice) -> None:
    """``sub`` and the plain headers name who acts; the doctor stands in the delegation alone."""
    passed = await world.gate.admit(world.head("/x", await world.act()))
    assert isinstance(passed, Forward)
    assert b"X-VT-IdNat-PS: 899700000007\r\n" in passed.stamp
    assert b"X-VT-On-Behalf-Of: 899700100011\r\n" in passed.stamp
    assert claims(passed.stamp)["sub"] == "899700000007"
    assert [one["on_behalf_of"] for one in claims(passed.stamp)["authorization_details"]] == ["899700100011"]


async def test_r127_at_its_very_end_nothing_more_goes_through(world: Practice) -> None:
    """Half a second before the end it passes, at the end it does not, though nothing was heard; a public page is open
    to anybody, without a name."""
    head = world.head("/x", await world.act())
    world.ambient.advance(20 * 60 - 0.5)
    passed = await world.gate.admit(head)
    assert isinstance(passed, Forward)
    assert passed.until == GIVEN.ends
    assert claims(passed.stamp)["exp"] <= GIVEN.ends.timestamp()
    assert world.gate.at_once(head) == passed
    world.ambient.advance(0.5)
    assert world.gate.at_once(head) == ENDED
    assert await world.gate.admit(head) == ENDED
    open_page = await world.gate.admit(world.head("/open/x", head.cookie("__Host-vtgw")[0]))
    assert open_page == Forward("vt")


@pytest.mark.parametrize(
    "change",
    [
        {"revoked_at": START},
        {"ends": START},
        {"begins": START + timedelta(minutes=1)},
        {"finalised_at": None, "invite_until": START + timedelta(days=1)},
        {"rights": frozenset({"grandage:inventer"})},
        {"delegate": "acc_else"},
        {"delegate": None, "delegate_key": "899700100029"},
        {"delegator": "acc_1"},
    ],
    ids=["revoked", "over", "not begun", "not finalised", "no right left", "another's", "another number", "own"],
)
async def test_r125_r130_a_change_counts_at_the_next_request(world: Practice, change: dict[str, Any]) -> None:
    """The word of the bus is enough: no second passes, and what was open is cut."""
    ticket = await world.act()
    head = world.head("/x", ticket)
    assert isinstance(await world.gate.admit(head), Forward)
    world.delegations.known["dlg_1"] = replace(GIVEN, **change)
    world.gate.heard("delegation:dlg_1")
    assert await world.gate.admit(head) == ENDED
    await world.gate.close()
    assert world.cut == [digest_of(ticket)]


async def test_r125_without_a_word_five_seconds_are_the_most(world: Practice) -> None:
    """A lost message costs the age of what is known, never more."""
    head = world.head("/x", await world.act())
    assert isinstance(await world.gate.admit(head), Forward)
    world.delegations.known.clear()
    world.ambient.advance(5.1)
    assert world.gate.at_once(head) is None
    assert await world.gate.admit(head) == ENDED


@pytest.mark.parametrize("change", ["suspended_at", "closed_at", "dormant", "gone", "profession"])
async def test_r131_the_doctor_is_no_longer_there(world: Practice, change: str) -> None:
    """Suspended, closed, asleep, erased or no physician any more: heard as a word about the doctor's account."""
    ticket = await world.act()
    head = world.head("/x", ticket)
    assert isinstance(await world.gate.admit(head), Forward)
    world.doctor = {
        "suspended_at": replace(DOCTOR, suspended_at=START),
        "closed_at": replace(DOCTOR, closed_at=START),
        "dormant": replace(DOCTOR, last_sign_in_at=START - timedelta(days=366), created_at=START - timedelta(days=400)),
        "gone": None,
        "profession": replace(DOCTOR, profession="60"),
    }[change]
    world.gate.heard("account:acc_doctor")
    assert await world.gate.admit(head) == ENDED
    await world.gate.close()
    assert world.cut == [digest_of(ticket)]


async def test_r131_the_day_the_doctor_falls_asleep_is_known_beforehand(world: Practice) -> None:
    """A tunnel opened the evening before ends with the doctor's last awake instant."""
    sleeps = START + timedelta(minutes=5)
    world.doctor = replace(DOCTOR, created_at=START - timedelta(days=400), last_sign_in_at=sleeps - timedelta(days=365))
    passed = await world.gate.admit(world.head("/x", await world.act()))
    assert isinstance(passed, Forward)
    assert passed.until == sleeps


async def test_r132_a_suspended_delegate_does_not_pass(world: Practice) -> None:
    ticket = await world.act()
    assert world.register.account is not None
    world.register.account = replace(world.register.account, suspended_at=START)
    assert await world.gate.admit(world.head("/x", ticket)) != ENDED
    assert not isinstance(await world.gate.admit(world.head("/x", ticket)), Forward)


async def test_r125_changed_rights_are_told_at_the_next_request(world: Practice) -> None:
    """The stamp of before is not used again."""
    head = world.head("/x", await world.act())
    assert isinstance(await world.gate.admit(head), Forward)
    world.delegations.known["dlg_1"] = replace(GIVEN, rights=frozenset({"tnd:envoyer"}), version=2)
    world.gate.heard("delegation:dlg_1")
    passed = await world.gate.admit(head)
    assert isinstance(passed, Forward)
    assert b"rights=tnd:envoyer;" in passed.stamp
    await world.gate.close()
    assert world.cut == []  # it stands: what is open stays open


@pytest.mark.parametrize("word", ["delegation:dlg_1", "account:acc_doctor", "session"])
async def test_r125_a_word_while_the_stamp_is_made_counts_for_this_request(
    world: Practice, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    """A slow key is no last chance: what was heard before the request goes on is asked about again."""
    ticket = await world.act()
    head = world.head("/x", ticket)
    make = Mint.mint

    async def slow(self: Mint, facts: Facts, backend: str, structure: str | None, now: datetime) -> Minted:
        minted = await make(self, facts, backend, structure, now)
        if word == "session":
            session = await world.keeper.resume(digest_of(ticket), now)
            if session is not None:
                await world.keeper.close(session, now)
                await asyncio.sleep(0)
        else:
            world.delegations.known["dlg_1"] = replace(GIVEN, revoked_at=START)
            world.gate.heard(word)
        return minted

    monkeypatch.setattr(Mint, "mint", slow)
    passed = await world.gate.admit(head)
    if word == "session":
        assert passed == Challenge(Reason.NO_SESSION, Space.LIBERAL)
    else:
        assert passed == ENDED
    assert not isinstance(world.gate.at_once(head), Forward)


async def test_what_lasts_is_looked_at_again_though_no_word_came(world: Practice) -> None:
    """A tunnel whose revocation was never heard of ends with the next look; one that stands does not, and bytes in it
    are activity (R143)."""
    longer = world.delegations.known["dlg_1"] = replace(GIVEN, ends=START + timedelta(hours=3))
    ticket = await world.act()
    digest = digest_of(ticket)
    assert isinstance(await world.gate.admit(world.head("/x", ticket)), Forward)
    world.ambient.advance(29 * 60)
    await world.gate.recheck({digest: True})
    assert world.cut == []
    world.ambient.advance(29 * 60)
    await world.gate.recheck({digest: False})
    assert world.cut == []
    world.delegations.known["dlg_1"] = replace(longer, revoked_at=START)
    world.ambient.advance(5.1)
    world.store.down = True
    await world.gate.recheck({digest: False})
    assert world.cut == []  # unknown is not ended (R7)
    world.store.down = False
    await world.gate.recheck({digest: False})
    assert world.cut == [digest]
