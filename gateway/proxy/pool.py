"""Connections to one backend: kept while idle, opened when needed, bounded, never shared by two requests at once."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from gateway.proxy.limits import PAGES, Backend, Meters
from gateway.proxy.upstream import ResponseHeads, Upstream
from gateway.reasons import Reason

_IDLE_LIMIT = 60.0  # seconds; below the keep-alive of common backends (nginx 75, IIS 120)
_WAITING_LIMIT = 2048

Connect = Callable[[Callable[[], Upstream]], Awaitable[tuple[Any, Upstream]]]


class Waiter(Protocol):
    """A request that waits for a connection."""

    def connected(self, connection: Upstream) -> None: ...

    def not_connected(self, reason: Reason) -> None: ...


class Pool:
    """One backend's connections. ``take`` answers at once from the idle ones; ``fetch`` opens one or waits."""

    def __init__(self, backend: Backend, heads: ResponseHeads, meters: Meters, connect: Connect | None = None) -> None:
        self.backend = backend
        self._heads = heads
        self._meters = meters
        self._connect = connect or self._dial
        self._idle: list[Upstream] = []
        self._waiting: deque[Waiter] = deque()
        self._open = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._trusted = backend.name == PAGES

    def take(self) -> Upstream | None:
        """An idle connection, the one used last first: the others may age and go."""
        while self._idle:
            connection = self._idle.pop()
            if connection.alive:
                return connection
        return None

    def fetch(self, waiter: Waiter) -> None:
        """Open a connection for this request, or queue it when the backend has all it may have."""
        if self._open >= self.backend.max_connections:
            if len(self._waiting) >= _WAITING_LIMIT:
                waiter.not_connected(Reason.BACKEND_DOWN)
            else:
                self._waiting.append(waiter)
            return
        self._open += 1
        task = asyncio.get_running_loop().create_task(self._dial_for(waiter), name=f"connect {self.backend.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def forget(self, waiter: Waiter) -> None:
        """This request does not wait any more."""
        if waiter in self._waiting:
            self._waiting.remove(waiter)

    def release(self, connection: Upstream) -> None:
        """Take back a connection on which both messages ended cleanly."""
        if self._waiting:
            self._waiting.popleft().connected(connection)
        else:
            self._idle.append(connection)

    def sweep(self, now: float) -> None:
        """Close what was idle for too long."""
        old = [one for one in self._idle if now - one.idle_since > _IDLE_LIMIT or not one.alive]
        for connection in old:
            self._idle.remove(connection)
            connection.close()

    def gone(self, connection: Upstream) -> None:
        """A connection ended, whoever ended it."""
        self._open -= 1
        if connection in self._idle:
            self._idle.remove(connection)
        if self._waiting and self._open < self.backend.max_connections:
            self.fetch(self._waiting.popleft())

    async def close(self) -> None:
        for connection in list(self._idle):
            connection.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _dial_for(self, waiter: Waiter) -> None:
        reason = Reason.BACKEND_DOWN
        try:
            async with asyncio.timeout(self.backend.connect_timeout):
                _, connection = await self._connect(self._new)
        except TimeoutError:
            reason = Reason.BACKEND_TIMEOUT
        except OSError:  # refused, unreachable, no such name, TLS not verified
            pass
        else:
            self._meters.upstream_opened += 1
            waiter.connected(connection)
            return
        self._open -= 1
        waiter.not_connected(reason)
        if self._waiting:
            self.fetch(self._waiting.popleft())

    def _new(self) -> Upstream:
        return Upstream(self._heads, self, trusted=self._trusted)

    async def _dial(self, factory: Callable[[], Upstream]) -> tuple[Any, Upstream]:
        loop = asyncio.get_running_loop()
        backend = self.backend
        return await loop.create_connection(
            factory,
            backend.host,
            backend.port,
            ssl=backend.tls,
            server_hostname=backend.host if backend.tls else None,
        )


def pages_connector(server: Callable[[], asyncio.Protocol]) -> Connect:
    """Connections to an application in this process: a socket pair, one end each (no port is ever open)."""

    async def connect(factory: Callable[[], Upstream]) -> tuple[Any, Upstream]:
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(server, theirs)
        return await loop.create_connection(factory, sock=ours)

    return connect
