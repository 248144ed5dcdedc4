"""What a doctor typed, as values: whom they invite, with which rights, from which day to which (R107–R109). Pure.

Raises ``Faulty`` with everything that is wrong at once, by field: ``family_name``, ``given_name``, ``email``,
``profession``, ``rights``, ``start``, ``end``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from gateway.accounts.register import mail_key
from gateway.administration.actor import Faulty
from gateway.policy.delegation import DelegationRules, chosen_rights

_NAME = 80
_ISO = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})\Z")  # what date fields send
_FRENCH = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})\Z")  # what people type where there is no such field
_FURTHEST = timedelta(days=3660)  # nobody means a day more than ten years from now

_BAD_DATE = "Indiquez une date, au format JJ/MM/AAAA."
_TOO_FAR = "Indiquez une date plus proche\u00a0: dix ans au plus."
_PAST_START = "Le premier jour ne peut pas être déjà passé."
_PAST_END = "Le dernier jour ne peut pas être déjà passé."
_BACKWARDS = "Le dernier jour ne peut pas venir avant le premier."
_BAD_MAIL = "Cette adresse n'est pas valable."
_OWN_MAIL = "C'est votre propre adresse. Indiquez celle de la personne que vous habilitez."
_NO_RIGHTS = "Choisissez au moins un droit dans la liste."

Faults = dict[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Invitation:
    """Practice staff to be invited; ``first`` and ``last`` are both included."""

    family_name: str
    given_name: str
    mail: str
    profession: str | None
    rights: frozenset[str]
    first: date
    last: date


def invitation_of(
    fields: Mapping[str, str], rights: Collection[str], own_mail: str | None, today: date, rules: DelegationRules
) -> Invitation:
    """``rights``: the boxes that were ticked; ``own_mail``: the doctor's own address, which is refused (R107);
    ``today``: the day it is in the zone of the rules."""
    faults: Faults = {}
    family, given, profession = (_line(fields, name) for name in ("family_name", "given_name", "profession"))
    for field, name in (("family_name", family), ("given_name", given)):
        if not _is_name(name):
            faults[field] = [f"Indiquez ce nom, en {_NAME} caractères au plus."]
    if profession and not _is_name(profession):
        faults["profession"] = [f"Indiquez une profession en {_NAME} caractères au plus, ou rien."]
    mail = fields.get("email", "").strip()
    key = mail_key(mail)
    if key is None:
        faults["email"] = [_BAD_MAIL]
    elif own_mail and key == mail_key(own_mail):
        faults["email"] = [_OWN_MAIL]
    chosen = chosen_rights(rights, rules)
    if chosen is None:
        faults["rights"] = [_NO_RIGHTS]
    days = None
    try:
        days = period_of(fields, today, rules)
    except Faulty as error:
        faults.update(error.faults)
    if faults or chosen is None or days is None:
        raise Faulty(faults)
    return Invitation(family, given, mail, profession or None, chosen, *days)


def period_of(
    fields: Mapping[str, str], today: date, rules: DelegationRules, *, began: date | None = None
) -> tuple[date, date]:
    """The first and the last day (R109). ``began``: the first day that a delegation has already, which it may keep
    though it is past."""
    first, last = _day(fields.get("start", "")), _day(fields.get("end", ""))
    faults: Faults = {}
    for field, found, past in (("start", first, _PAST_START), ("end", last, _PAST_END)):
        if found is None:
            faults[field] = [_BAD_DATE]
        elif found < today and not (field == "start" and found == began):
            faults[field] = [past]
        elif found > today + _FURTHEST:
            faults[field] = [_TOO_FAR]
    if first is not None and last is not None and "end" not in faults:
        if last < first:
            faults["end"] = [_BACKWARDS]
        elif rules.max_days is not None and (last - first).days + 1 > rules.max_days:
            faults["end"] = [f"Une délégation dure {rules.max_days} jours au plus."]
    if faults or first is None or last is None:
        raise Faulty(faults)
    return first, last


def _line(fields: Mapping[str, str], name: str) -> str:
    return " ".join(fields.get(name, "").split())


def _is_name(text: str) -> bool:
    """Whether it may be shown to others as a name: in mails too, where an address of a page would be a trap."""
    fit = len(text) <= _NAME and text.isprintable() and any(one.isalpha() for one in text)
    return fit and not any(sign in text for sign in ("://", "<", ">", "@")) and "www." not in text.lower()


def _day(text: str) -> date | None:
    text = text.strip()
    try:
        if found := _ISO.match(text):
            return date(int(found[1]), int(found[2]), int(found[3]))
        if found := _FRENCH.match(text):
            return date(int(found[3]), int(found[2]), int(found[1]))
    except ValueError:  # there is no such day
        return None
    return None
