"""What every shape of Redis offers to the store, and the parts they share: writes that are kept, and proofs.

*Kept*: a write counts when ``replicas`` of them have it. ``WAIT`` follows the command over the same connection, in the same
breath; without enough acknowledgements the call fails, though the primary may have done it. Sentinel and Cluster promote the
replica that has most, so that what was acknowledged survives the loss of the primary.

*Proof*: at least every second each process looks whether the server it uses is still the primary: its role, and a small write
that as many replicas must have. A primary that was cut off from the others, or paused and replaced, fails that; nothing it
answers is believed unless a proof begun at most two seconds ago, or one after it, succeeded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from redis.exceptions import NoScriptError, OutOfMemoryError, ResponseError

from gateway.edges.redis_line import Command, Line, NotKept, Server
from gateway.ending import ended

ATTEMPT = 1.5  # seconds for one server to answer, with the connection and a proof when they are needed
_KEPT = 1000  # milliseconds replicas have to take a write
_PROOF = 1.0  # seconds
_FRESH, _BELIEVED = 1.5, 2.0  # seconds since a proof began: another one first; what was read is not given out
_BEAT_LIFE = 60_000  # milliseconds
_BEAT_KEPT = 500


class Link(Protocol):
    """Redis in one of its shapes. Calls raise what redis-py raises, ``OSError``, ``TimeoutError`` or ``CircuitOpen``."""

    @property
    def name(self) -> str:
        """For the log: where it is, no secret."""

    @property
    def replicas(self) -> int:
        """How many must have a write before it counts."""

    @property
    def script(self) -> str:
        """The script that ``change`` may call by its SHA-1."""

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values of these keys, as they were at some instant of the call."""

    async def change(self, key: str, *command: bytes | str | int) -> Any:
        """The reply to a command that changes this key; what it did is kept when the reply is not 0."""

    async def say(self, channel: str, message: str) -> None:
        """To all who listen, whatever server they listen at."""

    async def beat(self) -> None:
        """Look whether all is well, and make up for what is not."""

    async def listening(self, channel: str) -> Line:
        """A connection that hears this channel."""

    def hears(self, line: Line) -> bool:
        """Whether that is still the place to listen at."""

    async def close(self) -> None: ...


class Proof:
    """``prove`` looks whether a server may be believed; one look serves all who wait for one."""

    def __init__(self, prove: Callable[[], Awaitable[None]], clock: Callable[[], float]) -> None:
        self._prove = prove
        self._clock = clock
        self._begun = float("-inf")  # the last that succeeded
        self._task: asyncio.Task[None] | None = None

    def doubt(self) -> None:
        """Something failed: the next call looks first."""
        self._begun = float("-inf")

    async def fresh(self) -> None:
        """Before something is asked."""
        if self._clock() - self._begun > _FRESH:
            await self.now()

    async def believed(self) -> None:
        """After something was read."""
        if self._clock() - self._begun > _BELIEVED:
            await self.now()

    async def now(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run(), name="store proof")
            self._task.add_done_callback(_looked_at)
        await asyncio.shield(self._task)

    async def close(self) -> None:
        if self._task is not None:
            await ended(self._task)

    async def _run(self) -> None:
        begun = self._clock()
        async with asyncio.timeout(_PROOF):
            await self._prove()
        self._begun = begun


def _looked_at(task: asyncio.Task[None]) -> None:
    """A failure nobody waits for any more is no news: whoever asks next finds out."""
    if not task.cancelled():
        task.exception()


async def prove(server: Server, key: str, replicas: int) -> None:
    """Raises unless this server is a primary and so many replicas follow it at this moment."""
    if not replicas:
        await server.ask(check=True)
        return
    # A server without memory refuses the SET and answers reads all the same; to move the end of a key is no new memory.
    written, moved, kept = await server.ask(
        ("SET", key, "", "PX", _BEAT_LIFE),
        ("PEXPIRE", key, _BEAT_LIFE),
        ("WAIT", replicas, _BEAT_KEPT),
        check=True,
    )
    for reply in (written, moved, kept):
        if isinstance(reply, ResponseError) and not (isinstance(written, OutOfMemoryError) and moved == 1):
            raise reply
    if kept < replicas:
        raise NotKept(f"{kept} of {replicas} replicas follow the primary")


async def kept(server: Server, script: str, command: Command, replicas: int, *, asking: bool = False) -> Any:
    """The reply to a command that changes something; raises when it is an error, or what was done is not kept.

    ``asking``: by order of another node of the cluster, which is handing the key over."""
    commands: list[Command] = [("ASKING",)] if asking else []
    place = len(commands)
    commands.append(command)
    if replicas:
        commands.append(("WAIT", replicas, _KEPT))
    replies = await server.ask(*commands)
    if isinstance(replies[place], NoScriptError):
        (loaded,) = await server.ask(("SCRIPT LOAD", script))
        if isinstance(loaded, ResponseError):
            raise loaded
        replies = await server.ask(*commands)
    reply = replies[place]
    if isinstance(reply, ResponseError):
        raise reply
    if replicas and reply:
        count = replies[-1]
        if isinstance(count, ResponseError):
            raise count
        if count < replicas:
            raise NotKept(f"{count} of {replicas} replicas have what was written")
    return reply
