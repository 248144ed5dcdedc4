"""Delegations where they might give way: two at once, somebody else's ids and forms, forged headers, chains, two doctors and
two tabs. Through the whole demo, with what people see and what the application receives."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.bearer import Bearer
from tests.stories.test_delegation_ends import delegation_of, offered
from tests.stories.test_delegations import (
    DEEP,
    PAGE,
    PASSWORD,
    acting,
    doctor,
    invite,
    join,
    secretary,
    take_up,
    today,
)
from tests.stories.ways import by_card, card_of, headers_of, registered
from tests.visitor import Answer, Demo, Visitor

BERNARD, PETIT, GARNIER = "899700100011", "899700100029", "899700100060"
SECRETARY = "3690780028/000000042"
ROCHE = "marie-eve.roche@example.test"


@pytest.fixture(scope="module")
def staffed(world: Demo) -> Demo:
    """Dr Bernard and Dr Petit have secretary Moreau; Dr Bernard also has Dr Garnier, who has an account."""
    registered(world, "dr-garnier")
    giver = doctor(world)
    invite(giver, "secretary-moreau")
    join(world, "secretary-moreau")
    invite(doctor(world, "dr-petit"), "secretary-moreau", rights=["tnd:envoyer"])
    join(world, "secretary-moreau")
    colleague(giver, GARNIER, 5)
    return world


def colleague(giver: Visitor, idnat: str, last: int, first: int = 0) -> Answer:
    """Give a physician all rights for these days from today on."""
    giver.get(f"{PAGE}/doctors/add?rpps={idnat[1:]}")
    return giver.submit("/doctors/add", start=today(giver.demo, first), end=today(giver.demo, last))


def told(demo: Demo) -> list[dict[str, Any]]:
    """All delegations with their history, as the nation sees them."""
    api = Bearer(demo, "national")
    lines = api.get("delegations?limit=200").json()["delegations"]
    return [api.get(f"delegations/{one['id']}").json() for one in lines]


def live(demo: Demo, doctor: str, delegate: str) -> str:
    """The id of what this doctor has given to this person and is not over."""
    found = [
        one
        for one in told(demo)
        if (one["doctor"]["national_id"], one["delegate"]["national_id"]) == (doctor, delegate)
    ]
    (one,) = [one["id"] for one in found if one["state"] not in ("revoked", "expired")]
    return str(one)


def pressed(visitor: Visitor, path: str, **fields: Any) -> Answer:
    """A form of this address sent by hand, with this browser's token."""
    page = visitor.get(PAGE)
    csrf = next(form.fields["csrf"] for form in page.forms if "csrf" in form.fields)
    data = urlencode({"csrf": csrf, **fields}, doseq=True).encode()
    return visitor.go("POST", visitor.demo.about["gateway"] + "/_gateway" + path, data, {})


def at_once(*works: Callable[[], Answer]) -> list[Answer]:
    with ThreadPoolExecutor(len(works)) as pool:
        return [one.result() for one in [pool.submit(work) for work in works]]


# Two at once


def test_r124_two_additions_of_the_same_colleague_at_once(staffed: Demo) -> None:
    """Two browsers of the doctor, eight clicks, days that overlap: one delegation, and the others hear why."""
    givers = [doctor(staffed, "dr-petit") for _ in range(8)]
    for number, giver in enumerate(givers):
        giver.get(f"{PAGE}/doctors/add?rpps={BERNARD[1:]}")
        assert giver.last.status == 200, number

    starts = [today(staffed, number % 3) for number in range(8)]
    ends = [today(staffed, 10 + number) for number in range(8)]
    answers = at_once(
        *(partial(givers[n].submit, "/doctors/add", start=starts[n], end=ends[n]) for n in range(len(givers)))
    )
    assert sorted(answer.status for answer in answers) == [200, *[422] * 7]
    assert all("a déjà une délégation" in answer.text for answer in answers if answer.status == 422)
    found = [one for one in told(staffed) if one["delegate"]["national_id"] == BERNARD]
    assert [(one["state"] in ("active", "not_started"), one["kind"]) for one in found] == [(True, "colleague")]


def test_r125_a_change_and_the_end_at_once(staffed: Demo) -> None:
    """Whatever comes first, it is over afterwards, and stays so; the change is taken before or not at all."""
    for _ in range(3):
        givers = [doctor(staffed, "dr-petit") for _ in range(4)]
        assert colleague(givers[0], GARNIER, 30).status == 200
        one = live(staffed, PETIT, GARNIER)
        for giver in givers[:3]:
            giver.get(f"{PAGE}/one/{one}")
        givers[3].get(f"{PAGE}/one/{one}/end")

        changes = [
            partial(giver.submit, "/change", end=today(staffed, 31 + number)) for number, giver in enumerate(givers[:3])
        ]
        *changed, ended = at_once(*changes, partial(givers[3].submit, "/end"))
        assert ended.status == 200
        assert {answer.status for answer in changed} <= {200, 409, 422}
        assert [answer.status for answer in changed].count(200) <= 1  # all had read the same version
        found = Bearer(staffed, "national").get(f"delegations/{one}").json()
        assert (found["state"], found["revoked_by"]) == ("revoked", "delegator")
        assert found["history"][-1]["what"] == "ended"


def test_r111_r112_one_link_used_by_two_browsers_at_once(staffed: Demo) -> None:
    """The invited person in two browsers, each at the end of the first sign-in: one account, one acceptance."""
    invite(doctor(staffed), "secretary-roche")
    link = staffed.link(ROCHE)
    browsers = [Visitor(staffed, card_of(staffed, "secretary-roche")) for _ in range(2)]
    for browser in browsers:
        browser.get(link)
        browser.submit("/delegations/invitation", way="card")
    for browser in browsers:
        browser.submit("/register", password=PASSWORD, repeat_password=PASSWORD, profession="Secrétaire")
    answers = at_once(*(partial(one.submit, "/charter", accept="1") for one in browsers))
    assert any("Vous pouvez agir pour" in answer.text for answer in answers), [answer.text for answer in answers]
    (found,) = [one for one in told(staffed) if one["mail"] == ROCHE]
    assert (found["state"], [event["what"] for event in found["history"]]) == ("active", ["given", "accepted"])
    assert Visitor(staffed, card_of(staffed, "secretary-roche")).get(link).status == 403


def test_r112_the_right_card_and_a_wrong_one_at_once(staffed: Demo) -> None:
    """Two people with accounts and one link: one of them has used it, the other hears that it is used, and only the name that
    was invited can have gained anything."""
    henry = by_card(staffed, "assistant-henry", "professionnel", PAGE)
    henry.submit("/register", email="tom.henry@example.test", password=PASSWORD, repeat_password=PASSWORD)
    henry.submit("/charter", accept="1")
    for turn in range(3):
        giver = doctor(staffed, "dr-petit")
        staffed.console("DELETE", "/mails")
        invite(giver, "secretary-roche", days=turn)
        link = staffed.link(ROCHE)
        people = [Visitor(staffed, card_of(staffed, key)) for key in ("secretary-roche", "assistant-henry")]
        for one in people:
            one.get(link)
        right, wrong = at_once(*(partial(one.submit, "/delegations/invitation", way="card") for one in people))
        petits = [one for one in told(staffed) if (one["mail"], one["doctor"]["national_id"]) == (ROCHE, PETIT)]
        (found,) = [one for one in petits if one["state"] != "revoked"]
        (used,) = [event["what"] for event in found["history"][1:]]
        assert (found["state"], used) in (("active", "accepted"), ("pending_confirmation", "proposed"))
        lost = wrong if used == "accepted" else right
        assert "Cette invitation n'est plus valable" in lost.text
        assert ("Vous pouvez agir pour" in right.text, "confirm" in wrong.text) == (
            used == "accepted",
            used == "proposed",
        )
        assert found["id"] not in offered(people[1])
        assert (found["id"] in offered(people[0])) == (used == "accepted")
        giver.get(f"{PAGE}/one/{found['id']}/end")
        giver.submit("/end")


# Somebody else's


def test_r106_s6_every_form_needs_its_own_browser_and_its_own_doctor(staffed: Demo) -> None:
    """Without a form's token nothing is done, with another's neither; with one's own, somebody else's ids do not exist. Not a
    row, nor a line of history, nor a context changes."""
    giver, stranger, staff = doctor(staffed), doctor(staffed, "dr-petit"), secretary(staffed)
    one = delegation_of(giver)
    version = 3
    days = {"start": today(staffed), "end": today(staffed, 60)}
    person = {"family_name": "Lenoir", "given_name": "Jeanne", "email": "j.lenoir@example.test", "rights": "tnd:creer"}
    posts: list[tuple[Visitor, str, dict[str, Any]]] = [
        (giver, "/delegations/assistants/add", {**person, **days}),
        (giver, "/delegations/doctors/add", {"rpps": "99700100078", **days}),
        (giver, f"/delegations/one/{one}/change", {"version": version, "rights": "tnd:creer", **days}),
        *(
            (giver, f"/delegations/one/{one}/{act}", {"version": version})
            for act in ("end", "resend", "confirm", "decline")
        ),
        (staff, f"/delegations/received/{one}/renounce", {}),
        (staff, "/acting", {"delegation": one}),
        (staff, "/delegations/invitation", {"token": "A" * 32, "way": "card"}),
    ]
    before = told(staffed)
    other = next(form.fields["csrf"] for form in Visitor(staffed).get("/_gateway/sign-in").forms)
    for visitor, path, fields in posts:
        for csrf in (None, other, ""):
            sent = urlencode({**fields, **({} if csrf is None else {"csrf": csrf})}).encode()
            answer = visitor.go("POST", staffed.about["gateway"] + "/_gateway" + path, sent, {}, follow=False)
            assert answer.status == 403, path
            assert "Ce formulaire n'est plus valable" in answer.text, path
        evil = {"Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site"}
        assert visitor.go("POST", staffed.about["gateway"] + "/_gateway" + path, b"", evil).status == 403
    for _, path, fields in posts[2:7]:
        assert pressed(stranger, path, **fields).status == 404, path
        assert pressed(staff, path, **fields).status == 403, path  # gives no rights to anybody
    assert pressed(stranger, f"/delegations/received/{one}/renounce").status == 404
    assert pressed(stranger, "/acting", delegation=one).status == 403
    for page in ("", "/end"):
        assert stranger.get(f"{PAGE}/one/{one}{page}").status == 404
    assert stranger.get(f"{PAGE}/received/{one}/renounce").status == 404
    assert told(staffed) == before
    assert acting(staff) is acting(stranger) is None


def test_r135_what_a_client_says_about_acting_reaches_nobody(staffed: Demo) -> None:
    """No spelling of the two headers gets through, whether somebody acts or not; the gateway's own stand alone."""
    staff = secretary(staffed)
    for expected in (0, 1):
        if expected:
            take_up(staff)
        staffed.console("DELETE", "/requests")
        status = _forged(staff)
        assert status == 200
        (request,) = staffed.requests()
        text = json.dumps(request)
        assert "899700000005" not in text
        assert "dlg_forged" not in text
        names = [name.lower().replace("_", "-").replace(".", "-") for name, _ in request["headers"]]
        assert names.count("x-vt-on-behalf-of") == names.count("x-vt-delegation") == expected
    assert headers_of(request)["x-vt-on-behalf-of"] in (BERNARD, PETIT)


def _forged(visitor: Visitor) -> int:
    demo = visitor.demo
    port = urlsplit(demo.about["gateway"]).port
    cookies = "; ".join(f"{name}={value}" for (_, name), value in visitor.cookies.items())
    said = "X-VT-On-Behalf-Of", "x_vt_on_behalf_of", "X.VT.On.Behalf.Of", "X-Vt_On-Behalf-OF", "HTTP_X_VT_ON_BEHALF_OF"
    lines = [f"{name}: 899700000005" for name in said]
    lines += [
        f"{name}: id=dlg_forged"
        for name in ("X-VT-Delegation", "x_vt_delegation", "X-VT_DELEGATION", "x.vt.delegation")
    ]
    raw = (
        f"POST {DEEP} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close, X-VT-On-Behalf-Of, X-VT-Delegation\r\n"
        f"Cookie: {cookies}\r\nTransfer-Encoding: chunked\r\nTrailer: X-VT-On-Behalf-Of\r\n" + "\r\n".join(lines)
        + "\r\n\r\n1\r\na\r\n0\r\nX-VT-On-Behalf-Of: 899700000005\r\nX-VT-Delegation: id=dlg_forged\r\n\r\n"
    )  # fmt: skip
    context = ssl.create_default_context(cafile=str(demo.folder / demo.about["ca"]))
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        tls.sendall(raw.encode())
        data = b""
        while piece := tls.recv(65536):
            data += piece
    return int(data.split(b" ", 2)[1])


def test_forward_auth_says_for_whom(staffed: Demo) -> None:
    """A front proxy that asks gets the delegation's headers of who acts, none of who does not, and a no when it is over."""
    staff = secretary(staffed)
    asked = {"X-Forwarded-Method": "GET", "X-Forwarded-Host": "localhost", "X-Forwarded-Uri": DEEP}

    def auth() -> Answer:
        cookies = "; ".join(f"{name}={value}" for (_, name), value in staff.cookies.items())
        address = staffed.about["gateway_plain"] + "/_gateway/auth"
        return Visitor(staffed).raw("GET", address, None, {**asked, "Cookie": cookies})

    alone = auth()
    assert (alone.status, alone.header("X-VT-On-Behalf-Of"), alone.header("X-VT-Delegation")) == (200, None, None)
    one = live(staffed, PETIT, SECRETARY)
    offered(staff)[one]()
    with_it = auth()
    assert (with_it.status, with_it.header("X-VT-On-Behalf-Of")) == (200, PETIT)
    assert (with_it.header("X-VT-Delegation") or "").startswith(f"id={one};rights=tnd:envoyer;until=")
    assert with_it.header("X-VT-IdNat-PS") == SECRETARY
    giver = doctor(staffed, "dr-petit")
    giver.get(f"{PAGE}/one/{one}/end")
    giver.submit("/end")
    over = auth()
    assert over.status in (302, 303, 401, 403)
    assert (over.header("X-VT-On-Behalf-Of"), over.header("X-VT-RPPS"), over.header("X-VT-Assertion")) == (None,) * 3
