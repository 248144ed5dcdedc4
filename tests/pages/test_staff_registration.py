"""The first connection of practice staff: three steps that nobody skips, and an address proved by the link alone (R113)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.accounts.delegation import State
from gateway.identity import Identity, Method
from gateway.pages.staff_registration import PROFESSIONS
from tests.pages.hollow import PREFIX
from tests.pages.staff import BERNARD, DURAND, HENRY, MAIL, MOREAU, PASSWORD, PETIT, Browser, Staffed, staffed

FINALISE = f"{PREFIX}/delegations/finalise"


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Staffed]:
    async with staffed(tmp_path) as made:
        made.card.holder = MOREAU
        yield made


@pytest.fixture
def me(place: Staffed) -> Browser:
    return Browser(place)


async def test_r113_the_form_says_who_invites_and_begins_with_the_address(place: Staffed, me: Browser) -> None:
    """The doctor's name, the identifier to note, the invited address, the usual professions; no profession of a card."""
    await place.invite()
    page = await me.accept()
    assert page.url == f"{PREFIX}/register"
    assert "Dr\u00a0Luc BERNARD" in page.text
    assert page.field("email") == MAIL
    assert page.field("login") == "3690780028/000000042"
    for one in (*PROFESSIONS, "autre"):
        assert f'<option value="{one}"' in page.text
    assert "Spécialité" not in page.text


async def test_r113_what_the_account_keeps(place: Staffed, me: Browser) -> None:
    """The profession in the person's words and nowhere else, the address proved by the link, no second link sent."""
    await place.invite()
    await me.join()
    who = await place.of(MOREAU)
    assert who is not None
    assert (who.stated_profession, who.profession) == ("Secrétaire médicale", None)
    assert (who.mail, who.mail_proved_at) == (MAIL, place.now)
    assert str(who.password_hash).startswith("$argon2id$")
    assert not [text for to, text in place.mails if to == MAIL and "/mail/prove" in text.text]
    (made,) = await place.world.audited("account:create")
    assert made["facts"]["mail"] == "proved by invitation"
    assert PASSWORD not in repr(await place.world.audited())


async def test_r113_a_changed_address_is_not_proved(place: Staffed, me: Browser) -> None:
    """It gets a link like every other; the case of letters is no change."""
    await place.invite()
    await me.join(email="autre@example.test")
    who = await place.of(MOREAU)
    assert who is not None
    assert (who.mail, who.mail_proved_at) == ("autre@example.test", None)
    assert [to for to, text in place.mails if "/mail/prove" in text.text] == ["autre@example.test"]
    (made,) = await place.world.audited("account:create")
    assert "mail" not in made["facts"]


async def test_r113_the_same_address_in_other_letters_is_the_same(place: Staffed, me: Browser) -> None:
    await place.invite()
    await me.join(email="Lea.MOREAU@example.test")
    who = await place.of(MOREAU)
    assert who is not None and who.mail_proved_at == place.now


async def test_r113_the_link_has_to_be_good_at_that_moment(place: Staffed, me: Browser) -> None:
    """Good when the form was filled, replaced before the charter: the address is not proved."""
    made = await place.invite()
    await me.accept()
    await me.fill()
    await place.delegations.change(made, place.now, "invited again", "x", {}, invite_digest="0" * 64)
    await me.agree()
    who = await place.of(MOREAU)
    assert who is not None
    assert (who.mail, who.mail_proved_at) == (MAIL, None)


async def test_r112_another_persons_card_neither_sees_nor_proves_the_address(place: Staffed, me: Browser) -> None:
    """Not even by typing it."""
    await place.invite()
    place.card.holder = HENRY
    page = await me.accept()
    assert page.field("email") == ""
    assert "lea.moreau" not in page.text
    await me.fill(email=MAIL)
    await me.agree()
    who = await place.of(HENRY)
    assert who is not None
    assert (who.mail, who.mail_proved_at) == (MAIL, None)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"profession": ""}, "profession"),
        ({"profession": "Médecin"}, "profession"),
        ({"profession": "10"}, "profession"),
        ({"profession": "autre"}, "profession_other"),
        ({"profession": "autre", "profession_other": " \x07 "}, "profession_other"),
        ({"profession": "autre", "profession_other": "-- 12"}, "profession_other"),
        ({"profession": "autre", "profession_other": "x" * 81}, "profession_other"),
        ({"password": ""}, "password"),
        ({"repeat_password": "x"}, "repeat_password"),
        ({"email": ""}, "email"),
    ],
)
async def test_r12_r113_what_is_missing_is_said_at_its_field(
    place: Staffed, me: Browser, fields: dict[str, str], field: str
) -> None:
    """Nothing is created, and what was typed stays."""
    await place.invite()
    await me.accept()
    page = await me.fill(city="Oyonnax", **fields)
    assert page.status == 422
    assert f'id="{field}-fault"' in page.text and f'href="#{field}"' in page.text
    assert 'value="Oyonnax"' in page.text
    assert PASSWORD not in page.text
    assert await place.of(MOREAU) is None
    charter = await me.get(f"{PREFIX}/charter")
    assert 'name="accept"' not in charter.text


async def test_r113_a_profession_in_ones_own_words(place: Staffed, me: Browser) -> None:
    await place.invite()
    await me.join(profession="autre", profession_other="  Chargée\tde  coordination ")
    who = await place.of(MOREAU)
    assert who is not None and who.stated_profession == "Chargée de coordination"


async def test_r113_no_step_is_skipped(place: Staffed, me: Browser) -> None:
    """No charter before the form, no account before the box, no delegation before the account."""
    await place.invite()
    await me.accept()
    refused = await me.agree()
    assert refused.status == 403
    for page in (await me.get(FINALISE), await me.get(f"{PREFIX}/delegations/finalise?token={'t' * 32}")):
        assert page.url.startswith(f"{PREFIX}/sign-in")
    await me.get(f"{PREFIX}/register")
    await me.fill()
    page = await me.post("/charter")
    assert (page.status, "Cochez la case" in page.text) == (422, True)
    assert await place.of(MOREAU) is None
    assert (await place.delegation()).state(place.now) is State.INVITED
    assert "Vous pouvez agir" in (await me.agree()).text


async def test_r21_a_form_of_before_without_profession_comes_again(place: Staffed, me: Browser) -> None:
    """An ordinary first connection left at the charter yesterday does not carry an invitation past the question."""
    other = Browser(place)
    await other.get(f"{PREFIX}/sign-in/card?space=professionnel&return=/")
    assert other.last.url == f"{PREFIX}/register"
    assert "Profession *" not in other.last.text
    await other.fill(email="lea@example.test")
    assert other.last.url == f"{PREFIX}/charter"
    await place.invite()
    page = await me.accept()
    assert (page.url, page.field("email")) == (f"{PREFIX}/register", MAIL)
    await me.get(f"{PREFIX}/charter")
    assert me.last.url == f"{PREFIX}/register"
    page = await me.agree()
    assert (page.url, await place.of(MOREAU)) == (f"{PREFIX}/register", None)
    await me.fill()
    assert "Vous pouvez agir" in (await me.agree()).text
    who = await place.of(MOREAU)
    assert who is not None and who.stated_profession == "Secrétaire médicale"


async def test_r21_left_at_the_charter_and_resumed(place: Staffed, me: Browser) -> None:
    """The link again, the card again, in another browser: the form is kept, and only the charter is left."""
    await place.invite()
    await me.accept()
    await me.fill()
    other = Browser(place)
    page = await other.accept()
    assert page.url == f"{PREFIX}/charter"
    assert "Vous pouvez agir" in (await other.agree()).text
    who = await place.of(MOREAU)
    assert who is not None
    assert (who.stated_profession, who.mail_proved_at) == ("Secrétaire médicale", place.now)


async def test_r22_waiting_does_not_spare_the_profession(place: Staffed, me: Browser) -> None:
    """The marker ends a moment before the card's proof does: the form still asks, and no longer proves the address."""
    await place.invite()
    await me.open()
    await me.post("/delegations/invitation", follow=False, token="t" * 32, way="card")
    place.world.ambient.advance(600)
    await me.get(f"{PREFIX}/sign-in/card?space=professionnel&return={FINALISE}")
    place.world.ambient.advance(1300)
    page = await me.get(f"{PREFIX}/register")
    assert (page.field("email"), "BERNARD" in page.text) == ("", False)
    assert (await me.fill(email=MAIL, profession="")).status == 422
    await me.fill(email=MAIL)
    page = await me.agree()
    assert "Aucune invitation n'est en cours" in page.text
    who = await place.of(MOREAU)
    assert who is not None and who.mail_proved_at is None


@pytest.mark.parametrize(
    ("holder", "names", "asks"),
    [(DURAND, ("Durand", "Inès"), False), (PETIT, ("Petit", "Anne"), False), (MOREAU, ("Moreau", "Léa"), True)],
    ids=["nurse", "physician", "secretary"],
)
async def test_r113_the_profession_is_asked_when_the_card_states_none(
    place: Staffed, me: Browser, holder: Identity, names: tuple[str, str], asks: bool
) -> None:
    """What a card states stands in the form, and a posted one is ignored (R11)."""
    await place.invite(family_name=names[0], given_name=names[1])
    place.card.holder = holder
    place.card.method = Method.CPS if holder.profession else Method.CPE
    page = await me.accept()
    assert ('name="profession"' in page.text) is asks
    assert ("Spécialité" in page.text) is not asks
    staff = holder is not PETIT  # a physician has the ordinary form
    assert (page.field("login") != "", page.field("email") != "") == (staff, staff)
    await me.fill(email="who@example.test", profession=PROFESSIONS[1], profession_other="Roi")
    page = await me.agree()
    assert "Vous pouvez agir" in page.text
    who = await place.of(holder)
    assert who is not None
    assert (who.profession, who.stated_profession) == (holder.profession, PROFESSIONS[1] if asks else None)


async def test_r49_an_ordinary_first_connection_in_this_browser_is_not_staffs(place: Staffed, me: Browser) -> None:
    """Somebody opened the link here, and another person signs in here by the ordinary page: nothing of the invitation
    shows or counts."""
    await place.invite()
    await me.open()
    await me.post("/delegations/invitation", follow=False, token="t" * 32, way="card")
    place.card.holder = HENRY
    page = await me.get(f"{PREFIX}/sign-in/card?space=professionnel&return=/")
    assert page.url == f"{PREFIX}/register"
    assert page.field("email") == ""
    assert "BERNARD" not in page.text and 'name="profession"' not in page.text
    await me.fill(email=MAIL)
    await me.agree()
    who = await place.of(HENRY)
    assert who is not None
    assert (who.mail_proved_at, who.stated_profession) == (None, None)
    assert (await place.delegation()).state(place.now) is State.INVITED


async def test_r18_an_address_taken_at_the_last_moment_leaves_the_form_as_it_was(place: Staffed, me: Browser) -> None:
    """The profession in one's own words is still there."""
    await place.invite()
    await me.accept()
    await me.fill(profession="autre", profession_other="Chargée de mission")
    await place.account(PETIT, MAIL)
    page = await me.agree()
    assert (page.status, "déjà utilisée" in page.text) == (422, True)
    assert page.field("profession_other") == "Chargée de mission"
    assert '<option value="autre" selected>' in page.text
    assert await place.of(MOREAU) is None


async def test_r13_looking_for_a_town_loses_nothing_typed(place: Staffed, me: Browser) -> None:
    await place.invite()
    await me.accept()
    page = await me.fill(find="1", city="Oyonnax", profession="Infirmier")
    assert page.status == 200
    assert '<option value="Infirmier" selected>' in page.text
    assert page.field("postal_code") == "01100"


async def test_r10_the_doctors_account_is_untouched_by_all_this(place: Staffed, me: Browser) -> None:
    """What staff type about themselves stays theirs."""
    before = await place.of(BERNARD)
    await place.invite(ends=place.now + timedelta(days=3))
    await me.join()
    assert await place.of(BERNARD) == before
