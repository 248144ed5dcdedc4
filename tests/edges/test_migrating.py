"""Migrations among others who work: under load, behind long reads, by several at once, and by versions of different age."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from alembic.config import Config

from gateway.edges import migrating
from gateway.edges.database import Database
from gateway.ports import Insert
from gateway.reasons import RecordsUnavailable
from tests.blank import Blank
from tests.edges.migrated import HEAD, REVISIONS, bring

LOCK = 2.0  # seconds the gateway's statements wait for a lock, on PostgreSQL

# How an index is made on a table that may be big: outside of a transaction, and again if it was stopped half-way.
NEWER = '''
"""A step of a version to come."""
import sqlalchemy as sa
from alembic import op

revision = "9001"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("accounts", sa.Column("shoe_size", sa.Integer(), nullable=True))
    op.create_table("shoes", sa.Column("id", sa.String(), nullable=False), sa.PrimaryKeyConstraint("id", name="pk_shoes"))
    if op.get_bind().dialect.name != "postgresql":
        op.create_index("ix_accounts_shoe_size", "accounts", ["shoe_size"])
        return
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")  # it waits for who reads, and nobody waits for it
        op.drop_index("ix_accounts_shoe_size", if_exists=True, postgresql_concurrently=True)
        op.create_index("ix_accounts_shoe_size", "accounts", ["shoe_size"], postgresql_concurrently=True)
'''


@contextmanager
def newer_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within it the gateway is of a version to come, with one step more."""
    folder = tmp_path / "migrations"
    shutil.copytree(Path(migrating.__file__).parent / "migrations", folder, dirs_exist_ok=True)
    (folder / "versions" / "m9001_newer.py").write_text(NEWER.format(head=HEAD))
    usual = migrating.config

    def config(connection: object) -> Config:
        made = usual(connection)  # type: ignore[arg-type]
        made.set_main_option("script_location", str(folder))
        return made

    with monkeypatch.context() as patched:
        patched.setattr(migrating, "config", config)
        yield


async def test_a_version_before_works_on_the_schema_of_a_newer_one(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """During a rolling upgrade its workers stay ready, write, and leave the schema as it is when they start anew."""
    old, new = Database(url), Database(url)
    assert await old.is_current()
    with newer_version(tmp_path, monkeypatch):
        assert not await new.is_current()
        await new.migrate()
        assert await new.is_current()
    assert await old.is_current()
    await old.migrate()
    await old.write(Insert("revisions", {"name": "old", "value": 1}))
    with newer_version(tmp_path, monkeypatch):
        assert await new.is_current()
        await new.migrate()
    await old.close()
    await new.close()


async def test_a_schema_of_nobody_knows_whom_is_refused(url: str) -> None:
    """An unknown revision that is not newer than ours is none of our family."""
    if url.startswith("sqlite:"):
        import sqlite3

        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            connection.execute("UPDATE alembic_version SET version_num = '0000x'")
        connection.close()
    else:
        with psycopg.connect(url.replace("+psycopg", "")) as server:
            server.execute("UPDATE alembic_version SET version_num = '0000x'")
    database = Database(url)
    with pytest.raises(RecordsUnavailable, match="unknown revision 0000x"):
        await database.is_current()
    with pytest.raises(RecordsUnavailable, match="unknown revision 0000x"):
        await database.migrate()
    await database.close()


@dataclass
class Old:
    """A worker of the first version: it writes accounts and reads them, with the gateway's time-outs."""

    address: str
    done: int = 0
    longest: float = 0.0
    fault: BaseException | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def work(self, who: int) -> None:
        try:
            with psycopg.connect(self.address, autocommit=True) as connection:
                connection.execute(f"SET lock_timeout = {int(LOCK * 1000)}")
                while not self.stop.is_set():
                    began = time.monotonic()
                    connection.execute(
                        "INSERT INTO accounts (id, family_name, given_name, password_must_change, origin, space_default,"
                        " created_at, updated_at, version) VALUES (%s, 'M', 'C', false, 'strong', 'liberal', now(), now(), 1)",
                        (f"{who}-{self.done}-{time.monotonic_ns()}",),
                    )
                    connection.execute("SELECT count(*) FROM accounts WHERE mail_key = 'x'")
                    connection.execute("UPDATE scopes SET version = version + 1")
                    self.longest = max(self.longest, time.monotonic() - began)
                    self.done += 1
        except psycopg.Error as error:
            self.fault = error


def held_up(address: str) -> bool:
    """Whether somebody waits to have a table for themselves."""
    with psycopg.connect(address) as other:
        return bool(other.execute("SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'").fetchall())


async def comes(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not await asyncio.to_thread(what):
            await asyncio.sleep(0.02)


async def test_all_steps_under_load_and_behind_a_long_read(postgres_blank: Blank) -> None:
    """From the first schema to the newest while the first version writes and reads, and somebody reads for seconds: nobody
    fails, and nobody waits longer than for a lock. The migration waits for the reader, and the others do not."""
    url = postgres_blank.empty()
    bring(url, REVISIONS[0])
    address = url.replace("+psycopg", "")
    worker, database = Old(address), Database(url)
    threads = [threading.Thread(target=worker.work, args=(n,)) for n in range(3)]
    with psycopg.connect(address) as reader:
        reader.execute("SELECT count(*) FROM accounts")  # and stays in its transaction
        for thread in threads:
            thread.start()
        try:
            migration = asyncio.create_task(database.migrate())
            for _ in range(2):  # it waits a while, lets everybody through, and tries again
                await comes(lambda: held_up(address))
                await comes(lambda: not held_up(address))
                done = worker.done
                await comes(lambda done=done: worker.done > done + 3)  # type: ignore[misc]
            assert not migration.done()
            reader.rollback()
            await migration
        finally:
            worker.stop.set()
            for thread in threads:
                await asyncio.to_thread(thread.join)
    print(f"longest of {worker.done} rounds of the first version: {worker.longest:.2f} s")
    assert worker.fault is None
    assert worker.longest < LOCK
    assert await database.is_current()
    await database.close()


async def test_tables_in_use_all_along_end_a_migration(postgres_blank: Blank, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many tries, with the step that is missing; later it goes on from there."""
    monkeypatch.setattr(migrating, "_TABLES", 50)
    monkeypatch.setattr(migrating, "_TRIES", 3)
    monkeypatch.setattr(migrating, "_PAUSE", (0.01, 0.02))
    url = postgres_blank.empty()
    bring(url, REVISIONS[0])
    database = Database(url)
    with psycopg.connect(url.replace("+psycopg", "")) as reader:
        reader.execute("SELECT count(*) FROM accounts")
        with pytest.raises(RecordsUnavailable, match=f"step {REVISIONS[1]}: tables in use all along, 3 tries"):
            await database.migrate()
    assert not await database.is_current()
    await database.migrate()
    assert await database.is_current()
    await database.close()
