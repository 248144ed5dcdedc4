"""What the FHIR interface of the national directory says, read out of its JSON. Pure: values or ``Garbage``.

Nothing is taken by its place in a list: an identifier is known by its type or its system, a profession by its
nomenclature. Every value is looked at before it is used, because what comes back goes into addresses and pages.
Resources of other kinds, and members that are not needed, are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.identity import PHYSICIAN

_RPPS_SYSTEMS = frozenset({"https://rpps.esante.gouv.fr", "http://rpps.esante.gouv.fr", "http://rpps.fr"})
_IDNAT_SYSTEMS = frozenset({"urn:oid:1.2.250.1.71.4.2.1"})
_PROFESSION = re.compile(r"TRE[_-]G15|1\.2\.250\.1\.71\.1\.2\.7\Z")
_CATEGORY = re.compile(r"TRE[_-]R09")
_SPECIALITY = re.compile(r"TRE[_-]R38")
_STUDENT = "E"  # TRE_R09
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}\Z")
_LONGEST = 200


class Garbage(Exception):
    """It is not what it says it is; the message says where."""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: its resources, and the address of the next page as it stands there."""

    resources: tuple[Mapping[str, Any], ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Person:
    """A Practitioner: one profession of one person. ``profession`` is TRE_G15 code 10 or empty: others do not matter."""

    id: str
    rpps: str
    active: bool
    family: str
    given: str
    profession: str
    specialty: str
    specialty_name: str


@dataclass(frozen=True, slots=True)
class Role:
    """A PractitionerRole: somebody at work somewhere."""

    practitioner: str
    organization: str | None
    active: bool


@dataclass(frozen=True, slots=True)
class Place:
    """An Organization, and where it is."""

    id: str
    addresses: tuple[tuple[str, str], ...]  # postal code, town


def page_of(document: Mapping[str, Any]) -> Page:
    if document.get("resourceType") != "Bundle":
        raise Garbage("no bundle")
    resources = []
    for entry in _objects(document, "entry"):
        resource = entry.get("resource")
        if not isinstance(resource, dict):
            raise Garbage("entry without resource")
        resources.append(resource)
    following = [link for link in _objects(document, "link") if link.get("relation") == "next"]
    if len(following) > 1:
        raise Garbage("several next pages")
    return Page(tuple(resources), _text(following[0], "url", longest=4096) or None if following else None)


def person_of(resource: Mapping[str, Any]) -> Person | None:
    """``None`` for somebody without an RPPS number."""
    rpps = _rpps(resource)
    if rpps is None:
        return None
    active = resource.get("active", False)
    if not isinstance(active, bool):
        raise Garbage("active")
    family, given = _name(resource)
    physician, specialties = _qualifications(resource)
    code = min(specialties, default="")
    return Person(
        _id(resource), rpps, active, family, given, PHYSICIAN if physician else "", code, specialties.get(code, "")
    )


def role_of(resource: Mapping[str, Any]) -> Role | None:
    """``None`` for a role that says not whose it is."""
    practitioner = _reference(resource, "practitioner", "Practitioner")
    active = resource.get("active", False)
    if not isinstance(active, bool):
        raise Garbage("active")
    if practitioner is None:
        return None
    return Role(practitioner, _reference(resource, "organization", "Organization"), active)


def place_of(resource: Mapping[str, Any]) -> Place:
    addresses = []
    for address in _objects(resource, "address"):
        postal, town = _text(address, "postalCode"), _text(address, "city")
        if re.fullmatch(r"[0-9]{5}", postal):
            addresses.append((postal, town))
    return Place(_id(resource), tuple(dict.fromkeys(addresses)))


def _rpps(resource: Mapping[str, Any]) -> str | None:
    found: set[str] = set()
    for identifier in _objects(resource, "identifier"):
        value, system = _text(identifier, "value"), _text(identifier, "system")
        codes = {code for _, code, _ in _codings(identifier.get("type"))}
        if "IDNPS" in codes or (not codes and system in _IDNAT_SYSTEMS):
            if re.fullmatch(r"8[0-9]{11}", value):
                found.add(value[1:])
        elif "RPPS" in codes or (not codes and system in _RPPS_SYSTEMS):
            if not re.fullmatch(r"[0-9]{11}", value):
                raise Garbage("RPPS")
            found.add(value)
    if len(found) > 1:
        raise Garbage("several RPPS numbers")
    return next(iter(found), None)


def _name(resource: Mapping[str, Any]) -> tuple[str, str]:
    """The name of practice: the official one if several are told apart; empty when there is none."""
    names: list[tuple[bool, str, str]] = []
    for name in _objects(resource, "name"):
        given = name.get("given", [])
        if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
            raise Garbage("given name")
        family, first = _text(name, "family"), _clean(" ".join(given).strip(), "given name")
        if family:
            names.append((_text(name, "use") not in ("", "official", "usual"), family, first))
    return min(names, key=lambda one: one[0])[1:] if names else ("", "")


def _qualifications(resource: Mapping[str, Any]) -> tuple[bool, dict[str, str]]:
    """Whether they are a physician, and their specialities by code."""
    physician = False
    specialties: dict[str, str] = {}
    for qualification in _objects(resource, "qualification"):
        codings = list(_codings(qualification.get("code")))
        student = any(_CATEGORY.search(system) and code == _STUDENT for system, code, _ in codings)
        for system, code, display in codings:
            if code == PHYSICIAN and (not system or _PROFESSION.search(system)) and not student:
                physician = True
            if _SPECIALITY.search(system) and re.fullmatch(r"[A-Za-z0-9]{1,20}", code):
                specialties[code] = specialties.get(code) or display
    return physician, specialties


def _codings(concept: Any) -> Iterator[tuple[str, str, str]]:
    """System, code and display of each coding of a CodeableConcept."""
    if concept is None:
        return
    if not isinstance(concept, dict):
        raise Garbage("concept")
    for coding in _objects(concept, "coding"):
        yield _text(coding, "system"), _text(coding, "code"), _text(coding, "display")


def _reference(resource: Mapping[str, Any], name: str, kind: str) -> str | None:
    """The id in a reference, relative or absolute; ``None`` when there is none of this kind."""
    value = resource.get(name)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Garbage(name)
    parts = _text(value, "reference", longest=1000).split("/")
    if kind not in parts[:-1]:
        return None
    found = parts[parts.index(kind) + 1]
    if not _ID.match(found):
        raise Garbage(name)
    return found


def _id(resource: Mapping[str, Any]) -> str:
    found = _text(resource, "id")
    if not _ID.match(found):
        raise Garbage("id")
    return found


def _objects(data: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = data.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise Garbage(name)
    return found


def _text(data: Mapping[str, Any], name: str, *, longest: int = _LONGEST) -> str:
    found = data.get(name, "")
    if not isinstance(found, str):
        raise Garbage(name)
    return _clean(found.strip(), name, longest=longest)


def _clean(text: str, name: str, *, longest: int = _LONGEST) -> str:
    if len(text) > longest or not text.isprintable():
        raise Garbage(name)
    return text
