"""Regions: whose contacts and looks somebody sees, and what a deployment may not give (R154, R156, R158, G85)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.pages.regions import DARK, LIGHT, Links, Region, Regions, contrast, logo_of, theme_of
from gateway.settings.looks import ColoursSection, ContactSection, LinksSection, RegionLinksSection, RegionSection
from tests.pages.hollow import AURA, EVERYBODY, LINKS, NEUTRAL, PARIS, PREFIX, REGIONS, REUNION, SVG, house_of, served

STYLE = (Path(__file__).parents[2] / "gateway/static/style.css").read_text()
TREE = {"svc-1": ["svc-1", "fin-1", "reg-84"], "fin-2": ["reg-04", "reg-84"], "fin-3": [], "reg-84": ["reg-84"]}
LOST = b"\x89PNG\r\n\x1a\n"


def above(scope: str) -> Sequence[str]:
    return TREE.get(scope, [])


@pytest.mark.parametrize(
    ("cookie", "scopes", "default", "expected"),
    [
        (None, [], "", ""),
        (None, [], "aura", "aura"),
        ("reunion", [], "aura", "reunion"),
        ("nowhere", [], "aura", "aura"),
        ("../etc", [], "", ""),
        ("reunion", ["svc-1"], "", "aura"),
        (None, ["reg-84"], "", "aura"),
        (None, ["fin-2", "svc-1"], "", "reunion"),
        (None, ["fin-3", "svc-1"], "", "aura"),
        ("reunion", ["fin-3"], "aura", "reunion"),
        ("", ["unknown"], "aura", "aura"),
    ],
)
def test_r156_whose_region(cookie: str | None, scopes: list[str], default: str, expected: str) -> None:
    """First the region of the establishment (the nearest scope above), then the chosen one, then the deployment's."""
    regions = Regions(PREFIX, NEUTRAL, (AURA, REUNION), default)
    assert regions.of(cookie, scopes, above).id == expected


def test_r158_a_region_without_contacts_has_those_of_everybody() -> None:
    """`[[support.contacts]]` holds for regions that set none; a region's own stand instead."""
    reunion, aura = REGIONS.by_id("reunion"), REGIONS.by_id("aura")
    assert reunion is not None
    assert reunion.contacts == (EVERYBODY,)
    assert aura is not None
    assert aura.contacts == AURA.contacts


def test_r156_regions_that_cannot_be_told_apart_are_refused() -> None:
    """Two regions of one id, or a default that is none of them, stop the start."""
    with pytest.raises(ValueError, match=r"regions\.id"):
        Regions(PREFIX, NEUTRAL, (AURA, AURA))
    with pytest.raises(ValueError, match=r"ui\.region.*paca"):
        Regions(PREFIX, NEUTRAL, (AURA,), "paca")


def test_r158_links_of_settings_and_pages_are_the_same() -> None:
    """Every link of the configuration is one that pages know, and a region may set each."""
    assert set(LinksSection.model_fields) == set(RegionLinksSection.model_fields) == set(Links.__dataclass_fields__)
    assert Links(**LinksSection().model_dump()).tops.startswith("https://")


@pytest.mark.parametrize(
    "url",
    ["http://aide.test/", "javascript:alert(1)", "mailto:", "mailto:a@b", "mailto:a@b.fr?bcc=c@d.fr", "tel:", "tel:abc",
     "https://", "https://user:pw@aide.test/", "https://aide.test/\" onclick=\"", "//aide.test", "data:text/html,x",
     "mailto:a b@c.fr", "", "https:aide.test", "tel:+33 4 00"],
)  # fmt: skip
def test_r158_contacts_with_other_addresses_are_refused(url: str) -> None:
    """https:, mailto: and tel:, complete, and nothing else."""
    with pytest.raises(ValidationError):
        ContactSection(label="Équipe", url=url)


@pytest.mark.parametrize(
    "url", ["https://aide.test/a?b=c#d", "mailto:equipe.cartes+vt@aide-sante.test", "tel:+33400000000", "tel:3646"]
)
def test_r158_contacts_that_fit(url: str) -> None:
    """The three kinds of address, with topics and hours."""
    assert ContactSection(label="Équipe", url=url, topics=("cartes",), hours="de 9 h à 17 h").url == url


@pytest.mark.parametrize(
    "value", ["red", "#fff", "#12345", "#1234567", "#12345g", "rgb(0,0,0)", "#123456;}", "url(x)", "", "#123456\n"]
)
def test_g85_only_colours_are_colours(value: str) -> None:
    """A theme holds colours as #rrggbb: nothing else reaches a style sheet, neither by settings nor past them."""
    with pytest.raises(ValidationError):
        ColoursSection(accent=value)
    with pytest.raises(ValueError, match="accent"):
        theme_of({"accent": value})


def test_g85_a_theme_is_variables_only_for_light_and_for_dark() -> None:
    """The light accent never shows on a dark screen nor in print; no colour, no style sheet."""
    assert theme_of({}) == theme_of(ColoursSection().model_dump()) == ""
    assert AURA.theme == (
        "@media screen and (prefers-color-scheme:light){:root{--accent:#7a1f5c;}}\n"
        "@media screen and (prefers-color-scheme:dark){:root{--accent:#eaa6d0;--accent-ink:#2b0a20;}}\n"
    )


@pytest.mark.parametrize(
    "colours",
    [
        {"accent": "#ffd54f"},
        {"accent_ink": "#0e5a6b"},
        {"accent": "#9bd0da", "accent_ink": "#000000"},
        {"ground": "#5c6f78"},
        {"accent_soft": "#333333"},
        {"dark_accent": "#0e5a6b"},
        {"dark_ground": "#ffffff"},
    ],
)
def test_r151_colours_that_are_hard_to_read_are_refused(colours: dict[str, str]) -> None:
    """Text keeps 4.5:1 on every background a theme touches."""
    with pytest.raises(ValueError, match="contrast"):
        theme_of(colours)


def test_r151_the_palette_that_themes_are_judged_with_is_the_style_sheet_s() -> None:
    """Our colours here are those of style.css, in light and in dark."""
    blocks = re.findall(r":root\{([^}]*--accent:[^}]*--paper[^}]*)\}", STYLE)
    for ours, block in zip((LIGHT, DARK), blocks[:2], strict=True):
        found = dict(re.findall(r"--([a-z-]+):(#[0-9a-f]{3,6})", block))
        for name, value in ours.items():
            short = found[name]
            assert (short if len(short) == 7 else "#" + "".join(c * 2 for c in short[1:])) == value, name
    assert round(contrast("#000000", "#ffffff"), 1) == 21.0


@pytest.mark.parametrize(
    "data",
    [
        b"", b"GIF89a", b"<html></html>", b"<p>x</p><svg></svg>", b"\xff\xfe<\x00s\x00v\x00g\x00", SVG + b" " * 50_000,
        b"<!DOCTYPE svg [<!ENTITY a 'b'>]><svg></svg>", b"<svg><script>alert(1)</script></svg>",
        b"<svg><x:script>1</x:script></svg>", b"<svg onload='x()'></svg>", b"<svg\nonclick = x></svg>",
        b"<svg><a href='javascript:x'/></svg>", b"<svg><image href='https://else.test/a.png'/></svg>",
        b"<svg><use xlink:href=\"//else.test/a#b\"/></svg>", b"<svg><foreignObject/></svg>",
        b"<svg><style>@import 'x'</style></svg>", b"<svg><rect fill='url(https://else.test/#a)'/></svg>",
        b"<svg><animate attributeName='href'/></svg>", b"<?xml-stylesheet href='x'?><svg></svg>",
    ],
)  # fmt: skip
def test_r153_logos_that_are_no_still_picture_are_refused(data: bytes) -> None:
    """Large, unknown, scripted or fetching pictures stop the start."""
    with pytest.raises(ValueError, match="picture"):
        logo_of(data)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (LOST + b"\x00", "image/png"),
        (SVG, "image/svg+xml"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- made -->\n" + SVG, "image/svg+xml"),
        (b"<svg><rect fill='url(#g)'/><use href=\"#a\"/><rect fill='url(\"#g\")'/></svg>", "image/svg+xml"),
        ((Path(__file__).parents[2] / "gateway/static/logo.svg").read_bytes(), "image/svg+xml"),
    ],
)
def test_r153_logos_that_fit(data: bytes, kind: str) -> None:
    """PNG, and SVG that only refers to itself."""
    assert logo_of(data).kind == kind


@pytest.mark.parametrize(
    "changed",
    [{"id": "A"}, {"id": "a/b"}, {"id": "-a"}, {"id": ""}, {"logo": "logo.gif"}, {"timezone": "Réunion"}, {"name": ""},
     {"links": {"tops": "http://aide.test/"}}, {"links": {"other": "https://aide.test/"}}, {"colours": {"ink": "#000000"}},
     {"contacts": [{"label": "x", "url": "ftp://aide.test"}]}],
)  # fmt: skip
def test_t4_regions_that_are_refused(changed: dict[str, object]) -> None:
    """Ids that are no path, pictures of other kinds, unknown zones, links and colours."""
    whole: dict[str, object] = {"id": "aura", "name": "AURA"}
    RegionSection.model_validate(whole)
    with pytest.raises(ValidationError):
        RegionSection.model_validate({**whole, **changed})


def test_r154_a_region_has_its_own_time() -> None:
    """Overseas regions have a time zone of their own; nobody's in particular is Paris."""
    reunion = REGIONS.by_id("reunion")
    assert reunion is not None
    assert str(reunion.zone) == "Indian/Reunion"
    assert Region(links=LINKS, zone=PARIS).contacts == ()


def test_r156_choosing_a_region_without_script() -> None:
    """The list, the choice kept in a cookie, the page in the region's looks with its two teams; forgetting it again."""

    async def story() -> None:
        async with served(house_of()) as client:
            page = await client.get(f"{PREFIX}/region")
            text = await page.text()
            assert page.status == 200
            assert text.count('type="radio"') == 3
            assert re.search(r'value=""[^>]*checked', text)
            token = re.findall(r'name="csrf" value="([^"]+)"', text)[0]
            browser = {
                "Cookie": f"__Host-vtgw-browser={SimpleCookie(page.headers['Set-Cookie'])['__Host-vtgw-browser'].value}"
            }
            refused = await client.post(f"{PREFIX}/region", data={"region": "aura"}, allow_redirects=False)
            assert refused.status == 403
            wrong = await client.post(
                f"{PREFIX}/region", data={"csrf": token, "region": "paca"}, headers=browser, allow_redirects=False
            )
            assert wrong.status == 422
            assert "Choisissez une région de la liste." in await wrong.text()
            chosen = await client.post(
                f"{PREFIX}/region", data={"csrf": token, "region": "aura"}, headers=browser, allow_redirects=False
            )
            assert chosen.status == 303
            assert chosen.headers["Location"] == f"{PREFIX}/help"
            cookie = chosen.headers["Set-Cookie"]
            assert cookie.startswith("__Host-vtgw-region=aura")
            assert {"HttpOnly", "Secure", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
            kept = {"Cookie": browser["Cookie"] + "; __Host-vtgw-region=aura"}
            text = await (await client.get(f"{PREFIX}/help", headers=kept)).text()
            assert "Contacts en Auvergne-Rhône-Alpes" in text
            for team in AURA.contacts:
                assert team.label in text
                assert all(topic in text for topic in team.topics)
            assert "tel:+33400000000" in text
            assert EVERYBODY.url not in text
            for address in (REGIONS.shown(AURA).theme, REGIONS.shown(AURA).logo):
                assert address in text
            forgotten = await client.post(
                f"{PREFIX}/region", data={"csrf": token, "region": ""}, headers=kept, allow_redirects=False
            )
            assert "Max-Age=0" in forgotten.headers["Set-Cookie"]

    asyncio.run(story())


def test_r153_theme_and_logo_are_served_as_what_they_are() -> None:
    """Kept by browsers under their version only; a drawing opened by itself may do nothing; no region, nothing."""

    async def story() -> None:
        async with served(house_of()) as client:
            shown = REGIONS.shown(AURA)
            theme = await client.get(shown.theme)
            assert theme.headers["Content-Type"].startswith("text/css")
            assert "immutable" in theme.headers["Cache-Control"]
            assert await theme.text() == AURA.theme
            assert (await client.get(f"{PREFIX}/theme/aura.css")).headers["Cache-Control"] == "no-cache"
            logo = await client.get(shown.logo)
            assert await logo.read() == SVG
            assert logo.headers["Content-Type"] == "image/svg+xml"
            assert logo.headers["Content-Security-Policy"].endswith("sandbox")
            assert logo.headers["X-Content-Type-Options"] == "nosniff"
            for path in ("theme/reunion.css", "theme/nowhere.css", "region-logo/reunion", "region-logo/..%2Fx"):
                assert (await client.get(f"{PREFIX}/{path}")).status == 404

    asyncio.run(story())
