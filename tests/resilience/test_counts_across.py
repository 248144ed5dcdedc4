"""Tries are counted together, on whichever machine they are made."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.gate import COOKIE
from tests.resilience.pair import Pair, Wanderer, twin
from tests.stories.test_main_job import DEEP


def tried(visitor: Wanderer, identifier: str, password: str) -> int:
    """The status of one try with a password, from the page on."""
    visitor.get("/_gateway/sign-in?space=professionnel")
    return visitor.submit("/sign-in/password", identifier=identifier, password=password).status


@pytest.mark.parametrize(("way", "key"), [("ab", "agent-blanc"), ("ba", "agent-noir")])
def test_r58_wrong_passwords_count_together(pair: Pair, way: str, key: str) -> None:
    """Five wrong passwords, turn by turn on both: the sixth try waits on either, the right password included."""
    account = pair.demo.person(key)["account"]
    visitor = Wanderer(pair, way * 2)
    statuses = [
        tried(Wanderer(pair, (way * 3)[number]), account["identifier"], f"Faux-{number}") for number in range(5)
    ]
    assert statuses == [401] * 5
    for name in "ab":
        visitor.at(name)
        assert tried(visitor, account["identifier"], account["password"]) == 429


def test_r58_forty_wrong_passwords_at_once_are_forty(pair: Pair) -> None:
    """Twenty on each machine at the same moment: five are judged, all others have to wait."""
    account = pair.demo.person("service-admissions")["account"]
    visitors = [Wanderer(pair, "ab"[number % 2]) for number in range(40)]
    for visitor in visitors:
        visitor.get("/_gateway/sign-in?space=professionnel")

    def try_once(visitor: Wanderer) -> int:
        return visitor.submit("/sign-in/password", identifier=account["identifier"], password="Faux-mot-1").status

    with ThreadPoolExecutor(40) as pool:
        statuses = list(pool.map(try_once, visitors))
    assert (statuses.count(401), statuses.count(429)) == (5, 35), statuses


def test_r70_wrong_codes_count_together(pair: Pair) -> None:
    """Five wrong entries, turn by turn on both, kill the code on both."""
    visitor, person = Wanderer(pair), pair.demo.person("referent-glycines")
    visitor.get(DEEP)
    account = person["account"]
    visitor.submit("/sign-in/password", identifier=account["identifier"], password=account["password"], shared="")
    page, code = visitor.last, pair.demo.code(person["mail"])
    wrong = [one for one in ("000000", "111111", "222222", "333333", "444444", "555555") if one != code][:5]
    for number, entry in enumerate(wrong):
        visitor.last = page
        assert visitor.submit("/sign-in/code", code=entry).status == 401, number
    for name in "ab":
        tab = twin(visitor, name)
        tab.last = page
        assert tab.submit("/sign-in/code", code=code).status != 200
        assert ("localhost", COOKIE) not in tab.cookies


def test_r71_codes_sent_count_together(pair: Pair) -> None:
    """A code asked for again right away on the other machine is not sent: too soon is too soon."""
    visitor, person = Wanderer(pair, "a"), pair.demo.person("dr-petit")
    visitor.get(DEEP)
    account = person["account"]
    visitor.submit("/sign-in/password", identifier=account["identifier"], password=account["password"], shared="")
    visitor.at("b")
    page = visitor.last
    form = next(one for one in page.forms if one.action.endswith("/sign-in/code/resend"))
    assert visitor.submit_form(form).status == 429
    assert len(pair.demo.console("GET", f"/mails?to={person['mail']}")) == 1
