"""Delegations where the region decided otherwise: a card to act, an e-CPS to accept, thirty days at most (R109, R112, R115)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stories.conftest import running
from tests.stories.test_delegation_edges import live, pressed
from tests.stories.test_delegation_ends import offered
from tests.stories.test_delegations import PAGE, PASSWORD, acting, doctor, invite, seen, take_up, today
from tests.stories.ways import DEEP, by_psc, card_of
from tests.visitor import Demo, Visitor

DURAND, BERNARD = "899700100037", "899700100011"
MAIL = "ines.durand@example.test"
STRICT = {
    "GATEWAY_DELEGATION__STAFF_METHODS": '["card"]',
    "GATEWAY_DELEGATION__FINALISE_WITH": '["cpe", "ecps"]',
    "GATEWAY_DELEGATION__MAX_DAYS": "30",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A world with the settings above, in which Dr Bernard has invited nurse Durand."""
    with running(tmp_path_factory.mktemp("strict"), **STRICT) as demo:
        invite(doctor(demo), "nurse-durand", days=20)
        yield demo


def test_r112_only_the_means_that_are_accepted(demo: Demo, world: Demo) -> None:
    """The page names them; an e-CPS accepts; a CPS, which is not among them, does not, and the link stays good. A way that is
    not offered is none, whatever a form says."""
    giver = doctor(demo)
    giver.click("Inès Durand")
    giver.submit("/resend")
    link = demo.link(MAIL)
    card = Visitor(demo, card_of(demo, "nurse-durand"))
    page = card.get(link)
    assert "votre carte CPE ou votre e-CPS, à votre nom" in page.text
    assert card.submit("/delegations/invitation", way="password").status == 422
    card.get(link)
    card.submit("/delegations/invitation", way="card")
    card.submit("/register", email=MAIL, password=PASSWORD, repeat_password=PASSWORD, profession="Infirmière")
    refused = card.submit("/charter", accept="1")
    assert refused.status == 403
    assert "Ce moyen ne permet pas d'accepter l'invitation" in refused.text
    assert offered(card) == {}
    with_ecps = Visitor(demo)
    with_ecps.get(link)
    with_ecps.submit("/delegations/invitation", way="psc")
    answer = with_ecps.submit("/auth", person="nurse-durand")
    assert "Vous pouvez agir pour" in answer.text
    assert PASSWORD not in answer.text
    assert "Sans votre carte" not in answer.text  # R115: a code will not do here
    assert Visitor(demo).get(link).status == 403


def test_r115_a_card_to_act_and_nothing_else(demo: Demo, world: Demo) -> None:
    """By code and by e-CPS the person comes in and cannot act, by page or by hand; the same session acts after the card."""
    one = live(demo, BERNARD, DURAND)
    by_code = Visitor(demo)
    by_code.get(DEEP)
    by_code.submit("/sign-in/password", identifier=DURAND, password=PASSWORD, shared="")
    by_code.submit("/sign-in/code", code=demo.code(MAIL))
    by_ecps = Visitor(demo)
    by_psc(by_ecps, "nurse-durand")
    for visitor in (by_code, by_ecps):
        assert visitor.last.url.endswith(DEEP)
        assert offered(visitor) == {}
        assert "Le moyen par lequel vous êtes connecté ne permet pas d'agir" in visitor.last.text
        refused = pressed(visitor, "/acting", delegation=one)
        assert refused.status == 403
        assert "Connectez-vous avec votre carte" in refused.text
        assert acting(visitor) is None
        assert "x-vt-on-behalf-of" not in seen(visitor)[1]
    by_code.card = card_of(demo, "nurse-durand")
    by_code.get(PAGE)
    by_code.click("Se connecter autrement")
    by_code.get(by_code.last.link("Se connecter par CPS"))
    take_up(by_code)
    status, told = seen(by_code)
    assert (status, told["x-vt-on-behalf-of"], told["x-vt-auth-method"]) == (200, BERNARD, "cps")


def test_r109_no_longer_than_the_region_allows(demo: Demo, world: Demo) -> None:
    """Thirty days with both ends, for staff, for colleagues, and when a period is prolonged."""
    giver = doctor(demo)
    assert invite(giver, "assistant-henry", days=30).status == 422
    assert "Une délégation dure 30 jours au plus." in giver.last.text
    assert invite(giver, "assistant-henry", days=29).status == 200
    one = giver.get(PAGE).link("Tom Henry")
    giver.get(one)
    assert giver.submit("/change", end=today(demo, 30)).status == 422
    giver.get(f"{PAGE}/doctors/add?rpps=99700100060")
    assert giver.submit("/doctors/add", start=today(demo), end=today(demo, 30)).status == 422
