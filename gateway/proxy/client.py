"""The reading side of one client connection: requests in, one at a time and in order.

The hot path has no task and no await: a head is found, judged from what this worker knows, written to an idle upstream
connection in one piece, and the answer written back in one piece (``answering``). What needs waiting (a question to the
store, a new connection) pauses reading meanwhile. Memory is flat for any body: each side is held while the other is slow.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import cast

from gateway.edges.tls import peer_of
from gateway.policy.decision import Challenge, Decision, Forward, Refuse
from gateway.proxy.answering import HOLD_AHEAD, HOLD_ASKING, HOLD_UNREAD, HOLD_UPSTREAM, Answering, State
from gateway.proxy.limits import PAGES
from gateway.proxy.plan import Plan, Way
from gateway.proxy.pool import Source
from gateway.proxy.upstream import Upstream
from gateway.proxy.wire import HTTP_100, LAST_CHUNK, Body, WireError, chunk
from gateway.reasons import GatewayError, Reason
from gateway.request import BadTarget, RequestHead

# Looked at for every piece of data: a name of this module costs a third of a member of an enumeration.
_HEAD, _BUSY, _BACKEND = State.HEAD, State.BUSY, Way.BACKEND
_TO_PAGES = Forward(PAGES)
_SHARED = memoryview(bytearray(65536))  # filled and emptied within one call


def _to_nobody(data: bytes) -> None:
    """Where the bytes go that are written after the end."""


class Reading(Answering):
    """Server side of one HTTP/1.1 connection."""

    __slots__ = ()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._write = self.transport.write
        self.peer = peer_of(self.transport, self.peer.listener)
        if not self._door.joined(self):
            self._refuse(Reason.TOO_MANY_CONNECTIONS)

    def data_received(self, data: bytes) -> None:
        self._progress = self._door.time()
        state = self.state
        if state is _HEAD:
            plan = self._plan
            if self._full:
                self._buffer += data
                self._hold(HOLD_UNREAD)
            elif plan is not None and plan.again and data == plan.raw and not self._buffer:
                self._begin(plan)  # the very bytes of the request before
            elif not self._buffer:
                self._since = self._progress
                self._buffer = data
                self._next()
            else:
                self._buffer += data
                self._next()
        elif state is _BUSY and self._body is not None and not self._body.done:
            self._feed(data)
        elif state is State.TUNNEL:
            self._received += len(data)
            if self._upstream is not None:
                self._upstream.send(data)
        elif state is State.ASKING or state is _BUSY:
            self._ahead(data)

    def eof_received(self) -> bool:
        # A closed connection and a half-closed one look the same here; who stops speaking is taken to have left, so
        # that a request nobody waits for any more does not go on at the backend (B6).
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.state = State.CLOSED
        self.transport = None
        self._write = (
            _to_nobody  # it held the transport: together they would wait for the collector, TLS buffers and all
        )
        if self._task is not None:
            self._task.cancel()
        if self._waits and self._forward is not None:
            self._door.pools[self._forward.backend].forget(self)
        upstream, self._upstream = self._upstream, None
        if upstream is not None:
            upstream.close()  # a client that leaves takes its request with it (B6)
            self._log(None, aborted=True)
        self._door.left(self)

    def pause_writing(self) -> None:
        self._full = True
        if self._upstream is not None:
            self._upstream.hold(True)

    def resume_writing(self) -> None:
        self._full = False
        self._progress = self._door.time()
        if self._upstream is not None:
            self._upstream.hold(False)
        if self._held & HOLD_UNREAD:
            self._let(HOLD_UNREAD)
            if self.state is _HEAD:
                self._ready()

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
        plan, raw = self._plan, data[: end + 4]
        if plan is None or plan.raw != raw:
            try:
                plan = self._plan = self._door.planner.plan(raw, self.peer, plan)
            except (WireError, BadTarget) as error:
                self._started = self._progress
                self._refuse(error.reason)
                return
        if not plan.again:
            self._expect = plan.block.expect and not plan.block.framing.empty
            if not plan.block.framing.empty:
                self._body = Body(plan.block.framing)
        self._begin(plan)

    # From a request to a decision

    def _begin(self, plan: Plan) -> None:
        door, head = self._door, plan.head
        self._started = self._progress
        self._close = plan.block.close
        self._ident = head.request_id = door.request_id()
        if plan.way is not _BACKEND:
            if plan.way is Way.PAGES:
                self._send(plan, _TO_PAGES)
                return
            if plan.fault is not None:
                self._say_verdict(plan, Refuse(plan.fault))
                return
        try:
            decision = door.gate.at_once(plan.asked)
        except Exception as error:  # whatever happens in a judgement, the answer is no (R7)
            self._decided(self._failed(error, head))
            return
        if decision is not None:
            self._decided(decision)
            return
        self.state = State.ASKING
        self._hold(HOLD_ASKING)
        self._task = asyncio.get_running_loop().create_task(self._ask(plan.asked), name=f"admit {self._ident}")

    async def _ask(self, head: RequestHead) -> None:
        try:
            decision = await self._door.gate.admit(head)
        except Exception as error:  # as above
            decision = self._failed(error, head)
        self._task = None
        if self.state is State.ASKING:
            self._let(HOLD_ASKING)
            self._decided(decision)

    def _failed(self, error: Exception, head: RequestHead) -> Decision:
        """What an accident in a judgement means: refused, with its own reason when it has one."""
        self._door.failed(error, head)
        return Refuse(error.reason if isinstance(error, GatewayError) else Reason.INTERNAL)

    def _decided(self, decision: Decision) -> None:
        plan = self._plan
        if plan is None:
            return
        if plan.way is not _BACKEND:
            self._say_verdict(plan, decision)
        elif isinstance(decision, Forward):
            self._send(plan, decision)
        elif isinstance(decision, Challenge):
            self._say(self._door.answers.challenge(plan.head, decision))
        else:
            self._say(self._door.answers.refuse(plan.head, decision))

    # To the backend

    def _send(self, plan: Plan, forward: Forward) -> None:
        self._forward = forward
        self.until = forward.until
        if forward.session is not self._session and forward.session != self._session:
            self._session = forward.session
            self._door.belongs(self)
        self._request = plan.message(forward.stamp)
        pool = self._door.pools[forward.backend]
        upstream = pool.take()
        if upstream is not None:
            self._carry(plan, upstream)
        else:
            self._fetch(pool)

    def _fetch(self, pool: Source) -> None:
        self.state = State.ASKING
        self._hold(HOLD_ASKING)
        self._waits = True
        pool.fetch(self)

    def connected(self, connection: Upstream) -> None:
        """The pool has a connection for this request."""
        self._waits = False
        if self.state is not State.ASKING or self._forward is None:
            connection.free(self._door.time())
            return
        self._let(HOLD_ASKING)
        if self._plan is not None:
            self._carry(self._plan, connection)

    def _again(self) -> None:
        assert self._forward is not None  # noqa: S101 - it was sent once
        self._fetch(self._door.pools[self._forward.backend])

    def not_connected(self, reason: Reason) -> None:
        self._waits = False
        if self.state is State.ASKING:
            self._let(HOLD_ASKING)
            self._fault(reason)

    def _carry(self, plan: Plan, upstream: Upstream) -> None:
        self.state = _BUSY
        self._upstream = upstream
        self._since = self._progress
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
                if self._too_large(body):
                    self._upstream = None
                    upstream.close()
                    self._refuse(Reason.BODY_TOO_LARGE)
                    return
                data += self._framed(payload, done=body.done)
                if len(self._buffer) <= self._door.settings.limits.waiting:
                    self._let(HOLD_AHEAD)  # what had come ahead was of this body
            elif self._expect:
                self._write(HTTP_100)  # the request is admitted and its backend is there
        upstream.ask(self, data, plan.head.method, upgrade=plan.block.upgrade)

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
        if self._too_large(body):
            self._upstream = None
            upstream.close()
            self._refuse(Reason.BODY_TOO_LARGE)
            return
        framed = self._framed(payload, done=body.done)
        if framed:
            upstream.send(framed)
        if rest:
            self._ahead(rest)

    def _too_large(self, body: Body) -> bool:
        limit = self._door.settings.limits.body
        return bool(limit) and body.seen > limit

    def _framed(self, payload: bytes, *, done: bool) -> bytes:
        if self._plan is None or not self._plan.block.framing.chunked:
            return payload
        return (chunk(payload) if payload else b"") + (LAST_CHUNK if done else b"")

    def _ahead(self, data: bytes) -> None:
        """Bytes of requests to come; bounded by not reading more."""
        self._buffer += data
        if len(self._buffer) > self._door.settings.limits.waiting:
            self._hold(HOLD_AHEAD)

    def _ready(self) -> None:
        """Wait for the next request on this connection."""
        self._reset()
        self.state = _HEAD
        self._since = self._progress
        if self._full:  # nothing more is asked for a client that does not take its answers: they would pile up here
            self._hold(HOLD_UNREAD)
            return
        if self._held & HOLD_UPSTREAM:  # the backend answered before it had taken the end of the body
            self._let(HOLD_UPSTREAM)
        if self._buffer:
            asyncio.get_running_loop().call_soon(self._resume)
        elif self._held & HOLD_AHEAD:
            self._let(HOLD_AHEAD)

    def _resume(self) -> None:
        if self.state is State.HEAD and self._full:
            self._hold(HOLD_UNREAD)
            return
        if self.state is State.HEAD and self._buffer:
            self._next()
        if self.state is State.HEAD or len(self._buffer) <= self._door.settings.limits.waiting:
            self._let(HOLD_AHEAD)

    def check(self, now: float, instant: datetime) -> None:
        """Deadlines, looked at once a second."""
        limits = self._door.settings.limits
        state = self.state
        if state is State.HEAD:
            if self._full:
                if now - self._progress > limits.write_idle:
                    self._abort()
            elif self._buffer:
                if now - self._since > limits.head:
                    self._refuse(Reason.REQUEST_TIMEOUT)
            elif now - self._since > (limits.drain_idle if self._door.draining else limits.keep_alive):
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
        backend = self._door.pools[self._forward.backend].backend
        if self.until is not None and instant >= self.until:
            self.cut()
        elif self._answered:
            stuck = transport.get_write_buffer_size() > 0
            if now - self._progress > (limits.write_idle if stuck else backend.idle_timeout):
                self._log(Reason.REQUEST_TIMEOUT if stuck else Reason.BACKEND_TIMEOUT)
                self._abort()
        elif self._body is not None and not self._body.done and not self._held & HOLD_UPSTREAM:
            if now - self._progress > limits.body_idle or self._drips(now):
                upstream.close()
                self._upstream = None
                self._refuse(Reason.REQUEST_TIMEOUT)
        elif now - max(self._since, self._progress) > backend.first_byte_timeout:
            upstream.home.failed()
            upstream.close()
            self._upstream = None
            self._close = self._close or (self._body is not None and not self._body.done)
            self._fault(Reason.BACKEND_TIMEOUT)

    def _drips(self, now: float) -> bool:
        """Whether the body of a request comes so slowly that it is an attack, or as good as one (R1)."""
        limits = self._door.settings.limits
        taken = now - self._since
        return taken > limits.body_idle and self._received < limits.body_rate * taken

    def _abort_idle(self) -> None:
        if self.transport is not None:
            self.state = State.LINGER
            self.transport.close()

    def drain(self) -> None:
        """The gateway stops: tunnels are told, requests in flight end by themselves. An idle connection stays a moment:
        its next request may be on the way, is answered, and told that this is the end."""
        if self.state is State.TUNNEL:
            self.cut(going_away=True)


class Client(Reading, asyncio.Protocol):
    """A connection in clear, or one whose own TLS hands over what it decrypted."""

    __slots__ = ()


class TlsClient(Reading, asyncio.BufferedProtocol):
    """The same over the event loop's TLS: decrypted bytes come through one buffer that all connections share. Otherwise
    the loop allocates 256 KiB for every read, to hand over a few hundred bytes."""

    __slots__ = ()

    def get_buffer(self, sizehint: int) -> memoryview:
        return _SHARED

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(bytes(_SHARED[:nbytes]))
