"""Warnings before an account falls asleep, and the removal of what is too old."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway import trail
from gateway.accounts import upkeep
from gateway.accounts.account import Account, Standing
from gateway.accounts.register import Register
from gateway.accounts.upkeep import Upkeep, UpkeepSettings, stage_of
from gateway.audit import Act, Record
from gateway.edges.database import Database
from gateway.edges.journal import Journal
from gateway.edges.keys import FileSigner, ensure_assertion_key
from gateway.ports import Audit, Insert, Update
from gateway.reasons import RecordsUnavailable
from gateway.texts import Text
from gateway.trail import Checkpoints, examine
from tests.accounts.shelf import DAY, account, database, row, sign_in
from tests.ambient import START, TestAmbient

YEAR = timedelta(days=365)
KEY = b"k" * 32


class World:
    def __init__(self, records: Database, folder: Path) -> None:
        self.records = records
        self.mails: list[tuple[str, Text, str]] = []
        self.signer = FileSigner(ensure_assertion_key(folder / "assertion.pem"))
        self.trail = Checkpoints(records, self.signer)
        self.upkeep = upkeep_of(self, Journal(records, KEY))

    def post(self, account: Account, text: Text, kind: str, correlation: str) -> None:
        self.mails.append((account.id, text, correlation))

    async def warned(self, now: datetime) -> list[str]:
        """Who receives a warning at this instant."""
        self.mails.clear()
        await self.upkeep.warn_dormant(now)
        return sorted(one for one, _, _ in self.mails)


def upkeep_of(world: World, audit: Audit, settings: UpkeepSettings | None = None) -> Upkeep:
    return Upkeep(world.records, audit, world.trail, world.post, settings or UpkeepSettings())


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with database(tmp_path) as records:
        yield World(records, tmp_path)


async def test_r97_two_warnings_and_no_third(world: World) -> None:
    """A year after the last sign-in less 30 days, then less 7: one mail each, however often one looks."""
    await world.records.write(account("a"))
    seen = []
    for hour in range(24 * 325, 24 * 370, 8):
        now = START + timedelta(hours=hour)
        if await world.warned(now):
            seen.append(((now - START).days, world.mails[0][1].subject))
    assert [day for day, _ in seen] == [335, 358]
    assert ["dans 30 jours" in seen[0][1], "dans 7 jours" in seen[1][1]] == [True, True]
    rows = await world.records.find("audit", {"act": "account:warn"}, order=("seq",))
    assert [one["facts"] for one in rows] == ['{"days_left": "30", "stage": "30"}', '{"days_left": "7", "stage": "7"}']


async def test_r97_the_exact_instant_of_a_stage(world: World) -> None:
    """Thirty days before to the microsecond, and not before."""
    await world.records.write(account("a"))
    begin = START + YEAR - 30 * DAY
    assert await world.warned(begin - timedelta(microseconds=1)) == []
    assert await world.warned(begin) == ["acc_a"]
    assert (await row(world.records, "a"))["warned_at"] == begin


async def test_r97_a_stage_that_was_missed_is_not_made_up(world: World) -> None:
    """A gateway that was off for a month sends the warning that is true today, once."""
    await world.records.write(account("a"))
    now = START + YEAR - 2 * DAY
    assert await world.warned(now) == ["acc_a"]
    assert "dans 2 jours" in world.mails[0][1].subject
    assert await world.warned(now + DAY) == []


async def test_r97_who_comes_back_is_warned_again_next_year(world: World) -> None:
    """A sign-in moves the sleep; the warnings of the year before count no more."""
    await world.records.write(account("a"))
    assert await world.warned(START + 340 * DAY) == ["acc_a"]
    back = START + 341 * DAY
    await world.records.write(Update("accounts", {"last_sign_in_at": back}, {"id": "acc_a"}))
    assert await world.warned(START + 360 * DAY) == []
    assert await world.warned(back + 340 * DAY) == ["acc_a"]


@pytest.mark.parametrize(
    "changes",
    [
        {"suspended_at": START},
        {"closed_at": START},
        {"mail": None},
        {"mail": "shared@example.test", "mail_key": None},
        {"last_sign_in_at": START - 40 * DAY},  # asleep already
        {"last_sign_in_at": START + 40 * DAY},
        {"reactivated_at": START + 40 * DAY},
        {"last_sign_in_at": None, "created_at": START - 40 * DAY},
    ],
)
async def test_r97_who_is_not_warned(world: World, changes: dict[str, Any]) -> None:
    """The suspended, the erased, those without an address of their own, sleepers, and those with time left."""
    await world.records.write(account("a", **changes))
    assert await world.warned(START + 340 * DAY) == []
    assert await world.records.find("audit", {}) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"last_sign_in_at": None, "created_at": START},  # never signed in
        {"last_sign_in_at": START - 300 * DAY, "reactivated_at": START},  # woken by a référent
        {"last_sign_in_at": None, "created_at": START - 300 * DAY, "reactivated_at": START},
        {"mail_proved_at": None},
    ],
)
async def test_r97_the_last_sign_of_life_counts(world: World, changes: dict[str, Any]) -> None:
    """A creation and a waking count like a sign-in, and each account is warned once."""
    await world.records.write(account("a", **changes))
    assert await world.warned(START + 340 * DAY) == ["acc_a"]
    assert await world.warned(START + 340 * DAY) == []


async def test_r97_warnings_agree_with_the_standing(world: World) -> None:
    """The mail names the day on which the account is indeed asleep, leap year or not."""
    register = Register(world.records, TestAmbient())
    await world.records.write(account("a", last_sign_in_at=datetime.fromisoformat("2027-06-01T12:00:00+00:00")))
    assert await world.warned(datetime.fromisoformat("2028-05-01T12:00:00+00:00")) == ["acc_a"]
    assert "31\u00a0mai\u00a02028" in world.mails[0][1].text
    found = await register.by_id("acc_a")
    assert found is not None
    end = datetime.fromisoformat("2028-05-31T12:00:00+00:00")
    assert found.standing(end, YEAR) is Standing.OPEN
    assert found.standing(end + timedelta(microseconds=1), YEAR) is Standing.DORMANT


async def test_r97_many_accounts_of_one_instant(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Accounts imported in one go are walked in pages and warned some at a time, each of them once."""
    monkeypatch.setattr(upkeep, "_PAGE", 7)
    monkeypatch.setattr(upkeep, "_WARNED_AT_ONCE", 20)
    await world.records.write(*(account(f"{number:03d}") for number in range(50)))
    rounds = [await world.warned(START + 340 * DAY) for _ in range(4)]
    assert [len(one) for one in rounds] == [20, 20, 10, 0]
    assert len({name for one in rounds for name in one}) == 50


async def test_r97_an_interrupted_run_goes_on(world: World) -> None:
    """When the records fail half-way, those warned are not warned again and the others are."""
    await world.records.write(*(account(f"{number}") for number in range(5)))
    journal, written = Journal(world.records, KEY), 0

    class Failing:
        async def record(self, record: Record) -> None:
            nonlocal written
            written += 1
            if written == 3:
                raise RecordsUnavailable("told to fail")
            await journal.record(record)

    broken = upkeep_of(world, Failing())
    with pytest.raises(RecordsUnavailable):
        await broken.warn_dormant(START + 340 * DAY)
    first = [name for name, _, _ in world.mails]
    assert first == ["acc_0", "acc_1"]
    assert await world.warned(START + 340 * DAY) == ["acc_2", "acc_3", "acc_4"]


async def test_r97_a_person_who_signs_in_meanwhile_is_not_warned(world: World) -> None:
    """The mark is guarded: an account changed since it was read gets no mail in this run."""
    await world.records.write(account("a"))
    journal = Journal(world.records, KEY)

    class Racing:
        async def record(self, record: Record) -> None:
            await journal.record(record)
            await world.records.write(
                Update("accounts", {"last_sign_in_at": record.at, "version": 2}, {"id": "acc_a", "version": 1})
            )

    await upkeep_of(world, Racing()).warn_dormant(START + 340 * DAY)
    assert world.mails == []
    assert (await row(world.records, "a"))["warned_at"] is None


async def test_r97_no_stage_no_warning(world: World) -> None:
    """A deployment may wish no warnings."""
    await world.records.write(account("a"))
    quiet = upkeep_of(world, Journal(world.records, KEY), UpkeepSettings(warn_days=()))
    await quiet.warn_dormant(START + 360 * DAY)
    assert world.mails == []


def test_r97_the_stage_reached() -> None:
    """The smallest number of days that covers what is left, whatever their order."""
    sleep = START
    for left, stage in ((31, None), (30, 30), (8, 30), (7, 7), (0, 7), (-1, None)):
        assert stage_of(sleep, sleep - left * DAY, (7, 30)) == stage


def trace(age: timedelta) -> Insert:
    return Insert("audit", {"at": START - age, "act": "session:open", "account": "acc_a", "facts": "{}"})


async def test_r148_what_is_older_than_the_retention_goes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traces and sign-ins of more than a year are removed a few at a time, younger ones stay, and one row says so."""
    monkeypatch.setattr(upkeep, "_PAGE", 3)
    monkeypatch.setattr(trail, "_REMOVED_AT_ONCE", 3)
    tick = timedelta(microseconds=1)
    await world.records.write(
        account("a"),
        *(trace(YEAR + tick + n * DAY) for n in range(10)),
        *(trace(YEAR - n * DAY) for n in range(4)),
        *(sign_in("a", n, at=START - YEAR - n * DAY) for n in range(5)),
    )
    await world.upkeep.purge(START)
    left = await world.records.find("audit", {}, order=("seq",))
    assert [one["act"] for one in left] == ["session:open"] * 4 + ["data:purge"]
    assert min(one["at"] for one in left if isinstance(one["at"], datetime)) == START - YEAR
    assert left[-1]["facts"] == (
        '{"accounts": "0", "audit": "10", "older_than": "' + (START - YEAR).isoformat() + '", "sign_ins": "4"}'
    )
    assert [one["id"] for one in await world.records.find("sign_ins", {})] == ["sgn_a_0"]
    await world.upkeep.purge(START)
    assert len(await world.records.find("audit", {})) == 5


async def test_r148_g2_the_chain_stays_sound(world: World) -> None:
    """Chained traces go like others, after the sign-ins; what is left still proves itself, before and after."""
    journal = Journal(world.records, KEY)
    for day in range(0, 400, 10):
        await journal.record(Record(Act.SIGN_IN, START - 400 * DAY + day * DAY, "acc_a"))
    await world.upkeep.purge(START)
    rows = await world.records.find("audit", {}, order=("seq",))
    assert [one["seq"] for one in rows] == [*range(5, 42)]
    found = await examine(world.records, KEY, [world.signer.public_jwk])
    assert (found.faults, found.purged and found.purged.seq, found.rows) == ([], 4, 37)


async def test_r148_r104_empty_accounts_go_with_their_last_traces(world: World) -> None:
    """A person erased longer ago than the retention leaves nothing; one erased lately keeps the pseudonym."""
    await world.records.write(
        account("old", mail=None, closed_at=START - YEAR - DAY),
        account("new", mail=None, closed_at=START - YEAR + DAY),
        Insert("logins", {"key": "late", "account_id": "acc_old", "created_at": START}),
    )
    await world.upkeep.purge(START)
    assert [one["id"] for one in await world.records.find("accounts", {})] == ["acc_new"]
    assert await world.records.find("logins", {}) == ()


def test_jobs_have_names_and_periods(tmp_path: Path) -> None:
    """Warnings are looked for every hour, removal is daily."""
    upkeep = Upkeep(None, None, None, None, UpkeepSettings())  # type: ignore[arg-type]
    assert [(job.name, job.period) for job in upkeep.jobs()] == [
        ("warn-dormant", timedelta(hours=1)),
        ("purge", timedelta(days=1)),
    ]
