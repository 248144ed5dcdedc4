"""An authenticator in software (WebAuthn level 2): it makes keys and signs, and lies as it is told."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

UP, UV, BE, BS, AT = 1, 4, 8, 16, 64
ES256, EDDSA, RS256 = -7, -8, -257


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class SoftKey:
    """One credential of one device. ``count`` stays 0 for a key that counts nothing."""

    origin: str
    algorithm: int = ES256
    count: int = 0
    counts: bool = False
    bits: int = 2048
    id: bytes = field(default_factory=lambda: os.urandom(32))
    handle: bytes = b""

    def __post_init__(self) -> None:
        if self.algorithm == ES256:
            self.key: Any = ec.generate_private_key(ec.SECP256R1())
        elif self.algorithm == EDDSA:
            self.key = ed25519.Ed25519PrivateKey.generate()
        else:
            self.key = rsa.generate_private_key(65537, self.bits)

    @property
    def cose(self) -> dict[int, Any]:
        public = self.key.public_key()
        if self.algorithm == ES256:
            numbers = public.public_numbers()
            return {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        if self.algorithm == EDDSA:
            return {1: 1, 3: -8, -1: 6, -2: public.public_bytes_raw()}
        numbers = public.public_numbers()
        return {1: 3, 3: self.algorithm, -1: numbers.n.to_bytes(self.bits // 8, "big"), -2: b"\x01\x00\x01"}

    def sign(self, data: bytes) -> bytes:
        if self.algorithm == ES256:
            return bytes(self.key.sign(data, ec.ECDSA(hashes.SHA256())))
        if self.algorithm == EDDSA:
            return bytes(self.key.sign(data))
        return bytes(self.key.sign(data, padding.PKCS1v15(), hashes.SHA256()))

    def make(
        self,
        options: str,
        *,
        site: str | None = None,
        flags: int = UP | UV,
        statement: dict[str, Any] | None = None,
        format: str = "none",
        **client: Any,
    ) -> str:
        """What ``navigator.credentials.create`` gives for these options. ``client``: other client data than the true."""
        asked = json.loads(options)
        self.handle = unb64(asked["user"]["id"])
        held = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor2.dumps(self.cose)
        data = self._data(site or asked["rp"]["id"], flags | AT) + held
        attested = {"fmt": format, "attStmt": statement or {}, "authData": data}
        client_data = self._client("webauthn.create", asked["challenge"], client)
        return self._answer({"clientDataJSON": b64(client_data), "attestationObject": b64(cbor2.dumps(attested))})

    def use(
        self,
        options: str,
        *,
        site: str | None = None,
        flags: int = UP | UV,
        signature: bytes | None = None,
        handle: bytes | None = None,
        **client: Any,
    ) -> str:
        """What ``navigator.credentials.get`` gives. An empty ``handle`` is left out."""
        asked = json.loads(options)
        if self.counts:
            self.count += 1
        data = self._data(site or asked["rpId"], flags)
        client_data = self._client("webauthn.get", asked["challenge"], client)
        signed = self.sign(data + hashlib.sha256(client_data).digest()) if signature is None else signature
        response = {
            "clientDataJSON": b64(client_data),
            "authenticatorData": b64(data),
            "signature": b64(signed),
        }
        said = self.handle if handle is None else handle
        if said:
            response["userHandle"] = b64(said)
        return self._answer(response)

    def _data(self, site: str, flags: int) -> bytes:
        return hashlib.sha256(site.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client(self, kind: str, challenge: str, other: dict[str, Any]) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(said | other).encode()

    def _answer(self, response: dict[str, str]) -> str:
        return json.dumps({"id": b64(self.id), "rawId": b64(self.id), "type": "public-key", "response": response})
