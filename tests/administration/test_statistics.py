"""Rolling up the days, on SQLite and PostgreSQL (R94)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from gateway.administration.statistics import Statistics
from gateway.overview import SNAPSHOTS
from gateway.ports import Insert
from tests.administration.country import NOW, PARIS, PATHS, Country, country, measure

DAY = timedelta(days=1)
TODAY = "2026-03-02"


@pytest.fixture
async def land(url: str) -> AsyncIterator[Country]:
    async with country(url) as made:
        yield made


def work(land: Country) -> Statistics:
    return Statistics(land.tally, land.overview, land.desk, measure, PARIS)


async def rows(land: Country, scope: str, day: str = TODAY) -> dict[str, int]:
    found = await land.database.find("statistics", {"scope_id": scope, "day": day})
    return {str(row["measure"]): int(row["count"] or 0) for row in found if row["measure"] not in SNAPSHOTS}


async def events(land: Country) -> None:
    await land.person("ada", "lyon")
    await land.person("two", "urgences", "vienne")
    await land.person("free")
    await land.sign_in(1, "ada", NOW)
    await land.sign_in(2, "two", NOW, "otp-mail")
    await land.sign_in(3, "free", NOW, "password")
    await land.sign_in(4, "ada", NOW - timedelta(hours=1))
    await land.trace("code:sent", NOW, "acc_two", '{"channel": "mail"}')
    await land.trace("code:sent", NOW, "acc_two", '{"channel": "sms", "for": "proof"}')
    await land.trace("code:not-sent", NOW, "acc_ada", '{"channel": "mail"}')
    await land.trace("session:refused", NOW, None, '{"method": "password"}', "wrong-credentials")
    await land.trace("session:refused", NOW, None, '{"account": "acc_ada", "method": "password"}', "no-channel")
    await land.trace("card:refused", NOW, None, "{}", "card-expired")
    await land.trace("scope:switch", NOW, None, "{}")


async def test_r94_a_day_is_summed_by_scope_and_above(land: Country) -> None:
    """Somebody of two scopes is in both rows, and once in every sum above them."""
    await events(land)
    await work(land).roll(NOW)
    assert await rows(land, "lyon") == {
        "sign_in:cps": 2, "assurance:substantial": 2, "code_not_sent:mail": 1, "refused:no-channel": 1,
    }  # fmt: skip
    two = {"sign_in:otp-mail": 1, "assurance:transition": 1, "code_sent:mail": 1, "code_sent:sms": 1}
    assert await rows(land, "urgences") == two
    assert await rows(land, "vienne") == two
    assert await rows(land, "") == {
        "sign_in:password": 1, "assurance:password": 1, "refused:wrong-credentials": 1, "refused:card-expired": 1,
    }  # fmt: skip
    region = {**two, **await rows(land, "lyon")}
    assert await rows(land, "ara/") == region
    assert await rows(land, "nation/") == region
    assert await rows(land, "naq/") == {}
    assert await rows(land, "/") == {**region, **await rows(land, "")}


async def test_r94_the_statistics_are_read_within_reach(land: Country) -> None:
    """The nation, a region, an establishment with its service, and nothing."""
    await events(land)
    await work(land).roll(NOW)

    async def found(*reach: str) -> dict[str, int]:
        read = await land.overview.statistics(reach, "2026-02-01", TODAY)
        assert {row["day"] for row in read} <= {TODAY}
        return {str(row["measure"]): int(row["count"] or 0) for row in read}

    assert (await found("/"))["sign_in:password"] == 1
    assert (await found("/"))["people"] == 3
    assert (await found(PATHS["ara"]))["sign_in:otp-mail"] == 1
    assert (await found(PATHS["ara"]))["scopes_strong"] == 1
    lyon = await found(PATHS["lyon"])
    assert lyon["sign_in:cps"] == 2 and lyon["code_sent:sms"] == 1 and "people" not in lyon
    assert await found(PATHS["pau"]) == {}
    assert await found() == {}
    assert await land.overview.statistics(("/",), "2026-02-01", "2026-03-01") == ()
    by_region = await land.overview.by_region(("/",), TODAY, TODAY)
    numbers = {(row["scope_id"], row["measure"]): row["count"] for row in by_region}
    assert numbers["ara", "sign_in:cps"] == 2 and numbers["ara", "people"] == 2 and numbers["naq", "people"] == 0
    part = await land.overview.by_region((PATHS["vienne"],), TODAY, TODAY)
    assert {row["scope_id"] for row in part} == {"ara"}
    assert {row["measure"]: row["count"] for row in part}["sign_in:otp-mail"] == 1


async def test_r94_a_day_may_be_computed_again(land: Country) -> None:
    """Twice is as good as once; what came since is added, and what went is gone; the snapshot of the day stays."""
    await events(land)
    await work(land).roll(NOW)
    before = await land.database.find("statistics", {}, order=("scope_id", "measure"))
    await work(land).roll(NOW)
    assert await land.database.find("statistics", {}, order=("scope_id", "measure")) == before
    await land.sign_in(9, "ada", NOW + timedelta(minutes=5), "password")
    await land.person("late", "pau")
    await work(land).roll(NOW + timedelta(hours=1))
    assert (await rows(land, "lyon"))["sign_in:password"] == 1
    assert {row["count"] for row in await land.database.find("statistics", {"measure": "people", "scope_id": "/"})} == {
        3
    }
    await land.tally.events(TODAY, NOW - DAY, NOW - DAY)
    assert await rows(land, "lyon") == {}
    assert await land.tally.has_snapshot(TODAY)


async def test_r94_days_begin_at_midnight_here(land: Country) -> None:
    """23:30 UTC belongs to tomorrow in Paris; missing days of the week are made up for, older ones are not."""
    await land.person("ada", "lyon")
    midnight = datetime(2026, 3, 1, 23, 0, tzinfo=NOW.tzinfo)
    await land.sign_in(1, "ada", midnight - timedelta(microseconds=1))
    await land.sign_in(2, "ada", midnight)
    await land.sign_in(3, "ada", NOW - 5 * DAY)
    await land.sign_in(4, "ada", NOW - 8 * DAY)
    await work(land).roll(NOW)
    days = ("2026-03-01", TODAY, "2026-02-25", "2026-02-22")
    assert [(await rows(land, "lyon", day)).get("sign_in:cps", 0) for day in days] == [1, 1, 1, 0]


async def test_r94_the_hour_changes_twice_a_year(land: Country) -> None:
    """The days of 23 and 25 hours hold what happened on them."""
    await land.person("ada", "lyon")
    for number, instant in enumerate(("2026-03-28T22:59", "2026-03-28T23:00", "2026-03-29T21:59", "2026-03-29T22:00")):
        await land.sign_in(number, "ada", datetime.fromisoformat(instant + "+00:00"))
    await work(land).roll(datetime.fromisoformat("2026-03-30T12:00+00:00"))
    found = [(await rows(land, "lyon", f"2026-03-{day}"))["sign_in:cps"] for day in (28, 29, 30)]
    assert found == [1, 2, 1]


async def test_r94_sums_are_kept_for_400_days(land: Country, monkeypatch: pytest.MonkeyPatch) -> None:
    """Older ones go, the oldest first and a few at a time; a run that was stopped is gone on with."""
    monkeypatch.setattr("gateway.administration.statistics._AT_ONCE", 3)
    edge = NOW.date() - 400 * DAY
    days = [(edge + back * DAY).isoformat() for back in (-40, -2, -1, 0, 1, 400)]
    await land.database.write(
        *(
            Insert("statistics", {"day": day, "scope_id": scope, "measure": name, "count": 1})
            for day in days
            for scope in ("/", "ara/")
            for name in ("people", "sign_in:cps")
        )
    )

    async def kept() -> list[str]:
        return [str(row["day"]) for row in await land.database.find("statistics", {}, order=("day",))]

    assert await land.tally.forget(days[2], 5) == 5
    assert await kept() == [days[1]] * 3 + [day for day in days[2:] for _ in range(4)]
    await work(land).forget(NOW)
    assert await kept() == [day for day in days[3:] for _ in range(4)]
    await work(land).forget(NOW)
    assert len(await kept()) == 12


def test_r94_it_is_done_every_hour() -> None:
    """By the jobs of the gateway, whichever worker; old days go once a day."""
    rolled, forgotten = Statistics(None, None, None, measure, PARIS).jobs()  # type: ignore[arg-type]
    assert (rolled.name, rolled.period) == ("statistics", timedelta(hours=1))
    assert (forgotten.name, forgotten.period) == ("statistics-end", DAY)
