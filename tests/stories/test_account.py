"""« Mon compte », the lost password, and the switch of space."""

from __future__ import annotations

from urllib.parse import urlencode

from tests.stories.test_main_job import DEEP, by_password, by_psc, headers_of
from tests.visitor import Demo, Visitor


def test_j15_r62_password_changed_with_the_old_one(demo: Demo, visitor: Visitor) -> None:
    """The password changes with the old one, other sessions end, and a mail says so."""
    other = Visitor(demo)
    by_psc(other, "dr-bernard")
    by_password(visitor, "dr-bernard")
    page = visitor.get("/_gateway/account")
    assert "BERNARD" in page.text
    assert "Dernières connexions" in page.text
    wrong = visitor.submit(
        "/account/password", current="wrong", password="Nouveau-matin-8", repeat_password="Nouveau-matin-8"
    )
    assert wrong.status == 401
    old = demo.person("dr-bernard")["account"]["password"]
    visitor.get("/_gateway/account")
    weak = visitor.submit("/account/password", current=old, password="bernard1", repeat_password="x")
    assert weak.status == 422
    visitor.get("/_gateway/account")
    done = visitor.submit(
        "/account/password", current=old, password="Nouveau-matin-8", repeat_password="Nouveau-matin-8"
    )
    assert "Votre mot de passe est changé" in done.text
    assert "Se connecter" in other.get(DEEP).text
    assert visitor.get(DEEP).url.endswith(DEEP)
    subjects = [mail["subject"] for mail in demo.console("GET", "/mails?to=luc.bernard@example.test")]
    assert "ViaTrajectoire : votre mot de passe a été changé" in subjects
    back = visitor.get("/_gateway/account")
    assert back.status == 200
    visitor.submit("/account/password", current="Nouveau-matin-8", password=old, repeat_password=old)


def test_j7_r61_forgotten_password(demo: Demo, visitor: Visitor) -> None:
    """A link by mail chooses a new password once; it signs nobody in, and unknown identifiers look the same."""
    answers = []
    for identifier in ("899700100094", "899700100029"):
        visitor.get("/_gateway/password/forgot")
        answers.append(visitor.submit("/password/forgot", identifier=identifier))
    assert answers[0].status == answers[1].status == 200
    assert answers[0].text.replace(answers[0].url, "") == answers[1].text.replace(answers[1].url, "")
    link = demo.link("anne.petit@example.test")
    assert visitor.get(link).status == 200
    assert visitor.get(link).status == 200  # opening consumes nothing
    bad = visitor.submit("/password/reset", password="petit", repeat_password="petit")
    assert bad.status == 422
    good = demo.person("dr-petit")["account"]["password"]
    visitor.get(link)
    page = visitor.last
    done = visitor.submit("/password/reset", password=good + "9", repeat_password=good + "9")
    assert "PROFESSIONNELS LIBÉRAUX OU EN ÉTABLISSEMENT" in done.text
    assert ("localhost", "__Host-vtgw") not in visitor.cookies
    visitor.last = page
    assert visitor.submit("/password/reset", password=good, repeat_password=good).status == 403
    assert visitor.get(link).status == 403
    # the other stories know the old one
    demo.forget()
    visitor.get("/_gateway/password/forgot")
    visitor.submit("/password/forgot", identifier="899700100029")
    visitor.get(demo.link("anne.petit@example.test"))
    visitor.submit("/password/reset", password=good, repeat_password=good)


def test_r3_r4_switch_of_space(demo: Demo, visitor: Visitor) -> None:
    """A doctor moves to the médecin libéral space with a new ticket; an agent is told it is not hers."""
    by_psc(visitor, "dr-bernard")
    before = visitor.cookies[("localhost", "__Host-vtgw")]
    visitor.get("/_gateway/account")
    visitor.submit("/account/space")
    assert visitor.cookies[("localhost", "__Host-vtgw")] != before
    visitor.get(DEEP)
    assert headers_of(demo.requests()[-1])["x-vt-space"] == "liberal"
    agent = Visitor(demo)
    by_password(agent, "agent-leroy")
    agent.get("/_gateway/account")
    assert "Basculer" not in agent.last.text
    form = next(one for one in agent.last.forms if one.action.endswith("/sign-out"))
    body = urlencode({"csrf": form.fields["csrf"], "space": "liberal"}).encode()
    assert agent.go("POST", demo.about["gateway"] + "/_gateway/account/space", body, {}).status == 403


def test_pages_carry_security_headers_everywhere(demo: Demo, visitor: Visitor) -> None:
    """Every own answer, errors included, is dressed alike and names no software (H1, H2)."""
    paths = "sign-in help privacy accessibility charter/text password/forgot nothing sign-in/code card register session"
    paths += " sign-in/psc/callback jwks.json static/style.css signed-out"
    for path in paths.split():
        answer = visitor.raw("GET", demo.about["gateway"] + f"/_gateway/{path}", None, {})
        assert answer.header("X-Content-Type-Options") == "nosniff", path
        assert "frame-ancestors 'none'" in (answer.header("Content-Security-Policy") or ""), path
        assert answer.header("Strict-Transport-Security"), path
        assert answer.header("Referrer-Policy") == "same-origin", path
        assert answer.header("Server") is None, path
        if "html" in (answer.header("Content-Type") or ""):
            assert answer.header("Cache-Control") == "no-store", path
            assert '<html lang="fr">' in answer.text
            assert "<script" not in answer.text
    page = visitor.get("/_gateway/sign-in")
    assert len(page.body) + len(visitor.get("/_gateway/static/style.css").body) < 60_000
