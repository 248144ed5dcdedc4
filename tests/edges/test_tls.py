"""TLS of the public listener: versions and suites."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.demo.cards import write_server_certificates
from gateway.edges.tls import client_context, public_context


async def test_t1_versions_and_suites(tmp_path: Path) -> None:
    """TLS 1.2 and 1.3 with forward secrecy and AEAD are spoken, anything weaker is not, no card is asked for."""
    write_server_certificates(tmp_path, datetime.now(UTC))
    context = public_context(tmp_path / "server.pem", tmp_path / "server.key")
    assert context.verify_mode is ssl.CERT_NONE
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
        client = client_context(tmp_path / "ca.pem")
        client.minimum_version = client.maximum_version = version
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="localhost")
        tls = writer.get_extra_info("ssl_object")
        assert tls.version() == name
        assert "GCM" in tls.cipher()[0] or "CHACHA20" in tls.cipher()[0]
        await reader.read()
        writer.close()
    weak = client_context(tmp_path / "ca.pem")
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers("AES128-SHA:ECDHE-ECDSA-AES128-SHA")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.open_connection("127.0.0.1", port, ssl=weak, server_hostname="localhost")
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.open_connection("127.0.0.1", port, ssl=client_context(None), server_hostname="localhost")
    server.close()
    await asyncio.sleep(0.05)
