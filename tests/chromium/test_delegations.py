"""J10 and J12 at the screen: a doctor invites, changes and ends, with the mouse, the keyboard alone, and without script."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from playwright.async_api import expect

from gateway.policy.delegation import PARIS
from tests.browser import Person, Way
from tests.chromium.conftest import Meet
from tests.visitor import Demo

_PAGE = "/_gateway/delegations"


async def _choose_day(me: Person, label: str, day: date) -> None:
    """Type a day into a field of dates: with the keyboard part by part, in the order this browser shows them."""
    field = me.page.get_by_label(label)
    if me.way is Way.KEYBOARD:
        for _ in range(120):
            if await field.evaluate("one => one === document.activeElement"):
                break
            await me.page.keyboard.press("Tab")
        await me.page.keyboard.type(f"{day:%m%d%Y}")
    else:
        await field.fill(day.isoformat())
    await expect(field).to_have_value(day.isoformat())


@pytest.mark.parametrize("way", list(Way), ids=lambda way: way.value)
async def test_j10_j12_r151_r152_a_delegation_from_the_invitation_to_its_end(demo: Demo, meet: Meet, way: Way) -> None:
    """Each step by what is read on the page; the mail goes out; ending asks first."""
    me = await meet(way)
    today = datetime.fromisoformat(demo.console("GET", "/clock")["now"]).astimezone(PARIS).date()
    await me.sign_in_by_psc("dr-rousseau", "liberal", "/_gateway/account")
    await me.press("Mes délégations")
    await me.stands_under("Mes délégations")
    await me.press("Ajouter une délégation de droits")
    await me.fill("Nom", "Lenoir")
    await me.fill("Prénom", "Jeanne")
    await me.fill("Email", "jeanne.lenoir@example.test")
    await me.press("Ajouter")
    await me.sees("Choisissez au moins un droit dans la liste.")
    assert await me.value_of("Prénom") == "Jeanne"
    await me.tick("Grand âge : Consulter")
    await me.tick("Sanitaire : Envoyer")
    await _choose_day(me, "Dernier jour", today + timedelta(days=20))
    await me.press("Ajouter")
    await me.sees("Invitation envoyée", "Grand âge : Consulter", "Sanitaire : Envoyer")
    assert "ROUSSEAU" in (await me.message("jeanne.lenoir@example.test"))["text"].upper()
    await me.press("Jeanne Lenoir")
    await me.turn_to("Modifier les droits ou la période")
    await me.tick("Sanitaire : Envoyer", False)
    await me.press("Enregistrer")
    await me.sees("La délégation est modifiée.")
    await me.press("Mettre fin à cette délégation")
    await me.stands_under("Mettre fin à cette délégation ?")
    await me.press("Annuler")
    await me.sees("Invitation envoyée")
    await me.press("Mettre fin à cette délégation")
    await me.press("Mettre fin à la délégation")
    await me.sees("La délégation est terminée.", "Personne de votre cabinet n'est habilité pour le moment.")
