"""A small disk that can be filled: a memory disk mounted for as long as it is needed, by root."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def memory_disk(place: Path, size: int) -> Iterator[Path]:
    """A disk of ``size`` MiB at this folder."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m,mode=755", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(ballast: Path) -> None:
    """Write until nothing goes any more."""
    piece = bytes(1 << 16)
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(piece):
            pass
    with suppress(OSError), ballast.open("ab", buffering=0) as file:
        while file.write(piece[:512]):
            pass
