"""The pages of passkeys: over real records, sessions and store, with an authenticator in software, without the door."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator
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

from gateway import texts
from gateway.accounts.account import Account
from gateway.accounts.passkeys import NewPasskey, PasskeyRegister
from gateway.accounts.register import Register
from gateway.audit import Act, Record
from gateway.edges.database import Database
from gateway.edges.memory_store import MemoryStore
from gateway.identity import Assurance, Identity, Method, NationalId, Proof, Space
from gateway.pages.base import BROWSER, SESSION
from gateway.pages.house import HOUSE, House
from gateway.pages.passkeys import PasskeyPages
from gateway.pages.regions import Regions
from gateway.providers.devices import Devices
from gateway.providers.passkey import Passkeys, PasskeySettings
from gateway.reasons import Reason
from gateway.session.keeper import Keeper, digest_of
from gateway.session.model import Lifetimes
from tests.accounts.shelf import account, database, row
from tests.ambient import START, TestAmbient
from tests.pages.hollow import NEUTRAL, Nobody
from tests.softkey import SoftKey, b64

ORIGIN = "https://vt.test"
SIGN_IN, MINE = "/gw/sign-in/passkey", "/gw/account/passkeys"
HEADERS = {"vtgw-client": "192.0.2.7", "vtgw-request-id": "a" * 32, "vtgw-scheme": "https", "vtgw-host": "vt.test"}
WHO = Identity(NationalId("8", "99700000005"), "MARTIN", "ANNE", "10")
BROWSERS = ("b" * 43, "c" * 43)
LIVES = Lifetimes(timedelta(hours=4), timedelta(hours=4))


class Bus:
    async def publish(self, message: str) -> None: ...


@dataclass
class Place:
    """The pages, what they write, and a person who may be signed in."""

    client: TestClient[web.Request, web.Application]
    ambient: TestAmbient
    keeper: Keeper
    records: Database
    register: PasskeyRegister
    house: SimpleNamespace
    acts: list[Record] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    allowed: frozenset[Method] | None = None
    ticket: str = ""

    async def be(self, assurance: Assurance = Assurance.SUBSTANTIAL, name: str = "a") -> None:
        """Signed in by card, or by a code."""
        method = Method.CPS if assurance is Assurance.SUBSTANTIAL else Method.OTP_MAIL
        proof = Proof(WHO, method, assurance, self.ambient.now())
        self.ticket, _ = await self.keeper.open(f"acc_{name}", Space.PROFESSIONNEL, (proof,), LIVES, self.ambient.now())

    def headers(self, browser: str) -> dict[str, str]:
        session = f"{SESSION}={self.ticket}; " if self.ticket else ""
        return {**HEADERS, "Cookie": f"{session}{BROWSER}={browser}"}

    async def get(self, path: str, *, browser: str = BROWSERS[0]) -> ClientResponse:
        return await self.client.get(path, headers=self.headers(browser), allow_redirects=False)

    async def post(self, path: str, *, browser: str = BROWSERS[0], csrf: str = "", **fields: str) -> ClientResponse:
        who = hashlib.sha256(browser.encode()).hexdigest()[:32]
        word = hmac.new(self.house.csrf_key, who.encode(), "sha256").hexdigest()[:32]
        headers = {**self.headers(browser), "Content-Type": "application/x-www-form-urlencoded"}
        data = urlencode({"csrf": csrf or f"{who}.{word}", **fields})
        return await self.client.post(path, data=data, headers=headers, allow_redirects=False)

    async def ceremony(self, path: str) -> tuple[str, str]:
        """The options and the attempt of a page."""
        answer = await self.get(path)
        assert answer.status == 200, await answer.text()
        return form_of(await answer.text())

    async def enrol(self, key: SoftKey, name: str = "Mon téléphone") -> ClientResponse:
        options, attempt = await self.ceremony(f"{MINE}/add")
        return await self.post(MINE, attempt=attempt, credential=key.make(options), name=name)

    async def enrolled(self) -> SoftKey:
        """A key of account a, and nobody signed in."""
        await self.be()
        key = SoftKey(ORIGIN)
        assert (await self.enrol(key)).headers["Location"] == f"{MINE}?said=added"
        self.ticket = ""
        self.acts.clear()
        return key


def form_of(page: str) -> tuple[str, str]:
    options = re.search(r'data-options="([^"]*)"', page)
    attempt = re.search(r'name="attempt" value="([^"]*)"', page)
    assert options is not None
    assert attempt is not None
    return unescape(options[1]), attempt[1]


def references(page: str) -> list[str]:
    return re.findall(r'/remove">.*?name="id" value="([0-9a-f]{16})"', page)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    ambient = TestAmbient()
    store = MemoryStore(ambient)
    keeper = Keeper(store, cast(Any, Bus()), ambient)
    async with database(tmp_path) as records:
        await records.write(account("a", national_id="899700000005", profession="10"), account("b"))
        register, accounts = PasskeyRegister(records), Register(records, ambient)
        settings = PasskeySettings.of(ORIGIN, "ViaTrajectoire", b"k" * 32, timedelta(minutes=5))
        provider = Passkeys(settings, accounts, register, ambient)
        place = Place(cast(Any, None), ambient, keeper, records, register, SimpleNamespace())

        async def record(one: Record) -> None:
            place.acts.append(one)

        async def changed(account_id: str) -> None:
            place.changed.append(account_id)

        def post(account: Account, text: texts.Text, kind: str, correlation: str) -> None:
            place.notices.append(text.text)

        given: dict[str, Any] = {
            "prefix": "/gw",
            "public_url": ORIGIN,
            "form_targets": (),
            "ambient": ambient,
            "store": store,
            "keeper": keeper,
            "contexts": Nobody(),
            "register": accounts,
            "providers": {"passkey": provider},
            "methods": {Space.LIBERAL: ["passkey"], Space.PROFESSIONNEL: ["passkey", "password"]},
            "default_space": Space.PROFESSIONNEL,
            "devices": Devices(store, timedelta(days=30)),
            "rules": SimpleNamespace(
                banner=lambda account, now: "",
                contacts=lambda account, now: (),
                above=lambda scope: (),
                strong=lambda account, now: True,
                methods=lambda account, now: place.allowed,
                lifetimes=lambda account, now, shared: LIVES,
                memory=lambda account, now: timedelta(0),
            ),
            "regions": Regions("/gw", NEUTRAL),
            "physicians": frozenset({"10"}),
            "wakers": frozenset({"card", "psc"}),
            "dormancy": timedelta(days=365),
            "freshness": timedelta(minutes=10),
            "warn": timedelta(minutes=2),
            "csrf_key": b"c" * 32,
            "seal": lambda text: text,
            "accessibility": "non conforme",
            "audit": SimpleNamespace(record=record),
            "notices": SimpleNamespace(post=post),
            "changed": changed,
        }
        place.house = SimpleNamespace(**{**dict.fromkeys(one.name for one in fields(House)), **given})
        app = web.Application()
        app[HOUSE] = cast(House, place.house)
        app.add_routes(PasskeyPages(cast(House, place.house), provider, register).routes())
        async with TestClient(TestServer(app)) as client:
            place.client = client
            yield place


def why(place: Place) -> tuple[Reason | None, str]:
    (act,) = place.acts
    assert act.act is Act.SIGN_IN_REFUSED
    assert act.account is None
    return act.reason, act.facts["why"]


# Signing in


async def test_a_passkey_opens_a_session_where_the_person_wanted_to_go(place: Place) -> None:
    """The page carries the ceremony; its answer opens a session at the level of a code."""
    key = await place.enrolled()
    options, attempt = await place.ceremony(f"{SIGN_IN}?space=liberal&return=/dossier?n=1")
    answer = await place.post(SIGN_IN, attempt=attempt, credential=key.use(options))
    assert (answer.status, answer.headers["Location"]) == (303, "/dossier?n=1")
    session = await place.keeper.resume(digest_of(answer.cookies[SESSION].value), place.ambient.now())
    assert session is not None
    assert (session.account, session.space) == ("acc_a", Space.LIBERAL)
    assert (session.method, session.assurance) == (Method.PASSKEY, Assurance.TRANSITION)
    (act,) = place.acts
    assert (act.act, act.account, act.facts["method"]) == (Act.SIGN_IN, "acc_a", "passkey")
    assert b64(key.id) not in str(place.acts)


async def test_fifty_equal_submissions_open_one_session(place: Place) -> None:
    """One assertion, posted fifty times at once: the attempt serves once."""
    key = await place.enrolled()
    options, attempt = await place.ceremony(SIGN_IN)
    credential = key.use(options)
    answers = await asyncio.gather(*(place.post(SIGN_IN, attempt=attempt, credential=credential) for _ in range(50)))
    assert sorted(one.status for one in answers) == [303] + [403] * 49
    assert sum(SESSION in one.cookies for one in answers) == 1
    assert len(await place.keeper.sessions_of("acc_a", place.ambient.now())) == 2  # and the one that added the key


async def test_an_attempt_belongs_to_its_browser(place: Place) -> None:
    """An answer sent from another browser opens nothing, and takes nothing from the one that began."""
    key = await place.enrolled()
    options, attempt = await place.ceremony(SIGN_IN)
    credential = key.use(options)
    other = await place.post(SIGN_IN, browser=BROWSERS[1], attempt=attempt, credential=credential)
    assert (other.status, SESSION in other.cookies) == (403, False)
    assert (await place.post(SIGN_IN, attempt=attempt, credential=credential)).status == 303
    assert (await place.post(SIGN_IN, attempt="none", credential=credential)).status == 403
    assert (await place.post(SIGN_IN, csrf="x.y", attempt=attempt, credential=credential)).status == 403


async def test_r155_a_refusal_has_a_reference_and_other_means(place: Place) -> None:
    """A wrong answer ends its attempt; the page says what to do, and the audit one word."""
    key = await place.enrolled()
    options, attempt = await place.ceremony(f"{SIGN_IN}?space=liberal&return=/dossier")
    answer = await place.post(SIGN_IN, attempt=attempt, credential=key.use(options, flags=1))
    page = unescape(await answer.text())
    assert answer.status == 403
    assert "L'appareil n'a pas vérifié que c'était vous." in page
    assert 'href="/gw/sign-in/passkey?space=liberal&return=/dossier"' in page
    assert 'href="/gw/sign-in?space=liberal&return=/dossier"' in page
    assert "Référence à donner à l'assistance" in page
    assert why(place) == (Reason.PASSKEY_REFUSED, "verification")
    assert (await place.post(SIGN_IN, attempt=attempt, credential=key.use(options))).status == 403


async def test_an_unknown_passkey_is_refused(place: Place) -> None:
    """A key that belongs to no account says so, and nothing of any account."""
    options, attempt = await place.ceremony(SIGN_IN)
    answer = await place.post(SIGN_IN, attempt=attempt, credential=SoftKey(ORIGIN, handle=b"h" * 32).use(options))
    assert "n'est liée à aucun compte" in unescape(await answer.text())
    assert why(place) == (Reason.PASSKEY_UNKNOWN, "unknown")


@pytest.mark.parametrize(("credential", "word"), [("", "empty"), ("{}", "malformed"), ("x" * 20_000, "size")])
async def test_anything_posted_is_a_page(place: Place, credential: str, word: str) -> None:
    """Without script the form posts nothing; that, and what no browser sends, is a refusal in French."""
    _, attempt = await place.ceremony(SIGN_IN)
    answer = await place.post(SIGN_IN, attempt=attempt, credential=credential)
    assert answer.status == 403
    assert why(place) == (Reason.PASSKEY_REFUSED, word)


async def test_r97_a_suspended_or_dormant_account_stays_out(place: Place) -> None:
    """A right passkey goes the way of every proof: standing, space and policy are judged afterwards."""
    key = await place.enrolled()
    person = await row(place.records, "a")
    assert person["suspended_at"] is None
    place.ambient.advance(366 * 86400)
    options, attempt = await place.ceremony(SIGN_IN)
    answer = await place.post(SIGN_IN, attempt=attempt, credential=key.use(options))
    assert (answer.status, SESSION in answer.cookies) == (403, False)
    assert [one.reason for one in place.acts] == [Reason.ACCOUNT_DORMANT]


async def test_a_scope_that_accepts_no_passkeys_keeps_them_out(place: Place) -> None:
    """Neither the way in nor adding one."""
    key = await place.enrolled()
    place.allowed = frozenset({Method.CPS})
    options, attempt = await place.ceremony(SIGN_IN)
    assert (await place.post(SIGN_IN, attempt=attempt, credential=key.use(options))).status == 403
    assert [one.reason for one in place.acts] == [Reason.METHOD_DISABLED]
    await place.be()
    assert (await place.get(f"{MINE}/add")).status == 403


async def test_a_space_without_passkeys_has_no_such_page(place: Place) -> None:
    """What a deployment does not offer does not exist."""
    place.house.methods = {Space.LIBERAL: ["card"], Space.PROFESSIONNEL: ["card"]}
    assert (await place.get(SIGN_IN)).status == 404


async def test_the_page_says_what_it_needs(place: Place) -> None:
    """Without script: a sentence and a way back, and no button that would do nothing."""
    page = unescape(await (await place.get(f"{SIGN_IN}?return=/a")).text())
    assert "Ce moyen a besoin de JavaScript" in page
    assert '<a href="/gw/sign-in?space=professionnel&return=/a">Choisissez un autre moyen</a>' in page
    assert '<button class="wide" type="submit" hidden>' in page


# One's own


async def test_adding_a_passkey_is_written_and_told(place: Place) -> None:
    """The audit before the act, all workers told, a mail sent; and the list shows it."""
    await place.be()
    answer = await place.enrol(SoftKey(ORIGIN), "  Mon <téléphone> ")
    assert answer.headers["Location"] == f"{MINE}?said=added"
    (act,) = place.acts
    assert (act.act, act.account, act.facts["means"]) == (Act.MEANS_ADDED, "acc_a", "passkey")
    assert place.changed == ["acc_a"]
    assert "clé d'accès" in place.notices[0]
    page = await (await place.get(f"{MINE}?said=added")).text()
    assert "Mon &lt;téléphone&gt;" in page
    assert "Votre clé d'accès est ajoutée" in unescape(page)


async def test_adding_takes_a_fresh_card_or_ecps(place: Place) -> None:
    """A code is not enough, nor a card of an hour ago; the way leads through the step-up and back."""
    assert (await place.get(MINE)).headers["Location"] == f"/gw/sign-in?reason=no-session&return={MINE}"
    assert (await place.get(f"{MINE}/add")).headers["Location"].startswith("/gw/sign-in?")
    await place.be(Assurance.TRANSITION)
    step_up = "/gw/step-up?then=/account/passkeys/add&level=strong"
    assert (await place.get(f"{MINE}/add")).headers["Location"] == step_up
    await place.be()
    options, attempt = await place.ceremony(f"{MINE}/add")
    place.ambient.advance(601)
    answer = await place.post(MINE, attempt=attempt, credential=SoftKey(ORIGIN).make(options), name="x")
    assert answer.headers["Location"] == step_up
    assert (place.acts, await place.register.count("acc_a")) == ([], 0)
    assert "Vous n'avez pas encore de clé d'accès." in unescape(await (await place.get(MINE)).text())


async def test_the_options_of_adding_serve_once(place: Place) -> None:
    """Clicked ten times, one key; and not from another browser, another account, or as a sign-in."""
    await place.be()
    key = SoftKey(ORIGIN)
    options, attempt = await place.ceremony(f"{MINE}/add")
    made = key.make(options)
    assert (await place.post(MINE, browser=BROWSERS[1], attempt=attempt, credential=made)).status == 403
    assert (await place.post(SIGN_IN, attempt=attempt, credential=made)).headers.get("Location") == "/"
    answers = await asyncio.gather(*(place.post(MINE, attempt=attempt, credential=made) for _ in range(10)))
    assert sorted(one.status for one in answers) == [303] + [403] * 9
    assert await place.register.count("acc_a") == 1
    _, attempt = await place.ceremony(f"{MINE}/add")
    await place.be(name="b")
    assert (await place.post(MINE, attempt=attempt, credential=made)).status == 403
    assert await place.register.count("acc_b") == 0


async def test_a_sign_in_attempt_adds_nothing(place: Place) -> None:
    """The challenge of a sign-in is none for adding a key."""
    await place.be()
    _, attempt = await place.ceremony(SIGN_IN)
    options, _ = await place.ceremony(f"{MINE}/add")
    assert (await place.post(MINE, attempt=attempt, credential=SoftKey(ORIGIN).make(options))).status == 403
    assert await place.register.count("acc_a") == 0


async def test_a_wrong_new_key_is_refused_with_a_reference(place: Place) -> None:
    """What the device answered wrongly is not kept, and nobody is told that a means was added."""
    await place.be()
    options, attempt = await place.ceremony(f"{MINE}/add")
    answer = await place.post(MINE, attempt=attempt, credential=SoftKey("https://evil.test").make(options), name="x")
    assert answer.status == 403
    assert "Référence à donner" in await answer.text()
    assert (place.acts, place.notices, await place.register.count("acc_a")) == ([], [], 0)


async def test_the_same_key_twice_is_refused(place: Place) -> None:
    """Somebody else's key, or one's own again."""
    key = await place.enrolled()
    await place.be(name="b")
    assert (await place.enrol(key)).status == 403
    assert await place.register.count("acc_b") == 0


async def test_an_eleventh_passkey_is_refused(place: Place) -> None:
    """Ten for an account: neither the page nor a form made by hand gives one more."""
    await place.be()
    options, attempt = await place.ceremony(f"{MINE}/add")
    for number in range(10):
        await place.register.add("acc_a", NewPasskey(f"credential-{number}", "AA", 0, "x", False), START)
    assert (await place.get(f"{MINE}/add")).status == 403
    assert (await place.post(MINE, attempt=attempt, credential=SoftKey(ORIGIN).make(options))).status == 403
    assert await place.register.count("acc_a") == 10
    page = unescape(await (await place.get(MINE)).text())
    assert "Un compte garde 10" in page
    assert 'href="/gw/account/passkeys/add"' not in page


async def test_removing_takes_a_fresh_proof_and_ends_the_key(place: Place) -> None:
    """After a code too (R96); written and told; the key opens nothing any more."""
    key = await place.enrolled()
    await place.be(Assurance.TRANSITION)
    (reference,) = references(await (await place.get(MINE)).text())
    place.ambient.advance(601)
    stale = await place.post(f"{MINE}/remove", id=reference)
    assert stale.headers["Location"] == "/gw/step-up?then=/account/passkeys"
    assert await place.register.count("acc_a") == 1
    await place.be(Assurance.TRANSITION)
    assert (await place.post(f"{MINE}/remove", id=reference)).headers["Location"] == f"{MINE}?said=removed"
    assert [(one.act, one.account) for one in place.acts] == [(Act.MEANS_REMOVED, "acc_a")]
    assert "retiré" in place.notices[-1]
    assert place.changed[-1] == "acc_a"
    options, attempt = await place.ceremony(SIGN_IN)
    assert (await place.post(SIGN_IN, attempt=attempt, credential=key.use(options))).status == 403


async def test_nobody_removes_or_renames_the_key_of_another(place: Place) -> None:
    """A form with the reference of somebody else's key changes nothing, and no audit speaks of it."""
    await place.enrolled()
    (key,) = await place.register.list("acc_a")
    await place.be(name="b")
    await place.post(f"{MINE}/remove", id=key.reference)
    await place.post(f"{MINE}/rename", id=key.reference, name="À moi")
    assert [one.name for one in await place.register.list("acc_a")] == ["Mon téléphone"]
    assert place.acts == []


async def test_a_passkey_is_renamed(place: Place) -> None:
    """By its holder, to a name that can be seen."""
    await place.enrolled()
    await place.be(Assurance.TRANSITION)
    (reference,) = references(await (await place.get(MINE)).text())
    answer = await place.post(f"{MINE}/rename", id=reference, name=" Tablette\u202e ")
    assert answer.headers["Location"] == f"{MINE}?said=renamed"
    assert [one.name for one in await place.register.list("acc_a")] == ["Tablette"]
    empty = await place.post(f"{MINE}/rename", id=reference, name=" \u200b ")
    assert empty.status == 422
    assert "Donnez un nom" in await empty.text()


async def test_no_page_shows_a_credential(place: Place) -> None:
    """The list names keys by a hash; the options of adding name those there are, to the browser alone."""
    key = await place.enrolled()
    await place.be()
    assert b64(key.id) not in await (await place.get(MINE)).text()
    options, _ = await place.ceremony(f"{MINE}/add")
    assert [one["id"] for one in json.loads(options)["excludeCredentials"]] == [b64(key.id)]


def test_the_script_is_light() -> None:
    """No more than 3 kB, nothing from elsewhere."""
    script = Path("gateway/static/passkey.js").read_text()
    assert len(script.encode()) <= 3000
    assert "http" not in script
