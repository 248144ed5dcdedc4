"""What test assertions are made with: keys for this alone, and a press that signs claims, right or wrong ones."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gateway.assertion import LIFE
from gateway.assertion_check import DELEGATION_TYPE
from gateway.identity import PROFESSION_SYSTEM, SPECIALTY_SYSTEM
from gateway.policy.delegation import PARIS, by_actions, period

PERSON, DOCTOR = "899700990015", "899700990023"  # numbers of the test range
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256 (FIPS 186-5)
_COORDINATE = 32  # bytes of one P-256 coordinate
_CHANCE = 32  # bytes


@dataclass(frozen=True)
class TrialKey:
    """An ES256 key derived from ``seed`` for one purpose."""

    seed: bytes
    purpose: str

    @cached_property
    def private(self) -> ec.EllipticCurvePrivateKey:
        number = int.from_bytes(hashlib.sha512(self.purpose.encode() + b"\0" + self.seed).digest(), "big")
        return ec.derive_private_key(number % (_ORDER - 1) + 1, ec.SECP256R1())

    @cached_property
    def jwk(self) -> dict[str, str]:
        """The public half, named by its thumbprint (RFC 7638)."""
        numbers = self.private.public_key().public_numbers()
        x, y = (base64url(one.to_bytes(_COORDINATE, "big")) for one in (numbers.x, numbers.y))
        public = {"crv": "P-256", "kty": "EC", "x": x, "y": y}
        canonical = json.dumps(public, separators=(",", ":"), sort_keys=True).encode()
        return public | {"kid": base64url(hashlib.sha256(canonical).digest()), "use": "sig", "alg": "ES256"}

    def der(self, data: bytes) -> bytes:
        """The signature as X.509 writes it; the same for the same data."""
        return self.private.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))

    def sign(self, data: bytes) -> bytes:
        """The raw signature, r and s (RFC 7518 §3.4)."""
        r, s = decode_dss_signature(self.der(data))
        return r.to_bytes(_COORDINATE, "big") + s.to_bytes(_COORDINATE, "big")


@dataclass(frozen=True)
class TrialKeys:
    """The keys of one set of test assertions. Raises ``ValueError`` for less than 32 bytes of chance."""

    seed: bytes

    def __post_init__(self) -> None:
        if len(self.seed) < _CHANCE:
            raise ValueError(f"keys need {_CHANCE} bytes of chance")

    @cached_property
    def current(self) -> TrialKey:
        return TrialKey(self.seed, "current")

    @cached_property
    def previous(self) -> TrialKey:
        """The one that signed before the last rotation: still published, still believed."""
        return TrialKey(self.seed, "previous")

    @cached_property
    def stranger(self) -> TrialKey:
        """One that is not published."""
        return TrialKey(self.seed, "stranger")

    @property
    def jwks(self) -> dict[str, Any]:
        """The key set that a backend under test uses (RFC 7517)."""
        return {"keys": [self.current.jwk, self.previous.jwk]}


@dataclass
class Press:
    """Makes tokens for one issuer, audience and instant; ``chance`` makes their ``jti`` differ from other runs."""

    keys: TrialKeys
    issuer: str
    audience: str
    now: datetime
    chance: str
    made: int = 0

    def at(self, seconds: int) -> int:
        """A time stamp this many seconds from now."""
        return int(self.now.timestamp()) + seconds

    def claims(self, *, without: Collection[str] = (), **changes: Any) -> dict[str, Any]:
        """What the gateway says of a doctor ten seconds after it signed, with these changes."""
        self.made += 1
        whole = {
            "sub": PERSON,
            "idnat_ps": PERSON,
            "rpps": PERSON[1:],
            "family_name": "D’ALMÉIDA-NOËL",
            "given_name": "Zoé",
            "profession": f"10^{PROFESSION_SYSTEM}",
            "specialty": f"SM26^{SPECIALTY_SYSTEM}",
            "space": "liberal",
            "structure": "690780028",
            "amr": ["cps"],
            "acr": "substantial",
            "auth_time": self.at(-900),
            "sid": "c2Vzc2lvbi1vZi10ZXN0cw",
            "iss": self.issuer,
            "aud": self.audience,
            "iat": self.at(-10),
            "exp": self.at(-10) + int(LIFE.total_seconds()),
            "jti": f"{self.chance}.{self.made}",
        } | changes
        return {name: value for name, value in whole.items() if name not in without}

    def delegation(self, *rights: str, first: int = -10, last: int = 30, **changes: Any) -> list[dict[str, Any]]:
        """``authorization_details`` for these rights, from ``first`` to ``last`` day counted from today."""
        begins, ends = period(self._day(first), self._day(last), PARIS)
        shared = {
            "type": DELEGATION_TYPE,
            "identifier": "dlg_dGVzdHM",
            "on_behalf_of": DOCTOR,
            "kind": "assistant",
            "valid_from": begins.isoformat(),
            "valid_until": (ends - timedelta(days=1)).replace(hour=23, minute=59, second=59).isoformat(),
        }
        return [
            shared | {"actions": list(actions), "datatypes": list(modules)} | changes
            for actions, modules in by_actions(rights or ("grandage:completer", "grandage:consulter"))
        ]

    def _day(self, days: int) -> date:
        return self.now.astimezone(PARIS).date() + timedelta(days=days)

    def header(self, **changes: Any) -> dict[str, Any]:
        return {"alg": "ES256", "kid": self.keys.current.jwk["kid"], "typ": "JWT"} | changes

    def token(
        self,
        claims: Mapping[str, Any] | bytes | None = None,
        *,
        header: Mapping[str, Any] | bytes | None = None,
        key: TrialKey | None = None,
    ) -> str:
        """A signed token; bytes stand as they are."""
        body = f"{part(header or self.header())}.{part(self.claims() if claims is None else claims)}"
        return f"{body}.{self.signature(body, key)}"

    def signature(self, body: str, key: TrialKey | None = None) -> str:
        return base64url((key or self.keys.current).sign(body.encode("ascii")))


def part(data: Mapping[str, Any] | bytes) -> str:
    """A part of a token: a JSON object as the gateway writes it, or these very bytes."""
    text = data if isinstance(data, bytes) else json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    return base64url(text)


def base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
