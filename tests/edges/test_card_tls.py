"""The card listener's TLS, against real clients: Python's ssl, and pyOpenSSL for what it cannot do."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from OpenSSL import SSL

from gateway.demo.cards import Holder, write_server_certificates, write_world
from gateway.edges.card_tls import CardTls, card_context
from gateway.request import Peer
from tests.ambient import START


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cards")
    from datetime import UTC, datetime

    write_world(folder, [Holder("dr", "cps", "899700123450", "Martin", "Claire")], datetime.now(UTC))
    write_server_certificates(folder, datetime.now(UTC))
    return folder


class Echo(asyncio.Protocol):
    """Says who it saw, then echoes."""

    def __init__(self, peers: list[Peer]) -> None:
        self.peers = peers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.peers.append(transport.get_extra_info("vtgw-peer"))

    def data_received(self, data: bytes) -> None:
        assert isinstance(self.transport, asyncio.Transport)
        self.transport.write(data)
        if data.endswith(b"bye"):
            self.transport.close()


class Listener:
    def __init__(self, port: int, peers: list[Peer]) -> None:
        self.port = port
        self.peers = peers


@pytest.fixture
async def listener(world: Path) -> AsyncIterator[Listener]:
    peers: list[Peer] = []
    trusted = [x509.load_pem_x509_certificate((world / "pki" / "fort.pem").read_bytes())]
    context = card_context(world / "server.pem", world / "server.key", trusted)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: CardTls(context, lambda: Echo(peers), 10), "127.0.0.1", 0)
    yield Listener(server.sockets[0].getsockname()[1], peers)
    server.close()
    await asyncio.sleep(0.05)


def client(world: Path, card: str | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(world / "ca.pem"))
    if card is not None:
        context.load_cert_chain(world / f"cards/{card}.pem", world / f"cards/{card}.key")
    return context


async def talk(port: int, context: ssl.SSLContext, data: bytes = b"hello bye") -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    writer.write(data)
    answer = await reader.read()
    writer.close()
    return answer


async def test_r29_no_certificate_is_a_good_connection(world: Path, listener: Listener) -> None:
    """Without a card the handshake ends well and the peer has no certificate."""
    assert await talk(listener.port, client(world)) == b"hello bye"
    assert listener.peers[0].certificate is None
    assert listener.peers[0].tls
    assert listener.peers[0].sni == "localhost"


@pytest.mark.parametrize("card", ["dr", "refused/foreign", "refused/expired", "refused/signature", "refused/server",
                                  "refused/forged", "refused/authority", "refused/organisation"])  # fmt: skip
async def test_r29_every_certificate_reaches_our_own_judgement(world: Path, listener: Listener, card: str) -> None:
    """Whatever certificate is presented, the connection is made and its bytes are known to us."""
    assert await talk(listener.port, client(world, card)) == b"hello bye"
    expected = x509.load_pem_x509_certificate((world / f"cards/{card}.pem").read_bytes())
    seen = listener.peers[0].certificate
    assert seen is not None
    assert x509.load_der_x509_certificate(seen) == expected


async def test_tls_12_only_and_pkcs1_signatures(world: Path, listener: Listener) -> None:
    """TLS 1.3 is not spoken, and the client is asked for PKCS#1 signatures with its authorities' names."""
    newer = client(world)
    newer.minimum_version = ssl.TLSVersion.TLSv1_3
    with pytest.raises(ssl.SSLError):
        await talk(listener.port, newer)

    def openssl() -> str:
        import subprocess

        line = ["openssl", "s_client", "-connect", f"127.0.0.1:{listener.port}", "-servername", "localhost"]
        return subprocess.run(line, input=b"", capture_output=True, timeout=20).stdout.decode()

    told = await asyncio.to_thread(openssl)
    assert "TEST AC IGC-SANTE FORT PERSONNES" in told
    requested = next(line for line in told.splitlines() if line.startswith("Requested Signature Algorithms"))
    assert "RSA+SHA256" in requested
    assert "PSS" not in requested
    assert "TLSv1.2" in told


def resume(port: int, world: Path) -> tuple[bool, bool]:
    """Connect with the card, then again with that session and no card: was it resumed, did it show a card?"""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.use_certificate_file(str(world / "cards/dr.pem"))
    context.use_privatekey_file(str(world / "cards/dr.key"))

    def connect(session: object) -> SSL.Connection:
        plain = socket.create_connection(("127.0.0.1", port), 5)
        plain.settimeout(None)
        connection = SSL.Connection(context, plain)
        connection.set_tlsext_host_name(b"localhost")
        if session is not None:
            connection.set_session(session)  # type: ignore[arg-type]
        connection.set_connect_state()
        connection.do_handshake()
        connection.send(b"bye")
        assert connection.recv(10) == b"bye"
        return connection

    first = connect(None)
    session = first.get_session()
    first.close()
    second = connect(session)
    from OpenSSL._util import lib

    reused = bool(lib.SSL_session_reused(second._ssl))
    second.close()
    return reused, session is not None


async def test_r34_a_session_is_never_resumed(world: Path, listener: Listener) -> None:
    """A client that offers an earlier session gets a full handshake, with the certificate asked again."""
    reused, _ = await asyncio.to_thread(resume, listener.port, world)
    assert not reused
    assert [peer.resumed for peer in listener.peers] == [False, False]
    assert all(peer.certificate is not None for peer in listener.peers)


async def test_large_transfers_arrive_whole(world: Path, listener: Listener) -> None:
    """Eight megabytes cross the listener's TLS both ways unchanged."""
    data = bytes(range(256)) * 32768 + b"bye"
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", listener.port, ssl=client(world), server_hostname="localhost", limit=1 << 24
    )

    async def send() -> None:
        for start in range(0, len(data), 65536):
            writer.write(data[start : start + 65536])
            await writer.drain()

    sending = asyncio.create_task(send())
    assert await reader.readexactly(len(data)) == data
    await sending
    writer.close()


async def test_garbage_is_not_a_handshake(listener: Listener) -> None:
    """Bytes that are no TLS end the connection and nothing else."""
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    await reader.read()
    writer.close()
    assert not listener.peers
    assert START
