"""What the door is told: its limits and deadlines, the names it guards, and the backends behind it."""

from __future__ import annotations

import ipaddress
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from gateway.proxy.headers import Names
from gateway.reasons import Reason

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})  # RFC 9110 §9.2.2
PAGES = "pages"  # the name of the upstream that is ourselves


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds. The defaults are those of ``config/gateway.toml``."""

    request_line: int = 8192
    header_field: int = 16384
    header_block: int = 65536
    header_count: int = 100
    body: int = 0
    connections: int = 20_000
    connections_per_address: int = 2_000
    handshake: float = 10
    head: float = 10
    body_idle: float = 30
    body_rate: int = 1024  # bytes/s that a request body must bring on average, once it has taken ``body_idle``
    write_idle: float = 30
    keep_alive: float = 75
    waiting: int = 65536  # bytes read ahead while a request is being answered
    drain_idle: float = 2  # how long a connection stays quiet before it is closed, once the gateway is stopping
    linger: float = 2  # how long a refused body is read and dropped, so that the answer is not lost in a reset


@dataclass(frozen=True, slots=True)
class Backend:
    """One server that a route leads to. ``name`` is the backend's, shared by its servers."""

    name: str
    scheme: str
    host: str
    port: int
    tls: ssl.SSLContext | None = None
    connect_timeout: float = 3
    first_byte_timeout: float = 30
    idle_timeout: float = 300
    max_connections: int = 512
    max_age: float = 300  # a connection this old is not used again: so a new address in the DNS is heard

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Health:
    """When one of several servers is left out, and when it is asked again. Times in seconds."""

    balance: str = "round-robin"  # or least-connections
    path: str | None = None  # asked of every server; none: only what real requests meet counts
    interval: float = 5
    timeout: float = 2
    eject_after: int = 3  # failures in a row, of requests or of checks
    eject_for: float = 10


@dataclass(frozen=True, slots=True)
class Group:
    """The servers of one backend."""

    name: str
    servers: tuple[Backend, ...]
    health: Health = field(default_factory=Health)


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class DoorSettings:
    """Values the door needs. ``hosts`` are the names it answers to, lower case, without port."""

    names: Names
    hosts: frozenset[str]
    public_authority: str
    prefix: str = "/_gateway"
    reserved: frozenset[str] = frozenset({"/.well-known/jwks.json"})
    trusted: tuple[Network, ...] = ()
    limits: Limits = field(default_factory=Limits)
    origins: frozenset[str] = frozenset()
    frame_ancestors: str = "'none'"
    hsts: str = "max-age=31536000; includeSubDomains"

    def is_trusted(self, address: str) -> bool:
        """Whether this peer may speak for clients. An address that cannot be read is nobody's."""
        return bool(self.trusted) and _within(self.trusted, address)


@lru_cache(maxsize=4096)
def _within(networks: tuple[Network, ...], address: str) -> bool:
    try:
        known = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(known, ipaddress.IPv6Address) and known.ipv4_mapped is not None:
        known = known.ipv4_mapped
    return any(known in network for network in networks)


# One finished request, for the access log: request id, (client address, method, path), status, backend, session, reason,
# bytes sent, bytes received, seconds it took, and the instant of its end on the door's monotonic clock. The path comes
# without its query, which may hold health data (G46). A bare tuple, because one is made for every request.
AccessEvent = tuple[str, tuple[str, str, str], int, str | None, str | None, Reason | None, int, int, float, float]


@dataclass(slots=True)
class Meters:
    """Plain numbers that ``ops`` shows; changed only in the event loop."""

    connections: int = 0
    tunnels: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    bytes_in: int = 0
    bytes_out: int = 0
    retries: int = 0
    upstream_opened: int = 0
    upstream_failures: Counter[tuple[str, str]] = field(default_factory=Counter)  # by backend and server
    ejections: Counter[tuple[str, str]] = field(default_factory=Counter)
    out: set[tuple[str, str]] = field(default_factory=set)  # servers left out at this moment
    seconds: float = 0.0

    def count(self, events: Sequence[AccessEvent]) -> None:
        """Add finished requests. Many at a time: adding up columns is cheaper than counting each where it happens."""
        _, _, statuses, _, _, reasons, sent, received, seconds, _ = zip(*events, strict=True)
        for status, number in Counter(statuses).items():
            self.statuses[status] += number
        for reason, number in Counter(reasons).items():
            if reason is not None:
                self.reasons[reason.value] += number
        self.bytes_out += sum(sent)
        self.bytes_in += sum(received)
        self.seconds += sum(seconds)


Log = Callable[[Sequence[AccessEvent]], None]
