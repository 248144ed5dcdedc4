"""The national directory embedded: a file of physicians that ``directory refresh`` made (``directory_load``).

Answers come from this machine alone; what they are worth is what the last refresh knew. The file is opened to read
only and searched in a thread of its own, one search after the other, so that the event loop never waits for the disk.
When another file lies at the path, the next search opens it; the path is looked at once a second at most. Without a
usable file there is no answer (``DirectoryUnavailable``), never an empty one.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from gateway.edges.directory_load import FORMAT, opened
from gateway.edges.directory_names import Reading, postal_beginnings, readings
from gateway.identity import PHYSICIAN
from gateway.ports import Ambient, Listed
from gateway.reasons import DirectoryUnavailable

_WAIT = 5.0  # seconds a caller waits at most, for those before it included
_LOOK_EVERY = 1.0  # seconds between two looks at the path
_LAST = "~"  # after every letter and digit of a word
_PERSON = (
    "SELECT people.rpps, family, given, speciality, coalesce(specialities.name, ''), places FROM people"
    " LEFT JOIN specialities ON specialities.code = speciality"
)

T = TypeVar("T")


class FileDirectory:
    """The ``Directory`` port. ``path`` need not be there yet."""

    def __init__(self, path: Path, ambient: Ambient) -> None:
        self._path = path
        self._ambient = ambient
        self._thread = ThreadPoolExecutor(1, "directory")
        self._db: sqlite3.Connection | None = None
        self._seen: tuple[int, int, int] | None = None
        self._looked = float("-inf")

    async def search(self, name: str, postal_code: str = "", *, limit: int = 50) -> tuple[Sequence[Listed], bool]:
        asked, codes = readings(name), postal_beginnings(postal_code)
        now = self._ambient.monotonic()
        return await self._run(lambda: self._search(asked, codes, limit, now))

    async def by_rpps(self, rpps: str) -> Listed | None:
        now = self._ambient.monotonic()
        return await self._run(lambda: self._by_rpps(rpps, now))

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    async def _run(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_WAIT):
                return await asyncio.shield(loop.run_in_executor(self._thread, work))
        except (OSError, RuntimeError, TimeoutError) as error:
            raise DirectoryUnavailable("the directory file gives no answer") from error

    # In the thread

    def _search(
        self, asked: Sequence[Reading], codes: tuple[str, ...] | None, limit: int, now: float
    ) -> tuple[Sequence[Listed], bool]:
        with self._usable(now) as db:
            if not asked or codes is None:
                return (), False
            ids: set[int] = set()
            for query, values in _queries(asked, codes):
                ids.update(_first(db, query, values, limit + 1))
            wanted = sorted(ids)[: limit + 1]
            marks = ", ".join("?" * len(wanted[:limit]))
            rows = db.execute(f"{_PERSON} WHERE id IN ({marks}) ORDER BY id", wanted[:limit])
            return [_listed(row, codes) for row in rows], len(wanted) > limit

    def _by_rpps(self, rpps: str, now: float) -> Listed | None:
        with self._usable(now) as db:
            if not re.fullmatch(r"[0-9]{11}", rpps):
                return None
            row = db.execute(f"{_PERSON} WHERE people.rpps = ?", (int(rpps),)).fetchone()
            return None if row is None else _listed(row, ("",))

    @contextmanager
    def _usable(self, now: float) -> Iterator[sqlite3.Connection]:
        """The file at the path, for one search. Its faults are ``DirectoryUnavailable``, and the next search opens it
        again."""
        try:
            yield self._current(now)
        except (OSError, sqlite3.Error, ValueError, TypeError) as error:
            self._close()
            raise DirectoryUnavailable("there is no directory file that can be read") from error

    def _current(self, now: float) -> sqlite3.Connection:
        """The open file, as long as it is still the one at the path."""
        db = self._db
        if db is None or now - self._looked >= _LOOK_EVERY:
            found = self._path.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            self._looked = now
            if db is None or seen != self._seen:
                self._close()
                db = self._db = _open(self._path)
                self._seen = seen
        return db

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


def _open(path: Path) -> sqlite3.Connection:
    db = opened(path)
    try:
        db.execute("PRAGMA cache_size = -8192")
        known = db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
    except sqlite3.Error:
        db.close()
        raise
    if known != (FORMAT,):
        db.close()
        raise DirectoryUnavailable("the directory file was made by another version; refresh it")
    return db


def _queries(asked: Iterable[Reading], codes: Sequence[str]) -> Iterator[tuple[str, list[Any]]]:
    """One stretch of the table for each word that may be the family name."""
    for reading in asked:
        for anchor, whole, rest in reading.anchors:
            where = ["word = ?" if whole else "word >= ? AND word < ?"]
            values: list[Any] = [anchor] if whole else [anchor, anchor + _LAST]
            if codes == ("",):
                where.append("main")
            else:
                where.append("(" + " OR ".join("postal >= ? AND postal < ?" for _ in codes) + ")")
                values += [bound for code in codes for bound in (code, code + _LAST)]
            for beside in (*(f" {word}" for word in rest.words), *(f" {word} " for word in rest.whole)):
                where.append("instr(beside, ?)")
                values.append(beside)
            yield f"SELECT id FROM words WHERE {' AND '.join(where)} ORDER BY id LIMIT ?", values  # noqa: S608 - no value


def _first(db: sqlite3.Connection, query: str, values: Sequence[Any], count: int) -> set[int]:
    """The first so many people. Somebody with several words or places within the stretch comes several times: sorting
    out a few is far quicker than making all of a long stretch distinct."""
    most = count * 4
    while True:
        rows = db.execute(query, (*values, most)).fetchall()
        found = {row[0] for row in rows}
        if len(found) >= count or len(rows) < most:
            return found
        most *= 8


def _listed(row: tuple[Any, ...], codes: Iterable[str]) -> Listed:
    rpps, family, given, speciality, speciality_name, written = row
    wanted = tuple(codes)
    places = [(line[:5], line[6:]) for line in written.split("\n") if line]
    places.sort(key=lambda place: (not place[0].startswith(wanted), place))  # those that were asked for first
    return Listed(f"{rpps:011d}", family, given, PHYSICIAN, speciality, speciality_name, tuple(places))
