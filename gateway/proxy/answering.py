"""The answering side of one client connection: what goes back, and how it ends.

What every answer shares is here: the backend's answer passed on, an answer of our own, tunnels, and the end of the
connection. An answer that breaks is visibly broken, never ended as if whole; with unread input the connection lingers
for a moment, so that a reset does not take the answer away. ``client`` is its reading side.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from abc import abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import IntEnum
from typing import Protocol

from gateway.policy.decision import Challenge, Decision, Forward, Refuse
from gateway.proxy.limits import IDEMPOTENT, AccessEvent, DoorSettings, Meters
from gateway.proxy.plan import Plan, Planner
from gateway.proxy.pool import Source
from gateway.proxy.upstream import ResponseHead, Upstream
from gateway.proxy.wire import LAST_CHUNK, Body, WireError, chunk
from gateway.reasons import Reason
from gateway.request import Answer, Peer, RequestHead

_KNOWN_STATUS = {
    200: b"OK", 302: b"Found", 400: b"Bad Request", 401: b"Unauthorized", 403: b"Forbidden", 405: b"Method Not Allowed",
    408: b"Request Timeout", 413: b"Content Too Large", 414: b"URI Too Long", 417: b"Expectation Failed",
    421: b"Misdirected Request", 431: b"Request Header Fields Too Large", 502: b"Bad Gateway",
    503: b"Service Unavailable", 504: b"Gateway Timeout", 505: b"HTTP Version Not Supported",
}  # fmt: skip
_COPY = 8192  # bytes; a payload up to this is cheaper copied behind its head than sent as a piece of its own
_RESET = struct.pack("ii", 1, 0)  # linger, for no time
_VERDICT = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncache-control: no-store\r\n"
_CLOSE_GOING_AWAY = b"\x88\x02\x03\xe9"  # WebSocket close 1001
_CLOSE_POLICY = b"\x88\x02\x03\xf0"  # WebSocket close 1008


class State(IntEnum):
    """What the connection is doing."""

    HEAD = 0  # waiting for a request, or reading its head
    ASKING = 1  # waiting for a decision or for an upstream connection
    BUSY = 2  # the request went upstream; its answer is awaited or under way
    TUNNEL = 3  # bytes both ways
    LINGER = 4  # answered and closing; what still comes in is read and dropped
    CLOSED = 5


class Gate(Protocol):
    """Who judges: at once from what is known, or after asking."""

    def at_once(self, head: RequestHead) -> Decision | None: ...

    async def admit(self, head: RequestHead) -> Decision: ...


class Answers(Protocol):
    """What the door says by itself."""

    def challenge(self, head: RequestHead, decision: Challenge) -> Answer: ...

    def refuse(self, head: RequestHead, decision: Refuse) -> Answer: ...

    def fault(self, head: RequestHead | None, reason: Reason, request_id: str) -> Answer: ...

    def verdict(self, asked: RequestHead, decision: Challenge | Refuse) -> Answer: ...


class House(Protocol):
    """What a client connection needs of the door it came in by."""

    settings: DoorSettings
    planner: Planner
    meters: Meters
    gate: Gate
    answers: Answers
    pools: Mapping[str, Source]
    draining: bool

    def time(self) -> float: ...

    def request_id(self) -> str: ...

    def joined(self, client: Answering) -> bool: ...

    def left(self, client: Answering) -> None: ...

    def belongs(self, client: Answering) -> None: ...

    def finished(self, event: AccessEvent) -> None: ...

    def failed(self, error: Exception, head: RequestHead) -> None: ...


HOLD_ASKING, HOLD_UPSTREAM, HOLD_AHEAD, HOLD_UNREAD = 1, 2, 4, 8  # why reading is paused


class Answering(asyncio.BaseProtocol):
    """State of one connection, and what it says. Times are those of the event loop."""

    __slots__ = (
        "_answered", "_body", "_buffer", "_chunked_answer", "_close", "_door", "_expect", "_forward", "_full", "_held",
        "_ident", "_plan", "_progress", "_received", "_request", "_sent", "_session", "_since", "_started", "_status", "_task",
        "_upstream", "_waits", "_write", "peer", "state", "transport", "until",
    )  # fmt: skip

    def __init__(self, door: House, listener: str) -> None:
        self._door = door
        self.peer = Peer("", 0, listener, tls=False)
        self.transport: asyncio.Transport | None = None
        self._write: Callable[[bytes], None]
        self.state = State.HEAD
        self._buffer = b""
        self._held = 0
        self._full = False  # the client does not take what was written
        self._plan: Plan | None = None  # of the request being handled, or of the last one
        self._task: asyncio.Task[None] | None = None
        self._since = door.time()  # when this state of affairs began
        self._progress = self._since  # when something last moved
        self._started = 0.0
        self._ident = ""
        self._waits = False
        self._session: str | None = None  # of the last request; the door cuts by it
        self._forward: Forward | None = None
        self._upstream: Upstream | None = None
        self.until: datetime | None = None
        self._request = b""
        self._chunked_answer = False
        self._expect = False
        self._close = False
        self._reset()

    def _reset(self) -> None:
        """Forget what belongs to one request. The plan stays: the next head may be the same bytes."""
        self._body: Body | None = None
        self._forward = None
        self._answered = False  # the head of an answer was sent
        self._status = 0
        self._sent = 0
        self._received = 0

    @abstractmethod
    def _ready(self) -> None:
        """Wait for the next request on this connection."""

    @abstractmethod
    def check(self, now: float, instant: datetime) -> None:
        """Deadlines, looked at once a second."""

    @abstractmethod
    def drain(self) -> None:
        """The gateway stops: end what is idle, tell tunnels, let requests in flight end by themselves."""

    @abstractmethod
    def _again(self) -> None:
        """Send the request once more, on a new upstream connection."""

    def upstream_full(self, full: bool) -> None:
        if full:
            self._hold(HOLD_UPSTREAM)
        else:
            self._let(HOLD_UPSTREAM)

    # The answer

    def answer_whole(self, head: ResponseHead, data: bytes) -> None:
        """A complete answer in one piece, with its length: the common case, and one write."""
        plan = self._plan
        if self._body is not None or self._close or self._door.draining or plan is None or not plan.block.modern:
            self.answer_head(head, data[head.size :], done=True)
            return
        plain = head.plain
        self._status = head.status
        self._sent = len(data) - head.size + len(plain)
        if len(data) > _COPY:
            assert self.transport is not None  # noqa: S101 - without a client the upstream is closed
            self.transport.writelines((plain, memoryview(data)[head.size :]))
        else:
            self._write(plain + data[head.size :])
        self._progress = self._door.time()
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.free(self._progress)
        self._log(None)
        self._ready()

    def answer_interim(self, head: ResponseHead) -> None:
        # 100 was said by the door itself; other interim answers (103) go on, to who may understand them.
        if head.status != 100 and self.transport is not None and self._plan is not None and self._plan.block.modern:
            self.transport.write(head.status_line + head.fields + b"\r\n")

    def answer_head(self, head: ResponseHead, payload: bytes, *, done: bool) -> None:
        transport = self.transport
        if transport is None:
            return
        self._answered = True
        self._status = head.status
        self._progress = self._door.time()
        modern = self._plan is not None and self._plan.block.modern
        if self._body is not None and not self._body.done:
            self._close = True  # answered before the body had ended: this connection cannot go on
        if self._door.draining or (head.chunked and not modern):
            self._close = True
        chunked = self._chunked_answer = head.chunked and modern
        out = [head.plain[:-2]]
        if chunked:
            out.append(b"Transfer-Encoding: chunked\r\n")
        if self._close:
            out.append(b"Connection: close\r\n")
        out.append(b"\r\n")
        if payload:
            out.append(chunk(payload) if chunked else payload)
        if done and chunked:
            out.append(LAST_CHUNK)
        data = b"".join(out)
        self._sent += len(data)
        transport.write(data)
        if done:
            self._finish()

    def answer_body(self, payload: bytes, *, done: bool) -> None:
        transport = self.transport
        if transport is None:
            return
        self._progress = self._door.time()
        data = payload
        if self._chunked_answer:
            data = (chunk(payload) if payload else b"") + (LAST_CHUNK if done else b"")
        self._sent += len(data)
        if data:
            transport.write(data)
        if done:
            self._finish()

    def answer_failed(self, reason: Reason, *, silent: bool) -> None:
        """The backend gave no whole answer. A request that may be sent again is, once (B5)."""
        upstream, self._upstream = self._upstream, None
        if self._answered:
            self._log(reason)
            self._abort()  # visibly broken, never ended as if whole (B3)
            return
        plan, forward = self._plan, self._forward
        if (
            silent
            and upstream is not None
            and upstream.reused
            and self._body is None
            and plan is not None
            and plan.head.method in IDEMPOTENT
            and not plan.block.upgrade
            and forward is not None
            and self._door.pools[forward.backend].may_retry()
        ):
            self._door.meters.retries += 1
            self._again()
            return
        self._fault(reason)

    def _finish(self) -> None:
        """The answer is out. Give the upstream connection back if both messages ended cleanly, and go on."""
        upstream, self._upstream = self._upstream, None
        whole = self._body is None or self._body.done
        if upstream is not None:
            if whole and upstream.reusable:
                upstream.free(self._progress)
            else:
                upstream.close()
        self._log(None)
        if self._close or not whole:
            self._leave(drop=not whole or bool(self._buffer))  # what was sent beyond the end is not to cost the answer
            return
        self._ready()

    # Tunnels

    def answer_upgraded(self, head: ResponseHead, rest: bytes) -> None:
        if self.transport is None:
            return
        self._answered = True
        self._status = 101
        self.state = State.TUNNEL
        self._door.meters.tunnels += 1
        upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        self.transport.write(head.status_line + head.fields + upgrade + b"\r\n" + rest)
        ahead, self._buffer = self._buffer, b""
        if ahead and self._upstream is not None:
            self._upstream.send(ahead)

    def tunnel_data(self, data: bytes) -> None:
        if self.transport is not None:
            self._progress = self._door.time()
            self._sent += len(data)
            self.transport.write(data)

    def tunnel_ended(self) -> None:
        self._upstream = None
        self._log(None)
        if self.transport is not None:
            self.transport.close()

    def cut(self, *, going_away: bool = False) -> None:
        """End what this session still has open here: a tunnel with a close frame, a transfer visibly broken."""
        if self.state is State.TUNNEL and self.transport is not None:
            self.transport.write(_CLOSE_GOING_AWAY if going_away else _CLOSE_POLICY)
            upstream, self._upstream = self._upstream, None
            if upstream is not None:
                upstream.close()
            self._log(None if going_away else Reason.SESSION_ENDED)
            self.transport.close()
        elif self.state is State.BUSY and not going_away:
            self._log(Reason.SESSION_ENDED)
            self._abort()

    @property
    def session(self) -> str | None:
        return self._session

    def lasts(self, now: float, age: float) -> bool:
        """Whether a tunnel is open here, or a transfer that began more than ``age`` seconds ago."""
        return self.state is State.TUNNEL or (self.state is State.BUSY and now - self._since > age)

    def moved(self, now: float, age: float) -> bool:
        """Whether bytes ran here less than ``age`` seconds ago."""
        return now - self._progress <= age

    @property
    def _method(self) -> str:
        return self._plan.head.method if self._plan is not None else ""

    # What the door says by itself

    def _fault(self, reason: Reason) -> None:
        self._say(self._door.answers.fault(self._plan.head if self._plan else None, reason, self._ident))

    def _refuse(self, reason: Reason) -> None:
        """The request cannot be read in one way: answer once, close, read nothing more of it (P2)."""
        self._close = True
        self._buffer = b""
        if self.state is State.HEAD:  # what is refused is not the request before it
            self._plan = None
            self._ident = self._door.request_id()
        self._say(self._door.answers.fault(None, reason, self._ident), unread=True)

    def _say_verdict(self, plan: Plan, decision: Decision) -> None:
        """Forward-auth: 200 with who it is, as headers; otherwise why not. The front proxy acts on it."""
        self._session = decision.session if isinstance(decision, Forward) else None
        if not isinstance(decision, Forward):
            plan.asked.request_id = self._ident
            self._say(self._door.answers.verdict(plan.asked, decision))
        elif self._close or self._body is not None or self._door.draining:
            lines = tuple(_field(line) for line in decision.stamp.split(b"\r\n") if line)
            self._say(Answer(200, ((b"cache-control", b"no-store"), *lines), b"", None))
        else:
            data = b"%b%b\r\n" % (_VERDICT, decision.stamp)
            self._status = 200
            self._sent = len(data)
            self._write(data)
            self._log(None)
            self._ready()

    def _say(self, answer: Answer, *, unread: bool = False) -> None:
        transport = self.transport
        if transport is None:
            return
        body = self._body
        if body is not None and not body.done and not unread and not self._expect and self._buffer:
            try:  # a small body that is already here does not cost the connection
                _, self._buffer = body.feed(self._buffer)
            except WireError:
                self._buffer = b""
        unread = unread or (body is not None and not body.done)
        self._close = self._close or unread or self._door.draining
        head = self._method == "HEAD"
        out = [b"HTTP/1.1 %d %b\r\n" % (answer.status, _KNOWN_STATUS.get(answer.status, b""))]
        out += [b"%b: %b\r\n" % pair for pair in answer.headers]
        out.append(b"content-length: %d\r\n" % len(answer.body))
        if self.peer.tls or (self._plan is not None and self._plan.who.scheme == "https"):
            out.append(b"strict-transport-security: %b\r\n" % self._door.settings.hsts.encode())
        if self._close:
            out.append(b"connection: close\r\n")
        out.append(b"\r\n")
        if not head:
            out.append(answer.body)
        data = b"".join(out)
        self._answered = True
        self._status = answer.status
        self._sent += len(data)
        transport.write(data)
        self._log(answer.reason)
        if self._close:
            self._leave(drop=unread)
        else:
            self._ready()

    # Ends

    def _leave(self, *, drop: bool) -> None:
        """Close after what was written is sent. With unread input, read and drop it for a moment first: a reset
        would take the answer away from the client."""
        if self.transport is None:
            return
        self._buffer = b""
        if not drop:
            self.state = State.LINGER
            self.transport.close()
            return
        self.state = State.LINGER
        self._since = self._door.time()
        self._held = 0
        self.transport.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _abort(self) -> None:
        """End it visibly broken. Who was promised no length would take an orderly end for the end of the answer: they get
        a reset (B3)."""
        self.state = State.LINGER
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.close()
        if self.transport is not None:
            sock = self.transport.get_extra_info("socket")
            if sock is not None and self._plan is not None and not self._plan.block.modern:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()

    def _hold(self, why: int) -> None:
        if not self._held and self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()
        self._held |= why

    def _let(self, why: int) -> None:
        if self._held & why:
            self._held &= ~why
            if not self._held and self.transport is not None and not self.transport.is_closing():
                self.transport.resume_reading()

    def _log(self, reason: Reason | None, *, aborted: bool = False) -> None:
        plan, forward = self._plan, self._forward
        ended = self._progress
        self._door.finished(
            (
                self._ident,
                plan.label if plan is not None else (self.peer.address, "-", "-"),
                self._status or (499 if aborted else 0),
                forward.backend if forward is not None else None,
                self._session if plan is not None else None,
                reason,
                self._sent,
                self._received,
                ended - self._started,
                ended,
            )
        )


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b": ")
    return name, value
