"""What the supervisor says: the same JSON lines on stderr as everybody, without the library for them."""

from __future__ import annotations

import json
import os
import select
import time

_LEVELS = {"debug": 0, "info": 1, "warning": 2, "error": 3}
_STDERR = 2
_WHOLE = 4000  # bytes; a pipe that can be written takes so many at once


class Speech:
    """``level``: the least that is said. A reader that does not read loses lines; it does not hold the supervisor."""

    def __init__(self, level: str = "info") -> None:
        self.level = level
        self.lost = 0

    def info(self, event: str, **facts: object) -> None:
        self._say("info", event, facts)

    def warning(self, event: str, **facts: object) -> None:
        self._say("warning", event, facts)

    def error(self, event: str, **facts: object) -> None:
        self._say("error", event, facts)

    def _say(self, level: str, event: str, facts: dict[str, object]) -> None:
        if _LEVELS[level] < _LEVELS.get(self.level, 1):
            return
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}Z"
        line = json.dumps(
            {**facts, "event": event, "level": level, "timestamp": stamp}, ensure_ascii=False, default=str
        )
        self.plain(line)

    def plain(self, text: str) -> None:
        """Lines as they stand."""
        rest = (text.rstrip("\n") + "\n").encode("utf-8", "replace")
        try:
            while rest:
                if not select.select([], [_STDERR], [], 0)[1]:
                    self.lost += 1
                    return
                rest = rest[os.write(_STDERR, rest[:_WHOLE]) :]
        except OSError:
            self.lost += 1
