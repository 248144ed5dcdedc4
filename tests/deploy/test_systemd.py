"""The unit of deploy/systemd/: judged by systemd's own tools, and the gateway run under its restrictions."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sys
from pathlib import Path

import pytest

from tests.deploy.running import DEPLOY, run, started, until
from tests.deploy.unit import directives, line
from tests.servers import program
from tests.smallest import SMALLEST
from tests.stories.conftest import free_base
from tests.stories.test_main_job import by_password, card_of
from tests.visitor import Demo, Visitor

HERE = DEPLOY / "systemd"
UNIT = HERE / "vt-gateway.service"
PYTHON = "/opt/vt-gateway/current/bin/python"
MOST_EXPOSED = 1.4  # by systemd 252, of 10; what is left is said in the unit


def test_the_units_are_sound_and_little_exposed(tmp_path: Path) -> None:
    """No word from "systemd-analyze verify", and no more exposure than we know of."""
    analyze = program("systemd-analyze", "systemd")
    for path in HERE.glob("*.service"):
        text = path.read_text()
        (tmp_path / path.name).write_text(re.sub(r"(?m)^(Exec\w+=)/(opt|usr/local)\S+", rf"\1{sys.executable}", text))
    for path in HERE.glob("*.timer"):
        (tmp_path / path.name).write_text(path.read_text())
    for path in sorted(tmp_path.iterdir()):
        judged = run([analyze, "verify", "--recursive-errors=no", str(path)])
        assert (judged.returncode, judged.stderr) == (0, ""), path.name
        if path.suffix == ".service":
            exposed = run([analyze, "security", "--offline=true", "--no-pager", str(path)]).stdout
            found = re.search(r"exposure level for \S+: ([0-9.]+)", exposed)
            assert found and float(found[1]) <= MOST_EXPOSED, (path.name, exposed[-200:])


def test_credentials_and_reload_as_drop_ins(tmp_path: Path) -> None:
    """A drop-in is taken without a word, but for what only a newer systemd knows."""
    analyze = program("systemd-analyze", "systemd")
    version = int(run([analyze, "--version"]).stdout.split()[1])
    for path in (HERE / "drop-ins").iterdir():
        folder = tmp_path / path.stem
        (folder / f"{UNIT.name}.d").mkdir(parents=True)
        (folder / UNIT.name).write_text(UNIT.read_text().replace(PYTHON, sys.executable))
        (folder / f"{UNIT.name}.d" / path.name).write_text(path.read_text())
        judged = run([analyze, "verify", "--recursive-errors=no", str(folder / UNIT.name)])
        if path.name != "notify-reload.conf" or version >= 253:
            assert (judged.returncode, judged.stderr) == (0, ""), path.name


def test_what_the_unit_promises() -> None:
    said = directives(UNIT)
    assert said["ExecStart"] == [f"{PYTHON} -m gateway serve --config /etc/vt-gateway/gateway.toml"]
    assert "78" in said["RestartPreventExitStatus"][0].split(), "a wrong configuration would be tried for ever"
    assert said["Restart"] == ["on-failure"]
    # gateway.drain and the closing after it end before systemd kills.
    from gateway.ending import LAST
    from gateway.settings.model import GatewaySection

    drain = GatewaySection.model_fields["drain"].default
    assert int(said["TimeoutStopSec"][0]) > drain + LAST + 2
    assert said["User"] != ["root"]


def test_why_memory_that_is_written_and_executed_is_allowed(tmp_path: Path) -> None:
    """The one restriction that is left out: what judges cards cannot live with it. When this fails, it can: into the unit."""
    narrower = tmp_path / UNIT.name
    narrower.write_text(UNIT.read_text().replace("[Service]\n", "[Service]\nMemoryDenyWriteExecute=yes\n"))
    verify = "from OpenSSL import SSL; SSL.Context(SSL.TLS_METHOD).set_verify(SSL.VERIFY_PEER, lambda *_: True)"
    environment = {**os.environ, "VTGW_WRITABLE": str(tmp_path)}
    for unit, fine in ((UNIT, True), (narrower, False)):
        done = run(line(unit, [sys.executable, "-c", verify]), env=environment)
        assert (done.returncode == 0) is fine, done.stderr
    assert "MemoryError" in done.stderr


def test_a_backup_is_made_under_the_restrictions_of_its_unit(tmp_path: Path) -> None:
    """The unit's own line, on an empty gateway."""
    unit = HERE / "vt-gateway-backup.service"
    said = directives(unit)
    kept = tmp_path / "backups"
    for folder in (kept, tmp_path / "state", tmp_path / "tmp"):
        folder.mkdir()
    config = tmp_path / "gateway.toml"
    config.write_text(SMALLEST)
    gateway = [sys.executable, "-W", "ignore", "-m", "gateway"]
    assert run([*gateway, "migrate", "--config", str(config)]).returncode == 0
    shell, script, toml, there = said["ExecStart"][0].split()
    assert (script, toml) == ("/opt/vt-gateway/current/share/vt-gateway/backup", "/etc/vt-gateway/gateway.toml")
    assert [there] == said["ReadWritePaths"]
    environment = {
        **os.environ,
        "VTGW": " ".join(gateway),
        "VTGW_WRITABLE": f"{kept} {tmp_path / 'state'} {tmp_path / 'tmp'}",
        "TMPDIR": str(tmp_path / "tmp"),
        "PYTHONPATH": str(DEPLOY.parent),
    }
    done = run(line(unit, [shell, str(DEPLOY / "backup" / "backup"), str(config), str(kept)]), env=environment)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in kept.iterdir() if path.name.startswith("records-")], done.stdout


class Manager:
    """The socket that systemd would listen on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(0.05)
        self.heard: list[str] = []

    def said(self, word: str, after: int = 0) -> bool:
        try:
            while True:
                self.heard += self._socket.recv(65536).decode().split("\n")
        except TimeoutError:
            return word in self.heard[after:]

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def demo(around: Demo) -> Demo:
    """The demo's files, for a second gateway that people reach at a privileged port."""
    made = Demo(around.folder)
    base, low = free_base(), privileged_port()
    people = int(made.about["gateway"].rpartition(":")[2])
    text = (made.folder / "gateway.toml").read_text()
    for place, port in {0: low, 1: base + 1, 3: base + 3, 9: base + 9}.items():
        text = text.replace(f"127.0.0.1:{people + place}", f"127.0.0.1:{port}")
        text = text.replace(f"localhost:{people + place}", f"localhost:{port}")
    (made.folder / "restricted.toml").write_text(text)
    made.about["gateway"] = f"https://localhost:{low}"
    made.about["card"] = f"https://localhost:{base + 1}"
    made.about["management"] = f"http://127.0.0.1:{base + 3}"
    return made


def privileged_port() -> int:
    for port in range(1023, 600, -1):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port below 1024")


def test_the_gateway_runs_under_the_restrictions_of_its_unit(demo: Demo, tmp_path: Path) -> None:
    """Under its filter of system calls, with a read-only file system and one capability: it opens a low port, tells systemd,
    signs people in by password (Argon2) and by card (TLS with its own verification), reloads and ends with 0."""
    for name in ("run", "tmp"):
        (tmp_path / name).mkdir()
    folder = demo.folder
    manager = Manager(tmp_path / "notify")
    environment = {
        **os.environ,
        "VTGW_WRITABLE": f"{folder / 'state'} {tmp_path / 'run'} {tmp_path / 'tmp'}",
        "RUNTIME_DIRECTORY": str(tmp_path / "run"),
        "TMPDIR": str(tmp_path / "tmp"),
        "NOTIFY_SOCKET": str(manager.path),
        "WATCHDOG_USEC": "2000000",
        "PYTHONPATH": str(DEPLOY.parent),
        "PYTHONWARNINGS": "ignore",
    }
    said = directives(UNIT)
    assert said["ExecStart"][0].startswith(f"{PYTHON} -m gateway serve --config ")
    command = line(UNIT, [sys.executable, "-m", "gateway", "serve", "--config", f"{folder}/restricted.toml"])
    log = tmp_path / "log"
    with started(command, log, env=environment) as process:
        try:
            until(lambda: process.poll() is not None or manager.said("READY=1"), 40)
            assert process.poll() is None, log.read_text()
            status = Path(f"/proc/{process.pid}/status").read_text()
            assert re.search(r"NoNewPrivs:\s1", status) and re.search(r"Seccomp:\s2", status), status
            assert re.search(r"CapBnd:\s0{13}400\n", status), status  # CAP_NET_BIND_SERVICE alone
            until(lambda: manager.said("WATCHDOG=1"), 10)

            visitor = Visitor(demo)
            by_password(visitor, "dr-petit")
            assert visitor.last.status == 200, visitor.last.text
            holder = Visitor(demo, card_of(demo, "dr-martin"))
            holder.get("/_gateway/sign-in?space=liberal")
            holder.click("Se connecter par CPS")
            assert "MARTIN" in holder.last.text, holder.last.text

            before = len(manager.heard)
            process.send_signal(signal.SIGHUP)
            until(lambda: manager.said("RELOADING=1", before), 20)
            reloading = manager.heard.index("RELOADING=1", before)
            until(lambda: manager.said("READY=1", reloading), 40)
            assert visitor.raw("GET", demo.about["management"] + "/readyz", None, {}).status == 200
            process.terminate()
            assert process.wait(30) == 0, log.read_text()
            assert manager.said("STOPPING=1")
        finally:
            manager.close()
