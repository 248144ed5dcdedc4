"""Request heads, judged once per distinct bytes: browsers send the same header block again and again.

``Blocks`` turns a header block into a ``Block`` (its fields, what may cross, how the body is framed) and remembers
the last few thousand. ``effective`` says who the client is, in the eyes of a trusted proxy or of the socket.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from gateway.proxy.headers import Names, crossing
from gateway.proxy.limits import DoorSettings, Limits
from gateway.proxy.wire import Framing, Lines, WireError, header_lines, request_framing, tokens
from gateway.reasons import Reason
from gateway.request import Fields, Peer

_AUTHORITY = re.compile(
    r"(?:([A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)|\[([0-9A-Fa-f:.]{2,45})\])(?::([0-9]{1,5}))?\Z"
)
# Visible ASCII only: library functions for addresses quietly drop control characters.
_ABSOLUTE = re.compile(
    rb"([A-Za-z][A-Za-z0-9+.-]*)://([\x21\x22\x24-\x2e\x30-\x3e\x40-\x7e]+)([/?][\x21\x22\x24-\x7e]*)?\Z"
)
_REMEMBERED = 2048
_WORTH_KEEPING = 4096  # bytes; larger blocks are parsed each time
_ADDRESS = re.compile(r"[0-9A-Fa-f:.]{2,45}\Z")


class Block:
    """One header block that was found sound."""

    __slots__ = (
        "_names", "_to_pages", "authority", "close", "crossing", "expect", "fields", "framing", "host", "lines",
        "modern", "upgrade",
    )  # fmt: skip

    def __init__(self, lines: Lines, names: Names, *, modern: bool) -> None:
        hosts = [value for name, _, value in lines if name == b"host"]
        if len(hosts) > 1 or (modern and not hosts):
            raise WireError(Reason.BAD_HOST)
        self.lines = lines
        self.modern = modern
        self.fields = Fields(tuple((name, value) for name, _, value in lines))
        self.framing: Framing = request_framing(lines, modern=modern)
        self.authority, self.host = authority(hosts[0].decode("latin-1")) if hosts else ("", "")
        connection = tokens(lines, b"connection")
        self.close = b"close" in connection or not modern
        upgrades = tokens(lines, b"upgrade")
        # Only WebSocket is ever an upgrade; every other protocol name is ignored, the request stays a request (P14).
        self.upgrade = modern and b"upgrade" in connection and upgrades == {b"websocket"}
        expects = [value.lower() for name, _, value in lines if name == b"expect"]
        if expects and expects != [b"100-continue"]:
            raise WireError(Reason.BAD_EXPECT)
        self.expect = modern and bool(expects)
        self.crossing = crossing(lines, names)
        self._names = names
        self._to_pages: bytes | None = None

    @property
    def to_pages(self) -> bytes:
        """What crosses to our own pages: the same, with our own cookies."""
        if self._to_pages is None:
            self._to_pages = crossing(self.lines, self._names, own_cookies=True)
        return self._to_pages


class Blocks:
    """Blocks by their bytes, for one worker."""

    def __init__(self, names: Names, limits: Limits) -> None:
        self._names = names
        self._limits = limits
        self._modern: dict[bytes, Block] = {}
        self._old: dict[bytes, Block] = {}

    def read(self, block: bytes, *, modern: bool) -> Block:
        """The block of these bytes; raises ``WireError``."""
        remembered = self._modern if modern else self._old
        known = remembered.get(block)
        if known is None:
            lines = header_lines(block, most=self._limits.header_count, longest=self._limits.header_field)
            known = Block(lines, self._names, modern=modern)
            if len(block) <= _WORTH_KEEPING:
                if len(remembered) >= _REMEMBERED:
                    remembered.clear()
                remembered[block] = known
        return known


def authority(text: str) -> tuple[str, str]:
    """Authority as given and host in lower case; raises ``WireError`` on anything but ``host[:port]``."""
    match = _AUTHORITY.match(text)
    if match is None or (match[3] is not None and int(match[3]) > 65535) or ".." in text:
        raise WireError(Reason.BAD_HOST)
    return text, (match[1] or match[2]).lower()


def origin_form(target: bytes, scheme: str, block_authority: str, host: str) -> tuple[bytes, str]:
    """An absolute-form target as origin-form and its authority; refused unless it names this very site (P8).

    ``block_authority`` is what Host says (empty: nothing); both must mean the same host and port.
    """
    match = _ABSOLUTE.match(target)
    if match is None or match[1].decode("ascii").lower() != scheme:
        raise WireError(Reason.BAD_TARGET)
    try:
        given, name = authority(match[2].decode("ascii"))
    except WireError:
        raise WireError(Reason.BAD_TARGET) from None
    if name != host or (block_authority and _port(given, scheme) != _port(block_authority, scheme)):
        raise WireError(Reason.BAD_TARGET)
    rest = match[3] or b"/"
    return rest if rest.startswith(b"/") else b"/" + rest, given


def _port(given: str, scheme: str) -> int:
    _, colon, digits = given.rpartition(":")
    return int(digits) if colon and digits.isdigit() else 443 if scheme == "https" else 80


@dataclass(frozen=True, slots=True)
class Effective:
    """Who the client is: address, scheme, and the certificate of a card, with the lines that tell a backend so."""

    client: str
    scheme: str
    authority: str
    certificate: bytes | None
    forwarded_certificate: bool
    spoken: bytes  # X-Forwarded-*, Forwarded
    internal: bytes  # for our own pages


def effective(peer: Peer, block: Block, settings: DoorSettings, given: str) -> tuple[Effective, bool]:
    """The effective client, and whether somebody untrusted tried to hand over a certificate (R37)."""
    fields = block.fields
    client, scheme = peer.address, "https" if peer.tls else "http"
    certificate, forwarded, spoofed = peer.certificate, False, False
    chain = peer.address
    if settings.is_trusted(peer.address):
        client, chain = _client(fields, peer, settings)
        proto = (fields.get(b"x-forwarded-proto") or b"").strip().lower()
        if proto in (b"http", b"https"):
            scheme = proto.decode()
        handed = forwarded_certificate(fields)
        if handed is not None and certificate is None:
            certificate, forwarded = handed, True
    else:
        spoofed = any(
            fields.get(name) is not None for name in (b"client-cert", b"x-ssl-client-cert", b"x-ssl-client-der")
        )
    port = given.rpartition(":")[2] if re.search(r":[0-9]+\Z", given) else ("443" if scheme == "https" else "80")
    node = f'"[{client}]"' if ":" in client else client
    spoken = (
        f"X-Forwarded-For: {chain}\r\nX-Forwarded-Proto: {scheme}\r\nX-Forwarded-Host: {given}\r\n"
        f'X-Forwarded-Port: {port}\r\nForwarded: for={node};host="{given}";proto={scheme}\r\n'
    ).encode("ascii")
    lines = [
        f"vtgw-client: {client}",
        f"vtgw-scheme: {scheme}",
        f"vtgw-host: {given}",
        f"vtgw-listener: {peer.listener}",
        f"vtgw-resumed: {int(peer.resumed)}",
    ]
    if certificate is not None:
        lines.append(f"client-cert: :{base64.b64encode(certificate).decode()}:")
        lines.append("vtgw-cert-source: " + ("forwarded" if forwarded else "tls"))
    internal = "".join(line + "\r\n" for line in lines).encode("ascii")
    return Effective(client, scheme, given, certificate, forwarded, spoken, internal), spoofed


def _client(fields: Fields, peer: Peer, settings: DoorSettings) -> tuple[str, str]:
    """The rightmost address that is not a trusted proxy, and the chain as one clean line."""
    listed = [part.strip() for line in fields.all(b"x-forwarded-for") for part in line.decode("latin-1").split(",")]
    clean: list[str] = []
    for address in reversed(listed):
        if not _ADDRESS.match(address):
            break  # what stands left of an unreadable word is worth nothing
        clean.append(address)
        if not settings.is_trusted(address):
            break
    if not clean:
        return peer.address, peer.address
    return clean[-1], ", ".join([*reversed(clean), peer.address])


def forwarded_certificate(fields: Fields) -> bytes | None:
    """DER from a trusted terminator: RFC 9440, nginx's escaped PEM, HAProxy's base64 DER. Several are none."""
    found: list[bytes] = []
    try:
        for value in fields.all(b"client-cert"):
            if len(value) < 2 or value[:1] != b":" or value[-1:] != b":":
                return None
            found.append(base64.b64decode(value[1:-1], validate=True))
        for value in fields.all(b"x-ssl-client-cert"):
            if not value:
                continue
            if (fields.get(b"x-ssl-client-verify") or b"SUCCESS") == b"NONE":
                return None
            pem = unquote_to_bytes(value).replace(b"\n", b"").replace(b"\r", b"").replace(b" ", b"")
            begin, end = b"-----BEGINCERTIFICATE-----", b"-----ENDCERTIFICATE-----"
            if not pem.startswith(begin) or not pem.endswith(end):
                return None
            found.append(base64.b64decode(pem[len(begin) : -len(end)], validate=True))
        handed = [value for value in fields.all(b"x-ssl-client-der") if value]
        found += [base64.b64decode(value, validate=True) for value in handed]
    except (binascii.Error, ValueError):
        return None
    return found[0] if len(found) == 1 else None
