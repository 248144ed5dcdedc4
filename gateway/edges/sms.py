"""The Sender port for SMS: OVHcloud's jobs API, OVHcloud's http2sms, and any service that takes a text over HTTP.

* Before anything leaves: one recipient in E.164 of an allowed country, one part of GSM-7, and a deadline still ahead.
* Whatever fails becomes ``SenderFailed``. It carries a status or the name of a fault, and no foreign exception hangs on
  it: those hold addresses, and an address may hold the credentials, the number and the text (journeys §8).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

from gateway.edges.sms_line import Line
from gateway.ports import Ambient, Message, Sender
from gateway.reasons import SenderFailed

# France and the overseas numbers of R73.
COUNTRIES = ("+33", "+262", "+590", "+594", "+596", "+508", "+687", "+689")
OVH_ROOT = "https://eu.api.ovh.com/1.0"
HTTP2SMS = "https://www.ovh.com/cgi-bin/sms/http2sms.cgi"
GENERIC_BODY = '{"to": "{to}", "text": "{text}"}'
ONE_PART = 160
_FORM = "application/x-www-form-urlencoded"
_LONGEST_VALIDITY = 2880  # minutes
# The basic table of GSM 03.38 without its line ends; characters of the extension table would count twice.
_GSM7 = frozenset(
    "@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_PLACE = re.compile(r"\{(to|text|sender|reference|token)\}")
_RECEIPT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ERROR_CODE = re.compile(r"[A-Z][A-Z_]{0,39}")


@dataclass(frozen=True, slots=True)
class SmsAccess:
    """How to reach the service. ``kind`` is ovh, http2sms or generic_http; each reads only the values it needs.

    ``sender`` is the name shown on the telephone, ``url`` the service's address when it is not the public one,
    ``timeout`` seconds. In ``url``, ``headers`` and ``body`` of generic_http the words {to}, {text}, {sender},
    {reference} and (not in ``url``) {token} are replaced.
    """

    kind: str
    url: str | None = None
    sender: str = ""
    countries: tuple[str, ...] = COUNTRIES
    timeout: float = 10
    application_key: str = ""
    application_secret: str = field(default="", repr=False)
    consumer_key: str = field(default="", repr=False)
    service: str = ""
    account: str = ""
    login: str = ""
    password: str = field(default="", repr=False)
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    token: str = field(default="", repr=False)
    success_status: tuple[int, ...] = ()
    success_path: str | None = None
    success_value: str | int | bool | None = None


def sms_sender(access: SmsAccess, ambient: Ambient, context: ssl.SSLContext | None) -> Sender | None:
    """The sender of this kind, or ``None`` for a kind that has no service. ``context`` verifies the other side."""
    kinds: dict[str, Callable[[SmsAccess, Ambient, Line], Sender]] = {
        "ovh": OvhSms,
        "http2sms": OvhHttp2Sms,
        "generic_http": GenericHttpSms,
    }
    make = kinds.get(access.kind)
    return make(access, ambient, Line(access.timeout, context)) if make else None


class OvhSms:
    """``POST /sms/{service}/jobs``, signed as OVHcloud's own client does it; accepted only if our number is."""

    def __init__(self, access: SmsAccess, ambient: Ambient, line: Line) -> None:
        self._access = access
        self._ambient = ambient
        self._line = line
        self._url = f"{(access.url or OVH_ROOT).rstrip('/')}/sms/{access.service}/jobs"

    async def send(self, message: Message) -> str:
        now = self._ambient.now()
        _check(message, self._access.countries, now >= message.deadline)
        # After its deadline the text is of no use: OVHcloud then gives up too. It counts in minutes.
        minutes = math.ceil((message.deadline - now).total_seconds() / 60)
        body = json.dumps(
            {
                "message": message.text,
                "sender": self._access.sender,
                "receivers": [message.to],
                "noStopClause": True,
                "priority": "high",
                "coding": "7bit",
                "validityPeriod": min(minutes, _LONGEST_VALIDITY),
            }
        )
        stamp = str(int(now.timestamp()))
        answer = await self._line.fetch("POST", self._url, self._signed(body, stamp), body)
        told = answer.json()
        if answer.status != 200:
            code = told.get("errorCode") if isinstance(told, dict) else None
            known = isinstance(code, str) and _ERROR_CODE.fullmatch(code)
            raise SenderFailed(f"answer {answer.status}" + (f" {code}" if known else ""))
        if not isinstance(told, dict):
            raise SenderFailed("unreadable answer")
        ids, valid = told.get("ids"), told.get("validReceivers")
        if told.get("invalidReceivers") != [] or not isinstance(valid, list) or message.to not in valid:
            raise SenderFailed("recipient refused")
        if not isinstance(ids, list) or not ids:
            raise SenderFailed("no message was made")
        return _receipt(ids[0])

    def _signed(self, body: str, stamp: str) -> dict[str, str]:
        access = self._access
        parts = (access.application_secret, access.consumer_key, "POST", self._url, body, stamp)
        # SHA-1 is their protocol; the secret stands first and last comes the time.
        digest = hashlib.sha1("+".join(parts).encode()).hexdigest()  # noqa: S324
        return {
            "Content-Type": "application/json",
            "X-Ovh-Application": access.application_key,
            "X-Ovh-Consumer": access.consumer_key,
            "X-Ovh-Timestamp": stamp,
            "X-Ovh-Signature": f"$1${digest}",
        }

    async def close(self) -> None:
        await self._line.close()


class OvhHttp2Sms:
    """``GET http2sms.cgi``: everything, password included, travels in the address, which is therefore never shown."""

    def __init__(self, access: SmsAccess, ambient: Ambient, line: Line) -> None:
        self._access = access
        self._ambient = ambient
        self._line = line

    async def send(self, message: Message) -> str:
        access = self._access
        _check(message, access.countries, self._ambient.now() >= message.deadline)
        query = {
            "account": access.account,
            "login": access.login,
            "password": access.password,
            "from": access.sender,
            "to": "00" + message.to.removeprefix("+"),
            "message": message.text,
            "noStop": "1",
            "contentType": "text/json",
        }
        url = f"{access.url or HTTP2SMS}?{urlencode(query, quote_via=quote, safe='')}"
        answer = await self._line.fetch("GET", url, {}, None)
        if answer.status != 200:
            raise SenderFailed(f"answer {answer.status}")
        told = answer.json()
        status = told.get("status") if isinstance(told, dict) else None
        if not isinstance(told, dict) or type(status) is not int or not 0 <= status <= 9999:
            raise SenderFailed("unreadable answer")
        if not 100 <= status <= 199:
            raise SenderFailed(f"status {status}")
        ids = told.get("SmsIds")
        return _receipt(ids[0] if isinstance(ids, list) and ids else None)

    async def close(self) -> None:
        await self._line.close()


class GenericHttpSms:
    """A request made from templates. The receipt is our {reference}: answers of unknown services may echo anything."""

    def __init__(self, access: SmsAccess, ambient: Ambient, line: Line) -> None:
        self._access = access
        self._ambient = ambient
        self._line = line
        self._body = GENERIC_BODY if access.body is None and access.method != "GET" else access.body
        given = {name.lower(): value for name, value in access.headers.items()}
        self._form = given.get("content-type", "").partition(";")[0].strip().lower() == _FORM
        self._defaults: dict[str, str] = {}
        if self._body is not None and "content-type" not in given:
            self._defaults["Content-Type"] = "application/json"
        # A secret that no template places goes where most services expect it.
        placed = "{token}" in (self._body or "") or any("{token}" in value for value in given.values())
        if access.token and not placed:
            self._defaults["Authorization"] = "Bearer {token}"

    async def send(self, message: Message) -> str:
        access = self._access
        _check(message, access.countries, self._ambient.now() >= message.deadline)
        values = {
            "to": message.to,
            "text": message.text,
            "sender": access.sender,
            "reference": self._ambient.token(12),
            "token": access.token,
        }
        url = _fill(access.url or "", values, lambda value: quote(value, safe=""))
        headers = {
            name: _fill(value, values, lambda value: value)
            for name, value in {**self._defaults, **access.headers}.items()
        }
        body = None if self._body is None else _fill(self._body, values, quote_plus if self._form else _in_json)
        answer = await self._line.fetch(access.method, url, headers, body)
        if answer.status not in (access.success_status or range(200, 300)):
            raise SenderFailed(f"answer {answer.status}")
        if access.success_path is not None:
            found = _at_path(answer.json(), access.success_path)
            if _plain(found) != _plain(access.success_value):
                raise SenderFailed("the answer does not say success")
        return values["reference"]

    async def close(self) -> None:
        await self._line.close()


def _check(message: Message, countries: tuple[str, ...], late: bool) -> None:
    """Refuse what must not leave; the text and the number are not repeated (lessons 87)."""
    if not _E164.fullmatch(message.to):
        raise SenderFailed("one number in E.164 is needed")
    if not message.to.startswith(countries):
        raise SenderFailed("country not allowed")
    if not message.text or len(message.text) > ONE_PART or not _GSM7.issuperset(message.text):
        raise SenderFailed("a text of one part in GSM-7 is needed")
    if late:
        raise SenderFailed("too late")


def _fill(template: str, values: Mapping[str, str], escape: Callable[[str], str]) -> str:
    """The template with its words replaced, in one pass: a value that looks like a word stays as it is."""
    return _PLACE.sub(lambda match: escape(values[match[1]]), template)


def _in_json(value: str) -> str:
    return json.dumps(value)[1:-1]


def _at_path(value: Any, path: str) -> Any:
    """What ``path`` leads to ("results.0.status"), or ``None``."""
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isascii() and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _plain(value: Any) -> str | None:
    """A value of JSON as it is written in the configuration; ``None`` for what is no single value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int, float)) else None


def _receipt(value: Any) -> str:
    """The other side's id if it looks like one; nothing else of an answer goes into our log."""
    text = str(value) if isinstance(value, (str, int)) else ""
    return text if _RECEIPT.fullmatch(text) else "accepted"
