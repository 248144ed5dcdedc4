"""The log: one JSON line per event on stderr. Values are data: no input can forge a line, no secret gets through."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

# Fields whose value never reaches the log, whatever hands it over (R76, R147).
_HIDDEN = frozenset(
    {"password", "code", "pin", "secret", "token", "ticket", "cookie", "authorization", "id_token", "access_token"}
)


def _redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in event:
        if name.lower().removeprefix("fact_") in _HIDDEN:
            event[name] = "***"
    return event


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's loggers; called once, by the command line."""
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
