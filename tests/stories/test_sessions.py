"""Sessions as people feel them: tabs, other people, forms sent too late, staying and leaving."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from tests.stories.ways import DEEP, by_card, by_password, by_psc, headers_of
from tests.visitor import Demo, Visitor

SESSION = ("localhost", "__Host-vtgw")


def test_ten_tabs_opened_at_once_all_end_in_pages(demo: Demo) -> None:
    """Ten tabs opened at the same instant in a new browser: whichever form is posted works, though only the last of
    their cookies stayed; afterwards the other tabs go to their own targets."""
    with ThreadPoolExecutor(10) as pool:
        tabs = list(pool.map(lambda n: _tab(demo, f"{DEEP}&tab={n}"), range(10)))
    kept = tabs[-1].cookies
    for tab in tabs:
        tab.cookies = dict(kept)
    first = tabs[0]
    person = demo.person("dr-bernard")
    form = next(one for one in first.last.forms if one.action.endswith("/sign-in/password"))
    data = {**form.fields, "identifier": "899700100011", "password": person["account"]["password"], "shared": ""}
    origin = {"Origin": demo.about["gateway"], "Sec-Fetch-Site": "same-origin"}
    posted = first.go("POST", demo.about["gateway"] + form.action, urlencode(data).encode(), origin)
    assert "J'ai reçu mon code" in posted.text
    assert first.submit("/sign-in/code", code=demo.code(person["mail"])).url.endswith("&tab=0")
    for number, tab in enumerate(tabs[1:], 1):
        tab.cookies = dict(first.cookies)
        assert tab.get(tab.last.url.replace("reason=no-session&", "")).url.endswith(f"&tab={number}")


def _tab(demo: Demo, target: str) -> Visitor:
    visitor = Visitor(demo)
    visitor.get(target)
    return visitor


def test_a_late_code_of_somebody_signed_in_goes_to_its_target(demo: Demo, visitor: Visitor) -> None:
    """The code page of a second tab, sent after the first signed in, ends at its own address and not in an error."""
    by_password(visitor, "dr-bernard")
    form = {"csrf": "", "attempt": "gone", "code": "000000", "return": "/Trajectoire/Pages/AccesRestreint/autre"}
    visitor.get("/_gateway/account")
    form["csrf"] = visitor.last.forms[0].fields["csrf"]
    answer = visitor.go("POST", demo.about["gateway"] + "/_gateway/sign-in/code", urlencode(form).encode(), {})
    assert answer.url.endswith("/Trajectoire/Pages/AccesRestreint/autre")


def test_r49_another_persons_session_is_never_replaced_silently(demo: Demo) -> None:
    """With an agent signed in, a doctor's card asks which of the two goes on; both answers are obeyed."""
    for choice, rpps in (("stay", None), ("change", "99700100011")):
        visitor = Visitor(demo)
        by_password(visitor, "agent-leroy")
        before = visitor.cookies[SESSION]
        by_psc(visitor, "dr-bernard")
        page = visitor.last
        assert page.status == 403
        assert "Une autre session est ouverte" in page.text
        assert "Paul" in page.text.title()
        assert visitor.cookies[SESSION] == before
        visitor.submit("/sign-in/switch", choice=choice)
        demo.forget()
        visitor.get(DEEP)
        assert headers_of(demo.requests()[-1]).get("x-vt-rpps") == rpps
        visitor.last = page
        assert visitor.submit("/sign-in/switch", choice="change").status in (200, 403)  # once only
        visitor.get(DEEP)
        assert headers_of(demo.requests()[-1]).get("x-vt-rpps") == rpps


def test_lesson_17_a_form_after_expiry_keeps_its_text(demo: Demo, visitor: Visitor) -> None:
    """A form of the application sent after the idle end is not turned into a GET and does not reach the backend; the page
    says how to send it again, and so do scripts' answers."""
    by_password(visitor, "dr-bernard")
    demo.advance(31 * 60)
    demo.forget()
    body = urlencode({"note": "Patiente vue ce matin"}).encode()
    late = visitor.go("POST", demo.about["gateway"] + DEEP, body, {})
    assert late.status == 401
    assert "Votre saisie n'est pas perdue" in late.text
    assert "rechargez la page" in late.text
    assert demo.requests() == []
    script = visitor.raw("POST", demo.about["gateway"] + DEEP, body, {"Sec-Fetch-Mode": "cors", "Accept": "*/*"})
    assert script.status == 401
    assert "sign_in" in script.json()
    # signing in again in another tab comes out on the page that sends the person back to the form
    visitor.click("Reconnectez-vous dans un nouvel onglet")
    person = demo.person("dr-bernard")
    visitor.submit("/sign-in/password", identifier="899700100011", password=person["account"]["password"], shared="")
    done = visitor.submit("/sign-in/code", code=demo.code(person["mail"]))
    assert "Vous êtes reconnecté" in done.text
    assert visitor.go("POST", demo.about["gateway"] + DEEP, body, {}).status == 200
    assert demo.requests()[-1]["body_length"] == len(body)


def test_r22_a_registration_that_waited_shows_what_was_typed(demo: Demo) -> None:
    """The form of the first connection sent after thirty minutes is refused with its text, and nothing is created."""
    visitor = by_card(demo, "nurse-durand", space="professionnel")
    assert "Vos informations personnelles" in visitor.last.text
    page = visitor.last
    demo.advance(31 * 60)
    visitor.last = page
    late = visitor.submit(
        "/register", email="ines.durand@example.test", password="Un-beau-matin-7", city="Villefranche"
    )
    assert late.status == 403
    assert "Villefranche" in late.text
    assert "ines.durand@example.test" in late.text
    assert "Un-beau-matin-7" not in late.text


def test_r143_stay_signed_in(demo: Demo, visitor: Visitor) -> None:
    """Looking at how long is left is no activity; « Rester connecté » is."""
    by_password(visitor, "dr-bernard")
    visitor.get("/_gateway/account")
    token = visitor.last.forms[0].fields["csrf"]
    demo.advance(20 * 60)
    asked = visitor.get("/_gateway/session", Accept="application/json").json()
    demo.advance(5 * 60)
    again = visitor.get("/_gateway/session", Accept="application/json").json()
    assert asked["idle_expires"] == again["idle_expires"]
    body = urlencode({"csrf": token}).encode()
    kept = visitor.raw("POST", demo.about["gateway"] + "/_gateway/session/extend", body, {"Accept": "application/json"})
    assert kept.json()["idle_expires"] > again["idle_expires"]
    demo.advance(20 * 60)
    assert visitor.get(DEEP).url.endswith(DEEP)
    demo.advance(31 * 60)
    late = visitor.raw("POST", demo.about["gateway"] + "/_gateway/session/extend", body, {"Accept": "application/json"})
    assert late.status == 401


def test_r146_a_shared_workstation_is_left_sooner(demo: Demo, visitor: Visitor) -> None:
    """With « Ce poste est partagé » the session ends after 15 minutes without activity, and nothing is remembered."""
    person = demo.person("agent-leroy")
    visitor.get(DEEP)
    visitor.submit("/sign-in/password", identifier="pleroy", password=person["account"]["password"], shared="1")
    visitor.submit("/sign-in/code", code=demo.code(person["mail"]))
    assert visitor.last.url.endswith(DEEP)
    assert ("localhost", "__Host-vtgw-last") not in visitor.cookies
    demo.advance(15 * 60 + 1)
    assert "Se connecter" in visitor.get(DEEP).text


def test_r1_the_means_last_used_is_remembered(demo: Demo, visitor: Visitor) -> None:
    """After a sign-in by e-CPS the page marks that button the next time."""
    by_psc(visitor, "dr-bernard")
    visitor.get("/_gateway/account")
    visitor.submit("/sign-out")
    page = visitor.get("/_gateway/sign-in?space=liberal").text
    assert page.count("Dernier moyen utilisé") == 1
    assert page.index("l'application e-CPS") < page.index("Dernier moyen utilisé")


def test_r145_sign_out_leaves_nothing(demo: Demo, visitor: Visitor) -> None:
    """Signing out expires the application's cookies on their paths, forgets cached pages, and ends the record."""
    by_password(visitor, "dr-bernard")
    visitor.cookies[("localhost", "ASP.NET_SessionId")] = "abc"
    visitor.get("/_gateway/account")
    form = next(one for one in visitor.last.forms if one.action.endswith("/sign-out"))
    answer = visitor.raw("POST", demo.about["gateway"] + form.action, urlencode(form.fields).encode(), {})
    lines = [value for name, value in answer.headers if name.lower() == "set-cookie"]
    assert any(line.startswith("ASP.NET_SessionId=;") and "Path=/Trajectoire" in line for line in lines)
    assert any(line.startswith("ASP.NET_SessionId=;") and "Path=/;" in line for line in lines)
    assert answer.header("Clear-Site-Data") == '"cache"'
    assert SESSION not in visitor.cookies


def test_lesson_16_a_loop_is_seen(demo: Demo) -> None:
    """Somebody whose browser loses the session each time is told so at the fourth arrival, with a reference."""
    visitor = Visitor(demo)
    by_psc(visitor, "dr-petit")
    for _ in range(3):
        assert visitor.last.url.endswith(DEEP)
        visitor.cookies.pop(SESSION)
        visitor.get(f"/_gateway/sign-in/psc?space=professionnel&return={DEEP.replace('&', '%26')}")
    assert visitor.last.status == 403
    assert "La connexion revient au même point" in visitor.last.text
    assert "Référence" in visitor.last.text


def test_cookies_refused_have_their_page(demo: Demo) -> None:
    """A browser that keeps no cookie is told so, at the form and on the way back from Pro Santé Connect."""
    visitor = Visitor(demo)
    visitor.get("/_gateway/sign-in")
    visitor.cookies.clear()
    answer = visitor.submit("/sign-in/password", identifier="a", password="b")
    assert answer.status == 403
    assert "n'a pas gardé le cookie" in answer.text
