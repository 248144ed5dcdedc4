"""The facts of a request, built once by the door. What is judged is what is forwarded: both come from here.

* ``path`` is the one canonical spelling used for judging, matching and logging. A target whose meaning could change
  between two readers is refused, never repaired (R6).
* ``target`` is the origin-form exactly as received, and exactly what the backend receives.
* Peer, scheme and host are effective values: forwarded headers count only when a trusted proxy sent them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from gateway.reasons import Reason

# Headers by which the door tells our own pages about the client. Removed from everything that comes in.
CLIENT = b"vtgw-client"
SCHEME = b"vtgw-scheme"
HOST = b"vtgw-host"
LISTENER = b"vtgw-listener"
REQUEST_ID = b"vtgw-request-id"
RESUMED = b"vtgw-resumed"
CERT = b"client-cert"  # RFC 9440
CERT_SOURCE = b"vtgw-cert-source"  # tls | forwarded
INTERNAL_PREFIX = "vtgw-"


class BadTarget(ValueError):
    """The target cannot be read in one way only. ``reason`` is BAD_TARGET or AMBIGUOUS_PATH."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of the connection, as the socket says. ``certificate`` is DER, from this very handshake."""

    address: str
    port: int
    listener: str  # public | card | plain
    tls: bool
    certificate: bytes | None = None
    resumed: bool = False
    sni: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the door says by itself. Framing headers are the door's business, not the answer's."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    reason: Reason | None


# One segment that some reader takes for a dot segment, or strips something from: "." and "..", with trailing dots or
# spaces (Windows), or with path parameters ("..;").
_DOTTED = re.compile(r"(?:^|/)(?:[. ]+(?:;[^/]*)?|[^/]*[. ])(?=/|$)")
_RAW = re.compile(rb"/[\x21\x22\x24-\x5b\x5d-\x7e]*\Z")  # visible ASCII without "#" and "\"
_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_AGAIN = re.compile(r"%[0-9A-Fa-f]{2}")


def canonical_path(target: bytes) -> str:
    """The decoded path of an origin-form target; raises ``BadTarget``. The query plays no part (R6).

    One percent-decoding, as UTF-8. Refused: anything that decodes a second time, encoded slashes and backslashes,
    control characters, dot segments in any disguise, empty segments, segments that Windows would shorten.
    """
    path = target.partition(b"?")[0]
    if not _RAW.match(target) or _PERCENT.search(path):
        raise BadTarget(Reason.BAD_TARGET)
    if b"%" in path:
        lowered = path.lower()
        if b"%2f" in lowered or b"%5c" in lowered:
            raise BadTarget(Reason.AMBIGUOUS_PATH)
        try:
            text = unquote_to_bytes(path).decode("utf-8")
        except UnicodeDecodeError:
            raise BadTarget(Reason.AMBIGUOUS_PATH) from None
        if _AGAIN.search(text) or any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text):
            raise BadTarget(Reason.AMBIGUOUS_PATH)
    else:
        text = path.decode("ascii")
    if "//" in text or _DOTTED.search(text):
        raise BadTarget(Reason.AMBIGUOUS_PATH)
    return text


class Fields:
    """A header block that was parsed and found sound. Immutable by convention: blocks are shared between requests.

    ``verdicts`` are notes that the gate leaves to itself; nobody else reads them.
    """

    __slots__ = ("_cookies", "_first", "_script", "items", "verdicts")

    def __init__(self, items: tuple[tuple[bytes, bytes], ...]) -> None:
        self.items = items  # lower-case name, value without surrounding white space, in the order received
        self._first: dict[bytes, bytes] | None = None
        self._cookies: dict[str, list[str]] | None = None
        self._script: bool | None = None
        self.verdicts: dict[object, object] = {}

    def get(self, name: bytes) -> bytes | None:
        """The first value of this lower-case name."""
        if self._first is None:
            first: dict[bytes, bytes] = {}
            for key, value in self.items:
                first.setdefault(key, value)
            self._first = first
        return self._first.get(name)

    def all(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.items if key == name]

    def cookie(self, name: str) -> list[str]:
        """Every value of this cookie, in order, from all Cookie lines (RFC 6265)."""
        if self._cookies is None:
            cookies: dict[str, list[str]] = {}
            for line in self.all(b"cookie"):
                for pair in line.decode("latin-1").split(";"):
                    key, equals, value = pair.strip(" \t").partition("=")
                    if equals:
                        cookies.setdefault(key, []).append(value.strip(" \t"))
            self._cookies = cookies
        return self._cookies.get(name, [])

    @property
    def script(self) -> bool:
        """Whether who asks cannot show a page: fetch metadata first, older signs after."""
        if self._script is None:
            self._script = self._is_script()
        return self._script

    def _is_script(self) -> bool:
        mode, wanted = self.get(b"sec-fetch-mode"), self.get(b"sec-fetch-dest")
        if mode is not None or wanted is not None:
            return not (mode in (None, b"navigate") and wanted in (None, b"document", b"iframe", b"frame"))
        if (self.get(b"x-requested-with") or b"").lower() == b"xmlhttprequest" or self.get(b"upgrade") is not None:
            return True
        accept = (self.get(b"accept") or b"").lower()
        return bool(accept) and b"text/html" not in accept and accept != b"*/*"


class RequestHead:
    """One request, whole but for its body. Built by the door; nobody else makes or changes one.

    Equal requests of one connection are one object, with a new ``request_id`` each time. ``verdict`` is a note that
    the gate leaves to itself there; nobody else reads it.
    """

    __slots__ = ("authority", "client", "fields", "method", "path", "peer", "request_id", "scheme", "target", "verdict")

    def __init__(
        self,
        method: str,
        target: bytes,
        path: str,
        fields: Fields,
        authority: str,
        scheme: str,
        client: str,
        peer: Peer,
        request_id: str,
    ) -> None:
        self.method = method
        self.target = target
        self.path = path
        self.fields = fields
        self.authority = authority
        self.scheme = scheme
        self.client = client
        self.peer = peer
        self.request_id = request_id
        self.verdict: object = None

    @property
    def is_script(self) -> bool:
        return self.fields.script

    def cookie(self, name: str) -> list[str]:
        return self.fields.cookie(name)

    def header(self, name: bytes) -> bytes | None:
        return self.fields.get(name)
