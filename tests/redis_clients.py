"""A store in Redis for one test, and what it says when nothing can be known."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from gateway.edges.redis_store import RedisStore
from gateway.edges.system import SystemAmbient
from gateway.reasons import StoreUnavailable
from gateway.redis_url import RedisAccess

HOUR = timedelta(hours=1)


@asynccontextmanager
async def opened(url: str, access: RedisAccess | None = None, *, start: bool = True) -> AsyncIterator[RedisStore]:
    store = RedisStore(url, SystemAmbient(), access)
    if start:
        await store.start()
    try:
        yield store
    finally:
        await store.close()


async def nothing_is_known(store: RedisStore) -> list[StoreUnavailable]:
    """Every verb says that the store is unavailable, within 3 s."""
    faults: list[StoreUnavailable] = []
    for call in (
        lambda: store.read("a"),
        lambda: store.write("a", b"2", HOUR),
        lambda: store.swap("a", None, b"2", HOUR),
        lambda: store.swap("a", b"1", None),
        lambda: store.publish("policy:1"),
    ):
        began = time.monotonic()
        with pytest.raises(StoreUnavailable) as caught:
            await call()
        assert time.monotonic() - began < 3
        faults.append(caught.value)
    return faults
