"""kill -9 for one worker after another, and now and then for a whole gateway, while stories are told, between two requests:
nobody may notice.

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
WHOLE = 6  # of so many strikes one is against a whole gateway
_SETTLE = 0.3  # seconds for what follows an answer: notices that are on their way out of this process


class Striker:
    """``gateways`` of ``count`` workers each. The supervisor starts another in the place of each that was killed; a whole
    gateway is started again by us, as a service manager would."""

    def __init__(self, gateways: Sequence[Serving], count: int) -> None:
        self._gateways = gateways
        self._turns = itertools.cycle(gateways)
        self._count = count
        self._expected = dict.fromkeys((one.name for one in gateways), count)  # processes that will have served
        self._asked = 0
        self.workers = self.wholes = 0  # killed so far

    def request(self) -> None:
        """Somebody is about to ask: now and then a worker is killed first, if all of its gateway serve. Not when several
        ask at once, each in a thread: then something is under way."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._asked += 1
        if self._asked % EVERY:
            return
        if not all(self._complete(one) for one in self._gateways):
            return
        gateway = next(self._turns)
        time.sleep(_SETTLE)
        if (self.workers + self.wholes) % WHOLE == WHOLE - 1:
            self.wholes += 1
            self._expected[gateway.name] += self._count
            gateway.kill()
            gateway.start(wait=False)
            return
        victim = min(gateway.workers())  # the one that has served longest
        self.workers += 1
        self._expected[gateway.name] += 1
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        while Path(f"/proc/{victim}/cwd").exists():  # nobody is accepted by it any more
            time.sleep(0.001)

    def _complete(self, gateway: Serving) -> bool:
        """Whether all of its workers serve."""
        return gateway.served() >= self._expected[gateway.name] and len(gateway.workers()) == self._count
