"""The same gateway with other settings: links before codes, remembered factors, personal mailboxes only, a new charter."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlencode

import pytest

from tests.stories.conftest import running
from tests.stories.ways import DEEP, PASSWORD, by_card, by_password, by_psc, headers_of
from tests.visitor import Demo, Visitor

SESSION = ("localhost", "__Host-vtgw")
OTHER = {
    "GATEWAY_ACCOUNT__VERIFY_MAIL": "strict",
    "GATEWAY_ACCOUNT__GENERIC_MAILBOX": "refuse",
    "GATEWAY_ACCOUNT__GENERIC_ACCOUNT": "block",
    "GATEWAY_ACCOUNT__REQUIRED_FIELDS": '["email", "password", "postal"]',
    "GATEWAY_OTP__SECOND_FACTOR_MEMORY": "28800",
    "GATEWAY_CHARTER__VERSION": '"2"',
    "GATEWAY_PASSWORD__MAX_AGE_DAYS": "180",
    "GATEWAY_UI__TIMEZONE": "Indian/Reunion",
}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A world of its own with the settings above."""
    with running(tmp_path_factory.mktemp("strict"), **OTHER) as demo:
        yield demo


def test_r27_a_new_charter_is_asked_once(strict: Demo) -> None:
    """Accounts that accepted another version see the charter once, after signing in, and never again."""
    visitor = Visitor(strict)
    by_password(visitor, "dr-bernard")
    assert visitor.last.url.endswith(DEEP)  # the demo's own accounts accepted the version of this world
    with closing(strict.records()) as records:
        records.execute("UPDATE accounts SET charter_version = '1 0000' WHERE id = 'acc_dr-petit'")
        records.commit()
    other = Visitor(strict)
    by_password(other, "dr-petit")
    assert "J'ai lu et accepte les conditions ci-dessus" in other.last.text
    script = other.raw("GET", strict.about["gateway"] + DEEP, None, {"Sec-Fetch-Mode": "cors", "Accept": "*/*"})
    assert (script.status, script.json()["reason"]) == (403, "charter-missing")
    assert other.submit("/charter").status == 422
    assert other.submit("/charter", accept="1").url.endswith(DEEP)
    again = Visitor(strict)
    by_password(again, "dr-petit")
    assert again.last.url.endswith(DEEP)


def test_r19_r20_r12_strict_registration(strict: Demo) -> None:
    """Shared mailboxes are refused, postal code and town are asked for, a town is found without script, and no code goes
    to an address before its link was used."""
    visitor = by_card(strict, "dr-garnier")
    given = {"email": "secretariat@cabinet.test", "password": PASSWORD, "repeat_password": PASSWORD}
    refused = visitor.submit("/register", **given)
    assert refused.status == 422
    assert "Cette adresse semble partagée" in refused.text
    assert refused.text.count("Ce champ est obligatoire.") >= 2
    found = visitor.submit("/register", find="1", email="e.garnier@cabinet.test", city="saint denis", postal_code="974")
    assert "Saint-Denis" in found.text
    assert 'value="e.garnier@cabinet.test"' in found.text
    given |= {"email": "e.garnier@cabinet.test", "postal_code": "97400", "city": "Saint-Denis"}
    visitor.submit("/register", **given)
    assert visitor.submit("/charter", accept="1").url.endswith(DEEP)
    link = strict.link("e.garnier@cabinet.test")
    other = Visitor(strict)
    other.get("/_gateway/sign-in?space=liberal")
    early = other.submit("/sign-in/password", identifier="899700100060", password=PASSWORD)
    assert early.status == 403
    assert "Confirmez d'abord votre adresse" in early.text
    other.get(link)
    other.submit("/mail/prove")
    other.get("/_gateway/sign-in?space=liberal")
    other.submit("/sign-in/password", identifier="899700100060", password=PASSWORD)
    assert "J'ai reçu mon code" in other.last.text


def test_r21_a_registration_left_at_the_charter_is_resumed(strict: Demo) -> None:
    """Closing the browser at the charter leaves no account and no code; the next strong sign-in goes on at the charter."""
    first = by_card(strict, "dr-lambert")
    first.submit(
        "/register", email="h.lambert@cabinet.test", password=PASSWORD, repeat_password=PASSWORD,
        postal_code="38000", city="Grenoble",
    )  # fmt: skip
    assert "J'ai lu et accepte" in first.last.text
    nobody = Visitor(strict)
    nobody.get("/_gateway/sign-in?space=liberal")
    assert nobody.submit("/sign-in/password", identifier="899700100078", password=PASSWORD).status == 401
    strict.advance(3600)
    back = by_card(strict, "dr-lambert")
    assert "J'ai lu et accepte" in back.last.text
    back.submit("/charter", accept="1")
    assert "Grenoble" in back.get("/_gateway/account").text


def test_r78_the_same_browser_needs_no_second_code(strict: Demo) -> None:
    """For eight hours the password is enough where a code was given; a second later it is not, nor in another browser;
    and what was remembered confirms nothing sensitive."""
    visitor = Visitor(strict)
    by_password(visitor, "dr-petit")
    assert visitor.last.url.endswith(DEEP)
    visitor.get("/_gateway/account")
    visitor.submit("/sign-out")
    strict.forget()
    account = strict.person("dr-petit")["account"]

    def password_only(one: Visitor) -> bool:
        one.get(DEEP)
        one.submit("/sign-in/password", identifier=account["identifier"], password=account["password"], shared="")
        return SESSION in one.cookies

    assert password_only(visitor)
    assert headers_of(strict.requests()[-1])["x-vt-auth-method"] == "otp-mail"
    assert strict.console("GET", "/mails") == []
    assert "Confirmez que c'est bien vous" in visitor.get("/_gateway/account/mail").text
    assert not password_only(Visitor(strict))
    visitor.get("/_gateway/account")
    visitor.submit("/sign-out")
    strict.advance(8 * 3600 + 1)
    assert not password_only(visitor)


def test_r98_a_generic_account_is_kept_from_codes(strict: Demo) -> None:
    """An account named after a service is told to get one for a person."""
    account = strict.person("service-admissions")["account"]
    visitor = Visitor(strict)
    visitor.get(DEEP)
    answer = visitor.submit("/sign-in/password", identifier="admissions", password=account["password"], shared="")
    assert answer.status == 403
    assert "Ce compte n'est pas nominatif" in answer.text


def test_r60_r154_an_old_password_and_the_hour_of_la_reunion(strict: Demo) -> None:
    """After 180 days the password is renewed after the code; times are those of the region."""
    strict.advance(181 * 24 * 3600)
    visitor = Visitor(strict)
    by_password(visitor, "dr-bernard")
    assert "Votre mot de passe doit être changé" in visitor.last.text
    mail = strict.mail("luc.bernard@example.test", "code de connexion")
    now = strict.console("GET", "/clock")["now"]
    hour = (int(now[11:13]) + 4) % 24
    assert f"{hour}\u00a0h" in mail["text"] or f"{(hour + 1) % 24}\u00a0h" in mail["text"]
    old = strict.person("dr-bernard")["account"]["password"]
    done = visitor.submit("/password/renew", current=old, password=old + "-2", repeat_password=old + "-2")
    assert done.url.endswith(DEEP)


def test_r4_r89_a_weak_session_is_asked_for_more(strict: Demo) -> None:
    """A doctor signed in by password alone, whose establishment is switched on meanwhile: requests are challenged, and
    changing to the médecin libéral space asks for a code first, then happens with a new ticket."""
    with closing(strict.records()) as records:
        records.execute("INSERT INTO memberships VALUES ('acc_dr-rousseau', 'ch-exemple', '2026-01-01 00:00:00')")
        records.commit()
    visitor = Visitor(strict)
    account = strict.person("dr-rousseau")["account"]
    visitor.get(DEEP)
    visitor.submit("/sign-in/password", identifier=account["identifier"], password=account["password"], shared="")
    if "doit être changé" in visitor.last.text:
        renewed = account["password"] + "-3"
        visitor.submit("/password/renew", current=account["password"], password=renewed, repeat_password=renewed)
    assert headers_of(strict.requests()[-1])["x-vt-assurance"] == "password"
    with closing(strict.records()) as records:
        records.execute(
            "INSERT INTO switches (id, scope_id, state, effective_from, reason, author, created_at, kind) VALUES "
            "('swi_x', 'ch-exemple', 'strong', '2026-01-01 00:00:00', 'essai', 'test', '2026-01-01 00:00:00', 'switch')"
        )
        records.execute("UPDATE switches SET effective_from = '2025-01-01 00:00:00' WHERE id = 'swi_ch-exemple'")
        records.execute("UPDATE revisions SET value = value + 1 WHERE name = 'policy'")
        records.execute("UPDATE scopes SET revision = (SELECT value FROM revisions) WHERE id = 'ch-exemple'")
        records.commit()
    deadline = time.monotonic() + 15
    while visitor.get(DEEP).url.endswith(DEEP):
        assert time.monotonic() < deadline, "the switch is not seen"
        time.sleep(0.2)
    assert "reason=level-too-low" in visitor.last.url
    before = visitor.cookies[SESSION]
    visitor.get("/_gateway/account")
    form = next(one for one in visitor.last.forms if one.action.endswith("/account/space"))
    asked = visitor.submit("/account/space")
    assert form.fields["space"] == "liberal"
    assert "Confirmez que c'est bien vous" in asked.text
    strict.forget()
    visitor.submit("/step-up", channel="mail")
    visitor.submit("/sign-in/code", code=strict.code("nadia.rousseau@example.test"))
    assert visitor.cookies[SESSION] != before
    visitor.get(DEEP)
    seen = headers_of(strict.requests()[-1])
    assert (seen["x-vt-space"], seen["x-vt-assurance"]) == ("liberal", "transition")


def test_r97_warnings_before_sleep(strict: Demo) -> None:
    """Thirty and seven days before the end of a year without sign-in a mail warns, once each."""
    strict.forget()
    today = 181
    for day, expected in ((336, 1), (337, 1), (359, 2), (364, 2)):
        strict.advance((day - today) * 24 * 3600)
        today = day
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline:
            found = list(strict.console("GET", "/mails?to=paul.leroy@example.test"))
            if len(found) >= expected:
                break
            time.sleep(0.2)
        assert len(found) == expected, (day, [one["subject"] for one in found])


@pytest.fixture(scope="module")
def cards_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A world whose médecin libéral space takes card and e-CPS alone."""
    with running(tmp_path_factory.mktemp("cards"), GATEWAY_METHODS__LIBERAL='["card", "psc"]') as demo:
        yield demo


def test_r4_a_space_keeps_to_its_own_means(cards_only: Demo) -> None:
    """A session by code in the professional space does not move to a space without codes, neither by the button nor by a
    step-up that names that space; an e-CPS does."""
    visitor = Visitor(cards_only)
    by_password(visitor, "dr-bernard")
    visitor.get("/_gateway/account")
    asked = visitor.submit("/account/space", space="liberal")
    assert "Confirmez que c'est bien vous" in asked.text
    assert "Recevoir un code" not in asked.text
    token = asked.forms[0].fields["csrf"]
    body = urlencode({"csrf": token, "then": "/account", "space": "liberal", "channel": "mail"}).encode()
    visitor.go("POST", cards_only.about["gateway"] + "/_gateway/step-up", body, {})
    assert "J'ai reçu mon code" not in visitor.last.text
    visitor.get(DEEP)
    assert headers_of(cards_only.requests()[-1])["x-vt-space"] == "professionnel"
    by_psc(visitor, "dr-bernard", space="liberal")
    assert headers_of(cards_only.requests()[-1])["x-vt-space"] == "liberal"
