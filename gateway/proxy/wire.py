"""HTTP/1.1 without a socket: bytes in, heads and bodies out (RFC 9110, RFC 9112). Strict, because two readers of one
message must never read two messages.

Refused, never repaired: bare CR or LF, NUL and control characters, folded lines, white space before a colon, lines
without a colon, names that are not tokens, two lengths, a length with a transfer coding, any coding but ``chunked``,
chunk sizes with signs or spaces, other versions than 1.0 and 1.1.

No limit is decided here: they are arguments. Nothing here knows a socket, a clock or a session.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.reasons import Reason

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([^ ]+) HTTP/1\.([01])\Z")
_SOME_VERSION = re.compile(rb"[^ ]+ [^ ]+ HTTP/[0-9.]+\Z")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([\t\x20-\x7e\x80-\xff]*))?\Z")
# Whatever may not stand in a header block: control characters but HTAB, bare CR, bare LF, folded lines.
_UNSOUND = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|(?<!\r)\n|\r(?!\n)|(?:\A|\n)[ \t]")
_DIGITS = re.compile(rb"[0-9]{1,18}\Z")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]*)?\Z")
_CHUNK_LINE = 4096  # a size line longer than this is no size line
_TRAILER_BLOCK = 16384

HTTP_100 = b"HTTP/1.1 100 Continue\r\n\r\n"


class WireError(Exception):
    """The message cannot be read in one way only. ``reason`` is the door's word for it."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Framing:
    """How a body is delimited: by ``length``, by chunks, or (responses only) by the end of the connection."""

    length: int | None = None
    chunked: bool = False
    until_close: bool = False

    @property
    def empty(self) -> bool:
        return self.length == 0


NO_BODY = Framing(0)
CHUNKED = Framing(chunked=True)
UNTIL_CLOSE = Framing(until_close=True)

Lines = tuple[tuple[bytes, bytes, bytes], ...]  # lower-case name, name as received, value


def request_line(line: bytes) -> tuple[str, bytes, bool]:
    """Method, target, and whether it is HTTP/1.1; raises ``WireError``."""
    match = _REQUEST_LINE.match(line)
    if match is None:
        raise WireError(Reason.BAD_VERSION if _SOME_VERSION.match(line) else Reason.BAD_REQUEST)
    method, target, minor = match.groups()
    return method.decode("ascii"), target, minor == b"1"


def status_line(line: bytes) -> tuple[int, bytes, bool]:
    """Status, reason phrase, and whether it is HTTP/1.1; raises ``WireError``."""
    match = _STATUS_LINE.match(line)
    if match is None:
        raise WireError(Reason.BACKEND_GARBAGE)
    return int(match[2]), match[3] or b"", match[1] == b"1"


def header_lines(block: bytes, *, most: int, longest: int) -> Lines:
    """The fields of a block (lines with CRLF between them, none at the end); raises ``WireError``."""
    if not block:
        return ()
    if _UNSOUND.search(block):
        raise WireError(Reason.BAD_HEADER)
    lines = block.split(b"\r\n")
    if len(lines) > most:
        raise WireError(Reason.HEAD_TOO_LARGE)
    found = []
    for line in lines:
        if len(line) > longest:
            raise WireError(Reason.HEAD_TOO_LARGE)
        name, colon, value = line.partition(b":")
        if not colon or not TOKEN.match(name):
            raise WireError(Reason.BAD_HEADER)
        found.append((name.lower(), name, value.strip(b" \t")))
    return tuple(found)


def _length(values: Sequence[bytes]) -> int | None:
    """The one Content-Length; several, lists or odd digits are refused, equal ones too (RFC 9112 §6.3)."""
    if not values:
        return None
    if len(values) > 1 or not _DIGITS.match(values[0]):
        raise WireError(Reason.BAD_FRAMING)
    return int(values[0])


def request_framing(lines: Lines, *, modern: bool) -> Framing:
    """How the body of a request is delimited; raises ``WireError`` on anything two readers could differ on."""
    codings = [value for name, _, value in lines if name == b"transfer-encoding"]
    length = _length([value for name, _, value in lines if name == b"content-length"])
    if codings:
        if not modern or length is not None or len(codings) > 1 or codings[0].lower() != b"chunked":
            raise WireError(Reason.BAD_FRAMING)
        return CHUNKED
    return NO_BODY if not length else Framing(length)


def response_framing(lines: Lines, *, status: int, method: str, modern: bool) -> Framing:
    """How the body of a response is delimited (RFC 9112 §6.3); raises ``WireError``."""
    codings = [value for name, _, value in lines if name == b"transfer-encoding"]
    try:
        length = _length([value for name, _, value in lines if name == b"content-length"])
    except WireError:
        raise WireError(Reason.BACKEND_GARBAGE) from None
    if codings and (not modern or length is not None or len(codings) > 1 or codings[0].lower() != b"chunked"):
        raise WireError(Reason.BACKEND_GARBAGE)
    if method == "HEAD" or status in (204, 304) or status < 200:
        return NO_BODY
    if codings:
        return CHUNKED
    return UNTIL_CLOSE if length is None else Framing(length)


def tokens(lines: Lines, name: bytes) -> set[bytes]:
    """The lower-case members of a list field, over all its lines."""
    return {
        part.strip(b" \t").lower()
        for key, _, value in lines
        if key == name
        for part in value.split(b",")
        if part.strip(b" \t")
    }


class Body:
    """Reads one body out of a stream. ``feed`` gives the payload found so far and whatever belongs to what follows."""

    __slots__ = ("_buffer", "_chunked", "_left", "_state", "done", "reason", "seen", "until_close")

    def __init__(self, framing: Framing, reason: Reason = Reason.BAD_FRAMING) -> None:
        self._chunked = framing.chunked
        self.until_close = framing.until_close
        self._left = -1 if framing.until_close else (framing.length or 0)
        self._state = "size"
        self._buffer = b""
        self.reason = reason
        self.done = not framing.chunked and not framing.until_close and not framing.length
        self.seen = 0

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Payload, rest. The rest is empty until the body is done. Raises ``WireError``."""
        if self._chunked:
            return self._chunks(data)
        if self._left < 0 or len(data) < self._left:
            self.seen += len(data)
            if self._left > 0:
                self._left -= len(data)
            return data, b""
        payload, rest = data[: self._left], data[self._left :]
        self.seen += len(payload)
        self._left = 0
        self.done = True
        return payload, rest

    def _chunks(self, data: bytes) -> tuple[bytes, bytes]:
        if self._buffer:
            data, self._buffer = self._buffer + data, b""
        payload: list[bytes] = []
        place = 0
        while place < len(data):
            if self._state == "data":
                piece = data[place : place + self._left]
                payload.append(piece)
                self.seen += len(piece)
                self._left -= len(piece)
                place += len(piece)
                if self._left == 0:
                    self._state = "end"
            elif self._state == "end":
                if len(data) - place < 2:
                    if data[place:] != b"\r":
                        raise WireError(self.reason)
                    break
                if data[place : place + 2] != b"\r\n":
                    raise WireError(self.reason)
                place += 2
                self._state = "size"
            else:
                line_end = data.find(b"\r\n", place)
                limit = _CHUNK_LINE if self._state == "size" else _TRAILER_BLOCK
                if line_end < 0:
                    if len(data) - place > limit or b"\n" in data[place:]:
                        raise WireError(self.reason)
                    break
                line = data[place:line_end]
                place = line_end + 2
                if self._state == "size":
                    self._size(line)
                elif not line:
                    self.done = True
                    return b"".join(payload), data[place:]
                else:
                    self._trailer(line)
        self._buffer = data[place:]
        return b"".join(payload), b""

    def _size(self, line: bytes) -> None:
        match = _CHUNK_SIZE.match(line)
        if match is None or len(line) > _CHUNK_LINE:
            raise WireError(self.reason)
        self._left = int(match[1], 16)
        if self._left == 0:
            self._state = "trailer"
            self._left = _TRAILER_BLOCK
        else:
            self._state = "data"

    def _trailer(self, line: bytes) -> None:
        """Trailers are read for soundness and dropped: nothing behind the door may depend on them (R135)."""
        self._left -= len(line) + 2
        name, colon, _ = line.partition(b":")
        if self._left < 0 or not colon or not TOKEN.match(name) or _UNSOUND.search(line):
            raise WireError(self.reason)


def chunk(payload: bytes) -> bytes:
    """One chunk of our own making."""
    return b"%x\r\n%b\r\n" % (len(payload), payload)


LAST_CHUNK = b"0\r\n\r\n"
