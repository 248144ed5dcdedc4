"""The figures of the dashboard, within the reach of who asks (R94)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.administration.actor import NotThere
from gateway.administration.dashboard import Dashboard
from gateway.administration.statistics import Statistics
from tests.administration.country import (
    NATIONAL,
    NOBODY,
    NOW,
    PARIS,
    REFERENT,
    REGIONAL,
    Country,
    country,
    measure,
)


@pytest.fixture
async def land(tmp_path: Path) -> AsyncIterator[Country]:
    async with country(tmp_path / "records.db") as made:
        await made.person("ada", "lyon")
        await made.person("bob", "pau", mail=None, mail_key=None, mail_canonical=None, mail_proved_at=None)
        await made.person("free")
        await made.sign_in(1, "ada", NOW)
        await made.sign_in(2, "ada", NOW - timedelta(days=1), "otp-mail")
        await made.sign_in(3, "bob", NOW, "password")
        await made.trace("code:sent", NOW - timedelta(days=1), "acc_ada", '{"channel": "mail"}')
        await made.trace("code:not-sent", NOW, "acc_ada", '{"channel": "mail"}')
        await made.trace("session:refused", NOW, "acc_ada", "{}", "wrong-code")
        await made.trace("session:refused", NOW, "acc_bob", "{}", "no-channel")
        await made.trace("session:refused", NOW, "acc_bob", "{}", "no-channel")
        await Statistics(made.tally, made.overview, made.desk, measure, PARIS).roll(NOW)
        yield made


def dashboard(land: Country) -> Dashboard:
    return Dashboard(land.desk, land.overview, measure, PARIS)


async def test_r94_the_nation_sees_everything(land: Country) -> None:
    """Every series has a number for each day; regions are listed by name; people without scope count."""
    found = await dashboard(land).figures(NATIONAL, NOW, days=3)
    assert found.days == ("2026-02-28", "2026-03-01", "2026-03-02")
    assert found.scopes == {
        "etablissement": {"strong": 1, "password_only": 2},
        "service": {"strong": 1, "password_only": 0},
    }
    assert found.sign_ins == {"cps": (0, 0, 1), "otp-mail": (0, 1, 0), "password": (0, 0, 1)}
    assert found.adoption == {"substantial": (0, 0, 1), "transition": (0, 1, 0), "password": (0, 0, 1)}
    assert found.scopes_strong == (None, None, 1) and found.scopes_all == (None, None, 3)
    assert [(one.channel, one.sent, one.not_sent, one.rate) for one in found.delivery] == [("mail", 1, 1, 0.5)]
    assert list(found.failures.items()) == [("no-channel", 2), ("wrong-code", 1)]
    assert (found.people, found.ready, found.counts["no_mail"]) == (3, 2, 1)
    assert [
        (one.name, one.strong, one.password_only, one.sign_ins, one.people, one.ready) for one in found.regions
    ] == [
        ("Ara", 1, 1, 2, 1, 1),
        ("Naq", 0, 1, 1, 1, 0),
    ]
    assert json.loads(json.dumps(found.as_json()))["regions"][0]["id"] == "ara"


async def test_r94_nobody_sees_beyond_their_reach(land: Country) -> None:
    """A region sees itself, a référent their establishment and its service, and neither sees or guesses others."""
    board = dashboard(land)
    region = await board.figures(REGIONAL, NOW)
    assert len(region.days) == 90
    assert [one.id for one in region.regions] == ["ara"] and set(region.sign_ins) == {"cps", "otp-mail"}
    own = await board.figures(REFERENT, NOW)
    assert own.regions == () and own.scopes["etablissement"] == {"strong": 1, "password_only": 0}
    assert set(own.failures) == {"wrong-code"} and own.people == 1
    assert (await board.figures(REGIONAL, NOW, scope_id="vienne")).people == 0
    for actor, scope in ((REGIONAL, "pau"), (REFERENT, "ara"), (REGIONAL, "nowhere"), (NOBODY, ""), (NOBODY, "lyon")):
        with pytest.raises(NotThere):
            await board.figures(actor, NOW, scope_id=scope)


async def test_r94_the_nation_as_a_scope_is_everything_to_who_sees_everything(land: Country) -> None:
    """People attached nowhere follow the nation's rules."""
    assert (await dashboard(land).figures(NATIONAL, NOW, scope_id="nation")).people == 3


async def test_r94_states_follow_the_clock_and_the_book(land: Country) -> None:
    """Another instant is another count, and so is another book within the same minute."""
    board = dashboard(land)

    async def strong(now: datetime) -> int:
        return (await board.figures(NATIONAL, now, days=1)).scopes["etablissement"]["strong"]

    assert await strong(NOW) == 1
    assert await strong(NOW - timedelta(days=20)) == 0
    assert await strong(NOW) == 1
    lyon = land.desk.book.scope("lyon")
    assert lyon is not None
    land.desk.book = land.desk.book.with_scopes([replace(lyon, retired=True)])
    assert await strong(NOW) == 0


async def test_r94_a_crowd_is_counted_once_a_minute(land: Country, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many people the readiness may be a minute old, for the same reach; of few it never is."""
    monkeypatch.setattr("gateway.administration.dashboard.CROWD", 2)
    board, second = dashboard(land), timedelta(seconds=1)

    async def people(now: datetime, scope: str = "") -> int:
        return (await board.figures(NATIONAL, now, days=1, scope_id=scope)).people

    assert (await people(NOW), await people(NOW, "ara")) == (3, 1)
    await land.person("new", "lyon")
    assert (await people(NOW + 59 * second), await people(NOW + 59 * second, "ara")) == (3, 2)
    assert await people(NOW - second) == 4
    await land.person("newer", "lyon")
    assert await people(NOW + 58 * second) == 4
    assert await people(NOW + 59 * second) == 5
