"""The door: bytes in, bytes at the origin, bytes out."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.demo.cards import write_server_certificates
from gateway.edges.tls import client_context
from gateway.identity import Space
from gateway.policy.decision import Challenge, Forward, Refuse
from gateway.proxy.heads import forwarded_certificate
from gateway.proxy.limits import Backend, Limits
from gateway.reasons import Reason, StoreUnavailable
from gateway.request import Fields

from .conftest import Rig, complete, read_body, shut, status

GET = b"GET /x?b=2&a=1 HTTP/1.1\r\nHost: vt.test\r\nAccept: text/html\r\n\r\n"
MakeRig = Callable[..., Awaitable[Rig]]


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds; the test's own time-out is the deadline."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_r5_get_reaches_the_origin_as_sent(rig: Rig) -> None:
    """Target, query order and fields arrive unchanged; ours are added after them."""
    answer = await rig.say(GET)
    assert status(answer) == 200
    assert answer.endswith(b"\r\n\r\nok")
    (head,) = rig.origin.heads
    lines = head.split(b"\r\n")
    assert lines[0] == b"GET /x?b=2&a=1 HTTP/1.1"
    assert b"Host: vt.test" in lines
    assert b"Accept: text/html" in lines
    assert b"X-VT-RPPS: 99700000007" in lines
    assert lines.index(b"X-VT-RPPS: 99700000007") > lines.index(b"Accept: text/html")


async def test_keep_alive_and_upstream_reuse(rig: Rig) -> None:
    """Two requests on one connection use one upstream connection."""
    reader, writer = await rig.open()
    for _ in range(2):
        writer.write(GET)
        await reader.readuntil(b"ok")
    writer.close()
    assert (len(rig.origin.heads), rig.origin.connections) == (2, 1)


async def test_pipelined_requests_are_answered_in_order(rig: Rig) -> None:
    """Five requests sent at once give five answers in their order."""

    async def echo(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        path = head.split(b" ")[1]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))
        return True

    rig.origin.script = echo
    data = b"".join(b"GET /p%d HTTP/1.1\r\nHost: vt.test\r\n\r\n" % n for n in range(5))
    answer = await rig.say(data, answers=5)
    assert [answer.find(b"/p%d" % n) for n in range(5)] == sorted(answer.find(b"/p%d" % n) for n in range(5))
    assert answer.count(b"200 OK") == 5


@pytest.mark.parametrize("chunked", [False, True])
async def test_r5_large_bodies_both_ways_with_flat_buffers(rig: Rig, chunked: bool) -> None:
    """32 MiB up and down are byte-identical, and neither direction piles up in the door."""
    size = 32 << 20
    block = bytes(range(256)) * 256
    total = hashlib.sha256(block * (size // len(block))).hexdigest()
    seen: list[str] = []

    async def mirror(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        seen.append(hashlib.sha256(await read_body(head, reader)).hexdigest())
        if chunked:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // len(block)):
            writer.write(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
            await writer.drain()
        if chunked:
            writer.write(b"0\r\n\r\n")
        return True

    rig.origin.script = mirror
    reader, writer = await rig.open()
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % size
    writer.write(b"POST /up HTTP/1.1\r\nHost: vt.test\r\n%b\r\n\r\n" % framing)
    for _ in range(size // len(block)):
        writer.write(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
        await writer.drain()
    if chunked:
        writer.write(b"0\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    assert status(head) == 200
    digest = hashlib.sha256()
    left = size
    while left:
        if chunked:
            length = int(await reader.readuntil(b"\r\n"), 16)
            digest.update((await reader.readexactly(length + 2))[:-2])
            left -= length
        else:
            piece = await reader.read(min(left, 1 << 20))
            digest.update(piece)
            left -= len(piece)
        (client,) = rig.door._clients
        assert client.transport is not None
        assert client.transport.get_write_buffer_size() < 2 << 20
    writer.close()
    assert seen == [total]
    assert digest.hexdigest() == total


async def test_back_pressure_holds_the_backend_while_the_client_does_not_read(rig: Rig) -> None:
    """A client that reads nothing makes the origin wait; the door keeps less than 2 MiB."""
    sent = 0

    async def flood(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (256 << 20))
        for _ in range(4096):
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536
        return True

    rig.origin.script = flood
    reader, writer = await rig.open()
    writer.write(GET)
    await reader.readexactly(1)
    before = -1
    while before != sent:  # until nothing moves any more
        before = sent
        await asyncio.sleep(0.2)
    assert sent < 64 << 20
    (client,) = rig.door._clients
    assert client.transport is not None
    assert client.transport.get_write_buffer_size() < 2 << 20
    writer.close()
    await until(lambda: rig.origin.open == 0)


async def test_expect_100_is_answered_by_the_door_and_not_forwarded(rig: Rig) -> None:
    """The door says 100 once the request is admitted; the origin never sees Expect."""
    reader, writer = await rig.open()
    writer.write(b"POST /x HTTP/1.1\r\nHost: vt.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"body")
    assert status(await reader.readuntil(b"ok")) == 200
    writer.close()
    assert b"xpect" not in rig.origin.heads[0]
    assert rig.origin.bodies == [b"body"]


async def test_expect_is_not_encouraged_when_the_request_is_refused(rig: Rig) -> None:
    """A refused upload is refused before its body is asked for."""
    rig.gate.decision = Refuse(Reason.NOT_ALLOWED)
    answer = await rig.say(b"POST /x HTTP/1.1\r\nHost: vt.test\r\nContent-Length: 9999\r\nExpect: 100-continue\r\n\r\n")
    assert status(answer) == 403
    assert b"connection: close" in answer.lower()
    assert not rig.origin.heads


async def test_early_answer_is_relayed_and_the_connection_closed(rig: Rig) -> None:
    """An answer that comes before the body has ended reaches the client whole."""

    async def early(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge")
        return False

    rig.origin.script = early
    reader, writer = await rig.open()
    writer.write(b"POST /x HTTP/1.1\r\nHost: vt.test\r\nContent-Length: 100000\r\n\r\nstart")
    answer = await reader.read()
    writer.close()
    assert status(answer) == 413
    assert answer.endswith(b"large")
    assert b"Connection: close" in answer


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"nonsense\r\n\r\n", 502),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", 502),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 502),
        (b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n", 502),
        (b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", 502),
        (b"HTTP/1.1 200 OK\r\n folded: x\r\nContent-Length: 0\r\n\r\n", 502),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", 502),
        (b"HTTP/2.0 200 OK\r\n\r\n", 502),
        (b"", 502),
        (b"HTTP/1.1 200 OK\r\nContent-Len", 502),
    ],
)
async def test_a_hostile_answer_is_a_502(rig: Rig, answer: bytes, code: int) -> None:
    """What cannot be read in one way is not passed on, and its connection is not used again."""

    async def hostile(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(answer)
        return False

    rig.origin.script = hostile
    got = await rig.say(GET)
    assert status(got) == code
    assert b"nonsense" not in got
    rig.origin.script = rig.origin.plain
    assert status(await rig.say(GET)) == 200


async def test_an_answer_that_breaks_is_visibly_broken(rig: Rig) -> None:
    """A body that ends early ends the client's connection before the declared length."""

    async def broken(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        return False

    rig.origin.script = broken
    assert not complete(await rig.say(GET))


async def test_bytes_after_an_answer_never_reach_another_client(rig: Rig) -> None:
    """A second answer nobody asked for ends the upstream connection and goes nowhere."""

    async def two(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen"
        )
        return True

    rig.origin.script = two
    first = await rig.say(GET)
    second = await rig.say(GET)
    assert b"stolen" not in first + second
    assert rig.origin.connections == 2


async def test_a_stale_connection_is_retried_once(rig: Rig) -> None:
    """A GET on a reused connection that died silently is sent again on a new one."""
    count = 0

    async def once(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        nonlocal count
        count += 1
        if count == 2:
            return False  # the second request on the kept connection finds it dying
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return True

    rig.origin.script = once
    assert status(await rig.say(GET)) == 200
    assert status(await rig.say(GET)) == 200
    assert rig.door.meters.retries == 1


async def test_a_post_is_never_sent_twice(rig: Rig) -> None:
    """A POST whose connection dies gives 502, not a second POST."""
    count = 0

    async def once(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        nonlocal count
        count += 1
        await read_body(head, reader)
        if count == 2:
            return False
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return True

    rig.origin.script = once
    post = b"POST /x HTTP/1.1\r\nHost: vt.test\r\nContent-Length: 1\r\n\r\nx"
    assert status(await rig.say(post)) == 200
    assert status(await rig.say(post)) == 502
    assert count == 2


async def test_head_204_and_304_have_no_body(rig: Rig) -> None:
    """Answers without a body keep the connection and say no wrong length."""

    async def none(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if head.startswith(b"HEAD"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n")
        elif b"/204" in head:
            writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        else:
            writer.write(b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n")
        return True

    rig.origin.script = none
    reader, writer = await rig.open()
    for line, expected in ((b"HEAD /", b"1234"), (b"GET /204", b"204"), (b"GET /304", b"304")):
        writer.write(b"%b HTTP/1.1\r\nHost: vt.test\r\n\r\n" % line)
        assert expected in await reader.readuntil(b"\r\n\r\n")
    writer.close()
    assert rig.origin.connections == 1


async def test_http_10_gets_a_body_until_close(rig: Rig) -> None:
    """An old client receives a chunked answer unchunked, ended by the end of the connection."""

    async def chunks(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        return True

    rig.origin.script = chunks
    reader, writer = await rig.open()
    writer.write(b"GET / HTTP/1.0\r\nHost: vt.test\r\n\r\n")
    answer = await reader.read()
    writer.close()
    assert answer.endswith(b"\r\n\r\nabc")
    assert b"chunked" not in answer


async def test_r7_a_gate_that_fails_forwards_nothing(rig: Rig) -> None:
    """An exception in the judgement is a 503, whatever it is."""
    for error in (StoreUnavailable("x"), RuntimeError("bug")):
        rig.gate.decision = error
        answer = await rig.say(GET)
        assert status(answer) == 503
        assert b"retry-after" in answer
    assert not rig.origin.heads


async def test_slow_decision_holds_the_request_and_then_goes_on(rig: Rig) -> None:
    """A request whose facts must be asked waits, and pipelined ones behind it too."""
    rig.gate.slow = asyncio.Event()
    reader, writer = await rig.open()
    writer.write(GET + GET)
    await until(lambda: len(rig.gate.asked) == 1)
    assert not rig.origin.heads
    rig.gate.slow.set()
    await reader.readuntil(b"ok")
    await reader.readuntil(b"ok")
    writer.close()
    assert len(rig.origin.heads) == 2


async def test_r2_page_challenge_is_a_redirect_with_the_way_back(rig: Rig) -> None:
    """A page without a session is sent to sign in and told where to return."""
    rig.gate.decision = Challenge(Reason.NO_SESSION, Space.PROFESSIONNEL)
    answer = await rig.say(GET)
    assert status(answer) == 302
    assert b"location: /_gateway/sign-in?space=professionnel&reason=no-session&return=/x%3Fb%3D2%26a%3D1" in answer


async def test_r89_a_form_after_the_end_of_the_session_is_not_lost(rig: Rig) -> None:
    """A form without a session gets a page that keeps it in the browser, never a redirect that would drop it, and
    nothing of it reaches the backend."""
    rig.gate.decision = Challenge(Reason.SESSION_IDLE, Space.LIBERAL)
    answer = await rig.say(
        b"POST /save HTTP/1.1\r\nHost: vt.test\r\nAccept: text/html\r\nContent-Length: 5\r\n\r\nnote="
    )
    assert status(answer) == 401
    assert b"location" not in answer.lower()
    assert b"held /_gateway/sign-in?space=liberal&reason=session-idle&return=/_gateway/resume" in answer
    assert not rig.origin.heads


@pytest.mark.parametrize(
    "line",
    [
        b"Sec-Fetch-Mode: cors",
        b"Sec-Fetch-Dest: empty",
        b"X-Requested-With: XMLHttpRequest",
        b"Accept: application/json",
    ],
)
async def test_script_challenge_is_401_problem_json(rig: Rig, line: bytes) -> None:
    """A call that cannot show a page gets 401 with the address to sign in at."""
    rig.gate.decision = Challenge(Reason.NO_SESSION, Space.LIBERAL)
    answer = await rig.say(b"GET /api HTTP/1.1\r\nHost: vt.test\r\n%b\r\n\r\n" % line)
    assert status(answer) == 401
    assert b"application/problem+json" in answer
    assert b'"sign_in": "https://vt.test/_gateway/sign-in' in answer


async def test_r25_script_call_without_charter_is_403(rig: Rig) -> None:
    """A script call of someone who has not accepted the charter gets a machine-readable 403."""
    rig.gate.decision = Challenge(Reason.CHARTER_MISSING, Space.LIBERAL, "charter")
    answer = await rig.say(b"GET /api HTTP/1.1\r\nHost: vt.test\r\nAccept: application/json\r\n\r\n")
    assert status(answer) == 403
    assert b'"reason": "charter-missing"' in answer


async def test_own_pages_receive_the_client_and_may_set_our_cookie(rig: Rig) -> None:
    """A reserved path reaches our pages through the socket pair, without asking the gate."""
    answer = await rig.say(
        b"GET /_gateway/sign-in HTTP/1.1\r\nHost: vt.test\r\nVTGW-Client: 6.6.6.6\r\nvtgw_client: 6.6.6.6\r\n"
        b"Client-Cert: :AAAA:\r\nX-VT-RPPS: 1\r\nCookie: __Host-vtgw=t; a=1\r\n\r\n"
    )
    assert b"Set-Cookie: __Host-vtgw=ticket" in answer
    assert not rig.gate.asked
    (request,) = rig.pages
    assert request.headers.getall("vtgw-client") == ["127.0.0.1"]
    assert request.headers["Cookie"] == "__Host-vtgw=t; a=1"
    assert "client-cert" not in request.headers
    assert "X-VT-RPPS" not in request.headers
    assert len(request.headers["vtgw-request-id"]) == 32


async def test_prefix_in_another_case_is_not_ours(rig: Rig) -> None:
    """A path that only resembles the reserved prefix is judged like any other."""
    rig.gate.decision = Refuse(Reason.NOT_ALLOWED)
    for path in (b"/_GATEWAY/sign-in", b"/_gateway.x", b"/_gatewayx/", b"/x/_gateway/"):
        assert status(await rig.say(b"GET %b HTTP/1.1\r\nHost: vt.test\r\n\r\n" % path)) == 403
    assert not rig.pages


async def test_backend_may_not_set_our_cookie_or_headers(rig: Rig) -> None:
    """Our cookie names and our headers in an answer are dropped; the rest of it passes."""

    async def sly(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(
            b"HTTP/1.1 200 OK\r\nSet-Cookie: __Host-vtgw=stolen\r\nSet-Cookie: __Host-vtgw-browser=x\r\n"
            b"Set-Cookie: ASP.NET_SessionId=1\r\nSet-Cookie: b=2\r\nX-VT-RPPS: 1\r\nServer: IIS\r\nContent-Length: 0\r\n\r\n"
        )
        return True

    rig.origin.script = sly
    answer = await rig.say(GET)
    assert b"vtgw" not in answer
    assert b"X-VT" not in answer
    assert answer.count(b"Set-Cookie") == 2
    assert b"Server: IIS" in answer


async def test_r8_framing_is_added_only_when_the_backend_is_silent(rig: Rig) -> None:
    """A backend's own frame policy stands; without one, ours is added."""
    assert b"frame-ancestors 'none'" in await rig.say(GET)

    async def speaks(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nX-Frame-Options: SAMEORIGIN\r\nContent-Length: 0\r\n\r\n")
        return True

    rig.origin.script = speaks
    assert b"frame-ancestors" not in await rig.say(GET)


async def test_forwarding_headers_of_strangers_are_replaced(rig: Rig) -> None:
    """Only the socket speaks for an untrusted client."""
    await rig.say(
        b"GET / HTTP/1.1\r\nHost: vt.test\r\nX-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\n"
        b"X-Forwarded-Proto: https\r\nX-Original-URL: /admin\r\nX-HTTP-Method-Override: DELETE\r\nX-Request-ID: evil\r\n\r\n"
    )
    (head,) = rig.origin.heads
    assert b"1.2.3.4" not in head
    assert b"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n" in head
    assert b'Forwarded: for=127.0.0.1;host="vt.test";proto=http' in head
    assert b"/admin" not in head
    assert b"DELETE" not in head
    assert b"evil" not in head


async def test_trusted_proxy_speaks_for_the_client(make_rig: MakeRig) -> None:
    """Behind a listed proxy the rightmost unlisted address is the client, and its scheme counts."""
    rig = await make_rig(trusted=(ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8")))
    await rig.say(
        b"GET / HTTP/1.1\r\nHost: vt.test\r\nX-Forwarded-For: 6.6.6.6, 192.0.2.7, 10.1.1.1\r\nX-Forwarded-Proto: https\r\n\r\n"
    )
    (head,) = rig.origin.heads
    assert b"X-Forwarded-For: 192.0.2.7, 10.1.1.1, 127.0.0.1\r\nX-Forwarded-Proto: https" in head
    assert rig.gate.asked[0].client == "192.0.2.7"
    assert rig.gate.asked[0].scheme == "https"


async def test_own_cookies_never_reach_the_backend(rig: Rig) -> None:
    """Our cookies are cut out and the others stay byte for byte."""
    await rig.say(
        b"GET / HTTP/1.1\r\nHost: vt.test\r\nCookie: a=1;  b=x y; __Host-vtgw=t; c=3; __Host-vtgw-browser=u\r\n\r\n"
    )
    assert b"Cookie: a=1;  b=x y; c=3\r\n" in rig.origin.heads[0]
    await rig.say(b"GET / HTTP/1.1\r\nHost: vt.test\r\nCookie: __Host-vtgw=t\r\n\r\n")
    assert b"Cookie" not in rig.origin.heads[1]


WS = (
    b"GET /ws HTTP/1.1\r\nHost: vt.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nx_vt_rpps: 1\r\n"
)


async def echo_socket(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    while data := await reader.read(65536):
        writer.write(data)
    return False


async def test_r5_r135_websocket_is_a_tunnel_and_its_head_is_clean(rig: Rig) -> None:
    """After 101 bytes pass both ways; the upgrade request carries our headers and none of the client's."""
    rig.origin.script = echo_socket
    reader, writer = await rig.open()
    writer.write(WS + b"\r\n")
    assert status(await reader.readuntil(b"\r\n\r\n")) == 101
    for size in (1, 1000, 300_000):
        writer.write(b"w" * size)
        assert await reader.readexactly(size) == b"w" * size
    (head,) = rig.origin.heads
    assert head.lower().count(b"rpps") == 1
    assert b"X-VT-RPPS: 99700000007" in head
    writer.close()
    await until(lambda: rig.origin.open == 0)


async def test_websocket_from_another_origin_is_refused(rig: Rig) -> None:
    """A page of another site cannot open a socket with the user's session."""
    answer = await rig.say(WS + b"Origin: https://evil.test\r\n\r\n")
    assert status(answer) == 403
    assert not rig.origin.heads


async def test_websocket_from_this_very_origin_passes(rig: Rig) -> None:
    """A page of ours may open a socket to where it came from."""
    rig.origin.script = echo_socket
    reader, writer = await rig.open()
    writer.write(WS + b"Origin: http://vt.test\r\n\r\n")
    assert status(await reader.readuntil(b"\r\n\r\n")) == 101
    writer.close()


async def test_other_upgrades_are_not_upgrades(rig: Rig) -> None:
    """h2c is ignored: the request goes on as a plain one."""
    await rig.say(
        b"GET / HTTP/1.1\r\nHost: vt.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n"
    )
    (head,) = rig.origin.heads
    assert b"h2c" not in head
    assert b"pgrade" not in head
    assert b"HTTP2" not in head


async def test_refused_upgrade_does_not_open_a_tunnel(rig: Rig) -> None:
    """A backend that answers 200 to an upgrade keeps the connection HTTP: what follows is judged."""
    reader, writer = await rig.open()
    writer.write(WS + b"\r\nGET /second HTTP/1.1\r\nHost: vt.test\r\n\r\n")
    await reader.readuntil(b"ok")
    await reader.readuntil(b"ok")
    writer.close()
    assert [asked.path for asked in rig.gate.asked] == ["/ws", "/second"]


async def test_tunnel_is_cut_with_its_session(rig: Rig) -> None:
    """When the session ends the client gets a close frame and the backend loses the connection."""
    rig.origin.script = echo_socket
    reader, writer = await rig.open()
    writer.write(WS + b"\r\n")
    await reader.readuntil(b"\r\n\r\n")
    rig.door.cut("another")
    writer.write(b"still")
    assert await reader.readexactly(5) == b"still"
    rig.door.cut("digest")
    assert await reader.read() == b"\x88\x02\x03\xf0"
    await until(lambda: rig.origin.open == 0)
    writer.close()


async def test_tunnel_is_cut_at_the_end_of_the_session(rig: Rig) -> None:
    """A tunnel does not outlive the right it was opened with."""
    rig.origin.script = echo_socket
    rig.gate.decision = Forward("vt", "digest", b"", rig.ambient.instant + timedelta(minutes=5))
    reader, writer = await rig.open()
    writer.write(WS + b"\r\n")
    await reader.readuntil(b"\r\n\r\n")
    rig.ambient.instant += timedelta(minutes=5)
    rig.door.sweep()
    assert await reader.read() == b"\x88\x02\x03\xf0"
    writer.close()


async def test_drain_ends_requests_in_flight_and_says_goodbye(rig: Rig) -> None:
    """On drain an answer under way is delivered whole, WebSockets get 1001, and a connection that was idle still has its
    next request answered, with the word that it is the last; a quiet one is closed after a moment."""
    release = asyncio.Event()

    async def slow(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if b"/ws" in head:
            return await echo_socket(head, reader, writer)
        await release.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return True

    rig.origin.script = slow
    busy_reader, busy = await rig.open()
    busy.write(GET)
    idle_reader, idle = await rig.open()
    socket_reader, socket = await rig.open()
    socket.write(WS + b"\r\n")
    await socket_reader.readuntil(b"\r\n\r\n")
    await until(lambda: len(rig.origin.heads) == 2)
    used_reader, used = await rig.open()
    await until(lambda: rig.door.meters.connections == 4)
    drained = asyncio.create_task(rig.door.drain(5))
    await asyncio.sleep(0)
    used.write(GET)
    await until(lambda: len(rig.origin.heads) == 3)
    rig.pass_time(2.1)
    assert await idle_reader.read() == b""
    assert await socket_reader.read() == b"\x88\x02\x03\xe9"
    release.set()
    answer = await busy_reader.read()
    assert answer.endswith(b"ok")
    assert b"Connection: close" in answer
    assert b"Connection: close" in await used_reader.read()
    await drained
    for writer in (busy, idle, socket, used):
        writer.close()
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await rig.open()


async def test_deadlines(rig: Rig) -> None:
    """Half a head, a silent keep-alive, a stalled body and a silent backend each end in their time."""
    reader, writer = await rig.open()
    writer.write(b"GET / HT")
    await until(lambda: any(client._buffer for client in rig.door._clients))
    rig.pass_time(11)
    assert status(await reader.read()) == 408
    writer.close()

    reader, writer = await rig.open()
    await until(lambda: rig.door.meters.connections == 1)
    rig.pass_time(76)
    assert await reader.read() == b""
    writer.close()

    reader, writer = await rig.open()
    writer.write(b"POST / HTTP/1.1\r\nHost: vt.test\r\nContent-Length: 10\r\n\r\nhalf")
    await until(lambda: len(rig.origin.heads) == 1)
    rig.pass_time(31)
    assert status(await reader.readuntil(b"\r\n\r\n")) == 408
    writer.close()

    async def silent(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await reader.read()
        return False

    rig.origin.script = silent
    reader, writer = await rig.open()
    writer.write(GET)
    await until(lambda: len(rig.origin.heads) == 2)
    rig.pass_time(31)
    assert status(await reader.readuntil(b"\r\n\r\n")) == 504
    writer.close()


async def test_backend_down_is_502_and_recovers(rig: Rig) -> None:
    """A refused connection is a 502 page; when the backend is back, requests pass."""
    await rig.origin.stop()
    answer = await rig.say(GET)
    assert status(answer) == 502
    assert b"127.0.0.1" not in answer


async def test_limits(make_rig: MakeRig) -> None:
    """Each size has its own refusal, and nothing reaches the origin."""
    rig = await make_rig(limits=Limits(body=1000, connections_per_address=3))
    table = [
        (b"GET /%b HTTP/1.1\r\nHost: vt.test\r\n\r\n" % (b"a" * 9000), 414),
        (b"GET /" + b"a" * 9000, 414),
        (b"GET / HTTP/1.1\r\nHost: vt.test\r\nX: %b\r\n\r\n" % (b"a" * 17000), 431),
        (b"GET / HTTP/1.1\r\nHost: vt.test\r\n%b\r\n" % (b"X: y\r\n" * 101), 431),
        (b"GET / HTTP/1.1\r\nHost: vt.test\r\n%b" % (b"X: %b\r\n" % (b"a" * 1000) * 70), 431),
        (b"POST / HTTP/1.1\r\nHost: vt.test\r\nContent-Length: 1001\r\n\r\n", 413),
    ]
    for data, code in table:
        assert status(await rig.say(data)) == code
    assert not rig.origin.heads
    await until(lambda: not rig.door._clients)
    kept = [await rig.open() for _ in range(3)]
    await until(lambda: rig.door.meters.connections == 3)
    assert status(await rig.say(GET)) == 503
    for _, writer in kept:
        writer.close()


async def test_access_log_names_no_query(rig: Rig) -> None:
    """One line per request, with the path and without its query (G46)."""
    await rig.say(GET)
    (event,) = rig.events
    assert (event.method, event.path, event.status, event.backend, event.session) == ("GET", "/x", 200, "vt", "digest")


async def test_client_that_leaves_takes_its_request_along(rig: Rig) -> None:
    """The backend's connection closes when its client is gone."""

    async def silent(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await reader.read()
        return False

    rig.origin.script = silent
    _, writer = await rig.open()
    writer.write(GET)
    await until(lambda: len(rig.origin.heads) == 1)
    writer.transport.abort()
    await until(lambda: rig.origin.open == 0)


def fields(*pairs: tuple[bytes, bytes]) -> Fields:
    return Fields(pairs)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (fields((b"client-cert", b":MIIB:")), b"0\x82\x01"),
        (fields((b"client-cert", b"MIIB")), None),
        (fields((b"client-cert", b":MIIB:"), (b"client-cert", b":MIIC:")), None),
        (fields((b"client-cert", b":M!!B:")), None),
        (
            fields((b"x-ssl-client-cert", b"-----BEGIN%20CERTIFICATE-----%0AMIIB%0A-----END%20CERTIFICATE-----%0A")),
            b"0\x82\x01",
        ),
        (fields((b"x-ssl-client-cert", b"MIIB")), None),
        (fields((b"x-ssl-client-cert", b"")), None),
        (fields((b"x-ssl-client-der", b"MIIB")), b"0\x82\x01"),
        (fields((b"x-ssl-client-der", b"MIIB"), (b"client-cert", b":MIIC:")), None),
        (fields(), None),
    ],
)
def test_r37_forwarded_certificates(given: Fields, found: bytes | None) -> None:
    """RFC 9440, nginx and HAProxy forms give the same DER; anything odd, or two of them, gives none."""
    assert forwarded_certificate(given) == found


async def test_t4_backend_tls_is_verified(make_rig: MakeRig, tmp_path: Path) -> None:
    """An https backend with a known certificate is reached; with an unknown one it is a 502 and receives nothing."""
    write_server_certificates(tmp_path, datetime.now(UTC))
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_tls.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    seen = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await shut(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_tls)
    port = server.sockets[0].getsockname()[1]
    for ca, code in ((tmp_path / "ca.pem", 200), (None, 502)):
        rig = await make_rig(backend=Backend("vt", "https", "localhost", port, client_context(ca)))
        assert status(await rig.say(GET)) == code
    assert len(seen) == 1
    server.close()


async def test_r1_a_body_that_drips_is_ended(rig: Rig) -> None:
    """Some bytes every five seconds are progress, but not a kilobyte a second: after body_idle it is a 408, and the
    backend's connection ends with it."""
    reader, writer = await rig.open()
    writer.write(b"POST / HTTP/1.1\r\nHost: vt.test\r\nContent-Length: 100000\r\n\r\n")
    await until(lambda: len(rig.origin.heads) == 1)
    for step in range(6):
        writer.write(b"x" * 50)
        await until(lambda step=step: any(client._received == 50 * (step + 1) for client in rig.door._clients))
        rig.pass_time(5.1)
    assert status(await reader.read()) == 408
    assert rig.events[-1].reason is Reason.REQUEST_TIMEOUT
    await until(lambda: rig.origin.open == 0)
    assert rig.origin.bodies == []
    writer.close()


async def test_b6_a_body_that_came_while_the_gate_was_asked_goes_on(rig: Rig) -> None:
    """A TLS layer still hands over what it had decrypted after reading was paused: more than may wait. Once the request
    is admitted reading goes on, and the whole body arrives."""
    rig.gate.slow = asyncio.Event()
    size = 400_000
    reader, writer = await rig.open()
    writer.write(b"POST / HTTP/1.1\r\nHost: vt.test\r\nContent-Length: %d\r\n\r\n" % size)
    await until(lambda: len(rig.gate.asked) == 1)
    (client,) = rig.door._clients
    client.data_received(b"x" * 100_000)  # type: ignore[attr-defined]
    rig.gate.slow.set()
    await until(lambda: len(rig.origin.heads) == 1)
    writer.write(b"x" * (size - 100_000))
    assert status(await reader.readuntil(b"ok")) == 200
    assert rig.origin.bodies == [b"x" * size]
