"""Hashes of passwords that another system made, as an import brings them (R102): which are known, and how they are verified.

A known hash is kept with the mark ``foreign:`` before it and serves until the first right password, which is then hashed
anew as all others are. Known: Argon2 in its encoded form, PBKDF2-SHA256 as Django writes it, ASP.NET Identity version 3,
and ``{SSHA}`` of LDAP directories. bcrypt is not among them: it would need a library that the gateway does not have.

A file may come from anybody, and whoever signs in waits for the sum of its work: a hash that asks more than the bounds
below, or that has no salt, is unknown.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import struct

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

MARK = "foreign:"
_LONGEST = 512
_MOST_ROUNDS = 1_500_000  # of PBKDF2; Django 6 asks 1 200 000
_MOST_MEMORY, _MOST_PASSES, _MOST_LANES = 131_072, 8, 8  # of Argon2; memory in KiB
_DJANGO = re.compile(r"pbkdf2_sha256\$([1-9][0-9]{0,8})\$([^$\s]{1,128})\$([A-Za-z0-9+/]{43}=)")
_ARGON2 = re.compile(r"\$argon2(?:id|i|d)\$[!-~]+")
_SSHA = re.compile(r"\{SSHA\}([A-Za-z0-9+/]{28,172}={0,2})")
_IDENTITY_PRF = {0: "sha1", 1: "sha256", 2: "sha512"}  # KeyDerivationPrf of ASP.NET Core


def recognised(text: str) -> str | None:
    """The hash as it is kept, or ``None`` when its scheme is unknown, its form is wrong, or its work out of bounds."""
    if len(text) > _LONGEST or not text.isascii():
        return None
    known = _django(text) or _identity(text) or _ssha(text) or _argon2(text)
    return MARK + text if known else None


def is_foreign(stored: str) -> bool:
    return stored.startswith(MARK)


def right(stored: str, password: str) -> bool:
    """Whether this is the password of a hash that ``recognised`` returned; anything else is never right. Slow on purpose:
    not for the event loop."""
    text = stored.removeprefix(MARK)
    secret = password.encode("utf-8", "surrogatepass")
    if (django := _django(text)) is not None:
        rounds, salt, expected = django
        return hmac.compare_digest(hashlib.pbkdf2_hmac("sha256", secret, salt, rounds), expected)
    if (identity := _identity(text)) is not None:
        prf, rounds, salt, expected = identity
        return hmac.compare_digest(hashlib.pbkdf2_hmac(prf, secret, salt, rounds, len(expected)), expected)
    if (ssha := _ssha(text)) is not None:
        salt, expected = ssha
        return hmac.compare_digest(hashlib.sha1(secret + salt, usedforsecurity=False).digest(), expected)
    if _argon2(text):
        try:
            return argon2.PasswordHasher().verify(text, secret)
        except (VerificationError, InvalidHashError):
            return False
    return False


def is_quick(stored: str) -> bool:
    """Whether verifying takes no time to speak of, so that a whole comparison has to be made beside it (R55)."""
    return _ssha(stored.removeprefix(MARK)) is not None


def _django(text: str) -> tuple[int, bytes, bytes] | None:
    match = _DJANGO.fullmatch(text)
    if match is None or int(match[1]) > _MOST_ROUNDS:
        return None
    return int(match[1]), match[2].encode(), base64.b64decode(match[3])


def _identity(text: str) -> tuple[str, int, bytes, bytes] | None:
    """Marker 0x01, then PRF, rounds and length of the salt (32 bits each, big-endian), salt and subkey, in base64."""
    raw = _bytes(text)
    if raw is None or len(raw) < 13 or raw[0] != 1:
        return None
    prf, rounds, size = struct.unpack(">III", raw[1:13])
    salt, expected = raw[13 : 13 + size], raw[13 + size :]
    if (
        prf not in _IDENTITY_PRF
        or not 1 <= rounds <= _MOST_ROUNDS
        or not 8 <= size <= 64
        or not 16 <= len(expected) <= 64
    ):
        return None
    # A key longer than one block of the PRF makes PBKDF2 do all its rounds once more for each block.
    if -(-len(expected) // hashlib.new(_IDENTITY_PRF[prf], usedforsecurity=False).digest_size) * rounds > _MOST_ROUNDS:
        return None
    return _IDENTITY_PRF[prf], rounds, salt, expected


def _ssha(text: str) -> tuple[bytes, bytes] | None:
    match = _SSHA.fullmatch(text)
    raw = _bytes(match[1]) if match is not None else None
    return (raw[20:], raw[:20]) if raw is not None and 4 <= len(raw) - 20 <= 64 else None


def _argon2(text: str) -> bool:
    if _ARGON2.fullmatch(text) is None:
        return False
    try:
        asked = argon2.extract_parameters(text)
    except InvalidHashError:
        return False
    return (
        asked.memory_cost <= _MOST_MEMORY
        and 1 <= asked.time_cost <= _MOST_PASSES
        and 1 <= asked.parallelism <= _MOST_LANES
        and asked.salt_len >= 8
        and 16 <= asked.hash_len <= 64
        and asked.memory_cost >= 8 * asked.parallelism
    )


def _bytes(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
