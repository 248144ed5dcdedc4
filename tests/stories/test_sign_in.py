"""Signing in, closely: labels, every refusal of Pro Santé Connect, codes by each way, lost passwords, notices."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from html.parser import HTMLParser
from urllib.parse import quote, urlencode

import pytest

from tests.stories.test_abuse import to_code
from tests.stories.ways import DEEP, by_card, by_password, by_psc, headers_of
from tests.visitor import Answer, Demo, Visitor

SESSION = ("localhost", "__Host-vtgw")
REFERENCE = re.compile(r"\b[0-9A-F]{4}-[0-9A-F]{4}\b")
PETIT, LEROY = "anne.petit@example.test", "paul.leroy@example.test"


def change(demo: Demo, statement: str) -> None:
    """Write beside the gateway what a story needs and no page does."""
    with closing(demo.records()) as records:
        records.execute(statement)
        records.commit()


@contextmanager
def fault(demo: Demo, component: str, mode: str) -> Iterator[None]:
    demo.console("POST", "/fault", {"component": component, "mode": mode})
    try:
        yield
    finally:
        demo.console("POST", "/fault", {"component": component, "mode": "ok"})


class Fields(HTMLParser):
    """The inputs of a page by name, with their attributes."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str | None]] = {}
        self.feed(answer.body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag == "input" and said.get("name"):
            self.found.setdefault(str(said["name"]), said)


# Labels


def test_r1_r53_r54_r156_labels_of_both_pages_in_their_order(visitor: Visitor) -> None:
    """Both pages say what printed guides say, in the order card, e-CPS, password, with help under the identifier."""
    liberal = visitor.get("/_gateway/sign-in?space=liberal").text
    in_order(
        liberal,
        "Médecin Libéral",
        "Connexion à l'espace médecin libéral</h1>",
        "Fermer",
        "Authentification par carte CPS ou l'application e-CPS",
        "Authentification par carte CPS",
        "Se connecter par CPS",
        "Comment faire?",
        "Authentification par l'application e-CPS",
        "Se connecter par e-CPS",
        "Authentification forte par e-mail",
        "Identifiant",
        "8 suivi du numéro RPPS, ou 0 suivi du numéro ADELI",
        "Mot de passe",
        "Se connecter</button>",
        "Mot de passe oublié?",
        "Besoin d'aide ?",
        "Accéder à la procédure de connexion ViaTrajectoire",
    )
    assert "Ce poste est partagé" not in liberal
    other = visitor.get("/_gateway/sign-in?space=professionnel")
    in_order(
        other.text,
        "PROFESSIONNELS LIBÉRAUX OU EN ÉTABLISSEMENT",
        "S'IDENTIFIER PAR CARTE CPS",
        "OU</p>",
        "S'IDENTIFIER PAR E-CPS",
        "Comment s'authentifier par Carte CPS ou e-CPS ?",
        "Nom d'utilisateur",
        "Mot de passe",
        "Ce poste est partagé",
        "Se connecter</button>",
        "Mot de passe oublié?",
    )
    fields = Fields(other).found
    assert "checked" in fields["shared"]  # R146
    assert fields["identifier"]["autocomplete"] == "username"
    assert fields["password"]["autocomplete"] == "current-password"


def in_order(text: str, *words: str) -> None:
    place = text.index("<main")
    for word in words:
        found = text.find(word, place)
        assert found >= 0, word
        place = found + len(word)


@pytest.mark.parametrize("space", ["liberal", "professionnel"])
@pytest.mark.parametrize(
    "typed", ["899700100029", "99700100029", "8 997\u00a0001.000-29", "0069209997", "0 06920999 7"]
)
def test_r52_r57_every_spelling_opens_one_account(demo: Demo, typed: str, space: str) -> None:
    """RPPS, 8 and RPPS, 0 and ADELI, with spaces, no-break spaces, dots and hyphens: the same person, on both pages."""
    visitor = Visitor(demo)
    visitor.get(f"/_gateway/sign-in?space={space}&return={quote(DEEP)}")
    password = demo.person("dr-petit")["account"]["password"]
    visitor.submit("/sign-in/password", identifier=typed, password=password)
    visitor.submit("/sign-in/code", code=demo.code(PETIT))
    assert SESSION in visitor.cookies, visitor.last.text
    seen = headers_of(demo.requests()[-1])
    assert (seen["x-vt-idnat-ps"], seen["x-vt-rpps"]) == ("899700100029", "99700100029")
    assert "x-vt-adeli" not in seen
    demo.advance(120)


# Pro Santé Connect


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        ("access_denied", 403, "refusé ou abandonné"),
        ("login_required", 403, "vous vous identifiiez de nouveau"),
        ("interaction_required", 403, "attend une action de votre part"),
        ("consent_required", 403, "attend votre accord"),
        ("account_selection_required", 403, "choisissiez un compte"),
        ("unmet_authentication_requirements", 403, "pas assez fort"),
        ("invalid_request", 403, "Prévenez l'assistance"),
        ("invalid_scope", 403, "Prévenez l'assistance"),
        ("unauthorized_client", 403, "ne reconnaît pas ce service"),
        ("unsupported_response_type", 403, "Prévenez l'assistance"),
        ("request_not_supported", 403, "n'a pas pu être acceptée"),
        ("server_error", 503, "ne répond pas"),
        ("temporarily_unavailable", 503, "ne répond pas"),
        ("<script>alert(1)</script>", 403, "n'a pas pu être acceptée"),
    ],
)
def test_r42_r155_each_error_of_psc_has_its_page(demo: Demo, error: str, status: int, words: str) -> None:
    """A French page with another way in and a reference that stands in the log; no session, and the answer used up."""
    visitor = Visitor(demo)
    visitor.get("/_gateway/sign-in/psc?space=liberal")
    state = visitor.last.forms[0].fields["state"]
    said = {"error": error, "error_description": "in <b>English</b>", "state": state}
    said["iss"] = demo.about["psc"] + "/auth/realms/esante-wallet"
    back = "/_gateway/sign-in/psc/callback?" + urlencode(said)
    answer = visitor.get(back)
    assert answer.status == status
    assert words in answer.text
    assert error not in answer.text
    assert "English" not in answer.text
    assert answer.link("Choisir un moyen de connexion").endswith("/_gateway/sign-in?space=liberal")
    assert (answer.header("Retry-After") is not None) is (status == 503)
    logged(demo, answer)
    assert SESSION not in visitor.cookies
    assert visitor.get(back).status == 403


def logged(demo: Demo, answer: Answer) -> str:
    """The reference on a page, known to stand in the log."""
    found = REFERENCE.search(answer.text[answer.text.index("<main") :])
    assert found is not None, answer.text
    deadline = time.monotonic() + 5
    while f'"reference": "{found[0]}"' not in (log := demo.log()):
        if f'"reference":"{found[0]}"' in log:
            break
        assert time.monotonic() < deadline, f"{found[0]} stands nowhere in the log"
        time.sleep(0.05)
    return found[0]


def test_r43_the_session_ends_with_the_one_of_psc(demo: Demo) -> None:
    """Somebody already signed in at Pro Santé Connect for fifty minutes gets a session of three hours and ten."""
    first = Visitor(demo)
    by_psc(first, "dr-bernard")
    began = first.get("/_gateway/session", Accept="application/json").json()
    cookie = {key: value for key, value in first.cookies.items() if key[1] == "psc-sso"}
    for _ in range(2):
        demo.advance(25 * 60)
        other = Visitor(demo)
        other.cookies = dict(cookie)
        other.get(f"/_gateway/sign-in/psc?space=professionnel&return={quote(DEEP)}")
        assert other.last.url.endswith(DEEP)
    state = other.get("/_gateway/session", Accept="application/json").json()
    assert state["expires"][:19] == began["expires"][:19]
    for _ in range(8):
        demo.advance(23 * 60)
        assert other.get("/_gateway/account").url.endswith("/account")
    demo.advance(7 * 60)  # 184 + 7 minutes after the second sign-in, 241 after the one at PSC
    assert other.get(DEEP).url.split("?")[0].endswith("/sign-in")


# Codes


def test_r65_r66_r77_the_page_of_the_code_and_its_mail(demo: Demo) -> None:
    """One field that takes the code from the keyboard of the phone, its way back, and a masked address; the mail says
    code, length, end and hour of asking, and what never to do; neither shows what the other knows."""
    visitor = to_code(demo, "dr-petit")
    page = visitor.last
    field = Fields(page).found["code"]
    assert (field["inputmode"], field["autocomplete"], field["type"]) == ("numeric", "one-time-code", "text")
    assert page.text.count('name="code"') == 1
    for words in ("J'ai reçu mon code</h1>", "Valider</button>", "a•••@e•••.test", "Renvoyer un code", "Annuler"):
        assert words in page.text
    assert PETIT not in page.text
    mail = demo.mail(PETIT, "votre code de connexion")
    text = mail["text"].replace("\u00a0", " ").replace("\u202f", " ")
    code = demo.code(PETIT)
    assert f"{code[:3]} {code[3:]}" in text
    for words in ("10 minutes", "J'ai reçu mon code", "Ne le communiquez à personne"):
        assert words in text
    assert len(set(re.findall(r"\d{1,2} h \d{2}", text))) == 2  # until when, and when it was asked
    for no in ("http", "99700100029", "069209997", "PETIT"):
        assert no not in text
    assert mail["subject"] == "ViaTrajectoire : votre code de connexion"
    visitor.submit("/sign-in/code", code=f"{code[:2]} {code[2:4]}\u00a0{code[4:]} ")
    assert SESSION in visitor.cookies


def test_r69_r72_eight_hours_one_message(demo: Demo) -> None:
    """In the establishment of eight hours a second sign-in in the same browser uses the code of the first; a new one is
    sent when asked, by the way that is asked, and that way is offered first the next time."""
    visitor = to_code(demo, "agent-leroy")
    before = len(demo.console("GET", "/mails")) + len(demo.console("GET", "/sms"))
    assert before == 1
    demo.advance(3600)
    to_code(demo, "agent-leroy", visitor)
    assert len(demo.console("GET", "/mails")) + len(demo.console("GET", "/sms")) == 1
    demo.forget()
    visitor.submit("/sign-in/code/resend", channel="sms")
    assert "•• •• •• •• 78" in visitor.last.text
    assert "0612345678" not in visitor.last.text.replace(" ", "").replace("\u00a0", "")
    code = demo.code("+33612345678", "sms")
    (text,) = demo.console("GET", "/sms")
    assert len(text["text"]) <= 160
    visitor.submit("/sign-in/code", code=code)
    assert SESSION in visitor.cookies
    assert headers_of_next(demo, visitor)["x-vt-auth-method"] == "otp-sms"
    again = to_code(demo, "agent-leroy", Visitor(demo))
    assert "par SMS au" in again.last.text
    demo.forget()
    demo.advance(31)
    again.submit("/sign-in/code/resend", channel="mail")
    again.submit("/sign-in/code", code=demo.code(LEROY))
    assert "par e-mail à" in to_code(demo, "agent-leroy", Visitor(demo)).last.text


def headers_of_next(demo: Demo, visitor: Visitor) -> dict[str, str]:
    visitor.get(DEEP)
    return headers_of(demo.requests()[-1])


def test_r74_r75_r155_nothing_can_be_sent(demo: Demo) -> None:
    """Without mailbox nothing is sent and the page says whom to ask; with the SMS service failing the other way is
    offered and works."""
    account = demo.person("dr-rousseau")["account"]
    change(demo, "UPDATE accounts SET mail = NULL, mail_key = NULL WHERE id = 'acc_dr-rousseau'")
    try:
        visitor = Visitor(demo)
        visitor.get(DEEP)
        none = visitor.submit("/sign-in/password", identifier=account["identifier"], password=account["password"])
    finally:
        change(
            demo,
            "UPDATE accounts SET mail = 'nadia.rousseau@example.test', mail_key = 'nadia.rousseau@example.test' "
            "WHERE id = 'acc_dr-rousseau'",
        )
    assert none.status == 403
    for words in ("Aucun code ne peut vous être envoyé", "carte CPS ou e-CPS", "référent structure"):
        assert words in none.text
    logged(demo, none)
    assert demo.console("GET", "/mails") == []
    assert SESSION not in visitor.cookies
    with fault(demo, "sms", "error"):
        other = Visitor(demo)
        other.get(DEEP)
        person = demo.person("agent-leroy")["account"]
        failed = other.submit(
            "/sign-in/password", identifier="pleroy", password=person["password"], shared="", channel="sms"
        )
    assert failed.status == 503
    assert "n'a pas pu être envoyé" in failed.text
    other.submit("/sign-in/code/resend", channel="mail")
    other.submit("/sign-in/code", code=demo.code(LEROY))
    assert SESSION in other.cookies


def test_r79_never_signed_in_by_card_or_ecps(demo: Demo) -> None:
    """A médecin libéral whose account was brought in, and who never came by card or e-CPS, is told what everybody with a
    wrong password is told, and gets no code."""
    change(demo, "UPDATE accounts SET first_strong_at = NULL WHERE id = 'acc_dr-rousseau'")
    account = demo.person("dr-rousseau")["account"]
    visitor = Visitor(demo)
    visitor.get("/_gateway/sign-in?space=liberal")
    answer = visitor.submit("/sign-in/password", identifier=account["identifier"], password=account["password"])
    assert (answer.status, "Identifiant ou mot de passe incorrect." in answer.text) == (401, True)
    assert demo.console("GET", "/mails") == []
    assert by_card(demo, "dr-rousseau").last.url.endswith(DEEP)
    demo.forget()
    by_password(Visitor(demo), "dr-rousseau")  # the card was that first time


def test_r55_nobody_is_told_apart_by_time(demo: Demo) -> None:
    """Unknown identifiers and wrong passwords take as long, within what a network hides."""
    spent: dict[str, list[float]] = {"899700100029": [], "899700100110": []}
    for _ in range(4):
        for identifier, times in spent.items():
            visitor = Visitor(demo)
            visitor.get("/_gateway/sign-in?space=liberal")
            began = time.monotonic()
            assert visitor.submit("/sign-in/password", identifier=identifier, password="Faux").status == 401
            times.append(time.monotonic() - began)
    known, unknown = (min(times) for times in spent.values())
    assert abs(known - unknown) < 0.1
    to_code(demo, "dr-petit").submit("/sign-in/code", code=demo.code(PETIT))  # the row of failures ends here


# Lost and changed passwords


def test_r61_a_newer_link_a_change_and_time_void_a_link(demo: Demo) -> None:
    """Of two links the newer one alone serves; a password changed meanwhile voids it; an hour does too. Choosing a
    password ends every session, signs nobody in, asks for the code again, and a mail says so."""
    old = demo.person("dr-petit")["account"]["password"]
    visitor = Visitor(demo)
    by_password(visitor, "dr-petit")

    def link() -> str:
        demo.forget()
        asking = Visitor(demo)
        asking.get("/_gateway/password/forgot")
        asking.submit("/password/forgot", identifier="0069209997")
        return demo.link(PETIT)

    first, second = link(), link()
    other = Visitor(demo)
    assert other.get(first).status == 403
    logged(demo, other.last)
    assert other.get(second).status == 200
    visitor.get("/_gateway/account")
    visitor.submit("/account/password", current=old, password=old + "-2", repeat_password=old + "-2")
    assert "Votre mot de passe est changé" in visitor.last.text
    assert other.get(second).status == 403
    third = link()
    demo.advance(3599)
    assert other.get(third).status == 200
    demo.advance(2)
    assert other.get(third).status == 403
    by_psc(visitor, "dr-petit")
    other.get(link())
    done = other.submit("/password/reset", password=old, repeat_password=old)
    assert SESSION not in other.cookies
    assert "Votre mot de passe est changé" in done.text
    assert "Se connecter" in visitor.get(DEEP).text
    assert demo.mail(PETIT, "votre mot de passe a été changé")
    demo.forget()
    assert "J'ai reçu mon code" in to_code(demo, "dr-petit", other).last.text


def test_r62_the_old_password_unless_a_card_has_just_spoken(demo: Demo) -> None:
    """After a code the old password is asked; after a card it is not, for ten minutes; the rule of R14 and R15 holds."""
    old = demo.person("dr-bernard")["account"]["password"]
    visitor = Visitor(demo)
    by_password(visitor, "dr-bernard")
    visitor.get("/_gateway/account")
    given = {"password": old + "-2", "repeat_password": old + "-2"}
    assert visitor.submit("/account/password", **given).status == 401
    card = by_card(demo, "dr-bernard")
    card.get("/_gateway/account/password")
    assert 'name="current"' not in card.last.text
    for password in ("Abcde1", "abcdefg1", "Abcdefgh", "Luc.bernard-1", "Docteur-BERNARD-1", "Password123"):
        card.get("/_gateway/account/password")
        assert card.submit("/account/password", password=password, repeat_password=password).status == 422, password
    card.get("/_gateway/account/password")
    assert "Votre mot de passe est changé" in card.submit("/account/password", **given).text
    demo.advance(601)
    card.get("/_gateway/account/password")
    assert 'name="current"' in card.last.text
    assert card.submit("/account/password", password=old, repeat_password=old).status == 401
    card.submit("/account/password", current=old + "-2", password=old, repeat_password=old)
    assert "Votre mot de passe est changé" in card.last.text


# What is told


def test_r103_a_means_used_for_the_first_time_is_told(demo: Demo) -> None:
    """The first sign-in by e-CPS of somebody who came by code is told by mail, once; an ordinary one is not."""
    change(demo, "DELETE FROM sign_ins WHERE account_id = 'acc_dr-rousseau' AND method = 'psc-cps'")
    by_psc(Visitor(demo), "dr-rousseau", mode="CARD")
    told = demo.mail("nadia.rousseau@example.test", "moyen")
    assert "Pro Santé Connect" in told["text"]
    demo.forget()
    by_psc(Visitor(demo), "dr-rousseau", mode="CARD")
    by_psc(Visitor(demo), "dr-bernard")
    assert demo.console("GET", "/mails?to=nadia.rousseau@example.test") == []


# The contract's addresses


def test_contract_who_is_told_what(demo: Demo, visitor: Visitor) -> None:
    """A page without session is sent to sign in, a script is told where; own addresses say what the contract says."""
    gateway = demo.about["gateway"]
    page = visitor.raw("GET", gateway + DEEP, None, {})
    assert page.status == 302
    assert "/_gateway/sign-in?" in (page.header("Location") or "")
    scripts = (
        {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Accept": "*/*"},
        {"Sec-Fetch-Mode": "", "Accept": "application/json"},
        {"Sec-Fetch-Mode": "", "Accept": "*/*", "X-Requested-With": "XMLHttpRequest"},
    )
    for headers in scripts:
        answer = visitor.raw("GET", gateway + DEEP, None, headers)
        assert answer.status == 401, headers
        assert (answer.header("Content-Type") or "").startswith("application/problem+json")
        assert answer.json()["sign_in"].startswith(gateway + "/_gateway/sign-in")
    nobody = visitor.raw("GET", gateway + "/_gateway/session", None, {"Accept": "application/json"})
    assert (nobody.status, nobody.json()["signed_in"]) == (401, False)
    by_psc(visitor, "dr-bernard", space="liberal")
    state = visitor.get("/_gateway/session", Accept="application/json").json()
    assert set(state) >= {"idnat_ps", "method", "assurance", "space", "expires", "idle_expires", "acting"}
    assert (state["idnat_ps"], state["method"], state["assurance"]) == ("899700100011", "psc-ecps", "substantial")
    assert (state["space"], state["acting"]) == ("liberal", None)
    for path in ("account", "help", "help/means", "help/card", "privacy", "accessibility", "charter", "step-up"):
        answer = visitor.get(f"/_gateway/{path}")
        assert answer.status == 200, path
        assert any(form.action.endswith("/sign-out") for form in answer.forms), path  # R145
        for words in ("Accéder à la procédure de connexion ViaTrajectoire", "Questions fréquentes",
                      "Comment s'authentifier par Carte CPS ou e-CPS ?", "Contacter l'assistance SISRA",
                      "Accessibilité\u00a0: non conforme"):  # fmt: skip
            assert words in answer.text, (path, words)  # R156, R151
        assert not re.search(r'(?:src|href)="(?:https?:)?//[^"]+\.(?:js|css|woff2?)', answer.text)  # R153
        assert not {"pin", "code"} & Fields(answer).found.keys(), path  # R36
