"""The agents of the demo's establishments: about 120, with the flaws that a readiness report looks for (R88).

The same at every start: names and flaws follow from a number, never from chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.demo.places import PLACES
from gateway.identity import luhn, searchable

PASSWORD = "Equipe-de-jour-7h"
_COUNT = 120
_FAMILIES = (
    "Bonnet", "Girard", "Lefèvre", "Mercier", "Blanchard", "Fournier", "Morel", "Chevalier", "Gauthier", "Robin",
    "Payet", "Grondin", "Rivière", "Boyer", "Fontaine", "Brunet", "Caron", "Lemoine", "Picard", "Renard", "Aubert",
    "Roche", "Guérin", "Masson", "Besson", "Collet", "Jacquet", "Tissot", "Techer", "Fontanet", "Vasseur",
)  # fmt: skip
_GIVEN = (
    "Amélie", "Bruno", "Carole", "David", "Emma", "Fabrice", "Gaëlle", "Henri", "Isabelle", "Jules", "Karim", "Lucie",
    "Mathieu", "Noémie", "Olivier", "Pauline", "Quentin", "Rachel", "Sophie", "Thomas", "Ursula", "Valérie", "Yann",
)  # fmt: skip


@dataclass(frozen=True)
class Agent:
    """One generated account. ``strong`` and ``seen`` are days before the demo's beginning; ``None``: never."""

    key: str
    family_name: str
    given_name: str
    scope: str
    username: str
    mail: str | None
    rpps: str | None = None
    phone: str | None = None
    proved: bool = True
    shared: bool = False
    password: bool = False
    suspended: bool = False
    strong: int | None = None
    seen: int | None = 3
    origin: str = "import"


def crowd() -> Iterator[Agent]:
    """The agents, by number."""
    places = [place.id for place in PLACES if place.kind in ("etablissement", "service") and not place.retired]
    # Stories count the people of these; they stay as they are.
    places = [one for one in places if one not in ("ehpad-glycines", "ssr-lac", "ch-exemple", "ch-exemple-geriatrie")]
    for number in range(_COUNT):
        scope = places[(number - _again(number)) * 7 % len(places)]
        yield _agent(number, scope)


def _agent(number: int, scope: str) -> Agent:
    family = _FAMILIES[(number - _again(number)) * 5 % len(_FAMILIES)]
    given = _GIVEN[(number - _again(number)) * 3 % len(_GIVEN)]
    if number % 30 == 11:
        family, given = "Secrétariat", scope.replace("-", " ").title()
    name = f"{given}.{family}".replace(" ", "-")
    mail: str | None = f"{searchable(name).replace(' ', '.').lower()}.{number}@example.test"
    shared = number % 24 in (7, 8) and number > 24
    if shared:
        mail = f"soins.{number // 24}@example.test"
    elif number % 17 == 4:
        mail = None
    elif number % 23 == 9:
        mail = f"{('secretariat', 'accueil', 'admissions')[number % 3]}@etablissement-{number}.example.test"
    by_card = number % 4 == 1
    return Agent(
        key=f"agent-{number:03d}",
        family_name=family,
        given_name=given,
        scope=scope,
        username=f"agent{number:03d}",
        mail=mail,
        rpps=_rpps(number) if by_card or number % 5 == 2 else None,
        phone=f"+3360000{number:04d}" if number % 6 == 3 else None,
        proved=number % 3 != 2,
        shared=shared,
        password=number % 2 == 0,
        suspended=number % 37 == 18,
        strong=40 + number if by_card else None,
        seen=400 + number if number % 13 == 6 else None if number % 29 == 15 else number % 60,
        origin="referent" if number % 7 == 0 else "strong" if by_card else "import",
    )


def _again(number: int) -> int:
    """1 for somebody who is the person before once more, in the same place under another login (R88)."""
    return int(number % 40 == 20)


def _rpps(number: int) -> str:
    """A number of the range of test persons, with its key."""
    stem = f"9970020{number:03d}"
    return next(f"{stem}{key}" for key in range(10) if luhn(f"{stem}{key}"))
