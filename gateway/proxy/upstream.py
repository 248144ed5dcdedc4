"""One connection to a backend, and the answer that comes back on it. The answer is hostile input (B2).

A connection is reusable only when both messages ended cleanly and it says so; in doubt it is closed. Nothing of one
client can reach another: bytes that nobody asked for close the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from gateway.proxy.headers import Names, returning, says_framing
from gateway.proxy.wire import (
    Body,
    Framing,
    Lines,
    WireError,
    header_lines,
    response_framing,
    status_line,
    tokens,
)
from gateway.reasons import Reason

_HEAD_LIMIT = 131_072  # bytes of a response head; nginx's largest common setting is a quarter of it
_FIELDS_LIMIT = 500
_INTERIM_LIMIT = 20  # 1xx answers before the real one
_REMEMBERED = 512
_WORTH_KEEPING = 2048


class ResponseHead:
    """A response head that was found sound, ready to be sent on. Shared between equal responses.

    ``plain`` is what a client of HTTP/1.1 gets when the connection goes on and the answer is not chunked; ``whole`` is
    the size of the complete message when that is known from the head, -1 otherwise.
    """

    __slots__ = (
        "chunked", "close", "fields", "framing", "length_line", "lines", "method", "plain", "raw", "size", "status",
        "status_line", "whole",
    )  # fmt: skip

    def __init__(self, raw: bytes, method: str, names: Names, frames: bytes, *, trusted: bool) -> None:
        line, _, block = raw[:-4].partition(b"\r\n")
        self.raw = raw
        self.size = len(raw)
        self.method = method
        self.status, phrase, modern = status_line(line)
        try:
            self.lines: Lines = header_lines(block, most=_FIELDS_LIMIT, longest=_HEAD_LIMIT)
        except WireError:
            raise WireError(Reason.BACKEND_GARBAGE) from None
        framing: Framing = response_framing(self.lines, status=self.status, method=method, modern=modern)
        self.framing = framing
        connection = tokens(self.lines, b"connection")
        self.close = b"close" in connection or not modern or framing.until_close
        self.fields = returning(self.lines, names, trusted=trusted)
        if not trusted and self.status >= 200 and not says_framing(self.fields):
            self.fields += frames  # who may frame a page of the backend, when the backend says nothing (R8)
        self.status_line = b"HTTP/1.1 %d %b\r\n" % (self.status, phrase)
        self.length_line = self._length_line()
        self.chunked = not framing.empty and framing.length is None
        self.plain = self.status_line + self.fields + self.length_line + b"\r\n"
        final = self.status >= 200 and not self.close and framing.length is not None
        self.whole = self.size + (framing.length or 0) if final else -1

    def _length_line(self) -> bytes:
        framing = self.framing
        if framing.length:
            return b"Content-Length: %d\r\n" % framing.length
        if self.method == "HEAD" or self.status == 304:  # these say the length of what they do not send
            told = [value for name, _, value in self.lines if name == b"content-length"]
            return b"Content-Length: %b\r\n" % told[0] if told else b""
        return b"Content-Length: 0\r\n" if framing.empty and self.status >= 200 and self.status != 204 else b""


class ResponseHeads:
    """Response heads by their bytes, for one worker. ``frames`` is the line that says who may frame a page."""

    def __init__(self, names: Names, frames: bytes = b"") -> None:
        self._names = names
        self._frames = frames
        self._known: dict[tuple[bytes, str, bool], ResponseHead] = {}

    def read(self, raw: bytes, method: str, *, trusted: bool) -> ResponseHead:
        """The head of these bytes (with the empty line that ends it); raises ``WireError``."""
        key = (raw, method, trusted)
        known = self._known.get(key)
        if known is None:
            known = ResponseHead(raw, method, self._names, self._frames, trusted=trusted)
            if len(raw) <= _WORTH_KEEPING:
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[key] = known
        return known


class Owner(Protocol):
    """Who waits for the answer: a client connection."""

    def answer_whole(self, head: ResponseHead, data: bytes) -> None: ...

    def answer_head(self, head: ResponseHead, payload: bytes, *, done: bool) -> None: ...

    def answer_body(self, payload: bytes, *, done: bool) -> None: ...

    def answer_interim(self, head: ResponseHead) -> None: ...

    def answer_upgraded(self, head: ResponseHead, rest: bytes) -> None: ...

    def answer_failed(self, reason: Reason, *, silent: bool) -> None: ...

    def tunnel_data(self, data: bytes) -> None: ...

    def tunnel_ended(self) -> None: ...

    def upstream_full(self, full: bool) -> None: ...


class Home(Protocol):
    """Where the connection comes from and goes back to: its pool."""

    def gone(self, connection: Upstream) -> None: ...

    def failed(self) -> None: ...

    def release(self, connection: Upstream) -> None: ...


def _to_nobody(data: bytes) -> None:
    """Where the bytes go that are written after the end."""


class Upstream(asyncio.Protocol):
    """Client side of one HTTP/1.1 connection. ``alive`` until either side ends it."""

    __slots__ = ("_body", "_buffer", "_full", "_heads", "_held", "_interim", "_last", "_method", "_upgrade", "_write",
                 "alive", "born", "home", "idle_since", "keep", "owner", "retired", "reused", "spoiled", "transport",
                 "trusted", "tunnel")  # fmt: skip

    def __init__(self, heads: ResponseHeads, home: Home, *, trusted: bool) -> None:
        self._heads = heads
        self.home = home
        self.trusted = trusted
        self.transport: asyncio.Transport | None = None
        self.owner: Owner | None = None
        self.alive = False
        self.born = 0.0  # set at the first ``free``: only then can it be used again
        self.retired = False  # too old to be used again
        self.reused = False
        self.spoiled = False
        self.keep = False
        self.tunnel = False
        self.idle_since = 0.0
        self._write: Callable[[bytes], None]
        self._last: ResponseHead | None = None  # of the answer before: the next one often begins with the same bytes
        self._buffer = b""
        self._body: Body | None = None
        self._method = ""
        self._upgrade = False
        self._interim = 0
        self._held = False  # not read, because the client is slower
        self._full = False  # the backend does not take what was sent

    # What the client side calls

    def ask(self, owner: Owner, data: bytes, method: str, *, upgrade: bool) -> None:
        """Send a request head (and what is there of the body); the answer comes to ``owner``."""
        self.owner = owner
        self._method = method
        self._upgrade = upgrade
        self._write(data)

    def send(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def hold(self, held: bool) -> None:
        """Stop or go on reading: the client is slower than the backend."""
        self._held = held
        transport = self.transport
        if transport is not None and not transport.is_closing():
            if held:
                transport.pause_reading()
            else:
                transport.resume_reading()

    def free(self, now: float) -> None:
        """The exchange is over and clean; the connection belongs to nobody, and its pool may give it away again."""
        self.owner = None
        self._body = None
        self._interim = 0
        self.idle_since = now
        if self._held:  # by its last piece: the next client is not to wait for this one
            self.hold(False)
        if not self.reused:
            self.reused = True
            self.born = now
        if self.retired:
            self.close()
        else:
            self.home.release(self)

    def close(self) -> None:
        """End it now; whatever is under way is lost on purpose."""
        self.owner = None
        self.alive = False
        if self.transport is not None:
            self.transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._write = self.transport.write
        self.alive = True

    def data_received(self, data: bytes) -> None:
        owner = self.owner
        if owner is None:
            self.close()  # an answer nobody asked for
            return
        last, body = self._last, self._body
        if (
            last is not None
            and body is None
            and len(data) == last.whole
            and not self._buffer
            and last.method == self._method
            and data.startswith(last.raw)
        ):
            self.keep = True  # the head of the answer before, and the whole message in one piece
            self.spoiled = False
            owner.answer_whole(last, data)
            return
        if self.tunnel:
            owner.tunnel_data(data)
            return
        try:
            if body is not None:
                payload, rest = body.feed(data)
                self._pass(owner, payload, rest)
            else:
                self._head(owner, self._buffer + data if self._buffer else data)
        except WireError:
            self.close()
            self.home.failed()
            owner.answer_failed(Reason.BACKEND_GARBAGE, silent=False)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        owner, self.owner = self.owner, None
        self.alive = False
        self.transport = None
        self._write = _to_nobody
        self.home.gone(self)
        if owner is None:
            return
        if self.tunnel:
            owner.tunnel_ended()
        elif self._body is not None and self._body.until_close and exc is None:
            self._body.done = True
            owner.answer_body(b"", done=True)
        elif self._body is None and not self._buffer and not self._interim:
            if not self.reused:
                self.home.failed()  # a kept connection that had died in its sleep is nobody's fault
            owner.answer_failed(Reason.BACKEND_DOWN, silent=True)
        else:
            self.home.failed()
            owner.answer_failed(Reason.BACKEND_GARBAGE, silent=False)

    def pause_writing(self) -> None:
        self._full = True
        if self.owner is not None:
            self.owner.upstream_full(True)

    def resume_writing(self) -> None:
        self._full = False
        if self.owner is not None:
            self.owner.upstream_full(False)

    # The answer

    def _head(self, owner: Owner, data: bytes) -> None:
        while True:
            end = data.find(b"\r\n\r\n") + 4
            if end < 4:
                if len(data) > _HEAD_LIMIT:
                    raise WireError(Reason.BACKEND_GARBAGE)
                self._buffer = data
                return
            if end > _HEAD_LIMIT:
                raise WireError(Reason.BACKEND_GARBAGE)
            head = self._heads.read(data[:end], self._method, trusted=self.trusted)
            if head.status >= 200:
                break
            data = data[end:]
            self._interim += 1
            if head.status == 101:
                agreed = tokens(head.lines, b"upgrade") == {b"websocket"}
                if not self._upgrade or not agreed or b"upgrade" not in tokens(head.lines, b"connection"):
                    raise WireError(Reason.BACKEND_GARBAGE)
                self.tunnel = True
                owner.answer_upgraded(head, data)
                return
            if self._interim > _INTERIM_LIMIT:
                raise WireError(Reason.BACKEND_GARBAGE)
            owner.answer_interim(head)
            if not data:
                self._buffer = b""
                return
        self._buffer = b""
        self._last = head
        if len(data) == head.whole:
            self.keep = True
            self.spoiled = False
            owner.answer_whole(head, data)
            return
        data = data[end:]
        body = self._body = Body(head.framing, Reason.BACKEND_GARBAGE)
        payload, rest = (b"", data) if body.done else body.feed(data)
        self.keep = not head.close
        self.spoiled = bool(rest)  # more than one answer: never reused
        owner.answer_head(head, payload, done=body.done)

    def _pass(self, owner: Owner, payload: bytes, rest: bytes) -> None:
        self.spoiled = bool(rest)
        owner.answer_body(payload, done=self._body is not None and self._body.done)

    @property
    def reusable(self) -> bool:
        """Whether another request may use this connection, now that its answer has ended."""
        return self.keep and not self.spoiled and not self.tunnel and not self._full and self.alive
