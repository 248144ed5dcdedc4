"""The Store and Bus ports in a SQLite file: survives a restart, shared by the workers of one machine.

One thread owns the connection; the event loop never waits for the disk. WAL with ``synchronous=NORMAL``: a killed
process loses nothing it was told is written; after a power cut the last moments may be missing, which for sessions
means a new sign-in. Every fault of SQLite is ``StoreUnavailable``; a caller that goes away changes nothing for others.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from gateway.ending import ended
from gateway.ports import Ambient
from gateway.reasons import StoreUnavailable

_BUSY = 1.5  # seconds another process may hold the write lock
_WAIT = 2.5  # seconds a caller waits at most
_SWEEP = timedelta(minutes=1)
_NEWS_LIFE = 60  # seconds a message of the bus is kept
_NEWS_EVERY = 0.2  # seconds between two looks for messages of other workers

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, value BLOB NOT NULL, ends INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entries_ends ON entries (ends);
CREATE TABLE IF NOT EXISTS news (id INTEGER PRIMARY KEY AUTOINCREMENT, message TEXT NOT NULL, at INTEGER NOT NULL);
"""

T = TypeVar("T")


class SqliteStore:
    """``path`` is made if it is missing, readable by its owner alone."""

    replicated = False

    def __init__(self, path: Path, ambient: Ambient) -> None:
        self._path = path
        self._ambient = ambient
        self._thread = ThreadPoolExecutor(1, "store")
        self._db: sqlite3.Connection | None = None
        self._heard: list[Callable[[str], None]] = []
        self._inode = 0
        self._last_news = 0
        self._data_version = -1
        self._swept: datetime | None = None
        self._poller: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Make the file if there is none, open it and begin to hear other workers. Raises ``StoreUnavailable``."""
        await self._run(self._make)
        self._poller = asyncio.get_running_loop().create_task(self._poll(), name="store news")

    async def read(self, *keys: str) -> tuple[bytes | None, ...]:
        now = self._stamp()
        return await self._run(lambda: self._read(keys, now))

    async def write(self, key: str, value: bytes, ttl: timedelta) -> None:
        now = self._stamp()
        await self._run(lambda: self._write(key, value, now, ttl))

    async def swap(self, key: str, old: bytes | None, new: bytes | None, ttl: timedelta | None = None) -> bool:
        if new is not None and ttl is None:
            raise ValueError("a new value needs a ttl")
        now = self._stamp()
        return await self._run(lambda: self._swap(key, old, new, now, ttl))

    async def publish(self, message: str) -> None:
        now = self._stamp()
        await self._run(lambda: self._tell(message, now))
        self._spread([message])

    def listen(self, heard: Callable[[str], None]) -> None:
        self._heard.append(heard)

    async def close(self) -> None:
        if self._poller is not None:
            await ended(self._poller)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._close)
        self._thread.shutdown(wait=False)

    # In the thread

    def _make(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        self._open()

    def _open(self) -> None:
        db = sqlite3.connect(self._path, timeout=_BUSY, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
            db.executescript(_SCHEMA)
            self._last_news = db.execute("SELECT coalesce(max(id), 0) FROM news").fetchone()[0]
        except sqlite3.Error:
            db.close()
            raise
        self._db = db
        self._inode = self._path.stat().st_ino

    def _connection(self) -> sqlite3.Connection:
        """The open file, as long as it is still the one at the path. A file that vanished is an outage, never an empty
        store: making a new one here would sign everybody out."""
        inode = self._path.stat().st_ino  # raises OSError, which is StoreUnavailable
        if self._db is None or inode != self._inode:
            self._close()
            self._open()
        if self._db is None:
            raise sqlite3.OperationalError("not open")
        return self._db

    def _close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _read(self, keys: Iterable[str], now: int) -> tuple[bytes | None, ...]:
        db = self._connection()
        found: list[bytes | None] = []
        expired: list[str] = []
        for key in keys:
            row = db.execute("SELECT value, ends FROM entries WHERE key = ?", (key,)).fetchone()
            if row is not None and row[1] <= now:
                expired.append(key)
                row = None
            found.append(None if row is None else bytes(row[0]))
        for key in expired:  # once seen expired, gone: a clock set back does not bring it to life again
            db.execute("DELETE FROM entries WHERE key = ? AND ends <= ?", (key, now))
        return tuple(found)

    def _write(self, key: str, value: bytes, now: int, ttl: timedelta) -> None:
        db = self._connection()
        db.execute("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", (key, value, now + _milliseconds(ttl)))
        self._sweep(db, now)

    def _swap(self, key: str, old: bytes | None, new: bytes | None, now: int, ttl: timedelta | None) -> bool:
        db = self._connection()
        db.execute("BEGIN IMMEDIATE")
        try:
            row = db.execute("SELECT value, ends FROM entries WHERE key = ?", (key,)).fetchone()
            held = None if row is None or row[1] <= now else bytes(row[0])
            same = held == old
            if same and new is None:
                db.execute("DELETE FROM entries WHERE key = ?", (key,))
            elif same and new is not None and ttl is not None:
                db.execute("INSERT OR REPLACE INTO entries VALUES (?, ?, ?)", (key, new, now + _milliseconds(ttl)))
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise
        return same

    def _sweep(self, db: sqlite3.Connection, now: int) -> None:
        instant = self._ambient.now()
        if self._swept is None or abs(instant - self._swept) >= _SWEEP:
            self._swept = instant
            db.execute("DELETE FROM entries WHERE ends <= ?", (now,))
            db.execute("DELETE FROM news WHERE at <= ?", (now - _NEWS_LIFE * 1000,))

    def _tell(self, message: str, now: int) -> None:
        db = self._connection()
        row = db.execute("INSERT INTO news (message, at) VALUES (?, ?) RETURNING id", (message, now)).fetchone()
        if row[0] == self._last_news + 1:
            self._last_news = row[0]  # nobody spoke in between; our own word needs no second hearing

    def _news(self) -> list[str]:
        db = self._connection()
        version = db.execute("PRAGMA data_version").fetchone()[0]
        if version == self._data_version:
            return []
        self._data_version = version
        rows = db.execute("SELECT id, message FROM news WHERE id > ? ORDER BY id", (self._last_news,)).fetchall()
        if rows:
            self._last_news = rows[-1][0]
        return [row[1] for row in rows]

    # In the loop

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(_NEWS_EVERY)
            try:
                self._spread(await self._run(self._news))
            except StoreUnavailable:
                continue  # whoever asks next is told; messages lost meanwhile are covered by the age of caches

    def _spread(self, messages: list[str]) -> None:
        for message in messages:
            for heard in self._heard:
                heard(message)

    async def _run(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_WAIT):
                return await asyncio.shield(loop.run_in_executor(self._thread, work))
        except (sqlite3.Error, OSError, RuntimeError, TimeoutError) as error:
            raise StoreUnavailable("the store file gives no answer") from error

    def _stamp(self) -> int:
        return int(self._ambient.now().timestamp() * 1000)


def _milliseconds(ttl: timedelta) -> int:
    return max(1, int(ttl.total_seconds() * 1000))
