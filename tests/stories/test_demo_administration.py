"""The demo as an administrator finds it: two regions, people with flaws, those who look after them, tokens, ninety days."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.administration.tokens import Tokens
from gateway.demo.crowd import crowd
from gateway.demo.days import days
from gateway.demo.people import PEOPLE
from gateway.demo.places import PLACES
from gateway.desk import PolicyDesk
from gateway.edges.database import Database
from gateway.edges.journal import Journal
from gateway.edges.overview import SqlOverview
from gateway.edges.system import SystemAmbient
from gateway.identity import luhn
from gateway.overview import CATEGORIES, Measure
from gateway.policy.establishments import Why
from gateway.policy.tree import KINDS
from gateway.settings.people import GENERIC_MAILBOXES, GENERIC_NAMES
from tests.administration.world import defaults
from tests.stories.conftest import running
from tests.visitor import Demo


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def first(folder: Path) -> Iterator[Demo]:
    with running(folder) as demo:
        yield demo


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "state" / "records.db")) as db:
        return db.execute(query).fetchall()


def command(folder: Path, *line: str) -> Any:
    """The JSON of a command beside the demo's own files."""
    full = [sys.executable, "-m", "gateway", *line, "--config", str(folder / "gateway.toml"), "--json"]
    done = subprocess.run(full, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_places_are_sound() -> None:
    """FINESS numbers have their key and are nobody else's; parents come first, and kinds go down."""
    numbers = [place.finess for place in PLACES if place.finess]
    assert all(luhn(one) and len(one) == 9 for one in numbers)
    assert len(set(numbers)) == len(numbers)
    known: dict[str | None, int] = {None: -1}
    for place in PLACES:
        assert known[place.parent] < KINDS.index(place.kind)
        known[place.id] = KINDS.index(place.kind)
    assert sum(place.kind == "etablissement" for place in PLACES) >= 25
    assert {
        "nation",
        "aura",
        "reunion",
        "ehpad-glycines",
        "ssr-lac",
        "ch-exemple",
        "ch-exemple-geriatrie",
    } < known.keys()


def test_generated_values_are_the_same_every_time() -> None:
    """Agents and sums follow from numbers; nobody shares a key with somebody else."""
    assert list(crowd()) == list(crowd())
    now = datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert list(days(now)) == list(days(now))
    keys = [agent.rpps for agent in crowd() if agent.rpps] + [one.rpps for one in PEOPLE if one.rpps]
    assert len(set(keys)) == len(keys)
    mails = [agent.mail for agent in crowd() if agent.mail and not agent.shared] + [one.mail for one in PEOPLE]
    assert len(set(mails)) == len(mails) - 1  # one mailbox of two people by name


def test_g59_people_with_roles(first: Demo) -> None:
    """Administrators are announced with their roles, have accounts without passwords, and cards or Pro Santé Connect."""
    roles = {one["key"]: one["roles"] for one in first.about["people"] if one["roles"]}
    assert roles == {
        "admin-national": [{"role": "national", "scope": "nation"}],
        "admin-aura": [{"role": "region", "scope": "aura"}],
        "admin-reunion": [{"role": "region", "scope": "reunion"}],
        "referent-glycines": [{"role": "referent", "scope": "ehpad-glycines"}],
    }
    held = rows(first.folder, "SELECT account_id, role, scope_id FROM roles ORDER BY account_id")
    assert held == sorted((f"acc_{key}", one["role"], one["scope"]) for key, (one,) in roles.items())
    with_password = rows(
        first.folder,
        "SELECT id FROM accounts WHERE id IN (SELECT account_id FROM roles) AND password_hash IS NOT NULL",
    )
    assert with_password == [("acc_referent-glycines",)]
    assert first.person("admin-aura")["cards"][0]["type"] == "CPS"


def test_r88_every_flaw_is_there(first: Demo) -> None:
    """Each category of the readiness report has somebody, and most people are ready or not for a reason."""

    async def count() -> dict[str, int]:
        records = Database(f"sqlite:///{first.folder / 'state' / 'records.db'}")
        try:
            measure = Measure(datetime.now(UTC), timedelta(days=365), GENERIC_NAMES, GENERIC_MAILBOXES)
            found = await SqlOverview(records).readiness(("/",), measure)
        finally:
            await records.close()
        return {**found.counts, "people": found.people, "ready": found.ready}

    counts = asyncio.run(count())
    assert counts["people"] >= 125
    assert 40 < counts["ready"] < counts["people"] - 20
    assert all(counts[name] > 0 for name in CATEGORIES), counts


def test_r83_states_of_all_sorts(first: Demo) -> None:
    """Switched, derogating, over, waiting for a date; no emergency; a closed place; both regions."""
    lines = command(first.folder, "scope", "list")
    assert {one["why"] for one in lines} == {
        Why.SWITCH.value,
        Why.DEROGATION.value,
        Why.DEROGATION_ENDED.value,
        Why.CUT_OFF.value,
    }
    assert [one["id"] for one in command(first.folder, "scope", "list", "--retired")] == ["ehpad-ancien"]
    assert command(first.folder, "scope", "show", "ehpad-alpages")["next_change"] is not None
    assert {one["id"] for one in command(first.folder, "scope", "list", "--kind", "region")} == {"aura", "reunion"}


def test_r94_ninety_days(first: Demo) -> None:
    """The dashboard has sums of ninety days, for the nation as for both regions."""
    found = dict(rows(first.folder, "SELECT scope_id, count(DISTINCT day) FROM statistics GROUP BY scope_id"))
    assert all(found[name] >= 90 for name in ("/", "aura/", "reunion/"))  # and today, once the gateway has counted it
    cards = "SELECT sum(count) FROM statistics WHERE measure = 'sign_in:cps' AND scope_id "
    whole, parts = (rows(first.folder, cards + which) for which in ("= '/'", "IN ('aura/', 'reunion/')"))
    assert whole == parts


def test_lesson_28_explain_beside_the_running_demo(first: Demo) -> None:
    """The command reads the running demo's files, and says what the demo's own door does."""
    page = "/Trajectoire/Pages/AccesRestreint/accueil"
    found = command(first.folder, "explain", "--user", "pleroy", "--url", first.about["gateway"] + page)
    ways = {(one["way"], one["channel"]): one["outcome"] for one in found["ways"]}
    assert ways["password", None] == "asked"
    assert ways["password", "mail"] == ways["password", "sms"] == "let-in"
    assert found["steps"][0]["facts"]["entry"] == 3
    admin = command(first.folder, "explain", "--user", "acc_admin-aura", "--url", page)
    assert {one["outcome"] for one in admin["ways"] if one["way"] in ("card", "psc")} == {"let-in"}
    assert {one["outcome"] for one in admin["ways"] if one["way"] == "password"} == {"refused"}


def test_a_second_demo_keeps_people_and_tokens(tmp_path: Path) -> None:
    """On the same folder: the same accounts, what was changed stays changed, and the same tokens act."""

    async def who(secret: str) -> str | None:
        records = Database(f"sqlite:///{tmp_path / 'state' / 'records.db'}")
        try:
            desk = PolicyDesk(records, defaults(), timedelta(0))
            tokens = Tokens(records, Journal(records, bytes(32)), desk, SystemAmbient(), 90)
            actor = await tokens.actor_of(secret, datetime.now(UTC) + timedelta(days=364))
            return f"{actor.grants[0].role.value} {actor.grants[0].scope}" if actor else None
        finally:
            await records.close()

    with running(tmp_path) as demo:
        before = demo.about["tokens"]
        count = rows(tmp_path, "SELECT count(*) FROM accounts")
    with closing(sqlite3.connect(tmp_path / "state" / "records.db")) as db, db:
        db.execute("UPDATE accounts SET given_name = 'PAULE' WHERE id = 'acc_agent-leroy'")
        db.execute("UPDATE tokens SET expires_at = '2026-01-01 00:00:00'")
    with running(tmp_path) as demo:
        assert demo.about["tokens"] == before
        assert rows(tmp_path, "SELECT count(*) FROM accounts") == count
        assert rows(tmp_path, "SELECT given_name FROM accounts WHERE id = 'acc_agent-leroy'") == [("PAULE",)]
        assert [asyncio.run(who(before[role])) for role in ("national", "region", "referent")] == [
            "national nation",
            "region aura",
            "referent ehpad-glycines",
        ]
        assert rows(tmp_path, "SELECT count(*) FROM tokens") == [(3,)]
