"""The Sender port: SMTP, and a file for development. Foreign faults become ``SenderFailed``. SMS: ``sms``."""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from pathlib import Path

import aiosmtplib

from gateway.ports import Message
from gateway.reasons import SenderFailed


@dataclass(frozen=True, slots=True)
class SmtpRelay:
    """A relay: ``security`` is starttls, tls, or none (loopback only; the settings see to it)."""

    host: str
    port: int
    security: str
    sender: str
    envelope: str | None = None
    username: str | None = None
    password: str | None = None
    timeout: float = 10


class SmtpSender:
    """Mail through a relay; its certificate is always verified, and clear text is never a fall-back."""

    def __init__(self, relay: SmtpRelay, context: ssl.SSLContext | None) -> None:
        self._relay = relay
        self._context = context

    async def send(self, message: Message) -> str:
        relay = self._relay
        if any(character in message.to for character in "\r\n,;<>"):
            raise SenderFailed("one plain address is needed")
        if "=?" in message.to:  # RFC 2047: what looks encoded would be decoded into another address
            raise SenderFailed("one plain address is needed")
        mail = EmailMessage()
        mail["From"] = relay.sender
        try:
            mail["To"] = message.to
        except Exception as error:  # the parser of the library, on what a person typed
            raise SenderFailed(type(error).__name__) from error
        mail["Subject"] = message.subject
        mail["Date"] = formatdate(localtime=False)
        mail["Message-ID"] = make_msgid(domain=parseaddr(relay.sender)[1].rpartition("@")[2] or "localhost")
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        if message.html is not None:
            mail.add_alternative(message.html, subtype="html")
        try:
            errors, receipt = await aiosmtplib.send(
                mail,
                sender=relay.envelope or parseaddr(relay.sender)[1],
                recipients=[message.to],
                hostname=relay.host,
                port=relay.port,
                use_tls=relay.security == "tls",
                start_tls=relay.security == "starttls",
                tls_context=self._context if relay.security != "none" else None,
                username=relay.username,
                password=relay.password,
                timeout=relay.timeout,
            )
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            raise SenderFailed(type(error).__name__) from error
        if errors:
            raise SenderFailed("recipient refused")
        return receipt[:200]

    async def close(self) -> None:
        """Each message has its own connection; nothing is kept."""


class FileSender:
    """One JSON line per message, for development."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def send(self, message: Message) -> str:
        line = json.dumps({"to": message.to, "subject": message.subject, "text": message.text}, ensure_ascii=False)
        try:
            await asyncio.to_thread(self._append, line)
        except OSError as error:
            raise SenderFailed(type(error).__name__) from error
        return "written"

    def _append(self, line: str) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    async def close(self) -> None:
        """The file is opened for each line."""
