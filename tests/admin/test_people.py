"""People from the pages: list, invitation, correction, suspension, places, roles (R100, R101)."""

from __future__ import annotations

import pytest

from gateway.ports import Update
from tests.admin.hall import Hall
from tests.administration.world import NATIONAL


async def test_r88_the_list_and_its_counts_agree(hall: Hall) -> None:
    """Each category of the list holds as many people as its count says, and each person leads to their page."""
    listed = await hall.get("accounts", "aude")
    assert "Jamais connecté par un moyen fort (6)" in listed.words
    some = await hall.get("accounts?category=never_strong", "aude")
    assert len([one for one in some.read.links if "/accounts/" in one and not one.endswith("/new")]) == 6
    found = await hall.get("accounts?q=bruno", "aude")
    assert "BRUNO" in found.words and "ANNA" not in found.words
    assert "Aucun compte ne répond" in (await hall.get("accounts?q=personne", "eva")).words
    table = await hall.get("scopes/ehpad/readiness.csv", "eva")
    assert table.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert table.text.startswith("\ufeff") and "anna@example.test" in table.text and "bruno" not in table.text


async def test_r100_invite(hall: Hall) -> None:
    """A référent invites: every fault beside its field, what was typed kept, then a person and a link."""
    form = await hall.get("accounts/new", "eva")
    bad = await hall.send(
        form, "/new", "eva", place="glycines", family_name="Service", given_name="", mail="pas une adresse"
    )
    assert bad.status == 422
    fields = bad.read.form("/new").fields
    assert ("family_name", "Service") in fields and ("mail", "pas une adresse") in fields
    assert bad.read.all("input")[0] and 'aria-invalid="true"' in bad.text
    made = await hall.send(bad, "/new", "eva", family_name="Durand", given_name="Inès", mail="ines.durand@example.test")
    assert made.status == 303, made.words
    page = await hall.get(made.location, "eva")
    assert "DURAND" in page.words.upper() and "Renvoyer l'invitation" in page.words
    assert (await hall.send(page, "/again", "eva")).status == 303
    nowhere = await hall.send(form, "/new", "eva", place="CHU", family_name="A", given_name="B", mail="a@b.test")
    assert nowhere.status == 422 and "Aucun établissement ni service ne répond" in nowhere.words


async def test_r100_correct_suspend_resume(hall: Hall) -> None:
    """Each act asks for a reason; a refused one is shown again, open, with what was typed."""
    page = await hall.get("accounts/anna", "eva")
    assert 'type="password"' not in page.text and "Mot de passe aucun" in page.words
    without = await hall.send(page, "/mail", "eva", mail="anna.neuve@example.test", reason="")
    assert without.status == 422 and ("mail", "anna.neuve@example.test") in without.read.form("/mail").fields
    assert (await hall.send(without, "/mail", "eva", reason="Adresse professionnelle")).status == 303
    suspended = await hall.send(await hall.get("accounts/anna", "eva"), "/suspend", "eva", reason="Départ non signalé")
    assert suspended.status == 303
    page = await hall.get(suspended.location, "eva")
    assert "Le compte est suspendu" in page.words
    assert not [form for form in page.read.forms if form.action.endswith("/suspend")]
    assert (await hall.send(page, "/resume", "eva", reason="Retour")).status == 303
    assert "actif" in (await hall.get("accounts/anna", "eva")).words


async def test_r100_a_conflict_keeps_what_was_typed(hall: Hall) -> None:
    """Somebody else changed the account: nothing is done, the reason stays in its form beside present values."""
    page = await hall.get("accounts/anna", "eva")
    await hall.office.offices.people.suspend(NATIONAL, "anna", None, "essai", hall.office.world.now)
    await hall.office.offices.people.resume(NATIONAL, "anna", None, "essai", hall.office.world.now)
    late = await hall.send(page, "/mail", "eva", mail="autre@example.test", reason="Nouvelle adresse")
    assert late.status == 409
    assert ("mail", "autre@example.test") in late.read.form("/mail").fields
    assert "anna@example.test" in late.words and "Rien n'a été enregistré" in late.words
    assert (await hall.send(late, "/mail", "eva")).status == 303


async def test_r97_wake(hall: Hall) -> None:
    """A sleeping account is woken from its page."""
    world = hall.office.world
    old = {"last_sign_in_at": None, "created_at": world.now.replace(year=2024)}
    await world.records.write(Update("accounts", old, {"id": "anna"}))
    page = await hall.get("accounts/anna", "eva")
    assert "en sommeil" in page.words
    assert (await hall.send(page, "/reactivate", "eva", reason="De retour de congé")).status == 303
    assert "en sommeil" not in (await hall.get("accounts/anna", "eva")).words.replace("comptes en sommeil", "")


async def test_r100_sessions_end(hall: Hall) -> None:
    """The count of open sessions, and the button that ends them."""
    await hall.office.signed_in("anna")
    page = await hall.get("accounts/anna", "eva")
    assert "Sessions ouvertes 1" in page.words
    done = await hall.send(page, "/sessions", "eva")
    assert done.status == 303 and "Sessions ouvertes 0" in (await hall.get(done.location, "eva")).words


async def test_r101_attach_detach_and_roles(hall: Hall) -> None:
    """Several places of one name are offered as choices; a référent is appointed and dismissed; a detached person is seen
    no more by who does not look after them."""
    page = await hall.get("accounts/anna", "aude")
    many = await hall.send(page, "/attach", "aude", place="exemple", reason="Remplacements")
    assert many.status == 422 and "Choisissez dans la liste" in many.words
    chosen = await hall.send(many, "/attach", "aude", scope="ch")
    assert chosen.status == 303
    page = await hall.get("accounts/anna", "aude")
    assert "CH de l'Exemple" in page.words and "CH de l'Exemple" not in (await hall.get("accounts/anna", "eva")).words
    granted = await hall.send(page, "/grant", "aude", role="referent", place="690780036", reason="Nouvelle référente")
    assert granted.status == 303, granted.words
    page = await hall.get("accounts/anna", "aude")
    assert "référent structure, CH de l'Exemple" in page.words
    assert [one["value"] for one in page.read.all("option") if one["value"] in ("national", "region")] == []
    assert (await hall.send(page, "/revoke", "aude", reason="Fin de mission")).status == 303
    detached = await hall.post("accounts/anna/detach", "eva", scope="ehpad", reason="Départ", version="9")
    assert (detached.status, detached.location) == (303, "/_gateway/admin/accounts")
    assert (await hall.get("accounts/anna", "eva")).status == 404


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", '"><img src=x onerror=y>', "{{ 7*7 }}"])
async def test_hostile_names_are_text(hall: Hall, name: str) -> None:
    """Names of people and places come back as text wherever they are shown."""
    world = hall.office.world
    await world.records.write(
        Update("accounts", {"family_name": name, "mail": f"{name}@x.test"}, {"id": "anna"}),
        Update("scopes", {"name": name, "city": name}, {"id": "ehpad"}),
    )
    await world.revisions.write(lambda revision: [Update("scopes", {"revision": revision}, {"id": "ehpad"})])
    await world.desk.refresh()
    for path in ("scopes", "scopes/ehpad", "accounts", "accounts/anna", "switch?scope=ehpad", "accounts/new?scope=ehpad",
                 "scopes/ehpad/policy", "scopes/ehpad/edit", "scopes/ehpad/breakglass"):  # fmt: skip
        page = await hall.get(path, "aude")
        assert page.status == 200 and name in page.words, path
        assert "<script>alert" not in page.text and "<img src=x" not in page.text and "49" not in page.read.all("h1"), (
            path
        )
