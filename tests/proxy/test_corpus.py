"""Every row of the corpus through a real door: what is refused ends there, what passes passes once and exactly."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Awaitable, Callable

import pytest

from gateway.proxy.limits import Limits

from .conftest import STAMP, Rig, status
from .corpus import (
    COOKIE_READINGS,
    EVIL,
    LOGGED_ALONE,
    OUR_COOKIE,
    OVER_TEN,
    ROWS,
    H,
    Row,
    Seen,
    get,
    word,
)

TAIL = b"GET /next HTTP/1.1\r\n" + H + b"Connection: close\r\n\r\n"
NEXT = Seen(b"/next")
NEVER = {
    "connection", "keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate", "te", "trailer",
    "upgrade", "http2-settings", "expect",
}  # fmt: skip
ONCE = {
    "host": None,
    "x-forwarded-for": b"127.0.0.1",
    "x-forwarded-proto": b"http",
    "x-request-id": None,
    "traceparent": None,
}
OURS = [(name.lower().decode(), value) for name, _, value in (line.partition(b": ") for line in STAMP.splitlines())]
SMALL = 2000  # bytes; longer rows are cut into larger pieces


async def talk(rig: Rig, row: Row, *, cut: bool) -> bytes:
    """The row and one more request on one connection; all that comes back until the door closes it."""
    loop = asyncio.get_running_loop()
    out = b""
    with socket.socket() as client:  # a bare socket: what came before a reset is still read
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(client, ("127.0.0.1", rig.port))
        sending = asyncio.create_task(send(client, row.raw, cut=cut))
        async with asyncio.timeout(10):
            with contextlib.suppress(ConnectionError):
                while got := await loop.sock_recv(client, 1 << 16):
                    out += got
            await sending
    return out


async def send(client: socket.socket, raw: bytes, *, cut: bool) -> None:
    loop = asyncio.get_running_loop()
    step = len(raw) if not cut else 1 if len(raw) <= SMALL else 997
    with contextlib.suppress(ConnectionError):  # the door may have closed already
        for place in range(0, len(raw) - step, step):
            await loop.sock_sendall(client, raw[place : place + step])
            await asyncio.sleep(0)  # the door reads each piece by itself
        await loop.sock_sendall(client, raw[len(range(0, len(raw) - step, step)) * step :] + TAIL)


def normal(name: bytes) -> str:
    """How a backend that keeps letters and digits only would read a name."""
    return re.sub(r"[^a-z0-9]", "-", name.decode("latin-1").lower())


def check_head(head: bytes, seen: Seen) -> None:
    """The head is what the row says, and says nothing that no head may say."""
    line, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert line == b"%b %b HTTP/1.1" % (seen.method, seen.target)
    assert EVIL not in b"\r\n".join(lines)
    fields = []
    for one in lines:
        name, colon, value = one.partition(b": ")
        assert colon, one
        assert re.fullmatch(rb"[A-Za-z0-9-]+", name), one
        fields.append((normal(name), value))
    names = [name for name, _ in fields]
    assert [value for name, value in fields if name == "host"] == [seen.host]
    assert [pair for pair in fields if pair[0].startswith(("x-vt-", "vtgw-"))] == OURS
    hops = {"connection", "upgrade"} if seen.upgrade else set()
    assert NEVER & set(names) == hops
    if seen.upgrade:
        assert (b"Connection: Upgrade" in lines, b"Upgrade: websocket" in lines) == (True, True)
    assert names.count("content-length") + names.count("transfer-encoding") <= 1
    for name, said in ONCE.items():
        assert names.count(name) == 1, name
        assert said is None or (name, said) in fields, name
    for wanted in seen.has:
        assert lines.count(wanted) == 1, wanted
    assert not {name.decode() for name in seen.absent} & set(names)


@pytest.mark.parametrize("cut", [False, True], ids=["whole", "cut"])
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
async def test_every_row_ends_as_the_corpus_says(rig: Rig, row: Row, cut: bool) -> None:
    """Refused: answered once, closed, nothing at the origin. Passed: exactly this at the origin, then the next."""
    out = await talk(rig, row, cut=cut)
    expected = row.seen if row.refused or row.closes else (*row.seen, NEXT)
    heads = rig.origin.heads
    if row.late:  # the head may have gone ahead of its body, but the body never came to an end
        assert len(heads) <= len(expected) + 1
        assert not any(b"smuggled" in head or b"/next" in head for head in heads)
        heads = heads[: len(expected)]
    assert [head.split(b"\r\n")[0] for head in heads] == [b"%b %b HTTP/1.1" % (s.method, s.target) for s in expected]
    for head, seen in zip(heads, expected, strict=True):
        check_head(head, seen)
    assert rig.origin.bodies == [seen.body for seen in expected]
    assert len(re.findall(rb"HTTP/1\.1 200 ", out)) == len(expected)
    if row.refused:
        last = out[out.rindex(b"HTTP/1.1 ") :]
        assert status(last) in row.refused
        assert b"connection: close" in last.lower()
        head, _, page = last.partition(b"\r\n\r\n")
        assert b"content-length: %d" % len(page) in head.lower().split(b"\r\n")  # it came whole
        assert len(re.findall(rb"HTTP/1\.1 [2-5]", out)) == len(expected) + 1


@pytest.mark.parametrize("value", COOKIE_READINGS, ids=word)
async def test_what_the_gate_reads_as_our_cookie_never_reaches_the_origin(rig: Rig, value: bytes) -> None:
    """One reader's session is no other reader's text: found by the gate means cut for the backend."""
    assert status(await rig.say(get(fields=b"Cookie: %b\r\n" % value))) == 200
    (asked,), (head,) = rig.gate.asked, rig.origin.heads
    assert not (asked.cookie(OUR_COOKIE.decode()) and OUR_COOKIE in head)


@pytest.mark.parametrize(("raw", "cut"), [one[1:] for one in OVER_TEN], ids=[one[0] for one in OVER_TEN])
async def test_a_body_over_the_limit_is_refused_and_never_ends_at_the_origin(
    make_rig: Callable[..., Awaitable[Rig]], raw: bytes, cut: bool
) -> None:
    """The limit holds for told lengths and for chunks, however the bytes come."""
    rig = await make_rig(limits=Limits(body=10))
    out = await talk(rig, Row("", raw), cut=cut)
    assert status(out[out.rindex(b"HTTP/1.1 ") :]) == 413
    assert rig.origin.bodies == []
    assert not any(b"/next" in head for head in rig.origin.heads)


@pytest.mark.parametrize("row", LOGGED_ALONE, ids=[row.name for row in LOGGED_ALONE])
async def test_a_refused_request_is_logged_as_itself(rig: Rig, row: Row) -> None:
    """One line per request: what is refused does not carry the number, path or method of the request before it."""
    await talk(rig, row, cut=False)
    last = rig.events[-1]
    assert [event.status for event in rig.events] == [*(200 for _ in row.seen), *row.refused]
    assert last.request_id not in [event.request_id for event in rig.events[:-1]]
    assert (last.path, last.session) == ("-", None)


def test_names_of_rows_are_unique() -> None:
    """Each row can be named in a report."""
    names = [row.name for row in ROWS]
    assert [name for name in set(names) if names.count(name) > 1] == []
