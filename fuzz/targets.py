"""The targets, and what must hold whatever the bytes are. They need no fuzzer: the tests run them over seeds too."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import unquote_to_bytes

import h11

from gateway.answer import Answers
from gateway.policy.decision import Decision, Forward
from gateway.proxy.client import Client
from gateway.proxy.door import Door
from gateway.proxy.headers import Names, normal
from gateway.proxy.heads import Block
from gateway.proxy.limits import Backend, DoorSettings
from gateway.proxy.upstream import ResponseHead
from gateway.proxy.wire import Body, Framing, WireError, header_lines, request_line
from gateway.request import BadTarget, RequestHead, canonical_path

NAMES = Names.of("X-VT-", "X-VT-Assertion")
STAMP = b"X-VT-RPPS: 99700000007\r\n"
_LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [^\x00-\x08\x0a-\x1f\x7f]*\Z")


def path(data: bytes) -> None:
    """An accepted path has one reading: no dot segment, control character or separator comes out of decoding it again."""
    try:
        found = canonical_path(data)
    except BadTarget:
        return
    assert found.startswith("/")
    for form in (found, unquote_to_bytes(found).decode("utf-8", "replace")):
        assert not any(segment in (".", "..") for segment in form.split("/"))
        assert "//" not in form
        assert "\\" not in form
        assert not any(ord(one) < 32 or ord(one) == 127 for one in form)
    assert unquote_to_bytes(found).decode("utf-8", "replace") == found


def head(data: bytes) -> None:
    """What crosses of an accepted block is sound line by line, holds nothing of ours, and no framing."""
    line, _, block = data.partition(b"\r\n")
    try:
        _, _, modern = request_line(line)
        made = Block(header_lines(block, most=100, longest=16384), NAMES, modern=modern)
    except WireError:
        return
    for one in made.crossing.split(b"\r\n")[:-1]:
        assert _LINE.match(one), one
        name = normal(one.partition(b":")[0])
        assert not name.startswith((b"x-vt-", b"vtgw-", b"x-forwarded-")), one
        if name == b"cookie":
            pairs = one.partition(b":")[2].split(b";")
            assert not any(pair.strip(b" \t=").startswith(b"__Host-vtgw") for pair in pairs), one
        assert name not in (b"host", b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"te"), one


def answer(data: bytes) -> None:
    """What goes on of an accepted answer's head is sound line by line, and sets none of our cookies."""
    at = data.find(b"\r\n\r\n")
    if at < 0:
        return
    try:
        made = ResponseHead(data[: at + 4], "GET", NAMES, b"", trusted=False)
    except WireError:
        return
    for one in made.fields.split(b"\r\n")[:-1]:
        assert _LINE.match(one), one
        name, _, value = one.partition(b":")
        assert not normal(name).startswith((b"x-vt-", b"vtgw-")), one
        assert name.lower() != b"set-cookie" or not value.strip(b" \t=").startswith(b"__Host-vtgw"), one
    assert made.plain.count(b"\r\n\r\n") == 1


def body(data: bytes) -> None:
    """A chunked body cut anywhere reads like the same body whole; where h11 reads one too, it reads the same."""
    if len(data) < 2:
        return
    cut, stream = data[0], data[1:]

    def read(pieces: list[bytes]) -> tuple[bytes, bytes, bool] | None:
        reader, got, rest = Body(Framing(chunked=True)), b"", b""
        try:
            for piece in pieces:
                if reader.done:
                    rest += piece
                    continue
                found, left = reader.feed(piece)
                got, rest = got + found, rest + left
        except WireError:
            return None
        return got, rest, reader.done

    whole = read([stream])
    at = cut % (len(stream) + 1)
    assert read([stream[:at], stream[at:]]) == whole
    assert read([stream[place : place + 1] for place in range(len(stream))]) == whole
    if whole is None or not whole[2]:
        return
    peer = h11.Connection(h11.SERVER)
    peer.receive_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + stream)
    peer.next_event()
    got = b""
    try:
        while isinstance(event := peer.next_event(), h11.Data):
            got += bytes(event.data)
    except h11.RemoteProtocolError:
        return  # stricter than we are: trailers, which we drop
    if isinstance(event, h11.EndOfMessage):
        assert got == whole[0]


class _Transport:
    """Takes what is written; nothing comes back by itself."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def writelines(self, pieces: Any) -> None:
        self.written += b"".join(bytes(one) for one in pieces)

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("192.0.2.1", 1) if name == "peername" else default

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def write_eof(self) -> None: ...

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0


class _Gate:
    def __init__(self) -> None:
        self.asked = 0

    def at_once(self, head: RequestHead) -> Decision:
        self.asked += 1
        return Forward("vt", "digest", STAMP)

    async def admit(self, head: RequestHead) -> Decision:
        raise AssertionError


class _Ambient:
    now = staticmethod(lambda: datetime(2026, 3, 1, tzinfo=UTC))
    monotonic = staticmethod(lambda: 1.0)
    token = staticmethod(lambda size=32: "a" * 43)
    digits = staticmethod(lambda count: "0" * count)


_loop = asyncio.new_event_loop()


def door(data: bytes) -> None:
    """Whatever comes in, in two pieces: what reaches the backend is whole requests that an independent reader reads as so
    many, each with our stamp once and last, at most as many as the gate let pass."""

    async def run() -> None:
        gate = _Gate()
        made = Door(
            DoorSettings(NAMES, frozenset({"vt.test"}), "vt.test"),
            gate=gate,
            answers=Answers("https://vt.test", "/_gateway", lambda *words: "", lambda *words: ""),
            backends=[Backend("vt", "http", "127.0.0.1", 1)],
            pages=cast(Any, None),
            ambient=cast(Any, _Ambient()),
            clock=lambda: 1.0,
        )
        pool = cast(Any, made.pools["vt"])
        upstream, wire = pool._new(), _Transport()
        upstream.connection_made(cast(Any, wire))
        pool._idle.append(upstream)
        client, transport = Client(made, "plain"), _Transport()
        client.connection_made(cast(Any, transport))
        at = data[0] % len(data) if data else 0
        for piece in (data[1 : 1 + at], data[1 + at :]):
            if piece and not transport.closed:
                client.data_received(piece)
            if upstream.owner is not None and _complete(wire.written):
                upstream.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                await asyncio.sleep(0)
        sent = wire.written
        client.connection_lost(None)
        if sent:
            heads = _requests(sent)
            assert len(heads) <= gate.asked
            for one in heads:
                assert one.lower().count(b"\r\nx-vt-rpps:") == 1
                assert one.endswith(STAMP + b"\r\n")
                assert one.count(b"\r\nHost: ") == 1
        await made.close()

    _loop.run_until_complete(run())


def _complete(sent: bytes) -> bool:
    try:
        return bool(_requests(sent, whole=True))
    except (AssertionError, h11.RemoteProtocolError):
        return False


def _requests(sent: bytes, *, whole: bool = False) -> list[bytes]:
    """The heads of the requests in these bytes, as h11 delimits them."""
    peer = h11.Connection(h11.SERVER)
    peer.receive_data(sent)
    heads = []
    rest = sent
    while True:
        event = peer.next_event()
        if isinstance(event, h11.Request):
            at = rest.index(b"\r\n\r\n") + 4
            heads.append(rest[:at])
        elif isinstance(event, h11.EndOfMessage):
            rest = peer.trailing_data[0]
            peer.send(h11.Response(status_code=200, headers=[(b"content-length", b"0")]))
            peer.send(h11.EndOfMessage())
            if not rest:
                return heads
            peer.start_next_cycle()
        elif event is h11.NEED_DATA or event is h11.PAUSED:
            assert not whole, "a request is not whole"
            return heads


TARGETS: dict[str, Callable[[bytes], None]] = {"path": path, "head": head, "answer": answer, "body": body, "door": door}

_GET = (
    b"GET /a/b?c=d HTTP/1.1\r\nHost: vt.test\r\nCookie: __Host-vtgw=x; a=b\r\nX-VT-RPPS: 1\r\nConnection: close\r\n\r\n"
)
SEEDS: dict[str, list[bytes]] = {
    "path": [b"/a/b?c", b"/%C3%A9/%2e%2e/", b"/a/..;/b", b"/%252f", b"//a", b"/a%20b"],
    "head": [_GET[:-4], b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nX_VT_RPPS: 1", b"GET / HTTP/1.0"],
    "answer": [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=b\r\nX-VT-RPPS: 1\r\n\r\nok",
        b"HTTP/1.1 304 No\r\nETag: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nSet-Cookie: =__Host-vtgw=1\r\n\r\n",
    ],
    "body": [
        b"\x03" + b"5\r\nhello\r\n0\r\n\r\n",
        b"\x09" + b"5;a=b\r\nhello\r\n3\r\nabc\r\n0\r\nX: y\r\n\r\nGET",
        b"\x01" + b"-5\r\n",
    ],
    "door": [
        b"\x00" + _GET,
        b"\x20" + b"POST /p HTTP/1.1\r\nHost: vt.test\r\nContent-Length: 5\r\n\r\nhello" + _GET,
        b"\x60"
        + b"POST /p HTTP/1.1\r\nHost: vt.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        + _GET,
        b"\x05" + b"GET /ws HTTP/1.1\r\nHost: vt.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00",
    ],
}
