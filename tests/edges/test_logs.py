"""The log: one JSON line per event, secrets hidden, nothing forged."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest
import structlog

from gateway.edges import logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    text = io.StringIO()
    handlers = logging.getLogger().handlers[:]
    logs.configure("info", text)
    yield text
    logging.getLogger().handlers[:] = handlers
    structlog.reset_defaults()


def test_r147_lines_are_json_and_secrets_hidden(stream: io.StringIO) -> None:
    """Values cannot forge a line, and fields that hold secrets show stars."""
    structlog.get_logger("x").info("event", password="p", code="1", fact_token="t", client='a"\n{"event": "forged"}')
    logs.sink().flush()
    (line,) = stream.getvalue().splitlines()
    data = json.loads(line)
    assert (data["password"], data["code"], data["fact_token"]) == ("***", "***", "***")
    assert data["client"] == 'a"\n{"event": "forged"}'
    assert data["event"] == "event"


def test_lines_of_libraries_have_the_same_shape(stream: io.StringIO) -> None:
    """A warning of a library is a JSON line too; its chatter is left out."""
    logging.getLogger("library").warning("odd %s", "thing")
    logging.getLogger("library").info("chatter")
    logs.sink().flush()
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["event"] == "odd thing"


def test_g2_a_sink_that_fails_loses_lines_and_nothing_else() -> None:
    """Lines are written in order by a thread; when writing fails they are counted as lost."""
    text = io.StringIO()
    sink = logs.Sink(text)
    for number in range(3):
        sink.write(f"{number}\n")
    sink.flush()
    assert text.getvalue() == "0\n1\n2\n"
    text.close()
    sink.write("4\n5\n")
    sink.flush()
    assert sink.lost == 2


def test_g2_a_sink_that_hangs_never_blocks_who_logs() -> None:
    """While the destination takes nothing, writers go on at once; beyond the bound lines are lost and counted."""
    free = threading.Event()

    class Stuck(io.StringIO):
        def write(self, text: str) -> int:
            assert free.wait(10)
            return super().write(text)

    text = Stuck()
    sink = logs.Sink(text)
    piece = "x" * (1 << 20) + "\n"
    for _ in range(20):
        sink.write(piece)
    assert sink.lost == 4  # 16 MiB wait, not more
    free.set()
    sink.flush(10)
    assert len(text.getvalue()) == 16 * len(piece)
