"""J10–J13: a doctor hands out rights, practice staff and a colleague act under them, and it ends. Through the whole demo."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.stories.test_main_job import DEEP, card_of, headers_of
from tests.visitor import Answer, Demo, Visitor

PAGE = "/_gateway/delegations"
PARIS = ZoneInfo("Europe/Paris")
SCRIPT = {"Accept": "application/json", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
PASSWORD = "Un-beau-matin-7"


def today(demo: Demo, days: int = 0) -> str:
    """A day of the demo's clock in Paris, as date fields send it."""
    now = datetime.fromisoformat(demo.console("GET", "/clock")["now"])
    return (now.astimezone(PARIS) + timedelta(days=days)).date().isoformat()


def doctor(demo: Demo, key: str = "dr-bernard") -> Visitor:
    """A doctor in the médecin libéral space, by card."""
    visitor = Visitor(demo, card_of(demo, key))
    visitor.get(f"/_gateway/sign-in/card?space=liberal&return={PAGE}")
    assert "Mes délégations" in visitor.last.text, visitor.last.text
    return visitor


def invite(visitor: Visitor, key: str, *, name: str = "", days: int = 30, rights: list[str] | None = None) -> Answer:
    """Fill « Ajouter une délégation de droits » for practice staff."""
    demo = visitor.demo
    person = demo.person(key)
    visitor.get(f"{PAGE}/assistants/add")
    return visitor.submit(
        "/assistants/add",
        family_name=name or person["family_name"],
        given_name=person["given_name"],
        email=person["mail"],
        rights=rights or ["grandage:consulter", "grandage:completer"],
        start=today(demo),
        end=today(demo, days),
    )


def join(demo: Demo, key: str, *, mail: str = "", password: str = PASSWORD) -> Visitor:
    """Practice staff: the mailed link, the card, the form of the first sign-in, the charter."""
    person = demo.person(key)
    visitor = Visitor(demo, card_of(demo, key))
    deadline = time.monotonic() + 10
    while True:  # the newest link may be of an invitation before, until the mail of this one has come
        visitor.get(demo.link(mail or person["mail"]))
        if any(form.action.endswith("/delegations/invitation") for form in visitor.last.forms):
            break
        assert time.monotonic() < deadline, visitor.last.text
        time.sleep(0.05)
    visitor.submit("/delegations/invitation", way="card")
    if "/register" in visitor.last.url:
        fields = {"password": password, "repeat_password": password, "profession": "Secrétaire médicale"}
        visitor.submit("/register", **fields)
        assert "J'ai lu et accepte les conditions ci-dessus" in visitor.last.text, visitor.last.text
        visitor.submit("/charter", accept="1")
    return visitor


def acting(visitor: Visitor) -> dict[str, Any] | None:
    """For whom the session acts, as the gateway says."""
    found: dict[str, Any] | None = visitor.get("/_gateway/session", Accept="application/json").json()["acting"]
    return found


def take_up(visitor: Visitor, position: int = 0) -> Answer:
    """« Agir pour » on « Mes habilitations »."""
    visitor.get(PAGE)
    forms = [one for one in visitor.last.forms if one.action.endswith("/acting") and one.fields.get("delegation")]
    form = forms[position]
    return visitor.submit_form(form)


def seen(visitor: Visitor) -> tuple[int, dict[str, str]]:
    """What the application receives of the next protected request; no headers when it receives none."""
    visitor.demo.console("DELETE", "/requests")
    answer = visitor.get(DEEP)
    reached = [one for one in visitor.demo.requests() if one["target"] == DEEP]
    return answer.status, headers_of(reached[-1]) if reached else {}


@pytest.fixture(scope="module")
def staffed(world: Demo) -> Demo:
    """Dr Bernard has invited secretary Moreau, who has joined with her card."""
    invite(doctor(world), "secretary-moreau")
    joined = join(world, "secretary-moreau")
    assert "Agir pour" in joined.last.text, joined.last.text
    return world


def secretary(demo: Demo) -> Visitor:
    visitor = Visitor(demo, card_of(demo, "secretary-moreau"))
    visitor.get(f"/_gateway/sign-in/card?space=professionnel&return={PAGE}")
    assert "Agir pour" in visitor.last.text, visitor.last.text
    return visitor


def test_r105_r110_the_page_and_an_invitation(staffed: Demo) -> None:
    """Both sections with their button; the mail names the doctor and no patient, and the delegation is active now."""
    page = doctor(staffed).last
    for words in (
        "Assistant(s) habilité(s) à gérer mes dossiers",
        "Médecin(s) habilité(s) à gérer mes dossiers",
        "Ajouter une délégation de droits",
        "Moreau",
    ):
        assert words in page.text
    mail = staffed.mail("lea.moreau@example.test", "invit")
    assert "BERNARD" in mail["text"].upper()
    told = staffed.mail("luc.bernard@example.test")
    assert "MOREAU" in told["text"].upper()


def test_r114_r139_acting_is_told_to_the_application_with_the_person_first(staffed: Demo) -> None:
    """No RPPS for a secretary; her own number stays ``sub`` and in the headers, the doctor's stands in the delegation."""
    visitor = secretary(staffed)
    status, alone = seen(visitor)
    assert status == 200
    assert "x-vt-on-behalf-of" not in alone
    take_up(visitor)
    status, told = seen(visitor)
    assert status == 200
    assert told["x-vt-idnat-ps"] == "3690780028/000000042"
    assert "x-vt-rpps" not in told
    assert told["x-vt-on-behalf-of"] == "899700100011"
    assert "rights=grandage:completer,grandage:consulter;until=" in told["x-vt-delegation"]
    now = acting(visitor)
    assert now is not None
    assert (now["on_behalf_of"], now["rights"]) == ("899700100011", ["grandage:completer", "grandage:consulter"])
    identity = visitor.get(DEEP, Accept="application/json").json()["identity"]
    assert identity["sub"] == "3690780028/000000042"
    (details,) = identity["authorization_details"]
    assert details["on_behalf_of"] == "899700100011"
    assert (details["actions"], details["datatypes"]) == (["completer", "consulter"], ["grandage"])
    assert "Vous agissez pour" in visitor.get("/_gateway/account").text  # R129: in every page
    visitor.submit("/acting", delegation="")
    assert acting(visitor) is None
    assert "x-vt-on-behalf-of" not in seen(visitor)[1]


def test_r129_two_tabs_are_one_context_and_a_new_ticket(staffed: Demo) -> None:
    """What one tab chooses the other has at its next request; the ticket of before opens nothing any more (S1)."""
    visitor = secretary(staffed)
    before = dict(visitor.cookies)
    take_up(visitor)
    old = Visitor(staffed)
    old.cookies = before
    assert old.get("/_gateway/session", Accept="application/json").status == 401
    tab = Visitor(staffed)
    tab.cookies = visitor.cookies
    assert acting(tab) == acting(visitor) is not None


def test_r125_r127_revoked_between_two_requests(staffed: Demo) -> None:
    """The doctor ends it: the very next request of the secretary is refused for that context, a POST never reaches the
    application, a script hears why, and her own session goes on after a page that says so."""
    invite(doctor(staffed, "dr-petit"), "secretary-moreau", rights=["tnd:envoyer"])
    visitor = join(staffed, "secretary-moreau")
    take_up(visitor)
    assert acting(visitor)["on_behalf_of"] == "899700100029"  # type: ignore[index]
    assert "x-vt-on-behalf-of" in seen(visitor)[1]
    giver = doctor(staffed, "dr-petit")
    giver.click("Léa Moreau")
    giver.click("Mettre fin à cette délégation")
    giver.submit("/end")
    staffed.console("DELETE", "/requests")
    script = visitor.raw("POST", staffed.about["gateway"] + DEEP, b"x=1", SCRIPT)
    assert (script.status, script.json()["reason"]) == (403, "delegation-ended")
    form = visitor.raw("POST", staffed.about["gateway"] + DEEP, b"x=1", {})
    assert form.status == 403
    assert staffed.requests() == []
    page = visitor.get(DEEP)
    assert "n'agissez plus" in page.text
    assert acting(visitor) is None
    status, told = seen(visitor)
    assert (status, told["x-vt-idnat-ps"]) == (200, "3690780028/000000042")
    assert "x-vt-on-behalf-of" not in told


def test_r112_another_persons_card_with_the_link_gains_nothing(demo: Demo) -> None:
    """The doctor is asked, the link is used up, and only a confirmation opens anything."""
    invite(doctor(demo), "secretary-roche")
    link = demo.link("marie-eve.roche@example.test")
    thief = Visitor(demo, card_of(demo, "assistant-henry"))
    thief.get(link)
    thief.submit("/delegations/invitation", way="card")
    thief.submit(
        "/register", email="tom.henry@example.test", password=PASSWORD, repeat_password=PASSWORD,
        profession="Assistant médical",
    )  # fmt: skip
    thief.submit("/charter", accept="1")
    assert "confirm" in thief.last.text
    assert "Agir pour" not in thief.get(PAGE).text
    assert Visitor(demo, card_of(demo, "secretary-roche")).get(link).status == 403  # R111: used
    giver = doctor(demo)
    giver.click("Marie-Ève Roche")
    assert "HENRY" in giver.last.text.upper()
    giver.submit("/decline")
    assert "Agir pour" not in thief.get(PAGE).text
    giver.get(PAGE)
    giver.click("Marie-Ève Roche")
    giver.submit("/resend")
    joined = join(demo, "secretary-roche")
    assert "Agir pour" in joined.last.text


def test_r111_resent_and_cancelled_links_lead_nowhere(demo: Demo) -> None:
    giver = doctor(demo)
    invite(giver, "assistant-henry", name="Duval")
    first = demo.link("tom.henry@example.test")
    giver.get(PAGE)
    giver.click("Tom Duval")
    giver.submit("/resend")
    demo.mail("tom.henry@example.test")
    links = {demo.link("tom.henry@example.test"), first}
    assert len(links) == 2
    assert Visitor(demo).get(first).status == 403
    second = (links - {first}).pop()
    assert Visitor(demo).get(second).status == 200
    giver.get(PAGE)
    giver.click("Tom Duval")
    giver.click("Mettre fin à cette délégation")
    giver.submit("/end")
    assert Visitor(demo).get(second).status == 403


def test_r118_r121_r122_a_colleague_found_in_the_directory(demo: Demo) -> None:
    """Searched without accents, chosen, for a period; effective at the colleague's first strong connection; no more
    rights than the doctor's own, and none to hand on (R120: A to B, not B to C)."""
    giver = doctor(demo)
    giver.get(f"{PAGE}/doctors/add?name=garnier&postal_code=69")
    assert "Élodie" in giver.last.text or "ELODIE" in giver.last.text.upper()
    giver.get(f"{PAGE}/doctors/add?rpps=99700100060")
    giver.submit("/doctors/add", start=today(demo), end=today(demo, 10))
    assert "Garnier" in giver.get(PAGE).text or "GARNIER" in giver.last.text
    again = giver.get(f"{PAGE}/doctors/add?rpps=99700100060")
    again = giver.submit("/doctors/add", start=today(demo, 5), end=today(demo, 20))
    assert again.status == 422  # R124: it would overlap
    colleague = Visitor(demo, card_of(demo, "dr-garnier"))
    colleague.get(f"/_gateway/sign-in/card?space=liberal&return={PAGE}")
    colleague.submit("/register", email="elodie.garnier@example.test", password=PASSWORD, repeat_password=PASSWORD)
    colleague.submit("/charter", accept="1")
    take_up(colleague)
    status, told = seen(colleague)
    assert (status, told["x-vt-rpps"], told["x-vt-on-behalf-of"]) == (200, "99700100060", "899700100011")
    listed = colleague.get(PAGE)
    assert "Ajouter une délégation de droits" not in listed.text
    assert colleague.get(f"{PAGE}/assistants/add").status == 403
    assert colleague.get(f"{PAGE}/doctors/add?name=martin").status == 403
    colleague.get(PAGE)
    colleague.submit("/acting", delegation="")
    assert colleague.get(f"{PAGE}/assistants/add").status == 200


def test_r123_the_directory_is_down(demo: Demo) -> None:
    """A clear page, nothing created, and what was typed is still there."""
    giver = doctor(demo, "dr-petit")
    demo.console("POST", "/fault", {"component": "directory", "mode": "error"})
    try:
        answer = giver.get(f"{PAGE}/doctors/add?name=lambert&postal_code=38")
        assert answer.status == 503
        assert "lambert" in answer.text
        assert "annuaire" in answer.text.lower()
    finally:
        demo.console("POST", "/fault", {"component": "directory", "mode": "ok"})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"email": "luc.bernard@example.test"}, "email"),
        ({"rights": []}, "rights"),
        ({"rights": ["grandage:inventer"]}, "rights"),
        ({"start": "2020-01-01"}, "start"),
        ({"end": "2020-01-01"}, "end"),
        ({"end": "hier"}, "end"),
        ({"family_name": ""}, "family_name"),
        ({"email": "pas-une-adresse"}, "email"),
    ],
    ids=lambda one: next(iter(one)) if isinstance(one, dict) else one,
)
def test_r107_r108_r109_what_cannot_be_taken_is_said_and_kept(demo: Demo, change: dict[str, Any], field: str) -> None:
    giver = doctor(demo)
    giver.get(f"{PAGE}/assistants/add")
    fields: dict[str, Any] = {
        "family_name": "Lenoir",
        "given_name": "Jeanne",
        "email": "jeanne.lenoir@example.test",
        "rights": ["grandage:consulter"],
        "start": today(demo),
        "end": today(demo, 5),
    }
    answer = giver.submit("/assistants/add", **{**fields, **change})
    assert answer.status == 422
    assert "Jeanne" in answer.text
    assert f'id="{field}-fault"' in answer.text or f"{field}-" in answer.text
    assert "Lenoir" not in giver.get(PAGE).text


def test_r106_only_a_medecin_liberal_from_a_strong_session(staffed: Demo) -> None:
    """A secretary, a doctor in the other space: neither sees nor opens the forms; both see what they received."""
    staff = secretary(staffed)
    assert "Ajouter une délégation de droits" not in staff.last.text
    assert staff.get(f"{PAGE}/assistants/add").status == 403
    other = Visitor(staffed, card_of(staffed, "dr-bernard"))
    other.get(f"/_gateway/sign-in/card?space=professionnel&return={PAGE}")
    assert "Ajouter une délégation de droits" not in other.last.text
    assert other.get(f"{PAGE}/assistants/add").status == 403
    assert Visitor(staffed).get(PAGE).url.split("?")[0].endswith("/sign-in")


def test_what_is_not_mine_looks_like_what_does_not_exist(staffed: Demo) -> None:
    """Another doctor's delegation and an invented one: the same answer, by page and by « Agir pour »."""
    giver = doctor(staffed)
    own = giver.last.link("Léa Moreau")
    other = doctor(staffed, "dr-petit")
    assert other.get(own).status == other.get(f"{PAGE}/one/dlg_invented").status == 404
    mine = own.rstrip("/").rsplit("/", 1)[1]
    for wanted in (mine, "dlg_invented"):
        other.get(PAGE)
        other.go("POST", staffed.about["gateway"] + "/_gateway/acting", b"", {})  # without a form's token
        assert other.last.status == 403
        form = next(one for one in other.get(PAGE).forms if "csrf" in one.fields)
        from urllib.parse import urlencode

        data = urlencode({"csrf": form.fields["csrf"], "delegation": wanted}).encode()
        answer = other.go("POST", staffed.about["gateway"] + "/_gateway/acting", data, {})
        assert answer.status == 403
        assert "n'existe pas, ou n'est pas la vôtre" in answer.text
    assert acting(other) is None


def test_r149_from_a_line_of_the_journal_to_the_person_and_the_doctor(staffed: Demo) -> None:
    """One call of the API, with the session that the access journal names."""
    visitor = secretary(staffed)
    take_up(visitor)
    import hashlib

    ticket = next(value for (_, name), value in visitor.cookies.items() if name == "__Host-vtgw")
    trace = hashlib.sha256(ticket.encode()).hexdigest()[:12]
    from tests.bearer import Bearer

    found = Bearer(staffed, "national").get(f"trace?session={trace}")
    assert found.status == 200, found.text
    told = json.dumps(found.json(), ensure_ascii=False)
    for word in ("3690780028/000000042", "899700100011", "cpe", "dlg_"):
        assert word in told
    giver = doctor(staffed)
    giver.click("Léa Moreau")
    assert "carte CPE" in giver.last.text or "CPE" in giver.last.text
