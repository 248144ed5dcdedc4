"""Hashes of other systems: what is known, what is refused, and the one sign-in they are good for (R102)."""

from __future__ import annotations

import base64
import hashlib
import struct

import pytest
from argon2 import PasswordHasher, Type

from gateway.accounts import foreign
from gateway.accounts.password import Passwords

SECRET = "Château-fort 42"


def django(rounds: int = 1000, salt: str = "grainDeSel", secret: str = SECRET) -> str:
    made = hashlib.pbkdf2_hmac("sha256", secret.encode(), salt.encode(), rounds)
    return f"pbkdf2_sha256${rounds}${salt}${base64.b64encode(made).decode()}"


def identity(prf: int = 2, rounds: int = 1000, salt: bytes = b"0123456789abcdef", size: int = 32) -> str:
    name = ("sha1", "sha256", "sha512")[prf]
    made = hashlib.pbkdf2_hmac(name, SECRET.encode(), salt, rounds, size)
    return base64.b64encode(b"\x01" + struct.pack(">III", prf, rounds, len(salt)) + salt + made).decode()


def ssha(salt: bytes = b"salt1234") -> str:
    made = hashlib.sha1(SECRET.encode() + salt, usedforsecurity=False).digest()
    return "{SSHA}" + base64.b64encode(made + salt).decode()


def argon(kind: Type = Type.ID, memory: int = 8192, passes: int = 1) -> str:
    return PasswordHasher(time_cost=passes, memory_cost=memory, parallelism=1, type=kind).hash(SECRET)


@pytest.mark.parametrize(
    "made",
    [django(), identity(0), identity(1), identity(2), ssha(), argon(), argon(Type.I)],
    ids=["django", "identity-sha1", "identity-sha256", "identity-sha512", "ssha", "argon2id", "argon2i"],
)
async def test_r102_known_scheme_signs_in_once_and_is_upgraded(made: str) -> None:
    """The right password is right and asks for today's hash; a wrong one is wrong; then ours is verified as ever."""
    stored = foreign.recognised(made)
    assert stored is not None
    assert stored.startswith("foreign:")
    passwords = Passwords(memory=8192, threads=1)
    assert not (await passwords.verify(stored, SECRET + "x")).right
    assert not (await passwords.verify(stored, "")).right
    verdict = await passwords.verify(stored, SECRET)
    assert verdict.right
    assert verdict.rehash
    anew = await passwords.hash(SECRET)
    assert not foreign.is_foreign(anew)
    again = await passwords.verify(anew, SECRET)
    assert again.right
    assert not again.rehash
    passwords.close()


async def test_r102_other_spelling_of_the_same_password() -> None:
    """The other system hashed what was typed, be it composed or not."""
    decomposed = "Cha\u0302teau-fort 42"
    stored = foreign.recognised(django(secret=decomposed))
    passwords = Passwords(memory=8192, threads=1)
    assert (await passwords.verify(stored, decomposed)).right
    assert (await passwords.verify(foreign.recognised(django()), decomposed)).right
    passwords.close()


@pytest.mark.parametrize(
    "text",
    [
        "",
        SECRET,
        "5f4dcc3b5aa765d61d8327deb882cf99",
        "$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
        "$2b$12$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
        "$6$rounds=5000$saltstring$" + "a" * 86,
        django().replace("$1000$", "$999999999$"),
        django().replace("$1000$", "$1500001$"),
        django().replace("$1000$", "$0$"),
        django().replace("$1000$", "$-1$"),
        django() + "\n",
        identity(1).replace("AQ", "AA", 1),
        base64.b64encode(b"\x01" + struct.pack(">III", 1, 900_000_000, 16) + b"s" * 16 + b"k" * 32).decode(),
        base64.b64encode(b"\x01" + struct.pack(">III", 0, 1_500_000, 16) + b"s" * 16 + b"k" * 64).decode(),
        base64.b64encode(b"\x01" + struct.pack(">III", 1, 1000, 0) + b"k" * 32).decode(),
        base64.b64encode(b"\x01" + struct.pack(">III", 1, 1000, 4_000_000_000) + b"k" * 32).decode(),
        base64.b64encode(b"\x01" + struct.pack(">III", 9, 1000, 16) + b"s" * 16 + b"k" * 32).decode(),
        ssha(b""),
        "{SHA}" + base64.b64encode(hashlib.sha1(b"x", usedforsecurity=False).digest()).decode(),
        "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$" + "A" * 43,
        "$argon2id$v=19$m=8192,t=900,p=1$c29tZXNhbHQ$" + "A" * 43,
        "$argon2id$v=19$m=8192,t=1,p=1$c2E$" + "A" * 43,
        "$argon2id$" + "x" * 600,
        "pbkdf2_sha256$1000$sél$" + "A" * 43 + "=",
    ],
)
async def test_r102_unknown_or_hostile_is_not_kept(text: str) -> None:
    """Clear text, bcrypt, other schemes, and work out of bounds: no hash, and never the right password."""
    assert foreign.recognised(text) is None
    assert not foreign.right("foreign:" + text, SECRET)


def test_r102_marks_are_not_believed_from_a_file() -> None:
    """A file cannot smuggle a mark of ours."""
    assert foreign.recognised("foreign:" + django()) is None
