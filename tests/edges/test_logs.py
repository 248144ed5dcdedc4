"""The log: one JSON line per event, secrets hidden, nothing forged."""

from __future__ import annotations

import io
import json
import logging
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
    (line,) = stream.getvalue().splitlines()
    data = json.loads(line)
    assert (data["password"], data["code"], data["fact_token"]) == ("***", "***", "***")
    assert data["client"] == 'a"\n{"event": "forged"}'
    assert data["event"] == "event"


def test_lines_of_libraries_have_the_same_shape(stream: io.StringIO) -> None:
    """A warning of a library is a JSON line too; its chatter is left out."""
    logging.getLogger("library").warning("odd %s", "thing")
    logging.getLogger("library").info("chatter")
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["event"] == "odd thing"


async def test_g2_gathered_lines_are_written_together_and_losses_counted() -> None:
    """Lines arrive in order after the delay; a sink that fails costs lines and nothing else."""
    text = io.StringIO()
    log = logs.LineLog("request", text, every=0.01)
    for number in range(3):
        log.add("now", {"n": number, "path": '/a"\n'})
    assert text.getvalue() == ""
    log.flush()
    lines = [json.loads(line) for line in text.getvalue().splitlines()]
    assert [line["n"] for line in lines] == [0, 1, 2]
    assert lines[0]["path"] == '/a"\n'
    text.close()
    log.add("now", {"n": 4})
    log.flush()
    assert log.lost == 1
