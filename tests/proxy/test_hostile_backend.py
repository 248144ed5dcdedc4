"""Raw answers of a backend that is broken or hostile, and what a client may see of them.

Each row says what the client sees, read by an independent parser (h11): a status and an exact body, or a 502, or an
answer that is visibly not whole. After each row a second client asks the same backend: it gets its own answer and
never a byte of the first one; ``reusable`` says whether it may come over the same upstream connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass

import h11
import pytest

from gateway.policy.decision import Forward

from .conftest import Rig, read_body

GET = b"GET /x HTTP/1.1\r\nHost: vt.test\r\nConnection: close\r\n\r\n"
HEAD = b"HEAD /x HTTP/1.1\r\nHost: vt.test\r\nConnection: close\r\n\r\n"
OLD = b"GET /x HTTP/1.0\r\nHost: vt.test\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: vt.test\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
HALF_POST = b"POST /x HTTP/1.1\r\nHost: vt.test\r\nContent-Length: 100000\r\n\r\nhello"
HALF_CHUNKS = b"POST /x HTTP/1.1\r\nHost: vt.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
SOCKET = b"GET /x HTTP/1.1\r\nHost: vt.test\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: vt.test\r\nConnection: close\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
STOLEN = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen"


@dataclass(frozen=True, slots=True)
class Row:
    """``then``: what the backend does after its bytes: keep, close or reset. ``broken``: visibly not whole."""

    name: str
    raw: bytes
    code: int = 200
    body: bytes = b""
    request: bytes = GET
    then: str = "keep"
    broken: bool = False
    reusable: bool = False
    has: tuple[bytes, ...] = ()
    absent: tuple[bytes, ...] = ()
    interim: tuple[int, ...] = ()


def bad(kind: str, rows: Iterable[tuple[str, bytes]], *, then: str = "keep", request: bytes = GET) -> list[Row]:
    """Answers that nobody may see: a 502, and the connection is not used again."""
    return [Row(f"{kind}: {name}", raw, 502, request=request, then=then) for name, raw in rows]


def fields(*lines: bytes, body: bytes = b"") -> bytes:
    return OK + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def show(value: bytes) -> str:
    return ascii(value.decode("latin-1"))[1:-1] or "nothing"


CHUNKED = b"Transfer-Encoding: chunked"
FIVE = b"5\r\nhello\r\n0\r\n\r\n"
LENGTHS = (b"-1", b"+5", b"0x5", b"5_0", b"5 5", b"5,5", b"5, 5", b"five", b"", b"5.0", b"\xef\xbc\x95",
b"9223372036854775808",
           b"99999999999999999999", b"5;a", b"\"5\"", b"5\xa0")  # fmt: skip
CODINGS = (b"identity", b"gzip", b"gzip, chunked", b"chunked, gzip", b"chunked, chunked", b"xchunked", b"chunked;q=1",
b"", b"\"chunked\"",
           b"chunked,", b"chun ked")  # fmt: skip
STATUS_LINES = (
    b"HTTP/1.1 99 Low", b"HTTP/1.1 099 Low", b"HTTP/1.1 600 High", b"HTTP/1.1 999 High", b"HTTP/1.1 000 None",
    b"HTTP/1.1 abc OK", b"HTTP/1.1 20 OK",
    b"HTTP/1.1 2000 OK", b"HTTP/1.1 +200 OK", b"HTTP/1.1 -200 OK", b"HTTP/1.1 0x1 OK", b"HTTP/1.1 2\xb20 OK",
    b"HTTP/1.1 200OK", b"HTTP/1.1  200 OK",
    b"HTTP/1.1\t200 OK", b"HTTP/1.1 200\tOK", b"HTTP/1.1", b"HTTP/1.1 ", b"HTTP/1.1 OK", b"HTTP/2.0 200 OK",
    b"HTTP/2 200 OK", b"HTTP/0.9 200 OK",
    b"HTTP/1.2 200 OK", b"HTTP/1.10 200 OK", b"http/1.1 200 OK", b"HTTP 200 OK", b"ICY 200 OK", b"200 OK",
    b" HTTP/1.1 200 OK", b"\tHTTP/1.1 200 OK",
    b"\xef\xbb\xbfHTTP/1.1 200 OK", b"HTTP/1.1 200 O\x00K", b"HTTP/1.1 200 O\nK", b"HTTP/1.1 200 O\rK",
    b"HTTP/1.1 200 O\x1bK", b"HTTP/1.1 200 O\x7fK", b"",
    b"<html>garbage</html>", b"GET / HTTP/1.1", b"\x16\x03\x01\x02", b"\x00",
)  # fmt: skip
OUR_COOKIES = (
    b"__Host-vtgw=stolen", b"__Host-vtgw=", b"__Host-vtgw", b"__Host-vtgw =stolen",
    b"__Host-vtgw=stolen; Path=/; Secure", b"  \t__Host-vtgw=stolen",
    b"__Host-vtgw-browser=stolen", b"__Host-vtgw-flow=stolen", b"__Host-vtgw; Path=/",
    b"__Host-vtgw=stolen; Domain=test; Max-Age=0",
)  # fmt: skip
OUR_FIELDS = (
    b"X-VT-RPPS",
    b"x-vt-rpps",
    b"X_VT_RPPS",
    b"X.VT.RPPS",
    b"X-VT-Assertion",
    b"X-VT-Other",
    b"vtgw-client",
    b"VTGW_Host",
    b"Client-Cert",
)
HOPS = (b"Keep-Alive: timeout=5, max=9", b"Connection: keep-alive", b"Proxy-Connection: keep-alive",
b"Proxy-Authenticate: Basic", b"TE: trailers",
        b"Trailer: X-A", b"Upgrade: h2c", b"HTTP2-Settings: AA", b"Proxy-Authorization: x")  # fmt: skip

GARBAGE = [
    *bad("status line", ((show(line), line + b"\r\nContent-Length: 2\r\n\r\nok") for line in STATUS_LINES)),
    *bad("length", ((show(value), fields(b"Content-Length: " + value, body=b"hello")) for value in LENGTHS)),
    *bad("coding", ((show(value), fields(b"Transfer-Encoding: " + value, body=FIVE)) for value in CODINGS)),
    *bad("control in a value",
    ((f"{c:02x}", fields(b"X-A: a%cb" % c, b"Content-Length: 0")) for c in (0, 1, 8, 10, 11, 12, 13, 27, 31, 127))),
    *bad("no name", ((show(name), fields(name + b": 1", b"Content-Length: 0"))
                     for name in (b"", b"X A", b"X-A ", b"X-A\t", b"X\x00A", b"X(A)", b"X/A", b"\"X\"", b"X\xe9",
                         b"X@A", b" X-A", b"\tX-A"))),
    *bad("framing", [
        ("length and chunked", fields(b"Content-Length: 5", CHUNKED, body=FIVE)),
        ("chunked and length", fields(CHUNKED, b"Content-Length: 5", body=FIVE)),
        ("length zero and chunked", fields(b"Content-Length: 0", CHUNKED, body=FIVE)),
        ("two lengths", fields(b"Content-Length: 2", b"Content-Length: 3", body=b"okk")),
        ("two equal lengths", fields(b"Content-Length: 2", b"content-length: 2", body=b"ok")),
        ("two codings", fields(CHUNKED, CHUNKED, body=FIVE)),
        ("chunked in HTTP/1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + FIVE),
        ("both on 204", b"HTTP/1.1 204 No\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("both on 304", b"HTTP/1.1 304 No\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
        ("both on 103",
            b"HTTP/1.1 103 Hints\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
            + fields(b"Content-Length: 0")),
    ]),
    *bad("framing of HEAD", [
        ("length and chunked", fields(b"Content-Length: 5", CHUNKED)),
        ("negative length", fields(b"Content-Length: -5")),
        ("two lengths", fields(b"Content-Length: 5", b"Content-Length: 6")),
    ], request=HEAD),
    *bad("lines", [
        ("all ended by LF", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok\r\n\r\n"),
        ("one ended by LF", b"HTTP/1.1 200 OK\r\nX-A: 1\nContent-Length: 2\r\n\r\nok"),
        ("status line ended by LF", b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok"),
        ("block ended by LF CRLF", b"HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nok\r\n\r\n"),
        ("one ended by CR", b"HTTP/1.1 200 OK\r\nX-A: 1\rContent-Length: 2\r\n\r\nok"),
        ("folded", fields(b"X-A: 1", b" 2", b"Content-Length: 0")),
        ("folded with tab", fields(b"X-A: 1", b"\t2", b"Content-Length: 0")),
        ("folded first", fields(b" X-A: 1", b"Content-Length: 0")),
        ("folded coding", fields(b"Transfer-Encoding:", b" chunked", body=FIVE)),
        ("no colon", fields(b"X-A", b"Content-Length: 0")),
        ("two status lines", OK + OK + b"Content-Length: 0\r\n\r\n"),
        ("a request line inside", fields(b"GET / HTTP/1.1", b"Content-Length: 0")),
        ("empty line first", b"\r\n" + fields(b"Content-Length: 0")),
        ("two empty lines first", b"\r\n\r\n" + fields(b"Content-Length: 0")),
        ("injected Set-Cookie by LF", fields(b"Location: /a\nSet-Cookie: a=1", b"Content-Length: 0")),
        ("injected Set-Cookie by CR", fields(b"Location: /a\rSet-Cookie: a=1", b"Content-Length: 0")),
        ("injected answer by LF", fields(b"Location: /a\n\nHTTP/1.1 200 OK", b"Content-Length: 0")),
    ]),
    *bad("size", [
        ("600 fields", fields(*(b"X-%d: 1" % n for n in range(600)), b"Content-Length: 0")),
        ("one field of 1 MB", fields(b"X-A: " + b"a" * (1 << 20), b"Content-Length: 0")),
        ("1 MB in 400 fields", fields(*(b"X-%d: %b" % (n, b"a" * 2600) for n in range(400)), b"Content-Length: 0")),
        ("1 MB without an end", OK + b"X-A: " + b"a" * (1 << 20)),
        ("1 MB status line", b"HTTP/1.1 200 " + b"a" * (1 << 20)),
        ("1 MB of nothing", b"\x00" * (1 << 20)),
    ]),
    *bad("interim", [
        ("101 unasked", b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"),
        ("101 to h2c unasked", b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"),
        ("101 then an answer", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n" + STOLEN),
        ("30 of them", b"HTTP/1.1 100 Continue\r\n\r\n" * 30 + fields(b"Content-Length: 0")),
    ]),
    *bad("upgrade", [
        ("101 to another protocol", b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"),
        ("101 to none", b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    ], request=SOCKET),
    *bad("chunks at once", (
        (show(body[:30]), fields(CHUNKED, body=body))
        for body in (b"-5\r\nhello\r\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"g\r\n", b"\r\n",
            b"5\nhello\r\n0\r\n\r\n", b"5\r\nhelloX\r\n0\r\n\r\n",
                     b"5\r\nhello\n0\r\n\r\n", b"5\r\nhello\r\n-0\r\n\r\n", b"5;a\nb\r\nhello\r\n",
                     b"5;\x00\r\nhello\r\n", b"11111111111111111\r\nhello",
                     b"5\r\nhello\r\n0\r\nno colon\r\n\r\n", b"5\r\nhello\r\n0\r\n folded: 1\r\n\r\n",
                     b"5\r\nhello\r\n0\r\nX : 1\r\n\r\n", b"HTTP/1.1 200 OK\r\n")
    )),
    *bad("ends early", [
        ("nothing at all", b""),
        ("in the status line", b"HTTP/1.1 20"),
        ("in a field", OK + b"Content-Len"),
        ("before the empty line", OK + b"Content-Length: 0\r\n"),
        ("garbage without an end", b"garbage"),
        ("after an interim answer", b"HTTP/1.1 100 Continue\r\n\r\n"),
        ("after half an interim answer", b"HTTP/1.1 100 Cont"),
    ], then="close"),
    *bad("resets", [
        ("at once", b""),
        ("in the head", OK + b"Content-Len"),
    ], then="reset"),
    *bad("ends early for a POST", [("nothing at all", b""), ("in the head", OK)], then="close", request=POST),
]  # fmt: skip

SOUND = [
    Row("sound: length", fields(b"Content-Length: 5", body=b"hello"), body=b"hello", reusable=True),
    Row("sound: chunked", fields(CHUNKED, body=FIVE), body=b"hello", reusable=True),
    Row("sound: chunked, other letters", fields(b"TRANSFER-ENCODING: Chunked", body=FIVE), body=b"hello",
        reusable=True),
    Row("sound: chunk extensions are not passed on", fields(CHUNKED, body=b"5;stolen=1\r\nhello\r\n0;stolen\r\n\r\n"),
        body=b"hello", reusable=True,
        absent=(b"stolen",)),
    Row("sound: trailers are not passed on",
        fields(CHUNKED, body=b"5\r\nhello\r\n0\r\nX-VT-RPPS: stolen\r\nSet-Cookie: __Host-vtgw=stolen\r\n\r\n"),
        body=b"hello", reusable=True, absent=(b"stolen", b"X-VT")),
    Row("sound: no reason phrase", b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nhi", body=b"hi", reusable=True),
    Row("sound: latin-1 reason phrase", b"HTTP/1.1 200 d\xe9j\xe0\r\nContent-Length: 2\r\n\r\nhi", body=b"hi",
        reusable=True),
    Row("sound: HTTP/1.0 with length", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", body=b"hi"),
    Row("sound: HTTP/1.0 keep-alive is not believed",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", body=b"hi"),
    Row("sound: until close", fields(body=b"hello"), body=b"hello", then="close"),
    Row("sound: until close, HTTP/1.0", b"HTTP/1.0 200 OK\r\n\r\nhello", body=b"hello", then="close"),
    Row("sound: until close, empty", fields(), then="close"),
    Row("sound: until close, looks like an answer", fields(body=STOLEN), body=STOLEN, then="close"),
    Row("sound: until close to an HTTP/1.0 client", fields(body=b"hello"), body=b"hello", then="close", request=OLD,
        absent=(b"chunked",)),
    Row("sound: chunked to an HTTP/1.0 client", fields(CHUNKED, body=FIVE), body=b"hello", request=OLD, reusable=True,
        absent=(b"chunked",)),
    Row("sound: length to an HTTP/1.0 client", fields(b"Content-Length: 5", body=b"hello"), body=b"hello", request=OLD,
        reusable=True),
    Row("sound: Connection close", fields(b"Connection: close", b"Content-Length: 2", body=b"hi"), body=b"hi"),
    Row("sound: Connection close in a list", fields(b"Connection: x, CLOSE", b"Content-Length: 2", body=b"hi"),
        body=b"hi"),
    Row("sound: closes after the answer", fields(b"Content-Length: 2", body=b"hi"), body=b"hi", then="close"),
    *(Row(f"sound: {code}", b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nhi" % code, code, b"hi", reusable=True)
      for code in (200, 201, 202, 203, 206, 226, 299, 300, 301, 302, 307, 400, 401, 403, 404, 407, 416, 418, 426, 451,
          499, 500, 502, 503, 599)),
    *(Row(f"sound: {code} without body", b"HTTP/1.1 %d X\r\n\r\n" % code, code, reusable=True) for code in (204, 304)),
    Row("sound: 204 with length zero", b"HTTP/1.1 204 X\r\nContent-Length: 0\r\n\r\n", 204, reusable=True,
        absent=(b"chunked",)),
    Row("sound: 204 with a length is told none", b"HTTP/1.1 204 X\r\nContent-Length: 9\r\n\r\n", 204, reusable=True,
        absent=(b"Content-Length: 9",)),
    Row("sound: 304 tells the length", b"HTTP/1.1 304 X\r\nContent-Length: 5\r\nETag: \"a\"\r\n\r\n", 304,
        reusable=True,
        has=(b"Content-Length: 5", b"ETag: \"a\"")),
    Row("sound: 304 to chunked", b"HTTP/1.1 304 X\r\nTransfer-Encoding: chunked\r\n\r\n", 304, reusable=True,
        absent=(b"chunked",)),
    Row("sound: HEAD tells the length", fields(b"Content-Length: 5"), request=HEAD, reusable=True,
        has=(b"Content-Length: 5",)),
    Row("sound: HEAD of chunked", fields(CHUNKED), request=HEAD, reusable=True, absent=(b"0\r\n\r\n",)),
    Row("sound: HEAD without length", fields(), request=HEAD, reusable=True),
    Row("sound: 206 with its range",
        b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\nhi", 206, b"hi", reusable=True,
        has=(b"Content-Range: bytes 0-1/9",)),
    Row("sound: 490 fields", fields(*(b"X-%d: 1" % n for n in range(490)), b"Content-Length: 0"), reusable=True,
        has=(b"X-489: 1",)),
    Row("sound: latin-1 and tabs in values", fields(b"X-A: caf\xe9\tb", b"Content-Length: 0"), reusable=True,
        has=(b"X-A: caf\xe9\tb",)),
    Row("sound: compressed bytes stay",
        fields(b"Content-Encoding: gzip", b"Content-Length: 4", body=b"\x1f\x8b\x00\xff"), body=b"\x1f\x8b\x00\xff",
        reusable=True,
        has=(b"Content-Encoding: gzip",)),
]  # fmt: skip

INTERIM = [
    Row("interim: 100 unasked is swallowed",
        b"HTTP/1.1 100 Continue\r\n\r\n" + fields(b"Content-Length: 2", body=b"hi"), body=b"hi", reusable=True),
    Row("interim: several 100", b"HTTP/1.1 100 Continue\r\n\r\n" * 5 + fields(b"Content-Length: 2", body=b"hi"),
        body=b"hi", reusable=True),
    Row("interim: 103 goes on",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + fields(b"Content-Length: 2", body=b"hi"), body=b"hi",
        reusable=True,
        interim=(103,), has=(b"Link: </a>",)),
    Row("interim: 103 with ours",
        b"HTTP/1.1 103 Early Hints\r\nX-VT-RPPS: stolen\r\nSet-Cookie: __Host-vtgw=stolen\r\n\r\n"
        + fields(b"Content-Length: 0"),
        reusable=True, interim=(103,), absent=(b"stolen",)),
    Row("interim: 102 and 103",
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + fields(b"Content-Length: 0"),
        reusable=True, interim=(102, 103)),
    Row("interim: 103 with a length has no body",
        b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n" + fields(b"Content-Length: 2", body=b"hi"), body=b"hi",
        reusable=True, interim=(103,)),
    Row("interim: garbage behind 103", b"HTTP/1.1 103 Early Hints\r\n\r\nstolen\r\n\r\n", 502, interim=(103,),
        absent=(b"stolen",)),
    Row("interim: end behind 103", b"HTTP/1.1 103 Early Hints\r\n\r\n", 502, then="close", interim=(103,)),
]  # fmt: skip

EXTRA = [
    Row("extra: a second answer", fields(b"Content-Length: 2", body=b"hi") + STOLEN, body=b"hi", absent=(b"stolen",)),
    Row("extra: a second answer behind chunks", fields(CHUNKED, body=FIVE) + STOLEN, body=b"hello",
        absent=(b"stolen",)),
    Row("extra: one byte", fields(b"Content-Length: 2", body=b"hi!"), body=b"hi"),
    Row("extra: CRLF", fields(b"Content-Length: 2", body=b"hi\r\n"), body=b"hi"),
    Row("extra: body longer than told", fields(b"Content-Length: 2", body=b"history"), body=b"hi", absent=(b"story",)),
    Row("extra: body where none was told", fields(b"Content-Length: 0", body=b"stolen"), absent=(b"stolen",)),
    Row("extra: 204 with a body", b"HTTP/1.1 204 X\r\nContent-Length: 6\r\n\r\nstolen", 204, absent=(b"stolen",)),
    Row("extra: 204 with chunks", b"HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n" + FIVE, 204,
        absent=(b"hello",)),
    Row("extra: 304 with a body", b"HTTP/1.1 304 X\r\nContent-Length: 6\r\n\r\nstolen", 304, absent=(b"stolen",)),
    Row("extra: 304 with a second answer", b"HTTP/1.1 304 X\r\n\r\n" + STOLEN, 304, absent=(b"stolen",)),
    Row("extra: HEAD with a body", fields(b"Content-Length: 6", body=b"stolen"), request=HEAD, absent=(b"stolen",)),
    Row("extra: HEAD with chunks", fields(CHUNKED, body=FIVE), request=HEAD, absent=(b"hello",)),
    Row("extra: HEAD with a second answer", fields(b"Content-Length: 2") + STOLEN, request=HEAD, absent=(b"stolen",)),
    Row("extra: interim answer behind the answer",
        fields(b"Content-Length: 2", body=b"hi") + b"HTTP/1.1 100 Continue\r\n\r\n", body=b"hi"),
    Row("extra: two last chunks", fields(CHUNKED, body=FIVE + b"0\r\n\r\n"), body=b"hello"),
    Row("extra: to an HTTP/1.0 client", fields(CHUNKED, body=FIVE) + STOLEN, body=b"hello", request=OLD,
        absent=(b"stolen",)),
]  # fmt: skip

BROKEN = [
    Row("broken: length, ends early", fields(b"Content-Length: 100", body=b"half"), body=b"half", then="close",
        broken=True),
    Row("broken: length, resets", fields(b"Content-Length: 100", body=b"half"), body=b"half", then="reset",
        broken=True),
    Row("broken: length, ends before the body", fields(b"Content-Length: 100"), then="close", broken=True),
    Row("broken: chunk ends early", fields(CHUNKED, body=b"64\r\nhalf"), body=b"half", then="close", broken=True),
    Row("broken: no last chunk", fields(CHUNKED, body=b"4\r\nhalf\r\n"), body=b"half", then="close", broken=True),
    Row("broken: last chunk cut", fields(CHUNKED, body=b"4\r\nhalf\r\n0\r\n"), body=b"half", then="close", broken=True),
    Row("broken: trailers cut", fields(CHUNKED, body=b"4\r\nhalf\r\n0\r\nX-A: 1\r\n"), body=b"half", then="close",
        broken=True),
    Row("broken: no chunk at all", fields(CHUNKED), then="close", broken=True),
    Row("broken: chunked, resets", fields(CHUNKED, body=b"4\r\nhalf\r\n"), body=b"half", then="reset", broken=True),
    Row("broken: until close, resets", fields(body=b"half"), body=b"half", then="reset", broken=True),
    Row("broken: length to an HTTP/1.0 client", fields(b"Content-Length: 100", body=b"half"), body=b"half",
        then="close", request=OLD, broken=True),
]  # fmt: skip

FIELDS = [
    *(Row(f"our cookie: {show(value)}", fields(b"Set-Cookie: " + value, b"Set-Cookie: a=1", b"Content-Length: 0"),
        reusable=True,
          has=(b"Set-Cookie: a=1",), absent=(b"vtgw", b"stolen")) for value in OUR_COOKIES),
    *(Row(f"our cookie: under {show(name)}", fields(name + b": __Host-vtgw=stolen", b"Content-Length: 0"),
        reusable=True, absent=(b"vtgw", b"stolen"))
      for name in (b"set-cookie", b"SET-COOKIE", b"sEt-CoOkIe")),
    *(Row(f"our field: {show(name)}", fields(name + b": stolen", b"X-A: 1", b"Content-Length: 0"), reusable=True,
        has=(b"X-A: 1",), absent=(b"stolen",))
      for name in OUR_FIELDS),
    *(Row(f"hop: {show(line)}", fields(line, b"X-A: 1", b"Content-Length: 0"), reusable=True, has=(b"X-A: 1",),
        absent=(b"\r\n" + line,)) for line in HOPS),
    Row("hop: named in Connection", fields(b"Connection: X-Priv", b"X-Priv: stolen", b"Content-Length: 0"),
        reusable=True, absent=(b"X-Priv", b"stolen")),
    Row("hop: length named in Connection", fields(b"Connection: Content-Length", b"Content-Length: 2", body=b"hi"),
        body=b"hi", reusable=True,
        has=(b"Content-Length: 2",)),
    Row("hop: coding named in Connection", fields(b"Connection: Transfer-Encoding", CHUNKED, body=FIVE), body=b"hello",
        reusable=True),
    Row("hop: type named in Connection",
        fields(b"Connection: content-type", b"Content-Type: text/plain", b"Content-Length: 0"), reusable=True,
        has=(b"Content-Type: text/plain",)),
    Row("hop: Set-Cookie named in Connection",
        fields(b"Connection: Set-Cookie", b"Set-Cookie: __Host-vtgw=stolen", b"Content-Length: 0"), reusable=True,
        absent=(b"vtgw", b"stolen")),
    Row("hop: length named in Connection, HEAD", fields(b"Connection: Content-Length", b"Content-Length: 2"),
        request=HEAD, reusable=True,
        has=(b"Content-Length: 2",)),
    Row("field: other cookies stay",
        fields(b"Set-Cookie: a=1; Path=/", b"set-cookie: b=\"x\"", b"Set-Cookie: x__Host-vtgw=1", b"Content-Length: 0"),
        reusable=True,
        has=(b"Set-Cookie: a=1; Path=/", b"set-cookie: b=\"x\"", b"Set-Cookie: x__Host-vtgw=1")),
    Row("field: framing said by the backend stays alone", fields(b"X-Frame-Options: DENY", b"Content-Length: 0"),
        reusable=True,
        has=(b"X-Frame-Options: DENY",), absent=(b"frame-ancestors",)),
    Row("field: framing not said is said by the door", fields(b"Content-Length: 0"), reusable=True,
        has=(b"Content-Security-Policy: frame-ancestors 'none'",)),
]  # fmt: skip

EARLY = [
    Row("early: answer before the body ended", fields(b"Content-Length: 5", body=b"early"), body=b"early",
        request=HALF_POST, has=(b"Connection: close",)),
    Row("early: chunks before the body ended", fields(CHUNKED, body=FIVE), body=b"hello", request=HALF_POST,
        has=(b"Connection: close",)),
    Row("early: answer before the chunks ended", fields(b"Content-Length: 5", body=b"early"), body=b"early",
        request=HALF_CHUNKS, has=(b"Connection: close",)),
    Row("early: 413 and close", b"HTTP/1.1 413 Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge", 413,
        b"large", request=HALF_POST, then="close",
        has=(b"Connection: close",)),
    Row("early: garbage before the body ended", b"garbage\r\n\r\n", 502, request=HALF_POST),
    Row("early: nothing before the body ended", b"", 502, request=HALF_POST, then="close"),
    Row("early: 204 before the body ended", b"HTTP/1.1 204 X\r\n\r\n", 204, request=HALF_POST,
        has=(b"Connection: close",)),
    Row("early: 101 before the body ended", b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n", 502, request=HALF_POST),
    Row("whole: an answer to a POST", fields(b"Content-Length: 2", body=b"hi"), body=b"hi", request=POST,
        reusable=True),
    Row("upgrade: refused", b"HTTP/1.1 403 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno", 403, b"no",
        request=SOCKET),
]  # fmt: skip

# What was a fault of this door once.
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
MENDED: list[Row] = [
    Row("interim: never to an HTTP/1.0 client", HINTS + fields(b"Content-Length: 2", body=b"hi"), body=b"hi",
        request=OLD, reusable=True),
    Row("broken: chunks to an HTTP/1.0 client", fields(CHUNKED, body=b"4\r\nhalf\r\n"), body=b"half", then="close",
        request=OLD, broken=True),
    Row("broken: chunks and a reset to an HTTP/1.0 client", fields(CHUNKED, body=b"4\r\nhalf\r\n"), body=b"half",
        then="reset",
        request=OLD, broken=True),
    Row("broken: until close, resets, to an HTTP/1.0 client", fields(body=b"half"), body=b"half", then="reset",
        request=OLD, broken=True),
    *(Row(f"our cookie: {show(value)}", fields(b"Set-Cookie: " + value, b"Set-Cookie: a=1", b"Content-Length: 0"),
        reusable=True,
          has=(b"Set-Cookie: a=1",), absent=(b"vtgw", b"stolen"))
      for value in (b"=__Host-vtgw=stolen", b" = __Host-vtgw=stolen", b"=__Host-vtgw", b"\xa0__Host-vtgw=stolen",
          b"\x85__Host-vtgw=stolen")),
    *(Row(f"hop: {show(name)} named in Connection leaves a frame policy",
        fields(b"Connection: " + name, line, b"Content-Length: 0"), reusable=True,
          has=(b"Content-Security-Policy: frame-ancestors 'none'",))
      for name, line in ((b"X-Frame-Options", b"X-Frame-Options: DENY"),
                         (b"Content-Security-Policy", b"Content-Security-Policy: frame-ancestors 'self'"))),
    *bad("upgrade", [
        ("101 without Connection", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"),
        ("101 to two protocols",
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c, websocket\r\n\r\n"),
    ], request=SOCKET),
    *bad("size", [("200 KB in 100 fields",
    fields(*(b"X-%d: %b" % (n, b"a" * 2000) for n in range(100)), b"Content-Length: 0"))]),
]  # fmt: skip

ROWS = [*GARBAGE, *SOUND, *INTERIM, *EXTRA, *BROKEN, *FIELDS, *EARLY, *MENDED]


def serve(rig: Rig, row: Row) -> None:
    """The origin answers its first request with the row, and every later one with its own target."""

    async def script(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if len(rig.origin.heads) > 1:
            target = head.split(b" ")[1]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))
            return True
        if row.request == POST:
            rig.origin.bodies.append(await read_body(head, reader))
        writer.write(row.raw)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        if row.then == "reset":
            await reset(row, writer)
        return row.then == "keep"

    rig.origin.script = script


async def reset(row: Row, writer: asyncio.StreamWriter) -> None:
    """Close with a reset, when the door has read what was sent before it."""
    raw = writer.get_extra_info("socket")
    for _ in range(50):  # the door runs in this very loop
        await asyncio.sleep(0)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def ask(rig: Rig, data: bytes) -> tuple[bytes, bool]:
    """All that comes back until the connection ends, and whether it ended by a reset."""
    loop = asyncio.get_running_loop()
    out = b""
    with socket.socket() as client:
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", rig.port))
        await loop.sock_sendall(client, data)
        async with asyncio.timeout(10):
            try:
                while got := await loop.sock_recv(client, 1 << 16):
                    out += got
            except ConnectionError:
                return out, True
    return out, False


@dataclass(slots=True)
class Read:
    """What an independent reader makes of the bytes of one connection."""

    status: int = 0
    body: bytes = b""
    whole: bool = False
    interim: tuple[int, ...] = ()
    rest: bytes = b""


def read(data: bytes, method: str, *, reset: bool) -> Read:
    """One answer, read by h11."""
    peer = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    peer.send(h11.Request(method=method, target="/", headers=[("Host", "vt.test")]))
    peer.send(h11.EndOfMessage())
    peer.receive_data(data)
    if not reset:
        peer.receive_data(b"")
    found = Read()
    try:
        while True:
            event = peer.next_event()
            if isinstance(event, h11.InformationalResponse):
                found.interim += (event.status_code,)
            elif isinstance(event, h11.Response):
                found.status = event.status_code
            elif isinstance(event, h11.Data):
                found.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                found.whole = True
                found.rest = peer.trailing_data[0]
                return found
            else:
                return found
    except h11.RemoteProtocolError:
        return found


def method_of(request: bytes) -> str:
    return request.split(b" ")[0].decode()


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
async def test_the_client_sees_this_and_the_next_client_nothing_of_it(rig: Rig, row: Row) -> None:
    """An exact answer, a 502, or visibly half of one; the next client gets its own answer, over a clean connection."""
    serve(rig, row)
    data, was_reset = await ask(rig, row.request)
    seen = read(data, method_of(row.request), reset=was_reset)
    assert seen.interim == row.interim
    assert seen.rest == b""
    if row.code == 502 and not row.body:
        assert (seen.status, seen.whole) == (502, True)
        if row.raw and row.name.split(":")[0] != "sound":
            assert b"stolen" not in data
            assert row.raw[:40] not in data or row.interim
    elif row.broken:
        assert not seen.whole
        assert seen.body in (row.body, b"")
        assert seen.status in (row.code, 0)
    else:
        assert (seen.status, seen.body, seen.whole) == (row.code, row.body, True)
    lines = data.split(b"\r\n")
    for wanted in row.has:
        assert lines.count(wanted) == 1, wanted
    for word in row.absent:
        assert word not in data, word
    assert (
        len(re.findall(rb"^HTTP/1\.1 [2-5]", data.partition(b"\r\n\r\n")[0] if row.body == STOLEN else data, re.M)) <= 1
    )
    data, was_reset = await ask(rig, NEXT)
    seen = read(data, "GET", reset=was_reset)
    assert (seen.status, seen.body, seen.whole, seen.rest) == (200, b"/next", True, b"")
    assert rig.origin.connections == (1 if row.reusable else 2)
    assert [head.split(b" ")[1] for head in rig.origin.heads] == [b"/x", b"/next"]


KEPT = [row for row in ROWS if row.request == GET and not row.broken and row.code != 502]
FRAMED = b"frame-ancestors"  # the door's own word, said again in the second answer


@pytest.mark.parametrize("row", KEPT, ids=[row.name for row in KEPT])
async def test_the_same_client_gets_its_second_answer_and_no_other(rig: Rig, row: Row) -> None:
    """Two requests in one write: the second is answered by its own answer, whatever came with the first."""
    serve(rig, row)
    data, was_reset = await ask(rig, GET.replace(b"Connection: close\r\n", b"") + NEXT)
    seen = read(data, "GET", reset=was_reset)
    assert (seen.status, seen.body, seen.whole) == (row.code, row.body, True)
    second = read(seen.rest, "GET", reset=was_reset)
    assert (second.status, second.body, second.whole, second.rest) == (200, b"/next", True, b"")
    for word in row.absent:
        assert word == FRAMED or word not in data, word


@pytest.mark.parametrize("cut", [1, 3, 7])
@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if len(row.raw) < 400 and row.then == "keep" and row.request == GET],
    ids=lambda row: row.name,
)
async def test_an_answer_in_pieces_is_the_same_answer(rig: Rig, row: Row, cut: int) -> None:
    """However the backend's bytes are cut, the client sees the same status and body, or a visible end."""
    sent = asyncio.Event()

    async def script(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if sent.is_set():
            return await rig.origin.plain(head, reader, writer)
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for place in range(0, len(row.raw), cut):
            writer.write(row.raw[place : place + cut])
            await asyncio.sleep(0)  # the door reads each piece by itself
        sent.set()
        return True

    rig.origin.script = script
    data, was_reset = await ask(rig, GET)
    seen = read(data, "GET", reset=was_reset)
    assert b"stolen" not in data
    if row.code == 502 and row.name.startswith("chunks"):
        assert seen.status == 502 or not seen.whole  # the head was sound and may have gone ahead
    else:
        assert (seen.status, seen.body, seen.whole, seen.rest) == (
            row.code,
            seen.body if row.code == 502 else row.body,
            True,
            b"",
        )
    await sent.wait()
    data, was_reset = await ask(rig, NEXT)
    seen = read(data, "GET", reset=was_reset)
    assert (seen.status, seen.body, seen.whole, seen.rest) == (200, b"ok", True, b"")


@pytest.mark.parametrize(
    "late", [STOLEN, b"x", b"\r\n", b"HTTP/1.1 408 Timeout\r\nConnection: close\r\n\r\n"], ids=show
)
async def test_bytes_on_an_idle_connection_end_it(rig: Rig, late: bytes) -> None:
    """A backend that speaks unasked loses its connection; what it said goes nowhere."""
    answered, closed = asyncio.Event(), asyncio.Event()

    async def script(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if answered.is_set():
            return await rig.origin.plain(head, reader, writer)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        await answered.wait()
        writer.write(late)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        closed.set()
        return False

    rig.origin.script = script
    data, _ = await ask(rig, GET)
    assert data.endswith(b"hi")
    answered.set()
    async with asyncio.timeout(5):
        await closed.wait()
    data, _ = await ask(rig, NEXT)
    assert data.endswith(b"\r\n\r\nok")
    assert data.count(b"HTTP/1.1") == 1
    assert rig.origin.connections == 2


@pytest.mark.parametrize(
    "request_", [POST, POST.replace(b"POST", b"PUT"), POST.replace(b"POST", b"PATCH")], ids=method_of
)
async def test_b5_a_body_reaches_the_backend_at_most_once(rig: Rig, request_: bytes) -> None:
    """A kept connection that ends at the next request: what has a body is not sent again."""

    async def script(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if len(rig.origin.heads) == 1:
            return await rig.origin.plain(head, reader, writer)
        await read_body(head, reader)
        return False

    rig.origin.script = script
    await ask(rig, NEXT)
    data, was_reset = await ask(rig, request_)
    assert read(data, "POST", reset=was_reset).status == 502
    assert len(rig.origin.heads) == 2
    assert rig.origin.connections == 1


@pytest.mark.parametrize("first", [b"", b"H", b"HTTP/1.1 100 Continue\r\n\r\n", OK], ids=show)
async def test_b5_only_silence_is_asked_again(rig: Rig, first: bytes) -> None:
    """A GET on a kept connection is sent again only when not a byte of an answer came."""

    async def script(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if len(rig.origin.heads) == 2:
            writer.write(first)
            return False
        return await rig.origin.plain(head, reader, writer)

    rig.origin.script = script
    await ask(rig, NEXT)
    data, was_reset = await ask(rig, GET)
    assert read(data, "GET", reset=was_reset).status == (502 if first else 200)
    assert len(rig.origin.heads) == (2 if first else 3)


async def test_a_tunnel_carries_what_came_with_its_101(rig: Rig) -> None:
    """Bytes right behind the 101 belong to the tunnel; fields of ours in the 101 do not pass."""

    async def script(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-VT-RPPS: stolen\r\n"
            b"Set-Cookie: __Host-vtgw=stolen\r\nContent-Length: 3\r\n\r\n\x81\x02hi"
        )
        return False

    rig.origin.script = script
    rig.gate.decision = Forward("vt", "digest", b"")
    data, _ = await ask(rig, SOCKET)
    head, _, rest = data.partition(b"\r\n\r\n")
    assert rest == b"\x81\x02hi"
    assert b"stolen" not in head
    assert b"ontent-" not in head
    assert head.count(b"Upgrade: websocket") == 1


def test_names_of_rows_are_unique() -> None:
    """Each row can be named in a report."""
    names = [row.name for row in ROWS]
    assert [name for name in set(names) if names.count(name) > 1] == []
