"""One client connection: requests in, one at a time and in order; answers out.

The hot path has no task and no await: a head is found, judged from what this worker knows, written to an idle upstream
connection in one piece, and the answer written back in one piece. What needs waiting (a question to the store, a new
connection) pauses reading meanwhile. Memory is flat for any body: each side is held while the other is slow.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from enum import IntEnum
from typing import Protocol, cast

from gateway.edges.tls import peer_of
from gateway.policy.decision import Challenge, Decision, Forward, Refuse
from gateway.proxy.heads import Block, Blocks, Effective, authority, effective, origin_form
from gateway.proxy.limits import IDEMPOTENT, METHODS, PAGES, AccessEvent, DoorSettings, Meters
from gateway.proxy.pool import Pool
from gateway.proxy.upstream import ResponseHead, Upstream
from gateway.proxy.wire import HTTP_100, LAST_CHUNK, Body, WireError, chunk, request_line
from gateway.reasons import GatewayError, Reason
from gateway.request import Answer, BadTarget, Peer, RequestHead

_KNOWN_STATUS = {
    200: b"OK", 302: b"Found", 400: b"Bad Request", 401: b"Unauthorized", 403: b"Forbidden", 405: b"Method Not Allowed",
    408: b"Request Timeout", 413: b"Content Too Large", 414: b"URI Too Long", 417: b"Expectation Failed",
    421: b"Misdirected Request", 431: b"Request Header Fields Too Large", 502: b"Bad Gateway",
    503: b"Service Unavailable", 504: b"Gateway Timeout", 505: b"HTTP Version Not Supported",
}  # fmt: skip
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


class House(Protocol):
    """What a client connection needs of the door it came in by."""

    settings: DoorSettings
    blocks: Blocks
    meters: Meters
    gate: Gate
    answers: Answers
    draining: bool

    def time(self) -> float: ...

    def request_id(self) -> str: ...

    def path(self, target: bytes) -> str: ...

    def is_own(self, path: str) -> bool: ...

    def pool(self, backend: str) -> Pool: ...

    def release(self, connection: Upstream) -> None: ...

    def joined(self, client: Client) -> bool: ...

    def left(self, client: Client) -> None: ...

    def belongs(self, client: Client) -> None: ...

    def added(self, forward: Forward | None, head: ResponseHead) -> bytes: ...

    def finished(self, event: AccessEvent) -> None: ...

    def failed(self, error: Exception, head: RequestHead) -> None: ...

    def spoofed(self, peer: Peer) -> None: ...


_HOLD_ASKING, _HOLD_UPSTREAM, _HOLD_AHEAD = 1, 2, 4


class Client(asyncio.Protocol):
    """Server side of one HTTP/1.1 connection. Times are those of the event loop."""

    __slots__ = (
        "_answered", "_block", "_body", "_buffer", "_chunked_answer", "_close", "_door", "_effective",
        "_effective_for", "_expect", "_forward", "_framing_chunked", "_head", "_held", "_progress", "_received",
        "_request", "_sent", "_session", "_since", "_started", "_status", "_task", "_upstream", "_waits", "peer",
        "state", "transport", "until",
    )  # fmt: skip

    def __init__(self, door: House, listener: str) -> None:
        self._door = door
        self.peer = Peer("", 0, listener, tls=False)
        self.transport: asyncio.Transport | None = None
        self.state = State.HEAD
        self._buffer = b""
        self._held = 0
        self._head: RequestHead | None = None
        self._block: Block | None = None
        self._effective: Effective | None = None
        self._effective_for: tuple[Block, str] | None = None
        self._task: asyncio.Task[None] | None = None
        self._since = door.time()  # when this state of affairs began
        self._progress = self._since  # when something last moved
        self._started = 0.0
        self._waits = False
        self._session: str | None = None  # of the last request; the door cuts by it
        self._reset()

    def _reset(self) -> None:
        self._body: Body | None = None
        self._framing_chunked = False  # of the request body
        self._chunked_answer = False
        self._request = b""
        self._forward: Forward | None = None
        self._upstream: Upstream | None = None
        self.until: datetime | None = None
        self._answered = False  # the head of an answer was sent
        self._expect = False
        self._close = False
        self._status = 0
        self._sent = 0
        self._received = 0

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.peer = peer_of(self.transport, self.peer.listener)
        if not self._door.joined(self):
            self._refuse(Reason.TOO_MANY_CONNECTIONS)

    def data_received(self, data: bytes) -> None:
        self._progress = self._door.time()
        state = self.state
        if state is State.HEAD:
            if not self._buffer:
                self._since = self._progress
                self._buffer = data
            else:
                self._buffer += data
            self._next()
        elif state is State.BUSY and self._body is not None and not self._body.done:
            self._feed(data)
        elif state is State.TUNNEL:
            self._received += len(data)
            if self._upstream is not None:
                self._upstream.send(data)
        elif state is State.ASKING or state is State.BUSY:
            self._ahead(data)

    def eof_received(self) -> bool:
        # A closed connection and a half-closed one look the same here; who stops speaking is taken to have left, so
        # that a request nobody waits for any more does not go on at the backend (B6).
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.state = State.CLOSED
        self.transport = None
        if self._task is not None:
            self._task.cancel()
        if self._waits and self._forward is not None:
            self._door.pool(self._forward.backend).forget(self)
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.close()  # a client that leaves takes its request with it (B6)
            self._log(None, aborted=True)
        self._door.left(self)

    def pause_writing(self) -> None:
        if self._upstream is not None:
            self._upstream.hold(True)

    def resume_writing(self) -> None:
        self._progress = self._door.time()
        if self._upstream is not None:
            self._upstream.hold(False)

    # From bytes to a request

    def _next(self) -> None:
        """Read one request head out of the buffer, if it is whole, and act on it."""
        data = self._buffer
        if data.startswith(b"\r\n"):  # RFC 9112 §2.2: one empty line before a request line is forgiven
            data = data[2:]
        limits = self._door.settings.limits
        end = data.find(b"\r\n\r\n")
        if end < 0 or end > limits.header_block:
            line = data.find(b"\r\n")
            if (line if line >= 0 else len(data)) > limits.request_line:
                self._refuse(Reason.TARGET_TOO_LONG)
            elif len(data) > limits.header_block:
                self._refuse(Reason.HEAD_TOO_LARGE)
            return
        self._buffer = data[end + 4 :]
        self._started = self._progress
        try:
            self._read(data[:end])
        except (WireError, BadTarget) as error:
            self._refuse(error.reason)

    def _read(self, raw: bytes) -> None:
        settings = self._door.settings
        line, _, fields = raw.partition(b"\r\n")
        if len(line) > settings.limits.request_line:
            raise WireError(Reason.TARGET_TOO_LONG)
        method, target, modern = request_line(line)
        block = self._door.blocks.read(fields, modern=modern)
        if method not in METHODS:
            raise WireError(Reason.BAD_METHOD)
        host, given = block.host, block.authority
        known = self._effective_for
        if known is not None and known[0] is block and known[1] == given and self._effective is not None:
            who = self._effective
        else:
            if not given:
                given, host = authority(settings.public_authority)
            who, spoofed = effective(self.peer, block, settings, given)
            self._effective, self._effective_for = who, (block, block.authority)
            if spoofed:
                self._door.meters.reasons[Reason.CARD_FORWARD_UNTRUSTED.value] += 1
                self._door.spoofed(self.peer)
        if not target.startswith(b"/"):
            target, given = origin_form(target, who.scheme, host)
        if settings.hosts and host not in settings.hosts:
            raise WireError(Reason.UNKNOWN_HOST)
        path = self._door.path(target)
        if settings.limits.body and (block.framing.length or 0) > settings.limits.body:
            raise WireError(Reason.BODY_TOO_LARGE)
        if block.upgrade:
            self._check_upgrade(method, block, f"{who.scheme}://{given}".lower())
        self._block = block
        self._close = block.close
        self._expect = block.expect and not block.framing.empty
        if not block.framing.empty:
            self._body = Body(block.framing)
            self._framing_chunked = block.framing.chunked
        head = self._head = RequestHead(
            method,
            target,
            path,
            block.fields,
            who.authority,
            who.scheme,
            who.client,
            self.peer,
            self._door.request_id(),
        )
        self._admit(head)

    def _check_upgrade(self, method: str, block: Block, own: str) -> None:
        """Only GET, only without body, and from a page of ours: this very origin, or one that the settings name."""
        if method != "GET" or not block.framing.empty:
            raise WireError(Reason.UPGRADE_REFUSED)
        origin = block.fields.get(b"origin")
        told = None if origin is None else origin.decode("latin-1").lower()
        if told is not None and told != own and told not in self._door.settings.origins:
            raise WireError(Reason.ORIGIN_REFUSED)

    # From a request to a decision

    def _admit(self, head: RequestHead) -> None:
        if self._door.is_own(head.path):
            self._decided(Forward(PAGES))
            return
        try:
            decision = self._door.gate.at_once(head)
        except Exception as error:  # whatever happens in a judgement, the answer is no (R7)
            self._door.failed(error, head)
            self._decided(Refuse(error.reason if isinstance(error, GatewayError) else Reason.INTERNAL))
            return
        if decision is not None:
            self._decided(decision)
            return
        self._ask_for_decision(head)

    def _ask_for_decision(self, head: RequestHead) -> None:
        self.state = State.ASKING
        self._hold(_HOLD_ASKING)
        self._task = asyncio.get_running_loop().create_task(self._ask(head), name=f"admit {head.request_id}")

    async def _ask(self, head: RequestHead) -> None:
        decision: Decision
        try:
            decision = await self._door.gate.admit(head)
        except Exception as error:  # as above
            self._door.failed(error, head)
            decision = Refuse(error.reason if isinstance(error, GatewayError) else Reason.INTERNAL)
        self._task = None
        if self.state is State.ASKING:
            self._let(_HOLD_ASKING)
            self._decided(decision)

    def _decided(self, decision: Decision) -> None:
        head = self._head
        if head is None:
            return
        if isinstance(decision, Forward):
            self._forward = decision
            self.until = decision.until
            if decision.session != self._session:
                self._session = decision.session
                self._door.belongs(self)
            self._request = self._compose(head, decision)
            pool = self._door.pool(decision.backend)
            upstream = pool.take()
            if upstream is not None:
                self._carry(upstream)
            else:
                self.state = State.ASKING
                self._hold(_HOLD_ASKING)
                self._waits = True
                pool.fetch(self)
        elif isinstance(decision, Challenge):
            self._say(self._door.answers.challenge(head, decision))
        else:
            self._say(self._door.answers.refuse(head, decision))

    def _compose(self, head: RequestHead, forward: Forward) -> bytes:
        """The head for the backend, from an empty list: the client's allowed fields first, ours last (B1)."""
        block, who = self._block, self._effective
        assert block is not None and who is not None  # noqa: S101 - set with the head
        framing = block.framing
        if framing.chunked:
            length = b"Transfer-Encoding: chunked\r\n"
        elif framing.length or head.method in ("POST", "PUT", "PATCH"):
            length = b"Content-Length: %d\r\n" % (framing.length or 0)
        else:
            length = b""
        upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n" if block.upgrade else b""
        ident = head.request_id
        own = who.internal + b"vtgw-request-id: %b\r\n" % ident.encode() if forward.backend == PAGES else b""
        return b"".join(
            (
                b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (head.method.encode(), head.target, who.authority.encode()),
                block.to_pages if forward.backend == PAGES else block.crossing,
                length,
                upgrade,
                who.spoken,
                b"X-Request-ID: %b\r\ntraceparent: 00-%b-%b-01\r\n"
                % (ident.encode(), ident.encode(), ident[16:].encode()),
                own,
                forward.stamp,
                b"\r\n",
            )
        )

    # To the backend

    def connected(self, connection: Upstream) -> None:
        """The pool has a connection for this request."""
        self._waits = False
        if self.state is not State.ASKING or self._forward is None:
            self._door.release(connection)
            return
        self._let(_HOLD_ASKING)
        self._carry(connection)

    def not_connected(self, reason: Reason) -> None:
        self._waits = False
        if self.state is State.ASKING:
            self._let(_HOLD_ASKING)
            self._fault(reason)

    def _carry(self, upstream: Upstream) -> None:
        block, head = self._block, self._head
        assert block is not None and head is not None  # noqa: S101 - set with the head
        self.state = State.BUSY
        self._upstream = upstream
        self._since = self._door.time()
        data = self._request
        body = self._body
        if body is not None:
            rest, self._buffer = self._buffer, b""
            if rest:
                try:
                    payload, self._buffer = body.feed(rest)
                except WireError as error:
                    self._upstream = None
                    upstream.close()
                    self._refuse(error.reason)
                    return
                self._received += len(payload)
                data += self._framed(payload, done=body.done)
            elif self._expect and self.transport is not None:
                self.transport.write(HTTP_100)  # the request is admitted and its backend is there
        upstream.ask(self, data, head.method, upgrade=block.upgrade)

    def _feed(self, data: bytes) -> None:
        body, upstream = self._body, self._upstream
        if body is None or upstream is None:
            return
        try:
            payload, rest = body.feed(data)
        except WireError as error:
            self._upstream = None
            upstream.close()  # never completed with the bytes that came (P3)
            if self._answered:
                self._abort()
            else:
                self._refuse(error.reason)
            return
        self._received += len(payload)
        limit = self._door.settings.limits.body
        if limit and body.seen > limit:
            self._upstream = None
            upstream.close()
            self._refuse(Reason.BODY_TOO_LARGE)
            return
        framed = self._framed(payload, done=body.done)
        if framed:
            upstream.send(framed)
        if rest:
            self._ahead(rest)

    def _framed(self, payload: bytes, *, done: bool) -> bytes:
        if not self._framing_chunked:
            return payload
        return (chunk(payload) if payload else b"") + (LAST_CHUNK if done else b"")

    def _ahead(self, data: bytes) -> None:
        """Bytes of requests to come; bounded by not reading more."""
        self._buffer += data
        if len(self._buffer) > self._door.settings.limits.waiting:
            self._hold(_HOLD_AHEAD)

    def upstream_full(self, full: bool) -> None:
        if full:
            self._hold(_HOLD_UPSTREAM)
        else:
            self._let(_HOLD_UPSTREAM)

    # The answer

    def answer_interim(self, head: ResponseHead) -> None:
        # 100 was said by the door itself; other interim answers (103) go on.
        if head.status != 100 and self.transport is not None:
            self.transport.write(head.status_line + head.fields + b"\r\n")

    def answer_head(self, head: ResponseHead, payload: bytes, *, done: bool) -> None:
        transport = self.transport
        if transport is None:
            return
        self._answered = True
        self._status = head.status
        self._progress = self._door.time()
        modern = self._block is not None and self._block.modern
        chunked = not head.framing.empty and head.framing.length is None and modern
        if self._body is not None and not self._body.done:
            self._close = True  # answered before the body had ended: this connection cannot go on
        if self._door.draining or (head.framing.until_close and not modern) or (head.framing.chunked and not modern):
            self._close = True
        if chunked:
            framing = b"Transfer-Encoding: chunked\r\n"
        elif head.framing.length is not None and head.framing.length > 0:
            framing = b"Content-Length: %d\r\n" % head.framing.length
        elif head.length_line:
            framing = head.length_line
        elif head.framing.empty and head.status not in (204, 304) and self._method != "HEAD":
            framing = b"Content-Length: 0\r\n"
        else:
            framing = b""
        self._chunked_answer = chunked
        out = [head.status_line, head.fields, framing, self._door.added(self._forward, head)]
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
        again = silent and upstream is not None and upstream.reused and self._body is None
        if (
            again
            and self._method in IDEMPOTENT
            and self._forward is not None
            and not (self._block and self._block.upgrade)
        ):
            self._door.meters.retries += 1
            self.state = State.ASKING
            self._hold(_HOLD_ASKING)
            self._waits = True
            self._door.pool(self._forward.backend).fetch(self)
            return
        self._fault(reason)

    def _finish(self) -> None:
        """The answer is out. Give the upstream connection back if both messages ended cleanly, and go on."""
        upstream, self._upstream = self._upstream, None
        whole = self._body is None or self._body.done
        if upstream is not None:
            if whole and upstream.reusable:
                self._door.release(upstream)
            else:
                upstream.close()
        self._log(None)
        if self._close or not whole:
            self._leave(drop=not whole)
            return
        self._ready()

    def _ready(self) -> None:
        """Wait for the next request on this connection."""
        self._reset()
        self.state = State.HEAD
        self._since = self._progress
        if self._buffer:
            asyncio.get_running_loop().call_soon(self._resume)
        elif self._held & _HOLD_AHEAD:
            self._let(_HOLD_AHEAD)

    def _resume(self) -> None:
        if self.state is State.HEAD and self._buffer:
            self._next()
        if self.state is State.HEAD or len(self._buffer) <= self._door.settings.limits.waiting:
            self._let(_HOLD_AHEAD)

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

    @property
    def _method(self) -> str:
        return self._head.method if self._head is not None else ""

    # What the door says by itself

    def _fault(self, reason: Reason) -> None:
        self._say(self._door.answers.fault(self._head, reason, self._ident))

    def _refuse(self, reason: Reason) -> None:
        """The request cannot be read in one way: answer once, close, read nothing more of it (P2)."""
        self._close = True
        self._buffer = b""
        self._say(self._door.answers.fault(None, reason, self._ident), unread=True)

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
        if self._effective is not None and self._effective.scheme == "https":
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
        self.state = State.LINGER
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.close()
        if self.transport is not None:
            self.transport.abort()

    def check(self, now: float, instant: datetime) -> None:
        """Deadlines, looked at once a second."""
        limits = self._door.settings.limits
        state = self.state
        if state is State.HEAD:
            if self._buffer:
                if now - self._since > limits.head:
                    self._refuse(Reason.REQUEST_TIMEOUT)
            elif now - self._since > limits.keep_alive:
                self._abort_idle()
        elif state is State.TUNNEL:
            if self.until is not None and instant >= self.until:
                self.cut()
        elif state is State.LINGER:
            if now - self._since > limits.linger and self.transport is not None:
                self.transport.abort()
        elif state is State.BUSY:
            self._check_busy(now, instant)

    def _check_busy(self, now: float, instant: datetime) -> None:
        limits = self._door.settings.limits
        transport, upstream = self.transport, self._upstream
        if transport is None or upstream is None or self._forward is None:
            return
        backend = self._door.pool(self._forward.backend).backend
        if self.until is not None and instant >= self.until:
            self.cut()
        elif self._answered:
            stuck = transport.get_write_buffer_size() > 0
            if now - self._progress > (limits.write_idle if stuck else backend.idle_timeout):
                self._log(Reason.REQUEST_TIMEOUT if stuck else Reason.BACKEND_TIMEOUT)
                self._abort()
        elif self._body is not None and not self._body.done and not self._held & _HOLD_UPSTREAM:
            if now - self._progress > limits.body_idle:
                upstream.close()
                self._upstream = None
                self._refuse(Reason.REQUEST_TIMEOUT)
        elif now - max(self._since, self._progress) > backend.first_byte_timeout:
            upstream.close()
            self._upstream = None
            self._close = self._close or (self._body is not None and not self._body.done)
            self._fault(Reason.BACKEND_TIMEOUT)

    def _abort_idle(self) -> None:
        if self.transport is not None:
            self.state = State.LINGER
            self.transport.close()

    def drain(self) -> None:
        """The gateway stops: idle connections end now, tunnels are told, requests in flight end by themselves."""
        if self.state is State.HEAD and not self._buffer:
            self._abort_idle()
        elif self.state is State.TUNNEL:
            self.cut(going_away=True)

    @property
    def _ident(self) -> str:
        return self._head.request_id if self._head is not None else self._door.request_id()

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
        head = self._head
        self._door.finished(
            AccessEvent(
                request_id=self._ident,
                client=head.client if head else self.peer.address,
                method=head.method if head else "-",
                path=head.path if head else "-",
                status=self._status or (499 if aborted else 0),
                backend=self._forward.backend if self._forward else None,
                session=self._session,
                reason=reason,
                sent=self._sent,
                received=self._received,
                seconds=self._door.time() - self._started,
            )
        )
