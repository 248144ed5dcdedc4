"""A copy of what is held, and its erasure."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.accounts.account import Account, Standing
from gateway.accounts.erasure import _ACCOUNT, _EMPTY, SATELLITES, Archive
from gateway.accounts.register import Particulars, Register
from gateway.edges.database import Database
from gateway.edges.schema import metadata
from gateway.identity import Assurance, Identity, Method, NationalId, Proof, Space
from gateway.ports import Insert
from gateway.reasons import Stale
from tests.accounts.shelf import account, database, row, sign_in
from tests.ambient import START, TestAmbient

WHO = Identity(NationalId("8", "99700000005"), "MARTIN", "ANNE", "10")
SECRET = "s3cr3t-value"


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Database]:
    async with database(tmp_path) as made:
        await made.write(
            account(
                "a",
                national_id="899700000005",
                phone="+33612345678",
                address="1, rue de la Paix",
                postal_code="69000",
                city="LYON",
                password_hash=SECRET,
                last_method="cps",
            ),
            account("b"),
            Insert("scopes", {"id": "s1", "kind": "service", "name": "Service A", "updated_at": START, "version": 1}),
            *(
                statement
                for name in ("a", "b")
                for statement in (
                    Insert("logins", {"key": f"u:{name}", "account_id": f"acc_{name}", "created_at": START}),
                    Insert("memberships", {"account_id": f"acc_{name}", "scope_id": "s1", "since": START}),
                    Insert(
                        "roles",
                        {
                            "account_id": f"acc_{name}",
                            "role": "referent",
                            "scope_id": "s1",
                            "granted_by": "cli:root",
                            "since": START,
                        },
                    ),
                    Insert(
                        "authenticators",
                        {"account_id": f"acc_{name}", "secret": SECRET, "last_step": 0, "created_at": START},
                    ),
                    Insert(
                        "recovery_codes",
                        {"id": f"r{name}", "account_id": f"acc_{name}", "digest": SECRET, "created_at": START},
                    ),
                    Insert(
                        "passkeys",
                        {
                            "id": f"p{name}",
                            "account_id": f"acc_{name}",
                            "public_key": SECRET,
                            "sign_count": 0,
                            "name": "Mon téléphone",
                            "backed_up": True,
                            "created_at": START,
                        },
                    ),
                    Insert(
                        "acceptances",
                        {
                            "id": f"cha_{name}",
                            "account_id": f"acc_{name}",
                            "charter_version": "1",
                            "text_hash": "h",
                            "method": "cps",
                            "accepted_at": START,
                        },
                    ),
                    sign_in(name, 1),
                    Insert(
                        "audit",
                        {"at": START, "act": "session:open", "account": f"acc_{name}", "facts": '{"method": "cps"}'},
                    ),
                )
            ),
            Insert("logins", {"key": "899700000005", "account_id": "acc_a", "created_at": START}),
        )
        yield made


async def read(records: Database, name: str = "a") -> Account:
    found = await Register(records, TestAmbient()).by_id(f"acc_{name}")
    assert found is not None
    return found


async def test_r104_the_copy_is_whole_and_holds_no_secret(records: Database) -> None:
    """Account, logins, scopes, charter, sign-ins, means and traces, as JSON, without hash, key or secret."""
    found = await Archive(records).export("acc_a")
    text = json.dumps(found, ensure_ascii=False)
    assert SECRET not in text
    assert "acc_b" not in text
    data = json.loads(text)
    assert data["account"]["family_name"] == "MARTIN"
    assert data["account"]["has_password"] is True
    assert data["account"]["created_at"].endswith("+00:00")
    assert [one["key"] for one in data["logins"]] == ["899700000005", "u:a"]
    assert data["memberships"] == [{"scope_id": "s1", "since": START.isoformat(), "name": "Service A"}]
    assert data["roles"] == [{"role": "referent", "scope_id": "s1", "since": START.isoformat()}]
    assert data["acceptances"][0]["accepted_at"] == START.isoformat()
    assert data["sign_ins"][0]["address"] == "192.0.2.7"
    assert data["passkeys"] == [
        {"name": "Mon téléphone", "created_at": START.isoformat(), "last_used_at": None, "backed_up": True}
    ]
    assert data["authenticator"] == {"created_at": START.isoformat()}
    assert data["recovery_codes"] == [{"created_at": START.isoformat(), "used_at": None}]
    assert data["traces"][0]["facts"] == {"method": "cps"}
    with pytest.raises(LookupError):
        await Archive(records).export("acc_nobody")


async def test_r104_a_person_without_means_has_a_copy_too(records: Database) -> None:
    """An account with nothing but itself."""
    await records.write(account("c"))
    found = await Archive(records).export("acc_c")
    assert found["authenticator"] is None
    assert found["passkeys"] == found["sign_ins"] == []


async def test_r104_erasing_leaves_a_pseudonym(records: Database) -> None:
    """Nothing of the person is left in any table but the traces under the account's id; others lose nothing."""
    others = {table: await records.find(table, {"account_id": "acc_b"}) for table in SATELLITES}
    await Archive(records).erase(await read(records), START, "owner")
    for table in SATELLITES:
        assert await records.find(table, {"account_id": "acc_a"}) == ()
        assert await records.find(table, {"account_id": "acc_b"}) == others[table] != ()
    left = await row(records, "a")
    kept = {name: value for name, value in left.items() if value not in (None, "", False)}
    assert kept == {
        "id": "acc_a",
        "origin": "strong",
        "space_default": "liberal",
        "suspended_reason": "owner",
        "created_at": left["created_at"],
        "updated_at": START,
        "closed_at": START,
        "version": 2,
    }
    assert (await read(records)).standing(START, timedelta(days=365)) is Standing.CLOSED
    assert len(await records.find("audit", {"account": "acc_a"})) == 1
    assert (await Archive(records).export("acc_a"))["logins"] == []


async def test_r104_the_same_person_may_come_again(records: Database) -> None:
    """After erasure the number and the address are free for a new account."""
    old = await read(records)
    await Archive(records).erase(old, START, "owner")
    proof = Proof(WHO, Method.CPS, Assurance.SUBSTANTIAL, START)
    register = Register(records, TestAmbient())
    made, new = await register.create(proof, Particulars(old.mail or "", "hash"), Space.LIBERAL, "1 h", START)
    assert new
    assert made.id != old.id
    assert await register.by_identity(WHO) == made
    assert await register.by_mail(old.mail or "") == made


async def test_r104_erasure_wins_over_changes_at_the_same_instant(records: Database) -> None:
    """A stale value is erased all the same, twenty erasures are one, and a sign-in under way does not undo it."""
    old, register = await read(records), Register(records, TestAmbient())
    await register.change(old, START, city="PARIS")
    later = START + timedelta(hours=1)
    await asyncio.gather(*(Archive(records).erase(old, START, "owner") for _ in range(20)))
    await Archive(records).erase(old, later, "again")
    assert (await row(records, "a"))["closed_at"] == START
    assert (await row(records, "a"))["version"] == 3
    with pytest.raises(Stale):
        await register.signed_in(
            old, Proof(WHO, Method.CPS, Assurance.SUBSTANTIAL, START), Space.LIBERAL, "192.0.2.7", START
        )
    assert await records.find("logins", {"account_id": "acc_a"}) == ()


async def test_r99_erasing_frees_a_shared_address(records: Database) -> None:
    """Of two accounts with one address, the one that stays has it alone."""
    shared = {"mail": "x@example.test", "mail_key": None}
    await records.write(account("x", **shared), account("y", **shared))
    await Archive(records).erase(await read(records, "x"), START, "owner")
    assert not (await read(records, "y")).mail_shared


def test_every_table_and_column_is_thought_of() -> None:
    """A new table with account_id is erased; a new account column is copied or said to be secret, emptied or kept. Tables
    that name people by other columns are thought of by name."""
    holders = {name for name, table in metadata.tables.items() if "account_id" in table.c}
    assert holders == set(SATELLITES)
    people = {"delegator_id", "delegate_id", "proposed_id", "user_id"}
    others = {(name, column) for name, table in metadata.tables.items() for column in people & set(table.c.keys())}
    assert others == {
        ("delegations", "delegator_id"),
        ("delegations", "delegate_id"),
        ("delegations", "proposed_id"),
        ("delegation_uses", "user_id"),
    }
    columns = {column.name for column in metadata.tables["accounts"].c}
    assert columns - set(_ACCOUNT) == {"password_hash", "search", "mail_key", "mail_canonical", "version"}
    kept = {"id", "origin", "space_default", "created_at", "updated_at", "closed_at", "version"}
    assert columns - set(_EMPTY) == kept
