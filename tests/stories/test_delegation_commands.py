"""``vt-gateway delegation``, as an administrator types it beside a gateway's own files (R126, R149)."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.__main__ import cli
from gateway.accounts.delegation import Delegation, Kind
from gateway.accounts.delegations import Delegations
from gateway.audit import Act, Record
from gateway.commands import delegation_trace
from gateway.edges import journal
from gateway.edges.database import Database
from gateway.edges.journal import Journal
from gateway.edges.keys import Secrets, ensure_secret
from gateway.edges.system import SystemAmbient
from gateway.ports import Insert
from gateway.proxy.journal import AccessLog
from tests.accounts.shelf import account
from tests.ambient import TestAmbient
from tests.stories.shell import NOW, Place

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
SIGNED_IN, ACTING = "0123456789ab", "cdef01234567"
NUMBER = "899700000005"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """``boss`` gave two delegations to ``help``: one runs, one is over; ``help`` acted under the first an hour ago."""
    place = Place(tmp_path, "delegation")
    secret = ensure_secret(place.state / "gateway.key")

    async def fill(records: Database) -> None:
        names = {"family_name": "BERNARD", "given_name": "LUC", "profession": "10", "national_id": NUMBER}
        await records.write(
            account("boss", **names),
            account("help", family_name="MOREAU", given_name="JEANNE"),
            Insert("logins", {"key": NUMBER, "account_id": "acc_boss", "created_at": NOW}),
        )
        kept = Delegations(records, SystemAmbient())
        for number, ends in ((1, NOW + 9 * DAY), (2, NOW - DAY)):
            made = Delegation(
                f"dlg_{number}", number, "acc_boss", Kind.ASSISTANT, "MOREAU", "JEANNE", frozenset({"grandage:creer"}),
                NOW - 9 * DAY, ends, NOW - 9 * DAY, delegate="acc_help", mail="help@example.test",
                finalised_at=NOW - 9 * DAY,
            )  # fmt: skip
            await kept.add(made, "acc_boss", {"rights": "grandage:creer"})
        audit = Journal(records, Secrets(secret).key("audit"))
        at = NOW - timedelta(hours=1)
        facts = {"method": "cpe", "assurance": "substantial", "space": "professionnel", "session": SIGNED_IN}
        await audit.record(Record(Act.SIGN_IN, at, "acc_help", address="192.0.2.7", facts=facts))
        facts = {"method": "cpe", "delegation": "dlg_1", "session": ACTING, "from": SIGNED_IN}
        await audit.record(Record(Act.ACTING_BEGUN, at + MINUTE, "acc_help", facts=facts))
        await kept.began("dlg_1", "acc_help", ACTING, "cpe", at + MINUTE)

    with monkeypatch.context() as patch:
        patch.setattr(journal, "_log", type("Silent", (), {"info": lambda *_, **__: None})())
        place.with_records(fill)
    return place


def written(*lines: tuple[str, str | None, datetime, str]) -> str:
    """The access journal as the door writes it: request id, session, instant, path."""
    said: list[str] = []
    ambient = TestAmbient(NOW)
    log = AccessLog(said.append, ambient, ambient.monotonic)
    log([
        (ident, ("192.0.2.9", "GET", path), 200, "vt", session, None, 1, 2, 0.1, at.timestamp())
        for ident, session, at, path in lines
    ])  # fmt: skip
    return "".join(said)


def rows(text: str) -> list[list[str]]:
    return [line.split("\t") for line in text.splitlines()]


def searched(place: Place) -> list[dict[str, Any]]:
    """What the audit holds of searches, oldest first."""

    async def read(records: Database) -> list[dict[str, Any]]:
        found = await records.find("audit", {"act": "trace:look-up"}, order=("seq",))
        return [{**row, "facts": json.loads(str(row["facts"]))} for row in found]

    return place.with_records(read)


def test_help_has_examples() -> None:
    """Each command says what it does, with an example."""
    for command in ([], ["list"], ["show"], ["history"], ["end"], ["trace"]):
        done = CliRunner().invoke(cli, ["delegation", *command, "--help"])
        assert done.exit_code == 0, done.output
        assert "Example" in done.output and "vt-gateway delegation" in done.output


def test_r126_list_by_person_and_state(place: Place) -> None:
    """Lines or JSON; a person by id or by number; the installed program says the same."""
    done = place.shell("list")
    assert done.returncode == 0, done.stderr
    first, second = rows(done.stdout)
    assert first[:5] == ["dlg_1", "active", "assistant", "LUC BERNARD", "JEANNE MOREAU"]
    assert second[:2] == ["dlg_2", "expired"]

    def ids(*filters: str) -> list[str]:
        return [one["id"] for one in place.read("list", "--json", *filters)]

    assert ids("--account", NUMBER) == ids("--account", "acc_help") == ids() == ["dlg_1", "dlg_2"]
    assert ids("--state", "active") == ["dlg_1"]
    assert ids("--state", "revoked", "--account", "99700000005") == []
    assert place.run("list", "--account", "nobody").returncode == 1
    assert place.run("list", "--state", "dreaming").returncode == 2


def test_reading_needs_no_key(place: Place) -> None:
    """Who may read the database may read: the gateway's key is for writing the audit."""
    (place.state / "gateway.key").unlink()
    place.state.chmod(0o500)
    try:
        assert place.run("list").returncode == 0
        assert place.run("show", "dlg_1").returncode == 0
    finally:
        place.state.chmod(0o700)


def test_r126_show_and_history(place: Place) -> None:
    """Rights and days as they are; what happened and who acted."""
    shown = place.run("show", "dlg_1").stdout
    assert "state: active\n" in shown and f"doctor: acc_boss {NUMBER} BERNARD LUC\n" in shown
    assert "rights: grandage:creer\n" in shown
    said = place.read("show", "dlg_1", "--json")
    assert (said["state"], said["delegate"]["account"], "history" in said) == ("active", "acc_help", False)
    lines = rows(place.run("history", "dlg_1").stdout)
    assert [line[1] for line in lines] == ["given", "acted"]
    assert lines[1][2:] == ["acc_help", "JEANNE MOREAU", "cpe", ACTING, "-"]
    found = place.read("history", "dlg_1", "--json")
    assert [one["what"] for one in found["history"]] == ["given"]
    assert found["uses"][0]["session"] == ACTING
    for command in ("show", "history"):
        done = place.run(command, "dlg_nowhere")
        assert (done.returncode, done.stdout) == (1, "")


def test_r125_end(place: Place) -> None:
    """With a reason, once; the audit has both; what is not there ends nothing."""
    assert place.run("end", "dlg_1").returncode == 2
    done = place.run("end", "dlg_1", "--reason", "left the practice")
    assert (done.returncode, done.stdout) == (0, "dlg_1 is revoked.\n")
    assert place.run("end", "dlg_1", "--reason", "left again").stdout == "dlg_1 is revoked already.\n"
    assert place.run("end", "dlg_2", "--reason", "left again").stdout == "dlg_2 is expired already.\n"
    assert place.run("end", "dlg_nowhere", "--reason", "left again").returncode == 1
    ((act, facts),) = place.acts("boss")
    assert (act, facts["delegation"], facts["why"]) == ("delegation:end", "dlg_1", "left the practice")
    assert facts["author"].startswith("cli:")
    event = place.read("history", "dlg_1", "--json")["history"][-1]
    assert (event["what"], event["detail"]["by"]) == ("ended", "administrator")


def test_r149_trace_of_one_session(place: Place) -> None:
    """Person, means, doctor, delegation; with the instant of the line or without; nobody known is exit code 1."""
    for more in ([], ["--at", NOW.isoformat()]):
        said = place.read("trace", "--session", ACTING, *more, "--json")
        assert (said["person"]["family_name"], said["means"], said["assurance"]) == ("MOREAU", "cpe", "substantial")
        assert said["acted_for"]["doctor"]["national_id"] == NUMBER
        assert (said["acted_for"]["delegation"], said["acted_for"]["state_now"]) == ("dlg_1", "active")
    text = place.run("trace", "--session", ACTING).stdout
    assert "person: acc_help MOREAU JEANNE\n" in text and f"doctor: acc_boss {NUMBER} BERNARD LUC\n" in text
    assert "acted_for: \n" in place.run("trace", "--session", SIGNED_IN).stdout
    unknown = place.run("trace", "--session", "f" * 12)
    assert (unknown.returncode, unknown.stdout) == (1, "") and "Personne n'est connu" in unknown.stderr
    assert place.run("trace", "--session", "abc").returncode == 1
    past = place.run("trace", "--session", ACTING, "--at", (NOW - 9 * DAY).isoformat())
    assert past.returncode == 1
    assert [one["facts"]["looked_for"] for one in searched(place)][:2] == [ACTING, ACTING]


def test_r149_trace_of_a_journal(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request in its order with who was behind it, in several pieces; other lines are left out and counted."""
    monkeypatch.setattr(delegation_trace, "_AT_ONCE", 2)
    at = NOW - 10 * MINUTE
    text = written(
        ("a" * 32, ACTING + "0" * 52, at, "/dossier"), ("b" * 32, SIGNED_IN + "0" * 52, at - 40 * MINUTE, "/"),
        ("c" * 32, None, at, "/AccesLibre/"), ("d" * 32, "f" * 64, at, "/x\x1b[31m"), ("e" * 32, ACTING, at, "/y"),
    )  # fmt: skip
    file = tmp_path / "access.log"
    file.write_text('{"event":"serving"}\n' + text + "no json\n\n[1]\n" + '{"event":"request","timestamp":"hier"}\n')
    done = place.run("trace", str(file))
    assert done.returncode == 0, done.stderr
    assert "4 lines are no requests" in done.stderr
    acted = ["JEANNE MOREAU (acc_help)", "LUC BERNARD", "dlg_1", "cpe"]
    assert [(line[1][0], line[2:6]) for line in rows(done.stdout)] == [
        ("a", acted), ("b", [acted[0], "-", "-", "cpe"]), ("c", ["-"] * 4), ("d", ["nobody known", "-", "-", "-"]),
        ("e", acted),
    ]  # fmt: skip
    assert rows(done.stdout)[3][6] == "GET /x?[31m"
    said = [json.loads(line) for line in place.run("trace", "--journal", str(file), "--json").stdout.splitlines()]
    assert [one["trace"] and one["trace"]["person"]["account"] for one in said] == [
        "acc_help", "acc_help", None, None, "acc_help",
    ]  # fmt: skip
    assert said[0]["at"] == at.replace(microsecond=at.microsecond // 1000 * 1000).isoformat()
    assert sum(int(one["facts"]["lines"]) for one in searched(place)) == 2 * 4


def test_r149_trace_of_one_request(place: Place, tmp_path: Path) -> None:
    """By its number, or by the reference its person read out; from a file or from stdin."""
    ident = "0123456789abcdef0123456789ab7c0e"
    lines = [("f" * 32, SIGNED_IN, NOW - 5 * MINUTE, "/"), (ident, ACTING, NOW - 5 * MINUTE, "/")]
    file = tmp_path / "access.log"
    file.write_text(written(*lines, ("9" * 32, None, NOW, "/")))
    for name in (ident, ident.upper(), "89AB-7C0E", "89ab7c0e"):
        done = place.run("trace", "--request", name, "--journal", str(file))
        assert (done.returncode, len(rows(done.stdout))) == (0, 1), name
        assert rows(done.stdout)[0][2:5] == ["JEANNE MOREAU (acc_help)", "LUC BERNARD", "dlg_1"]
    nobody = place.run("trace", "--request", "9" * 32, str(file))
    assert (nobody.returncode, rows(nobody.stdout)[0][2]) == (1, "-")
    missing = place.run("trace", "--request", "8" * 32, str(file))
    assert (missing.returncode, missing.stdout) == (1, "") and "no line of this journal" in missing.stderr
    line = [sys.executable, "-m", "gateway", "delegation", "trace", "--config", str(place.config), "-"]
    piped = subprocess.run(line, input=file.read_text(), capture_output=True, text=True, timeout=60)
    assert piped.returncode == 0, piped.stderr
    assert [one[1] for one in rows(piped.stdout)] == ["f" * 32, ident, "9" * 32]


def test_r149_progress_for_those_who_wait(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On stderr, so that the result stays clean."""
    seconds = iter(range(1000))
    clock = type("Clock", (), {"monotonic": staticmethod(lambda: next(seconds))})
    monkeypatch.setattr(delegation_trace, "time", clock)
    file = tmp_path / "access.log"
    file.write_text(written(("a" * 32, ACTING, NOW, "/"), ("b" * 32, ACTING, NOW, "/")))
    size = file.stat().st_size
    done = place.run("trace", str(file))
    assert done.stderr.splitlines()[-1] == f"{size} of {size} bytes"
    assert len(rows(done.stdout)) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["--session", ACTING, "-"], ["--at", "2026-03-02T09:30:00+01:00", "-"], ["--request", "a" * 32],
        ["--request", "abc", "-"], ["--journal", "x", "y"], ["--session", ACTING, "--at", "yesterday"],
    ],
)  # fmt: skip
def test_r149_what_makes_no_sense_is_a_mistake_of_use(place: Place, arguments: list[str]) -> None:
    """Exit code 2, and nothing searched."""
    done = place.run("trace", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert searched(place) == []


def test_r149_a_search_that_cannot_be_written_down_tells_nothing(place: Place) -> None:
    """Without the gateway's key there is no audit, and without audit no answer."""
    (place.state / "gateway.key").unlink()
    place.state.chmod(0o500)
    try:
        done = place.run("trace", "--session", ACTING)
    finally:
        place.state.chmod(0o700)
    if done.returncode == 0:  # root writes everywhere: the key was made anew, and the search is in the audit
        assert len(searched(place)) == 1
    else:
        assert (done.returncode, done.stdout) == (75, "")
