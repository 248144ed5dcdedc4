"""SIGHUP: the configuration is read again, checked, and the workers replaced one by one; what is wrong changes nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.servers import free_port
from tests.stories.fleet import Crowd, Fleet, Long, origin, until

pytestmark = pytest.mark.timeout(300)  # on a machine with other work; alone a tenth of it


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    async with origin() as port:
        made = Fleet(tmp_path, port)
        made.configure()
        await made.start()
        try:
            yield made
        finally:
            made.kill()


async def test_one_worker_is_replaced_under_load_and_nothing_is_lost(fleet: Fleet) -> None:
    """Kept and new connections, an upload under way and a WebSocket, which is told 1001; two SIGHUP at once are two
    reloads, the second one after the first."""
    before = fleet.workers()
    assert len(before) == 1
    async with Crowd(fleet.public) as crowd, Long(fleet.public) as long:
        fleet.signal(signal.SIGHUP)
        await asyncio.sleep(0.1)  # two signals that are the same and pending are one
        fleet.signal(signal.SIGHUP)
        assert await long.closed() == 1001
        sent, arrived = await long.uploaded()
        assert sent == arrived > 0
        await fleet.said("workers replaced", 2)
        await until(lambda: len(fleet.workers()) == 1)
    print(json.dumps({"answered": crowd.answered, "lost": len(crowd.lost)}))
    assert crowd.lost == []
    assert crowd.answered > 100
    assert fleet.workers() != before
    assert len(fleet.lines("workers replaced")) == 2
    assert (await fleet.metrics())['vtgw_reloads_total{by="reload",result="done"}'] == 2
    assert await fleet.end() == 0


async def test_a_reload_takes_other_numbers_addresses_and_certificates(fleet: Fleet) -> None:
    """Two more workers and a second listener; then another port in place of the first, whose old one is closed; then one
    worker, with TLS. All the while somebody is answered."""
    plain, other = free_port(), free_port()
    fleet.configure(workers=3, more=f'[listen.plain]\naddress = "127.0.0.1:{plain}"\n')
    async with Crowd(fleet.public) as crowd:
        fleet.signal(signal.SIGHUP)
        await fleet.said("workers replaced", 1)
        assert (await fleet.ask("/small", plain))[0] == 200
    assert crowd.lost == []
    await until(lambda: len(fleet.workers()) == 3)

    _certificate(fleet.folder)
    fleet.configure(public=other)
    text = fleet.path.read_text()
    fleet.path.write_text(text.replace(f':{other}"', f':{other}"\ncertificate = "one.pem"\nkey = "one.pem"'))
    fleet.signal(signal.SIGHUP)
    await fleet.said("workers replaced", 2)
    await until(lambda: len(fleet.workers()) == 1)
    context = ssl.create_default_context(cafile=str(fleet.folder / "one.pem"))
    _, writer = await asyncio.open_connection("127.0.0.1", other, ssl=context, server_hostname="vt.test")
    writer.close()
    for closed in (fleet.public, plain):
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", closed)
    assert await fleet.end() == 0


async def test_what_is_wrong_changes_nothing_and_says_why(fleet: Fleet) -> None:
    """A file with faults, a port that is taken, a worker that does not come up: the old ones serve on, the metrics say so,
    a worker that dies meanwhile comes back with the configuration that was good, and a later SIGHUP works."""
    before = fleet.workers()
    good = fleet.path.read_text()
    fleet.path.write_text(good + "[nonsense]\nx = 1\n[session]\nidle = -1\n")
    fleet.signal(signal.SIGHUP)
    (said,) = await fleet.said("configuration not taken, the old one goes on")
    assert any("nonsense" in fault for fault in said["faults"])
    assert any("session.idle" in fault for fault in said["faults"])
    assert fleet.workers() == before
    assert (await fleet.metrics())["vtgw_reload_successful"] == 0

    os.kill(before[0], signal.SIGKILL)
    await fleet.said("worker serves again")
    await until(lambda: len(fleet.workers()) == 1)
    before = fleet.workers()
    assert (await fleet.ask("/small", fleet.public))[0] == 200

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        fleet.configure(more=f'[listen.plain]\naddress = "127.0.0.1:{taken.getsockname()[1]}"\n')
        fleet.signal(signal.SIGHUP)
        (said,) = await fleet.said("cannot listen, the old workers go on")
        assert "listen.plain" in said["faults"][0]

    fleet.configure(workers=2, more='[methods]\nliberal = ["card"]\n')
    fleet.signal(signal.SIGHUP)
    (said,) = await fleet.said("workers not replaced, those that serve go on")
    assert "ended with 75" in said["why"]
    assert "no configured means opens the space" in fleet.log.read_text()
    assert fleet.workers() == before
    found = await fleet.metrics()
    assert found['vtgw_reloads_total{by="reload",result="refused"}'] == 2
    assert found['vtgw_reloads_total{by="reload",result="failed"}'] == 1

    fleet.path.write_text(good)
    fleet.signal(signal.SIGHUP)
    await fleet.said("workers replaced")
    assert (await fleet.metrics())["vtgw_reload_successful"] == 1
    assert await fleet.end() == 0


def _certificate(folder: Path) -> None:
    """A self-signed one for vt.test, with its key in the same file."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vt.test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = (
        builder.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=9))
    )
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("vt.test")]), critical=False)
    one = builder.sign(key, hashes.SHA256())
    kind = serialization.PrivateFormat.PKCS8
    text = key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())
    (folder / "one.pem").write_bytes(text + one.public_bytes(serialization.Encoding.PEM))
