"""Mail towards real servers on loopback, and the file of development. SMS: test_sms."""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiosmtpd.handlers import Message as Handler
from aiosmtpd.smtp import SMTP

from gateway import texts
from gateway.demo.cards import write_server_certificates
from gateway.demo.mailbox import MailCatcher
from gateway.edges.senders import FileSender, SmtpRelay, SmtpSender
from gateway.ports import Message
from gateway.reasons import SenderFailed
from tests.ambient import START

MAIL = texts.code_mail("012345", timedelta(minutes=10), START + timedelta(minutes=10), START)
MESSAGE = Message("inès@example.test", MAIL.subject, MAIL.text, MAIL.html, "code", "c", START)
PLAIN = Message("ines@example.test", MAIL.subject, MAIL.text, MAIL.html, "code", "c", START)


def relay(port: int, security: str = "none", **changes: object) -> SmtpRelay:
    values = {
        "host": "127.0.0.1",
        "port": port,
        "security": security,
        "sender": "ViaTrajectoire <vt@example.test>",
        "timeout": 2,
    }
    return SmtpRelay(**(values | changes))  # type: ignore[arg-type]


async def test_r77_mail_reaches_a_mailbox_whole() -> None:
    """Subject, text, HTML and headers arrive; accents and no-break spaces survive."""
    catcher = MailCatcher(lambda: START)
    await catcher.start("127.0.0.1", 0)
    await SmtpSender(relay(catcher.port), None).send(PLAIN)
    (kept,) = catcher.messages
    assert (kept["to"], kept["from"], kept["subject"]) == ("ines@example.test", "vt@example.test", MAIL.subject)
    assert "012 345" in kept["text"]
    assert "jusqu'à 10\u00a0h\u00a040" in kept["text"]
    assert "<strong" in kept["html"]
    for mode in ("down", "error"):
        catcher.mode = mode
        with pytest.raises(SenderFailed):
            await SmtpSender(relay(catcher.port), None).send(PLAIN)
    catcher.mode = "slow"
    with pytest.raises(SenderFailed):
        await SmtpSender(relay(catcher.port, timeout=0.2), None).send(PLAIN)
    await catcher.stop()


async def test_one_recipient_and_no_header_injection() -> None:
    """An address that would become two, or another header, is never sent."""
    for address in ("a@x.test, b@x.test", "a@x.test\r\nBcc: b@x.test", "<a@x.test>"):
        with pytest.raises(SenderFailed):
            await SmtpSender(relay(9), None).send(Message(address, "s", "t", None, "code", "c", START))


class Kept(Handler):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def handle_message(self, message: object) -> None:
        self.count += 1


async def test_t4_starttls_is_verified_and_never_skipped(tmp_path: Path) -> None:
    """Mail goes over STARTTLS to a known certificate; an unknown one, or a relay without TLS, gets nothing."""
    write_server_certificates(tmp_path, datetime.now(UTC))
    server_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_tls.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    kept = Kept()
    loop = asyncio.get_running_loop()
    secure = await loop.create_server(lambda: SMTP(kept, tls_context=server_tls, require_starttls=True), "127.0.0.1", 0)
    clear = await loop.create_server(lambda: SMTP(kept), "127.0.0.1", 0)
    known = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    port = secure.sockets[0].getsockname()[1]
    await SmtpSender(relay(port, "starttls", host="localhost"), known).send(PLAIN)
    assert kept.count == 1
    with pytest.raises(SenderFailed):
        await SmtpSender(relay(port, "starttls", host="localhost"), ssl.create_default_context()).send(PLAIN)
    with pytest.raises(SenderFailed):
        await SmtpSender(relay(clear.sockets[0].getsockname()[1], "starttls", host="localhost"), known).send(PLAIN)
    assert kept.count == 1
    for server in (secure, clear):
        server.close()


async def test_the_file_of_development(tmp_path: Path) -> None:
    """Each message is one line of JSON, whatever it holds; a place that cannot be written is a failure."""
    text = texts.code_sms("012345", timedelta(hours=8))
    message = Message("+33612345678", "", text, None, "code", "c", START)
    sender = FileSender(tmp_path / "sms.jsonl")
    await sender.send(message)
    await sender.send(replace(message, text="two\nlines"))
    kept = [json.loads(line) for line in (tmp_path / "sms.jsonl").read_text().splitlines()]
    assert [one["text"] for one in kept] == [
        "ViaTrajectoire : votre code est 012345, valable 8 h. Ne le communiquez à personne.",
        "two\nlines",
    ]
    assert kept[0]["to"] == "+33612345678"
    with pytest.raises(SenderFailed):
        await FileSender(tmp_path).send(message)
    await sender.close()


def test_texts_in_french() -> None:
    """Times are those of Paris with no-break spaces, durations are words."""
    assert texts.clock(datetime(2026, 3, 2, 13, 32, tzinfo=UTC)) == "14\u00a0h\u00a032"
    assert texts.clock(datetime(2026, 7, 1, 12, 5, tzinfo=UTC)) == "14\u00a0h\u00a005"
    assert texts.day(datetime(2026, 3, 1, 12, tzinfo=UTC)) == "1er\u00a0mars\u00a02026"
    assert texts.duration(timedelta(hours=8)) == "8\u00a0heures"
    assert texts.duration(timedelta(minutes=90)) == "1\u00a0heure\u00a030"
    assert texts.duration(timedelta(seconds=60)) == "1\u00a0minute"
