"""A mailbox and an SMS catcher: a small real SMTP server, and an address that takes SMS. Nothing leaves the machine."""

from __future__ import annotations

import asyncio
import email
import itertools
from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiohttp import web

_LARGEST = 1 << 20
_KEPT = 1000


class MailCatcher:
    """RFC 5321 as far as a client needs it: EHLO, MAIL, RCPT, DATA, RSET, NOOP, QUIT."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._ids = itertools.count(1)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.messages: list[dict[str, Any]] = []
        self.mode = "ok"
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        self._server = await asyncio.start_server(self._accept, host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._guarded(reader, writer), name="smtp")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # a client that leaves is its own business
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "down":
            writer.transport.abort()
            return
        if self.mode == "slow":
            await asyncio.sleep(60)
        sender, recipients = "", list[str]()

        async def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")
            await writer.drain()

        await say("220 mailbox ESMTP")
        while True:
            line = (await reader.readuntil(b"\r\n")).decode("utf-8", "replace").strip()
            verb = line[:4].upper()
            if verb in ("EHLO", "HELO"):
                await say("250-mailbox\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 1048576")
            elif verb == "MAIL":
                sender, recipients = _address(line), []
                await say("250 ok")
            elif verb == "RCPT":
                if self.mode == "error":
                    await say("550 no such mailbox")
                else:
                    recipients.append(_address(line))
                    await say("250 ok")
            elif verb == "DATA":
                if not recipients:
                    await say("503 no recipient")
                    continue
                await say("354 go on")
                data = await self._data(reader)
                self._keep(sender, recipients, data)
                await say("250 kept")
            elif verb == "RSET":
                sender, recipients = "", []
                await say("250 ok")
            elif verb == "NOOP":
                await say("250 ok")
            elif verb == "QUIT":
                await say("221 bye")
                return
            else:
                await say("502 not known")

    async def _data(self, reader: asyncio.StreamReader) -> bytes:
        data = bytearray()
        while True:
            line = await reader.readuntil(b"\r\n")
            if line == b".\r\n":
                return bytes(data)
            data += line[1:] if line.startswith(b"..") else line
            if len(data) > _LARGEST:
                raise ConnectionError("too large")

    def _keep(self, sender: str, recipients: list[str], data: bytes) -> None:
        mail = email.message_from_bytes(data, policy=default)
        assert isinstance(mail, EmailMessage)  # noqa: S101 - the policy says so
        plain, rich = mail.get_body(("plain",)), mail.get_body(("html",))
        for recipient in recipients:
            self.messages.append(
                {
                    "id": str(next(self._ids)),
                    "to": recipient,
                    "from": sender,
                    "subject": str(mail["Subject"] or ""),
                    "text": plain.get_content() if plain else "",
                    "html": rich.get_content() if rich else "",
                    "at": self._clock().isoformat(),
                }
            )
        del self.messages[:-_KEPT]


class SmsCatcher:
    """Takes ``{"to", "text"}`` by POST and keeps it."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._ids = itertools.count(1)
        self.messages: list[dict[str, Any]] = []
        self.mode = "ok"

    async def take(self, request: web.Request) -> web.Response:
        if self.mode == "down" and request.transport is not None:
            request.transport.abort()
        if self.mode == "slow":
            await asyncio.sleep(60)
        if self.mode == "error":
            return web.json_response({"error": "refused"}, status=500)
        data = await request.json()
        kept = {"id": str(next(self._ids)), "to": data["to"], "text": data["text"], "at": self._clock().isoformat()}
        self.messages.append(kept)
        del self.messages[:-_KEPT]
        return web.json_response({"id": kept["id"]})


def _address(line: str) -> str:
    begin, end = line.find("<"), line.find(">")
    return line[begin + 1 : end] if 0 <= begin < end else line.partition(":")[2].strip()
