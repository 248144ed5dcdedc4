"""One connection to a backend, and the answer that comes back on it. The answer is hostile input (B2).

A connection is reusable only when both messages ended cleanly and it says so; in doubt it is closed. Nothing of one
client can reach another: bytes that nobody asked for close the connection.
"""

from __future__ import annotations

import asyncio
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
    """A response head that was found sound, ready to be sent on. Shared between equal responses."""

    __slots__ = ("close", "fields", "framing", "length_line", "lines", "own_framing", "status", "status_line")

    def __init__(self, head: bytes, method: str, names: Names, *, trusted: bool) -> None:
        line, _, block = head.partition(b"\r\n")
        self.status, phrase, modern = status_line(line)
        try:
            self.lines: Lines = header_lines(block, most=_FIELDS_LIMIT, longest=_HEAD_LIMIT)
        except WireError:
            raise WireError(Reason.BACKEND_GARBAGE) from None
        self.framing: Framing = response_framing(self.lines, status=self.status, method=method, modern=modern)
        connection = tokens(self.lines, b"connection")
        self.close = b"close" in connection or not modern or self.framing.until_close
        self.fields = returning(self.lines, names, trusted=trusted)
        self.status_line = b"HTTP/1.1 %d %b\r\n" % (self.status, phrase)
        self.own_framing = says_framing(self.lines)
        # HEAD and 304 say the length of what they do not send.
        told = [value for name, _, value in self.lines if name == b"content-length"]
        silent = method == "HEAD" or self.status == 304
        self.length_line = b"Content-Length: %b\r\n" % told[0] if told and silent else b""


class ResponseHeads:
    """Response heads by their bytes, for one worker."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._known: dict[tuple[bytes, str, bool], ResponseHead] = {}

    def read(self, head: bytes, method: str, *, trusted: bool) -> ResponseHead:
        key = (head, method, trusted)
        known = self._known.get(key)
        if known is None:
            known = ResponseHead(head, method, self._names, trusted=trusted)
            if len(head) <= _WORTH_KEEPING:
                if len(self._known) >= _REMEMBERED:
                    self._known.clear()
                self._known[key] = known
        return known


class Owner(Protocol):
    """Who waits for the answer: a client connection."""

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

    def release(self, connection: Upstream, now: float) -> None: ...


class Upstream(asyncio.Protocol):
    """Client side of one HTTP/1.1 connection."""

    __slots__ = ("_body", "_buffer", "_heads", "_interim", "_method", "_upgrade", "home", "idle_since", "keep", "owner",
                 "reused", "spoiled", "transport", "trusted", "tunnel")  # fmt: skip

    def __init__(self, heads: ResponseHeads, home: Home, *, trusted: bool) -> None:
        self._heads = heads
        self.home = home
        self.trusted = trusted
        self.transport: asyncio.Transport | None = None
        self.owner: Owner | None = None
        self.reused = False
        self.spoiled = False
        self.keep = False
        self.tunnel = False
        self.idle_since = 0.0
        self._buffer = b""
        self._body: Body | None = None
        self._method = ""
        self._upgrade = False
        self._interim = 0

    # What the client side calls

    def ask(self, owner: Owner, data: bytes, method: str, *, upgrade: bool) -> None:
        """Send a request head (and what is there of the body); the answer comes to ``owner``."""
        self.owner = owner
        self._method = method
        self._upgrade = upgrade
        self._body = None
        self._buffer = b""
        self._interim = 0
        assert self.transport is not None  # noqa: S101 - asked only when connected
        self.transport.write(data)

    def send(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)

    def hold(self, held: bool) -> None:
        """Stop or go on reading: the client is slower than the backend."""
        transport = self.transport
        if transport is not None and not transport.is_closing():
            if held:
                transport.pause_reading()
            else:
                transport.resume_reading()

    def free(self) -> None:
        """The exchange is over and clean; the connection belongs to nobody."""
        self.owner = None
        self._body = None
        self.reused = True

    def close(self) -> None:
        """End it now; whatever is under way is lost on purpose."""
        self.owner = None
        if self.transport is not None:
            self.transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        owner = self.owner
        if owner is None:
            self.close()  # an answer nobody asked for
            return
        if self.tunnel:
            owner.tunnel_data(data)
            return
        try:
            if self._body is not None:
                payload, rest = self._body.feed(data)
                self._pass(owner, payload, rest)
            else:
                self._head(owner, self._buffer + data if self._buffer else data)
        except WireError:
            self.close()
            owner.answer_failed(Reason.BACKEND_GARBAGE, silent=False)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        owner, self.owner = self.owner, None
        self.transport = None
        self.home.gone(self)
        if owner is None:
            return
        if self.tunnel:
            owner.tunnel_ended()
        elif self._body is not None and self._body.until_close and exc is None:
            self._body.done = True
            owner.answer_body(b"", done=True)
        elif self._body is None and not self._buffer and not self._interim:
            owner.answer_failed(Reason.BACKEND_DOWN, silent=True)
        else:
            owner.answer_failed(Reason.BACKEND_GARBAGE, silent=False)

    def pause_writing(self) -> None:
        if self.owner is not None:
            self.owner.upstream_full(True)

    def resume_writing(self) -> None:
        if self.owner is not None:
            self.owner.upstream_full(False)

    # The answer

    def _head(self, owner: Owner, data: bytes) -> None:
        while True:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                if len(data) > _HEAD_LIMIT:
                    raise WireError(Reason.BACKEND_GARBAGE)
                self._buffer = data
                return
            head = self._heads.read(data[:end], self._method, trusted=self.trusted)
            data = data[end + 4 :]
            if head.status >= 200:
                break
            self._interim += 1
            if head.status == 101:
                if not self._upgrade or b"websocket" not in tokens(head.lines, b"upgrade"):
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
        body = self._body = Body(head.framing, Reason.BACKEND_GARBAGE)
        payload, rest = (b"", data) if body.done else body.feed(data)
        self.keep = not head.close
        self.spoiled = bool(rest)  # more than one answer: never reused
        owner.answer_head(head, payload, done=body.done)

    def _pass(self, owner: Owner, payload: bytes, rest: bytes) -> None:
        self.spoiled = bool(rest)
        owner.answer_body(payload, done=self._body is not None and self._body.done)

    @property
    def alive(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    @property
    def reusable(self) -> bool:
        """Whether another request may use this connection, now that its answer has ended."""
        return self.keep and not self.spoiled and not self.tunnel and self.alive
