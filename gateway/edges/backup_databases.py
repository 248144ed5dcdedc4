"""Copies of the records for a backup, and their return in the place of those there are: SQLite and PostgreSQL.

What was there is put aside, under another name, and nothing is taken away. What fails is ``BackupFailed``.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from gateway.database_url import parse
from gateway.reasons import GatewayError

_ASIDE = "before_restore_"
_FACTS = {
    "schema": "SELECT version_num FROM alembic_version",
    "accounts": "SELECT count(*) FROM accounts",
    "audit_seq": "SELECT coalesce(max(seq), 0) FROM audit",
    "audit_at": "SELECT max(at) FROM audit",
}


class BackupFailed(GatewayError):
    """Nothing was written under the name asked for, or nothing was restored; the message says why."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """What was there before a restore: where it is kept, how far its audit went, and its acts that the backup does not
    hold, by kind. ``audit_seq`` is ``None`` when it could not be read."""

    kept_as: str
    audit_seq: int | None
    lost: Mapping[str, int]


# SQLite


def copy_sqlite(url: str, target: Path) -> dict[str, Any]:
    """A copy made while others write; returns what a manifest says of it."""
    source = Path(url.removeprefix("sqlite:///"))
    if not source.exists():
        raise BackupFailed(f"{source} is not there")
    with _told("the copy"):
        os.close(os.open(target, os.O_CREAT | os.O_EXCL, 0o600))
        with closing(sqlite3.connect(source)) as db, closing(sqlite3.connect(target)) as copy:
            db.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        check_sqlite(target)
        with closing(sqlite3.connect(target)) as copy:
            return _facts(lambda question: copy.execute(question).fetchone()[0])


def check_sqlite(database: Path) -> None:
    """Raises ``BackupFailed`` unless SQLite finds the file sound."""
    with _told("the database of the backup"), closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        found = [row[0] for row in db.execute("PRAGMA integrity_check")]
        if found != ["ok"]:
            raise BackupFailed(f"the database is damaged: {found[0]}")


def place_sqlite(place: Path, database: Path, seq: int, now: datetime) -> Replaced | None:
    """This file instead of the one at ``place``, which nobody may have open. ``seq``: how far its audit goes."""
    check_sqlite(database)
    owner = (place if place.exists() else place.parent).stat()
    replaced: Replaced | None = None
    if place.exists():
        aside = place.with_name(f"{place.name}.{_ASIDE}{_stamp(now)}")
        _close_sqlite(place)
        replaced = Replaced(str(aside), *_after_sqlite(place, seq))
        os.link(place, aside)  # at no instant is there no file: a gateway would begin with an empty one
    for leftover in ("-wal", "-shm"):  # of a file that was damaged: they must not be taken for the new one's
        with contextlib.suppress(FileNotFoundError):
            place.with_name(place.name + leftover).unlink()
    database.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(database, owner.st_uid, owner.st_gid)
    with database.open("rb") as file:
        os.fsync(file.fileno())
    database.replace(place)
    handle = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return replaced


def _close_sqlite(place: Path) -> None:
    """Write what is in the log into the file, which goes only while nobody else has it open."""
    try:
        with closing(sqlite3.connect(place, timeout=0)) as db:
            mode = db.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
    except sqlite3.OperationalError as error:
        raise BackupFailed(f"{place} is in use ({error}): stop the gateway first") from error
    except sqlite3.DatabaseError:
        return  # damaged: that is why it is restored
    if mode != "delete":
        raise BackupFailed(f"{place} is in use: stop the gateway first")


def _after_sqlite(place: Path, seq: int) -> tuple[int | None, Mapping[str, int]]:
    try:
        with closing(sqlite3.connect(f"file:{place}?mode=ro", uri=True)) as db:
            last = db.execute(_FACTS["audit_seq"]).fetchone()[0]
            lost = db.execute("SELECT act, count(*) FROM audit WHERE seq > ? GROUP BY act ORDER BY act", (seq,))
            return int(last), dict(lost.fetchall())
    except sqlite3.DatabaseError:
        return None, {}


# PostgreSQL


def dump_postgres(url: str, target: Path) -> dict[str, Any]:
    """pg_dump's custom format, of one instant; returns what a manifest says of it."""
    line, environment = _connection(url)
    os.close(os.open(target, os.O_CREAT | os.O_EXCL, 0o600))
    with _told("PostgreSQL"), psycopg.connect(line, password=environment.get("PGPASSWORD")) as db:
        db.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        snapshot = _one(db, "SELECT pg_export_snapshot()")  # the dump and the manifest speak of one instant
        facts = _facts(lambda question: _one(db, question))
        program(
            [
                "pg_dump",
                "--format=custom",
                f"--exclude-schema={_ASIDE}*",
                f"--snapshot={snapshot}",
                f"--file={target}",
                f"--dbname={line}",
            ],
            environment,
        )
    return facts


def place_postgres(url: str, database: Path, seq: int, now: datetime) -> Replaced | None:
    """This dump as the schema public, in the place of the one there is, with which nobody may be connected."""
    line, environment = _connection(url)
    password = environment.get("PGPASSWORD")
    aside = f"{_ASIDE}{_stamp(now)}"
    with _told("PostgreSQL"), psycopg.connect(line, password=password, autocommit=True) as db:
        others = _one(
            db,
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'",
        )
        if others:
            raise BackupFailed(f"the database is in use by {others} connections: stop every gateway first")
        replaced: Replaced | None = None
        if _one(db, "SELECT to_regclass('public.audit') IS NOT NULL"):
            last = int(_one(db, _FACTS["audit_seq"]))
            question = "SELECT act, count(*) FROM audit WHERE seq > %s GROUP BY act ORDER BY act"
            replaced = Replaced(aside, last, dict(db.execute(question, (seq,)).fetchall()))
        with db.transaction():
            db.execute(f'ALTER SCHEMA public RENAME TO "{aside}"')  # our own name, of letters and digits
            db.execute("CREATE SCHEMA public")
    restoring = ["pg_restore", "--no-owner", "--no-privileges", "--single-transaction", "--exit-on-error"]
    try:
        program([*restoring, f"--dbname={line}", str(database)], environment)
    except BackupFailed:
        with _told("PostgreSQL"), psycopg.connect(line, password=password) as db:
            db.execute("DROP SCHEMA public CASCADE")
            db.execute(f'ALTER SCHEMA "{aside}" RENAME TO public')
        raise
    return replaced


def _connection(url: str) -> tuple[str, dict[str, str]]:
    """The address for libpq, without the password, which goes by the environment: other users see command lines."""
    try:
        address = parse(url)
    except ValueError as error:
        raise BackupFailed(f"records.url: {error}") from error
    named = dict(address.parameters)
    password = named.pop("password", None)
    hosts = [host for host, _ in address.hosts]
    ports = [port for _, port in address.hosts]
    if any(hosts):
        named["host"] = ",".join(hosts)
    if any(ports):
        named["port"] = ",".join(ports)
    named.setdefault("connect_timeout", "5")
    named["target_session_attrs"] = named.get("target_session_attrs", "read-write")
    environment = {} if password is None else {"PGPASSWORD": password}
    return make_conninfo("", **named), environment


def _one(db: psycopg.Connection[Any], question: str) -> Any:
    row = db.execute(question.encode()).fetchone()
    return row[0] if row else None


def program(line: list[str], environment: Mapping[str, str]) -> str:
    """What one of PostgreSQL's own programs printed."""
    try:
        done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs
            line, capture_output=True, text=True, check=False, env={**os.environ, **environment}
        )
    except OSError as error:
        raise BackupFailed(f"{line[0]} cannot be run ({error.strerror}); it comes with PostgreSQL's client") from error
    if done.returncode:
        raise BackupFailed(f"{line[0]}: {done.stderr.strip() or done.returncode}")
    return done.stdout


# Both


def _facts(ask: Callable[[str], Any]) -> dict[str, Any]:
    found = {name: ask(question) for name, question in _FACTS.items()}
    at = found["audit_at"]
    if isinstance(at, datetime):
        found["audit_at"] = at.astimezone(UTC).isoformat()
    elif at is not None:
        found["audit_at"] = datetime.fromisoformat(at).replace(tzinfo=UTC).isoformat()
    return found


def _stamp(now: datetime) -> str:
    """Not the same for two restores in one second."""
    return now.astimezone(UTC).strftime("%Y%m%d_%H%M%S_%f")


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, psycopg.Error) as error:
        raise BackupFailed(f"{what}: {str(error).strip()}") from error
