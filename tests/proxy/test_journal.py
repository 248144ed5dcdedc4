"""The access log: one JSON line per request, whatever is in it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from gateway.answer import reference_of
from gateway.proxy.journal import AccessLog
from gateway.proxy.limits import AccessEvent
from gateway.reasons import Reason
from tests.ambient import TestAmbient


def event(number: int, path: str, reason: Reason | None = None, ended: float = 100.0) -> AccessEvent:
    return (f"{number:032x}", ("192.0.2.1", "GET", path), 200, "vt", "a" * 64, reason, 10, 2, 0.0015, ended)


def test_g1_lines_are_json_in_order_and_nothing_forges_one() -> None:
    """Quotes, line ends and text beyond ASCII stay inside their value; the session is shortened; times are right."""
    ambient = TestAmbient(datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC))
    written: list[str] = []
    log = AccessLog(written.append, ambient, lambda: 100.0)
    odd = '/a"\n{"event": "forged"}é'
    log([event(1, "/x", ended=98.75), event(2, odd, Reason.BACKEND_DOWN), event(3, "/x")])
    lines = [json.loads(line) for line in written[0].splitlines()]
    assert [int(line["id"], 16) for line in lines] == [1, 2, 3]
    assert lines[0] == {
        "event": "request", "timestamp": "2026-03-01T11:59:58.750Z", "id": f"{1:032x}", "client": "192.0.2.1", "method": "GET",
        "path": "/x", "status": 200, "backend": "vt", "session": "a" * 12, "reason": None, "sent": 10, "received": 2, "us": 1500,
    }  # fmt: skip
    assert (lines[1]["path"], lines[1]["reason"]) == (odd, "backend-down")
    assert (lines[1]["reference"], "reference" in lines[2]) == ("0000-0002", False)  # what the page showed (R155)
    assert lines[2]["timestamp"] == "2026-03-01T12:00:00.000Z"


@pytest.mark.parametrize(
    ("request_id", "reference"),
    [("0" * 24 + "89abcdef", "89AB-CDEF"), ("6f1c-22d0_89ab-cd_ef", "89AB-CDEF"), ("", "-")],
)
def test_r155_a_reference_is_the_end_of_the_request_id(request_id: str, reference: str) -> None:
    """Eight letters or digits, read aloud without signs."""
    assert reference_of(request_id) == reference
