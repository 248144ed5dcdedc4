"""What would happen, now, by each way of coming in: at sign-in, and then at one address. Pure.

Nothing is decided here a second time. At the address ``decide`` judges a session that would just have been opened by
this way. At sign-in the deployment's own end of every sign-in judges the proof (``Arrival``); what stands before it is
what a person has in hand: a card names an account by its number, a passkey must be known, a code must reach somebody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from gateway.accounts.account import Account
from gateway.identity import Assurance, Method, Proof, Space
from gateway.policy.decision import Decision, Facts, Forward, Refuse, Rules, decide
from gateway.policy.establishments import PolicyBook
from gateway.policy.routes import Route, RouteClass
from gateway.reasons import Reason
from gateway.session.model import Session


class Outcome(StrEnum):
    """Asked: something has to be proved or done first, and then it goes on."""

    LET_IN = "let-in"
    ASKED = "asked"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Verdict:
    """``rule`` names the step that spoke: ``decide:3`` is the third of ``decide``, ``sign-in:…`` stands before it.
    ``until``: how far a right goes that is given now."""

    outcome: Outcome
    rule: str
    reason: Reason | None = None
    until: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome.value,
            "reason": self.reason.value if self.reason else None,
            "rule": self.rule,
            "until": self.until.isoformat() if self.until else None,
            "sentence": said(self),
        }


@dataclass(frozen=True, slots=True)
class Way:
    """``name``: card, psc, passkey or password; ``channel``: by which a code comes after the password, if one does."""

    name: str
    channel: str
    method: Method
    at_sign_in: Verdict
    at_url: Verdict

    @property
    def verdict(self) -> Verdict:
        """What the person meets first."""
        return self.at_sign_in if self.at_sign_in.outcome is not Outcome.LET_IN else self.at_url

    def as_json(self) -> dict[str, Any]:
        return {
            "way": self.name,
            "channel": self.channel or None,
            "method": self.method.value,
            "outcome": self.verdict.outcome.value,
            "at_sign_in": self.at_sign_in.as_json(),
            "at_url": self.at_url.as_json(),
        }


class Arrival(Protocol):
    """The end of every sign-in (``pages.journey.next_step``) under this deployment's values."""

    def __call__(
        self,
        proof: Proof,
        account: Account,
        space: Space,
        now: datetime,
        *,
        strong: bool,
        allowed: frozenset[Method] | None,
    ) -> Reason | None:
        """Why the proof does not open a session; ``None`` when it does."""


@dataclass(frozen=True, slots=True)
class Means:
    """What this person can use here. ``offered``: the providers of the space they are sent to; ``allowed``: the methods
    their scopes and their roles leave (``None``: all); ``channels``: why a code cannot come that way, if it cannot."""

    arrival: Arrival
    offered: Sequence[str]
    allowed: frozenset[Method] | None
    channels: Mapping[str, Reason | None]
    passkeys: int
    requires_prior_strong: bool


_CODES: Mapping[str, Method] = {"mail": Method.OTP_MAIL, "sms": Method.OTP_SMS, "totp": Method.OTP_TOTP}
_RULES: Mapping[Reason, str] = {
    Reason.NO_SESSION: "decide:2",
    Reason.SESSION_ENDED: "decide:2",
    Reason.SESSION_IDLE: "decide:2",
    Reason.ACCOUNT_CLOSED: "decide:2",
    Reason.ACCOUNT_SUSPENDED: "decide:2",
    Reason.ACCOUNT_DORMANT: "decide:2",
    Reason.LEVEL_TOO_LOW: "decide:3",
    Reason.CHARTER_MISSING: "decide:4",
    Reason.PASSWORD_TOO_OLD: "decide:5",
}


def verdict_of(decision: Decision, route: Route) -> Verdict:
    """What ``decide`` answered, as a verdict."""
    if isinstance(decision, Forward):
        rule = "decide:1" if route.kind is not RouteClass.PROTECTED else "decide:end"
        return Verdict(Outcome.LET_IN, rule, until=decision.until)
    outcome = Outcome.REFUSED if isinstance(decision, Refuse) else Outcome.ASKED
    return Verdict(outcome, _RULES.get(decision.reason, "decide"), decision.reason)


def ways(
    route: Route, account: Account, book: PolicyBook, rules: Rules, now: datetime, means: Means
) -> tuple[Way, ...]:
    """Every way of coming in, the strongest first."""
    by_number = account.national_id is not None and account.national_id.kind != "raw"
    staff = account.national_id is not None and account.national_id.kind not in ("8", "0")
    found = [
        ("card", "", Method.CPE if staff else Method.CPS, Assurance.SUBSTANTIAL),
        ("psc", "", Method.PSC_ECPS, Assurance.SUBSTANTIAL),
        ("passkey", "", Method.PASSKEY, Assurance.TRANSITION),
        ("password", "", Method.PASSWORD, Assurance.PASSWORD),
        *(("password", channel, method, Assurance.TRANSITION) for channel, method in _CODES.items()),
    ]
    policy = book.policy(account.scopes, now)
    answers = []
    for name, channel, method, assurance in found:
        proof = Proof(account.identity, method, assurance, now)
        missing = _missing(name, channel, account, means, by_number=by_number)
        if missing is not None:
            before = Verdict(Outcome.REFUSED, "sign-in:means", missing)
        else:
            before = _arrival(proof, account, route.space, now, means, strong=policy.strong)
        known = replace(account, last_sign_in_at=now) if before.outcome is Outcome.LET_IN else account
        session = Session("", account.id, route.space, (proof,), now, now, policy.lifetimes, "")
        after = verdict_of(decide(route, Facts(session, known), book, rules, now), route)
        answers.append(Way(name, channel, method, before, after))
    return tuple(answers)


def _missing(name: str, channel: str, account: Account, means: Means, *, by_number: bool) -> Reason | None:
    """Why this way does not even lead to a proof for this person; ``None`` when it does."""
    if name not in means.offered:
        return Reason.METHOD_DISABLED
    if name in ("card", "psc"):
        return None if by_number else Reason.NO_ACCOUNT
    if name == "passkey":
        return None if means.passkeys else Reason.PASSKEY_UNKNOWN
    if account.password_hash is None:
        return Reason.WRONG_CREDENTIALS
    if means.requires_prior_strong and account.strong_first:
        return Reason.STRONG_FIRST  # R79
    return means.channels.get(channel, Reason.NO_CHANNEL) if channel else None


def _arrival(proof: Proof, account: Account, space: Space, now: datetime, means: Means, *, strong: bool) -> Verdict:
    reason = means.arrival(proof, account, space, now, strong=strong, allowed=means.allowed)
    if reason is None:
        return Verdict(Outcome.LET_IN, "sign-in:end")
    if reason is Reason.LEVEL_TOO_LOW:  # a code is asked, if one can reach the person (R64, R74)
        stuck = list(means.channels.values())
        if stuck and all(one is not None for one in stuck):
            return Verdict(Outcome.REFUSED, "sign-in:code", next(one for one in stuck if one is not None))
        outcome = Outcome.ASKED if stuck else Outcome.REFUSED
        return Verdict(outcome, "sign-in:level", reason if stuck else Reason.NO_CHANNEL)
    return Verdict(Outcome.REFUSED, "sign-in:end", reason)


_SAID: Mapping[Reason, str] = {
    Reason.NO_SESSION: "Personne n'est connecté\u00a0: la page de connexion est présentée.",
    Reason.SESSION_ENDED: "La session est arrivée à son terme\u00a0: une nouvelle connexion est demandée.",
    Reason.SESSION_IDLE: "La session s'est fermée faute d'activité\u00a0: une nouvelle connexion est demandée.",
    Reason.ACCOUNT_CLOSED: "Le compte est supprimé.",
    Reason.ACCOUNT_SUSPENDED: "Le compte est suspendu.",
    Reason.ACCOUNT_DORMANT: "Le compte est en sommeil\u00a0: il faut le réveiller par carte ou e-CPS.",
    Reason.LEVEL_TOO_LOW: "Le mot de passe seul ne suffit pas\u00a0: un code ou un moyen fort est demandé.",
    Reason.CHARTER_MISSING: "La charte en vigueur n'est pas acceptée\u00a0: elle est présentée.",
    Reason.PASSWORD_TOO_OLD: "Un nouveau mot de passe est demandé.",
    Reason.METHOD_DISABLED: "Ce moyen n'est pas accepté ici.",
    Reason.NOT_A_PHYSICIAN: "L'espace médecin libéral est réservé aux médecins.",
    Reason.NO_ACCOUNT: "Le compte n'a pas de numéro national\u00a0: ni carte ni e-CPS ne mènent à lui.",
    Reason.PASSKEY_UNKNOWN: "Aucune clé d'accès n'est enregistrée.",
    Reason.WRONG_CREDENTIALS: "Le compte n'a pas de mot de passe.",
    Reason.STRONG_FIRST: "Une première connexion par carte ou e-CPS est nécessaire avant le mot de passe.",
    Reason.NO_CHANNEL: "Aucun code ne peut parvenir à cette personne par ce moyen.",
    Reason.MAIL_SHARED: "L'adresse est commune à plusieurs comptes\u00a0: aucun code n'y est envoyé.",
    Reason.MAIL_UNPROVED: "L'adresse n'est pas confirmée\u00a0: aucun code n'y est envoyé.",
    Reason.GENERIC_ACCOUNT: "Le compte porte un nom de service\u00a0: aucun code ne lui est envoyé.",
}


def said(verdict: Verdict) -> str:
    """The verdict in a French sentence."""
    if verdict.outcome is Outcome.LET_IN:
        return "L'accès est ouvert à tous." if verdict.rule == "decide:1" else "La personne entre."
    return _SAID.get(verdict.reason, "L'accès est refusé.") if verdict.reason else "L'accès est refusé."
