"""From an address to the link that goes there: who we are, whom we trust, and the shape of what is at the other end."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

from gateway.edges.redis_cluster import Cluster
from gateway.edges.redis_line import Entrance
from gateway.edges.redis_link import Link
from gateway.edges.redis_primary import OnePrimary
from gateway.edges.redis_sentinels import Sentinels
from gateway.edges.tls import client_context
from gateway.redis_url import RedisAccess, RedisUrl, Shape, parse


def link_of(url: str, access: RedisAccess, *, script: str, beat: str, clock: Callable[[], float]) -> Link:
    """Nothing is connected yet. Raises ``ValueError`` for an address that is none, ``OSError`` for files of TLS that are of no
    use."""
    address = parse(url)
    tls = _tls(address, access) if address.tls else None
    entrance = Entrance(address.username or access.username, address.password or access.password, address.db, tls)
    default = 0 if address.shape is Shape.SINGLE else 1
    replicas = default if access.replicas is None else access.replicas
    if address.shape is Shape.CLUSTER:
        return Cluster(address.hosts, entrance, replicas=replicas, script=script, beat=beat, clock=clock)
    at = address.hosts[0]
    if address.shape is Shape.SENTINEL:
        given = address.parameters
        watching = Entrance(
            given.get("sentinel_username") or access.sentinel_username,
            given.get("sentinel_password") or access.sentinel_password,
            0,
            tls,
        )
        sentinels = Sentinels(address.hosts, address.service, watching, clock)
        return OnePrimary(sentinels, entrance, replicas=replicas, script=script, beat=beat, clock=clock)
    return OnePrimary(at, entrance, replicas=replicas, script=script, beat=beat, clock=clock)


def _tls(address: RedisUrl, access: RedisAccess) -> ssl.SSLContext:
    """TLS 1.2 or newer; the certificate and the host name of the other end are verified, always."""
    given = address.parameters
    ca = given.get("ssl_ca_certs") or access.ca
    certificate = given.get("ssl_certfile") or access.certificate
    key = given.get("ssl_keyfile") or access.key
    return client_context(
        Path(ca) if ca else None, Path(certificate) if certificate else None, Path(key) if key else None
    )
