"""The register of passkeys, over a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.accounts.passkeys import MOST, NewPasskey, PasskeyRegister, clean_name, reference_of
from gateway.edges.database import Database
from gateway.reasons import Taken
from tests.accounts.shelf import account, database
from tests.ambient import START

LATER = START + timedelta(hours=1)


def new(number: int, name: str = "Mon téléphone", count: int = 0) -> NewPasskey:
    return NewPasskey(f"credential-{number:02d}", "pQECAyYgASFY", count, name, False)


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Database]:
    async with database(tmp_path) as made:
        await made.write(account("a"), account("b"))
        yield made


@pytest.fixture
def register(records: Database) -> PasskeyRegister:
    return PasskeyRegister(records)


async def test_a_passkey_comes_back_as_it_was_kept(register: PasskeyRegister) -> None:
    """By its credential and in the list of its account, the oldest first; another account has none."""
    assert await register.add("acc_a", new(2, "Le bureau"), START)
    assert await register.add("acc_a", new(1), LATER)
    assert [one.name for one in await register.list("acc_a")] == ["Le bureau", "Mon téléphone"]
    found = await register.find("credential-02")
    assert found is not None
    assert (found.account_id, found.created_at, found.last_used_at, found.sign_count) == ("acc_a", START, None, 0)
    assert (await register.count("acc_a"), await register.count("acc_b")) == (2, 0)
    assert await register.find("credential-03") is None


async def test_a_credential_has_one_holder(register: PasskeyRegister) -> None:
    """A credential of somebody cannot be added again, to the same account or another."""
    await register.add("acc_a", new(1), START)
    for holder in ("acc_a", "acc_b"):
        with pytest.raises(Taken):
            await register.add(holder, new(1), LATER)
    assert await register.count("acc_b") == 0


async def test_an_eleventh_passkey_is_refused(register: PasskeyRegister) -> None:
    """Ten for an account, and room again when one is removed."""
    for number in range(MOST):
        assert await register.add("acc_a", new(number), START)
    assert not await register.add("acc_a", new(10), START)
    await register.remove("acc_a", "credential-03")
    assert await register.add("acc_a", new(10), START)


async def test_twenty_at_once_are_ten(register: PasskeyRegister) -> None:
    """However many are added at one instant, an account keeps ten."""
    added = await asyncio.gather(*(register.add("acc_a", new(number), START) for number in range(20)))
    assert added.count(True) == MOST == await register.count("acc_a")


async def test_an_erased_account_is_given_none(register: PasskeyRegister, records: Database) -> None:
    """An account that is closed, or that never was, gets no passkey."""
    await records.write(account("gone", closed_at=START))
    assert not await register.add("acc_gone", new(1), START)
    assert not await register.add("acc_nobody", new(2), START)


async def test_a_count_serves_once(register: PasskeyRegister) -> None:
    """Of fifty uses that were judged by the same count, one is written."""
    await register.add("acc_a", new(1, count=7), START)
    uses = await asyncio.gather(*(register.used("credential-01", 7, 8, LATER) for _ in range(50)))
    assert uses.count(True) == 1
    found = await register.find("credential-01")
    assert found is not None
    assert (found.sign_count, found.last_used_at) == (8, LATER)
    assert not await register.used("credential-02", 0, 1, LATER)


async def test_r96_only_the_holder_renames_and_removes(register: PasskeyRegister) -> None:
    """Naming or removing the passkey of another account does nothing."""
    await register.add("acc_a", new(1), START)
    assert not await register.rename("acc_b", "credential-01", "À moi")
    await register.remove("acc_b", "credential-01")
    assert await register.rename("acc_a", "credential-01", "Tablette")
    assert [one.name for one in await register.list("acc_a")] == ["Tablette"]
    await register.remove("acc_a", "credential-01")
    assert await register.list("acc_a") == ()


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Mon\ttéléphone \n pro ", "Mon téléphone pro"),
        ("a" * 61, "a" * 60),
        ("e\u0301" * 60, "é" * 60),
        ("Clé\u202e\x00\u200b verte", "Clé verte"),
        ("\ud800", ""),
        (" \u200b ", ""),
    ],
)
def test_names_are_one_printable_line(typed: str, kept: str) -> None:
    """Control characters, invisible ones and lone surrogates go; 60 characters stay."""
    assert clean_name(typed) == kept


def test_a_reference_is_no_credential() -> None:
    """What forms and the audit say cannot be turned back into the credential."""
    assert reference_of("credential-01") != reference_of("credential-02")
    assert len(reference_of("credential-01")) == 16
