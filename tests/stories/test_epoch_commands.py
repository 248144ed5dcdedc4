"""``vt-gateway epoch`` and ``backup``, as somebody who looks after the gateway types them beside its own files."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from gateway.audit import Act
from gateway.edges.keys import ensure_assertion_key
from gateway.epoch import epochs
from tests.ambient import TestAmbient
from tests.stories.shell import Done, Place
from tests.test_epoch import person


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    import structlog

    monkeypatch.setattr(epochs, "_log", structlog.wrap_logger(structlog.ReturnLogger()))
    place = Place(tmp_path, "epoch")
    place.with_records(lambda records: records.is_current())
    return place


def backup(place: Place, *arguments: str) -> Done:
    made = Place.__new__(Place)
    made.command, made.config, made.state = "backup", place.config, place.state
    return made.run(*arguments)


@pytest.mark.parametrize(
    "command",
    [("epoch",), ("epoch", "show"), ("epoch", "renew"), ("backup",)]
    + [("backup", one) for one in ("create", "check", "keys", "restore")],
)
def test_help_has_examples(command: tuple[str, ...]) -> None:
    """Each command says what it does, with an example."""
    from click.testing import CliRunner

    from gateway.__main__ import cli

    done = CliRunner().invoke(cli, [*command, "--help"])
    assert done.exit_code == 0
    assert "Example" in done.output


def test_shown_and_renewed(place: Place) -> None:
    """Without a gateway there is no epoch yet; renew begins one, says why in the audit, and ends links; recovery codes
    only when the records were restored."""
    assert "no epoch yet" in place.run("show").stdout
    assert place.run("renew").returncode == 2
    place.with_store()
    place.with_records(lambda records: records.write(*person("a", TestAmbient())))
    done = place.run("renew", "--reason", "essai de reprise")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "epoch 1 has begun.\n"
    shown = place.read("show", "--json")
    assert (shown["epoch"]["number"], shown["epoch"]["reason"]) == (1, "essai de reprise")
    assert [one["name"] for one in shown["pulses"]] == [shown["store"]["name"]]
    assert shown["store"]["beats"] == 1
    assert "essai de reprise" in place.run("show").stdout
    assert place.with_records(lambda records: records.count("delegations", {"invite_digest": None})) == 1
    assert place.with_records(lambda records: records.count("recovery_codes", {})) == 2
    assert place.read("renew", "--restored", "--reason", "reprise", "--json") == {"epoch": 2, "store": True}
    assert place.with_records(lambda records: records.count("recovery_codes", {})) == 0
    rows = place.with_records(lambda records: records.find("audit", {"act": "epoch:begin"}, order=("seq",)))
    facts = [json.loads(str(row["facts"])) for row in rows]
    assert [(one["why"], one["restored"]) for one in facts] == [("essai de reprise", "no"), ("reprise", "yes")]


def test_a_store_out_of_reach_is_said(place: Place) -> None:
    """The epoch has begun in the records; gateways find out by themselves."""
    done = place.run("renew", "--reason", "essai")
    assert done.returncode == 0
    assert "by themselves" in done.stderr


def test_a_backup_is_checked_and_comes_back(place: Place, tmp_path: Path) -> None:
    """Made once under its name, refused when a bit of it differs, restored over what there is, which is kept."""
    file = tmp_path / "records.tar"
    assert backup(place, "restore", str(file), "--reason", "essai", "--yes").returncode == 75  # without the key
    place.run("renew", "--reason", "essai")
    place.with_records(lambda records: records.write(*person("a", TestAmbient())))
    done = backup(place, "create", str(file), "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert (made["accounts"], made["records"], made["audit_seq"]) == (1, "sqlite", 1)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".vtgw")] == []
    assert "exists" in backup(place, "create", str(file)).stderr
    assert "1 accounts" in checked(file).stdout

    for where in (100, file.stat().st_size // 2):
        damaged = bytearray(file.read_bytes())
        damaged[where] ^= 1
        (tmp_path / "damaged.tar").write_bytes(damaged)
        assert checked(tmp_path / "damaged.tar").returncode == 1
    (tmp_path / "other.tar").write_bytes(b"no tar")
    assert checked(tmp_path / "other.tar").returncode == 1

    place.with_records(lambda records: records.write(*person("b", TestAmbient())))
    assert backup(place, "restore", str(file), "--reason", "essai").returncode == 2  # not without --yes
    done = backup(place, "restore", str(file), "--reason", "essai", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["epoch"] == 2
    assert place.with_records(lambda records: records.count("accounts", {})) == 1
    assert Path(said["replaced"]["kept_as"]).exists()
    assert (place.state / "records.db").stat().st_mode & 0o777 == 0o600

    (place.state / "records.db").write_bytes(b"damaged" * 1000)
    done = backup(place, "restore", str(file), "--reason", "essai", "--yes")
    assert done.returncode == 0, done.stderr
    assert "cannot be read" in done.stdout
    assert place.with_records(lambda records: records.count("accounts", {})) == 1


def test_the_keys_are_a_tar_for_another_program(place: Place) -> None:
    """The configuration and the gateway's own keys, on stdout; nothing when one is missing."""
    line = [sys.executable, "-m", "gateway", "backup", "keys", "--config", str(place.config)]
    done = subprocess.run(line, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (75, b"")
    place.run("renew", "--reason", "essai")
    ensure_assertion_key(place.state / "assertion.pem")
    done = subprocess.run(line, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        assert tar.getnames() == ["gateway.toml", "gateway.key", "assertion.pem"]
        kept = tar.extractfile("gateway.key")
        assert kept is not None
        assert kept.read() == (place.state / "gateway.key").read_bytes()


def checked(file: Path) -> Done:
    from click.testing import CliRunner

    from gateway.__main__ import cli

    found = CliRunner().invoke(cli, ["backup", "check", str(file)])
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return Done(found.exit_code, found.stdout, found.stderr)


def test_what_the_procedure_looks_for_in_the_log_are_acts() -> None:
    """The words of docs/backup.md are those the gateway writes."""
    text = (Path(__file__).parents[2] / "docs" / "backup.md").read_text()
    (words,) = re.findall(r"grep -E '\"event\": \?\"\(([a-z:|-]+)\)\"'", text)
    assert set(words.split("|")) <= {act.value for act in Act}
