"""Connections to PostgreSQL, of which one server of several takes writes, and none may be waited for too long.

* Servers are tried in their order, each with a head start; the one that answered last comes first. A server that is
  paused or cut off therefore costs a fraction of a second and not the time the others would have needed.
* A server that only reads (a standby, a primary that was demoted) is refused, at the connection (``target_session_attrs``)
  and each time a connection is taken from the pool: servers say by themselves when they stop taking writes.
* A call that is given up closes its connection at once. The driver would ask the server to cancel and wait for up to ten
  seconds; the server notices by itself that nobody listens (``client_connection_check_interval``).

PostgreSQL 14 or later. Sources: libpq, "Parameter Key Words"; PostgreSQL, "Client Connection Defaults".
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Mapping
from contextvars import ContextVar
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.waiting import wait_async

from gateway.database_url import PostgresUrl
from gateway.ending import ended

_HEAD_START = 0.3  # seconds a server has to answer before the next is tried beside it
_CONNECT = 2  # seconds for one server; libpq knows no less
_DEFAULTS = {
    "application_name": "vt-gateway",
    "connect_timeout": str(_CONNECT),
    "target_session_attrs": "read-write",
    "tcp_user_timeout": "3000",  # milliseconds that what was sent may stay without receipt
    "keepalives": "1",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
}
# What the server sees to: that nobody listens any more, a machine that vanished, a worker that stopped in the middle.
_SERVER = {
    "client_connection_check_interval": "1000",
    "idle_in_transaction_session_timeout": "10000",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "3",
    "tcp_keepalives_count": "3",
}
_PATIENCE = 3.0  # seconds for one exchange of those who say no other time
_LAST = 0.05  # seconds for what tidies up when the time is over
# Until when (monotonic) the call of this task may last. SQLAlchemy undoes what was begun in a task of its own and waits
# for its end whatever happens: a server that is silent then must not keep the caller.
UNTIL: ContextVar[float | None] = ContextVar("until", default=None)
_READ_ONLY = (b"in_hot_standby", b"default_transaction_read_only")  # told by the server whenever they change


class Unreachable(psycopg.OperationalError):
    """No server of those named gave a connection; says why, one after the other."""


class Line(psycopg.AsyncConnection[Any]):
    """One connection; ``born``: when it was asked for, monotonic."""

    born = 0.0
    used = False

    async def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:  # noqa: ASYNC109
        if timeout is None:
            until = UNTIL.get()
            timeout = _PATIENCE if until is None else max(until - time.monotonic(), _LAST)
        try:
            async with asyncio.timeout(timeout):
                return await wait_async(gen, self.pgconn.socket, interval=interval)
        except TimeoutError as error:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer within {timeout:.2f} s") from error
        except asyncio.CancelledError:
            self.pgconn.finish()  # an answer that nobody awaits must not be there for the next
            raise

    # SQLAlchemy sets these two at the beginning and at the end of each use. Nothing is sent, but the driver gives way to
    # other tasks when the loop was busy, and a call given up at that instant would never hand its connection back.

    async def set_autocommit(self, value: bool) -> None:
        _at_once(self._set_autocommit_gen(value))

    async def set_isolation_level(self, value: psycopg.IsolationLevel | None) -> None:
        _at_once(self._set_isolation_level_gen(value))

    @property
    def only_reads(self) -> bool:
        return any(self.pgconn.parameter_status(name) == b"on" for name in _READ_ONLY)


def _at_once(work: Generator[Any, Any, None]) -> None:
    if next(work, None) is not None:
        raise psycopg.OperationalError("there is something to wait for")


class Lines:
    """Where lines come from. ``server``: settings of the session, by name."""

    def __init__(self, url: PostgresUrl, server: Mapping[str, str]) -> None:
        own = " ".join(f"-c {name}={value}" for name, value in {**_SERVER, **server}.items())
        given = dict(url.parameters)
        given["options"] = f"{own} {given.get('options', '')}".strip()
        addresses = given.pop("hostaddr", "").split(",")
        self._common = {**_DEFAULTS, **given}
        self._hosts = [
            {"host": host, "port": port, "hostaddr": addresses[n] if n < len(addresses) else ""}
            for n, (host, port) in enumerate(url.hosts)
        ]
        self.writes = self._common["target_session_attrs"] in ("read-write", "primary")

    async def open(self) -> Line:
        """A new line to the first server that gives one. Raises ``Unreachable``."""
        hosts = list(self._hosts)
        trying: dict[asyncio.Task[Line], dict[str, str]] = {}
        faults: list[str] = []
        try:
            while hosts or trying:
                if hosts:
                    host = hosts.pop(0)
                    trying[asyncio.create_task(self._one(host), name="database server")] = host
                done, _ = await asyncio.wait(
                    trying, timeout=_HEAD_START if hosts else None, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done:
                    host = trying[task]
                    if (fault := task.exception()) is None:
                        del trying[task]
                        self._hosts.sort(key=lambda one: one is not host)
                        return task.result()
                    del trying[task]
                    faults.append(_told(host, fault))
        finally:
            await ended(*trying)
            for task in trying:
                if not task.cancelled() and task.exception() is None:
                    await task.result().close()  # it came second
        raise Unreachable("; ".join(faults))

    async def _one(self, host: Mapping[str, str]) -> Line:
        born = time.monotonic()
        parameters = {**self._common, **{name: value for name, value in host.items() if value}}
        line = await Line.connect(make_conninfo("", **parameters))
        line.born = born
        return line


def _told(host: Mapping[str, str], fault: BaseException) -> str:
    reason = str(fault).strip().splitlines() or [type(fault).__name__]
    return f"{host['host'] or 'default host'}:{host['port'] or 5432}: {reason[0]}"
