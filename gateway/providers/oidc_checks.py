"""What an OpenID provider says, checked. Pure: documents and an instant in, values or a reason out.

ID token (OIDC Core 3.1.3.7, after the signature): issuer to the character, audience is us (``azp`` when there are
several), subject, expiry and issue time as numbers, nonce equal, ``at_hash`` if present, type, age, level. UserInfo
(5.3.2): the same subject, every claim of the type expected, no control characters. Identifier: exactly one RPPS from
all the places that may hold one; two are a contradiction, none is no RPPS.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.identity import Identity, Method, NationalId, luhn
from gateway.reasons import Reason

SKEW = 60  # seconds
OLDEST = 600  # seconds since the token was issued
_LEVELS = {"eidas1": 1, "eidas2": 2, "eidas3": 3}
_LONGEST = 300


class Unsound(Exception):
    """What the provider said cannot be accepted; ``reason`` and a short word for the log. ``hint``: the ID token, once
    verified, with which the person can be signed out there and try again (R42)."""

    def __init__(self, reason: Reason, why: str) -> None:
        super().__init__(f"{reason.value}: {why}")
        self.reason = reason
        self.why = why
        self.hint = ""


@dataclass(frozen=True, slots=True)
class Expected:
    """What an ID token must say."""

    issuer: str
    client_id: str
    nonce: str
    min_acr: str
    acr_when_missing: str


def strict_object(data: bytes, reason: Reason) -> dict[str, Any]:
    """A JSON object without duplicate members."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Unsound(reason, "duplicate members")
        return found

    try:
        found = json.loads(data, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise Unsound(reason, "not JSON") from error
    if not isinstance(found, dict):
        raise Unsound(reason, "not an object")
    return found


def check_id_token(claims: Mapping[str, Any], expected: Expected, access_token: str, now: datetime) -> str | None:
    """The level stated (``None`` when it is not); raises ``Unsound``."""
    stamp = now.timestamp()
    # (1) issuer, audience, subject
    if claims.get("iss") != expected.issuer:
        raise Unsound(Reason.PSC_TOKEN, "iss")
    audience = claims.get("aud")
    several = isinstance(audience, list) and len(audience) > 1
    if audience != expected.client_id and not (isinstance(audience, list) and expected.client_id in audience):
        raise Unsound(Reason.PSC_TOKEN, "aud")
    if (several or "azp" in claims) and claims.get("azp") != expected.client_id:
        raise Unsound(Reason.PSC_TOKEN, "azp")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255:
        raise Unsound(Reason.PSC_TOKEN, "sub")
    # (2) times
    if _number(claims, "exp") <= stamp - SKEW:
        raise Unsound(Reason.PSC_TOKEN, "expired")
    issued = _number(claims, "iat")
    if not stamp - OLDEST <= issued <= stamp + SKEW:
        raise Unsound(Reason.PSC_TOKEN, "iat")
    if "nbf" in claims and _number(claims, "nbf") > stamp + SKEW:
        raise Unsound(Reason.PSC_TOKEN, "nbf")
    if "auth_time" in claims and _number(claims, "auth_time") > stamp + SKEW:
        raise Unsound(Reason.PSC_TOKEN, "auth_time")
    # (3) nonce: never empty, always equal
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not expected.nonce or not hmac.compare_digest(nonce, expected.nonce):
        raise Unsound(Reason.PSC_NONCE, "nonce")
    # (4) binding and type
    if "at_hash" in claims and claims["at_hash"] != at_hash(access_token):
        raise Unsound(Reason.PSC_TOKEN, "at_hash")
    if claims.get("typ", "ID") != "ID":
        raise Unsound(Reason.PSC_TOKEN, "typ")
    # (5) level: ordered, unknown words refused (R40)
    return check_level(claims.get("acr"), expected)


def check_level(acr: Any, expected: Expected) -> str | None:
    if acr is None or acr == "":
        if expected.acr_when_missing != "accept":
            raise Unsound(Reason.PSC_LEVEL, "missing")
        return None
    if not isinstance(acr, str) or acr not in _LEVELS or _LEVELS[acr] < _LEVELS[expected.min_acr]:
        raise Unsound(Reason.PSC_LEVEL, "too low or unknown")
    return acr


def at_hash(access_token: str) -> str:
    """Left half of SHA-256 of the access token (OIDC Core 3.1.3.6, for RS256 and ES256)."""
    half = hashlib.sha256(access_token.encode("ascii", "replace")).digest()[:16]
    return urlsafe_b64encode(half).rstrip(b"=").decode()


def authenticated_at(claims: Mapping[str, Any], now: datetime) -> datetime:
    """When the person really signed in at the provider; its own session may be hours old (R43)."""
    value = claims.get("auth_time")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return min(datetime.fromtimestamp(value, UTC), now)
    return now


def _number(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e11:
        raise Unsound(Reason.PSC_TOKEN, name)
    return float(value)


def identity_of(info: Mapping[str, Any], subject: str, *, accept_test_ids: bool) -> Identity:
    """Who UserInfo says this is; raises ``Unsound``."""
    if info.get("sub") != subject:
        raise Unsound(Reason.PSC_SUBJECT, "sub")
    identifier, others = resolve(info)
    if identifier is None:
        raw = _text(info, "SubjectNameID")
        if not raw or not accept_test_ids:
            raise Unsound(Reason.PSC_NO_IDENTIFIER, "no national identifier")
        identifier = NationalId("raw", raw)
    record = info.get("SubjectRefPro")
    exercises = _objects(record.get("exercices")) if isinstance(record, Mapping) else []
    claims: dict[str, str] = {}
    professions = _set(exercises, "codeProfession", lambda one: one.get("codeCategorieProfessionnelle") != "E")
    students = _set(exercises, "codeProfession", lambda one: one.get("codeCategorieProfessionnelle") == "E")
    specialties = _set(exercises, "codeSavoirFaire", lambda one: one.get("codeTypeSavoirFaire") in ("S", "CEX", ""))
    activities = [place for one in exercises for place in _objects(one.get("activities"))]
    for name, values in (
        ("professions", professions),
        ("student_professions", students),
        ("specialties", specialties),
        ("roles", _set(activities, "codeRole")),
        ("modes", _set(activities, "codeModeExercice")),
        ("structures", _set(activities, "numeroFinessSite")),
    ):
        if values:
            claims[name] = ",".join(values)
    first = exercises[0] if exercises else {}
    # One profession is that profession; several are a set, and none of them is taken as a right by its place in a list.
    profession = professions[0] if len(professions) == 1 else None
    return Identity(
        id=identifier,
        family_name=_text(first, "nomDexercice") or _text(info, "family_name"),
        given_name=_text(first, "prenomDexercice") or _text(info, "given_name"),
        profession=profession,
        specialty=specialties[0] if len(specialties) == 1 else None,
        other_ids=others,
        claims=claims,
    )


def resolve(info: Mapping[str, Any]) -> tuple[NationalId | None, tuple[NationalId, ...]]:
    """The identifier and its aliases, from every place that may hold one (R41, R57)."""
    rpps: set[str] = set()
    adeli: set[str] = set()
    staff: list[NationalId] = []
    for name in ("SubjectNameID", "preferred_username"):
        found = NationalId.parse(_text(info, name))
        if found is None:
            continue
        if found.rpps:
            rpps.add(found.rpps)
        elif found.adeli:
            adeli.add(found.adeli)
        elif name == "SubjectNameID":
            staff.append(found)
    for other in _objects(info.get("otherIds")):
        value, origin = _text(other, "identifiant"), _text(other, "origine").upper()
        if origin == "RPPS":
            found = NationalId.parse(value if len(value) == 12 else "8" + value)
            if found is not None and found.rpps:
                rpps.add(found.rpps)
        elif origin == "ADELI":
            found = NationalId.parse(value if len(value) == 10 else "0" + value)
            if found is not None and found.adeli:
                adeli.add(found.adeli)
    if len(rpps) > 1 or len(adeli) > 1:
        raise Unsound(Reason.PSC_CONTRADICTION, "several numbers")
    aliases = tuple(NationalId("0", one) for one in adeli)
    if rpps:
        (number,) = rpps
        if not luhn(number):
            raise Unsound(Reason.PSC_CONTRADICTION, "key of the RPPS")
        return NationalId("8", number), aliases
    if aliases:
        return aliases[0], ()
    return (staff[0], ()) if staff else (None, ())


def method_of(info: Mapping[str, Any], claims: Mapping[str, Any]) -> Method:
    """Card or phone, as the provider says; without a word the phone is assumed unless the level says hardware."""
    mode = _text(info, "authMode") or (claims.get("authMode") if isinstance(claims.get("authMode"), str) else "")
    if mode == "CARD" or (not mode and claims.get("acr") == "eidas3"):
        return Method.PSC_CPS
    return Method.PSC_ECPS


def _text(data: Mapping[str, Any], name: str) -> str:
    """A string claim; absent and null are empty. Other types and control characters refuse the sign-in (O8)."""
    value = data.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > _LONGEST or any(ord(c) < 32 or 127 <= ord(c) < 160 for c in value):
        raise Unsound(Reason.PSC_USERINFO, name)
    return value.strip()


def _objects(value: Any) -> list[Mapping[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > 500 or not all(isinstance(one, Mapping) for one in value):
        raise Unsound(Reason.PSC_USERINFO, "list")
    return value


def _set(items: list[Mapping[str, Any]], name: str, where: Any = None) -> list[str]:
    """The distinct non-empty values, in a stable order; the same situation may be listed twice."""
    return sorted({_text(one, name) for one in items if where is None or where(one)} - {""})
