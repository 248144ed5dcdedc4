"""Reading tables that anybody may have made (R102): a line at a time, in bounded memory, and never more than was meant.

A file is text of lines and cells. Its encoding is UTF-8, UTF-16 with its mark, or what Windows wrote in the West; cells are
parted by ``;``, ``,`` or a tabulator; lines end as any system ends them. What is not so (an archive, a workbook, noughts,
a line without end, a quote that never closes, a column named twice) is ``Unreadable``, with the sentence for the person
who sent it: a file that cannot be read whole is not read in part. Everything here blocks: not for the event loop.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.identity import plain

LONGEST_RECORD = 65_536  # characters, whatever the lines and quotes in it
MOST_COLUMNS = 100
MOST_LINES = 2_000_000
_PIECE = 1 << 18
_DELIMITERS = ";,\t"
# « é » of UTF-8 as Windows or Latin-9 read it; no French word and no name has these two beside each other.
_SECOND = bytes(range(0x80, 0xC0))
_TAKEN_WRONGLY = re.compile(f"Ã[{re.escape(_SECOND.decode('cp1252', 'ignore') + _SECOND.decode('iso-8859-15'))}]")
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_CONTAINERS = (b"PK\x03\x04", b"PK\x05\x06", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"%PDF", b"7z\xbc\xaf")


class Unreadable(Exception):
    """``sentence`` is French, for people."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was looked through once: what it is, and how its text is written."""

    path: Path
    size: int
    sha256: str
    encoding: str
    first: str  # the first line


@dataclass(frozen=True, slots=True)
class Line:
    """One record: the number of its first line in the file, its cells, and how many bytes were read so far."""

    number: int
    cells: tuple[str, ...]
    read: int


@dataclass(frozen=True, slots=True)
class Header:
    """Which cell holds which column. ``ignored``: names in the file that say nothing to us."""

    delimiter: str
    places: Mapping[str, int]
    width: int
    ignored: tuple[str, ...]

    def cell(self, line: Line, column: str) -> str:
        """The text of a cell without the blanks around it; empty when the line or the file does not have it."""
        place = self.places.get(column)
        return line.cells[place].strip() if place is not None and place < len(line.cells) else ""

    def overflows(self, line: Line) -> bool:
        """Whether the line says something beyond the last column."""
        return any(cell.strip() for cell in line.cells[self.width :])


def inspect(path: Path, *, western: str = "cp1252") -> Source:
    """Look through the whole file once. Raises ``Unreadable``, and ``OSError`` when the file is not there.

    ``western``: what a file is written in that is not Unicode.
    """
    digest, size, encoding, mixed = hashlib.sha256(), 0, "", False
    fits: dict[str, codecs.IncrementalDecoder] = {}
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            if not encoding and not fits:
                if piece.startswith(_CONTAINERS):
                    raise Unreadable("Ce fichier n'est pas un texte. Enregistrez le tableau au format CSV.")
                encoding = next((name for mark, name in _MARKS if piece.startswith(mark)), "")
                names = (encoding,) if encoding else ("utf-8", western)
                fits = {name: codecs.getincrementaldecoder(name)() for name in names}
            size += len(piece)
            digest.update(piece)
            mixed |= _feed(fits, piece, last=False)
    if not size:
        raise Unreadable("Le fichier est vide.")
    _feed(fits, b"", last=True)
    found = Source(path, size, digest.hexdigest(), next(iter(fits)), "")
    if mixed and found.encoding == western:
        raise Unreadable("Le fichier mélange deux encodages\u00a0: les accents seraient faux. Enregistrez-le en UTF-8.")
    first = next((line for line, _ in _lines(found) if line.strip()), None)
    if first is None:
        raise Unreadable("Le fichier est vide.")
    return Source(path, size, found.sha256, found.encoding, first.strip())


def _feed(fits: dict[str, codecs.IncrementalDecoder], piece: bytes, *, last: bool) -> bool:
    """Leave in ``fits`` the encodings that this piece still agrees with; at least one, or ``Unreadable``. Whether one of
    them reads what looks like UTF-8 taken for something else."""
    mixed = False
    for name, decoder in list(fits.items()):
        try:
            text = decoder.decode(piece, last)
        except UnicodeDecodeError:
            del fits[name]
            continue
        mixed = mixed or _TAKEN_WRONGLY.search(text) is not None
        if "\0" in text:
            raise Unreadable("Le fichier contient des octets nuls : ce n'est pas un texte, ou il est abîmé.")
    if not fits:
        raise Unreadable("L'encodage du fichier n'est pas reconnu. Enregistrez-le en UTF-8.")
    return mixed


def records(source: Source, delimiter: str, *, quotes: bool = True) -> Iterator[Line]:
    """The records that are not empty, the header included. Raises ``Unreadable`` where the file goes wrong."""
    feeder = _Feeder(source)
    # A character that no file here contains stands for no quote at all.
    reader = csv.reader(feeder, delimiter=delimiter, strict=True, quotechar='"' if quotes else "\0")
    while True:
        begins = feeder.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "end of data" in str(error):
                raise Unreadable(f"Ligne {begins} : un guillemet ouvert n'est jamais refermé.") from error
            raise Unreadable(f"Ligne {begins} : la ligne ne peut pas être lue (guillemets mal placés ?).") from error
        feeder.pending = 0
        if len(cells) > MOST_COLUMNS and any(cell.strip() for cell in cells[MOST_COLUMNS:]):
            raise Unreadable(f"Ligne {begins} : plus de {MOST_COLUMNS} colonnes.")
        if any(cell.strip() for cell in cells):
            yield Line(begins, tuple(cells), feeder.read)


def header(source: Source, columns: Mapping[str, Sequence[str]], needed: Sequence[str]) -> Header:
    """What the first line names. ``columns``: by our name, the other names it may have (upper case, no accents).

    Raises ``Unreadable`` for a column named twice, or one that is needed and missing.
    """
    known = {name: ours for ours, others in columns.items() for name in (_spelled(ours), *others)}
    best: tuple[int, str, tuple[str, ...]] = (0, "", ())
    wrong: Unreadable | None = None
    for delimiter in _DELIMITERS:
        try:
            cells = next(records(source, delimiter)).cells
        except Unreadable as error:  # with another delimiter it may be well
            wrong = wrong or error
            continue
        count = sum(_spelled(cell) in known for cell in cells)
        if count > best[0]:
            best = count, delimiter, cells
    count, delimiter, cells = best
    if not count:
        raise wrong or Unreadable("La première ligne doit nommer les colonnes : " + ", ".join(needed) + "…")
    places: dict[str, int] = {}
    for place, cell in enumerate(cells):
        ours = known.get(_spelled(cell))
        if ours is None:
            continue
        if ours in places:
            raise Unreadable(f"La colonne « {ours} » figure deux fois dans la première ligne.")
        places[ours] = place
    missing = [name for name in needed if name not in places]
    if missing:
        raise Unreadable("Il manque des colonnes : " + ", ".join(missing) + ".")
    ignored = tuple(cell.strip()[:40] for cell in cells if cell.strip() and _spelled(cell) not in known)
    return Header(delimiter, places, len(cells), ignored)


def _spelled(name: str) -> str:
    return re.sub(r"[^A-Z0-9]+", "_", plain(name)).strip("_")


class _Feeder:
    """The lines of a file for the reader of records, which would gather what a quote holds together without end."""

    def __init__(self, source: Source) -> None:
        self._lines = _lines(source)
        self.number = 0
        self.read = 0
        self.pending = 0  # characters since the last whole record

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line, self.read = next(self._lines)
        self.number += 1
        self.pending += len(line)
        if self.number > MOST_LINES:
            raise Unreadable(f"Le fichier a plus de {MOST_LINES} lignes.")
        if len(line) > LONGEST_RECORD:
            raise Unreadable(f"Ligne {self.number} : la ligne est trop longue.")
        if self.pending > LONGEST_RECORD:
            raise Unreadable(f"Ligne {self.number} : la ligne est trop longue, ou un guillemet n'est jamais refermé.")
        return line


def _lines(source: Source) -> Iterator[tuple[str, int]]:
    """Each line, ended by ``\\n`` whatever ended it, and the bytes read so far; a line too long comes in pieces."""
    with source.path.open("r", encoding=source.encoding, newline=None) as file:
        try:
            while line := file.readline(LONGEST_RECORD + 1):
                yield line, min(file.buffer.raw.tell(), source.size)  # type: ignore[attr-defined]
        except UnicodeDecodeError as error:  # it was another file when it was looked through
            raise Unreadable("Le fichier a changé pendant la lecture.") from error
