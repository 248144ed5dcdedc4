"""The way through sign-in, as tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.accounts.account import Account
from gateway.identity import Assurance, Identity, Method, NationalId, Proof, Space
from gateway.pages.journey import Arrive, Register, Step, Stop, next_step, safe_return
from gateway.reasons import Reason
from tests.policy.test_decision import ACCOUNT, NOW, WHO

NURSE = Identity(NationalId("8", "99700100037"), "DURAND", "Inès", "60")
STUDENT = Identity(NationalId("8", "99700100052"), "FAURE", "Zoé", None, claims={"student_professions": "10"})
TWO = Identity(NationalId("8", "99700100011"), "B", "L", None, claims={"professions": "10,60"})
RAW = Identity(NationalId("raw", "ANS1"), "G", "F", "10")
STRONG, CODE, WORD = Assurance.SUBSTANTIAL, Assurance.TRANSITION, Assurance.PASSWORD
SLEEPING = replace(ACCOUNT, last_sign_in_at=NOW - timedelta(days=366))


@pytest.mark.parametrize(
    ("identity", "level", "account", "space", "strong", "expected"),
    [
        (WHO, STRONG, None, Space.LIBERAL, True, Register()),
        (WHO, CODE, None, Space.LIBERAL, True, Stop(Reason.WRONG_CREDENTIALS)),
        (WHO, STRONG, ACCOUNT, Space.LIBERAL, True, Arrive(ACCOUNT)),
        (WHO, CODE, ACCOUNT, Space.LIBERAL, True, Arrive(ACCOUNT)),
        (WHO, WORD, ACCOUNT, Space.PROFESSIONNEL, True, Stop(Reason.LEVEL_TOO_LOW)),
        (WHO, WORD, ACCOUNT, Space.PROFESSIONNEL, False, Arrive(ACCOUNT)),
        (NURSE, STRONG, None, Space.LIBERAL, True, Stop(Reason.NOT_A_PHYSICIAN)),
        (NURSE, STRONG, None, Space.PROFESSIONNEL, True, Register()),
        (STUDENT, STRONG, None, Space.LIBERAL, True, Stop(Reason.NOT_A_PHYSICIAN)),
        (TWO, STRONG, None, Space.LIBERAL, True, Register()),
        (RAW, STRONG, None, Space.PROFESSIONNEL, True, Stop(Reason.NO_ACCOUNT)),
        (WHO, STRONG, replace(ACCOUNT, suspended_at=NOW), Space.LIBERAL, True, Stop(Reason.ACCOUNT_SUSPENDED)),
        (WHO, CODE, SLEEPING, Space.LIBERAL, True, Stop(Reason.ACCOUNT_DORMANT)),
        (WHO, STRONG, SLEEPING, Space.LIBERAL, True, Arrive(SLEEPING)),
        (WHO, STRONG, replace(ACCOUNT, closed_at=NOW), Space.LIBERAL, True, Stop(Reason.ACCOUNT_CLOSED)),
    ],
)
def test_r10_r33_r90_r97_next_step(
    identity: Identity, level: Assurance, account: Account | None, space: Space, strong: bool, expected: Step
) -> None:
    """Who may create an account, who may enter which space, who is woken by what."""
    proof = Proof(identity, Method.CPS, level, NOW)
    physicians = frozenset({"10"})
    found = next_step(
        proof, account, space, strong=strong, physicians=physicians, dormancy=timedelta(days=365), now=NOW
    )
    assert found == expected


@pytest.mark.parametrize(
    ("method", "wakers", "allowed", "expected"),
    [
        (Method.CPS, frozenset({"psc"}), None, Stop(Reason.ACCOUNT_DORMANT)),
        (Method.PSC_ECPS, frozenset({"psc"}), None, Arrive(SLEEPING)),
        (Method.CPS, frozenset({"card"}), frozenset({Method.PSC_ECPS}), Stop(Reason.METHOD_DISABLED)),
        (Method.CPS, frozenset({"card"}), frozenset({Method.CPS}), Arrive(SLEEPING)),
    ],
)
def test_r91_r97_means_that_wake_and_means_that_scopes_accept(
    method: Method, wakers: frozenset[str], allowed: frozenset[Method] | None, expected: Step
) -> None:
    """A dormant account wakes by the configured means only, and a scope's list of means is obeyed."""
    proof = Proof(WHO, method, STRONG, NOW)
    found = next_step(
        proof,
        SLEEPING,
        Space.PROFESSIONNEL,
        strong=True,
        physicians=frozenset({"10"}),
        dormancy=timedelta(days=365),
        now=NOW,
        wakers=wakers,
        allowed=allowed,
    )
    assert found == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/Trajectoire/x?id=1&b=%2F", "/Trajectoire/x?id=1&b=%2F"),
        ("/", "/"),
        (None, "/"),
        ("", "/"),
        ("https://evil.test/", "/"),
        ("//evil.test", "/"),
        ("/\\evil.test", "/"),
        ("\\\\evil.test", "/"),
        ("/x\r\nLocation: y", "/"),
        ("/x y", "/"),
        ("/x#y", "/"),
        ("/été", "/"),
        ("javascript:alert(1)", "/"),
        ("/_gateway/sign-out", "/"),
        ("/_gateway", "/"),
        ("/_gateway/account", "/_gateway/account"),
        ("/_gateway/account/mail", "/_gateway/account/mail"),
        ("/_gateway/account/mail?x=1", "/_gateway/account/mail?x=1"),
        ("/_gateway/resume", "/_gateway/resume"),
        ("/_gateway/admin", "/_gateway/admin"),
        ("/_gateway/admin/", "/_gateway/admin/"),
        (
            "/_gateway/admin/scopes/690780010.A_b?said=policy&x=1",
            "/_gateway/admin/scopes/690780010.A_b?said=policy&x=1",
        ),
        ("/_gateway/admin/switch?scope=a&scope=b", "/_gateway/admin/switch?scope=a&scope=b"),
        ("/_gateway/admin/../sign-out", "/"),
        ("/_gateway/admin//evil.test", "/"),
        ("/_gateway/administrator", "/"),
        ("/_gateway/account/../sign-out", "/"),
        ("/_gateway/account//x", "/"),
        ("/_gateway/sign-in", "/"),
        ("/x/../_gateway/sign-in/psc", "/"),
        ("/x/%2E%2e/_gateway/sign-in/psc", "/"),
        ("/x/..y", "/x/..y"),
        ("/_gateway/accounts", "/"),
        ("/_gatewayx", "/_gatewayx"),
        ("/" + "x" * 2000, "/"),
    ],
)
def test_r2_safe_return(text: str | None, expected: str) -> None:
    """Only an own path with its query is a way back."""
    assert safe_return(text, "/_gateway") == expected
