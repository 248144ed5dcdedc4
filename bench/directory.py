"""The embedded directory at the size of the country: how long it takes to load, how large it is, how fast it answers.

\b
python -m bench.directory
python -m bench.directory --physicians 1 --folder /var/tmp/all     # harder: every line is a physician's

Makes an extraction as it is published (56 columns), the same for the same seed: family names as frequent as in France,
the commonest by their own frequency and a long tail; one name in thirty compound, one in forty with a particle; three
people in ten at two places or more. Cold: the file's pages are thrown out of the system's cache and it is opened anew
before each question. Warm: the questions go round again and again. CPU time is the figure that other work on the
machine does not move.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from random import Random
from statistics import median

from gateway.edges.directory_file import FileDirectory
from gateway.edges.directory_load import load_extraction
from gateway.edges.system import SystemAmbient
from gateway.identity import luhn

COLUMNS = (
    "Type d'identifiant PP|Identifiant PP|Identification nationale PP|Code civilité d'exercice|Libellé civilité d'exercice|"
    "Code civilité|Libellé civilité|Nom d'exercice|Prénom d'exercice|Code profession|Libellé profession|"
    "Code catégorie professionnelle|Libellé catégorie professionnelle|Code type savoir-faire|Libellé type savoir-faire|"
    "Code savoir-faire|Libellé savoir-faire|Code mode exercice|Libellé mode exercice|Numéro SIRET site|Numéro SIREN site|"
    "Numéro FINESS site|Numéro FINESS établissement juridique|Identifiant technique de la structure|Raison sociale site|"
    "Enseigne commerciale site|Complément destinataire (coord. structure)|Complément point géographique (coord. structure)|"
    "Numéro Voie (coord. structure)|Indice répétition voie (coord. structure)|Code type de voie (coord. structure)|"
    "Libellé type de voie (coord. structure)|Libellé Voie (coord. structure)|Mention distribution (coord. structure)|"
    "Bureau cedex (coord. structure)|Code postal (coord. structure)|Code commune (coord. structure)|"
    "Libellé commune (coord. structure)|Code pays (coord. structure)|Libellé pays (coord. structure)|"
    "Téléphone (coord. structure)|Téléphone 2 (coord. structure)|Télécopie (coord. structure)|"
    "Adresse e-mail (coord. structure)|Code Département (structure)|Libellé Département (structure)|"
    "Ancien identifiant de la structure|Autorité d'enregistrement|Code secteur d'activité|Libellé secteur d'activité|"
    "Code section tableau pharmaciens|Libellé section tableau pharmaciens|Code fonction|Libellé fonction|"
    "Code genre activité|Libellé genre activité"
)
# Bearers among 100 000 people, roughly as INSEE counts births by name.
_FAMILIES = {
    "MARTIN": 380, "BERNARD": 195, "THOMAS": 180, "PETIT": 176, "ROBERT": 170, "RICHARD": 164, "DURAND": 157, "DUBOIS": 155,
    "MOREAU": 153, "LAURENT": 150, "SIMON": 146, "MICHEL": 142, "LEFEBVRE": 139, "LEROY": 128, "ROUX": 123, "DAVID": 121,
    "BERTRAND": 118, "MOREL": 117, "FOURNIER": 115, "GIRARD": 113, "BONNET": 112, "DUPONT": 109, "LAMBERT": 108,
    "FONTAINE": 106, "ROUSSEAU": 105, "VINCENT": 103, "MULLER": 102, "LEFEVRE": 101, "FAURE": 99, "ANDRE": 98,
    "MERCIER": 97, "BLANC": 96, "GUERIN": 94, "BOYER": 92, "GARNIER": 91, "CHEVALIER": 90, "FRANCOIS": 89, "LEGRAND": 88,
    "GAUTHIER": 87, "GARCIA": 86, "PERRIN": 85, "ROBIN": 84, "CLEMENT": 82, "MORIN": 81, "NICOLAS": 80, "HENRY": 79,
    "ROUSSEL": 78, "MATHIEU": 77, "GAUTIER": 76, "MASSON": 75, "MARCHAND": 74, "DUVAL": 73, "DENIS": 72, "DUMONT": 71,
    "MARIE": 70, "LEMAIRE": 69, "NOEL": 68, "MEYER": 67, "DUFOUR": 66, "MEUNIER": 65, "NGUYEN": 64, "MARTINEZ": 60, "LE": 6,
}  # fmt: skip
_GIVEN = {
    "MARIE": 300, "JEAN": 280, "PIERRE": 250, "PHILIPPE": 240, "NATHALIE": 220, "CATHERINE": 215, "ISABELLE": 210,
    "MICHEL": 200, "ANNE": 195, "FRANCOIS": 180, "SOPHIE": 175, "NICOLAS": 170, "CLAIRE": 165, "THOMAS": 160, "JULIE": 150,
    "PAUL": 145, "CAMILLE": 140, "MARTIN": 60, "VINCENT": 120, "CELINE": 115, "EMILIE": 110, "PAULINE": 108, "HELENE": 105,
    "LAURENT": 100, "BRUNO": 95, "ANTOINE": 94, "MATHILDE": 90, "JEAN-PIERRE": 88, "MARIE-CLAIRE": 60, "ANNE-SOPHIE": 55,
    "LEA": 50, "HUGO": 48, "KARIM": 40, "FATIMA": 30, "LINH": 12, "YANN": 45, "OLIVIER": 130, "STEPHANE": 110, "ELODIE": 70,
}  # fmt: skip
_BEGIN = (
    "MA", "BE", "DU", "LE", "MO", "RO", "GA", "CHA", "BA", "CO", "DE", "PE", "VI", "FA", "BOU", "GUI", "PA", "SA", "LA", "CA",
    "BRE", "TRI", "HA", "KER", "JO", "NI", "TA", "ZE", "OU", "AU", "BRI", "FRE", "QUE", "RE", "SI", "VA", "WA", "YA", "AB", "EL",
)  # fmt: skip
_MIDDLE = (
    "RA",
    "LI",
    "NO",
    "TE",
    "VA",
    "SSI",
    "LLE",
    "RDO",
    "NTI",
    "CHE",
    "GNO",
    "RRI",
    "MBA",
    "UDO",
    "LTI",
    "RBE",
    "DOU",
    "",
)
_END = (
    "RD",
    "N",
    "T",
    "LLE",
    "UX",
    "ET",
    "IN",
    "EAU",
    "ER",
    "AN",
    "OT",
    "IER",
    "ON",
    "AULT",
    "EZ",
    "I",
    "A",
    "C",
    "Y",
    "S",
)
_PARTICLES = ("DE ", "DU ", "DE LA ", "D'", "LE ", "VAN ", "VON ")
_TAIL = 90_000  # names beyond the commonest
_SKILLS = (("SM54", "Médecine Générale"), ("SM26", "Qualifié en Médecine Générale"), ("SM04", "Cardiologie et maladies "
           "vasculaires"), ("SM42", "Psychiatrie"), ("SM40", "Pédiatrie"), ("SM02", "Anesthésie-réanimation"))  # fmt: skip
_TOWNS = 6000
_CITIES = tuple(
    [(f"750{number:02d}", "Paris", 9) for number in range(1, 21)]
    + [(f"6900{number}", "Lyon", 8) for number in range(1, 10)]
    + [(f"130{number:02d}", "Marseille", 8) for number in range(1, 17)]
    + [("38000", "Grenoble", 20), ("31000", "Toulouse", 30), ("33000", "Bordeaux", 30), ("59000", "Lille", 25)]
)
Time = tuple[float, float]
NAMES = (
    "Martin", "Bernard", "Thomas", "Petit", "Durand", "Garnier", "Lambert", "Rousseau", "Leroy", "Le Roy", "de la Tour",
    "d'Angelo", "Nguyen", "Ma", "Be", "Le", "Jean Martin", "Martin Jean", "Dupont-Martin", "Marie-Claire Dubois",
    "Le Linh", "Mar Cla", "Zzyzx",
)  # fmt: skip
CODES = ("", "69", "69003", "38000", "75")


def lines(count: int, share: float, seed: int = 7) -> Iterator[str]:
    """The header, then so many activities; ``share`` of them of physicians."""
    chance = Random(seed)  # noqa: S311 - a seed, no secret
    tail = [chance.choice(_BEGIN) + chance.choice(_MIDDLE) + chance.choice(_END) for _ in range(_TAIL)]
    families = [*_FAMILIES, *tail]
    left = 100_000 - sum(_FAMILIES.values())
    thin = [1 / (rank + 300) for rank in range(_TAIL)]
    whole = math.fsum(thin)
    weights = list(accumulate([*_FAMILIES.values(), *(left * one / whole for one in thin)]))
    given, given_weights = list(_GIVEN), list(accumulate(_GIVEN.values()))
    towns = [*_CITIES, *(_town(chance, number) for number in range(_TOWNS))]
    town_weights = list(accumulate(size for _, _, size in towns))

    def family() -> str:
        return chance.choices(families, cum_weights=weights)[0]

    yield COLUMNS + "|\n"
    number = made = 0
    while made < count:
        number += 1
        rpps = _rpps(number)
        name, first = family(), chance.choices(given, cum_weights=given_weights)[0]
        if chance.random() < 1 / 30:
            name = f"{name}-{family()}"
        elif chance.random() < 1 / 40:
            name = chance.choice(_PARTICLES) + name
        profession = "10|Médecin" if chance.random() < share else "60|Infirmier"
        skill = chance.choice(_SKILLS)
        skills = f"S|Spécialité|{skill[0]}|{skill[1]}" if profession.startswith("10") else "|||"
        for _ in range(min(chance.choice((1, 1, 1, 1, 1, 1, 1, 2, 2, 3)), count - made)):
            postal, town, _size = chance.choices(towns, cum_weights=town_weights)[0]
            made += 1
            yield (
                f"8|{rpps}|8{rpps}|DR|Docteur|M|Monsieur|{name}|{first}|{profession}|C|Civil|{skills}|L|Libéral|"
                f"{made:014d}|||{made:09d}|R{made:012d}|CABINET MEDICAL DU DR {name}|||RDC|{made % 200}||R|Rue|DE LA REPUBLIQUE|"
                f"|{postal} {town.upper()}|{postal}|{postal}|{town}|99000|France|0400000000||||||"
                f"|CNOM/CNOM/CNOM|SA07|Cabinet individuel|||FON-01|Titulaire de cabinet|GENR01|Activité standard|\n"
            )


def _town(chance: Random, number: int) -> tuple[str, str, float]:
    name = chance.choice(("Saint-", "Villeneuve-", "Bourg-", "", "Mont-")) + chance.choice(_END).title() + str(number)
    return f"{chance.randrange(1, 96):02d}{chance.randrange(1000):03d}", name, chance.random() ** 3


def _rpps(number: int) -> str:
    stem = f"100{number:07d}"
    return next(f"{stem}{key}" for key in range(10) if luhn(f"{stem}{key}"))


def write(path: Path, count: int, share: float) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(lines(count, share))


def forget(path: Path) -> None:
    """Throw the file out of the system's cache."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)


async def ask(directory: FileDirectory, question: tuple[str, str]) -> Time:
    """Milliseconds on the clock and of CPU."""
    began, used = time.perf_counter(), time.process_time()
    await directory.search(*question)
    return (time.perf_counter() - began) * 1000, (time.process_time() - used) * 1000


async def cold(path: Path, questions: Sequence[tuple[str, str]]) -> dict[tuple[str, str], list[Time]]:
    found = {}
    for one in questions:
        forget(path)
        directory = FileDirectory(path, SystemAmbient())
        found[one] = [await ask(directory, one)]
        await directory.close()
    return found


async def warm(path: Path, questions: Sequence[tuple[str, str]], rounds: int) -> dict[tuple[str, str], list[Time]]:
    directory = FileDirectory(path, SystemAmbient())
    found: dict[tuple[str, str], list[Time]] = {one: [] for one in questions}
    for turn in range(rounds + 1):
        for one in questions:
            taken = await ask(directory, one)
            if turn:  # the first round only warms up
                found[one].append(taken)
    await directory.close()
    return found


def figures(name: str, times: Sequence[Time]) -> None:
    print(
        f"{name:28} {spread([wall for wall, _ in times])}   CPU {spread([cpu for _, cpu in times])}   ({len(times)} searches)"
    )


def spread(values: Sequence[float]) -> str:
    ordered = sorted(values)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"p50 {median(ordered):6.2f}  p99 {p99:6.2f}  max {ordered[-1]:6.2f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.directory", description=__doc__)
    parser.add_argument("--lines", type=int, default=1_500_000)
    parser.add_argument(
        "--physicians", type=float, default=0.23, help="their share of the lines; 0.23 in the real file"
    )
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="keep the files there, and use them again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        measure(folder, options.lines, options.physicians, options.rounds)


def measure(folder: Path, count: int, share: float, rounds: int) -> None:
    source, target = folder / "PS_LibreAcces_Personne_activite_202603020600.txt", folder / "directory.db"
    if not source.exists():
        write(source, count, share)
    print(f"extraction: {count} lines, {source.stat().st_size / 1e6:.0f} MB, {share:.0%} of physicians")
    began, used = time.perf_counter(), time.process_time()
    report = load_extraction(source, target, datetime.now(UTC), lambda _: None, force=True)
    took, cpu = time.perf_counter() - began, time.process_time() - used
    size = target.stat().st_size / 1e6
    print(f"loaded: {report.physicians} physicians in {took:.1f} s ({cpu:.1f} s of CPU), {size:.0f} MB")
    questions = [(name, code) for name in NAMES for code in CODES]
    first = asyncio.run(cold(target, questions))
    again = asyncio.run(warm(target, questions, rounds))
    for label, wanted in (("without postal code", True), ("with postal code", False)):
        own = [one for one in questions if (one[1] == "") is wanted]
        for state, taken in (("cold", first), ("warm", again)):
            figures(f"{state}, {label}", [each for one in own for each in taken[one]])
    cost = {one: median(cpu for _, cpu in again[one]) for one in questions}
    slowest = sorted(questions, key=lambda one: -cost[one])[:5]
    print("most CPU when warm:", ", ".join(f"{name} {code} {cost[name, code]:.1f} ms" for name, code in slowest))


if __name__ == "__main__":
    main()
