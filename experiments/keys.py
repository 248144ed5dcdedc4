"""Whether an assertion is believed: judged with the keys as the gateway publishes them at that moment."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import aiohttp
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

_AGE = 30.0  # seconds an application keeps the key set; a key it does not know makes it look again at once
_LEEWAY = 5


class Verifier:
    """An application's view of the keys at ``base``. What it believed once it believes again until it expires; with
    ``timeless`` it has the gateway's clock, whatever that shows."""

    def __init__(self, http: aiohttp.ClientSession, base: str, *, timeless: bool = False) -> None:
        self._timeless = timeless
        self._http = http
        self._base = base
        self._keys: KeySet | None = None
        self._read = 0.0
        self._believed: dict[str, dict[str, Any]] = {}

    def count(self) -> Counter[str]:
        """How many different assertions of each key were believed."""
        return Counter(str(jws.extract_compact(token.encode()).headers()["kid"]) for token in self._believed)

    async def claims(self, token: str) -> dict[str, Any] | None:
        """The claims; ``None`` when no published key signed this or it is not for now."""
        known = self._believed.get(token)
        if known is None:
            known = await self._judge(token)
            if known is None:
                return None
            self._believed[token] = known
        return known if self._timeless or time.time() <= known["exp"] + _LEEWAY else None

    async def _judge(self, token: str) -> dict[str, Any] | None:
        for fresh in (False, True):
            try:
                keys = await self._key_set(fresh=fresh)
                return dict(jwt.decode(token, keys, algorithms=["ES256"]).claims)
            except (JoseError, ValueError, KeyError, aiohttp.ClientError, OSError, TimeoutError):
                continue
        return None

    async def _key_set(self, *, fresh: bool) -> KeySet:
        if self._keys is None or fresh or time.monotonic() - self._read > _AGE:
            headers = {"X-Forwarded-Proto": "https", "Host": "localhost"}
            async with self._http.get(f"{self._base}/_gateway/jwks.json", headers=headers) as answer:
                self._keys = KeySet.import_key_set(await answer.json(content_type=None))
            self._read = time.monotonic()
        return self._keys
