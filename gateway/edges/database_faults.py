"""What an error of the database means: whether it is down, or has answered; whether the same may be asked again.

PostgreSQL by its SQLSTATE (appendix "PostgreSQL Error Codes"). Whatever else is wrong (a full disk, no memory, a lock
that was not had in time, a statement that took too long) is the answer of a server that lives.
"""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.edges.postgres_lines import Unreachable
from gateway.reasons import RecordsUnavailable

_LEFT = ("08", "57P01", "57P02", "57P03", "57P04", "25006")  # connections; shut down, crashed, starting; only reads
_NOTHING_DONE = ("40001", "40P01", "25006")  # serialization, deadlock, only reads: rolled back whole


class Down(RecordsUnavailable):
    """The database cannot be reached, does not answer, or takes no writes any more."""


def state(error: BaseException | None) -> str:
    """The SQLSTATE of a driver's error, empty when it has none."""
    return getattr(error, "sqlstate", None) or ""


def is_left(error: BaseException) -> bool:
    """Whether a driver's error says that this connection, and others of its time, are of no use any more."""
    return state(error).startswith(_LEFT)


def is_repeatable(error: DBAPIError) -> bool:
    """Whether the whole transaction may be done again: the server says that nothing of it happened."""
    return state(error.orig) in _NOTHING_DONE


def is_down(error: BaseException) -> bool:
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or isinstance(error.orig, Unreachable) or is_left(error.orig or error)
    return isinstance(error, TimeoutError | OSError | PoolTimeout)


def told(error: BaseException, *, sqlite: bool) -> RecordsUnavailable:
    """What callers see. A file is never down: each call finds out for itself, and reads go on when the disk is full."""
    why = str(error.orig) if isinstance(error, DBAPIError) and isinstance(error.orig, Unreachable) else ""
    sentence = f"the database gives no answer{f': {why}' if why else ''}"
    return Down(sentence) if is_down(error) and not sqlite else RecordsUnavailable(sentence)
