"""What somebody wants of a switch, checked: the state, from when, until when (R83, R84, R92). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway import texts
from gateway.administration.actor import Actor, Faulty, checked_reason, require
from gateway.clocks import SKEW
from gateway.policy.establishments import PolicyBook, Scope, State, Switch, SwitchKind
from gateway.policy.rights import Right

MOST = 2000  # scopes that one act switches
_SLOW = timedelta(seconds=60)  # a date that was the present when the form was sent
_FARTHEST = timedelta(days=3653)


@dataclass(frozen=True, slots=True)
class SwitchSettings:
    """Of the deployment. ``revoke``: open sessions end when more is asked (R89; said in previews, done by the gate)."""

    derogation_max: timedelta
    breakglass_max: timedelta
    referent_can_enable: bool
    revoke: bool
    dormancy: timedelta
    generic_names: tuple[str, ...]
    generic_mailboxes: tuple[str, ...]
    zone: ZoneInfo
    prove_first: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """``effective_from``: ``None`` is now. ``announce``: say so to the people of each scope that says nothing else."""

    state: State
    reason: str
    effective_from: datetime | None = None
    derogation_until: datetime | None = None
    announce: bool = False


def begins(wanted: Wanted, now: datetime) -> datetime:
    """When it takes effect; what is past by less than a minute is now."""
    at = wanted.effective_from
    return now if at is None or now - _SLOW <= at <= now else at


def instant_for(scopes: Iterable[Scope], now: datetime) -> datetime:
    """``now``, or just behind what was switched a moment ago on a machine whose clock runs ahead: the last act counts."""
    ahead = [one.effective_from for scope in scopes for one in scope.switches if one.begun]
    last = max((at for at in ahead if now < at <= now + SKEW), default=None)
    return now if last is None else last + timedelta(microseconds=1)


def faults_of(wanted: Wanted, cut_off: datetime, settings: SwitchSettings, now: datetime) -> dict[str, Sequence[str]]:
    """What cannot be taken, by field; empty when everything can."""
    found: dict[str, Sequence[str]] = {}
    at = begins(wanted, now)
    if at < now:
        found["effective_from"] = ["Cette date est passée."]
    elif at > now + _FARTHEST:
        found["effective_from"] = ["Cette date est trop lointaine."]
    if wanted.announce and (wanted.state is not State.STRONG or at == now):
        found["announce"] = ["Seule une authentification forte à venir s'annonce."]
    sentence = "" if "effective_from" in found else _derogation(wanted, at, cut_off, settings)
    if sentence:
        found["derogation_until"] = [sentence]
    return found


def _derogation(wanted: Wanted, at: datetime, cut_off: datetime, settings: SwitchSettings) -> str:
    until = wanted.derogation_until
    if wanted.state is State.STRONG:
        return "" if until is None else "Une dérogation n'accompagne que le retour au mot de passe seul."
    if until is None:
        return "" if at < cut_off else "Le mot de passe seul demande une dérogation, avec sa date de fin."
    if until <= at:
        return "La dérogation finit après son début."
    days = settings.derogation_max.days
    return "" if until <= at + settings.derogation_max else f"Une dérogation dure {days} jours au plus."


def chosen(actor: Actor, scope_ids: Iterable[str], state: State, book: PolicyBook, *, referent: bool) -> list[Scope]:
    """The scopes of an act, each once. ``referent``: whether référents may switch on (R87).

    One that is out of reach makes the whole act ``NotThere``, before anything tells what else is wrong with it.
    """
    ids = list(dict.fromkeys(scope_ids))
    for one in ids:
        require(actor, Right.SEE, one, book)
    for one in ids:
        require(actor, Right.SWITCH, one, book, referent_enables=referent and state is State.STRONG)
    return [book.scopes[one] for one in ids]


def faults_of_choice(scopes: Sequence[Scope]) -> Mapping[str, Sequence[str]]:
    """Too few, too many, or closed."""
    if not scopes:
        return {"scopes": ["Choisissez au moins un établissement."]}
    if len(scopes) > MOST:
        return {"scopes": [f"{MOST} établissements au plus à la fois."]}
    closed = [scope.name for scope in scopes if scope.retired]
    return {"scopes": [f"Fermés : {', '.join(closed[:3])}."]} if closed else {}


def faults_of_reason(reason: str) -> Mapping[str, Sequence[str]]:
    try:
        checked_reason(reason)
    except Faulty as faulty:
        return faulty.faults
    return {}


def says_nothing_new(scope: Scope, switch: Switch) -> bool:
    """Whether the scope's own switch at that date is the same already (state and end of derogation)."""
    past = [
        one for one in scope.switches if one.kind is SwitchKind.SWITCH and one.effective_from <= switch.effective_from
    ]
    if not past:
        return False
    present = past[-1]  # in the order of their dates, the one made last behind the others
    return (present.state, present.derogation_until) == (switch.state, switch.derogation_until)


def with_switch(book: PolicyBook, scopes: Iterable[Scope], switch: Switch) -> PolicyBook:
    """The book as it would be."""
    return book.with_scopes(_also(scope, switch) for scope in scopes)


def _also(scope: Scope, switch: Switch) -> Scope:
    ordered = sorted((*scope.switches, switch), key=lambda one: one.effective_from)  # of equal dates the new one last
    return replace(scope, switches=tuple(ordered))


def announcement(at: datetime, zone: ZoneInfo) -> str:
    """The banner of R92."""
    return f"L'authentification forte sera activée le {texts.moment(at, zone)}."
