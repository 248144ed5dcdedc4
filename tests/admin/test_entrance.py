"""Who comes in: by a role, by a strong means, and only to what they look after (R87, G59)."""

from __future__ import annotations

import pytest

from tests.admin.hall import ROOT, Hall
from tests.pages.hollow import PREFIX

# Every page that takes no name, and those of one scope and one person.
OPEN_TO_ALL = (
    "", "scopes", "scopes/ehpad", "scopes/ehpad/ask", "accounts", "accounts/new", "accounts/anna", "requests", "audit",
    "compliance", "explain", "readiness.csv", "scopes/ehpad/readiness.csv",
)  # fmt: skip
OF_REGIONS = (
    "scopes/ehpad/policy", "scopes/ehpad/edit", "scopes/exemple-sante/add", "scopes/ehpad/breakglass", "imports",
    "switch?scope=ehpad&scope=ssr", "trace",
)  # fmt: skip
OF_THE_NATION = ("scopes/ehpad/legal", "scopes/nation", "accounts/nobody")


@pytest.mark.parametrize("path", [*OPEN_TO_ALL, *OF_REGIONS, *OF_THE_NATION])
async def test_r87_every_page_for_every_role(hall: Hall, path: str) -> None:
    """The nation sees all; a region what is its own; a référent neither policy, switches, tree nor imports."""
    assert (await hall.get(path, "nora")).status == 200
    region, referent = (await hall.get(path, "aude")).status, (await hall.get(path, "eva")).status
    if path in OPEN_TO_ALL:
        assert (region, referent) == (200, 200)
    elif path in OF_REGIONS:
        assert (region, referent) == (200, 404 if "ssr" in path or "exemple" in path else 403)
    else:
        hidden = path in ("scopes/nation", "accounts/nobody")
        assert (region, referent) == ((404, 404) if hidden else (403, 403))


async def test_g59_the_way_in(hall: Hall) -> None:
    """Nobody signs in and comes back; a weak session is stepped up by card or e-CPS; somebody without a role finds
    nothing there."""
    nobody = await hall.get("scopes/ehpad?said=policy", None)
    assert nobody.status == 303
    assert nobody.location.startswith(f"{PREFIX}/sign-in?")
    assert nobody.location.endswith("return=/_gateway/admin/scopes/ehpad%3Fsaid%3Dpolicy")
    weak = await hall.get("scopes/ehpad", "nora", strong=False)
    assert (weak.status, weak.location) == (303, f"{PREFIX}/step-up?then=/admin/scopes/ehpad&level=strong")
    unknown = await hall.get(f"{PREFIX}/nothing", "anna")
    for path in ("", "scopes", "scopes/ehpad", "explain"):
        seen = await hall.get(path, "anna")
        assert (seen.status, seen.still) == (404, unknown.still), path


async def test_lesson_17_a_form_after_the_session_keeps_what_was_typed(hall: Hall) -> None:
    """Without a session, or with one that is too weak, nothing is done and the reason typed is shown again."""
    late = await hall.post("scopes/ehpad/policy", None, reason="Calendrier du printemps", version="1")
    assert late.status == 401
    assert "Calendrier du printemps" in late.words
    assert f"{PREFIX}/sign-in?return=/_gateway/admin/scopes/ehpad" in late.read.links
    weak = await hall.post("scopes/ehpad/policy", "nora", strong=False, reason="Calendrier du printemps", version="1")
    assert weak.status == 403
    assert "Calendrier du printemps" in weak.words
    assert f"{PREFIX}/step-up?then=/admin/scopes/ehpad&level=strong" in weak.read.links
    assert (await hall.office.world.audited("policy:change")) == []


@pytest.mark.parametrize(
    ("hidden", "unknown"),
    [
        ("scopes/chu", "scopes/nowhere"),
        ("scopes/chu/policy", "scopes/nowhere/policy"),
        ("scopes/chu/edit", "scopes/nowhere/edit"),
        ("scopes/chu/add", "scopes/nowhere/add"),
        ("scopes/chu/legal", "scopes/nowhere/legal"),
        ("scopes/chu/ask", "scopes/nowhere/ask"),
        ("scopes/chu/breakglass", "scopes/nowhere/breakglass"),
        ("scopes/chu/readiness.csv", "scopes/nowhere/readiness.csv"),
        ("switch?scope=chu", "switch?scope=nowhere"),
        ("accounts/chloe", "accounts/acc_nowhere"),
        ("accounts?scope=chu", "accounts?scope=nowhere"),
        ("accounts/new?scope=chu", "accounts/new?scope=nowhere"),
        ("audit?scope=chu", "audit?scope=nowhere"),
        ("switches/swb_hidden", "switches/swb_nowhere"),
        ("requests/req_hidden", "requests/req_nowhere"),
        ("imports/imp_hidden", "imports/imp_nowhere"),
        ("delegations/dlg_hidden", "delegations/dlg_nowhere"),
    ],
)
async def test_r87_hidden_and_unknown_look_the_same(hall: Hall, hidden: str, unknown: str) -> None:
    """What lies outside one's reach is answered as what does not exist, to the letter."""
    nothing = await hall.get(f"{PREFIX}/nothing", "aude")
    for path in (hidden, unknown):
        seen = await hall.get(path, "aude")
        assert (seen.status, seen.still) == (404, nothing.still), path


async def test_r87_nothing_of_another_region_is_named(hall: Hall) -> None:
    """Lists, choices and counts of a region hold no name of another; neither do its people's pages."""
    for path in ("", "scopes", "scopes?parent=reunion", "accounts", "accounts?q=chloe", "accounts/both", "audit"):
        words = (await hall.get(path, "aude")).words
        assert "CHU de l'Île" not in words and "CHLOE" not in words and "La Réunion" not in words, path
    answer = await hall.post("accounts/anna/attach", "aude", place="CHU", reason="essai", version="1")
    assert answer.status == 422 and "CHU de l'Île" not in answer.words


async def test_a_form_that_is_not_ours_does_nothing(hall: Hall) -> None:
    """H4: no token, no act."""
    for path in ("switch/confirm", "scopes/ehpad/policy", "accounts/anna/suspend", "imports"):
        answer = await hall.ask("POST", path, "nora", data={"scope": "ehpad", "reason": "essai", "version": "1"})
        assert answer.status in (400, 403), path
    assert await hall.office.world.records.count("switches", {}) == 0


async def test_the_link_stands_for_those_who_have_a_role(hall: Hall) -> None:
    """« Administration » leads there from every page, for administrators alone."""
    assert ROOT in (await hall.get(f"{PREFIX}/nothing", "eva")).read.links
    assert ROOT not in (await hall.get(f"{PREFIX}/nothing", "anna")).read.links
