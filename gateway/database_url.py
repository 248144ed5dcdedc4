"""Addresses of PostgreSQL, of one server or several, in the two ways they are written. Pure.

* as libpq writes it: ``postgresql+psycopg://user:password@h1:5432,h2:5432/name?parameter=value``;
* as SQLAlchemy does: ``postgresql+psycopg://user:password@/name?host=h1:5432&host=h2:5432``, or
  ``?host=h1,h2&port=5432,5432``.

A host that begins with a slash is the folder of a Unix socket; without any host libpq takes its own default.
Source: libpq, "Connection URIs" and "Specifying Multiple Hosts".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

SCHEME = "postgresql+psycopg://"


@dataclass(frozen=True, slots=True)
class PostgresUrl:
    """``hosts``: pairs of host and port in their order, empty where not given. ``parameters``: all others, by libpq's
    names, ``user``, ``password`` and ``dbname`` included."""

    hosts: tuple[tuple[str, str], ...]
    parameters: Mapping[str, str]

    @property
    def reached(self) -> tuple[str, ...]:
        """The hosts as they are really connected to: ``hostaddr`` wins over ``host``."""
        addresses = self.parameters.get("hostaddr", "")
        return tuple(addresses.split(",")) if addresses else tuple(host for host, _ in self.hosts)


def parse(url: str) -> PostgresUrl:
    """Raises ``ValueError`` with what is wrong; what it says holds no secret."""
    if not url.startswith(SCHEME):
        raise ValueError(f"an address of PostgreSQL starts with {SCHEME}")
    parts = urlsplit(url)
    user, _, places = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    found = {"user": unquote(name), "password": unquote(password), "dbname": unquote(parts.path.removeprefix("/"))}
    named: dict[str, list[str]] = {"host": [], "port": []}
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        if key in named:
            named[key].append(value)
        else:
            found[key] = value
    if places and named["host"]:
        raise ValueError("hosts stand before the name of the database or in ?host=, not in both")
    written = places.split(",") if places else [one for value in named["host"] for one in value.split(",")]
    hosts = [_host(unquote(one)) for one in written] or [("", "")]
    hosts = _with_ports(hosts, [one for value in named["port"] for one in value.split(",")])
    if any(port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536) for _, port in hosts):
        raise ValueError("a port is a number from 1 to 65535")
    return PostgresUrl(tuple(hosts), {key: value for key, value in found.items() if value})


def _host(text: str) -> tuple[str, str]:
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise ValueError("an IPv6 address stands in brackets")
        return host, port.removeprefix(":")
    if text.startswith("/") or text.count(":") > 1:  # a folder, or an IPv6 address of SQLAlchemy's ?host=
        return text, ""
    host, _, port = text.partition(":")
    return host, port


def _with_ports(hosts: Sequence[tuple[str, str]], ports: Sequence[str]) -> list[tuple[str, str]]:
    if not ports:
        return list(hosts)
    if any(port for _, port in hosts):
        raise ValueError("ports stand with their hosts or in ?port=, not in both")
    if len(ports) not in (1, len(hosts)):
        raise ValueError("?port= names one port, or one for each host")
    return [(host, ports[n if len(ports) > 1 else 0]) for n, (host, _) in enumerate(hosts)]
