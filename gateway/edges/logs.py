"""The log: one JSON line per event on stderr. Values are data: no input can forge a line, no secret gets through."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

# Fields whose value never reaches the log, whatever hands it over (R76, R147).
_HIDDEN = frozenset(
    {"password", "code", "pin", "secret", "token", "ticket", "cookie", "authorization", "id_token", "access_token"}
)


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_destination: TextIO | None = None  # where configure() said; stderr until then


def _redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in event:
        if name.lower().removeprefix("fact_") in _HIDDEN:
            event[name] = "***"
    return event


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's loggers; called once, by the command line."""
    global _destination
    _destination = stream
    number = getattr(logging, level.upper())
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _redact,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Forward()], level=max(number, logging.WARNING), force=True)


class _Forward(logging.Handler):
    """Lines of libraries, in the same shape as ours."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger(record.name).log(record.levelno, record.getMessage())


class LineLog:
    """Many short events, one write: lines are gathered and written together a few times a second.

    For the access log, which is on every request: building a line costs microseconds and never waits for the sink. A
    sink that fails loses lines, which are counted, and nothing else (G2).
    """

    def __init__(self, event: str, stream: TextIO | None = None, *, every: float = 0.2) -> None:
        self._event = event
        self._stream = stream or _destination
        self._every = every
        self._lines: list[str] = []
        self._timer: asyncio.TimerHandle | None = None
        self.lost = 0

    def add(self, stamp: str, fields: Mapping[str, object]) -> None:
        """One line; values may be anything JSON knows."""
        self._lines.append(_encode({"event": self._event, "timestamp": stamp, **fields}))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._every, self.flush)

    def flush(self) -> None:
        """Write what was gathered."""
        self._timer = None
        lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            stream = self._stream or sys.stderr
            stream.write("\n".join(lines) + "\n")
            stream.flush()
        except (OSError, ValueError):
            self.lost += len(lines)
