"""The Store and Bus of an address: ``memory://``, ``sqlite:///path``, ``redis://…``, ``rediss://…``."""

from __future__ import annotations

from pathlib import Path

from gateway.edges.memory_store import MemoryStore
from gateway.edges.redis_store import RedisStore
from gateway.edges.sqlite_store import SqliteStore
from gateway.ports import Ambient

AnyStore = MemoryStore | SqliteStore | RedisStore


def open_store(url: str, ambient: Ambient) -> AnyStore:
    """A store that is also its bus, not started yet; raises ``ValueError`` for an address of no known kind."""
    if url.startswith("memory://"):
        return MemoryStore(ambient)
    if url.startswith("sqlite:///"):
        return SqliteStore(Path(url.removeprefix("sqlite:///")), ambient)
    if url.startswith(("redis://", "rediss://", "redis+")):
        return RedisStore(url, ambient)
    raise ValueError("a store address starts with memory://, sqlite:///, redis:// or rediss://")
