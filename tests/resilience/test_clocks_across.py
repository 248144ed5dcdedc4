"""Clocks that differ by seconds: nothing is refused that should pass, nothing lives longer than by those seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from gateway.assertion_check import LEEWAY, Unbelievable, conclude
from gateway.gate import COOKIE
from tests.resilience.pair import APART, Pair, Wanderer
from tests.stories.test_main_job import DEEP, by_psc, headers_of

PASSWORD = "Un-beau-matin-7"
BOTH = pytest.mark.parametrize(("ahead", "behind"), [("b", "a")])


@contextmanager
def later(pair: Pair, seconds: float) -> Iterator[None]:
    """As if so much time had passed on both machines."""
    before = dict(pair.offset)
    for name in before:
        pair.offset[name] += seconds
    try:
        yield
    finally:
        pair.offset.update(before)


def judged(pair: Pair, visitor: Wanderer, name: str) -> bool:
    """Whether this machine lets the person through to the application."""
    visitor.at(name)
    return visitor.get(DEEP).url.endswith(DEEP)


@pytest.mark.parametrize("name", ["a", "b"])
def test_r136_an_assertion_of_either_machine_is_accepted_by_a_backend_of_the_other(pair: Pair, name: str) -> None:
    """Minted by one, judged by the other's clock within the leeway that is documented, from its first second on; and by
    neither when it is over."""
    visitor = Wanderer(pair, name)
    by_psc(visitor, "dr-bernard")
    token = headers_of(pair.demo.requests()[-1])["x-vt-assertion"]
    keys = visitor.get("/.well-known/jwks.json", Accept="application/json").json()
    assert LEEWAY >= APART
    claims = conclude(token, keys, None, "vt", pair.ambient(name).now()).claims
    issued, ends = (datetime.fromtimestamp(claims[one], UTC) for one in ("iat", "exp"))
    for other in (-APART, 0, APART):
        conclude(token, keys, pair.demo.about["gateway"], "vt", issued + timedelta(seconds=other))
    for other in (-APART, 0, APART):
        with pytest.raises(Unbelievable):
            conclude(token, keys, None, "vt", ends + timedelta(seconds=APART + LEEWAY + other))


@pytest.mark.parametrize(("first", "second"), [("a", "b"), ("b", "a")])
def test_r143_a_session_ends_by_its_idle_time_on_both_within_these_seconds(pair: Pair, first: str, second: str) -> None:
    """Thirty minutes without a request: good until five seconds before on either machine, on neither five seconds after."""
    alive, over = Wanderer(pair, first), Wanderer(pair, first)
    for visitor in (alive, over):
        by_psc(visitor, "dr-petit")
    with later(pair, 1800 - APART - 3):
        assert judged(pair, alive, second)
    with later(pair, 1800 + APART + 1):
        assert not judged(pair, over, second)
        assert not judged(pair, over, first)


@pytest.mark.parametrize(("first", "second"), [("a", "b"), ("b", "a")])
def test_r67_a_code_ends_on_both_within_these_seconds(pair: Pair, first: str, second: str) -> None:
    """Ten minutes: the code of one machine is taken by the other five seconds before its end, and not five after."""
    demo, person = pair.demo, pair.demo.person("dr-bernard")

    def asked() -> tuple[Wanderer, str]:
        demo.forget()
        visitor, account = Wanderer(pair, first), person["account"]
        visitor.get(DEEP)
        visitor.submit("/sign-in/password", identifier=account["identifier"], password=account["password"], shared="")
        return visitor, demo.code(person["mail"])

    for seconds, opens in ((600 - APART - 3, True), (600 + APART + 1, False)):
        visitor, code = asked()
        with later(pair, seconds):
            visitor.at(second)
            visitor.submit("/sign-in/code", code=code)
            assert (("localhost", COOKIE) in visitor.cookies) is opens


@pytest.mark.parametrize(("asked", "ended"), [("b", "a"), ("a", "b")])
def test_a_sign_in_begun_with_the_old_password_ends_with_it_on_any_machine(pair: Pair, asked: str, ended: str) -> None:
    """The old password brought a code, on the machine that is ahead; the password is reset on the one behind, whose clock
    says that this was before: the code opens nothing, and the new password does."""
    demo, person = pair.demo, pair.demo.person("dr-rousseau")
    account = person["account"]
    old = account["password"] if asked == "b" else PASSWORD + "b"
    thief = Wanderer(pair, asked)
    thief.get(DEEP)
    thief.submit("/sign-in/password", identifier=account["identifier"], password=old, shared="")
    code = demo.code(person["mail"])
    owner = Wanderer(pair, ended)
    owner.get("/_gateway/password/forgot")
    owner.submit("/password/forgot", identifier=account["identifier"])
    owner.get(demo.link(person["mail"], "mot de passe"))
    owner.submit("/password/reset", password=PASSWORD + asked, repeat_password=PASSWORD + asked)
    assert owner.last.status == 200, owner.last.text
    assert thief.submit("/sign-in/code", code=code).status == 403
    assert ("localhost", COOKIE) not in thief.cookies
    demo.forget()
    owner.at(ended + asked)
    owner.get(DEEP)
    owner.submit("/sign-in/password", identifier=account["identifier"], password=PASSWORD + asked, shared="")
    owner.submit("/sign-in/code", code=demo.code(person["mail"]))
    assert owner.last.url.endswith(DEEP), owner.last.text


@pytest.mark.parametrize(("asked", "ended"), [("b", "a"), ("a", "b")])
def test_a_mail_link_asked_by_a_thief_dies_with_the_session_on_any_machine(pair: Pair, asked: str, ended: str) -> None:
    """Asked for on the machine that is ahead, everything closed on the one behind a moment later: the link changes nothing;
    one asked for after that, on the one behind, does."""
    demo = pair.demo
    thief, owner = Wanderer(pair, asked), Wanderer(pair, ended)
    for visitor in (thief, owner):
        by_psc(visitor, "dr-bernard")
    thief.get("/_gateway/account")
    thief.submit("/account/mail", email=f"mechant-{asked}@example.test")
    link = demo.link(f"mechant-{asked}@example.test")
    owner.get("/_gateway/account")
    owner.submit("/account/sign-out-everywhere")
    thief.get(link)
    assert thief.submit("/mail/prove").status == 403
    by_psc(owner, "dr-bernard")
    owner.get("/_gateway/account")
    owner.submit("/account/mail", email=f"luc-{asked}@example.test")
    owner.at("ab")
    owner.get(demo.link(f"luc-{asked}@example.test"))
    assert owner.submit("/mail/prove").status == 200, owner.last.text
    owner.get("/_gateway/account")
    owner.submit("/account/mail", email="luc.bernard@example.test")
    owner.get(demo.link("luc.bernard@example.test", "adresse"))
    assert owner.submit("/mail/prove").status == 200, owner.last.text


@pytest.mark.parametrize("way", ["ab", "ba"])
def test_r96_an_old_proof_is_made_fresh_turn_by_turn(pair: Pair, way: str) -> None:
    """Eleven minutes after signing in a change asks to confirm: asked for on one machine, the code sent by the other, typed
    on the first, and the change begins on the second, under another ticket."""
    visitor = Wanderer(pair, way)
    by_psc(visitor, "dr-petit")
    before = visitor.cookies["localhost", COOKIE]
    with later(pair, 11 * 60):
        assert "Confirmez que c'est bien vous" in visitor.get("/_gateway/account/mail").text
        visitor.submit("/step-up", channel="mail")
        assert "J'ai reçu mon code" in visitor.last.text, visitor.last.text
        answer = visitor.submit("/sign-in/code", code=pair.demo.code("anne.petit@example.test"))
        assert answer.url.endswith("/account/mail"), answer.text
        assert "Nouvelle adresse" in answer.text
        assert visitor.cookies["localhost", COOKIE] != before


@pytest.mark.parametrize("everywhere", [False, True])
def test_r144_signed_out_under_a_clock_far_ahead_is_signed_out_when_it_is_right_again(
    pair: Pair, everywhere: bool
) -> None:
    """The page was open, the clock stepped by an hour, and the session counted as idle when its owner pressed the button,
    or ended all others from a new one: whoever has its cookie gets in nowhere once the clock is put back."""
    owner = Wanderer(pair, "a")
    by_psc(owner, "dr-petit")
    owner.get("/_gateway/account")
    thief = Wanderer(pair, "b")
    thief.cookies = dict(owner.cookies)
    with later(pair, 3600):
        if everywhere:
            owner = _by_code(pair)
            owner.get("/_gateway/account")
            owner.submit("/account/sign-out-everywhere")
        else:
            owner.submit("/sign-out")
            assert owner.last.url.endswith("/signed-out")
    for name in "ab":
        assert not judged(pair, thief, name)


def _by_code(pair: Pair) -> Wanderer:
    demo, person = pair.demo, pair.demo.person("dr-petit")
    visitor = Wanderer(pair, "b")
    visitor.get(DEEP)
    account = person["account"]
    visitor.submit("/sign-in/password", identifier=account["identifier"], password=account["password"])
    visitor.submit("/sign-in/code", code=demo.code(person["mail"]))
    return visitor
