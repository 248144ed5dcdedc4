"""Links sent by mail that are good once, for one account: kept as digests, bounded in time.

* A newer link of the same kind voids the older one.
* Looking a link up consumes nothing: machines open the links of mails before people do. Taking it is one compare and
  set among all workers: of two at the same instant one has it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from gateway.ports import Ambient, Store


class Links:
    """``kind`` names the links in the store. Methods raise ``StoreUnavailable``."""

    def __init__(self, store: Store, ambient: Ambient, kind: str) -> None:
        self._store = store
        self._ambient = ambient
        self._kind = kind

    async def make(self, account_id: str, facts: Mapping[str, Any], life: timedelta) -> str:
        """A new token; ``facts`` are what ``find`` tells of it, beside ``account``."""
        token = self._ambient.token(24)
        await self._keep(token, {"account": account_id, **facts}, life)
        return token

    async def find(self, token: str) -> Mapping[str, Any] | None:
        """What a link stands for; ``None`` when it never was, ended, was taken, or a newer one was made."""
        found = await self._look(token)
        return found[1] if found else None

    async def take(self, token: str) -> Mapping[str, Any] | None:
        """The same, and the link is used; ``None`` also when somebody else took it at this instant."""
        found = await self._look(token)
        if found is None or not await self._store.swap(self._key(token), found[0], None):
            return None
        return found[1]

    async def give_back(self, token: str, facts: Mapping[str, Any], life: timedelta) -> None:
        """What a taken link was for could not be done: it is good again."""
        await self._keep(token, facts, life)

    async def void(self, account_id: str) -> None:
        """The link of this account that waits leads nowhere from now on."""
        (key,) = await self._store.read(self._newest(account_id))
        if key is not None:
            await self._store.swap(self._newest(account_id), key, None)

    async def _keep(self, token: str, facts: Mapping[str, Any], life: timedelta) -> None:
        await self._store.write(self._key(token), json.dumps(dict(facts)).encode(), life)
        await self._store.write(self._newest(facts["account"]), self._key(token).encode(), life)

    async def _look(self, token: str) -> tuple[bytes, Mapping[str, Any]] | None:
        if not 10 <= len(token) <= 64 or not token.isascii():
            return None
        (raw,) = await self._store.read(self._key(token))
        if raw is None:
            return None
        facts: Mapping[str, Any] = json.loads(raw)
        (newest,) = await self._store.read(self._newest(facts["account"]))
        return (raw, facts) if newest == self._key(token).encode() else None

    def _key(self, token: str) -> str:
        return f"{self._kind}:{hashlib.sha256(token.encode()).hexdigest()}"

    def _newest(self, account_id: str) -> str:
        return f"{self._kind}-of:{account_id}"
