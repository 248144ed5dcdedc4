"""Ports for what is started and stopped here: below those that the system takes for outgoing connections, which come and go
by the thousand while an experiment runs."""

from __future__ import annotations

import itertools
import os
import socket

_FIRST, _LAST = 11_000, 19_990
_candidates = itertools.cycle(range(_FIRST, _LAST))
for _ in range(os.getpid() * 97 % (_LAST - _FIRST)):  # two runs at once begin at different places
    next(_candidates)


def port() -> int:
    """A port of 127.0.0.1 that nobody uses, never given twice by this process until all are through."""
    for candidate in itertools.islice(_candidates, _LAST - _FIRST):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
        return candidate
    raise AssertionError("no free port")
