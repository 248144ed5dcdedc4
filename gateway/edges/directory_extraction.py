"""The public extraction of the national directory, read line by line: ``PS_LibreAcces_Personne_activite_….txt``.

One line for each activity of a person, cells parted by pipes, often one pipe more at the end. The file may still be in
the archive as it was downloaded; nothing is unpacked to the disk. Columns are found by name, without case and accents,
wherever they stand. UTF-8, or Windows-1252 for the whole file. Only physicians are handed on (TRE_G15 code 10, students
left out); whoever is not one is counted and forgotten at once.

Nothing is interpreted here beyond the line: who is listed twice, and where, is the loader's business.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple, cast

from gateway.identity import PHYSICIAN, luhn, searchable

_MEMBER = re.compile(r"PS_LibreAcces_Personne_activite_[0-9]+\.txt\Z", re.IGNORECASE)
_LONGEST_LINE = 65_536
_LARGEST = 8 << 30  # bytes, unpacked; the file of 2026 has 0.9 GB
_LONGEST_CELL = 200
_SAMPLE = 10_000  # lines with accents that decide the encoding when the header has none
_STUDENT = "E"  # TRE_R09
_RPPS_KIND = "8"  # TRE_G08
_TELL_EVERY = 50_000  # lines
# As ``searchable`` makes them of the published names.
_NEEDED = {
    "rpps": "IDENTIFIANT PP",
    "family": "NOM D EXERCICE",
    "given": "PRENOM D EXERCICE",
    "profession": "CODE PROFESSION",
    "postal": "CODE POSTAL COORD STRUCTURE",
    "town": "LIBELLE COMMUNE COORD STRUCTURE",
}
_WELCOME = {
    "kind": "TYPE D IDENTIFIANT PP",
    "category": "CODE CATEGORIE PROFESSIONNELLE",
    "skill_kind": "CODE TYPE SAVOIR FAIRE",
    "skill": "CODE SAVOIR FAIRE",
    "skill_name": "LIBELLE SAVOIR FAIRE",
    "cedex": "BUREAU CEDEX COORD STRUCTURE",
}


class BadExtraction(Exception):
    """The file is not the extraction, or cannot be read; the message says why."""


class Practice(NamedTuple):
    """One activity of one physician. ``postal`` has five digits or is empty."""

    rpps: str
    family: str
    given: str
    skill_kind: str
    skill: str
    skill_name: str
    postal: str
    town: str


@dataclass(slots=True)
class Counts:
    """What was met on the way. ``skipped``: lines of bad shape; ``others``: no physicians, or without RPPS."""

    lines: int = 0
    skipped: int = 0
    others: int = 0
    wrong_keys: set[str] = field(default_factory=set)  # numbers whose Luhn key is wrong; they are kept
    cut: bool = False  # the file ends in the middle of a line


def read_extraction(path: Path, counts: Counts, progress: Callable[[int], None]) -> Iterator[Practice]:
    """The activities of physicians, in the order of the file; ``counts`` grows along, ``progress`` is told of lines.

    Raises ``BadExtraction``, at the beginning or, for a damaged archive, on the way.
    """
    try:
        with ExitStack() as stack:
            stream = _opened(path, stack)
            header = _header(stream)
            encoding = _encoding(header, path)
            columns = _columns(header.decode(encoding, "replace"))
            yield from _practices(stream, encoding, columns, counts, progress)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise BadExtraction(f"{path.name} cannot be read: {error or type(error).__name__}") from error


def _opened(path: Path, stack: ExitStack) -> IO[bytes]:
    """The text, out of the archive if it is in one."""
    if not zipfile.is_zipfile(path):
        return stack.enter_context(path.open("rb", buffering=1 << 20))
    archive = stack.enter_context(zipfile.ZipFile(path))
    members = [one for one in archive.infolist() if _MEMBER.match(one.filename.rpartition("/")[2])]
    if len(members) != 1:
        raise BadExtraction(f"{path.name} holds {len(members)} files PS_LibreAcces_Personne_activite_….txt, not one")
    member = stack.enter_context(archive.open(members[0]))
    return stack.enter_context(io.BufferedReader(cast(io.RawIOBase, member), 1 << 20))


def _header(stream: IO[bytes]) -> bytes:
    header = stream.readline(_LONGEST_LINE)
    if header.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in header:
        raise BadExtraction("the file is no text in UTF-8 or Windows-1252")
    return header.removeprefix(b"\xef\xbb\xbf")


def _encoding(header: bytes, path: Path) -> str:
    """The published header has accents and decides. When one has none, the lines do: what most of them are."""
    if not header.isascii():
        return "utf-8" if _is_utf8(header) else "cp1252"
    modern = old = 0
    with ExitStack() as stack:
        stream = _opened(path, stack)
        for raw in iter(lambda: stream.readline(_LONGEST_LINE), b""):
            if not raw.isascii():
                if _is_utf8(raw):
                    modern += 1
                else:
                    old += 1
                if modern + old == _SAMPLE:
                    break
    return "utf-8" if modern >= old else "cp1252"


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Columns:
    count: int
    places: dict[str, int]  # of those the file has


def _columns(header: str) -> _Columns:
    names = [searchable(cell) for cell in header.rstrip("\r\n").split("|")]
    while names and not names[-1]:
        names.pop()
    wanted = _NEEDED | _WELCOME
    places: dict[str, int] = {}
    for key, name in wanted.items():
        if names.count(name) > 1:
            raise BadExtraction(f"the column {name} stands twice in the header")
        if name in names:
            places[key] = names.index(name)
    missing = [name for key, name in _NEEDED.items() if key not in places]
    if missing:
        raise BadExtraction(f"columns are missing: {', '.join(missing)}")
    return _Columns(len(names), places)


def _practices(
    stream: IO[bytes], encoding: str, columns: _Columns, counts: Counts, progress: Callable[[int], None]
) -> Iterator[Practice]:
    profession = columns.places["profession"]
    size = 0
    for raw in iter(lambda: stream.readline(_LONGEST_LINE), b""):
        size += len(raw)
        if size > _LARGEST:
            raise BadExtraction("the file is too large")
        counts.lines += 1
        if counts.lines % _TELL_EVERY == 0:
            progress(counts.lines)
        whole = raw.endswith(b"\n")
        if not whole and len(raw) == _LONGEST_LINE:
            while (more := stream.readline(_LONGEST_LINE)) and not more.endswith(b"\n"):
                size += len(more)
                if size > _LARGEST:
                    raise BadExtraction("the file is too large")
            counts.skipped += 1
            continue
        try:
            cells = raw.decode(encoding).rstrip("\r\n").split("|")
        except UnicodeDecodeError:
            cells = []
        if len(cells) != columns.count and not (len(cells) == columns.count + 1 and not cells[-1]):
            counts.skipped += 1
            counts.cut |= not whole
            continue
        if cells[profession].strip() != PHYSICIAN:
            counts.others += 1
            continue
        found = _practice(cells, columns.places, counts)
        if found is not None:
            yield found
    progress(counts.lines)


def _practice(cells: Sequence[str], places: dict[str, int], counts: Counts) -> Practice | None:
    def cell(key: str) -> str:
        return cells[places[key]].strip() if key in places else ""

    rpps = cell("rpps")
    if cell("category") == _STUDENT or cell("kind") not in ("", _RPPS_KIND):
        counts.others += 1
        return None
    family, given, town = cell("family"), cell("given"), cell("town")
    if not re.fullmatch(r"[0-9]{11}", rpps) or not searchable(family) or not _printable(family, given, town):
        counts.skipped += 1
        return None
    if not luhn(rpps):
        counts.wrong_keys.add(rpps)
    postal = cell("postal")
    if not re.fullmatch(r"[0-9]{5}", postal):
        postal = ""  # abroad, or nowhere
    if not town:
        town = re.sub(r"\A[0-9]{5}\s*", "", cell("cedex"))
    skill, skill_name = cell("skill"), cell("skill_name")
    if not re.fullmatch(r"[A-Za-z0-9]{1,20}", skill) or not _printable(skill_name):
        skill = skill_name = ""
    return Practice(rpps, family, given, cell("skill_kind"), skill, skill_name, postal, town if postal else "")


def _printable(*texts: str) -> bool:
    return all(len(text) <= _LONGEST_CELL and text.isprintable() for text in texts)
