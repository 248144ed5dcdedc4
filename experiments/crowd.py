"""People at work while something breaks: some ask steadily, some sign in all the time, some sign out.

Each has an identity of their own; every answer must carry the caller's. What was acknowledged to them is kept, and looked at
again when the trouble is over: sessions, sign-outs, codes.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from experiments.browser import SESSION, Browser, Refused, UsedCode
from experiments.estate import Estate
from experiments.keys import Verifier
from experiments.ledger import audit_faults, sign_ins
from experiments.people import PEOPLE, Person
from experiments.watch import Figures, Seen, figures

FACTS = 5.0  # seconds that a worker may go on with what it knows (gateway.gate.FACTS_AGE)
PROMISE = 5.0  # seconds to recover once a dependency is back
_HEARD = 1.0  # seconds until every worker has heard of a sign-out
_LISTENING = 2.0  # seconds after a fault until all listen again
_PATIENCE = 12.0  # seconds a client waits for one answer
_CHALLENGES = (302, 401)


@dataclass
class Crowd:
    """``steady`` people ask every ``pause`` seconds; ``comers`` sign in one after the other; every other of those signs out
    again. ``fault_ended`` is set by the experiment: an instant of ``time.monotonic``."""

    estate: Estate
    steady: int = 8
    comers: int = 2
    pause: float = 0.15
    base: str = ""
    fault_ended: float | None = None
    seen: list[Seen] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)  # steps of sign-ins that were not done
    tried: int = 0
    arrivals: list[float] = field(default_factory=list)  # when sign-ins were completed
    kept: list[Browser] = field(default_factory=list)  # signed in, not signed out
    gone: list[tuple[Browser, str, float]] = field(default_factory=list)  # signed out: ticket, when
    unclear: list[Browser] = field(default_factory=list)  # asked to sign out, no answer: either is right
    used: list[UsedCode] = field(default_factory=list)
    unbelievable: int = 0
    wrongly: set[str] = field(default_factory=set)
    said: list[str] = field(default_factory=list)
    why: Counter[str] = field(default_factory=Counter)  # people were told to sign in
    again: int = 0
    outside: set[Browser] = field(default_factory=set)  # told to sign in, and not let in since
    acknowledged: Counter[str] = field(default_factory=Counter)  # sign-ins, by login
    timeless: bool = False  # the application judges assertions by the gateway's clock
    chain: str = ""  # what is wrong with the audit chain
    forgets: bool = False  # the store loses sessions in this trouble: people sign in again when they are told to

    def __post_init__(self) -> None:
        self.base = self.base or self.estate.front
        self._people: Iterator[Person] = itertools.cycle(PEOPLE[40:])
        self._stop = asyncio.Event()
        self._http: aiohttp.ClientSession
        self._verifier: Verifier

    def browser(self, person: Person) -> Browser:
        return Browser(self._http, self.base, self.estate.demo.about["console"], person)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Crowd]:
        """Everybody signed in and at work; at the end they are stopped, and nothing is judged yet: see ``settle``."""
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=_PATIENCE)
        jar = aiohttp.DummyCookieJar()
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=jar) as http:
            self._http = http
            self._verifier = Verifier(http, self.base, timeless=self.timeless)
            self._held = await sign_ins(self.estate.records_url)
            regulars = [self.browser(person) for person in PEOPLE[: self.steady]]
            await asyncio.gather(*(one.sign_in() for one in regulars))
            self.kept += regulars
            self.acknowledged.update(one.person.login for one in regulars)
            work = [asyncio.create_task(self._ask(one, n)) for n, one in enumerate(regulars)]
            work += [asyncio.create_task(self._come(number)) for number in range(self.comers)]
            try:
                yield self
            finally:
                self._stop.set()
                _, late = await asyncio.wait(work, timeout=_PATIENCE * 2)
                for task in late:
                    task.cancel()
                await asyncio.gather(*work, return_exceptions=True)
                for task in work:
                    if not task.cancelled() and (error := task.exception()) is not None:
                        raise error

    async def lasting(self, seconds: float) -> None:
        """Let them work for so long."""
        await asyncio.sleep(seconds)

    async def recovered(self, seconds: float) -> None:
        """Until everybody is served again and somebody has signed in since the end of the fault; not longer than so."""
        ended = self.fault_ended or time.monotonic()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            lately = [one for one in self.seen if one.at > ended]
            good = {one.who for one in lately[-4 * self.steady :] if one.good}
            bad = [one for one in lately[-4 * self.steady :] if not one.good]
            if len(good) >= self.steady and not bad and any(one > ended for one in self.arrivals):
                return
            await asyncio.sleep(0.1)

    def over(self) -> None:
        """The fault has ended, now."""
        self.fault_ended = time.monotonic()

    async def some(self, count: int, *, begun: bool = False) -> list[Browser]:
        """People who just signed in and do nothing; with ``begun`` they hold a code and have not typed it."""
        made = [self.browser(next(self._people)) for _ in range(count)]
        await asyncio.gather(*(one.begin() if begun else one.sign_in() for one in made))
        if not begun:
            self.acknowledged.update(one.person.login for one in made)
        return made

    def believed(self) -> Counter[str]:
        """How many different assertions verified so far, by key."""
        return self._verifier.count()

    async def audited(self) -> str:
        """Examine the audit chain; in words."""
        fault = await audit_faults(str(self.estate.gateways[0].config))
        self.chain = fault
        return "the audit chain is whole" if not fault else f"the audit chain: {fault}"

    async def typed(self, browser: Browser) -> bool:
        """Type the code that was held; whether that was acknowledged."""
        with suppress(Refused):
            await browser.finish()
            self.note_used(browser)
            return True
        return False

    def note_used(self, browser: Browser) -> None:
        """This browser's code was used: it opens nothing any more."""
        assert browser.used is not None
        self.used.append(browser.used)

    # What they do

    async def _ask(self, browser: Browser, number: int) -> None:
        await asyncio.sleep(self.pause * number / max(1, self.steady))
        while not self._stop.is_set():
            await self._protected(browser)
            with suppress(TimeoutError):
                async with asyncio.timeout(self.pause):
                    await self._stop.wait()

    async def _protected(self, browser: Browser) -> Seen:
        """One protected request, noted down."""
        at = time.monotonic()
        answer = await browser.ask("GET", "/Trajectoire/dossiers", Accept="application/json")
        whose = None
        if answer.status == 200:
            token = _assertion(answer.json())
            claims = await self._verifier.claims(token) if token else None
            if token and claims is None:
                self.unbelievable += 1
            whose = claims["family_name"] if claims else None
        seen = Seen(at, time.monotonic() - at, answer.status, browser.person.mark, whose)
        self.seen.append(seen)
        if answer.status in _CHALLENGES:
            self.why[str(answer.json()["reason"]) if answer.status == 401 else "redirected"] += 1
            if not self.forgets:
                self.wrongly.add(browser.person.mark)
            elif browser in self.kept:
                await self._once_more(browser)
        return seen

    async def _once_more(self, browser: Browser) -> None:
        """Sign in again, in the same browser."""
        self.again += 1
        self.outside.add(browser)
        with suppress(Refused):
            await browser.sign_in()
            self.outside.discard(browser)
            self.note_used(browser)

    async def _come(self, number: int) -> None:
        for turn in itertools.count(number):
            if self._stop.is_set():
                return
            browser = self.browser(next(self._people))
            self.tried += 1
            try:
                await browser.sign_in()
            except Refused as error:
                self.refused.append(error)
                await asyncio.sleep(0.3)
                continue
            assert browser.used is not None
            self.used.append(browser.used)
            self.arrivals.append(time.monotonic())
            self.acknowledged[browser.person.login] += 1
            await self._protected(browser)
            if turn % 2:
                self.kept.append(browser)
            else:
                await self.leave(browser)

    async def leave(self, browser: Browser) -> None:
        """Sign out, and remember what was acknowledged."""
        ticket = browser.ticket or ""
        try:
            await browser.sign_out()
        except Refused as error:
            self.refused.append(error)
            if error.step == "sign-out":
                self.unclear.append(browser)
            else:
                self.kept.append(browser)  # the page with the button did not come: the session goes on
            return
        self.gone.append((browser, ticket, time.monotonic()))

    # When it is over

    async def settle(self) -> Figures:
        """Look at everything that was acknowledged, now that all is well again, and give the figures."""
        timeout = aiohttp.ClientTimeout(total=_PATIENCE)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as http:
            self._http = http
            for one in (*self.kept, *(browser for browser, _, _ in self.gone)):
                one.http = http
            found = figures(self.seen, self.fault_ended, {one.mark for one in PEOPLE[: self.steady]})
            found.sign_ins_tried, found.sign_ins_done = self.tried, len(self.arrivals)
            if self.forgets:  # a lost session means a new sign-in, and is no broken promise
                found.said.append(f"{self.again} sign-ins again")
                self.kept = [one for one in self.kept[: self.steady] if one not in self.outside]
            found.sign_ins_lost = sum(await asyncio.gather(*(self._is_lost(one) for one in self.kept)))
            found.unwritten = (self.acknowledged - (await sign_ins(self.estate.records_url) - self._held)).total()
            found.chain = self.chain
            await self._wait_for_facts()
            found.sign_outs = len(self.gone)
            found.sign_outs_revived = sum(await asyncio.gather(*(self._is_back(*one) for one in self.gone)))
            for used in self.used:
                if (opened := await self._opens(used)) is not None:
                    found.codes_tried_again += 1
                    found.codes_twice += opened
            found.signed_out_wrongly = len(self.wrongly)
            found.unbelievable = self.unbelievable
            found.said = [
                *found.said,
                *self.said,
                *(f"{count} × told to sign in: {why}" for why, count in self.why.items()),
            ]
        return found

    async def _wait_for_facts(self) -> None:
        """A sign-out is heard by every worker within a second; while the store was away the word may be lost, and what a
        worker knew may serve for as long as facts live."""
        heard = (self.fault_ended or 0.0) + _LISTENING
        due = max((at + (_HEARD if at > heard else FACTS) for _, _, at in self.gone), default=0.0)
        await asyncio.sleep(max(0.0, due + 0.2 - time.monotonic()))

    async def _is_lost(self, browser: Browser) -> bool:
        status = await self._status(browser)
        return status != 200

    async def _is_back(self, browser: Browser, ticket: str, _: float) -> bool:
        browser.cookies[SESSION] = ticket
        return await self._status(browser) == 200

    async def _status(self, browser: Browser) -> int:
        """What a protected route says, once it says something."""
        for _ in range(20):
            answer = await browser.ask("GET", "/Trajectoire/dossiers", Accept="application/json")
            if answer.status in (200, *_CHALLENGES):
                break
            await asyncio.sleep(0.25)
        return answer.status

    async def _opens(self, used: UsedCode) -> bool | None:
        """Whether a used code opens a session when it is sent again; ``None`` without an answer."""
        with suppress(Refused):
            return await self.browser(used.person).again(used)
        return None


def _assertion(said: dict[str, Any]) -> str:
    """The assertion that reached the application."""
    return next((value for name, value in said["headers"] if name.lower() == "x-vt-assertion"), "")


def shown(found: Figures) -> str:
    """The figures as JSON."""
    return json.dumps(found.__dict__, ensure_ascii=False)
