"""The readiness report: counts, lists and the table (R88)."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.administration.actor import Faulty, NotThere
from gateway.administration.readiness import ReadinessReport
from gateway.edges.journal import Journal
from gateway.overview import CATEGORIES
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
        await made.person("ada", "lyon", "pau")
        await made.person("bob", "urgences", mail=None, mail_key=None, mail_canonical=None, mail_proved_at=None)
        await made.person("eve", "pau", family_name="=1+1;", last_sign_in_at=None)
        await made.person("free", mail_key=None)
        yield made


def report(land: Country) -> ReadinessReport:
    return ReadinessReport(land.desk, land.overview, measure, PARIS, Journal(land.database, b"k" * 32))


async def lines(land: Country, actor: object, scope: str = "", category: str = "") -> list[dict[str, str]]:
    text = "".join([one async for one in report(land).csv(actor, scope, NOW, category)])  # type: ignore[arg-type]
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:]), delimiter=";"))


async def test_g42_a_list_that_leaves_is_written_down(land: Country) -> None:
    """Who took the names and addresses of which place, before the first line is given; a refused table is not."""
    await lines(land, REFERENT, "urgences", "no_mail")
    with pytest.raises(NotThere):
        await lines(land, REFERENT, "pau")
    (row,) = await land.database.find("audit", {"act": "readiness:export"})
    facts = json.loads(str(row["facts"]))
    assert (row["scope"], facts["category"], facts["author"]) == ("urgences", "no_mail", REFERENT.id)


async def test_r88_counts_and_lists_agree(land: Country) -> None:
    """For the whole reach and for one scope, every category lists as many people as it counts."""
    for actor, scope, people in (
        (NATIONAL, "", 4),
        (NATIONAL, "nation", 4),
        (REGIONAL, "", 2),
        (REFERENT, "urgences", 1),
    ):
        counts = await report(land).counts(actor, scope, NOW)
        assert counts.people == people
        for category in CATEGORIES:
            page = await report(land).people(actor, scope, category, "", NOW)
            assert len(page.rows) == counts.counts[category], category
        assert len((await report(land).people(actor, scope, "ready", "", NOW)).rows) == counts.ready


async def test_r88_the_table_holds_everybody_once(land: Country, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page after page, with places within reach alone, and nothing a spreadsheet would compute."""
    monkeypatch.setattr("gateway.administration.readiness._PAGE", 1)
    rows = await lines(land, NATIONAL)
    assert [row["Compte"] for row in rows] == ["acc_ada", "acc_bob", "acc_eve", "acc_free"]
    assert rows[0]["Établissements et services"] == "Lyon | Pau" and rows[0]["Prêt"] == "oui"
    assert rows[1]["Sans adresse"] == "oui" and rows[1]["Prêt"] == "non"
    assert rows[2]["Nom"] == "'=1+1;" and rows[2]["Dernière connexion"] == ""
    assert rows[0]["Dernière connexion"] == "02/03/2026 10:30"
    assert rows[3]["Adresse partagée"] == "oui"
    mine = await lines(land, REFERENT)
    assert [(row["Compte"], row["Établissements et services"]) for row in mine] == [
        ("acc_ada", "Lyon"),
        ("acc_bob", "Urgences"),
    ]
    assert [row["Compte"] for row in await lines(land, REGIONAL, "lyon", "no_mail")] == ["acc_bob"]


async def test_r88_what_is_out_of_reach_does_not_exist(land: Country) -> None:
    """Neither as counts, nor as a list, nor as a table; an unknown category is said to be one."""
    for actor, scope in ((REGIONAL, "pau"), (REFERENT, "vienne"), (NOBODY, ""), (NATIONAL, "nowhere")):
        with pytest.raises(NotThere):
            await report(land).counts(actor, scope, NOW)
        with pytest.raises(NotThere):
            await lines(land, actor, scope)
    with pytest.raises(Faulty):
        await report(land).people(NATIONAL, "", "password_hash", "", NOW)
