"""Strong authentication per establishment and service (J16, R82–R92), told with the contract alone: the API's tokens, a
browser, the demo's clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.bearer import Bearer
from tests.stories.test_main_job import DEEP, headers_of
from tests.visitor import Answer, Demo, Visitor

SCOPE = "ch-exemple"  # of the demo: a derogation runs there; nobody of the stories is attached


@pytest.fixture
def region(demo: Demo) -> Bearer:
    return Bearer(demo, "region")


def soon(look: Callable[[], bool], seconds: float = 5) -> None:
    """Within the five seconds that policy may take to reach a worker (R83)."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, "not seen within the time"
        time.sleep(0.1)


def attached(demo: Demo, scope: str, key: str = "agent-leroy") -> None:
    """This person works there, and nowhere else."""
    national = Bearer(demo, "national")
    found = national.get(f"accounts/acc_{key}").json()
    for other in found["scopes"]:
        if other != scope:
            assert national.call("DELETE", f"accounts/acc_{key}/scopes/{other}?reason=essai").status in (200, 204)
    if scope not in found["scopes"]:
        said = national.call("POST", f"accounts/acc_{key}/scopes", {"scope": scope, "reason": "essai du récit"})
        assert said.status in (200, 201), said.body


def by_name(visitor: Visitor, demo: Demo, key: str = "agent-leroy") -> Answer:
    account = demo.person(key)["account"]
    visitor.get(DEEP)
    return visitor.submit(
        "/sign-in/password", identifier=account["identifier"], password=account["password"], shared=""
    )


def test_r83_r84_both_directions_and_a_dated_switch(demo: Demo, region: Bearer) -> None:
    """Off needs a derogation; on asks for a code; a date takes effect when it comes, without restart."""
    attached(demo, SCOPE)
    now = region.now()
    refused = region.switch(SCOPE, "password_only")
    assert refused.status == 422
    assert region.switch(SCOPE, "strong").status == 201
    soon(lambda: "J'ai reçu mon code" in by_name(Visitor(demo), demo).text)
    until = (now + timedelta(days=30)).isoformat()
    assert region.switch(SCOPE, "password_only", until=until).status == 201
    soon(lambda: by_name(Visitor(demo), demo).url.endswith(DEEP))
    assert headers_of(demo.requests()[-1])["x-vt-assurance"] == "password"
    assert region.switch(SCOPE, "strong", **{"from": (region.now() + timedelta(hours=2)).isoformat()}).status == 201
    assert by_name(Visitor(demo), demo).url.endswith(DEEP)
    demo.advance(2 * 3600 + 60)
    soon(lambda: "J'ai reçu mon code" in by_name(Visitor(demo), demo).text)


def test_r84_a_derogation_ends_by_itself(demo: Demo, region: Bearer) -> None:
    """The instant it ends, the scope is strong again."""
    attached(demo, SCOPE)
    until = (region.now() + timedelta(hours=1)).isoformat()
    assert region.switch(SCOPE, "password_only", until=until).status == 201
    soon(lambda: by_name(Visitor(demo), demo).url.endswith(DEEP))
    demo.advance(3700)
    soon(lambda: "J'ai reçu mon code" in by_name(Visitor(demo), demo).text)
    assert region.get(f"scopes/{SCOPE}").json()["ruling"]["why"] == "derogation-ended"


def test_r89_open_sessions_end_when_it_is_switched_on(demo: Demo, region: Bearer) -> None:
    """A session by password alone ends at its next request, with a page that says why; a form is not half applied."""
    attached(demo, SCOPE)
    until = (region.now() + timedelta(days=1)).isoformat()
    assert region.switch(SCOPE, "password_only", until=until).status == 201
    visitor = Visitor(demo)

    def within() -> bool:
        return by_name(visitor, demo).url.endswith(DEEP)

    soon(within)
    assert region.switch(SCOPE, "strong").status == 201
    soon(lambda: not visitor.get(DEEP).url.endswith(DEEP))
    assert "reason=level-too-low" in visitor.last.url
    assert "L'authentification forte est maintenant demandée" in visitor.last.text
    demo.forget()
    posted = visitor.raw("POST", demo.about["gateway"] + DEEP, b"a=1", {})
    assert posted.status in (302, 303, 401)
    assert demo.requests() == []


def test_r90_on_during_a_sign_in(demo: Demo, region: Bearer) -> None:
    """The password step began before the switch: the code is asked all the same."""
    attached(demo, SCOPE)
    until = (region.now() + timedelta(days=1)).isoformat()
    assert region.switch(SCOPE, "password_only", until=until).status == 201
    soon(lambda: by_name(Visitor(demo), demo).url.endswith(DEEP))
    visitor = Visitor(demo)
    visitor.get(DEEP)
    assert region.switch(SCOPE, "strong").status == 201
    soon(lambda: region.get(f"scopes/{SCOPE}").json()["state"] == "strong")
    account = demo.person("agent-leroy")["account"]
    visitor.submit("/sign-in/password", identifier=account["identifier"], password=account["password"], shared="")
    assert "J'ai reçu mon code" in visitor.last.text


def test_r90_off_during_a_sign_in(demo: Demo, region: Bearer) -> None:
    """A code was asked: the attempt still ends with the code, although a password is enough by now."""
    attached(demo, SCOPE)
    assert region.switch(SCOPE, "strong").status in (201, 422)  # strong already
    visitor = Visitor(demo)
    soon(lambda: "J'ai reçu mon code" in by_name(visitor, demo).text)
    until = (region.now() + timedelta(days=1)).isoformat()
    assert region.switch(SCOPE, "password_only", until=until).status == 201
    soon(lambda: by_name(Visitor(demo), demo).url.endswith(DEEP))
    wrong = visitor.submit("/sign-in/code", code="000000")
    assert wrong.status == 401
    assert not visitor.get(DEEP).url.endswith(DEEP)


def test_r82_r91_fields_are_inherited_and_bounded(demo: Demo, region: Bearer) -> None:
    """The nearest value wins, field by field; 28 801 seconds are refused; a code says its own life."""
    attached(demo, "ehpad-glycines")
    assert region.edit("exemple-sante", code_validity=900, banner="Bonjour").status == 200
    below = region.get("scopes/ssr-lac").json()["policy"]
    assert below["code_validity"] == {"value": 600, "from": "ssr-lac", "from_name": "SSR du Lac", "set_here": True}
    assert (below["banner"]["value"], below["banner"]["from"]) == ("Bonjour", "exemple-sante")
    assert region.edit("ssr-lac", code_validity=None).status == 200
    assert region.get("scopes/ssr-lac").json()["policy"]["code_validity"]["value"] == 900
    for bad in (28_801, 59, "600", -1, 600.5):
        said = region.edit("ssr-lac", code_validity=bad)
        assert said.status == 422, bad
        assert said.headers["Content-Type"].startswith("application/problem+json")
    assert region.edit("ehpad-glycines", code_validity=28_800, channels=["mail"]).status == 200
    visitor = Visitor(demo)
    demo.forget()
    soon(lambda: "J'ai reçu mon code" in by_name(visitor, demo).text)
    assert "8\u00a0heures" in demo.mail("paul.leroy@example.test", "code")["text"]
    assert region.edit("exemple-sante", code_validity=None, banner=None).status == 200
    assert region.edit("ssr-lac", code_validity=600).status == 200


def test_r87_who_may_switch(demo: Demo, region: Bearer) -> None:
    """A référent may not (403), another region does not see it (404), nobody without a token (401)."""
    referent, national, nobody = Bearer(demo, "referent"), Bearer(demo, "national"), Bearer(demo, None)
    assert referent.get("scopes/ehpad-glycines").status == 200
    assert referent.switch("ehpad-glycines", "strong").status == 403
    assert referent.switch(SCOPE, "strong").status == 404
    assert region.get("scopes/reunion").status == 404
    assert region.switch("reunion", "strong").status == 404
    unknown, hidden = region.get("scopes/nowhere-at-all"), region.get("scopes/reunion")
    assert (unknown.status, hidden.status) == (404, 404)
    same = [{k: v for k, v in one.json().items() if k not in ("reference", "instance")} for one in (unknown, hidden)]
    assert same[0] == same[1]
    assert nobody.get("scopes").status == 401
    assert national.get("scopes/reunion").status == 200
    assert {one["id"] for one in referent.get("scopes").json()["scopes"]} == {"ehpad-glycines"}
    asked = referent.call("POST", "scopes/ehpad-glycines/requests", {"reason": "Toute l'équipe est prête"})
    assert asked.status == 201


def test_r91_two_editors_at_once(demo: Demo, region: Bearer) -> None:
    """The second of two editors is told, and nothing of the first is lost."""
    tag = region.get(f"scopes/{SCOPE}").headers["ETag"]
    body = {"banner": "Le premier", "reason": "essai du récit"}
    assert region.call("PATCH", f"scopes/{SCOPE}", body, if_match=tag).status == 200
    late = region.call("PATCH", f"scopes/{SCOPE}", {"banner": "Le second", "reason": "essai du récit"}, if_match=tag)
    assert late.status == 412
    assert region.call("PATCH", f"scopes/{SCOPE}", {"banner": "Sans", "reason": "essai du récit"}).status == 428
    assert region.get(f"scopes/{SCOPE}").json()["policy"]["banner"]["value"] == "Le premier"


def test_r93_the_audit_says_who_when_what_and_why(demo: Demo, region: Bearer) -> None:
    """Old and new values, the reason and the author of a change."""
    assert region.edit(SCOPE, session_idle=1200).status == 200
    rows = region.get(f"audit?scope={SCOPE}").json()["audit"]
    facts = next(one for one in rows if one["act"] == "policy:change")["facts"]
    assert "1200" in facts["new"]
    assert facts["why"] == "essai du récit"
    assert facts["author"].startswith("token:")
    assert region.edit(SCOPE, session_idle=None).status == 200


def test_g26_break_glass(demo: Demo, region: Bearer) -> None:
    """An emergency opens a scope to passwords, for a day at most, and not by a référent."""
    attached(demo, "ehpad-glycines")
    now = region.now()
    path, why = "scopes/ehpad-glycines/breakglass", "La messagerie est en panne"
    long = region.call("POST", path, {"until": (now + timedelta(hours=25)).isoformat(), "reason": why})
    assert long.status == 422
    short = {"until": (now + timedelta(hours=2)).isoformat(), "reason": why}
    assert Bearer(demo, "referent").call("POST", path, short).status == 403
    assert region.call("POST", path, short).status == 201
    visitor = Visitor(demo)

    def within() -> bool:
        return by_name(visitor, demo).url.endswith(DEEP)

    soon(within)
    demo.advance(2 * 3600 + 60)
    soon(lambda: "J'ai reçu mon code" in by_name(Visitor(demo), demo).text)
