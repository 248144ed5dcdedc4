"""The auth address of the door: the same gate, about the request that a front proxy describes."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Awaitable, Callable

import pytest

from gateway.identity import Space
from gateway.policy.decision import Challenge, Forward, Refuse
from gateway.reasons import Reason
from tests.proxy.conftest import STAMP, Rig, status

MakeRig = Callable[..., Awaitable[Rig]]
TRUSTED = (ipaddress.ip_network("127.0.0.0/8"),)


def ask(*lines: bytes, target: bytes = b"/_gateway/auth", method: bytes = b"GET") -> bytes:
    head = method + b" " + target + b" HTTP/1.1\r\nHost: vt.test\r\n"
    return head + b"".join(one + b"\r\n" for one in lines) + b"\r\n"


URI = (b"X-Forwarded-Method: POST", b"X-Forwarded-Host: localhost", b"X-Forwarded-Uri: /dossier/1?x")


async def test_what_is_described_is_judged_and_answered_with_the_identity(make_rig: MakeRig) -> None:
    """200 with exactly our headers; nothing goes to any backend; the connection is used again; the log has one line
    about the request in question."""
    rig = await make_rig(trusted=TRUSTED)
    answer = await rig.say(ask(*URI) * 3, answers=3)
    assert answer == (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncache-control: no-store\r\n" + STAMP + b"\r\n") * 3
    assert not rig.origin.heads
    asked = rig.gate.asked[0]
    assert (asked.method, asked.target, asked.path, asked.authority) == (
        "POST",
        b"/dossier/1?x",
        "/dossier/1",
        "localhost",
    )
    assert [(one.method, one.path, one.status, one.session) for one in rig.events] == [
        ("POST", "/dossier/1", 200, "digest")
    ] * 3


async def test_a_question_with_a_body_or_a_last_one_is_answered_alike(make_rig: MakeRig) -> None:
    rig = await make_rig(trusted=TRUSTED)
    for raw in (ask(*URI, b"Connection: close"), ask(*URI, b"Content-Length: 2") + b"hi"):
        answer = await rig.say(raw)
        assert status(answer) == 200
        assert STAMP.split(b"\r\n")[0] in answer


async def test_envoy_puts_the_address_behind_the_prefix(make_rig: MakeRig) -> None:
    rig = await make_rig(trusted=TRUSTED)
    assert status(await rig.say(ask(target=b"/_gateway/auth/dossier/1?x", method=b"DELETE"))) == 200
    asked = rig.gate.asked[0]
    assert (asked.method, asked.target, asked.path) == ("DELETE", b"/dossier/1?x", "/dossier/1")


@pytest.mark.parametrize(
    ("decision", "code", "location"),
    [
        (Challenge(Reason.NO_SESSION, Space.LIBERAL), 401, "https://vt.test/_gateway/sign-in?space=liberal&reason=no-session&return=/"),
        (Challenge(Reason.CHARTER_MISSING, Space.LIBERAL, "charter"), 403, "https://vt.test/_gateway/charter?return=/"),
        (Challenge(Reason.PASSWORD_TOO_OLD, Space.LIBERAL, "password/renew"), 403, "https://vt.test/_gateway/password/renew?return=/"),
        (Refuse(Reason.ACCOUNT_SUSPENDED), 403, None),
        (Refuse(Reason.STORE_DOWN), 503, None),
        (RuntimeError("broken"), 503, None),
    ],
)  # fmt: skip
async def test_every_no_has_its_code(make_rig: MakeRig, decision: object, code: int, location: str | None) -> None:
    rig = await make_rig(trusted=TRUSTED)
    rig.gate.decision = decision  # type: ignore[assignment]
    answer = await rig.say(ask(*URI))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert status(answer) == code
    assert (f"location: {location}".encode() in head) is (location is not None)
    assert (b"retry-after: 5" in head) is (code == 503)
    assert json.loads(body)["status"] == code
    assert b"X-VT-" not in head


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (b"X-Forwarded-Uri: relative",),
        (b"X-Forwarded-Uri: /a/../b",),
        (b"X-Forwarded-Uri: /a%2fb",),
        (b"X-Forwarded-Uri: /a", b"X-Forwarded-Host: other.test"),
        (b"X-Forwarded-Uri: /a", b"X-Forwarded-Method: CONNECT"),
    ],
)
async def test_what_cannot_be_judged_is_403_and_the_gate_is_not_asked(
    make_rig: MakeRig, lines: tuple[bytes, ...]
) -> None:
    rig = await make_rig(trusted=TRUSTED)
    answer = await rig.say(ask(*lines) + ask(*URI), answers=2)
    assert status(answer) == 403
    assert answer.count(b"HTTP/1.1 200 ") == 1  # the front proxy's connection goes on
    assert len(rig.gate.asked) == 1


async def test_who_may_not_speak_for_clients_may_not_ask(rig: Rig) -> None:
    """Otherwise anybody could read the identity headers of a stolen cookie, or probe what is public."""
    answer = await rig.say(ask(*URI))
    assert status(answer) == 403
    assert not rig.gate.asked
    assert isinstance(rig.gate.decision, Forward)
