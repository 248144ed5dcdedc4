"""Listening sockets that outlive a worker: opened once by the supervisor, shared by the processes it starts.

All workers accept from one queue, so a worker that ends takes no waiting connection with it.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BACKLOG = 2048
SUPERVISOR_SOCKET = "supervisor.sock"
_SOCKETS, _ALIVE, _SAID, _TEXT = "VTGW_SOCKETS", "VTGW_ALIVE", "VTGW_SAID", "VTGW_TEXT"
_SLOT, _COUNT, _FOLDER = "VTGW_WORKER", "VTGW_WORKERS", "VTGW_MEETING"


def open_listener(host: str, port: int) -> socket.socket:
    """A bound, listening socket; raises ``OSError``."""
    family, kind, proto, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    made = socket.socket(family, kind, proto)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(where)
        made.listen(BACKLOG)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


def socket_of(slot: int, pid: int) -> str:
    """The name of a worker's own socket in the folder where workers meet."""
    return f"{slot}.{pid}.sock"


def hand_over(
    sockets: Mapping[str, socket.socket], alive: int, said: int, text: int, slot: int, count: int, folder: str | None
) -> dict[str, str]:
    """The environment by which a worker finds its sockets, the pipe that ends with its supervisor, the pipe on which it
    gives signs of life, its configuration, which of how many it is, and where it meets the others."""
    named = ",".join(f"{name}={one.fileno()}" for name, one in sockets.items())
    found = {
        _SOCKETS: named,
        _ALIVE: str(alive),
        _SAID: str(said),
        _TEXT: str(text),
        _SLOT: str(slot),
        _COUNT: str(count),
    }
    return found if folder is None else {**found, _FOLDER: folder}


@dataclass(frozen=True)
class Handed:
    """What a worker was handed; taken out of the environment, so that nothing it starts believes it is one.

    ``slot``: which worker it is, of ``count``; ``folder``: where it meets the others; ``text``: its configuration."""

    sockets: Mapping[str, socket.socket]
    alive: int
    slot: int
    count: int
    folder: Path | None
    text: str
    said: int

    @classmethod
    def taken(cls) -> Handed | None:
        """``None`` in a process that no supervisor started."""
        environ = os.environ
        named = environ.pop(_SOCKETS, None)
        if named is None:
            return None
        pairs = (part.split("=") for part in named.split(",") if part)
        sockets = {name: socket.socket(fileno=int(number)) for name, number in pairs}
        text = int(environ.pop(_TEXT))
        alive, said = int(environ.pop(_ALIVE)), int(environ.pop(_SAID))
        for fd in (alive, said, *(one.fileno() for one in sockets.values())):
            os.set_inheritable(fd, False)
        folder = environ.pop(_FOLDER, None)
        handed = cls(
            sockets,
            alive,
            int(environ.pop(_SLOT)),
            int(environ.pop(_COUNT)),
            None if folder is None else Path(folder),
            os.pread(text, os.fstat(text).st_size, 0).decode("utf-8"),
            said,
        )
        os.close(text)
        return handed

    def say_ready(self) -> None:
        self._say(b"r")

    def say_alive(self) -> None:
        self._say(b".")

    def say_waiting(self) -> None:
        """Alive, and something it needs to start is away."""
        self._say(b"w")

    def _say(self, word: bytes) -> None:
        with contextlib.suppress(OSError):  # a supervisor that does not read, or is gone: the other pipe says so
            os.write(self.said, word)
