"""One contract for Records: SQLite, and a real PostgreSQL."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import event, text

from gateway.accounts.account import Grant, Role
from gateway.accounts.register import Register
from gateway.edges.database import Database
from gateway.edges.migrating import config
from gateway.edges.system import SystemAmbient
from gateway.ports import Change, Delete, Insert, Row, Span, Update
from gateway.reasons import RecordsUnavailable, Stale, Taken
from tests.servers import postgres_server

NOW = datetime(2026, 3, 2, 9, 30, 15, 123456, tzinfo=UTC)


@pytest.fixture
async def records(url: str) -> AsyncIterator[Database]:
    database = Database(url)
    await database.migrate()
    yield database
    await database.close()


def account(number: int, **changes: Any) -> Insert:
    values: dict[str, Any] = {
        "id": f"acc_{number}",
        "national_id": f"8{number:011d}",
        "family_name": "D’ALMÉIDA",
        "given_name": "Inès",
        "mail": f"p{number}@example.test",
        "mail_key": f"p{number}@example.test",
        "password_must_change": False,
        "origin": "strong",
        "space_default": "liberal",
        "created_at": NOW,
        "updated_at": NOW,
        "version": 1,
    }
    return Insert("accounts", values | changes)


async def test_rows_come_back_as_written(records: Database) -> None:
    """Text keeps its accents, absence stays absence, instants are aware and UTC."""
    paris = timezone(timedelta(hours=1))
    await records.write(account(1, last_sign_in_at=NOW.astimezone(paris)))
    (row,) = await records.find("accounts", {"id": "acc_1"})
    assert row["family_name"] == "D’ALMÉIDA"
    assert row["profession"] is None
    assert row["password_must_change"] is False
    assert row["last_sign_in_at"] == NOW
    assert isinstance(row["last_sign_in_at"], datetime)
    assert row["last_sign_in_at"].tzinfo is UTC


async def test_naive_instants_are_refused(records: Database) -> None:
    """An instant without zone is a programming error, not a guess."""
    with pytest.raises((ValueError, RecordsUnavailable)):
        await records.write(account(1, created_at=datetime(2026, 1, 1)))


async def test_find_conditions_order_and_limit(records: Database) -> None:
    """Equality, membership, absence, both directions, and a limit."""
    await records.write(*(account(n, profession="10" if n % 2 else None) for n in range(1, 6)))
    ids = [row["id"] for row in await records.find("accounts", {"profession": None}, order=("id",))]
    assert ids == ["acc_2", "acc_4"]
    ids = [row["id"] for row in await records.find("accounts", {"id": ["acc_1", "acc_5", "acc_9"]}, order=("-id",))]
    assert ids == ["acc_5", "acc_1"]
    assert len(await records.find("accounts", {}, limit=3)) == 3
    assert await records.find("accounts", {"id": []}) == ()


async def test_spans_are_half_open(records: Database) -> None:
    """A span takes its first instant and not its last, may be open on a side, and never holds an absent value."""
    await records.write(*(account(n, last_sign_in_at=NOW + timedelta(days=n)) for n in range(1, 6)), account(6))

    async def found(span: Span) -> list[str]:
        rows = await records.find("accounts", {"last_sign_in_at": span}, order=("last_sign_in_at",))
        assert len(rows) == await records.count("accounts", {"last_sign_in_at": span})
        return [str(row["id"]) for row in rows]

    day = timedelta(days=1)
    assert await found(Span(NOW + 2 * day, NOW + 4 * day)) == ["acc_2", "acc_3"]
    assert await found(Span(after=NOW + 4 * day)) == ["acc_4", "acc_5"]
    assert await found(Span(before=NOW + 2 * day + timedelta(microseconds=1))) == ["acc_1", "acc_2"]
    assert len(await found(Span())) == 5
    assert await found(Span(NOW + 3 * day, NOW + 3 * day)) == []
    paris = timezone(timedelta(hours=1))
    assert await found(Span((NOW + 5 * day).astimezone(paris))) == ["acc_5"]


async def test_spans_with_other_conditions(records: Database) -> None:
    """Spans of texts walk a table from where one stopped, and stand beside equality and absence."""
    await records.write(*(account(n, profession="10" if n % 2 else None) for n in range(1, 8)))
    rows = await records.find("accounts", {"id": Span(after="acc_3"), "profession": "10"}, order=("id",), limit=2)
    assert [row["id"] for row in rows] == ["acc_3", "acc_5"]
    assert await records.count("accounts", {"id": Span(before="acc_3"), "profession": None}) == 1
    assert await records.count("accounts", {}) == 7


async def test_deletion_by_span_and_by_keys(records: Database) -> None:
    """What lies in a span is removed and nothing else; so are rows whose keys were found with a limit."""
    old = [Insert("audit", {"at": NOW - timedelta(days=n), "act": "x", "facts": "{}"}) for n in range(10)]
    await records.write(*old)
    await records.write(Delete("audit", {"at": Span(before=NOW - timedelta(days=6))}))
    assert await records.count("audit", {}) == 7
    rows = await records.find("audit", {"at": Span(before=NOW)}, order=("at",), limit=4)
    await records.write(Delete("audit", {"seq": [row["seq"] for row in rows]}))
    left = await records.find("audit", {}, order=("at",))
    assert [row["at"] for row in left] == [NOW - timedelta(days=2), NOW - timedelta(days=1), NOW]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"national_id": "800000000001"}, "accounts.national_id"),
        ({"mail_key": "p1@example.test"}, "accounts.mail_key"),
        ({"id": "acc_1"}, "accounts.id"),
    ],
)
async def test_r17_r18_taken_says_which_value(records: Database, changes: dict[str, Any], key: str) -> None:
    """A second row with a unique value is refused, by name, and nothing of its write stays."""
    await records.write(account(1))
    with pytest.raises(Taken) as error:
        await records.write(
            Insert("scopes", {"id": "s", "kind": "service", "name": "S", "updated_at": NOW, "version": 1}),
            account(2, **changes),
        )
    assert error.value.key == key
    assert await records.find("scopes", {}) == ()


async def test_stale_update_undoes_all(records: Database) -> None:
    """An update whose row moved on fails, and takes the whole write with it."""
    await records.write(account(1))
    with pytest.raises(Stale):
        await records.write(account(2), Update("accounts", {"version": 3}, {"id": "acc_1", "version": 2}))
    assert len(await records.find("accounts", {})) == 1


async def test_delete_removes_what_matches(records: Database) -> None:
    """Deletion needs a condition and counts nothing as fine."""
    await records.write(account(1))
    await records.write(Delete("accounts", {"id": "nobody"}))
    with pytest.raises(LookupError):
        await records.write(Delete("accounts", {}))
    await records.write(Delete("accounts", {"id": "acc_1"}))
    assert await records.find("accounts", {}) == ()


async def test_what_belongs_to_an_account_is_two_questions(records: Database) -> None:
    """Every request of a session that a worker does not know asks for them: the row, and all that stands beside it."""
    places: list[Change] = [
        Insert("scopes", {"id": one, "kind": "service", "name": one, "revision": 0, "version": 1, "updated_at": NOW})
        for one in ("scp_1", "scp_2")
    ]
    logins: list[Change] = [
        Insert("logins", {"key": key, "account_id": f"acc_{owner}", "created_at": NOW})
        for owner, key in ((1, "k2"), (1, "k1"), (2, "other"))
    ]
    memberships: list[Change] = [
        Insert("memberships", {"account_id": "acc_1", "scope_id": one, "since": NOW}) for one in ("scp_2", "scp_1")
    ]
    role = {"account_id": "acc_1", "role": "referent", "scope_id": "scp_2", "granted_by": "acc_2", "since": NOW}
    await records.write(account(1), account(2), *places, *logins, *memberships, Insert("roles", role))
    rows = await records.find("belongings", {"account_id": "acc_1"}, order=("kind", "name", "scope_id"))
    assert [(row["kind"], row["name"], row["scope_id"]) for row in rows] == [
        ("login", "k1", ""),
        ("login", "k2", ""),
        ("membership", "", "scp_1"),
        ("membership", "", "scp_2"),
        ("role", "referent", "scp_2"),
    ]
    asked: list[str] = []
    event.listen(records._engine.sync_engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    whole = await Register(records, SystemAmbient()).by_id("acc_1")
    assert whole is not None
    assert (whole.logins, whole.scopes) == (("k1", "k2"), ("scp_1", "scp_2"))
    assert whole.grants == (Grant(Role.REFERENT, "scp_2"),)
    assert len([one for one in asked if one.startswith("SELECT")]) == 2


async def test_unknown_names_are_programming_errors(records: Database) -> None:
    """A table or column that does not exist raises LookupError, not a database error."""
    for call in (
        records.find("nothing", {}),
        records.find("accounts", {"x": 1}),
        records.count("accounts", {"x": 1}),
        records.write(Insert("x", {})),
        records.find("belongings", {"since": NOW}),
        records.write(Delete("belongings", {"account_id": "acc_1"})),
    ):
        with pytest.raises(LookupError):
            await call


async def test_r17_twenty_creations_at_once_one_account(records: Database) -> None:
    """Of twenty writers with one national identifier exactly one succeeds; the others learn why."""
    inserts = [account(n, national_id="899700000007") for n in range(20)]
    results = await asyncio.gather(*(records.write(one) for one in inserts), return_exceptions=True)
    assert [type(result) for result in results].count(type(None)) == 1
    assert all(result is None or isinstance(result, Taken) for result in results)


async def test_many_insertions_of_one_shape(records: Database) -> None:
    """They are one statement, in their place among the others, and the one that is taken is named."""
    await records.write(*(account(n) for n in range(1, 4)), Update("accounts", {"version": 2}, {"id": "acc_3"}))
    assert [row["version"] for row in await records.find("accounts", {}, order=("id",))] == [1, 1, 2]
    with pytest.raises(Taken) as error:
        await records.write(account(4), account(5, national_id="800000000001"), account(6))
    assert error.value.key == "accounts.national_id"
    assert await records.count("accounts", {}) == 3
    with pytest.raises(LookupError):
        await records.write(Insert("accounts", {"x": 1}), Insert("accounts", {"x": 2}))


async def test_amending_is_one_after_the_other(url: str, records: Database) -> None:
    """What is written was made of what was read: of many that count at once none is lost, from several connections."""
    await records.write(account(1, version=0))
    other = Database(url)

    def raised(row: Row | None) -> list[Change]:
        assert row is not None and isinstance(row["version"], int)
        return [Update("accounts", {"version": row["version"] + 1}, {"id": "acc_1"})]

    await asyncio.gather(*((records, other)[n % 2].amend("accounts", {"id": "acc_1"}, raised) for n in range(40)))
    assert (await records.find("accounts", {}))[0]["version"] == 40
    await other.close()


async def test_amending_what_is_not_there(records: Database) -> None:
    """The first may make it, the second hears that it is taken."""
    found: list[Row | None] = []

    def made(row: Row | None) -> list[Change]:
        found.append(row)
        return [account(1)] if row is None else []

    await records.amend("accounts", {"id": "acc_1"}, made)
    await records.amend("accounts", {"id": "acc_1"}, made)
    assert (found[0], found[1] and found[1]["id"]) == (None, "acc_1")
    with pytest.raises(Taken):
        await records.amend("accounts", {"id": "acc_2"}, lambda row: [account(1)])


async def test_amending_that_fails_changes_nothing(records: Database) -> None:
    """What the caller raises comes out, what went before is undone, and the row is free again."""
    await records.write(account(1))

    def refused(row: Row | None) -> list[Change]:
        raise ValueError("not like this")

    with pytest.raises(ValueError, match="not like this"):
        await records.amend("accounts", {"id": "acc_1"}, refused)
    with pytest.raises(Stale):
        await records.amend(
            "accounts",
            {"id": "acc_1"},
            lambda row: [account(2), Update("accounts", {"version": 3}, {"id": "acc_1", "version": 2})],
        )
    await records.amend("accounts", {"id": "acc_1"}, lambda row: [Update("accounts", {"version": 7}, {"id": "acc_1"})])
    assert [row["version"] for row in await records.find("accounts", {})] == [7]


async def test_migrations_are_idempotent(records: Database) -> None:
    """A second migration changes nothing, and the schema is then current."""
    await records.migrate()
    assert await records.is_current()


async def test_processes_migrating_at_once(empty_url: str) -> None:
    """Three processes that start together on an empty database migrate it once and all succeed."""
    program = (
        "import asyncio, sys; from gateway.edges.database import Database\n"
        "async def main():\n d = Database(sys.argv[1]); await d.migrate(); assert await d.is_current(); await d.close()\n"
        "asyncio.run(main())"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, empty_url]) for _ in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]


async def test_an_empty_database_is_not_current(empty_url: str) -> None:
    """Before the first migration the schema is not the one expected."""
    database = Database(empty_url)
    assert not await database.is_current()
    await database.close()


async def test_r7_a_database_that_is_gone_is_unknown(tmp_path: Path) -> None:
    """A PostgreSQL that was killed raises RecordsUnavailable within a few seconds and works again when it is back."""
    with postgres_server(tmp_path) as server:
        database = Database(server.url)
        await database.migrate()
        server.kill()
        began = time.monotonic()
        with pytest.raises(RecordsUnavailable):
            await database.find("accounts", {})
        with pytest.raises(RecordsUnavailable):
            await database.write(account(1))
        assert time.monotonic() - began < 7
        server.start()
        deadline = time.monotonic() + 20
        while True:
            try:
                await database.write(account(1))
                break
            except RecordsUnavailable:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)
        await database.close()


async def test_accounts_of_the_first_schema_are_kept(empty_url: str) -> None:
    """A database of version 0001 with people in it comes to the newest schema: their addresses are found as before, and
    the schema is the one this version was written for."""
    database = Database(empty_url)
    async with database._engine.connect() as connection:
        await connection.execution_options(vtgw_write=True)
        await connection.run_sync(lambda raw: command.upgrade(config(raw), "0001"))
        await connection.execute(
            text(
                "INSERT INTO accounts (id, national_id, family_name, given_name, mail, mail_key, password_must_change,"
                " origin, space_default, created_at, updated_at, version) VALUES ('acc_1', '899700000005', 'MARTIN',"
                " 'Claire', 'C.Martin@Example.test', 'c.martin@example.test', :no, 'strong', 'liberal',"
                " '2026-01-01 00:00:00', '2026-01-01 00:00:00', 1)"
            ),
            {"no": False},
        )
        await connection.commit()
    assert not await database.is_current()
    await database.migrate()
    assert await database.is_current()
    (row,) = await database.find("accounts", {"mail_canonical": "c.martin@example.test"})
    assert (row["id"], row["closed_at"], row["reactivated_at"]) == ("acc_1", None, None)
    assert await database.find("passkeys", {"account_id": "acc_1"}) == ()
    await database.close()
