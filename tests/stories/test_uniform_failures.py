"""The same gateway for a deployment that asks more: the code page for everybody, stronger passwords, fewer means, polling
that is no activity."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.stories.conftest import running
from tests.stories.test_first_connection import rows
from tests.stories.ways import DEEP, by_psc, headers_of
from tests.visitor import Answer, Demo, Visitor

SESSION = ("localhost", "__Host-vtgw")
TEAMS = {
    "Équipe des moyens": ("mailto:moyens@region.test", ["RPPS+", "Pro Santé Connect", "cartes"]),
    "Équipe ViaTrajectoire": ("https://region.test/vt", ["connexion", "comptes"]),
}
CONTACTS = ", ".join(f'{{label = "{name}", url = "{url}", topics = {topics}}}' for name, (url, topics) in TEAMS.items())
SETTINGS = {
    "GATEWAY_LOGIN__UNIFORM_FAILURE": "true",
    "GATEWAY_OTP__CHANNELS": '["mail"]',
    "GATEWAY_ACCOUNT__VERIFY_MAIL": "off",
    "GATEWAY_PASSWORD__MIN_ENTROPY_BITS": "50",
    "GATEWAY_METHODS__LIBERAL": '["psc", "password"]',
    "GATEWAY_METHODS__ETABLISSEMENT": '["password", "psc"]',
    "GATEWAY_SESSION__BACKGROUND_PATHS": '["/Trajectoire/Pages/AccesRestreint/poll"]',
    "GATEWAY_NOTIFY__SIGN_IN": "true",
    "GATEWAY_SUPPORT__CONTACTS": f"[{CONTACTS}]",
}


@pytest.fixture(scope="module")
def uniform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running(tmp_path_factory.mktemp("uniform"), **SETTINGS) as demo:
        yield demo


def tried(demo: Demo, identifier: str, password: str) -> tuple[Visitor, Answer]:
    visitor = Visitor(demo)
    visitor.get("/_gateway/sign-in?space=liberal")
    return visitor, visitor.submit("/sign-in/password", identifier=identifier, password=password)


def bare(answer: Answer) -> str:
    """A page without what belongs to this one visit."""
    text = re.sub(r'(name="(?:csrf|attempt)" value=)"[^"]*"', r"\1", answer.text)
    text = re.sub(r"\w•••@\w•••\.\w+", "MASK", text)
    text = re.sub(r"\b[0-9A-F]{4}-[0-9A-F]{4}\b", "REFERENCE", text)
    text = re.sub(r"\d+\s*h\s*\d\d", "HOUR", text)
    return re.sub(r'data-expires="[^"]*"', "", text)


def test_r81_the_code_page_for_every_try(uniform: Demo) -> None:
    """Right password, wrong password, unknown identifier: one page, the mask of an unknown one stable; no code is right
    but the one sent, and the refusals are one page too."""
    account = uniform.person("dr-bernard")["account"]
    right, page = tried(uniform, account["identifier"], account["password"])
    pages, refused = [bare(page)], []
    masks = set()
    for identifier, password in (("899700100011", "faux"), ("899700100102", "x"), ("899700100102", "y")):
        visitor, answer = tried(uniform, identifier, password)
        assert answer.status == 200
        assert "J'ai reçu mon code" in answer.text
        pages.append(bare(answer))
        found = re.search(r"\w•••@\w•••\.\w+", answer.text)
        assert found
        if identifier == "899700100102":
            masks.add(found[0])
        no = visitor.submit("/sign-in/code", code="123456")
        assert (no.status, SESSION in visitor.cookies) == (401, False)
        refused.append(bare(no))
        uniform.advance(31)
        visitor.submit("/sign-in/code/resend", channel="mail")
        assert visitor.last.status == 200
    assert len(set(pages)) == 1
    assert len(masks) == 1
    assert len(uniform.console("GET", "/mails")) == 1
    code = uniform.code("luc.bernard@example.test")
    wrong = right.submit("/sign-in/code", code="000000" if code != "000000" else "111111")
    refused.append(bare(wrong))
    assert len(set(refused)) == 1
    right.submit("/sign-in/code", code=code)
    assert SESSION in right.cookies


def test_r1_exactly_the_means_of_the_deployment(uniform: Demo) -> None:
    """Only what is switched on is shown, e-CPS before password whatever the setting's order; what is off has no address."""
    visitor = Visitor(uniform)
    liberal = visitor.get("/_gateway/sign-in?space=liberal").text
    assert "Se connecter par CPS" not in liberal
    assert 0 < liberal.find("Se connecter par e-CPS") < liberal.find("Authentification forte par e-mail")
    other = visitor.get("/_gateway/sign-in?space=professionnel").text
    assert "S'IDENTIFIER PAR CARTE CPS" not in other
    assert 0 < other.find("S'IDENTIFIER PAR E-CPS") < other.find("Nom d'utilisateur")
    assert visitor.get("/_gateway/sign-in/card?space=liberal").status == 404
    assert visitor.get("/_gateway/sign-in/passkey?space=liberal").status == 404


def test_r158_r156_two_teams_on_every_page(uniform: Demo) -> None:
    """Each team is named with its topics and address under every page, refusals among them."""
    for path in ("sign-in", "help", "password/forgot", "charter/text", "sign-in/code", "nothing"):
        text = Visitor(uniform).get(f"/_gateway/{path}").text
        for name, (url, topics) in TEAMS.items():
            assert f'href="{url}">{name}' in text, path
            assert ", ".join(topics) in text, path


def test_g40_r15_r19_a_strength_is_asked_and_no_link_is_sent(uniform: Demo) -> None:
    """With 50 bits asked, eight characters of three classes are refused and nine taken; with proofs off no link leaves."""
    visitor = Visitor(uniform)
    by_psc(visitor, "dr-martin", space="liberal")
    for password, taken in (("Abzdufg1", False), ("Abzdufg12", True)):
        answer = visitor.submit(
            "/register", email="claire.martin@example.test", password=password, repeat_password=password
        )
        assert ("pas assez long ou pas assez varié" in answer.text) is not taken
        assert answer.url.endswith("/charter") is taken
    assert visitor.submit("/charter", accept="1").url.endswith(DEEP)
    welcome = uniform.mail("claire.martin@example.test")
    assert "https://" not in welcome["text"]
    assert "à confirmer" not in visitor.get("/_gateway/account").text


def test_g23_r103_each_sign_in_is_told_where_that_is_wished(uniform: Demo) -> None:
    """With ``notify.sign_in`` an ordinary sign-in is told by mail with its means."""
    by_psc(Visitor(uniform), "dr-petit")
    uniform.mail("anne.petit@example.test")
    uniform.forget()
    by_psc(Visitor(uniform), "dr-petit")
    assert "e-CPS" in uniform.mail("anne.petit@example.test")["text"]


def test_r143_polling_ends_with_the_session(uniform: Demo) -> None:
    """Calls under a background path are answered and keep nothing alive; a page does."""
    gateway = uniform.about["gateway"]
    script = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Accept": "*/*"}
    poll = gateway + "/Trajectoire/Pages/AccesRestreint/poll/status"
    for path, alive in ((poll, False), (gateway + DEEP, True)):
        visitor = Visitor(uniform)
        by_psc(visitor, "dr-bernard")
        uniform.advance(20 * 60)
        assert visitor.raw("GET", path, None, script).status == 200
        if alive:  # being seen is written behind the answer
            seen_at(visitor)
        uniform.advance(15 * 60)
        assert (visitor.raw("GET", gateway + DEEP, None, script).status == 200) is alive
    assert headers_of(uniform.requests()[-1])["x-vt-rpps"] == "99700100011"


def seen_at(visitor: Visitor) -> None:
    """Wait until the session in the store was seen lately."""
    deadline = time.monotonic() + 5
    while True:
        state = visitor.get("/_gateway/session", Accept="application/json").json()
        left = datetime.fromisoformat(state["idle_expires"]) - datetime.fromisoformat(state["now"])
        if left.total_seconds() > 29 * 60:
            return
        assert time.monotonic() < deadline


def test_r55_nothing_is_told_about_who_exists_by_the_lost_password(uniform: Demo) -> None:
    """The page of a lost password says one thing of everybody, and a suspended account gets no link."""
    said = set()
    for identifier in ("899700100011", "899700100102", "", "x" * 5000, "<b>"):
        visitor = Visitor(uniform)
        visitor.get("/_gateway/password/forgot")
        answer = visitor.submit("/password/forgot", identifier=identifier)
        said.add((answer.status, bare(answer)))
    assert len(said) == 1
    assert rows(uniform, "SELECT count(*) FROM accounts WHERE national_id = '899700100102'") == [(0,)]
