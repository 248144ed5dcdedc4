"""Networks that can be cut: wires to a server, at the far end of a link between network namespaces where we are root.

Setting the link down drops packets without a word: nobody learns that the other is gone but by waiting.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from experiments.ports import port

_NET = "10.213"
_numbers = iter(range(os.getpid() % 200, 10_000))


def can_cut() -> bool:
    """Whether this process may make namespaces and links."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"vtx{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False)
    if made.returncode == 0:
        _ip("netns", "del", name)
    return made.returncode == 0


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Line:
    """The way to one server: ``host`` and ``port`` are what a gateway is told."""

    def __init__(self, process: subprocess.Popen[str], host: str, port: int, link: str | None) -> None:
        self._process = process
        self.host = host
        self.port = port
        self._link = link

    def delay(self, seconds: float) -> None:
        """Bytes take so much longer, each way."""
        self._say(f"delay {seconds}")

    def cut(self) -> None:
        """Packets are dropped; without a link of our own nothing passes and nothing is closed, which is close to it."""
        if self._link is not None:
            _ip("link", "set", self._link, "down")
        else:
            self._say("silent")

    def mend(self) -> None:
        if self._link is not None:
            _ip("link", "set", self._link, "up")
        else:
            self._say("pass")

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()


@contextmanager
def line(target: int, certificate: Path | None = None) -> Iterator[Line]:
    """A wire to this port of 127.0.0.1; everything of it is gone at the end. ``certificate``: where one for the far end's
    address is written; then the far end speaks TLS, as a server on another machine has to."""
    with ExitStack() as stack:
        host, name, near = "127.0.0.1", None, None
        if can_cut():
            number = next(_numbers)
            name, near = f"vtx{os.getpid()}-{number}", f"vtx{number}a"
            net = f"{_NET}.{number % 250}"
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "del", name)  # its end of the link goes with it, and so does ours
            _ip("link", "add", near, "type", "veth", "peer", "name", f"vtx{number}b", "netns", name)
            _ip("addr", "add", f"{net}.1/30", "dev", near)
            _ip("link", "set", near, "up")
            host = f"{net}.2"
            _ip("-n", name, "addr", "add", f"{host}/30", "dev", f"vtx{number}b")
            _ip("-n", name, "link", "set", f"vtx{number}b", "up")
        at = port()
        words = [sys.executable, "-m", "experiments.wire", host, str(at), str(target)]
        words += ["--namespace", name] if name else []
        if certificate is not None:
            certify(certificate, host)
            words += ["--certificate", str(certificate)]
        yield Line(stack.enter_context(_wire(words)), host, at, near)


@contextmanager
def _wire(words: list[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    try:
        if process.stdout.readline().strip() != "ready":
            raise AssertionError(f"the wire ended with {process.wait()}: {' '.join(words)}")
        yield process
    finally:
        process.stdin.close()
        process.kill()
        process.wait()
        process.stdout.close()


def certify(path: Path, host: str) -> None:
    """A certificate for this address that vouches for itself, and its key, in one file."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(True, 0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    kept = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(made.public_bytes(pem) + kept)
