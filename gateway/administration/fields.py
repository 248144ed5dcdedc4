"""The fields a scope may set (R91), as plain values of JSON, and back. Pure.

Numbers are whole seconds, instants ISO with their zone, means and channels lists of words; nothing (``None``) is
inherited. What lies outside the bounds of the nation is refused with a sentence, never cut to fit.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from gateway.administration.actor import Faulty
from gateway.identity import Method
from gateway.policy.establishments import SHORTEST_CODE, Contact, Fields
from gateway.policy.legal import CHANNELS, MEANS, Legal, Status

NAMES: tuple[str, ...] = tuple(part.name for part in fields(Fields))
_SHORTEST_SESSION = timedelta(seconds=60)
_MOST_CONTACTS = 10
_ADDRESS = re.compile(r"(https://|mailto:|tel:\+?)[^\s<>\"]{3,300}\Z")
# Card and Pro Santé Connect are accepted by law (G3); a deployment may do without the card (G20), never without the other (G4).
_STATUSES: Mapping[str, frozenset[Status]] = {
    "psc": frozenset({Status.PSC}),
    "card": frozenset({Status.CPX, Status.INTERDIT}),
}
_OTHERS = frozenset({Status.HOMOLOGUE, Status.TRANSITION, Status.INTERDIT})


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the nation lets scopes set (R91). ``channels``, ``means``: those this deployment offers."""

    code_validity_max: timedelta
    second_factor_memory_max: timedelta
    session_absolute_max: timedelta
    session_idle_max: timedelta
    channels: tuple[str, ...] = tuple(CHANNELS)
    means: tuple[str, ...] = tuple(MEANS)


class _Fault(Exception):
    """One sentence about one field."""


def plain(name: str, value: Any) -> Any:
    """The value of a field as JSON has it."""
    if value is None:
        return None
    match name:
        case "channels":
            return list(value)
        case "methods":
            return [means for means, methods in MEANS.items() if methods & value]
        case "contacts":
            return [{"label": one.label, "url": one.url, "topics": list(one.topics)} for one in value]
        case "legal":
            return {means: _said(value[means]) for means in sorted(value)}
        case "banner_from":
            return cast(datetime, value).astimezone(UTC).isoformat()
        case "banner":
            return value
        case _:
            return int(cast(timedelta, value).total_seconds())


def changed(present: Fields, changes: Mapping[str, Any], bounds: Bounds) -> Fields:
    """The fields with these changes; raises ``Faulty`` with a sentence for each that cannot be taken.

    A value that says what is set already is left as it is, even where today's bounds would refuse it.
    """
    readers = _readers(bounds)
    faults: dict[str, Sequence[str]] = {}
    found: dict[str, Any] = {}
    for name, value in changes.items():
        if name not in readers:
            faults[name] = ["Ce réglage n'existe pas."]
            continue
        if value == plain(name, getattr(present, name)) and not isinstance(value, bool):
            continue
        try:
            found[name] = None if value is None else readers[name](value)
        except _Fault as fault:
            faults[name] = [str(fault)]
    result = replace(present, **found)
    if result.banner is None and result.banner_from is not None:
        if found.get("banner_from") is not None:
            faults.setdefault("banner_from", ["Une date d'affichage demande un message."])
        result = replace(result, banner_from=None)
    if faults:
        raise Faulty(faults)
    return result


def _readers(bounds: Bounds) -> Mapping[str, Callable[[Any], Any]]:
    return {
        "code_validity": lambda value: _seconds(value, SHORTEST_CODE, bounds.code_validity_max),
        "second_factor_memory": lambda value: _seconds(value, timedelta(0), bounds.second_factor_memory_max),
        "channels": lambda value: tuple(_words(value, bounds.channels)),
        "methods": lambda value: frozenset[Method]().union(*(MEANS[one] for one in _words(value, bounds.means))),
        "session_absolute": lambda value: _seconds(value, _SHORTEST_SESSION, bounds.session_absolute_max),
        "session_idle": lambda value: _seconds(value, _SHORTEST_SESSION, bounds.session_idle_max),
        "banner": lambda value: _line(value, 0, 500),
        "banner_from": _instant,
        "contacts": _contacts,
        "legal": _legal,
    }


def _seconds(value: Any, least: timedelta, most: timedelta) -> timedelta:
    low, high = int(least.total_seconds()), int(most.total_seconds())
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _Fault(f"Indiquez un nombre entier de secondes, de {low} à {high}.")
    return timedelta(seconds=value)


def _words(value: Any, offered: Sequence[str]) -> list[str]:
    if not isinstance(value, list) or not value or any(one not in offered for one in value):
        raise _Fault(f"Choisissez au moins une valeur parmi {', '.join(offered)}.")
    return list(dict.fromkeys(value))


def _line(value: Any, least: int, most: int) -> str:
    if not isinstance(value, str) or not _readable(value) or not least <= len(value.strip()) <= most:
        raise _Fault(
            f"Saisissez un texte de {least} à {most} caractères."
            if least
            else f"{most} caractères au plus, sur une ligne."
        )
    return value.strip()


def _readable(text: str) -> bool:
    """Letters, signs and spaces of all widths; no control characters, no turns of the writing direction."""
    return all(one.isprintable() or unicodedata.category(one) == "Zs" for one in text)


def checked_line(field: str, value: Any, least: int, most: int) -> str:
    """One line of so many characters, without the spaces around it; raises ``Faulty`` under the field's name."""
    try:
        return _line(value, least, most)
    except _Fault as fault:
        raise Faulty({field: [str(fault)]}) from fault


def _instant(value: Any) -> datetime:
    """An instant with its zone, from ISO text."""
    try:
        found = datetime.fromisoformat(value)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise _Fault("Indiquez une date et une heure avec leur fuseau (2026-03-02T09:00:00+01:00).")


def _contacts(value: Any) -> tuple[Contact, ...]:
    if not isinstance(value, list) or len(value) > _MOST_CONTACTS:
        raise _Fault(f"Une liste de {_MOST_CONTACTS} contacts au plus.")
    return tuple(_contact(one) for one in value)


def _contact(value: Any) -> Contact:
    if not isinstance(value, dict) or not {"label", "url"} <= value.keys() <= {"label", "url", "topics"}:
        raise _Fault("Chaque contact a un intitulé (label), une adresse (url) et des sujets (topics).")
    topics = value.get("topics") or []
    if not isinstance(topics, list) or len(topics) > 20:
        raise _Fault("Les sujets d'un contact sont une liste de mots.")
    url = value["url"]
    if not isinstance(url, str) or not url.isprintable() or not _ADDRESS.match(url):
        raise _Fault("L'adresse d'un contact commence par https://, mailto: ou tel:.")
    return Contact(_line(value["label"], 1, 80), url, tuple(_line(one, 1, 80) for one in topics))


def _legal(value: Any) -> Mapping[str, Legal]:
    if not isinstance(value, dict) or any(means not in MEANS for means in value):
        raise _Fault(f"Un statut par moyen, parmi {', '.join(MEANS)}.")
    return {means: _status(means, one) for means, one in value.items()}


def _status(means: str, value: Any) -> Legal:
    if not isinstance(value, dict) or not {"status"} <= value.keys() <= {"status", "reference", "until"}:
        raise _Fault("Chaque moyen a un statut (status), une référence (reference) et une fin (until).")
    allowed = _STATUSES.get(means, _OTHERS)
    if value["status"] not in [one.value for one in allowed]:
        raise _Fault(
            f"Le statut du moyen {means} est à choisir parmi {', '.join(sorted(one.value for one in allowed))}."
        )
    status = Status(value["status"])
    reference = _line(value.get("reference") or "", 0, 200)
    until = _instant(value["until"]) if value.get("until") is not None else None
    if status is Status.HOMOLOGUE and (not reference or until is None):
        raise _Fault("Une homologation a une référence et une date de fin.")
    return Legal(status, reference, until)


def _said(legal: Legal) -> Mapping[str, Any]:
    until = legal.until.astimezone(UTC).isoformat() if legal.until else None
    return {"status": legal.status.value, "reference": legal.reference, "until": until}
