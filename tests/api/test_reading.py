"""What bodies, queries and versions may say, and what is refused because two readers could understand it differently."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData, web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request

from gateway.api import uploads
from gateway.api.kinds import Asked, Flag, Instant, Limit, Text, Truth, Whole
from gateway.api.problem import Problem
from gateway.api.reading import model_of, query_of, strict_json, version_of
from gateway.reasons import Reason


class Sample(Asked):
    text: Text = ""
    whole: Whole = 0
    truth: Truth = False
    at: Instant | None = None


class Filter(Asked):
    flag: Flag = False
    limit: Limit = 50


@pytest.mark.parametrize(
    "text",
    ["", "{", "{}{}", '{"a": NaN}', "[Infinity]", "[-Infinity]", "[1e999]", '{"a": 1, "a": 1}', '{"b": {"a": 1, "a": 2}}',
     r'["\ud800"]', r'{"\udc00": 1}', "[" * 17 + "]" * 17, "[" * 100_000, '{"a": 01}', "{'a': 1}", "// x\n{}", "\ufeff{}",
     "[" + "9" * 5000 + "]", "nul", '"\x00"'],
)  # fmt: skip
def test_r87_json_with_no_meaning_or_two_is_refused(text: str) -> None:
    """Names twice, no numbers, half characters, depths and numbers without end: 400, and never an accident."""
    with pytest.raises(Problem) as refused:
        strict_json(text.encode())
    assert (refused.value.status, refused.value.reason) == (400, Reason.BAD_REQUEST)


def test_json_that_is_not_utf8_is_refused() -> None:
    """Latin-1 and UTF-16 are other readers' languages."""
    for data in ('{"a": "é"}'.encode("latin-1"), '{"a": 1}'.encode("utf-16")):
        with pytest.raises(Problem):
            strict_json(data)


def test_json_with_one_meaning_is_read() -> None:
    """Everything else JSON can say."""
    value = {"a": [1, -2.5, True, None, "é\U0001f600\n"], "b": {"c": {}}}
    assert strict_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("value", "field"),
    [({"whole": "1"}, "whole"), ({"whole": 1.0}, "whole"), ({"whole": True}, "whole"), ({"truth": 1}, "truth"),
     ({"truth": "true"}, "truth"), ({"text": 1}, "text"), ({"text": None}, "text"), ({"text": "a\x00b"}, "text"),
     ({"other": 1}, "other"), ({"at": 1_700_000_000}, "at"), ({"at": "2026-03-02"}, "at"),
     ({"at": "2026-03-02T09:00:00"}, "at"), ({"at": "2026-02-30T09:00:00Z"}, "at"), ({"at": "0001-01-01T00:00:00+14:00"}, "at"),
     ({"at": "9999-12-31T23:59:59-14:00"}, "at"), ({"at": "2026-03-02T25:00:00Z"}, "at"),
     ({"at": "２０２６-03-02T09:00:00Z"}, "at"), ([], ""), ("x", ""), (None, "")],
)  # fmt: skip
def test_values_of_another_sort_are_refused_under_their_name(value: Any, field: str) -> None:
    """422 with a French sentence for the field; nothing is guessed from something else."""
    with pytest.raises(Problem) as refused:
        model_of(Sample, value)
    assert refused.value.status == 422
    assert list(refused.value.faults or {}) == [field]


def test_instants_are_read_with_their_zone() -> None:
    """RFC 3339, to UTC."""
    for text in ("2026-03-02T10:00:00+01:00", "2026-03-02T09:00:00Z", "2026-03-02t09:00:00.000z", "2026-03-02T09:00Z"):
        assert model_of(Sample, {"at": text}).at == datetime(2026, 3, 2, 9, tzinfo=UTC), text


@pytest.mark.parametrize(
    ("query", "field"),
    [("limit=0", "limit"), ("limit=201", "limit"), ("limit=1e2", "limit"), ("limit=+5", "limit"), ("limit=", "limit"),
     ("limit=1_0", "limit"), ("flag=yes", "flag"), ("flag=", "flag"), ("unknown=1", "unknown"), ("limit=1&limit=2", "limit"),
     ("limit=99999999999999999999", "limit")],
)  # fmt: skip
def test_queries_that_cannot_be_taken(query: str, field: str) -> None:
    """A filter that is not known is refused: left out, it would show what was not asked for."""
    with pytest.raises(Problem) as refused:
        model_of(Filter, query_of(make_mocked_request("GET", f"/?{query}")))
    assert refused.value.status == 422
    assert list(refused.value.faults or {}) == [field]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [(['"7"'], 7), (["*"], None), ([" \"12\" "], 12), (['W/"7"'], 412), (['"abc"'], 412), (['"0"'], 412), (['"07"'], 412),
     (['""'], 412), (["7"], 400), (['"1", "2"'], 400), (['"1"', '"2"'], 400), ([""], 400), (['"99999999999"'], 412), ([], 428)],
)  # fmt: skip
def test_r91_the_version_a_change_was_decided_on(lines: list[str], expected: int | None) -> None:
    """One strong tag or ``*``; a tag no element ever had does not match, a line that is no tag is not read."""
    request = make_mocked_request("PATCH", "/", headers=[("If-Match", line) for line in lines])  # type: ignore[arg-type]
    if expected is None or expected < 400:
        assert version_of(request, needed=True) == expected
        return
    with pytest.raises(Problem) as refused:
        version_of(request, needed=True)
    assert refused.value.status == expected


@asynccontextmanager
async def taking(folder: Path, largest: int) -> AsyncIterator[TestClient[Any, Any]]:
    """An application that takes a table, whose own limit is far smaller, and says what the file holds."""

    async def work(request: web.Request) -> web.Response:
        try:
            path = await uploads.received(request, folder, largest)
        except Problem as refused:
            return web.json_response({"faults": list(refused.faults or {})}, status=refused.status)
        data = path.read_bytes()
        mode = path.stat().st_mode & 0o777
        path.unlink()
        return web.json_response({"size": len(data), "end": data[-3:].decode(), "mode": mode})

    app = web.Application(client_max_size=1024)
    app.router.add_post("/", work)
    async with TestClient(TestServer(app)) as client:
        yield client


def _multipart(name: str, data: bytes | io.BytesIO) -> FormData:
    form = FormData()
    form.add_field("note", "before")
    form.add_field(name, data, filename="a.csv", content_type="text/csv")
    form.add_field("after", "x" * 100)
    return form


async def test_r102_a_table_is_streamed_to_a_file_of_our_own(tmp_path: Path) -> None:
    """As it is, as a form's file, or as JSON; larger than forms may be, and readable by us alone."""
    data = b"a;b\n" * 500_000 + b"end"
    async with taking(tmp_path, 4_000_000) as client:
        csv = {"Content-Type": "text/csv"}
        for sent in ({"data": io.BytesIO(data), "headers": csv}, {"data": _multipart("file", io.BytesIO(data))}):
            async with client.post("/", **sent) as said:
                assert await said.json() == {"size": len(data), "end": "end", "mode": 0o600}
        async with client.post("/", json={"csv": "a;b\nend"}) as said:
            assert (await said.json())["size"] == 7
    assert list(tmp_path.iterdir()) == []


async def test_r102_a_table_too_large_or_not_there_leaves_no_file(tmp_path: Path) -> None:
    """413 whether its length is said or not; 422 without the field, empty; 400 for a form that is none."""
    async with taking(tmp_path, 10_000) as client:
        csv = {"Content-Type": "text/csv"}

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(20):
                yield b"x" * 1000

        sent: list[tuple[dict[str, Any], int, list[str]]] = [
            ({"data": b"x" * 10_001, "headers": csv}, 413, []),
            ({"data": endless(), "headers": csv}, 413, []),
            ({"data": _multipart("file", b"x" * 10_001)}, 413, []),
            ({"json": {"csv": "x" * 2000}}, 413, []),
            ({"data": b"", "headers": csv}, 422, ["file"]),
            ({"data": _multipart("other", b"x")}, 422, ["file"]),
            ({"json": {"csv": ""}}, 422, ["csv"]),
            ({"json": {"table": "x"}}, 422, ["csv", "table"]),
            ({"data": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, []),
            ({"data": b"--a\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=a"}}, 400, []),
            ({"data": b"nothing", "headers": {"Content-Type": "multipart/form-data; boundary=a"}}, 400, []),
        ]
        for how, status, faults in sent:
            async with client.post("/", **how) as said:
                assert (said.status, (await said.json())["faults"]) == (status, faults), how
    assert list(tmp_path.iterdir()) == []
