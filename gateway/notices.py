"""Mails that nobody waits for: notices, links, warnings. Posted at once, sent in the background, tried again.

* ``post`` never waits and never fails: how long a relay takes must not tell anything, nor hold anybody (R55, A8).
* The queue is bounded: past it the oldest promise is kept and the new message is dropped, with a line in the log.
* A relay that fails is asked again after 5, 30 and 120 seconds; after the message's deadline never.
* They live in this process: at its end in good order they have three seconds to leave, with kill -9 they are lost.

Codes do not come this way: their sending is waited for, because the person has to be told when it fails (R75).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import timedelta

import structlog

from gateway.accounts.account import Account
from gateway.ending import ended
from gateway.ports import Ambient, Message, Sender
from gateway.reasons import SenderFailed
from gateway.texts import Text

_WAITING = 2000  # messages; about 10 KiB each
_AT_ONCE = 4
_LIFE = timedelta(hours=6)
_PAUSES: Sequence[float] = (5, 30, 120)
_LAST = 3.0  # seconds for what waits at the end of the process
_log = structlog.get_logger("gateway.notices")


class Notices:
    """``mail`` is the relay, or nothing when none is configured: then nothing is sent and the log says so."""

    def __init__(
        self, mail: Sender | None, ambient: Ambient, *, pauses: Sequence[float] = _PAUSES, last: float = _LAST
    ) -> None:
        self._mail = mail
        self._ambient = ambient
        self._pauses = tuple(pauses)
        self._last = last
        self._under_way = 0  # posted, and neither sent nor given up
        self._queue: asyncio.Queue[Message] = asyncio.Queue(_WAITING)
        self._workers: list[asyncio.Task[None]] = []
        self.sent = self.lost = 0

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._workers = [loop.create_task(self._work(), name=f"notices {number}") for number in range(_AT_ONCE)]

    async def close(self) -> None:
        """The process ends: what waits has a few seconds to leave, what has not left then is given up, and counted."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._last):
                await self.drained()
        await ended(*self._workers)
        if self._under_way:
            self.lost += self._under_way
            _log.error("notices given up at the end of the process", count=self._under_way)

    def post(self, account: Account, text: Text, kind: str, correlation: str, *, to: str | None = None) -> None:
        """Send ``text`` to the account's address, or to ``to`` (an address the account had, or is going to have)."""
        address = to or account.mail
        if self._mail is None or not address:
            _log.info("notice not sent", kind=kind, account=account.id, why="no relay" if address else "no address")
            return
        deadline = self._ambient.now() + _LIFE
        message = Message(address, text.subject, text.text, text.html, kind, correlation, deadline)
        try:
            self._queue.put_nowait(message)
            self._under_way += 1
        except asyncio.QueueFull:
            self.lost += 1
            _log.error("notice dropped", kind=kind, account=account.id, why="too many wait")

    async def drained(self) -> None:
        """Until everything posted was sent or given up."""
        await self._queue.join()

    async def _work(self) -> None:
        while True:
            message = await self._queue.get()
            try:
                await self._send(message)
                self._under_way -= 1
            except Exception as error:  # a fault of ours, with this message alone: the others go on
                self._under_way -= 1
                self.lost += 1
                _log.error(
                    "notice lost", kind=message.kind, error=type(error).__name__, correlation=message.correlation
                )
            finally:
                self._queue.task_done()

    async def _send(self, message: Message) -> None:
        assert self._mail is not None  # noqa: S101 - nothing is posted otherwise
        for pause in (*self._pauses, None):
            try:
                await self._mail.send(message)
            except SenderFailed as error:
                if pause is None or self._ambient.now() >= message.deadline:
                    self.lost += 1
                    _log.warning("notice lost", kind=message.kind, error=str(error), correlation=message.correlation)
                    return
                await asyncio.sleep(pause)
            else:
                self.sent += 1
                return
