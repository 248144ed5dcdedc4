"""What in the records serves once, and might be used a second time after they were put back to an earlier moment.

Invitations to a delegation lose their link (whoever gave it sends another), recovery codes are gone (new ones are
made on « Mon compte »), and the steps of authenticator applications that may have served count as used. Everything
else that serves once lives in the store. What is interrupted is done again: nothing here is done twice.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime
from typing import cast

from gateway.ports import Change, Delete, Records, Span, Update
from gateway.reasons import Stale

_AT_ONCE = 500
_STEP = 30  # seconds of an application's code
_TURNS = 10_000  # times so many rows; an end, should somebody undo it all the while


async def void_links(records: Records, now: datetime) -> int:
    """End the links of invitations; returns how many. Raises ``RecordsUnavailable``."""
    found = 0
    for _ in range(_TURNS):
        rows = await records.find("delegations", {"invite_digest": Span()}, order=("id",), limit=_AT_ONCE)
        if not rows:
            break
        for row in rows:
            changed: Mapping[str, datetime | int | None] = {
                "invite_digest": None,
                "invite_until": None,
                "updated_at": now,
                "version": cast(int, row["version"]) + 1,
            }
            try:
                await records.write(Update("delegations", changed, {"id": row["id"], "version": row["version"]}))
                found += 1
            except Stale:
                continue  # changed meanwhile: looked at again
    return found


async def void_codes(records: Records, now: datetime) -> int:
    """End recovery codes, and the codes that applications show now; returns how many recovery codes."""
    found = 0
    for _ in range(_TURNS):
        rows = await records.find("recovery_codes", {}, order=("id",), limit=_AT_ONCE)
        if not rows:
            break
        await records.write(Delete("recovery_codes", {"id": [cast(str, row["id"]) for row in rows]}))
        found += sum(row["used_at"] is None for row in rows)
    edge = int(now.timestamp()) // _STEP + 1
    for _ in range(_TURNS):
        rows = await records.find("authenticators", {"last_step": Span(before=edge)}, limit=_AT_ONCE)
        if not rows:
            break
        changes: list[Change] = [
            Update("authenticators", {"last_step": edge}, {"account_id": row["account_id"]}) for row in rows
        ]
        with contextlib.suppress(Stale):  # one was used or removed meanwhile: looked at again
            await records.write(*changes)
    return found
