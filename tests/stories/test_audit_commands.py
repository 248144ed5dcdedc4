"""``vt-gateway audit``, as somebody who doubts the traces types it beside a gateway's own files."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import io
import json
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
import structlog
from click.testing import CliRunner, Result

from gateway import trail
from gateway.__main__ import cli
from gateway.audit import Act, Record
from gateway.edges import journal, logs
from gateway.edges.database import Database
from gateway.edges.journal import Journal
from gateway.edges.keys import Secrets, ensure_assertion_key, ensure_secret
from gateway.reasons import Reason
from tests.smallest import SMALLEST

T = TypeVar("T")
NOW = datetime.now(UTC)
DAY = timedelta(days=1)


class Place:
    """A gateway's configuration, keys and records, without the gateway."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "gateway.toml"
        self.config.write_text(SMALLEST)
        self.state = folder / "state"
        self.key = ensure_secret(self.state / "gateway.key")
        self.signing = ensure_assertion_key(self.state / "assertion.pem")

    def run(self, *arguments: str) -> Result:
        """``vt-gateway audit …`` in this process, where everything is imported already."""
        silent = structlog.wrap_logger(structlog.ReturnLogger())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(logs, "configure", lambda level: None)  # the log belongs to the test run
            patch.setattr(journal, "_log", silent)
            patch.setattr(trail, "_log", silent)
            found = CliRunner().invoke(cli, ["audit", arguments[0], "--config", str(self.config), *arguments[1:]])
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        return found

    def read(self, *arguments: str) -> Any:
        """The JSON of a command that succeeds."""
        done = self.run(*arguments, "--json")
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout)

    def sql(self, statement: str) -> list[Any]:
        """What somebody with the database at hand does."""
        with closing(sqlite3.connect(self.state / "records.db")) as db, db:
            return db.execute(statement).fetchall()

    def write(self, *records: Record) -> None:
        async def work(database: Database) -> None:
            kept = Journal(database, Secrets(self.key).key("audit"))
            for one in records:
                await kept.record(one)

        self.with_records(work)

    def with_records(self, work: Callable[[Database], Awaitable[T]]) -> T:
        async def run() -> T:
            database = Database(f"sqlite:///{self.state / 'records.db'}")
            await database.migrate()
            try:
                return await work(database)
            finally:
                await database.close()

        return asyncio.run(run())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.write(
        Record(Act.SIGN_IN, NOW - 400 * DAY, "acc_old"),
        Record(
            Act.SIGN_IN,
            NOW - 2 * DAY,
            "acc_1",
            scope="ehpad",
            address="192.0.2.7",
            facts={"method": "cps", "session": "kQ3f9_aXz01b"},
        ),
        Record(Act.SIGN_IN_REFUSED, NOW - DAY, "acc_2", Reason.NOT_ALLOWED, facts={"typed": "=cmd|' /C calc'!A0; é"}),
        Record(Act.SIGN_OUT, NOW, "acc_1"),
    )
    return made


def test_g2_a_sound_chain(place: Place) -> None:
    """Exit code 0 and one line, or the same as JSON, by the installed program."""
    line = [sys.executable, "-m", "gateway", "audit", "verify", "--config", str(place.config)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (
        0,
        "sound: 4 rows of the chain (1 to 4), 0 older than the chain, 0 checkpoints\n",
    )
    assert place.read("verify") == {
        "sound": True,
        "rows": 4,
        "first": 1,
        "last": 4,
        "begins_after": None,
        "older": 0,
        "checkpoints": 0,
        "fault_count": 0,
        "faults": [],
    }


def test_g2_an_empty_chain_is_sound(tmp_path: Path) -> None:
    """A gateway on its first day."""
    place = Place(tmp_path)
    place.write()
    done = place.run("verify")
    assert (done.exit_code, done.stdout) == (0, "sound: no rows, 0 older than the chain, 0 checkpoints\n")


def test_g2_every_fault_is_named(place: Place) -> None:
    """Exit code 1, one line for each fault, and the same as JSON."""
    place.sql("UPDATE audit SET account = 'acc_other' WHERE seq = 2")
    place.sql("DELETE FROM audit WHERE seq = 4")
    done = place.run("verify")
    assert done.exit_code == 1
    assert [line.split("\t")[:2] for line in done.stdout.splitlines()[:-1]] == [["altered", "2"], ["missing", "4"]]
    assert done.stdout.splitlines()[-1].startswith("NOT SOUND, 2 faults: 3 rows of the chain (1 to 3)")
    found = json.loads(place.run("verify", "--json").stdout)
    assert (found["sound"], found["fault_count"], [one["kind"] for one in found["faults"]]) == (
        False,
        2,
        ["altered", "missing"],
    )


def test_g2_progress_for_those_who_wait(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """On stderr, so that the result stays clean."""
    from gateway.commands import audit as module

    seconds = iter(range(1000))
    monkeypatch.setattr(trail, "_READ_AT_ONCE", 2)
    monkeypatch.setattr(module, "time", type("Clock", (), {"monotonic": staticmethod(lambda: next(seconds))}))
    done = place.run("verify")
    assert done.stderr.splitlines() == ["row 2 of 4", "row 4 of 4"]


def test_g2_a_checkpoint_and_its_witness(place: Place) -> None:
    """The checkpoint that was printed convicts a chain that was made anew."""
    made = place.read("checkpoint")
    assert made["seq"] == 4
    assert place.read("checkpoint") == made  # nothing was written since: the same one is the witness
    witness = ("--witness", f"4:{made['hash']}")
    assert place.run("verify", *witness).exit_code == 0
    for table in ("audit", "audit_head", "audit_checkpoints"):
        place.sql(f"DELETE FROM {table}")  # noqa: S608
    place.write(*(Record(Act.SIGN_IN, NOW) for _ in range(5)))
    assert place.run("verify").exit_code == 0
    done = place.run("verify", *witness)
    assert (done.exit_code, done.stdout.split("\t")[:2]) == (1, ["checkpoint", "4"])


def test_g2_no_checkpoint_of_nothing(place: Place) -> None:
    for table in ("audit", "audit_head"):
        place.sql(f"DELETE FROM {table}")  # noqa: S608
    assert place.run("checkpoint").stdout == "nothing was written yet\n"
    assert place.read("checkpoint") is None


def test_g2_a_checkpoint_as_a_line(place: Place) -> None:
    """Its number, hash, instant, key and signature."""
    cells = place.run("checkpoint").stdout.rstrip("\n").split("\t")
    assert (cells[0], len(cells[1]), len(cells[4])) == ("4", 64, 86)
    place.sql("UPDATE audit_head SET hash = 'x'")
    place.write(Record(Act.SIGN_IN, NOW))
    place.sql("DELETE FROM audit WHERE seq = 5")
    done = place.run("checkpoint")
    assert (done.exit_code, done.stderr) == (1, "not done: the head says another hash than row 5 has\n")


@pytest.mark.parametrize("witness", ["4", "4:xyz", "-1:" + "0" * 64, "x:" + "0" * 64])
def test_a_witness_has_a_form(place: Place, witness: str) -> None:
    """A mistyped one is a mistake of use, not a fault of the chain."""
    assert place.run("verify", "--witness", witness).exit_code == 2


def test_r93_list_and_its_filters(place: Place) -> None:
    """The newest first, as lines or as JSON."""

    def found(*filters: str) -> list[int]:
        return [row["seq"] for row in place.read("list", *filters)]

    assert found() == [4, 3, 2, 1]
    assert found("--limit", "2") == [4, 3]
    assert found("--account", "acc_1") == [4, 2]
    assert found("--scope", "ehpad") == [2]
    assert found("--act", "session:open", "--act", "session:close") == [4, 2, 1]
    assert found("--since", (NOW - DAY).isoformat()) == [4, 3]
    assert found("--until", (NOW - 3 * DAY).date().isoformat()) == [1]
    row = place.read("list", "--scope", "ehpad")[0]
    assert (row["facts"]["method"], row["reason"], row["at"]) == ("cps", None, (NOW - 2 * DAY).isoformat())
    line = place.run("list", "--account", "acc_2").stdout
    assert line.split("\t")[2:6] == ["session:refused", "acc_2", "-", "not-allowed"]
    assert place.run("list", "--since", "yesterday").exit_code == 2


def test_r149_from_a_request_to_who_acted(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The access log names a session; the audit says whose it was and how it was opened, however far back."""
    from gateway.commands import audit as module

    monkeypatch.setattr(module, "_PAGE", 1)
    (row,) = place.read("list", "--session", "kQ3f9_aXz01b")
    assert (row["account"], row["facts"]["method"], row["address"]) == ("acc_1", "cps", "192.0.2.7")
    assert place.read("list", "--session", "unknown") == []


def test_r93_export_for_a_spreadsheet(place: Place) -> None:
    """BOM, semicolons, CRLF, no computed cell, the oldest first, its own trace last."""
    done = place.run("export", "--since", (NOW - 3 * DAY).isoformat())
    raw = done.stdout_bytes
    assert raw.startswith(b"\xef\xbb\xbf")
    assert raw.count(b"\r\n") == raw.count(b"\n") == 5
    rows = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""), delimiter=";"))
    assert [row[0] for row in rows] == ["Numéro", "2", "3", "4", "5"]
    assert rows[2][9] == "typed==cmd|' /C calc'!A0; é"
    (said,) = place.read("list", "--act", "audit:export")
    assert said["facts"].pop("author").startswith("cli:")
    said["facts"].pop("author_name")
    assert said["facts"] == {"form": "csv", "since": (NOW - 3 * DAY).isoformat()}
    assert place.run("verify").exit_code == 0


def test_r93_export_for_programs(place: Place) -> None:
    """One object a line, with the hash; what it was asked for is written down."""
    done = place.run("export", "--format", "jsonl", "--account", "acc_1", "--scope", "ehpad")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["seq"] for line in lines] == [2, 5]
    assert len(lines[0]["hash"]) == 64
    (said,) = place.read("list", "--act", "audit:export")
    assert (said["account"], said["scope"]) == ("acc_1", "ehpad")


def test_g2_anybody_can_check_an_export(place: Place) -> None:
    """As docs/audit.md says, with nothing of the gateway."""

    def digest(*parts: object) -> str:
        return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()

    rows = [json.loads(line) for line in place.run("export", "--format", "jsonl").stdout.splitlines()]
    before = digest("vt-gateway audit 1", rows[0]["seq"] - 1)
    for row in rows:
        at = datetime.fromisoformat(row["at"]).isoformat(timespec="microseconds")
        facts = json.dumps(row["facts"], sort_keys=True, ensure_ascii=False)
        middle = (row[name] for name in ("act", "account", "reason", "scope", "address", "correlation"))
        before = digest(before, row["seq"], at, *middle, facts)
        assert before == row["hash"]
    assert len(rows) == 5


def test_r148_purge_of_what_was_tampered_with(place: Place) -> None:
    """With a reason and a yes, and only what is too old; the rest stays sound and says why."""
    place.sql("UPDATE audit SET account = 'acc_other' WHERE seq = 1")
    assert place.run("verify").exit_code == 1
    assert place.run("purge", "--reason", "incident clos").exit_code == 2
    done = place.run("purge", "--reason", "incident clos", "--yes")
    assert (done.exit_code, done.stdout) == (0, "1 rows removed.\n")
    found = place.read("verify")
    assert (found["begins_after"], found["first"], found["sound"]) == (1, 2, True)
    assert place.run("verify").stdout.startswith(
        "sound: 4 rows of the chain (2 to 5, those before 2 removed for their age)"
    )
    (said,) = place.read("list", "--act", "data:purge")
    assert said["facts"]["why"] == "incident clos"
    assert place.run("purge", "--reason", "incident clos", "--yes").stdout == "0 rows removed.\n"


@pytest.mark.parametrize(("file", "key"), [("gateway.key", "secrets.key_file"), ("assertion.pem", "assertion.key")])
def test_g2_without_the_keys_nothing_is_judged(place: Place, file: str, key: str) -> None:
    """They are never made here: a new key would make every chain look altered."""
    (place.state / file).unlink()
    done = place.run("verify")
    assert done.exit_code == 75
    assert done.stderr.startswith(f"{key}: ")
    assert not (place.state / file).exists()
