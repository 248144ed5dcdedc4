"""R118: what a doctor types finds whom they mean: accents, hyphens, particles, any order of names."""

from __future__ import annotations

import pytest

from gateway.edges.directory_names import (
    MOST_WORDS,
    Names,
    fits,
    order_of,
    postal_beginnings,
    readings,
    spellings,
)


@pytest.mark.parametrize(
    ("typed", "family", "given"),
    [
        ("lefevre", "LEFÈVRE", "Zoé"),
        ("ZOE LEFÈVRE", "Lefèvre", "Zoé"),
        ("lef zo", "LEFEVRE", "ZOE"),
        ("dupont levy", "DUPONT-LÉVY", "Camille"),
        ("Lévy Camille", "DUPONT-LEVY", "CAMILLE"),
        ("levy-dupont", "DUPONT LEVY", "CAMILLE"),
        ("de la Tour", "DE LA TOUR", "Anne"),
        ("tour anne", "DE LA TOUR", "Anne"),
        ("delatour", "DE LA TOUR", "Anne"),
        ("de la tour", "DELATOUR", "Anne"),
        ("d’angelo", "D'ANGELO", "Luc"),
        ("dangelo", "D'ANGELO", "Luc"),
        ("angelo", "D ANGELO", "Luc"),
        ("le roy", "LEROY", "Luc"),
        ("leroy", "LE ROY", "Luc"),
        ("von arx", "VON ARX", "Luc"),
        ("van den berg", "VAN DEN BERG", "Luc"),
        ("obrien", "O'BRIEN", "Luc"),
        ("le minh", "LE", "Minh"),
        ("minh le", "LE", "Minh"),
        ("le van", "LE", "Van"),
        ("le", "LE", "Minh"),
        ("claire martin", "MARTIN", "MARIE-CLAIRE"),
        ("coeur", "CŒUR", "Luc"),
        ("martin martin", "MARTIN", "Martin"),
        ("martin c", "MARTIN", "Claire"),
        ("anne marie sophie de la tour du pin", "DE LA TOUR DU PIN", "Anne Marie Sophie"),
    ],
)
def test_r118_accents_hyphens_particles_and_order_do_not_matter(typed: str, family: str, given: str) -> None:
    assert fits(readings(typed), Names.of(family, given))


@pytest.mark.parametrize(
    ("typed", "family", "given"),
    [
        ("artin", "MARTIN", "Claire"),
        ("claire", "MARTIN", "Claire"),
        ("martin paul", "MARTIN", "Claire"),
        ("martin martin", "MARTIN", "Claire"),
        ("le minh", "LEBLANC", "Van"),
        ("y martin", "MARTIN", "Claire"),
        ("roy", "LEROY", "Luc"),
    ],
)
def test_r118_others_are_not_found(typed: str, family: str, given: str) -> None:
    """The middle of a word, a given name alone, one word of two: none of these is the person."""
    assert not fits(readings(typed), Names.of(family, given))


@pytest.mark.parametrize("typed", ["", "m", " -'. ", "é", "1", "a " * (MOST_WORDS + 1), "x " * 200])
def test_r118_too_little_or_too_much_finds_nobody(typed: str) -> None:
    assert readings(typed) == ()


def test_a_short_name_is_enough_when_it_has_two_letters() -> None:
    assert fits(readings("li"), Names.of("LI", "Na"))
    assert fits(readings("d'"), Names.of("D'", "")) is False


def test_every_reading_leaves_out_what_is_taken() -> None:
    """The word that is the family name is not found a second time among the others."""
    names = Names.of("DE LA TOUR", "Anne")
    assert names.family == ("TOUR", "DELATOUR")
    assert names.beside("TOUR") == " DELATOUR ANNE "
    (first, *_) = readings("tour anne")
    assert [(word, whole, rest.words) for word, whole, rest in first.anchors] == [
        ("TOUR", False, ("ANNE",)),
        ("ANNE", False, ("TOUR",)),
    ]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", ("",)),
        (" 69 003 ", ("69003",)),
        ("2a", ("200", "201")),
        ("2B", ("202", "206")),
        ("2A1", ("201",)),
        ("2b200", ("20200",)),
        ("2B2000", None),
        ("6900x", None),
        ("690031", None),
        ("٦٩", None),
        ("69%", None),
    ],
)
def test_r118_postal_codes_are_digits_or_corsica(typed: str, expected: tuple[str, ...] | None) -> None:
    assert postal_beginnings(typed) == expected


def test_people_are_in_the_order_of_names_without_accents() -> None:
    people = [("ÉLIE", "Anne", "2"), ("DUPONT", "Zoé", "1"), ("ELIE", "Anne", "1"), ("EYRAUD", "A", "0")]
    assert sorted(people, key=lambda one: order_of(*one)) == [people[1], people[2], people[0], people[3]]


def test_a_server_is_asked_for_every_spelling() -> None:
    assert spellings("MARTIN") == ("MARTIN",)
    assert "DE LA TOUR" in spellings("DELATOUR")
    assert "D'ANGELO" in spellings("DANGELO")
    assert "LE ROY" in spellings("LEROY")
    assert "LE ROY" in spellings("ROY")
    assert "CŒUR" in spellings("COEUR")
