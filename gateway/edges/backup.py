"""A backup of the records as one file that was checked, and its return.

* The file is a tar of two members: ``manifest.json`` (what it is, how far the audit goes, sums) and the database:
  ``records.db``, a copy that SQLite made while others wrote, or ``records.dump`` in the custom format of pg_dump.
* It is written beside its place, read again whole, and only then has its name: a backup that exists is a good one.
* The store is not in it: everything there is dead after a restore, by the epoch. Neither are keys.
* A restore puts aside what was there, under another name, and takes nothing away.

Everything here blocks: it belongs to commands of the shell. What fails is ``BackupFailed``, in words for people.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from gateway.edges.backup_databases import (
    BackupFailed,
    Replaced,
    check_sqlite,
    copy_sqlite,
    dump_postgres,
    place_postgres,
    place_sqlite,
    program,
)

_FORMAT = 1
_MANIFEST = "manifest.json"
_MEMBERS = {"sqlite": "records.db", "postgresql": "records.dump"}
_BLOCK = 1 << 20
_LARGEST_MANIFEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Manifest:
    """``audit_seq`` and ``audit_at``: of the last row of the audit. ``sha256``: of the database member."""

    format: int
    gateway: str
    made_at: str
    records: str  # sqlite, postgresql
    schema: str
    accounts: int
    audit_seq: int
    audit_at: str | None
    size: int
    sha256: str


def create(url: str, target: Path, version: str, now: datetime) -> Manifest:
    """Write the backup of these records to ``target``, which must not exist; readable by its owner alone."""
    if target.exists():
        raise BackupFailed(f"{target} exists")
    kind = _kind(url)
    with _folder(target.parent) as folder:
        database = folder / _MEMBERS[kind]
        facts = copy_sqlite(url, database) if kind == "sqlite" else dump_postgres(url, database)
        size, found = _sum(database)
        made = Manifest(_FORMAT, version, now.astimezone(UTC).isoformat(), kind, **facts, size=size, sha256=found)
        whole = folder / "whole"
        with os.fdopen(os.open(whole, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
                text = json.dumps(asdict(made), indent=1).encode()
                entry = tarfile.TarInfo(_MANIFEST)
                entry.size, entry.mode = len(text), 0o600
                tar.addfile(entry, io.BytesIO(text))
                entry = tarfile.TarInfo(database.name)
                entry.size, entry.mode = size, 0o600
                with database.open("rb") as content:
                    tar.addfile(entry, content)
            file.flush()
            os.fsync(file.fileno())
        if check(whole) != made:
            raise BackupFailed("what was written is not what was read back")
        whole.rename(target)
    return made


def check(path: Path) -> Manifest:
    """Read a whole backup: the sums, and whether the database in it opens."""
    with _folder(path.parent) as folder:
        made, database = _unpacked(path, folder)
        if made.records == "sqlite":
            check_sqlite(database)
        else:
            listed = program(["pg_restore", "--list", str(database)], {})
            if " TABLE DATA public audit " not in listed:
                raise BackupFailed(f"{path}: the dump holds no audit")
    return made


def restore(url: str, path: Path, now: datetime) -> tuple[Manifest, Replaced | None]:
    """Put these records in the place of those there are, which no gateway may have open."""
    kind = _kind(url)
    parent = Path(url.removeprefix("sqlite:///")).parent if kind == "sqlite" else path.parent
    with _folder(parent) as folder:
        made, database = _unpacked(path, folder)
        if made.records != kind:
            raise BackupFailed(f"{path} is a backup of {made.records}, and records.url is {kind}")
        if kind == "sqlite":
            return made, place_sqlite(Path(url.removeprefix("sqlite:///")), database, made.audit_seq, now)
        return made, place_postgres(url, database, made.audit_seq, now)


# Both


def _kind(url: str) -> str:
    return "sqlite" if url.startswith("sqlite:///") else "postgresql"


def _unpacked(path: Path, folder: Path) -> tuple[Manifest, Path]:
    """The manifest and the database of a backup, whose sums are right. Nothing in it decides where anything is written."""
    try:
        with tarfile.open(path, "r:") as tar:
            first = tar.next()
            content = tar.extractfile(first) if first and first.name == _MANIFEST else None
            if first is None or content is None or first.size > _LARGEST_MANIFEST:
                raise BackupFailed(f"{path} is no backup of a gateway")
            said = json.loads(content.read())
            if said.get("format") != _FORMAT:
                raise BackupFailed(f"{path} is a backup of another format, {said.get('format')}")
            made = Manifest(**said)
            second = tar.next()
            content = tar.extractfile(second) if second and second.name == _MEMBERS[made.records] else None
            if content is None:
                raise BackupFailed(f"{path} holds no database")
            target = folder / "unpacked"
            with os.fdopen(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                _pour(content, file)
    except (OSError, tarfile.TarError, ValueError, TypeError, KeyError) as error:
        raise BackupFailed(f"{path} cannot be read as a backup: {error}") from error
    if _sum(target) != (made.size, made.sha256):
        raise BackupFailed(f"{path} is damaged: its sums do not fit")
    return made, target


def _pour(source: IO[bytes], target: IO[bytes]) -> None:
    while block := source.read(_BLOCK):
        target.write(block)


def _sum(path: Path) -> tuple[int, str]:
    found, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found.update(block)
            size += len(block)
    return size, found.hexdigest()


@contextmanager
def _folder(beside: Path) -> Iterator[Path]:
    """For what is not finished, on the same file system, of its owner alone; gone afterwards."""
    try:
        folder = tempfile.TemporaryDirectory(prefix=".vtgw-", dir=beside)
    except OSError as error:
        raise BackupFailed(f"{beside}: {error.strerror}") from error
    with folder as name:
        try:
            yield Path(name)
        except OSError as error:
            raise BackupFailed(f"{error.filename or beside}: {error.strerror}") from error
