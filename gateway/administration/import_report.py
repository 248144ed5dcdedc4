"""What an import says of each line, and what it must remember of a file too large to be kept in mind.

The ``Ledger`` is a private file of the process that the system removes by itself; it holds digests and no name, address or
number of a person. Lines of the report come out in the order of the file, whatever the order in which they were settled.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from itertools import islice
from typing import Protocol, TypeVar

from gateway.administration.actor import Actor
from gateway.administration.tables import Source
from gateway.ports import Ambient, Insert, Records, Update
from gateway.reasons import RecordsUnavailable, Stale, Taken


class Row(Protocol):
    """What a batch is made of: a line of the file, what it speaks of, and how many bytes were read with it."""

    @property
    def line(self) -> int: ...

    @property
    def key(self) -> str: ...

    @property
    def read(self) -> int: ...


T = TypeVar("T", bound=Row)

BATCH = 100  # rows in one transaction: a database of one writer has others waiting
MOST_CHANGES = 600  # in one transaction, so that it ends well before the database counts as unavailable
_CHUNK = 500  # lines of the report in one row
_TURNS = 5
_BUSY = "Modifié au même moment par quelqu'un d'autre : à importer de nouveau."
_EVERY = 1.0  # seconds between two words about progress


class Outcome(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the report. ``key``: what the line speaks of; ``detail``: a French sentence, or nothing to add."""

    line: int
    outcome: Outcome
    key: str
    detail: str = ""


class TooMany(Exception):
    """More changes than one transaction should have: take fewer rows."""


class Ledger:
    """Methods block for a moment at most; never used by two at once."""

    def __init__(self) -> None:
        self.last = 0  # the last line of the file, once it was read
        self._file = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._file.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-8192;"
            "CREATE TABLE seen (key BLOB PRIMARY KEY, line INTEGER, times INTEGER) WITHOUT ROWID;"
            "CREATE TABLE kept (id TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
            "CREATE TABLE notes (line INTEGER, text TEXT);"
            "CREATE INDEX by_line ON notes (line);"
            "BEGIN"
        )

    def see(self, kind: str, value: str, line: int) -> int:
        """Remember that the line speaks of this value; returns the first line that did."""
        row = self._file.execute(
            "INSERT INTO seen VALUES (?, ?, 1) ON CONFLICT (key) DO UPDATE SET times = times + 1 RETURNING line",
            (_digest(kind, value), line),
        ).fetchone()
        return int(row[0])

    def seen(self, kind: str, value: str) -> tuple[int, int]:
        """The first line that spoke of it, and how many did; (0, 0) when none."""
        row = self._file.execute("SELECT line, times FROM seen WHERE key = ?", (_digest(kind, value),)).fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)

    def keep(self, name: str, value: str) -> None:
        self._file.execute("INSERT OR REPLACE INTO kept VALUES (?, ?)", (name, value))

    def kept(self, name: str) -> str | None:
        row = self._file.execute("SELECT value FROM kept WHERE id = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def note(self, line: int, text: str) -> None:
        self._file.execute("INSERT INTO notes VALUES (?, ?)", (line, text))

    def notes(self, after: int) -> list[tuple[int, str]]:
        """About a chunk of notes after this line, whole lines, in order."""
        rows = self._file.execute(
            "SELECT line, text FROM notes WHERE line > ? ORDER BY line, rowid LIMIT ?", (after, _CHUNK)
        ).fetchall()
        if len(rows) == _CHUNK:
            last = rows[-1][0]
            rows = [row for row in rows if row[0] != last]
            rows += self._file.execute("SELECT line, text FROM notes WHERE line = ? ORDER BY rowid", (last,)).fetchall()
        return [(int(line), str(text)) for line, text in rows]

    def close(self) -> None:
        self._file.close()


def _digest(kind: str, value: str) -> bytes:
    return blake2b(f"{kind}\0{value}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Run:
    """One import under way. ``share`` of the work is done when all bytes of a pass were read."""

    def __init__(
        self,
        import_id: str,
        actor: Actor,
        records: Records,
        ambient: Ambient,
        *,
        dry_run: bool,
        options: Mapping[str, str],
    ) -> None:
        self.id = import_id
        self.actor = actor
        self.dry_run = dry_run
        self.options = options
        self.ledger = Ledger()
        self.counts: Counter[str] = Counter()
        self._records = records
        self._ambient = ambient
        self._written = 0
        self._told = float("-inf")

    def now(self) -> datetime:
        return self._ambient.now()

    def add(self, notes: Sequence[Note]) -> None:
        """Count these lines, and keep what is worth reading."""
        for note in notes:
            self.counts[note.outcome.value] += 1
            if note.outcome is not Outcome.UNCHANGED or note.detail:
                self._keep(note)

    def remark(self, detail: str) -> None:
        """A word about the whole file, at its first line."""
        self._keep(Note(1, Outcome.UNCHANGED, "", detail))

    def _keep(self, note: Note) -> None:
        said = {"line": note.line, "outcome": note.outcome.value, "key": note.key, "detail": note.detail}
        self.ledger.note(note.line, json.dumps(said, ensure_ascii=False))

    async def batches(
        self, source: Source, lines: Callable[[], Iterator[T]], share: tuple[float, float]
    ) -> AsyncIterator[list[T]]:
        """What ``lines`` yields, read beside the event loop, a batch at a time; tells the progress after each."""
        walk = lines()
        while batch := await asyncio.to_thread(lambda: list(islice(walk, BATCH))):
            yield batch
            done = source.size * share[0] + batch[-1].read * (share[1] - share[0])
            await self.tell(int(done))

    async def settle(self, rows: Sequence[T], attempt: Callable[[Sequence[T]], Awaitable[Sequence[Note]]]) -> None:
        """Let ``attempt`` do these rows in one transaction: again when somebody else was quicker, and by halves when that
        does not help. Raises ``RecordsUnavailable`` when the database stays away."""
        if not rows:
            return
        for turn in range(_TURNS):
            try:
                self.add(await attempt(rows))
                return
            except RecordsUnavailable:
                if turn == _TURNS - 1:
                    raise
                await asyncio.sleep(0.2 * 2**turn)
            except (Stale, Taken):
                continue
            except TooMany:
                break
        if len(rows) == 1:
            self.add([Note(rows[0].line, Outcome.REFUSED, rows[0].key, _BUSY)])
            return
        half = len(rows) // 2
        await self.settle(rows[:half], attempt)
        await self.settle(rows[half:], attempt)

    async def tell(self, done: int) -> None:
        """Write the progress, now and then. Raises ``Stale`` when somebody took this import for dead."""
        if self._ambient.monotonic() - self._told < _EVERY:
            return
        self._told = self._ambient.monotonic()
        with contextlib.suppress(RecordsUnavailable):  # the next word will do
            await self._records.write(
                Update(
                    "imports",
                    {"done": done, "counts": json.dumps(self.counts), "updated_at": self.now()},
                    {"id": self.id, "state": "running"},
                )
            )

    async def publish(self) -> None:
        """Write the lines of the report that are settled; what comes later must be of later lines."""
        turn = 0
        while notes := await asyncio.to_thread(self.ledger.notes, self._written):
            text = "\n".join(text for _, text in notes)
            try:
                await self._records.write(
                    Insert("import_reports", {"import_id": self.id, "chunk": notes[0][0], "lines": text}),
                )
            except Taken:
                pass  # it was written before the database fell silent
            except RecordsUnavailable:
                turn += 1
                if turn == _TURNS:
                    raise
                await asyncio.sleep(0.2 * 2**turn)
                continue
            self._written = notes[-1][0]
