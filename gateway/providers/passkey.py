"""Passkeys (WebAuthn): a key in the person's own device, which signs for this site alone, after a finger, face or PIN.

Rules of the room:

* User verification at both ceremonies; discoverable credentials, so that nobody types who they are and no answer tells
  who has an account. Attestation is not asked for: a certificate of the device would change nothing (decision 0006).
* The library judges the ceremony (WebAuthn §7.1, §7.2). Beside it: the user handle is the account's, the page was not
  inside another's, the counter only grows, the challenge is younger than its life.
* A challenge is 32 random bytes, kept with the attempt on the server; the pages use an attempt once, from its browser.
* What comes from the browser is anybody's: whatever the library raises on it is a refusal and one word in the log;
  no credential, key or message of the library goes there.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    parse_attestation_object,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AttestationFormat,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from gateway.accounts.account import Account
from gateway.accounts.passkeys import NewPasskey, Passkey, clean_name, reference_of
from gateway.identity import Assurance, Method, Proof
from gateway.ports import Ambient
from gateway.providers.base import Attempt, Form, Rejected, Reply
from gateway.reasons import Reason

UNNAMED = "Clé d'accès"
_ALGORITHMS = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
_LARGEST = 16 * 1024  # characters of a browser's answer; real ones have about 2000
_LONGEST_ID = 1364  # base64url of 1023 bytes (WebAuthn §7.1 step 25)
_MOST_COUNT = 2**31 - 1  # what the column holds; a device that signs every second gets there in 68 years
_LEAST_RSA = 2048  # bits
_SKEW = timedelta(seconds=60)  # between the clocks of two workers
# What the library says, in one word each; the tests hold them together.
_WORDS = (
    ("challenge", "challenge"),
    ("origin", "origin"),
    ("RP ID", "site"),
    ("not present", "presence"),
    ("verification is required", "verification"),
    ("authentication signature", "signature"),
    ("client data type", "ceremony"),
    ("public key alg", "algorithm"),
)


@dataclass(frozen=True, slots=True)
class PasskeySettings:
    """``site``: the RP id, a host; ``origin``: what browsers say they are on; ``name``: what they show; ``key``: makes
    user handles, 32 bytes used for nothing else; ``challenge_life``: how long a page may wait for the person."""

    site: str
    origin: str
    name: str
    key: bytes
    challenge_life: timedelta = timedelta(minutes=5)

    @classmethod
    def of(cls, public_url: str, name: str, key: bytes, challenge_life: timedelta) -> PasskeySettings:
        """For the site at this address, which has no path."""
        return cls(urlsplit(public_url).hostname or "", public_url, name, key, challenge_life)


class Accounts(Protocol):
    """Where the holder of a passkey is looked up."""

    async def by_id(self, account_id: str) -> Account | None: ...


class Register(Protocol):
    """Where passkeys are kept (``accounts.passkeys``)."""

    async def find(self, credential_id: str) -> Passkey | None: ...

    async def used(self, credential_id: str, old_count: int, new_count: int, now: datetime) -> bool: ...


class Passkeys:
    """The provider ``passkey``."""

    name = "passkey"

    def __init__(self, settings: PasskeySettings, accounts: Accounts, register: Register, ambient: Ambient) -> None:
        self._settings = settings
        self._accounts = accounts
        self._register = register
        self._ambient = ambient

    @property
    def challenge_life(self) -> timedelta:
        return self._settings.challenge_life

    def handle(self, account_id: str) -> bytes:
        """The user handle of an account: 32 bytes that say nothing to others (WebAuthn §14.6.1)."""
        return hmac.new(self._settings.key, account_id.encode(), "sha256").digest()

    # Signing in

    async def begin(self, attempt: Attempt, now: datetime) -> Form:
        memory = self._memory(now)
        options = generate_authentication_options(
            rp_id=self._settings.site,
            challenge=base64url_to_bytes(memory["challenge"]),
            timeout=self._milliseconds(),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return Form("passkey", {"options": options_to_json(options)}, memory)

    async def complete(self, attempt: Attempt, reply: Reply, now: datetime) -> Proof | Rejected:
        """``reply.fields["credential"]``: what ``navigator.credentials.get`` gave, as JSON. Standing, space and policy are
        judged by the pages."""
        raw = reply.fields.get("credential", "")
        if (why := self._unusable(attempt.memory, raw, now)) is not None:
            return _refused(why)
        try:
            credential = parse_authentication_credential_json(raw)
            credential_id = bytes_to_base64url(credential.raw_id)
            handle = credential.response.user_handle
        except Exception:  # anybody's bytes: the parser's surprises are refusals
            return _refused("malformed")
        # (1) whose is it?
        if len(credential_id) > _LONGEST_ID:
            return _refused("malformed")
        passkey = await self._register.find(credential_id)
        account = await self._accounts.by_id(passkey.account_id) if passkey is not None else None
        if passkey is None or account is None:
            return Rejected(Reason.PASSKEY_UNKNOWN, {"why": "unknown"})
        if handle is None or not hmac.compare_digest(handle, self.handle(account.id)):
            return _refused("user")
        # (2) the ceremony; the count is compared below, once the signature vouches for it
        try:
            if parse_client_data_json(credential.response.client_data_json).cross_origin:
                return _refused("framed")
            verified = verify_authentication_response(
                credential=credential,
                expected_challenge=base64url_to_bytes(attempt.memory["challenge"]),
                expected_rp_id=self._settings.site,
                expected_origin=self._settings.origin,
                credential_public_key=base64url_to_bytes(passkey.public_key),
                credential_current_sign_count=0,
                require_user_verification=True,
            )
        except Exception as error:
            return _refused(_word(error))
        # (3) the counter: a copy of the key somewhere would repeat one (WebAuthn §6.1.1)
        new = verified.new_sign_count
        if (passkey.sign_count > 0 and new <= passkey.sign_count) or new > _MOST_COUNT:
            return _refused("counter")
        if not await self._register.used(passkey.id, passkey.sign_count, new, now):
            return _refused("counter")
        evidence = {"account": account.id, "credential": reference_of(passkey.id)[:8]}
        return Proof(account.identity, Method.PASSKEY, Assurance.TRANSITION, now, evidence=evidence)

    # Adding one

    def enrol_options(
        self, account: Account, existing: Sequence[Passkey], now: datetime
    ) -> tuple[str, Mapping[str, str]]:
        """What ``navigator.credentials.create`` is given, as JSON, and what the attempt remembers."""
        memory = {**self._memory(now), "holder": account.id}
        # Their name is what people tell their keys apart by; identifiers stay out of keys that other companies keep.
        who = f"{account.given_name} {account.family_name}".strip() or self._settings.name
        options = generate_registration_options(
            rp_id=self._settings.site,
            rp_name=self._settings.name,
            user_id=self.handle(account.id),
            user_name=who,
            user_display_name=who,
            challenge=base64url_to_bytes(memory["challenge"]),
            timeout=self._milliseconds(),
            attestation=AttestationConveyancePreference.NONE,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[PublicKeyCredentialDescriptor(id=base64url_to_bytes(one.id)) for one in existing],
            supported_pub_key_algs=_ALGORITHMS,
        )
        return options_to_json(options), memory

    def enrol(
        self, account: Account, memory: Mapping[str, str], credential_json: str, name: str, now: datetime
    ) -> NewPasskey | Rejected:
        """Judge what ``navigator.credentials.create`` gave. A name that cannot be kept becomes a plain one: the key is
        made by now, in the person's device."""
        if memory.get("holder") != account.id:
            return _refused("user")
        if (why := self._unusable(memory, credential_json, now)) is not None:
            return _refused(why)
        try:
            credential = parse_registration_credential_json(credential_json)
            attested = parse_attestation_object(credential.response.attestation_object)
            # Nothing was asked for: "none", or the device's word for itself. The formats of makers are not even opened.
            own_word = attested.fmt == AttestationFormat.PACKED and attested.att_stmt.x5c is None
            if attested.fmt != AttestationFormat.NONE and not own_word:
                return _refused("attestation")
            if parse_client_data_json(credential.response.client_data_json).cross_origin:
                return _refused("framed")
        except Exception:
            return _refused("malformed")
        try:
            made = verify_registration_response(
                credential=credential,
                expected_challenge=base64url_to_bytes(memory["challenge"]),
                expected_rp_id=self._settings.site,
                expected_origin=self._settings.origin,
                require_user_verification=True,
                supported_pub_key_algs=_ALGORITHMS,
            )
            key = decoded_public_key_to_cryptography(decode_credential_public_key(made.credential_public_key))
        except Exception as error:
            return _refused(_word(error))
        if isinstance(key, RSAPublicKey) and key.key_size < _LEAST_RSA:
            return _refused("weak")
        credential_id = bytes_to_base64url(made.credential_id)
        if len(credential_id) > _LONGEST_ID or credential_id != credential.id or made.sign_count > _MOST_COUNT:
            return _refused("malformed")
        return NewPasskey(
            credential_id,
            bytes_to_base64url(made.credential_public_key),
            made.sign_count,
            clean_name(name) or UNNAMED,
            made.credential_backed_up,
        )

    # Challenges

    def _memory(self, now: datetime) -> dict[str, str]:
        return {"challenge": self._ambient.token(32), "asked": str(now.timestamp())}

    def _unusable(self, memory: Mapping[str, str], raw: str, now: datetime) -> str | None:
        """Why an answer is not even read."""
        if "challenge" not in memory:
            return "challenge"
        age = now - datetime.fromtimestamp(float(memory["asked"]), UTC)
        if not -_SKEW <= age <= self._settings.challenge_life:
            return "late"
        if not raw:
            return "empty"
        return "size" if len(raw) > _LARGEST else None

    def _milliseconds(self) -> int:
        return int(self._settings.challenge_life.total_seconds() * 1000)


def _refused(why: str) -> Rejected:
    return Rejected(Reason.PASSKEY_REFUSED, {"why": why})


def _word(error: Exception) -> str:
    said = str(error)
    return next((word for mark, word in _WORDS if mark in said), "malformed")
