"""Assertions for testing a backend: good ones with what must be read from them, bad ones with why they must be refused.

They are signed with keys made for this alone, never with the gateway's own, and name an issuer that no backend in use
expects: nothing made here is believed anywhere but in a test. Pure: chance is given by the caller, and the same chance
gives the same keys and the same tokens.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from gateway.assertion_tests.faults import faults
from gateway.assertion_tests.good import good
from gateway.assertion_tests.press import Press, TrialKeys


def document(keys: TrialKeys, *, issuer: str, audience: str, now: datetime, chance: str) -> dict[str, Any]:
    """Everything a backend's self-test needs: ``issuer``, ``audience``, ``jwks``, ``now`` (seconds since 1970), ``good``
    (``name``, ``token``, ``expect``) and ``bad`` (``name``, ``token``, ``why``)."""
    press = Press(keys, issuer, audience, now, chance)
    return {
        "issuer": issuer,
        "audience": audience,
        "now": press.at(0),
        "jwks": keys.jwks,
        "good": [{"name": name, "token": token, "expect": expect} for name, token, expect in good(press)],
        "bad": [{"name": name, "token": token, "why": why} for name, token, why in faults(press)],
    }


__all__ = ["TrialKeys", "document"]
