"""Drawings and words, without a page: what is drawn is said, and nothing depends on colour (R94, WCAG 1.1.1, 1.4.1)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree as Xml
from zoneinfo import ZoneInfo

import pytest

from gateway.admin import charts, when, words
from tests.pages.hollow import PARIS
from tests.pages.test_templates import CSS, colours, luminance

SVG = "{http://www.w3.org/2000/svg}"
SERIES = [charts.Series("carte & e-CPS", (0, None, 40, 100)), charts.Series("mot de passe", (3, 2, 1, 0))]
DRAWINGS = {
    "bars": charts.bars("k", "Titre <b>", [("SSR & fils", 12), ("Rien", 0), ("x" * 90, 4_000_000)]),
    "bars-empty": charts.bars("k", "Titre", []),
    "stacks": charts.stacks("k", "Titre", ("forte", "seul"), [("Aura", 3, 1), ("Vide", 0, 0), ("Tout", 0, 9)]),
    "lines": charts.lines("k", "Titre", ["1", "2", "3", "4"], SERIES),
    "lines-flat": charts.lines("k", "Titre", ["1"], [charts.Series("rien", (0,))]),
    "lines-none": charts.lines("k", "Titre", [], [charts.Series("rien", ())]),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_r94_a_drawing_is_an_image_with_words(name: str) -> None:
    """Well formed, named and described, no style, no script, no address outside it, nothing left of its frame."""
    text = str(DRAWINGS[name])
    root = Xml.fromstring(text.replace("<svg ", f'<svg xmlns="{SVG[1:-1]}" ', 1))  # noqa: S314 - our own text
    assert root.get("role") == "img"
    ids = {one.get("id") for one in root.iter() if one.get("id")}
    assert set((root.get("aria-labelledby") or "").split()) <= ids
    title, said = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None and title.text and said is not None and said.text
    for one in root.iter():
        assert "style" not in one.attrib and not one.tag.endswith(("script", "style", "image"))
        for key, value in one.attrib.items():
            assert not key.startswith("on") and "href" not in key
            assert "url(" not in value or (value == "url(#k-h)" and "k-h" in ids)
        for key in ("x", "width"):
            assert 0 <= float(one.get(key, "0")) <= 340.5
    assert "NaN" not in text and "inf" not in text


def test_r94_not_by_colour_alone() -> None:
    """Bars carry their numbers, the second part of a stack is hatched, each line has a class of its own and a legend."""
    assert "4\u202f000\u202f000" in DRAWINGS["bars"] and "SSR &amp; fils" in DRAWINGS["bars"]
    assert DRAWINGS["stacks"].count("url(#k-h)") == 3 and "3 sur 4 (75\u00a0%)" in DRAWINGS["stacks"]
    assert "carte &amp; e-CPS" in DRAWINGS["lines"] and 'class="l2"' in DRAWINGS["lines"]
    gap = re.findall(r'class="l1" d="([^"]*)"', str(DRAWINGS["lines"]))
    assert len(gap) == 3  # legend, one point alone, the rest: the missing day is not drawn over


def test_r151_colours_of_drawings() -> None:
    """3:1 on paper, by day and by night (WCAG 1.4.11)."""
    from gateway import html

    sheet = html.static("admin.css")[0].decode()
    light, dark = re.findall(r"--second:(#[0-9a-f]{6})", sheet)
    papers = [colours(block)["paper"] for block in re.findall(r":root\{([^}]*--ground[^}]*)\}", CSS)[:2]]
    for colour, paper in zip((light, dark), papers, strict=True):
        first, second = sorted((luminance(colour), luminance(paper)))
        assert (second + 0.05) / (first + 0.05) >= 3
    assert "url(" not in sheet and "@import" not in sheet and "style=" not in sheet


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("2026-03-29T08:00", datetime(2026, 3, 29, 6, tzinfo=UTC)),
        ("2026-03-29T08:00:00.000", datetime(2026, 3, 29, 6, tzinfo=UTC)),
        ("2026-03-29", datetime(2026, 3, 28, 23, tzinfo=UTC)),
        ("29/03/2026 8:00", datetime(2026, 3, 29, 6, tzinfo=UTC)),
        ("29/3/2026 à 8 h", datetime(2026, 3, 29, 6, tzinfo=UTC)),
        (" 29.03.2026  8h05 ", datetime(2026, 3, 29, 6, 5, tzinfo=UTC)),
        ("29/03/2026", datetime(2026, 3, 28, 23, tzinfo=UTC)),
        ("25/10/2026 1:59", datetime(2026, 10, 24, 23, 59, tzinfo=UTC)),
        ("25/10/2026 3:00", datetime(2026, 10, 25, 2, tzinfo=UTC)),
    ],
)
def test_r154_dates_as_people_write_them(typed: str, expected: datetime) -> None:
    """What a field sends and what people write, in the hour of their region."""
    assert when.instant_of(typed, PARIS) == expected
    assert when.instant_of(when.field_of(expected, PARIS), PARIS) == expected


@pytest.mark.parametrize(
    ("typed", "word"),
    [
        ("2026-03-29T02:00", "n'existe pas"),
        ("2026-03-29T02:59", "n'existe pas"),
        ("2026-10-25T02:00", "a lieu deux fois"),
        ("2026-10-25T02:59", "a lieu deux fois"),
        ("31/02/2026 8:00", "n'existe pas"),
        ("2026-03-29T25:00", "n'existe pas"),
        ("demain", "n'est pas lisible"),
        ("0000-01-01T00:00", "n'existe pas"),
        ("٢٠٢٦-03-29", "n'est pas lisible"),
        ("", "n'est pas lisible"),
    ],
)
def test_r154_dates_that_are_none(typed: str, word: str) -> None:
    """An hour that is skipped, one that comes twice, a day that is none: said, never guessed."""
    with pytest.raises(when.BadDate) as bad:
        when.instant_of(typed, PARIS)
    assert word in bad.value.sentence


def test_an_island_has_no_summer_time() -> None:
    """La Réunion keeps its hour: the same text is another instant."""
    assert when.instant_of("2026-03-29T02:30", ZoneInfo("Indian/Reunion")) == datetime(2026, 3, 28, 22, 30, tzinfo=UTC)
    assert when.next_hour(datetime(2026, 3, 2, 22, tzinfo=UTC), ZoneInfo("Indian/Reunion")) == "2026-03-04T08:00"


def test_numbers_as_french_writes_them() -> None:
    """Spaces in thousands, no plural of one, and no share that says all or nothing when it is not."""
    assert words.count(0, "personne") == "0\u00a0personne" and words.count(12_345, "ligne") == "12\u202f345\u00a0lignes"
    assert [words.share(*one) for one in ((999, 1000), (1, 1000), (0, 5), (5, 5), (0, 0))] == [
        "99\u00a0%", "moins de 1\u00a0%", "0\u00a0%", "100\u00a0%", "–",
    ]  # fmt: skip
    assert words.author("cli:root") == "ligne de commande (root)" and words.author("token:t1") == "jeton d'API t1"


def test_every_act_has_a_name() -> None:
    """The journal never shows an act by its spelling in the database."""
    from gateway.audit import Act

    assert set(Act) == set(words.ACTS)
