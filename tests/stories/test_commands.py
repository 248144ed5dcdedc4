"""The command line, as an administrator types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.smallest import SMALLEST
from tests.visitor import Demo


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "gateway", *arguments], capture_output=True, text=True, timeout=60)


def test_help_has_examples() -> None:
    """Each command says what it does, with an example."""
    for command in (
        [],
        ["serve"],
        ["demo"],
        ["check"],
        ["card", "check"],
        ["assertion", "verify"],
        ["assertion", "vectors"],
    ):
        done = run(*command, "--help")
        assert done.returncode == 0
        assert "Example" in done.stdout
    assert run("nonsense").returncode == 2


def test_check_says_yes_or_lists_faults_with_78(demo: Demo, tmp_path: Path) -> None:
    """A good file is found without fault; a bad one lists all of them and exits 78, and serve refuses it too."""
    good = run("check", "--config", str(demo.folder / "gateway.toml"))
    assert (good.returncode, good.stderr) == (0, "")
    bad = tmp_path / "gateway.toml"
    bad.write_text((demo.folder / "gateway.toml").read_text().replace('prefix = "', "") + "[nonsense]\nx = 1\n")
    done = run("check", "--config", str(bad), "--json")
    assert done.returncode == 78
    found = json.loads(done.stdout)
    assert any("nonsense" in line for line in found)
    assert any("psc.client_secret_file" in line for line in found)
    assert run("serve", "--config", str(bad)).returncode == 78
    assert run("check", "--config", str(tmp_path / "missing.toml")).returncode == 78


def test_card_check_agrees_with_the_card_route(demo: Demo) -> None:
    """Good cards show their facts, refused ones their reason with exit 1."""
    config = str(demo.folder / "gateway.toml")
    good = run("card", "check", "--config", config, "--json", str(demo.folder / "cards/dr-martin.pem"))
    assert good.returncode == 0
    assert json.loads(good.stdout)["rpps"] == "99700000005"
    index = json.loads((demo.folder / "cards/refused/index.json").read_text())
    for one in index[:6]:
        done = run("card", "check", "--config", config, "--json", str(demo.folder / one["cert"]))
        assert done.returncode == 1
        assert json.loads(done.stdout)["reason"] == one["reason"]
    late = run(
        "card", "check", "--config", config, "--at", "2039-01-01", "--json", str(demo.folder / "cards/dr-martin.pem")
    )
    assert json.loads(late.stdout)["reason"] == "card-expired"


def test_migrate_is_safe_to_run_twice(demo: Demo) -> None:
    """Bringing a current database to the current schema changes nothing."""
    for _ in range(2):
        assert run("migrate", "--config", str(demo.folder / "gateway.toml")).returncode == 0


def test_a_folder_that_cannot_be_made_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    config = tmp_path / "gateway.toml"
    config.write_text(SMALLEST.replace('state_dir = "state"', 'state_dir = "file/state"'))
    for command in ("migrate", "serve"):
        done = run(command, "--config", str(config))
        assert (done.returncode, "Traceback" in done.stderr) == (75, False), done.stderr
        assert f"{tmp_path}/file/state: Not a directory" in done.stderr
