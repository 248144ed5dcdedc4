"""A person with a browser: cookies, redirects across the demo's origins, forms filled by their labels' names, a card."""

from __future__ import annotations

import html
import json
import sqlite3
import ssl
import time
import urllib.parse
import urllib.request
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any


@dataclass
class FormTag:
    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[FormTag] = []
        self.links: list[tuple[str, str]] = []
        self._select: str | None = None
        self._link: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(FormTag(said.get("action", ""), said.get("method", "get")))
        elif tag == "input" and self.forms and "name" in said:
            if said.get("type") == "checkbox" and "checked" not in said:
                return
            self.forms[-1].fields[said["name"]] = said.get("value", "")
        elif tag == "select":
            self._select = said.get("name")
        elif tag == "option" and self._select and self.forms:
            self.forms[-1].fields.setdefault(self._select, said.get("value", ""))
        elif tag == "a":
            self._link = said.get("href", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = None
        elif tag == "a":
            self._link = None

    def handle_data(self, data: str) -> None:
        if self._link is not None:
            self.links.append((data.strip(), self._link))


@dataclass
class Answer:
    url: str
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def text(self) -> str:
        return html.unescape(self.body.decode("utf-8", "replace"))

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def forms(self) -> list[FormTag]:
        parser = _Forms()
        parser.feed(self.body.decode("utf-8", "replace"))
        return parser.forms

    def link(self, label: str) -> str:
        parser = _Forms()
        parser.feed(self.body.decode("utf-8", "replace"))
        return urllib.parse.urljoin(self.url, next(url for text, url in parser.links if text == label))


class Demo:
    """The running demo, as its demo.json and its console tell."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.about: dict[str, Any] = json.loads((folder / "demo.json").read_text())

    def person(self, key: str) -> dict[str, Any]:
        return next(one for one in self.about["people"] if one["key"] == key)

    def console(self, method: str, path: str, data: object = None) -> Any:
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(
            self.about["console"] + path, body, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())

    def advance(self, seconds: float) -> None:
        self.console("POST", "/clock", {"advance": seconds})

    def records(self) -> Any:
        """A connection to what is remembered durably; ``?`` stands for a value. The caller closes it."""
        return sqlite3.connect(self.folder / "state/records.db")

    def log(self) -> str:
        """What the gateway wrote so far."""
        return (self.folder / "gateway.log").read_text()

    def asking(self) -> AbstractContextManager[None]:
        """Around each request to the gateway."""
        return nullcontext()

    def requests(self) -> list[dict[str, Any]]:
        return self.console("GET", "/requests")  # type: ignore[no-any-return]

    def forget(self) -> None:
        for path in ("/mails", "/sms", "/requests"):
            self.console("DELETE", path)

    def mail(self, to: str, subject: str = "") -> dict[str, Any]:
        """The newest mail to this address whose subject holds these words; notices leave a moment after the page."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            found = self.console("GET", f"/mails?to={urllib.parse.quote(to)}")
            fitting = [one for one in found if subject in one["subject"]]
            if fitting:
                return fitting[-1]  # type: ignore[no-any-return]
            time.sleep(0.05)
        raise AssertionError(f"no mail « {subject} » to {to}")

    def link(self, to: str, subject: str = "") -> str:
        """The link in the newest mail to this address that has one."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            for one in reversed(self.console("GET", f"/mails?to={urllib.parse.quote(to)}")):
                links = [word for word in one["text"].split() if word.startswith("https://")]
                if links and subject in one["subject"]:
                    return str(links[0])
            time.sleep(0.05)
        raise AssertionError(f"no link to {to}")

    def code(self, to: str, kind: str = "mails") -> str:
        found = self.console("GET", f"/{kind}?to={urllib.parse.quote(to)}")
        text = found[-1]["text"].replace(" ", "").replace("\u00a0", "")
        return next(
            text[n : n + 6] for n in range(len(text)) if text[n : n + 6].isascii() and text[n : n + 6].isdigit()
        )


class Visitor:
    """One browser; ``card`` is a pair of files (certificate, key) in the reader, or nothing."""

    def __init__(self, demo: Demo, card: tuple[str, str] | None = None) -> None:
        self.demo = demo
        self.card = card
        self.cookies: dict[tuple[str, str], str] = {}
        self.last: Answer

    def get(self, url: str, **headers: str) -> Answer:
        return self.go("GET", self._absolute(url), None, headers)

    def submit(self, suffix: str, **fields: str | list[str]) -> Answer:
        """Fill and send the form of the last page whose action ends so; a list ticks several boxes of one name."""
        form = next(one for one in self.last.forms if one.action.split("?")[0].endswith(suffix))
        return self.submit_form(form, **fields)

    def submit_form(self, form: FormTag, **fields: str | list[str]) -> Answer:
        """Send this form of the last page."""
        data = {**form.fields, **fields}
        action = urllib.parse.urljoin(self.last.url, form.action)
        return self.go("POST", action, urllib.parse.urlencode(data, doseq=True).encode(), {})

    def click(self, label: str) -> Answer:
        return self.get(self.last.link(label))

    def go(self, method: str, url: str, body: bytes | None, headers: dict[str, str], *, follow: bool = True) -> Answer:
        for _ in range(15):
            answer = self.raw(method, url, body, headers)
            self.last = answer
            where = answer.header("Location")
            if not follow or answer.status not in (301, 302, 303) or where is None:
                return answer
            url, method, body = urllib.parse.urljoin(url, where), "GET", None
        raise AssertionError("too many redirects")

    def raw(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
        sent = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"} | headers
        where = self.port_for(port)
        if where != port:
            sent.setdefault("Host", f"{host}:{port}")
        if body is not None:
            sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
        kept = [f"{name}={value}" for (where, name), value in self.cookies.items() if where == host]
        if kept:
            sent["Cookie"] = "; ".join(kept)
        connection: HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=str(self.demo.folder / self.demo.about["ca"]))
            context.set_ciphers("DEFAULT@SECLEVEL=0")  # weak cards must be able to try
            if self.card and port == urllib.parse.urlsplit(self.demo.about["card"]).port:
                context.load_cert_chain(self.demo.folder / self.card[0], self.demo.folder / self.card[1])
            connection = HTTPSConnection(host, where, context=context, timeout=30)
        else:
            connection = HTTPConnection(host, where, timeout=30)
        target = parts.path or "/"
        try:
            with self.demo.asking():
                connection.request(method, f"{target}?{parts.query}" if parts.query else target, body, sent)
                with connection.getresponse() as got:
                    answer = Answer(url, got.status, got.getheaders(), got.read())
        finally:
            connection.close()
        for name, value in answer.headers:
            if name.lower() == "set-cookie":
                self._keep(host, value, parts.scheme)
        return answer

    def port_for(self, port: int) -> int:
        """Where the connection for this port of the address really goes: elsewhere for who chooses among machines."""
        return port

    def _keep(self, host: str, line: str, scheme: str) -> None:
        pair, *attributes = [part.strip() for part in line.split(";")]
        name, _, value = pair.partition("=")
        words = {one.split("=")[0].lower() for one in attributes}
        if name.startswith("__Host-"):
            assert "secure" in words and "path" in words and "domain" not in words, line
        if value in ("", '""') or "max-age=0" in [one.lower() for one in attributes]:
            self.cookies.pop((host, name), None)
        else:
            self.cookies[(host, name)] = value

    def _absolute(self, url: str) -> str:
        return url if "://" in url else self.demo.about["gateway"] + url
