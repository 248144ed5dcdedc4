"""Several servers behind one backend: turns, failures, checks, retries with a budget, and addresses that change."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from gateway.proxy.cluster import Cluster
from gateway.proxy.limits import Backend, Group, Health
from gateway.proxy.pool import _Budget
from tests.proxy.conftest import Origin, Rig, status

MakeRig = Callable[..., Awaitable[Rig]]
GET = b"GET /x HTTP/1.1\r\nHost: vt.test\r\n\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: vt.test\r\nContent-Length: 2\r\n\r\nhi"


@pytest.fixture
async def origins() -> AsyncIterator[list[Origin]]:
    made = [Origin(), Origin()]
    for one in made:
        await one.start()
    yield made
    for one in made:
        await one.stop()


def group(origins: list[Origin], **health: Any) -> Group:
    servers = tuple(Backend("vt", "http", "127.0.0.1", one.port) for one in origins)
    return Group("vt", servers, Health(**health))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.005)


async def test_servers_take_turns(make_rig: MakeRig, origins: list[Origin]) -> None:
    rig = await make_rig(backend=group(origins))
    for _ in range(6):
        assert status(await rig.say(GET)) == 200
    assert [len(one.heads) for one in origins] == [3, 3]


async def test_the_one_with_the_fewest_requests_is_next(make_rig: MakeRig, origins: list[Origin]) -> None:
    """While one server is held by a long request, the other one gets all the others."""
    rig = await make_rig(backend=group(origins, balance="least-connections"))
    free = asyncio.Event()

    async def slow(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        await free.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        return True

    for one in origins:
        one.script = slow
    _, writer = await rig.open()
    writer.write(GET)
    await until(lambda: sum(len(one.heads) for one in origins) == 1)
    held, other = sorted(origins, key=lambda one: -len(one.heads))
    other.script = other.plain
    for _ in range(4):
        assert status(await rig.say(GET)) == 200
    assert (len(held.heads), len(other.heads)) == (1, 4)
    free.set()


@pytest.mark.parametrize("message", [GET, POST], ids=["get", "post"])
async def test_a_server_that_refuses_costs_no_request(make_rig: MakeRig, origins: list[Origin], message: bytes) -> None:
    """No byte was sent yet, so the other server gets it; after three failures the dead one is left out, then asked again."""
    dead, alive = origins
    await dead.stop()
    rig = await make_rig(backend=group(origins, eject_after=3, eject_for=10))
    for _ in range(12):
        assert status(await rig.say(message)) == 200
    assert len(alive.heads) == 12
    key = ("vt", f"127.0.0.1:{dead.port}")
    assert rig.door.meters.upstream_failures[key] == 3
    assert rig.door.meters.ejections[key] == 1
    assert rig.door.meters.out == {key}
    assert rig.door.meters.retries == 3
    rig.pass_time(11)
    assert rig.door.meters.out == set()
    for _ in range(2):
        assert status(await rig.say(message)) == 200
    assert rig.door.meters.upstream_failures[key] == 4


async def test_b5_a_post_that_was_sent_is_never_sent_again(make_rig: MakeRig, origins: list[Origin]) -> None:
    """A server that takes the request and dies: the client gets 502, the other server nothing."""

    async def die(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        return False

    for one in origins:
        one.script = die
    rig = await make_rig(backend=group(origins))
    assert status(await rig.say(POST)) == 502
    assert sum(len(one.heads) for one in origins) == 1


async def test_the_last_server_is_not_left_out_for_what_requests_met(make_rig: MakeRig, origins: list[Origin]) -> None:
    """All fail: requests are still tried (502), and served as soon as one is back."""
    for one in origins:
        await one.stop()
    rig = await make_rig(backend=group(origins, eject_after=1))
    for _ in range(4):
        assert status(await rig.say(GET)) == 502
    back = Origin()
    back._server = await asyncio.start_server(back._accept, "127.0.0.1", origins[0].port)
    answers = {status(await rig.say(GET)) for _ in range(2)}
    assert answers == {200}
    await back.stop()


async def test_b4_checks_leave_out_and_take_back(make_rig: MakeRig, origins: list[Origin]) -> None:
    """A sick server gets no request; when all are sick the answer is 503 with Retry-After; a healthy one is taken back."""
    sick = set(origins)

    def script(origin: Origin) -> Any:
        async def answer(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
            if head.startswith(b"GET /health"):
                origin.heads.pop()
                code = b"500 No" if origin in sick else b"200 OK"
                writer.write(b"HTTP/1.1 " + code + b"\r\nContent-Length: 0\r\n\r\n")
                return False
            return await origin.plain(head, reader, writer)

        return answer

    for one in origins:
        one.script = script(one)
    rig = await make_rig(backend=group(origins, path="/health", interval=0.02, eject_after=2))
    rig.pass_time(1)
    cluster = rig.door.pools["vt"]
    assert isinstance(cluster, Cluster)
    await until(lambda: all(one.sick for one in cluster._servers))
    answer = await rig.say(GET)
    assert status(answer) == 503
    assert b"retry-after: 5" in answer
    sick.discard(origins[1])
    await until(lambda: not cluster._servers[1].sick)
    for _ in range(4):
        assert status(await rig.say(GET)) == 200
    assert [len(one.heads) for one in origins] == [0, 4]
    sick.clear()
    await until(lambda: not cluster._servers[0].sick)
    for _ in range(4):
        assert status(await rig.say(GET)) == 200
    assert len(origins[0].heads) == 2


def test_retries_have_a_budget() -> None:
    """A few in any case, then a fifth of what came in the last ten seconds."""
    budget = _Budget()
    assert [budget.spend() for _ in range(11)] == [True] * 10 + [False]
    budget.refill(1000, 10.0)
    assert sum(budget.spend() for _ in range(300)) == 200
    budget.refill(0, 15.0)
    assert not budget.spend()
    budget.refill(0, 20.0)
    assert budget.spend()


async def test_a_new_address_of_a_backend_is_heard(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch, origins: list[Origin]
) -> None:
    """The name leads elsewhere: connections grow old, then requests go to the new address; nothing is restarted."""
    port = origins[0].port
    moved = Origin()
    moved._server = await asyncio.start_server(moved._accept, "127.0.0.2", port)
    where = ["127.0.0.1"]
    real = socket.getaddrinfo

    def resolve(host: Any, *rest: Any, **more: Any) -> Any:
        return real(where[0] if host == "vt-backend.test" else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    rig = await make_rig(backend=Backend("vt", "http", "vt-backend.test", port, max_age=300))
    assert status(await rig.say(GET)) == 200
    where[0] = "127.0.0.2"
    assert status(await rig.say(GET)) == 200
    assert (len(origins[0].heads), len(moved.heads)) == (2, 0)
    rig.pass_time(301)
    assert status(await rig.say(GET)) == 200
    assert (len(origins[0].heads), len(moved.heads)) == (2, 1)
    await moved.stop()
