"""Writing what the policy book is made of: every change under the next revision, in one transaction with it.

Workers look at the counter alone, and read the scopes whose revision is newer than theirs. Since the counter is raised
in the transaction of the change, none can be seen without the other, whatever the order in which writers end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from gateway.ports import Bus, Change, Records, Update
from gateway.reasons import Stale, StoreUnavailable

_TURNS = 50


class Revisions:
    """``bus`` may be nothing: workers find out by themselves within a second."""

    def __init__(self, records: Records, bus: Bus | None) -> None:
        self._records = records
        self._bus = bus

    async def write(self, changes: Callable[[int], Sequence[Change]]) -> int:
        """Write ``changes(revision)``, all or nothing, and tell the workers; returns the revision.

        Raises ``RecordsUnavailable``, ``Taken``, and ``Stale`` when a row is not as ``changes`` expects it.
        """
        for _ in range(_TURNS):
            before = await self._present()
            try:
                await self._records.write(
                    Update("revisions", {"value": before + 1}, {"name": "policy", "value": before}),
                    *changes(before + 1),
                )
            except Stale:
                if await self._present() == before:
                    raise  # not the counter: a row of the change itself
                continue
            await self._tell(before + 1)
            return before + 1
        raise Stale("the policy changes too often")

    async def _present(self) -> int:
        rows = await self._records.find("revisions", {"name": "policy"}, limit=1)
        return cast(int, rows[0]["value"])

    async def _tell(self, revision: int) -> None:
        if self._bus is not None:
            try:
                await self._bus.publish(f"policy:{revision}")
            except StoreUnavailable:
                return  # written all the same; workers look every second
