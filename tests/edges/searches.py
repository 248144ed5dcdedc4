"""Searches of the demo's directory and whom they find: one table for both sources."""

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """``first``: family and given name of the first found; ``count``: how many are."""

    name: str
    postal_code: str
    count: int
    first: tuple[str, str] | None


CASES = (
    Case("garnier", "69003", 1, ("GARNIER", "Élodie")),
    Case("élodie GARNIER", "", 1, ("GARNIER", "Élodie")),
    Case("lambert", "38000", 1, ("LAMBERT", "Hugo")),
    Case("Rousseau", "69007", 2, ("ROUSSEAU", "Anne")),
    Case("Rousseau Nadia", "69007", 1, ("ROUSSEAU", "Nadia")),
    Case("martin", "", 27, ("MARTIN", "Anaïs")),
    Case("Martin", "69", 8, ("MARTIN", "Anaïs")),
    Case("martin", "2A", 1, ("MARTIN", "Anaïs")),
    Case("martin", "abc", 0, None),
    Case("claire martin", "", 3, ("MARTIN", "Claire")),
    Case("MARTIN CLAIRE", "", 3, ("MARTIN", "Claire")),
    Case("mart cla", "", 3, ("MARTIN", "Claire")),
    Case("roy lin", "", 1, ("LE ROY", "Linh")),
    Case("martin camille", "", 2, ("MARTIN", "Camille")),
    Case("Saint Martin", "", 7, ("SAINT-MARTIN", "Anaïs")),
    Case("de la tour", "", 14, ("DE LA TOUR", "Camille")),
    Case("Delatour", "", 14, ("DE LA TOUR", "Camille")),
    Case("tour", "", 8, ("DE LA TOUR", "Camille")),
    Case("d’angelo", "", 7, ("D'ANGELO", "Agnès")),
    Case("dangelo", "", 7, ("D'ANGELO", "Agnès")),
    Case("dupont lévy paul", "", 1, ("DUPONT-LÉVY", "Paul")),
    Case("levy", "", 9, ("DUPONT-LÉVY", "Camille")),
    Case("le roy", "", 12, ("LE ROY", "Inès")),
    Case("leroy", "", 12, ("LE ROY", "Inès")),
    Case("Le Zoé", "", 1, ("LE", "Zoé")),
    Case("benoit le", "69", 1, ("LE", "Benoît")),
    Case("coeurdevey", "", 6, ("CŒURDEVEY", "Benoît")),
    Case("o'brien", "", 6, ("O'BRIEN", "Claire")),
    Case("silva pereira", "", 5, ("PEREIRA DA SILVA", "Claire")),
    Case("van den berg", "", 7, ("VAN DEN BERG", "Anaïs")),
    Case("mull", "", 6, ("MÜLLER", "Agnès")),
    Case("durand inès", "", 1, ("DURAND", "Inès")),  # the nurse of this name is no physician
    Case("vasseur", "", 0, None),  # not in practice any more
    Case("martin odile", "", 0, None),  # has no RPPS
    Case("faure", "", 0, None),  # a student
    Case("vidal", "", 0, None),  # a nurse
    Case("elodie", "", 0, None),
    Case("x", "", 0, None),
    Case("nobody", "", 0, None),
)
