"""The load model: its arithmetic holds together, and what it says follows from what it assumes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.nation import (
    CARD,
    CODE,
    KINDS,
    MEANS,
    PSC,
    Costs,
    Habits,
    Kind,
    asked_workers,
    carried,
    carried_table,
    cores,
    load_table,
    loads,
    monday,
    people_table,
    questions,
    scaled,
    structure_size,
)

ONE = Kind("test", 36_000, 0.5, 2.0, {PSC: 0.5, CARD: 0.25, CODE: 0.25})
PLAIN = Habits(monday=1.0, peak_hour=0.1, work=600, idle=1800, page_every=30, requests_a_page=8, signs_out=0, wrong=0)


def test_shares_are_whole() -> None:
    for kind in KINDS:
        assert sum(kind.by[means] for means in MEANS) == pytest.approx(1)
        assert kind.origin
    assert structure_size() == pytest.approx(0.7 * 2.5 + 0.26 * 12 + 0.04 * 50)


def test_one_hour_worked_out_by_hand() -> None:
    """36,000 sign-ins a day, a tenth of them in one hour: one a second."""
    load = monday([ONE], PLAIN)
    assert load.sign_ins == pytest.approx({CODE: 0.25, CARD: 0.25, PSC: 0.5})
    assert load.at_work == pytest.approx(600)
    assert load.sessions == pytest.approx(2400)
    assert load.pages == pytest.approx(20)
    assert load.requests == pytest.approx(160)
    codes = 0.25 * 1.1
    assert load.mails == pytest.approx(codes * 0.85)
    assert load.sms == pytest.approx(codes * 0.10)
    assert load.audit_rows == pytest.approx(1 + codes)
    assert load.megabits == pytest.approx(160 * 20 * 1024 * 8 / 1e6)


def test_mornings_that_are_worse() -> None:
    hour, worst, outage, herd = loads()
    assert worst.all_sign_ins == pytest.approx(2 * hour.all_sign_ins)
    assert outage.sign_ins[PSC] == 0
    assert outage.all_sign_ins == pytest.approx(worst.all_sign_ins)
    assert outage.mails > worst.mails
    assert herd.all_sign_ins == pytest.approx(hour.all_sign_ins + hour.at_work / 600)
    assert herd.sign_ins[PSC] / herd.all_sign_ins == pytest.approx(hour.sign_ins[PSC] / hour.all_sign_ins)


def test_the_country_can_be_made_smaller() -> None:
    small = monday(scaled(KINDS, 0.01))
    assert small.all_sign_ins == pytest.approx(monday().all_sign_ins / 100, rel=0.01)


def test_the_more_workers_the_more_of_them_ask() -> None:
    """A page of eight requests reaches one worker of one, and never more than eight."""
    assert asked_workers(8, 1) == 1
    assert asked_workers(1, 16) == pytest.approx(1)
    assert asked_workers(8, 2) == pytest.approx(2 * (1 - 0.5**8))
    assert 7 < asked_workers(8, 64) < 8


def test_cores_are_rates_times_costs() -> None:
    load = monday([ONE], PLAIN)
    costs = Costs({CODE: 80, CARD: 20, PSC: 20}, warm=0.1, cold=2.0)
    assert questions(load, 1, PLAIN) == pytest.approx(20)
    spent = 0.25 * 80 + 0.25 * 20 + 0.5 * 20 + 20 * 2.0 + 140 * 0.1
    assert cores(load, costs, 1, PLAIN) == pytest.approx(spent / 1000)
    assert carried(load, costs, 3, 1, PLAIN) == pytest.approx(3 * 0.6 / (spent / 1000))


def test_what_is_printed(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    path.write_text(json.dumps({"sign_in": dict.fromkeys(MEANS, 10.0), "warm": 0.1, "cold": 1.0}))
    assert people_table().count("\n") == len(KINDS) + 2
    assert "| all | 516,100 |" in people_table()
    table = load_table(loads())
    assert "| sign-ins a second | 16.6 |" in table
    assert all(len(line.split("|")) == 7 for line in table.splitlines())
    assert len(carried_table(loads(), Costs.read(path), [(1, 1), (8, 4)]).splitlines()) == 4
