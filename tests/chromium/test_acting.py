"""J11 and J13 at the screen: a secretary accepts a doctor's invitation with her card, acts for the doctor in all her tabs,
and hears when it is over. With the mouse, with the keyboard alone, and without script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Page, expect

from tests.browser import PATIENCE, Person, Way
from tests.chromium.conftest import Meet, forget_account
from tests.chromium.handed import forget_given
from tests.stories.test_delegations import PASSWORD, doctor, invite
from tests.visitor import Demo

_DEEP = "/Trajectoire/Pages/AccesRestreint/x?id=1&b=2"
_APPLICATION = "ViaTrajectoire (application de démonstration)"
_GIVER, _STAFF, _MAIL = "dr-bernard", "secretary-moreau", "lea.moreau@example.test"
_DOCTOR = "LUC BERNARD"  # as on the card
_FOR = "agit pour le médecin 899700100011"


@asynccontextmanager
async def at(me: Person, tab: Page) -> AsyncIterator[None]:
    """Work in this tab for a while."""
    before, me.page = me.page, tab
    try:
        await tab.bring_to_front()
        yield
    finally:
        me.page = before
        await before.bring_to_front()


async def _choose_profession(me: Person, beginning: str, whole: str) -> None:
    """In the list of professions; with the keyboard as people do, by the first letters."""
    field = me.page.get_by_label("Profession *")
    if me.way is Way.KEYBOARD:
        for _ in range(60):
            if await field.evaluate("one => one === document.activeElement"):
                break
            await me.page.keyboard.press("Tab")
        await me.page.keyboard.type(beginning)
    else:
        await field.select_option(label=whole)
    await expect(field).to_have_value(whole)


async def _accept(me: Person) -> None:
    """From the mailed link to « Vous pouvez agir pour »: the card, the form of a first connection, the charter."""
    await me.open(await me.link_from_mailbox(_STAFF))
    await me.stands_under(f"Le Dr {_DOCTOR} vous invite à agir en son nom")
    await me.sees(
        "Léa Moreau", "Grand âge : Consulter", "Période", "Il vous faut votre carte", "L'invitation vous attend"
    )
    await me.press("Accepter avec ma carte")
    await me.stands_under("Vos informations personnelles")
    await me.sees(f"Vous acceptez l'invitation du Dr {_DOCTOR}")
    assert await me.value_of("Nom") == "MOREAU"
    assert await me.value_of("Votre identifiant, à noter") == "3690780028/000000042"
    assert await me.value_of("Email") == _MAIL
    await me.fill("Mot de passe", PASSWORD)
    await me.fill("Répéter le mot de passe", PASSWORD)
    await me.press("Créer mon compte")
    await me.sees("Le formulaire est à corriger", "Profession : Ce champ est obligatoire.")
    assert await me.value_of("Email") == _MAIL
    await _choose_profession(me, "Secr", "Secrétaire médicale")
    await me.fill("Mot de passe", PASSWORD)
    await me.fill("Répéter le mot de passe", PASSWORD)
    await me.press("Créer mon compte")
    await me.stands_under("Charte d'utilisation")
    await me.tick("J'ai lu et accepte les conditions ci-dessus")
    await me.press("Valider")
    await me.stands_under(f"Vous pouvez agir pour Dr {_DOCTOR}")
    await me.sees("Le médecin en est informé.", "3690780028/000000042")


async def _in_the_application(me: Person, *, acts: bool) -> None:
    """The application knows who she is, and for whom she acts if she does."""
    await me.stands_under(_APPLICATION)
    await me.sees("Bonjour LÉA MOREAU")
    await expect(me.page.get_by_text(_FOR)).to_have_count(1 if acts else 0, timeout=PATIENCE)


def _end(demo: Demo) -> None:
    """The doctor ends it, elsewhere."""
    giver = doctor(demo, _GIVER)
    giver.click("Léa Moreau")
    giver.click("Mettre fin à cette délégation")
    assert "La délégation est terminée." in giver.submit("/end").text


@pytest.fixture
def invited(demo: Demo) -> Iterator[Demo]:
    """Dr Bernard has invited a secretary whom nobody has heard of; afterwards nothing of it is left."""
    forget_account(demo, _STAFF)
    forget_given(demo, _GIVER)
    invite(doctor(demo, _GIVER), _STAFF)
    yield demo
    forget_given(demo, _GIVER)


@pytest.mark.parametrize("way", list(Way), ids=lambda way: way.value)
async def test_j11_r113_r127_r129_from_the_mailed_link_to_the_end(invited: Demo, meet: Meet, way: Way) -> None:
    """Accepted, acted in two tabs, left in one, taken up in the other, ended by the doctor: each tab says the same."""
    me = await meet(way)
    me.reader.insert_card_of(_STAFF)
    await _accept(me)
    await me.press(f"Agir pour Dr {_DOCTOR}")
    await _in_the_application(me, acts=True)

    second = await me.context.new_page()
    async with at(me, second):
        await me.open(_DEEP)
        await _in_the_application(me, acts=True)
        await me.open("/_gateway/account")
        await me.sees(f"Vous agissez pour Dr {_DOCTOR}")
    await me.open("/_gateway/account")
    await me.press("Ne plus agir pour ce médecin")
    await _in_the_application(me, acts=False)
    async with at(me, second):
        await me.open(_DEEP)
        await _in_the_application(me, acts=False)
        await me.open("/_gateway/delegations")
        await me.sees_nothing_of("Vous agissez pour")
        await me.press(f"Agir pour Dr {_DOCTOR}")
        await _in_the_application(me, acts=True)
    await me.open("/_gateway/account")
    await me.sees(f"Vous agissez pour Dr {_DOCTOR}")

    _end(invited)
    await me.press("ViaTrajectoire")
    await me.stands_under("Vous n'agissez plus au nom d'un médecin")
    await me.sees(f"Vous agissiez pour le Dr {_DOCTOR}", "Votre propre session reste ouverte")
    await me.press("Continuer en mon nom")
    await _in_the_application(me, acts=False)
    async with at(me, second):
        await me.open(_DEEP)
        await _in_the_application(me, acts=False)
    await me.open("/_gateway/delegations")
    await me.sees("Aucun médecin ne vous a donné de droits pour le moment.")
