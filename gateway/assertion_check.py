"""What a backend may conclude from an assertion: the rules of ``docs/backend.md`` once, in words a program understands.

The kits under ``examples/backends`` follow the same rules in other languages, and are judged by the same vectors
(``assertion_tests``). Everything that is not expressly right is refused, with a sentence.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

DELEGATION_TYPE = "fr.viatrajectoire.delegation"
LONGEST = 60  # seconds an assertion may live (R136)
LEEWAY = 5  # seconds by which two clocks may differ
_KINDS = ("assistant", "colleague")
_HEADER = frozenset({"alg", "kid", "typ"})  # nothing else is understood, and nothing else is needed
_SHARED = ("type", "identifier", "on_behalf_of", "kind", "valid_from", "valid_until")
_DETAIL = frozenset({*_SHARED, "actions", "datatypes"})  # another member may be a limit that is not understood


class Unbelievable(Exception):
    """The assertion must be refused; the message says why."""


@dataclass(frozen=True, slots=True)
class DelegationSaid:
    """For whom the person acts. ``rights`` are pairs of module and action; ``until`` is the last second."""

    identifier: str
    on_behalf_of: str
    kind: str
    rights: frozenset[tuple[str, str]]
    until: datetime


@dataclass(frozen=True, slots=True)
class Conclusion:
    """Who asks: ``person`` is always the human who authenticated; ``claims`` are all that was signed."""

    person: str
    delegation: DelegationSaid | None
    claims: Mapping[str, Any]


def conclude(
    token: str,
    key_set: Mapping[str, Any],
    issuer: str | None,
    audience: str,
    now: datetime,
    *,
    longest: int = LONGEST,
    leeway: int = LEEWAY,
) -> Conclusion:
    """Judge an assertion at this instant; raises ``Unbelievable``. ``key_set`` is the document of ``jwks.json``; without
    ``issuer`` any issuer of these keys will do."""
    parts = token.split(".")
    if len(parts) != 3:
        raise Unbelievable("an assertion has three parts")
    header = _object(_decoded(parts[0]), "header")
    if header.get("alg") != "ES256":
        raise Unbelievable("the algorithm is not ES256")
    if header.get("typ") != "JWT":
        raise Unbelievable("the type is not JWT")
    if not header.keys() <= _HEADER:
        raise Unbelievable("the header says more than alg, kid and typ")
    _verify(_key(key_set, header.get("kid")), f"{parts[0]}.{parts[1]}", _decoded(parts[2]))
    claims = _object(_decoded(parts[1]), "payload")
    _times(claims, now, longest, leeway)
    if not isinstance(claims.get("iss"), str) or (issuer is not None and claims["iss"] != issuer):
        raise Unbelievable("it was not issued by the gateway expected")
    if claims.get("aud") != audience:  # a list of audiences is not one of ours either
        raise Unbelievable("it is meant for another backend")
    for name in ("sub", "jti"):
        if not isinstance(claims.get(name), str) or not claims[name]:
            raise Unbelievable(f"{name} is missing")
    delegation = _delegation(claims, now, leeway)
    person = _person(claims, delegation)
    if delegation is not None and delegation.on_behalf_of == person:
        raise Unbelievable("nobody acts on their own behalf")
    return Conclusion(person, delegation, claims)


# The envelope


def _decoded(part: str) -> bytes:
    """base64url without padding, in its one spelling (RFC 7515 §2)."""
    try:
        found = base64.b64decode(part.encode("ascii") + b"=" * (-len(part) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unbelievable("a part is not base64url") from error
    if base64.urlsafe_b64encode(found).rstrip(b"=").decode() != part:
        raise Unbelievable("a part is not base64url in its one spelling")
    return found


def _object(data: bytes, what: str) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Unbelievable(f"the {what} names a member twice")
        return found

    try:
        found = json.loads(data.decode("utf-8"), object_pairs_hook=once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Unbelievable(f"the {what} is not JSON") from error
    if not isinstance(found, dict):
        raise Unbelievable(f"the {what} is not an object")
    return found


def _no_number(word: str) -> None:
    raise Unbelievable(f"{word} is not JSON")


def _key(key_set: Mapping[str, Any], kid: object) -> ec.EllipticCurvePublicKey:
    if not isinstance(kid, str) or not kid:
        raise Unbelievable("no key is named")
    for one in key_set.get("keys", ()):
        if one.get("kid") == kid and (one.get("kty"), one.get("crv")) == ("EC", "P-256"):
            try:
                x, y = (int.from_bytes(_decoded(one[name]), "big") for name in ("x", "y"))
                return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
            except (KeyError, AttributeError, ValueError) as error:
                raise Unbelievable("the key named is none") from error
    raise Unbelievable("the key is not one of the gateway's")


def _verify(key: ec.EllipticCurvePublicKey, signed: str, signature: bytes) -> None:
    if len(signature) != 64:
        raise Unbelievable("the signature is not 64 bytes")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        key.verify(encode_dss_signature(r, s), signed.encode("ascii"), ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError) as error:
        raise Unbelievable("the signature does not fit") from error


def _times(claims: Mapping[str, Any], now: datetime, longest: int, leeway: int) -> None:
    issued, ends = claims.get("iat"), claims.get("exp")
    if type(issued) is not int or type(ends) is not int:
        raise Unbelievable("iat and exp are numbers of seconds")
    if not 0 < ends - issued <= longest:
        raise Unbelievable(f"it lives longer than {longest} seconds, or not at all")
    if type(claims.get("nbf", issued)) is not int:
        raise Unbelievable("nbf is a number of seconds")
    instant = now.timestamp()
    if instant >= ends + leeway:
        raise Unbelievable("it is over")
    if instant < max(issued, claims.get("nbf", issued)) - leeway:
        raise Unbelievable("it comes from the future")


# Who, and for whom


def _person(claims: Mapping[str, Any], delegation: DelegationSaid | None) -> str:
    """The human: ``sub``, or with the profile of RFC 8693 ``act.sub``, while ``sub`` is the doctor."""
    person: object = claims["sub"]
    if "act" in claims:
        actor = claims["act"]
        if not isinstance(actor, dict) or actor.keys() != {"sub"} or delegation is None:
            raise Unbelievable("act says who acts, and comes with a delegation")
        if claims["sub"] != delegation.on_behalf_of:
            raise Unbelievable("sub and the delegation name two doctors")
        person = actor["sub"]
    if not isinstance(person, str) or not person:
        raise Unbelievable("nobody is named")
    if claims.get("idnat_ps", person) != person:
        raise Unbelievable("two people are named")
    return person


def _delegation(claims: Mapping[str, Any], now: datetime, leeway: int) -> DelegationSaid | None:
    if "authorization_details" not in claims:
        return None
    details = claims["authorization_details"]
    if not isinstance(details, list) or not details or not all(isinstance(one, dict) for one in details):
        raise Unbelievable("authorization_details is a list of objects")
    first = details[0]
    rights: set[tuple[str, str]] = set()
    for one in details:
        if one.get("type") != DELEGATION_TYPE or not one.keys() <= _DETAIL:
            raise Unbelievable("an authorization that is not understood whole")
        for name in _SHARED:
            if not isinstance(one.get(name), str) or not one[name] or one[name] != first.get(name):
                raise Unbelievable(f"{name} is missing, or not the same in every object")
        rights |= {(module, action) for action in _words(one, "actions") for module in _words(one, "datatypes")}
    if first["kind"] not in _KINDS:
        raise Unbelievable("a kind of delegation that is not known")
    begins, until = _instant(first["valid_from"]), _instant(first["valid_until"])
    if now + timedelta(seconds=leeway) < begins:
        raise Unbelievable("the delegation has not begun")
    if now - timedelta(seconds=1 + leeway) >= until:  # the last second is part of it
        raise Unbelievable("the delegation is over")
    return DelegationSaid(first["identifier"], first["on_behalf_of"], first["kind"], frozenset(rights), until)


def _words(one: Mapping[str, Any], name: str) -> Sequence[str]:
    found = one.get(name)
    if not isinstance(found, list) or not found or not all(isinstance(word, str) and word for word in found):
        raise Unbelievable(f"{name} is a list of words")
    return found


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            raise Unbelievable("a date without its zone")
        return found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Unbelievable("a date that cannot be read") from error
