"""A region's morning, by keyboard alone and without script: search, tick, preview, confirm, undo (R83, R87, R151)."""

from __future__ import annotations

from tests.browser import Way
from tests.chromium.conftest import Meet
from tests.visitor import Demo

_ADMIN = "/_gateway/admin"


async def test_r83_switching_by_keyboard(demo: Demo, meet: Meet) -> None:
    """A hospital is found, chosen, switched at a date and given back, with the keyboard alone."""
    me = await meet(Way.KEYBOARD)
    await me.sign_in_by_psc("admin-aura", back=f"{_ADMIN}/scopes?kind=etablissement&q=givors")
    await me.tick("Choisir CH de l'Exemple", True)
    await me.press("Basculer la sélection…")
    await me.fill("Motif", "Calendrier régional")
    await me.tick("Tout de suite")
    await me.page.keyboard.press("ArrowDown")
    assert await me.page.get_by_label("À une date").is_checked()
    await me.press("Voir l'effet")
    await me.stands_under("Vérifier avant de basculer")
    await me.press("Confirmer la bascule")
    await me.page.get_by_text("La bascule est enregistrée.").wait_for()
    await me.fill("Motif", "Trop tôt")
    await me.press("Annuler cette bascule")
    await me.page.get_by_text("La bascule est annulée.").wait_for()


async def test_g59_an_administrator_comes_by_card_or_ecps(demo: Demo, meet: Meet) -> None:
    """The link in the head of every page leads there; a référent sees no way to switch."""
    me = await meet()
    await me.sign_in_by_psc("referent-glycines")
    await me.press("Administration")
    await me.page.get_by_role("heading", name="Tableau de bord").wait_for()
    await me.press("Établissements et services")
    await me.press("EHPAD Les Glycines")
    await me.page.get_by_role("heading", name="EHPAD Les Glycines").wait_for()
    assert await me.page.get_by_text("Basculer…").count() == 0
