"""First connections and what a password must be, with every message, in a world of their own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from tests.stories.conftest import running
from tests.stories.ways import DEEP, PASSWORD, by_card, by_psc, card_of
from tests.visitor import Demo, Visitor

SESSION = ("localhost", "__Host-vtgw")
LONG = "Cent caractères avec des espaces, des chiffres 1234567890 et des mots qui n'ont aucun rapport 42 fi"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Nobody has signed in here yet."""
    with running(tmp_path_factory.mktemp("fresh")) as demo:
        yield demo


def rows(demo: Demo, query: str, *values: str) -> list[tuple[object, ...]]:
    with closing(demo.records()) as records:
        return records.execute(query, values).fetchall()


@pytest.fixture(scope="module")
def form(fresh: Demo) -> Visitor:
    """Somebody at the form of the first connection, who never finishes it."""
    visitor = by_card(fresh, "nurse-durand", space="professionnel")
    assert "Vos informations personnelles" in visitor.last.text
    return visitor


@pytest.mark.parametrize(
    ("password", "message"),
    [
        ("Abcde1", "au moins 8 caractères"),
        ("abcdefg1", "au moins une majuscule"),
        ("ABCDEFG1", "au moins une minuscule"),
        ("Abcdefgh", "au moins un chiffre"),
        ("Motdepasse1", "trop courant"),
        ("Marseille2024!", "trop courant"),
        ("Bateau-durand-9", "ni votre nom, ni votre numéro, ni votre adresse"),
        ("Xy99700100037zz", "ni votre nom, ni votre numéro, ni votre adresse"),
        ("Le-9-de-Boitealettres", "ni votre nom, ni votre numéro, ni votre adresse"),
    ],
)
def test_r14_r15_each_fault_of_a_password_has_its_message(form: Visitor, password: str, message: str) -> None:
    """At the first connection each rule says what is missing beside its field, and nothing is created."""
    answer = form.submit("/register", email="boitealettres@example.test", password=password, repeat_password=password)
    assert answer.status == 422
    assert message in answer.text.split('id="password-fault"')[1].split("</div>")[0]
    assert password not in answer.text
    assert rows(form.demo, "SELECT id FROM accounts WHERE national_id = '899700100037'") == []


@pytest.mark.parametrize("missing", ["email", "password", "repeat_password"])
def test_r12_r16_a_missing_field_is_told_at_its_field(form: Visitor, missing: str) -> None:
    """Each mandatory field that is left empty has a message tied to it, and the text of the others stays."""
    given = {"email": "i.durand@example.test", "password": PASSWORD, "repeat_password": PASSWORD, "city": "Oyonnax"}
    answer = form.submit("/register", **{**given, missing: ""})
    assert answer.status == 422
    assert "Ce champ est obligatoire." in answer.text.split(f'id="{missing}-fault"')[1].split("</div>")[0]
    assert f'href="#{missing}"' in answer.text
    assert 'value="Oyonnax"' in answer.text
    other = form.submit("/register", **{**given, "repeat_password": PASSWORD + "x"})
    assert (other.status, "Les deux mots de passe sont différents." in other.text) == (422, True)


def test_r15_r20_r19_r27_a_long_passphrase_and_a_shared_mailbox(fresh: Demo) -> None:
    """A passphrase of 100 characters is taken whole: its last character matters, and either way of writing its accents
    is the same. A mailbox that looks shared is warned about and taken. The first code proves the address. The acceptance
    of the charter says version, text, means and time."""
    assert len(LONG) == 99
    visitor = by_card(fresh, "dr-garnier")
    visitor.submit("/register", email="secretariat@cabinet.test", password=LONG + "a", repeat_password=LONG + "a")
    page = visitor.last.text
    assert "semble être lue par plusieurs personnes" in page
    box = page.index('id="accept"')
    assert box > page.index("Version") and "checked" not in page[box : box + 80]  # R26: at the very bottom, unticked
    assert "</article>" not in page[box:]
    assert visitor.submit("/charter", accept="1").url.endswith(DEEP)
    account = "SELECT id, mail_proved_at FROM accounts WHERE national_id = '899700100060'"
    ((account_id, proved),) = rows(fresh, account)
    assert proved is None
    ((version, text_hash, method, at),) = rows(
        fresh, "SELECT charter_version, text_hash, method, accepted_at FROM acceptances WHERE account_id = ?", account_id
    )  # fmt: skip
    assert version and text_hash and at
    assert method == "cps"

    def typed(password: str) -> Visitor:
        one = Visitor(fresh)
        one.get("/_gateway/sign-in?space=liberal")
        one.submit("/sign-in/password", identifier="8 99700.100-060", password=password)
        return one

    assert typed(LONG + "b").last.status == 401
    assert typed(LONG).last.status == 401
    right = typed(LONG.replace("è", "e\u0300") + "a")
    assert "J'ai reçu mon code" in right.last.text
    right.submit("/sign-in/code", code=fresh.code("secretariat@cabinet.test"))
    assert SESSION in right.cookies
    assert rows(fresh, account)[0][1] is not None
    assert "semble être lue par plusieurs personnes" in right.get("/_gateway/account").text


def test_r17_two_browsers_and_two_means_at_once_make_one_account(fresh: Demo) -> None:
    """The same doctor finishes the form in two browsers, by card and by e-CPS, at the same instant: one account."""
    card, psc = by_card(fresh, "dr-martin"), Visitor(fresh)
    by_psc(psc, "dr-martin", space="liberal")
    given = {"password": PASSWORD, "repeat_password": PASSWORD}
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda one: one.submit("/register", email="claire.martin@example.test", **given), (card, psc)))
        ready = [one for one in (card, psc) if one.last.url.endswith("/charter")]
        assert ready
        list(pool.map(lambda one: one.submit("/charter", accept="1"), ready))
    assert rows(fresh, "SELECT count(*) FROM accounts WHERE national_id = '899700000005'") == [(1,)]
    for key in ("CARD", "MOBILE"):
        again = Visitor(fresh)
        by_psc(again, "dr-martin", mode=key, space="liberal")
        assert again.last.url.endswith(DEEP)


def test_r23_creer_mon_compte_twice(fresh: Demo) -> None:
    """A double click on « Créer mon compte », and the form sent again after the charter, make one account."""
    visitor = by_card(fresh, "dr-lambert")
    page = visitor.last
    given = {"email": "hugo.lambert@example.test", "password": PASSWORD, "repeat_password": PASSWORD}

    def click(_: int) -> str:
        one = Visitor(fresh)
        one.cookies, one.last = dict(visitor.cookies), page
        return one.submit("/register", **given).url

    with ThreadPoolExecutor(4) as pool:
        assert all(url.endswith("/charter") for url in pool.map(click, range(4)))
    visitor.get("/_gateway/charter")
    assert visitor.submit("/charter", accept="1").status == 200
    visitor.last = page
    late = visitor.submit("/register", **given)
    assert late.status in (200, 403, 422)
    assert rows(fresh, "SELECT count(*) FROM accounts WHERE national_id = '899700100078'") == [(1,)]


@pytest.mark.parametrize(("key", "explained"), [("secretary-moreau", True), ("student-faure", True)])
def test_r32_other_cards_make_no_medecin_liberal(fresh: Demo, key: str, explained: bool) -> None:
    """A staff card and a student's are read and refused on the médecin libéral page, and no account is made."""
    visitor = Visitor(fresh, card_of(fresh, key))
    visitor.get("/_gateway/sign-in?space=liberal")
    answer = visitor.click("Se connecter par CPS")
    assert "La lecture de la carte CPS a échoué." in answer.text
    assert ("Ce type de carte ne permet pas d'entrer dans cet espace." in answer.text) is explained
    assert SESSION not in visitor.cookies
    family = fresh.person(key)["family_name"].upper()
    assert rows(fresh, "SELECT id FROM accounts WHERE family_name = ?", family) == []


def test_r42_r33_refused_after_psc_said_yes(fresh: Demo) -> None:
    """A nurse refused in the médecin libéral space can leave Pro Santé Connect and try again, and is then asked who she
    is instead of being sent round."""
    visitor = Visitor(fresh)
    by_psc(visitor, "nurse-durand", space="liberal")
    assert visitor.last.status == 403
    assert "réservé aux médecins" in visitor.last.text
    assert SESSION not in visitor.cookies
    out = visitor.last.link("Se déconnecter de Pro Santé Connect et réessayer")
    assert out.startswith(fresh.about["psc"])
    visitor.get(out)
    assert visitor.last.url.split("?")[0].endswith("/signed-out")
    assert "Qui êtes-vous" in visitor.get("/_gateway/sign-in/psc?space=liberal").text


def test_r28_charter_and_privacy_are_open_to_everybody(fresh: Demo) -> None:
    """Whoever has no account reads the charter and the privacy notice, and neither asks anything."""
    for path, words in (("charter/text", "Charte d'utilisation"), ("privacy", "Données personnelles")):
        answer = Visitor(fresh).get(f"/_gateway/{path}")
        assert (answer.status, answer.url.endswith(path)) == (200, True)
        assert f"<h1>{words}" in answer.text
        assert "<form" not in answer.text


def test_r4_a_password_session_gives_a_code_to_change_space(fresh: Demo) -> None:
    """A doctor whose establishment asked a password alone, and now asks a code: changing space asks for the code first,
    and only then is the space another, with a new ticket."""
    with closing(fresh.records()) as records:
        records.execute(
            "INSERT INTO memberships (account_id, scope_id, since) SELECT 'acc_dr-bernard', 'ch-exemple', created_at "
            "FROM accounts WHERE id = 'acc_dr-bernard'"
        )
        records.commit()
    person = fresh.person("dr-bernard")
    visitor = Visitor(fresh)
    visitor.get(f"/_gateway/sign-in?space=liberal&return={DEEP.replace('&', '%26')}")
    visitor.submit("/sign-in/password", identifier="899700100011", password=person["account"]["password"])
    state = visitor.get("/_gateway/session", Accept="application/json").json()
    assert (state["assurance"], state["space"]) == ("password", "liberal")
    with closing(fresh.records()) as records:
        records.execute("DELETE FROM memberships WHERE account_id = 'acc_dr-bernard'")
        records.commit()
    before = visitor.cookies[SESSION]
    visitor.get("/_gateway/account")
    asked = visitor.submit("/account/space", space="professionnel")
    assert "Confirmez que c'est bien vous" in asked.text
    assert visitor.get("/_gateway/session", Accept="application/json").json()["space"] == "liberal"
    visitor.last = asked
    visitor.submit("/step-up", channel="mail")
    visitor.submit("/sign-in/code", code=fresh.code(person["mail"]))
    state = visitor.get("/_gateway/session", Accept="application/json").json()
    assert (state["space"], state["method"]) == ("professionnel", "otp-mail")
    assert visitor.cookies[SESSION] != before
    stale = Visitor(fresh)
    stale.cookies = {**visitor.cookies, SESSION: before}
    assert stale.get("/_gateway/session", Accept="application/json").status == 401


def test_r21_what_was_typed_is_kept_one_day_at_most(fresh: Demo) -> None:
    """Left at the charter and resumed every twenty hours, a form is forgotten a day after it was filled: the next strong
    sign-in begins with an empty one."""
    given = {"email": "sam.roux@example.test", "password": PASSWORD, "repeat_password": PASSWORD}
    first = Visitor(fresh)
    by_psc(first, "social-roux")
    first.submit("/register", **given)
    for resumed in (True, False):
        fresh.advance(20 * 3600)
        again = Visitor(fresh)
        by_psc(again, "social-roux")
        assert ("J'ai lu et accepte" in again.last.text) is resumed
        assert ("Vos informations personnelles" in again.last.text) is not resumed
    assert "sam.roux@example.test" not in again.last.text
