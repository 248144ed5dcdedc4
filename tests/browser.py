"""A person in front of a real Chromium: what they see, press and type; a card in the reader; a mailbox; a passkey.

Everything is found by the words people read, never by markup. The browser itself, and the card in its reader, are in
``tests.workstation``.

A ``Person`` works in one of three ways: with the mouse, with the keyboard alone, or with scripts turned off. The same
story is told in all three. What no page may ever do is written down in ``Person.faults``: an error in the console (a
violation of the content policy is one), an accident in a script, a request that leaves the gateway.
"""

from __future__ import annotations

import asyncio
import enum
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

from playwright.async_api import (
    BrowserContext,
    CDPSession,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    Response,
    expect,
)

from tests.visitor import Demo

ROOT = Path(__file__).resolve().parent.parent
SHOTS = ROOT / "docs" / "pages"
_AXE = ROOT / "tests" / "node" / "node_modules" / "axe-core" / "axe.min.js"
DESK, PHONE, NARROW = (1280, 900), (390, 844), (320, 844)  # WCAG 1.4.10: 320 px is 1280 px at 400 %
PATIENCE = 10_000  # milliseconds
_STEPS = 120  # presses of Tab before somebody gives up
_CONTROLS = ("button", "link")
_CODE = r"(?<!\d)\d{3}[ \u00a0\u202f]?\d{3}(?!\d)"


class Way(enum.Enum):
    """How somebody works."""

    MOUSE = "mouse"
    KEYBOARD = "keyboard"
    NO_SCRIPT = "no-script"


class Desk(Protocol):
    """Where a person sits: the demo in front of them, the card reader beside."""

    demo: Demo
    reader: Any


class Person:
    """What somebody does and sees. All waiting is waiting for what is expected, at most ten seconds."""

    def __init__(self, desk: Desk, context: BrowserContext, page: Page, way: Way) -> None:
        self.demo = desk.demo
        self.reader = desk.reader
        self.context = context
        self.page = page
        self.way = way
        self.faults: list[str] = []
        self._read: dict[tuple[str, str], int] = {}
        self._pages: set[str] = set()  # addresses that answered as pages, whatever their status
        about = self.demo.about
        cards = (about["card"], about["card"].replace("localhost", "127.0.0.1"))
        self._origins = {about["gateway"], *cards, about["psc"]}
        context.on("response", self._answered)
        context.on("request", self._asked)
        context.on("console", self._said)
        context.on("weberror", lambda error: self.faults.append(f"script: {error.error}"))

    # What no page may do.

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https") and f"{parts.scheme}://{parts.netloc}" not in self._origins:
            self.faults.append(f"left the gateway: {request.url}")

    def _answered(self, response: Response) -> None:
        if response.request.is_navigation_request():
            self._pages.add(response.url)

    def _said(self, message: ConsoleMessage) -> None:
        # A page refused for its content answers 401, 422 or 429, and Chromium writes that down for every page.
        of_page = message.text.startswith("Failed to load resource") and message.location["url"] in self._pages
        # Not ours either: Pro Santé Connect's page, and the icon that Chromium asks for on the application's.
        where = message.location["url"]
        ours = not where.startswith(self.demo.about["psc"]) and not where.endswith("/favicon.ico")
        if message.type in ("error", "warning") and ours and not of_page:
            self.faults.append(f"console: {message.text} ({where})")

    # Where one is.

    async def open(self, address: str) -> None:
        """Type an address, or a path of the gateway."""
        await self.page.goto(address if "://" in address else self.demo.about["gateway"] + address)

    async def sees(self, *texts: str) -> None:
        """Each text is visible on the page."""
        for text in texts:
            await expect(self.page.get_by_text(_spoken(text)).first).to_be_visible(timeout=PATIENCE)

    async def sees_nothing_of(self, *texts: str) -> None:
        for text in texts:
            await expect(self.page.get_by_text(_spoken(text))).to_have_count(0, timeout=PATIENCE)

    async def stands_under(self, heading: str) -> None:
        """The page's main heading reads so."""
        await expect(self.page.get_by_role("heading", level=1, name=_whole(heading))).to_be_visible(timeout=PATIENCE)

    async def is_at(self, path: str) -> None:
        """The browser shows this path and query of the gateway."""
        await expect(self.page).to_have_url(self.demo.about["gateway"] + path, timeout=PATIENCE)

    async def value_of(self, label: str) -> str:
        return await self._labelled(label).input_value()

    async def can_press(self, name: str) -> bool:
        return await self._control(name).count() > 0

    async def one_of(self, *names: str) -> str:
        """The first of these names that a button or link of the page has."""
        for name in names:
            if await self.can_press(name):
                return name
        raise AssertionError(f"none of {names}: {await self.page.inner_text('main')}")

    # What one does.

    async def fill(self, label: str, text: str) -> None:
        """Type into the field of this label, over what stands there."""
        field = self._labelled(label)
        if self.way is Way.KEYBOARD:
            await self._walk_to(field)
            await self.page.keyboard.press("Control+a")
            await self.page.keyboard.press("Delete")
            await self.page.keyboard.type(text)
        else:
            await field.fill(text)

    async def tick(self, label: str, on: bool = True) -> None:
        box = self._labelled(label)
        if self.way is Way.KEYBOARD:
            await self._walk_to(box)
            if await box.is_checked() is not on:
                await self.page.keyboard.press("Space")
        else:
            await box.set_checked(on)
        assert await box.is_checked() is on

    async def choose(self, question: str, answer: str) -> None:
        """One of several answers to a question; the beginning of the answer is enough."""
        group = self.page.get_by_role("group", name=_whole(question))
        await group.get_by_label(re.compile(rf"^\s*{_pattern(answer)}")).check()

    async def turn_to(self, name: str) -> None:
        """Come to the form of this name: follow its link, unfold it, or it is there already."""
        folded = self.page.locator("details:not([open]) > summary").filter(has_text=_whole(name))
        if await self.can_press(name):
            await self.press(name)
        elif await folded.count() and self.way is Way.KEYBOARD:
            await self._walk_to(folded)
            await self.page.keyboard.press("Enter")
        elif await folded.count():
            await folded.click()

    async def press(self, name: str) -> None:
        """Press the button or follow the link of this name, and wait for the next page."""
        async with self.page.expect_navigation(timeout=PATIENCE):
            await self.touch(name)

    async def touch(self, name: str) -> None:
        """The same where no page follows: something a script or the browser does."""
        target = self._control(name).first
        if self.way is Way.KEYBOARD:
            await self._walk_to(target)
            await self.page.keyboard.press("Enter")
        else:
            await target.click()

    async def go_back(self) -> None:
        """The browser's « Précédent »."""
        await self.page.go_back()

    async def _walk_to(self, target: Locator) -> None:
        """Press Tab until the target has the focus; it must then show that it has (WCAG 2.4.7)."""
        await expect(target).to_be_visible(timeout=PATIENCE)
        for _ in range(_STEPS):
            if await target.evaluate("one => one === document.activeElement"):
                break
            await self.page.keyboard.press("Tab")
        else:
            raise AssertionError(f"{target} is not reached by {_STEPS} presses of Tab")
        shown = await target.evaluate(
            "one => { const s = getComputedStyle(one);"
            " return (s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0) || s.boxShadow !== 'none' }"
        )
        assert shown, f"{target} has the focus and does not show it"

    def _labelled(self, label: str) -> Locator:
        # A required field's label ends with a star; « Mot de passe » is not « Répéter le mot de passe ».
        return self.page.get_by_label(re.compile(_whole(label).pattern[:-1] + r"\s*\*?\s*$"))

    def _control(self, name: str) -> Locator:
        button, link = (self.page.get_by_role(cast(Any, role), name=_whole(name)) for role in _CONTROLS)
        return button.or_(link)

    # The others: mailbox, telephone, Pro Santé Connect, the clock.

    async def message(self, to: str, kind: str = "mails", holding: str = "") -> dict[str, Any]:
        """The oldest message to this address or number (E.164) that was not read yet and holds this pattern; waits
        until it has come. ``kind`` is « mails » or « sms »."""
        place = (kind, to)
        deadline = time.monotonic() + PATIENCE / 1000
        while True:
            found = self.demo.console("GET", f"/{kind}?to={to.replace('+', '%2B')}")
            for number, one in enumerate(found[self._read.get(place, 0) :], self._read.get(place, 0) + 1):
                if re.search(holding, one["text"]):
                    self._read[place] = number
                    return cast(dict[str, Any], one)
            assert time.monotonic() < deadline, f"nothing comes to {to}"
            await asyncio.sleep(0.02)

    async def code_from(self, to: str, kind: str = "mails") -> str:
        """The code of the next message with one."""
        text = (await self.message(to, kind, _CODE))["text"]
        return re.sub(r"\D", "", re.search(_CODE, text)[0])  # type: ignore[index] # the message holds it

    async def code_from_mailbox(self, key: str) -> str:
        """The code of the next mail to a person of the demo."""
        return await self.code_from(self.demo.person(key)["mail"])

    async def link_from_mailbox(self, key: str) -> str:
        """The address in the next mail to a person of the demo."""
        text: str = (await self.message(self.demo.person(key)["mail"], holding="https://"))["text"]
        return next(word.rstrip(".,") for word in text.split() if word.startswith("https://"))

    async def answer_psc(self, key: str | None, mode: str = "MOBILE") -> None:
        """On the page of Pro Santé Connect: be this person, or refuse."""
        await self.sees("Qui êtes-vous ?")
        if key is not None:
            await self.page.get_by_label("Qui êtes-vous ?").select_option(key)
            await self.page.get_by_label("Moyen").select_option(mode)
        async with self.page.expect_navigation(timeout=PATIENCE):
            await self.page.get_by_role("button", name="Se connecter" if key else "Refuser", exact=True).click()

    # Shorter ways, for stories about something else.

    async def sign_in_by_psc(self, key: str, space: str = "professionnel", back: str = "/_gateway/account") -> None:
        """Signed in by e-CPS, then at ``back``."""
        await self.open(f"/_gateway/sign-in/psc?space={space}")
        await self.answer_psc(key)
        await self.open(back)

    async def type_password(self, key: str, *, shared: bool | None = None) -> None:
        """On a sign-in page: the right identifier and password of a person of the demo."""
        account = self.demo.person(key)["account"]
        liberal = await self.page.get_by_label(_whole("Identifiant")).count()
        await self.fill("Identifiant" if liberal else "Nom d'utilisateur", account["identifier"])
        await self.fill("Mot de passe", account["password"])
        if shared is not None:
            await self.tick("Ce poste est partagé", shared)
        await self.press("Se connecter")

    # Looking at the page.

    async def axe(self, *rules: str) -> list[str]:
        """What axe-core finds serious or critical on the page as it stands, by all its rules or by these; nothing is
        right."""
        if not await self.page.evaluate("() => 'axe' in window"):
            await self.page.evaluate(_AXE.read_text())
        options: dict[str, Any] = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
        found = await self.page.evaluate("options => axe.run(document, options)", options)
        return [
            f"{one['id']} ({one['impact']}): {one['help']}: " + "; ".join(str(node["target"]) for node in one["nodes"])
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
        ]

    async def overflow(self) -> list[str]:
        """What makes the page wider than the window; nothing is right."""
        found = await self.page.evaluate(
            "() => document.documentElement.scrollWidth <= window.innerWidth ? [] :"
            " [...document.querySelectorAll('body *')].filter(one => one.getBoundingClientRect().right > window.innerWidth)"
            ".map(one => one.outerHTML.slice(0, 120))"
        )
        return cast(list[str], found)

    async def wear(self, size: tuple[int, int] = DESK, scheme: str = "light") -> None:
        """The size of the window in pixels, and the colours asked for (light or dark)."""
        await self.page.set_viewport_size(sized(size))  # type: ignore[arg-type]
        await self.page.emulate_media(color_scheme=cast(Any, scheme), reduced_motion="reduce")

    async def shot(self, name: str, folder: Path = SHOTS) -> None:
        """Pictures of the whole page, on a desk and on a phone: NAME.png and NAME-phone.png. An existing picture stays,
        so that tests leave the tree as it is, unless VTGW_SHOTS=1."""
        for suffix, size in (("", DESK), ("-phone", PHONE)):
            path = folder / f"{name}{suffix}.png"
            if wants_new(path):
                await self.wear(size)
                path.parent.mkdir(parents=True, exist_ok=True)
                await self.page.screenshot(path=path, full_page=True, animations="disabled", caret="hide")
        await self.wear()

    async def passkey(self) -> Passkey:
        """From now on this page's browser has a built-in authenticator: verified user, keys that stay in it."""
        return await Passkey.plug_in(await self.context.new_cdp_session(self.page))


class Passkey:
    """Chromium's virtual authenticator (CTAP 2, internal), through the protocol of its developer tools."""

    def __init__(self, tools: CDPSession, identifier: str) -> None:
        self._tools = tools
        self._identifier = identifier

    @classmethod
    async def plug_in(cls, tools: CDPSession) -> Passkey:
        await tools.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        answer = await tools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        return cls(tools, answer["authenticatorId"])

    async def credentials(self) -> list[dict[str, Any]]:
        """The keys it holds: credentialId, rpId, userHandle, signCount, …"""
        answer = await self._tools.send("WebAuthn.getCredentials", {"authenticatorId": self._identifier})
        return cast(list[dict[str, Any]], answer["credentials"])

    async def verify_user(self, yes: bool) -> None:
        """Whether the finger or the PIN is recognised."""
        await self._tools.send("WebAuthn.setUserVerified", {"authenticatorId": self._identifier, "isUserVerified": yes})


def wants_new(path: Path) -> bool:
    """Whether a file made by the tests is to be written."""
    return os.environ.get("VTGW_SHOTS") == "1" or not path.exists()


def sized(size: tuple[int, int]) -> dict[str, int]:
    return {"width": size[0], "height": size[1]}


def _pattern(text: str) -> str:
    """A text as people read it: any kind of space, straight or curved apostrophes."""
    return "".join(_letters(text))


def _letters(text: str) -> Iterator[str]:
    for letter in text:
        if letter.isspace():
            yield r"\s+"
        elif letter in "'\u2019":
            yield "['\u2019]"
        elif letter in ":;?!":
            yield r"\s*" + re.escape(letter)
        else:
            yield re.escape(letter)


def _spoken(text: str) -> re.Pattern[str]:
    return re.compile(_pattern(text))


def _whole(text: str) -> re.Pattern[str]:
    return re.compile(rf"^\s*{_pattern(text)}\s*$")
