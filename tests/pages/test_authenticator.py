"""The pages of the authenticator application: over real records, sessions and store, without the door."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlencode

import pytest
from aiohttp import ClientResponse, web
from aiohttp.test_utils import TestClient, TestServer
from pyotp import TOTP

from gateway import texts
from gateway.accounts.account import Account
from gateway.accounts.authenticator import Authenticators
from gateway.accounts.register import Register
from gateway.audit import Act, Record
from gateway.edges.keys import Secrets, ensure_secret
from gateway.edges.memory_store import MemoryStore
from gateway.identity import Assurance, Identity, Method, NationalId, Proof, Space
from gateway.pages.authenticator import AuthenticatorPages
from gateway.pages.base import BROWSER, SESSION
from gateway.pages.house import HOUSE, House
from gateway.pages.regions import Links, Region, Regions
from gateway.ports import Insert
from gateway.session.keeper import Keeper
from gateway.session.model import Lifetimes
from tests.ambient import START, TestAmbient
from tests.blank import opened
from tests.pages.hollow import Nobody

HERE = "/gw/account/authenticator"
HEADERS = {"vtgw-client": "192.0.2.7", "vtgw-request-id": "a" * 32, "vtgw-scheme": "https", "vtgw-host": "vt.test"}
WHO = Identity(NationalId("8", "99700000005"), "DURAND", "Inès", "10")
BROWSERS = ("b" * 43, "c" * 43)


class Bus:
    async def publish(self, message: str) -> None: ...


@dataclass
class Place:
    """The pages, what they write, and a person who is signed in."""

    client: TestClient[web.Request, web.Application]
    ambient: TestAmbient
    keeper: Keeper
    store: MemoryStore
    authenticators: Authenticators
    house: SimpleNamespace
    acts: list[Record] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    ticket: str = ""

    async def sign_in(self, assurance: Assurance = Assurance.SUBSTANTIAL, account: str = "acc_1") -> None:
        now = self.ambient.now()
        method = Method.CPS if assurance is Assurance.SUBSTANTIAL else Method.OTP_MAIL
        proof = Proof(WHO, method, assurance, now)
        lives = Lifetimes(timedelta(hours=4), timedelta(hours=4))
        self.ticket, _ = await self.keeper.open(account, Space.PROFESSIONNEL, (proof,), lives, now)

    def headers(self, browser: str) -> dict[str, str]:
        return {**HEADERS, "Cookie": f"{SESSION}={self.ticket}; {BROWSER}={browser}"}

    async def get(self, *, browser: str = BROWSERS[0]) -> ClientResponse:
        return await self.client.get(HERE, headers=self.headers(browser), allow_redirects=False)

    async def post(
        self, path: str = "", *, browser: str = BROWSERS[0], csrf: str = "", **fields: str
    ) -> ClientResponse:
        who = hashlib.sha256(browser.encode()).hexdigest()[:32]
        word = hmac.new(self.house.csrf_key, who.encode(), "sha256").hexdigest()[:32]
        headers = {**self.headers(browser), "Content-Type": "application/x-www-form-urlencoded"}
        data = urlencode({"csrf": csrf or f"{who}.{word}", **fields})
        return await self.client.post(HERE + path, data=data, headers=headers, allow_redirects=False)

    async def secret(self, *, browser: str = BROWSERS[0]) -> str:
        return secret_of(await (await self.get(browser=browser)).text())

    def code(self, secret: str, steps: int = 0) -> str:
        return TOTP(secret).at(self.ambient.now(), counter_offset=steps)

    async def enrol(self) -> Sequence[str]:
        answer = await self.post(code=self.code(await self.secret()))
        return codes_of(await answer.text())


def secret_of(page: str) -> str:
    match = re.search(r"secret=([A-Z2-7]{32})&", unescape(page))
    assert match is not None
    return match[1]


def codes_of(page: str) -> list[str]:
    return re.findall(r"<li>([A-Z2-9]{5}-[A-Z2-9]{5})</li>", page)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    ambient, secrets = TestAmbient(), Secrets(ensure_secret(tmp_path / "secret"))
    records = await opened(f"sqlite:///{tmp_path / 'records.db'}")
    for number, origin in ((1, "strong"), (2, "referent")):
        values: dict[str, Any] = {
            "id": f"acc_{number}",
            "national_id": f"8{number:011d}",
            "family_name": "DURAND",
            "given_name": "Inès",
            "mail": f"p{number}@example.test",
            "mail_key": f"p{number}@example.test",
            "password_must_change": False,
            "origin": origin,
            "space_default": "professionnel",
            "created_at": START,
            "updated_at": START,
            "version": 1,
        }
        await records.write(Insert("accounts", values))
    store = MemoryStore(ambient)
    keeper = Keeper(store, cast(Any, Bus()), ambient)
    authenticators = Authenticators(
        records, seal=secrets.seal, unseal=secrets.unseal, key=secrets.key("recovery"), ambient=ambient
    )
    names = ("procedure", "faq", "card_help", "card_diagnostic", "card_support", "tops", "ecps_help", "ecps_wallet")
    links = Links(**dict.fromkeys((*names, "monsisra_support"), "https://help.test/"))
    given: dict[str, Any] = {
        "prefix": "/gw",
        "public_url": "https://vt.test",
        "form_targets": (),
        "ambient": ambient,
        "store": store,
        "keeper": keeper,
        "contexts": Nobody(),
        "register": Register(records, ambient),
        "channels": ("mail", "totp"),
        "rules": SimpleNamespace(
            banner=lambda account, now: "",
            contacts=lambda account, now: (),
            above=lambda scope: (),
            channels=lambda account, now: ("mail", "totp"),
        ),
        "regions": Regions("/gw", Region(links=links, zone=texts.PARIS)),
        "dormancy": timedelta(days=365),
        "freshness": timedelta(minutes=10),
        "warn": timedelta(minutes=2),
        "csrf_key": b"c" * 32,
        "seal": secrets.seal,
        "unseal": secrets.unseal,
        "accessibility": "non conforme",
    }
    house = SimpleNamespace(**{**dict.fromkeys(one.name for one in fields(House)), **given})
    app = web.Application()
    app[HOUSE] = cast(House, house)
    app.add_routes(AuthenticatorPages(cast(House, house), authenticators).routes())
    async with TestClient(TestServer(app)) as client:
        found = Place(client, ambient, keeper, store, authenticators, house)

        async def record(one: Record) -> None:
            found.acts.append(one)

        async def changed(account_id: str) -> None:
            found.changed.append(account_id)

        def post(account: Account, text: texts.Text, kind: str, correlation: str) -> None:
            found.notices.append(text.text)

        house.audit = SimpleNamespace(record=record)
        house.notices = SimpleNamespace(post=post)
        house.changed = changed
        yield found
    await records.close()


async def test_r96_adding_an_application(place: Place) -> None:
    """QR code, key in groups of four, the first code, then ten recovery codes once; audited, told by mail."""
    await place.sign_in()
    answer = await place.get()
    page = await answer.text()
    assert answer.status == 200 and answer.headers["Cache-Control"] == "no-store"
    secret = secret_of(page)
    assert " ".join(secret[place : place + 4] for place in range(0, 32, 4)) in page
    assert 'src="data:image/svg+xml' in page and "data:" in answer.headers["Content-Security-Policy"]
    assert 'autocomplete="one-time-code"' in page and 'inputmode="numeric"' in page
    assert "<script" not in page.replace("/session.js", "").replace('<script src="/gw/static', "")
    answer = await place.post(code=place.code(secret))
    page = await answer.text()
    assert answer.status == 200 and answer.headers["Cache-Control"] == "no-store"
    assert len(set(codes_of(page))) == 10
    assert secret not in page
    assert [(one.act, dict(one.facts)) for one in place.acts] == [(Act.MEANS_ADDED, {"means": "totp"})]
    assert place.acts[0].address == "192.0.2.7"
    assert place.changed == ["acc_1"]
    assert len(place.notices) == 1 and "application d'authentification" in place.notices[0]
    again = await (await place.get()).text()
    assert "active" in again and not codes_of(again) and "otpauth" not in again


async def test_the_secret_waits_on_the_server_alone(place: Place) -> None:
    """The same secret for a quarter of an hour in this browser, sealed in the store and in no hidden field; another
    browser has its own."""
    await place.sign_in()
    page = await (await place.get()).text()
    secret = secret_of(page)
    assert all(secret not in one for one in re.findall(r"<input[^>]*>", page))
    assert await place.secret() == secret
    assert await place.secret(browser=BROWSERS[1]) != secret
    kept = [value for values in vars(place.store).values() if isinstance(values, dict) for value in values.items()]
    assert any("authenticator:" in str(one) for one in kept)
    assert secret not in str(kept)
    assert (await place.post(browser=BROWSERS[1], code=place.code(secret))).status == 401


@pytest.mark.parametrize(
    ("typed", "status", "kept"), [("12345", 422, True), ("abcdef", 422, True), ("000000", 401, False)]
)
async def test_r75_a_wrong_first_code(place: Place, typed: str, status: int, kept: bool) -> None:
    """A code of another form is shown again (422), a wrong one is not (401); the QR code stays the same and nothing is
    added, audited or told."""
    await place.sign_in()
    secret = await place.secret()
    if typed in {place.code(secret, steps) for steps in (-1, 0, 1)}:
        place.ambient.advance(90)
    answer = await place.post(code=typed)
    page = await answer.text()
    assert answer.status == status
    assert (f'value="{typed}"' in page) is kept
    assert 'role="alert"' in page and 'aria-invalid="true"' in page
    assert secret_of(page) == secret
    assert not await place.authenticators.enrolled("acc_1")
    assert not place.acts and not place.notices


async def test_a_page_left_open_too_long(place: Place) -> None:
    """After a quarter of an hour the secret is gone: a new QR code, and a sentence that says so."""
    place.house.freshness = timedelta(hours=1)
    await place.sign_in()
    secret = await place.secret()
    place.ambient.advance(15 * 60)
    answer = await place.post(code=place.code(secret))
    page = await answer.text()
    assert answer.status == 422 and "trop longtemps" in page
    assert secret_of(page) != secret


async def test_valider_clicked_twice(place: Place) -> None:
    """The second of two equal forms says that the application is active, and shows no codes."""
    await place.sign_in()
    secret = await place.secret()
    code = place.code(secret)
    assert (await place.post(code=code)).status == 200
    answer = await place.post(code=code)
    page = await answer.text()
    assert answer.status == 409 and "déjà active" in page and not codes_of(page)
    assert len(place.acts) == 1


async def test_r96_removing_it(place: Place) -> None:
    """Removal is audited and told, forgets everything, and the next application has another secret."""
    await place.sign_in()
    secret = await place.secret()
    await place.post(code=place.code(secret))
    answer = await place.post("/remove")
    assert (answer.status, answer.headers["Location"]) == (303, "/gw/account?said=means")
    assert not await place.authenticators.enrolled("acc_1")
    assert [one.act for one in place.acts] == [Act.MEANS_ADDED, Act.MEANS_REMOVED]
    assert "retiré" in place.notices[-1] and len(place.changed) == 2
    assert await place.secret() != secret
    await place.post("/remove")
    assert len(place.acts) == 2


async def test_new_recovery_codes(place: Place) -> None:
    """A renewal shows ten new codes, voids the others, and is audited and told."""
    await place.sign_in()
    old = await place.enrol()
    answer = await place.post("/recovery")
    new = codes_of(await answer.text())
    assert answer.status == 200 and len(new) == 10 and not set(old) & set(new)
    assert await place.authenticators.use_recovery("acc_1", old[0], place.ambient.now()) is None
    assert await place.authenticators.use_recovery("acc_1", new[0], place.ambient.now()) == 9
    assert dict(place.acts[-1].facts) == {"means": "recovery"}
    assert "codes de secours" in place.notices[-1]
    assert "9&nbsp;codes de secours" in await (await place.get()).text()
    await place.post("/remove")
    answer = await place.post("/recovery")
    assert (answer.status, answer.headers["Location"]) == (303, HERE)


@pytest.mark.parametrize("path", ["", "/remove", "/recovery"])
async def test_nobody_signed_in_goes_to_sign_in(place: Place, path: str) -> None:
    """Without a session every address leads to the sign-in page, and back."""
    answers = [await place.get()] if not path else []
    answers.append(await place.post(path))
    for answer in answers:
        assert (answer.status, answer.headers["Location"]) == (303, f"/gw/sign-in?reason=no-session&return={HERE}")


@pytest.mark.parametrize(
    ("account", "assurance", "age", "passes"),
    [
        ("acc_1", Assurance.SUBSTANTIAL, 0, True),
        ("acc_1", Assurance.SUBSTANTIAL, 601, False),
        ("acc_1", Assurance.TRANSITION, 0, False),
        ("acc_2", Assurance.TRANSITION, 0, True),
        ("acc_2", Assurance.TRANSITION, 601, False),
        ("acc_2", Assurance.PASSWORD, 0, False),
    ],
)
async def test_r96_adding_takes_a_fresh_strong_proof(
    place: Place, account: str, assurance: Assurance, age: int, passes: bool
) -> None:
    """A card or e-CPS just now; a code just now for an account made by a référent; the form no less than the page."""
    await place.sign_in(assurance, account)
    place.ambient.advance(age)
    page, form = await place.get(), await place.post(code="000000")
    if passes:
        assert page.status == 200
        return
    for answer in (page, form):
        assert answer.status == 303
        assert answer.headers["Location"].startswith("/gw/step-up?then=/account/authenticator")
        assert ("level=strong" in answer.headers["Location"]) is (account == "acc_1")


@pytest.mark.parametrize("path", ["/remove", "/recovery"])
async def test_r96_changing_it_takes_a_fresh_proof(place: Place, path: str) -> None:
    """An old session removes nothing and is shown no codes; a code typed just now is enough."""
    await place.sign_in()
    await place.enrol()
    place.ambient.advance(601)
    answer = await place.post(path)
    assert answer.status == 303 and answer.headers["Location"].startswith("/gw/step-up?")
    assert len(place.acts) == 1
    await place.sign_in(Assurance.TRANSITION)
    assert (await place.post(path)).status in (200, 303)
    assert len(place.acts) == 2


@pytest.mark.parametrize("path", ["", "/remove", "/recovery"])
async def test_h4_foreign_forms_do_nothing(place: Place, path: str) -> None:
    """A form without this browser's token changes nothing."""
    await place.sign_in()
    await place.enrol()
    assert (await place.post(path, csrf="x.y")).status == 403
    assert len(place.acts) == 1
    assert await place.authenticators.recovery_left("acc_1") == 10


async def test_not_offered(place: Place) -> None:
    """Where codes do not come from applications none is added; one that is there can still be removed."""
    await place.sign_in()
    await place.enrol()
    place.house.rules.channels = lambda account, now: ("mail",)
    assert (await place.get()).status == 200
    assert (await place.post("/remove")).status == 303
    for answer in (await place.get(), await place.post(code="123456")):
        assert answer.status == 403
        assert "otpauth" not in await answer.text()
