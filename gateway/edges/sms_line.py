"""The way to one SMS service over HTTP: a bounded session that keeps nothing and tries nothing twice.

No cookies, no redirects, no decompression, answers of 64 KiB at most, one time limit over the whole. Nothing is logged,
and no foreign exception leaves: those hold the address, which may hold credentials, the number and the text.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from gateway.reasons import SenderFailed

LARGEST_ANSWER = 64 * 1024
_CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> Any:
        """The value in the body, or ``None`` when it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


class Line:
    """The session towards one service, opened at the first message."""

    def __init__(self, timeout: float, context: ssl.SSLContext | None) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._context = context
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def fetch(self, method: str, url: str, headers: Mapping[str, str], body: str | None) -> Answer:
        """One request, whole answer. Raises ``SenderFailed`` and nothing else."""
        if self._closed:
            raise SenderFailed("closed")
        try:
            session = self._opened()
            async with session.request(
                method,
                URL(url, encoded=True),  # as it was written, and for OVHcloud as it was signed
                headers=headers,
                data=None if body is None else body.encode(),
                allow_redirects=False,
                middlewares=(_Once(),),
            ) as answer:
                return Answer(answer.status, await _limited(answer.content))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            fault = type(error).__name__
        # Not inside "except": the foreign exception must not become the context of ours.
        raise SenderFailed(fault)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # Kept connections die unnoticed between two messages; each message has a fresh one.
                connector=aiohttp.TCPConnector(ssl=self._context or True, limit=_CONNECTIONS, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=self._timeout,
                headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "vt-gateway"},
                auto_decompress=False,
            )
        return self._session

    async def close(self) -> None:
        self._closed = True
        if self._session is not None:
            await self._session.close()


class _Once:
    """aiohttp repeats a GET by itself when the connection breaks; a text handed over twice is paid and read twice."""

    def __init__(self) -> None:
        self._done = False

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        if self._done:
            raise aiohttp.ServerDisconnectedError
        self._done = True
        return await handler(request)


async def _limited(stream: aiohttp.StreamReader) -> bytes:
    parts: list[bytes] = []
    size = 0
    while part := await stream.read(LARGEST_ANSWER):
        size += len(part)
        if size > LARGEST_ANSWER:
            raise SenderFailed("answer too large")
        parts.append(part)
    return b"".join(parts)
