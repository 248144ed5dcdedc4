"""What a hostile or broken backend sends, and what its client gets: 502, the clean part, or a visibly broken answer.

After every row a second client asks on the same pool: it gets its own answer and never a byte of the first one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from tests.proxy.conftest import Rig, read_body, status

GET = b"GET /x HTTP/1.1\r\nHost: vt.test\r\n\r\n"
HEAD = b"HEAD /x HTTP/1.1\r\nHost: vt.test\r\n\r\n"
OLD = b"GET /x HTTP/1.0\r\nHost: vt.test\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
GARBAGE, BROKEN, CLEAN = "502", "broken", "clean"


@dataclass(frozen=True)
class Row:
    """``raw`` is all the backend says before it waits (or closes). ``body``: what the client may get of it."""

    name: str
    raw: bytes
    outcome: str
    body: bytes = b""
    ask: bytes = GET
    closes: bool = False
    reused: bool = False
    unseen: tuple[bytes, ...] = ()


def bad(name: str, raw: bytes, **more: object) -> Row:
    return Row(name, raw, GARBAGE, **more)  # type: ignore[arg-type]


ROWS = [
    # heads that two readers could read in two ways
    bad("no status line", b"hello\r\n\r\n"),
    bad("binary", b"\x00\x01\x02\x03\r\n\r\n"),
    bad("HTTP/0.9", b"<html>", closes=True),
    bad("HTTP/2", b"HTTP/2.0 200 OK\r\n\r\n"),
    bad("lower case", b"http/1.1 200 OK\r\n\r\n"),
    bad("status 99", b"HTTP/1.1 99 No\r\n\r\n"),
    bad("status 600", b"HTTP/1.1 600 No\r\n\r\n"),
    bad("status abc", b"HTTP/1.1 abc No\r\n\r\n"),
    bad("status 2000", b"HTTP/1.1 2000 No\r\n\r\n"),
    bad("two status lines", OK + b"HTTP/1.1 404 No\r\n\r\n"),
    bad("control byte in the phrase", b"HTTP/1.1 200 O\x00K\r\n\r\n"),
    bad("length and coding", OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    bad("two lengths", OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
    bad("two equal lengths", OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok"),
    bad("list of lengths", OK + b"Content-Length: 2, 2\r\n\r\nok"),
    bad("negative length", OK + b"Content-Length: -2\r\n\r\nok"),
    bad("length in hex", OK + b"Content-Length: 0x2\r\n\r\nok"),
    bad("unknown coding", OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    bad("coding twice", OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    bad("coding in HTTP/1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    bad("bare LF", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok\r\n\r\n"),
    bad("bare LF in a field", OK + b"X: a\nSet-Cookie: evil=1\r\nContent-Length: 2\r\n\r\nok"),
    bad("bare CR in a field", OK + b"X: a\rSet-Cookie: evil=1\r\nContent-Length: 2\r\n\r\nok"),
    bad("NUL in a field", OK + b"X: a\x00\r\nContent-Length: 2\r\n\r\nok"),
    bad("folded field", OK + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\nok"),
    bad("space before the colon", OK + b"Content-Length : 2\r\n\r\nok"),
    bad("no colon", OK + b"nonsense\r\nContent-Length: 2\r\n\r\nok"),
    bad("600 fields", OK + b"X: y\r\n" * 600 + b"Content-Length: 2\r\n\r\nok"),
    bad("endless head", OK + b"X: " + b"a" * 140_000),
    bad("closes before the head", b"", closes=True),
    bad("closes in the head", OK + b"Content-Le", closes=True),
    bad("unasked 101", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
    bad("endless 100", b"HTTP/1.1 100 Continue\r\n\r\n" * 25),
    # bodies that break
    Row("closes in the body", OK + b"Content-Length: 9\r\n\r\nok", BROKEN, b"ok", closes=True),
    Row("closes in a chunk", OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nok", BROKEN, b"ok", closes=True),
    Row("closes before the last chunk", OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", BROKEN, b"ok", closes=True),
    Row("odd chunk size", OK + b"Transfer-Encoding: chunked\r\n\r\n-2\r\nok\r\n0\r\n\r\n", GARBAGE),
    Row("chunk data too long", OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nokX\r\n0\r\n\r\n", GARBAGE),
    # answers that are sound, or whose rest is cut off
    Row("plain", OK + b"Content-Length: 2\r\n\r\nok", CLEAN, b"ok", reused=True),
    Row("empty", OK + b"Content-Length: 0\r\n\r\n", CLEAN, reused=True),
    Row("chunked", OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", CLEAN, b"ok", reused=True),
    Row("until the end", OK + b"\r\nok", CLEAN, b"ok", closes=True),
    Row("HTTP/1.0", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", CLEAN, b"ok"),
    Row("Connection: close", OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nok", CLEAN, b"ok", unseen=(b"connection:",)),
    Row("no phrase", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", CLEAN, b"ok", reused=True),
    Row("bytes after the answer", OK + b"Content-Length: 2\r\n\r\nokevil", CLEAN, b"ok", unseen=(b"evil",)),
    Row("a second answer", OK + b"Content-Length: 2\r\n\r\nok" + OK + b"Content-Length: 4\r\n\r\nevil", CLEAN, b"ok", unseen=(b"evil",)),
    Row("after the last chunk", OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nevil", CLEAN, b"ok", unseen=(b"evil",)),
    Row("204 with a body", b"HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\nevil", CLEAN, unseen=(b"evil", b"content-length: 4")),
    Row("304 with a body", b"HTTP/1.1 304 No\r\nContent-Length: 4\r\n\r\nevil", CLEAN, unseen=(b"evil",)),
    Row("304", b"HTTP/1.1 304 No\r\nETag: x\r\nContent-Length: 4\r\n\r\n", CLEAN, reused=True),
    Row("HEAD", OK + b"Content-Length: 4\r\n\r\n", CLEAN, ask=HEAD, reused=True),
    Row("HEAD with a body", OK + b"Content-Length: 4\r\n\r\nevil", CLEAN, ask=HEAD, unseen=(b"evil",)),
    Row("HEAD with chunks", OK + b"Transfer-Encoding: chunked\r\n\r\n", CLEAN, ask=HEAD, reused=True),
    Row("early hints", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nok", CLEAN, b"ok", reused=True),
    Row("hints to HTTP/1.0", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nok", CLEAN, b"ok", ask=OLD,
        reused=True, unseen=(b"103",)),
    Row("chunks to HTTP/1.0", OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", CLEAN, b"ok", ask=OLD, reused=True,
        unseen=(b"transfer-encoding",)),
    # what only we may say
    *(
        Row(f"sets {cookie!r}", OK + b"Set-Cookie: " + cookie + b"\r\nSet-Cookie: good=1\r\nContent-Length: 2\r\n\r\nok", CLEAN, b"ok",
            reused=True, unseen=(b"evil",))
        for cookie in (b"__Host-vtgw=evil", b" \t__Host-vtgw=evil; Path=/", b"__Host-vtgw-attempt=evil", b"__Host-vtgw =evil", b"=__Host-vtgw=evil")
    ),
    *(
        Row(f"says {name!r}", OK + name + b": evil\r\nContent-Length: 2\r\n\r\nok", CLEAN, b"ok", reused=True, unseen=(b"evil",))
        for name in (b"X-VT-RPPS", b"x_vt_rpps", b"X-VT-Assertion", b"vtgw-client", b"Keep-Alive", b"Proxy-Authenticate", b"Trailer", b"Upgrade",
                     b"Client-Cert", b"Proxy-Connection")
    ),
    Row("Connection names a field", OK + b"Connection: X-Mine\r\nX-Mine: evil\r\nContent-Length: 2\r\n\r\nok", CLEAN, b"ok", reused=True,
        unseen=(b"evil",)),
    Row("Connection names the length", OK + b"Connection: Content-Length\r\nContent-Length: 2\r\n\r\nok", CLEAN, b"ok", reused=True),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
async def test_b2_the_answer_is_hostile_input(rig: Rig, row: Row) -> None:
    asked = asyncio.Event()

    async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await read_body(head, reader)
        if asked.is_set():
            writer.write(OK + b"Content-Length: 3\r\n\r\nown")
            return True
        asked.set()
        writer.write(row.raw)
        return not row.closes

    rig.origin.script = answer
    reader, writer = await rig.open()
    writer.write(row.ask)
    got = b""
    async with asyncio.timeout(5):
        if row.outcome == CLEAN:
            while not rig.events:
                await asyncio.sleep(0.001)
            got = await _rest(reader)
        else:
            got = await _to_the_end(reader, row)
    final = got[got.rfind(b"HTTP/1.1 ") :]
    if row.outcome == GARBAGE:
        assert status(final) == 502 or not got.endswith(b"0\r\n\r\n")
    if row.outcome == BROKEN:
        assert status(final) == 200
        assert row.body in final
        assert not final.endswith(b"0\r\n\r\n")
        assert reader.at_eof()
    if row.outcome == CLEAN:
        assert status(final) in (200, 204, 304)
        assert row.body in final
    for mark in row.unseen:
        assert mark not in final.lower()
    second = await rig.say(GET)
    assert status(second) == 200
    assert second.endswith(b"own")
    assert b"evil" not in second
    assert rig.origin.connections == (1 if row.reused else 2)


async def _rest(reader: asyncio.StreamReader) -> bytes:
    """What is there, without waiting for an end that does not come on a connection that goes on."""
    out = b""
    while True:
        try:
            async with asyncio.timeout(0.05):
                piece = await reader.read(65536)
        except TimeoutError:
            return out
        if not piece:
            return out
        out += piece


async def _to_the_end(reader: asyncio.StreamReader, row: Row) -> bytes:
    out = b""
    try:
        while piece := await reader.read(65536):
            out += piece
            if row.outcome == GARBAGE and b"\r\n\r\n" in out and b" 502 " in out:
                break
    except ConnectionError:
        pass
    return out
