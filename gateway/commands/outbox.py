"""Mails of a command: kept until it is done, then handed to the relay once, and what failed is said."""

from __future__ import annotations

from datetime import timedelta

import click

from gateway.accounts.account import Account
from gateway.ports import Ambient, Message, Sender
from gateway.reasons import SenderFailed
from gateway.texts import Text

_LIFE = timedelta(hours=6)


class Outbox:
    """``administration.people.Post`` for a process that ends at once."""

    def __init__(self, ambient: Ambient) -> None:
        self._ambient = ambient
        self._messages: list[Message] = []

    def post(self, account: Account, text: Text, kind: str, correlation: str, *, to: str | None = None) -> None:
        address = to or account.mail
        if address:
            deadline = self._ambient.now() + _LIFE
            self._messages.append(Message(address, text.subject, text.text, text.html, kind, correlation, deadline))

    async def send(self, relay: Sender | None) -> None:
        """Hand everything over; never raises. An address is shown to who gave it or could read it anyway."""
        waiting, self._messages = self._messages, []
        for message in waiting:
            try:
                if relay is None:
                    raise SenderFailed("no relay is configured (smtp)")
                await relay.send(message)
            except SenderFailed as error:
                click.echo(f"the mail to {message.to} ({message.kind}) was not sent: {error}", err=True)
        if relay is not None:
            await relay.close()
