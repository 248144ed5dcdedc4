"""The way through sign-in, without the road: what comes next, decided from values. Pure.

Universal checks (who may come in at all, in this space, at this level) live here and in ``policy.decision``; never
inside one provider. The policy is read again at the end of a sign-in, not at its beginning (R90).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.accounts.account import Account, Standing
from gateway.identity import Assurance, Method, Proof, Space
from gateway.reasons import Reason

_LONGEST_RETURN = 2000
_DOTS = re.compile(r"(^|/)(\.|%2e){1,2}(/|$)", re.IGNORECASE)  # what a browser would resolve into another path
_LEADS_BACK = re.compile(r"/(resume|account(/[a-z-]+)*|delegations(/[a-z-]+)*|admin(/[A-Za-z0-9._~%-]+)*/?)\Z")


@dataclass(frozen=True, slots=True)
class Arrive:
    """The session may open for this account."""

    account: Account


@dataclass(frozen=True, slots=True)
class Register:
    """A strong proof of somebody without account: the form of the first connection (R10)."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Not this way."""

    reason: Reason


Step = Arrive | Register | Stop


def next_step(
    proof: Proof,
    account: Account | None,
    space: Space,
    *,
    strong: bool,
    physicians: frozenset[str],
    dormancy: timedelta,
    now: datetime,
    wakers: frozenset[str] = frozenset({"card", "psc"}),
    allowed: frozenset[Method] | None = None,
) -> Step:
    """What a proof leads to. ``strong``: whether this person's scopes ask more than a password, now; ``allowed``: the
    means they accept (``None``: all); ``wakers``: providers whose proof wakes a dormant account (R97)."""
    substantial = proof.assurance is Assurance.SUBSTANTIAL
    # (1) the médecin libéral space is for physicians (R33); a student's card or category gives no profession
    professions = {proof.identity.profession, *(proof.identity.claims.get("professions", "").split(","))}
    if account is not None and not substantial:
        professions.add(account.profession)
    if space is Space.LIBERAL and not professions & physicians:
        return Stop(Reason.NOT_A_PHYSICIAN)
    # (2) an account is created by a strong proof alone, never by a password (R10)
    if account is None:
        if not substantial:
            return Stop(Reason.WRONG_CREDENTIALS)
        if proof.identity.id is None or proof.identity.id.kind == "raw":
            return Stop(Reason.NO_ACCOUNT)
        return Register()
    # (3) a suspended account stays out; a dormant one is woken by a strong proof (R97)
    standing = account.standing(now, dormancy)
    if standing is Standing.CLOSED:
        return Stop(Reason.ACCOUNT_CLOSED)
    if standing is Standing.SUSPENDED:
        return Stop(Reason.ACCOUNT_SUSPENDED)
    waking = substantial and ("psc" if proof.method.value.startswith("psc") else "card") in wakers
    if standing is Standing.DORMANT and not waking:
        return Stop(Reason.ACCOUNT_DORMANT)
    # (4) the policy of this very moment (R90)
    if strong and proof.assurance < Assurance.TRANSITION:
        return Stop(Reason.LEVEL_TOO_LOW)
    if allowed is not None and proof.method not in allowed:
        return Stop(Reason.METHOD_DISABLED)
    return Arrive(account)


def safe_return(text: str | None, prefix: str) -> str:
    """An own path with its query, or the home (R2): no other host in any disguise.

    Of our own pages only those a person may have been sent away from: the others would make circles.
    """
    if not text or len(text) > _LONGEST_RETURN or not text.isascii():
        return "/"
    if not text.startswith("/") or text.startswith("//") or "\\" in text:
        return "/"
    if any(ord(character) <= 32 or ord(character) == 127 for character in text):
        return "/"
    path = text.partition("?")[0].partition("#")[0]
    if "#" in text or _DOTS.search(path):
        return "/"
    if path == prefix or path.startswith(prefix + "/"):
        return text if _LEADS_BACK.match(path.removeprefix(prefix)) else "/"
    return text
