"""A house where a doctor has invited practice staff: real pages, records, sessions and receiving office; a card reader
in which a test lays a card, and a browser that keeps cookies and follows redirects."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.accounts.account import Account
from gateway.accounts.delegation import Delegation, Kind
from gateway.accounts.delegations import Delegations
from gateway.accounts.mailboxes import Mailboxes
from gateway.accounts.password import Passwords
from gateway.accounts.register import Particulars, Register
from gateway.accounts.towns import Towns
from gateway.delegations.context import Contexts
from gateway.delegations.receiving import ReceivingOffice
from gateway.edges.keys import Secrets, ensure_secret
from gateway.edges.memory_store import MemoryStore
from gateway.identity import Assurance, Identity, Method, NationalId, Proof, Space
from gateway.pages.app import make_app
from gateway.pages.entrance import Entrance
from gateway.pages.house import Charter, House
from gateway.pages.joining import JoiningPages
from gateway.pages.leaving import Leaving
from gateway.pages.proving import MailProof
from gateway.pages.registration import Registration
from gateway.pages.signin import SignIn
from gateway.pages.staff_registration import StaffRegistration
from gateway.pages.strong import StrongWays
from gateway.policy.delegation import PARIS, DelegationRules, period
from gateway.providers.base import Attempt, Redirect, Rejected, Reply
from gateway.providers.devices import Devices
from gateway.reasons import Reason
from gateway.session.keeper import Keeper
from gateway.session.model import Lifetimes
from gateway.texts import Text
from tests.administration.world import World, world_in
from tests.pages.hollow import PREFIX, house_of

BASE = "https://vt.test"
STAMPS = {
    "vtgw-client": "192.0.2.7",
    "vtgw-request-id": "ab" * 16,
    "vtgw-scheme": "https",
    "vtgw-host": "vt.test",
}
PASSWORD = "Un-beau-matin-7"
MAIL = "lea.moreau@example.test"
LIVES = Lifetimes(timedelta(hours=4), timedelta(hours=1))
BERNARD = Identity(NationalId("8", "99700100011"), "BERNARD", "Luc", "10", "SM26")
PETIT = Identity(NationalId("8", "99700100029"), "PETIT", "Anne", "10")
MOREAU = Identity(NationalId("3", "690780028/000000042"), "MOREAU", "Léa")
HENRY = Identity(NationalId("3", "690780028/000000044"), "HENRY", "Tom")
DURAND = Identity(NationalId("8", "99700100037"), "DURAND", "Inès", "60")


@dataclass
class Reader:
    """The card reader, and the e-CPS: what lies in it is what is proved."""

    name: str
    method: Method
    clock: Any
    holder: Identity | None = None

    async def begin(self, attempt: Attempt, now: datetime) -> Redirect:
        if self.name == "card":
            return Redirect(f"{BASE}{PREFIX}/card?attempt={attempt.id}")
        return Redirect(f"{BASE}{PREFIX}/sign-in/psc/callback?state={attempt.id}")

    async def complete(self, attempt: Attempt, reply: Reply, now: datetime) -> Proof | Rejected:
        if self.holder is None:
            return Rejected(Reason.CARD_ABSENT, over=False)
        at = now.replace(microsecond=0) if self.name == "psc" else now  # it says the second (``auth_time``)
        return Proof(self.holder, self.method, Assurance.SUBSTANTIAL, at)


@dataclass
class Page:
    url: str
    status: int
    text: str
    location: str = ""

    def field(self, name: str) -> str:
        """The value of a field of this page."""
        found = re.search(rf'name="{name}"[^>]* value="([^"]*)"', self.text)
        return html.unescape(found[1]) if found else ""


@dataclass
class Staffed:
    """Everything behind the pages, and whom to ask."""

    world: World
    house: House
    receiving: ReceivingOffice
    delegations: Delegations
    client: TestClient[Any, Any]
    card: Reader
    psc: Reader
    doctor: Account
    mails: list[tuple[str, Text]]

    @property
    def now(self) -> datetime:
        return self.world.now

    async def invite(self, token: str = "t" * 32, *, of: Account | None = None, **more: Any) -> Delegation:
        """A delegation in state invited; its link bears this token."""
        begins, ends = period(self.now.date(), self.now.date() + timedelta(days=30), PARIS)
        of = of or self.doctor
        made = Delegation(
            id=f"dlg_{token[:8]}",
            number=max((one.number for one in await self.delegations.given_by(of.id)), default=0) + 1,
            delegator=of.id,
            kind=Kind.ASSISTANT,
            family_name="Moreau",
            given_name="Léa",
            rights=frozenset({"grandage:consulter", "grandage:completer"}),
            begins=begins,
            ends=ends,
            created_at=self.now,
            mail=MAIL,
            invite_digest=hashlib.sha256(token.encode()).hexdigest(),
            invite_until=self.now + timedelta(days=14),
        )
        made = replace(made, **more)
        await self.delegations.add(made, of.id, {})
        return made

    async def delegation(self, token: str = "t" * 32) -> Delegation:
        found = await self.delegations.by_id(f"dlg_{token[:8]}")
        assert found is not None
        return found

    async def account(self, identity: Identity, mail: str, **more: Any) -> Account:
        """Somebody who has an account since yesterday."""
        proof = Proof(identity, Method.CPS, Assurance.SUBSTANTIAL, self.now - timedelta(days=1))
        given = Particulars(mail, "", **more)
        made, _ = await self.house.register.create(
            proof, given, Space.LIBERAL, self.house.charter.stamp, self.now - timedelta(days=1)
        )
        return made

    async def of(self, identity: Identity) -> Account | None:
        return await self.house.register.by_identity(identity)

    async def rows(self) -> Sequence[Any]:
        return await self.world.records.find("accounts", {})


@dataclass
class Browser:
    """One browser: cookies, and the page it shows."""

    place: Staffed
    cookies: dict[str, str] = field(default_factory=dict)
    last: Page = field(default_factory=lambda: Page("", 0, ""))

    async def get(self, url: str, *, follow: bool = True) -> Page:
        return await self._go("GET", url, None, follow)

    async def post(self, path: str, *, follow: bool = True, **fields: str) -> Page:
        """A form of the page shown, with its token."""
        data = {"csrf": self.last.field("csrf"), **fields}
        return await self._go("POST", PREFIX + path, data, follow)

    async def _go(self, method: str, url: str, data: dict[str, str] | None, follow: bool) -> Page:
        for _ in range(12):
            parts = urlsplit(url)
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            headers = {"Cookie": cookies, "Origin": BASE} if data is not None else {"Cookie": cookies}
            if data is not None:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(data) if data is not None else None
            answer = await self.place.client.request(method, target, data=body, headers=headers, allow_redirects=False)
            for line in answer.headers.getall("Set-Cookie", []):
                name, _, value = line.split(";")[0].partition("=")
                self.cookies[name] = value
            where = answer.headers.get("Location", "")
            self.last = Page(target, answer.status, html.unescape(await answer.text()), where)
            if not follow or answer.status not in (302, 303) or not where.startswith((PREFIX, BASE + PREFIX)):
                return self.last
            url, method, data = urljoin(url, where), "GET", None
        raise AssertionError("too many redirects")

    # What a person does

    async def open(self, token: str = "t" * 32) -> Page:
        return await self.get(f"{PREFIX}/delegations/invitation?token={token}")

    async def accept(self, token: str = "t" * 32, way: str = "card") -> Page:
        """The link, the button, the card that lies in the reader."""
        await self.open(token)
        return await self.post("/delegations/invitation", token=token, way=way)

    async def fill(self, **fields: str) -> Page:
        """The form of the first connection, as it is, with a password."""
        given = {"email": self.last.field("email"), "password": PASSWORD, "repeat_password": PASSWORD}
        return await self.post("/register", **{**given, "profession": "Secrétaire médicale", **fields})

    async def agree(self) -> Page:
        return await self.post("/charter", accept="1", **{"return": "/"})

    async def join(self, token: str = "t" * 32, **fields: str) -> Page:
        """The whole way of somebody without account."""
        await self.accept(token)
        assert self.last.url == f"{PREFIX}/register", self.last.text
        await self.fill(**fields)
        assert self.last.url == f"{PREFIX}/charter", self.last.text
        return await self.agree()


class Bus:
    async def publish(self, message: str) -> None: ...


def _rules() -> SimpleNamespace:
    """No place asks for anything."""
    return SimpleNamespace(
        above=lambda scope: [scope],
        strong=lambda account, now: True,
        lifetimes=lambda account, now, shared: LIVES,
        memory=lambda account, now: timedelta(0),
        methods=lambda account, now: None,
        channels=lambda account, now: (),
        banner=lambda account, now: "",
        contacts=lambda account, now: (),
    )


@asynccontextmanager
async def staffed(folder: Path, *, rules: DelegationRules | None = None, **more: Any) -> AsyncIterator[Staffed]:
    """Dr Bernard has an account; nobody is invited yet."""
    rules = rules or DelegationRules()
    async with world_in(folder) as world:
        ambient, mails = world.ambient, []

        async def changed(account_id: str) -> None: ...

        async def spend(key: str, most: int, now: datetime) -> bool:
            return True

        def post(account: Account, text: Text, kind: str, correlation: str, *, to: str | None = None) -> None:
            mails.append((to or account.mail or "", text))

        store, bus, secrets = MemoryStore(ambient), Bus(), Secrets(ensure_secret(folder / "secret"))
        register, delegations = Register(world.records, ambient), Delegations(world.records, ambient)
        keeper, passwords = Keeper(store, bus, ambient), Passwords(memory=8192, threads=1)
        readers = {"card": Reader("card", Method.CPE, ambient), "psc": Reader("psc", Method.PSC_ECPS, ambient)}
        given: dict[str, Any] = {
            "public_url": BASE,
            "ambient": ambient,
            "store": store,
            "keeper": keeper,
            "register": register,
            "contexts": Contexts(delegations, register, rules),
            "providers": readers,
            "methods": {Space.LIBERAL: ["card", "psc"], Space.PROFESSIONNEL: ["card", "psc"]},
            "card_urls": (BASE,),
            "default_space": Space.PROFESSIONNEL,
            "passwords": passwords,
            "devices": Devices(store, timedelta(0)),
            "tries": SimpleNamespace(spend=spend),
            "rules": _rules(),
            "audit": world.audit,
            "notices": SimpleNamespace(post=post),
            "charter": Charter("2026-1", "<p>…</p>"),
            "physicians": frozenset({"10"}),
            "required_fields": frozenset({"email", "password"}),
            "generic_mailbox": "warn",
            "generic_mailboxes": frozenset({"secretariat"}),
            "verify_mail": "on_first_code",
            "least_bits": 0,
            "dormancy": timedelta(days=365),
            "wakers": frozenset({"card", "psc"}),
            "proof_life": timedelta(minutes=30),
            "form_life": timedelta(hours=24),
            "mail_proof_life": timedelta(days=1),
            "notify_sign_in": False,
            "notify_memory": False,
            "backend_cookie_paths": (),
            "seal": secrets.seal,
            "unseal": secrets.unseal,
            "changed": changed,
            "key_set": lambda: b"{}",
        }
        house = house_of(**{**given, **more})
        receiving = ReceivingOffice(
            delegations=delegations,
            register=register,
            keeper=keeper,
            audit=world.audit,
            bus=bus,
            post=post,
            rules=rules,
            base=BASE + PREFIX,
            zone=PARIS,
        )
        entrance, proof = Entrance(house), MailProof(house, Mailboxes(world.records))
        rooms = [
            SignIn(house, entrance, SimpleNamespace()),  # type: ignore[arg-type]
            StrongWays(house, entrance),
            Leaving(house),
            Registration(house, proof, Towns(), StaffRegistration(house, receiving)),
            proof,
            JoiningPages(house, receiving),
        ]
        app: web.Application = make_app(house, rooms)
        try:
            async with TestClient(TestServer(app), headers=STAMPS) as client:
                place = Staffed(
                    world, house, receiving, delegations, client, readers["card"], readers["psc"],
                    None, mails,  # type: ignore[arg-type]
                )  # fmt: skip
                place.doctor = await place.account(BERNARD, "luc.bernard@example.test")
                yield place
        finally:
            passwords.close()
