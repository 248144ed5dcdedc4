"""Delegations within a reach, and the acts that name sessions: on SQLite and a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from gateway.edges.database import Database
from gateway.edges.overview import SqlOverview
from gateway.overview import DelegationQuery
from gateway.ports import Insert
from tests.blank import opened
from tests.edges.test_overview import NOW, PATHS, TREE, account, member

ACTS = ("session:open", "acting:begin")
HOUR = timedelta(hours=1)


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    made = await opened(url)
    more = {"name": "x", "revision": 0, "updated_at": NOW, "version": 1}
    await made.write(
        *(
            Insert("scopes", {"id": one, "parent_id": parent, "kind": kind, "path": PATHS[one], **more})
            for one, parent, kind in TREE
        ),
        account(1), account(2), account(3, national_id="810000000003"), account(4),
        Insert("logins", {"key": "810000000004", "account_id": "acc_4", "created_at": NOW}),
        *member(1, "e1", "s1"), *member(2, "e3"), *member(3, "e2"), *member(4, "e10"),
    )  # fmt: skip
    yield made
    await made.close()


@pytest.fixture
def overview(database: Database) -> SqlOverview:
    return SqlOverview(database)


def delegation(name: str, doctor: str, delegate: str | None = None, key: str | None = None, **more: Any) -> Insert:
    values: dict[str, Any] = {
        "id": name, "number": int(name), "delegator_id": doctor, "kind": "assistant", "family_name": "A",
        "given_name": "B", "rights": "", "begins": NOW - HOUR, "ends": NOW + HOUR, "delegate_id": delegate,
        "delegate_key": key, "finalised_at": NOW - HOUR, "created_at": NOW, "updated_at": NOW, "version": 1,
    }  # fmt: skip
    return Insert("delegations", {**values, **more})


async def test_r149_delegations_within_reach(database: Database, overview: SqlOverview) -> None:
    """By doctor, by delegate, and by a national number that no account was joined to yet; each once, in order."""
    await database.write(
        delegation("1", "acc_1", "acc_2"), delegation("2", "acc_9"), delegation("3", "acc_9", None, "810000000003"),
        delegation("4", "acc_9", None, "810000000004"), delegation("5", "acc_1", "acc_3", "810000000003"),
        delegation("6", "acc_9", "acc_9", "810000000003"),
    )  # fmt: skip

    async def found(*reach: str, **asked: Any) -> list[Any]:
        return [row["id"] for row in await overview.delegations(DelegationQuery(reach, **asked), NOW)]

    assert await found("/") == ["1", "2", "3", "4", "5", "6"]
    assert await found(PATHS["e1"]) == ["1", "5"]
    assert await found(PATHS["s1"]) == ["1", "5"]
    assert await found(PATHS["r2"]) == ["1"]
    assert await found(PATHS["e2"]) == ["3", "5"]  # not 6: its delegate is somebody else's account already
    assert await found(PATHS["r10"]) == ["4"]
    assert await found(PATHS["nation"]) == ["1", "3", "4", "5"]
    assert await found(PATHS["e1"], PATHS["e2"], PATHS["e3"], PATHS["e10"], PATHS["s2"], PATHS["s3"]) == [
        "1", "3", "4", "5",
    ]  # fmt: skip
    assert await found("/", account="acc_3") == ["3", "5"]
    assert await found(PATHS["e1"], account="acc_3") == ["5"]
    assert await found("/", account="acc_1", after="1", limit=1) == ["5"]
    assert await found("/", state="active", limit=2) == ["1", "2"]
    assert await found("/", state="revoked") == []
    assert await found() == await found("/", limit=0) == []
    with pytest.raises(LookupError):
        await found("/", state="dreaming")


async def test_r149_acts_that_name_sessions(database: Database, overview: SqlOverview) -> None:
    """Of these acts, in this time, with this very name as the fact itself: not within what somebody typed."""

    def trace(number: int, at: datetime, act: str = "session:open", **facts: str) -> Insert:
        text = json.dumps(facts, ensure_ascii=False, sort_keys=True)
        return Insert("audit", {"seq": number, "at": at, "act": act, "account": "acc_1", "facts": text})

    name = "0123456789ab"
    await database.write(
        trace(1, NOW - HOUR, session=name), trace(2, NOW, session=name), trace(3, NOW, "acting:begin", session=name),
        trace(4, NOW, session="f" * 12), trace(5, NOW, "trace:look-up", session=name),
        trace(6, NOW, typed=f'"session": "{name}"'), trace(7, NOW), trace(8, NOW + HOUR, session=name),
    )  # fmt: skip

    async def found(since: datetime, until: datetime, session: str = "") -> list[Any]:
        return [row["seq"] for row in await overview.signs(ACTS, since, until, session)]

    assert await found(NOW - 9 * HOUR, NOW + 9 * HOUR, name) == [8, 3, 2, 1]
    assert await found(NOW - HOUR, NOW + HOUR, name) == [3, 2, 1]
    assert await found(NOW, NOW + HOUR) == [4, 3, 2]
    assert await found(NOW, NOW) == []
    assert await found(NOW, NOW + HOUR, "e" * 12) == []


async def test_r149_a_short_time_of_a_long_audit_is_found_by_its_index(database: Database) -> None:
    """Whatever the engine thinks of so few acts: sign-ins are the most of all rows, and are never walked by act."""
    seen: list[str] = []

    class Explaining:
        async def read(self, statement: sa.Select[Any]) -> tuple[Any, ...]:
            text = str(statement.compile(database._readers.sync_engine, compile_kwargs={"literal_binds": True}))
            plan = "EXPLAIN QUERY PLAN " if database._sqlite else "EXPLAIN "
            async with database._readers.connect() as connection:
                if not database._sqlite:
                    await connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
                seen.extend(str(tuple(row)) for row in await connection.execute(sa.text(plan + text)))
            return ()

    await SqlOverview(Explaining()).signs(ACTS, NOW - HOUR, NOW, "0123456789ab")  # type: ignore[arg-type]
    assert any("ix_audit_at" in line for line in seen), seen
    assert not any("ix_audit_act" in line for line in seen), seen
