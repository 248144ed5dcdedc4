"""Listening sockets that outlive a worker: opened once by the supervisor, shared by the processes it starts.

All workers accept from one queue, so a worker that ends takes no waiting connection with it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

BACKLOG = 2048
_SOCKETS, _ALIVE, _READY = "VTGW_SOCKETS", "VTGW_ALIVE", "VTGW_READY"


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


def hand_over(sockets: Mapping[str, socket.socket], alive: int, ready: int) -> dict[str, str]:
    """The environment by which a worker finds its sockets, the pipe that ends with its supervisor, and the pipe on which
    it says that it serves."""
    named = ",".join(f"{name}={one.fileno()}" for name, one in sockets.items())
    return {_SOCKETS: named, _ALIVE: str(alive), _READY: str(ready)}


class Handed:
    """What a worker was handed; taken out of the environment, so that nothing it starts believes it is one."""

    def __init__(self, sockets: Mapping[str, socket.socket], alive: int, ready: int) -> None:
        self.sockets = sockets
        self.alive = alive
        self._ready = ready

    @classmethod
    def taken(cls) -> Handed | None:
        named = os.environ.pop(_SOCKETS, None)
        if named is None:
            return None
        pairs = (part.split("=") for part in named.split(",") if part)
        sockets = {name: socket.socket(fileno=int(number)) for name, number in pairs}
        return cls(sockets, int(os.environ.pop(_ALIVE)), int(os.environ.pop(_READY)))

    def say_ready(self) -> None:
        os.write(self._ready, b"1")
        os.close(self._ready)
