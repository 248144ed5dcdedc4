"""The end of a delegation, by whoever and whatever brings it about: what is open under it is cut, nothing more is done in the
doctor's name, and the person's own session goes on (R125–R127, R131, R132)."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.bearer import Bearer
from tests.stories.lasting import KINDS, POLICY, Lasting, left
from tests.stories.test_account_care import change
from tests.stories.test_delegations import DEEP, PAGE, SCRIPT, acting, doctor, invite, join, seen
from tests.stories.test_switches import attached
from tests.stories.ways import by_card
from tests.visitor import Answer, Demo, FormTag, Visitor

WHY = {"reason": "essai du récit"}
RIGHTS = ["grandage:consulter", "grandage:completer"]
SECRETARY = "3690780028/000000042"


def delegation_of(giver: Visitor, name: str = "Léa Moreau") -> str:
    """The id of the delegation of this person that lives, as its page's address says it."""
    giver.get(PAGE)
    return giver.last.link(name).rstrip("/").rsplit("/", 1)[1]


def offered(staff: Visitor) -> dict[str, Callable[[], Answer]]:
    """« Agir pour », by the delegation's id."""
    page = staff.get(PAGE)
    forms = [one for one in page.forms if one.action.endswith("/acting") and one.fields.get("delegation")]

    def take(form: FormTag) -> Callable[[], Answer]:
        return lambda: staff.submit_form(form)

    return {form.fields["delegation"]: take(form) for form in forms}


def working(demo: Demo, giver: Visitor) -> tuple[Visitor, str]:
    """The secretary, who acts for this doctor, and the delegation."""
    if "Léa Moreau" not in giver.get(PAGE).text.split("Historique")[0]:
        invite(giver, "secretary-moreau", rights=RIGHTS)
        staff = join(demo, "secretary-moreau")
    else:
        staff = by_card(demo, "secretary-moreau", "professionnel", PAGE)
    one = delegation_of(giver)
    offered(staff)[one]()
    assert "x-vt-on-behalf-of" in seen(staff)[1]
    return staff, one


def by_the_doctor(demo: Demo, giver: Visitor, one: str) -> None:
    giver.get(f"{PAGE}/one/{one}/end")
    assert giver.submit("/end").status == 200


def by_the_region(demo: Demo, giver: Visitor, one: str) -> None:
    """An administrator ends the delegation itself."""
    said = Bearer(demo, "national").call("POST", f"delegations/{one}/end", WHY)
    assert (said.status, said.json()["revoked_by"]) == (200, "administrator")


def by_the_person(demo: Demo, giver: Visitor, one: str) -> None:
    """The secretary gives it back, in another browser of hers."""
    other = by_card(demo, "secretary-moreau", "professionnel", PAGE)
    other.get(f"{PAGE}/received/{one}/renounce")
    assert "Vous avez rendu cette délégation." in other.submit("/renounce").text


def by_new_days(demo: Demo, giver: Visitor, one: str) -> None:
    """The doctor moves it to days to come: it is not over, and yet it does not stand."""
    giver.get(f"{PAGE}/one/{one}")
    day = re.findall(r'name="end"[^>]*value="([0-9-]+)"', giver.last.text)[0]
    assert "La délégation est modifiée." in giver.submit("/change", start=day, end=day, rights=RIGHTS).text


def by_suspension(demo: Demo, giver: Visitor, one: str) -> None:
    """The region where the doctor also works suspends their account (R131)."""
    attached(demo, "had-rhone", "dr-bernard")
    assert change(Bearer(demo, "region"), "acc_dr-bernard", suspended=True).json()["standing"] == "suspended"


def by_suspension_from_the_shell(demo: Demo, giver: Visitor, one: str) -> None:
    line = [sys.executable, "-W", "ignore", "-m", "gateway", "user", "suspend", "--config"]
    done = subprocess.run(
        [*line, str(demo.folder / "gateway.toml"), "899700100011", "--reason", "essai"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def by_closing(demo: Demo, giver: Visitor, one: str) -> None:
    """The doctor has their account erased under « Mon compte »."""
    giver.get("/_gateway/account/data")
    assert "Votre compte est supprimé" in giver.submit("/account/erase", confirm="SUPPRIMER").text


ENDS: list[tuple[str, Callable[[Demo, Visitor, str], None], str]] = [
    ("dr-petit", by_the_doctor, "Cette délégation n'est plus en cours."),
    ("dr-petit", by_the_region, "Cette délégation n'est plus en cours."),
    ("dr-petit", by_the_person, "Cette délégation n'est plus en cours."),
    ("dr-petit", by_new_days, "n'a pas encore commencé"),
    ("dr-bernard", by_suspension, "ses délégations sont suspendues"),
    ("dr-bernard", by_suspension_from_the_shell, "ses délégations sont suspendues"),
    ("dr-rousseau", by_closing, "Cette délégation n'est plus en cours."),
]


@pytest.mark.parametrize(("key", "end", "said"), ENDS, ids=[end.__name__ for _, end, _ in ENDS])
def test_r125_r127_r131_what_is_open_is_cut_and_the_own_session_goes_on(
    demo: Demo, key: str, end: Callable[[Demo, Visitor, str], None], said: str
) -> None:
    """A WebSocket, events, a download half taken and an answer waited for end within five seconds; the same person's
    other browser, which acts for nobody, keeps what it has open."""
    giver = doctor(demo, key)
    staff, one = working(demo, giver)
    own = by_card(demo, "secretary-moreau", "professionnel")
    with ExitStack() as stack:
        beside = Lasting(own, "events")
        stack.callback(beside.close)
        demo.console("DELETE", "/requests")
        lasting = [Lasting(staff, kind) for kind in KINDS]
        for each in lasting:
            stack.callback(each.close)
        assert [each.kind for each in lasting if each.ended_at is not None] == []
        end(demo, giver, one)
        assert left(lasting) == []
        assert lasting[0].data.endswith(POLICY)
        assert lasting[2].length < 1 << 32
        assert lasting[3].data == b""  # no answer under a delegation that is over
        assert beside.goes_on()
    demo.console("DELETE", "/requests")
    posted = staff.raw("POST", demo.about["gateway"] + DEEP, b"x=1", {})
    script = staff.raw("PUT", demo.about["gateway"] + DEEP, b"x=1", SCRIPT)
    assert (posted.status, script.status, script.json()["reason"]) == (403, 403, "delegation-ended")
    assert demo.requests() == []
    page = staff.get(DEEP)
    assert "Vous n'agissez plus au nom d'un médecin" in page.text
    assert said in page.text
    assert acting(staff) is None
    status, told = seen(staff)
    assert (status, told["x-vt-idnat-ps"]) == (200, SECRETARY)
    assert "x-vt-on-behalf-of" not in told
    assert "x-vt-delegation" not in told
    assert one not in offered(staff)
    if key == "dr-bernard":  # R131: the delegation was suspended with the account, and comes back with it
        assert change(Bearer(demo, "national"), "acc_dr-bernard", suspended=False).json()["standing"] == "open"
        offered(staff)[one]()
        assert seen(staff)[1]["x-vt-on-behalf-of"] == "899700100011"
    elif end is by_new_days:
        by_the_doctor(demo, giver, one)


def test_r129_what_was_opened_for_one_doctor_ends_with_another_choice(demo: Demo) -> None:
    """Leaving the context cuts what was opened in it: nothing goes on in the name of a doctor whom no page shows."""
    staff, _ = working(demo, doctor(demo))
    lasting = [Lasting(staff, kind) for kind in ("socket", "events")]
    staff.get(PAGE)
    staff.submit("/acting", delegation="")
    assert left(lasting) == []
    assert "x-vt-on-behalf-of" not in seen(staff)[1]


def test_r132_the_delegate_is_suspended(demo: Demo) -> None:
    """Nothing is left of the session, in the doctor's name or in one's own; afterwards both come back with a new sign-in."""
    staff, one = working(demo, doctor(demo))
    region = Bearer(demo, "national")
    account = region.get("accounts?q=lea.moreau@example.test").json()["accounts"][0]["id"]
    lasting = [Lasting(staff, kind) for kind in ("socket", "download")]
    assert change(region, account, suspended=True).status == 200
    assert left(lasting) == []
    demo.console("DELETE", "/requests")
    assert staff.raw("POST", demo.about["gateway"] + DEEP, b"x=1", {}).status != 200
    assert by_card(demo, "secretary-moreau", "professionnel").last.status == 403
    assert demo.requests() == []
    assert change(region, account, suspended=False).status == 200
    assert staff.get("/_gateway/session", Accept="application/json").status == 401
    again = by_card(demo, "secretary-moreau", "professionnel", PAGE)
    assert acting(again) is None
    offered(again)[one]()
    assert seen(again)[1]["x-vt-on-behalf-of"] == "899700100011"


def test_r125_rights_change_with_the_next_request(demo: Demo) -> None:
    """Narrowed and widened while the secretary acts: the header says it at once, and nothing interrupts her."""
    giver = doctor(demo)
    staff, one = working(demo, giver)
    for rights in (["tnd:creer"], ["grandage:consulter", "sanitaire:envoyer"]):
        giver.get(f"{PAGE}/one/{one}")
        assert "La délégation est modifiée." in giver.submit("/change", rights=rights).text
        status, told = seen(staff)
        assert status == 200
        assert f"rights={','.join(rights)};" in told["x-vt-delegation"]
        assert acting(staff)["rights"] == rights  # type: ignore[index]
