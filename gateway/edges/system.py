"""This machine: its clock and its chance. Only this file imports ``secrets``."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial


class SystemAmbient:
    """The Ambient port. ``offset`` moves the wall clock (the demo's, forward and back); durations stay real."""

    now: Callable[[], datetime]

    def __init__(self, offset: Callable[[], timedelta] | None = None) -> None:
        self.now = partial(datetime.now, UTC)  # on every request: no function of ours in between
        if offset is not None:
            self.now = lambda: datetime.now(UTC) + offset()

    def monotonic(self) -> float:
        return time.monotonic()

    def token(self, size: int = 32) -> str:
        return secrets.token_urlsafe(size)

    def digits(self, count: int) -> str:
        return "".join(str(secrets.randbelow(10)) for _ in range(count))
