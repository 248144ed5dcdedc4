"""Somebody who is to have an account: what an administrator typed, checked, and a user name if there is no number.

An account belongs to one named person with a mailbox of their own (R98, R99). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gateway.accounts.register import mail_key
from gateway.administration.actor import Faulty
from gateway.identity import Login, NationalId, Space, luhn, plain

PERSONAL_MAIL = (
    "Cette adresse est celle d'un service, que plusieurs personnes lisent. Indiquez l'adresse de la personne."
)
BAD_MAIL = "Cette adresse n'est pas valable."
_PERSONAL_NAME = (
    "Un compte appartient à une seule personne\u00a0: indiquez son nom et son prénom, pas le nom d'un service."
)
_BAD_NUMBER = "Ce numéro RPPS n'est pas valable\u00a0: vérifiez chaque chiffre."
_BAD_IDENTIFIER = (
    "Indiquez un numéro RPPS ou ADELI, ou un identifiant de 3 à 64 caractères\u00a0: lettres sans accent, chiffres, point, "
    "tiret, et au moins une lettre."
)
_USER_NAME = re.compile(r"u:(?=[^a-z]*[a-z])[a-z0-9][a-z0-9._@-]{2,63}\Z")
_NAME = 80


@dataclass(frozen=True, slots=True)
class Invitation:
    """As typed. ``identifier``: RPPS, ADELI or a user name; empty: one is made from the names."""

    scope_id: str
    family_name: str
    given_name: str
    mail: str
    identifier: str = ""
    space: str = Space.PROFESSIONNEL.value


@dataclass(frozen=True, slots=True)
class Newcomer:
    """The same, fit to be written. ``login`` is empty when a user name has to be made."""

    family_name: str
    given_name: str
    mail: str
    mail_key: str
    login: str
    national: NationalId | None
    space: Space


def newcomer_of(typed: Invitation, names: Collection[str], mailboxes: Collection[str]) -> Newcomer:
    """Raises ``Faulty`` with everything that is wrong. ``names``: words that are no person's, upper case without
    accents; ``mailboxes``: what stands before @ in addresses that several people read, lower case."""
    faults: dict[str, Sequence[str]] = {}
    family, given = " ".join(typed.family_name.split()), " ".join(typed.given_name.split())
    for field, name in (("family_name", family), ("given_name", given)):
        if fault := _name_fault(name, names):
            faults[field] = [fault]
    key = mail_key(typed.mail)
    if fault := mail_fault(typed.mail, mailboxes):
        faults["mail"] = [fault]
    login, national = "", None
    if typed.identifier.strip():
        parsed = Login.parse(typed.identifier)
        login = parsed.key if parsed else ""
        national = NationalId.parse(login) if login[:1] != "u" else None
        if national is not None and national.rpps and not luhn(national.rpps):
            faults["identifier"] = [_BAD_NUMBER]
        elif national is None and not _USER_NAME.match(login):
            faults["identifier"] = [_BAD_IDENTIFIER]
    space = next((one for one in Space if one.value == typed.space), None)
    if space is None:
        faults["space"] = ["Choisissez un espace."]
    if faults or space is None or key is None:
        raise Faulty(faults)
    return Newcomer(family, given, typed.mail.strip(), key, login, national, space)


def mail_fault(address: str, mailboxes: Collection[str]) -> str:
    """What is wrong with an address for one person; empty when nothing is."""
    if mail_key(address) is None:
        return BAD_MAIL
    return PERSONAL_MAIL if address.strip().partition("@")[0].casefold() in mailboxes else ""


def user_names(family: str, given: str, most: int = 50) -> tuple[str, ...]:
    """Login keys for these names, the best first: « u:anne.martin », « u:anne.martin2 », …"""
    parts = ["-".join(re.findall(r"[a-z0-9]+", plain(name).lower())) for name in (given, family)]
    base = ".".join(part for part in parts if part)[:56] or "compte"
    return tuple(f"u:{base}{number if number > 1 else ''}" for number in range(1, most + 1))


def facts_of(newcomer: Newcomer) -> Mapping[str, str]:
    """What the audit says of them: never the address."""
    return {"by": "number" if newcomer.national else "name", "space": newcomer.space.value}


def _name_fault(name: str, words: Collection[str]) -> str:
    if not name or len(name) > _NAME or not name.isprintable() or not any(one.isalpha() for one in name):
        return f"Indiquez ce nom, en {_NAME} caractères au plus."
    if any(word in words for word in re.split(r"[^A-Z0-9]+", plain(name))):
        return _PERSONAL_NAME
    return ""
