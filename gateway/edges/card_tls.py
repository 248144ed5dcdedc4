"""TLS of the card listener, on pyOpenSSL because Python's ``ssl`` cannot do what a card needs.

* A certificate is asked for, never demanded, and OpenSSL refuses none: whatever is presented, the handshake ends well
  and our own judgement gives the person a page (R29). No certificate is proved by a name alone: OpenSSL still checks
  that the client holds the key.
* TLS 1.2 only, and only RSA PKCS#1 signatures are asked of the client: CPS3 cards can sign nothing else.
* No session is ever resumed: no tickets, no cache, and a connection that claims to be resumed says so (R34).
* The names of the accepted authorities are announced, so that browsers offer the right certificate.

``CardTls`` is an asyncio protocol below another protocol, which sees an ordinary transport with back-pressure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from OpenSSL._util import lib

from gateway.request import Peer

_SUITES = b"ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL"
_PIECE = 16_384  # one TLS record
_HIGH_WATER = 65_536


def card_context(certificate: Path, key: Path, authorities: Sequence[x509.Certificate]) -> SSL.Context:
    """The context of the card listener; raises ``SSL.Error`` or ``OSError`` when the pair is unusable."""
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(_SUITES)
    context.set_options(SSL.OP_NO_TICKET | SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.use_certificate_chain_file(str(certificate))
    context.use_privatekey_file(str(key))
    context.check_privatekey()
    context.set_verify(SSL.VERIFY_PEER, lambda *_: True)  # asked, never demanded; judged by us
    for authority in authorities:
        context.add_client_ca(authority)
    context.set_alpn_select_callback(_http_1)
    _limit_client_signatures(context)
    return context


def _http_1(_: SSL.Connection, offered: list[bytes]) -> Any:
    return b"http/1.1" if b"http/1.1" in offered else SSL.NO_OVERLAPPING_PROTOCOLS


def _limit_client_signatures(context: SSL.Context) -> None:
    """No RSA-PSS is asked of the client: the list of accepted algorithms names PKCS#1 for RSA keys only.

    ECDSA stands in it for our own certificate. pyOpenSSL wraps the call without giving it a method.
    """
    if not lib.SSL_CTX_set1_sigalgs_list(
        context._context, b"RSA+SHA256:RSA+SHA384:RSA+SHA512:ECDSA+SHA256:ECDSA+SHA384"
    ):
        raise SSL.Error("the signature algorithms of the card listener cannot be set")


class CardTransport(asyncio.Transport):
    """What the inner protocol sees: plain bytes in, plain bytes out."""

    def __init__(self, tls: CardTls) -> None:
        super().__init__()
        self._tls = tls

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "vtgw-peer":
            return self._tls.peer
        return self._tls.raw.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self._tls.send(bytes(data))

    def writelines(self, pieces: Iterable[Any]) -> None:
        self.write(b"".join(pieces))

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        self._tls.end()

    def abort(self) -> None:
        self._tls.raw.abort()

    def is_closing(self) -> bool:
        return self._tls.ending or self._tls.raw.is_closing()

    def pause_reading(self) -> None:
        self._tls.hold(True)

    def resume_reading(self) -> None:
        self._tls.hold(False)

    def get_write_buffer_size(self) -> int:
        return self._tls.raw.get_write_buffer_size()


class CardTls(asyncio.Protocol):
    """One TLS connection of the card listener. ``made`` gives the protocol above; ``handshake`` is its limit in s."""

    def __init__(self, context: SSL.Context, made: Callable[[], asyncio.Protocol], handshake: float) -> None:
        self._connection = SSL.Connection(context, None)
        self._connection.set_accept_state()
        self._made = made
        self._handshake = handshake
        self._inner: asyncio.Protocol | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._held = False
        self._gone = False
        self.raw: asyncio.Transport = cast(asyncio.Transport, None)
        self.peer: Peer | None = None
        self.ending = False

    # asyncio.Protocol, towards the socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.raw = cast(asyncio.Transport, transport)
        self.raw.set_write_buffer_limits(_HIGH_WATER)
        self._timer = asyncio.get_running_loop().call_later(self._handshake, self.raw.abort)

    def data_received(self, data: bytes) -> None:
        self._connection.bio_write(data)
        self._advance()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone = True
        if self._timer is not None:
            self._timer.cancel()
        if self._inner is not None:
            self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        if self._inner is not None:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        if self._inner is not None:
            self._inner.resume_writing()

    # For the transport above

    def send(self, data: bytes) -> None:
        if self._gone or self.ending:
            return
        view = memoryview(data)
        try:
            while view:
                view = view[self._connection.send(view[:_PIECE]) :]
        except SSL.Error:
            self.raw.abort()
            return
        self._flush()

    def end(self) -> None:
        """Say goodbye in TLS, then close once everything written is out."""
        if self.ending or self._gone:
            return
        self.ending = True
        try:
            self._connection.shutdown()
        except SSL.Error:
            self.raw.close()
            return
        self._flush()
        self.raw.close()

    def hold(self, held: bool) -> None:
        if self._held == held or self._gone or self.raw.is_closing():
            return
        self._held = held
        if held:
            self.raw.pause_reading()
        else:
            self.raw.resume_reading()
            asyncio.get_running_loop().call_soon(self._read)

    # TLS

    def _advance(self) -> None:
        if self._inner is None:
            try:
                self._connection.do_handshake()
            except SSL.WantReadError:
                self._flush()
                return
            except SSL.Error:
                self._flush()  # the alert, if there is one
                self.raw.close()
                return
            self._established()
        self._read()
        self._flush()

    def _established(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._flush()
        certificate = self._connection.get_peer_certificate(as_cryptography=True)
        name = self.raw.get_extra_info("peername") or ("", 0)
        server = self._connection.get_servername()
        self.peer = Peer(
            str(name[0]),
            int(name[1]),
            "card",
            tls=True,
            certificate=certificate.public_bytes(Encoding.DER) if certificate is not None else None,
            resumed=bool(lib.SSL_session_reused(self._connection._ssl)),
            sni=server.decode("ascii", "replace") if server else None,
        )
        self._inner = self._made()
        self._inner.connection_made(CardTransport(self))

    def _read(self) -> None:
        while self._inner is not None and not self._held and not self._gone:
            try:
                data = self._connection.recv(65_536)
            except SSL.WantReadError:
                return
            except SSL.ZeroReturnError:
                self.raw.close()
                return
            except SSL.Error:
                self.raw.abort()
                return
            self._inner.data_received(data)

    def _flush(self) -> None:
        while True:
            try:
                data = self._connection.bio_read(65_536)
            except SSL.WantReadError:
                return
            except SSL.Error:
                return
            self.raw.write(data)
