"""Clients and backends that do not take what is written to them: each waits for itself, and nobody for another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.proxy.conftest import Rig, status

GET = b"GET / HTTP/1.1\r\nHost: vt.test\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: vt.test\r\nContent-Length: 4\r\n\r\n"


class Full:
    """A transport whose every write fills its buffer, as the event loop tells it: within the write."""

    def __init__(self, transport: asyncio.Transport, paused: Callable[[], None]) -> None:
        self._transport = transport
        self._paused = paused

    def write(self, data: bytes) -> None:
        self._transport.write(data)
        self._paused()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.005)


async def full_client(rig: Rig) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, Any]:
    """A connection on which each answer is more than the client takes at once."""
    reader, writer = await rig.open()
    await until(lambda: len(rig.door._clients) == 1)
    (client,) = rig.door._clients
    connection: Any = client
    connection.transport = Full(connection.transport, connection.pause_writing)
    connection._write = connection.transport.write
    return reader, writer, connection


async def other(rig: Rig) -> int:
    """The status another client gets."""
    return status(await rig.say(GET))


@pytest.mark.parametrize("pieces", [1, 2])
async def test_r5_the_next_client_does_not_wait_for_one_that_was_slow(rig: Rig, pieces: int) -> None:
    """The last piece of an answer fills the client's buffer, which holds the backend's connection. It is read again for
    the next request it carries."""

    async def in_pieces(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + b"ok"[: 3 - pieces])
        if pieces == 2 and slow.state.name == "BUSY":
            await until(lambda: slow._answered)
            slow.resume_writing()
            writer.write(b"k")
        elif pieces == 2:
            writer.write(b"k")
        return True

    rig.origin.script = in_pieces
    reader, writer, slow = await full_client(rig)
    writer.write(GET)
    assert status(await reader.readuntil(b"ok")) == 200
    assert await other(rig) == 200
    assert rig.origin.connections == 1
    writer.close()


async def test_r1_requests_sent_ahead_wait_until_the_answers_are_read(rig: Rig) -> None:
    """Three requests at once from a client that does not read: the second is asked when the first answer was taken, so
    that answers never pile up."""
    reader, writer, slow = await full_client(rig)
    writer.write(GET * 3)
    await reader.readuntil(b"ok")
    for asked in (2, 4):
        assert await other(rig) == 200
        assert len(rig.origin.heads) == asked
        slow.resume_writing()
        await reader.readuntil(b"ok")
    slow.resume_writing()
    writer.write(GET)
    await reader.readuntil(b"ok")
    writer.close()


async def test_r1_bytes_that_still_come_while_answers_are_unread_are_kept(rig: Rig) -> None:
    """What a TLS layer had decrypted is handed over after reading was paused: it waits like the rest, whole."""
    reader, writer, slow = await full_client(rig)
    writer.write(GET)
    await reader.readuntil(b"ok")
    slow.data_received(GET[:20])
    slow.data_received(GET[20:])
    assert await other(rig) == 200
    assert len(rig.origin.heads) == 2
    slow.resume_writing()
    assert status(await reader.readuntil(b"ok")) == 200
    writer.close()


async def test_r1_a_client_that_never_reads_is_cut(rig: Rig) -> None:
    """With answers unread and requests waiting, the deadline is that of writing; then the connection ends."""
    reader, writer, _ = await full_client(rig)
    writer.write(GET * 2)
    await reader.readuntil(b"ok")
    limits = rig.door.settings.limits
    rig.pass_time(limits.write_idle - 1)
    assert len(rig.door._clients) == 1
    rig.pass_time(2)
    await until(lambda: not rig.door._clients)
    assert len(rig.origin.heads) == 1
    writer.close()


async def test_r5_a_backend_that_answers_before_it_took_the_body_costs_only_its_connection(rig: Rig) -> None:
    """The backend answers while the end of the body still waits for it: the client's next request is read, and goes by
    another connection, since this one would not say when it is full."""
    ready = asyncio.Event()

    async def early(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if head.startswith(b"POST"):
            await ready.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return not head.startswith(b"POST")

    rig.origin.script = early
    reader, writer = await rig.open()
    writer.write(POST)
    await until(lambda: len(rig.origin.heads) == 1)
    (client,) = rig.door._clients
    connection: Any = client
    upstream = connection._upstream
    upstream.transport = Full(upstream.transport, upstream.pause_writing)
    writer.write(b"body")
    await until(lambda: connection._received == 4)
    ready.set()
    assert status(await reader.readuntil(b"ok")) == 200
    writer.write(GET)
    assert status(await reader.readuntil(b"ok")) == 200
    assert rig.origin.connections == 2
    writer.close()
