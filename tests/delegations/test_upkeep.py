"""Reminders before the end (R133), and the removal of what ended long ago (R148)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from gateway.accounts.delegation import Delegation
from gateway.delegations import upkeep
from gateway.delegations.upkeep import DelegationUpkeep
from gateway.policy.delegation import PARIS, period
from gateway.ports import Update
from gateway.reasons import RecordsUnavailable
from tests.ambient import START
from tests.delegations.practice import BASE, DAY, PETIT, RULES, TODAY, Practice, practice_on

TICK = timedelta(microseconds=1)
LAST = TODAY + 59 * DAY
ENDS = period(TODAY, LAST, PARIS)[1]
DOCTOR = "bernard@example.test"


@dataclass
class Keeping:
    practice: Practice
    upkeep: DelegationUpkeep

    async def reminded(self, now: datetime) -> list[tuple[str, str]]:
        """Who receives what at this instant."""
        self.practice.letters.clear()
        await self.upkeep.remind(now)
        return self.practice.mailed()


def keeping(practice: Practice, remind_days: Sequence[int] = (15, 3)) -> Keeping:
    made = DelegationUpkeep(
        practice.records,
        practice.delegations,
        practice.register,
        practice.audit,
        practice.post,
        remind_days=remind_days,
        retention=1095 * DAY,
        rules=RULES,
        base=BASE,
        zone=PARIS,
    )
    return Keeping(practice, made)


@pytest.fixture
async def kept(practice: Practice) -> AsyncIterator[Keeping]:
    yield keeping(practice)


async def awake(practice: Practice, at: datetime) -> None:
    """The doctor signed in at this instant."""
    await practice.records.write(Update("accounts", {"last_sign_in_at": at}, {"id": "acc_bernard"}))


async def test_r133_fifteen_days_and_three_days_before_the_end_and_once_each(kept: Keeping) -> None:
    """However often one looks, day and night, over the change of hours; the audit and the history say so."""
    one = await kept.practice.accepted(last=LAST)
    seen = []
    for hour in range(24 * 40, 24 * 62, 5):
        now = START + timedelta(hours=hour)
        seen += [(told, (ENDS - now).days) for told in await kept.reminded(now)]
    assert seen == [
        ((DOCTOR, "une délégation se termine dans 15 jours"), 14),
        ((DOCTOR, "une délégation se termine dans 3 jours"), 2),
    ]
    assert (await kept.practice.held(one.id)).reminded == 3
    lines = [line for line in await kept.practice.delegations.history(one.id) if line.what == "reminded"]
    assert [(line.author, line.detail) for line in lines] == [("system", {"days": "15"}), ("system", {"days": "3"})]
    said = [record for record in kept.practice.trail.records if record.act.value == "delegation:remind"]
    assert [record.account for record in said] == ["acc_bernard"] * 2
    assert said[0].facts == {"delegation": one.id, "stage": "15", "days_left": "15"}


async def test_r133_at_the_instant_and_not_before(kept: Keeping) -> None:
    await kept.practice.accepted(last=LAST)
    assert await kept.reminded(ENDS - 15 * DAY - TICK) == []
    assert await kept.reminded(ENDS - 15 * DAY) == [(DOCTOR, "une délégation se termine dans 15 jours")]
    assert await kept.reminded(ENDS) == []


async def test_r133_a_stage_that_was_missed_is_not_made_up(kept: Keeping) -> None:
    """A gateway that was off sends the one that is true today."""
    await kept.practice.accepted(last=LAST)
    assert await kept.reminded(ENDS - 2 * DAY) == [(DOCTOR, "une délégation se termine dans 2 jours")]
    assert await kept.reminded(ENDS - DAY) == []


async def test_r133_a_colleagues_too_with_a_way_to_the_page(kept: Keeping) -> None:
    by = await kept.practice.by("bernard")
    await kept.practice.office.add_colleague(by, PETIT.rpps, TODAY, LAST, START)
    kept.practice.letters.clear()
    await kept.upkeep.remind(ENDS - 3 * DAY)
    ((to, mail),) = kept.practice.letters
    assert to == DOCTOR
    assert "Anne PETIT" in mail.text and f"{BASE}/delegations" in mail.text.splitlines()


async def test_r133_who_gave_or_changed_it_lately_knows(kept: Keeping) -> None:
    """Nothing is written within an hour of giving ten days; three days before the end it is. A longer period begins anew."""
    one = await kept.practice.accepted()
    assert await kept.reminded(START + timedelta(hours=1)) == []
    last = one.ends
    assert len(await kept.reminded(last - 3 * DAY)) == 1
    kept.practice.at(last - 2 * DAY)
    await awake(kept.practice, kept.practice.now)
    one = await kept.practice.held(one.id)
    by = await kept.practice.by("bernard")
    one = await kept.practice.office.change(by, one.id, one.version, TODAY, LAST, None, kept.practice.now)
    assert await kept.reminded(kept.practice.now) == []
    assert len(await kept.reminded(ENDS - 15 * DAY)) == 1
    assert len(await kept.reminded(ENDS - 3 * DAY)) == 1


async def test_r133_a_clock_that_was_set_back_writes_nothing_twice(kept: Keeping) -> None:
    """Whenever the row seems to have been written last."""
    one = await kept.practice.accepted(last=LAST)
    assert len(await kept.reminded(ENDS - 3 * DAY)) == 1
    await kept.practice.records.write(Update("delegations", {"updated_at": START}, {"id": one.id}))
    assert await kept.reminded(ENDS - 15 * DAY) == await kept.reminded(ENDS - DAY) == []


@pytest.mark.parametrize(
    "doctor",
    [{"suspended_at": START}, {"closed_at": START}, {"mail": None, "mail_key": None, "mail_canonical": None},
     {"last_sign_in_at": START - 330 * DAY}],
)  # fmt: skip
async def test_r133_who_is_away_hears_nothing(kept: Keeping, doctor: dict[str, Any]) -> None:
    """Nothing is written down either, so that they hear of it once they are back."""
    one = await kept.practice.accepted(last=LAST)
    await kept.practice.records.write(Update("accounts", doctor, {"id": "acc_bernard"}))
    assert await kept.reminded(ENDS - 15 * DAY) == []
    assert (await kept.practice.held(one.id)).reminded is None


async def test_r133_what_nobody_can_use_any_more_is_not_written_of(kept: Keeping) -> None:
    """Ended, still an invitation, to be confirmed."""
    practice = kept.practice
    ended = await practice.accepted(last=LAST)
    await practice.office.end(await practice.by("bernard"), ended.id, START)
    await practice.invited(last=LAST, mail="b@example.test")
    _, token = await practice.invited(last=LAST, mail="c@example.test")
    await practice.receiving.finalise(token, await practice.by("henry"), START)
    assert await kept.reminded(ENDS - 15 * DAY) == []
    assert await keeping(practice, ()).reminded(ENDS - 15 * DAY) == []


async def test_r133_all_of_them_a_page_at_a_time(kept: Keeping, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven in pages of two, at most three in one run."""
    monkeypatch.setattr(upkeep, "_PAGE", 2)
    by = await kept.practice.by("bernard")
    for number in range(7):
        rpps = f"9970020000{number}"
        kept.practice.directory.known.append(type(PETIT)(rpps, "X", "Y", "10"))
        await kept.practice.office.add_colleague(by, rpps, TODAY, LAST, START)
    monkeypatch.setattr(upkeep, "_AT_ONCE", 3)
    counts = [len(await kept.reminded(ENDS - 15 * DAY + hour * timedelta(hours=1))) for hour in range(4)]
    assert counts == [3, 3, 1, 0]


async def test_r133_two_workers_at_once_write_once(url: str) -> None:
    async with practice_on(url) as practice:
        await practice.accepted(last=LAST)
        practice.letters.clear()
        both = [keeping(practice), keeping(practice)]
        await asyncio.gather(*(one.upkeep.remind(ENDS - 15 * DAY) for one in both))
        assert [to for to, _ in practice.letters] == [DOCTOR]


async def test_a_reminder_needs_its_audit(kept: Keeping) -> None:
    one = await kept.practice.accepted(last=LAST)
    kept.practice.letters.clear()
    kept.practice.trail.down = True
    with pytest.raises(RecordsUnavailable):
        await kept.upkeep.remind(ENDS - 15 * DAY)
    assert kept.practice.letters == []
    assert (await kept.practice.held(one.id)).reminded is None


# Removal


async def used(practice: Practice, one: Delegation) -> None:
    await practice.receiving.begin(await practice.by("moreau"), one.id, practice.now, practice.ambient.token(32))


async def test_r148_three_years_after_the_end_all_of_it_goes(url: str) -> None:
    """To the microsecond: by its last day, or by whoever ended it, with history and use; nothing else; written down first."""
    async with practice_on(url) as practice:
        kept = keeping(practice)
        expired = await practice.accepted()
        await used(practice, expired)
        both = await practice.accepted(first=TODAY + 10 * DAY, last=TODAY + 10 * DAY)
        ended = await practice.accepted(first=TODAY + 20 * DAY, last=TODAY + 2000 * DAY)
        await practice.office.end(await practice.by("bernard"), ended.id, START)
        await practice.office.end(await practice.by("bernard"), both.id, START + DAY)
        running = await practice.accepted(first=TODAY + 20 * DAY, last=TODAY + 1500 * DAY)
        edge = START + 1095 * DAY
        await kept.upkeep.purge(edge)  # the one that was ended lacks a microsecond
        assert practice.trail.said()[-1] != "data:purge"
        await kept.upkeep.purge(edge + TICK)
        assert {one.id for one in await practice.delegations.given_by("acc_bernard")} == {
            expired.id,
            both.id,
            running.id,
        }
        assert practice.trail.records[-1].facts == {"delegations": "1", "older_than": (START + TICK).isoformat()}
        await kept.upkeep.purge(both.ends + 1095 * DAY + TICK)
        assert practice.trail.records[-1].facts["delegations"] == "2"
        assert [one.id for one in await practice.delegations.given_by("acc_bernard")] == [running.id]
        assert await practice.records.count("delegation_uses", {}) == 0
        assert {row["delegation_id"] for row in await practice.records.find("delegation_history", {})} == {running.id}


async def test_r148_many_a_few_at_a_time_and_not_without_the_audit(
    kept: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_PAGE", 2)
    for number in range(5):
        await kept.practice.invited(mail=f"{number}@example.test")
    later = START + 1200 * DAY
    kept.practice.trail.down = True
    with pytest.raises(RecordsUnavailable):
        await kept.upkeep.purge(later)
    assert await kept.practice.records.count("delegations", {}) == 5
    kept.practice.trail.down = False
    await kept.upkeep.purge(later)
    assert await kept.practice.records.count("delegations", {}) == 0
    assert await kept.practice.records.count("delegation_history", {}) == 0


async def test_the_jobs_and_how_often(kept: Keeping) -> None:
    assert {job.name: job.period for job in kept.upkeep.jobs()} == {
        "delegation-reminders": timedelta(hours=1),
        "delegation-purge": DAY,
    }
