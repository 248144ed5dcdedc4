"""Who the demo's national directory lists: the demo's own people, and some 300 invented physicians at real towns.

The same at every start: names and places follow from a number, never from chance. Numbers are in the range of test
persons, with valid keys. There are homonyms, compound names, particles, somebody who left, somebody with an old ADELI
number only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.demo.people import PEOPLE
from gateway.identity import luhn

_COUNT = 300
_FAMILIES = (
    "Martin", "Bernard", "Durand", "Lefèvre", "Dupont-Lévy", "de la Tour", "Le Goff", "d'Angelo", "Müller", "Nguyen",
    "Garnier", "Lambert", "Rousseau", "Saint-Martin", "du Châtel", "van den Berg", "El Amrani", "Ben Salah", "Chevalier",
    "Girard-Perrin", "Rivière", "Béranger", "Cœurdevey", "O'Brien", "Lecomte", "Le Roy", "Leroy", "Martinez", "Payet",
    "Hoarau", "Grondin", "Ferrand", "Vial", "Mollard", "Chapuis", "Tissot", "Gonçalves", "von Arx", "Faÿ", "Zimmermann",
    "Martin", "Le", "Delatour", "Brun", "Brunet", "Brunel", "Pereira da Silva",
)  # fmt: skip
_GIVEN = (
    "Claire", "Paul", "Élodie", "Hugo", "Nadia", "François", "Marie-Claire", "Jean-Baptiste", "Anaïs", "Noël", "Camille",
    "Karim", "Linh", "Agnès", "Jérôme", "Martin", "Hélène", "Zoé", "Luc", "Anne", "Benoît", "Inès", "Yann",
)  # fmt: skip
_SPECIALTIES = ("SM54", "SM26", "SM04", "SM15", "SM18", "SM40", "SM42", "SM02", "SM32", "SM53")
_TOWNS = (
    ("69001", "Lyon"), ("69003", "Lyon"), ("69007", "Lyon"), ("69008", "Lyon"), ("69100", "Villeurbanne"), ("69500", "Bron"),
    ("69700", "Givors"), ("69400", "Villefranche-sur-Saône"), ("38000", "Grenoble"), ("38100", "Grenoble"),
    ("38130", "Échirolles"), ("38500", "Voiron"), ("38200", "Vienne"), ("42000", "Saint-Étienne"), ("42300", "Roanne"),
    ("63000", "Clermont-Ferrand"), ("63200", "Riom"), ("74000", "Annecy"), ("74200", "Thonon-les-Bains"),
    ("73000", "Chambéry"), ("73200", "Albertville"), ("26000", "Valence"), ("26200", "Montélimar"), ("07100", "Annonay"),
    ("07200", "Aubenas"), ("01000", "Bourg-en-Bresse"), ("01100", "Oyonnax"), ("03000", "Moulins"), ("03200", "Vichy"),
    ("15000", "Aurillac"), ("43000", "Le Puy-en-Velay"), ("75014", "Paris"), ("75015", "Paris"), ("13005", "Marseille"),
    ("59000", "Lille"), ("33000", "Bordeaux"), ("44000", "Nantes"), ("67000", "Strasbourg"), ("31000", "Toulouse"),
    ("20000", "Ajaccio"), ("20200", "Bastia"), ("97400", "Saint-Denis"), ("97410", "Saint-Pierre"),
    ("97200", "Fort-de-France"),
)  # fmt: skip
_PRACTICES = {
    "dr-martin": ("69002", "Lyon"), "dr-bernard": ("69006", "Lyon"), "dr-petit": ("38000", "Grenoble"),
    "dr-garnier": ("69003", "Lyon"), "dr-lambert": ("38000", "Grenoble"), "dr-rousseau": ("69007", "Lyon"),
    "admin-aura": ("63000", "Clermont-Ferrand"), "admin-reunion": ("97400", "Saint-Denis"),
}  # fmt: skip
# Whom stories look for by name: nobody else is called so.
_UNIQUE = {
    (one.family_name.upper(), one.given_name)
    for one in PEOPLE
    if one.key in ("dr-garnier", "dr-lambert", "dr-rousseau")
}


@dataclass(frozen=True)
class Practitioner:
    """Somebody the directory knows. ``withdrawn``: of them only the numbers are left."""

    number: int
    rpps: str | None
    family_name: str
    given_name: str
    profession: str = "10"
    specialty: str = ""
    category: str = "C"
    mode: str = "L"
    places: tuple[tuple[str, str], ...] = ()
    adeli: str | None = None
    active: bool = True
    withdrawn: bool = False

    @property
    def idnat(self) -> str:
        return f"8{self.rpps}" if self.rpps else f"0{self.adeli}"


def practitioners() -> tuple[Practitioner, ...]:
    """All of them; ``number`` is their place."""
    return tuple(_everybody())


def _everybody() -> Iterator[Practitioner]:
    own = [person for person in PEOPLE if person.rpps]
    for number, person in enumerate(own):
        yield Practitioner(
            number,
            person.rpps,
            person.family_name.upper(),
            person.given_name,
            person.profession,
            person.specialty,
            person.category,
            person.mode,
            (_PRACTICES.get(person.key, ("69008", "Lyon")),),
        )
    start = len(own)
    for number in range(_COUNT):
        yield _invented(start + number, number)
    last = start + _COUNT
    yield Practitioner(last, _rpps(_COUNT), "VASSEUR", "Alain", specialty="SM54", active=False)
    yield Practitioner(last + 1, _rpps(_COUNT + 1), "", "", active=False, withdrawn=True)
    yield Practitioner(
        last + 2, None, "MARTIN", "Odile", specialty="SM26", adeli="0B6087510", places=(("69003", "Lyon"),)
    )


def _invented(place: int, number: int) -> Practitioner:
    towns = [_TOWNS[number * 5 % len(_TOWNS)]]
    if number % 7 == 3:
        towns.append(_TOWNS[(number * 5 + 11) % len(_TOWNS)])
    given = _GIVEN[number * 3 % len(_GIVEN)]
    if number % 50 in (40, 41):  # the same name twice, at two places
        number_of_name, given = number // 50, "Camille"
    else:
        number_of_name = number
    family = _FAMILIES[number_of_name % len(_FAMILIES)].upper()
    if (family, given) in _UNIQUE:
        given = "Agathe"
    return Practitioner(
        place,
        _rpps(number),
        family,
        given,
        specialty=_SPECIALTIES[number % len(_SPECIALTIES)],
        mode="S" if number % 4 == 1 else "L",
        places=() if number % 41 == 30 else tuple(towns),
    )


def _rpps(number: int) -> str:
    stem = f"9970050{number:03d}"
    return next(f"{stem}{key}" for key in range(10) if luhn(f"{stem}{key}"))
