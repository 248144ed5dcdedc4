"""The demo's national directory behaves as the interface is documented, so that tests against it mean something."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from gateway.demo.directory import KEY, Directory
from gateway.demo.people import PEOPLE
from gateway.demo.physicians import practitioners
from gateway.identity import luhn
from tests.edges.national import serving

GARNIER = "99700100060"


class Asking:
    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def get(self, path: str, key: str | None = KEY) -> tuple[int, dict[str, Any]]:
        headers = {} if key is None else {"ESANTE-API-KEY": key}
        where = path if path.startswith("http") else f"{self.url}/{path}"
        async with self._session.get(where, headers=headers) as answer:
            assert answer.content_type == "application/fhir+json"
            return answer.status, await answer.json(content_type=None)

    async def found(self, path: str, kind: str = "match") -> list[dict[str, Any]]:
        status, bundle = await self.get(path)
        assert (status, bundle["resourceType"], bundle["type"]) == (200, "Bundle", "searchset")
        return [entry["resource"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == kind]


@pytest.fixture
async def asking() -> AsyncIterator[Asking]:
    async with serving(Directory().app()) as url, aiohttp.ClientSession() as session:
        yield Asking(url, session)


def test_everybody_of_the_demo_and_many_more() -> None:
    """The same at every start, with numbers of test persons that have their key, and homonyms."""
    people = practitioners()
    assert people == practitioners()
    numbers = [one.rpps for one in people if one.rpps]
    assert len(numbers) == len(set(numbers)) >= 300
    assert all(number.startswith("997") and luhn(number) for number in numbers)
    assert {person.rpps for person in PEOPLE if person.rpps} <= set(numbers)
    names = Counter((one.family_name, one.given_name) for one in people)
    assert len([one for one in names.values() if one > 1]) >= 5
    places = {one.rpps: one.places for one in people}
    by_key = {person.key: places[person.rpps] for person in PEOPLE if person.rpps}
    assert by_key["dr-garnier"] == (("69003", "Lyon"),)
    assert by_key["dr-lambert"] == (("38000", "Grenoble"),)
    assert by_key["dr-rousseau"] == (("69007", "Lyon"),)
    assert any(not one.active for one in people)
    assert [one.adeli for one in people if one.rpps is None] == ["0B6087510"]
    for name in ("GARNIER", "LAMBERT", "ROUSSEAU"):
        own = next(one for one in PEOPLE if one.family_name.upper() == name)
        assert names[name, own.given_name] == 1


@pytest.mark.parametrize(
    ("path", "key", "status", "code"),
    [
        ("Practitioner?family=garnier", None, 401, "login"),
        ("Practitioner?family=garnier", "other", 401, "login"),
        ("Patient", KEY, 404, "not-found"),
        ("Practitioner?birthdate=1970", KEY, 400, "processing"),
        ("Practitioner?family:sounds=garnier", KEY, 400, "processing"),
        ("Practitioner?identifier:contains=9", KEY, 400, "processing"),
        ("Organization?organization.name=x", KEY, 400, "processing"),
        ("Practitioner?_count=x", KEY, 400, "invalid"),
        ("_page?id=nothing", KEY, 410, "expired"),
    ],
)
async def test_faults_are_outcomes(asking: Asking, path: str, key: str | None, status: int, code: str) -> None:
    found, outcome = await asking.get(path, key)
    assert (found, outcome["resourceType"], outcome["issue"][0]["code"]) == (status, "OperationOutcome", code)


@pytest.mark.parametrize(
    ("path", "count"),
    [
        (f"Practitioner?identifier={GARNIER}", 1),
        (f"Practitioner?identifier=8{GARNIER}", 1),
        (f"Practitioner?identifier=https://rpps.esante.gouv.fr|{GARNIER}", 1),
        (f"Practitioner?identifier=urn:oid:1.2.250.1.71.4.2.1|{GARNIER}", 0),
        (f"Practitioner?identifier={GARNIER},99700100078", 2),
        (f"Practitioner?identifier={GARNIER}&family=lambert", 0),
        ("Practitioner?family=garnier&given=elodie", 1),
        ("Practitioner?family=arnier", 0),
        ("Practitioner?family:contains=arnier&given=ELODIE", 1),
        ("Practitioner?family:exact=GARNIER&given:exact=Élodie", 1),
        ("Practitioner?family:exact=Garnier", 0),
        ("Practitioner?family=garnier,lambert&given=elodie,hugo", 3),
        ("Practitioner?name=garnier&name:contains=lodie", 1),
        ("Practitioner?active=false", 2),
        ("Practitioner?qualification-code=60", 3),
        ("PractitionerRole?organization=001-01-300060", 1),
        ("Organization?address-postalcode=69003&address-city=lyon&name=cabinet%20du%20dr%20garnier", 1),
    ],
)
async def test_searches_as_documented(asking: Asking, path: str, count: int) -> None:
    assert len(await asking.found(path)) == count


async def test_roles_and_organizations_come_along_when_they_are_asked_for(asking: Asking) -> None:
    path = f"Practitioner?identifier={GARNIER}"
    assert await asking.found(path, "include") == []
    (practitioner,) = await asking.found(path)
    (role,) = await asking.found(path + "&_revinclude=PractitionerRole:practitioner", "include")
    assert role["practitioner"]["reference"] == f"Practitioner/{practitioner['id']}"
    for include in ("PractitionerRole:organization", "PractitionerRole:practitioner"):
        (other,) = await asking.found(
            f"PractitionerRole?practitioner={practitioner['id']}&_include={include}", "include"
        )
        assert other["id"] in (role["organization"]["reference"].partition("/")[2], practitioner["id"])
    organization = role["organization"]["reference"].partition("/")[2]
    assert (await asking.found(f"Organization?_id={organization},none"))[0]["address"][0]["postalCode"] == "69003"
    back = await asking.found(f"Organization?_id={organization}&_revinclude=PractitionerRole:organization", "include")
    assert back == [role]


async def test_pages_are_followed_by_opaque_addresses(asking: Asking) -> None:
    """Every match once, whatever the size of a page."""
    whole = [one["id"] for one in await asking.found("Practitioner?active=true&_count=200")]
    seen: list[str] = []
    path: str | None = "Practitioner?active=true&_count=90"
    while path is not None:
        _, bundle = await asking.get(path)
        seen += [entry["resource"]["id"] for entry in bundle["entry"]]
        path = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
        assert path is None or path.startswith(f"{asking.url}/_page?id=")
    assert len(seen) == len(set(seen)) > 300
    assert seen[: len(whole)] == whole
