"""A door on loopback with a gate that answers as the test says, and an origin that keeps every byte it received."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NamedTuple

import pytest
from aiohttp import web

from gateway.answer import Answers
from gateway.policy.decision import Challenge, Decision, Forward, Refuse
from gateway.proxy.door import Door
from gateway.proxy.headers import Names
from gateway.proxy.limits import AccessEvent, Backend, DoorSettings, Group
from gateway.proxy.pool import pages_connector
from gateway.reasons import Reason
from gateway.request import RequestHead

STAMP = b"X-VT-RPPS: 99700000007\r\nX-VT-Assertion: a.b.c\r\n"
Script = Callable[[bytes, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]


class FixedAmbient:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.instant = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.instant

    def monotonic(self) -> float:
        return self.instant.timestamp()

    def token(self, size: int = 32) -> str:
        return "a" * (size * 4 // 3 + 1)

    def digits(self, count: int) -> str:
        return "0" * count


class Origin:
    """A backend in the raw: keeps the bytes of each request head and body, answers by ``script``."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.open = 0
        self.script: Script = self.plain
        self.port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def plain(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        self.bodies.append(await read_body(head, reader))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return True

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self._writers.add(writer)
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.heads.append(head)
                if not await self.script(head, reader, writer):
                    break
                await writer.drain()
        self.open -= 1
        self._writers.discard(writer)
        await shut(writer)


async def shut(writer: asyncio.StreamWriter) -> None:
    """Close, and wait until it is closed."""
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def read_body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    """The body after this head, by its framing."""
    lowered = head.lower()
    if b"\r\ntransfer-encoding: chunked" in lowered:
        body = b""
        while True:
            size = int(await reader.readuntil(b"\r\n"), 16)
            body += (await reader.readexactly(size + 2))[:-2]
            if size == 0:
                return body
    if b"\r\ncontent-length: " in lowered:
        length = int(lowered.split(b"\r\ncontent-length: ")[1].split(b"\r\n")[0])
        return await reader.readexactly(length)
    return b""


class TestGate:
    """Answers at once with ``decision``; with ``slow`` set, only after it is set free."""

    __test__ = False

    def __init__(self) -> None:
        self.decision: Decision | Exception = Forward("vt", "digest", STAMP)
        self.asked: list[RequestHead] = []
        self.slow: asyncio.Event | None = None

    def at_once(self, head: RequestHead) -> Decision | None:
        self.asked.append(head)
        if self.slow is not None:
            return None
        return self._answer()

    async def admit(self, head: RequestHead) -> Decision:
        assert self.slow is not None
        await self.slow.wait()
        return self._answer()

    def _answer(self) -> Decision:
        if isinstance(self.decision, Exception):
            raise self.decision
        return self.decision


class Event(NamedTuple):
    """A finished request, with names."""

    request_id: str
    label: tuple[str, str, str]
    status: int
    backend: str | None
    session: str | None
    reason: Reason | None
    sent: int
    received: int
    seconds: float
    ended: float

    method = property(lambda self: self.label[1])
    path = property(lambda self: self.label[2])


@dataclass
class Rig:
    """The whole arrangement, and a raw client."""

    door: Door
    origin: Origin
    gate: TestGate
    ambient: FixedAmbient
    port: int
    clock: list[float]
    logged: list[AccessEvent] = field(default_factory=list)
    pages: list[web.Request] = field(default_factory=list)
    opened: list[asyncio.StreamWriter] = field(default_factory=list)

    @property
    def events(self) -> list[Event]:
        """Requests that are over."""
        self.door.flush()
        return [Event(*one) for one in self.logged]

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 22)
        self.opened.append(writer)
        return reader, writer

    async def stop(self) -> None:
        for writer in self.opened:
            await shut(writer)

    async def say(self, data: bytes, *, answers: int = 1) -> bytes:
        """Send the bytes on a connection of their own; everything that comes back until it closes or is quiet."""
        reader, writer = await self.open()
        writer.write(data)
        out = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            while out.count(b"HTTP/1.") < answers or not complete(out):
                async with asyncio.timeout(3):
                    got = await reader.read(1 << 16)
                if not got:
                    break
                out += got
        await shut(writer)
        return out

    def pass_time(self, seconds: float) -> None:
        """Move the deadlines' clock and look at them."""
        self.clock[0] += seconds
        self.door.sweep()


def complete(data: bytes) -> bool:
    """Whether the last answer in these bytes is whole (Content-Length or chunked answers only)."""
    start = data.rfind(b"HTTP/1.")
    head, found, body = data[start:].partition(b"\r\n\r\n")
    if not found:
        return False
    lowered = head.lower()
    if b"chunked" in lowered:
        return body.endswith(b"0\r\n\r\n")
    if b"content-length: " in lowered:
        return len(body) >= int(lowered.split(b"content-length: ")[1].split(b"\r\n")[0])
    return False


def status(answer: bytes) -> int:
    return int(answer.split(b" ")[1]) if answer else 0


@pytest.fixture
async def make_rig() -> AsyncIterator[Callable[..., Awaitable[Rig]]]:
    closers: list[Callable[[], Awaitable[None]]] = []

    async def make(**changes: object) -> Rig:
        origin = Origin()
        await origin.start()
        gate, ambient, clock = TestGate(), FixedAmbient(), [1000.0]
        pages_seen: list[web.Request] = []

        async def page(request: web.Request) -> web.Response:
            pages_seen.append(request)
            response = web.Response(text="page")
            response.headers.add("Set-Cookie", "__Host-vtgw=ticket; Path=/; Secure; HttpOnly")
            return response

        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", page)
        runner = web.AppRunner(app)
        await runner.setup()
        assert runner.server is not None
        settings = DoorSettings(
            Names.of("X-VT-", "X-VT-Assertion"), frozenset({"vt.test", "localhost", "127.0.0.1"}), "vt.test"
        )
        events: list[AccessEvent] = []
        backend = changes.pop("backend", None) or Backend("vt", "http", "127.0.0.1", origin.port)
        assert isinstance(backend, Backend | Group)
        door = Door(
            replace(settings, **changes),  # type: ignore[arg-type]
            gate=gate,
            answers=Answers(
                "https://vt.test",
                "/_gateway",
                lambda s, a, b, c: f"{s} {a} {c}",
                lambda where, c: f"held {where} {c}",
            ),
            backends=[backend],
            pages=pages_connector(runner.server),
            ambient=ambient,
            log=events.extend,
            clock=lambda: clock[0],
        )
        _, port = await door.listen("127.0.0.1", 0, "plain")
        made = Rig(door, origin, gate, ambient, port, clock, events, pages_seen)
        closers.extend([origin.stop, runner.cleanup, door.close, made.stop])
        return made

    yield make
    for close in reversed(closers):
        await close()
    for _ in range(5):  # transports that were aborted say so in the next turns of the loop
        await asyncio.sleep(0)


@pytest.fixture
async def rig(make_rig: Callable[..., Awaitable[Rig]]) -> Rig:
    return await make_rig()


__all__ = ["STAMP", "Challenge", "Origin", "Refuse", "Rig", "complete", "read_body", "status"]
