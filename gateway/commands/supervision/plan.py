"""What the supervisor needs to know of a configuration, as text: one process reads the file and says it to another.

Both may be of different versions of this program: what is not known is passed over, what is missing has a default.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

Address = tuple[str, int]


@dataclass(frozen=True)
class Plan:
    """``text``: the configuration file as it was checked; every worker of this plan starts from it, whatever stands in
    the file by then. Times are in seconds."""

    workers: int
    listeners: Mapping[str, Address] = field(default_factory=dict)  # by the listener's name
    grace: float = 40.0  # a worker that was told to end is gone by then
    watchdog: float = 30.0  # a worker that is silent for so long is replaced
    level: str = "info"
    state_dir: str = ""
    text: str = ""

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> Plan:
        """Raises ``ValueError`` for what is no plan."""
        given = json.loads(text)
        if not isinstance(given, dict) or not isinstance(given.get("workers"), int):
            raise ValueError("not a plan")
        known: dict[str, Any] = {name: given[name] for name in cls.__dataclass_fields__ if name in given}
        listeners = given.get("listeners", {})
        known["listeners"] = {name: (str(host), int(port)) for name, (host, port) in listeners.items()}
        return cls(**known)


def in_memory(name: str, text: str) -> int:
    """A file that has no place, with this text; closed with the last process that holds it."""
    fd = os.memfd_create(name, os.MFD_CLOEXEC)
    left = text.encode()
    while left:
        left = left[os.write(fd, left) :]
    return fd


def read_whole(fd: int) -> str:
    """What stands in such a file, wherever its reader or writer is."""
    return os.pread(fd, os.fstat(fd).st_size, 0).decode("utf-8", "replace")
