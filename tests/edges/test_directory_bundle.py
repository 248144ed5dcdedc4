"""What the directory's interface says is read by type and system, never by place; wrong types anywhere are garbage."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.demo.directory import Directory
from gateway.edges.directory_bundle import Garbage, Page, Person, Role, page_of, person_of, place_of, role_of

RPPS = "99700100060"
G15 = "https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante"
R09 = "https://mos.esante.gouv.fr/NOS/TRE_R09-CategorieProfessionnelle/FHIR/TRE-R09-CategorieProfessionnelle"
R38 = "https://mos.esante.gouv.fr/NOS/TRE_R38-SpecialiteOrdinale/FHIR/TRE-R38-SpecialiteOrdinale"
OLD = "http://interopsante.org/CodeSystem/v2-0203"


def garnier() -> dict[str, Any]:
    found = next(one for one in Directory().resources["Practitioner"] if any(name["family"] == "GARNIER" for name in
                 one.get("name", [])) and any(each["value"] == RPPS for each in one["identifier"]))  # fmt: skip
    return copy.deepcopy(found)


def identifier(value: str, system: str = "", kind: str = "") -> dict[str, Any]:
    typed = {"type": {"coding": [{"system": OLD, "code": kind}]}} if kind else {}
    return {"value": value, "system": system, **typed}


def qualified(*codings: tuple[str | None, str]) -> list[dict[str, Any]]:
    """One qualification with these codings."""
    made = [{"code": code} if system is None else {"system": system, "code": code} for system, code in codings]
    return [{"code": {"coding": made}}]


def test_a_practitioner_as_published() -> None:
    assert person_of(garnier()) == Person(garnier()["id"], RPPS, True, "GARNIER", "Élodie", "10", "SM15", "")


@pytest.mark.parametrize(
    "identifiers",
    [
        [identifier(RPPS, "http://rpps.fr")],
        [identifier(RPPS, "https://rpps.esante.gouv.fr")],
        [identifier(RPPS, "urn:of:tomorrow", "RPPS")],
        [identifier("8" + RPPS, "urn:oid:1.2.250.1.71.4.2.1")],
        [identifier("8" + RPPS, "", "IDNPS")],
        [
            identifier("x", "urn:other"),
            identifier("0533100558", "", "IDNPS"),
            identifier(RPPS, "http://rpps.fr", "RPPS"),
        ],
    ],
)
def test_r118_a_number_is_known_by_type_or_system(identifiers: list[dict[str, Any]]) -> None:
    for order in (identifiers, identifiers[::-1]):
        person = person_of(garnier() | {"identifier": order})
        assert person is not None
        assert person.rpps == RPPS


@pytest.mark.parametrize(
    "identifiers",
    [
        [],
        [identifier("0B6087510", "", "IDNPS"), identifier(RPPS, "urn:other")],
        [identifier("0533100558", "urn:oid:1.2.250.1.71.4.2.1")],
        [identifier(RPPS)],
    ],
)
def test_r118_who_has_no_rpps_is_nobody(identifiers: list[dict[str, Any]]) -> None:
    assert person_of(garnier() | {"identifier": identifiers}) is None


@pytest.mark.parametrize(
    ("qualification", "physician"),
    [
        (qualified((G15, "10")), True),
        (qualified((None, "10")), True),
        (qualified(("urn:oid:1.2.250.1.71.1.2.7", "10")), True),
        (qualified((R09, "C"), (G15, "10")), True),
        (qualified((R38, "SM54")) + qualified((G15, "10")), True),
        (qualified((R09, "E"), (G15, "10")), False),
        (qualified((G15, "60")), False),
        (qualified(("urn:other", "10")), False),
        ([], False),
    ],
)
def test_r118_a_physician_is_known_by_the_nomenclature(qualification: list[Any], physician: bool) -> None:
    """Students, other professions and code 10 of another list are none."""
    person = person_of(garnier() | {"qualification": qualification})
    assert person is not None
    assert person.profession == ("10" if physician else "")


def test_of_several_names_the_official_one() -> None:
    old = {"use": "old", "family": "PERRIN", "given": ["Élodie"]}
    for names in ([old, *garnier()["name"]], [*garnier()["name"], old]):
        person = person_of(garnier() | {"name": names})
        assert person is not None
        assert person.family == "GARNIER"


def test_who_left_may_have_nothing_but_a_number() -> None:
    person = person_of({"resourceType": "Practitioner", "id": "1", "identifier": [identifier(RPPS, "", "RPPS")]})
    assert person == Person("1", RPPS, False, "", "", "", "", "")


def test_roles_and_places() -> None:
    role = {"active": True, "practitioner": {"reference": "https://h/fhir/v2/Practitioner/003-1/_history/2"}}
    assert role_of(role) == Role("003-1", None, True)
    assert role_of(role | {"organization": {"reference": "Organization/001-2"}}) == Role("003-1", "001-2", True)
    assert role_of({"active": True}) is None
    assert role_of(role | {"practitioner": {"reference": "urn:uuid:1"}}) is None
    place = {
        "id": "001-2",
        "address": [{"city": "LYON", "postalCode": "69003"}, {"city": "GENEVE", "postalCode": "1200"}],
    }
    assert place_of(place).addresses == (("69003", "LYON"),)


def damaged(value: Any) -> Iterator[Any]:
    """The value with every part of it replaced, once each, by values of other types."""
    yield from (None, 7, "x\x00", "y" * 5000, True, [], {}, [7], [[]], {"coding": 3})
    if isinstance(value, dict):
        for key in value:
            for one in damaged(value[key]):
                yield {**value, key: one}
    elif isinstance(value, list):
        for place in range(len(value)):
            for one in damaged(value[place]):
                yield [*value[:place], one, *value[place + 1 :]]


def test_wrong_types_everywhere_are_garbage_or_harmless() -> None:
    """Whatever part is of another type: a reader gives a value of its own kind, or says ``Garbage``."""
    resources = Directory().resources
    samples: list[tuple[Any, Any, type]] = [
        (person_of, garnier(), Person),
        (role_of, resources["PractitionerRole"][0], Role),
        (place_of, resources["Organization"][0], object),
        (page_of, {"resourceType": "Bundle", "link": [{"relation": "next", "url": "http://h/"}],
                   "entry": [{"resource": {"resourceType": "X"}}]}, Page),
    ]  # fmt: skip
    refused = 0
    for reader, sample, kind in samples:
        assert isinstance(reader(sample), kind)
        for one in damaged(sample):
            if not isinstance(one, dict):
                continue
            try:
                found = reader(one)
            except Garbage:
                refused += 1
            else:
                assert found is None or isinstance(found, kind)
    assert refused > 300


@pytest.mark.parametrize(
    "change",
    [
        {"identifier": [identifier("9970010006", "", "RPPS")]},
        {"identifier": [identifier(RPPS, "", "RPPS"), identifier("99700100078", "", "RPPS")]},
        {"identifier": [identifier("8" + RPPS, "", "IDNPS"), identifier("99700100078", "", "RPPS")]},
        {"active": "true"},
        {"id": "../Organization"},
        {"id": "a,b"},
        {"name": [{"family": "GAR\nNIER"}]},
        {"name": [{"family": "GARNIER", "given": "Élodie"}]},
    ],
)
def test_contradictions_and_dangerous_values_are_garbage(change: dict[str, Any]) -> None:
    with pytest.raises(Garbage):
        person_of(garnier() | change)


def test_a_page_has_one_next_page_at_most() -> None:
    link = {"relation": "next", "url": "http://h/fhir/v2/_page?id=1"}
    assert page_of({"resourceType": "Bundle"}) == Page((), None)
    assert page_of({"resourceType": "Bundle", "link": [{"relation": "self", "url": "x"}, link]}).next == link["url"]
    for bad in ({"resourceType": "OperationOutcome"}, {"resourceType": "Bundle", "link": [link, link]}):
        with pytest.raises(Garbage):
            page_of(bad)
