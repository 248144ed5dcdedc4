"""A person's browser without its eyes: cookies, forms, and the steps of a sign-in by password and mailed code."""

from __future__ import annotations

import asyncio
import re
import time
import urllib.parse
from dataclasses import dataclass
from typing import Any

import aiohttp

from experiments.people import PASSWORD, Person
from tests.visitor import Answer

SESSION = "__Host-vtgw"
_TLS = {"X-Forwarded-Proto": "https", "Host": "localhost"}
_SIX = re.compile(r"\b\d{3}[ \u00a0]?\d{3}\b")
_MAIL = 5.0  # seconds until a mail that was handed over is in the mailbox


class Refused(Exception):
    """A step was not done; ``status`` is what was said, 0 when nobody answered."""

    def __init__(self, step: str, status: int) -> None:
        super().__init__(f"{step}: {status}")
        self.step = step
        self.status = status


@dataclass(frozen=True)
class UsedCode:
    """A code page as it was sent, cookies included: sent again, it must open nothing."""

    person: Person
    cookies: dict[str, str]
    action: str
    fields: dict[str, str]


class Browser:
    """One browser at ``base``. ``console`` is the demo's, where mails are read."""

    def __init__(self, http: aiohttp.ClientSession, base: str, console: str, person: Person) -> None:
        self.http = http
        self.base = base
        self.console = console
        self.person = person
        self.cookies: dict[str, str] = {}
        self.used: UsedCode | None = None

    @property
    def ticket(self) -> str | None:
        return self.cookies.get(SESSION)

    async def ask(self, method: str, path: str, data: dict[str, str] | None = None, **headers: str) -> Answer:
        """One request, no redirect followed; status 0 when there was no answer."""
        sent = {**_TLS, "Accept": "text/html", **headers}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            async with self.http.request(
                method, self.base + path, data=data, headers=sent, allow_redirects=False
            ) as got:
                pairs = [(name, value) for name, value in got.headers.items()]
                answer = Answer(self.base + path, got.status, pairs, await got.read())
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return Answer(self.base + path, 0, [("Error", type(error).__name__)], b"")
        for name, value in answer.headers:
            if name.lower() == "set-cookie":
                self._keep(value)
        return answer

    def _keep(self, line: str) -> None:
        pair, *attributes = [part.strip() for part in line.split(";")]
        name, _, value = pair.partition("=")
        if value in ("", '""') or "max-age=0" in [one.lower() for one in attributes]:
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value

    async def sign_in(self) -> None:
        """Password and code through the real pages; raises ``Refused`` at the first step that is not done."""
        await self.begin()
        await self.finish()

    async def begin(self) -> None:
        """Up to the code, which is known and not sent yet."""
        page = await self._step("page", "GET", "/_gateway/sign-in?space=professionnel", 200)
        form = next(one for one in page.forms if one.action.endswith("/sign-in/password"))
        fields = {**form.fields, "identifier": self.person.login, "password": PASSWORD}
        seen = {mail["id"] for mail in await self._mails()}
        went = await self._step("password", "POST", form.action, 303, fields)
        page = await self._step("code page", "GET", went.header("Location") or "", 200)
        form = next(one for one in page.forms if one.action.endswith("/sign-in/code"))
        fields = {**form.fields, "code": await self._code(seen)}
        self.used = UsedCode(self.person, dict(self.cookies), form.action, fields)

    async def finish(self) -> None:
        """Send the code."""
        assert self.used is not None
        self.cookies.pop(SESSION, None)
        await self._step("code", "POST", self.used.action, 303, self.used.fields)
        if self.ticket is None:
            raise Refused("code", 303)

    async def sign_out(self) -> None:
        """« Se déconnecter »; raises ``Refused`` when it was not acknowledged."""
        page = await self._step("account", "GET", "/_gateway/account", 200)
        form = next(one for one in page.forms if one.action.endswith("/sign-out"))
        await self._step("sign-out", "POST", form.action, 303, form.fields)

    async def again(self, used: UsedCode) -> bool:
        """Send a used code once more, as the same browser; whether it opened a session. Raises ``Refused`` without an
        answer that says so."""
        self.cookies = dict(used.cookies)
        self.cookies.pop(SESSION, None)
        answer = await self.ask("POST", used.action, used.fields)
        if answer.status in (0, 500, 502, 503, 504):
            raise Refused("code again", answer.status)
        return self.ticket is not None

    async def _step(self, step: str, method: str, path: str, good: int, data: dict[str, str] | None = None) -> Answer:
        answer = await self.ask(method, path, data)
        if answer.status != good:
            raise Refused(step, answer.status)
        return answer

    async def _mails(self) -> list[dict[str, Any]]:
        where = f"{self.console}/mails?to={urllib.parse.quote(self.person.mail)}"
        async with self.http.get(where) as answer:
            found: list[dict[str, Any]] = await answer.json()
            return found

    async def _code(self, seen: set[str]) -> str:
        """The code of a mail that is none of those seen before; the mailbox keeps the last thousand of everybody's."""
        deadline = time.monotonic() + _MAIL
        while time.monotonic() < deadline:
            for mail in reversed(await self._mails()):
                if mail["id"] not in seen and (found := _SIX.search(mail["text"])):
                    return re.sub(r"\D", "", found[0])
            await asyncio.sleep(0.05)
        raise Refused("mail", 0)
