"""Pending sign-ins, on the server, one record each; several tabs are several attempts. Single use by one swap."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gateway.identity import Space
from gateway.ports import Ambient, Store
from gateway.providers.base import Attempt
from gateway.reasons import StoreUnavailable

LIFE = timedelta(minutes=15)
CODE_LIFE = timedelta(hours=9)  # an attempt that waits for a code lives as long as the longest code
_TURNS = 200  # forms sent at once from one browser each get their place
_PER_BROWSER = 24  # tabs that sign in at once; the oldest of more is forgotten


class Attempts:
    """Attempts by id. Every method may raise ``StoreUnavailable``."""

    def __init__(self, store: Store, ambient: Ambient) -> None:
        self._store = store
        self._ambient = ambient

    async def open(
        self,
        browser: str,
        space: Space,
        return_to: str,
        method: str,
        address: str,
        now: datetime,
        *,
        shared: bool = False,
        account: str | None = None,
    ) -> Attempt:
        """A new attempt of this browser; the oldest of too many are forgotten."""
        made = Attempt(
            self._ambient.token(18), browser, space, return_to, method, now,
            account=account, shared=shared, address=address,
        )  # fmt: skip
        await self.keep(made)
        key = f"attempts-of:{browser}"
        for _ in range(_TURNS):
            (raw,) = await self._store.read(key)
            ids: list[str] = json.loads(raw) if raw else []
            kept = [*ids, made.id][-_PER_BROWSER:]
            if await self._store.swap(key, raw, json.dumps(kept).encode(), CODE_LIFE):
                for old in ids[: len(ids) + 1 - len(kept)]:
                    await self.drop(old)
                return made
        raise StoreUnavailable("too many attempts at once")

    async def keep(self, attempt: Attempt) -> None:
        await self._store.write(_key(attempt.id), _encode(attempt), CODE_LIFE if attempt.account else LIFE)

    async def read(self, attempt_id: str) -> Attempt | None:
        if not attempt_id or len(attempt_id) > 64 or not attempt_id.isascii():
            return None
        (raw,) = await self._store.read(_key(attempt_id))
        return _decode(raw)

    async def take(self, attempt_id: str) -> Attempt | None:
        """The attempt, which nobody can have again."""
        if not attempt_id or len(attempt_id) > 64 or not attempt_id.isascii():
            return None
        (raw,) = await self._store.read(_key(attempt_id))
        if raw is None or not await self._store.swap(_key(attempt_id), raw, None):
            return None
        return _decode(raw)

    async def drop(self, attempt_id: str) -> None:
        (raw,) = await self._store.read(_key(attempt_id))
        if raw is not None:
            await self._store.swap(_key(attempt_id), raw, None)

    async def newest(self, browser: str) -> Attempt | None:
        """The newest attempt of this browser that waits for a code."""
        (raw,) = await self._store.read(f"attempts-of:{browser}")
        for attempt_id in reversed(json.loads(raw) if raw else []):
            found = await self.read(attempt_id)
            if found is not None and found.account is not None:
                return found
        return None

    @staticmethod
    def remember(attempt: Attempt, memory: Mapping[str, str], account: str | None = None) -> Attempt:
        return replace(attempt, memory=dict(memory), account=account or attempt.account)


def _key(attempt_id: str) -> str:
    return f"attempt:{attempt_id}"


def _encode(attempt: Attempt) -> bytes:
    return json.dumps(
        {
            "id": attempt.id,
            "browser": attempt.browser,
            "space": attempt.space.value,
            "return": attempt.return_to,
            "method": attempt.method,
            "created": attempt.created_at.timestamp(),
            "memory": dict(attempt.memory),
            "account": attempt.account,
            "shared": attempt.shared,
            "address": attempt.address,
        }
    ).encode()


def _decode(raw: bytes | None) -> Attempt | None:
    if raw is None:
        return None
    data = json.loads(raw)
    return Attempt(
        data["id"],
        data["browser"],
        Space(data["space"]),
        data["return"],
        data["method"],
        datetime.fromtimestamp(data["created"], UTC),
        data["memory"],
        data["account"],
        data["shared"],
        data["address"],
    )
