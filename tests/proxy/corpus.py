"""Several hundred raw requests: what a hostile client sends, by class, with what must come of it.

Refused: answered once with 4xx or 5xx and closed, and nothing reaches the origin. Passing: the origin sees one request,
with these bytes in its head, and without those.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

HOST = b"Host: vt.test\r\n"


@dataclass(frozen=True)
class Passing:
    """``seen`` and ``unseen`` are looked for in the head as the origin got it, lower case."""

    name: str
    raw: bytes
    seen: tuple[bytes, ...] = ()
    unseen: tuple[bytes, ...] = ()
    body: bytes = b""


def get(target: bytes = b"/", *lines: bytes, method: bytes = b"GET", version: bytes = b"HTTP/1.1") -> bytes:
    return b"%b %b %b\r\n" % (method, target, version) + HOST + b"".join(one + b"\r\n" for one in lines) + b"\r\n"


def post(*lines: bytes, body: bytes = b"", version: bytes = b"HTTP/1.1") -> bytes:
    return get(b"/p", *lines, method=b"POST", version=version) + body


# Framing

_CHUNKED_BODY = b"5\r\nhello\r\n0\r\n\r\n"
_ODD_LENGTHS = (
    b"", b" ", b"+5", b"-5", b"-0", b"0x5", b"0X5", b"5_0", b"5.0", b"5e0", b"5,5", b"5, 5", b"5,", b",5", b"5 5", b"5\t5",
    b"5;a=b", b'"5"', b"'5'", b"five", b"\xc2\xb2", b"\xef\xbc\x95", b"\xd9\xa5", b"5\x0b", b"\x0c5", b"5\x00", b"NaN", b"Infinity",
    b"9223372036854775808", b"18446744073709551616", b"99999999999999999999999999", b"0000000000000000000000005", b"5\\", b"5/5",
)  # fmt: skip
_ODD_CODINGS = (
    b"", b"identity", b"gzip", b"xchunked", b"chunkedx", b"chunk", b"chunked,", b",chunked", b"chunked, chunked", b"chunked,identity",
    b"identity, chunked", b"gzip, chunked", b"chunked, gzip", b"chunked;q=1", b"chunked;", b"'chunked'", b'"chunked"', b"chunked\x0b",
    b"\x0bchunked", b"chunked\x00", b"\x00chunked", b"ch\x00unked", b"chunked\xa0", b"\xa0chunked", b"\xc2\xa0chunked", b"chunked\x0c",
    b"cow", b"chunked cow", b"chunked\tcow", b"CHUNKED, CHUNKED", b"chunKed, x", b"[chunked]", b"chun ked", b"\xe2\x84\xaachunked",
    b"chun\xe2\x84\xaaed", b"trailers", b"deflate", b"compress", b"x-gzip", b"br",
)  # fmt: skip
_NAMES_THAT_ARE_NONE = (
    b"Transfer-Encoding ", b"Transfer-Encoding\t", b" Transfer-Encoding", b"\tTransfer-Encoding", b"Transfer-Encoding\x00",
    b"Transfer-Encoding\x0b", b"Transfer\x00-Encoding", b"Transfer-Encoding\xa0", b"\x00Transfer-Encoding", b"Transfer Encoding",
    b"Content-Length ", b"Content-Length\t", b" Content-Length", b"Content-Length\x0b", b"Content\x00-Length", b"Content Length",
    b'"Content-Length"', b"(Content-Length)", b"Content-Length\xff", b"Content/Length", b"Content-Length;", b"Content-Length,x",
)  # fmt: skip


def framing() -> Iterator[tuple[str, bytes]]:
    for value in _ODD_LENGTHS:
        yield f"length {value!r}", post(b"Content-Length: " + value, body=b"hello")
    for value in _ODD_CODINGS:
        yield f"coding {value!r}", post(b"Transfer-Encoding: " + value, body=_CHUNKED_BODY)
        yield f"length and coding {value!r}", post(b"Content-Length: 5", b"Transfer-Encoding: " + value, body=b"hello")
    for name in _NAMES_THAT_ARE_NONE:
        yield f"name {name!r}", post(name + b": 5", body=b"hello")
        yield f"name {name!r} beside a length", post(b"Content-Length: 5", name + b": chunked", body=b"hello")
    both = (b"Content-Length: 5", b"Transfer-Encoding: chunked")
    for case in (bytes.lower, bytes.upper, bytes.title, bytes.swapcase):
        first, second = case(both[0]), case(both[1])
        yield f"both, {case.__name__}", post(first, second, body=_CHUNKED_BODY)
        yield f"both, other order, {case.__name__}", post(second, first, body=_CHUNKED_BODY)
        yield f"both, apart, {case.__name__}", post(second, b"X-A: b", first, body=_CHUNKED_BODY)
    yield "both, length of nothing", post(b"Content-Length: 0", b"Transfer-Encoding: chunked", body=_CHUNKED_BODY)
    yield "two lengths", post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!")
    yield "two equal lengths", post(b"Content-Length: 5", b"content-length: 5", body=b"hello")
    yield "three lengths", post(b"Content-Length: 5", b"Content-Length: 5", b"Content-Length: 5", body=b"hello")
    yield "two codings", post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=_CHUNKED_BODY)
    yield "two codings, one empty", post(b"Transfer-Encoding: chunked", b"Transfer-Encoding:", body=_CHUNKED_BODY)
    yield "a coding in two lines", post(b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked", body=_CHUNKED_BODY)
    yield "a folded coding", post(b"Transfer-Encoding:\r\n chunked", body=_CHUNKED_BODY)
    yield "a folded length", post(b"Content-Length:\r\n 5", body=b"hello")
    yield "a coding behind a bare LF", post(b"X: y\nTransfer-Encoding: chunked", body=_CHUNKED_BODY)
    yield "a coding behind a bare CR", post(b"X: y\rTransfer-Encoding: chunked", body=_CHUNKED_BODY)
    yield "a coding in HTTP/1.0", post(b"Transfer-Encoding: chunked", body=_CHUNKED_BODY, version=b"HTTP/1.0")
    for method in (b"GET", b"HEAD", b"DELETE", b"OPTIONS"):
        yield f"{method!r} with both", get(b"/", *both, method=method) + _CHUNKED_BODY


# Chunks: these begin like a sound request, so the backend's connection may open; the request never completes there.

_ODD_SIZES = (
    b"", b" 5", b"5 ", b"\t5", b"+5", b"-5", b"0x5", b"5h", b"5_", b"5.", b"5,5", b"\x005", b"5\x00", b"5\n", b"\n5", b"5\r", b"5\x0b",
    b"g", b"ffffffffffffffff", b"fffffffffffffffff", b"10000000000000000", b"5;a=\x00", b"5;a=\n", b"5;a=\rb", b"5 5", b'"5"', b"\xef\xbc\x95",
)  # fmt: skip


def chunks() -> Iterator[tuple[str, bytes]]:
    for size in _ODD_SIZES:
        yield f"size {size!r}", size + b"\r\nhello\r\n0\r\n\r\n"
    yield "data too long", b"5\r\nhelloX\r\n0\r\n\r\n"
    yield "no end of data", b"5\r\nhello0\r\n\r\n"
    yield "data ended by LF", b"5\r\nhello\n0\r\n\r\n"
    yield "data ended by CR and another byte", b"5\r\nhello\rX0\r\n\r\n"
    yield "size ended by LF", b"5\nhello\r\n0\r\n\r\n"
    yield "last size ended by LF", b"5\r\nhello\r\n0\n\n"
    for trailer in (
        b"no colon",
        b"X : y",
        b" X: y",
        b": y",
        b"X\x00: y",
        b"X: a\x00b",
        b"X: a\nb: c",
        b"\xe9: y",
        b"X: a\r\n b",
    ):
        yield f"trailer {trailer!r}", b"5\r\nhello\r\n0\r\n" + trailer + b"\r\n\r\n"
    yield "endless extension", b"5;" + b"a" * 5000 + b"\r\nhello\r\n0\r\n\r\n"
    yield "endless trailers", b"5\r\nhello\r\n0\r\n" + b"X: y\r\n" * 4000 + b"\r\n"


# Lines, names and bytes

_ODD_NAMES = (
    b"X Y", b"X\tY", b"X\x0bY", b"", b" ", b"X(Y)", b"X,Y", b"X/Y", b"X;Y", b"X<Y>", b"X=Y", b"X?Y", b"X@Y", b"X[Y]", b"X\\Y", b"X{Y}", b'X"Y',
    b"\xc3\xa9t\xc3\xa9", b"X\xff", b"X\x7f", b"X\x01",
)  # fmt: skip


def lines() -> Iterator[tuple[str, bytes]]:
    for name in _ODD_NAMES:
        yield f"name {name!r}", get(b"/", name + b": v")
    for byte in (*range(9), 11, 12, *range(14, 32), 127):
        yield f"byte {byte:#04x} in a value", get(b"/", b"X: a" + bytes([byte]) + b"b")
    for line in (
        b"no colon",
        b"X : y",
        b"X\t: y",
        b" X: y",
        b"\tX: y",
        b"X: a\r\n b",
        b"X: a\r\n\tb",
        b"X: a\r\n ",
        b":",
        b": y",
    ):
        yield f"line {line!r}", get(b"/", line)
        yield f"first line {line!r}", b"GET / HTTP/1.1\r\n" + line + b"\r\n" + HOST + b"\r\n"
    yield "only LF", b"GET / HTTP/1.1\nHost: vt.test\n\n" + b"\r\n\r\n"
    yield "LF after the request line", b"GET / HTTP/1.1\nHost: vt.test\r\n\r\n"
    yield "CR after the request line", b"GET / HTTP/1.1\rHost: vt.test\r\n\r\n"
    yield "LF before the empty line", b"GET / HTTP/1.1\r\nHost: vt.test\n\r\n\r\n"
    yield "CR in the middle", get(b"/", b"X: a\rb: c")
    yield "two empty lines first", b"\r\n\r\n" + get()
    yield "LF first", b"\n" + get()
    yield "space first", b" " + get()
    yield "NUL first", b"\x00" + get()


# Request line

_ODD_VERSIONS = (
    b"HTTP/0.9", b"HTTP/1.2", b"HTTP/1.10", b"HTTP/2", b"HTTP/2.0", b"HTTP/3", b"HTTP/01.1", b"HTTP/1.01", b"HTTP/1", b"HTTP/1.", b"HTTP/.1",
    b"HTTP/1.1x", b"HTTP /1.1", b"http/1.1", b"Http/1.1", b"HTTPS/1.1", b"HTTP/1,1", b"HTTP/+1.1", b"HTTP/1.1\t", b"HTTP/1.1 ", b"ICY/1.1", b"",
    b"HTTP\\1.1", b"HTTP/1.1\x00", b"SIP/2.0", b"HTTP/\xef\xbc\x91.1", b"HTTP/1.1 HTTP/1.1",
)  # fmt: skip
_ODD_METHODS = (
    b"CONNECT", b"TRACE", b"TRACK", b"DEBUG", b"get", b"Get", b"GE T", b"GET\x00", b"PROPFIND", b"MKCOL", b"LOCK", b"SEARCH", b"PURGE", b"PRI",
    b"X" * 21, b"G\xc3\x89T", b"GET,", b"(GET)", b'"GET"', b"", b"GET\t", b"_", b"BASELINE-CONTROL", b"M-SEARCH", b"LINK",
)  # fmt: skip
_ODD_TARGETS = (
    # dot segments in disguise
    b"/..", b"/.", b"/a/..", b"/a/.", b"/a/../b", b"/a/./b", b"/%2e%2e/b", b"/%2E%2E/b", b"/.%2e/b", b"/%2e./b", b"/%2e/b", b"/a/%2e%2e",
    b"/..;/b", b"/..;a=b/c", b"/.;/b", b"/;/../b", b"/%2e%2e;/b", b"/..%3b/b", b"/..%3Bx/b", b"/%252e%252e/b", b"/%25%32%65/b", b"/..%00/b",
    b"/..%20/b", b"/..%20/", b"/a./b", b"/a%2e/b", b"/a.%20/b", b"/a%20/b", b"/a%20", b"/...", b"/..../b",
    # separators
    b"//", b"//a", b"/a//b", b"/a//", b"/a%2fb", b"/a%2Fb", b"/%2f%2fa", b"/a%5cb", b"/a%5Cb", b"/a\\b", b"\\a", b"/\\evil.test", b"/a%252fb",
    b"/a%255cb", b"/%2e%2e%2f", b"/%c0%af", b"/%c1%9c", b"/%e0%80%af", b"/%f0%80%80%af", b"/%c0%ae%c0%ae/", b"/%ff", b"/%c3%28", b"/%ed%a0%80",
    # bytes
    b"/%00", b"/a%00b", b"/%0d%0aX:%20y", b"/%0a", b"/%09", b"/%1f", b"/%7f", b"/%c2%80", b"/%", b"/%2", b"/%zz", b"/%2g", b"/%u002e", b"/a#b", b"/#",
    b"/a?b#c", b"/\xc3\xa9", b"/\xff", b"/\x7f", b"/\x01", b"/a\tb", b"/a b", b"/?a b", b"/?\xc3\xa9", b"/?a\\b", b"/?#",
    # other forms
    b"", b"a", b"*", b"vt.test", b"vt.test:443", b"?x", b"#", b"http:", b"http:/", b"http://", b"http:///", b"http:vt.test/", b"http:/vt.test/",
    b"https://vt.test/", b"http://other.test/", b"http://vt.test.other.test/", b"http://u@vt.test/", b"http://u:p@vt.test/", b"http://vt.test@other.test/",
    b"http://other.test@vt.test/", b"http://vt.test#x", b"http://vt.test/a#x", b"http://vt.test:99999/", b"http://vt.test:x/", b"http://vt.test\\a",
    b"http://vt.test/../a", b"http://vt.test//a", b"ftp://vt.test/", b"file:///etc/passwd", b"javascript:alert(1)", b"//vt.test/", b"http://[::1/",
    b"http://vt.test%00/", b"http://vt.test%2f/", b"ws://vt.test/", b"HTTP://OTHER.test/",
)  # fmt: skip
_ODD_HOSTS = (
    b"", b" ", b"a,b", b"vt.test,vt.test", b"vt.test, other.test", b"u@vt.test", b"vt.test@other.test", b"vt.test/x", b"vt.test?x", b"vt.test#x",
    b"vt.test\\x", b"vt.test:", b"vt.test:99999", b"vt.test:x", b"vt.test:-1", b"vt.test:80:80", b"vt.test.", b"vt..test", b".vt.test", b"-vt.test-",
    b"[::1", b"::1", b"[::1]x", b"[vt.test]", b"vt test", b"vt.test other.test", b"vt_test", b"vt.test%00", b"%76t.test", b"vt.test\x00", b"other.test",
    b"vt.test.other.test", b"othervt.test", b"\xd0\xb2t.test", b"http://vt.test", b"vt.test;x", b"'vt.test'", b'"vt.test"', b"127.0.0.1.other.test",
)  # fmt: skip


def request_lines() -> Iterator[tuple[str, bytes]]:
    for version in _ODD_VERSIONS:
        yield f"version {version!r}", get(version=version)
    for method in _ODD_METHODS:
        yield f"method {method!r}", get(method=method)
    for target in _ODD_TARGETS:
        yield f"target {target!r}", get(target)
    for host in _ODD_HOSTS:
        yield f"host {host!r}", b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
    yield "no host", b"GET / HTTP/1.1\r\n\r\n"
    yield "two hosts", b"GET / HTTP/1.1\r\nHost: vt.test\r\nHost: vt.test\r\n\r\n"
    yield "two hosts in other spellings", b"GET / HTTP/1.1\r\nHost: vt.test\r\nhOST: other.test\r\n\r\n"
    yield "absolute form and another host", b"GET http://vt.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n"
    yield "absolute form of another host", b"GET http://other.test/ HTTP/1.1\r\nHost: vt.test\r\n\r\n"
    yield "a simple request", b"GET /\r\n\r\n"
    yield "a simple request with a space", b"GET / \r\n\r\n"
    yield "two spaces", b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n"
    yield "two spaces before the version", b"GET /  HTTP/1.1\r\n" + HOST + b"\r\n"
    yield "a tab", b"GET\t/\tHTTP/1.1\r\n" + HOST + b"\r\n"
    yield "the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    yield "a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40 + b"\r\n\r\n"
    yield "a PROXY line", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + get()
    yield "a long target", get(b"/" + b"a" * 9000)
    yield "a long field", get(b"/", b"X: " + b"a" * 17000)
    yield "many fields", get(b"/", *(b"X-%d: y" % number for number in range(101)))
    yield "a long block", get(b"/", *(b"X-%d: " % number + b"a" * 8000 for number in range(9)))
    for value in (b"200-ok", b"100-continue, x", b"x", b"", b"100", b"100-continue;q=1"):
        yield f"expect {value!r}", post(b"Expect: " + value, b"Content-Length: 1", body=b"x")
    yield "expect twice", post(b"Expect: 100-continue", b"Expect: 100-continue", b"Content-Length: 1", body=b"x")
    upgrade = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: x", b"Sec-WebSocket-Version: 13")
    yield "upgrade by POST", post(*upgrade)
    yield "upgrade with a body", get(b"/", *upgrade, b"Content-Length: 5") + b"hello"
    yield "upgrade with chunks", get(b"/", *upgrade, b"Transfer-Encoding: chunked") + _CHUNKED_BODY
    for origin in (
        b"https://other.test",
        b"null",
        b"http://vt.test.other.test",
        b"https://vt.test@other.test",
        b"http://vt.test:81",
        b"",
    ):
        yield f"upgrade from {origin!r}", get(b"/", *upgrade, b"Origin: " + origin)


REFUSED = [*framing(), *lines(), *request_lines()]
CHUNKS = [*chunks()]

# What passes, and without what

_OURS = (
    b"X-VT-RPPS", b"x-vt-rpps", b"X-Vt-Rpps", b"X_VT_RPPS", b"X.VT.RPPS", b"X-VT_RPPS", b"x_vt-rpps", b"X!VT!RPPS", b"X~VT~RPPS", b"X'VT'RPPS", b"X`VT`RPPS",
    b"X-VT-Assertion", b"X_VT_ASSERTION", b"X-VT-IdNat-PS", b"X-VT-On-Behalf-Of", b"X-VT-", b"X-VT-Anything", b"vtgw-client", b"VTGW-Scheme",
    b"vtgw_listener", b"vtgw-request-id", b"Client-Cert", b"client_cert", b"Client-Cert-Chain", b"X-SSL-Client-Cert", b"X_SSL_CLIENT_CERT", b"Ssl-Client-Cert",
    b"SSL_CLIENT_S_DN", b"X-Client-Cert", b"X-Forwarded-Client-Cert", b"Remote-User", b"REMOTE_USER", b"X-Forwarded-User", b"X-Forwarded-For",
    b"X_Forwarded_For", b"X-Forwarded-Host", b"X-Forwarded-Proto", b"X-Forwarded-Prefix", b"Forwarded", b"X-Real-IP", b"X-Client-IP", b"True-Client-IP",
    b"X-Cluster-Client-IP", b"CF-Connecting-IP", b"X-Original-URL", b"X-Rewrite-URL", b"X-Original-Host", b"X-Host", b"X-HTTP-Method-Override", b"X-HTTP-Method",
    b"X-Method-Override", b"Proxy", b"Proxy-Authorization", b"Proxy-Connection", b"Keep-Alive", b"TE", b"Trailer", b"HTTP2-Settings", b"X-Envoy-Original-Path",
    b"X-Request-ID", b"traceparent", b"tracestate", b"Via", b"X-Odd.Name", b"X_Under_Score",
)  # fmt: skip
_MARK = b"evil-mark"
_COOKIES = (
    (b"a=1; __Host-vtgw=evil-mark; b=2", b"cookie: a=1; b=2"),
    (b"__Host-vtgw=evil-mark; b=2", b"cookie: b=2"),
    (b"a=1; __Host-vtgw=evil-mark", b"cookie: a=1"),
    (b"a=1;__Host-vtgw=evil-mark;b=2", b"cookie: a=1;b=2"),
    (b"__Host-vtgw=evil-mark", b""),
    (b"__Host-vtgw-attempt=evil-mark; b=2", b"cookie: b=2"),
    (b"a=1;  __Host-vtgw=evil-mark;\t__Host-vtgw=evil-mark; b=\"x y\"", b'cookie: a=1; b="x y"'),
    (b"__Host-vtgw; b=2", b"cookie: b=2"),
)  # fmt: skip


def passing() -> Iterator[Passing]:
    for name in _OURS:
        yield Passing(f"{name!r} is dropped", get(b"/", name + b": " + _MARK), unseen=(_MARK,))
        yield Passing(
            f"{name!r} twice", get(b"/", name + b": " + _MARK, name.swapcase() + b":" + _MARK), unseen=(_MARK,)
        )
    for name in (
        b"X-VT-RPPS",
        b"X-VT-Assertion",
        b"Host",
        b"Cookie",
        b"Content-Length",
        b"Content-Type",
        b"X-Forwarded-For",
        b"X-Request-ID",
    ):
        named = post(
            b"Connection: close, " + name, b"Cookie: a=1", b"Content-Type: text/x", b"Content-Length: 2", body=b"hi"
        )
        seen = (
            b"x-vt-rpps: 99700000007",
            b"host: vt.test",
            b"cookie: a=1",
            b"content-length: 2",
            b"content-type: text/x",
        )
        yield Passing(
            f"Connection names {name!r}", named, seen=(*seen, b"x-forwarded-for: ", b"x-request-id: "), body=b"hi"
        )
    yield Passing(
        "Connection names a client's field", get(b"/", b"Connection: X-Mine", b"X-Mine: " + _MARK), unseen=(_MARK,)
    )
    for value, seen in _COOKIES:
        expected = (seen + b"\r\n",) if seen else ()
        yield Passing(
            f"cookie {value!r}", get(b"/", b"Cookie: " + value), seen=expected, unseen=(_MARK, b"__host-vtgw")
        )
    for trailer in (
        b"X-VT-RPPS: evil-mark",
        b"Content-Length: 9",
        b"Transfer-Encoding: evil-mark",
        b"Host: evil-mark",
        b"Cookie: evil-mark",
    ):
        raw = post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n" + trailer + b"\r\n\r\n")
        yield Passing(f"trailer {trailer!r}", raw, unseen=(_MARK,), body=b"hello")
    for value in (b"chunked", b"Chunked", b"CHUNKED", b" chunked ", b"\tchunked\t"):
        yield Passing(f"coding {value!r}", post(b"Transfer-Encoding:" + value, body=_CHUNKED_BODY), body=b"hello")
    yield Passing(
        "extensions",
        post(b"Transfer-Encoding: chunked", body=b'5;a=b;c="d\xff"\r\nhello\r\n000\r\n\r\n'),
        body=b"hello",
    )
    yield Passing(
        "extension after a space",
        post(b"Transfer-Encoding: chunked", body=b"5 ;a\r\nhello\r\n0\r\n\r\n"),
        body=b"hello",
    )
    yield Passing(
        "a body with GET", get(b"/", b"Content-Length: 5") + b"hello", seen=(b"content-length: 5",), body=b"hello"
    )
    yield Passing("h2c is not spoken", get(b"/", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
                  unseen=(b"upgrade", b"http2-settings", b"connection"))  # fmt: skip
    yield Passing(
        "other protocols are not spoken",
        get(b"/", b"Connection: Upgrade", b"Upgrade: TLS/1.0, websocket"),
        unseen=(b"upgrade",),
    )
    for target in (
        b"/a?x=../..&y=%2f%5c%00//",
        b"/a;b/c",
        b"/%C3%A9",
        b"/a%20b",
        b"/~a",
        b"/a:b",
        b"/a?",
        b"/a?b?c=/./",
        b"/-._~!$&'()*+,=@",
        b"/a...b",
    ):
        yield Passing(f"target {target!r}", get(target), seen=(b"get %b http/1.1\r\n" % target.lower(),))
    yield Passing("absolute form", get(b"http://vt.test/a?b"), seen=(b"get /a?b http/1.1\r\nhost: vt.test\r\n",))
    yield Passing("absolute form in other letters", get(b"HTTP://VT.TEST/a"), seen=(b"get /a http/1.1\r\n",))
    for host in (b"vt.test", b"VT.TEST", b"vt.test:80", b"vt.test:65535", b"localhost"):
        yield Passing(
            f"host {host!r}", b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n", seen=(b"host: " + host.lower(),)
        )
    yield Passing("HTTP/1.0", b"GET / HTTP/1.0\r\n\r\n", seen=(b"get / http/1.1\r\nhost: vt.test\r\n",))
    yield Passing("Range", get(b"/", b"Range: bytes=0-1", b"If-Range: x"), seen=(b"range: bytes=0-1", b"if-range: x"))
    yield Passing("one empty line first", b"\r\n" + get())
    yield Passing("bytes above ASCII in a value", get(b"/", b"X-Name: \xc3\xa9"), seen=(b"x-name: \xc3\xa9",))


PASSING = [*passing()]
