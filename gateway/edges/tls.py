"""TLS of the listeners and towards backends; and who is at the other end of a connection.

Public listener: TLS 1.2 and 1.3, forward secrecy and AEAD only, no client certificate. The card listener has its own
room (``card_tls``). Towards backends the certificate and the host name are always verified.
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from gateway.request import Peer

_SUITES = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!SHA1:!CAMELLIA"


def public_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """The context of the public listener; raises ``ssl.SSLError`` or ``OSError`` when the pair is unusable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_SUITES)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key)
    return context


def client_context(ca: Path | None, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """The context of outgoing connections: TLS 1.2 or newer, verified, with host name; optionally a certificate."""
    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context


def peer_of(transport: asyncio.BaseTransport, listener: str) -> Peer:
    """Who is at the other end, as the socket and the handshake say."""
    known = transport.get_extra_info("vtgw-peer")
    if isinstance(known, Peer):  # the card listener knows more: its own TLS tells
        return known
    name = transport.get_extra_info("peername") or ("", 0)
    tls = transport.get_extra_info("ssl_object") is not None
    return Peer(str(name[0]), int(name[1]), listener, tls=tls)
