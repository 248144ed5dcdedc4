"""Which rule decides about one person and one address, why, and where every value comes from (lesson 28). Pure.

The verdicts come from ``decide`` itself. The numbered steps follow its order and say what each of its rules looked at:

1. the route;  2. the account's standing;  3. each scope and its ruling;  4. the level that follows;
5. means and channels;  6. the values of codes and sessions;  7. the charter;  8. the password's age.

Whoever asks may not see every scope a person is attached to: those are counted and never named. What lies above a scope
they see is named, as the origin of values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway.accounts.account import Account, Standing
from gateway.policy.decision import Facts, Rules, decide, password_is_old
from gateway.policy.establishments import EstablishmentPolicy, PolicyBook, Scope, State
from gateway.policy.legal import CHANNEL_NAMES, MEANS, NAMES, alarm
from gateway.policy.origins import NATIONAL, Origins, iso, plain
from gateway.policy.routes import Route, RouteClass, odd
from gateway.policy.ways import Means, Verdict, Way, verdict_of, ways
from gateway.session.model import Session
from gateway.texts import PARIS, duration

_CLASSES = {
    RouteClass.PUBLIC: "publique, ouverte à tous",
    RouteClass.USAGER: "usager, avec la connexion propre à ViaTrajectoire",
    RouteClass.PROTECTED: "protégée, une session est nécessaire",
}
_STANDINGS = {
    Standing.OPEN: "Le compte est actif.",
    Standing.DORMANT: "Le compte est en sommeil faute de connexion.",
    Standing.SUSPENDED: "Le compte est suspendu.",
    Standing.CLOSED: "Le compte est supprimé.",
}
_VALUES = {
    "code_validity": "Validité d'un code",
    "second_factor_memory": "Mémoire du second facteur",
    "session_absolute": "Durée d'une session",
    "session_idle": "Durée sans activité",
    "banner": "Annonce",
}


@dataclass(frozen=True, slots=True)
class Step:
    """``sentences`` are French; ``facts`` the same for machines. ``rule``: the step of ``decide`` it belongs to."""

    number: int
    key: str
    rule: str
    title: str
    sentences: tuple[str, ...]
    facts: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {
            "step": self.number,
            "key": self.key,
            "rule": self.rule,
            "title": self.title,
            "sentences": list(self.sentences),
            "facts": dict(self.facts),
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """``verdict``: of the request as it comes, without a session unless one was given; ``version``: the revision of the
    policy it was made from."""

    version: int
    account: str
    name: str
    path: str
    at: datetime
    verdict: Verdict
    steps: tuple[Step, ...]
    ways: tuple[Way, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "policy_version": self.version,
            "account": self.account,
            "name": self.name,
            "path": self.path,
            "at": self.at.isoformat(),
            "verdict": self.verdict.as_json(),
            "steps": [one.as_json() for one in self.steps],
            "ways": [one.as_json() for one in self.ways],
        }


def explain(
    route: Route,
    account: Account,
    book: PolicyBook,
    rules: Rules,
    now: datetime,
    session: Session | None = None,
    *,
    version: int,
    path: str,
    entry: int | None,
    means: Means,
    seen: Callable[[Scope], bool] = lambda scope: True,
    zone: ZoneInfo = PARIS,
) -> Explanation:
    """Explain. ``version``: the revision of the policy; ``entry``: which of the configured routes matched, from 1 on,
    ``None`` when none did; ``seen``: whether the asker may see a scope."""
    teller = _Teller(account, book, rules, now, means, seen, zone)
    facts = None if session is None else Facts(session, account)
    steps = (
        _route(route, path, entry),
        teller.standing(session),
        teller.scopes(),
        teller.level(),
        teller.means(),
        teller.values(),
        teller.charter(),
        teller.password(),
    )
    return Explanation(
        version,
        account.id,
        f"{account.family_name} {account.given_name}".strip(),
        path,
        now,
        verdict_of(decide(route, facts, book, rules, now), route),
        steps,
        ways(route, account, book, rules, now, means),
    )


def _route(route: Route, path: str, entry: int | None) -> Step:
    two_readings = odd(path)
    where = (
        f"la règle n°\u00a0{entry} («\u00a0{route.path}\u00a0»)" if entry else "aucune règle, donc la page est protégée"
    )
    sentences = [
        f"Le chemin {path} suit {where}\u00a0: page {_CLASSES[route.kind]}. Application\u00a0: {route.backend}."
    ]
    if two_readings:
        sentences.append(
            "Ce chemin contient des caractères que deux serveurs pourraient lire différemment\u00a0: il est toujours protégé."
        )
    facts = {
        "entry": entry,
        "route": route.path if entry else None,
        "class": route.kind.value,
        "backend": route.backend,
        "space": route.space.value,
        "odd": two_readings,
    }
    return Step(1, "route", "decide:1", "La page demandée", tuple(sentences), facts)


def _named(means: Iterable[str]) -> str:
    return ", ".join(NAMES[one] for one in means)


class _Teller:
    """The steps that look at the person."""

    def __init__(
        self,
        account: Account,
        book: PolicyBook,
        rules: Rules,
        now: datetime,
        means: Means,
        seen: Callable[[Scope], bool],
        zone: ZoneInfo,
    ) -> None:
        self._account = account
        self._book = book
        self._rules = rules
        self._now = now
        self._means = means
        self._policy: EstablishmentPolicy = book.policy(account.scopes, now)
        self._origins = Origins(account.scopes, book, now, seen, zone)

    def standing(self, session: Session | None) -> Step:
        account, now = self._account, self._now
        standing = account.standing(now, self._rules.dormancy)
        sleeps = account.awake_at + self._rules.dormancy
        sentences = [_STANDINGS[standing]]
        if account.suspended_at is not None:
            sentences.append(f"Suspendu le {self._origins.moment(account.suspended_at)}.")
        sentences.append(
            f"Dernière connexion le {self._origins.moment(account.last_sign_in_at)}."
            if account.last_sign_in_at
            else f"Aucune connexion depuis la création, le {self._origins.moment(account.created_at)}."
        )
        if standing is Standing.OPEN:
            sentences.append(f"S'endort le {self._origins.moment(sleeps)} sans nouvelle connexion.")
        elif standing is Standing.DORMANT:
            sentences.append(f"En sommeil depuis le {self._origins.moment(sleeps)}.")
        if session is not None:
            sentences.append(
                f"Session ouverte le {self._origins.moment(session.opened_at)}, {self._origins.limit(session.ends_at)}."
            )
        facts = {
            "standing": standing.value,
            "created_at": iso(account.created_at),
            "last_sign_in_at": iso(account.last_sign_in_at),
            "last_method": account.last_method,
            "first_strong_at": iso(account.first_strong_at),
            "reactivated_at": iso(account.reactivated_at),
            "suspended_at": iso(account.suspended_at),
            "closed_at": iso(account.closed_at),
            "sleeps_at": iso(sleeps),
            "session": None if session is None else {
                "method": session.method.value,
                "assurance": session.assurance.word,
                "opened_at": iso(session.opened_at),
                "ends_at": iso(session.ends_at),
            },
        }  # fmt: skip
        return Step(2, "standing", "decide:2", "Le compte", tuple(sentences), facts)

    def scopes(self) -> Step:
        if not self._account.scopes:
            sentence = "La personne n'est rattachée à aucun établissement\u00a0: la règle nationale s'applique."
            return Step(3, "scopes", "decide:3", "Les rattachements", (sentence,), {"scopes": []})
        sentences, facts = [], []
        for one in self._account.scopes:
            ruling = self._book.ruling(one, self._now)
            change = self._book.next_change(one, self._now)
            after = f" Prochaine échéance le {self._origins.moment(change)}." if change else ""
            sentences.append(f"{self._origins.name(one)}\u00a0: {self._origins.why(ruling)}.{after}")
            scope = self._book.scope(one)
            facts.append(
                {
                    **self._origins.of(one, "scope"),
                    "known": scope is not None,
                    "version": scope.version if scope is not None and self._origins.shows(one) else None,
                    "state": ruling.state.value,
                    "why": ruling.why.value,
                    **self._origins.of(ruling.scope, "from"),
                    "switch": ruling.switch.id if ruling.switch and self._origins.shows(ruling.scope) else None,
                    "effective_from": iso(ruling.switch.effective_from) if ruling.switch else None,
                    "until": iso(ruling.switch.derogation_until) if ruling.switch else None,
                    "next_change": iso(change),
                }
            )
        return Step(3, "scopes", "decide:3", "Les rattachements", tuple(sentences), {"scopes": facts})

    def level(self) -> Step:
        account, strong = self._account, self._policy.strong
        if not account.scopes:
            asking: list[str] = []
            limit_ = self._origins.moment(self._book.defaults.mandatory_from)
            why = f"date nationale du {limit_}" + (" atteinte" if strong else " à venir")
        else:
            asking = [one for one in account.scopes if self._book.ruling(one, self._now).strong]
            names = ", ".join(dict.fromkeys(self._origins.name(one) for one in asking))
            why = f"demandé par {names}" if strong else "aucun rattachement ne demande plus"
        sentence = (
            f"Le mot de passe seul ne suffit pas\u00a0: {why}."
            if strong
            else f"Le mot de passe seul suffit\u00a0: {why}."
        )
        state = State.STRONG if strong else State.PASSWORD_ONLY
        facts = {"state": state.value, "asked_by": [self._origins.of(one, "scope") for one in asking]}
        return Step(4, "level", "decide:3", "Le niveau demandé", (sentence,), facts)

    def means(self) -> Step:
        policy, left = self._policy, self._means.allowed
        allowed = [name for name, methods in MEANS.items() if left is None or methods & left]
        channels = ", ".join(CHANNEL_NAMES[one] for one in policy.channels) or "aucun moyen"
        sentences = [f"Moyens acceptés\u00a0: {_named(allowed) or 'aucun'}. Codes envoyés par\u00a0: {channels}."]
        by_role = left != policy.methods
        if by_role:
            sentences.append("Le rôle d'administrateur réduit les moyens acceptés.")
        legal = []
        for one in self._account.scopes or (None,):
            for name, sourced in self._book.legal(one).items():
                said_of = sourced.value
                line = {
                    "means": name,
                    "status": said_of.status.value,
                    "reference": said_of.reference,
                    "until": iso(said_of.until),
                    "alarm": alarm(said_of, self._now),
                    **self._origins.of(sourced.scope, "from"),
                }
                if line not in legal:
                    legal.append(line)
        ended = sorted({line["means"] for line in legal if line["alarm"] == "ended" and line["means"] in allowed})
        if ended:
            sentences.append(f"Échéance réglementaire dépassée pour\u00a0: {_named(ended)}.")
        facts = {
            "offered": list(self._means.offered),
            "allowed": allowed,
            "methods": None if left is None else sorted(one.value for one in left),
            "methods_from": self._origins.sources("methods"),
            "reduced_by_role": by_role,
            "channels": list(policy.channels),
            "channels_from": self._origins.sources("channels"),
            "channels_missing": {name: why.value for name, why in self._means.channels.items() if why is not None},
            "legal": legal,
        }
        return Step(5, "means", "sign-in", "Moyens et envois de codes", tuple(sentences), facts)

    def values(self) -> Step:
        policy = self._policy
        held: dict[str, timedelta | str] = {
            "code_validity": policy.code_validity,
            "second_factor_memory": policy.second_factor_memory,
            "session_absolute": policy.lifetimes.absolute,
            "session_idle": policy.lifetimes.idle,
            "banner": policy.banner,
        }
        sentences, facts = [], {}
        for name, value in held.items():
            sources = self._origins.sources(name)
            held_as = plain(value)
            deciding = [one["from_name"] for one in sources if one["value"] == held_as]
            origin = ", ".join(dict.fromkeys(deciding)) or NATIONAL
            text = duration(value) if isinstance(value, timedelta) and value else value or "aucune"
            sentences.append(f"{_VALUES[name]}\u00a0: {text} ({origin}).")
            facts[name] = {"value": held_as, "from": sources}
        return Step(6, "values", "sign-in", "Codes, sessions et annonce", tuple(sentences), facts)

    def charter(self) -> Step:
        account, accepted = self._account, self._account.charter_version == self._rules.charter
        sentence = "La charte en vigueur est acceptée."
        if not accepted:
            before = (
                f" (une version antérieure l'a été le {self._origins.moment(account.charter_at)})"
                if account.charter_at
                else ""
            )
            sentence = f"La charte en vigueur n'est pas acceptée{before}\u00a0: elle sera présentée."
        facts = {
            "in_force": self._rules.charter,
            "accepted": account.charter_version,
            "accepted_at": iso(account.charter_at),
            "holds": accepted,
        }
        return Step(7, "charter", "decide:4", "La charte", (sentence,), facts)

    def password(self) -> Step:
        account, age = self._account, self._rules.password_age
        old = password_is_old(account, age, self._now)
        if account.password_hash is None:
            sentence = "Le compte n'a pas de mot de passe."
        elif account.password_must_change:
            sentence = "Un nouveau mot de passe est demandé à la prochaine connexion par mot de passe."
        elif age is None:
            sentence = "Les mots de passe ne vieillissent pas ici."
        else:
            sentence = "Le mot de passe est trop ancien." if old else "Le mot de passe n'est pas trop ancien."
        facts = {
            "held": account.password_hash is not None,
            "set_at": iso(account.password_set_at),
            "must_change": account.password_must_change,
            "max_age": None if age is None else int(age.total_seconds()),
            "holds": not old,
        }
        return Step(8, "password", "decide:5", "Le mot de passe", (sentence,), facts)
