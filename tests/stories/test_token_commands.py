"""The ``token`` command: secrets shown once, and ended from the shell (R87)."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.administration.tokens import Tokens
from gateway.desk import PolicyDesk
from gateway.edges.database import Database
from gateway.edges.journal import Journal
from gateway.edges.system import SystemAmbient
from tests.administration.world import defaults
from tests.stories.shell import TREE, Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path, "token")
    place.with_records(lambda records: records.is_current())
    place.tree(*TREE)
    return place


def actor_of(place: Place, secret: str) -> str | None:
    """Who a gateway takes this secret for."""

    async def ask(records: Database) -> str | None:
        desk = PolicyDesk(records, defaults(), timedelta(minutes=15))
        tokens = Tokens(records, Journal(records, bytes(32)), desk, SystemAmbient(), 90)
        actor = await tokens.actor_of(secret, datetime.now(UTC))
        return actor.id if actor else None

    return place.with_records(ask)


def test_help_has_examples() -> None:
    """Each command says what it does, with an example."""
    for command in ([], ["create"], ["list"], ["revoke"]):
        line = [sys.executable, "-m", "gateway", "token", *command, "--help"]
        done = subprocess.run(line, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0
        assert "Example" in done.stdout


def test_r87_created_shown_once_listed_without_and_revoked(place: Place) -> None:
    """The secret alone on stdout; lists never show it; revoked it opens nothing."""
    line = ("create", "--role", "region", "--scope", "aura", "--name", "tableau de bord")
    done = place.run(*line, "--days", "30")
    assert done.returncode == 0, done.stderr
    secret = done.stdout.strip()
    assert secret.startswith("vtgw_")
    assert "not shown again" in done.stderr
    assert secret not in done.stderr
    other = json.loads(place.run(*line, "--json").stdout)
    assert other["token"].startswith("vtgw_")
    assert actor_of(place, other["token"]) == f"token:{other['id']}"
    listing = place.run("list", "--json").stdout
    assert secret not in listing
    first = next(one for one in json.loads(listing) if one["id"] != other["id"])
    assert (first["role"], first["scope"], first["name"], first["state"]) == (
        "region",
        "aura",
        "tableau de bord",
        "active",
    )
    life = datetime.fromisoformat(first["expires_at"]) - datetime.fromisoformat(first["created_at"])
    assert life == timedelta(days=30)
    assert first["created_by"].startswith("cli:")
    assert len(place.run("list").stdout.splitlines()) == 2
    assert place.run("revoke", other["id"]).returncode == 0
    assert actor_of(place, other["token"]) is None
    assert actor_of(place, secret) == f"token:{first['id']}"
    with closing(sqlite3.connect(place.state / "records.db")) as records:
        dump = "\n".join(records.iterdump())
    assert secret not in dump
    assert "token:create" in dump


def test_what_cannot_be_created_or_revoked(place: Place) -> None:
    """Usage is 2, what the scope does not allow is 1 with its field, unknown is 1."""
    assert place.run("create", "--role", "region", "--scope", "aura", "--name", "x", "--days", "367").returncode == 2
    assert place.run("create", "--role", "king", "--scope", "aura", "--name", "x").returncode == 2
    wrong = place.run("create", "--role", "region", "--scope", "ehpad", "--name", " ")
    assert wrong.returncode == 1
    assert [one.partition(":")[0] for one in wrong.stderr.splitlines()] == ["name", "scope"]
    assert place.run("create", "--role", "region", "--scope", "nowhere", "--name", "x").returncode == 1
    missing = place.run("revoke", "tok_nothing")
    assert (missing.returncode, "tok_nothing" in missing.stderr) == (1, True)
    assert json.loads(place.run("list", "--json").stdout) == []
