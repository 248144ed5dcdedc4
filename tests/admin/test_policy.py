"""The form of a scope's policy: origins, presets, bounds, conflicts, legal statuses (R82, R83, R91, G3, G11)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.admin import policy_form
from gateway.admin.frame import Typed
from tests.admin.hall import Hall
from tests.administration.world import NATIONAL
from tests.pages.hollow import PARIS


async def test_r82_every_value_says_where_it_comes_from(hall: Hall) -> None:
    """Set above: the name of the scope above; set here: « ici »; otherwise the national setting."""
    office = hall.office
    await office.offices.scopes.edit(NATIONAL, "aura", None, {"code_validity": 900}, "essai", office.world.now)
    await office.offices.scopes.edit(NATIONAL, "ehpad", None, {"session_idle": 600}, "essai", office.world.now)
    words = (await hall.get("scopes/ehpad", "eva")).words
    assert "Durée de validité du code 15 minutes Auvergne-Rhône-Alpes" in words
    assert "Durée sans activité 10 minutes ici" in words
    assert "Durée d'une session 4 heures réglage national" in words


async def test_r91_a_preset_a_free_value_and_back_to_inherited(hall: Hall) -> None:
    """8 hours from a radio button, then 20 minutes typed, then nothing of its own; each under its reason."""
    world = hall.office.world
    for typed, seconds in (
        ({"code_validity": "28800"}, 28_800),
        ({"code_validity": "other", "code_validity_minutes": "20"}, 1200),
        ({"code_validity": "inherit"}, None),
    ):
        form = await hall.get("scopes/ehpad/policy", "aude")
        done = await hall.send(form, "/policy", "aude", reason="Demande du directeur", **typed)
        assert done.status == 303, done.words
        value = world.desk.book.scopes["ehpad"].set.code_validity
        assert (value and value.total_seconds()) == seconds
        shown = policy_form.shown({"code_validity": seconds}, PARIS)
        assert (
            dict((await hall.get("scopes/ehpad/policy", "aude")).read.form("/policy").fields)["code_validity"]
            == (shown.fields["code_validity"])
        )
    changes = await world.audited("policy:change")
    assert [one["facts"]["why"] for one in changes] == ["Demande du directeur"] * 3
    assert "10 minutes" in (await hall.get("scopes/ehpad", "aude")).words


async def test_r91_out_of_bounds_keeps_what_was_typed(hall: Hall) -> None:
    """28 801 s is refused beside its field, in minutes; every other field keeps its typed value; so does a reason."""
    form = await hall.get("scopes/ehpad/policy", "aude")
    answer = await hall.send(
        form, "/policy", "aude", code_validity="other", code_validity_minutes="480,02", channels_inherit=None,
        channels=["mail", "sms"], banner_inherit=None, banner="Panne <b>prévue</b>", reason="Essai du 3 mars",
    )  # fmt: skip
    assert answer.status == 422
    assert "Choisissez une durée de 1 minute à 8 heures." in answer.words
    fields = answer.read.form("/policy").fields
    for pair in (
        ("code_validity", "other"), ("code_validity_minutes", "480,02"), ("channels", "mail"), ("channels", "sms"),
        ("banner", "Panne <b>prévue</b>"), ("reason", "Essai du 3 mars"),
    ):  # fmt: skip
        assert pair in fields
    assert "<b>" not in answer.text
    assert hall.office.world.desk.book.scopes["ehpad"].version == 1
    without = await hall.send(await hall.get("scopes/ehpad/policy", "aude"), "/policy", "aude", session_idle="900")
    assert without.status == 422 and "Indiquez un motif" in without.words


async def test_r83_a_conflict_shows_both_sides(hall: Hall) -> None:
    """Somebody saved meanwhile: nothing is written, typed and present stand beside each other, and a second « Enregistrer »
    writes what the form now holds."""
    office = hall.office
    form = await hall.get("scopes/ehpad/policy", "aude")
    await office.offices.scopes.edit(NATIONAL, "ehpad", None, {"session_idle": 600}, "essai", office.world.now)
    answer = await hall.send(form, "/policy", "aude", code_validity="28800", reason="Codes longs")
    assert answer.status == 409
    assert "Durée de validité du code 8 heures hérité" in answer.words
    assert "Durée sans activité hérité 10 minutes" in answer.words
    assert office.world.desk.book.scopes["ehpad"].set.code_validity is None
    again = await hall.send(answer, "/policy", "aude")
    assert again.status == 303
    set_now = office.world.desk.book.scopes["ehpad"].set
    assert (set_now.code_validity, set_now.session_idle) == (timedelta(hours=8), None)


async def test_choices_say_what_they_cost(hall: Hall) -> None:
    """8 hours, SMS and a long memory each come with their warning, in the form and on the scope's page."""
    office = hall.office
    form = (await hall.get("scopes/ehpad/policy", "aude")).words
    assert "NIST" in form and "ANSSI" in form and "4 heures au plus" in form
    changes = {"code_validity": 28_800, "second_factor_memory": 20_000}
    await office.offices.scopes.edit(NATIONAL, "ehpad", None, changes, "essai", office.world.now)
    assert "plus de 10 minutes" in (await hall.get("scopes/ehpad", "eva")).words


async def test_g3_legal_statuses_are_the_nations(hall: Hall) -> None:
    """A homologation with its reference and end; without them it is refused and kept in the form."""
    form = await hall.get("scopes/ehpad/legal")
    bare = await hall.send(form, "/legal", status_otp_sms="homologue", reason="Homologation du 2 mars")
    assert bare.status == 422 and ("status_otp_sms", "homologue") in bare.read.form("/legal").fields
    done = await hall.send(bare, "/legal", reference_otp_sms="VT-2026-1", until_otp_sms="2030-03-02T00:00")
    assert done.status == 303
    words = (await hall.get("scopes/ehpad", "eva")).words
    assert "Mot de passe et code par SMS : homologué (réf. VT-2026-1, admis jusqu'au 2 mars 2030)" in words
    assert not [one for one in (await hall.get("scopes/ehpad", "aude")).read.links if one.endswith("/legal")]


async def test_places_are_named_made_and_closed(hall: Hall) -> None:
    """A new service below the EHPAD, renamed, closed; a conflict keeps what was typed."""
    office = hall.office
    form = await hall.get("scopes/ehpad/add", "aude")
    bad = await hall.send(form, "/add", "aude", name="U", kind="service", reason="Ouverture")
    assert bad.status == 422 and ("name", "U") in bad.read.form("/add").fields
    made = await hall.send(bad, "/add", "aude", name="Unité <i>protégée</i>")
    assert made.status == 303
    scope_id = made.location.rpartition("/")[2].partition("?")[0]
    page = await hall.get(made.location, "aude")
    assert "Unité <i>protégée</i>" in page.words and "<i>" not in page.text
    edit = await hall.get(f"scopes/{scope_id}/edit", "aude")
    await office.offices.scopes.edit(NATIONAL, scope_id, None, {"city": "Bron"}, "essai", office.world.now)
    late = await hall.send(edit, "/edit", "aude", name="Unité protégée", reason="Nom d'usage")
    assert late.status == 409
    assert ("name", "Unité protégée") in late.read.form("/edit").fields and "En vigueur : Bron" in late.words
    closed = await hall.send(late, "/edit", "aude", retired="on", city="Bron")
    assert closed.status == 303
    assert office.world.desk.book.scopes[scope_id].retired
    assert "Unité protégée" in (await hall.get("scopes?retired=on", "aude")).words


@pytest.mark.parametrize(
    "present",
    [
        {},
        {"code_validity": 90, "second_factor_memory": 0, "session_absolute": 7200, "session_idle": 61},
        {"channels": ["mail", "totp"], "methods": ["card", "psc"], "banner": "", "banner_from": None},
        {
            "banner": "Bientôt",
            "banner_from": "2026-04-02T06:00:00+00:00",
            "contacts": [
                {"label": f"Équipe {n}", "url": f"https://aide.test/{n}", "topics": ["codes"]} for n in range(10)
            ],
        },
    ],
)
def test_the_form_says_what_it_was_given(present: dict[str, Any]) -> None:
    """Shown and read again, a policy has not changed, whatever it holds."""
    typed = policy_form.shown(present, PARIS)
    values, faults = policy_form.read(typed, PARIS)
    assert faults == {} and policy_form.changed(values, present) == {}
    assert len(policy_form.rows(typed)) == min(10, max(3, len(present.get("contacts") or ()) + 1))


@pytest.mark.parametrize("minutes", ["", "dix", "-1", "1e400", "nan", "99999999999"])
def test_minutes_that_are_no_number(minutes: str) -> None:
    """What cannot be read is said, and nothing raises."""
    typed = Typed({"code_validity": "other", "code_validity_minutes": minutes, "channels_inherit": "on"}, {})
    assert "code_validity" in policy_form.read(typed, PARIS)[1]


def test_the_region_gives_the_hour() -> None:
    """A banner typed for La Réunion begins at its own eight o'clock (R154)."""

    typed = Typed({"banner": "Bientôt", "banner_from": "2026-04-02T08:00", "channels_inherit": "on"}, {})
    values, _ = policy_form.read(typed, ZoneInfo("Indian/Reunion"))
    assert values["banner_from"] == "2026-04-02T04:00:00+00:00"
