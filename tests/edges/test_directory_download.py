"""Fetching the extraction: patient, going on where it stopped, and never a mixture of two files."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
from aiohttp import web

from gateway.edges import directory_download
from gateway.edges.directory_download import Download, DownloadFailed
from tests.edges.national import serving

FILE = bytes(range(256)) * 4000
OTHER = FILE[::-1]
Step = Callable[["Server", web.Request], "web.StreamResponse | None"]


class Server:
    """Each request is answered by the next step; when there are none left, as a good server does."""

    def __init__(self) -> None:
        self.file, self.etag = FILE, '"one"'
        self.steps: list[Step] = []
        self.asked: list[tuple[str, str]] = []
        self.waits: list[float] = []
        self.said: list[str] = []
        self.into = io.BytesIO()

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.headers.get("Range", ""), request.headers.get("If-Range", "")))
        step = self.steps.pop(0) if self.steps else None
        if step is not None and (answer := step(self, request)) is not None:
            return answer
        first = 0
        if (said := re.fullmatch(r"bytes=([0-9]+)-", request.headers.get("Range", ""))) and (
            request.headers.get("If-Range") == self.etag
        ):
            first = int(said[1])
        answer = web.StreamResponse(status=206 if first else 200, headers={"ETag": self.etag})
        if first:
            answer.headers["Content-Range"] = f"bytes {first}-{len(self.file) - 1}/{len(self.file)}"
        answer.content_length = len(self.file) - first
        await answer.prepare(request)
        await answer.write(self.file[first:])
        return answer

    async def wait(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def fetch(self) -> bytes:
        async with aiohttp.ClientSession() as session:
            await Download(session, self.url, self.into, self.wait, self.said.append).run()
        return self.into.getvalue()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    app = web.Application()
    app.router.add_get("/{rest:.*}", made.take)
    async with serving(app) as made.url:
        yield made


def status(code: int, **headers: str) -> Step:
    return lambda *_: web.Response(status=code, headers={key.replace("_", "-"): one for key, one in headers.items()})


def breaking(server: Server, request: web.Request) -> web.StreamResponse:
    """A part of the file, and then nothing more."""
    first = int(request.headers.get("Range", "bytes=0-")[6:-1])
    part = server.file[first : first + 300_000]
    headers = {"ETag": server.etag, "Content-Length": str(len(server.file) - first)}
    if first:
        headers["Content-Range"] = f"bytes {first}-{len(server.file) - 1}/{len(server.file)}"

    class Part(web.Response):
        async def write_eof(self, data: bytes = b"") -> None:
            await self.write(part)
            if request.transport is not None:
                request.transport.close()

    return Part(status=206 if first else 200, headers=headers)


async def test_all_of_it_at_once(server: Server) -> None:
    assert await server.fetch() == FILE
    assert (server.asked, server.waits) == ([("", "")], [])


async def test_asked_too_often_it_waits_one_two_four_and_eight_minutes(server: Server) -> None:
    server.steps = [status(429)] * 4
    assert await server.fetch() == FILE
    assert server.waits == [60, 120, 240, 480]
    assert len(server.said) == 4
    server.steps = [status(429)] * 5
    with pytest.raises(DownloadFailed, match="too often"):
        await server.fetch()


async def test_what_the_server_asks_for_is_waited_within_reason(server: Server) -> None:
    server.steps = [status(429, Retry_After="200"), status(429, Retry_After="99999"), status(429, Retry_After="soon")]
    await server.fetch()
    assert server.waits == [200, 900, 240]


async def test_a_broken_transfer_goes_on_where_it_stopped(server: Server) -> None:
    server.steps = [breaking, breaking]
    assert await server.fetch() == FILE
    assert server.asked == [("", ""), ("bytes=300000-", '"one"'), ("bytes=600000-", '"one"')]
    assert server.waits == [5, 10]


async def test_another_file_is_begun_anew(server: Server) -> None:
    def replaced(server: Server, _: web.Request) -> None:
        server.file, server.etag = OTHER, '"two"'

    server.steps = [breaking, replaced]
    assert await server.fetch() == OTHER
    assert server.asked[1] == ("bytes=300000-", '"one"')


@pytest.mark.parametrize("etag", ["", 'W/"one"'])
async def test_without_a_sure_sign_it_is_begun_anew(server: Server, etag: str) -> None:
    server.etag = etag
    server.steps = [breaking]
    assert await server.fetch() == FILE
    assert server.asked == [("", ""), ("", "")]


@pytest.mark.parametrize("said", ["bytes 0-1023999/1024000", "nonsense", "bytes 299999-1023999/1024000"])
async def test_another_part_than_was_asked_for_is_not_taken(server: Server, said: str) -> None:
    def wrong(server: Server, _: web.Request) -> web.Response:
        return web.Response(status=206, body=b"x" * 100, headers={"Content-Range": said, "ETag": server.etag})

    server.steps = [breaking, wrong]
    assert await server.fetch() == FILE
    assert server.asked[2] == ("", "")


async def test_a_part_that_is_no_part_any_more_is_begun_anew(server: Server) -> None:
    server.steps = [breaking, status(416)]
    assert await server.fetch() == FILE


@pytest.mark.parametrize("code", [301, 302, 401, 403, 404, 410, 206])
async def test_other_answers_end_it(server: Server, code: int) -> None:
    """And nobody is led elsewhere: the authority is pinned for one host."""
    server.steps = [status(code, Location="http://elsewhere.test/")]
    with pytest.raises(DownloadFailed, match=str(code)):
        await server.fetch()
    assert len(server.asked) == 1


async def test_a_server_that_is_down_is_tried_five_times_more(server: Server) -> None:
    server.steps = [status(503)] * 6
    with pytest.raises(DownloadFailed, match="503"):
        await server.fetch()
    assert server.waits == [5, 10, 20, 40, 80]


async def test_a_file_without_end_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_download, "_LARGEST", 100_000)
    with pytest.raises(DownloadFailed, match="too large"):
        await server.fetch()
