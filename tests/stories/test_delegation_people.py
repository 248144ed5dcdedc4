"""Who meets whom in delegations: a person with an account of their own, one assistant of two doctors, a chain of doctors, a
session by password alone; and what doctors, administrators and mailboxes learn (R103, R116, R117, R120, R126, R149)."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from tests.bearer import Bearer
from tests.stories.test_delegation_edges import BERNARD, GARNIER, PETIT, SECRETARY, colleague, live, pressed, told
from tests.stories.test_delegation_ends import offered
from tests.stories.test_delegations import (
    DEEP,
    PAGE,
    PASSWORD,
    acting,
    doctor,
    invite,
    join,
    secretary,
    seen,
    take_up,
    today,
)
from tests.stories.test_switches import attached, soon
from tests.stories.ways import by_card, card_of, headers_of, registered
from tests.visitor import Demo, Visitor

DURAND = "899700100037"
LAMBERT = "899700100078"


@pytest.fixture(scope="module")
def two(world: Demo) -> Demo:
    """Secretary Moreau works for Dr Bernard and for Dr Petit."""
    invite(doctor(world), "secretary-moreau")
    join(world, "secretary-moreau")
    invite(doctor(world, "dr-petit"), "secretary-moreau", rights=["tnd:envoyer"])
    join(world, "secretary-moreau")
    return world


def test_r116_r129_one_assistant_of_two_doctors_in_two_tabs(two: Demo) -> None:
    """The choice counts from the next request on, in both tabs, with its own rights alone and on every page; the doctors read
    who acted for them, by which means, and when it stopped."""
    tab = secretary(two)
    other = Visitor(two)
    other.cookies = tab.cookies  # one browser
    choices = offered(tab)
    assert len(choices) == 2
    for idnat, name in ((BERNARD, "Luc BERNARD"), (PETIT, "Anne PETIT"), (BERNARD, "Luc BERNARD")):
        offered(tab)[live(two, idnat, SECRETARY)]()
        for each in (tab, other):
            status, headers = seen(each)
            assert (status, headers["x-vt-on-behalf-of"], headers["x-vt-idnat-ps"]) == (200, idnat, SECRETARY)
            assert name.split()[1] in each.get("/_gateway/account").text.upper()
            assert acting(each)["on_behalf_of"] == idnat  # type: ignore[index]
    rights = acting(tab)["rights"]  # type: ignore[index]
    assert rights == ["grandage:completer", "grandage:consulter"]  # nothing of Dr Petit's
    other.get(PAGE)
    other.submit("/acting", delegation="")
    assert acting(tab) is None
    for key, idnat, count in (("dr-bernard", BERNARD, 2), ("dr-petit", PETIT, 1)):
        giver = doctor(two, key)
        page = giver.get(f"{PAGE}/one/{live(two, idnat, SECRETARY)}").text
        uses = page.split("Utilisation</h2>")[1].split("</table>")[0]
        assert uses.upper().count("<TD>LÉA MOREAU</TD>") == uses.count("<td>carte CPE</td>") == count, uses
        assert "jusqu'à la fin de sa session" not in uses
        assert "Acceptée avec sa carte" in page
        assert "Créée" in page


def test_r117_r115_somebody_with_an_account_keeps_it(two: Demo) -> None:
    """Nurse Durand registered by card; the link adds the delegation to her account, without a form, and changes nothing else
    of it; later she acts by password and code too, and in her own name without asking for it."""
    own = by_card(two, "nurse-durand", "professionnel", PAGE)
    given = {"email": "ines.durand@example.test", "password": PASSWORD, "repeat_password": PASSWORD}
    own.submit("/register", **given)
    own.submit("/charter", accept="1")
    api = Bearer(two, "national")

    def account() -> dict[str, object]:
        (found,) = api.get("accounts?q=ines.durand@example.test").json()["accounts"]
        full: dict[str, object] = api.get(f"accounts/{found['id']}").json()
        return {name: full[name] for name in ("id", "mail", "profession", "national_id", "logins")}

    before = account()
    invite(doctor(two, "dr-petit"), "nurse-durand", rights=["sanitaire:consulter"])
    visitor = Visitor(two, card_of(two, "nurse-durand"))
    visitor.get(two.link("ines.durand@example.test", "invite"))
    answer = visitor.submit("/delegations/invitation", way="card")
    assert "/register" not in answer.url
    assert "Vous pouvez agir pour" in answer.text
    assert account() == before
    assert "x-vt-on-behalf-of" not in seen(visitor)[1]
    later = Visitor(two)
    later.get(DEEP)
    two.console("DELETE", "/mails")
    later.submit("/sign-in/password", identifier=DURAND, password=PASSWORD, shared="")
    later.submit("/sign-in/code", code=two.code("ines.durand@example.test"))
    take_up(later)
    status, headers = seen(later)
    assert (status, headers["x-vt-rpps"], headers["x-vt-auth-method"]) == (200, DURAND[1:], "otp-mail")
    assert headers["x-vt-on-behalf-of"] == PETIT


def test_r130_a_password_alone_does_not_act(two: Demo) -> None:
    """Where a password is enough to come in, it is not enough to act for a doctor: the page says so and offers another way,
    by hand it is refused, and after a code it works."""
    national, region = Bearer(two, "national"), Bearer(two, "region")
    (found,) = national.get("accounts?q=ines.durand@example.test").json()["accounts"]
    said = national.call("POST", f"accounts/{found['id']}/scopes", {"scope": "ch-exemple", "reason": "essai"})
    assert said.status in (200, 201), said.body
    until = (region.now() + timedelta(days=30)).isoformat()
    assert region.switch("ch-exemple", "password_only", until=until).status in (201, 422)

    def by_password_alone() -> Visitor:
        visitor = Visitor(two)
        visitor.get(DEEP)
        visitor.submit("/sign-in/password", identifier=DURAND, password=PASSWORD, shared="")
        return visitor

    soon(lambda: by_password_alone().last.url.endswith(DEEP))
    visitor = by_password_alone()
    assert headers_of(two.requests()[-1])["x-vt-assurance"] == "password"
    assert offered(visitor) == {}
    assert "Un mot de passe seul ne suffit pas pour agir" in visitor.last.text
    refused = pressed(visitor, "/acting", delegation=live(two, PETIT, DURAND))
    assert refused.status == 403
    assert "Un mot de passe seul ne suffit pas" in refused.text
    assert acting(visitor) is None
    assert "x-vt-on-behalf-of" not in seen(visitor)[1]
    visitor.last = refused
    two.console("DELETE", "/mails")
    visitor.click("Se connecter autrement")
    visitor.submit("/step-up", channel="mail")
    visitor.submit("/sign-in/code", code=two.code("ines.durand@example.test"))
    take_up(visitor)
    assert seen(visitor)[1]["x-vt-on-behalf-of"] == PETIT


def test_r120_a_chain_of_doctors_hands_nothing_on(two: Demo) -> None:
    """Bernard lets Garnier, Garnier lets Lambert: Lambert acts for Garnier and reaches nothing of Bernard's; who acts for
    Bernard cannot give anything, not even of their own, until they stop."""
    registered(two, "dr-garnier")
    registered(two, "dr-lambert")
    assert colleague(doctor(two), GARNIER, 20).status == 200
    between = doctor(two, "dr-garnier")
    assert colleague(between, LAMBERT, 20).status == 200
    own, handed = live(two, GARNIER, LAMBERT), live(two, BERNARD, GARNIER)
    last = doctor(two, "dr-lambert")
    assert list(offered(last)) == [own]
    assert pressed(last, "/acting", delegation=handed).status == 403
    offered(last)[own]()
    assert seen(last)[1]["x-vt-on-behalf-of"] == GARNIER
    assert list(offered(last)) == []  # Garnier's own habilitations are not Lambert's
    offered(between)[handed]()
    assert seen(between)[1]["x-vt-on-behalf-of"] == BERNARD
    assert seen(last)[1]["x-vt-on-behalf-of"] == GARNIER  # and so it stays while Garnier acts for Bernard
    before = told(two)
    days = {"start": today(two, 40), "end": today(two, 50)}
    person = {"family_name": "Lenoir", "given_name": "Jeanne", "email": "j.lenoir@example.test", "rights": "tnd:creer"}
    for path, fields in (
        ("/delegations/assistants/add", {**person, **days}),
        ("/delegations/doctors/add", {"rpps": LAMBERT[1:], **days}),
        (f"/delegations/one/{own}/change", {"version": 1, **days}),
        (f"/delegations/one/{own}/end", {}),
    ):
        for one in (between, last):
            answer = pressed(one, path, **fields)
            assert answer.status == 403, path
            assert "Vous agissez pour un médecin" in answer.text
    assert told(two) == before


def test_r103_mails_say_who_and_when_and_nothing_of_files(two: Demo) -> None:
    """No mail about delegations has rights, numbers of people or ids; only an invitation has a link with a secret."""
    two.forget()
    giver = doctor(two, "dr-lambert")
    invite(giver, "assistant-henry", rights=["grandage:consulter", "tnd:envoyer"])
    join(two, "assistant-henry")
    giver.get(PAGE)
    giver.click("Tom Henry")
    giver.submit("/change", rights=["sanitaire:creer"])
    assert colleague(giver, PETIT, 9).status == 200
    one = live(two, LAMBERT, PETIT)
    giver.get(f"{PAGE}/one/{one}/end")
    giver.submit("/end")
    two.mail("anne.petit@example.test", "terminée")
    mails = two.console("GET", "/mails")
    assert {mail["to"] for mail in mails} >= {
        "tom.henry@example.test",
        "hugo.lambert@example.test",
        "anne.petit@example.test",
    }
    told_of = [mail for mail in mails if "délégation" in mail["text"] or "dossiers" in mail["text"]]
    assert len(told_of) >= 7
    for mail in told_of:
        text = " ".join(word for word in (mail["subject"] + mail["text"]).lower().split() if "https://" not in word)
        for word in (
            "grandage",
            "grand âge",
            "tnd",
            "neuro",
            "sanitaire",
            "consulter",
            "envoyer",
            "patient",
            "dlg_",
            "acc_",
        ):
            assert word not in text, (word, mail)
        assert not re.search(r"\b8?99[0-9]{9}\b", text), mail
        assert ("token=" in mail["text"]) == mail["subject"].endswith("un médecin vous invite"), mail


def test_r126_r149_administrators_see_what_is_of_their_place(two: Demo) -> None:
    """The nation sees all delegations, a région and a référent those of people of their places, strangers none; a référent
    ends none, a région those within reach, and the doctor reads who did and when."""
    one = live(two, BERNARD, SECRETARY)
    everything = {each["id"] for each in told(two)}
    assert one in everything
    referent, region = Bearer(two, "referent"), Bearer(two, "region")
    assert Bearer(two, None).get("delegations").status == 401
    for api in (referent, region):
        ids = {each["id"] for each in api.get("delegations?limit=200").json()["delegations"]}
        assert one not in ids
        assert ids < everything
        assert api.get(f"delegations/{one}").status == api.get("delegations/dlg_invented").status == 404
    attached(two, "ehpad-glycines", "dr-bernard")
    for api in (referent, region):
        soon(lambda api=api: api.get(f"delegations/{one}").status == 200)  # type: ignore[misc]
        assert [event["what"] for event in api.get(f"delegations/{one}").json()["history"]][:2] == ["given", "accepted"]
    assert referent.call("POST", f"delegations/{one}/end", {"reason": "essai du récit"}).status == 403
    assert region.call("POST", f"delegations/{one}/end", {"reason": ""}).status in (400, 422)
    assert region.get(f"delegations/{one}").json()["state"] == "active"
    assert region.call("POST", f"delegations/{one}/end", {"reason": "essai du récit"}).json()["state"] == "revoked"
    page = doctor(two).get(f"{PAGE}/one/{one}").text
    assert "Retirée par l'administration" in page
    assert "essai du récit" not in page
