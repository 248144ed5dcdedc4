"""Looking for a colleague in the national directory (R118, R123)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.administration.actor import Faulty
from gateway.delegations.judging import Barred, TooOften
from gateway.delegations.search import DirectorySearch
from gateway.identity import Space
from gateway.reasons import DirectoryUnavailable, Reason, RecordsUnavailable, StoreUnavailable
from tests.ambient import START
from tests.delegations.practice import GARNIER, PETIT, RULES, Practice


async def test_r118_found_without_the_doctor_and_written_down_without_names(practice: Practice) -> None:
    """What was typed reaches the directory squeezed; the audit holds counts, and nothing of whom."""
    by = await practice.by("bernard")
    assert await practice.search.find(by, "  de   la Tour ", " 38 000 ", START) == ((PETIT, GARNIER), False)
    assert practice.directory.asked == [("de la Tour", "38000")]
    (record,) = practice.trail.records
    assert (record.act.value, record.account, record.facts) == (
        "directory:search",
        "acc_bernard",
        {"found": "2", "more": "0"},
    )


@pytest.mark.parametrize(
    ("name", "postal_code"),
    [("li", ""), ("Lé", "6"), ("d'Aubigné", "69"), ("ŒÉ", "69003"), ("x" * 100, "2A"), ("li", "2b"), ("li", "2A004")],
)
async def test_r118_what_may_be_asked(practice: Practice, name: str, postal_code: str) -> None:
    await practice.search.find(await practice.by("bernard"), name, postal_code, START)
    assert practice.directory.asked == [(name, postal_code.upper())]


@pytest.mark.parametrize(
    ("name", "postal_code", "wrong"),
    [
        ("", "", ["name"]),
        ("x", "", ["name"]),
        ("1 2", "", ["name"]),
        ("x1", "", ["name"]),
        ("O'", "", ["name"]),
        ("x" * 101, "", ["name"]),
        ("ab\x00cd", "", ["name"]),
        ("ab", "690031", ["postal_code"]),
        ("ab", "2C", ["postal_code"]),
        ("ab", "2A0044", ["postal_code"]),
        ("ab", "abc", ["postal_code"]),
        ("ab", "٦٩", ["postal_code"]),
        ("a", "x", ["name", "postal_code"]),
    ],
)
async def test_r118_what_may_not(practice: Practice, name: str, postal_code: str, wrong: list[str]) -> None:
    """Said by field; the directory is not asked and nothing is counted."""
    by = await practice.by("bernard")
    with pytest.raises(Faulty) as caught:
        await practice.search.find(by, name, postal_code, START)
    assert sorted(caught.value.faults) == wrong
    assert practice.directory.asked == [] and practice.trail.records == []
    assert await practice.store.read("directory-searches:acc_bernard") == (None,)


async def test_r118_so_many_an_hour(practice: Practice) -> None:
    """Five here, names and numbers together; the sixth is refused until the first is an hour old; others are not touched."""
    by = await practice.by("bernard")
    for _ in range(4):
        await practice.search.find(by, "petit", "", practice.now)
        practice.ambient.advance(60)
    assert await practice.search.one(by, PETIT.rpps, practice.now) == PETIT
    for again in (
        practice.search.find(by, "petit", "", practice.now),
        practice.search.one(by, PETIT.rpps, practice.now),
    ):
        with pytest.raises(TooOften) as caught:
            await again
        assert caught.value.reason is Reason.SEARCH_TOO_OFTEN
    await practice.search.find(await practice.by("petit"), "petit", "", practice.now)
    assert len(practice.directory.asked) == 6
    practice.at(START + timedelta(hours=1) - timedelta(seconds=1))
    with pytest.raises(TooOften):
        await practice.search.find(by, "petit", "", practice.now)
    practice.ambient.advance(1)
    await practice.search.find(by, "petit", "", practice.now)


async def test_r118_a_clock_set_back_gives_no_more(practice: Practice) -> None:
    by = await practice.by("bernard")
    for _ in range(5):
        await practice.search.find(by, "petit", "", START)
    with pytest.raises(TooOften):
        await practice.search.find(by, "petit", "", START - timedelta(hours=3))


async def test_r118_so_many_an_hour_however_many_at_once(practice: Practice) -> None:
    by = await practice.by("bernard")
    done = await asyncio.gather(
        *(practice.search.find(by, "petit", "", START) for _ in range(20)), return_exceptions=True
    )
    assert sum(isinstance(one, TooOften) for one in done) == 15
    assert len(practice.directory.asked) == 5


async def test_r106_nobody_else_searches(practice: Practice) -> None:
    """The directory is no address book for staff, nor for the other space."""
    for by in (await practice.by("moreau"), await practice.by("bernard", space=Space.PROFESSIONNEL)):
        for asked in (practice.search.find(by, "petit", "", START), practice.search.one(by, PETIT.rpps, START)):
            with pytest.raises(Barred):
                await asked
    assert practice.directory.asked == []


async def test_r118_one_by_number(practice: Practice) -> None:
    """Active physicians alone, and never oneself."""
    by = await practice.by("bernard")
    assert await practice.search.one(by, PETIT.rpps, START) == PETIT
    assert await practice.search.one(by, "99700100011", START) is None  # the doctor
    assert await practice.search.one(by, "99700100037", START) is None  # nobody
    practice.directory.known = [replace(PETIT, active=False), replace(GARNIER, profession="40")]
    assert await practice.search.one(by, PETIT.rpps, START) is None
    assert await practice.search.one(by, GARNIER.rpps, START) is None
    for rpps in ("", "x", "899700100029", "9970010002"):
        assert await practice.search.one(by, rpps, START) is None
    assert [one for one, _ in practice.directory.asked] == [PETIT.rpps, "99700100037", PETIT.rpps, GARNIER.rpps]


async def test_r123_the_directory_gives_no_answer(practice: Practice) -> None:
    """Down, or none configured: an accident with its reason, and no list."""
    by = await practice.by("bernard")
    practice.directory.down = True
    for search in (practice.search, DirectorySearch(practice.store, practice.audit, None, RULES, 60)):
        for asked in (search.find(by, "petit", "", START), search.one(by, PETIT.rpps, START)):
            with pytest.raises(DirectoryUnavailable):
                await asked


async def test_nothing_is_told_that_cannot_be_written_down_or_counted(
    practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    by = await practice.by("bernard")
    practice.trail.down = True
    with pytest.raises(RecordsUnavailable):
        await practice.search.find(by, "petit", "", START)
    practice.trail.down = False

    async def never(*ignored: object) -> bool:
        return False

    monkeypatch.setattr(practice.store, "swap", never)
    practice.directory.asked.clear()
    with pytest.raises(StoreUnavailable):
        await practice.search.find(by, "petit", "", START)
    assert practice.directory.asked == []
