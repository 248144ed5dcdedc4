"""Several servers behind one backend name: whose turn it is, who is left out, and for how long.

A server is left out after some failures in a row, met by requests (passive) or by checks of its health path (active). By
requests alone the last one is never left out: it may be the network. When every check fails there is nobody to ask, and
the answer is 503.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from gateway.ending import ended
from gateway.proxy.limits import Backend, Group, Health, Meters
from gateway.proxy.pool import Pool, Waiter
from gateway.proxy.upstream import ResponseHeads, Upstream
from gateway.proxy.wire import WireError, status_line
from gateway.reasons import Reason

_LONGEST = 6  # times ``eject_for``, however often a server fails
_HEAD = 16_384  # bytes of an answer to a check


class Server:
    """One server and its standing."""

    def __init__(self, backend: Backend, pool: Callable[[Callable[[], None]], Pool], cluster: Cluster) -> None:
        self.backend = backend
        self.sick = False  # says its health path
        self.out_until = 0.0
        self.ejected = 0  # times in a row
        self._cluster = cluster
        self.pool = pool(self._troubled)

    def available(self, now: float) -> bool:
        return not self.sick and now >= self.out_until

    def _troubled(self) -> None:
        self._cluster.troubled(self)


class Cluster:
    """The ``Source`` of connections for a backend of several servers."""

    def __init__(self, group: Group, heads: ResponseHeads, meters: Meters, clock: Callable[[], float]) -> None:
        self.backend = group.servers[0]
        self.health: Health = group.health
        self._meters = meters
        self._clock = clock
        self._servers = [
            Server(one, lambda troubled, one=one: Pool(one, heads, meters, troubled=troubled), self)  # type: ignore[misc]
            for one in group.servers
        ]
        self._turn = 0
        self._chosen: Server | None = None
        self._attempts: dict[Waiter, _Attempt] = {}
        self._checks: list[asyncio.Task[None]] = []

    def take(self) -> Upstream | None:
        self._chosen = self.choose()
        return self._chosen.pool.take() if self._chosen is not None else None

    def fetch(self, waiter: Waiter) -> None:
        """A connection to the server just chosen; when it cannot be had, to another one, if the budget allows."""
        chosen, self._chosen = self._chosen, None
        if chosen is None:
            waiter.not_connected(Reason.NO_BACKEND)
            return
        attempt = self._attempts[waiter] = _Attempt(self, waiter, chosen)
        attempt.begin(chosen)

    def forget(self, waiter: Waiter) -> None:
        attempt = self._attempts.pop(waiter, None)
        if attempt is not None:
            attempt.server.pool.forget(attempt)

    def may_retry(self) -> bool:
        self._chosen = self.choose()
        return self._chosen is not None and self._chosen.pool.may_retry()

    def sweep(self, now: float) -> None:
        for server in self._servers:
            server.pool.sweep(now)
            self._note(server, out=not server.available(now))
        if self.health.path is not None and not self._checks:
            loop = asyncio.get_running_loop()
            self._checks = [
                loop.create_task(self._watch(one), name=f"health {one.backend.address}") for one in self._servers
            ]

    async def close(self) -> None:
        await ended(*self._checks)
        for server in self._servers:
            await server.pool.close()

    # The choice

    def choose(self, but: Sequence[Server] = ()) -> Server | None:
        """Whose turn it is among those that stand; ``but``: not these."""
        now = self._clock()
        healthy = [one for one in self._servers if not one.sick and one not in but]
        standing = [one for one in healthy if one.available(now)] or healthy
        if not standing:
            return None
        self._turn += 1
        if self.health.balance == "least-connections":
            turned = standing[self._turn % len(standing) :] + standing[: self._turn % len(standing)]
            return min(turned, key=lambda one: one.pool.busy)
        return standing[self._turn % len(standing)]

    def settled(self, attempt: _Attempt) -> None:
        self._attempts.pop(attempt.waiter, None)

    def retried(self) -> None:
        self._meters.retries += 1

    def troubled(self, server: Server) -> None:
        """A request met a failure; after enough in a row the server is left out for a while, and again at the first
        failure after that."""
        if server.pool.failures >= self.health.eject_after and server.available(self._clock()):
            server.ejected = min(server.ejected + 1, _LONGEST)
            server.out_until = self._clock() + self.health.eject_for * server.ejected
            self._meters.ejections[server.backend.name, server.backend.address] += 1
            self._note(server, out=True)

    def _note(self, server: Server, *, out: bool) -> None:
        key = (server.backend.name, server.backend.address)
        if out:
            self._meters.out.add(key)
        else:
            self._meters.out.discard(key)
            if server.pool.failures == 0:
                server.ejected = 0

    # Checks

    async def _watch(self, server: Server) -> None:
        """Ask the health path for ever; the first answer decides at once, later ones after a few in a row."""
        failures = 0
        first = True
        while True:
            if await self._healthy(server.backend):
                failures = 0
                server.sick = False
            else:
                failures += 1
                server.sick = server.sick or first or failures >= self.health.eject_after
            self._note(server, out=server.sick)
            first = False
            await asyncio.sleep(self.health.interval)

    async def _healthy(self, backend: Backend) -> bool:
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(self.health.timeout):
                name = backend.host if backend.tls else None
                reader, writer = await asyncio.open_connection(
                    backend.host, backend.port, ssl=backend.tls, server_hostname=name, limit=_HEAD
                )
                ask = f"GET {self.health.path} HTTP/1.1\r\nHost: {backend.address}\r\nConnection: close\r\n\r\n"
                writer.write(ask.encode("ascii"))
                line = await reader.readuntil(b"\r\n")
                return 200 <= status_line(line[:-2])[0] < 400
        except (OSError, TimeoutError, WireError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return False
        finally:
            if writer is not None:
                with contextlib.suppress(OSError):
                    writer.transport.abort()


class _Attempt:
    """One request on its way to some server; no byte of it was sent yet, so another server is as good."""

    def __init__(self, cluster: Cluster, waiter: Waiter, server: Server) -> None:
        self._cluster = cluster
        self.waiter = waiter
        self.server = server
        self._tried: list[Server] = []

    def begin(self, server: Server) -> None:
        self.server = server
        self._tried.append(server)
        server.pool.fetch(self)

    def connected(self, connection: Upstream) -> None:
        self._cluster.settled(self)
        self.waiter.connected(connection)

    def not_connected(self, reason: Reason) -> None:
        other = self._cluster.choose(but=self._tried)
        if other is None or not other.pool.may_retry():
            self._cluster.settled(self)
            self.waiter.not_connected(reason)
            return
        self._cluster.retried()
        connection = other.pool.take()
        if connection is not None:
            self.connected(connection)
        else:
            self.begin(other)
