"""The log: one JSON line per event on stderr. Values are data: no input can forge a line, no secret gets through."""

from __future__ import annotations

import atexit
import logging
import sys
import threading
from collections.abc import MutableMapping
from queue import SimpleQueue
from typing import Any, TextIO, cast

import structlog

# Fields whose value never reaches the log, whatever hands it over (R76, R147).
_HIDDEN = frozenset(
    {"password", "code", "pin", "secret", "token", "ticket", "cookie", "authorization", "id_token", "access_token"}
)
_WAITING_LIMIT = 16 << 20  # characters; half a minute of a busy worker


def _redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in event:
        if name.lower().removeprefix("fact_") in _HIDDEN:
            event[name] = "***"
    return event


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's loggers; called once, by the command line."""
    global _sink
    _sink = Sink(stream)
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
        # A line and its end in one piece: several workers write to one stderr.
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _Lines())),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Forward()], level=max(number, logging.WARNING), force=True)


class _Forward(logging.Handler):
    """Lines of libraries, in the same shape as ours."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger(record.name).log(record.levelno, record.getMessage(), exc_info=record.exc_info)


class Sink:
    """Where log lines go: handed over at once, written by a thread, so that a slow or dead sink never stops the loop.

    What waits is bounded; beyond it, and when writing fails, lines are lost and counted, and nothing else (G2).
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._pieces: SimpleQueue[str | threading.Event] = SimpleQueue()
        self._handed = 0  # characters; counted by who writes, and ``_written`` by the thread: no two change one number
        self._written = 0
        self._thread: threading.Thread | None = None
        self.lost = 0

    def write(self, text: str) -> None:
        """Whole lines, each with its line end."""
        if self._handed - self._written >= _WAITING_LIMIT:
            self.lost += text.count("\n")
            return
        self._handed += len(text)
        self._pieces.put(text)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="log", daemon=True)
            self._thread.start()

    def flush(self, timeout: float = 2.0) -> None:
        """Wait until what was handed over is written, or ``timeout`` seconds."""
        if self._thread is not None:
            done = threading.Event()
            self._pieces.put(done)
            done.wait(timeout)

    def _run(self) -> None:
        while True:
            piece = self._pieces.get()
            if isinstance(piece, threading.Event):
                piece.set()
                continue
            try:
                stream = self._stream or sys.stderr
                stream.write(piece)
                stream.flush()
            except (OSError, ValueError):
                self.lost += piece.count("\n")
            self._written += len(piece)


class _Lines:
    """The sink in force, as the file that structlog prints to."""

    @staticmethod
    def write(text: str) -> None:
        sink().write(text)

    @staticmethod
    def flush() -> None:
        """Nothing: the sink's thread writes."""


def sink() -> Sink:
    """Where all lines go; stderr until ``configure`` says otherwise."""
    return _sink


_sink = Sink()
atexit.register(lambda: _sink.flush())
