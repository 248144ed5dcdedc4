"""Certificate revocation lists: fetched in the background, verified, swapped in whole; the last good one is kept.

A list is believed only when its pinned authority signed it, its dates hold, its number does not go back and it has no
critical extension we do not know (no delta, no partial list). Addresses come from the configuration, never from the
certificate presented. Once ``nextUpdate`` has passed nobody's standing is known any more: the rules decide (R30).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import aiohttp
import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtensionOID

from gateway.ending import ended
from gateway.ports import Ambient, Standing

_LARGEST = 50 * 1024 * 1024
_PATIENCE = 30.0  # seconds for one download
_RETRY = 60.0  # seconds after a failure
_KNOWN_CRITICAL = frozenset({ExtensionOID.CRL_NUMBER, ExtensionOID.AUTHORITY_KEY_IDENTIFIER})
_log = structlog.get_logger("gateway.revocation")


class BadList(Exception):
    """The list cannot be believed; the message says why."""


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A verified list: whose, which, until when, and the serial numbers on it."""

    authority: str
    number: int
    this_update: datetime
    next_update: datetime
    serials: frozenset[int]


def read_list(data: bytes, authorities: Mapping[str, x509.Certificate], now: datetime) -> RevocationList:
    """A verified list out of DER or PEM; raises ``BadList``."""
    if len(data) > _LARGEST:
        raise BadList("larger than 50 MB")
    try:
        pem = data.lstrip().startswith(b"-----BEGIN")
        crl = x509.load_pem_x509_crl(data) if pem else x509.load_der_x509_crl(data)
        issuer = crl.issuer.public_bytes()
    except ValueError as error:
        raise BadList("not a revocation list") from error
    named = [name for name, one in authorities.items() if one.subject.public_bytes() == issuer]
    if not named:
        raise BadList("issued by no accepted authority")
    signer = next((name for name in named if _signed(crl, authorities[name])), None)
    if signer is None:
        raise BadList("wrong signature")
    try:
        for extension in crl.extensions:
            if extension.critical and extension.oid not in _KNOWN_CRITICAL:
                raise BadList(f"unknown critical extension {extension.oid.dotted_string}")
        number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
        raise BadList("unreadable extensions") from error
    if crl.next_update_utc is None or crl.next_update_utc <= now:
        raise BadList("past its next update")
    if crl.last_update_utc > now:
        raise BadList("dated in the future")
    serials = frozenset(entry.serial_number for entry in crl)
    return RevocationList(signer, number, crl.last_update_utc, crl.next_update_utc, serials)


def _signed(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    key = authority.public_key()
    return isinstance(key, rsa.RSAPublicKey) and crl.is_signature_valid(key)


class Revocation:
    """The lists in force, one per pinned authority (by name). ``sources`` are ``file:path`` or http(s) addresses."""

    def __init__(
        self,
        sources: Sequence[str],
        authorities: Mapping[str, x509.Certificate],
        ambient: Ambient,
        *,
        refresh: float,
        keep: Path | None = None,
    ) -> None:
        self._sources = tuple(sources)
        self._authorities = dict(authorities)
        self._ambient = ambient
        self._refresh = refresh
        self._keep = keep
        self._lists: dict[str, RevocationList] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def status(self, authority: str, serial: int, now: datetime) -> Standing:
        """What the list of this authority says. A list past its end says nothing."""
        held = self._lists.get(authority)
        if held is None:
            return Standing(None, "no list")
        if now >= held.next_update or now < held.this_update:
            # A revoked card stays revoked however old the list is; only "good" needs a fresh one.
            return Standing(True) if serial in held.serials else Standing(None, "the list is out of date")
        return Standing(serial in held.serials)

    async def start(self) -> None:
        """Read what was kept, read the sources once, and go on reading them in the background."""
        for path in sorted(self._keep.glob("*.crl")) if self._keep and self._keep.is_dir() else ():
            await self._take(path.read_bytes(), f"kept {path.name}", keep=False)
        failed = [source for source in self._sources if not await self.refresh_now(source)]
        for source in self._sources:
            task = asyncio.get_running_loop().create_task(self._follow(source, failed=source in failed))
            self._tasks.append(task)

    async def close(self) -> None:
        await ended(*self._tasks)

    async def refresh_now(self, source: str) -> bool:
        """Read one source and take its list if it can be believed; whether it could."""
        try:
            if source.startswith("file:"):
                data = await asyncio.to_thread(Path(source.removeprefix("file:")).read_bytes)
            else:
                data = await _download(source)
        except (OSError, aiohttp.ClientError, TimeoutError, BadList) as error:
            _log.warning("revocation list not read", source=source, error=str(error) or type(error).__name__)
            return False
        return await self._take(data, source, keep=True)

    def ages(self, now: datetime) -> dict[str, float]:
        """Seconds since each list was made, by authority; for metrics and readiness."""
        return {name: (now - held.this_update).total_seconds() for name, held in self._lists.items()}

    def missing(self, now: datetime) -> str | None:
        """``None`` when every authority has a list in force, otherwise what is wrong."""
        for authority in self._authorities:
            held = self._lists.get(authority)
            if held is None or now >= held.next_update:
                return "no revocation list in force"
        return None

    async def _take(self, data: bytes, source: str, *, keep: bool) -> bool:
        now = self._ambient.now()
        try:
            found = await asyncio.to_thread(read_list, data, self._authorities, now)
            held = self._lists.get(found.authority)
            if held is not None and (found.number < held.number or found.this_update < held.this_update):
                raise BadList("older than the list held")
        except BadList as error:
            _log.warning("revocation list refused", source=source, error=str(error))
            return False
        self._lists[found.authority] = found
        if keep and self._keep is not None:
            await asyncio.to_thread(_keep, self._keep, found.authority, data)
        return True

    async def _follow(self, source: str, *, failed: bool) -> None:
        while True:
            # Spread over time, as ANS asks of those who download its lists.
            pause = _RETRY if failed else self._refresh * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
            await asyncio.sleep(pause)
            failed = not await self.refresh_now(source)


async def _download(source: str) -> bytes:
    timeout = aiohttp.ClientTimeout(total=_PATIENCE)
    async with (
        aiohttp.ClientSession(timeout=timeout, headers={"Connection": "close"}) as session,
        session.get(source, allow_redirects=False) as answer,
    ):
        if answer.status != 200:
            raise BadList(f"answer {answer.status}")
        data = bytearray()
        async for piece in answer.content.iter_chunked(1 << 16):
            data += piece
            if len(data) > _LARGEST:
                raise BadList("larger than 50 MB")
        return bytes(data)


def _keep(folder: Path, authority: str, data: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = folder / f".{hashlib.sha256(data).hexdigest()[:16]}.{os.getpid()}"
    draft.write_bytes(data)
    draft.replace(folder / f"{authority}.crl")
