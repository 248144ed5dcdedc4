"""kill -9 for one worker after another while stories are told, between two requests: nobody may notice.

A request that is under way in a process that is killed is lost, as a browser shows it (``experiments`` counts these).
Between requests nothing may hang on one process: no half sign-in, no form, no session, no draft, no act behind a page.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from experiments.serving import Serving

EVERY = 5  # requests
_SETTLE = 0.3  # seconds for what follows an answer: notices that are on their way out of this process


class Striker:
    """``gateways`` of ``count`` workers each. The supervisor starts another in the place of each that was killed."""

    def __init__(self, gateways: Sequence[Serving], count: int) -> None:
        self._turns = itertools.cycle(gateways)
        self._count = count
        self._struck = dict.fromkeys((one.name for one in gateways), 0)
        self._asked = 0

    @property
    def struck(self) -> int:
        """Workers killed so far."""
        return sum(self._struck.values())

    def request(self) -> None:
        """Somebody is about to ask: now and then a worker is killed first, if all of its gateway serve. Not when several
        ask at once, each in a thread: then something is under way."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._asked += 1
        if self._asked % EVERY:
            return
        gateway = next(self._turns)
        if gateway.served() < self._count + self._struck[gateway.name]:
            return
        workers = gateway.workers()
        if len(workers) != self._count:
            return
        time.sleep(_SETTLE)
        victim = min(workers)  # the one that has served longest
        self._struck[gateway.name] += 1
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        while Path(f"/proc/{victim}/cwd").exists():  # nobody is accepted by it any more
            time.sleep(0.001)
