"""The way to the directory's interface: how often it is called, and when it is left alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from email.utils import format_datetime

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from gateway.edges.directory_line import ApiLine, BadQuestion, Turns
from gateway.reasons import DirectoryUnavailable, Reason
from tests.ambient import TestAmbient
from tests.edges.national import serving

KEY = "s3cret-key"
Answer = Callable[[web.Request], web.StreamResponse]


class Interface:
    """Answers as it is told, and counts."""

    def __init__(self) -> None:
        self.answer: Answer = lambda _: web.json_response({"resourceType": "Bundle"})
        self.calls = 0
        self.waits: list[float] = []
        self.ambient = TestAmbient()

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        assert request.headers["ESANTE-API-KEY"] == KEY
        return self.answer(request)

    async def pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.ambient.advance(seconds)

    def says(self, status: int, body: str = "{}", kind: str = "application/fhir+json", **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answer = lambda _: web.Response(status=status, text=body, content_type=kind, headers=named)

    async def ask(self) -> dict[str, object]:
        return await self.line.fetch(URL(self.url) / "Practitioner", asyncio.get_running_loop().time() + 5)


@pytest.fixture
async def interface() -> AsyncIterator[Interface]:
    made = Interface()
    app = web.Application()
    app.router.add_get("/{rest:.*}", made.take)
    async with serving(app) as made.url, aiohttp.ClientSession() as session:
        made.line = ApiLine(session, KEY, made.ambient, 1000, None, made.pause)
        yield made


@pytest.mark.parametrize("status", [201, 301, 307, 401, 403, 404, 410, 412, 429, 500, 502, 503])
async def test_r123_other_answers_than_200_are_no_answer(interface: Interface, status: int) -> None:
    """And nobody is led elsewhere with the key."""
    interface.says(status, Location="http://elsewhere.test/")
    with pytest.raises(DirectoryUnavailable) as caught:
        await interface.ask()
    assert caught.value.reason is Reason.DIRECTORY_DOWN
    assert KEY not in repr(caught.value) + str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert interface.calls == 1


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("", "application/json"),
        ("[]", "application/json"),
        ("{", "application/json"),
        ("nonsense", "application/json"),
        ("[" * 100_000, "application/json"),
        ('{"n": ' + "9" * 10_000 + "}", "application/json"),
        ("{}", "text/html"),
        ('{"a": "' + "x" * (4 << 20) + '"}', "application/json"),
    ],
    ids=["empty", "list", "cut", "word", "deep", "number", "kind", "large"],
)
async def test_r123_garbage_is_no_answer(interface: Interface, body: str, kind: str) -> None:
    interface.says(200, body, kind)
    with pytest.raises(DirectoryUnavailable):
        await interface.ask()


async def test_a_large_answer_is_read_beside_the_loop(interface: Interface) -> None:
    interface.says(200, json.dumps({"a": "x" * (1 << 20)}))
    assert len(str((await interface.ask())["a"])) == 1 << 20


async def test_r123_who_does_not_answer_in_time_is_down(interface: Interface) -> None:
    release = asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        await release.wait()
        return web.json_response({})

    app = web.Application()
    app.router.add_get("/{rest:.*}", slow)
    async with serving(app) as url:
        with pytest.raises(DirectoryUnavailable, match="Timeout"):
            await interface.line.fetch(URL(url), asyncio.get_running_loop().time() - 1)
        release.set()
    with pytest.raises(DirectoryUnavailable, match="Connect"):  # nobody listens there any more
        await interface.line.fetch(URL(url), asyncio.get_running_loop().time() + 5)


async def test_r123_three_failures_shut_the_way_for_ten_seconds(interface: Interface) -> None:
    interface.says(503)
    for _ in range(6):
        with pytest.raises(DirectoryUnavailable):
            await interface.ask()
    assert interface.calls == 3
    interface.ambient.advance(9.9)
    with pytest.raises(DirectoryUnavailable, match="known to be down"):
        await interface.ask()
    interface.ambient.advance(0.2)
    for _ in range(2):  # one more failure shuts it again
        with pytest.raises(DirectoryUnavailable):
            await interface.ask()
    assert interface.calls == 4
    interface.ambient.advance(10.1)
    interface.says(200)
    for _ in range(4):
        assert await interface.ask() == {}
    interface.line.succeeded()
    interface.says(503)
    for _ in range(3):  # a success in between began the count anew
        with pytest.raises(DirectoryUnavailable, match="503"):
            await interface.ask()


async def test_a_question_it_does_not_understand_is_not_a_failure(interface: Interface) -> None:
    interface.says(400)
    for _ in range(5):
        with pytest.raises(BadQuestion):
            await interface.ask()
    assert interface.calls == 5


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("", 5), ("12", 12), ("0", 1), ("86400", 60), ("soon", 5), ("-3", 5), ("date", 30), ("²", 5)],
)
async def test_r123_asked_too_often_it_is_left_alone(interface: Interface, said: str, seconds: float) -> None:
    """For as long as it says, a minute at most; meanwhile the answer is there at once."""
    if said == "date":
        said = format_datetime(interface.ambient.now() + timedelta(seconds=30), usegmt=True)
    interface.says(429, Retry_After=said)
    with pytest.raises(DirectoryUnavailable, match="429"):
        await interface.ask()
    interface.says(200)
    interface.ambient.advance(seconds - 0.1)
    with pytest.raises(DirectoryUnavailable, match="asked to wait"):
        await interface.ask()
    assert interface.calls == 1
    interface.ambient.advance(0.2)
    assert await interface.ask() == {}


async def test_so_many_calls_in_any_second_and_no_longer_queue_than_two() -> None:
    interface = Interface()
    began = interface.ambient.monotonic()
    turns = Turns(17, interface.ambient, interface.pause)
    for _ in range(17):
        await turns.take()
    assert interface.waits == []
    await turns.take()
    assert interface.waits == [pytest.approx(1)]
    assert interface.ambient.monotonic() - began == pytest.approx(1)

    frozen = Interface()
    slept: list[float] = []

    async def pause(seconds: float) -> None:
        slept.append(seconds)

    turns = Turns(17, frozen.ambient, pause)
    for _ in range(51):
        await turns.take()
    assert slept == [pytest.approx(1)] * 17 + [pytest.approx(2)] * 17
    with pytest.raises(DirectoryUnavailable, match="too many calls"):
        await turns.take()


async def test_less_than_one_call_a_second() -> None:
    interface = Interface()
    turns = Turns(0.5, interface.ambient, interface.pause)
    await turns.take()
    await turns.take()
    assert interface.waits == [pytest.approx(2)]
