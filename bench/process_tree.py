"""The processes below one, from /proc. They come and go while they are read: who is gone is left out, never an error."""

from __future__ import annotations

from pathlib import Path

_GONE = (FileNotFoundError, ProcessLookupError)  # before the file was opened, or while it was read


def children(pid: int) -> list[int]:
    """Of all its threads, the older first. Its list may miss one while another one ends: look again."""
    return sorted(int(child) for thread in _threads(pid) for child in _read(thread / "children").split())


def cpu(pid: int) -> int:
    """Nanoseconds of CPU so far, of all its threads that are alive."""
    return sum(int(spent) for thread in _threads(pid) for spent in _read(thread / "schedstat").split()[:1])


def tree(pid: int) -> list[int]:
    """This process and all below it."""
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += children(found[-1])
    return found


def workers(pid: int) -> list[int]:
    """The children of a supervisor that serve; not what it asks for a moment (the check of a configuration)."""
    return [child for child in children(pid) if "\0serve\0" in _read(Path(f"/proc/{child}/cmdline"))]


def alive(pid: int) -> bool:
    """Not even a zombie: its sockets are closed by then, and not before."""
    state = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return bool(state) and state[0] not in "ZX"


def _threads(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except _GONE:
        return []


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except _GONE:
        return ""
