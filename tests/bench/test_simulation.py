"""The simulator and the small benches, each once and short: they run, and what they see is right."""

from __future__ import annotations

import asyncio
import re
import socket
from base64 import urlsafe_b64encode
from dataclasses import replace
from pathlib import Path

import pytest

from bench import audit, stores
from bench.beyond import ANSWER, Application
from bench.crowd import REQUEST, whose
from bench.nation import CARD, CODE, MEANS, PSC
from bench.people import Person
from bench.simulate import morning, sessions_at, simulate, table
from bench.town import town
from gateway.identity import Login, luhn


def test_people_are_all_different_and_their_numbers_are_right() -> None:
    people = [Person(number) for number in (0, 1, 9, 10, 123_456)]
    assert len({one.mark for one in people} | {one.idnat for one in people}) == 10
    for one in people:
        assert luhn(one.idnat[1:])
        assert Login.parse(one.idnat) == Login(one.idnat)
        assert re.fullmatch(r"[A-Z]+", one.mark)  # cards bear letters alone


def test_whose_answer_it_is_stands_in_its_assertion() -> None:
    claims = urlsafe_b64encode(b'{"family_name":"SIMULEEA"}').rstrip(b"=")
    assert whose(b"head." + claims + b".signature" + b" " * 100) == "SIMULEEA"
    assert whose(b" " * 100) is None


async def test_the_application_sends_back_what_it_was_told() -> None:
    """Two requests that come as one piece and a half: each is answered, with its own assertion."""
    server = await asyncio.get_running_loop().create_server(Application, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    one = b"GET /a HTTP/1.1\r\nHost: x\r\nX-VT-Assertion: a.b.c\r\n\r\n"
    writer.write(one + b"GET /b HTTP/1.1\r\nHost")
    writer.write(b": x\r\n\r\n")
    for token in (b"a.b.c", b""):
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"Content-Length: %d" % ANSWER in head
        assert (await reader.readexactly(ANSWER)).strip() == token
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


def test_the_audit_takes_rows_from_a_writer(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'records.db'}"
    asyncio.run(audit._prepare(url))
    found = audit.measure(url, 1, 0.3, 5)
    assert found["rows"] > 0
    assert found["p99"] >= found["p50"] > 0


async def test_the_store_is_measured_by_operation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stores, "_KEYS", 50)
    found = await stores.measure(f"sqlite:///{tmp_path / 'store.db'}", 0.1, 4)
    assert set(found) == {"read", "write", "swap"}
    assert all(rate > 0 and cpu > 0 for rate, cpu, _ in found.values())


def test_a_small_morning(tmp_path: Path) -> None:
    """Everybody gets in, by every means, and no answer is another's."""
    load = replace(morning("minute"), sign_ins=dict.fromkeys(MEANS, 3000.0), at_work=4000.0, pages=6000.0)
    with town(tmp_path / "town", store="sqlite", records="sqlite", people=60, cards=2) as place:
        result = asyncio.run(simulate(place, load, 0.001, 1.5))
    assert result.sound, table(result)
    assert result.sessions == sessions_at(load, 0.001) == 4
    assert set(result.seen) == {CODE, CARD, PSC, REQUEST}
    assert len(result.seen[REQUEST].times) >= 8
    assert result.cpu > 0
    assert "| wrong identity |" in table(result)
    with socket.socket() as probe:  # nothing is left behind
        assert probe.connect_ex(("127.0.0.1", int(place.psc.rsplit(":", 1)[1]))) != 0
