"""Pro Santé Connect against the simulator: the whole flow, and every way the other side can be wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest
from aiohttp import web

from gateway.demo.psc import Behaviour, Client, PscPerson, Simulator
from gateway.identity import Assurance, Method, Proof, Space
from gateway.providers.base import Attempt, Outcome, Rejected, Reply
from gateway.providers.oidc import OidcSettings, OpenIdProvider
from gateway.reasons import ProviderUnavailable, Reason
from tests.ambient import START, TestAmbient
from tests.servers import free_port

CALLBACK = "https://vt.test/_gateway/sign-in/psc/callback"
PEOPLE = [
    PscPerson("dr", "899700000005", "D’Almeida", "Inès", "10", "SM54"),
    PscPerson("social", "899700100011", "Roux", "Sam", "99", role="331", mode="S"),
    PscPerson("staff", "3690780028/000000042", "Moreau", "Léa", "", mode="S"),
    PscPerson("old", "0069209997", "Petit", "Paul", "10"),
    PscPerson("moved", "899700100029", "Petit", "Paul", "10", other_ids=[("ADELI", "069209997")]),
    PscPerson("student", "899700100037", "Faure", "Zoé", "10", category="E"),
    PscPerson("raw", "ANS20231122132732", "Granger", "Fabien", ""),
]


@dataclass
class Flow:
    simulator: Simulator
    provider: OpenIdProvider
    ambient: TestAmbient
    http: aiohttp.ClientSession
    query: dict[str, str] | None = None

    async def run(self, person: str = "dr", mode: str = "MOBILE", **changes: str | None) -> Outcome:
        """A whole sign-in; ``changes`` alter the query that comes back."""
        attempt = Attempt("att1", "b", Space.LIBERAL, "/", "psc", START)
        prompt = await self.provider.begin(attempt, self.ambient.now())
        attempt = replace(attempt, memory=prompt.memory)
        form = dict(parse_qsl(urlsplit(prompt.url).query)) | {"person": person, "mode": mode}
        if person == "refuse":
            form["refuse"] = "1"
        address = prompt.url.partition("?")[0]
        async with self.http.post(address, data=form, allow_redirects=False) as answer:
            assert answer.status == 302
            where = answer.headers["Location"]
        assert where.startswith(CALLBACK + "?")
        query: dict[str, str | None] = {**dict(parse_qsl(urlsplit(where).query)), **changes}
        self.query = {name: value for name, value in query.items() if value is not None}
        return await self.provider.complete(attempt, Reply(self.query), self.ambient.now())


@pytest.fixture
async def flow() -> AsyncIterator[Flow]:
    ambient, port = TestAmbient(), free_port()
    issuer = f"http://127.0.0.1:{port}/auth/realms/esante-wallet"
    client = Client("sécret/:+", [CALLBACK], ["https://vt.test/_gateway/signed-out"])
    simulator = Simulator(issuer, PEOPLE, {"vt gateway": client}, ambient.now)
    runner = web.AppRunner(simulator.app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        settings = OidcSettings(
            issuer=issuer,
            discovery_url=issuer + "/.well-known/wallet-openid-configuration",
            client_id="vt gateway",
            client_secret=client.secret,
            redirect_uri=CALLBACK,
            post_logout_redirect_uri=client.post_logout[0],
        )
        yield Flow(simulator, OpenIdProvider(settings, http, ambient), ambient, http)
    await runner.cleanup()


async def test_r39_sign_in_by_ecps(flow: Flow) -> None:
    """A doctor who approves on the phone is proved with RPPS, names of exercise and profession."""
    proof = await flow.run()
    assert isinstance(proof, Proof)
    assert proof.identity.id is not None
    assert (proof.identity.id.rpps, proof.identity.family_name) == ("99700000005", "D’ALMEIDA")
    assert (proof.identity.profession, proof.identity.specialty) == ("10", "SM54")
    assert (proof.method, proof.assurance) == (Method.PSC_ECPS, Assurance.SUBSTANTIAL)
    assert proof.until == START + timedelta(hours=4)


async def test_r141_card_inside_psc_is_told_apart(flow: Flow) -> None:
    """A sign-in by card through PSC is psc-cps."""
    proof = await flow.run(mode="CARD")
    assert isinstance(proof, Proof)
    assert proof.method is Method.PSC_CPS


@pytest.mark.parametrize(
    ("person", "identifier", "profession", "claims"),
    [
        ("social", "899700100011", "99", {"roles": "331", "modes": "S"}),
        ("staff", "3690780028/000000042", None, {"modes": "S"}),
        ("old", "0069209997", "10", {}),
        ("student", "899700100037", None, {"student_professions": "10"}),
    ],
)
async def test_identifiers_and_professions(
    flow: Flow, person: str, identifier: str, profession: str | None, claims: dict[str, str]
) -> None:
    """Every kind of person gets its own identifier, and no right that is not theirs."""
    proof = await flow.run(person)
    assert isinstance(proof, Proof)
    assert proof.identity.id is not None
    assert (proof.identity.id.text, proof.identity.profession) == (identifier, profession)
    assert claims.items() <= proof.identity.claims.items()


async def test_r57_rpps_first_and_adeli_as_alias(flow: Flow) -> None:
    """Who moved from ADELI to RPPS answers to both, the RPPS first."""
    proof = await flow.run("moved")
    assert isinstance(proof, Proof)
    assert proof.identity.keys == ("899700100029", "0069209997")


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (Behaviour(acr=None), None),
        (Behaviour(acr="eidas3"), None),
        (Behaviour(acr="eidas9"), Reason.PSC_LEVEL),
        (Behaviour(acr="1"), Reason.PSC_LEVEL),
        (Behaviour(userinfo_jwt=True), None),
        (Behaviour(claims={"nonce": "other"}), Reason.PSC_NONCE),
        (Behaviour(claims={"nonce": None}), Reason.PSC_NONCE),
        (Behaviour(claims={"aud": "someone-else"}), Reason.PSC_TOKEN),
        (Behaviour(claims={"aud": ["vt gateway", "x"], "azp": "x"}), Reason.PSC_TOKEN),
        (Behaviour(claims={"iss": "https://evil.test"}), Reason.PSC_TOKEN),
        (Behaviour(claims={"exp": 1}), Reason.PSC_TOKEN),
        (Behaviour(claims={"exp": "9999999999"}), Reason.PSC_TOKEN),
        (Behaviour(claims={"exp": None}), Reason.PSC_TOKEN),
        (Behaviour(claims={"iat": 1}), Reason.PSC_TOKEN),
        (Behaviour(claims={"at_hash": "wrong"}), Reason.PSC_TOKEN),
        (Behaviour(claims={"typ": "Logout"}), Reason.PSC_TOKEN),
        (Behaviour(claims={"sub": ""}), Reason.PSC_TOKEN),
        (Behaviour(algorithm="none"), Reason.PSC_TOKEN),
        (Behaviour(algorithm="HS256"), Reason.PSC_TOKEN),
        (Behaviour(kid="unknown"), Reason.PSC_TOKEN),
        (Behaviour(info={"sub": "f:x:other"}), Reason.PSC_SUBJECT),
        (Behaviour(info={"preferred_username": "899700100011"}), Reason.PSC_CONTRADICTION),
        (Behaviour(info={"otherIds": [{"identifiant": "899700100011", "origine": "RPPS"}]}), Reason.PSC_CONTRADICTION),
        (
            Behaviour(info={"SubjectNameID": "899700000006", "preferred_username": "", "otherIds": []}),
            Reason.PSC_CONTRADICTION,
        ),
        (Behaviour(info={"family_name": "A\r\nX-VT-RPPS: 1"}, drop_info=("SubjectRefPro",)), Reason.PSC_USERINFO),
        (Behaviour(info={"family_name": 7}, drop_info=("SubjectRefPro",)), Reason.PSC_USERINFO),
        (Behaviour(info={"SubjectRefPro": None, "otherIds": None}), None),
        (Behaviour(drop_info=("SubjectRefPro", "otherIds", "authMode")), None),
        (Behaviour(callback={"iss": None}), None),
        (Behaviour(callback={"iss": "https://evil.test"}), Reason.PSC_ISSUER),
        (Behaviour(callback={"state": "att1.guess"}), Reason.PSC_STATE),
        (Behaviour(callback={"code": "guess"}), Reason.PSC_CODE_REFUSED),
        (Behaviour(callback={"code": None}), Reason.PSC_CODE_REFUSED),
        (Behaviour(callback={"error": "invalid_scope"}), Reason.PSC_ERROR),
        (Behaviour(callback={"error": "login_required"}), Reason.PSC_ERROR),
    ],
)
async def test_r40_r42_what_the_provider_may_say(flow: Flow, behaviour: Behaviour, reason: Reason | None) -> None:
    """Each wrong answer has its own reason, and each tolerated one is a proof."""
    flow.simulator.behaviour = behaviour
    outcome = await flow.run()
    if reason is None:
        assert isinstance(outcome, Proof)
    else:
        assert isinstance(outcome, Rejected)
        assert outcome.reason is reason


async def test_r42_the_person_refuses(flow: Flow) -> None:
    """« Refuser » is a foreseen answer of its own."""
    outcome = await flow.run("refuse")
    assert isinstance(outcome, Rejected)
    assert outcome.reason is Reason.PSC_CANCELLED


async def test_r42_an_outage_is_not_a_refusal(flow: Flow) -> None:
    """A provider that is down, failing or temporarily unavailable raises, so that nobody is told no."""
    for mode in ("down", "error"):
        flow.simulator.behaviour = Behaviour(mode=mode)
        with pytest.raises(ProviderUnavailable):
            await flow.provider.begin(Attempt("a", "b", Space.LIBERAL, "/", "psc", START), START)
    flow.simulator.behaviour = Behaviour(callback={"error": "temporarily_unavailable"})
    with pytest.raises(ProviderUnavailable):
        await flow.run()


async def test_a_code_is_redeemed_once(flow: Flow) -> None:
    """The same answer a second time gives no second proof."""
    assert isinstance(await flow.run(), Proof)
    assert flow.query is not None
    attempt = Attempt("att1", "b", Space.LIBERAL, "/", "psc", START)
    prompt = await flow.provider.begin(attempt, START)
    memory = {**prompt.memory, "state": flow.query["state"]}
    outcome = await flow.provider.complete(replace(attempt, memory=memory), Reply(flow.query), START)
    assert isinstance(outcome, Rejected)
    assert outcome.reason is Reason.PSC_CODE_REFUSED


async def test_o7_rotated_keys_are_fetched_once_a_minute(flow: Flow) -> None:
    """After a rotation the next sign-in fetches the new keys; within the minute unknown keys fetch nothing."""
    assert isinstance(await flow.run(), Proof)
    flow.simulator.rotate()
    outcome = await flow.run()
    assert isinstance(outcome, Rejected)
    flow.ambient.advance(61)
    assert isinstance(await flow.run(), Proof)


async def test_raw_test_identities_only_where_accepted(flow: Flow) -> None:
    """An identity without national number is refused, unless the deployment accepts test identities."""
    outcome = await flow.run("raw")
    assert isinstance(outcome, Rejected)
    assert outcome.reason is Reason.PSC_NO_IDENTIFIER


async def test_r43_the_session_counts_from_the_sign_in_at_psc(flow: Flow) -> None:
    """Who comes back through PSC's own session gets what is left of its four hours."""
    flow.simulator.behaviour = Behaviour(claims={"auth_time": int(START.timestamp()) - 3600})
    proof = await flow.run()
    assert isinstance(proof, Proof)
    assert proof.until == START + timedelta(hours=3)


async def test_r44_sign_out_address(flow: Flow) -> None:
    """The sign-out address names the ID token and the way back."""
    url = await flow.provider.end_session_url("idt", "st")
    assert url is not None
    assert dict(parse_qsl(urlsplit(url).query)) == {
        "id_token_hint": "idt",
        "post_logout_redirect_uri": "https://vt.test/_gateway/signed-out",
        "state": "st",
    }


def test_the_secret_never_shows() -> None:
    """A client secret stands in no repr."""
    settings: Any = OidcSettings("i", "d", "c", "r", "p", client_secret="marked-secret")
    assert "marked" not in repr(settings)
