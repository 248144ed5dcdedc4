"""The pages of administration over real offices on a real database, and browsers for everybody in that world.

National: ``nora``; region: ``aude`` (Auvergne-Rhône-Alpes), ``remi`` (La Réunion); référent: ``eva`` (EHPAD). The seeded
scopes and people are those of ``tests.administration.world`` and ``tests.api.office``.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from gateway.admin.rooms import AdminPages
from gateway.admin.uploads import Uploads
from gateway.pages.app import make_app
from gateway.pages.base import BROWSER
from gateway.pages.house import HOUSE, House
from tests.api.office import STAMPED, Office, office_in
from tests.pages.hollow import PREFIX

ROOT = f"{PREFIX}/admin"
_APART = frozenset(
    {"td", "th", "dt", "dd", "li", "p", "option", "a", "label", "button", "summary", "legend", "h1", "h2"}
)
_VARYING = re.compile(r"[0-9A-F]{4}-[0-9A-F]{4}|data-[a-z]+=\"[^\"]*\"|value=\"[0-9a-f]{32}\.[0-9a-f]{32}\"")


@dataclass
class Form:
    """A form of a page: where it goes, and what it would send untouched (names may stand several times)."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[dict[str, str]] = field(default_factory=list)

    def with_(self, **typed: str | Sequence[str] | None) -> list[tuple[str, str]]:
        """The fields with these instead; ``None`` takes one away."""
        kept = [(name, value) for name, value in self.fields if name not in typed]
        for name, value in typed.items():
            if value is not None:
                kept += [(name, value)] if isinstance(value, str) else [(name, one) for one in value]
        return kept


class Reading(HTMLParser):
    """Tags with attributes, words, and forms."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.said: list[str] = []
        self.forms: list[Form] = []
        self._select: str | None = None
        self._chosen = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self.tags.append((tag, said))
        if tag == "form":
            self.forms.append(Form(said.get("action", ""), said.get("method", "get")))
        if not self.forms:
            return
        form = self.forms[-1]
        if tag == "input" and "name" in said:
            if said.get("type") not in ("checkbox", "radio", "file") or "checked" in said:
                form.fields.append((said["name"], said.get("value", "")))
        elif tag == "textarea" and "name" in said:
            form.fields.append((said["name"], ""))
        elif tag == "select":
            self._select, self._chosen = said.get("name"), False
        elif tag == "option" and self._select and ("selected" in said or not self._chosen):
            if self._chosen:
                form.fields = [one for one in form.fields if one[0] != self._select]
            form.fields.append((self._select, said.get("value", "")))
            self._chosen = True
        elif tag == "button":
            form.buttons.append(said)

    def handle_endtag(self, tag: str) -> None:
        if tag in _APART:
            self.said.append(" ")
        if tag == "select":
            self._select = None

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    @property
    def words(self) -> str:
        return " ".join("".join(self.said).replace("\u00a0", " ").replace("\u202f", " ").split())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [said for name, said in self.tags if name == tag]

    @property
    def links(self) -> list[str]:
        return [said.get("href", "") for said in self.all("a")]

    def form(self, ending: str) -> Form:
        """The form whose action ends so."""
        return next(one for one in self.forms if one.action.endswith(ending))


@dataclass
class Shown:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    text: str
    url: str

    @property
    def read(self) -> Reading:
        return Reading(self.text)

    @property
    def words(self) -> str:
        return self.read.words

    @property
    def location(self) -> str:
        return self.headers.get("Location", "")

    @property
    def still(self) -> str:
        """The page without what differs from request to request."""
        return _VARYING.sub("", self.text)


@dataclass
class Hall:
    """The running pages; ``get`` and ``post`` as somebody."""

    office: Office
    client: TestClient[Any, Any]
    house: House
    uploads: Path
    cookies: dict[str, dict[str, str]] = field(default_factory=dict)

    async def _as(self, who: str | None, strong: bool) -> dict[str, str]:
        if who is None:
            return {}
        key = f"{who}{strong}"
        if key not in self.cookies:
            self.cookies[key] = await self.office.signed_in(who, strong=strong)
        return self.cookies[key]

    async def ask(self, method: str, path: str, who: str | None = "nora", *, strong: bool = True, **how: Any) -> Shown:
        cookies = await self._as(who, strong)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()), **how.pop("headers", {})}
        url = path if path.startswith("/") else f"{ROOT}/{path}" if path else ROOT
        async with self.client.request(method, url, headers=headers, allow_redirects=False, **how) as answer:
            return Shown(answer.status, answer.headers, await answer.text(), url)

    async def get(self, path: str, who: str | None = "nora", **how: Any) -> Shown:
        return await self.ask("GET", path, who, **how)

    async def send(self, page: Shown, ending: str, who: str | None = "nora", /, **typed: Any) -> Shown:
        """The form of this page whose action ends so, with these fields."""
        form = page.read.form(ending)
        assert form.method == "post"
        return await self.ask("POST", form.action, who, data=form.with_(**typed))

    async def post(self, path: str, who: str | None = "nora", *, strong: bool = True, **fields: Any) -> Shown:
        """Fields with a token of this browser."""
        cookies = await self._as(who, strong)
        jar = cookies.get(BROWSER, "browser-of-nobody-0123456789abcdef")
        named = hashlib.sha256(jar.encode()).hexdigest()[:32]
        word = hmac.new(self.house.csrf_key, named.encode(), "sha256").hexdigest()[:32]
        token = f"{named}.{word}"
        pairs = [
            (name, one) for name, value in fields.items() for one in ([value] if isinstance(value, str) else value)
        ]
        headers = {} if cookies else {"Cookie": f"{BROWSER}={jar}"}
        return await self.ask("POST", path, who, strong=strong, headers=headers, data=[("csrf", token), *pairs])


@asynccontextmanager
async def hall_in(folder: Path) -> AsyncIterator[Hall]:
    """A world of its own with the pages of administration on loopback."""
    async with office_in(folder) as office:
        house = office.client.app[HOUSE]  # type: ignore[index, union-attr]
        uploads = Uploads(folder / "uploads", 400_000)
        app = make_app(house, [AdminPages(house, office.offices, uploads, office.watch.oversight)])
        async with TestClient(TestServer(app), headers=STAMPED) as client:
            yield Hall(office, client, house, uploads.folder)
