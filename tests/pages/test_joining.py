"""From the mailed link to an active delegation: what the link tells, what the card does, and who gains nothing (R111–R117)."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.accounts.delegation import State
from gateway.identity import Assurance, Method, Proof, Space
from gateway.pages.joining_marker import marker_key
from gateway.policy.delegation import DelegationRules
from gateway.ports import Update
from gateway.reasons import RecordsUnavailable
from tests.pages.hollow import PREFIX
from tests.pages.staff import BERNARD, DURAND, HENRY, LIVES, MOREAU, PETIT, Browser, Staffed, staffed

FINALISE = f"{PREFIX}/delegations/finalise"
OTHER = "u" * 32  # another link


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Staffed]:
    async with staffed(tmp_path) as made:
        yield made


@pytest.fixture
def me(place: Staffed) -> Browser:
    """Léa Moreau's browser, with her card in the reader."""
    place.card.holder = MOREAU
    return Browser(place)


async def state(place: Staffed, token: str = "t" * 32) -> State:
    return (await place.delegation(token)).state(place.now)


async def reasons(place: Staffed) -> list[str]:
    return [str(one["reason"]) for one in await place.world.audited() if one["reason"]]


async def remembered(browser: Browser) -> bytes | None:
    """What the store holds of an invitation that this browser accepts."""
    cookie = browser.cookies["__Host-vtgw-browser"]
    (raw,) = await browser.place.house.store.read(marker_key(hashlib.sha256(cookie.encode()).hexdigest()))
    return raw


# The link


async def test_r111_looking_consumes_nothing_and_says_what_it_is_about(place: Staffed, me: Browser) -> None:
    """A machine that opens the link of a mail, twice, leaves it as good as before; the doctor, the period, the rights and
    the card are named, and the address it was sent to is not."""
    await place.invite()
    before = await place.delegation()
    for browser in (Browser(place), Browser(place), me):
        page = await browser.open()
        assert page.status == 200
    for words in (
        "Dr\u00a0Luc BERNARD",
        "Léa Moreau",
        "2\u00a0mars\u00a02026",
        "1er\u00a0avril\u00a02026 inclus",
        "CPS, CPE ou CPA",
    ):
        assert words in page.text, words
    assert "Grand âge\u00a0: Consulter, Compléter" in page.text
    assert "example.test" not in page.text.replace("aide@aide.test", "")
    assert await place.delegation() == before
    assert await place.world.audited() == []
    assert [(way, form) for form, way in re.findall(r'name="(token)".*?name="way" value="(\w+)"', page.text)] == [
        ("card", "token")
    ]


@pytest.mark.parametrize("why", ["unknown", "empty", "garbage", "expired", "ended", "doctor suspended", "used"])
async def test_r111_a_dead_link_is_refused_and_does_not_say_why(place: Staffed, me: Browser, why: str) -> None:
    """Nothing tells what was wrong with it; both the page and the form refuse."""
    made = await place.invite()
    token = "t" * 32
    if why == "expired":
        place.world.ambient.advance(14 * 86400)
    elif why == "ended":
        await place.delegations.change(made, place.now, "ended", "x", {}, revoked_at=place.now, revoked_by="delegator")
    elif why == "doctor suspended":
        await place.world.records.write(Update("accounts", {"suspended_at": place.now}, {"id": place.doctor.id}))
    elif why == "used":
        await place.delegations.change(made, place.now, "x", "x", {}, invite_digest=None, finalised_at=place.now)
    else:
        token = {"unknown": "v" * 32, "empty": "", "garbage": "é\x00" * 200}[why]
    page = await me.get(f"{PREFIX}/delegations/invitation?token={token if token.isascii() else '%C3%A9%00' * 200}")
    assert (page.status, "Cette invitation n'est plus valable" in page.text) == (403, True)
    assert "BERNARD" not in page.text
    assert "demandez au médecin" in page.text
    await place.invite(OTHER, of=await place.account(PETIT, "anne.petit@example.test"))
    await me.open(OTHER)  # a form of this browser's, for another link
    posted = await me.post("/delegations/invitation", token=token, way="card")
    assert (posted.status, "Cette invitation n'est plus valable" in posted.text) == (403, True)
    assert await remembered(me) is None


async def test_h4_the_form_is_taken_from_the_browser_it_was_given_to(place: Staffed, me: Browser) -> None:
    """A form that another site sends does not make this browser accept anything."""
    await place.invite()
    await me.open()
    page = await me.post("/delegations/invitation", csrf="0" * 32 + "." + "0" * 32, token="t" * 32, way="card")
    assert (page.status, "formulaire" in page.text) == (403, True)
    assert await remembered(me) is None


@pytest.mark.parametrize(
    ("accepted", "offered", "ways", "words"),
    [
        ({"cps", "cpe", "cpa"}, ["card", "psc"], ["card"], "votre carte CPS, CPE ou CPA"),
        ({"cpe", "ecps"}, ["card", "psc"], ["card", "psc"], "votre carte CPE ou votre e-CPS"),
        ({"ecps"}, ["card", "psc"], ["psc"], "votre e-CPS"),
        ({"cps", "cpe"}, ["psc"], [], "Aucun moyen d'accepter"),
        ({"cps", "ecps"}, ["card"], ["card"], "votre carte CPS ou votre e-CPS"),
    ],
)
async def test_r112_the_ways_are_those_that_finish_and_are_offered(
    tmp_path: Path, accepted: set[str], offered: list[str], ways: list[str], words: str
) -> None:
    """One form for each; any other word is refused, and begins nothing."""
    rules = DelegationRules(finalise_with=frozenset(accepted))
    methods = {Space.LIBERAL: ["card", "psc"], Space.PROFESSIONNEL: offered}
    async with staffed(tmp_path, rules=rules, methods=methods) as place:
        await place.invite()
        me = Browser(place)
        page = await me.open()
        assert words in page.text
        assert re.findall(r'name="way" value="(\w+)"', page.text) == ways
        for way in {"card", "psc", "password", "passkey", "../x", ""} - set(ways):
            if not page.field("csrf"):
                continue
            await me.open()
            refused = await me.post("/delegations/invitation", follow=False, token="t" * 32, way=way)
            assert refused.status == 422
            assert await remembered(me) is None
        for way in ways:
            await me.open()
            begun = await me.post("/delegations/invitation", follow=False, token="t" * 32, way=way)
            assert begun.location == f"{PREFIX}/sign-in/{way}?space=professionnel&return={FINALISE}"


async def test_the_link_is_sealed_in_the_store(place: Staffed, me: Browser) -> None:
    """Who reads the store finds neither the link nor the doctor."""
    await place.invite()
    await me.open()
    await me.post("/delegations/invitation", follow=False, token="t" * 32, way="card")
    raw = await remembered(me)
    assert raw is not None
    assert b"t" * 32 not in raw and b"BERNARD" not in raw


# The whole way


async def test_j10_from_the_link_to_agir_pour(place: Staffed, me: Browser) -> None:
    """Card, form, charter: the delegation is hers, once, and the page offers to act."""
    await place.invite()
    page = await me.join()
    assert (page.url, page.status) == (FINALISE, 200)
    assert "Vous pouvez agir pour Dr\u00a0Luc BERNARD" in page.text
    assert f'action="{PREFIX}/acting"' in page.text
    assert f'name="delegation" value="{(await place.delegation()).id}"' in page.text
    assert "3690780028/000000042" in page.text  # what she will type later
    who = await place.of(MOREAU)
    now = await place.delegation()
    assert who is not None and who.charter_version is not None
    assert (now.delegate, now.delegate_key, now.invite_digest) == (who.id, "3690780028/000000042", None)
    assert await state(place) is State.ACTIVE
    assert "luc.bernard@example.test" in [to for to, _ in place.mails]
    accepted = await place.world.audited("delegation:accept")
    assert [one["account"] for one in accepted] == [who.id]
    again = await me.get(FINALISE)  # back, or reloaded
    assert (again.status, "parmi vos habilitations" in again.text) == (403, True)
    assert (await me.open()).status == 403


async def test_r117_an_existing_account_gets_the_delegation_without_a_form(place: Staffed, me: Browser) -> None:
    await place.invite()
    await place.invite(OTHER, of=await place.account(PETIT, "anne.petit@example.test"))
    await me.join()
    other = Browser(place)
    page = await other.accept(OTHER)
    assert (page.url, "Vous pouvez agir pour Dr\u00a0Anne PETIT" in page.text) == (FINALISE, True)
    assert len([one for one in await place.rows() if one["national_id"] == "3690780028/000000042"]) == 1
    assert (await place.delegation()).delegate == (await place.delegation(OTHER)).delegate


async def test_r109_before_the_first_day_it_is_accepted_and_not_begun(place: Staffed, me: Browser) -> None:
    begins = place.now + timedelta(days=3)
    await place.invite(begins=begins)
    page = await me.join()
    assert "Vous pourrez agir pour Dr\u00a0Luc BERNARD" in page.text
    assert f'action="{PREFIX}/acting"' not in page.text
    assert await state(place) is State.NOT_STARTED


async def test_r112_ecps_where_the_region_adds_it(tmp_path: Path) -> None:
    """Also at once: Pro Santé Connect says only in which second somebody proved who they are."""
    rules = DelegationRules(finalise_with=frozenset({"ecps"}))
    async with staffed(tmp_path, rules=rules) as place:
        await place.invite()
        place.world.ambient.advance(0.4)
        place.psc.holder = MOREAU
        me = Browser(place)
        await me.accept(way="psc")
        await me.fill()
        page = await me.agree()
        assert "Vous pouvez agir" in page.text
        assert await state(place) is State.ACTIVE


# Who gains nothing


async def test_r112_another_persons_card_gains_nothing(place: Staffed) -> None:
    """The link is used, the doctor is asked, and nothing is granted: not even the invited address."""
    await place.invite()
    place.card.holder = HENRY
    thief = Browser(place)
    await thief.accept()
    assert thief.last.url == f"{PREFIX}/register"
    assert "lea.moreau" not in thief.last.text
    await thief.fill(email="tom.henry@example.test")
    page = await thief.agree()
    assert (page.url, "Le médecin doit d'abord confirmer" in page.text) == (FINALISE, True)
    assert f'action="{PREFIX}/acting"' not in page.text
    now, who = await place.delegation(), await place.of(HENRY)
    assert who is not None
    assert (now.delegate, now.proposed, now.finalised_at) == (None, who.id, None)
    assert await state(place) is State.PENDING_CONFIRMATION
    assert await place.delegations.received_by(who.id, ["3690780028/000000044"]) == ()
    assert "luc.bernard@example.test" in [to for to, _ in place.mails]
    assert (await Browser(place).open()).status == 403


async def test_r112_a_session_of_before_is_no_card(place: Staffed, me: Browser) -> None:
    """Signed in already, even by card: the end of the way asks for a proof given since the link was opened here."""
    await place.invite()
    await place.account(MOREAU, "lea.moreau@example.test")
    await me.get(f"{PREFIX}/sign-in/card?space=professionnel&return=/", follow=True)
    assert "__Host-vtgw" in me.cookies
    place.world.ambient.advance(60)
    await me.open()
    await me.post("/delegations/invitation", follow=False, token="t" * 32, way="card")
    page = await me.get(FINALISE)
    assert (page.status, "Il reste à présenter votre carte" in page.text) == (403, True)
    assert await state(place) is State.INVITED
    before = me.cookies["__Host-vtgw"]
    page = await me.accept()
    assert "Vous pouvez agir" in page.text
    assert me.cookies["__Host-vtgw"] != before  # the same session, stepped up under a new ticket (S1)
    account = await place.of(MOREAU)
    assert account is not None
    assert len(await place.house.keeper.sessions_of(account.id, place.now)) == 1


async def test_r49_another_persons_open_session_leads_to_the_choice(place: Staffed, me: Browser) -> None:
    """Nothing is accepted in that person's name; who chooses to change goes on to the end."""
    await place.invite()
    await place.account(DURAND, "ines.durand@example.test")
    await place.account(MOREAU, "lea.moreau@example.test")
    place.card.holder = DURAND
    await me.get(f"{PREFIX}/sign-in/card?space=professionnel&return=/")
    place.card.holder = MOREAU
    place.world.ambient.advance(5)
    page = await me.accept()
    assert (page.status, "Inès DURAND" in page.text, "Léa MOREAU" in page.text) == (403, True, True)
    assert await state(place) is State.INVITED
    stays = await me.get(FINALISE)
    assert (stays.status, await state(place)) == (403, State.INVITED)
    page = await me.accept()
    page = await me.post("/sign-in/switch", attempt=page.field("attempt"), choice="change")
    assert "Vous pouvez agir" in page.text
    account = await place.of(MOREAU)
    assert account is not None and (await place.delegation()).delegate == account.id


async def test_r112_a_marker_belongs_to_its_browser(place: Staffed, me: Browser) -> None:
    """Another browser, signed in as the very person, finishes nothing; nor does a browser that never opened the link."""
    await place.invite()
    await place.account(MOREAU, "lea.moreau@example.test")
    await me.open()
    await me.post("/delegations/invitation", follow=False, token="t" * 32, way="card")
    other = Browser(place)
    page = await other.get(f"{PREFIX}/sign-in/card?space=professionnel&return={FINALISE}")
    assert (page.url, page.status) == (FINALISE, 403)
    assert "Aucune invitation n'est en cours" in page.text
    assert await state(place) is State.INVITED


async def test_r111_expired_between_the_look_and_the_end(place: Staffed, me: Browser) -> None:
    """The instant of the end counts, not that of the look."""
    await place.invite(invite_until=place.now + timedelta(minutes=10))
    await place.account(MOREAU, "lea.moreau@example.test")
    await me.open()
    await me.post("/delegations/invitation", follow=False, token="t" * 32, way="card")
    place.world.ambient.advance(601)
    page = await me.get(f"{PREFIX}/sign-in/card?space=professionnel&return={FINALISE}")
    assert (page.url, page.status) == (FINALISE, 403)
    assert "Cette invitation n'est plus valable" in page.text
    assert (await place.delegation()).delegate is None
    assert await state(place) is State.INVITATION_EXPIRED


async def test_r111_called_off_while_the_form_is_filled(place: Staffed, me: Browser) -> None:
    """The account is made all the same, without anything of the doctor's, and the address is not proved by a dead link."""
    made = await place.invite()
    await me.accept()
    await place.delegations.change(made, place.now, "ended", "x", {}, revoked_at=place.now, revoked_by="delegator")
    await me.fill(email="lea.moreau@example.test")
    page = await me.agree()
    assert (page.url, page.status) == (FINALISE, 403)
    assert "Cette invitation n'est plus valable" in page.text
    who = await place.of(MOREAU)
    assert who is not None and who.mail_proved_at is None
    assert (await place.delegation()).delegate is None


async def test_r111_a_reused_link_leads_nowhere(place: Staffed, me: Browser) -> None:
    """Two browsers hold the link; the second finds it used, though its marker is good and its card the right one."""
    await place.invite()
    await place.account(MOREAU, "lea.moreau@example.test")
    other = Browser(place)
    await other.open()
    await other.post("/delegations/invitation", follow=False, token="t" * 32, way="card")
    assert "Vous pouvez agir" in (await me.accept()).text
    version = (await place.delegation()).version
    page = await other.get(f"{PREFIX}/sign-in/card?space=professionnel&return={FINALISE}")
    assert (page.status, "plus valable" in page.text) == (403, True)
    assert (await place.delegation()).version == version


async def test_r111_of_two_ends_at_once_one_wins(place: Staffed, me: Browser) -> None:
    await place.invite()
    await place.account(MOREAU, "lea.moreau@example.test")
    other = Browser(place)
    for browser in (me, other):
        await browser.open()
        await browser.post("/delegations/invitation", follow=False, token="t" * 32, way="card")
        await browser.get(f"{PREFIX}/sign-in/card?space=professionnel&return=/", follow=True)
    pages = await asyncio.gather(me.get(FINALISE), other.get(FINALISE))
    assert sorted(page.status for page in pages) == [200, 403]
    assert await state(place) is State.ACTIVE


async def test_r22_the_marker_ends_after_half_an_hour(place: Staffed, me: Browser) -> None:
    """A card shown later in this browser accepts nothing; the link itself stays good."""
    await place.invite()
    await place.account(MOREAU, "lea.moreau@example.test")
    await me.open()
    await me.post("/delegations/invitation", follow=False, token="t" * 32, way="card")
    place.world.ambient.advance(1800)
    page = await me.get(f"{PREFIX}/sign-in/card?space=professionnel&return={FINALISE}")
    assert (page.status, "Aucune invitation n'est en cours" in page.text) == (403, True)
    assert "Vous pouvez agir" in (await me.accept()).text


async def test_without_a_session_the_end_leads_to_the_sign_in_page(place: Staffed, me: Browser) -> None:
    """With the marker, back to the end; without, to one's own list."""
    await place.invite()
    page = await me.get(FINALISE, follow=False)
    assert page.location == f"{PREFIX}/sign-in?space=professionnel&return={PREFIX}/delegations"
    await me.open()
    await me.post("/delegations/invitation", follow=False, token="t" * 32, way="card")
    page = await me.get(FINALISE, follow=False)
    assert page.location == f"{PREFIX}/sign-in?space=professionnel&return={FINALISE}"


async def test_signing_out_forgets_the_invitation(place: Staffed, me: Browser) -> None:
    """Who comes next to this browser does not walk on somebody else's way."""
    await place.invite()
    await place.account(MOREAU, "lea.moreau@example.test")
    await me.get(f"{PREFIX}/sign-in/card?space=professionnel&return=/")
    await me.open()
    await me.post("/delegations/invitation", follow=False, token="t" * 32, way="card")
    await me.open()
    await me.post("/sign-out", follow=False)
    assert await remembered(me) is None


async def test_r124_the_doctors_own_card_is_refused_and_uses_nothing(place: Staffed) -> None:
    await place.invite()
    place.card.holder = BERNARD
    place.card.method = Method.CPS
    me = Browser(place)
    page = await me.accept()
    assert (page.url, page.status, "Cette invitation vient de vous" in page.text) == (FINALISE, 403, True)
    assert await state(place) is State.INVITED
    assert (await me.open()).status == 200
    assert await remembered(me) is None


async def test_r112_a_card_of_a_type_that_does_not_finish(tmp_path: Path) -> None:
    """Said, with the way back; the link stays good for the right card."""
    async with staffed(tmp_path, rules=DelegationRules(finalise_with=frozenset({"cpa"}))) as place:
        await place.invite()
        await place.account(MOREAU, "lea.moreau@example.test")
        place.card.holder = MOREAU
        me = Browser(place)
        page = await me.accept()
        assert (page.status, "Ce moyen ne permet pas" in page.text) == (403, True)
        assert "votre carte CPA" in page.text
        assert f'href="{PREFIX}/delegations/invitation?token={"t" * 32}"' in page.text
        assert await state(place) is State.INVITED
        place.card.method = Method.CPA
        place.world.ambient.advance(1)
        assert "Vous pouvez agir" in (await me.accept()).text


async def test_r112_a_code_is_no_card(place: Staffed, me: Browser) -> None:
    """Who signed in by password and code after opening the link is sent for the card; nothing is accepted."""
    await place.invite()
    account = await place.account(MOREAU, "lea.moreau@example.test")
    await me.open()
    await me.post("/delegations/invitation", follow=False, token="t" * 32, way="card")
    proof = Proof(account.identity, Method.OTP_MAIL, Assurance.TRANSITION, place.now)
    ticket, _ = await place.house.keeper.open(account.id, Space.PROFESSIONNEL, (proof,), LIVES, place.now)
    me.cookies["__Host-vtgw"] = ticket
    page = await me.get(FINALISE)
    assert (page.status, "Ce moyen ne permet pas" in page.text) == (403, True)
    assert await state(place) is State.INVITED


async def test_r112_an_older_right_card_does_not_lend_itself_to_a_wrong_one(tmp_path: Path) -> None:
    """Signed in by a CPE a minute ago, the link answered with the e-CPS: only what was proved since counts."""
    async with staffed(tmp_path, rules=DelegationRules(finalise_with=frozenset({"cpe"}))) as place:
        await place.invite()
        await place.account(MOREAU, "lea.moreau@example.test")
        place.card.holder = place.psc.holder = MOREAU
        me = Browser(place)
        await me.get(f"{PREFIX}/sign-in/card?space=professionnel&return=/")
        place.world.ambient.advance(60)
        await me.open()
        await me.post("/delegations/invitation", follow=False, token="t" * 32, way="card")
        page = await me.get(f"{PREFIX}/sign-in/psc?space=professionnel&return={FINALISE}")
        assert (page.status, "Ce moyen ne permet pas" in page.text) == (403, True)
        assert await state(place) is State.INVITED


async def test_r124_a_second_delegation_of_the_same_doctor_is_said(place: Staffed, me: Browser) -> None:
    await place.invite()
    await me.join()
    await place.invite(OTHER)
    place.world.ambient.advance(5)
    page = await me.accept(OTHER)
    assert (page.status, "Vous avez déjà une délégation de ce médecin" in page.text) == (409, True)
    assert (await place.delegation(OTHER)).delegate is None


async def test_r7_records_that_do_not_answer_end_nothing(
    place: Staffed, me: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503, and the same page a moment later finishes the way."""
    await place.invite()
    await place.account(MOREAU, "lea.moreau@example.test")
    whole = place.receiving.finalise

    async def down(*_: Any) -> Any:
        raise RecordsUnavailable("down")

    monkeypatch.setattr(place.receiving, "finalise", down)
    assert (await me.accept()).status == 503
    monkeypatch.setattr(place.receiving, "finalise", whole)
    assert "Vous pouvez agir" in (await me.get(FINALISE)).text


async def test_r101_a_suspended_persons_card_ends_at_the_refusal(place: Staffed, me: Browser) -> None:
    await place.invite()
    account = await place.account(MOREAU, "lea.moreau@example.test")
    await place.world.records.write(Update("accounts", {"suspended_at": place.now}, {"id": account.id}))
    page = await me.accept()
    assert (page.status, "suspendu" in page.text) == (403, True)
    assert "account-suspended" in await reasons(place)
    assert await state(place) is State.INVITED


async def test_r33_a_card_is_not_asked_to_be_a_physicians(place: Staffed) -> None:
    """A nurse invited by name finishes with her own CPS."""
    await place.invite(family_name="Durand", given_name="Ines")
    place.card.holder = replace(DURAND)
    place.card.method = Method.CPS
    me = Browser(place)
    page = await me.join(email="ines.durand@example.test")
    assert "Vous pouvez agir" in page.text
    assert (await place.delegation()).delegate_key == "899700100037"
