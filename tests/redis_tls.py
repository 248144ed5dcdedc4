"""A Redis that is reached with TLS only by who shows a certificate, a name and a password, and may do what the gateway needs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.redis_url import RedisAccess
from tests.redis_servers import HOST, PASSWORD, One, until
from tests.servers import free_port

USER = "vtgw"
RIGHTS = (
    "resetkeys ~vtgw:* resetchannels &vtgw:* -@all +hello +auth +ping +select +client|setname +role +get +mget +set +del"
    " +pexpire +evalsha +script|load +wait +publish +subscribe +unsubscribe"
)


def authority(folder: Path, name: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A private authority; its certificate is ``name``.pem in the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = _signed(name, key, name, key, x509.BasicConstraints(ca=True, path_length=None))
    _write(folder, name, made, key)
    return made, key


def certificate(folder: Path, name: str, by: tuple[x509.Certificate, ec.EllipticCurvePrivateKey], *hosts: str) -> None:
    """``name``.pem and ``name``.key, good for these hosts."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = by[0].subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    found = [_general(host) for host in hosts or ("nobody.test",)]
    _write(folder, name, _signed(name, key, str(issuer), by[1], x509.SubjectAlternativeName(found)), key)


def _general(host: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)


def _signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: str,
    by: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder().subject_name(named(name)).issuer_name(named(issuer)).public_key(key.public_key())
    )
    builder = builder.serial_number(x509.random_serial_number()).add_extension(extension, critical=True)
    return builder.not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(9)).sign(by, hashes.SHA256())


def _write(folder: Path, name: str, made: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    kind = serialization.PrivateFormat.PKCS8
    text = key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())
    (folder / f"{name}.key").write_bytes(text)


class TlsServer:
    """``one``: reached by an operator in clear, at another port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        trusted = authority(folder, "ca")
        authority(folder, "other-ca")
        certificate(folder, "server", trusted, HOST, "localhost")
        certificate(folder, "elsewhere", trusted, "redis.elsewhere.test")
        certificate(folder, "client", trusted)
        (folder / "users.acl").write_text(f"user default on nopass ~* &* +@all\nuser {USER} on >{PASSWORD} {RIGHTS}\n")
        self.one = One(folder, self._options("server"))

    def _options(self, shown: str) -> list[str]:
        files = {"cert-file": f"{shown}.pem", "key-file": f"{shown}.key", "ca-cert-file": "ca.pem"}
        tls = [part for name, file in files.items() for part in (f"--tls-{name}", str(self.folder / file))]
        return ["--tls-port", str(self.port), *tls, "--aclfile", str(self.folder / "users.acl")]

    @property
    def url(self) -> str:
        return f"rediss://{HOST}:{self.port}/0"

    def access(self, *, ca: str = "ca", password: str = PASSWORD, client: str = "client") -> RedisAccess:
        return RedisAccess(
            username=USER,
            password=password,
            ca=str(self.folder / f"{ca}.pem"),
            certificate=str(self.folder / f"{client}.pem"),
            key=str(self.folder / f"{client}.key"),
        )

    def start(self, shown: str = "server") -> None:
        self.one.options = self._options(shown)
        self.one.start()
        until(self.one.is_up)


@contextlib.contextmanager
def tls_server(folder: Path) -> Iterator[TlsServer]:
    server = TlsServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.one.kill()
