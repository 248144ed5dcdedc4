"""Who is primary, as the sentinels say.

All are asked, and more than half are waited for. They may differ while one of them is cut off or has not heard yet: the
highest configuration epoch is the latest decision (Sentinel, "Configuration epochs"). The address comes from
``GET-MASTER-ADDR-BY-NAME``, which names a new primary as soon as it was promoted; ``SENTINEL MASTER`` has the epoch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from redis.exceptions import ConnectionError, ResponseError

from gateway.edges.redis_line import FAULTS, Entrance, Place, Server
from gateway.ending import ended

_WAIT = 0.5  # seconds for all of them together


class Sentinels:
    def __init__(self, places: Sequence[Place], service: str, entrance: Entrance, clock: Callable[[], float]) -> None:
        self._servers = [Server(place, entrance, clock, primary=False) for place in places]
        self._service = service

    async def primary(self) -> Place | None:
        """``None`` when none of them answers: who is primary then is as it was known. Raises ``ResponseError`` when they
        answer and know no such service, or do not let us ask."""
        tasks = {asyncio.create_task(self._ask(one), name="store sentinel") for one in self._servers}
        found: list[tuple[int, Place]] = []
        refused: ResponseError | None = None
        waiting = set(tasks)
        loop = asyncio.get_running_loop()
        last = loop.time() + _WAIT
        try:
            while waiting and 2 * len(found) <= len(tasks) and loop.time() < last:
                done, waiting = await asyncio.wait(
                    waiting, timeout=max(0.0, last - loop.time()), return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    try:
                        found.append(task.result())
                    except ResponseError as error:
                        refused = error
                    except FAULTS:
                        continue  # this one is away
        finally:
            await ended(*waiting)
        if found:
            return max(found)[1]
        if refused is not None:
            raise refused
        return None

    def close(self) -> None:
        for server in self._servers:
            server.close()

    async def _ask(self, server: Server) -> tuple[int, Place]:
        where, all_of_it = await server.ask(
            ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service), ("SENTINEL", "MASTER", self._service)
        )
        for reply in (where, all_of_it):
            if isinstance(reply, ResponseError):
                raise reply
        if where is None:
            raise ConnectionError("the sentinel knows no primary now")
        told: dict[Any, Any] = dict(zip(all_of_it[::2], all_of_it[1::2], strict=False))
        return int(told.get(b"config-epoch", 0)), (where[0].decode(), int(where[1]))
