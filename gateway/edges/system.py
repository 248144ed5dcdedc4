"""This machine: its clock and its chance. Only this file imports ``secrets``."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class SystemAmbient:
    """The Ambient port. ``offset`` moves the wall clock (the demo's, forward and back); durations stay real."""

    def __init__(self, offset: Callable[[], timedelta] | None = None) -> None:
        self._offset = offset

    def now(self) -> datetime:
        real = datetime.now(UTC)
        return real if self._offset is None else real + self._offset()

    def monotonic(self) -> float:
        return time.monotonic()

    def token(self, size: int = 32) -> str:
        return secrets.token_urlsafe(size)

    def digits(self, count: int) -> str:
        return "".join(str(secrets.randbelow(10)) for _ in range(count))
