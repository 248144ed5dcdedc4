"""The two kinds of files that scopes are imported from (R82), read to ``Place`` values. Blocking, no database.

*Our table*: a first line that names the columns ``id;parent;kind;name;finess;city``.

*The national extraction of FINESS* as data.gouv.fr publishes it: no names of columns, an optional first line
``finess;etalab;<version>;<date>``, and records of several sorts told apart by their first cell. Cells are counted from 0:

* ``structureet`` (etalab-cs1100502, establishments): 1 nofinesset, 2 nofinessej, 3 rs, 4 rslongue, 5 complrs,
  6 compldistrib, 7 numvoie, 8 typvoie, 9 voie, 10 compvoie, 11 lieuditbp, 12 commune, 13 departement, 14 libdepartement,
  15 ligneacheminement (« 01440 VIRIAT »), 16 telephone … 31 numuai.
* ``structureej`` (etalab-cs1100501, legal entities): 1 nofiness, 2 rs, 3 rslongue, 4 complrs, 5 numvoie, 6 typvoie,
  7 voie, 8 compvoie, 9 compldistrib, 10 lieuditbp, 11 commune, 12 ligneacheminement, 13 departement,
  14 libdepartement … 22 datecrea.
* ``geolocalisation`` and whatever else: not read.

(Order of the cells after the notices of the two data sets « FINESS Extraction du Fichier des établissements » and
« FINESS Extraction des entités juridiques » on www.data.gouv.fr, as programs that read the extractions of 2026 spell it.)
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.administration.tables import Header, Line, Source, Unreadable, header, records
from gateway.policy.finess import checked
from gateway.policy.tree import KINDS

_COLUMNS = {
    "id": ("IDENTIFIANT",),
    "parent": ("RATTACHEMENT", "PARENT_ID"),
    "kind": ("TYPE", "GENRE", "NATURE"),
    "name": ("NOM", "LIBELLE", "RAISON_SOCIALE"),
    "finess": ("NUMERO_FINESS", "NO_FINESS", "N_FINESS"),
    "city": ("COMMUNE", "VILLE"),
}
_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._:-]{0,62}[A-Za-z0-9_-])?")  # a dot at the end would be no address
_SORTS = ("structureet", "structureej", "geolocalisation")
_POSTAL = re.compile(r"[0-9]{5}\s+(.+)")
_KINDS = {
    "REGION": "region", "DEPARTEMENT": "departement", "ENTITE": "entite", "ENTITE JURIDIQUE": "entite",
    "ETABLISSEMENT": "etablissement", "SERVICE": "service", "NATION": "nation",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """One scope that a file wants. ``department`` and ``owner`` (the number of its legal entity) only from FINESS, which
    names no parent; ``fault``: why it cannot be taken."""

    line: int
    read: int
    kind: str
    name: str
    id: str = ""
    parent: str = ""
    finess: str = ""
    city: str = ""
    department: str = ""
    owner: str = ""
    implied: bool = False  # a legal entity that is only known from its establishments
    fault: str = ""

    @property
    def key(self) -> str:
        return self.id or self.finess or self.name

    @property
    def new_id(self) -> str:
        """The id it gets when there is none yet."""
        return self.id or f"{'ej' if self.kind == 'entite' else 'et'}-{self.finess}"


def sentence_of(text: str, what: str, longest: int = 200) -> str:
    """Why a text cannot be shown to people or opened in a spreadsheet; empty when it can."""
    if len(text) > longest:
        return f"{what} : plus de {longest} caractères."
    if not text.isprintable():
        return f"{what} : caractères interdits."
    if text.startswith(("=", "+", "@", "-")):
        return f"{what} : ne peut pas commencer par {text[0]}."
    return ""


def tidy(text: str) -> str:
    """A text in its one spelling: NFC, single blanks."""
    return re.sub("[ \u00a0\u202f]+", " ", unicodedata.normalize("NFC", text)).strip()


def is_finess(source: Source) -> bool:
    """Whether this is an extraction of FINESS, by its first line."""
    first = source.first.split(";")
    return first[0].strip('"') in _SORTS or first[:2] in (["finess", "etalab"], ["finess", "finess-plus"])


class Table:
    """Our own table. Raises ``Unreadable`` when its first line will not do."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._header: Header = header(source, _COLUMNS, ("kind", "name"))
        if not {"id", "finess"} & set(self._header.places):
            raise Unreadable("Il manque des colonnes : id (ou finess).")
        self.ignored = self._header.ignored

    def places(self) -> Iterator[Place]:
        lines = records(self._source, self._header.delimiter)
        next(lines)
        for line in lines:
            yield self._place(line)

    def _place(self, line: Line) -> Place:
        cell = self._header.cell
        written = cell(line, "kind")
        kind = _KINDS.get(_bare(written), written)
        number = cell(line, "finess")
        finess = checked(number) if number else ""
        name, city = tidy(cell(line, "name")), tidy(cell(line, "city"))
        scope_id, parent = cell(line, "id"), cell(line, "parent")
        fault = ""
        if self._header.overflows(line):
            fault = "Cette ligne a plus de cellules que la première ligne n'a de colonnes."
        elif kind not in KINDS:
            fault = "Type inconnu. Types possibles : " + ", ".join(KINDS) + "."
        elif finess is None:
            fault = "Numéro FINESS incorrect."
        elif not name:
            fault = "Le nom manque."
        elif scope_id and not _ID.fullmatch(scope_id):
            fault = "Identifiant incorrect : lettres sans accent, chiffres, . _ : -, 64 caractères au plus."
        elif not scope_id and not (finess and kind in ("entite", "etablissement")):
            fault = "Indiquez un identifiant, ou le numéro FINESS d'une entité ou d'un établissement."
        else:
            fault = sentence_of(name, "Nom") or sentence_of(city, "Commune", 100)
        fault = fault or sentence_of(parent, "Rattachement", 64)
        return Place(
            line.number, line.read, kind, name[:80] if fault else name, scope_id[:64], parent[:64], finess or "", city,
            fault=fault,
        )  # fmt: skip


class Extraction:
    """An extraction of FINESS."""

    ignored: tuple[str, ...] = ()

    def __init__(self, source: Source) -> None:
        self._source = source

    def places(self) -> Iterator[Place]:
        for line in records(self._source, ";", quotes=False):
            sort = line.cells[0].strip().strip('"')
            if sort == "structureet":
                yield self._place(line, "etablissement", owner=2, name=3, postal=15)
            elif sort == "structureej":
                yield self._place(line, "entite", owner=None, name=2, postal=12)

    def _place(self, line: Line, kind: str, *, owner: int | None, name: int, postal: int) -> Place:
        def cell(place: int) -> str:
            text = line.cells[place].strip() if place < len(line.cells) else ""
            return text[1:-1].replace('""', '"').strip() if len(text) > 1 and text[0] == text[-1] == '"' else text

        finess = checked(cell(1))
        called = tidy(cell(name + 1) or cell(name)).lstrip("=+@- ")
        found = _POSTAL.fullmatch(tidy(cell(postal)))
        city = found[1] if found else ""
        fault = ""
        if len(line.cells) <= postal:
            fault = "Ligne incomplète."
        elif finess is None:
            fault = "Numéro FINESS incorrect."
        elif not called:
            fault = "Le nom manque."
        else:
            fault = sentence_of(called, "Nom") or sentence_of(city, "Commune", 100)
        return Place(
            line.number, line.read, kind, called[:200], finess=finess or cell(1)[:20], city=city,
            department=cell(13)[:4], owner=(checked(cell(owner)) or "") if owner else "", fault=fault,
        )  # fmt: skip


def _bare(text: str) -> str:
    bare = unicodedata.normalize("NFKD", text).upper()
    return " ".join("".join(one for one in bare if not unicodedata.combining(one)).split())
