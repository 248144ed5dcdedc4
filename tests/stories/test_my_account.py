"""« Mon compte »: contact data proved before they change, sessions seen and ended, one's own data (R95, R96, R104)."""

from __future__ import annotations

import json
from contextlib import closing
from urllib.parse import urlencode

import pytest

from tests.stories.ways import DEEP, PASSWORD, by_card, by_password, by_psc, headers_of, registered
from tests.visitor import Demo, Visitor

ACCOUNT = "/_gateway/account"


def rows(demo: Demo, query: str, *values: str) -> list[tuple[object, ...]]:
    with closing(demo.records()) as records:
        return records.execute(query, values).fetchall()


def test_r95_r24_everything_typed_is_shown(demo: Demo) -> None:
    """What was typed at the first connection stands under « Mon compte », identity locked."""
    visitor = registered(
        demo, "dr-garnier", phone="06 12 34 56 81", address="3 rue Neuve", city="Lyon", postal_code="69002"
    )
    page = visitor.get(ACCOUNT).text
    for text in ("GARNIER", "Médecin", "Dermatologie", "elodie.garnier@example.test", "3 rue Neuve", "69002", "Lyon"):
        assert text in page
    assert "06\u00a012\u00a034\u00a056\u00a081" in page
    assert "non vérifié" in page
    assert "à confirmer" in page


def test_r19_the_link_of_a_new_account_proves_its_address(demo: Demo) -> None:
    """The link sent at creation proves the address by a click on the page, not by being opened, and once."""
    visitor = registered(demo, "dr-garnier")
    visitor.get(ACCOUNT)
    visitor.submit("/account/mail/resend")
    link = demo.link("elodie.garnier@example.test")
    assert "Confirmer mon adresse" in visitor.get(link).text
    assert "à confirmer" in visitor.get(ACCOUNT).text
    visitor.get(link)
    assert "Votre adresse est confirmée" in visitor.submit("/mail/prove").text
    assert "à confirmer" not in visitor.get(ACCOUNT).text
    assert visitor.get(link).status == 403


def test_r96_a_new_mail_is_proved_and_the_old_one_hears_of_it(demo: Demo) -> None:
    """An address changes when its link is used; taken, shared and unfit addresses are refused beside the field."""
    visitor = registered(demo, "dr-garnier")
    visitor.get(ACCOUNT)
    for typed, message in (
        ("pas une adresse", "n'est pas valable"),
        ("LUC.BERNARD@Example.Test", "déjà utilisée par un autre compte"),
        ("accueil@example.test", "déjà utilisée par un autre compte"),
        ("elodie.garnier@example.test", "déjà l'adresse de votre compte"),
    ):
        visitor.get(ACCOUNT)
        answer = visitor.submit("/account/mail", email=typed)
        assert answer.status == 422, typed
        assert message in answer.text
    visitor.get(ACCOUNT)
    sent = visitor.submit("/account/mail", email="e.garnier@cabinet.test")
    assert "e.garnier@cabinet.test" in sent.text
    assert rows(demo, "SELECT mail FROM accounts WHERE national_id = '899700100060'") == [
        ("elodie.garnier@example.test",)
    ]
    visitor.get(demo.link("e.garnier@cabinet.test"))
    visitor.submit("/mail/prove")
    assert "e.garnier@cabinet.test" in visitor.get(ACCOUNT).text
    notice = demo.mail("elodie.garnier@example.test", "adresse")
    assert "e•••@c•••.test" in notice["text"]
    assert "e.garnier@cabinet.test" not in notice["text"]
    # and back, so that other stories find their people
    visitor.get(ACCOUNT)
    visitor.submit("/account/mail", email="elodie.garnier@example.test")
    visitor.get(demo.link("elodie.garnier@example.test"))
    visitor.submit("/mail/prove")
    assert "elodie.garnier@example.test" in visitor.get(ACCOUNT).text


def test_r73_a_mobile_is_proved_by_a_code(demo: Demo) -> None:
    """A mobile receives a code first; a wrong one says so, five kill it; a landline is a contact only."""
    visitor = registered(demo, "dr-lambert")
    visitor.get(ACCOUNT)
    assert visitor.submit("/account/phone", phone="12").status == 422
    visitor.get(ACCOUNT)
    landline = visitor.submit("/account/phone", phone="04 72 00 00 01")
    assert "non vérifié" in landline.text
    visitor.get(ACCOUNT)
    asked = visitor.submit("/account/phone", phone="0692 12 34 56")
    assert "•• 56" in asked.text
    assert "+262692123456" not in asked.text
    code = demo.code("+262692123456", "sms")
    wrong = visitor.submit("/account/phone/code", code="000000" if code != "000000" else "111111")
    assert wrong.status == 401
    done = visitor.submit("/account/phone/code", code=f"{code[:3]} {code[3:]}")
    assert "vérifié" in done.text
    assert rows(demo, "SELECT phone FROM accounts WHERE national_id = '899700100078'") == [("+262692123456",)]
    assert demo.mail("hugo.lambert@example.test", "téléphone")
    visitor.get(ACCOUNT)
    visitor.submit("/account/phone", phone="06 12 34 56 99")
    for _ in range(5):
        visitor.submit("/account/phone/code", code="000001")
    right = demo.code("+33612345699", "sms")
    visitor.get("/_gateway/account/phone")
    body = urlencode({"csrf": visitor.last.forms[0].fields["csrf"], "code": right}).encode()
    late = visitor.go("POST", demo.about["gateway"] + "/_gateway/account/phone/code", body, {})
    assert late.status == 401


def test_r75_a_mobile_that_cannot_be_reached(demo: Demo) -> None:
    """When the SMS cannot leave the person is told, and nothing changes."""
    demo.advance(60)
    visitor = registered(demo, "dr-lambert")
    before = rows(demo, "SELECT phone FROM accounts WHERE national_id = '899700100078'")
    demo.console("POST", "/fault", {"component": "sms", "mode": "error"})
    visitor.get(ACCOUNT)
    answer = visitor.submit("/account/phone", phone="06 12 34 56 99")
    demo.console("POST", "/fault", {"component": "sms", "mode": "ok"})
    assert answer.status == 503
    assert "n'a pas pu être envoyé" in answer.text
    assert rows(demo, "SELECT phone FROM accounts WHERE national_id = '899700100078'") == before


def test_r96_an_old_proof_asks_for_a_new_one(demo: Demo) -> None:
    """Eleven minutes after signing in, a change asks to confirm; a code on the old address is enough, and one for
    somebody whose session is gone opens nothing."""
    visitor = Visitor(demo)
    by_password(visitor, "dr-bernard")
    demo.advance(11 * 60)
    asked = visitor.get("/_gateway/account/mail")
    assert "Confirmez que c'est bien vous" in asked.text
    before = visitor.cookies[("localhost", "__Host-vtgw")]
    demo.forget()
    visitor.submit("/step-up", channel="mail")
    code_page = visitor.last
    assert "J'ai reçu mon code" in code_page.text
    code = demo.code("luc.bernard@example.test")
    # a thief with the code page but without the session
    thief = Visitor(demo)
    thief.cookies = {key: value for key, value in visitor.cookies.items() if key[1] != "__Host-vtgw"}
    thief.last = code_page
    stolen = thief.submit("/sign-in/code", code=code)
    assert stolen.status == 403
    assert ("localhost", "__Host-vtgw") not in thief.cookies
    visitor.get("/_gateway/account/mail")
    visitor.submit("/step-up", channel="mail")
    answer = visitor.submit("/sign-in/code", code=demo.code("luc.bernard@example.test"))
    assert answer.url.endswith("/account/mail")
    assert "Nouvelle adresse" in answer.text
    assert visitor.cookies[("localhost", "__Host-vtgw")] != before


def test_r96_means_need_the_strongest_proof(demo: Demo) -> None:
    """A passkey or an application is enrolled after a card or e-CPS only, not after a code."""
    visitor = Visitor(demo)
    by_password(visitor, "dr-bernard")
    asked = visitor.get("/_gateway/account/authenticator")
    assert "Cette action demande votre carte CPS ou votre e-CPS" in asked.text
    assert "Recevoir un code" not in asked.text


def test_sessions_are_listed_and_ended_one_by_one(demo: Demo) -> None:
    """Each open session is shown with its browser; ending one leaves the others."""
    first, second = Visitor(demo), Visitor(demo)
    by_psc(first, "dr-bernard")
    by_psc(second, "dr-bernard")
    page = first.get(ACCOUNT)
    ends = [form for form in page.forms if form.action.endswith("/sessions/end")]
    assert len(ends) >= 2
    assert "celle-ci" in page.text
    own = first.get("/_gateway/session", Accept="application/json").json()
    assert own["signed_in"] is True
    # the newest is the second's
    body = urlencode(ends[0].fields).encode()
    first.go("POST", demo.about["gateway"] + ends[0].action, body, {})
    assert "Se connecter" in second.get(DEEP).text
    assert first.get(DEEP).url.endswith(DEEP)
    # a reference of somebody else's session ends nothing
    other = Visitor(demo)
    by_password(other, "agent-leroy")
    reference = next(form for form in other.get(ACCOUNT).forms if form.action.endswith("/sessions/end")).fields[
        "session"
    ]
    body = urlencode({**ends[0].fields, "session": reference}).encode()
    first.go("POST", demo.about["gateway"] + ends[0].action, body, {})
    assert other.get(DEEP).url.endswith(DEEP)


def test_r104_a_copy_of_everything_and_erasure(demo: Demo) -> None:
    """The export holds what is known and no secret; erasure takes a word, leaves a pseudonym, and the same card can
    begin again."""
    visitor = registered(demo, "dr-lambert")
    visitor.get("/_gateway/account/data")
    copy = visitor.submit("/account/export")
    assert copy.header("Content-Disposition") == 'attachment; filename="viatrajectoire-mes-donnees.json"'
    data = json.dumps(copy.json(), ensure_ascii=False)
    assert "hugo.lambert@example.test" in data
    assert "argon2" not in data
    visitor.get("/_gateway/account/data")
    assert visitor.submit("/account/erase", confirm="oui").status == 422
    (before,) = rows(demo, "SELECT id FROM accounts WHERE national_id = '899700100078'")
    done = visitor.submit("/account/erase", confirm="supprimer")
    assert "Votre compte est supprimé" in done.text
    assert "Se connecter" in visitor.get(DEEP).text
    kept = rows(
        demo, "SELECT family_name, mail, phone, password_hash, national_id FROM accounts WHERE id = ?", str(before[0])
    )
    assert kept == [("", None, None, None, None)]
    assert rows(demo, "SELECT count(*) FROM audit WHERE account = ? AND act = 'account:erase'", str(before[0])) == [
        (1,)
    ]
    visitor.get("/_gateway/sign-in?space=liberal")
    refused = visitor.submit("/sign-in/password", identifier="899700100078", password=PASSWORD)
    assert refused.status == 401
    again = registered(demo, "dr-lambert")
    assert again.last.url.endswith(DEEP)
    assert headers_of(demo.requests()[-1])["x-vt-rpps"] == "99700100078"


@pytest.mark.parametrize("path", ["mail", "phone", "address", "password", "data", "authenticator"])
def test_nobody_is_sent_to_sign_in_and_back(demo: Demo, path: str) -> None:
    """A page of the account asked for without a session leads to sign-in, and then to that page."""
    visitor = Visitor(demo)
    visitor.get(f"/_gateway/account/{path}")
    assert visitor.last.url.split("?")[0].endswith("/sign-in")
    assert f"return=/_gateway/account/{path}" in visitor.last.url.replace("%2F", "/")


def test_r60_must_change_password(demo: Demo) -> None:
    """A password that has to be changed is asked for after the code, and the person then goes where they wanted."""
    with closing(demo.records()) as records:
        records.execute("UPDATE accounts SET password_must_change = TRUE WHERE national_id = '899700100086'")
        records.commit()
    visitor = Visitor(demo)
    by_password(visitor, "dr-rousseau")
    assert "Votre mot de passe doit être changé" in visitor.last.text
    assert [one for one in demo.requests() if "x-vt-idnat-ps" in headers_of(one)] == []
    old = demo.person("dr-rousseau")["account"]["password"]
    same = visitor.submit("/password/renew", current=old, password=old, repeat_password=old)
    assert same.status == 422
    answer = visitor.submit("/password/renew", current=old, password=old + "-bis", repeat_password=old + "-bis")
    assert answer.url.endswith(DEEP)
    back = by_card(demo, "dr-rousseau")
    back.get(ACCOUNT)
    back.submit("/account/password", password=old, repeat_password=old)
