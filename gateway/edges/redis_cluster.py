"""Redis Cluster: each key lives at the primary that owns its slot.

Plain connections to single nodes, with redis-py's slots and errors, in place of its cluster client: a write and its ``WAIT``
must go over one connection, ``ASKING`` before it, and every node needs a proof and a circuit of its own; that client does not
let one say so.

* ``MOVED``: nothing was done; the slot is noted and the node named is asked. ``ASK``: the key is being handed over; the other
  node is asked once, the slot stays. ``TRYAGAIN``: a moment later. At most so many turns, inside the caller's time.
* The map is read again after a failure of any node, from a node that says that all is well.
* Keys of one call may lie at several nodes, which are asked one after the other.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import AskError, ConnectionError, MovedError, ResponseError, TryAgainError

from gateway.edges.circuit import Circuit, CircuitOpen
from gateway.edges.redis_line import FAULTS, Command, Entrance, Line, Place, Server
from gateway.edges.redis_link import ATTEMPT, Proof, kept, prove
from gateway.edges.redis_map import ClusterMap

_TURNS = 8
_PAUSE = 0.02  # seconds before what was refused for a moment is asked again; doubled each time


class _Node:
    """A primary: its connections, its proof, and its circuit."""

    def __init__(self, server: Server, prove_it: Callable[[_Node], Any], clock: Callable[[], float]) -> None:
        self.server = server
        self.proof = Proof(lambda: prove_it(self), clock)
        self.circuit = Circuit(clock)
        self.key = ""  # what its proof writes
        self.gone = False

    async def close(self) -> None:
        self.gone = True
        self.server.close()
        await self.proof.close()


class Cluster:
    """``seeds``: places of some nodes. ``beat``: begins the keys that belong to this process alone."""

    def __init__(
        self,
        seeds: Sequence[Place],
        entrance: Entrance,
        *,
        replicas: int,
        script: str,
        beat: str,
        clock: Callable[[], float],
    ) -> None:
        self._entrance = entrance
        self.replicas = replicas
        self.script = script
        self._key = beat
        self._clock = clock
        self._map = ClusterMap(seeds, entrance, clock)
        self._nodes: dict[Place, _Node] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        return "cluster of " + ", ".join(f"{host}:{port}" for host, port in sorted(self._map.places))

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        await self._mapped()
        at: dict[Place, list[str]] = {}
        for key in keys:
            at.setdefault(self._map.owner(_slot(key)), []).append(key)
        found: dict[str, Any] = {}
        for place, here in at.items():
            async with self._asked(place) as node:
                replies = await node.server.ask(*(("GET", key) for key in here))
                await self._believed(node)
            found.update(zip(here, replies, strict=True))
        for key, reply in found.items():
            if isinstance(reply, AskError | TryAgainError):
                found[key] = await self._routed(key, partial(self._read, key))
            elif isinstance(reply, ResponseError):
                raise reply
        return [found[key] for key in keys]

    async def change(self, key: str, *command: bytes | str | int) -> Any:
        return await self._routed(
            key, lambda node, asking: kept(node.server, self.script, command, self.replicas, asking=asking)
        )

    async def say(self, channel: str, message: str) -> None:
        """Nodes pass words on to each other; the first that may be believed will do."""
        fault: Exception = ConnectionError("no node is known")
        for place in await self._shuffled():
            try:
                async with self._asked(place) as node:
                    (reply,) = await node.server.ask(("PUBLISH", channel, message))
            except (*FAULTS, CircuitOpen) as error:
                fault = error
                continue
            if isinstance(reply, ResponseError):
                raise reply
            return
        raise fault

    async def beat(self) -> None:
        await self._mapped()
        faults: list[Exception] = []

        async def one(place: Place) -> None:
            try:
                node = self._node(place)
                async with node.circuit.guard(*FAULTS):
                    await node.proof.now()
            except (*FAULTS, ResponseError) as error:
                self._map.doubt()
                faults.append(error)
            except CircuitOpen as error:
                faults.append(error)

        async with asyncio.TaskGroup() as group:
            for place in self._map.places:
                group.create_task(one(place), name="store proof of a node")
        if faults:
            raise next((fault for fault in faults if not isinstance(fault, CircuitOpen)), faults[0])

    async def listening(self, channel: str) -> Line:
        fault: Exception = ConnectionError("no node is known")
        for place in await self._shuffled():
            try:
                async with self._asked(place) as node:
                    return await node.server.listening(channel)
            except (*FAULTS, CircuitOpen) as error:
                fault = error
        raise fault

    def hears(self, line: Line) -> bool:
        return (line.host, line.port) in self._map.places

    async def close(self) -> None:
        for node in self._nodes.values():
            await node.close()
        if self._closing:
            await asyncio.wait(self._closing)
        await self._map.close()

    # Which node

    async def _routed(self, key: str, work: Callable[[_Node, bool], Any]) -> Any:
        """What ``work`` gives at the node that has the key; nothing is done twice: a node that sends elsewhere did
        nothing."""
        await self._mapped()
        place, asking, pause = self._map.owner(_slot(key)), False, _PAUSE
        for _ in range(_TURNS):
            try:
                async with self._asked(place) as node:
                    return await work(node, asking)
            except MovedError as moved:
                place, asking = (moved.host or place[0], moved.port), False
                self._map.moved(_slot(key), place)
            except AskError as ask:
                place, asking = (ask.host or place[0], ask.port), True
            except TryAgainError:
                await asyncio.sleep(pause)
                pause *= 2
        raise ConnectionError("the nodes send from one to the other")

    async def _read(self, key: str, node: _Node, asking: bool) -> Any:
        commands: list[Command] = [("ASKING",)] if asking else []
        replies = await node.server.ask(*commands, ("GET", key))
        if isinstance(replies[-1], ResponseError):
            raise replies[-1]
        await self._believed(node)
        return replies[-1]

    async def _believed(self, node: _Node) -> None:
        await node.proof.believed()
        if node.gone:
            raise ConnectionError("another server is primary since")

    @asynccontextmanager
    async def _asked(self, place: Place) -> AsyncIterator[_Node]:
        """Around one call to one node, within the time for one attempt."""
        node = self._node(place)
        async with node.circuit.guard(*FAULTS):
            try:
                async with asyncio.timeout(ATTEMPT):
                    await node.proof.fresh()
                    yield node
            except FAULTS:
                node.proof.doubt()
                self._map.doubt()
                raise

    def _node(self, place: Place) -> _Node:
        node = self._nodes.get(place)
        if node is None:
            node = self._nodes[place] = _Node(Server(place, self._entrance, self._clock), self._prove, self._clock)
        return node

    async def _mapped(self) -> None:
        """The map is as far as we know the present one; nodes that own nothing any more are let go of."""
        if not await self._map.current():
            return
        for place in self._nodes.keys() - self._map.places:
            task = asyncio.get_running_loop().create_task(self._nodes.pop(place).close(), name="close node")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _shuffled(self) -> list[Place]:
        await self._mapped()
        places = list(self._map.places)
        random.shuffle(places)
        return places

    async def _prove(self, node: _Node) -> None:
        """Through a key in a slot of this node; one that owns none (it is about to get its first) shows its role only."""
        place = node.server.place
        for _ in range(_TURNS):
            if place not in self._map.places:
                node.key = ""
            elif not node.key or not self._map.owns(place, _slot(node.key)):
                node.key = self._key_at(place)
            try:
                await prove(node.server, node.key, self.replicas if node.key else 0)
                return
            except MovedError as moved:
                self._map.moved(_slot(node.key), (moved.host or place[0], moved.port))
            except AskError:
                node.key = ""  # this slot is being handed over: another one will do
        raise ConnectionError("the node sends elsewhere for every slot it should own")

    def _key_at(self, place: Place) -> str:
        """Drawn anew each time: the slot that was being handed over is not met again."""
        start = random.randrange(REDIS_CLUSTER_HASH_SLOTS)  # noqa: S311 - no secret
        keys = (f"{self._key}{{{number}}}" for number in range(start, start + 8 * REDIS_CLUSTER_HASH_SLOTS))
        return next((key for key in keys if self._map.owns(place, _slot(key))), "")


def _slot(key: str) -> int:
    return key_slot(key.encode())
