"""The national directory of the demo: the FHIR interface as its documentation describes it, with invented people.

Practitioner, PractitionerRole and Organization; the declared parameters only (others are refused); repeated parameters
all hold, comma-separated values one of them; ``:contains`` and ``:exact`` for texts; pages by opaque addresses; the key
in its header; faults as OperationOutcome. ``mode`` makes it misbehave.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from aiohttp import web

from gateway.demo.physicians import Practitioner, practitioners
from gateway.edges.system import SystemAmbient

KEY = "demo-key"
_BASE = "/fhir/v2"
_PAGE, _LARGEST_PAGE = 50, 200
_KEPT_PAGES = 200
_IDNAT, _RPPS = "urn:oid:1.2.250.1.71.4.2.1", "https://rpps.esante.gouv.fr"
_IDENTIFIER_TYPES = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"

Resource = dict[str, Any]
# How the values of a resource compare with one value asked for.
Match = Callable[[Resource, str, str], bool]


class Directory:
    """One world of practitioners, their roles and where they work."""

    def __init__(self, people: Iterable[Practitioner] | None = None) -> None:
        self.mode = "ok"
        self._ambient = SystemAmbient()
        self._pages: OrderedDict[str, tuple[list[Resource], tuple[str, ...], int, int]] = OrderedDict()
        self.resources: dict[str, list[Resource]] = {"Practitioner": [], "PractitionerRole": [], "Organization": []}
        for person in people if people is not None else practitioners():
            self._add(person)

    def app(self) -> web.Application:
        app = web.Application()
        for kind in self.resources:
            app.router.add_get(f"{_BASE}/{kind}", self._search)
        app.router.add_get(f"{_BASE}/_page", self._page)
        app.router.add_get("/{rest:.*}", self._nothing)
        return app

    def _add(self, person: Practitioner) -> None:
        self.resources["Practitioner"].append(_practitioner(person))
        for place, (postal, town) in enumerate(person.places):
            organization = f"001-01-{300_000 + person.number * 10 + place}"
            self.resources["Organization"].append(_organization(organization, person, postal, town))
            self.resources["PractitionerRole"].append(_role(person, place, organization))

    async def _trouble(self, request: web.Request) -> web.Response | None:
        if self.mode == "down" and request.transport is not None:
            request.transport.abort()
        if self.mode == "slow":
            await asyncio.sleep(30)
        if self.mode == "error":
            return _outcome(500, "exception", "internal error")
        if request.headers.get("ESANTE-API-KEY") != KEY:
            return _outcome(401, "login", "no valid key")
        return None

    async def _nothing(self, request: web.Request) -> web.Response:
        return await self._trouble(request) or _outcome(404, "not-found", "unknown resource")

    async def _search(self, request: web.Request) -> web.Response:
        if trouble := await self._trouble(request):
            return trouble
        kind = request.path.rpartition("/")[2]
        found = self.resources[kind]
        count, include = _PAGE, list[str]()
        for name, value in request.query.items():
            plain, _, modifier = name.partition(":")
            if name == "_count":
                if not value.isascii() or not value.isdigit() or not int(value):
                    return _outcome(400, "invalid", "_count")
                count = min(int(value), _LARGEST_PAGE)
            elif name in ("_include", "_revinclude"):
                include.append(value)
            elif name == "_total":
                continue
            elif name == "_id":
                wanted = set(value.split(","))
                found = [one for one in found if one["id"] in wanted]
            elif plain not in _PARAMETERS[kind] or (modifier and not (plain in _TEXTS and modifier in _MODIFIERS)):
                return _outcome(400, "processing", f"unknown search parameter {name} for {kind}")
            else:
                match = _PARAMETERS[kind][plain]
                found = [one for one in found if any(match(one, each, modifier) for each in value.split(","))]
        return self._answer(request, found, tuple(include), 0, count)

    def _included(self, resource: Resource, wanted: Sequence[str]) -> list[Resource]:
        kind, found = resource["resourceType"], list[Resource]()
        roles, own = self.resources["PractitionerRole"], f"{kind}/{resource['id']}"
        for one in wanted:
            if one == "PractitionerRole:practitioner" and kind == "Practitioner":
                found += [role for role in roles if role["practitioner"]["reference"] == own]
            elif one == "PractitionerRole:organization" and kind == "Organization":
                found += [role for role in roles if role["organization"]["reference"] == own]
            elif kind == "PractitionerRole" and one.partition(":")[2] in ("organization", "practitioner"):
                target = resource[one.partition(":")[2]]["reference"]
                found += [other for other in self.resources[target.partition("/")[0]] if target.endswith(other["id"])]
        return found

    async def _page(self, request: web.Request) -> web.Response:
        if trouble := await self._trouble(request):
            return trouble
        known = self._pages.get(request.query.get("id", ""))
        if known is None:
            return _outcome(410, "expired", "this page is gone")
        return self._answer(request, *known)

    def _answer(
        self, request: web.Request, found: list[Resource], include: tuple[str, ...], start: int, count: int
    ) -> web.Response:
        """One page: so many matches, each with what is included for it."""
        links = [{"relation": "self", "url": str(request.url)}]
        if start + count < len(found):
            page = self._ambient.token(24)
            self._pages[page] = (found, include, start + count, count)
            while len(self._pages) > _KEPT_PAGES:
                self._pages.popitem(last=False)
            links.append({"relation": "next", "url": f"{request.url.origin()}{_BASE}/_page?id={page}"})
        entries = []
        for one in found[start : start + count]:
            entries.append(_entry(request, one, "match"))
            entries += [_entry(request, more, "include") for more in self._included(one, include)]
        bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(found), "link": links, "entry": entries}
        return web.json_response(bundle, content_type="application/fhir+json")


# Resources


def _practitioner(person: Practitioner) -> Resource:
    identifiers = [_identifier("IDNPS", _IDNAT, person.idnat)]
    if person.rpps:
        identifiers.append(_identifier("RPPS", _RPPS, person.rpps))
    known: Resource = {
        "resourceType": "Practitioner",
        "id": f"003-{1_000_000 + person.number}-{2_000_000 + person.number}",
        "meta": {"versionId": "1", "source": "https://annuaire.sante.fr"},
        "language": "fr",
        "identifier": identifiers,
        "active": person.active,
    }
    if person.withdrawn:
        return known
    codings = [_coding("TRE_R09-CategorieProfessionnelle", person.category)]
    codings.append(_coding("TRE_G15-ProfessionSante", person.profession))
    qualifications = [{"code": {"coding": codings}}]
    if person.specialty:
        qualifications.append({"code": {"coding": [_coding("TRE_R38-SpecialiteOrdinale", person.specialty)]}})
    name = {"text": f"DR {person.given_name} {person.family_name}", "family": person.family_name}
    return known | {
        "name": [{**name, "given": [person.given_name], "prefix": ["MME"], "suffix": ["DR"]}],
        "qualification": qualifications,
    }


def _role(person: Practitioner, place: int, organization: str) -> Resource:
    activity = f"10{person.number:06d}{place:02d}"
    return {
        "resourceType": "PractitionerRole",
        "id": f"005-{3_000_000 + person.number}-{place}",
        "active": person.active,
        "identifier": [{"system": _RPPS, "value": activity}],
        "practitioner": {"reference": f"Practitioner/003-{1_000_000 + person.number}-{2_000_000 + person.number}"},
        "organization": {"reference": f"Organization/{organization}"},
        "code": [{"coding": [_coding("TRE_R23-ModeExercice", person.mode)]}],
    }


def _organization(key: str, person: Practitioner, postal: str, town: str) -> Resource:
    return {
        "resourceType": "Organization",
        "id": key,
        "active": True,
        "name": f"CABINET DU DR {person.family_name}",
        "address": [
            {"line": ["1 PLACE DE LA MAIRIE"], "city": town.upper(), "postalCode": postal, "country": "France"}
        ],
    }


def _identifier(kind: str, system: str, value: str) -> Resource:
    return {
        "use": "official",
        "type": {"coding": [{"system": _IDENTIFIER_TYPES, "code": kind}]},
        "system": system,
        "value": value,
    }


def _coding(list_: str, code: str) -> dict[str, str]:
    return {"system": f"https://mos.esante.gouv.fr/NOS/{list_}/FHIR/{list_.replace('_', '-')}", "code": code}


def _entry(request: web.Request, resource: Resource, mode: str) -> Resource:
    where = f"{request.url.origin()}{_BASE}/{resource['resourceType']}/{resource['id']}"
    return {"fullUrl": where, "resource": resource, "search": {"mode": mode}}


def _outcome(status: int, code: str, text: str) -> web.Response:
    issue = [{"severity": "error", "code": code, "diagnostics": text}]
    body = {"resourceType": "OperationOutcome", "issue": issue}
    return web.json_response(body, status=status, content_type="application/fhir+json")


# How parameters match


def _plain(text: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFD", text) if not unicodedata.combining(one)).upper()


def _text(*fields: Callable[[Resource], Iterable[str]]) -> Match:
    def match(resource: Resource, value: str, modifier: str) -> bool:
        for held in (one for field in fields for one in field(resource)):
            if modifier == "exact":
                if held == value:
                    return True
            elif _plain(value) in _plain(held) if modifier == "contains" else _plain(held).startswith(_plain(value)):
                return True
        return False

    return match


def _token(field: Callable[[Resource], Iterable[tuple[str, str]]]) -> Match:
    """``code``, ``system|code`` or ``system|``."""

    def match(resource: Resource, value: str, _: str) -> bool:
        system, bar, code = value.rpartition("|")
        return any((not bar or system == own) and code in ("", held) for own, held in field(resource))

    return match


def _reference(name: str) -> Match:
    return lambda resource, value, _: value.rpartition("/")[2] == resource[name]["reference"].rpartition("/")[2]


def _families(resource: Resource) -> Iterable[str]:
    return [name["family"] for name in resource.get("name", [])]


def _givens(resource: Resource) -> Iterable[str]:
    return [given for name in resource.get("name", []) for given in name["given"]]


def _codes(resource: Resource) -> Iterable[tuple[str, str]]:
    return [
        (one["system"], one["code"]) for each in resource.get("qualification", []) for one in each["code"]["coding"]
    ]


def _identifiers(resource: Resource) -> Iterable[tuple[str, str]]:
    return [(one["system"], one["value"]) for one in resource.get("identifier", [])]


_ACTIVE = _token(lambda one: [("", "true" if one["active"] else "false")])
_MODIFIERS = ("contains", "exact")
_TEXTS = frozenset(("family", "given", "name", "address-postalcode", "address-city"))
_PARAMETERS: Mapping[str, Mapping[str, Match]] = {
    "Practitioner": {
        "identifier": _token(_identifiers),
        "family": _text(_families),
        "given": _text(_givens),
        "name": _text(_families, _givens, lambda one: [name["text"] for name in one.get("name", [])]),
        "active": _ACTIVE,
        "qualification-code": _token(_codes),
    },
    "PractitionerRole": {
        "identifier": _token(_identifiers),
        "practitioner": _reference("practitioner"),
        "organization": _reference("organization"),
        "active": _ACTIVE,
    },
    "Organization": {
        "name": _text(lambda one: [one["name"]]),
        "address-postalcode": _text(lambda one: [each["postalCode"] for each in one["address"]]),
        "address-city": _text(lambda one: [each["city"] for each in one["address"]]),
        "active": _ACTIVE,
    },
}
