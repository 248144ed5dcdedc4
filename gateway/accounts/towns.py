"""Towns by postal code or by name, to help people fill « Code Postal / Ville » (R13).

* The list comes with the package: ``towns.txt.gz``, made by ``scripts/make-towns`` from @etalab/decoupage-administratif
  6.0.0 (communes of INSEE with postal codes of La Poste, 2026), under the Licence Ouverte 2.0, which asks to name source
  and date: its first line does. Overseas towns are in it. It helps and never judges: a town it lacks is as good.
* Names are compared without accents, case, hyphens and apostrophes; « st » is saint, « ste » sainte; « cedex » counts
  for nothing.
* Reading the list takes some tenths of a second, once: a caller with an event loop calls ``load`` in a thread. A look-up
  is a bisection and a bounded scan.
"""

from __future__ import annotations

import gzip
import re
import threading
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from importlib.resources import files

LONGEST = 80  # characters of a question that are looked at
_SCAN = 2500  # towns looked at for one answer; only « sai… », « la » and few other beginnings have more
_LAST = "\U0010ffff"
_WORDS = {"st": "saint", "ste": "sainte", "sts": "saints", "stes": "saintes"}
# Nobody looks for a town by these words in the middle of its name.
_SMALL = frozenset(("a", "au", "aux", "d", "de", "des", "du", "en", "et", "l", "la", "le", "les", "sous", "sur"))
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae", "ß": "ss", "ø": "o"})
_CODE = re.compile(r"(?<![0-9a-z])(?:2[ab]\d{0,3}|\d{2,5})(?![0-9a-z])")
_CEDEX = re.compile(r"\bcedex\b(\s*\d{1,2}\b)?")
# Corsica: 2A and 2B are no beginnings of postal codes.
_CORSICA = {"2a": ("200", "201"), "2b": ("202", "206")}


@dataclass(frozen=True, slots=True)
class Town:
    """A town and one of its postal codes."""

    postal_code: str
    name: str


def key_of(name: str) -> str:
    """The name as it is compared: lower-case ASCII words, one space between them."""
    text = name.lower().translate(_LIGATURES).replace("s/", "sur ")
    if not text.isascii():
        text = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return " ".join(_WORDS.get(word, word) for word in re.findall(r"[a-z0-9]+", text))


@dataclass(frozen=True, slots=True)
class _Index:
    towns: Sequence[Town]  # by postal code
    codes: Sequence[str]
    keys: Sequence[str]
    sizes: bytes
    names: Sequence[tuple[str, int]]  # whole names, and where they are in ``towns``
    inner: Sequence[tuple[str, int]]  # names from their second word on, third word on…


class Towns:
    """The list, read at the first need."""

    def __init__(self) -> None:
        self._index: _Index | None = None
        self._reading = threading.Lock()

    @property
    def ready(self) -> bool:
        """Whether ``find`` answers without reading the list first."""
        return self._index is not None

    def load(self) -> None:
        """Read the list, once; other threads that ask meanwhile wait."""
        with self._reading:
            if self._index is None:
                self._index = _read()

    def find(self, text: str, limit: int = 12) -> tuple[Town, ...]:
        """Towns for what somebody typed: the beginning of a postal code, of a name or of a word in it, or code and name
        together. At most ``limit``; exact names first, then larger towns. Nothing for less than two characters."""
        index = self._index
        if index is None:
            self.load()
            index = self._index
            assert index is not None  # noqa: S101 - just read
        typed = _CEDEX.sub(" ", text[:LONGEST].lower())
        code = _CODE.search(typed)
        name = key_of(typed if code is None else typed[: code.start()] + " " + typed[code.end() :])
        found: list[int] = []
        if code is not None:
            found = _by_code(index, code[0], name, limit)
        if not found and len(name) >= 2:
            found = _by_name(index, name, limit)
        if not found and code is not None:
            found = _by_code(index, code[0], "", limit)
        return tuple(index.towns[place] for place in found)


def _read() -> _Index:
    raw = files("gateway").joinpath("accounts", "towns.txt.gz").read_bytes()
    towns: list[Town] = []
    keys: list[str] = []
    sizes = bytearray()
    names: list[tuple[str, int]] = []
    inner: list[tuple[str, int]] = []
    for line in gzip.decompress(raw).decode().splitlines()[1:]:
        code, city, key, size = line.split("\t")
        key = key or city.lower()
        place = len(towns)
        towns.append(Town(code, city))
        keys.append(key)
        sizes.append(int(size))
        names.append((key, place))
        at = key.find(" ")
        while at >= 0:
            rest = key[at + 1 :]
            if rest.partition(" ")[0] not in _SMALL:
                inner.append((rest, place))
            at = key.find(" ", at + 1)
    names.sort()
    inner.sort()
    return _Index(towns, [town.postal_code for town in towns], keys, bytes(sizes), names, inner)


def _by_code(index: _Index, code: str, name: str, limit: int) -> list[int]:
    """Towns whose postal code begins so, those with the name first; none if a name is given that no town there has."""
    if code in _CORSICA:
        first, last = _CORSICA[code]
    else:
        first = last = code.replace("a", "0").replace("b", "0")
    start, end = bisect_left(index.codes, first), bisect_left(index.codes, last + _LAST)
    places: Iterator[int] = iter(range(start, min(end, start + _SCAN)))
    if name:
        places = (place for place in places if f" {name}" in f" {index.keys[place]}")
    if len(code) == 5:
        return nsmallest(limit, places, key=lambda place: (-index.sizes[place], place))
    return [place for place, _ in zip(places, range(limit), strict=False)]


def _by_name(index: _Index, name: str, limit: int) -> list[int]:
    def rank(entry: tuple[str, int]) -> tuple[bool, int, str, int]:
        key, place = entry
        return key != name, -index.sizes[place], key, place

    found = [place for _, place in nsmallest(limit, _range(index.names, name), key=rank)]
    if len(found) < limit:
        seen = set(found)
        more = nsmallest(limit, _range(index.inner, name), key=rank)
        found += [place for place in dict.fromkeys(place for _, place in more) if place not in seen]
    return found[:limit]


def _range(entries: Sequence[tuple[str, int]], prefix: str) -> Sequence[tuple[str, int]]:
    start = bisect_left(entries, (prefix, -1))
    end = bisect_left(entries, (prefix + _LAST, -1), lo=start)
    return entries[start : min(end, start + _SCAN)]
