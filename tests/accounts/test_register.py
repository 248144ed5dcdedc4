"""The register: identities that two accounts answer to, sign-ins that come together, accounts that are gone."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.accounts.register import Register
from gateway.identity import Assurance, Identity, Method, NationalId, Proof, Space
from gateway.ports import Insert
from gateway.reasons import Stale
from tests.accounts.shelf import account, database, row
from tests.ambient import START, TestAmbient

BOTH = Identity(NationalId("8", "99700000005"), "MARTIN", "ANNE", "10", other_ids=(NationalId("0", "069209997"),))
PROOF = Proof(BOTH, Method.CPS, Assurance.SUBSTANTIAL, START)


async def test_r57_two_accounts_of_one_person_do_not_lock_her_out(tmp_path: Path) -> None:
    """With an old ADELI account beside the RPPS one, a proof that names both signs in to the RPPS account, and each
    account keeps its own login."""
    async with database(tmp_path) as records:
        await records.write(
            account("new", national_id="899700000005"),
            account("old", national_id="0069209997"),
            Insert("logins", {"key": "899700000005", "account_id": "acc_new", "created_at": START}),
            Insert("logins", {"key": "0069209997", "account_id": "acc_old", "created_at": START}),
        )
        register = Register(records, TestAmbient())
        found = await register.by_identity(BOTH)
        assert found is not None
        assert found.id == "acc_new"
        signed = await register.signed_in(found, PROOF, Space.LIBERAL, "192.0.2.1", START)
        assert signed.logins == ("899700000005",)
        old = await register.by_login("0069209997")
        assert old is not None
        assert old.id == "acc_old"


async def test_r57_a_new_alias_is_linked(tmp_path: Path) -> None:
    """An ADELI number that nobody has opens the account from then on; twenty sign-ins at once all end well."""
    async with database(tmp_path) as records:
        await records.write(
            account("new", national_id="899700000005"),
            Insert("logins", {"key": "899700000005", "account_id": "acc_new", "created_at": START}),
        )
        register = Register(records, TestAmbient())
        found = await register.by_login("899700000005")
        assert found is not None
        await register.signed_in(found, PROOF, Space.LIBERAL, "192.0.2.1", START)
        linked = await register.by_login("0069209997")
        assert linked is not None
        assert linked.id == "acc_new"
        await asyncio.gather(*(register.signed_in(linked, PROOF, Space.LIBERAL, "192.0.2.1", START) for _ in range(20)))
        assert len(await register.last_sign_ins("acc_new", limit=50)) == 21


async def test_r104_nothing_writes_to_an_erased_account(tmp_path: Path) -> None:
    """A sign-in, a change or an acceptance that was on its way when the account was erased changes nothing."""
    async with database(tmp_path) as records:
        await records.write(account("gone", national_id=None, closed_at=START))
        register = Register(records, TestAmbient())
        found = await register.by_id("acc_gone")
        assert found is not None
        open_still = replace(found, closed_at=None)
        with pytest.raises(Stale):
            await register.change(open_still, START, mail="mechant@example.test")
        with pytest.raises(Stale):
            await register.signed_in(open_still, PROOF, Space.LIBERAL, "192.0.2.1", START)
        with pytest.raises(Stale):
            await register.accept_charter(open_still, "1 x", "cps", START)
        assert (await row(records, "gone"))["mail"] == "gone@example.test"
