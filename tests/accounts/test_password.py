"""The password rule, and passwords at rest."""

from __future__ import annotations

import pytest

from gateway.accounts.password import Passwords, common_passwords
from gateway.accounts.password_rule import PasswordFault, faults


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("Abcdefg1", ()),
        ("abcdefg1", (PasswordFault.NO_UPPER,)),
        ("ABCDEFG1", (PasswordFault.NO_LOWER,)),
        ("Abcdefgh", (PasswordFault.NO_DIGIT,)),
        ("Abcde1", (PasswordFault.TOO_SHORT,)),
        ("Une phrase de passe avec 12 mots et des espaces " * 2, ()),
        ("É" * 8 + "a1", ()),
        ("X" * 1023 + "a1", (PasswordFault.TOO_LONG,)),
    ],
)
def test_r14_rule(password: str, expected: tuple[PasswordFault, ...]) -> None:
    """Each part of the rule has its own fault, and nothing else is asked."""
    assert faults(password) == expected


def test_r15_beyond_the_rule() -> None:
    """Common and personal passwords, and weak ones where a strength is asked, are refused."""
    common = common_passwords()
    assert len(common) > 3000
    assert PasswordFault.COMMON in faults("Password123", common=common)
    assert PasswordFault.COMMON in faults("Marseille2024!", common=common)
    assert PasswordFault.PERSONAL in faults("Dupont-le-7-Mars", personal=["DUPONT"])
    assert PasswordFault.PERSONAL in faults("A99700000005b", personal=["99700000005"])
    assert PasswordFault.PERSONAL not in faults("Abcdefg1-Li", personal=["Li"])
    assert faults("Abcdefg1", least_bits=50) == (PasswordFault.WEAK,)
    assert faults("Abcdefg12", least_bits=50) == ()


async def test_r59_argon2id_with_salt_and_every_character_counts() -> None:
    """Two hashes of one password differ, the last of 100 characters matters, spellings of one text are one."""
    passwords = Passwords(memory=7168)
    long = "a" * 99 + "b"
    first, second = await passwords.hash(long), await passwords.hash(long)
    assert first.startswith("$argon2id$")
    assert first != second
    assert (await passwords.verify(first, long)).right
    assert not (await passwords.verify(first, "a" * 99 + "c")).right
    assert not (await passwords.verify(None, long)).right
    assert not (await passwords.verify("garbage", long)).right
    composed = await passwords.hash("é1Aaaaaa")
    assert (await passwords.verify(composed, "e\u03011Aaaaaa")).right
    stronger = Passwords(memory=8192)
    assert (await stronger.verify(first, long)).rehash
    passwords.close()
    stronger.close()
