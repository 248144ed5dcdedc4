"""The way to the FHIR interface of the national directory: one call at a time, bounded in every direction.

The key goes with each call and nowhere else: into no log line, no error, and to no other host or path. No redirects,
no cookies, answers of 4 MiB at most, so many calls a second as the interface grants an application. When it says that
it was asked too often, or fails several times in a row, calls are answered here at once for a while, so that a page
never waits for what is known to be down.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import structlog
from yarl import URL

from gateway.ports import Ambient
from gateway.reasons import DirectoryUnavailable

_HEADER = "ESANTE-API-KEY"
_LARGEST = 4 << 20  # bytes
_ASIDE = 256 << 10  # bytes from which on an answer is read in a thread: parsing would hold up everybody
_QUEUE = 2.0  # seconds a call waits for its turn at most
_FAILURES = 3  # in a row, after which the interface counts as down
_SHUT = 10.0  # seconds without a call then
_QUIET = 5.0  # seconds without a call after 429, unless it says how long
_QUIET_MOST = 60.0
_SHORTEST = 0.05  # seconds that a call is given even when the time is up
_log = structlog.get_logger("gateway.directory")


class BadQuestion(DirectoryUnavailable):
    """The interface does not understand the question (400)."""


class Turns:
    """So many calls in any second, by the clock; who would wait too long is turned away."""

    def __init__(self, calls_per_second: float, ambient: Ambient, pause: Callable[[float], Awaitable[None]]) -> None:
        self._count = max(1, int(calls_per_second))
        self._window = self._count / calls_per_second
        self._ambient = ambient
        self._pause = pause
        self._taken: deque[float] = deque(maxlen=self._count)

    async def take(self) -> None:
        """Wait for a turn. Raises ``DirectoryUnavailable``."""
        now = at = self._ambient.monotonic()
        if len(self._taken) == self._count:
            at = max(now, self._taken[0] + self._window)
        if at - now > _QUEUE:
            raise DirectoryUnavailable("too many calls at once")
        self._taken.append(at)
        if at > now:
            await self._pause(at - now)


class ApiLine:
    """``session`` keeps no cookies; ``tls`` verifies the interface's own host."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        api_key: str,
        ambient: Ambient,
        calls_per_second: float,
        tls: ssl.SSLContext | None,
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._session = session
        self._headers = {_HEADER: api_key, "Accept": "application/fhir+json", "Accept-Encoding": "identity"}
        self._ambient = ambient
        self._turns = Turns(calls_per_second, ambient, pause)
        self._tls = tls
        self._failures = 0
        self._shut_until = self._quiet_until = float("-inf")

    async def fetch(self, url: URL, deadline: float) -> dict[str, Any]:
        """The JSON object at the address, by this instant of the loop's clock. Raises ``DirectoryUnavailable``, of
        which ``BadQuestion`` is no failure of the interface."""
        self._admit()
        await self._turns.take()
        try:
            return await self._ask(url, deadline)
        except BadQuestion:
            raise
        except DirectoryUnavailable as error:
            self.failed(url.name, str(error))
            raise

    def succeeded(self) -> None:
        """What was fetched was worth something: failures are counted anew."""
        self._failures = 0

    def failed(self, what: str, why: str) -> None:
        """An answer was none, or worth nothing."""
        self._failures += 1
        if self._failures >= _FAILURES:
            self._shut_until = self._ambient.monotonic() + _SHUT
        _log.warning("the directory gives no answer", what=what, why=why, failures=self._failures)

    def _admit(self) -> None:
        now = self._ambient.monotonic()
        if now < self._quiet_until:
            raise DirectoryUnavailable("asked to wait")
        if self._failures >= _FAILURES:
            if now < self._shut_until:
                raise DirectoryUnavailable("known to be down")
            self._failures = _FAILURES - 1  # it may be back; the next failure shuts again

    async def _ask(self, url: URL, deadline: float) -> dict[str, Any]:
        left = max(_SHORTEST, deadline - asyncio.get_running_loop().time())
        try:
            async with self._session.get(
                url,
                headers=self._headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=left),
                ssl=self._tls or True,
            ) as answer:
                if answer.status == 200:
                    return await _read(answer)
                fault = str(answer.status)
                status, retry_after = answer.status, answer.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            fault, status, retry_after = type(error).__name__, 0, ""
        # Not inside "except": the foreign exception holds the request with its key, and must not go along with ours.
        if status == 400:
            raise BadQuestion(fault)
        if status == 429:
            self._quiet_until = self._ambient.monotonic() + self._quiet(retry_after)
        raise DirectoryUnavailable(fault)

    def _quiet(self, retry_after: str) -> float:
        """Seconds, as RFC 9110 §10.2.3 writes them or as a date."""
        text = retry_after.strip()
        seconds = _QUIET
        if text.isascii() and text.isdigit():
            seconds = float(text[:9])
        elif text:
            try:
                seconds = (parsedate_to_datetime(text) - self._ambient.now()).total_seconds()
            except (ValueError, TypeError):  # no date, or one without its zone
                seconds = _QUIET
        return min(max(seconds, 1.0), _QUIET_MOST)


async def _read(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    if answer.content_type != "application/json" and not answer.content_type.endswith("+json"):
        raise DirectoryUnavailable("no JSON")
    data = bytearray()
    async for piece in answer.content.iter_chunked(1 << 16):
        data += piece
        if len(data) > _LARGEST:
            raise DirectoryUnavailable("answer too large")
    found = _parsed(data) if len(data) < _ASIDE else await asyncio.to_thread(_parsed, data)
    if not isinstance(found, dict):
        raise DirectoryUnavailable("no JSON object")
    return found


def _parsed(data: bytearray) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
