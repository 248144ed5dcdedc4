"""Words to the service manager (systemd): one datagram each to the socket it names. Without one nothing is said.

Source: sd_notify(3), and systemd.service(5) for ``Type=notify-reload`` and ``WatchdogSec=``.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping

SOCKET = "NOTIFY_SOCKET"
_PERIOD, _WHOM = "WATCHDOG_USEC", "WATCHDOG_PID"
OURS = (SOCKET, _PERIOD, _WHOM)  # what a child must not inherit: it would speak for us


class Notifier:
    """``environ``: where the manager wrote whom to tell, and how often it wants to hear that all is well."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        where = environ.get(SOCKET, "")
        self._where = "\0" + where[1:] if where.startswith("@") else where
        period = environ.get(_PERIOD, "")
        ours = environ.get(_WHOM, str(os.getpid())) == str(os.getpid())
        # Half of what is allowed, as sd_watchdog_enabled(3) advises; seconds, 0: not asked for.
        self.watchdog = int(period) / 2e6 if self._where and ours and period.isdigit() else 0.0

    def say(self, *lines: str) -> bool:
        """Whether it was taken. Never waits, never fails: the manager may be gone, and its queue full."""
        if not self._where:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as one:
                one.setblocking(False)
                one.sendto("\n".join(lines).encode(), self._where)
        except OSError:
            return False
        return True

    def ready(self, status: str) -> bool:
        return self.say("READY=1", f"STATUS={status}")

    def reloading(self, status: str) -> bool:
        """To be followed by ``ready``, whatever comes of it."""
        return self.say("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", f"STATUS={status}")

    def stopping(self, status: str) -> bool:
        return self.say("STOPPING=1", f"STATUS={status}")

    def status(self, status: str) -> bool:
        return self.say(f"STATUS={status}")

    def extend(self, seconds: float) -> bool:
        """Starting, stopping or reloading takes so much longer from now on."""
        return self.say(f"EXTEND_TIMEOUT_USEC={int(seconds * 1e6)}")

    def well(self) -> bool:
        return self.say("WATCHDOG=1")
