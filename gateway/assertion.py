"""The signed sentence a backend may check: an ES256 JWT, minted per session and backend, cached until nearly stale.

* It lives at most 60 s (R136) and is renewed when half of that has passed, off the hot path.
* The plain headers and the JWT say the same thing; both are made here, from one dictionary of claims (R134–R142).
* Absent means absent: what is not known gives no header and no claim (R137).
* ``sub`` is always the human who authenticated (R139). A code by mail is never called substantial (R141).
* While somebody acts for a doctor, ``authorization_details`` (RFC 9396) says for whom, with which rights and until when,
  whatever list of claims a backend has: one that was not told would take the act for the person's own.
* A backend may ask for the profile of RFC 8693: ``sub`` is the doctor then, and ``act`` the person.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from gateway.assertion_check import DELEGATION_TYPE
from gateway.identity import PROFESSION_SYSTEM, SPECIALTY_SYSTEM
from gateway.policy.decision import Facts, ends_at
from gateway.policy.delegation import DelegationRules, by_actions, last_second, rights_of
from gateway.ports import Ambient, Signer

LIFE = timedelta(seconds=60)  # R136
RENEW_AFTER = timedelta(seconds=25)  # leaves the backend half a minute, clocks included

# Plain header suffix and claim, in the order they are sent. Names of people travel percent-encoded (R138).
_HEADERS: tuple[tuple[str, str], ...] = (
    ("IdNat-PS", "idnat_ps"),
    ("RPPS", "rpps"),
    ("ADELI", "adeli"),
    ("Name", "family_name"),
    ("Given-Name", "given_name"),
    ("Profession", "profession"),
    ("Specialty", "specialty"),
    ("Space", "space"),
    ("Structure", "structure"),
    ("Auth-Method", "auth_method"),
    ("Assurance", "assurance"),
    ("Auth-Time", "auth_time"),
    ("Session", "sid"),
    ("On-Behalf-Of", "on_behalf_of"),
    ("Delegation", "delegation"),
)
# amr, acr and authorization_details say it in the JWT
_PLAIN_ONLY = frozenset({"auth_method", "assurance", "on_behalf_of", "delegation"})
_ALWAYS = frozenset({"sub", "authorization_details", "on_behalf_of", "delegation"})
_SAFE = "!#$&'()*+,/:;=?@[]~ ^"  # visible ASCII that may stand as it is in a header value; "%" and '"' may not


@dataclass(frozen=True, slots=True)
class Audience:
    """What one backend receives: its audience, and the claims it may see (R140); ``None`` is all of them.
    ``by_actor``: the profile of RFC 8693, off unless the backend reads ``act``."""

    name: str
    audience: str
    claims: frozenset[str] | None = None
    by_actor: bool = False


@dataclass(frozen=True, slots=True)
class Minted:
    """A ready header block, and when it must be replaced."""

    stamp: bytes
    made_at: datetime
    renew_at: datetime
    dead_at: datetime

    def usable(self, now: datetime) -> bool:
        """Whether it may still be sent: not too old, and not from the future of a clock that was set back."""
        return self.made_at <= now < self.dead_at


def claims_of(facts: Facts, structure: str | None) -> dict[str, Any]:
    """Everything a backend may learn of a signed-in person, without time stamps of the token itself."""
    session, account = facts.session, facts.account
    national, proof = account.national_id, session.proof
    known: dict[str, Any] = {
        "sub": national.text if national else account.id,
        "idnat_ps": national.text if national else None,
        "rpps": national.rpps if national else None,
        "adeli": national.adeli if national else None,
        "family_name": account.family_name or None,
        "given_name": account.given_name or None,
        "profession": f"{account.profession}^{PROFESSION_SYSTEM}" if account.profession else None,
        "specialty": f"{account.specialty}^{SPECIALTY_SYSTEM}" if account.specialty else None,
        "space": session.space.value,
        "structure": structure,
        "auth_method": proof.method.value,
        "assurance": proof.assurance.word,
        "amr": [proof.method.value],
        "acr": proof.assurance.word,
        "auth_time": int(proof.at.timestamp()),
        "sid": session.reference,
    }
    return {name: value for name, value in known.items() if value is not None}


def delegation_claims(facts: Facts, rules: DelegationRules) -> dict[str, Any]:
    """What a backend learns of the delegation acted under: nothing when there is none (R137, R139)."""
    acting = facts.acting
    if facts.session.acting_under is None or acting is None:
        return {}
    delegation, delegator = acting.delegation, acting.delegator
    if delegation is None or delegator is None:
        return {}
    doctor = delegator.national_id.text if delegator.national_id else delegator.id
    rights = rights_of(delegation, rules)
    shared = {
        "type": DELEGATION_TYPE,
        "identifier": delegation.id,
        "on_behalf_of": doctor,
        "kind": delegation.kind.value,
    }
    dates = {
        "valid_from": delegation.begins.astimezone(rules.zone).isoformat(),
        "valid_until": last_second(delegation, rules.zone).isoformat(),
    }
    until = last_second(delegation, rules.zone).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "on_behalf_of": doctor,
        "delegation": f"id={delegation.id};rights={','.join(sorted(rights))};until={until}",
        # Each object grants the product of its actions and modules; rights that are no product take several (RFC 9396 §2).
        "authorization_details": [
            {**shared, "actions": list(actions), "datatypes": list(modules), **dates}
            for actions, modules in by_actions(rights)
        ],
    }


def plain_headers(claims: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    """The plain headers of section "what the backend receives", values safe for a header line (R137, R138)."""
    return [(prefix + suffix, _plain(claims[name])) for suffix, name in _HEADERS if name in claims]


def _plain(value: object) -> str:
    """Visible ASCII as it is, everything else percent-encoded UTF-8: a control character cannot get through."""
    return quote(str(value), safe=_SAFE)


class Mint:
    """Makes stamps. Raises ``KeyUnavailable`` when the key gives no signature: then nothing is forwarded (R7)."""

    def __init__(
        self,
        signer: Signer,
        ambient: Ambient,
        issuer: str,
        audiences: Sequence[Audience],
        prefix: str,
        header: str,
        rules: DelegationRules | None = None,
    ) -> None:
        self._signer = signer
        self._ambient = ambient
        self._issuer = issuer
        self._audiences = {one.name: one for one in audiences}
        self._prefix = prefix
        self._header = header
        self._rules = rules or DelegationRules()

    async def mint(self, facts: Facts, backend: str, structure: str | None, now: datetime) -> Minted:
        """The header block for this person at this backend, valid from ``now`` and never longer than what it says."""
        audience = self._audiences[backend]
        claims = claims_of(facts, structure) | delegation_claims(facts, self._rules)
        if audience.claims is not None:
            claims = {name: value for name, value in claims.items() if name in audience.claims or name in _ALWAYS}
        issued = int(now.timestamp())
        dead = min(now + LIFE, ends_at(facts, self._rules))
        token = {name: value for name, value in claims.items() if name not in _PLAIN_ONLY}
        token |= {
            "iss": self._issuer,
            "aud": audience.audience,
            "iat": issued,
            "exp": max(issued + 1, int(dead.timestamp())),
            "jti": self._ambient.token(16),
        }
        if audience.by_actor and "on_behalf_of" in claims:
            token |= {"sub": claims["on_behalf_of"], "act": {"sub": claims["sub"]}}
        lines = [*plain_headers(claims, self._prefix), (self._header, await self._sign(token))]
        stamp = "".join(f"{name}: {value}\r\n" for name, value in lines).encode("ascii")
        return Minted(stamp, now, now + RENEW_AFTER, min(now + LIFE - timedelta(seconds=10), dead))

    async def _sign(self, claims: Mapping[str, Any]) -> str:
        header = {"alg": "ES256", "kid": self._signer.kid, "typ": "JWT"}
        body = f"{_part(header)}.{_part(claims)}"
        signature = await self._signer.sign(body.encode("ascii"))
        return f"{body}.{_base64(signature)}"


def _part(data: Mapping[str, Any]) -> str:
    return _base64(json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
