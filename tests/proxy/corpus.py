"""Raw client requests, and what must become of each: refused and closed, or at the origin exactly as said. Data only.

A row is one connection's bytes. ``seen`` is what the origin must have received, in order; ``refused`` is the status of
the refusal that ends the connection after that. The test adds one more request behind every row: behind a refusal or
a close it must vanish, behind a request that passes it must be the very next thing the origin sees.

``evil`` is the word for what an attacker puts into a field: it never reaches the origin, in no row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

H = b"Host: vt.test\r\n"
EVIL = b"evil"
UNREADABLE = (400, 505)  # whether the version or the line is at fault is a matter of taste


@dataclass(frozen=True, slots=True)
class Seen:
    """One request at the origin. ``has``: whole lines, each exactly once; ``absent``: lower-case names."""

    target: bytes = b"/x"
    method: bytes = b"GET"
    body: bytes = b""
    host: bytes = b"vt.test"
    has: tuple[bytes, ...] = ()
    absent: tuple[bytes, ...] = ()
    upgrade: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """``refused``: the statuses that will do. ``late``: the fault is in the body, so the head may have gone to the
    origin; the body never ends there."""

    name: str
    raw: bytes
    seen: tuple[Seen, ...] = ()
    refused: tuple[int, ...] = ()
    closes: bool = False
    late: bool = False


def get(target: bytes = b"/x", fields: bytes = b"", *, host: bytes = H, method: bytes = b"GET") -> bytes:
    return b"%b %b HTTP/1.1\r\n%b%b\r\n" % (method, target, host, fields)


def post(fields: bytes, body: bytes = b"", *, minor: bytes = b"1", method: bytes = b"POST") -> bytes:
    return b"%b /x HTTP/1.%b\r\n%b%b\r\n%b" % (method, minor, H, fields, body)


def chunked(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked\r\n", body)


def word(data: bytes) -> str:
    """Bytes as a readable part of a name."""
    shown = data if len(data) <= 90 else data[:40] + b"..%d" % len(data)
    return ascii(shown.decode("latin-1"))[1:-1] or "nothing"


def refused(kind: str, rows: Iterable[tuple[str | bytes, bytes]], *codes: int, late: bool = False) -> list[Row]:
    return [
        Row(f"{kind}: {name if isinstance(name, str) else word(name)}", raw, refused=codes or (400,), late=late)
        for name, raw in rows
    ]


def passes(kind: str, rows: Iterable[tuple[str | bytes, bytes, Seen]]) -> list[Row]:
    return [Row(f"{kind}: {name if isinstance(name, str) else word(name)}", raw, (seen,)) for name, raw, seen in rows]


POSTED = Seen(method=b"POST", body=b"hello")
LAST = b"0\r\n\r\n"
FIVE = b"5\r\nhello\r\n" + LAST

# Framing: a length and a coding at once, in every spelling and order

_LENGTHS = (b"Content-Length: 5", b"content-length:5", b"CONTENT-LENGTH: 0", b"Content-Length: \t5\t ")
_CODINGS = (
    b"Transfer-Encoding: chunked", b"transfer-encoding:chunked", b"Transfer-Encoding:\tchunked",
    b"TRANSFER-ENCODING: CHUNKED", b"Transfer-Encoding: chunked \t", b"Transfer-Encoding: identity",
    b"Transfer-Encoding: xchunked", b"Transfer-Encoding:", b"Transfer-Encoding: chunked, chunked",
)  # fmt: skip
LENGTH_AND_CODING = refused(
    "length and coding",
    (
        (b" + ".join(pair), post(b"\r\n".join(pair) + b"\r\n", FIVE))
        for length in _LENGTHS
        for coding in _CODINGS
        for pair in ((length, coding), (coding, length))
    ),
) + refused(
    "length and coding",
    [
        ("far apart", post(b"Content-Length: 5\r\nX-A: 1\r\nX-B: 2\r\nTransfer-Encoding: chunked\r\n", FIVE)),
        ("named in Connection",
            post(b"Connection: Transfer-Encoding\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", FIVE)),
        ("the length named in Connection",
            post(b"Connection: Content-Length\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n", FIVE)),
        ("on GET", get(fields=b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + FIVE),
        ("in HTTP/1.0", post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", FIVE, minor=b"0")),
    ],
)  # fmt: skip

# Framing: several lengths

TWO_LENGTHS = refused(
    "two lengths",
    [
        (b"%b and %b" % (first, second),
            post(b"Content-Length: %b\r\n%bContent-Length: %b\r\n" % (first, between, second), b"hello"))
        for first, second in ((b"5", b"5"), (b"5", b"6"), (b"0", b"5"), (b"5", b"0"), (b"05", b"5"), (b"5", b""),
            (b"", b"5"))
        for between in (b"",)
    ],
) + refused(
    "two lengths",
    [
        ("in two cases of letters", post(b"Content-Length: 5\r\ncontent-length: 5\r\n", b"hello")),
        ("with a field between", post(b"Content-Length: 5\r\nX-A: 1\r\nContent-Length: 0\r\n", b"hello")),
        ("three of them", post(b"Content-Length: 5\r\nContent-Length: 5\r\nContent-Length: 5\r\n", b"hello")),
        ("on GET", get(fields=b"Content-Length: 0\r\nContent-Length: 44\r\n")),
        ("in HTTP/1.0", post(b"Content-Length: 5\r\nContent-Length: 0\r\n", b"hello", minor=b"0")),
    ],
)  # fmt: skip

# Framing: what is no length

BAD_LENGTHS = refused(
    "no length",
    (
        (value, post(b"Content-Length: %b\r\n" % value, b"hello"))
        for value in (
            b"+5", b"-5", b"-0", b"+0", b"0x5", b"0X5", b"x5", b"5h", b"0b101", b"0o5", b"5_0", b"_5", b"5_", b"5 5",
            b"5\t5",
            b"5,5", b"5, 5", b"5,", b",5", b"5;5", b"5;a=b", b"5.0", b"5.", b".5", b"5e0", b"1e1", b"five", b"NaN",
            b"inf", b"null",
            b"", b"\"5\"", b"'5'", b"(5)", b"5 ;", b"5 chunked", b"chunked", b"9223372036854775808",
            b"18446744073709551621",
            b"99999999999999999999999999999999", b"4294967301x", b"\xef\xbc\x95", b"\xd9\xa5", b"\xc2\xb2", b"\xb2",
            b"\xc2\xa05",
            b"\xa05", b"5\xa0", b"5%30", b"%35", b"\\5", b"5/1", b"0 5",
        )
    ),
) + refused(
    "no length",
    [
        ("NUL behind the digit", post(b"Content-Length: 5\x00\r\n", b"hello")),
        ("vertical tab before", post(b"Content-Length:\x0b5\r\n", b"hello")),
        ("form feed before", post(b"Content-Length:\x0c5\r\n", b"hello")),
        ("form feed behind", post(b"Content-Length: 5\x0c\r\n", b"hello")),
        ("file separator behind", post(b"Content-Length: 5\x1c\r\n", b"hello")),
        ("bare CR behind", post(b"Content-Length: 5\r\r\n", b"hello")),
        ("bare LF inside", post(b"Content-Length: 5\n5\r\n", b"hello")),
        ("folded", post(b"Content-Length:\r\n 5\r\n", b"hello")),
        ("folded second digit", post(b"Content-Length: 5\r\n 0\r\n", b"hello")),
        ("space before the colon", post(b"Content-Length : 5\r\n", b"hello")),
        ("tab before the colon", post(b"Content-Length\t: 5\r\n", b"hello")),
        ("space before the name", post(b" Content-Length: 5\r\n", b"hello")),
        ("NUL in the name", post(b"Content-Length\x00: 5\r\n", b"hello")),
        ("no colon", post(b"Content-Length 5\r\n", b"hello")),
    ],
)  # fmt: skip

GOOD_LENGTHS = passes(
    "length",
    [
        ("plain", post(b"Content-Length: 5\r\n", b"hello"), POSTED),
        ("without space", post(b"Content-Length:5\r\n", b"hello"), POSTED),
        ("white space around", post(b"Content-Length: \t 5 \t\r\n", b"hello"), POSTED),
        ("leading zeros", post(b"Content-Length: 0005\r\n", b"hello"), POSTED),
        ("lower-case name", post(b"content-length: 5\r\n", b"hello"), POSTED),
        ("upper-case name", post(b"CONTENT-LENGTH: 5\r\n", b"hello"), POSTED),
        ("none on POST", post(b""), Seen(method=b"POST", has=(b"Content-Length: 0",))),
        ("zero on POST", post(b"Content-Length: 0\r\n"), Seen(method=b"POST", has=(b"Content-Length: 0",))),
        ("zero on GET", get(fields=b"Content-Length: 0\r\n"), Seen(absent=(b"content-length",))),
        ("named in Connection", post(b"Connection: content-length\r\nContent-Length: 5\r\n", b"hello"), POSTED),
        ("the body looks like a request", post(b"Content-Length: 24\r\n", b"GET /evil HTTP/1.1\r\n\r\n12"),
         Seen(method=b"POST", body=b"GET /evil HTTP/1.1\r\n\r\n12")),
        ("the body is every byte", post(b"Content-Length: 256\r\n", bytes(range(256))),
            Seen(method=b"POST", body=bytes(range(256)))),
        # names that only look like framing are dropped, so the one real length holds at both readers
        ("with Transfer_Encoding", post(b"Transfer_Encoding: chunked\r\nContent-Length: 5\r\n", b"hello"),
         Seen(method=b"POST", body=b"hello", absent=(b"transfer-encoding",))),
        ("with Transfer.Encoding", post(b"Content-Length: 5\r\nTransfer.Encoding: chunked\r\n", b"hello"),
         Seen(method=b"POST", body=b"hello", absent=(b"transfer-encoding",))),
        ("with Content_Length", post(b"Content_Length: 44\r\nContent-Length: 5\r\n", b"hello"),
         Seen(method=b"POST", body=b"hello", has=(b"Content-Length: 5",))),
        ("with Content~Length", post(b"Content-Length: 5\r\nContent~Length: 44\r\n", b"hello"),
         Seen(method=b"POST", body=b"hello", has=(b"Content-Length: 5",))),
        ("only Content_Length", post(b"Content_Length: 5\r\n"), Seen(method=b"POST", has=(b"Content-Length: 0",))),
        ("with Trailer and TE", post(b"TE: trailers\r\nTrailer: X-A\r\nContent-Length: 5\r\n", b"hello"),
         Seen(method=b"POST", body=b"hello", absent=(b"te", b"trailer"))),
        *((f"a body on {method.decode()}", post(b"Content-Length: 5\r\n", b"hello", method=method),
            Seen(method=method, body=b"hello"))
          for method in (b"GET", b"HEAD", b"PUT", b"PATCH", b"DELETE", b"OPTIONS")),
    ],
)  # fmt: skip

# Framing: what is no coding

BAD_CODINGS = refused(
    "no coding",
    (
        (value, post(b"Transfer-Encoding: %b\r\n" % value, FIVE))
        for value in (
            b"xchunked", b"chunkedx", b"x chunked", b"chunked x", b"chunked, identity", b"identity, chunked",
            b"chunked, chunked",
            b"chunked,chunked", b"chunked,", b",chunked", b", chunked", b",", b"", b"identity", b"gzip",
            b"gzip, chunked",
            b"chunked, gzip", b"deflate", b"compress, chunked", b"cow", b"chunked;q=1", b"chunked;",
            b"chunked; foo=bar", b";chunked",
            b"\"chunked\"", b"'chunked'", b"chunk", b"chunked.", b"chunked-", b"-chunked", b"chun ked", b"ch%75nked",
            b"chunked\xa0",
            b"\xa0chunked", b"\xc2\xa0chunked", b"chun\xe2\x84\xaaed", b"\xef\xbb\xbfchunked", b"trailers", b"none",
            b"0", b"5",
            b"\\chunked", b"chunked\\", b"[chunked]", b"chunked chunked", b"=chunked", b"chunked=",
        )
    ),
) + refused(
    "no coding",
    [
        ("space before the colon", post(b"Transfer-Encoding : chunked\r\n", FIVE)),
        ("tab before the colon", post(b"Transfer-Encoding\t: chunked\r\n", FIVE)),
        ("vertical tab before the colon", post(b"Transfer-Encoding\x0b: chunked\r\n", FIVE)),
        ("NUL before the colon", post(b"Transfer-Encoding\x00: chunked\r\n", FIVE)),
        ("no-break space before the colon", post(b"Transfer-Encoding\xa0: chunked\r\n", FIVE)),
        ("vertical tab behind the colon", post(b"Transfer-Encoding:\x0bchunked\r\n", FIVE)),
        ("form feed behind the colon", post(b"Transfer-Encoding:\x0cchunked\r\n", FIVE)),
        ("backspace behind the colon", post(b"Transfer-Encoding:\x08chunked\r\n", FIVE)),
        ("vertical tab at the end", post(b"Transfer-Encoding: chunked\x0b\r\n", FIVE)),
        ("NUL at the end", post(b"Transfer-Encoding: chunked\x00\r\n", FIVE)),
        ("DEL at the end", post(b"Transfer-Encoding: chunked\x7f\r\n", FIVE)),
        ("bare CR at the end", post(b"Transfer-Encoding: chunked\r\r\n", FIVE)),
        ("bare CR before", post(b"Transfer-Encoding:\rchunked\r\n", FIVE)),
        ("bare LF before", post(b"Transfer-Encoding:\nchunked\r\n", FIVE)),
        ("folded", post(b"Transfer-Encoding:\r\n chunked\r\n", FIVE)),
        ("folded with tab", post(b"Transfer-Encoding:\r\n\tchunked\r\n", FIVE)),
        ("folded second word", post(b"Transfer-Encoding: chunked\r\n , identity\r\n", FIVE)),
        ("space before the name", post(b" Transfer-Encoding: chunked\r\n", FIVE)),
        ("tab before the name", post(b"\tTransfer-Encoding: chunked\r\n", FIVE)),
        ("hidden behind a bare LF", post(b"X-A: 1\nTransfer-Encoding: chunked\r\n", FIVE)),
        ("hidden behind a bare CR", post(b"X-A: 1\rTransfer-Encoding: chunked\r\n", FIVE)),
        ("hidden behind a NUL", post(b"X-A: 1\x00Transfer-Encoding: chunked\r\n", FIVE)),
        ("no colon", post(b"Transfer-Encoding chunked\r\n", FIVE)),
        ("twice", post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", FIVE)),
        ("chunked, then identity on another line",
            post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", FIVE)),
        ("identity, then chunked on another line",
            post(b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", FIVE)),
        ("empty, then chunked on another line", post(b"Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n", FIVE)),
        ("chunked, then cow on another line", post(b"Transfer-Encoding: chunked\r\nTransfer-encoding: cow\r\n", FIVE)),
        ("in HTTP/1.0", post(b"Transfer-Encoding: chunked\r\n", FIVE, minor=b"0")),
        ("in HTTP/1.0 with keep-alive",
            post(b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n", FIVE, minor=b"0")),
        ("identity in HTTP/1.0", post(b"Transfer-Encoding: identity\r\n", minor=b"0")),
    ],
)  # fmt: skip

GOOD_CODINGS = passes(
    "coding",
    [
        *((value, post(b"Transfer-Encoding:%b\r\n" % value, FIVE), POSTED)
          for value in (b" chunked", b"chunked", b"\tchunked", b"   chunked\t", b" Chunked", b" CHUNKED", b" cHuNkEd")),
        ("upper-case name", post(b"TRANSFER-ENCODING: chunked\r\n", FIVE), POSTED),
        ("named in Connection", post(b"Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n", FIVE), POSTED),
        ("with Content_Length", post(b"Transfer-Encoding: chunked\r\nContent_Length: 3\r\n", FIVE),
         Seen(method=b"POST", body=b"hello", absent=(b"content-length",))),
        ("with Content.Length", post(b"Content.Length: 0\r\nTransfer-Encoding: chunked\r\n", FIVE),
         Seen(method=b"POST", body=b"hello", absent=(b"content-length",))),
        ("a second one spelled with underscore",
            post(b"Transfer-Encoding: chunked\r\nTransfer_Encoding: identity\r\n", FIVE),
         Seen(method=b"POST", body=b"hello", has=(b"Transfer-Encoding: chunked",))),
        ("TE is not a coding", get(fields=b"TE: chunked, trailers\r\n"), Seen(absent=(b"te", b"transfer-encoding"))),
        *((f"chunked on {method.decode()}", post(b"Transfer-Encoding: chunked\r\n", FIVE, method=method),
           Seen(method=method, body=b"hello")) for method in (b"GET", b"HEAD", b"PUT", b"PATCH", b"DELETE",
           b"OPTIONS")),
    ],
)  # fmt: skip

# Chunks

BAD_CHUNKS = refused(
    "chunks",
    (
        (name, chunked(body))
        for name, body in (
            *((b"size %b" % size, size + b"\r\nhello\r\n" + LAST)
              for size in (b"-5", b"+5", b"0x5", b"0X5", b"x5", b"5h", b"5_", b"_5", b"0_5", b" 5", b"\t5", b"5 5",
                  b"5\t5", b"5.", b"5,",
                           b"5,5", b"\"5\"", b"five", b"g", b"5\x00", b"\x005", b"5\x0b", b"5\x0c", b"\x0b5", b"5\xa0",
                           b"\xa05",
                           b"\xef\xbc\x95", b"\xb2", b"5=", b"5:5", b"%35", b"5\x1c", b"5\x7f", b"", b"-0", b"+0",
                           b"-1",
                           b"fffffffffffffffff", b"10000000000000005", b"0000000000000000000005",
                           b"ffffffffffffffff0005")),
            (b"first size empty then right", b"\r\n5\r\nhello\r\n" + LAST),
            (b"size ended by LF", b"5\nhello\r\n" + LAST),
            (b"size ended by CR", b"5\rhello\r\n" + LAST),
            (b"size ended by CR CR LF", b"5\r\r\nhello\r\n" + LAST),
            (b"size ended by LF CR", b"5\n\rhello\r\n" + LAST),
            (b"data ended by LF", b"5\r\nhello\n" + LAST),
            (b"data ended by CR", b"5\r\nhello\r" + LAST),
            (b"data ended by nothing", b"5\r\nhello" + LAST),
            (b"data ended by LF CR", b"5\r\nhello\n\r" + LAST),
            (b"data ended by CR CR LF", b"5\r\nhello\r\r\n" + LAST),
            (b"data ended by two spaces", b"5\r\nhello  " + LAST),
            (b"data one byte longer", b"5\r\nhelloX\r\n" + LAST),
            (b"data one byte shorter", b"5\r\nhell\r\n" + LAST),
            (b"second chunk bad", b"5\r\nhello\r\n-1\r\n\r\n" + LAST),
            (b"second chunk without CRLF before", b"5\r\nhello5\r\nhello\r\n" + LAST),
            (b"last chunk ended by LF", b"5\r\nhello\r\n0\n\n"),
            (b"last chunk LF then CRLF", b"5\r\nhello\r\n0\n\r\n"),
            (b"last chunk CRLF then LF", b"5\r\nhello\r\n0\r\n\n"),
            (b"last chunk CRLF then CR", b"5\r\nhello\r\n0\r\n\rX"),
            (b"last chunk with sign", b"5\r\nhello\r\n-0\r\n\r\n"),
            (b"last chunk 0x0", b"5\r\nhello\r\n0x0\r\n\r\n"),
            (b"extension with LF", b"5;a\nb\r\nhello\r\n" + LAST),
            (b"extension with CR", b"5;a\rb\r\nhello\r\n" + LAST),
            (b"extension ended by LF", b"5;\nhello\r\n" + LAST),
            (b"extension with LF hiding a size", b"5;\nhello\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n" + H + b"\r\n"),
            (b"extension with CR hiding a size", b"2;\rxx\r\n45\r\n0\r\n\r\n"),
            (b"extension with NUL", b"5;a=\x00\r\nhello\r\n" + LAST),
            (b"extension with DEL", b"5;a=\x7f\r\nhello\r\n" + LAST),
            (b"extension with ESC", b"5;a=\x1b\r\nhello\r\n" + LAST),
            (b"extension on the last chunk with LF", b"5\r\nhello\r\n0;a\nb\r\n\r\n"),
            (b"extension of 5000 bytes", b"5;" + b"a" * 5000 + b"\r\nhello\r\n" + LAST),
            (b"extension without semicolon", b"5 a=b\r\nhello\r\n" + LAST),
            (b"size line without end", b"5" * 5000),
            (b"trailer without colon", b"5\r\nhello\r\n0\r\nno colon\r\n\r\n"),
            (b"trailer with space before the colon", b"5\r\nhello\r\n0\r\nX-A : 1\r\n\r\n"),
            (b"trailer folded", b"5\r\nhello\r\n0\r\nX-A: 1\r\n 2\r\n\r\n"),
            (b"trailer with a leading space", b"5\r\nhello\r\n0\r\n X-A: 1\r\n\r\n"),
            (b"trailer with bare LF", b"5\r\nhello\r\n0\r\nX-A: 1\nX-B: 2\r\n\r\n"),
            (b"trailer with bare CR", b"5\r\nhello\r\n0\r\nX-A: 1\rX-B: 2\r\n\r\n"),
            (b"trailer ended by LF", b"5\r\nhello\r\n0\r\nX-A: 1\n\n"),
            (b"trailer with NUL", b"5\r\nhello\r\n0\r\nX-A: \x00\r\n\r\n"),
            (b"trailer with empty name", b"5\r\nhello\r\n0\r\n: 1\r\n\r\n"),
            (b"trailer with a name that is no token", b"5\r\nhello\r\n0\r\nX(A): 1\r\n\r\n"),
            (b"trailer with a non-ASCII name", b"5\r\nhello\r\n0\r\nX\xe9: 1\r\n\r\n"),
            (b"trailer that is a request line", b"5\r\nhello\r\n0\r\nGET /smuggled HTTP/1.1\r\n" + H + b"\r\n"),
            (b"trailers of 20 KB", b"5\r\nhello\r\n0\r\n" + b"X-A: %b\r\n" % (b"a" * 1000) * 20 + b"\r\n"),
            (b"one trailer of 20 KB", b"5\r\nhello\r\n0\r\nX-A: " + b"a" * 20000 + b"\r\n\r\n"),
        )
    ),
    late=True,
)  # fmt: skip

_TRAILED = Seen(method=b"POST", body=b"hello", absent=(b"trailer", b"x-a"))
GOOD_CHUNKS = passes(
    "chunks",
    [
        ("several", chunked(b"2\r\nhe\r\n3\r\nllo\r\n" + LAST), POSTED),
        ("none", chunked(LAST), Seen(method=b"POST", has=(b"Transfer-Encoding: chunked",))),
        ("one byte each", chunked(b"".join(b"1\r\n%c\r\n" % c for c in b"hello") + LAST), POSTED),
        ("upper-case size", chunked(b"A\r\n0123456789\r\n" + LAST), Seen(method=b"POST", body=b"0123456789")),
        ("lower-case size", chunked(b"a\r\n0123456789\r\n" + LAST), Seen(method=b"POST", body=b"0123456789")),
        ("leading zeros", chunked(b"0005\r\nhello\r\n" + LAST), POSTED),
        ("last chunk of several zeros", chunked(b"5\r\nhello\r\n000\r\n\r\n"), POSTED),
        ("data with CRLF and a last chunk in it", chunked(b"7\r\n\r\n0\r\n\r\n\r\n" + LAST),
            Seen(method=b"POST", body=b"\r\n0\r\n\r\n")),
        ("extension", chunked(b"5;a=b\r\nhello\r\n" + LAST), POSTED),
        ("extension without value", chunked(b"5;a\r\nhello\r\n" + LAST), POSTED),
        ("extension with a quoted string", chunked(b"5;a=\"x;y\"\r\nhello\r\n" + LAST), POSTED),
        ("extension on the last chunk", chunked(b"5\r\nhello\r\n0;evil=1\r\n\r\n"), POSTED),
        ("extension is not passed on", chunked(b"5;evil=evil\r\nhello\r\n" + LAST), POSTED),
        *((b"trailer " + line, chunked(b"5\r\nhello\r\n0\r\n%b\r\n\r\n" % line), _TRAILED)
          for line in (b"X-A: 1", b"Content-Length: 44", b"Transfer-Encoding: identity", b"Host: evil.test",
              b"Cookie: evil=1",
                       b"Authorization: evil", b"X-VT-RPPS: evil", b"X_VT_RPPS: evil", b"x-vt-assertion: evil",
                       b"vtgw-client: evil",
                       b"Connection: close", b"Expect: 100-continue", b"X-Forwarded-For: evil", b"Content-Type: evil",
                       b"X-A:",
                       b"Upgrade: h2c", b"X-A: \xe9evil")),
        ("two trailers", chunked(b"5\r\nhello\r\n0\r\nX-A: 1\r\nX-VT-Role: evil\r\n\r\n"), _TRAILED),
        ("announced trailer of ours",
         post(b"Trailer: X-VT-RPPS\r\nTransfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\nX-VT-RPPS: evil\r\n\r\n"),
         _TRAILED),
    ],
)  # fmt: skip

# Lines and bytes of a head

_CONTROLS = [c for c in range(0x20) if c not in (0x09, 0x0A, 0x0D)] + [0x7F]
_NOT_TOKEN = b'"(),/;<=>?@[\\]{} \t'
LINES = (
    refused("control in a value", ((f"{c:02x}", get(fields=b"X-A: a%cb\r\n" % c)) for c in _CONTROLS))
    + refused("control in a name", ((f"{c:02x}", get(fields=b"X-A%cB: 1\r\n" % c)) for c in [*_CONTROLS, 0x0A, 0x0D]))
    + refused("name that is no token", ((bytes([c]), get(fields=b"X%cA: 1\r\n" % c)) for c in _NOT_TOKEN))
    + refused("name that is no token", ((f"{c:02x}", get(fields=b"X%cA: 1\r\n" % c)) for c in (0x80, 0xA0, 0xE9, 0xFF)))
    + refused(
        "lines",
        [
            ("bare LF ends the request line", b"GET /x HTTP/1.1\n" + H + b"\r\n"),
            ("bare CR ends the request line", b"GET /x HTTP/1.1\r" + H + b"\r\n"),
            ("bare LF ends every line", b"GET /x HTTP/1.1\nHost: vt.test\n\n"),
            ("bare LF ends a field", b"GET /x HTTP/1.1\r\nHost: vt.test\nX-A: 1\r\n\r\n"),
            ("bare LF ends the block", b"GET /x HTTP/1.1\r\nHost: vt.test\r\nX-A: 1\n\r\n"),
            ("LF CRLF ends the block", b"GET /x HTTP/1.1\r\nHost: vt.test\n\r\n"),
            ("CR CR LF ends a field", b"GET /x HTTP/1.1\r\nHost: vt.test\r\r\nX-A: 1\r\n\r\n"),
            ("bare CR in a value", get(fields=b"X-A: a\rb\r\n")),
            ("bare LF in a value", get(fields=b"X-A: a\nb\r\n")),
            ("bare LF then a field of ours", get(fields=b"X-A: a\nX-VT-RPPS: evil\r\n")),
            ("bare CR then a field of ours", get(fields=b"X-A: a\rX-VT-RPPS: evil\r\n")),
            ("folded with space", get(fields=b"X-A: a\r\n b\r\n")),
            ("folded with tab", get(fields=b"X-A: a\r\n\tb\r\n")),
            ("folded empty line", get(fields=b"X-A: a\r\n \r\n")),
            ("folded behind Host", b"GET /x HTTP/1.1\r\nHost: vt.test\r\n .evil\r\n\r\n"),
            ("space before the first field", b"GET /x HTTP/1.1\r\n Host: vt.test\r\n\r\n"),
            ("tab before the first field", b"GET /x HTTP/1.1\r\n\tHost: vt.test\r\n\r\n"),
            ("space before the first of two", b"GET /x HTTP/1.1\r\n X-A: 1\r\nHost: vt.test\r\n\r\n"),
            ("space before a later field", get(fields=b"X-A: 1\r\n X-B: 2\r\n")),
            ("space before the colon", get(fields=b"X-A : 1\r\n")),
            ("tab before the colon", get(fields=b"X-A\t: 1\r\n")),
            ("no colon", get(fields=b"X-A\r\n")),
            ("no colon but a value", get(fields=b"X-A 1\r\n")),
            ("empty name", get(fields=b": 1\r\n")),
            ("only a colon", get(fields=b":\r\n")),
            ("a name of a space", get(fields=b" : 1\r\n")),
            ("quoted name", get(fields=b"\"X-A\": 1\r\n")),
            ("a second request line", get(fields=b"GET /y HTTP/1.1\r\n")),
            ("two empty lines first", b"\r\n\r\n" + get()),
            ("a space first", b" " + get()),
            ("empty line and a space first", b"\r\n " + get()),
            ("bytes of a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
            ("an old SSL hello", b"\x80\x2e\x01\x00\x02\r\n\r\n"),
            ("a PROXY line", b"PROXY TCP4 6.6.6.6 127.0.0.1 1 80\r\n" + get()),
            ("a PROXY v2 signature", b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12) + get()),
            ("a mail client", b"EHLO evil\r\n\r\n"),
        ],
    )
    + refused(
        "lines",
        [
            ("bare LF first", b"\n" + get()),
            ("a tab first", b"\t" + get()),
            ("a NUL first", b"\x00" + get()),
            ("byte order mark first", b"\xef\xbb\xbf" + get()),
        ],
        *UNREADABLE,
    )
)  # fmt: skip

# Fields that pass, are dropped, or are ours

_OURS = (
    b"X-VT-RPPS", b"x-vt-rpps", b"X-vT-rPpS", b"X_VT_RPPS", b"x_vt_rpps", b"X-VT_RPPS", b"X_VT-RPPS", b"X.VT.RPPS",
    b"X-VT.RPPS",
    b"X~VT~RPPS", b"X!VT-RPPS", b"X+VT+RPPS", b"X*VT*RPPS", b"X'VT'RPPS", b"X`VT`RPPS", b"X|VT|RPPS", b"X^VT^RPPS",
    b"X#VT#RPPS",
    b"X$VT$RPPS", b"X%VT%RPPS", b"X&VT&RPPS", b"X-VT-", b"X-VT-Unknown", b"X-VT-Assertion", b"x_vt_assertion",
    b"X.VT.Assertion",
    b"X-VT-Level", b"X_VT_ACT", b"vtgw-client", b"VTGW-Client", b"vtgw_client", b"VTGW_SCHEME", b"vtgw.host",
    b"vtgw-cert-source",
    b"vtgw-request-id", b"vtgw-x",
)  # fmt: skip
_SPOKEN = (
    b"Forwarded", b"FORWARDED", b"X-Forwarded-For", b"x_forwarded_for", b"X.Forwarded.For", b"X-Forwarded-Proto",
    b"X-Forwarded-Host",
    b"X-Forwarded-Port", b"X-Forwarded-Server", b"X-Forwarded-Prefix", b"X-Forwarded-User", b"X-Forwarded-Uri",
    b"X-Forwarded-Scheme",
    b"X-Real-IP", b"X_Real_IP", b"X-Client-IP", b"True-Client-IP", b"X-Cluster-Client-IP", b"CF-Connecting-IP",
    b"Fastly-Client-IP",
    b"X-Remote-IP", b"X-Remote-Addr", b"X-Host", b"X-Original-URL", b"X-Original-URI", b"X-Original-Host",
    b"X-Rewrite-URL",
    b"X_Rewrite_URL", b"X-HTTP-Method", b"X-HTTP-Method-Override", b"X-Method-Override", b"X_HTTP_METHOD_OVERRIDE",
    b"Proxy",
    b"Client-Cert", b"Client-Cert-Chain", b"client_cert", b"X-SSL-Client-Cert", b"X-SSL-Client-DER",
    b"X_SSL_CLIENT_S_DN", b"SSL-Client-Cert",
    b"SSL_CLIENT_CERT", b"X-Client-Cert", b"X-Envoy-External-Address", b"X-Envoy-Original-Path", b"Remote-User",
    b"REMOTE_USER",
    b"Via", b"X-Request-ID", b"traceparent", b"tracestate", b"Proxy-Authorization", b"Proxy-Connection", b"Keep-Alive",
    b"TE", b"Trailer",
    b"HTTP2-Settings", b"Proxy-Authenticate",
)  # fmt: skip
_ODD = b"!#$%&'*+.^_`|~"
FIELDS = passes(
    "ours said by the client",
    ((name, get(fields=b"%b: evil\r\n" % name), Seen()) for name in _OURS),
) + passes(
    "speaking for another",
    ((name, get(fields=b"%b: evil\r\n" % name), Seen()) for name in _SPOKEN),
) + passes(
    "odd name is dropped",
    ((bytes([c]), get(fields=b"X%cA: evil\r\nX-B: 1\r\n" % c), Seen(has=(b"X-B: 1",), absent=(b"x-a",))) for c in _ODD),
) + passes(
    "fields",
    [
        ("ours twice", get(fields=b"X-VT-RPPS: evil\r\nx-vt-rpps: evil\r\n"), Seen()),
        ("ours before Host", b"GET /x HTTP/1.1\r\nX-VT-RPPS: evil\r\n" + H + b"\r\n", Seen()),
        ("ours named in Connection", get(fields=b"Connection: X-VT-RPPS\r\n"), Seen()),
        ("all of ours named in Connection", get(fields=b"Connection: x-vt-rpps, X-VT-Assertion, x-vt-\r\n"), Seen()),
        ("ours named in Connection, other case", get(fields=b"connection: X-vt-RPPS\r\n"), Seen()),
        ("ours sent and named in Connection", get(fields=b"Connection: X-VT-RPPS\r\nX-VT-RPPS: evil\r\n"), Seen()),
        ("ours named on a second Connection line",
            get(fields=b"Connection: keep-alive\r\nConnection: X-VT-Assertion\r\n"), Seen()),
        ("Host named in Connection", get(fields=b"Connection: Host\r\n"), Seen()),
        ("Cookie named in Connection", get(fields=b"Connection: Cookie\r\nCookie: a=1\r\n"),
            Seen(has=(b"Cookie: a=1",))),
        ("Authorization named in Connection", get(fields=b"Connection: authorization\r\nAuthorization: Basic eA==\r\n"),
         Seen(has=(b"Authorization: Basic eA==",))),
        ("what the door says named in Connection",
         get(fields=b"Connection: X-Forwarded-For, X-Forwarded-Proto, Forwarded, X-Request-ID, traceparent\r\n"),
         Seen()),
        ("a private field named in Connection", get(fields=b"Connection: X-Priv\r\nX-Priv: evil\r\nX-A: 1\r\n"),
         Seen(has=(b"X-A: 1",), absent=(b"x-priv",))),
        ("a private field named in another case", get(fields=b"Connection: X-PRIV\r\nx-Priv: evil\r\n"),
            Seen(absent=(b"x-priv",))),
        ("a private field named on two lines",
            get(fields=b"Connection: a\r\nX-Priv: evil\r\nConnection: \t x-priv , b\r\n"),
         Seen(absent=(b"x-priv",))),
        ("odd lists in Connection", get(fields=b"Connection: ,, ,keep-alive,,\r\n"), Seen()),
        ("empty Connection", get(fields=b"Connection:\r\n"), Seen()),
        ("order and doubles stay", get(fields=b"X-A: 1\r\nX-B: 2\r\nX-A: 3\r\n"),
            Seen(has=(b"X-A: 1", b"X-B: 2", b"X-A: 3"))),
        ("empty value", get(fields=b"X-A:\r\n"), Seen(has=(b"X-A: ",))),
        ("white space around a value", get(fields=b"X-A: \t v w \t\r\n"), Seen(has=(b"X-A: v w",))),
        ("tab inside a value", get(fields=b"X-A: v\tw\r\n"), Seen(has=(b"X-A: v\tw",))),
        ("colons in a value", get(fields=b"X-A:: b: c\r\n"), Seen(has=(b"X-A: : b: c",))),
        ("latin-1 in a value", get(fields=b"X-A: caf\xe9\r\n"), Seen(has=(b"X-A: caf\xe9",))),
        ("UTF-8 in a value", get(fields=b"X-A: caf\xc3\xa9\r\n"), Seen(has=(b"X-A: caf\xc3\xa9",))),
        ("names keep their letters", get(fields=b"x-LoWeR: 1\r\n"), Seen(has=(b"x-LoWeR: 1",))),
        ("near ours but not ours", get(fields=b"X-VTX: 1\r\nXVT-RPPS: 2\r\n"), Seen(has=(b"X-VTX: 1", b"XVT-RPPS: 2"))),
        ("digits in a name", get(fields=b"9-1: 1\r\n"), Seen(has=(b"9-1: 1",))),
        ("Range", get(fields=b"Range: bytes=0-1\r\n"), Seen(has=(b"Range: bytes=0-1",))),
        ("Range of many parts", get(fields=b"Range: bytes=0-1,3-4,-1\r\nIf-Range: \"x\"\r\n"),
         Seen(has=(b"Range: bytes=0-1,3-4,-1", b"If-Range: \"x\""))),
        ("conditions", get(fields=b"If-None-Match: \"a\"\r\nIf-Modified-Since: Sun, 01 Mar 2026 12:00:00 GMT\r\n"),
         Seen(has=(b"If-None-Match: \"a\"", b"If-Modified-Since: Sun, 01 Mar 2026 12:00:00 GMT"))),
        ("Authorization", get(fields=b"Authorization: Bearer x.y.z\r\n"), Seen(has=(b"Authorization: Bearer x.y.z",))),
        ("one empty line before the request", b"\r\n" + get(), Seen()),
    ],
)  # fmt: skip

# Targets

TARGETS = refused(
    "target",
    (
        (target, get(target))
        for target in (
            # other forms
            b"http://other.test/x", b"http://vt.test.other.test/x", b"http://other.test:80/x", b"https://vt.test/x",
            b"ftp://vt.test/x",
            b"ws://vt.test/x", b"file:///x", b"javascript:x", b"http:/x", b"http:x", b"http:///x", b"http://",
            b"://vt.test/x", b"http//vt.test/x",
            b"http://u@vt.test/x", b"http://u:p@vt.test/x", b"http://@vt.test/x", b"http://vt.test@other.test/x",
            b"http://vt.test:x/x",
            b"http://vt.test:/x", b"http://vt.test:99999/x", b"http://vt.test:-1/x", b"http://vt.test./x",
            b"http://vt..test/x",
            b"http://vt.test#x", b"http://vt.test/x#y", b"http://vt.test/#", b"http://vt.test\\@other.test/x",
            b"http://vt.test\\x",
            b"http:\\\\vt.test\\x", b"http://vt.test%2fx", b"http://vt.test%00/x", b"http://vt.test,other.test/x",
            b"http://[::1]/x",
            b"http://[vt.test]/x", b"http://[/x", b"http://vt.test;x/x", b"http://v\xc3\xa9.test/x",
            b"http://vt.test/x\xc3\xa9",
            b"http://vt.test/../x", b"http://vt.test/%2e%2e/x", b"http://vt.test//x", b"http://vt.test/a%2fb",
            b"http://vt.test/a\\b",
            b"http://vt.test/%zz", b"http://vt.test/a\tb", b"http://vt.test/\x00", b"http://127.0.0.1/x",
            b"http://localhost/x",
            b"vt.test:80", b"vt.test", b"vt.test/x", b"other.test:443", b"*", b"**", b"*/x", b"x", b"x/y", b"?x", b"?",
            b"#", b".", b"..", b"../x",
            b"@vt.test/x", b":80/x", b"%2fx", b"\\x", b"\\\\other.test\\x", b"mailto:x@vt.test", b";/x", b"&", b"-",
            # bytes
            b"/a#b", b"/#", b"/x#", b"/x?y#z", b"/a\\b", b"/\\x", b"/x\\", b"/a/..\\b", b"/x?y\\z", b"/a\tb", b"/\tx",
            b"/x\t", b"/a\x00b", b"/\x00",
            b"/a\x01b", b"/a\x0bb", b"/a\x0cb", b"/a\x1bb", b"/a\x1fb", b"/a\x7fb", b"/x?y\x00", b"/x?y\x7f",
            b"/x?y\tz", b"/\xc3\xa9", b"/\xe9", b"/\xa0", b"/\xff",
            b"/x?\xc3\xa9", b"/\xe2\x80\xae", b"/\xef\xbc\x8f",
            # percent
            b"/%", b"/%%", b"/%2", b"/%zz", b"/%g0", b"/%0g", b"/a%", b"/a%2", b"/%u0041", b"/%x41", b"/% 1", b"/%00",
            b"/a%00b", b"/a%00.html", b"/%0d%0a",
            b"/a%0d%0aX-VT-RPPS:evil", b"/%0a", b"/%0d", b"/%09", b"/%01", b"/%1f", b"/%7f", b"/%c2%80", b"/%c2%9f",
            b"/a%2fb", b"/a%2Fb", b"/%2f", b"/a%2f", b"/%2f%2fother.test", b"/a%5cb", b"/a%5Cb", b"/%5c", b"/..%5cx",
            b"/..%2fx", b"/%2e%2e%2fx", b"/x%2f..%2fy",
            b"/%252e%252e/x", b"/a%252fb", b"/a%255cb", b"/a%25%32%66b", b"/%25%32%65%25%32%65/", b"/%2525", b"/%2541",
            b"/a%2500b", b"/%252525252e",
            # dot segments
            b"/..", b"/.", b"/../", b"/./", b"/../x", b"/./x", b"/a/..", b"/a/.", b"/a/../b", b"/a/./b", b"/a/../../b",
            b"/%2e", b"/%2e%2e", b"/%2e%2e/x", b"/%2E%2E/x",
            b"/.%2e/x", b"/%2e./x", b"/a/%2e/b", b"/a/.%2E", b"/a/%2e%2E/b", b"/...", b"/.../x", b"/a/..../b",
            b"/..;/x", b"/a/..;/b", b"/a/..;x=1/b", b"/a/.;/b",
            b"/a/..%3b/b", b"/a/%2e%2e;/b", b"/a/%2e%2e%3b/b", b"/.;x", b"/..;", b"/a/..%20/b", b"/a/.%20./b",
            b"/a/%20../b", b"/..?x", b"/.?/x", b"/a/..?b", b"/a/b/..",
            b"/..%00/x", b"/..%0d/x", b"/..%09/x", b"/..%01/x",
            # empty segments, Windows endings
            b"//", b"//x", b"///x", b"/a//b", b"/a//", b"//other.test/x", b"//other.test", b"/a///b", b"/a/.//b",
            b"/x.", b"/x./y", b"/x..", b"/x...", b"/x%2e", b"/x%2e/y",
            b"/x%20", b"/x%20/y", b"/x.%20", b"/x%20.", b"/x.%20/y", b"/%20", b"/%20/x", b"/web.config.", b"/x%2e%20",
            # what is not UTF-8
            b"/%c0%ae", b"/%c0%ae%c0%ae/x", b"/%c0%af", b"/..%c0%afx", b"/%c1%9c", b"/..%c1%9cx", b"/%e0%80%ae",
            b"/%e0%80%af", b"/%f0%80%80%ae", b"/%c0%80", b"/%f8%80%80%80%ae",
            b"/%ff", b"/%fe", b"/%80", b"/%e9", b"/%ed%a0%80", b"/%f4%90%80%80", b"/%c3", b"/%c3x", b"/%c0%2e",
        )
    ),
) + refused(
    "target",
    [
        ("raw space", get(b"/a b")),
        ("raw space at the end", get(b"/x ")),
        ("raw space before", get(b" /x")),
        ("raw space in the query", get(b"/x?a b")),
        ("words behind the version", b"GET /x HTTP/1.1 HTTP/1.1\r\n" + H + b"\r\n"),
        ("a version inside the target", b"GET /x HTTP/1.0 /y HTTP/1.1\r\n" + H + b"\r\n"),
        ("nothing", b"GET  HTTP/1.1\r\n" + H + b"\r\n"),
        ("tab in place of the first space", b"GET\t/x HTTP/1.1\r\n" + H + b"\r\n"),
        ("tab in place of the second space", b"GET /x\tHTTP/1.1\r\n" + H + b"\r\n"),
        ("vertical tab in place of a space", b"GET\x0b/x HTTP/1.1\r\n" + H + b"\r\n"),
        ("bare CR in the target", get(b"/a\rb")),
        ("bare LF in the target", get(b"/a\nb")),
        ("a field behind a bare LF in the target", b"GET /x HTTP/1.1\nX-VT-RPPS: evil HTTP/1.1\r\n" + H + b"\r\n"),
        ("* with OPTIONS", get(b"*", method=b"OPTIONS")),
        ("* with POST", get(b"*", method=b"POST")),
        ("absolute for another configured host", get(b"http://localhost/x")),
        ("absolute, Host of another site", get(b"http://vt.test/x", host=b"Host: other.test\r\n")),
        ("absolute, no Host", get(b"http://vt.test/x", host=b"")),
        ("absolute for another site, HTTP/1.0", b"GET http://other.test/x HTTP/1.0\r\n\r\n"),
    ],
)  # fmt: skip
TARGETS_PASS = passes(
    "target",
    (
        (target, get(target), Seen(target))
        for target in (
            b"/", b"/?", b"/??", b"/x/", b"/a/b/c", b"/x?", b"/x?a=1&b=2", b"/x?a=%2F..%2f&b=//c", b"/x?../..",
            b"/x?a=%252e", b"/x?http://other.test/",
            b"/x?b;a", b"/x?+", b"/x?%e9", b"/%C3%A9t%C3%A9", b"/%c3%a9", b"/%7euser", b"/~user", b"/a%20b", b"/a+b",
            b"/a%2bb", b"/.well-known/x", b"/.a", b"/..a",
            b"/a..b", b"/a.b", b"/a/.b/c", b"/a;b=1", b"/a;b/c", b"/a=b", b"/a,b", b"/a:b", b"/@", b"/a@b",
            b"/!$&'()*+,=:@", b"/(a)", b"/a'b", b"/[a]", b"/{a}", b"/a|b", b"/a^b",
            b"/a`b", b"/a\"b", b"/<a>", b"/%41", b"/%3f", b"/%23", b"/%26", b"/100%25", b"/%25",
            b"/http://x".replace(b"//", b"/"), b"/WEB.CONFIG", b"/%e2%82%ac", b"/%f0%9f%98%80",
        )
    ),
) + passes(
    "target",
    [
        ("absolute", get(b"http://vt.test/x"), Seen()),
        ("absolute, upper case", get(b"HTTP://VT.TEST/x"), Seen()),
        ("absolute, no path", get(b"http://vt.test"), Seen(b"/")),
        ("absolute, query without path", get(b"http://vt.test?a=1"), Seen(b"/?a=1")),
        ("absolute, path and query", get(b"http://vt.test/a%20b?c=%2f"), Seen(b"/a%20b?c=%2f")),
        ("absolute, query with slashes", get(b"http://vt.test/x?http://vt.test//y"), Seen(b"/x?http://vt.test//y")),
        ("absolute with the same port", get(b"http://vt.test:80/x", host=b"Host: vt.test:80\r\n"),
            Seen(host=b"vt.test:80")),
        ("absolute for another configured host, Host alike", get(b"http://localhost/x", host=b"Host: localhost\r\n"),
            Seen(host=b"localhost")),
        ("8000 bytes", get(b"/" + b"a" * 8000), Seen(b"/" + b"a" * 8000)),
    ],
)  # fmt: skip

# Host

HOSTS = (
    refused(
        "host",
        (
            (value, get(host=b"Host: %b\r\n" % value))
            for value in (
                b"", b"vt.test,vt.test", b"vt.test, other.test", b"vt.test;other.test", b"vt.test other.test",
                b"u@vt.test", b"u:p@vt.test", b"@vt.test", b"vt.test@other.test",
                b"vt.test/", b"vt.test/x", b"/vt.test", b"vt.test\\x", b"vt.test?x", b"vt.test#x", b"http://vt.test",
                b"//vt.test", b"vt.test:", b"vt.test:x", b"vt.test:80x", b"vt.test:-1",
                b"vt.test:+80", b"vt.test:65536", b"vt.test:99999", b"vt.test:999999", b"vt.test:80:80", b"vt.test: 80",
                b"vt.test :80", b"vt.test:\xd9\xa5", b":80", b":", b"vt.test.",
                b".vt.test", b"vt..test", b"vt.test.:80", b"-vt.test", b"vt.test-", b"vt_test", b"vt%2etest",
                b"vt.test%00", b"vt.test%2f", b"v\xc3\xa9.test", b"v\xe9.test", b"*", b"*.test",
                b"\"vt.test\"", b"'vt.test'", b"vt.test\xa0", b"\xa0vt.test", b"[::1", b"::1", b"[]", b"[vt.test]",
                b"[::1]x", b"[::1]:x", b"[fe80::1%25eth0]", b"[::1%00]", b"vt.test|x", b"vt.test`x",
                b"vt.test$x", b"vt.test&x", b"vt.test=x", b"vt.test<x", b"vt.test{}", b"a" * 300,
            )
        ),
    )
    + refused(
        "host unknown here",
        (
            (value, get(host=b"Host: %b\r\n" % value))
            for value in (b"other.test", b"vt.test.other.test", b"xvt.test", b"vt.tes", b"other.test:80", b"[::1]",
                b"[::1]:80", b"127.0.0.2", b"0", b"2130706433", b"0x7f000001",
                          b"127.1", b"test", b"vt", b"xn--vt-test", b"www.vt.test", b"a" * 200)
        ),
        421,
    )
    + refused(
        "host",
        [
            ("missing", get(host=b"")),
            ("missing but spelled with underscore", get(host=b"Host_: vt.test\r\n")),
            ("missing but X-Host", get(host=b"X-Host: vt.test\r\n")),
            ("missing but X-Forwarded-Host", get(host=b"X-Forwarded-Host: vt.test\r\n")),
            ("twice the same", get(host=H + H)),
            ("twice different", get(host=H + b"Host: other.test\r\n")),
            ("twice different, ours last", get(host=b"Host: other.test\r\n" + H)),
            ("twice in two cases of letters", get(host=H + b"hOST: vt.test\r\n")),
            ("twice with fields between", get(host=H + b"X-A: 1\r\nX-B: 2\r\n" + H)),
            ("twice, the second empty", get(host=H + b"Host:\r\n")),
            ("twice in HTTP/1.0", b"GET /x HTTP/1.0\r\n" + H + H + b"\r\n"),
            ("folded", get(host=b"Host:\r\n vt.test\r\n")),
            ("space before the colon", get(host=b"Host : vt.test\r\n")),
            ("space before the name", get(host=b" Host: vt.test\r\n")),
            ("NUL at the end", get(host=b"Host: vt.test\x00\r\n")),
            ("NUL and another name", get(host=b"Host: vt.test\x00.other.test\r\n")),
            ("control inside", get(host=b"Host: vt\x01.test\r\n")),
            ("tab inside", get(host=b"Host: vt\t.test\r\n")),
            ("bare CR inside", get(host=b"Host: vt.test\r.other.test\r\n")),
        ],
    )
    + passes(
        "host",
        [
            ("with port", get(host=b"Host: vt.test:8443\r\n"), Seen(host=b"vt.test:8443")),
            ("upper case", get(host=b"HOST: VT.TEST\r\n"), Seen(host=b"VT.TEST")),
            ("white space around", get(host=b"Host:\t vt.test \t\r\n"), Seen()),
            ("without space", get(host=b"Host:vt.test\r\n"), Seen()),
            ("last of the fields", get(host=b"X-A: 1\r\nHost: vt.test\r\n"), Seen(has=(b"X-A: 1",))),
            ("an address that is configured", get(host=b"Host: 127.0.0.1:80\r\n"), Seen(host=b"127.0.0.1:80")),
            ("spelled a second time with underscore", get(fields=b"Host_: evil\r\nHo_st: evil\r\n"), Seen()),
        ],
    )
)  # fmt: skip

# Methods and versions

METHODS = (
    refused(
        "method",
        (
            (method, get(method=method))
            for method in (b"CONNECT", b"TRACE", b"TRACK", b"get", b"Get", b"gET", b"post", b"PROPFIND", b"DEBUG",
                b"PURGE", b"SEARCH", b"LINK", b"M-SEARCH", b"BREW", b"HEA", b"GETS", b"PRI",
                           b"GET!", b"GET.", b"_GET", b"$", b"1", b"X" * 20, b"X" * 21, b"X" * 4000)
        ),
        405,
    )
    + refused(
        "method",
        (
            (method, get(method=method))
            for method in (b"", b"G,ET", b"GET,POST", b"GET/", b"(GET)", b"\"GET\"", b"G\x00T", b"GET\x00", b"GET\t",
                b"\x0bGET", b"G\xc9T", b"GET:", b"GET;", b"GET\r", b"G\nET", b"{GET}", b"G ET")
        ),
        *UNREADABLE,
    )
    + refused(
        "method",
        [
            ("CONNECT in authority form", get(b"vt.test:443", method=b"CONNECT")),
            ("CONNECT to another site", get(b"other.test:443", method=b"CONNECT", host=b"Host: vt.test\r\n")),
            ("TRACE with Max-Forwards", get(method=b"TRACE", fields=b"Max-Forwards: 0\r\n")),
            ("CONNECT with a body", get(method=b"CONNECT", fields=b"Content-Length: 5\r\n") + b"hello"),
            ("get with a body", post(b"Content-Length: 5\r\n", b"hello", method=b"get")),
        ],
        405,
    )
    + refused("method", [("9000 letters", get(method=b"X" * 9000))], 414)
    + passes("method",
    ((m, get(method=m), Seen(method=m)) for m in (b"GET", b"HEAD", b"OPTIONS", b"DELETE", b"PUT", b"PATCH")))
)  # fmt: skip


def _version(version: bytes) -> bytes:
    return b"GET /x %b\r\n%b\r\n" % (version, H)


VERSIONS = (
    refused(
        "version",
        ((v, _version(v)) for v in (b"HTTP/0.9", b"HTTP/1.2", b"HTTP/1.9", b"HTTP/2.0", b"HTTP/2", b"HTTP/3",
            b"HTTP/3.0", b"HTTP/1.10", b"HTTP/1.11", b"HTTP/01.1", b"HTTP/1.01", b"HTTP/1",
                                    b"HTTP/1.", b"HTTP/.1", b"HTTP/11", b"HTTP/1.1.1", b"HTTP/9.9", b"HTTP/0.0",
                                    b"HTTP/1..1")),
        505,
    )
    + refused("version", [("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")], 505)
    + refused(
        "version",
        (
            (v, _version(v))
            for v in (b"http/1.1", b"Http/1.1", b"HTTP/1.1 ", b"HTTP/1.1\t", b"HTTP/1.1x", b"HTTP /1.1", b"HTTP/ 1.1",
                b"HTTP/1 .1", b"HTTP/1,1", b"HTTP-1.1", b"HTTP1.1", b"HTTPS/1.1", b"HTTP/x.y",
                      b"HTTP/-1.1", b"HTTP/+1.1", b"HTTP/1.\xb9", b"ICAP/1.0", b"RTSP/1.0", b"SIP/2.0", b"HTP/1.1", b"",
                      b" HTTP/1.1", b"\x00HTTP/1.1", b"HTTP/1.1\x00", b"HTTP\\1.1", b"HTTP/1.1\x0b",
                      b"HTTP//1.1", b"/HTTP/1.1")
        ),
    )
    + refused(
        "version",
        [
            ("a simple request", b"GET /x\r\n"),
            ("a simple request with fields", b"GET /x\r\n" + H + b"\r\n"),
            ("a simple request with a space", b"GET /x \r\n" + H + b"\r\n"),
            ("only a method", b"GET\r\n" + H + b"\r\n"),
            ("no target", b"GET HTTP/1.1\r\n" + H + b"\r\n"),
            ("an answer in place of a request", b"HTTP/1.1 200 OK\r\n" + H + b"\r\n"),
        ],
    )
    + [
        Row("version: 1.0", b"GET /x HTTP/1.0\r\n" + H + b"\r\n", (Seen(),), closes=True),
        Row("version: 1.0 without Host", b"GET /x HTTP/1.0\r\n\r\n", (Seen(),), closes=True),
        Row("version: 1.0 keep-alive", b"GET /x HTTP/1.0\r\n" + H + b"Connection: keep-alive\r\n\r\n", (Seen(),),
            closes=True),
        Row("version: 1.0 with Keep-Alive", b"GET /x HTTP/1.0\r\n" + H + b"Keep-Alive: 5\r\n\r\n", (Seen(),),
            closes=True),
        Row("version: 1.0 with a body", post(b"Content-Length: 5\r\n", b"hello", minor=b"0"), (POSTED,), closes=True),
        Row("version: 1.0 and a longer body than told", post(b"Content-Length: 2\r\n", b"hello", minor=b"0"),
            (Seen(method=b"POST", body=b"he"),), closes=True),
        Row("version: 1.0 with Expect", post(b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"hello", minor=b"0"),
            (Seen(method=b"POST", body=b"hello", absent=(b"expect",)),), closes=True),
        Row("version: 1.0 with Upgrade",
            b"GET /x HTTP/1.0\r\n" + H + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n", (Seen(),), closes=True),
        Row("version: 1.0 with an absolute target", b"GET http://vt.test/x HTTP/1.0\r\n\r\n", (Seen(),), closes=True),
    ]
)  # fmt: skip

# Upgrade and Expect. The origin answers 200, so no upgrade ever happens: what follows is a request, and is judged.

WS = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
UPGRADES = (
    refused(
        "upgrade",
        [
            *((f"by {m.decode()}", get(method=m, fields=WS)) for m in (b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS",
                b"PATCH")),
            ("with a body", get(fields=WS + b"Content-Length: 5\r\n") + b"hello"),
            ("with chunks", get(fields=WS + b"Transfer-Encoding: chunked\r\n") + FIVE),
            ("by POST with a body", post(WS + b"Content-Length: 5\r\n", b"hello")),
            ("with a body that is a request", get(fields=WS + b"Content-Length: 44\r\n")),
        ],
    )
    + refused(
        "upgrade from another origin",
        (
            (origin, get(fields=WS + b"Origin: %b\r\n" % origin))
            for origin in (b"https://other.test", b"http://other.test", b"null", b"", b"https://vt.test",
                b"http://vt.test:81", b"http://vt.test.other.test", b"http://xvt.test",
                           b"http://vt.test/", b"http://vt.test@other.test", b"vt.test",
                           b"http://vt.test http://other.test", b"http://vt.test, http://other.test", b"//vt.test",
                           b"http://vt.test\xa0")
        ),
        403,
    )
    + passes(
        "upgrade",
        [
            ("WebSocket", get(fields=WS), Seen(upgrade=True)),
            ("WebSocket from here", get(fields=WS + b"Origin: http://vt.test\r\n"),
                Seen(upgrade=True, has=(b"Origin: http://vt.test",))),
            ("WebSocket, other letters", get(fields=b"CONNECTION: keep-alive, uPGRADE\r\nUPGRADE: WebSocket\r\n"),
                Seen(upgrade=True)),
            ("WebSocket with ours", get(fields=WS + b"x_vt_rpps: evil\r\nX-VT-RPPS: evil\r\n"), Seen(upgrade=True)),
            ("WebSocket with ours in Connection",
                get(fields=b"Connection: Upgrade, X-VT-RPPS, Host\r\nUpgrade: websocket\r\n"), Seen(upgrade=True)),
            ("WebSocket with length zero", get(fields=WS + b"Content-Length: 0\r\n"),
                Seen(upgrade=True, absent=(b"content-length",))),
            ("WebSocket without Connection", get(fields=b"Upgrade: websocket\r\n"), Seen()),
            ("Connection without Upgrade", get(fields=b"Connection: Upgrade\r\n"), Seen()),
            ("h2c", get(fields=b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"),
             Seen(absent=(b"http2-settings",))),
            ("h2c without settings", get(fields=b"Connection: Upgrade\r\nUpgrade: h2c\r\n"), Seen()),
            ("h2c settings not named in Connection",
                get(fields=b"Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: evil\r\n"), Seen()),
            ("h2c or WebSocket", get(fields=b"Connection: Upgrade\r\nUpgrade: h2c, websocket\r\n"), Seen()),
            ("WebSocket or h2c on two lines",
                get(fields=b"Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n"), Seen()),
            ("TLS", get(fields=b"Connection: Upgrade\r\nUpgrade: TLS/1.0, HTTP/1.1\r\n"), Seen()),
            ("HTTP/2.0", get(fields=b"Connection: Upgrade\r\nUpgrade: HTTP/2.0\r\n"), Seen()),
            ("websocket/13", get(fields=b"Connection: Upgrade\r\nUpgrade: websocket/13\r\n"), Seen()),
            ("h2c with a body", post(b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n", b"hello"),
                POSTED),
        ],
    )
    + [
        Row("upgrade: refused by the backend, then a request", get(fields=WS) + get(b"/y"),
            (Seen(upgrade=True), Seen(b"/y"))),
        Row("upgrade: refused by the backend, then a request with ours",
            get(fields=WS) + get(b"/y", b"X-VT-RPPS: evil\r\n"),
            (Seen(upgrade=True), Seen(b"/y"))),
        Row("upgrade: refused by the backend, then a frame", get(fields=WS) + b"\x81\x85\x00\x00\x00\x00hello\r\n\r\n",
            (Seen(upgrade=True),), (400,)),
        Row("upgrade: refused by the backend, then a bad request", get(fields=WS) + get(b"/../y"),
            (Seen(upgrade=True),), (400,)),
        Row("upgrade: h2c ignored, then the preface",
            get(fields=b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n")
            + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (Seen(),), (505,)),
    ]
)  # fmt: skip

EXPECTS = refused(
    "expect",
    (
        (value, post(b"Expect: %b\r\nContent-Length: 5\r\n" % value, b"hello"))
        for value in (b"200-ok", b"", b"100", b"100-continue, 100-continue", b"100-continue;q=1", b"x",
            b"100-continue x", b"100-continued", b"\"100-continue\"", b"101-continue", b"y 100-continue")
    ),
    417,
) + refused(
    "expect",
    [
        ("twice", post(b"Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 5\r\n", b"hello")),
        ("two kinds", post(b"Expect: 100-continue\r\nExpect: x\r\nContent-Length: 5\r\n", b"hello")),
        ("unknown on GET", get(fields=b"Expect: x\r\n")),
        ("unknown with chunks", post(b"Expect: x\r\nTransfer-Encoding: chunked\r\n", FIVE)),
        ("obsolete line", post(b"Expect: 100-continue\r\nexpect:\r\nContent-Length: 5\r\n", b"hello")),
    ],
    417,
) + passes(
    "expect",
    [
        ("100-continue", post(b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"hello"), POSTED),
        ("100-Continue", post(b"Expect: 100-Continue\r\nContent-Length: 5\r\n", b"hello"), POSTED),
        ("100-continue with chunks", post(b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", FIVE), POSTED),
        ("100-continue without body", get(fields=b"Expect: 100-continue\r\n"), Seen()),
        ("100-continue with length zero", post(b"Expect: 100-continue\r\nContent-Length: 0\r\n"), Seen(method=b"POST")),
        ("100-continue on GET with a body", get(fields=b"Expect: 100-continue\r\nContent-Length: 5\r\n") + b"hello",
            Seen(body=b"hello")),
        ("spelled with underscore", post(b"Ex_pect: evil\r\nContent-Length: 5\r\n", b"hello"), POSTED),
    ],
)  # fmt: skip

# Several requests on one connection

ONE, TWO, THREE = (get(b"/%d" % n, b"X-N: %d\r\n" % n) for n in (1, 2, 3))
SEEN_ONE, SEEN_TWO, SEEN_THREE = (Seen(b"/%d" % n, has=(b"X-N: %d" % n,)) for n in (1, 2, 3))
CLOSE = b"Connection: close\r\n"
SEVERAL = [
    Row("pipelined: three", ONE + TWO + THREE, (SEEN_ONE, SEEN_TWO, SEEN_THREE)),
    Row("pipelined: an empty line between", ONE + b"\r\n" + TWO, (SEEN_ONE, SEEN_TWO)),
    Row("pipelined: a body, then two", post(b"Content-Length: 5\r\n", b"hello") + ONE + TWO,
        (POSTED, SEEN_ONE, SEEN_TWO)),
    Row("pipelined: chunks, then two", chunked(FIVE) + ONE + TWO, (POSTED, SEEN_ONE, SEEN_TWO)),
    Row("pipelined: chunks with trailers, then one", chunked(b"5\r\nhello\r\n0\r\nX-A: 1\r\n\r\n") + ONE,
        (POSTED, SEEN_ONE)),
    Row("pipelined: a body on GET, then one", get(fields=b"Content-Length: 5\r\n") + b"hello" + ONE,
        (Seen(body=b"hello"), SEEN_ONE)),
    Row("pipelined: HEAD, then one", get(method=b"HEAD") + ONE, (Seen(method=b"HEAD"), SEEN_ONE)),
    Row("pipelined: a body on HEAD, then one", post(b"Content-Length: 5\r\n", b"hello", method=b"HEAD") + ONE,
        (Seen(method=b"HEAD", body=b"hello"), SEEN_ONE)),
    Row("pipelined: ten", b"".join(get(b"/%d" % n) for n in range(10)), tuple(Seen(b"/%d" % n) for n in range(10))),
    Row("pipelined: fields of the first do not stay", get(b"/1", b"X-A: 1\r\nCookie: a=1\r\n") + get(b"/2"),
        (Seen(b"/1", has=(b"X-A: 1",)), Seen(b"/2", absent=(b"x-a", b"cookie")))),
    Row("pipelined: host of the first does not stay", get(b"/1") + get(b"/2", host=b"Host: localhost\r\n"),
        (Seen(b"/1"), Seen(b"/2", host=b"localhost"))),
    Row("pipelined: no Host in the second", ONE + get(host=b""), (SEEN_ONE,), (400,)),
    Row("pipelined: another site in the second", ONE + get(host=b"Host: other.test\r\n"), (SEEN_ONE,), (421,)),
    Row("pipelined: second with two framings", ONE + post(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", FIVE),
        (SEEN_ONE,), (400,)),
    Row("pipelined: second with a bad target", ONE + get(b"/../x") + THREE, (SEEN_ONE,), (400,)),
    Row("pipelined: second with a bad version", ONE + _version(b"HTTP/2.0") + THREE, (SEEN_ONE,), (505,)),
    Row("pipelined: second is garbage", ONE + b"\x00\x01\x02\r\n\r\n" + THREE, (SEEN_ONE,), (400,)),
    Row("pipelined: third is bad", ONE + TWO + get(fields=b"X-A : 1\r\n"), (SEEN_ONE, SEEN_TWO), (400,)),
    Row("pipelined: bytes too many after a body", post(b"Content-Length: 4\r\n", b"hello") + ONE,
        (Seen(method=b"POST", body=b"hell"),), (405,)),
    Row("pipelined: bytes too many after chunks", chunked(FIVE + b"xx\r\n\r\n"), (POSTED,), (400,)),
    Row("pipelined: two last chunks", chunked(FIVE + LAST), (POSTED,), (400,)),
    Row("pipelined: two empty lines between", ONE + b"\r\n\r\n" + TWO, (SEEN_ONE,), (400,)),
    Row("pipelined: a bare LF between", ONE + b"\n" + TWO, (SEEN_ONE,), UNREADABLE),
    Row("pipelined: HTTP/1.0 in between", ONE + b"GET /x HTTP/1.0\r\n\r\n" + THREE, (SEEN_ONE, Seen()), closes=True),
    *(
        Row(f"close: {name}", get(fields=field) + TWO, (Seen(),), closes=True)
        for name, field in (("plain", CLOSE), ("upper case", b"CONNECTION: CLOSE\r\n"),
            ("in a list", b"Connection: x, close\r\n"), ("in a list without space", b"Connection: x,Close,y\r\n"),
                            ("on a second line", b"Connection: keep-alive\r\nConnection: close\r\n"),
                                ("before keep-alive", b"Connection: close, keep-alive\r\n"))
    ),
    Row("close: with a body", post(CLOSE + b"Content-Length: 5\r\n", b"hello") + TWO, (POSTED,), closes=True),
    Row("close: garbage behind it", get(fields=CLOSE) + b"\x00\xff\r\n\r\n", (Seen(),), closes=True),
    Row("close: in the second", ONE + get(fields=CLOSE) + THREE, (SEEN_ONE, Seen()), closes=True),
    Row("close: not a word of the list", get(fields=b"Connection: closed, x-close\r\n"), (Seen(),)),
]  # fmt: skip

# Limits (those of config/gateway.toml)

LIMITS = (
    refused("line too long", [
        ("target", get(b"/" + b"a" * 9000)),
        ("query", get(b"/?" + b"a" * 9000)),
        ("one byte", get(b"/" + b"a" * (8192 - 13))),
        ("without an end", b"GET /" + b"a" * 9000),
        ("method and no more", b"A" * 9000),
        ("absolute target", get(b"http://vt.test/" + b"a" * 9000)),
        ("100 KB", get(b"/" + b"a" * 100_000)),
    ], 414)
    + refused("head too large", [
        ("one field", get(fields=b"X-A: %b\r\n" % (b"a" * 17_000))),
        ("one cookie", get(fields=b"Cookie: a=%b\r\n" % (b"a" * 17_000))),
        ("one name", get(fields=b"X%b: 1\r\n" % (b"a" * 17_000))),
        ("one byte in a field", get(fields=b"X-A: %b\r\n" % (b"a" * (16_384 - 4)))),
        ("101 fields", get(fields=b"X-A: 1\r\n" * 100)),
        ("1000 fields", get(fields=b"X-A: 1\r\n" * 1000)),
        ("5000 fields that are dropped", get(fields=b"X_A: 1\r\n" * 5000)),
        ("70 KB in all", get(fields=b"X-A: %b\r\n" % (b"a" * 1000) * 70)),
        ("70 KB without an end", b"GET /x HTTP/1.1\r\n" + H + b"X-A: %b\r\n" % (b"a" * 1000) * 70),
        ("70 KB of one field without an end", b"GET /x HTTP/1.1\r\n" + H + b"X-A: " + b"a" * 70_000),
        ("300 KB", get(fields=b"X-A: %b\r\n" % (b"a" * 3000) * 100)),
    ], 431)
    + passes("limits", [
        ("the longest line", get(b"/" + b"a" * (8192 - 14)), Seen(b"/" + b"a" * (8192 - 14))),
        ("the longest field", get(fields=b"X-A: %b\r\n" % (b"a" * (16_384 - 5))),
            Seen(has=(b"X-A: " + b"a" * (16_384 - 5),))),
        ("100 fields", get(fields=b"".join(b"X-%d: 1\r\n" % n for n in range(99))),
            Seen(has=tuple(b"X-%d: 1" % n for n in range(99)))),
        ("60 KB in all", get(fields=b"".join(b"X-%d: %b\r\n" % (n, b"a" * 1000) for n in range(60))),
            Seen(has=(b"X-59: " + b"a" * 1000,))),
        ("a body of 100 KB", post(b"Content-Length: 100000\r\n", b"b" * 100_000),
            Seen(method=b"POST", body=b"b" * 100_000)),
        ("a chunk of 100 KB", chunked(b"186a0\r\n%b\r\n" % (b"b" * 100_000) + LAST),
            Seen(method=b"POST", body=b"b" * 100_000)),
    ])
)  # fmt: skip

# Cookies: ours are cut out wherever they stand, others stay byte for byte. EVIL is the value of ours.


def _cookie(name: str | bytes, sent: bytes, left: bytes) -> Row:
    seen = Seen(has=(b"Cookie: " + left,)) if left else Seen(absent=(b"cookie",))
    return passes("cookie", [(name, get(fields=b"Cookie: %b\r\n" % sent), seen)])[0]


COOKIES = [
    _cookie("ours alone", b"__Host-vtgw=evil", b""),
    _cookie("ours first", b"__Host-vtgw=evil; a=1; b=2", b"a=1; b=2"),
    _cookie("ours in the middle", b"a=1; __Host-vtgw=evil; b=2", b"a=1; b=2"),
    _cookie("ours last", b"a=1; b=2; __Host-vtgw=evil", b"a=1; b=2"),
    _cookie("ours without spaces", b"a=1;__Host-vtgw=evil;b=2", b"a=1;b=2"),
    _cookie("ours with many spaces", b"a=1;   __Host-vtgw=evil;  b=2", b"a=1;  b=2"),
    _cookie("ours with tabs", b"a=1;\t__Host-vtgw=evil;\tb=2", b"a=1;\tb=2"),
    _cookie("ours with space before the sign", b"a=1; __Host-vtgw =evil; b=2", b"a=1; b=2"),
    _cookie("ours without value", b"a=1; __Host-vtgw=; b=2", b"a=1; b=2"),
    _cookie("ours without sign", b"a=1; __Host-vtgw; b=2", b"a=1; b=2"),
    _cookie("ours quoted value", b"a=1; __Host-vtgw=\"evil\"; b=2", b"a=1; b=2"),
    _cookie("ours twice", b"__Host-vtgw=evil; a=1; __Host-vtgw=evil2", b"a=1"),
    _cookie("ours twice in a row", b"a=1; __Host-vtgw=evil; __Host-vtgw=evil", b"a=1"),
    _cookie("all of ours", b"__Host-vtgw=evil; __Host-vtgw-browser=evil; a=1; __Host-vtgw-flow=evil", b"a=1"),
    _cookie("ours and a semicolon", b"__Host-vtgw=evil;", b""),
    _cookie("ours with sign in the value", b"__Host-vtgw=evil=evil==; a=1", b"a=1"),
    _cookie("ours in quotes of another", b"a=\"x; __Host-vtgw=evil; y\"", b"a=\"x; y\""),
    _cookie("others", b"a=1; b=x y;c=\"q\";  d=; =e; f", b"a=1; b=x y;c=\"q\";  d=; =e; f"),
    _cookie("others with latin-1", b"a=\xe9; b=\xc3\xa9", b"a=\xe9; b=\xc3\xa9"),
    _cookie("others near ours", b"vtgw=1; Host-vtgw=2; __Host-vt=3; x__Host-vtgw=4",
        b"vtgw=1; Host-vtgw=2; __Host-vt=3; x__Host-vtgw=4"),
    _cookie("others in other letters", b"__host-vtgw=1; __HOST-VTGW=2", b"__host-vtgw=1; __HOST-VTGW=2"),
    _cookie("others with empty parts", b";;a=1;;", b";;a=1;;"),
    _cookie("ASP.NET's", b"ASP.NET_SessionId=abc; .ASPXAUTH=0123456789ABCDEF",
        b"ASP.NET_SessionId=abc; .ASPXAUTH=0123456789ABCDEF"),
    *passes("cookie", [
        ("ours on a line of its own", get(fields=b"Cookie: a=1\r\nCookie: __Host-vtgw=evil\r\nCookie: b=2\r\n"),
            Seen(has=(b"Cookie: a=1", b"Cookie: b=2"))),
        ("ours on two lines", get(fields=b"Cookie: __Host-vtgw=evil\r\ncookie: __Host-vtgw=evil\r\n"),
            Seen(absent=(b"cookie",))),
        ("ours in upper-case COOKIE", get(fields=b"COOKIE: __Host-vtgw=evil; a=1\r\n"), Seen(has=(b"COOKIE: a=1",))),
        ("ours under an odd name", get(fields=b"Coo_kie: __Host-vtgw=evil\r\nCookie_: __Host-vtgw=evil\r\n"),
            Seen(absent=(b"cookie",))),
        ("Cookie named in Connection", get(fields=b"Connection: cookie\r\nCookie: __Host-vtgw=evil; a=1\r\n"),
            Seen(has=(b"Cookie: a=1",))),
        ("ours on a WebSocket", get(fields=WS + b"Cookie: a=1; __Host-vtgw=evil\r\n"),
            Seen(upgrade=True, has=(b"Cookie: a=1",))),
        ("ours on a POST", post(b"Cookie: a=1; __Host-vtgw=evil\r\nContent-Length: 5\r\n", b"hello"),
            Seen(method=b"POST", body=b"hello", has=(b"Cookie: a=1",))),
    ]),
]  # fmt: skip

# Cookie values in which some reader may find ours: what the gate reads as ours, the origin does not see.

OUR_COOKIE = b"__Host-vtgw"
COOKIE_READINGS = [
    glue % OUR_COOKIE
    for glue in (
        b"%b=evil", b"a=1; %b=evil", b"a=1;%b=evil", b"a=1;\t%b=evil", b"a=1; \t %b=evil ; b=2", b"a=1; %b =evil",
        b"a=1; %b\t=evil",
        b"a=1, %b=evil", b"a=1,%b=evil", b"a=\"1; %b=evil\"", b"$Version=1; %b=evil; $Path=/", b"=%b=evil",
        b"a=1; =%b=evil", b"%b%%3Devil",
        b"\"%b\"=evil", b"a=1;;%b=evil", b"a=1; \"%b=evil\"", b"a=1;\xc2\xa0%b=evil", b"\xe2\x80\x80%b=evil",
        b"\xe3\x80\x80%b=evil", b"a=1; %b\xa0=evil",
    )
]  # fmt: skip

# Bodies over a limit of 10 bytes, and whether they come in pieces; what is refused has a log line of its own.

_TWENTY = b"14\r\n" + b"a" * 20 + b"\r\n" + LAST
OVER_TEN = [
    ("length", post(b"Content-Length: 20\r\n", b"a" * 20), False),
    ("length in pieces", post(b"Content-Length: 20\r\n", b"a" * 20), True),
    ("length and Expect", post(b"Expect: 100-continue\r\nContent-Length: 20\r\n", b"a" * 20), False),
    ("a chunk in pieces", chunked(_TWENTY), True),
    ("many chunks in pieces", chunked(b"1\r\na\r\n" * 20 + LAST), True),
]
LOGGED_ALONE = refused("log", [("a bad target", get(b"/../x")), ("a bad field", get(fields=b"X-A : 1\r\n"))])

# What was a fault of this door once.
MENDED: list[Row] = [
    Row("pipelined: HEAD, then a bad target", get(method=b"HEAD") + get(b"/../x"), (Seen(method=b"HEAD"),), (400,)),
    *refused(
        "upgrade from another origin",
        [
            ("two, ours first", get(fields=WS + b"Origin: http://vt.test\r\nOrigin: https://other.test\r\n")),
            ("two, the second null", get(fields=WS + b"Origin: http://vt.test\r\nOrigin: null\r\n")),
        ],
        400,
        403,
    ),
    *refused(
        "target",
        (
            (target, get(target))
            for target in (
                b"http://vt\t.test/abc", b"http://vt\r.test/abc", b"http://vt\n.test/abc", b"http://\tvt.test/abc",
                b"http://vt\t.test/AccesLibre/%2e%2e/x?",
                b"\thttp://vt.test/abc", b"\x00http://vt.test/abc", b"\x01http://vt.test/abc",
                b"\x1fhttp://vt.test/abc", b"ht\ttp://vt.test/abc", b"http\r://vt.test/abc", b"http:\t//vt.test/abc",
                b"http:/\t/vt.test/abc", b"http:/\r/vt.test/abc", b"http:/\n/vt.test/abc", b"http:/\t/vt.test/abc//x",
            )
        ),
    ),
    *refused(
        "target",
        [
            ("absolute with another port than Host", get(b"http://vt.test:81/x")),
            ("absolute without the port of Host", get(b"http://vt.test/x", host=b"Host: vt.test:81\r\n")),
        ],
    ),
    *refused(
        "chunks",
        ((b"size " + size, chunked(size + b"\r\nhello\r\n" + LAST)) for size in (b"5 ", b"5\t", b"5 \t ", b"5 ;a=b",
            b"5\t;a=b", b"5" + b" " * 4000)),
        late=True,
    ),
    *refused(
        "chunks",
        [("last chunk with a space", chunked(b"5\r\nhello\r\n0 \r\n\r\n")),
        ("last chunk with a tab", chunked(b"5\r\nhello\r\n0\t\r\n\r\n"))],
        late=True,
    ),
]  # fmt: skip
COOKIE_READINGS += [
    b"\xa0%b=evil" % OUR_COOKIE,
    b"a=1;\xa0%b=evil" % OUR_COOKIE,
    b"a=1; \x85%b=evil" % OUR_COOKIE,
    b"a=1; \xa0 \x85%b=evil" % OUR_COOKIE,
]
OVER_TEN += [
    ("a chunk at once", chunked(_TWENTY), False),
    ("many chunks at once", chunked(b"1\r\na\r\n" * 20 + LAST), False),
]
LOGGED_ALONE += [
    Row("log: a bad target behind a request", ONE + get(b"/../x"), (SEEN_ONE,), (400,)),
    Row("log: garbage behind a request", ONE + b"\x00\r\n\r\n", (SEEN_ONE,), (400,)),
    Row("log: a bad host behind a request", ONE + get(host=b"Host: other.test\r\n"), (SEEN_ONE,), (421,)),
]

ROWS: list[Row] = [
    *LENGTH_AND_CODING, *TWO_LENGTHS, *BAD_LENGTHS, *GOOD_LENGTHS, *BAD_CODINGS, *GOOD_CODINGS, *BAD_CHUNKS,
    *GOOD_CHUNKS, *LINES,
    *FIELDS, *TARGETS, *TARGETS_PASS, *HOSTS, *METHODS, *VERSIONS, *UPGRADES, *EXPECTS, *SEVERAL, *LIMITS, *COOKIES, *MENDED,
]  # fmt: skip
