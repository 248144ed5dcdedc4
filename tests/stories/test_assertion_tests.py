"""Test assertions of a whole gateway, asked for as an application's people ask for them; and a gateway that has none."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.assertion_check import Unbelievable, conclude
from tests.stories.conftest import running
from tests.visitor import Demo, Visitor

PAGE = "/_gateway/assertion-tests"


def told(demo: Demo, path: str = PAGE) -> Any:
    answer = Visitor(demo).get(path)
    assert answer.status == 200
    assert str(answer.header("Content-Type")).startswith("application/json")
    return answer.json()


def test_r136_the_demo_answers_with_what_a_backend_must_tell_apart(demo: Demo) -> None:
    """Nobody needs to sign in; what is good is believed with the keys that stand in the document and at their address."""
    found = told(demo)
    now = datetime.fromtimestamp(found["now"], UTC)
    assert told(demo, f"{PAGE}/jwks.json") == found["jwks"]
    for one in found["good"]:
        said = conclude(one["token"], found["jwks"], found["issuer"], found["audience"], now)
        assert said.person == one["expect"]["person"]
    for one in found["bad"]:
        with pytest.raises(Unbelievable):
            conclude(one["token"], found["jwks"], found["issuer"], found["audience"], now)
            pytest.fail(f"believed: {one['name']}")


def test_test_assertions_count_for_nobody(demo: Demo) -> None:
    """Their keys are not the gateway's, their issuer is not either; the application takes none of them, and one that
    comes from outside does not even reach it."""
    found, keys = told(demo), told(demo, "/_gateway/jwks.json")
    assert found["issuer"] == demo.about["gateway"] + PAGE
    assert not {one["kid"] for one in keys["keys"]} & {one["kid"] for one in found["jwks"]["keys"]}
    for one in found["good"][:3]:
        headers = {"X-VT-Assertion": one["token"], "Accept": "application/json"}
        request = urllib.request.Request(demo.about["backend"] + "/", headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert json.load(answer)["identity"] is None
        Visitor(demo).raw("GET", demo.about["gateway"] + "/Trajectoire/Pages/AccesLibre/", None, headers)
        sent = {name.lower() for name, _ in demo.requests()[-1]["headers"]}
        assert "x-vt-assertion" not in sent


def test_off_there_is_no_such_page(tmp_path: Path) -> None:
    """Both addresses are like any that does not exist."""
    with running(tmp_path / "off", GATEWAY_ASSERTION__TESTS="false") as demo:
        for path in (PAGE, f"{PAGE}/jwks.json", "/_gateway/no-such-page"):
            answer = Visitor(demo).get(path)
            assert answer.status == 404
            assert "kid" not in answer.text
        assert told(demo, "/_gateway/jwks.json")["keys"]
