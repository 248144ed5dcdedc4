"""The Store and Bus of an address: ``memory://``, ``sqlite:///path``, or Redis in its shapes (``gateway.redis_url``)."""

from __future__ import annotations

from pathlib import Path

from gateway.edges.memory_store import MemoryStore
from gateway.edges.redis_store import RedisStore
from gateway.edges.sqlite_store import SqliteStore
from gateway.ports import Ambient
from gateway.redis_url import SCHEMES, RedisAccess

AnyStore = MemoryStore | SqliteStore | RedisStore


def open_store(url: str, ambient: Ambient, access: RedisAccess | None = None) -> AnyStore:
    """A store that is also its bus, not started yet; raises ``ValueError`` for an address of no known kind, ``OSError`` for
    files of TLS that are of no use. ``access``: how we come into Redis."""
    if url.startswith("memory://"):
        return MemoryStore(ambient)
    if url.startswith("sqlite:///"):
        return SqliteStore(Path(url.removeprefix("sqlite:///")), ambient)
    if url.startswith(SCHEMES):
        return RedisStore(url, ambient, access)
    raise ValueError(f"a store address starts with memory://, sqlite:///, {', '.join(SCHEMES)}")
