"""The map of a Redis Cluster: which primary owns which of the 16384 slots."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any

from redis.crc import REDIS_CLUSTER_HASH_SLOTS
from redis.exceptions import ClusterDownError, ConnectionError, ResponseError

from gateway.edges.circuit import Circuit
from gateway.edges.redis_line import FAULTS, Entrance, Place, Server
from gateway.ending import ended

_WAIT = 0.5  # seconds for the nodes asked to say what they know
_ASKED = 5  # nodes asked at a time
_AGAIN = 0.1  # seconds between two readings, whatever is doubted meanwhile


class ClusterMap:
    def __init__(self, seeds: Sequence[Place], entrance: Entrance, clock: Callable[[], float]) -> None:
        self._seeds = tuple(seeds)
        self._entrance = entrance
        self._clock = clock
        self._owners: list[Place | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        self._all: tuple[Place, ...] = ()  # replicas too: when primaries die, they know
        self._guides: dict[Place, Server] = {}
        self._doubted = True
        self._read_at = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self._circuit = Circuit(clock)
        self.places: frozenset[Place] = frozenset()

    def owner(self, slot: int) -> Place:
        place = self._owners[slot]
        if place is None:
            self._doubted = True
            raise ClusterDownError("nobody owns the slot")
        return place

    def owns(self, place: Place, slot: int) -> bool:
        return self._owners[slot] == place

    def doubt(self) -> None:
        self._doubted = True

    def moved(self, slot: int, place: Place) -> None:
        """As a node says; others may have moved with it, so that all is read again."""
        self._owners[slot] = place
        self.places |= {place}
        self._doubted = True

    async def current(self) -> bool:
        """Read the map if it is doubted; true when that was done. Raises ``ConnectionError`` when no node tells it, and
        ``CircuitOpen`` while none told it lately."""
        if not self._doubted or (self.places and self._clock() - self._read_at < _AGAIN):
            return False
        async with self._circuit.guard(*FAULTS):
            if self._task is None or self._task.done():
                self._task = asyncio.get_running_loop().create_task(self._read(), name="store map")
                self._task.add_done_callback(lambda task: task.cancelled() or task.exception())
            await asyncio.shield(self._task)
        return True

    async def close(self) -> None:
        if self._task is not None:
            await ended(self._task)
        for guide in self._guides.values():
            guide.close()

    async def _read(self) -> None:
        """From the first node that says that the cluster is well; else from any that says something: one that is cut off from
        most others knows only what was, and that is read again."""
        known = list({*self._seeds, *self._all})
        asked = random.sample(known, min(_ASKED, len(known)))
        waiting = {asyncio.create_task(self._ask(place), name="store map of a node") for place in asked}
        found: list[Any] = []
        well = False
        refused: ResponseError | None = None
        last = self._clock() + _WAIT
        try:
            while waiting and not well and self._clock() < last:
                done, waiting = await asyncio.wait(
                    waiting, timeout=max(0.0, last - self._clock()), return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    try:
                        ok, entries = task.result()
                    except ResponseError as error:
                        refused = error
                    except FAULTS:
                        continue  # this one is away
                    else:
                        if (ok and not well) or not found:
                            found, well = entries, ok
        finally:
            await ended(*waiting)
        self._read_at = self._clock()
        if found:
            self._take(found)
            self._doubted = not well
        else:
            raise refused or ConnectionError("no node of the cluster answers")

    async def _ask(self, place: Place) -> tuple[bool, list[Any]]:
        guide = self._guides.setdefault(place, Server(place, self._entrance, self._clock, primary=False))
        state, slots = await guide.ask(("CLUSTER", "INFO"), ("CLUSTER", "SLOTS"))
        for reply in (state, slots):
            if isinstance(reply, ResponseError):
                raise reply
        return b"cluster_state:ok" in state, [(place[0], *entry) for entry in slots]

    def _take(self, entries: list[Any]) -> None:
        """An entry: who told, first slot, last slot, then nodes as host, port, id …, the primary first. A node that does not
        know its own host leaves it empty: then it is the one we asked."""
        owners: list[Place | None] = [None] * REDIS_CLUSTER_HASH_SLOTS
        every: set[Place] = set()
        for told_by, first, last, *nodes in entries:
            places = [((node[0] or b"").decode() or told_by, int(node[1])) for node in nodes]
            every.update(places)
            owners[first : last + 1] = [places[0]] * (last + 1 - first)
        self._owners = owners
        self._all = tuple(every)
        self.places = frozenset(place for place in owners if place is not None)
