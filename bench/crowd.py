"""A crowd at work: people who come in by password and code, by card and by Pro Santé Connect, and people who are there and
turn pages. Every answer has to carry the identity of who asked.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import ssl
import time
import urllib.parse
from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from statistics import quantiles
from typing import Any, cast

import aiohttp

from bench.nation import CARD, CODE
from bench.people import Person
from bench.town import Town
from experiments.browser import SESSION, Browser, Refused
from tests.visitor import Answer

PATIENCE = 20.0  # seconds a person waits for one answer
REQUEST = "protected request"
_HOST = {"Host": "localhost", "Accept": "text/html"}


@dataclass
class Seen:
    """What became of one kind of doing. ``times``: seconds that people waited for the gateway alone."""

    times: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    crossed: int = 0  # answers with another identity than that of who asked, or none

    def quantile(self, percent: int) -> float:
        """Milliseconds."""
        if not self.times:
            return 0.0
        return (quantiles(self.times, n=100)[percent - 1] if len(self.times) > 1 else self.times[0]) * 1000


class Comer(Browser):
    """A browser that knows three ways in, and how long it waited for the gateway."""

    def __init__(self, http: aiohttp.ClientSession, town: Town, person: Person) -> None:
        super().__init__(http, town.base, town.estate.demo.about["console"], cast(Any, person))
        self.town = town
        self.waited = 0.0

    async def ask(self, method: str, path: str, data: dict[str, str] | None = None, **headers: str) -> Answer:
        began = time.perf_counter()
        try:
            return await super().ask(method, path, data, **headers)
        finally:
            self.waited += time.perf_counter() - began

    async def come_in(self, means: str, card: tuple[str, ssl.SSLContext] | None, trust: ssl.SSLContext) -> None:
        """Sign in; raises ``Refused``."""
        if means == CODE:
            await self.sign_in()
        elif means == CARD:
            assert card is not None
            await self._by_card(*card)
        else:
            await self._by_psc(trust)
        if self.ticket is None:
            raise Refused("no session", 0)

    async def _by_card(self, base: str, context: ssl.SSLContext) -> None:
        await self._step("page", "GET", "/_gateway/sign-in?space=professionnel", 200)
        went = await self._step("start", "GET", "/_gateway/sign-in/card?space=professionnel", 302)
        began = time.perf_counter()
        url = base + _path(went)
        async with self.http.get(
            url,
            ssl=context,
            server_hostname="localhost",
            headers={**_HOST, "Connection": "close"},
            allow_redirects=False,
        ) as got:
            await got.read()
            status, where = got.status, got.headers.get("Location", "")
        self.waited += time.perf_counter() - began
        if status != 303:
            raise Refused("card", status)
        await self._step("return", "GET", _path_of(where), 303)

    async def _by_psc(self, trust: ssl.SSLContext) -> None:
        await self._step("page", "GET", "/_gateway/sign-in?space=professionnel", 200)
        went = await self._step("start", "GET", "/_gateway/sign-in/psc?space=professionnel", 302)
        query = urllib.parse.urlsplit(went.header("Location") or "").query
        form = {**dict(urllib.parse.parse_qsl(query)), "person": self.person.login, "mode": "MOBILE"}
        async with self.http.post(self.town.psc + "/auth", data=form, ssl=trust, allow_redirects=False) as got:
            if got.status != 302:
                raise Refused("Pro Santé Connect", got.status)
            where = got.headers["Location"]
        await self._step("return", "GET", _path_of(where), 303)


def _path(answer: Answer) -> str:
    return _path_of(answer.header("Location") or "")


def _path_of(url: str) -> str:
    """An address of the deployment, as a path: the names it is known by lead elsewhere than its ports."""
    parts = urllib.parse.urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def whose(body: bytes) -> str | None:
    """The family name in the assertion that the application received."""
    token = body.split(b" ", 1)[0].split(b".")
    if len(token) != 3:
        return None
    claims = json.loads(urlsafe_b64decode(token[1] + b"=" * (-len(token[1]) % 4)))
    return str(claims.get("family_name"))


class Crowd:
    """``tickets``: of the first people, who are there already. What was seen stands in ``seen``, by kind."""

    def __init__(self, town: Town, tickets: Sequence[str] = ()) -> None:
        self.town = town
        self.tickets = tickets
        self.seen: dict[str, Seen] = {}
        self._there = town.people[: len(tickets)]
        self._comers: Iterator[Person] = itertools.cycle(town.people[len(tickets) :] or town.people)
        self._holders: Iterator[Person] = itertools.cycle(town.people[: town.cards])
        self._cards: dict[str, ssl.SSLContext] = {}
        self._bases = itertools.cycle(town.card_bases)
        self._trust = town.trust()
        self._chance = Random(7)  # noqa: S311 - when people come, the same in every run
        self._http: aiohttp.ClientSession

    async def __aenter__(self) -> Crowd:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
            timeout=aiohttp.ClientTimeout(total=PATIENCE),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    async def come(self, means: str) -> None:
        """Somebody comes in by these means, and looks at one page."""
        person = next(self._holders) if means == CARD else next(self._comers)
        card = None
        if means == CARD:
            if person.card not in self._cards:
                self._cards[person.card] = self.town.card(person)
            card = (next(self._bases), self._cards[person.card])
        seen = self.seen.setdefault(means, Seen())
        browser = Comer(self._http, self.town, person)
        try:
            await browser.come_in(means, card, self._trust)
        except Refused as error:
            seen.refused[str(error)] += 1
            return
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            seen.refused[type(error).__name__] += 1
            return
        seen.times.append(browser.waited)
        answer = await browser.ask("GET", "/Trajectoire/dossiers", Accept="*/*")
        if answer.status != 200 or whose(answer.body) != person.mark:
            seen.crossed += 1

    async def ask(self, number: int, path: str) -> None:
        """One request of somebody who is there."""
        seen = self.seen.setdefault(REQUEST, Seen())
        person = self._there[number]
        headers = {**_HOST, "X-Forwarded-Proto": "https", "Cookie": f"{SESSION}={self.tickets[number]}"}
        began = time.perf_counter()
        try:
            async with self._http.get(self.town.base + path, headers=headers, allow_redirects=False) as got:
                status, body = got.status, await got.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            seen.refused[type(error).__name__] += 1
            return
        seen.times.append(time.perf_counter() - began)
        if status != 200:
            seen.refused[str(status)] += 1
        elif whose(body) != person.mark:
            seen.crossed += 1

    async def turn_page(self, number: int, requests: int) -> None:
        """A page and what belongs to it, asked at once as a browser does."""
        await self.ask(number, f"/Trajectoire/dossiers/{self._chance.randrange(10_000)}")
        await asyncio.gather(*(self.ask(number, f"/Trajectoire/piece/{one}") for one in range(1, requests)))

    async def work(self, rates: Mapping[str, float], pages: float, requests: int, seconds: float) -> None:
        """``rates``: sign-ins a second by means; ``pages`` a second, of those who are there, in turn. They come when they
        want to (at random, as a crowd does), whether the gateway keeps up or not."""
        flows = [self._flow(rate, seconds, lambda means=means: self.come(means)) for means, rate in rates.items()]
        turns = itertools.cycle(range(len(self.tickets)))
        if pages and self.tickets:
            flows.append(self._flow(pages, seconds, lambda: self.turn_page(next(turns), requests)))
        await asyncio.gather(*flows)

    async def _flow(self, rate: float, seconds: float, doing: Any) -> None:
        """So many a second at random instants, until the end; then until all of them are done."""
        if rate <= 0:
            return
        end, at = time.monotonic() + seconds, time.monotonic()
        running: set[asyncio.Task[None]] = set()
        while (at := at + self._chance.expovariate(rate)) < end:
            await asyncio.sleep(max(0.0, at - time.monotonic()))
            task = asyncio.create_task(doing())
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)

    async def come_in_turn(self, means: str, count: int, at_once: int) -> None:
        """``count`` sign-ins, so many at once, each as soon as another is done: for what one costs."""
        left = iter(range(count))

        async def line() -> None:
            for _ in left:
                await self.come(means)

        await asyncio.gather(*(line() for _ in range(at_once)))
