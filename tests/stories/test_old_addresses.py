"""What an address, a code, a link or a browser of before still opens once somebody looked after the account: nothing
(R61, R78, R96, R100)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bearer import Bearer
from tests.stories.conftest import running
from tests.stories.test_account_care import LEROY, WHY, change, signs_in
from tests.stories.test_switches import by_name, soon
from tests.stories.ways import DEEP, by_card
from tests.visitor import Demo, Visitor

NEW = "p.leroy@example.test"
CODE = "J'ai reçu mon code"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running(tmp_path_factory.mktemp("demo"), GATEWAY_OTP__SECOND_FACTOR_MEMORY="3600") as demo:
        yield demo


@pytest.fixture
def referent(demo: Demo) -> Iterator[Bearer]:
    """The référent of Paul Leroy, whose address is as it was at the end of each story."""
    bearer = Bearer(demo, "referent")
    demo.advance(120)
    yield bearer
    if bearer.get("accounts/acc_agent-leroy").json()["mail"] != LEROY:
        assert change(bearer, "acc_agent-leroy", mail=LEROY).status == 200
    if bearer.get("accounts/acc_agent-leroy").json()["standing"] == "suspended":
        assert change(bearer, "acc_agent-leroy", suspended=False).status == 200


def password(demo: Demo) -> str:
    return str(demo.person("agent-leroy")["account"]["password"])


def test_r96_r100_a_code_of_the_address_before(demo: Demo, referent: Bearer) -> None:
    """It was sent before the address was corrected: it opens nothing; the next one goes to the new address, though codes
    are good for eight hours here and one was still pending in this browser."""
    visitor = Visitor(demo)
    assert CODE in by_name(visitor, demo).text
    old = demo.code(LEROY)
    assert change(referent, "acc_agent-leroy", mail=NEW).status == 200
    demo.forget()
    visitor.submit("/sign-in/code", code=old)
    assert not visitor.last.url.endswith(DEEP)
    assert referent.get("accounts/acc_agent-leroy").json()["mail_proved"] is False
    demo.advance(120)
    assert CODE in by_name(visitor, demo).text
    assert demo.console("GET", f"/mails?to={LEROY}") == [] or "adresse" in demo.mail(LEROY)["subject"]
    assert visitor.submit("/sign-in/code", code=demo.code(NEW)).url.endswith(DEEP)
    assert referent.get("accounts/acc_agent-leroy").json()["mail_proved"] is True


def test_r61_r100_a_reset_link_of_the_address_before(demo: Demo, referent: Bearer) -> None:
    """A link for a new password that waits in the old mailbox leads nowhere after the correction."""
    visitor = Visitor(demo)
    visitor.get("/_gateway/password/forgot")
    visitor.submit("/password/forgot", identifier="pleroy")
    link = demo.link(LEROY, "mot de passe")
    visitor.get(link)
    assert change(referent, "acc_agent-leroy", mail=NEW).status == 200
    assert Visitor(demo).get(link).status == 403
    late = visitor.submit("/password/reset", password="Autre-jour-de-8h", repeat_password="Autre-jour-de-8h")
    assert late.status == 403
    demo.forget()
    soon(lambda: CODE in by_name(Visitor(demo), demo).text)  # the password is as it was


def test_r100_a_code_of_before_a_suspension(demo: Demo, referent: Bearer) -> None:
    """An attempt that waits for its code ends with the suspension, and does not come back with its end."""
    visitor = Visitor(demo)
    assert CODE in by_name(visitor, demo).text
    page, code = visitor.last, demo.code(LEROY)
    assert change(referent, "acc_agent-leroy", suspended=True).status == 200
    assert not visitor.submit("/sign-in/code", code=code).url.endswith(DEEP)
    assert change(referent, "acc_agent-leroy", suspended=False).status == 200
    visitor.last = page
    assert not visitor.submit("/sign-in/code", code=code).url.endswith(DEEP)
    assert "/sign-in" in visitor.get(DEEP).url


@pytest.mark.parametrize("act", ["sign-out", "suspend"])
def test_r78_r100_browsers_forget_the_second_factor(demo: Demo, referent: Bearer, act: str) -> None:
    """A browser that needs no code for an hour needs one again once the référent closed the sessions or suspended the
    account: that is what they are asked for when something is stolen."""
    visitor = signs_in(demo, "pleroy", password(demo), LEROY)
    assert visitor.last.url.endswith(DEEP)
    visitor.get("/_gateway/account")
    visitor.submit("/sign-out")
    assert by_name(visitor, demo).url.endswith(DEEP)  # remembered
    if act == "sign-out":
        assert referent.call("POST", "accounts/acc_agent-leroy/sign-out").json()["ended"] >= 1
    else:
        assert change(referent, "acc_agent-leroy", suspended=True).status == 200
        assert change(referent, "acc_agent-leroy", suspended=False).status == 200
    demo.advance(60)
    assert CODE in by_name(visitor, demo).text


def test_r100_a_doctor_of_ones_own_is_not_a_referents_to_shut_out(demo: Demo, referent: Bearer) -> None:
    """A number and a name, which are public, attach a doctor with a practice of their own to a place; whoever did so can
    neither suspend them nor change what opens their account, and detaching leaves all as it was."""
    doctor = {"scope": "ehpad-glycines", "family_name": "Bernard", "given_name": "Luc", "mail": "x@example.test"}
    assert referent.call("POST", "accounts", {**doctor, "identifier": "899700100011"}).status == 201
    assert change(referent, "acc_dr-bernard", suspended=True).status == 403
    assert change(referent, "acc_dr-bernard", mail="x@example.test").status == 403
    open_session = by_card(demo, "dr-bernard")
    assert open_session.last.url.endswith(DEEP)
    assert change(Bearer(demo, "region"), "acc_dr-bernard", suspended=True).status == 200
    assert change(Bearer(demo, "region"), "acc_dr-bernard", suspended=False).status == 200
    gone = referent.call("DELETE", f"accounts/acc_dr-bernard/scopes/ehpad-glycines?reason={WHY['reason'][:5]}")
    assert gone.status == 204
    assert referent.get("accounts/acc_dr-bernard").status == 404
