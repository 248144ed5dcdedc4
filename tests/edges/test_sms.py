"""SMS towards real servers on loopback that answer as the services' documents say, and as broken services do."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import ssl
import traceback
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web

from gateway import texts
from gateway.demo.cards import write_server_certificates
from gateway.demo.mailbox import SmsCatcher
from gateway.edges.sms import HTTP2SMS, OVH_ROOT, SmsAccess, sms_sender
from gateway.edges.sms_line import LARGEST_ANSWER
from gateway.ports import Message, Sender
from gateway.reasons import SenderFailed
from tests.ambient import START, TestAmbient

NUMBER = "+33612345678"
TEXT = texts.code_sms("012345", timedelta(minutes=10))
MESSAGE = Message(NUMBER, "", TEXT, None, "code", "acc_1", START + timedelta(minutes=10))
HIDDEN = ("612345678", "012345", "communiquez", "s3cret", "c0nsumer", "pa55word", "t0ken")
OVH = SmsAccess(
    "ovh",
    sender="ViaTraject",
    timeout=2,
    application_key="app-key",
    application_secret="s3cret",
    consumer_key="c0nsumer",
    service="sms-ab12345-1",
)
HTTP2 = SmsAccess(
    "http2sms", sender="ViaTraject", timeout=2, account="sms-ab12345-1", login="vt", password="pa55word&+é"
)
GENERIC = SmsAccess("generic_http", timeout=2, token="t0ken")
TAKEN: dict[str, dict[str, Any]] = {
    "ovh": {"totalCreditsRemoved": 1, "invalidReceivers": [], "ids": [27814656], "validReceivers": [NUMBER]},
    "http2sms": {"status": 100, "creditLeft": "1987", "SmsIds": ["10867690"]},
    "generic_http": {"id": "1"},
}


@dataclass
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    body: str


class Service:
    """Answers whatever it is told to, and keeps the requests as they came."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.status, self.body, self.headers = 200, b"", dict[str, str]()
        self.mode = "ok"
        self.release = asyncio.Event()
        self.busy = self.peak = 0
        self.full = asyncio.Event()

    async def take(self, request: web.Request) -> web.StreamResponse:
        body = (await request.read()).decode()
        self.seen.append(Seen(request.method, request.raw_path, dict(request.headers), body))
        if self.mode == "cut" and request.transport is not None:
            request.transport.abort()
        if self.mode == "slow":
            self.busy += 1
            self.peak = max(self.peak, self.busy)
            if self.busy == 16:
                self.full.set()
            await self.release.wait()
            self.busy -= 1
        return web.Response(status=self.status, body=self.body, headers=self.headers)

    def answers(self, value: Any, status: int = 200) -> None:
        self.status, self.body = status, json.dumps(value).encode()

    async def start(self, context: ssl.SSLContext | None = None) -> None:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self.take)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0, ssl_context=context).start()
        self.port = int(self.runner.addresses[0][1])
        self.url = f"http://127.0.0.1:{self.port}/api"

    async def stop(self) -> None:
        self.release.set()
        await self.runner.cleanup()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    await service.start()
    yield service
    await service.stop()


@pytest.fixture(autouse=True)
def nothing_shows(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """R76: whatever a test does, no log line of any library holds a secret, a number or a text."""
    # The imitated service logs its own accesses; the gateway has no part in that.
    caplog.set_level(logging.DEBUG)
    logging.getLogger("aiohttp.access").disabled = True
    yield
    logging.getLogger("aiohttp.access").disabled = False
    assert not [word for word in HIDDEN if word in caplog.text]


def opened(access: SmsAccess, ambient: TestAmbient | None = None, context: ssl.SSLContext | None = None) -> Sender:
    sender = sms_sender(access, ambient or TestAmbient(), context)
    assert sender is not None
    return sender


async def sent(access: SmsAccess, message: Message = MESSAGE, ambient: TestAmbient | None = None) -> str:
    sender = opened(access, ambient)
    try:
        return await sender.send(message)
    finally:
        await sender.close()


async def refused(access: SmsAccess, message: Message = MESSAGE, context: ssl.SSLContext | None = None) -> str:
    """Why it was not taken, after a look at everything that hangs on the exception."""
    sender = opened(access, context=context)
    with pytest.raises(SenderFailed) as caught:
        await sender.send(message)
    await sender.close()
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    shown = "".join(traceback.format_exception(error)) + repr(error) + str(error.args)
    assert not [word for word in HIDDEN if word in shown]
    return str(error)


async def test_r73_ovh_receives_a_signed_job(service: Service) -> None:
    """The job holds what OVHcloud documents, and its signature is over exactly what arrived."""
    service.answers(TAKEN["ovh"])
    assert await sent(replace(OVH, url=service.url)) == "27814656"
    (seen,) = service.seen
    assert (seen.method, seen.path) == ("POST", "/api/sms/sms-ab12345-1/jobs")
    assert json.loads(seen.body) == {
        "message": TEXT,
        "sender": "ViaTraject",
        "receivers": [NUMBER],
        "noStopClause": True,
        "priority": "high",
        "coding": "7bit",
        "validityPeriod": 10,
    }
    stamp = seen.headers["X-Ovh-Timestamp"]
    assert stamp == str(int(START.timestamp()))
    signed = f"s3cret+c0nsumer+POST+{service.url}/sms/sms-ab12345-1/jobs+{seen.body}+{stamp}"
    assert seen.headers["X-Ovh-Signature"] == "$1$" + hashlib.sha1(signed.encode()).hexdigest()  # noqa: S324
    assert (seen.headers["X-Ovh-Application"], seen.headers["X-Ovh-Consumer"]) == ("app-key", "c0nsumer")
    assert seen.headers["Content-Type"] == "application/json"
    assert "Cookie" not in seen.headers


@pytest.mark.parametrize(("left", "minutes"), [(1, 1), (60, 1), (61, 2), (599, 10), (28_800, 480), (7 * 86_400, 2880)])
async def test_r75_a_code_is_not_delivered_after_its_end(service: Service, left: int, minutes: int) -> None:
    """OVHcloud is told for how many minutes the text is of use, by the gateway's clock."""
    service.answers(TAKEN["ovh"])
    ambient = TestAmbient()
    ambient.advance(3600)
    message = replace(MESSAGE, deadline=ambient.now() + timedelta(seconds=left))
    await sent(replace(OVH, url=service.url), message, ambient)
    assert json.loads(service.seen[0].body)["validityPeriod"] == minutes
    assert service.seen[0].headers["X-Ovh-Timestamp"] == str(int(START.timestamp()) + 3600)


@pytest.mark.parametrize(
    "change",
    [
        {"invalidReceivers": [NUMBER], "validReceivers": []},
        {"invalidReceivers": [NUMBER]},
        {"validReceivers": ["+33699999999"]},
        {"validReceivers": None},
        {"ids": []},
        {"ids": None},
    ],
)
async def test_r75_ovh_refusals_inside_a_200(service: Service, change: dict[str, Any]) -> None:
    """A 200 that does not name our receiver as valid and a message as made is a failure."""
    service.answers(TAKEN["ovh"] | change)
    assert await refused(replace(OVH, url=service.url)) in ("recipient refused", "no message was made")


async def test_r75_ovh_error_codes_are_told_without_their_text(service: Service) -> None:
    """The word for the fault is kept for the operator; the sentence, which may repeat the request, is not."""
    service.answers({"errorCode": "INVALID_CREDENTIAL", "message": f"{NUMBER} c0nsumer"}, 403)
    assert await refused(replace(OVH, url=service.url)) == "answer 403 INVALID_CREDENTIAL"
    service.answers({"errorCode": f"no {NUMBER}"}, 400)
    assert await refused(replace(OVH, url=service.url)) == "answer 400"


async def test_r73_http2sms_receives_the_documented_query(service: Service) -> None:
    """Everything travels in the query, escaped, with the number in its 00 form."""
    service.answers(TAKEN["http2sms"])
    assert await sent(replace(HTTP2, url=service.url)) == "10867690"
    (seen,) = service.seen
    parts = urlsplit(seen.path)
    assert (seen.method, parts.path, seen.body) == ("GET", "/api", "")
    assert "+" not in parts.query
    assert parse_qs(parts.query, strict_parsing=True) == {
        "account": ["sms-ab12345-1"],
        "login": ["vt"],
        "password": ["pa55word&+é"],
        "from": ["ViaTraject"],
        "to": ["0033612345678"],
        "message": [TEXT],
        "noStop": ["1"],
        "contentType": ["text/json"],
    }


@pytest.mark.parametrize("status", [99, 200, 201, 202, 241, 401])
async def test_r75_http2sms_statuses(service: Service, status: int) -> None:
    """Only 100 to 199 is acceptance; the failure holds the number of the status and nothing else."""
    service.answers({"status": status, "message": f"wrong number {NUMBER}"})
    assert await refused(replace(HTTP2, url=service.url)) == f"status {status}"


@pytest.mark.parametrize("status", [True, "100", None, 100.0, -1, 612345678, [100]])
async def test_r75_http2sms_odd_statuses(service: Service, status: object) -> None:
    """A status that is no small whole number is no acceptance, and is not repeated."""
    service.answers({"status": status})
    assert await refused(replace(HTTP2, url=service.url)) == "unreadable answer"


@pytest.mark.parametrize("access", [OVH, HTTP2, GENERIC], ids=lambda one: one.kind)
async def test_r75_broken_services(service: Service, access: SmsAccess) -> None:
    """A 500, a redirect, an endless answer, a cut and a silence are failures, each with one request made."""
    here = replace(access, url=service.url)
    service.answers(TAKEN[access.kind], 500)
    assert await refused(here) == "answer 500"
    service.answers(TAKEN[access.kind], 302)
    service.headers = {"Location": f"{service.url}/elsewhere"}
    assert await refused(here) == "answer 302"
    service.status, service.body, service.headers = 200, b" " * (LARGEST_ANSWER + 1), {}
    assert await refused(here) == "answer too large"
    service.answers(TAKEN[access.kind])
    service.mode = "cut"
    assert await refused(here) in ("ServerDisconnectedError", "ClientOSError")
    service.mode = "slow"
    assert "Timeout" in await refused(replace(here, timeout=0.2))
    assert len(service.seen) == 5
    await service.stop()
    assert "Connect" in await refused(here)


@pytest.mark.parametrize("access", [OVH, HTTP2], ids=lambda one: one.kind)
@pytest.mark.parametrize(
    "body", [b"", b"OK\n1987\n123", b"<html>", b"null", b"[]", b"\xff\xfe", b"[" * 60_000, b'{"a":1}']
)
async def test_r75_garbage_is_no_acceptance(service: Service, access: SmsAccess, body: bytes) -> None:
    """A 200 whose body is not the documented JSON is a failure."""
    service.body = body
    assert await refused(replace(access, url=service.url)) in ("unreadable answer", "recipient refused")


async def test_r75_compressed_answers_are_not_unpacked(service: Service) -> None:
    """A small answer that unpacks to something large is never unpacked."""
    service.headers, service.body = {"Content-Encoding": "gzip"}, b"\x1f\x8b" + b"x" * 50
    assert await refused(replace(OVH, url=service.url)) == "unreadable answer"
    assert service.seen[0].headers["Accept-Encoding"] == "identity"


async def test_generic_http_with_only_an_address(service: Service) -> None:
    """Without templates it posts "to" and "text" as JSON with the token as bearer, and any 2xx is acceptance."""
    service.status, service.body = 202, NUMBER.encode()
    receipt = await sent(replace(GENERIC, url=service.url))
    (seen,) = service.seen
    assert (seen.method, seen.path, json.loads(seen.body)) == ("POST", "/api", {"to": NUMBER, "text": TEXT})
    assert seen.headers["Authorization"] == "Bearer t0ken"
    assert seen.headers["Content-Type"] == "application/json"
    assert len(receipt) == 16
    await sent(replace(GENERIC, url=service.url, token=""))
    assert "Authorization" not in service.seen[1].headers


async def test_generic_http_reaches_the_demo(service: Service) -> None:
    """The demo's own catcher takes what the sender posts."""
    catcher = SmsCatcher(lambda: START)
    app = web.Application()
    app.router.add_post("/sms", catcher.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    access = SmsAccess("generic_http", f"http://127.0.0.1:{runner.addresses[0][1]}/sms", timeout=2)
    await sent(access)
    assert (catcher.messages[0]["to"], catcher.messages[0]["text"]) == (NUMBER, TEXT)
    catcher.mode = "error"
    assert await refused(access) == "answer 500"
    await runner.cleanup()


async def test_generic_http_templates_in_json(service: Service) -> None:
    """Words are escaped for JSON, headers carry the token, and the receipt is the reference that was sent."""
    access = replace(
        GENERIC,
        url=service.url + "?ref={reference}&to={to}",
        method="PUT",
        sender='Via "T"\\',
        headers={"X-Api-Key": "{token}", "Content-Type": "application/json; charset=utf-8"},
        body='{"m": {"t": "{text}", "from": "{sender}"}, "id": "{reference}", "x": "{other}"}',
    )
    text = 'ViaTrajectoire : {to} "é" {token}'.replace("{", "(").replace("}", ")")
    receipt = await sent(access, replace(MESSAGE, text=text))
    (seen,) = service.seen
    assert json.loads(seen.body) == {"m": {"t": text, "from": 'Via "T"\\'}, "id": receipt, "x": "{other}"}
    assert (seen.method, seen.path) == ("PUT", f"/api?ref={receipt}&to=%2B33612345678")
    assert (seen.headers["X-Api-Key"], seen.headers["Content-Type"]) == ("t0ken", "application/json; charset=utf-8")
    assert "Authorization" not in seen.headers


async def test_generic_http_templates_in_a_form_or_the_address(service: Service) -> None:
    """Words are escaped for a form, in a body as in an address; a GET has no body."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = "key={token}&to={to}&msg={text}"
    await sent(replace(GENERIC, url=service.url, headers=form, body=body, token="t0ken&=é"))
    assert parse_qs(service.seen[0].body) == {"key": ["t0ken&=é"], "to": [NUMBER], "msg": [TEXT]}
    assert "Authorization" not in service.seen[0].headers
    await sent(replace(GENERIC, url=service.url + "?to={to}&msg={text}", method="GET"))
    seen = service.seen[1]
    assert (seen.method, seen.body, "Content-Type" in seen.headers) == ("GET", "", False)
    assert parse_qs(urlsplit(seen.path).query) == {"to": [NUMBER], "msg": [TEXT]}


@pytest.mark.parametrize(
    ("answer", "path", "value", "taken"),
    [
        ({"status": "ok"}, "status", "ok", True),
        ({"status": "ko"}, "status", "ok", False),
        ({"results": [{"code": 0}]}, "results.0.code", 0, True),
        ({"results": [{"code": "0"}]}, "results.0.code", 0, True),
        ({"results": [{"code": 4}]}, "results.0.code", 0, False),
        ({"results": []}, "results.0.code", 0, False),
        ({"success": True}, "success", True, True),
        ({"success": 1}, "success", True, False),
        ({"success": None}, "success", "None", False),
        ({}, "status.x", "ok", False),
        ("ok", "status", "ok", False),
    ],
)
async def test_generic_http_success_rule(service: Service, answer: Any, path: str, value: Any, taken: bool) -> None:
    """A service that answers 200 to everything is judged by a value in its answer."""
    service.answers(answer)
    access = replace(GENERIC, url=service.url, success_path=path, success_value=value)
    if taken:
        await sent(access)
    else:
        assert await refused(access) == "the answer does not say success"


async def test_generic_http_success_status(service: Service) -> None:
    """Where statuses are listed, another 2xx is a failure."""
    service.answers({})
    assert await refused(replace(GENERIC, url=service.url, success_status=(201, 202))) == "answer 200"


async def test_generic_http_refuses_a_token_with_a_line_end(service: Service) -> None:
    """A header value that would become two headers is never sent, nor shown."""
    assert await refused(replace(GENERIC, url=service.url, token="t0ken\r\nX: y")) == "ValueError"
    assert service.seen == []


@pytest.mark.parametrize("access", [OVH, HTTP2, GENERIC], ids=lambda one: one.kind)
async def test_lesson_87_what_must_not_leave_does_not(service: Service, access: SmsAccess) -> None:
    """Several recipients, other countries, a second part, other alphabets, control characters and late texts stay."""
    here = replace(access, url=service.url)
    for to in (
        "0612345678",
        NUMBER + ",+33612345679",
        NUMBER + "\n",
        "+0612345678",
        "+33 612345678",
        "",
        "+٣٣٦١٢٣٤٥٦٧٨",
    ):
        assert await refused(here, replace(MESSAGE, to=to)) == "one number in E.164 is needed"
    for to in ("+491701234567", "+882161234567", "+12025550123"):
        assert await refused(here, replace(MESSAGE, to=to)) == "country not allowed"
    for text in ("", "a" * 161, "012345 «\u00a0fin\u00a0»", "fenêtre", "€", "a[b", "two\nlines", "012345\x00"):
        assert await refused(here, replace(MESSAGE, text=text)) == "a text of one part in GSM-7 is needed"
    assert await refused(here, replace(MESSAGE, deadline=START)) == "too late"
    assert service.seen == []
    service.answers(TAKEN[access.kind] | ({"validReceivers": ["+262692123456"]} if access.kind == "ovh" else {}))
    await sent(here, replace(MESSAGE, to="+262692123456", text="é" * 160))


async def test_t4_the_service_is_verified(tmp_path: Path) -> None:
    """A service with a certificate of an unknown authority receives nothing; a known one is spoken to."""
    write_server_certificates(tmp_path, datetime.now(UTC))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    service = Service()
    await service.start(server)
    service.answers(TAKEN["http2sms"])
    here = replace(HTTP2, url=f"https://localhost:{service.port}/api")
    assert "Certificate" in await refused(here)
    assert service.seen == []
    sender = opened(here, context=ssl.create_default_context(cafile=str(tmp_path / "ca.pem")))
    assert await sender.send(MESSAGE) == "10867690"
    await sender.close()
    await service.stop()


async def test_r75_one_bounded_session(service: Service) -> None:
    """Forty texts at once make sixteen connections at most; a closed sender opens no other."""
    service.answers({})
    service.mode = "slow"
    sender = opened(replace(GENERIC, url=service.url, timeout=20))
    tasks = [asyncio.create_task(sender.send(MESSAGE)) for _ in range(40)]
    await service.full.wait()
    service.release.set()
    await asyncio.gather(*tasks)
    assert (service.peak, len(service.seen)) == (16, 40)
    await sender.close()
    with pytest.raises(SenderFailed):
        await sender.send(MESSAGE)
    assert len(service.seen) == 40


def test_kinds_and_addresses() -> None:
    """A kind without a service has no sender; the public addresses are TLS; secrets do not show in a repr."""
    assert sms_sender(SmsAccess("none"), TestAmbient(), None) is None
    assert sms_sender(SmsAccess("file"), TestAmbient(), None) is None
    assert OVH_ROOT.startswith("https://")
    assert HTTP2SMS.startswith("https://")
    assert not [word for word in HIDDEN if word in repr((OVH, HTTP2, GENERIC))]
