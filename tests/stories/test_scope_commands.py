"""``vt-gateway scope``, ``explain`` and ``user import``, as somebody types them beside a gateway's own files."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.edges.database import Database
from gateway.ports import Insert
from tests.accounts.shelf import account
from tests.administration import world
from tests.stories.shell import NOW, Place

DAY = timedelta(days=1)
COMMANDS = ["list", "show", "history", "readiness", "set", "create", "switch", "undo", "breakglass", "import"]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Two regions, the places of ``world``, and two people of the EHPAD: one can receive a code, the other cannot."""
    place = Place(tmp_path, "scope")

    async def fill(records: Database) -> None:
        where = world.paths()
        rows = [
            world.place(one, above, kind, name, where[one], finess=finess, city=city)
            for one, above, kind, name, finess, city in world.PLACES
        ]
        await records.write(
            *rows,
            account("good", last_sign_in_at=NOW, mail_proved_at=NOW, password_hash="x", search="MARTIN ANNE"),
            account("mute", last_sign_in_at=NOW, mail=None, family_name="DURAND", search="DURAND ANNE"),
            Insert("memberships", {"account_id": "acc_good", "scope_id": "ehpad", "since": NOW}),
            Insert("memberships", {"account_id": "acc_mute", "scope_id": "ehpad", "since": NOW}),
            Insert("logins", {"key": "u:agood", "account_id": "acc_good", "created_at": NOW}),
        )

    place.with_records(fill)
    return place


def audit(place: Place, scope: str) -> list[tuple[str, dict[str, Any]]]:
    with closing(sqlite3.connect(place.state / "records.db")) as db:
        rows = db.execute("SELECT act, facts FROM audit WHERE scope = ? ORDER BY seq", (scope,)).fetchall()
    return [(act, json.loads(facts)) for act, facts in rows]


def test_help_has_examples() -> None:
    """Each command says what it does, with an example."""
    lines = [["scope"], *(["scope", one] for one in COMMANDS), ["explain"], ["user", "import"]]
    code = (
        "import sys, json; from click.testing import CliRunner; from gateway.__main__ import cli\n"
        "for line in json.loads(sys.argv[1]):\n"
        "    done = CliRunner().invoke(cli, [*line, '--help']); assert done.exit_code == 0, line\n"
        "    assert 'Example' in done.stdout, line\n"
    )
    done = subprocess.run([sys.executable, "-c", code, json.dumps(lines)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_r82_list_and_show(place: Place) -> None:
    """Filters by words, kind, state and place above; a scope is found by its FINESS number, with origins of values."""
    assert [one["id"] for one in place.read("list", "--json", "--kind", "etablissement")] == [
        "ch",
        "chu",
        "ehpad",
        "ssr",
    ]
    assert [one["id"] for one in place.read("list", "--json", "--text", "glycines lyon")] == ["ehpad"]
    assert [one["id"] for one in place.read("list", "--json", "--parent", "690000013", "--limit", "2")] == [
        "ch",
        "ehpad",
    ]
    assert place.read("list", "--json", "--state", "password_only") == []
    line = place.run("list", "--text", "690780010").stdout.rstrip("\n").split("\t")
    assert line[:4] == ["ehpad", "etablissement", "strong", "cut-off"]
    found = place.read("show", "690780010", "--json")
    assert (found["id"], found["state"], found["why"], found["version"]) == ("ehpad", "strong", "cut-off", 1)
    assert found["policy"]["code_validity"]["from"] is None
    assert "code_validity: 600 (from the configuration)\n" in place.run("show", "ehpad").stdout
    done = place.run("show", "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nowhere" in done.stderr


def test_r91_set_inherit_and_bounds(place: Place) -> None:
    """Values as typed, inherited below, refused beyond the bounds; an empty value inherits again; a version guards."""
    assert place.run("set", "aura", "code_validity=900", "channels=mail, totp", "banner=Bonjour").returncode == 0
    below = place.read("show", "ehpad", "--json")["policy"]
    assert (below["code_validity"]["value"], below["code_validity"]["from"]) == (900, "aura")
    assert below["channels"]["value"] == ["mail", "totp"]
    refused = place.run("set", "ehpad", "code_validity=28801")
    assert refused.returncode == 1
    assert "code_validity" in refused.stderr
    assert "28800" in refused.stderr
    done = place.run("set", "ehpad", "code_validity=28800")
    assert (done.returncode, done.stdout) == (0, "ehpad is at version 2.\n")
    assert "warning" in done.stderr
    assert place.run("set", "ehpad", "code_validity=", "--version", "1").returncode == 1
    assert place.run("set", "ehpad", "code_validity=", "--version", "2").returncode == 0
    assert place.read("show", "ehpad", "--json")["policy"]["code_validity"]["from"] == "aura"
    ((act, facts), *_) = audit(place, "aura")
    assert act == "policy:change"
    assert facts["author"].startswith("cli:")


@pytest.mark.parametrize(
    "change", ["code_validity=ten", "retired=yes", "colour=red", "banner", "contacts={", "code_validity=-1"]
)
def test_r91_what_cannot_be_read_is_a_usage_error(place: Place, change: str) -> None:
    """Exit 2, and nothing is written."""
    assert place.run("set", "ehpad", change).returncode == 2
    assert audit(place, "ehpad") == []


def test_r91_contacts_and_legal_as_json(place: Place) -> None:
    """Lists and statuses are JSON; a legal status needs its reason."""
    contact = json.dumps([{"label": "Aide", "url": "https://aide.example.test", "topics": []}])
    assert place.run("set", "ehpad", f"contacts={contact}").returncode == 0
    legal = json.dumps({"otp_sms": {"status": "interdit", "reference": "", "until": None}})
    assert place.run("set", "ehpad", f"legal={legal}").returncode == 1
    assert place.run("set", "ehpad", f"legal={legal}", "--reason", "décision du 3 mars").returncode == 0
    policy = place.read("show", "ehpad", "--json")["policy"]
    assert policy["contacts"]["value"][0]["label"] == "Aide"
    assert policy["legal"]["value"]["otp_sms"]["status"] == "interdit"


def test_r83_switch_preview_history_and_undo(place: Place) -> None:
    """A trial shows who would be stuck and writes nothing; a switch has a batch, by which it is undone."""
    until = (NOW + 30 * DAY).isoformat()
    off = ["switch", "ehpad", "ssr", "--state", "password_only", "--until", until, "--reason", "formation"]
    preview = place.read(*off, "--dry-run", "--json")
    assert [(one["scope"], one["before"], one["after"]) for one in preview["effects"]] == [
        ("ehpad", "strong", "password_only"),
        ("ssr", "strong", "password_only"),
    ]
    assert (preview["people"], preview["stuck"], preview["faults"]) == (2, 1, {})
    assert "2 people, 1 stuck; nothing was changed." in place.run(*off, "--dry-run").stdout
    assert place.read("history", "ehpad", "--json") == []
    batch = place.read(*off, "--json")["batch"]
    shown = place.read("show", "ehpad", "--json")
    assert (shown["state"], shown["why"]) == ("password_only", "derogation")
    assert [one["batch"] for one in place.read("history", "690780010", "--json")] == [batch]
    assert place.run("undo", batch, "--only", "ssr", "--reason", "erreur").stdout == "1 switch undone.\n"
    assert place.read("show", "ssr", "--json")["why"] == "cut-off"
    assert place.run("undo", batch, "--reason", "erreur").stdout == "1 switch undone.\n"
    assert place.run("undo", batch, "--reason", "erreur").returncode == 1
    assert "undone by cli:" in place.run("history", "ssr").stdout


def test_r84_a_step_back_needs_its_end(place: Place) -> None:
    """Without a derogation it is refused, in the trial too; a time without offset is a usage error."""
    off = ["switch", "ehpad", "--state", "password_only", "--reason", "formation"]
    done = place.run(*off)
    assert done.returncode == 1
    assert "derogation_until: " in done.stderr
    assert place.run(*off, "--dry-run").returncode == 1
    assert place.run(*off, "--until", "2030-01-01T00:00:00").returncode == 2
    assert place.run(*off, "--until", "soon").returncode == 2
    assert place.run(*off[:-2]).returncode == 2
    assert audit(place, "ehpad") == []


def test_g26_breakglass_a_day_at_most(place: Place) -> None:
    """It opens what lies below, is traced, and cannot be longer than a day."""
    line = ["breakglass", "aura", "--reason", "messagerie en panne", "--until"]
    assert place.run(*line, (NOW + timedelta(hours=30)).isoformat()).returncode == 1
    assert place.run(*line, (NOW + timedelta(hours=3)).isoformat()).returncode == 0
    shown = place.read("show", "ch-geriatrie", "--json")
    assert (shown["state"], shown["why"], shown["from"]) == ("password_only", "breakglass", "aura")
    assert [act for act, _ in audit(place, "aura")] == ["scope:breakglass"]


def test_r82_create(place: Place) -> None:
    """A new place below another one; a wrong FINESS number is refused."""
    line = ["create", "--parent", "rhone", "--kind", "etablissement", "--name", "EHPAD Test", "--finess"]
    assert place.run(*line, "690780052").returncode == 1
    made = place.run(*line, "690780051").stdout.strip()
    assert place.read("show", "690780051", "--json")["id"] == made


def test_r88_readiness_counts_and_csv(place: Place) -> None:
    """Exact counts below a scope; the people as a table that a French spreadsheet opens."""
    counts = place.read("readiness", "aura", "--json")
    assert (counts["people"], counts["ready"], counts["stuck"], counts["counts"]["no_mail"]) == (2, 1, 1, 1)
    assert "no_mail\t1\n" in place.run("readiness", "aura").stdout
    lines = place.run("readiness", "ehpad", "--csv").stdout.splitlines()
    assert lines[0].startswith("\ufeffCompte;Nom;")
    assert [line.split(";")[0] for line in lines[1:]] == ["acc_mute", "acc_good"]
    assert place.read("readiness", "reunion", "--json")["people"] == 0


def test_r82_import_of_scopes(place: Place, tmp_path: Path) -> None:
    """A trial writes nothing; then progress on stderr and counts; the second time nothing changes; the file stays."""
    file = tmp_path / "places.csv"
    file.write_text("id;parent;kind;name;finess;city\nsvc;ehpad;service;Unité A;;\nbad;nowhere;service;Unité B;;\n")
    trial = place.run("import", str(file), "--dry-run", "--report", str(tmp_path / "report.csv"))
    assert trial.returncode == 0, trial.stderr
    assert "nothing was written" in trial.stdout
    assert "line 3: " in trial.stderr
    assert "100 %" in trial.stderr
    assert (tmp_path / "report.csv").read_text(encoding="utf-8").startswith("\ufeffligne;")
    assert place.run("show", "svc").returncode == 1
    done = place.read("import", str(file), "--json", "--format", "csv")
    assert (done["state"], done["counts"]["created"], len(done["refused"])) == ("done", 1, 1)
    again = place.read("import", str(file), "--json")
    assert again["counts"].get("created", 0) == 0
    assert file.exists()
    assert place.run("import", str(file), "--format", "finess").returncode == 1
    assert place.read("show", "svc", "--json")["path"][:2] == ["svc", "ehpad"]


def test_r102_import_of_accounts(place: Place, tmp_path: Path) -> None:
    """Accounts come with their place; the same file again changes nothing."""
    file = tmp_path / "accounts.csv"
    file.write_text("identifiant;nom;prenom;mail;scope\nlroux;Roux;Léa;l.roux@example.test;ehpad\n")
    users = Place(tmp_path, "user")
    done = users.read("import", str(file), "--json")
    assert (done["state"], done["counts"].get("created")) == ("done", 1), done
    assert users.read("show", "lroux", "--json")["scopes"] == ["ehpad"]
    assert users.read("import", str(file), "--json")["counts"].get("created", 0) == 0
    assert place.read("readiness", "ehpad", "--json")["people"] == 3


def test_lesson_28_explain(place: Place, tmp_path: Path) -> None:
    """Beside the gateway's files: verdict, steps and ways; another instant; unknown people and bad addresses end with 1."""
    shell = Place(tmp_path, "explain")
    found = shell.read("--json", "--user", "AGOOD", "--url", "https://vt.test/Trajectoire/x?a=b")
    assert (found["account"], found["path"]) == ("acc_good", "/Trajectoire/x")
    ways = {(one["way"], one["channel"]): one for one in found["ways"]}
    assert ways["password", None]["at_sign_in"]["reason"] == "strong-first"
    assert found["verdict"]["rule"] == "decide:2"
    (scope,) = found["steps"][2]["facts"]["scopes"]
    assert (scope["scope"], scope["why"]) == ("ehpad", "cut-off")
    early = shell.read("--json", "--user", "acc_good", "--url", "/x", "--at", "2025-06-01T00:00:00+00:00")
    assert early["steps"][2]["facts"]["scopes"][0]["why"] == "before-cut-off"
    text = shell.run("--user=agood", "--url", "/x").stdout
    assert "3. scopes [decide:3]" in text
    for who, url in (
        ("nobody", "/x"),
        ("agood", "/a//b"),
        ("agood", "https://elsewhere.test/"),
        ("agood", "/_gateway/"),
    ):
        done = shell.run("--json", "--user", who, "--url", url)
        assert (done.returncode, done.stdout) == (1, ""), (who, url)
        assert done.stderr
    assert shell.run("--json", "--user", "agood", "--url", "/x", "--at", "2025-06-01").returncode == 2
