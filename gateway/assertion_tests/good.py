"""Good test assertions, with what must be read from each: one for every form that an assertion may have."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.assertion_tests.press import DOCTOR, PERSON, Press, TrialKey
from gateway.policy.delegation import ACTIONS, MODULES

_ASSISTANT = "3690780028/7"  # a card of an establishment: no RPPS
_ODD = "O'\"BRIEN\\ / </script>\n\u2028 😀"


def good(press: Press) -> list[tuple[str, str, dict[str, Any]]]:
    """Name, token, and what must be read. Where clocks differ, it is by less than the five seconds allowed."""
    everything = tuple(f"{module}:{action}" for module in MODULES for action in ACTIONS)
    uneven = ("grandage:completer", "grandage:consulter", "sanitaire:consulter")
    staff = {"sub": _ASSISTANT, "idnat_ps": _ASSISTANT, "amr": ["cpe"], "family_name": "MOREAU", "given_name": "Anne"}
    unlisted = ("rpps", "profession", "specialty")
    few = set(press.claims()) - {"sub", "iss", "aud", "iat", "exp", "jti"}
    adeli = {"sub": "0691234567", "idnat_ps": "0691234567", "adeli": "691234567"}
    made: list[tuple[str, dict[str, Any], TrialKey | None]] = [
        ("person with accents", press.claims(), None),
        ("person without RPPS", press.claims(without=unlisted, **staff), None),
        ("person with an ADELI number", press.claims(without=("rpps",), **adeli), None),
        ("person without a national number", press.claims(
            without=(*unlisted, "idnat_ps"), sub="acc_dGVzdA", amr=["otp-mail"], acr="transition"), None),
        ("person of whom the backend may know the number alone", press.claims(without=few), None),
        ("names that need care", press.claims(family_name=_ODD, given_name="Ï"), None),
        ("signed with the key before the last rotation", press.claims(), press.keys.previous),
        ("the backend's clock is three seconds behind", press.claims(iat=press.at(3), exp=press.at(63)), None),
        ("the backend's clock is three seconds ahead", press.claims(iat=press.at(-63), exp=press.at(-3)), None),
        ("assistant acting for a doctor", press.claims(
            without=unlisted, authorization_details=press.delegation(), **staff), None),
        ("assistant acting, rights that are no product", press.claims(
            without=unlisted, authorization_details=press.delegation(*uneven), **staff), None),
        ("colleague acting with all rights", press.claims(
            authorization_details=press.delegation(*everything, kind="colleague")), None),
        ("last day of a delegation", press.claims(
            exp=press.at(5), authorization_details=press.delegation(last=0)), None),
        ("doctor as the subject, person as the actor", press.claims(
            sub=DOCTOR, act={"sub": PERSON}, authorization_details=press.delegation()), None),
        ("actor, and nothing else of the person", press.claims(
            without=few, sub=DOCTOR, act={"sub": PERSON}, authorization_details=press.delegation(*uneven)), None),
    ]  # fmt: skip
    return [(name, _signed(press, claims, key), _expected(claims)) for name, claims, key in made]


def _signed(press: Press, claims: Mapping[str, Any], key: TrialKey | None) -> str:
    return press.token(claims, header=press.header(kid=key.jwk["kid"]) if key else None, key=key)


def _expected(claims: Mapping[str, Any]) -> dict[str, Any]:
    """What must be read from these claims: the person who acts, and under which delegation."""
    return {
        "person": claims["act"]["sub"] if "act" in claims else claims["sub"],
        "family_name": claims.get("family_name"),
        "given_name": claims.get("given_name"),
        "assurance": claims.get("acr"),
        "delegation": _delegation(claims.get("authorization_details")),
    }


def _delegation(details: list[dict[str, Any]] | None) -> dict[str, Any] | None:
    """The delegation, its rights as pairs (module, action), its end in UTC; ``None`` when the person acts alone."""
    if details is None:
        return None
    first = details[0]
    until = datetime.fromisoformat(first["valid_until"]).astimezone(UTC)
    return {
        "identifier": first["identifier"],
        "on_behalf_of": first["on_behalf_of"],
        "kind": first["kind"],
        "rights": sorted(
            [module, action] for one in details for module in one["datatypes"] for action in one["actions"]
        ),
        "until": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
