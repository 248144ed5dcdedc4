"""The policy and the work that comes back, on two machines whose clocks are five seconds apart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from gateway.jobs import Job, Jobs
from tests.ambient import TestAmbient
from tests.bearer import Bearer
from tests.resilience.pair import APART, Pair, Wanderer, side
from tests.stories.test_main_job import DEEP

SCOPE = "ch-exemple"
ATTACHED = "agent-leroy"
DAY = timedelta(days=1)


def within(look: Callable[[], bool], seconds: float) -> float:
    """How long it took."""
    began = time.monotonic()
    while not look():
        assert time.monotonic() - began < seconds, "not within the time"
        time.sleep(0.05)
    return time.monotonic() - began


def asks(pair: Pair, name: str) -> str:
    """What this machine says of the scope now."""
    said = Bearer(side(pair, name), "region").get(f"scopes/{SCOPE}").json()["ruling"]
    return "strong" if said["strong"] else "password_only"


def switch(pair: Pair, name: str, state: str) -> None:
    """By this machine, and without waiting for the other; nothing when it is so already."""
    region = Bearer(side(pair, name), "region")
    until = {"until": (region.now() + timedelta(days=30)).isoformat()} if state == "password_only" else {}
    said = region.switch(SCOPE, state, **until)
    assert said.status == 201 or b"Rien ne changerait" in said.body, said.body


def on_both(pair: Pair, state: str) -> float:
    return max(within(lambda name=name: asks(pair, name) == state, 5) for name in "ab")  # type: ignore[misc]


@pytest.mark.parametrize(("here", "there"), [("a", "b"), ("b", "a")])
def test_r83_a_switch_is_in_force_on_the_other_machine_within_five_seconds(pair: Pair, here: str, there: str) -> None:
    """On and off, made on the machine that is ahead and on the one behind: nobody waits for a clock to come."""
    switch(pair, here, "password_only")
    on_both(pair, "password_only")
    took = []
    for state in ("strong", "password_only"):
        switch(pair, here, state)
        took.append(within(lambda state=state: asks(pair, there) == state, 5))  # type: ignore[misc]
    print(here, there, took)


def test_r83_of_two_switches_the_last_made_counts_whatever_the_clocks_say(pair: Pair) -> None:
    """On by the machine that is ahead, off again at once by the one behind: it is off on both, and stays so."""
    switch(pair, "a", "password_only")
    on_both(pair, "password_only")
    for first, second in ("ba", "ab"):
        switch(pair, first, "strong")
        switch(pair, second, "password_only")
        on_both(pair, "password_only")
        switch(pair, first, "strong")
        on_both(pair, "strong")
        switch(pair, second, "password_only")
        on_both(pair, "password_only")


def test_r89_a_session_opened_by_password_ends_on_both_when_it_is_switched_on(pair: Pair) -> None:
    """Opened on one machine, known to both; strong from the machine that is ahead: refused by the one behind."""
    national = Bearer(side(pair, "a"), "national")
    for place in national.get(f"accounts/acc_{ATTACHED}").json()["scopes"]:
        assert national.call("DELETE", f"accounts/acc_{ATTACHED}/scopes/{place}?reason=essai").status in (200, 204)
    attach = {"scope": SCOPE, "reason": "essai du récit"}
    assert national.call("POST", f"accounts/acc_{ATTACHED}/scopes", attach).status in (200, 201)
    switch(pair, "a", "password_only")
    on_both(pair, "password_only")
    visitor = Wanderer(pair)
    account = pair.demo.person(ATTACHED)["account"]
    visitor.get(DEEP)
    visitor.submit("/sign-in/password", identifier=account["identifier"], password=account["password"], shared="")
    assert visitor.last.url.endswith(DEEP), visitor.last.text
    switch(pair, "b", "strong")
    visitor.at("a")
    within(lambda: not visitor.get(DEEP).url.endswith(DEEP), 5)


def test_work_that_comes_back_is_done_once_for_all_machines(pair: Pair) -> None:
    """Six workers on two machines look at the same instants, around midnight: each day's work is done once, although for
    five seconds it is today on one machine and tomorrow on the other."""
    done: list[datetime] = []

    async def work(now: datetime) -> None:
        done.append(now)
        await asyncio.sleep(0.01)

    async def look() -> None:
        midnight = datetime(2031, 5, 6, tzinfo=UTC)
        store = pair.gateways["a"]._store
        ambients = {name: TestAmbient(midnight) for name in "ab"}
        workers = [
            (name, Jobs(store, ambients[name], [Job("across", DAY, work)], 1.0)) for name in "ab" for _ in range(3)
        ]
        for step in range(-8, 9):
            for name, ambient in ambients.items():
                ambient.instant = midnight + timedelta(seconds=step + (APART if name == "b" else 0))
            await asyncio.gather(*(one.tick(ambients[name].now()) for name, one in workers))

    pair.run(look())
    assert sorted(one.date().isoformat() for one in done) == ["2031-05-05", "2031-05-06"]
