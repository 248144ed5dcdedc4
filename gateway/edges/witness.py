"""What this machine remembers of a store's pulse while no gateway runs: one small file for each store.

A third witness beside the store and the records: when both are put back together while everything is stopped, only this
tells. It is written every few seconds, atomically, and read at the start. Without it (a disk that is full, a container
that keeps nothing) the gateway works as well, and knows less.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import structlog

_log = structlog.get_logger("gateway.epoch")


class DiskWitness:
    """``folder`` is made when something is to be written. ``url``: of the store; another one has another file. Without
    ``writes`` it only remembers: a command of the shell must leave no file that the gateway cannot replace."""

    def __init__(self, folder: Path, url: str, *, writes: bool = True) -> None:
        self._writes = writes
        parts = urlsplit(url)
        place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        self._path = folder / hashlib.sha256(place.encode()).hexdigest()[:16]
        self._silent = False

    async def read(self) -> bytes | None:
        try:
            return await asyncio.to_thread(self._path.read_bytes)
        except OSError:
            return None

    async def write(self, pulse: bytes) -> None:
        if not self._writes:
            return
        try:
            await asyncio.to_thread(self._write, pulse)
        except OSError as error:
            if not self._silent:
                _log.warning("the pulse is not remembered on this disk", error=str(error))
            self._silent = True
        else:
            self._silent = False

    def _write(self, pulse: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=".pulse-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(pulse)
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
