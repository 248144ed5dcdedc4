"""Time and delegations, with the clock of the demo set forward: the first instant and the last second of a period, nights in
which clocks change, links that expire, reminders, and doctors who have been away for a year (R109, R111, R127, R131–R133)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from urllib.parse import urlencode

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.stories.clock import DAY, MARGIN, Clock, midnight, nights
from tests.stories.conftest import running
from tests.stories.lasting import KINDS, Lasting, Line, left
from tests.stories.test_delegation_ends import delegation_of, offered
from tests.stories.test_delegations import (
    DEEP,
    PAGE,
    PASSWORD,
    SCRIPT,
    acting,
    doctor,
    invite,
    join,
    seen,
    take_up,
)
from tests.stories.test_switches import soon
from tests.stories.ways import by_card, headers_of
from tests.visitor import Answer, Demo, Visitor


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Jobs are looked at more often, so that reminders are not waited for."""
    with running(tmp_path_factory.mktemp("days"), GATEWAY_JOBS__EVERY="0.3") as demo:
        yield demo


@pytest.fixture
def clock(demo: Demo) -> Clock:
    return Clock(demo)


def give(giver: Visitor, key: str, first: date, last: date) -> Answer:
    person = giver.demo.person(key)
    giver.get(f"{PAGE}/assistants/add")
    names = {"family_name": person["family_name"], "given_name": person["given_name"], "email": person["mail"]}
    days = {"start": first.isoformat(), "end": last.isoformat()}
    answer = giver.submit("/assistants/add", **names, **days, rights=["tnd:creer"])
    assert answer.status == 200, answer.text
    return answer


def secretary(demo: Demo) -> Visitor:
    return by_card(demo, "secretary-moreau", "professionnel", PAGE)


def test_r109_from_the_first_instant_to_the_last_second_also_when_clocks_change(demo: Demo, clock: Clock) -> None:
    """Delegations of one day each: tomorrow, and the days with 23 and 25 hours. « Agir pour » is refused before 00:00 in
    Paris and accepted from then on; a request is forwarded until 23:59:59 and not at 00:00, over the same connection."""
    days = list(nights(clock.today()))
    assert sorted((midnight(day + DAY) - midnight(day)) // timedelta(hours=1) for day in days) == [23, 24, 25]
    given = []
    for day in days:
        giver = doctor(demo)
        give(giver, "secretary-moreau", day, day)
        given.append(delegation_of(giver))
        join(demo, "secretary-moreau")
    for day, one in zip(days, given, strict=True):
        clock.go(midnight(day) - timedelta(minutes=2))
        staff = secretary(demo)
        assert "n'a pas encore commencé" in staff.last.text
        assert offered(staff) == {}
        _begins(staff, one, clock, midnight(day))
        clock.go(midnight(day + DAY) - timedelta(minutes=2))
        staff = secretary(demo)
        assert list(offered(staff)) == [one]
        take_up(staff)
        _ends(staff, clock, midnight(day + DAY))
        doctor(demo)  # is there at least twice a year


def _begins(staff: Visitor, one: str, clock: Clock, first: datetime) -> None:
    demo = staff.demo
    csrf = next(form.fields["csrf"] for form in staff.last.forms if "csrf" in form.fields)
    data = urlencode({"csrf": csrf, "delegation": one, "return": "/"}).encode()
    clock.go(first - timedelta(milliseconds=700))
    early = 0
    while True:
        asked = clock.now()
        answer = staff.raw("POST", demo.about["gateway"] + "/_gateway/acting", data, {})
        if answer.status == 303:
            assert clock.now() >= first - MARGIN, "it begins too early"
            break
        assert answer.status == 403
        assert "n'a pas encore commencé" in answer.text
        assert asked < first + MARGIN, "it begins too late"
        early += 1
    assert early > 0
    assert "x-vt-on-behalf-of" in seen(staff)[1]


def _ends(staff: Visitor, clock: Clock, end: datetime) -> None:
    demo = staff.demo
    demo.console("DELETE", "/requests")
    clock.go(end - timedelta(seconds=1.5))
    line, in_the_last_second = Line(staff), 0
    while True:
        asked = clock.now()
        if line.ask(DEEP) != 200:
            assert clock.now() >= end - MARGIN, "it ends too early"
            break
        assert asked < end + MARGIN, "it ends too late"
        in_the_last_second += end - timedelta(seconds=1) <= asked < end
    assert in_the_last_second > 0
    assert line.ask(DEEP, "POST", b"x=1") == 403  # started after the end: never the doctor's, never the secretary's own
    line.close()
    reached = [one for one in demo.requests() if one["target"] == DEEP]
    assert len({headers_of(one)["x-vt-delegation"] for one in reached}) == 1
    assert {one["method"] for one in reached} == {"GET"}
    assert max(datetime.fromisoformat(one["at"]) for one in reached) < end + MARGIN
    keys = KeySet.import_key_set(Visitor(demo).get("/_gateway/jwks.json", Accept="application/json").json())
    claims = jwt.decode(headers_of(reached[-1])["x-vt-assertion"], keys, algorithms=["ES256"]).claims
    assert claims["exp"] <= end.timestamp()  # R136: no assertion outlives what it says
    said = claims["authorization_details"][0]["valid_until"]
    assert datetime.fromisoformat(said) == end - timedelta(seconds=1)
    assert said[11:19] == "23:59:59"
    assert "n'agissez plus" in staff.get(DEEP).text
    assert acting(staff) is None
    assert "x-vt-on-behalf-of" not in seen(staff)[1]


def test_r127_what_is_open_when_the_last_day_is_over(demo: Demo, clock: Clock) -> None:
    """It is cut at midnight, without anybody's doing."""
    day = clock.today() + DAY
    clock.go(midnight(day) + timedelta(hours=22))
    giver = doctor(demo)
    give(giver, "secretary-moreau", day, day)
    join(demo, "secretary-moreau")
    clock.go(midnight(day + DAY) - timedelta(minutes=5))
    staff = secretary(demo)
    take_up(staff)
    demo.console("DELETE", "/requests")
    lasting = [Lasting(staff, kind) for kind in KINDS]
    clock.go(midnight(day + DAY) - timedelta(seconds=2))
    assert lasting[1].goes_on()
    assert left(lasting, 6) == []  # a second until midnight
    assert clock.now() >= midnight(day + DAY)
    assert lasting[3].data == b""
    script = staff.raw("POST", demo.about["gateway"] + DEEP, b"x=1", SCRIPT)
    assert (script.status, script.json()["reason"]) == (403, "delegation-ended")
    assert "n'agissez plus" in staff.get(DEEP).text
    assert seen(staff)[0] == 200


def test_r111_a_link_is_good_for_fourteen_days_and_can_be_sent_again(demo: Demo, clock: Clock) -> None:
    """Nothing is usable before (R110); the last second of the link still opens it, the first after does not."""
    sent = clock.now()
    invite(doctor(demo), "secretary-roche", days=60)
    link = demo.link("marie-eve.roche@example.test")
    clock.go(sent + 14 * DAY - timedelta(seconds=30))
    waiting = Visitor(demo)
    assert waiting.get(link).status == 200
    clock.go(sent + 14 * DAY + timedelta(seconds=30))
    assert Visitor(demo).get(link).status == 403
    assert waiting.submit("/delegations/invitation", way="card").status == 403  # the page was opened in time
    giver = doctor(demo)
    assert "Le lien envoyé n'est plus valable." in giver.last.text
    demo.console("DELETE", "/mails")
    giver.click("Marie-Ève Roche")
    giver.submit("/resend")
    assert demo.link("marie-eve.roche@example.test") != link
    assert Visitor(demo).get(link).status == 403
    staff = join(demo, "secretary-roche")
    take_up(staff)
    assert seen(staff)[1]["x-vt-on-behalf-of"] == "899700100011"


def test_r133_one_reminder_fifteen_days_and_one_three_days_before_the_end(demo: Demo, clock: Clock) -> None:
    """To the doctor, with the last day and neither rights nor numbers; nobody is reminded again."""
    last = clock.today() + 40 * DAY
    end = midnight(last + DAY)
    giver = doctor(demo, "dr-petit")
    give(giver, "secretary-moreau", clock.today(), last)
    join(demo, "secretary-moreau")
    demo.console("DELETE", "/mails")
    for before, expected in ((16, 0), (15, 1), (14, 1), (3, 2), (1, 2)):
        clock.go(end - before * DAY + timedelta(minutes=90))
        _reminders_looked_at(demo)
        while len(_reminders(demo)) < expected:  # what was looked at may have begun an instant before
            _reminders_looked_at(demo)
        found = _reminders(demo)
        assert len(found) == expected, (before, [one["subject"] for one in found])
    for one, when in zip(_reminders(demo), ("15", "3"), strict=True):
        assert f"dans {when} jours" in one["subject"]
        assert "Léa Moreau" in one["text"]
        assert "tnd" not in one["text"].lower()
        assert "neuro" not in one["text"].lower()


def _reminders(demo: Demo) -> list[dict[str, str]]:
    found = demo.console("GET", "/mails?to=anne.petit@example.test")
    return [one for one in found if "se termine" in one["subject"]]


def _reminders_looked_at(demo: Demo) -> None:
    """Until the hourly job has run at this hour of the demo, and what it wrote has left."""

    def done() -> int:
        lines = [json.loads(line) for line in demo.log().splitlines() if "delegation-reminders" in line]
        return sum(one.get("event") == "job done" for one in lines)

    before = done()
    soon(lambda: done() > before, 10)


def test_r131_r132_a_year_later(demo: Demo, clock: Clock) -> None:
    """At the instant at which a doctor's account falls asleep the delegation stops, with what is open under it, until the
    doctor is back; a delegate who was away opens nothing by password and code, and acts again once back by card."""
    day = clock.today()
    awake, asleep = doctor(demo), doctor(demo, "dr-petit")
    give(awake, "assistant-henry", day, day + 400 * DAY)
    give(asleep, "secretary-roche", day, day + 400 * DAY)
    join(demo, "assistant-henry")
    join(demo, "secretary-roche")
    since = clock.now()
    clock.go(since + 364 * DAY)
    doctor(demo)
    staff = _seen_until(demo, clock, since + 365 * DAY)
    asleep = doctor(demo, "dr-petit")  # back, by card
    take_up(staff)
    assert seen(staff)[1]["x-vt-on-behalf-of"] == "899700100029"
    demo.forget()
    henry = Visitor(demo)
    henry.get(DEEP)
    henry.submit("/sign-in/password", identifier=demo.person("assistant-henry")["idnat_ps"], password=PASSWORD)
    refused = henry.submit("/sign-in/code", code=demo.code("tom.henry@example.test"))
    assert refused.status == 403
    assert "depuis plus d'un an" in refused.text
    assert henry.get("/_gateway/session", Accept="application/json").status == 401
    henry = by_card(demo, "assistant-henry", "professionnel", PAGE)
    take_up(henry)
    assert seen(henry)[1]["x-vt-on-behalf-of"] == "899700100011"


def _seen_until(demo: Demo, clock: Clock, end: datetime) -> Visitor:
    """Secretary Roche acts for Dr Petit at the instant at which the doctor's year is over."""
    clock.go(end - timedelta(minutes=3))
    staff = by_card(demo, "secretary-roche", "professionnel", PAGE)
    take_up(staff)
    assert seen(staff)[1]["x-vt-on-behalf-of"] == "899700100029"
    events = Lasting(staff, "events")
    clock.go(end + timedelta(minutes=1))
    assert left([events]) == []
    script = staff.raw("POST", demo.about["gateway"] + DEEP, b"x=1", SCRIPT)
    assert (script.status, script.json()["reason"]) == (403, "delegation-ended")
    assert "ses délégations sont suspendues" in staff.get(DEEP).text
    assert acting(staff) is None
    assert len(offered(staff)) == 0
    assert "Le compte de ce médecin n'est pas actif" in staff.last.text
    return staff
