"""The one data plane: listeners, the connections they accept, and the pools behind them.

Every byte that reaches a backend or our own pages was parsed, judged and written again here. Reserved paths lead to
our own pages without a question; everything else is asked of the gate; nothing is forwarded without ``Forward`` in hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.edges.memory import give_back
from gateway.edges.sockets import BACKLOG, open_listener
from gateway.ports import Ambient
from gateway.proxy.answering import Answering, Answers, Gate
from gateway.proxy.client import Client, TlsClient
from gateway.proxy.cluster import Cluster
from gateway.proxy.limits import PAGES, AccessEvent, Backend, DoorSettings, Group, Log, Meters
from gateway.proxy.plan import Planner
from gateway.proxy.pool import Connect, Pool, Source
from gateway.proxy.upstream import ResponseHeads
from gateway.request import Peer, RequestHead

_SWEEP = 1.0  # seconds between two looks at all deadlines
_GATHER = 0.1  # seconds that finished requests wait to be counted and logged together
_GATHERED = 200  # or as many as this; small enough that no other request waits a millisecond for them
_MANY, _GIVE_BACK = 2000, 10.0  # closed connections that are worth asking for their memory; seconds between two times
_LOW = 4096
_DIGITS = [f"{number:03x}" for number in range(_LOW)]


class Door:
    """One worker's door. ``clock`` is the monotonic clock of the deadlines; tests move it by hand."""

    def __init__(
        self,
        settings: DoorSettings,
        *,
        gate: Gate,
        answers: Answers,
        backends: Sequence[Backend | Group],
        pages: Connect,
        ambient: Ambient,
        log: Log = lambda events: None,
        failed: Callable[[Exception, RequestHead], None] = lambda error, head: None,
        spoofed: Callable[[Peer], None] = lambda peer: None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.settings = settings
        self.gate = gate
        self.answers = answers
        self.meters = Meters()
        self.planner = Planner(settings, self.meters, spoofed)
        self.draining = False
        self.failed = failed
        self.time = clock or asyncio.get_running_loop().time
        self._ambient = ambient
        self._log = log
        frames = settings.frame_ancestors
        heads = ResponseHeads(
            settings.names,
            f"Content-Security-Policy: frame-ancestors {frames}\r\n".encode() if frames else b"",
        )
        own = Backend(PAGES, "http", "", 0, idle_timeout=60, max_connections=256)
        self.pools: Mapping[str, Source] = {
            PAGES: Pool(own, heads, self.meters, pages),
            **{one.name: self._source(one, heads) for one in backends},
        }
        self._clients: set[Answering] = set()
        self._addresses: Counter[str] = Counter()
        self._sessions: defaultdict[str, set[Answering]] = defaultdict(set)
        self._listed: dict[Answering, str] = {}
        self._servers: list[asyncio.Server] = []
        # A request id is 128 bits: a random start for this process, counted up. Unique, and not a secret.
        self._low = 0
        self._high = int.from_bytes(ambient.token(16).encode()[:16], "big") >> 13
        self._high_text = f"{self._high:029x}"
        self._events: list[AccessEvent] = []
        self._gathering: asyncio.TimerHandle | None = None
        self._departed, self._gave_back = 0, 0.0  # connections closed since memory was given back, and when that was
        self._empty: asyncio.Event | None = None  # set when the last connection has left, while draining
        self._sweeper: asyncio.TimerHandle | None = None

    def _source(self, one: Backend | Group, heads: ResponseHeads) -> Source:
        if isinstance(one, Group) and (len(one.servers) > 1 or one.health.path is not None):
            return Cluster(one, heads, self.meters, self.time)
        return Pool(one.servers[0] if isinstance(one, Group) else one, heads, self.meters)

    # Listeners

    async def listen(
        self,
        host: str,
        port: int,
        listener: str,
        tls: ssl.SSLContext | None = None,
        *,
        sock: socket.socket | None = None,
    ) -> tuple[str, int]:
        """Accept connections, on ``sock`` if it is given; returns the address bound. ``listener`` names them: public,
        card, plain."""
        options: dict[str, Any] = {}
        kind = Client if tls is None else TlsClient
        if tls is not None:
            options["ssl_handshake_timeout"] = self.settings.limits.handshake
            options["ssl_shutdown_timeout"] = self.settings.limits.linger  # a client that just leaves is not waited for
        server = await asyncio.get_running_loop().create_server(
            lambda: kind(self, listener), sock=sock or open_listener(host, port), ssl=tls, backlog=BACKLOG, **options
        )
        self._servers.append(server)
        self._start_sweeping()
        address = server.sockets[0].getsockname()
        return str(address[0]), int(address[1])

    def factory(self, listener: str) -> Client:
        """A protocol for one connection that somebody else accepted (the card listener's own TLS)."""
        self._start_sweeping()
        return Client(self, listener)

    def adopt(self, server: asyncio.Server) -> None:
        """A server made elsewhere whose connections come in here; it is closed with the door."""
        self._servers.append(server)

    async def drain(self, grace: float) -> None:
        """Accept nothing new, let what is in flight end, tell tunnels; then close what is left after ``grace`` s."""
        self.draining = True
        for server in self._servers:
            server.close()
        for client in list(self._clients):
            client.drain()
        if self._clients:
            self._empty = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self._empty.wait()
        await self.close()

    async def close(self) -> None:
        self.draining = True
        for server in self._servers:
            server.close()
        for client in list(self._clients):
            if client.transport is not None:
                client.transport.abort()
        for pool in self.pools.values():
            await pool.close()
        self.flush()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    # What connections ask

    def request_id(self) -> str:
        low = self._low = self._low + 1
        if low == _LOW:
            low = self._low = 0
            self._high += 1
            self._high_text = f"{self._high:029x}"
        return self._high_text + _DIGITS[low]

    def joined(self, client: Answering) -> bool:
        limits = self.settings.limits
        self._clients.add(client)
        self._addresses[client.peer.address] += 1
        self.meters.connections = len(self._clients)
        return (
            len(self._clients) <= limits.connections
            and self._addresses[client.peer.address] <= limits.connections_per_address
        )

    def left(self, client: Answering) -> None:
        self._clients.discard(client)
        self._departed += 1
        address = client.peer.address
        self._addresses[address] -= 1
        if self._addresses[address] <= 0:
            del self._addresses[address]
        self.meters.connections = len(self._clients)
        self._unlist(client)
        if self._empty is not None and not self._clients:
            self._empty.set()

    def belongs(self, client: Answering) -> None:
        """From now on this connection carries requests of that session."""
        self._unlist(client)
        if client.session is not None:
            self._listed[client] = client.session
            self._sessions[client.session].add(client)

    def _unlist(self, client: Answering) -> None:
        session = self._listed.pop(client, None)
        if session is not None:
            self._sessions[session].discard(client)
            if not self._sessions[session]:
                del self._sessions[session]

    def cut(self, session: str) -> None:
        """End every tunnel and transfer of a session that is over (R127, lessons of peers)."""
        for client in list(self._sessions.get(session, ())):
            client.cut()

    def lasting(self, age: float) -> dict[str, bool]:
        """The sessions that have a tunnel open, or a transfer for longer than ``age`` seconds; and whether bytes ran in
        it in that time."""
        now = self.time()
        found: dict[str, bool] = {}
        for client, session in self._listed.items():
            if client.lasts(now, age):
                found[session] = found.get(session, False) or client.moved(now, age)
        return found

    def finished(self, event: AccessEvent) -> None:
        """A request is over; it is counted and logged with others, soon."""
        events = self._events
        events.append(event)
        gathered = len(events)
        if gathered == 1:
            self._gathering = asyncio.get_running_loop().call_later(_GATHER, self.flush)
        elif gathered >= _GATHERED:
            self.flush()

    def flush(self) -> None:
        """Count and log what is over."""
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        events, self._events = self._events, []
        if events:
            self.meters.count(events)
            self._log(events)

    # Deadlines

    def _start_sweeping(self) -> None:
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(_SWEEP, self._sweep)

    def _sweep(self) -> None:
        self._sweeper = None
        self.sweep()
        self._start_sweeping()

    def sweep(self) -> None:
        """Look at every deadline once."""
        now = self.time()
        instant: datetime = self._ambient.now()
        for client in list(self._clients):
            client.check(now, instant)
        for pool in self.pools.values():
            pool.sweep(now)
        if self._departed >= _MANY and now - self._gave_back >= _GIVE_BACK:
            self._departed, self._gave_back = 0, now
            give_back()
