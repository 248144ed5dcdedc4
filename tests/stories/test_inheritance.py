"""Settings and states that come from above (R82–R85, R89, R91), told with the API's tokens, a browser and the demo's clock.

The world of this file has its national cut-off three days ahead.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.bearer import Bearer
from tests.stories.conftest import running
from tests.stories.test_main_job import DEEP, by_psc, headers_of
from tests.stories.test_switches import attached, by_name, soon
from tests.visitor import Demo, Visitor

LEVELS = ("ch-exemple-geriatrie", "ch-exemple", "exemple-sante", "rhone", "aura", "nation")  # nearest first
CUT_OFF = timedelta(days=3)
CODE = "J'ai reçu mon code"
VALUES: dict[str, list[Any]] = {
    "code_validity": [60, 300, 601, 3600, 28_799, 28_800],
    "second_factor_memory": [0, 1, 600, 3600, 14_400, 28_800],
    "session_absolute": [60, 1000, 3600, 7200, 14_399, 14_400],
    "session_idle": [60, 120, 600, 900, 1800, 3600],
    "channels": [["mail"], ["mail", "totp"], ["totp"], ["totp", "mail"], ["mail"], ["totp"]],
    "methods": [["psc"], ["card"], ["psc", "card"], ["psc", "password", "otp_mail"], ["card"], ["psc"]],
    "banner": ["un", "deux", "trois", "quatre", "cinq", "six"],
    "contacts": [
        [{"label": f"Équipe {number}", "url": "tel:+33400000000", "topics": ["codes"][: number % 2]}]
        for number in range(6)
    ],
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    cut_off = (datetime.now().astimezone() + CUT_OFF).isoformat(timespec="seconds")
    with running(tmp_path_factory.mktemp("demo"), GATEWAY_STRONG__MANDATORY_FROM=f'"{cut_off}"') as demo:
        yield demo


@pytest.fixture
def national(demo: Demo) -> Bearer:
    return Bearer(demo, "national")


def policy(national: Bearer, scope: str) -> Any:
    return national.get(f"scopes/{scope}").json()["policy"]


def lets_in(demo: Demo) -> bool:
    return by_name(Visitor(demo), demo).url.endswith(DEEP)


def asks(demo: Demo) -> bool:
    return CODE in by_name(Visitor(demo), demo).text


def undo(national: Bearer, *said: Any) -> None:
    for one in said:
        batch = one.json()["batch"]
        undone = national.call("POST", f"switches/{batch}/undo", {"reason": "fin de l'essai"})
        assert undone.status == 200, undone.body


def test_r82_r91_every_field_at_every_level(demo: Demo, national: Bearer) -> None:
    """Fields set, overridden and unset at six levels in any order: each place shows the nearest value, and whose it is."""
    dice = random.Random(5)
    assert national.edit("ch-exemple", channels=None).status == 200  # the demo's own
    default = policy(national, "nation")
    held: dict[str, dict[str, Any]] = {level: {} for level in LEVELS}
    rounds = [dict.fromkeys(VALUES, True) for _ in LEVELS]  # all of them from the nation down, then at random
    turns = list(zip(reversed(LEVELS), rounds, strict=True))
    turns += [(dice.choice(LEVELS), {one: dice.random() < 0.4 for one in VALUES}) for _ in range(25)]
    turns += [(level, dict.fromkeys(VALUES, False)) for level in LEVELS]
    for level, wanted in turns:
        new = {name: VALUES[name][LEVELS.index(level)] if given else None for name, given in wanted.items()}
        said = national.edit(level, **new)
        assert said.status == 200, (level, new, said.body)
        held[level] |= new
        for number, place in enumerate(LEVELS):
            seen = policy(national, place)
            for name in VALUES:
                source = next((one for one in LEVELS[number:] if held[one].get(name) is not None), None)
                value = held[source][name] if source else default[name]["value"]
                if name == "methods" and value is not None:
                    assert set(seen[name]["value"]) == set(value)
                else:
                    assert seen[name]["value"] == value, (place, name)
                assert seen[name]["from"] == source, (place, name)
                assert seen[name]["set_here"] == (source == place), (place, name)
    assert all(one["from"] is None for one in policy(national, LEVELS[0]).values())


def test_r92_a_banner_and_its_date_come_together(demo: Demo, national: Bearer) -> None:
    """The date of an announcement goes with its words: another place's words do not wait for it."""
    later = (national.now() + timedelta(days=1)).isoformat()
    assert national.edit("rhone", banner="Bientôt", banner_from=later).status == 200
    assert policy(national, LEVELS[0])["banner_from"]["from"] == "rhone"
    assert national.edit("ch-exemple", banner="Maintenant").status == 200
    below = policy(national, LEVELS[0])
    assert (below["banner"]["value"], below["banner_from"]["value"]) == ("Maintenant", None)
    assert national.edit("exemple-sante", banner_from=later).status == 422  # a date without words
    assert national.edit("ch-exemple", banner=None).status == 200
    attached(demo, "ch-exemple")
    visitor = Visitor(demo)
    assert by_name(visitor, demo).url.endswith(DEEP)
    assert "Bientôt" not in visitor.get("/_gateway/account").text
    demo.advance(86_460)
    assert by_name(visitor, demo).url.endswith(DEEP)
    assert "Bientôt" in visitor.get("/_gateway/account").text
    assert national.edit("rhone", banner=None).status == 200
    assert policy(national, "rhone")["banner_from"]["value"] is None


def test_r91_what_is_set_above_is_what_happens_below(demo: Demo, national: Bearer) -> None:
    """A person of the service lives under the values of the region, the department and the entity."""
    attached(demo, LEVELS[0])
    assert national.edit("aura", session_absolute=3600, methods=["card", "password", "otp_mail"]).status == 200
    assert national.edit("rhone", session_idle=600).status == 200
    assert national.edit("exemple-sante", code_validity=120).status == 200
    soon(lambda: policy(national, LEVELS[0])["code_validity"]["value"] == 120)
    visitor = Visitor(demo)
    assert CODE in by_name(visitor, demo).text
    assert "2\u00a0minutes" in demo.mail("paul.leroy@example.test", "code")["text"]
    late = demo.code("paul.leroy@example.test")
    demo.advance(125)
    assert visitor.submit("/sign-in/code", code=late).status == 401
    demo.advance(60)
    visitor = Visitor(demo)
    by_name(visitor, demo)
    assert visitor.submit("/sign-in/code", code=demo.code("paul.leroy@example.test")).url.endswith(DEEP)
    demo.advance(590)
    assert visitor.get(DEEP).url.endswith(DEEP)
    demo.advance(605)
    assert "/sign-in?" in visitor.get(DEEP).url
    assert national.edit("rhone", session_idle=None).status == 200
    visitor = Visitor(demo)
    by_name(visitor, demo)
    visitor.submit("/sign-in/code", code=demo.code("paul.leroy@example.test"))
    for _ in range(4):
        demo.advance(800)
        assert visitor.get(DEEP).url.endswith(DEEP)
    demo.advance(410)
    assert "/sign-in?" in visitor.get(DEEP).url
    for scope, names in (("aura", ("session_absolute", "methods")), ("exemple-sante", ("code_validity",))):
        assert national.edit(scope, **dict.fromkeys(names)).status == 200


def test_r91_a_means_not_allowed_there_lets_nobody_in(demo: Demo, national: Bearer) -> None:
    """A person of a place that leaves out Pro Santé Connect is refused by it, with a page, and keeps the other means."""
    national.call("POST", "accounts/acc_dr-bernard/scopes", {"scope": "had-rhone", "reason": "essai du récit"})
    assert national.edit("rhone", methods=["card"]).status == 200
    visitor = Visitor(demo)
    by_psc(visitor, "dr-bernard")
    assert not visitor.last.url.endswith(DEEP)
    assert demo.requests() == []
    assert national.edit("had-rhone", methods=["psc"]).status == 200  # overridden nearer
    visitor = Visitor(demo)
    by_psc(visitor, "dr-bernard")
    assert visitor.last.url.endswith(DEEP)
    attached(demo, "ssr-lac")
    assert national.edit("rhone", methods=["card", "password"]).status == 200
    soon(lambda: by_name(Visitor(demo), demo).status == 403)  # strong there, and a code would open nothing
    demo.forget()
    refused = by_name(Visitor(demo), demo)
    assert (refused.status, demo.console("GET", "/mails")) == (403, [])
    assert national.edit("rhone", methods=None).status == 200
    assert national.edit("had-rhone", methods=None).status == 200
    gone = national.call("DELETE", "accounts/acc_dr-bernard/scopes/had-rhone?reason=essai")
    assert gone.status == 204


def test_r85_the_strictest_of_two_places(demo: Demo, national: Bearer) -> None:
    """One strong place and one with passwords: a code; the shorter life; channels both allow. Leaving the strong one is
    enough to be let in."""
    attached(demo, "had-rhone")
    assert national.get("scopes/had-rhone").json()["ruling"]["why"] == "before-cut-off"
    soon(lambda: lets_in(demo))
    assert headers_of(demo.requests()[-1])["x-vt-assurance"] == "password"
    both = {"scope": "ssr-lac", "reason": "essai du récit"}
    assert national.call("POST", "accounts/acc_agent-leroy/scopes", both).status == 200
    assert national.edit("had-rhone", code_validity=300, channels=["mail", "sms"]).status == 200
    demo.forget()
    soon(lambda: asks(demo))
    assert "5\u00a0minutes" in demo.mail("paul.leroy@example.test", "code")["text"]
    assert national.edit("had-rhone", code_validity=None, channels=None).status == 200
    gone = national.call("DELETE", "accounts/acc_agent-leroy/scopes/ssr-lac?reason=essai")
    assert gone.status == 204
    soon(lambda: lets_in(demo))


def test_r83_dates_at_several_levels(demo: Demo, national: Bearer) -> None:
    """Dated switches of the region, the establishment and the service: at each hour the nearest that has come speaks."""
    attached(demo, LEVELS[0])
    hour = timedelta(hours=1)
    start = national.now()
    made = [
        national.switch(scope, state, **{"from": (start + begins * hour).isoformat()}, **more)
        for scope, state, begins, more in (
            ("aura", "strong", 1, {}),
            ("exemple-sante", "password_only", 2, {}),
            (LEVELS[0], "password_only", 3, {"until": (start + 5 * hour).isoformat()}),
            (LEVELS[0], "strong", 7, {}),
        )
    ]
    assert [one.status for one in made] == [201] * 4, [one.body for one in made]
    expected = {  # hours after the start → of the service and of two of its neighbours
        0: ("switch", LEVELS[0], "derogation", "ch-exemple", "before-cut-off", None),
        1: ("switch", LEVELS[0], "derogation", "ch-exemple", "switch", "aura"),
        3: ("derogation", LEVELS[0], "derogation", "ch-exemple", "switch", "aura"),
        5: ("derogation-ended", LEVELS[0], "derogation", "ch-exemple", "switch", "aura"),
        7: ("switch", LEVELS[0], "derogation", "ch-exemple", "switch", "aura"),
    }
    passed = 0
    for hours, whys in expected.items():
        demo.advance((hours - passed) * 3600 + (30 if passed == 0 else 0))
        passed = hours
        found: list[str | None] = []
        for scope in (LEVELS[0], "ch-exemple", "had-rhone"):
            ruling = national.get(f"scopes/{scope}").json()["ruling"]
            found += [ruling["why"], ruling["scope"]]
        assert tuple(found) == whys, hours
        assert lets_in(demo) == (whys[0] == "derogation"), hours
    undo(national, *made)


def test_r84_before_and_after_the_national_cut_off(demo: Demo, national: Bearer) -> None:
    """Before it a password enters; from it on a code is asked, open sessions by password end with a page that says why,
    and a derogation goes on until its very end."""
    attached(demo, "had-rhone")
    now = national.now()
    begins = datetime.fromisoformat(national.get("scopes/had-rhone").json()["next_change"])
    assert timedelta(0) < begins - now < CUT_OFF
    off = national.switch("ehpad-noyers", "password_only")  # before the cut-off no derogation is needed
    assert off.status == 201
    until = begins + timedelta(hours=1)
    assert national.switch("esms-aravis", "password_only", until=until.isoformat()).status == 201
    demo.advance((begins - national.now()).total_seconds() - 60)
    visitor = Visitor(demo)
    assert by_name(visitor, demo).url.endswith(DEEP)
    demo.advance(65)
    assert asks(demo)
    assert "reason=level-too-low" in visitor.get(DEEP).url
    assert "L'authentification forte est maintenant demandée" in visitor.last.text
    assert national.get("scopes/had-rhone").json()["ruling"]["why"] == "cut-off"
    assert national.get("scopes/ehpad-noyers").json()["ruling"]["why"] == "cut-off"  # it had no end
    assert national.switch("had-rhone", "password_only").status == 422
    attached(demo, "esms-aravis")
    soon(lambda: lets_in(demo))
    demo.advance((until - national.now()).total_seconds() - 20)
    assert lets_in(demo)
    demo.advance(21)
    assert asks(demo)
    assert national.get("scopes/esms-aravis").json()["ruling"]["why"] == "derogation-ended"


def test_r89_at_the_next_sign_in(tmp_path_factory: pytest.TempPathFactory) -> None:
    """``policy.on_enable = next_login``: an open session goes on until its own end; who signs in anew needs the code."""
    with running(tmp_path_factory.mktemp("next"), GATEWAY_POLICY__ON_ENABLE='"next_login"') as demo:
        region = Bearer(demo, "region")
        attached(demo, "ch-exemple")  # a derogation runs there
        visitor = Visitor(demo)
        soon(lambda: by_name(visitor, demo).url.endswith(DEEP))
        assert region.switch("ch-exemple", "strong").status == 201
        soon(lambda: asks(demo))
        for _ in range(4):  # activity is written down behind the answer: steps of less than half the idle limit
            demo.advance(800)
            assert visitor.get(DEEP).url.endswith(DEEP)
        assert headers_of(demo.requests()[-1])["x-vt-assurance"] == "password"
        demo.advance(1860)
        assert "/sign-in?" in visitor.get(DEEP).url
        assert CODE in by_name(visitor, demo).text
