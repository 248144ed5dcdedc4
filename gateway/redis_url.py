"""Addresses of Redis in its three shapes. Pure.

* one server: ``redis://user:password@host:6379/0``, ``rediss://…`` with TLS;
* Sentinel: ``redis+sentinel://user:password@h1:26379,h2:26379,h3:26379/service/0``, with ``?tls=true`` for TLS towards the
  servers and the sentinels; user and password are those of the servers;
* Cluster: ``redis+cluster://user:password@h1:6379,h2:6379``, with ``?tls=true``; the hosts are where to begin.

Parameters known besides: ``ssl_ca_certs``, ``ssl_certfile``, ``ssl_keyfile`` (paths, as redis-py calls them),
``sentinel_username``, ``sentinel_password``. An IPv6 address stands in brackets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import parse_qsl, unquote

SCHEMES = ("redis://", "rediss://", "redis+sentinel://", "redis+cluster://")
SENTINEL_PORT, PORT = 26379, 6379
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?")
_SERVICE = re.compile(r"[A-Za-z0-9._-]{1,100}")
_TLS_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_OF_SENTINEL = ("sentinel_username", "sentinel_password")


class Shape(Enum):
    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """``hosts``: of the server, of the sentinels, or of some nodes of the cluster. ``service``: only of Sentinel."""

    shape: Shape
    hosts: tuple[tuple[str, int], ...]
    tls: bool
    username: str = ""
    password: str = field(default="", repr=False)
    service: str = ""
    db: int = 0
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class RedisAccess:
    """What is not in the address: who we are and whom we trust. What stands in the address wins.

    ``replicas``: how many must have a write before it counts; ``None``: none for one server, else one."""

    username: str = ""
    password: str = field(default="", repr=False)
    sentinel_username: str = ""
    sentinel_password: str = field(default="", repr=False)
    ca: str = ""
    certificate: str = ""
    key: str = ""
    replicas: int | None = None


def parse(url: str) -> RedisUrl:
    """Raises ``ValueError`` with what is wrong; what it says holds neither user nor password."""
    if not url.startswith(SCHEMES):
        raise ValueError(f"an address of Redis starts with {', '.join(SCHEMES)}")
    scheme, _, rest = url.partition("://")
    rest, _, query = rest.partition("?")
    authority, _, path = rest.partition("/")
    who, _, places = authority.rpartition("@")
    username, _, password = who.partition(":")
    shape = {"redis+sentinel": Shape.SENTINEL, "redis+cluster": Shape.CLUSTER}.get(scheme, Shape.SINGLE)
    parameters = _parameters(query, shape)
    hosts = tuple(_host(one, SENTINEL_PORT if shape is Shape.SENTINEL else PORT) for one in places.split(","))
    if shape is Shape.SINGLE and len(hosts) > 1:
        raise ValueError(f"{scheme}:// names one host; several are for redis+sentinel:// or redis+cluster://")
    if len(set(hosts)) < len(hosts):
        raise ValueError("a host stands there twice")
    service, db = _path(path, shape)
    tls = scheme == "rediss" or parameters.pop("tls", "false") == "true"
    if not tls and any(name in parameters for name in _TLS_FILES):
        raise ValueError("files for TLS are given, and the address is in clear: rediss://, or ?tls=true")
    return RedisUrl(shape, hosts, tls, unquote(username), unquote(password), service, db, parameters)


def _parameters(query: str, shape: Shape) -> dict[str, str]:
    given = parse_qsl(query, keep_blank_values=True)
    found = dict(given)
    known = {*_TLS_FILES}
    if shape is not Shape.SINGLE:
        known.add("tls")
    if shape is Shape.SENTINEL:
        known.update(_OF_SENTINEL)
    for name in found:
        if name not in known:
            raise ValueError(f"the parameter {name[:40]!r} is not known here; known: {', '.join(sorted(known))}")
    if len(given) > len(found):
        raise ValueError("a parameter stands there twice")
    if found.get("tls", "true") not in ("true", "false"):
        raise ValueError("tls is true or false")
    return found


def _host(text: str, port: int) -> tuple[str, int]:
    fits = _HOST.fullmatch(text)
    if fits is None:
        raise ValueError("a host is a name or an address, with :port after it; an IPv6 address stands in brackets")
    number = int(fits[3]) if fits[3] else port
    if not 0 < number < 65536:
        raise ValueError("a port is a number from 1 to 65535")
    return fits[1] or fits[2], number


def _path(path: str, shape: Shape) -> tuple[str, int]:
    service, number = "", path
    if shape is Shape.SENTINEL:
        service, _, number = path.partition("/")
        if not _SERVICE.fullmatch(service):
            raise ValueError("redis+sentinel:// names the service after the hosts: …:26379/service/0")
    if number and not (number.isascii() and number.isdigit() and len(number) < 6):
        raise ValueError("the database is a number")
    if shape is Shape.CLUSTER and int(number or "0"):
        raise ValueError("a Cluster has only the database 0")
    return service, int(number or "0")
