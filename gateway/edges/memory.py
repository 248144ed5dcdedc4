"""What this process asks of its memory: nothing to look at twice, and back what thousands of connections have left.

Everything here is a kindness, measured in docs/performance.md; where the C library offers none of it, nothing is done.
"""

from __future__ import annotations

import ctypes
import gc
import sys

_M_MMAP_THRESHOLD = -3
# Each TLS connection holds a buffer of 262,144 bytes of which it touches little. Blocks of this size and more are then
# mapped one by one and given back whole; the event loop's reads (256,000 bytes at most) stay below.
_MAPPED = 260_000


def settle() -> None:
    """Called once everything is started: what exists now stays, so the collector need not look at it again; otherwise
    a full collection holds every request for fifty milliseconds, some time or other."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    library = _glibc()
    if library is not None:
        library.mallopt(_M_MMAP_THRESHOLD, _MAPPED)


def give_back() -> None:
    """Return free pages to the system, after many connections have closed: glibc keeps them otherwise."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None
