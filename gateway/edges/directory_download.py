"""Fetching the public extraction (some 230 MB), with the patience its server asks for.

A transfer that breaks goes on where it stopped, as long as the file is the same one. "Too many requests" is answered by
waiting 1, 2, 4 and 8 minutes. Redirects are not followed: the authority that vouches for the server is pinned for this
one host.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import BinaryIO

import aiohttp

_BUSY = (60.0, 120.0, 240.0, 480.0)  # seconds
_BROKEN = (5.0, 10.0, 20.0, 40.0, 80.0)
_LONGEST = 900.0  # that the server may make us wait at once
_LARGEST = 4 << 30  # bytes
_PATIENCE = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)


class DownloadFailed(Exception):
    """The extraction could not be fetched; the message says why."""


class _Broken(Exception):
    """The transfer stopped before its end."""


class _Busy(Exception):
    """Asked too often; ``seconds`` that the server named."""

    def __init__(self, seconds: float) -> None:
        super().__init__("asked too often")
        self.seconds = seconds


class Download:
    """One file on its way. ``wait`` sleeps so many seconds; ``say`` hears what happens."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        into: BinaryIO,
        wait: Callable[[float], Awaitable[None]],
        say: Callable[[str], object],
    ) -> None:
        self._session = session
        self._url = url
        self._into = into
        self._wait = wait
        self._say = say
        self._validator = ""  # by which the server knows that the file is still the same
        self._told = 0

    async def run(self) -> None:
        """Fetch all of it. Raises ``DownloadFailed``."""
        busy, broken = iter(_BUSY), iter(_BROKEN)
        while True:
            try:
                await self._go_on()
                return
            except _Busy as error:
                pause, why = next(busy, None), "the server was asked too often"
                if pause is not None:
                    pause = min(max(pause, error.seconds), _LONGEST)
            except aiohttp.ClientSSLError as error:  # time makes no certificate right
                raise DownloadFailed(str(error)) from error
            except (_Broken, aiohttp.ClientError, TimeoutError, OSError) as error:
                pause, why = next(broken, None), f"the transfer broke ({str(error) or type(error).__name__})"
            if pause is None:
                raise DownloadFailed(why)
            self._say(f"{why}; going on in {pause:.0f} s")
            await self._wait(pause)

    async def _go_on(self) -> None:
        have = self._into.tell() if self._validator else 0
        headers = {"Accept-Encoding": "identity", "User-Agent": "vt-gateway"}
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": self._validator}
        async with self._session.get(self._url, headers=headers, allow_redirects=False, timeout=_PATIENCE) as answer:
            if answer.status == 429:
                said = answer.headers.get("Retry-After", "").strip()
                raise _Busy(float(said) if re.fullmatch(r"[0-9]{1,6}", said) else 0)
            if answer.status >= 500:
                raise _Broken(f"answer {answer.status}")
            if answer.status == 206 and have:
                whole = self._rest_of(answer, have)
            elif answer.status == 200:
                have = 0
                length = answer.headers.get("Content-Length", "")
                whole = int(length) if re.fullmatch(r"[0-9]{1,15}", length) else None
                etag = answer.headers.get("ETag", "")
                self._validator = (
                    etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")
                )
            else:
                self._validator = ""
                raise _Broken("416") if answer.status == 416 else DownloadFailed(f"answer {answer.status}")
            self._into.seek(have)
            self._into.truncate()
            async for piece in answer.content.iter_chunked(1 << 18):
                self._into.write(piece)
                self._tell(self._into.tell(), whole)
            if whole is not None and self._into.tell() != whole:
                raise _Broken(f"{self._into.tell()} bytes of {whole}")

    def _rest_of(self, answer: aiohttp.ClientResponse, have: int) -> int | None:
        """The size of the whole file, when what comes is what was missing."""
        said = re.fullmatch(
            r"bytes ([0-9]{1,15})-[0-9]{1,15}/([0-9]{1,15}|\*)", answer.headers.get("Content-Range", "")
        )
        if said is None or int(said[1]) != have:
            self._validator = ""
            raise _Broken("another part than was asked for")
        return None if said[2] == "*" else int(said[2])

    def _tell(self, done: int, whole: int | None) -> None:
        if done > _LARGEST:
            raise DownloadFailed("the file is too large")
        if done - self._told >= 20_000_000:
            self._told = done
            self._say(f"{done / 1e6:.0f} MB" + (f" of {whole / 1e6:.0f}" if whole else ""))
