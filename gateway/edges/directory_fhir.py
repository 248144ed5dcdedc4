"""The national directory by its FHIR interface, version 2 ("libre accès").

The interface cannot search by name and postal code in one question, and may compare names more loosely than we do: it
is asked for candidates, with their roles; the organizations of those give the postal codes; and who is meant is decided
here, by the same rule as with the embedded file (``directory_names``). Whatever was typed costs three or four questions
and their pages, never more pages than the limit. A next page is only fetched from the place the first came from.

No usable answer is ``DirectoryUnavailable``, never "nobody". One record of a search that makes no sense is left out
and logged; if none makes sense, or the one that was asked for, there is no answer.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
import structlog
from yarl import URL

from gateway.edges.directory_bundle import Garbage, Page, Person, page_of, person_of, place_of, role_of
from gateway.edges.directory_line import ApiLine, BadQuestion
from gateway.edges.directory_names import (
    Names,
    Reading,
    fits,
    order_of,
    postal_beginnings,
    readings,
    spellings,
)
from gateway.identity import PHYSICIAN
from gateway.ports import Ambient, Listed
from gateway.reasons import DirectoryUnavailable

_COUNT = 100  # entries of a page
_BATCH = 100  # organizations asked for at once
_MOST_BATCHES = 20
_MOST_QUESTIONS = 5
_LIFE, _SHORT_LIFE = 3600.0, 60.0  # seconds that "an active physician", and anything else, is believed
_REMEMBERED = 4096
_log = structlog.get_logger("gateway.directory")

Query = tuple[tuple[str, str], ...]
T = TypeVar("T")


@dataclass(slots=True)
class _Harvest:
    """What one search has gathered so far. ``pages``: that may still be fetched; ``partial``: some were not."""

    pages: int
    deadline: float
    people: dict[str, Person] = field(default_factory=dict)  # by RPPS
    work: dict[str, set[str]] = field(default_factory=dict)  # Practitioner id: organization ids
    ids: dict[str, set[str]] = field(default_factory=dict)  # RPPS: Practitioner ids
    places: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)  # by organization id
    sound: int = 0
    unsound: int = 0
    partial: bool = False

    def organizations(self, rpps: str) -> set[str]:
        return {one for practitioner in self.ids[rpps] for one in self.work.get(practitioner, ())}

    def listed(self, person: Person, codes: tuple[str, ...] = ("",)) -> Listed:
        places = {place for one in self.organizations(person.rpps) for place in self.places.get(one, ())}
        ordered = sorted(places, key=lambda place: (not place[0].startswith(codes), place))
        return Listed(
            person.rpps,
            person.family,
            person.given,
            person.profession,
            person.specialty,
            person.specialty_name,
            tuple(ordered),
            person.active,
        )


class FhirDirectory:
    """The ``Directory`` port. ``session`` stays its owner's; ``timeout`` is for a whole search, in seconds."""

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession,
        url: str,
        api_key: str,
        ambient: Ambient,
        timeout: float = 8,
        calls_per_second: float = 17,
        max_pages: int = 10,
        tls: ssl.SSLContext | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._base = URL(url.rstrip("/"))
        self._line = ApiLine(session, api_key, ambient, calls_per_second, tls, pause)
        self._ambient = ambient
        self._timeout = timeout
        self._max_pages = max_pages
        self._contains = True  # whether ":contains" is understood
        self._known: OrderedDict[str, tuple[float, Listed | None]] = OrderedDict()

    async def search(self, name: str, postal_code: str = "", *, limit: int = 50) -> tuple[Sequence[Listed], bool]:
        asked, codes = readings(name), postal_beginnings(postal_code)
        if not asked or codes is None:
            return (), False
        enough = limit if codes == ("",) else None
        harvest = self._harvest()
        await self._candidates(asked, harvest, enough)
        if harvest.unsound:
            _log.warning("directory records that make no sense", count=harvest.unsound)
            if not harvest.sound:
                raise self._worthless("no record makes sense")
        found = list(harvest.people.values())
        if enough is None:
            wanted = sorted({one for person in found for one in harvest.organizations(person.rpps)})
            await self._locate(wanted, harvest, codes)
            found = [
                person
                for person in found
                if any(
                    code.startswith(codes)
                    for one in harvest.organizations(person.rpps)
                    for code, _ in harvest.places.get(one, ())
                )
            ]
        found.sort(key=lambda one: order_of(one.family, one.given, one.rpps))
        shown = found[:limit]
        unknown = {one for person in shown for one in harvest.organizations(person.rpps)} - harvest.places.keys()
        await self._locate(sorted(unknown), harvest)
        self._line.succeeded()
        return [harvest.listed(person, codes) for person in shown], harvest.partial or len(found) > limit

    async def by_rpps(self, rpps: str) -> Listed | None:
        if not re.fullmatch(r"[0-9]{11}", rpps):
            return None
        now = self._ambient.monotonic()
        known = self._known.get(rpps)
        if known is not None and now < known[0]:
            self._known.move_to_end(rpps)
            return known[1]
        found = await self._look_up(rpps)
        self._line.succeeded()
        life = _LIFE if found is not None and found.active else _SHORT_LIFE
        self._known[rpps] = (now + life, found)
        self._known.move_to_end(rpps)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return found

    async def close(self) -> None:
        self._known.clear()

    # One person

    async def _look_up(self, rpps: str) -> Listed | None:
        harvest = self._harvest()
        query: Query = (("identifier", rpps), ("_revinclude", "PractitionerRole:practitioner"))
        people: list[Person] = []
        url: URL | None = self._question("Practitioner", query)
        while url is not None:
            page = await self._page(url, harvest)
            try:
                people += self._read(page, harvest)
            except Garbage as error:
                raise self._worthless(str(error)) from error
            url = self._next(page)
            if url is not None and harvest.pages == 0:
                raise DirectoryUnavailable("too many pages")
        own = [one for one in people if one.rpps == rpps]
        physicians = [one for one in own if one.active and one.profession == PHYSICIAN]
        if len({order_of(one.family, one.given, "") for one in physicians}) > 1:
            raise self._worthless("two people with one number")
        if physicians:
            person = min(physicians, key=lambda one: one.id)
        elif own and not any(one.active for one in own):
            person = min(own, key=lambda one: one.id)  # of those who left, the interface may say nothing but the number
        else:
            return None
        harvest.ids[rpps] = {one.id for one in own if one.active}
        await self._locate(sorted(harvest.organizations(rpps)), harvest)
        return harvest.listed(person)

    # Many people

    async def _candidates(self, asked: Sequence[Reading], harvest: _Harvest, enough: int | None) -> None:
        loose = self._contains
        try:
            await _together(self._gather(one, asked, harvest, enough) for one in _questions(asked, loose=loose))
        except BadQuestion:
            if not loose:
                raise
            # Documented for texts in general, not for names: without it, names are only found by their beginning.
            _log.warning("the directory does not understand :contains")
            self._contains = False
            await _together(self._gather(one, asked, harvest, enough) for one in _questions(asked, loose=False))

    async def _gather(self, names: Query, asked: Sequence[Reading], harvest: _Harvest, enough: int | None) -> None:
        """All pages of one question, or as many as give enough people and are allowed."""
        query: Query = (
            *names,
            ("active", "true"),
            ("qualification-code", PHYSICIAN),
            ("_revinclude", "PractitionerRole:practitioner"),
            ("_count", str(_COUNT)),
        )
        url: URL | None = self._question("Practitioner", query)
        mine: set[str] = set()
        while url is not None:
            if harvest.pages == 0 or (enough is not None and len(mine) > enough):
                harvest.partial = True
                return
            page = await self._page(url, harvest)
            for person in self._read(page, harvest, lenient=True):
                if (
                    person.active
                    and person.profession == PHYSICIAN
                    and fits(asked, Names.of(person.family, person.given))
                ):
                    mine.add(person.rpps)
                    harvest.people.setdefault(person.rpps, person)
                    harvest.ids.setdefault(person.rpps, set()).add(person.id)
            url = self._next(page)

    async def _locate(self, wanted: Sequence[str], harvest: _Harvest, codes: tuple[str, ...] = ("",)) -> None:
        """Where these organizations are; with codes only those that are there."""
        batches = [wanted[start : start + _BATCH] for start in range(0, len(wanted), _BATCH)]
        if len(batches) > _MOST_BATCHES:
            harvest.partial = True
        await _together(self._locate_batch(one, harvest, codes) for one in batches[:_MOST_BATCHES])

    async def _locate_batch(self, wanted: Sequence[str], harvest: _Harvest, codes: tuple[str, ...]) -> None:
        query: Query = (("_id", ",".join(wanted)), ("_count", str(_BATCH)))
        if codes != ("",):
            query = (*query, ("address-postalcode", ",".join(codes)))
        url: URL | None = self._question("Organization", query)
        for _ in range(self._max_pages):
            if url is None:
                return
            page = await self._page(url, harvest, counted=False)
            for resource in page.resources:
                if resource.get("resourceType") == "Organization":
                    try:
                        place = place_of(resource)
                    except Garbage as error:
                        raise self._worthless(str(error)) from error
                    harvest.places[place.id] = place.addresses
            url = self._next(page)
        if url is not None:
            raise DirectoryUnavailable("too many pages")

    # Pages

    def _harvest(self) -> _Harvest:
        return _Harvest(self._max_pages, asyncio.get_running_loop().time() + self._timeout)

    def _question(self, resource: str, query: Query) -> URL:
        return (self._base / resource).with_query(list(query))

    async def _page(self, url: URL, harvest: _Harvest, *, counted: bool = True) -> Page:
        if counted:
            harvest.pages -= 1
        document = await self._line.fetch(url, harvest.deadline)
        try:
            return page_of(document)
        except Garbage as error:
            raise self._worthless(str(error)) from error

    def _next(self, page: Page) -> URL | None:
        """The next page, on the same origin and under the same path: the key goes nowhere else."""
        if page.next is None:
            return None
        try:
            url = URL(page.next, encoded=True)
            inside = (
                url.origin() == self._base.origin()
                and url.user is None
                and url.raw_path.startswith(self._base.raw_path + "/")
                and not re.search(r"\.\.|%2e|%2f|%5c|\\|[^\x21-\x7e]", page.next, re.IGNORECASE)
            )
        except ValueError:
            inside = False
        if not inside:
            raise self._worthless("a next page elsewhere")
        return url

    def _read(self, page: Page, harvest: _Harvest, *, lenient: bool = False) -> list[Person]:
        """The people of a page; their roles go to the harvest. Raises ``Garbage`` unless lenient."""
        people: list[Person] = []
        for resource in page.resources:
            try:
                self._take(resource, people, harvest)
            except Garbage:
                if not lenient:
                    raise
                harvest.unsound += 1
        harvest.sound += len(people)
        return people

    def _take(self, resource: Mapping[str, Any], people: list[Person], harvest: _Harvest) -> None:
        kind = resource.get("resourceType")
        if kind == "Practitioner":
            person = person_of(resource)
            if person is not None:
                people.append(person)
        elif kind == "PractitionerRole":
            role = role_of(resource)
            if role is not None and role.active and role.organization is not None:
                harvest.work.setdefault(role.practitioner, set()).add(role.organization)

    def _worthless(self, why: str) -> DirectoryUnavailable:
        """An answer came, and nothing can be done with it."""
        self._line.failed("answer", why)
        return DirectoryUnavailable(why)


def _questions(asked: Sequence[Reading], *, loose: bool) -> list[Query]:
    """What to ask the interface so that everybody who fits is among the answers: of several words, the first or the last
    is in the family name, and the other in the given names unless all are in the family name."""
    first, *others = asked
    found: list[Query] = []
    for reading in (first, *(one for one in others if one.whole or any(len(word) < 4 for word in first.words))):
        # Inside of names, a short word alone finds half of the country.
        inside = {word: loose and (len(word) >= 4 or len(reading.words) > 1) for word in reading.words}
        families = [_family(word, loose=inside[word]) for word in reading.words]
        givens = [_given(word, loose=loose) for word in reading.words]
        families += [("family", word) for word in reading.whole]
        givens += [("given", word) for word in reading.whole]
        last = len(families) - 1
        if last == 0:
            found.append((families[0],))
        else:
            found.append((families[0], givens[last]))
            found.append((families[last], givens[0]))
            if not reading.whole:
                found.append((families[0], families[last]))
    return list(dict.fromkeys(found))[:_MOST_QUESTIONS]


def _family(word: str, *, loose: bool) -> tuple[str, str]:
    return ("family:contains" if loose else "family"), ",".join(spellings(word))


def _given(word: str, *, loose: bool) -> tuple[str, str]:
    return ("given:contains" if loose else "given"), word


async def _together(works: Iterable[Awaitable[T]]) -> None:
    """All at once; the first failure ends the others."""
    tasks = [asyncio.ensure_future(one) for one in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
