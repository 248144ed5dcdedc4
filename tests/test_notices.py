"""Notices leave in the background, are tried again, and hold nobody."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from gateway.notices import Notices
from gateway.texts import Text
from tests.ambient import TestAmbient
from tests.policy.test_decision import ACCOUNT
from tests.providers.world import Mailbox

TEXT = Text("Sujet", "Corps", "<p>Corps</p>")


class Failing(Mailbox):
    """Fails so many times before it takes a message."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self.asked = 0

    async def send(self, message: object) -> str:
        self.asked += 1
        self.broken = self.asked <= self.times
        return await super().send(message)  # type: ignore[arg-type]


async def test_r103_a_notice_is_tried_again() -> None:
    """A relay that fails twice gets the message the third time; one that always fails loses it, counted."""
    for times, sent in ((2, 1), (9, 0)):
        relay = Failing(times)
        notices = Notices(relay, TestAmbient(), pauses=(0, 0, 0))
        notices.start()
        notices.post(ACCOUNT, TEXT, "notice", "ref")
        await notices.drained()
        await notices.close()
        assert (len(relay.sent), notices.sent, notices.lost) == (sent, sent, 1 - sent)


async def test_what_waits_leaves_before_the_process_ends() -> None:
    """A worker that is replaced takes no mail with it: thirty wait, all of them are sent."""
    relay = Mailbox()
    notices = Notices(relay, TestAmbient())
    notices.start()
    for _ in range(30):
        notices.post(ACCOUNT, TEXT, "notice", "ref")
    await notices.close()
    assert (len(relay.sent), notices.sent, notices.lost) == (30, 30, 0)


async def test_a_notice_goes_to_the_address_it_is_for() -> None:
    """``to`` is the address an account had before; without relay or address nothing is sent and nothing fails."""
    relay = Mailbox()
    notices = Notices(relay, TestAmbient())
    notices.start()
    notices.post(ACCOUNT, TEXT, "notice", "ref", to="ancienne@example.test")
    notices.post(replace(ACCOUNT, mail=None), TEXT, "notice", "ref")
    await notices.drained()
    await notices.close()
    assert [message.to for message in relay.sent] == ["ancienne@example.test"]
    silent = Notices(None, TestAmbient())
    silent.post(ACCOUNT, TEXT, "notice", "ref")
    assert silent.sent == 0


async def test_r75_posting_waits_for_nobody() -> None:
    """With a relay that hangs, posting returns at once and other messages still leave."""

    class Hanging(Mailbox):
        async def send(self, message: object) -> str:
            if getattr(message, "to", "") == "lente@example.test":
                await asyncio.Event().wait()
            return await super().send(message)  # type: ignore[arg-type]

    relay = Hanging()
    notices = Notices(relay, TestAmbient(), last=0)
    notices.start()
    notices.post(ACCOUNT, TEXT, "notice", "ref", to="lente@example.test")
    notices.post(ACCOUNT, TEXT, "notice", "ref")
    for _ in range(20):
        await asyncio.sleep(0)
    assert [message.to for message in relay.sent] == [ACCOUNT.mail]
    await notices.close()
    assert (notices.sent, notices.lost) == (1, 1)  # what hangs is given up


async def test_a_message_that_cannot_be_written_stops_nobody_elses() -> None:
    """A sender that fails in a way nobody foresaw loses that message alone; the workers go on."""

    class Breaking(Mailbox):
        async def send(self, message: object) -> str:
            if getattr(message, "to", "").startswith("=?"):
                raise IndexError("a parser's own fault")
            return await super().send(message)  # type: ignore[arg-type]

    relay = Breaking()
    notices = Notices(relay, TestAmbient())
    notices.start()
    for _ in range(8):
        notices.post(ACCOUNT, TEXT, "notice", "ref", to="=?utf-8?q??=@example.test")
    notices.post(ACCOUNT, TEXT, "notice", "ref")
    await notices.drained()
    await notices.close()
    assert ([message.to for message in relay.sent], notices.lost) == ([ACCOUNT.mail], 8)
