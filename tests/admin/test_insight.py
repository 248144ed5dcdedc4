"""Journal, conformity, explanations (R93, G3, G27)."""

from __future__ import annotations

from tests.admin.hall import Hall
from tests.administration.world import NATIONAL


async def test_r93_the_journal_says_who_what_and_why(hall: Hall) -> None:
    """Old → new in words, the author by name, the reason; filters by act and date; an export that is itself an act."""
    office = hall.office
    await office.offices.scopes.edit(NATIONAL, "ehpad", None, {"code_validity": 900}, "Codes longs", office.world.now)
    page = await hall.get("audit?act=policy:change", "aude")
    assert "Politique modifiée Nora Nation EHPAD Les Glycines" in page.words
    assert "Durée de validité du code : hérité → 15 minutes" in page.words and "Motif : Codes longs" in page.words
    assert "1 acte" in page.words
    later = await hall.get("audit?act=policy:change&since=2030-01-01T00:00", "aude")
    assert "Aucun acte enregistré" in later.words
    bad = await hall.get("audit?until=31/02/2026", "aude")
    assert bad.status == 422 and "n'existe pas" in bad.words and 'value="31/02/2026"' in bad.text
    table = await hall.send(page, "/audit/export", "aude")
    assert table.status == 200 and table.text.startswith("\ufeff") and "Codes longs" in table.text
    assert len(await office.world.audited("audit:export")) == 1
    assert (
        "Politique modifiée"
        not in (await hall.get("audit?act=policy:change", "remi"))
        .words.replace("Politique modifiée Politique", "")
        .split("acte")[1]
    )


async def test_r93_pages_of_the_journal(hall: Hall) -> None:
    """Fifty acts a page, and the way on."""
    office = hall.office
    for number in range(26):
        for value in (900 + number, None):
            changes = {"code_validity": value}
            await office.offices.scopes.edit(NATIONAL, "ehpad", None, changes, "essai", office.world.now)
    first = await hall.get("audit?scope=ehpad", "eva")
    assert "50 actes" in first.words
    following = next(one for one in first.read.links if "before=" in one)
    second = await hall.get(following, "eva")
    assert second.status == 200 and "Les plus récents" in second.words and "scope=ehpad" in following


async def test_g3_g27_conformity(hall: Hall) -> None:
    """Means with status and alarm, the five points, what runs on borrowed time, for one's own reach."""
    page = await hall.get("compliance", "aude")
    assert "Mot de passe et code par e-mail" in page.words and "échéance dépassée" in page.words
    assert "Points qui ne peuvent pas faire l'objet d'une réserve" in page.words and "tenu" in page.words
    assert "Aucune n'est en cours." in page.words and "pour Auvergne-Rhône-Alpes" in page.words


async def test_explain(hall: Hall) -> None:
    """Rule by rule; somebody out of reach is as unknown as somebody who does not exist; nothing stands in the address."""
    form = await hall.get("explain", "eva")
    found = await hall.send(form, "/explain", "eva", who="anna", url="/Trajectoire/x?y=1")
    assert found.status == 200
    assert "Conclusion" in found.words and "Règle par règle" in found.words and "ANNA" in found.words
    hidden = await hall.send(form, "/explain", "eva", who="chloe", url="/")
    nobody = await hall.send(form, "/explain", "eva", who="zz-zz", url="/")
    assert hidden.status == nobody.status == 422
    assert hidden.still.replace("chloe", "") == nobody.still.replace("zz-zz", "")
    bad = await hall.send(form, "/explain", "eva", who="anna", url="/_gateway/account")
    assert bad.status == 422 and ("who", "anna") in bad.read.form("/explain").fields
    assert (await hall.send(form, "/explain", "eva", who="", url="")).status == 422
