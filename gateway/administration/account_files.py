"""The table that accounts are imported from (R102), read to ``Person`` values. Blocking, no database.

One line is one person. What cannot be taken of a line without harm is left out and said in ``remarks``; what makes the
line mean nobody, or nobody that may be shown to others, is its ``fault``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from gateway.accounts import foreign
from gateway.accounts.phone import telephone
from gateway.accounts.register import mail_key
from gateway.administration.scope_files import sentence_of, tidy
from gateway.administration.tables import Header, Line, Source, Unreadable, header, records
from gateway.identity import Login, NationalId, Space, luhn
from gateway.policy.finess import checked

COLUMNS = {
    "identifiant": ("LOGIN", "IDENTIFIER", "USERNAME", "ID_UTILISATEUR"),
    "nom": ("FAMILY_NAME", "LAST_NAME", "NOM_EXERCICE"),
    "prenom": ("GIVEN_NAME", "FIRST_NAME", "PRENOM_EXERCICE"),
    "mail": ("EMAIL", "E_MAIL", "COURRIEL", "ADRESSE_MAIL"),
    "telephone": ("PHONE", "TEL", "MOBILE", "PORTABLE"),
    "rpps": ("NUMERO_RPPS",),
    "adeli": ("NUMERO_ADELI",),
    "profession": ("CODE_PROFESSION", "PROFESSION_CODE"),
    "scope": ("SCOPES", "PERIMETRE", "PERIMETRES"),
    "finess": ("NUMERO_FINESS", "NO_FINESS", "N_FINESS"),
    "service": ("SERVICES", "UNITE"),
    "mot_de_passe": ("PASSWORD", "PASSWORD_HASH", "HASH", "EMPREINTE"),
    "derniere_connexion": ("LAST_SIGN_IN", "LAST_LOGIN"),
    "espace": ("SPACE",),
}
NO_PASSWORD = "Mot de passe non repris : à choisir par « Mot de passe oublié »."  # noqa: S105 - a sentence
_PARIS = ZoneInfo("Europe/Paris")
_RPPS = re.compile(r"8?([0-9]{11})")
_ADELI = re.compile(r"0?([0-9A-Z]{9})")
_PROFESSION = re.compile(r"[0-9A-Z]{1,4}")
_PARTED = re.compile(r"[\s|]+")
_DAY = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})(?: ([0-9]{2}:[0-9]{2}(?::[0-9]{2})?))?")
_MOST_SCOPES = 50


@dataclass(frozen=True, slots=True)
class Person:
    """``keys``: login keys, the national one first; ``scopes``, ``finess``: as written, checked in form only."""

    line: int
    read: int
    keys: tuple[str, ...]
    family_name: str = ""
    given_name: str = ""
    national_id: str | None = None
    mail: str | None = None
    mail_key: str | None = None
    phone: str | None = None
    profession: str | None = None
    scopes: tuple[str, ...] = ()
    finess: tuple[str, ...] = ()
    service: str = ""
    password: str | None = None
    last_sign_in: datetime | None = None
    space: Space | None = None
    remarks: tuple[str, ...] = ()
    fault: str = ""

    @property
    def key(self) -> str:
        return self.keys[0].removeprefix("u:") if self.keys else ""


class People:
    """Raises ``Unreadable`` when the first line will not do."""

    def __init__(self, source: Source, now: datetime) -> None:
        self._source = source
        self._now = now
        self._header: Header = header(source, COLUMNS, ("nom", "prenom"))
        if not {"identifiant", "rpps", "adeli"} & set(self._header.places):
            raise Unreadable("Il manque des colonnes : identifiant (ou rpps).")
        self.ignored = self._header.ignored

    def persons(self) -> Iterator[Person]:
        lines = records(self._source, self._header.delimiter)
        next(lines)
        for line in lines:
            yield self._person(line)

    def _person(self, line: Line) -> Person:
        def cell(name: str) -> str:
            return self._header.cell(line, name)

        keys, national, fault = _keys(cell("identifiant"), cell("rpps"), cell("adeli"))
        family, given = tidy(cell("nom")), tidy(cell("prenom"))
        if self._header.overflows(line):
            fault = "Cette ligne a plus de cellules que la première ligne n'a de colonnes."
        fault = fault or _name_fault(family, "Nom") or _name_fault(given, "Prénom")
        scopes = tuple(dict.fromkeys(one for one in _PARTED.split(cell("scope")) if one))
        numbers = [one for one in _PARTED.split(cell("finess")) if one]
        finess = tuple(dict.fromkeys(found for one in numbers if (found := checked(one))))
        service = tidy(cell("service"))
        if not fault and len(scopes) + len(numbers) > _MOST_SCOPES:
            fault = f"Plus de {_MOST_SCOPES} rattachements."
        elif not fault and any(checked(one) is None for one in numbers):
            fault = "Numéro FINESS incorrect."
        elif not fault and service and len(finess) != 1:
            fault = "Un service se nomme avec un seul numéro FINESS."
        fault = fault or sentence_of(service, "Service")
        space = {"liberal": Space.LIBERAL, "professionnel": Space.PROFESSIONNEL}.get(tidy(cell("espace")).lower())
        if not fault and cell("espace") and space is None:
            fault = "Espace inconnu : liberal ou professionnel."
        if fault:
            return Person(line.number, line.read, keys, fault=fault)
        remarks: list[str] = []
        mail = tidy(cell("mail")) or None
        address = mail_key(mail) if mail else None
        if mail and (address is None or sentence_of(mail, "", 254)):
            remarks.append("Adresse mail incorrecte, non reprise.")
            mail = address = None
        phone = telephone(cell("telephone")) if cell("telephone") else None
        if cell("telephone") and phone is None:
            remarks.append("Numéro de téléphone incorrect, non repris.")
        profession = cell("profession").upper() or None
        if profession and not _PROFESSION.fullmatch(profession):
            remarks.append("Code de profession inconnu, non repris.")
            profession = None
        password = foreign.recognised(cell("mot_de_passe")) if cell("mot_de_passe") else None
        if cell("mot_de_passe") and password is None:
            remarks.append(NO_PASSWORD)
        last = _instant(cell("derniere_connexion"))
        if cell("derniere_connexion") and (last is None or last > self._now):
            remarks.append("Date de dernière connexion incorrecte, non reprise.")
            last = None
        return Person(
            line.number, line.read, keys, family, given, national, mail, address, phone, profession, scopes, finess,
            service, password, last, space, tuple(remarks),
        )  # fmt: skip


def _keys(typed: str, rpps: str, adeli: str) -> tuple[tuple[str, ...], str | None, str]:
    """The login keys, the national identifier, and what is wrong with them."""
    keys: list[str] = []
    national: str | None = None
    number = re.sub(r"[\s.\-]+", "", rpps)
    if rpps:
        match = _RPPS.fullmatch(number)
        if match is None or not luhn(match[1]):
            return (), None, "Numéro RPPS incorrect."
        national = f"8{match[1]}"
        keys.append(national)
    if adeli:
        match = _ADELI.fullmatch(re.sub(r"[\s.\-]+", "", adeli).upper())
        parsed = NationalId.parse(f"0{match[1]}") if match else None
        if parsed is None:
            return tuple(keys), national, "Numéro ADELI incorrect."
        national = national or parsed.text
        keys.append(parsed.text)
    if typed:
        login = Login.parse(typed)
        if login is None or sentence_of(typed, "", 128):
            return tuple(keys), national, "Identifiant incorrect."
        if login.key[:2] != "u:":
            found = NationalId.parse(login.key)
            if found is None or (found.rpps and not luhn(found.rpps)):
                return tuple(keys), national, "Identifiant incorrect : ce n'est pas un numéro RPPS ou ADELI."
            if national is not None and found.rpps and found.text != national:
                return tuple(keys), national, "L'identifiant et le numéro RPPS se contredisent."
            national = national or found.text
        keys.append(login.key)
    if not keys:
        return (), None, "Indiquez un identifiant ou un numéro RPPS."
    return tuple(dict.fromkeys(keys)), national, ""


def _name_fault(text: str, what: str) -> str:
    if not text:
        return f"{what} : absent."
    return sentence_of(text, what, 100) or ("" if any(one.isalpha() for one in text) else f"{what} : incorrect.")


def _instant(text: str) -> datetime | None:
    """A date or an instant, ISO or as written in France; without a zone it is of Paris."""
    match = _DAY.fullmatch(text)
    if match is not None:
        text = f"{match[3]}-{match[2]:0>2}-{match[1]:0>2}" + (f"T{match[4]}" if match[4] else "")
    try:
        found = datetime.fromisoformat(text)
        found = (found if found.tzinfo else found.replace(tzinfo=_PARIS)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if found > datetime(1990, 1, 1, tzinfo=UTC) else None
