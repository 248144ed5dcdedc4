"""Hostile pressure on a gateway of its own process: others are still served, memory stays, and it comes back by itself."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import re
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench import account
from bench.__main__ import prepare
from bench.programs import Peer, Yard
from tests.servers import program


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    program("nginx", "nginx-light", Path("/usr/sbin/nginx"))
    folder = tmp_path_factory.mktemp("pressure")
    for place in (folder, folder.parent, folder.parent.parent):
        place.chmod(0o755)
    with (folder / "log").open("wb") as log:
        made = Yard(folder, log)
        try:
            prepare(folder)
            made.open_origin()
            yield made
        finally:
            made.stop()


@pytest.fixture
def gateway(yard: Yard) -> Iterator[tuple[Peer, str]]:
    made = yard.gateway(core=None, head=2, body_idle=2, write_idle=2)
    yield made, asyncio.run(account.cookie(yard.folder))
    made.program.stop()


@pytest.fixture
def many() -> Iterator[Callable[[int, int], list[socket.socket]]]:
    """Open so many connections to a port; all are closed at the end."""
    opened: list[socket.socket] = []

    def open_many(port: int, count: int) -> list[socket.socket]:
        for _ in range(count):
            with contextlib.suppress(OSError):
                opened.append(socket.create_connection(("127.0.0.1", port), 5))
        return opened

    yield open_many
    for one in opened:
        one.close()


def served(peer: Peer, cookie: str, times: int = 5) -> None:
    for _ in range(times):
        connection = http.client.HTTPConnection("127.0.0.1", peer.clear, timeout=5)
        connection.request("GET", "/small", headers={"Host": "localhost", "Cookie": cookie})
        answer = connection.getresponse()
        assert (answer.status, len(answer.read())) == (200, 1024)
        connection.close()


def metric(peer: Peer, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{peer.management}/metrics", timeout=5) as answer:
        found = re.search(rf"^{re.escape(name)} (\S+)$", answer.read().decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_r2_slow_and_garbage_clients_leave_others_unharmed(
    gateway: tuple[Peer, str], many: Callable[[int, int], list[socket.socket]]
) -> None:
    """Five hundred connections that say nothing, half a head, half a body or garbage: others are served, and the slow
    ones are gone after their time, each counted with its reason."""
    peer, cookie = gateway
    said = (
        b"",
        b"GET / HTTP/1.1\r\nHost: loc",
        f"POST /sink HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\nContent-Length: 99\r\n\r\nhalf".encode(),
        b"\x16\x03\x01\x00garbage\r\n\r\n",
    )
    for number, one in enumerate(many(peer.clear, 500)):
        one.sendall(said[number % len(said)])
    served(peer, cookie)
    refused = 'vtgw_refusals_total{reason="request-timeout"}'
    until(lambda: metric(peer, refused) >= 250)
    until(lambda: metric(peer, "vtgw_connections") <= 126)  # those that said nothing may stay for keep_alive
    assert metric(peer, 'vtgw_refusals_total{reason="bad-request"}') >= 125
    served(peer, cookie)


def test_b6_slow_readers_cost_no_memory(
    gateway: tuple[Peer, str], many: Callable[[int, int], list[socket.socket]]
) -> None:
    """Thirty clients ask for 200 MB and read nothing: the backend is held, memory stays, and they are cut off."""
    peer, cookie = gateway
    served(peer, cookie)
    before = peer.rss()
    for one in many(peer.clear, 30):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.sendall(f"GET /huge HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n".encode())
    served(peer, cookie)
    grown = peer.rss() - before
    assert grown < 30 * (1 << 20)  # at most 1 MB each
    until(lambda: metric(peer, "vtgw_connections") == 0)
    assert metric(peer, 'vtgw_refusals_total{reason="request-timeout"}') >= 30
    served(peer, cookie)


def test_r2_one_address_cannot_take_all_connections(
    yard: Yard, many: Callable[[int, int], list[socket.socket]]
) -> None:
    """Beyond its share an address is answered 503 and closed; when it lets go, it is served again."""
    peer = yard.gateway(core=None, connections_per_address=50)
    cookie = asyncio.run(account.cookie(yard.folder))
    kept = many(peer.clear, 50)
    until(lambda: metric(peer, "vtgw_connections") == 50)
    (extra,) = many(peer.clear, 1)[50:]
    assert extra.recv(100).startswith(b"HTTP/1.1 503 ")
    assert metric(peer, 'vtgw_refusals_total{reason="too-many-connections"}') == 1
    for one in kept[:40]:
        one.close()
    until(lambda: metric(peer, "vtgw_connections") <= 11)
    served(peer, cookie)
    peer.program.stop()


def test_r11_no_descriptor_is_left_and_it_comes_back(
    yard: Yard, many: Callable[[int, int], list[socket.socket]]
) -> None:
    """With every file descriptor taken nothing crashes and nothing spins; when connections close, requests are served."""
    peer = yard.gateway(core=None, before=(program("prlimit", "util-linux"), "--nofile=160:160"))
    cookie = asyncio.run(account.cookie(yard.folder))
    served(peer, cookie)
    taken = list(many(peer.clear, 400))
    time.sleep(0.5)
    spent = peer.cpu()
    time.sleep(1)
    assert peer.cpu() - spent < 0.6
    assert peer.program.process.poll() is None
    for one in taken:
        one.close()

    def back() -> bool:
        with contextlib.suppress(OSError):  # who asks while none is free yet may be cut off
            return metric(peer, "vtgw_connections") < 5
        return False

    until(back)
    served(peer, cookie)
    peer.program.stop()
