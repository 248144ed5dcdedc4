"""Addresses shared by history: found, repaired, and given back to the one account that is left."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.accounts import mailboxes
from gateway.accounts.account import Account
from gateway.accounts.mailboxes import Mailboxes
from gateway.accounts.register import Register
from gateway.edges.database import Database
from gateway.reasons import Stale, Taken
from tests.accounts.shelf import account, database, row
from tests.ambient import START, TestAmbient

SHARED = {"mail": "Secretariat@Example.test", "mail_key": None, "mail_proved_at": START}


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Database]:
    async with database(tmp_path) as made:
        await made.write(account("a", **SHARED), account("b", **SHARED), account("c"))
        yield made


async def read(records: Database, name: str) -> Account:
    found = await Register(records, TestAmbient()).by_id(f"acc_{name}")
    assert found is not None
    return found


async def test_r99_shared_addresses_are_found(records: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups by canonical address, whatever the spelling and however many pages; accounts without address are none."""
    monkeypatch.setattr(mailboxes, "_PAGE", 2)
    more = {"mail": "X@example.test", "mail_key": None}
    await records.write(
        *(account(f"x{n}", **more) for n in range(5)), account("none", mail=None), account("no", mail=None)
    )
    assert await Mailboxes(records).shared_mails() == {
        "secretariat@example.test": ("acc_a", "acc_b"),
        "x@example.test": tuple(f"acc_x{n}" for n in range(5)),
    }


async def test_r99_repair_gives_both_an_address_of_their_own(records: Database) -> None:
    """The repaired account has the new address and the other one keeps the old; both are to be proved."""
    assert (await read(records, "a")).mail_shared
    await Mailboxes(records).repair_mail(await read(records, "a"), " Anne.Martin@example.test", START)
    first, second = await read(records, "a"), await read(records, "b")
    assert (first.mail, first.mail_shared, first.mail_proved_at) == ("Anne.Martin@example.test", False, None)
    assert (second.mail, second.mail_shared, second.mail_proved_at) == ("Secretariat@Example.test", False, None)
    assert (await row(records, "a"))["mail_key"] == "anne.martin@example.test"
    assert await Mailboxes(records).shared_mails() == {}


async def test_r99_of_three_two_still_share(records: Database) -> None:
    """The address stays without a single holder as long as two accounts have it."""
    await records.write(account("d", **SHARED))
    await Mailboxes(records).repair_mail(await read(records, "a"), "new@example.test", START)
    assert (await read(records, "b")).mail_shared
    assert (await read(records, "d")).mail_shared
    assert (await read(records, "b")).version == 1


@pytest.mark.parametrize("address", ["C@EXAMPLE.test", "secretariat@example.test"])
async def test_r18_an_address_that_is_taken_stays_so(records: Database, address: str) -> None:
    """Neither another account's own address nor a shared one is given away, in any spelling."""
    subject = "c" if address.startswith("s") else "a"
    before = await row(records, subject)
    with pytest.raises(Taken) as error:
        await Mailboxes(records).repair_mail(await read(records, subject), address, START)
    assert error.value.key == "accounts.mail_key"
    assert await row(records, subject) == before


async def test_repair_refuses_what_is_no_address_and_what_is_stale(records: Database) -> None:
    """A wrong address is told as such; an account changed meanwhile is not overwritten."""
    old = await read(records, "a")
    with pytest.raises(ValueError, match="address"):
        await Mailboxes(records).repair_mail(old, "nobody", START)
    await Mailboxes(records).repair_mail(old, "one@example.test", START)
    with pytest.raises(Stale):
        await Mailboxes(records).repair_mail(old, "two@example.test", START)


async def test_repair_to_another_spelling_of_the_same_address(records: Database) -> None:
    """The spelling may be corrected; the address is to be proved again."""
    await Mailboxes(records).repair_mail(await read(records, "c"), "C@Example.test", START)
    found = await read(records, "c")
    assert (found.mail, found.mail_shared) == ("C@Example.test", False)


async def test_r99_settling_after_a_change_made_elsewhere(records: Database) -> None:
    """When an account left the address by « Mon compte », the other one is alone with it afterwards; twice is once."""
    register = Register(records, TestAmbient())
    await register.change(await read(records, "a"), START, mail="own@example.test", mail_proved_at=START)
    for _ in range(2):
        await Mailboxes(records).settle("SECRETARIAT@example.test", START)
    found = await read(records, "b")
    assert (found.mail_shared, found.version) == (False, 2)
    await Mailboxes(records).settle("nobody@example.test", START)
