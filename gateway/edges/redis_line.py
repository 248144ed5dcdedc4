"""One connection to Redis, and one server with the connections kept to it.

redis-py makes the connection, greets, packs and parses; which commands go together over which connection, and when one is
thrown away, is decided here:

* Commands go over one connection in a row and their replies are read in a row. Whoever is cancelled or stopped by a time-out
  in between takes the connection with them: no reply can reach the next caller.
* A server serves only as a primary. Each connection asks ``ROLE`` at its first use and whenever it has not for a second, in
  the same breath as its commands: a replica, or a primary that became one, is noticed before anything it said is believed.
* There is no time-out here: callers have theirs (``asyncio.timeout``). With ``socket_timeout`` redis-py sends through
  ``asyncio.wait_for``, which Python 3.11 lets drop a cancellation.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ClusterDownError, ConnectionError, ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

_CONNECT = 1.0  # seconds
_ROLE_AGE = 1.0  # seconds a connection is taken to lead to a primary after ROLE said so
_CONNECTING = 4  # connections made at a time: after a fail-over every worker comes at once, and TLS costs a server dear
_IDLE = 64  # connections kept to one server

Command = tuple[bytes | str | int, ...]
Place = tuple[str, int]

_KEEPALIVE = {
    getattr(socket, name): value
    for name, value in (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 2), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
}


class NotPrimary(ConnectionError):
    """This server is no primary (any more); what it said is not believed."""


class NotKept(ConnectionError):
    """Done by the primary, but not in time by as many replicas as were asked for: a fail-over may lose it."""


# By these a server shows that it is down, not that it answers. Others are answers: no right, no memory, no such command.
FAULTS = (ConnectionError, RedisTimeout, OSError, TimeoutError, ClusterDownError, ReadOnlyError)
_LEFT = (ReadOnlyError, ClusterDownError)  # of these, the ones that come as replies (MASTERDOWN is one of the latter)


@dataclass(frozen=True, slots=True)
class Entrance:
    """How connections are made, whatever the server: who we are, and TLS."""

    username: str = ""
    password: str = field(default="", repr=False)
    db: int = 0
    tls: ssl.SSLContext | None = None

    def line(self, place: Place) -> Line:
        return Line(
            tls=self.tls,
            host=place[0],
            port=place[1],
            username=self.username or None,
            password=self.password or None,
            db=self.db,
            protocol=2,
            client_name="vt-gateway",
            driver_info=None,
            socket_timeout=None,
            socket_connect_timeout=_CONNECT,
            socket_keepalive=True,
            socket_keepalive_options=_KEEPALIVE,
            retry=Retry(NoBackoff(), 0),
        )


class Line(Connection):
    """A connection that can be cut at once, and knows when ROLE was asked last."""

    def __init__(self, *, tls: ssl.SSLContext | None, **options: Any) -> None:
        super().__init__(**options)
        self._tls = tls
        self.checked = float("-inf")  # monotonic seconds

    def _connection_arguments(self) -> Mapping[str, Any]:
        arguments = dict(super()._connection_arguments())
        if self._tls is not None:
            arguments["ssl"] = self._tls
        return arguments

    async def exchange(self, *commands: Command) -> list[Any]:
        """The replies, in order; a reply that is an error is its exception, as a value."""
        await self.send_packed_command(self.pack_commands(commands), check_health=False)
        return [await self._reply() for _ in commands]

    async def _reply(self) -> Any:
        try:
            return await self.read_response(disable_decoding=True)
        except ResponseError as error:
            return error

    async def is_usable(self) -> bool:
        """Whether it is open and silent: what came without being asked for could be taken for a reply."""
        if self._writer is None or self._writer.is_closing():
            return False
        try:
            return not await self.can_read()
        except (ConnectionError, OSError):
            return False

    async def disconnect(self, *_: Any, **__: Any) -> None:
        """redis-py closes through this whenever something goes wrong."""
        self.cut()

    def cut(self) -> None:
        """Close without a word. Waiting for a farewell, as TLS wants it, would take long where nobody answers."""
        writer = self._writer
        if writer is not None:
            writer.transport.abort()
        self._parser.on_disconnect()  # type: ignore[no-untyped-call]
        self._reader = self._writer = None


class Server:
    """One server at one place. ``primary``: whether it must be one (a sentinel has no role to look at)."""

    def __init__(self, place: Place, entrance: Entrance, clock: Callable[[], float], *, primary: bool = True) -> None:
        self.place = place
        self._entrance = entrance
        self._clock = clock
        self._primary = primary
        self._idle: list[Line] = []
        self._connecting = asyncio.Semaphore(_CONNECTING)
        self._busy: set[Line] = set()
        self._closed = False

    async def ask(self, *commands: Command, check: bool = False) -> list[Any]:
        """Replies to these commands, over one connection; errors of single commands are values. ``check``: ask for the
        role in any case. Raises ``NotPrimary``, and what a connection raises."""
        line = await self._line()
        whole = False
        self._busy.add(line)
        try:
            asked = self._clock()
            check = self._primary and (check or asked - line.checked > _ROLE_AGE)
            replies = await line.exchange(*((("ROLE",),) if check else ()), *commands)
            if check:
                _primary(replies.pop(0))
                line.checked = asked
            if self._closed:
                raise NotPrimary("another server is primary since")
            for reply in replies:
                if isinstance(reply, _LEFT):
                    raise reply
            whole = True
            return replies
        except FAULTS:
            self.drop()
            raise
        finally:
            self._busy.discard(line)
            if whole and len(self._idle) < _IDLE:
                self._idle.append(line)
            else:
                line.cut()

    def drop(self) -> None:
        """Cut the connections that nobody uses: they are of no use any more. Used ones show it by themselves."""
        while self._idle:
            self._idle.pop().cut()

    def close(self) -> None:
        """For good; also what is under way."""
        self._closed = True
        self.drop()
        for line in self._busy:
            line.cut()

    async def listening(self, channel: str) -> Line:
        """A connection of its own that hears this channel. Whoever asked for it cuts it."""
        line = self._entrance.line(self.place)
        try:
            await line.connect()  # type: ignore[no-untyped-call]
            if self._primary:
                _primary((await line.exchange(("ROLE",)))[0])
            (said,) = await line.exchange(("SUBSCRIBE", channel))
            if isinstance(said, ResponseError):
                raise said
        except BaseException:
            line.cut()
            raise
        return line

    async def _line(self) -> Line:
        line = await self._kept()
        if line is not None:
            return line
        async with self._connecting:
            line = await self._kept()  # one that came free meanwhile spares a handshake
            if line is not None:
                return line
            line = self._entrance.line(self.place)
            try:
                await line.connect()  # type: ignore[no-untyped-call]
            except BaseException:
                line.cut()
                raise
            return line

    async def _kept(self) -> Line | None:
        while self._idle:
            line = self._idle.pop()
            if await line.is_usable():
                return line
            line.cut()
        return None


def _primary(role: Any) -> None:
    if isinstance(role, ResponseError):
        raise role
    if not role or role[0] != b"master":
        raise NotPrimary("the server is no primary")
