"""From the public extraction to the embedded directory: one SQLite file of physicians, made to be searched by name.

* ``people`` holds each physician once; ``id`` counts them in the order of names, so that the order of ids is the order
  of answers, and those of one answer lie side by side on the disk.
* ``words`` holds one row for each word of a family name and each place, with the other words beside it: a search by
  name and postal code reads one stretch of this table, in order, and nothing else.

The new file is written beside the present one, flushed to the disk and renamed over it: readers have the one or the
other. A file that is not the extraction, is cut short, or has lost more than half of the physicians replaces nothing.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any
from urllib.parse import quote

import structlog

from gateway.edges.directory_extraction import BadExtraction, Counts, read_extraction
from gateway.edges.directory_names import Names, order_of

FORMAT = "1"
_log = structlog.get_logger("gateway.directory")
_SPECIALITY = ("S", "CEX")  # TRE_R04: the kinds of skill that are a speciality, the best first

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE specialities (code TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE people (
  id INTEGER PRIMARY KEY, rpps INTEGER NOT NULL, family TEXT NOT NULL, given TEXT NOT NULL, speciality TEXT NOT NULL,
  places TEXT NOT NULL);
CREATE TABLE words (
  word TEXT NOT NULL, postal TEXT NOT NULL, id INTEGER NOT NULL, main INTEGER NOT NULL, beside TEXT NOT NULL,
  PRIMARY KEY (word, postal, id)) WITHOUT ROWID;
"""
_STAGING = """
CREATE TABLE staging.lines (rpps INTEGER, family TEXT, given TEXT, kind TEXT, skill TEXT, postal TEXT, town TEXT);
CREATE TABLE staging.people (name TEXT, first TEXT, rpps INTEGER, family TEXT, given TEXT, skill TEXT, places TEXT);
CREATE TABLE staging.words (word TEXT, postal TEXT, id INTEGER, main INTEGER, beside TEXT);
"""


class LoadRefused(Exception):
    """Nothing was replaced; the message says why."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a refresh read and kept. ``lines`` without the header; ``wrong_keys``: numbers kept although their key is
    wrong; ``before``: physicians of the file that was replaced, ``None`` when there was none."""

    lines: int
    physicians: int
    skipped: int
    wrong_keys: int
    before: int | None


def load_extraction(
    source: Path, target: Path, now: datetime, progress: Callable[[int], None], *, force: bool = False
) -> Report:
    """Make the file anew. Raises ``LoadRefused``; then the present file is what it was."""
    with _alone(target):
        draft, staging = target.with_name(f".{target.name}.draft"), target.with_name(f".{target.name}.staging")
        try:
            for one in (draft, staging):
                one.unlink(missing_ok=True)  # of a refresh that was killed
            before = physicians_of(target)
            counts = Counts()
            physicians = _build(source, draft, staging, counts, now, progress)
            _acceptable(counts, physicians, before, force=force)
            _put(draft, target)
        except (OSError, sqlite3.Error) as error:
            raise LoadRefused(f"{target}: {error}") from error
        except BadExtraction as error:
            raise LoadRefused(str(error)) from error
        finally:
            for one in (draft, staging):
                one.unlink(missing_ok=True)
    if counts.wrong_keys:
        _log.warning("numbers with a wrong key in the directory", count=len(counts.wrong_keys))
    report = Report(counts.lines, physicians, counts.skipped, len(counts.wrong_keys), before)
    _log.info("directory refreshed", lines=report.lines, physicians=physicians, skipped=report.skipped, before=before)
    return report


def opened(path: Path) -> sqlite3.Connection:
    """The finished file, to read. It never changes in place, so no lock is needed. Raises ``sqlite3.Error``."""
    uri = f"file:{quote(str(path))}?mode=ro&immutable=1"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)


def physicians_of(path: Path) -> int | None:
    """How many physicians a file holds; ``None`` when there is no usable one."""
    if not path.exists():
        return None
    try:
        with closing(opened(path)) as db:
            return int(db.execute("SELECT value FROM meta WHERE key = 'physicians'").fetchone()[0])
    except (sqlite3.Error, TypeError, ValueError):
        _log.warning("the present directory cannot be read and is replaced", path=str(path))
        return None


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """One refresh at a time."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(target.with_name(f".{target.name}.lock"), os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise LoadRefused(f"{target.parent}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LoadRefused("another refresh is running") from error
        yield
    finally:
        os.close(lock)


def _build(
    source: Path, draft: Path, staging: Path, counts: Counts, now: datetime, progress: Callable[[int], None]
) -> int:
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644))
    with closing(sqlite3.connect(draft, isolation_level=None)) as db:
        for pragma in ("page_size = 8192", "journal_mode = OFF", "synchronous = OFF", "cache_size = -65536"):
            db.execute(f"PRAGMA {pragma}")
        db.execute("ATTACH DATABASE ? AS staging", (str(staging),))
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -65536"):
            db.execute(f"PRAGMA staging.{pragma}")
        db.executescript(_SCHEMA + _STAGING)
        db.execute("BEGIN")
        specialities: dict[str, str] = {}
        db.executemany(
            "INSERT INTO staging.lines VALUES (?, ?, ?, ?, ?, ?, ?)",
            _lines(source, counts, progress, specialities),
        )
        db.executemany("INSERT INTO specialities VALUES (?, ?)", sorted(specialities.items()))
        db.executemany("INSERT INTO staging.people VALUES (?, ?, ?, ?, ?, ?, ?)", _people(db))
        physicians = _number(db)
        db.execute("INSERT INTO words SELECT * FROM staging.words ORDER BY word, postal, id")
        db.execute("CREATE UNIQUE INDEX people_rpps ON people (rpps)")
        db.executemany(
            "INSERT INTO meta VALUES (?, ?)",
            [
                ("format", FORMAT),
                ("made_at", now.isoformat()),
                ("source", source.name),
                ("lines", str(counts.lines)),
                ("physicians", str(physicians)),
            ],
        )
        db.execute("COMMIT")
    return physicians


def _lines(
    source: Path, counts: Counts, progress: Callable[[int], None], specialities: dict[str, str]
) -> Iterator[tuple[Any, ...]]:
    for one in read_extraction(source, counts, progress):
        if one.skill:
            specialities.setdefault(one.skill, one.skill_name)
        yield int(one.rpps), one.family, one.given, one.skill_kind, one.skill, one.postal, one.town


def _people(db: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """One row for each number, out of all its lines."""
    lines = db.execute("SELECT rpps, family, given, kind, skill, postal, town FROM staging.lines ORDER BY rpps, rowid")
    for rpps, several in groupby(lines, itemgetter(0)):
        own = list(several)
        family, given = own[0][1], own[0][2]
        skills = [
            skill for wanted in _SPECIALITY for _, _, _, kind, skill, _, _ in own if skill and kind in (wanted, "")
        ]
        places = dict.fromkeys((postal, town) for *_, postal, town in own if postal)
        written = "\n".join(f"{postal} {town}" for postal, town in places)
        name, first, _ = order_of(family, given, "")
        yield name, first, rpps, family, given, skills[0] if skills else "", written


def _number(db: sqlite3.Connection) -> int:
    """Number people in the order of names, and write down by which words each is found, and where."""
    count = 0

    def rows() -> Iterator[tuple[Any, ...]]:
        nonlocal count
        for rpps, family, given, skill, places in db.execute(
            "SELECT rpps, family, given, skill, places FROM staging.people ORDER BY name, first, rpps"
        ):
            count += 1
            db.execute("INSERT INTO people VALUES (?, ?, ?, ?, ?, ?)", (count, rpps, family, given, skill, places))
            names = Names.of(family, given)
            codes = list(dict.fromkeys(place[:5] for place in places.split("\n"))) if places else [""]
            for word in names.family:
                beside = names.beside(word)
                for place, code in enumerate(codes):
                    yield word, code, count, place == 0, beside

    db.executemany("INSERT INTO staging.words VALUES (?, ?, ?, ?, ?)", rows())
    return count


def _acceptable(counts: Counts, physicians: int, before: int | None, *, force: bool) -> None:
    if physicians == 0:
        raise LoadRefused(f"no physician among {counts.lines} lines; the present file stays")
    if force:
        return
    if counts.cut:
        raise LoadRefused("the file ends in the middle of a line; fetch it again (or --force); the present file stays")
    if before is not None and physicians * 2 < before:
        raise LoadRefused(
            f"{physicians} physicians, where there were {before}: this looks like a part (or --force); the present file stays"
        )


def _put(draft: Path, target: Path) -> None:
    draft.chmod(0o644)  # public data, and the gateway may run as another user than who refreshes
    _flush(draft)
    draft.replace(target)
    _flush(target.parent)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
