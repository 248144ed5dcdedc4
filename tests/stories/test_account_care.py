"""Accounts looked after by those who answer for a place (R97–R101, G59): the API, the person's own browser, and at the end
the chain of the audit over all that was done."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Any

import pytest

from tests.bearer import Bearer, Said
from tests.stories.conftest import running
from tests.stories.test_switches import attached, by_name, soon
from tests.stories.ways import DEEP, by_card, by_psc, headers_of
from tests.visitor import Demo, Visitor

PASSWORD = "Un-beau-matin-7"
WHY = {"reason": "essai du récit"}
LEROY = "paul.leroy@example.test"


@pytest.fixture
def referent(demo: Demo) -> Bearer:
    return Bearer(demo, "referent")


@pytest.fixture
def region(demo: Demo) -> Bearer:
    return Bearer(demo, "region")


def invite(to: Bearer, given: str, mail: str, **more: str) -> Said:
    person = {"scope": "ehpad-glycines", "family_name": "Duval", "given_name": given, "mail": mail, **more}
    return to.call("POST", "accounts", person)


def change(to: Bearer, account: str, **changes: Any) -> Said:
    tag = to.get(f"accounts/{account}").headers["ETag"]
    return to.call("PATCH", f"accounts/{account}", {**changes, **WHY}, if_match=tag)


def signs_in(demo: Demo, login: str, password: str, mail: str) -> Visitor:
    visitor = Visitor(demo)
    visitor.get(DEEP)
    visitor.submit("/sign-in/password", identifier=login, password=password, shared="")
    assert "J'ai reçu mon code" in visitor.last.text
    visitor.submit("/sign-in/code", code=demo.code(mail))
    return visitor


def administrator(demo: Demo, key: str, page: str = "") -> Visitor:
    """Somebody who administers, by their card, on this page of the administration."""
    return by_card(demo, key, "professionnel", f"/_gateway/admin{page}")


def test_r100_invited_by_mail_and_in(demo: Demo, referent: Bearer) -> None:
    """A mail with a link, a password of one's own choice, a code at the first sign-in, the charter; the link once only,
    and the référent never learns the password."""
    said = invite(referent, "Ève", "eve.duval@example.test")
    assert said.status == 201, said.body
    account = said.json()
    assert (account["mail_proved"], account["logins"]) == (False, ["eve.duval"])
    link = demo.link("eve.duval@example.test")
    visitor = Visitor(demo)
    for _ in range(2):  # opening it uses nothing
        assert "eve.duval" in visitor.get(link).text
    assert visitor.submit("/invitation", password="court", repeat_password="court").status == 422
    assert visitor.submit("/invitation", password=PASSWORD, repeat_password="autre").status == 422
    visitor.submit("/invitation", password=PASSWORD, repeat_password=PASSWORD)
    assert "/sign-in" in visitor.last.url
    assert "reason=no-session" in visitor.get(DEEP).url  # a link opens no session
    assert Visitor(demo).get(link).status == 403
    demo.forget()
    visitor = signs_in(demo, "eve.duval", PASSWORD, "eve.duval@example.test")
    assert "J'ai lu et accepte les conditions ci-dessus" in visitor.last.text
    assert visitor.submit("/charter", accept="1").url.endswith(DEEP)
    assert headers_of(demo.requests()[-1])["x-vt-structure"] == "1690780010"
    seen = referent.get(f"accounts/{account['id']}")
    assert (seen.json()["standing"], seen.json()["mail_proved"]) == ("open", True)
    assert "argon2" not in seen.body.decode()
    assert "password" not in seen.body.decode()
    invited_again = invite(referent, "Ève", "eve.duval@example.test")
    assert invited_again.status == 422  # another person would have this person's address


def test_r100_links_that_are_good_no_more(demo: Demo, referent: Bearer) -> None:
    """Another invitation voids the first; a link ends after its seven days, with a page that says what to do."""
    account = invite(referent, "Lise", "lise.duval@example.test").json()["id"]
    first = demo.link("lise.duval@example.test")
    admin = administrator(demo, "referent-glycines", f"/accounts/{account}")
    demo.forget()
    admin.submit("/again")
    assert admin.last.status == 200
    second = demo.link("lise.duval@example.test")
    assert second != first
    expired = Visitor(demo).get(first)
    assert expired.status == 403
    assert "Cette invitation n'est plus valable" in expired.text
    waiting = Visitor(demo)
    waiting.get(second)
    demo.advance(7 * 86_400 + 60)
    assert Visitor(demo).get(second).status == 403
    late = waiting.submit("/invitation", password=PASSWORD, repeat_password=PASSWORD)
    assert late.status == 403
    assert referent.get(f"accounts/{account}").json()["mail_proved"] is False
    demo.advance(-7 * 86_400 - 60)


@pytest.mark.parametrize(
    ("field", "value"),
    [("mail", "accueil@ehpad.test"), ("mail", "sans arobase"), ("mail", LEROY.upper()), ("family_name", "SERVICE"),
     ("given_name", "Secrétariat"), ("family_name", "1234"), ("given_name", "a\x1bb"), ("identifier", "99700000006")],
)  # fmt: skip
def test_r98_r99_only_named_people_with_a_mailbox_of_their_own(referent: Bearer, field: str, value: str) -> None:
    """Services, shared and taken addresses, and numbers that are nobody's are refused beside their field."""
    person = {"scope": "ehpad-glycines", "family_name": "Duval", "given_name": "Max", "mail": "max@example.test"}
    said = referent.call("POST", "accounts", {**person, field: value})
    assert said.status == 422
    assert list(said.json()["faults"]) == [field]
    assert referent.get("accounts?q=max@example.test").json()["accounts"] == []


def test_r100_r103_a_mail_corrected(demo: Demo, region: Bearer) -> None:
    """The old address hears of it without reading the new one, which is asked for its proof; nothing goes to the old one
    any more, and the link proves the new one by a click, once."""
    attached(demo, "ehpad-glycines")
    demo.forget()
    assert change(region, "acc_agent-leroy", mail="accueil@example.test").status == 422
    assert change(region, "acc_agent-leroy", mail="nora.vidal@example.test").status == 422
    assert change(region, "acc_agent-leroy", mail="p.leroy@example.test").status == 200
    assert region.get("accounts/acc_agent-leroy").json()["mail_proved"] is False
    notice = demo.mail(LEROY, "adresse")["text"]
    assert "p.leroy@example.test" not in notice
    link = demo.link("p.leroy@example.test")
    assert link not in notice
    demo.forget()
    assert "J'ai reçu mon code" in by_name(Visitor(demo), demo).text
    assert demo.console("GET", f"/mails?to={LEROY}") == []
    visitor = Visitor(demo)
    visitor.get(link)
    assert region.get("accounts/acc_agent-leroy").json()["mail_proved"] is False
    assert "Votre adresse est confirmée" in visitor.submit("/mail/prove").text
    assert region.get("accounts/acc_agent-leroy").json()["mail_proved"] is True
    assert Visitor(demo).get(link).status == 403
    assert change(region, "acc_agent-leroy", mail=LEROY).status == 200
    demo.link(LEROY)


def test_r19_r100_a_corrected_mail_gets_no_code_before_its_link_where_asked(tmp_path_factory: Any) -> None:
    """``account.verify_mail = strict``: no code goes anywhere until the new address is proved."""
    with running(tmp_path_factory.mktemp("strict"), GATEWAY_ACCOUNT__VERIFY_MAIL="strict") as demo:
        national = Bearer(demo, "national")
        assert change(national, "acc_dr-petit", mail="a.petit@example.test").status == 200
        link = demo.link("a.petit@example.test")
        demo.forget()
        refused = by_name(Visitor(demo), demo, "dr-petit")
        assert refused.status == 403
        assert demo.console("GET", "/mails") == []
        visitor = Visitor(demo)
        visitor.get(link)
        visitor.submit("/mail/prove")
        demo.forget()
        soon(lambda: "J'ai reçu mon code" in by_name(Visitor(demo), demo, "dr-petit").text)
        assert demo.mail("a.petit@example.test", "code")


def test_r100_suspended_at_once_and_resumed(demo: Demo, referent: Bearer) -> None:
    """The open session ends with its next request, nobody comes in meanwhile, and all is as before once it is over."""
    visitor = signs_in(demo, "pleroy", demo.person("agent-leroy")["account"]["password"], LEROY)
    assert visitor.last.url.endswith(DEEP)
    assert change(referent, "acc_agent-leroy", suspended=True).json()["standing"] == "suspended"
    demo.forget()
    assert not visitor.get(DEEP).url.endswith(DEEP) or visitor.last.status == 403
    refused = by_name(Visitor(demo), demo)
    assert refused.status in (401, 403)
    assert demo.console("GET", "/mails") == demo.console("GET", "/sms") == demo.requests() == []
    assert change(referent, "acc_agent-leroy", suspended=False).json()["standing"] == "open"
    assert not visitor.get(DEEP).url.endswith(DEEP)  # the session is not what comes back
    demo.advance(60)
    again = signs_in(demo, "pleroy", demo.person("agent-leroy")["account"]["password"], LEROY)
    assert again.last.url.endswith(DEEP)


def test_r97_a_sleeper_is_woken_by_the_referent(demo: Demo, referent: Bearer) -> None:
    """After a year without a sign-in password and code open nothing; once woken they do."""

    def comes_in() -> bool:
        visitor = Visitor(demo)
        by_name(visitor, demo, "agent-noir")
        if "J'ai reçu mon code" in visitor.last.text:
            visitor.submit("/sign-in/code", code=demo.code("+33612345679", "sms"))
        return visitor.last.url.endswith(DEEP)

    with closing(demo.records()) as db:
        long_ago = "last_sign_in_at = '2024-01-01 00:00:00.000000', created_at = '2023-01-01 00:00:00.000000'"
        db.execute(f"UPDATE accounts SET {long_ago} WHERE id = 'acc_agent-noir'")  # noqa: S608
        db.commit()
    soon(lambda: referent.get("accounts/acc_agent-noir").json()["standing"] == "dormant")
    assert not comes_in()
    assert demo.requests() == []
    assert change(referent, "acc_agent-noir", dormant=True).status == 422
    assert change(referent, "acc_agent-noir", dormant=False).json()["standing"] == "open"
    demo.advance(60)
    assert comes_in()


def test_r100_signed_out_everywhere(demo: Demo, referent: Bearer) -> None:
    """All sessions of the person, at once, and no other."""
    visitors = []
    for _ in range(2):
        demo.advance(60)
        visitors.append(
            signs_in(demo, "pleroy", demo.person("agent-leroy")["account"]["password"], LEROY),
        )
    other = Visitor(demo)
    by_psc(other, "dr-bernard")
    before = [one.get(DEEP).url.endswith(DEEP) for one in (*visitors, other)]
    assert before == [True, True, True]
    ended = referent.call("POST", "accounts/acc_agent-leroy/sign-out").json()["ended"]
    assert ended >= 2
    assert [one.get(DEEP).url.endswith(DEEP) for one in (*visitors, other)] == [False, False, True]
    assert referent.call("POST", "accounts/acc_dr-bernard/sign-out").status == 404


def test_r101_detached_from_a_place(demo: Demo, region: Bearer) -> None:
    """Within five seconds the open session speaks for that place no more; the session and the account go on."""
    demo.advance(60)
    visitor = signs_in(demo, "pleroy", demo.person("agent-leroy")["account"]["password"], LEROY)
    assert headers_of(demo.requests()[-1])["x-vt-structure"] == "1690780010"
    assert region.call("DELETE", "accounts/acc_agent-leroy/scopes/ehpad-glycines?reason=essai").status == 204
    gone = time.monotonic()
    while "x-vt-structure" in headers_of(demo.requests()[-1]):
        assert time.monotonic() - gone < 5
        time.sleep(0.1)
        assert visitor.get(DEEP).url.endswith(DEEP)
    assert region.get("accounts/acc_agent-leroy").status == 404  # in nobody's place of this region any more
    attached(demo, "ehpad-glycines")
    deadline = time.monotonic() + 5
    while "x-vt-structure" not in headers_of(demo.requests()[-1]):
        assert time.monotonic() < deadline
        visitor.get(DEEP)


def test_r101_g59_a_referent_who_left_administers_no_more(demo: Demo, region: Bearer) -> None:
    """The role ends with the place, on the page that is open."""
    admin = administrator(demo, "referent-glycines", "/accounts")
    assert admin.last.status == 200
    assert region.call("DELETE", "accounts/acc_referent-glycines/scopes/ehpad-glycines?reason=essai").status == 204
    soon(lambda: admin.get("/_gateway/admin/accounts").status == 404)
    attached_again = {"scope": "ehpad-glycines", **WHY}
    national = Bearer(demo, "national")
    assert national.call("POST", "accounts/acc_referent-glycines/scopes", attached_again).status == 200
    assert admin.get("/_gateway/admin/accounts").status == 404  # the place alone is no role
    role = {"role": "referent", **attached_again}
    assert region.call("POST", "accounts/acc_referent-glycines/roles", role).status == 200
    soon(lambda: admin.get("/_gateway/admin/accounts").status == 200)
