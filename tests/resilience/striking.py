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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.process_tree import alive
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
        self._lock = threading.Lock()
        self._asked = self._under_way = 0
        self.workers = self.wholes = 0  # killed so far

    @contextmanager
    def request(self) -> Iterator[None]:
        """Around each request: now and then something is killed first, if nothing is under way and everything serves."""
        with self._lock:
            if self._under_way == 0:
                self._strike()
            self._under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1

    def _strike(self) -> None:
        self._asked += 1
        if self._asked % EVERY or not all(self._complete(one) for one in self._gateways):
            return
        gateway = next(self._turns)
        time.sleep(_SETTLE)
        if (self.workers + self.wholes) % WHOLE == WHOLE - 1:
            self.wholes += 1
            self._expected[gateway.name] += self._count
            victims = gateway.workers()
            gateway.kill()
            self._gone(victims)
            gateway.start(wait=False)
            return
        victim = min(gateway.workers())  # the one that has served longest
        self.workers += 1
        self._expected[gateway.name] += 1
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        self._gone([victim])

    def _gone(self, victims: Sequence[int]) -> None:
        """Until nobody is accepted by them any more."""
        while any(alive(victim) for victim in victims):
            time.sleep(0.001)

    def _complete(self, gateway: Serving) -> bool:
        """Whether all of its workers serve."""
        return gateway.served() >= self._expected[gateway.name] and len(gateway.workers()) == self._count
