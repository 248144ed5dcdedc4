"""« Test yourself »: what the page of test assertions answers, judged by the reference of what a backend may believe."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.assertion_check import Unbelievable, conclude
from gateway.edges.keys import Secrets, ensure_secret
from gateway.pages.assertion_tests import AssertionTests
from gateway.pages.house import HOUSE
from gateway.settings.load import load
from tests.ambient import START
from tests.pages.hollow import PREFIX, house_of
from tests.smallest import SMALLEST

STAMPS = {
    "vtgw-client": "192.0.2.7",
    "vtgw-request-id": "ab" * 16,
    "vtgw-scheme": "https",
    "vtgw-host": "vt.test",
}


def asked(secret: Path, paths: Sequence[str]) -> list[Any]:
    """What one worker of the gateway with this secret answers at these paths, in order."""

    async def story() -> list[Any]:
        house = house_of()
        app = web.Application()
        app[HOUSE] = house
        app.router.add_routes(AssertionTests(house, Secrets(secret).key("assertion-tests")).routes())
        found = []
        async with TestClient(TestServer(app), headers=STAMPS) as client:
            for path in paths:
                answer = await client.get(f"{PREFIX}/assertion-tests{path}")
                assert (answer.status, answer.content_type) == (200, "application/json")
                assert answer.headers["Cache-Control"] == "no-store"
                found.append(await answer.json())
        return found

    return asyncio.run(story())


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    return ensure_secret(tmp_path / "gateway.key")


def test_r136_the_document_is_judged_as_it_says(secret: Path) -> None:
    """What it calls good is believed and names the person it says; what it calls bad is refused."""
    (told,) = asked(secret, [""])
    now = datetime.fromtimestamp(told["now"], UTC)
    assert now == START
    assert len(told["good"]) > 10
    assert len(told["bad"]) > 100
    for one in told["good"]:
        found = conclude(one["token"], told["jwks"], told["issuer"], told["audience"], now)
        assert found.person == one["expect"]["person"], one["name"]
        assert (found.delegation is None) == (one["expect"]["delegation"] is None), one["name"]
    for one in told["bad"]:
        with pytest.raises(Unbelievable):
            conclude(one["token"], told["jwks"], told["issuer"], told["audience"], now)
            pytest.fail(f"believed: {one['name']}")


def test_an_application_of_the_gateway_believes_none(secret: Path) -> None:
    """The issuer is the address of the page, not the gateway's, so no application in use takes a test for a person."""
    (told,) = asked(secret, [""])
    assert told["issuer"] == f"https://vt.test{PREFIX}/assertion-tests"
    now = datetime.fromtimestamp(told["now"], UTC)
    for one in told["good"]:
        with pytest.raises(Unbelievable, match="gateway expected"):
            conclude(one["token"], told["jwks"], "https://vt.test", told["audience"], now)


def test_every_worker_answers_with_the_same_keys(secret: Path, tmp_path: Path) -> None:
    """They come from the gateway's secret and from nothing else: equal in each process, others at another gateway."""
    one, again, set_of_one = asked(secret, ["", "", "/jwks.json"])
    (other,) = asked(secret, [""])
    (stranger,) = asked(ensure_secret(tmp_path / "another.key"), [""])
    assert one["jwks"] == again["jwks"] == other["jwks"] == set_of_one
    assert not {key["kid"] for key in one["jwks"]["keys"]} & {key["kid"] for key in stranger["jwks"]["keys"]}


def test_the_keys_say_nothing_secret(secret: Path) -> None:
    """Public halves alone, in the document and beside it; two answers share no assertion."""
    one, keys, two = asked(secret, ["", "/jwks.json", ""])
    for key in (*one["jwks"]["keys"], *keys["keys"]):
        assert key.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert not {each["token"] for each in one["good"]} & {each["token"] for each in two["good"]}


def test_nobody_has_the_page_who_did_not_ask_for_it(tmp_path: Path) -> None:
    """Off in a configuration that says nothing of it."""
    path = tmp_path / "gateway.toml"
    path.write_text(SMALLEST)
    assert load(path).assertion.tests is False
