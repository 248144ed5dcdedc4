"""Switching from the pages: preview, confirmation, conflict, undo (R83, R84, R87, R89, R92)."""

from __future__ import annotations

import pytest

from gateway.policy.establishments import State
from tests.admin.hall import Hall, Shown
from tests.administration.world import NATIONAL


async def preview(hall: Hall, *scopes: str, who: str = "aude", **typed: str) -> Shown:
    form = await hall.get("switch?" + "&".join(f"scope={one}" for one in scopes), who)
    assert form.status == 200
    return await effect(hall, form, who, **typed)


async def effect(hall: Hall, form: Shown, who: str = "aude", **typed: str) -> Shown:
    """The preview of this form, under its own address when there is nothing to correct."""
    answer = await hall.send(form, "/switch/preview", who, **typed)
    return await hall.get(answer.location, who) if answer.status == 303 else answer


async def test_r83_a_preview_is_found_again_and_is_nobody_elses(hall: Hall) -> None:
    """One leaves the preview to look at the people, and comes back to it; another administrator does not see it."""
    form = await hall.get("switch?scope=ehpad", "aude")
    sent = await hall.send(form, "/switch/preview", "aude", state="strong", when="now", reason="Calendrier régional")
    assert sent.status == 303
    for _ in range(2):
        again = await hall.get(sent.location, "aude")
        assert again.status == 200 and "Calendrier régional" in again.words
    other = await hall.get(sent.location, "nora")
    assert other.status == 303 and other.location.endswith("/admin/scopes")
    lost = await hall.get("switch/preview?draft=nothing", "aude")
    assert lost.status == 303


async def test_r83_nothing_is_written_before_the_confirmation(hall: Hall) -> None:
    """Two establishments at a date: the preview counts, the confirmation switches, the result says so and is undone."""
    world = hall.office.world
    shown = await preview(
        hall, "ehpad", "ssr", state="strong", when="dated", **{"from": "2026-04-02T08:00"}, reason="Calendrier régional",
        announce="on",
    )  # fmt: skip
    assert shown.status == 200, shown.words
    assert "5 personnes concernées" in shown.words
    assert "Les sessions ouvertes avec le seul mot de passe prennent fin" in shown.words
    assert await world.records.count("switches", {}) == 0
    done = await hall.send(shown, "/switch/confirm", "aude")
    assert done.status == 303
    rows = await world.records.find("switches", {}, order=("scope_id",))
    assert [(row["scope_id"], row["state"], str(row["effective_from"])) for row in rows] == [
        ("ehpad", "strong", "2026-04-02 06:00:00+00:00"),
        ("ssr", "strong", "2026-04-02 06:00:00+00:00"),
    ]
    result = await hall.get(done.location, "aude")
    assert "La bascule est enregistrée." in result.words and "2 avril 2026 à 8 h 00" in result.words
    scope = await hall.get("scopes/ehpad", "aude")
    assert "prévue" in scope.words and "sera activée le 2 avril 2026" in scope.words
    undone = await hall.send(result, "/undo", "aude", which="some", scope="ssr", reason="Trop tôt")
    assert undone.status == 303
    rows = await world.records.find("switches", {"cancelled_at": None})
    assert [row["scope_id"] for row in rows] == ["ehpad"]
    assert "Trop tôt" in (await hall.get("scopes/ssr", "aude")).words


async def test_r83_a_conflict_is_shown_and_nothing_is_lost(hall: Hall) -> None:
    """Somebody else edits one of the scopes between preview and confirmation: nothing is switched, the preview comes
    again with everything typed, and can be confirmed."""
    office = hall.office
    shown = await preview(
        hall, "ehpad", state="strong", when="dated", **{"from": "2026-04-02T08:00"}, reason="Au printemps"
    )
    await office.offices.scopes.edit(NATIONAL, "ehpad", None, {"code_validity": 900}, "essai", office.world.now)
    again = await hall.send(shown, "/switch/confirm", "aude")
    assert again.status == 409
    assert "Rien n'a été basculé" in again.words and "Au printemps" in again.words
    assert await office.world.records.count("switches", {}) == 0
    assert (await hall.send(again, "/switch/confirm", "aude")).status == 303
    assert await office.world.records.count("switches", {}) == 1


@pytest.mark.parametrize("number", ["9" * 5000, "x", "-1", "²", ""])
async def test_r83_a_version_that_is_none_is_a_bad_request(hall: Hall, number: str) -> None:
    """Whatever stands in its place, nothing is switched and nothing of ours fails."""
    fields = {"state": "strong", "when": "now", "reason": "essai", "version": f"ehpad:{number}"}
    assert (await hall.post("switch/confirm", "aude", scope="ehpad", **fields)).status == 400
    assert await hall.office.world.records.count("switches", {}) == 0


async def test_r84_back_to_passwords_needs_a_reason_and_an_end(hall: Hall) -> None:
    """After the national date a step back without an end or a reason is refused beside the field, the rest is kept."""
    without = await preview(hall, "ch", state="password_only", when="now", reason="")
    assert without.status == 422
    assert "demande une dérogation" in without.words, without.words
    assert "Indiquez un motif" in without.words, without.words
    kept = without.read.form("/switch/preview")
    assert ("state", "password_only") in kept.fields
    shown = await effect(hall, without, derogation_until="02/04/2026 18:00", reason="Cabinet en travaux")
    assert shown.status == 200
    done = await hall.send(shown, "/switch/confirm", "aude")
    assert done.status == 303
    ruling = hall.office.world.desk.book.ruling("ch", hall.office.world.now)
    assert ruling.state is State.PASSWORD_ONLY and ruling.switch is not None
    assert str(ruling.switch.derogation_until) == "2026-04-02 16:00:00+00:00"
    assert "dérogation" in (await hall.get("scopes?q=exemple", "aude")).words


async def test_r154_hours_that_do_not_exist_are_said(hall: Hall) -> None:
    """The night the clocks change, nothing is guessed."""
    spring = await preview(hall, "ch", state="strong", when="dated", **{"from": "2026-03-29T02:30"}, reason="essai")
    assert spring.status == 422 and "n'existe pas" in spring.words
    assert 'value="2026-03-29T02:30"' in spring.text
    autumn = await preview(hall, "ch", state="strong", when="dated", **{"from": "25/10/2026 2:30"}, reason="essai")
    assert autumn.status == 422 and "a lieu deux fois" in autumn.words


async def test_r87_a_referent_sees_no_switch_and_asks(hall: Hall) -> None:
    """No switch form, no undo, no break-glass for a référent, only the request; the region answers it."""
    world = hall.office.world
    until = {"derogation_until": "2026-06-01T08:00"}
    shown = await preview(hall, "ehpad", state="password_only", when="now", reason="Travaux", **until)
    await hall.send(shown, "/switch/confirm", "aude")
    page = await hall.get("scopes/ehpad", "eva")
    assert not [one for one in page.read.links if "/switch?" in one or "breakglass" in one or one.endswith("/policy")]
    assert "annuler" not in page.words.lower()
    assert [form.action.rpartition("/")[2] for form in page.read.forms if "/admin/" in form.action] == ["ask"]
    for path in ("switch/preview", "switch/confirm"):
        answer = await hall.post(path, "eva", scope="ehpad", state="strong", when="now", reason="essai")
        assert answer.status == 403, path
    assert (await hall.post("scopes/ehpad/breakglass", "eva", hours="1", sure="on", reason="essai")).status == 403
    asked = await hall.send(page, "/ask", "eva", reason="Nous sommes prêts", wanted_from="")
    assert asked.status == 303
    assert "Nous sommes prêts" in (await hall.get("requests", "eva")).words
    (row,) = await world.records.find("requests", {})
    one = await hall.get(f"requests/{row['id']}", "aude")
    assert (await hall.get(f"requests/{row['id']}", "eva")).read.forms[-1].action.endswith("answer") is False
    wordless = await hall.send(one, "/answer", "aude", outcome="done", reason="")
    assert wordless.status == 422
    assert (await hall.send(wordless, "/answer", "aude", reason="Basculé ce matin")).status == 303
    assert "acceptée" in (await hall.get("requests?all=1", "eva")).words


async def test_g26_break_glass(hall: Hall) -> None:
    """It says what it does, asks to be sure, ends within a day, and can be closed early."""
    form = await hall.get("scopes/ehpad/breakglass", "aude")
    assert "personnes pourront entrer" in form.words
    hasty = await hall.send(form, "/breakglass", "aude", hours="24", reason="Panne du relais de messagerie")
    assert hasty.status == 422 and "Panne du relais" in hasty.text
    assert (await hall.send(form, "/breakglass", "aude", hours="25", sure="on", reason="Panne")).status == 422
    opened = await hall.send(hasty, "/breakglass", "aude", sure="on")
    assert opened.status == 303
    world = hall.office.world
    assert not world.desk.book.strong("ehpad", world.now)
    scope = await hall.get("scopes/ehpad", "aude")
    assert "ouverture de secours" in scope.words
    batch = next(one for one in scope.read.links if "/switches/" in one)
    closed = await hall.send(await hall.get(batch, "aude"), "/undo", "aude", reason="Relais rétabli")
    assert closed.status == 303
    assert world.desk.book.strong("ehpad", world.now)


async def test_r83_the_selection_lasts_from_page_to_page(hall: Hall) -> None:
    """Boxes ticked on one page are hidden fields of the next; « tout cocher » and « tout décocher » need no script."""
    first = await hall.get("scopes", "aude")
    form = first.read.form("/switch")
    assert {"all", "none", "every"} >= {one["name"] for one in form.buttons if "name" in one}
    ticked = await hall.ask("POST", "scopes", "aude", data=[*form.with_(scope=["ehpad", "ssr"], q="ehpad")])
    again = ticked.read.form("/switch")
    assert [value for name, value in again.fields if name == "scope"] == ["ssr", "ehpad"]
    assert "2 échelons choisis, dont 1 sur d'autres pages" in ticked.words
    every = await hall.ask("POST", "scopes", "aude", data=[*again.fields, ("all", "1")])
    assert "échelons choisis" in every.words
    none = await hall.ask("POST", "scopes", "aude", data=[*again.fields, ("none", "1")])
    assert "choisis" not in none.words
    both = await hall.ask("POST", "switch", "aude", data=again.fields)
    assert both.status == 200 and "2 échelons choisis" in both.words


async def test_r83_a_filter_is_not_a_wish(hall: Hall) -> None:
    """Whoever lists what accepts passwords and goes on to switch it is asked for strong authentication, not for what the
    list was filtered by."""
    until = {"derogation_until": "2026-06-01T08:00"}
    shown = await preview(hall, "ehpad", state="password_only", when="now", reason="Travaux", **until)
    await hall.send(shown, "/switch/confirm", "aude")
    listed = await hall.get("scopes?state=password_only", "aude")
    form = listed.read.form("/switch")
    again = await hall.ask("POST", "scopes", "aude", data=[*form.fields, ("all", "1")])
    assert "EHPAD Les Glycines" in again.words and "SSR du Lac" not in again.words
    asked = await hall.ask("POST", "switch", "aude", data=again.read.form("/switch").fields)
    fields = asked.read.form("/switch/preview").fields
    assert ("state", "strong") in fields and ("when", "now") in fields and ("state", "password_only") not in fields


async def test_r83_what_an_act_left_out_is_said(hall: Hall) -> None:
    """Of two, one is strong at that date already: the result speaks of both, and of how many nothing changes for."""
    dated = {"state": "strong", "when": "dated", "from": "2026-04-02T08:00", "reason": "Calendrier régional"}
    await hall.send(await preview(hall, "ehpad", **dated), "/switch/confirm", "aude")
    done = await hall.send(await preview(hall, "ehpad", "ssr", **dated), "/switch/confirm", "aude")
    words = (await hall.get(done.location, "aude")).words
    assert "1 échelon était déjà dans cet état à cette date." in words.replace("\u00a0", " ")
    for odd in ("99999", "-1", "x", "²"):
        assert (
            "déjà dans cet état" not in (await hall.get(f"{done.location.split('&left')[0]}&left={odd}", "aude")).words
        )
