"""Redis with one primary: a single server, or the one the sentinels name. It is found anew whenever something fails, and
looked for with every beat: when another one is named, nothing that the former answers counts any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.exceptions import ConnectionError, ResponseError

from gateway.edges.circuit import Circuit
from gateway.edges.redis_line import FAULTS, Entrance, Line, Place, Server
from gateway.edges.redis_link import ATTEMPT, Proof, kept, prove
from gateway.edges.redis_sentinels import Sentinels


class OnePrimary:
    """``at``: the place of a single server, or the sentinels. ``beat``: a key of this process alone."""

    def __init__(
        self,
        at: Place | Sentinels,
        entrance: Entrance,
        *,
        replicas: int,
        script: str,
        beat: str,
        clock: Callable[[], float],
    ) -> None:
        self._at = at
        self._entrance = entrance
        self.replicas = replicas
        self.script = script
        self._key = beat
        self._clock = clock
        self._server: Server | None = None
        self._proof = Proof(self._prove, clock)
        self._circuit = Circuit(clock)

    @property
    def name(self) -> str:
        host, port = self._server.place if self._server is not None else ("nowhere yet", 0)
        return f"{host}:{port}"

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        async with self._asked() as server:
            values = await _one(server, "MGET", *keys)
            await self._proof.believed()
            if server is not self._server:
                raise ConnectionError("another server is primary since")
        return list(values)

    async def change(self, key: str, *command: bytes | str | int) -> Any:
        async with self._asked() as server:
            return await kept(server, self.script, command, self.replicas)

    async def say(self, channel: str, message: str) -> None:
        async with self._asked() as server:
            await _one(server, "PUBLISH", channel, message)

    async def beat(self) -> None:
        async with self._circuit.guard(*FAULTS):
            await self._proof.now()

    async def listening(self, channel: str) -> Line:
        server = await self._proved()
        return await server.listening(channel)

    def hears(self, line: Line) -> bool:
        return self._server is not None and self._server.place == (line.host, line.port)

    async def close(self) -> None:
        await self._proof.close()
        if self._server is not None:
            self._server.close()
        if isinstance(self._at, Sentinels):
            self._at.close()

    @asynccontextmanager
    async def _asked(self) -> AsyncIterator[Server]:
        """Around one call: the primary, within the time for one attempt. What fails makes the next call look first."""
        async with self._circuit.guard(*FAULTS):
            try:
                async with asyncio.timeout(ATTEMPT):
                    yield await self._proved()
            except FAULTS:
                self._proof.doubt()
                raise

    async def _proved(self) -> Server:
        await self._proof.fresh()
        server = self._server
        if server is None:
            raise ConnectionError("no primary is known")
        return server

    async def _prove(self) -> None:
        place = await self._at.primary() if isinstance(self._at, Sentinels) else self._at
        server = self._server
        if place is not None and (server is None or server.place != place):
            if server is not None:
                server.close()
            server = self._server = Server(place, self._entrance, self._clock)
        if server is None:
            raise ConnectionError("no sentinel answers")
        await prove(server, self._key, self.replicas)


async def _one(server: Server, *command: bytes | str | int) -> Any:
    (reply,) = await server.ask(command)
    if isinstance(reply, ResponseError):
        raise reply
    return reply
