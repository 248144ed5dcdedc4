"""install.sh of deploy/systemd/, run: a version beside the other, switched while people ask, and back."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.running import DEPLOY, run, started, until
from tests.deploy.unit import directives
from tests.stories.conftest import free_base

ROOT = DEPLOY.parent
NEXT = "9.9.9"
CONFIG = """
[gateway]
public_url = "http://localhost:{port}"
hosts = ["127.0.0.1"]
state_dir = "{state}"
drain = 5
[listen.public]
address = "127.0.0.1:{port}"
[listen.management]
address = "127.0.0.1:{management}"
[backends.vt]
url = "http://127.0.0.1:9"
audience = "vt"
[[routes]]
path = "/"
class = "protected"
backend = "vt"
[smtp]
host = "localhost"
security = "none"
from = "ViaTrajectoire <ne-pas-repondre@example.test>"
[methods]
liberal = ["password"]
etablissement = ["password"]
"""
# Stand-ins for what only a whole system has: its manager, its accounts, its owners of files.
STUBS = {
    "systemctl": """case "$*" in
      --version) echo "systemd 252 (252.38-1)" ;;
      is-active*) kill -0 "$(cat "$VTGW_PID" 2>/dev/null)" 2>/dev/null ;;
      kill*SIGUSR2*) kill -USR2 "$(cat "$VTGW_PID")" ;;
      daemon-reload | enable*) ;;
      *) echo "unexpected: $*" >&2; exit 1 ;;
    esac""",
    "systemd-sysusers": '[ -s "$1" ]',
    "chown": ":",
    "setpriv": 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"',
}


class Machine:
    """A system under a folder, and a release to install."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.folder = folder
        self.base = free_base()
        programs, packages = folder / "bin", folder / "packages"
        programs.mkdir()
        packages.mkdir()
        for name, text in STUBS.items():
            (programs / name).write_text(f"#!/bin/sh\n{text}\n")
            (programs / name).chmod(0o755)
        # What the registry would give: the packages of this environment, all but the gateway itself.
        for one in Path(pytest.__file__).parents[1].iterdir():
            if "vt_gateway" not in one.name and one.suffix != ".pth":
                (packages / one.name).symlink_to(one)
        self.environment = {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHON": sys.executable,
            "PYTHONPATH": str(packages),
            "PYTHONWARNINGS": "ignore",
            "VTGW_ROOT": str(self.root),
            "VTGW_PID": str(folder / "pid"),
            "VTGW_PATIENCE": "60",
        }

    def release(self) -> Path:
        """An unpacked release; its lists of packages are empty, since all are there."""
        made = self.folder / "release"
        for name in ("gateway", "deploy/systemd", "deploy/backup", "docs", "config"):
            shutil.copytree(ROOT / name, made / name, ignore=shutil.ignore_patterns("__pycache__", "*.png"))
        for name in ("pyproject.toml", "README.md", "CHANGELOG.md"):
            shutil.copy(ROOT / name, made)
        (made / "requirements").mkdir()
        for name in ("runtime", "build"):
            (made / "requirements" / f"{name}.txt").touch()
        return made

    def beside(self, version: str) -> None:
        """Another version, as if it had been installed by its own release: a copy that says another number."""
        opt = self.root / "opt/vt-gateway"
        shutil.copytree(opt / current(), opt / version, symlinks=True)
        [first] = (opt / version).glob("lib/python3*/site-packages/gateway/__init__.py")
        first.write_text(first.read_text().replace(f'"{current()}"', f'"{version}"'))

    def install(self, release: Path, *words: str) -> tuple[int, str]:
        done = run(["sh", str(release / "deploy/systemd/install.sh"), *words], env=self.environment)
        return done.returncode, done.stdout + done.stderr

    def service(self) -> dict[str, str]:
        """The environment that the unit gives."""
        said = directives(self.root / "etc/systemd/system/vt-gateway.service")
        given = dict(word.split("=", 1) for line in said["Environment"] for word in line.split())
        return self.environment | given

    def ask(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.base + 1}{path}", timeout=5) as answer:
            return bytes(answer.read())

    def version(self) -> str:
        try:
            return str(json.loads(self.ask("/version"))["version"])
        except OSError:
            return ""

    def command(self) -> list[str]:
        """The unit's own line."""
        line = directives(self.root / "etc/systemd/system/vt-gateway.service")["ExecStart"][0]
        return [f"{self.root}{word}" if word.startswith("/") else word for word in line.split()]


def current() -> str:
    from gateway import __version__

    return __version__


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    yield Machine(tmp_path)


class People(threading.Thread):
    """Somebody who asks for the sign-in page twenty times a second."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._where = f"http://127.0.0.1:{port}/_gateway/sign-in"
        self.over = threading.Event()
        self.asked = 0
        self.failed: list[str] = []

    def run(self) -> None:
        while not self.over.is_set():
            try:
                with urllib.request.urlopen(self._where, timeout=10) as answer:
                    answer.read()
            except OSError as error:
                self.failed.append(str(error))
            self.asked += 1
            self.over.wait(0.05)


@pytest.mark.timeout(300)  # where the machine has much else to do
def test_a_version_is_installed_switched_to_while_people_ask_and_left_again(machine: Machine) -> None:
    """Nobody notices: no request fails at the switch or on the way back. A configuration with a fault changes nothing."""
    release = machine.release()
    code, said = machine.install(release, "switch", current())
    assert code == 1 and "not installed" in said
    code, said = machine.install(release, "install")
    assert code == 0, said
    assert machine.install(release, "install")[0] == 1  # there already

    config = machine.root / "etc/vt-gateway/gateway.toml"
    config.write_text("nonsense = 1\n")
    code, said = machine.install(release, "switch", current())
    assert code == 1 and "Nothing was changed." in said and "nonsense" in said
    assert not (machine.root / "opt/vt-gateway/current").exists()
    state = machine.folder / "state"
    config.write_text(CONFIG.format(port=machine.base, management=machine.base + 1, state=state))
    code, said = machine.install(release, "switch", current())
    assert code == 0 and "Start it" in said, said

    log = machine.folder / "log"
    with started(machine.command(), log, env=machine.service(), cwd="/") as process:
        (machine.folder / "pid").write_text(str(process.pid))
        until(lambda: process.poll() is not None or machine.version() == current(), 40)
        assert process.poll() is None, log.read_text()
        machine.beside(NEXT)
        people = People(machine.base)
        people.start()
        try:
            code, said = machine.install(release, "switch", NEXT)
            assert code == 0, said + log.read_text()
            assert machine.version() == NEXT
            assert process.poll() is None
            assert machine.install(release, "remove", NEXT)[0] == 1
            code, said = machine.install(release, "rollback")
            assert code == 0, said + log.read_text()
            assert machine.version() == current()
        finally:
            people.over.set()
            people.join()
        assert people.asked > 20 and people.failed == []
        code, said = machine.install(release, "list")
        assert said.split("\n")[:2] == [f"{current()}  in use", f"{NEXT}  before"]
        process.terminate()
        assert process.wait(30) == 0, log.read_text()
