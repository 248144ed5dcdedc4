"""Every page of administration, read: structure, labels, tables, titles, weight (RGAA, R151)."""

from __future__ import annotations

from itertools import pairwise

import pytest

from gateway import html
from tests.admin.hall import ROOT, Hall

PAGES = (
    "", "?days=30&scope=aura", "scopes", "scopes?q=rien-de-tel", "scopes/ehpad", "scopes/aura", "scopes/ehpad/policy",
    "scopes/ehpad/legal", "scopes/ehpad/edit", "scopes/exemple-sante/add", "scopes/ehpad/breakglass", "scopes/ehpad/ask",
    "switch?scope=ehpad&scope=ssr", "switch", "accounts", "accounts?q=rien", "accounts/new", "accounts/new?scope=ehpad",
    "accounts/anna", "requests", "requests?all=1", "imports", "audit", "audit?scope=ehpad&below=1", "audit?since=hier",
    "compliance", "explain", "trace",
)  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
async def test_r151_structure(hall: Hall, path: str) -> None:
    """One title, headings in order, every field labelled, every table captioned with scoped heads, ids once, one current
    entry of the navigation, a token in every form that posts, and nothing inline."""
    page = await hall.get(path)
    assert page.status in (200, 422)
    read = page.read
    assert len(read.all("h1")) == 1 and "Administration – ViaTrajectoire" in read.words
    levels = [int(tag[1]) for tag, _ in read.tags if tag in ("h1", "h2", "h3", "h4")]
    assert all(later - before <= 1 for before, later in pairwise(levels))
    ids = [said["id"] for _, said in read.tags if "id" in said]
    assert len(ids) == len(set(ids)), sorted(one for one in ids if ids.count(one) > 1)
    labels = {said["for"] for said in read.all("label")}
    for tag in ("input", "select", "textarea"):
        for said in read.all(tag):
            if said.get("type") != "hidden":
                assert said.get("id") in labels or said.get("aria-label"), said
    for _, said in read.tags:
        for key in ("aria-describedby", "aria-labelledby"):
            for one in said.get(key, "").split():
                assert one in ids, (key, one)
        if said.get("href", "").startswith("#"):
            assert said["href"][1:] in ids
        assert "style" not in said and not [one for one in said if one.startswith("on")]
        for key in ("src", "srcset"):
            assert said.get(key, "/_gateway").startswith("/_gateway")
    assert len(read.all("table")) == len(read.all("caption"))
    assert all("scope" in said for said in read.all("th"))
    nav = [said for said in read.all("a") if said.get("aria-current") and said["href"].startswith(ROOT)]
    assert nav and nav[0]["href"].startswith(ROOT)
    posts = [form for form in read.forms if form.method == "post"]
    assert all([name for name, _ in form.fields].count("csrf") == 1 for form in posts)
    assert page.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


async def test_the_same_figures_as_words(hall: Hall) -> None:
    """Each drawing of the dashboard has its table, and the dashboard of a scope out of reach is not there."""
    page = await hall.get("?days=30", "aude")
    assert page.read.all("svg") and len(page.read.all("table")) >= len(page.read.all("svg"))
    assert (await hall.get("?scope=chu", "aude")).status == 404
    assert "Tableau de bord : Auvergne-Rhône-Alpes" in (await hall.get("?scope=aura", "aude")).words
    assert (await hall.get("/_gateway/admin/", "aude")).status == 200


async def test_own_sheet_is_served_and_light(hall: Hall) -> None:
    """Pages of administration bring a second sheet; sign-in pages do not."""
    page = await hall.get("scopes")
    sheet = next(said["href"] for said in page.read.all("link") if "admin.css" in said["href"])
    assert (await hall.get(sheet)).status == 200
    assert "admin.css" not in (await hall.get("/_gateway/nothing")).text
    assert len(html.static("admin.css")[0]) < 10_000
