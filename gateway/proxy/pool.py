"""Connections to one server: kept while idle, opened when needed, bounded, never shared by two requests at once."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from gateway.ending import ended
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


class Source(Protocol):
    """Where connections to a backend come from: one server's pool, or several behind a choice."""

    backend: Backend

    def take(self) -> Upstream | None:
        """An idle connection, if there is one."""

    def fetch(self, waiter: Waiter) -> None:
        """Open a connection for this request, or let it wait for one; called right after ``take`` gave none."""

    def forget(self, waiter: Waiter) -> None:
        """This request does not wait any more."""

    def may_retry(self) -> bool:
        """Whether one more request may be sent a second time; counts it when it may."""

    def sweep(self, now: float) -> None:
        """Close what is old, once a second."""

    async def close(self) -> None: ...


class Pool:
    """One server's connections. ``take`` answers at once from the idle ones; ``fetch`` opens one or waits.

    ``troubled`` hears of every failure of the server that a request met.
    """

    def __init__(
        self,
        backend: Backend,
        heads: ResponseHeads,
        meters: Meters,
        connect: Connect | None = None,
        *,
        troubled: Callable[[], None] = lambda: None,
    ) -> None:
        self.backend = backend
        self.failures = 0  # in a row
        self.taken = 0  # requests since the last sweep
        self._heads = heads
        self._meters = meters
        self._connect = connect or self._dial
        self._troubled = troubled
        self._idle: list[Upstream] = []
        self._all: set[Upstream] = set()
        self._waiting: deque[Waiter] = deque()
        self._open = 0
        self._budget = _Budget()
        self._tasks: set[asyncio.Task[None]] = set()
        self._trusted = backend.name == PAGES

    @property
    def busy(self) -> int:
        """Connections in use or being opened, and requests that wait for one."""
        return self._open - len(self._idle) + len(self._waiting)

    def take(self) -> Upstream | None:
        """An idle connection, the one used last first: the others may age and go."""
        self.taken += 1
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
        if waiter in self._waiting:
            self._waiting.remove(waiter)

    def may_retry(self) -> bool:
        return self._budget.spend()

    def release(self, connection: Upstream) -> None:
        """Take back a connection on which both messages ended cleanly."""
        self.failures = 0
        if self._waiting:
            self._waiting.popleft().connected(connection)
        else:
            self._idle.append(connection)

    def failed(self) -> None:
        """A request met a failure of this server: no connection, no answer, or an unreadable one."""
        self.failures += 1
        self._meters.upstream_failures[self.backend.name, self.backend.address] += 1
        self._troubled()

    def sweep(self, now: float) -> None:
        self._budget.refill(self.taken, now)
        self.taken = 0
        oldest = now - self.backend.max_age
        for connection in list(self._all):
            if connection.reused and connection.born < oldest:
                connection.retired = True  # it ends with the request it carries
        for connection in list(self._idle):
            if connection.retired or not connection.alive or now - connection.idle_since > _IDLE_LIMIT:
                self._idle.remove(connection)
                connection.close()

    def gone(self, connection: Upstream) -> None:
        """A connection ended, whoever ended it."""
        self._open -= 1
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if self._waiting and self._open < self.backend.max_connections:
            self.fetch(self._waiting.popleft())

    async def close(self) -> None:
        for connection in list(self._idle):
            connection.close()
        await ended(*self._tasks)

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
            self._all.add(connection)
            waiter.connected(connection)
            return
        self._open -= 1
        self.failed()
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


class _Budget:
    """How many requests may be sent twice: a share of those that came in the last ten seconds, and a few anyway. Without
    it a server that dies under load gets its load doubled."""

    _WINDOW, _FEW = 10.0, 10

    def __init__(self, share: float = 0.2) -> None:
        self._share = share
        self._left = float(self._FEW)
        self._since = 0.0
        self._came = 0

    def refill(self, came: int, now: float) -> None:
        self._came += came
        if now - self._since >= self._WINDOW:
            self._left = max(float(self._FEW), self._came * self._share)
            self._since, self._came = now, 0

    def spend(self) -> bool:
        if self._left < 1:
            return False
        self._left -= 1
        return True


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
