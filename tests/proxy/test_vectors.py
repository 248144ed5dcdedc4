"""Raw requests on the wire: what is refused never reaches the origin, what passes passes once and unchanged."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.proxy.headers import Names
from gateway.proxy.heads import Block
from gateway.proxy.wire import Body, Framing, WireError, chunk, header_lines, request_line
from gateway.reasons import Reason
from gateway.request import BadTarget, canonical_path

from .conftest import Rig, status

H = b"Host: vt.test\r\n"
REFUSED: list[tuple[bytes, int]] = [
    # framing in every disguise
    (b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    (b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
    (b"POST / HTTP/1.1\r\n" + H + b"Content-Length: 5, 5\r\n\r\nhello", 400),
    *(
        (b"POST / HTTP/1.1\r\n" + H + b"Content-Length: %b\r\n\r\nhello" % value, 400)
        for value in (b"+5", b"-5", b"0x5", b"5_0", b"", b"5 5", b"\xef\xbc\x95", b"99999999999999999999", b"5;a")
    ),
    *(
        (b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: %b\r\n\r\n0\r\n\r\n" % value, 400)
        for value in (b"gzip, chunked", b"chunked, identity", b"xchunked", b"chunked;q=1", b"identity", b"", b"chunked, chunked")
    ),
    (b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.0\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", 400),
    # lines and bytes
    (b"GET / HTTP/1.1\r\n" + H + b"X: a\x00b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + H + b"X: a\nY: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + H + b"X: a\rY: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + H + b"X: a\r\n folded\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + H + b"\tX: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + H + b"no colon\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + H + b": empty\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + H + b"X Y: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + H + b"X\xe9: a\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + H + b"X: a\x7fb\r\n\r\n", 400),
    # version and method
    (b"GET / HTTP/2.0\r\n" + H + b"\r\n", 505),
    (b"GET / HTTP/0.9\r\n" + H + b"\r\n", 505),
    (b"GET / http/1.1\r\n" + H + b"\r\n", 400),
    (b"GET / HTTP/1.1 \r\n" + H + b"\r\n", 400),
    (b"GET  / HTTP/1.1\r\n" + H + b"\r\n", 400),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    (b"CONNECT vt.test:443 HTTP/1.1\r\n" + H + b"\r\n", 405),
    (b"TRACE / HTTP/1.1\r\n" + H + b"\r\n", 405),
    (b"get / HTTP/1.1\r\n" + H + b"\r\n", 405),
    (b"PROPFIND / HTTP/1.1\r\n" + H + b"\r\n", 405),
    # host
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + H + H + b"\r\n", 400),
    *(
        (b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n" % value, 400)
        for value in (b"", b"a,b", b"u@vt.test", b"vt.test/x", b"vt.test:99999", b"vt.test:x", b"vt.test.", b"vt..test", b"[::1")
    ),
    (b"GET / HTTP/1.1\r\nHost: other.test\r\n\r\n", 421),
    # target
    *(
        (b"GET %b HTTP/1.1\r\n" % target + H + b"\r\n", 400)
        for target in (
            b"/a/../b", b"/a/./b", b"/a/%2e%2e/b", b"/a/%2E./b", b"/a/..;/b", b"/a/..%3b/b", b"/a%2fb", b"/a%5cb", b"/a\\b",
            b"/a#b", b"/%00", b"/%zz", b"/%2", b"/%252e%252e/", b"/%c0%ae%c0%ae/", b"/%ff", b"//a", b"/a//b", b"/a%20/b",
            b"/a./b", b"*", b"vt.test", b"https://vt.test/", b"http://other.test/", b"http://u@vt.test/", b"http://vt.test#x",
            b"/\xc3\xa9", b"/a\x7f", b"/AccesLibre/%2e%2e/AccesRestreint/",
        )
    ),
    # expectations and upgrades
    (b"POST / HTTP/1.1\r\n" + H + b"Expect: 200-ok\r\nContent-Length: 1\r\n\r\nx", 417),
    (b"POST / HTTP/1.1\r\n" + H + b"Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx", 400),
    (b"GET / HTTP/1.1\r\n" + H + b"Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx", 400),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "code"), REFUSED, ids=[repr(raw[:70]) for raw, _ in REFUSED])
async def test_refused_on_the_wire(rig: Rig, raw: bytes, code: int) -> None:
    """The request is answered once and closed; nothing of it, nor of what follows it, reaches the origin."""
    answer = await rig.say(raw + b"GET /smuggled HTTP/1.1\r\nHost: vt.test\r\n\r\n", answers=2)
    assert status(answer) == code
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in answer.lower()
    assert not rig.origin.heads


@pytest.mark.parametrize(
    "tail", [b"5\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"5 5\r\nhello\r\n0\r\n\r\n",
             b"5\r\nhelloX\r\n0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"5\r\nhello\r\n0\r\nbad trailer\r\n\r\n",
             b"5\r\nhello\r\n0\r\nX : y\r\n\r\n", b"fffffffffffffffff\r\n", b"5;a=\x00\r\nhello\r\n0\r\n\r\n"],
)  # fmt: skip
async def test_p2_bad_chunks_end_the_request_unfinished(rig: Rig, tail: bytes) -> None:
    """A chunked body that is unsound never completes at the origin, and nothing after it is read."""
    raw = b"POST / HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n" + tail
    answer = await rig.say(raw + b"GET /smuggled HTTP/1.1\r\n" + H + b"\r\n", answers=2)
    assert status(answer) == 400
    assert rig.origin.bodies == []
    assert not any(b"smuggled" in head for head in rig.origin.heads)


ACCEPTED = [
    b"GET /a/b?x=%2F..%2f&y=//z HTTP/1.1\r\n" + H + b"\r\n",
    b"GET http://vt.test/abs?x HTTP/1.1\r\n" + H + b"\r\n",
    b"OPTIONS /x HTTP/1.1\r\n" + H + b"\r\n",
    b"DELETE /%C3%A9t%C3%A9 HTTP/1.1\r\nhOsT: VT.test:8443\r\nX-A:\t v \r\n\r\n",
    b"POST /p HTTP/1.1\r\n" + H + b"Content-Length: 5\r\n\r\nhello",
    b"POST /p HTTP/1.1\r\n" + H + b"Transfer-Encoding: Chunked\r\n\r\n5;ext=1\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n",
    b"\r\nGET / HTTP/1.1\r\n" + H + b"\r\n",
    b"GET / HTTP/1.0\r\n" + H + b"\r\n",
]


@pytest.mark.parametrize("raw", ACCEPTED, ids=[repr(raw[:50]) for raw in ACCEPTED])
async def test_accepted_however_it_is_cut(make_rig: Callable[..., Awaitable[Rig]], raw: bytes) -> None:
    """A sound request gives the same bytes at the origin whether it comes whole or byte by byte."""
    rig = await make_rig()
    whole = await rig.say(raw)
    assert status(whole) == 200
    reader, writer = await rig.open()
    for place in range(len(raw)):
        writer.write(raw[place : place + 1])
        await writer.drain()
        if place % 7 == 0:
            import asyncio

            await asyncio.sleep(0)
    answer = await reader.readuntil(b"ok")
    assert status(answer) == 200
    first, second = ([line for line in head.split(b"\r\n") if b"equest-ID" not in line and b"traceparent" not in line]
                     for head in rig.origin.heads)  # fmt: skip
    assert first == second
    assert rig.origin.bodies[0] == rig.origin.bodies[1]


async def test_absolute_form_becomes_origin_form(rig: Rig) -> None:
    """The origin never sees an absolute target."""
    await rig.say(ACCEPTED[1])
    assert rig.origin.heads[0].startswith(b"GET /abs?x HTTP/1.1\r\nHost: vt.test\r\n")


TOKENS = st.text("abcXYZ019-!#$%&'*+.^_`|~", min_size=1, max_size=12)
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)


@settings(max_examples=300, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT"]),
    target=st.text("abc019/-._~%?=&", min_size=1, max_size=20).map(lambda text: "/" + text),
    fields=st.lists(st.tuples(TOKENS, VALUES), max_size=8),
    glue=st.sampled_from([":", ": ", ":\t "]),
)
def test_differential_with_an_independent_parser(
    method: str, target: str, fields: list[tuple[str, str]], glue: str
) -> None:
    """What our reader accepts, h11 reads as the same method, target and fields."""
    special = {"host", "content-length", "transfer-encoding", "connection", "upgrade", "expect"}
    fields = [(name, value) for name, value in fields if name.lower() not in special]
    block = "\r\n".join(["Host: vt.test", *(f"{name}{glue}{value}" for name, value in fields)])
    raw = f"{method} {target} HTTP/1.1\r\n{block}".encode()
    line, _, rest = raw.partition(b"\r\n")
    ours = request_line(line)
    read = Block(header_lines(rest, most=100, longest=1000), Names.of("X-VT-", "X-VT-Assertion"), modern=True)
    peer = h11.Connection(h11.SERVER)
    peer.receive_data(raw + b"\r\n\r\n")
    event = peer.next_event()
    assert isinstance(event, h11.Request)
    assert (event.method.decode(), bytes(event.target)) == ours[:2]
    assert list(event.headers) == [(name, value) for name, value in read.fields.items]


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=60))
def test_no_bytes_make_the_readers_fail_in_another_way(data: bytes) -> None:
    """Whatever comes, the readers answer or raise their own error."""
    for work in (
        lambda: request_line(data),
        lambda: Block(header_lines(data, most=50, longest=50), Names.of("X-VT-", "A"), modern=True),
        lambda: Body(Framing(chunked=True)).feed(data),
        lambda: canonical_path(data),
    ):
        try:
            work()
        except (WireError, BadTarget) as error:
            assert isinstance(error.reason, Reason)


@settings(max_examples=200, deadline=None)
@given(pieces=st.lists(st.binary(min_size=1, max_size=50), max_size=6), cuts=st.lists(st.integers(0, 400), max_size=10))
def test_chunks_read_the_same_however_they_are_cut(pieces: list[bytes], cuts: list[int]) -> None:
    """A chunked body gives its payload and what follows, wherever the stream is cut."""
    stream = b"".join(chunk(piece) for piece in pieces) + b"0\r\n\r\nNEXT"
    body, got, rest = Body(Framing(chunked=True)), b"", b""
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    for begin, end in itertools.pairwise(places):
        if body.done:
            rest += stream[begin:end]
            continue
        payload, after = body.feed(stream[begin:end])
        got += payload
        rest += after
    assert (got, rest, body.done) == (b"".join(pieces), b"NEXT", True)
