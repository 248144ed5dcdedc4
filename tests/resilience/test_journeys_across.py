"""Every journey with each of its steps on another machine, whose clock is five seconds apart: nothing is sticky."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.resilience.pair import Pair, Wanderer
from tests.stories.test_delegations import PAGE, acting, seen, today
from tests.stories.test_main_job import DEEP, by_password, by_psc, card_of, headers_of

PASSWORD = "Un-beau-matin-7"
WAYS = pytest.mark.parametrize("way", ["ab", "ba", "aab", "bba"])


def told(pair: Pair) -> dict[str, str]:
    """What the application was told last."""
    return headers_of(pair.demo.requests()[-1])


@WAYS
def test_r14_password_code_and_sign_out(pair: Pair, way: str) -> None:
    """Two instances without sticky routing: the page, the password, the code, each page and the sign-out on another."""
    visitor = Wanderer(pair, way)
    by_password(visitor, "dr-bernard")
    assert visitor.last.url.endswith(DEEP), visitor.last.text
    assert told(pair)["x-vt-auth-method"] == "otp-mail"
    for _ in range(4):
        assert visitor.get(DEEP).status == 200
    visitor.get("/_gateway/account")
    visitor.submit("/sign-out")
    assert "Vous êtes déconnecté" in visitor.last.text
    for name in "ab":
        visitor.at(name)
        assert "Se connecter" in visitor.get(DEEP).text


@WAYS
def test_r14_pro_sante_connect(pair: Pair, way: str) -> None:
    """Begun on one machine, the answer comes back to another."""
    visitor = Wanderer(pair, way)
    by_psc(visitor, "dr-petit")
    assert visitor.last.url.endswith(DEEP), visitor.last.text
    assert told(pair)["x-vt-auth-method"] == "psc-ecps"


@pytest.mark.parametrize(("way", "key"), [("ab", "dr-martin"), ("ba", "dr-garnier"), ("bba", "dr-lambert")])
def test_r14_card_registration_and_charter(pair: Pair, way: str, key: str) -> None:
    """A first connection: the card, the form with a fault and without, the charter, the account."""
    visitor = Wanderer(pair, way, card_of(pair.demo, key))
    visitor.get(f"/_gateway/sign-in/card?space=liberal&return={DEEP.replace('&', '%26')}")
    assert "Vos informations personnelles" in visitor.last.text, visitor.last.text
    assert visitor.submit("/register", email="", password="abc", repeat_password="").status == 422
    mail = pair.demo.person(key)["mail"]
    visitor.submit("/register", email=mail, password=PASSWORD, repeat_password=PASSWORD)
    assert "J'ai lu et accepte" in visitor.last.text, visitor.last.text
    visitor.submit("/charter", accept="1")
    assert visitor.last.url.endswith(DEEP), visitor.last.text
    assert told(pair)["x-vt-auth-method"] == "cps"


@pytest.mark.parametrize("way", ["ab", "ba"])
def test_r14_forgotten_password(pair: Pair, way: str) -> None:
    """Asked for on one, chosen on the other; the old one is wrong everywhere at once, and the link serves once."""
    demo, visitor = pair.demo, Wanderer(pair, way)
    person = demo.person("dr-rousseau")
    visitor.get("/_gateway/password/forgot")
    visitor.submit("/password/forgot", identifier=person["account"]["identifier"])
    link = demo.link(person["mail"], "mot de passe")
    visitor.get(link)
    new = PASSWORD + way
    visitor.submit("/password/reset", password=new, repeat_password=new)
    for name in "ab":
        visitor = Wanderer(pair, name)
        visitor.get("/_gateway/sign-in?space=professionnel")
        wrong = visitor.submit(
            "/sign-in/password", identifier=person["account"]["identifier"], password="Clinique-du-7e"
        )
        assert wrong.status == 401
        assert visitor.get(link).status == 403
    visitor = Wanderer(pair, way)
    visitor.get(DEEP)
    visitor.submit("/sign-in/password", identifier=person["account"]["identifier"], password=new)
    visitor.submit("/sign-in/code", code=demo.code(person["mail"]))
    assert visitor.last.url.endswith(DEEP), visitor.last.text


@pytest.mark.parametrize(("opened", "used"), [("a", "b"), ("b", "a")])
def test_r96_a_fresh_proof_is_fresh_on_a_machine_whose_clock_is_behind(pair: Pair, opened: str, used: str) -> None:
    """Signed in a moment ago on a machine that is ahead, « Mon compte » takes a change on the other without asking for
    another proof, and asks for none that it could never be given."""
    visitor = Wanderer(pair, opened, card_of(pair.demo, "dr-bernard"))
    visitor.get("/_gateway/sign-in/card?space=liberal&return=/_gateway/account")
    assert "Mon compte" in visitor.last.text, visitor.last.text
    visitor.at(used)
    page = visitor.get("/_gateway/account/phone")
    assert page.url.endswith("/account/phone"), page.url
    assert "step-up" not in page.url


@pytest.fixture(scope="module")
def staffed(pair_of_file: Pair) -> Iterator[Pair]:
    """Dr Bernard invited secretary Moreau: asked for on A and B, accepted on B and A."""
    demo = pair_of_file.demo
    demo.forget()
    doctor = Wanderer(pair_of_file, "ab", card_of(demo, "dr-bernard"))
    doctor.get(f"/_gateway/sign-in/card?space=liberal&return={PAGE}")
    doctor.get(f"{PAGE}/assistants/add")
    person = demo.person("secretary-moreau")
    rights: Any = ["grandage:consulter", "grandage:completer"]
    doctor.submit(
        "/assistants/add",
        family_name=person["family_name"],
        given_name=person["given_name"],
        email=person["mail"],
        rights=rights,
        start=today(demo),
        end=today(demo, 30),
    )
    visitor = Wanderer(pair_of_file, "ba", card_of(demo, "secretary-moreau"))
    visitor.get(demo.link(person["mail"]))
    visitor.submit("/delegations/invitation", way="card")
    assert "/register" in visitor.last.url, visitor.last.text
    fields = {"password": PASSWORD, "repeat_password": PASSWORD, "profession": "Secrétaire médicale"}
    visitor.submit("/register", **fields)
    visitor.submit("/charter", accept="1")
    assert "Agir pour" in visitor.last.text, visitor.last.text
    yield pair_of_file


@WAYS
def test_r114_acting_for_a_doctor(staffed: Pair, way: str) -> None:
    """« Agir pour » on one machine, the application told by the other, back to oneself on the first."""
    visitor = Wanderer(staffed, way, card_of(staffed.demo, "secretary-moreau"))
    visitor.get(f"/_gateway/sign-in/card?space=professionnel&return={PAGE}")
    visitor.get(PAGE)
    form = next(one for one in visitor.last.forms if one.action.endswith("/acting") and one.fields.get("delegation"))
    visitor.submit_form(form)
    for name in "ab":
        visitor.at(name)
        status, headers = seen(visitor)
        assert (status, headers["x-vt-on-behalf-of"]) == (200, "899700100011")
    assert acting(visitor) is not None


def test_h4_a_form_of_one_machine_is_good_on_the_other_and_in_no_other_browser(pair: Pair) -> None:
    """Cookies and form tokens made by one are judged by the other; somebody else's are refused by both."""
    for way in ("ab", "ba"):
        mine, theirs = Wanderer(pair, way[0]), Wanderer(pair, way[1])
        for visitor in (mine, theirs):
            by_psc(visitor, "dr-petit")
        page = mine.get("/_gateway/account")
        mine.at(way[1])
        theirs.last = page
        refused = theirs.submit("/sign-out")
        assert refused.status == 403, refused.text
        mine.submit("/sign-out")
        assert "Vous êtes déconnecté" in mine.last.text
