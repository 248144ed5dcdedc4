"""R118, R123: the directory's FHIR interface, as its documentation describes it, and as nobody should trust it."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web

from gateway.demo.directory import KEY, Directory
from gateway.demo.physicians import Practitioner, practitioners
from gateway.edges import directory_line
from gateway.edges.directory_fhir import FhirDirectory
from gateway.edges.directory_file import FileDirectory
from gateway.edges.directory_load import load_extraction
from gateway.ports import Directory as Port
from gateway.ports import Listed
from gateway.reasons import DirectoryUnavailable
from tests.ambient import TestAmbient
from tests.edges.national import directory_at, lines_of, serving, write
from tests.edges.searches import CASES

GARNIER = "99700100060"
VASSEUR, WITHDRAWN = "99700503008", "99700503016"
NURSE, STUDENT = "99700100037", "99700100052"
Change = Callable[[dict[str, Any]], Any]


class Country:
    """The demo's directory, what was asked of it, and how its answers are changed on the way."""

    def __init__(self, people: list[Practitioner] | None = None) -> None:
        self.directory = Directory(people)
        self.ambient = TestAmbient()
        self.asked: list[str] = []
        self.change: Change = lambda document: document

    @web.middleware
    async def between(self, request: web.Request, handler: Any) -> web.StreamResponse:
        assert request.headers["ESANTE-API-KEY"] == KEY
        self.asked.append(request.path_qs.removeprefix("/fhir/v2/"))
        answer = await handler(request)
        if answer.status != 200:
            return answer
        document = self.change(json.loads(answer.body))
        if isinstance(document, web.StreamResponse):
            return document
        return web.json_response(document, content_type="application/fhir+json")

    @asynccontextmanager
    async def client(self, **settings: object) -> AsyncIterator[FhirDirectory]:
        app = self.directory.app()
        app.middlewares.append(self.between)
        async with serving(app) as self.url, directory_at(self.url, self.ambient, **settings) as found:
            yield found

    def questions(self, kind: str) -> list[str]:
        return [one for one in self.asked if one.startswith(kind + "?")]


@pytest.fixture
def country() -> Country:
    return Country()


@pytest.fixture(autouse=True)
def the_key_is_never_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever a test does, no line of any library or of ours holds the key."""
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as ours:
        yield
    assert KEY not in caplog.text + repr(ours)


def crowd(count: int, places: int = 1) -> list[Practitioner]:
    """So many homonyms."""
    return [
        Practitioner(number, f"99700{number:06d}", "MARTIN", f"Paul{chr(65 + number // 26 % 26)}{chr(65 + number % 26)}",
                     places=tuple((f"69{place:03d}", "LYON") for place in range(number % 5, number % 5 + places)))
        for number in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize("source", ["fhir", "file"])
async def test_r118_both_sources_find_the_same(source: str, country: Country, tmp_path: Path) -> None:
    """The same table of searches against the interface and against the embedded file."""
    async with country.client() as remote:
        extraction = write(tmp_path, *lines_of(practitioners()))
        load_extraction(extraction, tmp_path / "directory.db", datetime.now(UTC), lambda _: None)
        local = FileDirectory(tmp_path / "directory.db", country.ambient)
        tried: Port = remote if source == "fhir" else local
        other: Port = local if source == "fhir" else remote
        for case in CASES:
            found, more = await tried.search(case.name, case.postal_code)
            names = [(one.family_name, one.given_name) for one in found]
            assert (len(found), more, names[:1]) == (case.count, False, [case.first] if case.first else []), case
            assert [one.profession for one in found] == ["10"] * case.count
            assert list(found) == list((await other.search(case.name, case.postal_code))[0])
        for rpps in (GARNIER, NURSE, STUDENT, "00000000000", "10005678901", "garnier", "", "٩٩٧٠٠١٠٠٠٦٠"):
            assert await tried.by_rpps(rpps) == await other.by_rpps(rpps)
        first, more = await tried.search("martin", limit=5)
        assert (len(first), more) == (5, True)
        assert list(first) == list((await tried.search("martin"))[0])[:5]
        await local.close()


async def test_r118_where_somebody_practises_is_found_over_their_roles(country: Country) -> None:
    """The places asked for come first; each of them is shown."""
    async with country.client() as directory:
        (one,), more = await directory.search("Garnier", "69003")
        assert one == Listed(GARNIER, "GARNIER", "Élodie", "10", "SM15", "", (("69003", "LYON"),))
        assert not more
        several = [person for person in (await directory.search("durand"))[0] if len(person.places) > 1]
        there = several[0].places[1][0]
        (same,) = [each for each in (await directory.search("durand", there))[0] if each.rpps == several[0].rpps]
        assert same.places == several[0].places[::-1]
        assert same.places[0][0] == there


async def test_r118_few_questions_whatever_is_typed(country: Country) -> None:
    """One question for one word, three for more, one for the places: only with parameters that are declared."""
    async with country.client() as directory:
        for name, most in (("garnier", 1), ("garnier elodie", 3), ("marie claire dupont levy", 3), ("le van roy", 5)):
            country.asked.clear()
            await directory.search(name)
            assert len(country.questions("Practitioner")) <= most
            assert len(country.questions("Organization")) <= 1
        for name in ("x", "", "b c e f g h i"):
            country.asked.clear()
            assert await directory.search(name) == ((), False)
            assert country.asked == []


async def test_r118_many_homonyms_are_cut_and_said_to_be_more() -> None:
    """Without a postal code a few pages do; with one, all that are allowed."""
    country = Country(crowd(700, places=2))
    async with country.client() as directory:
        found, more = await directory.search("martin")
        assert (len(found), more) == (50, True)
        assert len([one for one in country.asked if not one.startswith("Organization")]) == 1
        assert all(len(one.places) == 2 for one in found)
        found, more = await directory.search("martin paul", "69000", limit=200)
        assert (len(found), more) == (140, False)
        country.asked.clear()
    async with country.client(max_pages=3) as directory:
        found, more = await directory.search("martin", "69000", limit=200)
        assert (len(found), more) == (60, True)
        assert len([one for one in country.asked if not one.startswith("Organization")]) == 3


async def test_r118_a_server_that_compares_loosely_is_corrected(country: Country) -> None:
    """It sends everybody, inactive ones and other professions too, and its postal codes mean nothing."""
    everybody = Country(list(practitioners()))

    async def careless(request: web.Request) -> web.Response:
        kind = request.path.rpartition("/")[2]
        resources = everybody.directory.resources[kind]
        if kind == "Practitioner":
            resources = resources[::-1] + everybody.directory.resources["PractitionerRole"]
        entries = [{"resource": one} for one in resources]
        return web.json_response({"resourceType": "Bundle", "type": "searchset", "entry": entries})

    app = web.Application()
    app.router.add_get("/fhir/v2/{kind}", careless)
    async with serving(app) as url, directory_at(url, country.ambient) as directory:
        for case in CASES[::4]:
            found, more = await directory.search(case.name, case.postal_code)
            assert (len(found), more) == (case.count, False), case
            assert not case.first or (found[0].family_name, found[0].given_name) == case.first
        one = await directory.by_rpps(GARNIER)
        assert one is not None
        assert one.family_name == "GARNIER"
        assert await directory.by_rpps("99700100094") is None


async def test_r118_a_server_without_contains_still_finds_beginnings(country: Country) -> None:
    """The modifier is documented for texts in general only. Without it the whole search is asked anew, once."""

    async def strict(request: web.Request) -> web.StreamResponse:
        if any(name.endswith(":contains") for name in request.query):
            return web.json_response({"resourceType": "OperationOutcome"}, status=400)
        return await country.directory._search(request)

    app = web.Application()
    app.router.add_get("/fhir/v2/{kind}", strict)
    async with serving(app) as url, directory_at(url, country.ambient) as directory:
        for name, count in (("martin claire", 2), ("garnier", 8), ("delatour", 14)):
            assert len((await directory.search(name))[0]) == count


async def test_r118_inactive_and_withdrawn_people_are_known_but_not_found(country: Country) -> None:
    async with country.client() as directory:
        one = await directory.by_rpps(VASSEUR)
        assert one is not None
        assert (one.family_name, one.active, one.places) == ("VASSEUR", False, ())
        assert await directory.by_rpps(WITHDRAWN) == Listed(WITHDRAWN, "", "", "", active=False)
        assert await directory.search("vasseur") == ([], False)


async def test_r118_a_second_profession_does_not_hide_the_first(country: Country) -> None:
    """A Practitioner is one profession of somebody: the physician is found whatever stands beside, and once."""
    own = next(one for one in practitioners() if one.rpps == GARNIER)
    both = [
        Practitioner(900, GARNIER, own.family_name, own.given_name, "40", places=(("63000", "RIOM"),)),
        own,
        Practitioner(901, GARNIER, own.family_name, own.given_name, "10", places=(("15000", "AURILLAC"),)),
    ]
    country = Country(both)
    async with country.client() as directory:
        one = await directory.by_rpps(GARNIER)
        assert one is not None
        assert one.profession == "10"
        (found,), _ = await directory.search("garnier")
        assert found.places == (("15000", "AURILLAC"), ("69003", "LYON"))


async def test_r123_two_people_with_one_number_are_no_answer(country: Country) -> None:
    country = Country([Practitioner(1, GARNIER, "GARNIER", "A"), Practitioner(2, GARNIER, "PERRIN", "B")])
    async with country.client() as directory:
        with pytest.raises(DirectoryUnavailable):
            await directory.by_rpps(GARNIER)


@pytest.mark.parametrize("mode", ["down", "error"])
async def test_r123_down_is_said_and_never_nobody(country: Country, mode: str) -> None:
    async with country.client() as directory:
        country.directory.mode = mode
        with pytest.raises(DirectoryUnavailable):
            await directory.search("garnier")
        with pytest.raises(DirectoryUnavailable):
            await directory.by_rpps(GARNIER)
        country.directory.mode = "ok"
        assert await directory.by_rpps(GARNIER) is not None


async def test_r123_a_slow_directory_is_down_in_time(country: Country) -> None:
    async with country.client(timeout=0.2) as directory:
        country.directory.mode = "slow"
        with pytest.raises(DirectoryUnavailable, match="Timeout"):
            await directory.search("garnier elodie")


async def test_r123_a_wrong_key_is_no_answer(country: Country) -> None:
    async with (
        serving(country.directory.app()) as url,
        directory_at(url, country.ambient, api_key="other") as directory,
    ):
        with pytest.raises(DirectoryUnavailable, match="401"):
            await directory.search("garnier")


@pytest.mark.parametrize(
    "address",
    [
        "http://elsewhere.test/fhir/v2/_page?id=1",
        "https://127.0.0.1/fhir/v2/_page?id=1",
        "{origin}.elsewhere.test/fhir/v2/_page?id=1",
        "{origin}/fhir/v2",
        "{origin}/fhir/v22/_page?id=1",
        "{origin}/other/_page?id=1",
        "{origin}/fhir/v2/../other?id=1",
        "{origin}/fhir/v2/%2e%2e/other?id=1",
        "{origin}/fhir/v2/..%2fother?id=1",
        "{origin}/fhir/v2\\..\\other",
        "//elsewhere.test/fhir/v2/_page?id=1",
        "/fhir/v2/_page?id=1",
        "_page?id=1",
        "file:///etc/passwd",
        "http://[::1/fhir/v2/_page",
        "{user}/fhir/v2/_page?id=1",
        "{origin}/fhir/v2/_page?id=é",
        7,
    ],
)
async def test_r123_a_next_page_elsewhere_is_never_fetched(country: Country, address: Any) -> None:
    """The key goes to the configured origin and path, and nowhere else."""

    def lead_astray(document: dict[str, Any]) -> dict[str, Any]:
        origin = country.url.removesuffix("/fhir/v2")
        where = address
        if isinstance(address, str):
            where = address.format(origin=origin, user=origin.replace("//", "//a:b@"))
        return document | {"link": [{"relation": "next", "url": where}]}

    country.change = lead_astray
    async with country.client() as directory:
        with pytest.raises(DirectoryUnavailable):
            await directory.search("garnier", "69")
        assert len(country.asked) == 1
        with pytest.raises(DirectoryUnavailable):
            await directory.by_rpps(GARNIER)
        assert len(country.asked) == 2


async def test_r123_pages_without_end_end(country: Country) -> None:
    """A search stops at the limit and says there is more; somebody's own record has no such pages."""

    def endless(document: dict[str, Any]) -> dict[str, Any]:
        return document | {"link": [{"relation": "next", "url": f"{country.url}/Practitioner?family=garnier&_count=1"}]}

    country.change = endless
    async with country.client(max_pages=4) as directory:
        country.directory.resources["Organization"].clear()
        with pytest.raises(DirectoryUnavailable, match="too many pages"):
            await directory.by_rpps(GARNIER)
        assert len(country.asked) == 4
        country.asked.clear()
        with pytest.raises(DirectoryUnavailable, match="too many pages"):
            await directory.search("garnier elodie")  # of its organizations there is no end either
        assert len([one for one in country.asked if one.startswith("Practitioner")]) <= 8


async def test_r123_records_that_make_no_sense_are_left_out_unless_all_are(country: Country) -> None:
    def spoil(every: bool) -> Change:
        def change(document: dict[str, Any]) -> dict[str, Any]:
            for number, entry in enumerate(document["entry"]):
                if entry["resource"]["resourceType"] == "Practitioner" and (every or number == 0):
                    entry["resource"]["name"] = "GARNIER"
            return document

        return change

    async with country.client() as directory:
        whole, _ = await directory.search("garnier")
        country.change = spoil(every=False)
        found, _ = await directory.search("garnier")
        assert len(found) == len(whole) - 1
        with pytest.raises(DirectoryUnavailable):
            await directory.by_rpps(GARNIER)
        country.change = spoil(every=True)
        with pytest.raises(DirectoryUnavailable):
            await directory.search("garnier")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"resourceType": "OperationOutcome"},
        {"resourceType": "Bundle", "entry": {}},
        {"resourceType": "Bundle", "entry": [7]},
        {"resourceType": "Bundle", "entry": [{}]},
        {"resourceType": "Bundle", "link": "next"},
        [],
    ],
)
async def test_r123_a_bundle_that_is_none_is_no_answer(country: Country, document: Any) -> None:
    country.change = lambda _: document
    async with country.client() as directory:
        with pytest.raises(DirectoryUnavailable):
            await directory.search("garnier")
        with pytest.raises(DirectoryUnavailable):
            await directory.by_rpps(GARNIER)


async def test_r123_a_huge_answer_is_not_read(country: Country, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_line, "_LARGEST", 20_000)
    country.change = lambda document: document | {"padding": "x" * 20_000}
    async with country.client() as directory:
        with pytest.raises(DirectoryUnavailable, match="too large"):
            await directory.search("garnier")


async def test_r123_garbage_again_and_again_counts_as_down(country: Country) -> None:
    country.change = lambda _: {"resourceType": "Bundle", "entry": 7}
    async with country.client() as directory:
        for _ in range(5):
            with pytest.raises(DirectoryUnavailable):
                await directory.by_rpps(GARNIER)
        assert len(country.asked) == 3
        country.change = lambda document: document
        country.ambient.advance(11)
        assert len((await directory.search("garnier elodie"))[0]) == 1


async def test_r118_who_somebody_is_is_believed_for_an_hour_and_nobody_for_a_minute(country: Country) -> None:
    async with country.client() as directory:
        for rpps, life in ((GARNIER, 3600), (NURSE, 60), (VASSEUR, 60), ("99700999997", 60)):
            country.asked.clear()
            first = await directory.by_rpps(rpps)
            country.ambient.advance(life - 1)
            assert await directory.by_rpps(rpps) == first
            assert len(country.questions("Practitioner")) == 1
            country.ambient.advance(2)
            assert await directory.by_rpps(rpps) == first
            assert len(country.questions("Practitioner")) == 2


async def test_no_more_than_so_many_are_remembered(country: Country, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.edges.directory_fhir._REMEMBERED", 2)
    async with country.client() as directory:
        for rpps in (GARNIER, VASSEUR, GARNIER, NURSE, GARNIER):
            await directory.by_rpps(rpps)
        assert len(country.questions("Practitioner")) == 3
        await directory.by_rpps(VASSEUR)
        assert len(country.questions("Practitioner")) == 4


async def test_r123_an_outage_is_not_remembered(country: Country) -> None:
    async with country.client() as directory:
        country.directory.mode = "error"
        with pytest.raises(DirectoryUnavailable):
            await directory.by_rpps(GARNIER)
        country.directory.mode = "ok"
        assert await directory.by_rpps(GARNIER) is not None
