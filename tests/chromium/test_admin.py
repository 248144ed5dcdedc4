"""A region's morning, by keyboard alone and without script: search, tick, preview, confirm, undo (R83, R87, R151)."""

from __future__ import annotations

import re
from pathlib import Path

from tests.bearer import Bearer
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


async def test_r83_r88_twenty_establishments_at_one_date(demo: Demo, meet: Meet) -> None:
    """A regional team's afternoon: all establishments of the region at one date, who would be stuck, the list for a
    spreadsheet, and everything undone; nothing is written before it is confirmed."""
    region = Bearer(demo, "region")
    made = {
        "parent": "rhone",
        "kind": "etablissement",
        "name": "EHPAD du Vingtième",
        "id": "ehpad-20",
        "reason": "essai",
    }
    assert region.call("POST", "scopes", made).status == 201
    before = {one["id"]: one["version"] for one in region.get("scopes?kind=etablissement&limit=200").json()["scopes"]}
    assert len(before) == 20
    me = await meet()
    await me.sign_in_by_psc("admin-aura", back=f"{_ADMIN}/scopes?kind=etablissement")
    await me.press("Tout cocher sur cette page")
    await me.press("Basculer la sélection…")
    await me.sees("20 échelons choisis")
    await me.page.get_by_label("À une date").check()
    await me.fill("Date et heure", "2027-01-04T08:00")
    await me.fill("Motif", "Calendrier régional de janvier")
    await me.press("Voir l'effet")
    await me.stands_under("Vérifier avant de basculer")
    words = await me.page.inner_text("main")
    assert re.search(r"\d+\s+personnes\s+concernées, \d+\s+resteront\s+bloquées", words), words
    await me.page.get_by_role("link", name="Sans adresse de messagerie").first.click()
    await me.stands_under("Comptes")
    async with me.page.expect_download() as waiting:
        await me.page.get_by_role("link", name=re.compile("CSV")).click()
    sheet = Path(await (await waiting.value).path()).read_text("utf-8")
    assert sheet.startswith("\ufeff") and len(sheet.splitlines()) > 1
    await me.page.go_back(wait_until="commit")
    await me.stands_under("Vérifier avant de basculer")
    now = {one["id"]: one["version"] for one in region.get("scopes?kind=etablissement&limit=200").json()["scopes"]}
    assert now == before  # nothing yet
    await me.press("Confirmer la bascule")
    await me.sees("La bascule est enregistrée.")
    planned = [region.get(f"scopes/{one}").json() for one in before]
    at = "2027-01-04T07:00:00Z"
    dated = [one["id"] for one in planned if any(switch["from"] == at for switch in one["switches"])]
    assert len(dated) >= 8  # the others are strong already: nothing changes for them
    for one in planned:
        coming = [switch["from"] for switch in one["switches"] if switch["state"] == "strong"]
        assert one["id"] in dated or one["state"] == "strong" or min(coming) < at
    await me.fill("Motif", "Reporté d'un mois")
    await me.press("Annuler cette bascule")
    await me.sees("La bascule est annulée.")
    after = [region.get(f"scopes/{one}").json() for one in before]
    assert [one["id"] for one in after if any(switch["from"] == at for switch in one["switches"])] == []
