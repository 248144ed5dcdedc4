"""The corpus of hostile requests, row by row, through a real door to a real origin."""

from __future__ import annotations

import pytest

from tests.proxy.conftest import STAMP, Rig, status
from tests.proxy.corpus import CHUNKS, HOST, PASSING, REFUSED, Passing

AFTER = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"


def test_the_corpus_is_large_and_names_each_row_once() -> None:
    names = [name for name, _ in REFUSED]
    assert len(set(names)) == len(names)
    assert len(REFUSED) + len(CHUNKS) + len(PASSING) > 500


@pytest.mark.parametrize("raw", [raw for _, raw in REFUSED], ids=[name for name, _ in REFUSED])
async def test_p1_refused_and_closed_and_nothing_reaches_the_origin(rig: Rig, raw: bytes) -> None:
    answer = await rig.say(raw + AFTER, answers=2)
    assert 400 <= status(answer) < 506
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in answer.lower()
    assert not rig.origin.heads


@pytest.mark.parametrize("tail", [raw for _, raw in CHUNKS], ids=[name for name, _ in CHUNKS])
async def test_p3_a_body_that_is_unsound_never_completes(rig: Rig, tail: bytes) -> None:
    answer = await rig.say(
        b"POST /p HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n" + tail + AFTER, answers=2
    )
    assert status(answer) == 400
    assert answer.count(b"HTTP/1.1 ") == 1
    assert rig.origin.bodies == []
    assert not any(b"smuggled" in head for head in rig.origin.heads)


@pytest.mark.parametrize("row", PASSING, ids=[row.name for row in PASSING])
async def test_p11_what_passes_passes_clean(rig: Rig, row: Passing) -> None:
    """One request at the origin, with our stamp last, what it should see, and nothing that it should not."""
    answer = await rig.say(row.raw)
    assert status(answer) == 200, answer
    (head,) = rig.origin.heads
    assert rig.origin.bodies == [row.body]
    assert head.endswith(STAMP + b"\r\n")
    lowered = head.lower()
    for mark in row.seen:
        assert mark in lowered
    for mark in row.unseen:
        assert mark not in lowered
    names = [line.split(b":")[0] for line in lowered.split(b"\r\n")[1:-2]]
    framing = [name for name in names if name in (b"content-length", b"transfer-encoding")]
    assert len(framing) <= 1
    assert names.count(b"host") == 1
    assert names.count(b"x-vt-rpps") == 1
