"""Who asks, and for whom: reads the header X-VT-Assertion of the ViaTrajectoire gateway, and believes nothing else.

    keys = KeySet("https://vt.example.fr/_gateway/jwks.json")
    who = read(token, keys, issuer="https://vt.example.fr", audience="vt")
    who.person, who.delegation

Needs Python 3.11 and the package ``cryptography``. Copy it; it stands alone. The rules are those of docs/backend.md.
"""

from __future__ import annotations

import base64
import json
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

LONGEST, LEEWAY = 60, 5  # seconds: the life of an assertion, and the difference of two clocks
TYPE = "fr.viatrajectoire.delegation"
SHARED = ("type", "identifier", "on_behalf_of", "kind", "valid_from", "valid_until")
MEMBERS = {*SHARED, "actions", "datatypes"}  # another may be a limit that you do not understand
# Seconds: after which keys are asked for again, are dropped when nobody answers, and between two questions.
FRESH, KEPT, PAUSE = 300, 3600, 60


class Refused(Exception):
    """Answer 401, and say why in your log."""


@dataclass(frozen=True)
class Delegation:
    identifier: str
    on_behalf_of: str  # IdNat_PS of the doctor
    kind: str  # assistant | colleague
    rights: frozenset[tuple[str, str]]  # (module, action)
    until: datetime  # the last second


@dataclass(frozen=True)
class Who:
    person: str  # always the human who signed in
    delegation: Delegation | None
    claims: dict[str, Any]


@dataclass
class KeySet:
    """The gateway's keys. Asked for again every five minutes, since a key may be withdrawn, and at once, but not more than
    once a minute, for a name that is not known, since keys change. When nobody answers, those known serve for an hour."""

    url: str = ""
    document: dict[str, Any] = field(default_factory=dict)
    known_at: float = float("-inf")
    asked_at: float = float("-inf")
    turn: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def key(self, kid: object) -> ec.EllipticCurvePublicKey:
        if not isinstance(kid, str) or not kid:
            raise Refused("no key is named")
        known = self._find(kid) is not None
        stale = not known or time.monotonic() - self.known_at > FRESH
        # One asks. Who has a key goes on with it meanwhile, and who has none waits for the answer.
        if self.url and stale and self.turn.acquire(blocking=not known):
            try:
                self._ask(time.monotonic())
            finally:
                self.turn.release()
        found = self._find(kid)
        if found is None:
            raise Refused("the key is not one of the gateway's, or they cannot be had")
        try:
            x, y = (int.from_bytes(_decoded(found[name]), "big") for name in ("x", "y"))
            return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        except (KeyError, AttributeError, ValueError) as error:
            raise Refused("the key named is none") from error

    def _ask(self, now: float) -> None:
        if now - self.asked_at <= PAUSE:
            return
        self.asked_at = now
        try:
            with urllib.request.urlopen(self.url, timeout=5) as answer:
                found = json.load(answer)
            self.document, self.known_at = {"keys": [dict(one) for one in found["keys"]]}, now
        except (OSError, HTTPException, ValueError, KeyError, TypeError):  # no answer, or one that is no key set
            if now - self.known_at > KEPT:
                self.document = {}

    def _find(self, kid: str) -> dict[str, Any] | None:
        keys = self.document.get("keys", ())
        return next((one for one in keys if one.get("kid") == kid and one.get("crv") == "P-256"), None)


def read(token: str, keys: KeySet, issuer: str, audience: str, now: datetime | None = None) -> Who:
    """Who asks; raises ``Refused``. ``jti`` need not be remembered: an assertion is sent with many requests of its minute,
    and only the gateway can reach you (see docs/backend.md)."""
    now = now or datetime.now(UTC)
    parts = token.split(".")
    if len(parts) != 3:
        raise Refused("an assertion has three parts")
    header = _object(_decoded(parts[0]))
    if header.get("alg") != "ES256" or header.get("typ") != "JWT" or not header.keys() <= {"alg", "kid", "typ"}:
        raise Refused("the header is not alg ES256, typ JWT and a kid")
    signature = _decoded(parts[2])
    if len(signature) != 64:
        raise Refused("the signature is not 64 bytes")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        signed = f"{parts[0]}.{parts[1]}".encode()
        keys.key(header.get("kid")).verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError) as error:
        raise Refused("the signature does not fit") from error
    claims = _object(_decoded(parts[1]))
    issued, ends = claims.get("iat"), claims.get("exp")
    if type(issued) is not int or type(ends) is not int or not 0 < ends - issued <= LONGEST:
        raise Refused("its life is not that of an assertion")
    begins = claims.get("nbf", issued)
    if type(begins) is not int or not max(issued, begins) - LEEWAY <= now.timestamp() < ends + LEEWAY:
        raise Refused("it is over, or comes from the future")
    if claims.get("iss") != issuer or claims.get("aud") != audience:
        raise Refused("it is not the gateway's word to this application")
    if not all(isinstance(claims.get(name), str) and claims[name] for name in ("sub", "jti")):
        raise Refused("sub or jti is missing")
    delegation = _delegation(claims, now)
    person = _person(claims, delegation)
    if delegation and delegation.on_behalf_of == person:
        raise Refused("nobody acts on their own behalf")
    return Who(person, delegation, claims)


def _person(claims: dict[str, Any], delegation: Delegation | None) -> str:
    person = claims["sub"]
    if "act" in claims:  # the profile of RFC 8693: sub is the doctor, act the human
        act = claims["act"]
        if not isinstance(act, dict) or act.keys() != {"sub"} or not delegation:
            raise Refused("act comes with a delegation and says who acts")
        if claims["sub"] != delegation.on_behalf_of:
            raise Refused("two doctors are named")
        person = act["sub"]
    if not isinstance(person, str) or not person or claims.get("idnat_ps", person) != person:
        raise Refused("nobody is named, or two people are")
    return person


def _delegation(claims: dict[str, Any], now: datetime) -> Delegation | None:
    if "authorization_details" not in claims:
        return None
    details = claims["authorization_details"]
    if not isinstance(details, list) or not details or not all(isinstance(one, dict) for one in details):
        raise Refused("authorization_details is a list of objects")
    first, rights = details[0], set()
    for one in details:
        if (
            one.get("type") != TYPE
            or not one.keys() <= MEMBERS
            or any(
                not isinstance(one.get(name), str) or not one[name] or one[name] != first.get(name) for name in SHARED
            )
        ):
            raise Refused("not one delegation of a known type")
        for name in ("actions", "datatypes"):
            words = one.get(name)
            if not isinstance(words, list) or not words or not all(isinstance(word, str) and word for word in words):
                raise Refused(f"{name} is a list of words")
        rights |= {(module, action) for module in one["datatypes"] for action in one["actions"]}
    try:
        begins, until = (datetime.fromisoformat(first[name]) for name in ("valid_from", "valid_until"))
        # The last second is part of it.
        standing = now + timedelta(seconds=LEEWAY) >= begins and now - timedelta(seconds=1 + LEEWAY) < until
    except (ValueError, TypeError) as error:
        raise Refused("a date that cannot be read, or has no zone") from error
    if first["kind"] not in ("assistant", "colleague") or not standing:
        raise Refused("the delegation is over, has not begun, or is of an unknown kind")
    return Delegation(first["identifier"], first["on_behalf_of"], first["kind"], frozenset(rights), until)


def _decoded(part: str) -> bytes:
    """base64url without padding, in its one spelling."""
    try:
        found = base64.b64decode(part.encode("ascii") + b"=" * (-len(part) % 4), b"-_", validate=True)
    except ValueError as error:
        raise Refused("a part is not base64url") from error
    if base64.urlsafe_b64encode(found).rstrip(b"=").decode() != part:
        raise Refused("a part is not base64url in its one spelling")
    return found


def _object(data: bytes) -> dict[str, Any]:
    """A JSON object; a member named twice is refused: two readers would see two things."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise Refused("a member is named twice")
        return dict(pairs)

    try:
        found = json.loads(data.decode("utf-8"), object_pairs_hook=once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Refused("a part is not JSON") from error
    if not isinstance(found, dict):
        raise Refused("a part is not an object")
    return found


def _no_number(word: str) -> None:
    raise Refused(f"{word} is not JSON")
