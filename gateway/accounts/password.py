"""Passwords at rest: Argon2id, hashed off the event loop, a few at a time (R59).

``verify`` without a stored hash computes one all the same, so that an unknown account takes as long as a known one
(R55). The password itself lives in one local variable and is never kept, logged or shown. A hash that an import brought
(R102, ``accounts.foreign``) is verified as its own scheme does; when the password is right it is to be made again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.accounts import foreign
from gateway.accounts.password_rule import normalise
from gateway.reasons import GatewayError, Reason

T = TypeVar("T")

_QUEUE = 64  # hashes waiting; beyond, sign-ins are told to come back


class TooBusy(GatewayError):
    """More passwords wait to be checked than can be in reasonable time."""

    reason = Reason.TOO_MANY_ATTEMPTS


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the password is right, and whether its hash should be made again with today's parameters."""

    right: bool
    rehash: bool = False


class Passwords:
    """``memory`` in KiB; ``threads``: how many hashes run at once."""

    def __init__(self, *, memory: int = 19456, threads: int = 2) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=memory, parallelism=1)
        self._threads = ThreadPoolExecutor(threads, "password")
        self._waiting = 0
        self._dummy = self._hasher.hash("no account has this password")

    async def hash(self, password: str) -> str:
        return await self._run(lambda: self._hasher.hash(normalise(password)))

    async def verify(self, stored: str | None, password: str) -> Verdict:
        if stored is not None and foreign.is_foreign(stored):
            return await self._run(lambda: self._verify_foreign(stored, password))
        return await self._run(lambda: self._verify(stored, normalise(password)))

    def close(self) -> None:
        self._threads.shutdown(wait=False)

    def _verify(self, stored: str | None, password: str) -> Verdict:
        try:
            self._hasher.verify(stored or self._dummy, password)
        except (VerificationError, InvalidHashError):
            return Verdict(False)
        if stored is None:
            return Verdict(False)
        return Verdict(True, self._hasher.check_needs_rehash(stored))

    def _verify_foreign(self, stored: str, password: str) -> Verdict:
        # The other system hashed what was typed; ours would have hashed its one spelling.
        right = any(foreign.right(stored, one) for one in dict.fromkeys((password, normalise(password))))
        if foreign.is_quick(stored):
            self._verify(None, password)
        return Verdict(right, rehash=right)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= _QUEUE:
            raise TooBusy("too many passwords wait to be checked")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


@lru_cache(maxsize=1)
def common_passwords() -> frozenset[str]:
    """Passwords that everybody tries, case folded; shipped with the gateway, looked up locally."""
    text = files("gateway.accounts").joinpath("blocklist.txt").read_text("utf-8")
    return frozenset(text.split())
