"""Who a person is and how we know it.

Words used by every room: the national identifier, the person it names, and a proof (one act of authentication).
One spelling inside, many outside (R56): identifiers are parsed here once and compared only in their parsed form.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum

# ASCII digits only: ``\d`` and ``str.isdigit`` accept other scripts.
_RPPS = re.compile(r"[0-9]{11}\Z")
_ADELI = re.compile(r"([0-9]{2}|2[AB]|9[A-F])[0-9A][0-9]{6}\Z")  # departments may carry letters; social workers an A
_INTERNAL = re.compile(r"[0-9A-Z]{9,14}/[0-9A-Za-z-]{1,15}\Z")  # structure / number in its own register
_KINDS_INTERNAL = frozenset("13456")
_TYPED_INTERNAL = re.compile(r"([13456][0-9A-Za-z]{9,14})/([0-9A-Za-z-]{1,15})\Z")  # as people type one
_USERNAME = re.compile(r"[^\s\x00-\x1f\x7f]{1,128}\Z")
# What people type between the digits of a long number: spaces of all widths, dots, hyphens.
_SEPARATORS = re.compile(r"[\s.\-\u2010-\u2015\u00a0\u202f]+")

PROFESSION_SYSTEM = "1.2.250.1.71.1.2.7"  # TRE_G15 professions de santé
SPECIALTY_SYSTEM = "1.2.250.1.71.4.2.5"  # TRE_R38 / R01 savoir-faire
PHYSICIAN = "10"  # TRE_G15: médecin


@dataclass(frozen=True, slots=True)
class NationalId:
    """An IdNat_PS: one type character and the number that follows (nomenclature TRE_G08).

    ``kind`` is ``"8"`` for RPPS, ``"0"`` for ADELI, ``"1" "3" "4" "5" "6"`` for staff of a structure (structure
    number, slash, internal number), and ``"raw"`` for a directory identity that follows none of these forms.
    """

    kind: str
    value: str

    @classmethod
    def parse(cls, text: str) -> NationalId | None:
        """Read the exact form found in a card or a directory (``8`` + 11 digits, ``0`` + 9, ``3…/…``); no leniency."""
        kind, value = text[:1], text[1:]
        if kind == "8" and _RPPS.match(value):
            return cls("8", value)
        if kind == "0" and _ADELI.match(value):
            return cls("0", value)
        if kind in _KINDS_INTERNAL and _INTERNAL.match(value):
            return cls(kind, value)
        return None

    @property
    def text(self) -> str:
        """The one spelling outside: type character and number."""
        return self.value if self.kind == "raw" else self.kind + self.value

    @property
    def rpps(self) -> str | None:
        """The 11-digit RPPS number, when this identifier is one."""
        return self.value if self.kind == "8" else None

    @property
    def adeli(self) -> str | None:
        """The 9-character ADELI number, when this identifier is one."""
        return self.value if self.kind == "0" else None


@dataclass(frozen=True, slots=True)
class Login:
    """What a person typed as identifier, in its one spelling: a national identifier or a user name (R52, R56)."""

    key: str

    @classmethod
    def parse(cls, typed: str) -> Login | None:
        """Normalise what was typed; ``None`` when it cannot be an identifier at all.

        8+RPPS, plain RPPS and 0+ADELI become the IdNat_PS text, and so does the number of practice staff within their
        structure (R114), whose own part keeps its letters as they are. Anything else is a user name, compared without
        case.
        """
        text = unicodedata.normalize("NFKC", typed).strip()
        squeezed = _SEPARATORS.sub("", text).upper()
        if re.fullmatch(r"8[0-9]{11}", squeezed):
            return cls(squeezed)
        if _RPPS.match(squeezed):
            return cls("8" + squeezed)
        if squeezed[:1] == "0" and _ADELI.match(squeezed[1:]):
            return cls(squeezed)
        internal = _TYPED_INTERNAL.match("".join(text.split()))
        if internal is not None:
            return cls(f"{internal[1].upper()}/{internal[2]}")
        if not _USERNAME.match(text):
            return None
        return cls("u:" + text.casefold())


def luhn(number: str) -> bool:
    """Whether the last character is the Luhn key of the number (letters A and B read as 1 and 2, as FINESS does)."""
    total = 0
    for place, character in enumerate(reversed(number)):
        if character in "AB":
            digit = "AB".index(character) + 1
        elif character in "0123456789":
            digit = int(character)
        else:
            return False
        if place % 2:
            digit = digit * 2 - 9 if digit > 4 else digit * 2
        total += digit
    return bool(number) and total % 10 == 0


class Space(StrEnum):
    """The two doors of ViaTrajectoire (R1, R3)."""

    LIBERAL = "liberal"
    PROFESSIONNEL = "professionnel"


class Method(StrEnum):
    """How a person proved who they are; the words backends see (R141)."""

    CPS = "cps"
    CPE = "cpe"
    CPA = "cpa"
    CPF = "cpf"
    PSC_CPS = "psc-cps"
    PSC_ECPS = "psc-ecps"
    OTP_MAIL = "otp-mail"
    OTP_SMS = "otp-sms"
    OTP_TOTP = "otp-totp"
    OTP_RECOVERY = "otp-recovery"
    PASSKEY = "passkey"
    PASSWORD = "password"  # noqa: S105 - the name of a method, not a secret
    MONSISRA = "monsisra"


class Assurance(IntEnum):
    """How well we know it. A code, whatever brings it, and a passkey are transition means: nobody has certified or
    homologated them, so they are never called substantial (R141, G3)."""

    PASSWORD = 1
    TRANSITION = 2
    SUBSTANTIAL = 3

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Identity:
    """A person as a proof describes them. Codes are bare (``10``, ``SM54``); backends receive ``code^oid`` (R142)."""

    id: NationalId | None
    family_name: str
    given_name: str
    profession: str | None = None
    specialty: str | None = None
    other_ids: tuple[NationalId, ...] = ()  # an ADELI number beside the RPPS (R57)
    claims: Mapping[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...]:
        """Every login key this identity answers to, the preferred one first."""
        ids = ([self.id] if self.id else []) + list(self.other_ids)
        return tuple(dict.fromkeys(one.text for one in ids))


@dataclass(frozen=True, slots=True)
class Proof:
    """One act of authentication. ``evidence`` (a card serial, a token id) goes to the audit, never to a backend."""

    identity: Identity
    method: Method
    assurance: Assurance
    at: datetime
    until: datetime | None = None  # the proof itself ends here (R43: a session no longer than PSC's)
    remembered: bool = False  # a second factor of an earlier sign-in (R78): opens a session, proves nothing fresh
    evidence: Mapping[str, str] = field(default_factory=dict)


def plain(text: str) -> str:
    """Upper case without accents, for comparing names."""
    bare = unicodedata.normalize("NFKD", text).upper()
    return "".join(character for character in bare if not unicodedata.combining(character))


def searchable(*names: str) -> str:
    """Names as they are searched for and compared: upper case, no accents, words parted by single spaces."""
    return " ".join(re.split(r"[^A-Z0-9]+", plain(" ".join(names)))).strip()
