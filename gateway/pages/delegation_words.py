"""Delegations in French: states, periods, rights, what happened, who did it. Nothing is decided here.

Days are those of the delegation's own zone, whatever the reader's: a period is the same for everybody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

from gateway import texts
from gateway.accounts.delegation import Delegation, Kind, State
from gateway.accounts.delegations import Happening
from gateway.identity import Method
from gateway.pages.words import MEANS, SPECIALTIES
from gateway.policy.delegation import DelegationRules, days, rights_of
from gateway.ports import Listed

STATES: Mapping[State, str] = {
    State.INVITED: "Invitation envoyée",
    State.INVITATION_EXPIRED: "Invitation expirée",
    State.PENDING_CONFIRMATION: "À confirmer",
    State.NOT_STARTED: "Pas encore commencée",
    State.ACTIVE: "En cours",
    State.EXPIRED: "Terminée",
    State.REVOKED: "Retirée",
}
# Looks of the tag beside the name; see parts.html.j2.
TAGS: Mapping[State, str] = {
    State.ACTIVE: "good",
    State.INVITATION_EXPIRED: "bad",
    State.PENDING_CONFIRMATION: "bad",
    State.EXPIRED: "quiet",
    State.REVOKED: "quiet",
}
# Who ended it, as the doctor reads it, then as the delegate does.
_ENDED_GIVEN = {
    "delegator": "Retirée par vous",
    "delegate": "Rendue par la personne habilitée",
    "administrator": "Retirée par l'administration",
    "closed": "Terminée\u00a0: compte supprimé",
}
_ENDED_RECEIVED = {
    "delegator": "Retirée par le médecin",
    "delegate": "Rendue par vous",
    "administrator": "Retirée par l'administration",
    "closed": "Terminée\u00a0: compte supprimé",
}

_HAPPENINGS = {
    "given": "Créée",
    "resent": "Invitation renvoyée",
    "proposed": "Carte à un autre nom",
    "accepted": "Acceptée",
    "confirmed": "Personne confirmée",
    "declined": "Personne refusée",
}


def period(delegation: Delegation, zone: ZoneInfo) -> str:
    """« du 2 mars 2026 au 31 mars 2026 inclus »."""
    first = texts.day(delegation.begins, zone)
    last = texts.day(delegation.ends - timedelta(microseconds=1), zone)
    return f"le {first}" if first == last else f"du {first} au {last} inclus"


def rights_said(delegation: Delegation, rules: DelegationRules, whose: str) -> Sequence[str]:
    """A line for each module with rights in force: « Grand âge : Consulter, Créer ». ``whose``: how a colleague's rights
    are said, which are all."""
    if delegation.kind is Kind.COLLEAGUE:
        return (whose,)
    held = rights_of(delegation, rules)
    lines = []
    for module, label in rules.modules.items():
        actions = [said for action, said in rules.actions.items() if f"{module}:{action}" in held]
        if actions:
            lines.append(f"{label}\u00a0: {', '.join(actions)}")
    return tuple(lines) or ("aucun",)


def given(delegation: Delegation, rules: DelegationRules, now: datetime, zone: ZoneInfo) -> SimpleNamespace:
    """One delegation as its doctor sees it. ``zone``: of instants (the reader's)."""
    state = delegation.state(now)
    return SimpleNamespace(
        id=delegation.id,
        name=f"{delegation.given_name} {delegation.family_name}".strip(),
        about=", ".join(one for one in (delegation.profession, delegation.place) if one),
        state=_ENDED_GIVEN.get(delegation.revoked_by or "", STATES[state]) if state is State.REVOKED else STATES[state],
        tag=TAGS.get(state, ""),
        period=period(delegation, rules.zone),
        rights=rights_said(delegation, rules, "Les mêmes droits que vous sur vos dossiers"),
        note=_note(delegation, state, zone),
        over=state.over,
        invited=state in (State.INVITED, State.INVITATION_EXPIRED),
        pending=state is State.PENDING_CONFIRMATION,
    )


def _note(delegation: Delegation, state: State, zone: ZoneInfo) -> str:
    """What to know, or to do, in this state."""
    if state is State.INVITED and delegation.invite_until is not None:
        return f"Le lien envoyé est valable jusqu'au {texts.moment(delegation.invite_until, zone)}."
    if state is State.INVITATION_EXPIRED:
        return "Le lien envoyé n'est plus valable. Vous pouvez en envoyer un autre."
    if state is State.PENDING_CONFIRMATION:
        name = delegation.proposed_name or "quelqu'un d'autre"
        return f"La carte présentée est au nom de {name}. À vous de dire si c'est la bonne personne."
    if not state.over and delegation.kind is Kind.COLLEAGUE and delegation.delegate is None:
        return (
            "Si ce médecin n'a pas encore de compte ViaTrajectoire, la délégation prendra effet à sa première connexion "
            "par carte ou e-CPS."
        )
    return ""


def received_state(delegation: Delegation, now: datetime) -> tuple[str, str]:
    """The state as the delegate reads it, and the looks of its tag."""
    state = delegation.state(now)
    said = STATES[state]
    if state is State.REVOKED:
        said = _ENDED_RECEIVED.get(delegation.revoked_by or "", said)
    return said, TAGS.get(state, "")


def happening(event: Happening, rules: DelegationRules) -> str:
    """A line of history in words, for the doctor."""
    detail = event.detail
    name = detail.get("name", "")
    if event.what == "changed":
        return "\u00a0; ".join(("Modifiée", *_changes(detail, rules)))
    if event.what == "ended":
        return _ENDED_GIVEN.get(detail.get("by", ""), STATES[State.REVOKED])
    if event.what == "accepted" and "method" in detail:
        return f"Acceptée avec sa carte ({means(detail['method'])})"
    if event.what == "reminded":
        return f"Rappel envoyé, {detail.get('days', '')}\u00a0jours avant la fin"
    said = _HAPPENINGS.get(event.what, "Mise à jour")
    return f"{said}\u00a0: {name}" if name and event.what in ("proposed", "confirmed", "declined") else said


def _changes(detail: Mapping[str, str], rules: DelegationRules) -> Sequence[str]:
    """What was changed, with what it was before."""
    lines = []
    for field, label in (("start", "premier jour"), ("end", "dernier jour"), ("rights", "droits")):
        if field in detail:
            said = _rights_of_text if field == "rights" else _day_of_text
            line = f"{label}\u00a0: {said(detail[field], rules)}"
            if f"{field}_before" in detail:
                line += f" (avant\u00a0: {said(detail[f'{field}_before'], rules)})"
            lines.append(line)
    return lines


def _day_of_text(text: str, rules: DelegationRules) -> str:
    return texts.day(datetime.combine(date.fromisoformat(text), time(), rules.zone), rules.zone)


def _rights_of_text(text: str, rules: DelegationRules) -> str:
    """Rights of the past: those that the catalogue no longer has are shown as they were written."""
    said = []
    for right in text.split():
        module, _, action = right.partition(":")
        said.append(f"{rules.modules.get(module, module)} {rules.actions.get(action, action).lower()}")
    return ", ".join(said) or "aucun"


def means(word: str) -> str:
    """A means by its word, in French; the word itself for one that this version no longer knows."""
    try:
        return MEANS[Method(word)]
    except ValueError:
        return word


def catalogue(rules: DelegationRules, chosen: Sequence[str]) -> SimpleNamespace:
    """The table of rights to choose from: ``actions`` are its columns, ``modules`` its rows, each with its boxes."""
    return SimpleNamespace(
        actions=tuple(rules.actions.values()),
        modules=tuple(
            SimpleNamespace(
                label=module_label,
                boxes=tuple(
                    SimpleNamespace(
                        id=f"right-{module}-{action}",
                        value=f"{module}:{action}",
                        label=label,
                        ticked=f"{module}:{action}" in chosen,
                    )
                    for action, label in rules.actions.items()
                ),
            )
            for module, module_label in rules.modules.items()
        ),
    )


def in_fields(delegation: Delegation, zone: ZoneInfo) -> dict[str, str]:
    """Its period as fields of dates hold it."""
    first, last = days(delegation, zone)
    return {"start": first.isoformat(), "end": last.isoformat()}


def listed(one: Listed) -> SimpleNamespace:
    """A physician of the directory, for a list: names, speciality, where they practise."""
    return SimpleNamespace(
        rpps=one.rpps,
        name=f"{one.given_name} {one.family_name}".strip(),
        specialty=one.specialty_name or SPECIALTIES.get(one.specialty, one.specialty),
        places=", ".join(f"{code} {town}".strip() for code, town in one.places),
    )
