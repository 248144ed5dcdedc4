"""What a browser remembers of an invitation it is accepting, from the page of the link to the end of the way (R112, R113).

It lives on the server, sealed, for half an hour at most, and says only where a card shown in this browser is meant to
lead. It proves nothing: the link is judged again wherever something comes of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.clocks import lately
from gateway.pages.base import Visit

FINALISE = "/delegations/finalise"  # below the prefix: where the way ends


@dataclass(frozen=True, slots=True)
class Marker:
    """``token`` of the mailed link, ``doctor`` as people read the name, ``at``: proofs before it do not count."""

    token: str
    doctor: str
    at: datetime


async def mark(visit: Visit, token: str, doctor: str) -> None:
    """This browser accepts this invitation from now on, and no other."""
    house = visit.house
    record = house.seal(json.dumps([token, doctor, visit.now.timestamp()]))
    await house.store.write(marker_key(visit.browser_id()), record.encode(), house.proof_life)


async def marked(visit: Visit) -> Marker | None:
    """The invitation this browser accepts, while that is fresh enough."""
    if visit.browser is None:
        return None
    (raw,) = await visit.house.store.read(marker_key(visit.browser))
    plain = visit.house.unseal(raw.decode()) if raw is not None else None
    if plain is None:
        return None
    token, doctor, stamp = json.loads(plain)
    at = datetime.fromtimestamp(stamp, UTC)
    return Marker(token, doctor, at) if lately(at, visit.now, visit.house.proof_life) else None


async def unmark(visit: Visit, marker: Marker) -> None:
    """That invitation is settled, one way or the other; another one begun meanwhile in this browser stays."""
    if visit.browser is None or await marked(visit) != marker:
        return
    (raw,) = await visit.house.store.read(marker_key(visit.browser))
    if raw is not None:
        await visit.house.store.swap(marker_key(visit.browser), raw, None)


def marker_key(browser: str) -> str:
    return f"joining:{browser}"
