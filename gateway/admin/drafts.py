"""What somebody filled in and has not confirmed yet, kept for an hour under an address of its own.

A page that answers a form has no way back in the browser: whoever leaves a preview to look at the people it speaks of
has to find it again, and with it everything they typed. A draft belongs to one administrator; it changes nothing.
"""

from __future__ import annotations

import json
import zlib
from datetime import timedelta

from gateway.admin.frame import Typed
from gateway.administration.actor import Actor
from gateway.pages.base import Visit

_LIFE = timedelta(hours=1)
_LARGEST = 60_000  # bytes that the store keeps of one value
_FULL = 4_000_000  # and what they may become again


async def keep(visit: Visit, actor: Actor, typed: Typed) -> str | None:
    """The draft's name, for its address; ``None`` when it is too large to be kept. Raises ``StoreUnavailable``."""
    kept = {name: list(values) for name, values in typed.lists.items() if name != "csrf"}
    raw = zlib.compress(json.dumps(kept).encode())
    if len(raw) > _LARGEST:
        return None
    name = visit.house.ambient.token(12)
    await visit.house.store.write(_key(actor, name), raw, _LIFE)
    return name


async def find(visit: Visit, actor: Actor, name: str) -> Typed | None:
    """What was kept under this name by this administrator; ``None`` when there is nothing any more."""
    if not 0 < len(name) <= 40 or not name.isascii():
        return None
    (raw,) = await visit.house.store.read(_key(actor, name))
    if raw is None:
        return None
    lists = json.loads(zlib.decompressobj().decompress(raw, _FULL))
    return Typed({one: values[-1] for one, values in lists.items()}, {one: tuple(v) for one, v in lists.items()})


def _key(actor: Actor, name: str) -> str:
    return f"draft:{actor.id}:{name}"
