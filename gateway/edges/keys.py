"""The Signer port from a key file, and the secrets of this installation.

An ES256 key is a PEM file (PKCS#8, P-256). It is made once, readable by its owner alone, when none is configured.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gateway.ports import Signer
from gateway.reasons import KeyUnavailable

_COORDINATE = 32  # bytes of one P-256 coordinate


class FileSigner:
    """An ES256 key read from a file once. Raises ``KeyUnavailable`` when the file holds no such key."""

    def __init__(self, path: Path) -> None:
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyUnavailable(f"{path} holds no usable key") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise KeyUnavailable(f"{path} holds no P-256 key")
        self._key = key
        numbers = key.public_key().public_numbers()
        public = {
            "crv": "P-256",
            "kty": "EC",
            "x": _base64(numbers.x.to_bytes(_COORDINATE, "big")),
            "y": _base64(numbers.y.to_bytes(_COORDINATE, "big")),
        }
        # RFC 7638: SHA-256 of the required members, in lexical order, without white space.
        canonical = json.dumps(public, separators=(",", ":"), sort_keys=True).encode()
        self._kid = _base64(hashlib.sha256(canonical).digest())
        self._jwk = public | {"kid": self._kid, "use": "sig", "alg": "ES256"}

    @property
    def kid(self) -> str:
        return self._kid

    @property
    def public_jwk(self) -> Mapping[str, str]:
        return self._jwk

    async def sign(self, data: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(_COORDINATE, "big") + s.to_bytes(_COORDINATE, "big")


def key_set(signers: Sequence[Signer]) -> bytes:
    """The JSON Web Key Set of these keys, the signing one first (RFC 7517)."""
    return json.dumps({"keys": [dict(signer.public_jwk) for signer in signers]}).encode()


def ensure_assertion_key(path: Path) -> Path:
    """Make the ES256 key file if there is none; what exists is never replaced."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write_once(path, pem)
    return path


class Secrets:
    """Keys derived from one file of 32 random bytes, one per purpose; and the seal for values kept in the store."""

    def __init__(self, path: Path) -> None:
        try:
            self._root = base64.b64decode(path.read_bytes().strip(), validate=True)
        except (OSError, ValueError) as error:
            raise KeyUnavailable(f"{path} holds no key") from error
        if len(self._root) < 32:
            raise KeyUnavailable(f"{path} is shorter than 32 bytes")
        self._box = Fernet(base64.urlsafe_b64encode(self.key("seal")))

    def key(self, purpose: str) -> bytes:
        """32 bytes for one purpose (HMAC-SHA256 as the extraction, RFC 5869 in one step)."""
        return hmac.new(self._root, purpose.encode(), hashlib.sha256).digest()

    def seal(self, text: str) -> str:
        """Encrypted and authenticated, for a value that must not be readable in the store."""
        return self._box.encrypt(text.encode()).decode("ascii")

    def unseal(self, sealed: str) -> str | None:
        """The value again; ``None`` when it was not sealed here."""
        try:
            return self._box.decrypt(sealed.encode()).decode()
        except (InvalidToken, UnicodeError):
            return None


def ensure_secret(path: Path) -> Path:
    """Make the file of 32 random bytes if there is none; what exists is never replaced."""
    _write_once(path, base64.b64encode(os.urandom(32)) + b"\n")
    return path


def _write_once(path: Path, content: bytes) -> None:
    """Create the file whole, readable by its owner alone; of two makers at once the first wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists():
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        try:
            os.link(draft, path)  # atomic, and refuses to replace
        except FileExistsError:
            return
    finally:
        draft.unlink(missing_ok=True)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
