"""The mixed load: good requests of every kind, and clients that misbehave. Counts what should have been served."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections import Counter

_CLOSE = b"Connection: close\r\n"
_MALFORMED = (
    b"GET /\x00 HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
)


class Load:
    """Runs until ``stop``; ``wrong`` counts answers that should have been 200 and were not."""

    def __init__(self, clear: int, tls: int, cookie: str) -> None:
        self._clear = clear
        self._tls = tls
        self._who = f"Host: localhost\r\nCookie: {cookie}\r\n".encode()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        self.done: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self._stopping = False

    async def run(self, seconds: float) -> None:
        kinds = (
            self._keep_alive, self._keep_alive, self._large, self._post, self._chunked, self._tls_each, self._leaves,
            self._malformed, self._nobody, self._websocket, self._slow_reader,
        )  # fmt: skip
        tasks = [asyncio.create_task(self._again(kind)) for kind in kinds for _ in range(3)]
        await asyncio.sleep(seconds)
        self._stopping = True
        await asyncio.gather(*tasks)

    async def _again(self, kind: object) -> None:
        assert callable(kind)
        name = kind.__name__.strip("_")
        while not self._stopping:
            try:
                async with asyncio.timeout(30):
                    await kind()
                self.done[name] += 1
            except (OSError, TimeoutError, asyncio.IncompleteReadError, AssertionError) as error:
                self.wrong[f"{name}: {type(error).__name__} {error}"[:120]] += 1
                await asyncio.sleep(0.05)

    async def _open(self, *, tls: bool = False) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if tls:
            return await asyncio.open_connection("127.0.0.1", self._tls, ssl=self._context, limit=1 << 20)
        return await asyncio.open_connection("127.0.0.1", self._clear, limit=1 << 20)

    async def _answer(self, reader: asyncio.StreamReader, size: int) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head.split(b"\r\n")[0], head[:60]
        await reader.readexactly(size)

    async def _keep_alive(self) -> None:
        reader, writer = await self._open()
        for number in range(50):
            writer.write(b"GET /many/%d HTTP/1.1\r\n" % (number + random.randrange(10_000)) + self._who + b"\r\n")
            await self._answer(reader, 1024)
        await _shut(writer)

    async def _large(self) -> None:
        reader, writer = await self._open()
        for _ in range(5):
            writer.write(b"GET /large HTTP/1.1\r\n" + self._who + b"\r\n")
            await self._answer(reader, 65536)
        await _shut(writer)

    async def _post(self) -> None:
        reader, writer = await self._open()
        body = b"z" * random.randrange(1, 200_000)
        writer.write(b"POST /sink HTTP/1.1\r\n" + self._who + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await self._answer(reader, 9)
        await _shut(writer)

    async def _chunked(self) -> None:
        reader, writer = await self._open()
        writer.write(b"POST /sink HTTP/1.1\r\n" + self._who + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(10):
            writer.write(b"400\r\n" + b"c" * 1024 + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await self._answer(reader, 9)
        await _shut(writer)

    async def _tls_each(self) -> None:
        reader, writer = await self._open(tls=True)
        writer.write(b"GET /small HTTP/1.1\r\n" + self._who + _CLOSE + b"\r\n")
        await self._answer(reader, 1024)
        await _shut(writer)

    async def _leaves(self) -> None:
        """Asks for 200 MB and goes away in the middle."""
        reader, writer = await self._open()
        writer.write(b"GET /huge HTTP/1.1\r\n" + self._who + b"\r\n")
        await reader.readexactly(100_000)
        writer.transport.abort()

    async def _malformed(self) -> None:
        reader, writer = await self._open()
        writer.write(random.choice(_MALFORMED))
        assert (await reader.read(65536)).startswith(b"HTTP/1.1 4")
        await _shut(writer)

    async def _nobody(self) -> None:
        """A ticket that nobody knows: sent to sign in."""
        reader, writer = await self._open()
        ticket = b"%043x" % random.randrange(1 << 160)
        writer.write(
            b"GET /small HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nCookie: __Host-vtgw="
            + ticket
            + b"\r\n\r\n"
        )
        assert b" 302 " in (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0]
        await _shut(writer)

    async def _websocket(self) -> None:
        reader, writer = await self._open()
        writer.write(
            b"GET /ws HTTP/1.1\r\n"
            + self._who
            + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        for _ in range(20):
            writer.write(bytes([0x82, 0x80 | 5, 1, 2, 3, 4]) + b"hello")
            await reader.readexactly(7)
        await _shut(writer)

    async def _slow_reader(self) -> None:
        reader, writer = await self._open()
        writer.write(b"GET /huge HTTP/1.1\r\n" + self._who + b"\r\n")
        for _ in range(20):
            await reader.read(4096)
            await asyncio.sleep(0.05)
        writer.transport.abort()


async def _shut(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
