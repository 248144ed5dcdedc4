"""Where workers meet: a private folder with a socket of each worker (``edges/scrape.py``) and one of the supervisor, which
says in one line of JSON, to whoever connects, what only it knows."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.commands.supervision.processes import Worker
from gateway.edges.sockets import SUPERVISOR_SOCKET, socket_of

_LONGEST = 60  # characters of a folder's path: a socket's has 107 at most


class Facts:
    """``folder``: the one of the supervisor before; otherwise one is made. ``answer``: what is said."""

    def __init__(self, folder: str | None, state_dir: str, answer: Callable[[], Mapping[str, object]]) -> None:
        self._answer = answer
        self.folder = folder or _made(state_dir)
        self.socket: socket.socket | None = None
        if self.folder is not None:
            with contextlib.suppress(OSError):
                self.socket = _listening(Path(self.folder) / SUPERVISOR_SOCKET)

    def serve(self) -> None:
        """Somebody has connected: the answer fits into the socket's buffer, so nobody is waited for."""
        assert self.socket is not None  # noqa: S101 - who calls has seen it
        with contextlib.suppress(OSError):
            asking, _ = self.socket.accept()
            with asking:
                asking.setblocking(False)
                asking.send(json.dumps(self._answer()).encode())

    def forget(self, worker: Worker) -> None:
        """This worker has ended, perhaps without tidying up."""
        if self.folder is not None:
            with contextlib.suppress(OSError):
                (Path(self.folder) / socket_of(worker.slot, worker.pid)).unlink()

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
        if self.folder is not None:
            with contextlib.suppress(OSError):
                for one in Path(self.folder).iterdir():
                    one.unlink()
                Path(self.folder).rmdir()


def _made(state_dir: str) -> str | None:
    """A new folder that nobody else may enter, in the first place where there can be one."""
    places = [os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0], os.environ.get("TMPDIR", ""), "/tmp", state_dir]  # noqa: S108 - only to make a folder of our own in
    for place in places:
        if place and len(place) <= _LONGEST:
            path = Path(place) / f"vtgw-{os.urandom(8).hex()}"
            with contextlib.suppress(OSError):
                path.mkdir(0o700)
                return str(path)
    return None


def _listening(path: Path) -> socket.socket:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    made.bind(str(path))
    made.listen(64)
    return made
