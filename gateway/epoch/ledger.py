"""Epochs and pulses in the records: the side that is durable, and decides between those who find out at once."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

from gateway.epoch.judgement import Kept, Pulse, is_first, new_name
from gateway.ports import Ambient, Change, Insert, Records, Row, Update, Value
from gateway.reasons import Stale, Taken

_FEW = 20  # pulses that people are shown


class Ledger:
    """Methods raise ``RecordsUnavailable``."""

    def __init__(self, records: Records, ambient: Ambient) -> None:
        self._records = records
        self._ambient = ambient

    # Reading

    async def newest(self) -> int:
        """The epoch in force; 0 before the first."""
        row = await self.newest_row()
        return cast(int, row["number"]) if row else 0

    async def newest_row(self) -> Row | None:
        found = await self._records.find("epochs", {}, order=("-number",), limit=1)
        return found[0] if found else None

    async def latest_pulses(self) -> Sequence[Row]:
        """For people: those seen last."""
        return await self._records.find("pulses", {}, order=("-seen_at",), limit=_FEW)

    async def of(self, names: Sequence[str]) -> dict[str, Kept]:
        """What is held of these names; those nobody noted are missing."""
        found = await self._records.find("pulses", {"name": names}) if names else ()
        return {
            cast(str, row["name"]): Kept(cast(int, row["epoch"]), cast(int, row["beats"]), row["ended_at"] is not None)
            for row in found
        }

    # Names

    async def name(self, epoch: int, *, empty: bool) -> tuple[str, bool]:
        """A name for a store; and whether it was made for it. The first of all may be waiting: whoever gives it to an
        empty store makes it so."""
        if empty:
            waiting = await self._records.find("pulses", {"epoch": epoch, "beats": 0, "ended_at": None}, limit=_FEW)
            for row in waiting:
                if is_first(cast(str, row["name"])):
                    return cast(str, row["name"]), False
        made = new_name(self._ambient)
        await self._records.write(_pulse(made, epoch, 0, self._ambient.now()))
        return made, True

    async def note(self, name: str, before: int, count: int) -> None:
        """The store was seen to have counted so far, unless another noted it meanwhile."""
        with contextlib.suppress(Stale):
            values: dict[str, Value] = {"beats": count, "seen_at": self._ambient.now()}
            await self._records.write(Update("pulses", values, {"name": name, "beats": before}))

    async def end(self, name: str) -> None:
        """This name never counts again, should a copy of the store bring it back."""
        with contextlib.suppress(Stale):
            where = {"name": name, "ended_at": None}
            await self._records.write(Update("pulses", {"ended_at": self._ambient.now()}, where))

    # Epochs

    async def begin_first(self) -> None:
        """Epoch 1, and the name that is no prefix; nothing when another was first."""
        now, name = self._ambient.now(), new_name(self._ambient, first=True)
        with contextlib.suppress(Taken):
            await self._records.write(_epoch(1, now, "first"), _pulse(name, 1, 0, now))

    async def begin(
        self, number: int, reason: str, rows: Mapping[str, Kept], pulses: Sequence[Pulse], now: datetime
    ) -> bool:
        """The epoch of this number, in which these pulses have ended; false when another began it.

        Whoever else remembers their names must find what they remember, or each would begin an epoch of its own."""
        changes: list[Change] = [_epoch(number, now, reason)]
        for name in {one.name for one in pulses}:
            count = max(one.kept for one in pulses if one.name == name)
            row = rows.get(name)
            if row is None:
                changes.append(_pulse(name, number - 1, count, now, ended=True))
            else:
                changes.append(Update("pulses", {"beats": max(count, row.count), "ended_at": now}, {"name": name}))
        try:
            await self._records.write(*changes)
        except (Taken, Stale):
            return False
        return True


def _epoch(number: int, now: datetime, reason: str) -> Insert:
    return Insert("epochs", {"number": number, "began_at": now, "reason": reason})


def _pulse(name: str, epoch: int, count: int, now: datetime, *, ended: bool = False) -> Insert:
    end = now if ended else None
    return Insert("pulses", {"name": name, "epoch": epoch, "beats": count, "seen_at": now, "ended_at": end})
