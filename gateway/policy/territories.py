"""The 18 regions and 101 departments of France by their INSEE codes (code officiel géographique). Pure.

FINESS writes the overseas departments with letters of its own (9A for Guadeloupe … 9F for Mayotte); they become the INSEE
codes here. Overseas collectivities are no departments and have no place in this table.
"""

from __future__ import annotations

from collections.abc import Mapping

_TABLE = """
84 Auvergne-Rhône-Alpes: 01 Ain, 03 Allier, 07 Ardèche, 15 Cantal, 26 Drôme, 38 Isère, 42 Loire, 43 Haute-Loire, \
63 Puy-de-Dôme, 69 Rhône, 73 Savoie, 74 Haute-Savoie
27 Bourgogne-Franche-Comté: 21 Côte-d'Or, 25 Doubs, 39 Jura, 58 Nièvre, 70 Haute-Saône, 71 Saône-et-Loire, 89 Yonne, \
90 Territoire de Belfort
53 Bretagne: 22 Côtes-d'Armor, 29 Finistère, 35 Ille-et-Vilaine, 56 Morbihan
24 Centre-Val de Loire: 18 Cher, 28 Eure-et-Loir, 36 Indre, 37 Indre-et-Loire, 41 Loir-et-Cher, 45 Loiret
94 Corse: 2A Corse-du-Sud, 2B Haute-Corse
44 Grand Est: 08 Ardennes, 10 Aube, 51 Marne, 52 Haute-Marne, 54 Meurthe-et-Moselle, 55 Meuse, 57 Moselle, \
67 Bas-Rhin, 68 Haut-Rhin, 88 Vosges
32 Hauts-de-France: 02 Aisne, 59 Nord, 60 Oise, 62 Pas-de-Calais, 80 Somme
11 Île-de-France: 75 Paris, 77 Seine-et-Marne, 78 Yvelines, 91 Essonne, 92 Hauts-de-Seine, 93 Seine-Saint-Denis, \
94 Val-de-Marne, 95 Val-d'Oise
28 Normandie: 14 Calvados, 27 Eure, 50 Manche, 61 Orne, 76 Seine-Maritime
75 Nouvelle-Aquitaine: 16 Charente, 17 Charente-Maritime, 19 Corrèze, 23 Creuse, 24 Dordogne, 33 Gironde, 40 Landes, \
47 Lot-et-Garonne, 64 Pyrénées-Atlantiques, 79 Deux-Sèvres, 86 Vienne, 87 Haute-Vienne
76 Occitanie: 09 Ariège, 11 Aude, 12 Aveyron, 30 Gard, 31 Haute-Garonne, 32 Gers, 34 Hérault, 46 Lot, 48 Lozère, \
65 Hautes-Pyrénées, 66 Pyrénées-Orientales, 81 Tarn, 82 Tarn-et-Garonne
52 Pays de la Loire: 44 Loire-Atlantique, 49 Maine-et-Loire, 53 Mayenne, 72 Sarthe, 85 Vendée
93 Provence-Alpes-Côte d'Azur: 04 Alpes-de-Haute-Provence, 05 Hautes-Alpes, 06 Alpes-Maritimes, 13 Bouches-du-Rhône, \
83 Var, 84 Vaucluse
01 Guadeloupe: 971 Guadeloupe
02 Martinique: 972 Martinique
03 Guyane: 973 Guyane
04 La Réunion: 974 La Réunion
06 Mayotte: 976 Mayotte
"""
_OVERSEAS = {"9A": "971", "9B": "972", "9C": "973", "9D": "974", "9F": "976"}  # as FINESS writes them
# The first digits of a FINESS number are the department where it was given; overseas four are needed, Mayotte has 98.
_PREFIXES = {"9701": "971", "9702": "972", "9703": "973", "9704": "974", "98": "976"}


def _read() -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    regions: dict[str, str] = {}
    departments: dict[str, tuple[str, str]] = {}
    for line in _TABLE.strip().splitlines():
        head, _, tail = line.partition(": ")
        code, _, name = head.partition(" ")
        regions[code] = name
        for part in tail.split(", "):
            number, _, called = part.partition(" ")
            departments[number] = (called, code)
    return regions, departments


_regions, _departments = _read()
REGIONS: Mapping[str, str] = _regions  # INSEE code → name
DEPARTMENTS: Mapping[str, tuple[str, str]] = _departments  # INSEE code → name, region


def department(written: str) -> str | None:
    """The INSEE code of a department as a file writes it (``1``, ``01``, ``2a``, ``9D``, ``974``); ``None``: there is none."""
    code = written.strip().upper()
    code = _OVERSEAS.get(code, code)
    return next((one for one in (code, code.zfill(2)) if one in DEPARTMENTS), None)


def of_finess(number: str) -> str | None:
    """The department in which a FINESS number was given out, by its first digits; ``None`` when they say nothing."""
    return next(
        (code for size in (4, 2) for code in [_PREFIXES.get(number[:size])] if code is not None),
        number[:2] if number[:2] in DEPARTMENTS else None,
    )
