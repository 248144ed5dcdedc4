"""The Redis group of deploy/compose/ on loopback: three servers and three sentinels, each on an address of its own, started by
the very start.sh, with secrets and certificates made by the very prepare.sh."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.deploy.running import DEPLOY, replaced, run, until
from tests.servers import program

HERE = DEPLOY / "compose"
PORT, SENTINEL_PORT = 16379, 26379
TESTER = "user tester on >tester allkeys allchannels +@all\n"  # sees what others were refused
_NETWORK = f"127.{1 + os.getpid() % 250}.{1 + os.getpid() // 250 % 250}"
SERVERS = tuple(f"{_NETWORK}.{number}" for number in (21, 22, 23))
SENTINELS = tuple(f"{_NETWORK}.{number}" for number in (31, 32, 33))


def prepare(folder: Path, **names: str) -> None:
    """prepare.sh, as somebody runs it: once, then again with what it said is still to be brought."""
    line, environment = ["sh", str(HERE / "prepare.sh"), str(folder)], {**os.environ, **names}
    made = run(line, env=environment)
    assert made.returncode == 1, made.stderr
    for path in made.stderr.partition("brought:")[2].split():
        kind = {".pem": "crt", ".key": "key"}.get(Path(path).suffix)
        (folder / path).write_bytes((folder / f"tls/gateway.{kind}").read_bytes() if kind else b"secret")
    kept = (folder / "secrets/gateway.key").read_bytes()
    made = run(line, env=environment)
    assert made.returncode == 0, made.stderr
    assert (folder / "secrets/gateway.key").read_bytes() == kept


class Group:
    def __init__(self, folder: Path) -> None:
        program("redis-server", "redis-server")
        self.folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        names = {"REDIS_NAMES": " ".join((*SERVERS, *SENTINELS)), "TEMPLATES": str(HERE / "redis")}
        prepare(folder, **names)
        for name in ("users", "sentinel-users"):
            path = folder / "secrets" / f"{name}.acl"
            path.chmod(0o600)
            path.write_text(path.read_text() + TESTER)

    def secret(self, name: str) -> str:
        return (self.folder / "secrets" / name).read_text()

    @property
    def ca(self) -> Path:
        return self.folder / "tls" / "ca.crt"

    def start(self, address: str) -> None:
        kind = "server" if address in SERVERS else "sentinel"
        own = self.folder / address
        (own / "data").mkdir(parents=True, exist_ok=True)
        changes: Mapping[str, object] = {
            "/run/tls": self.folder / "tls",
            "/run/secrets": self.folder / "secrets",
            "dir /data": f"dir {own}/data",
            "protected-mode no": f"protected-mode no\nbind {address}",
            **({"tls-port 6379": f"tls-port {PORT}"} if kind == "server" else {}),
        }
        name = {"server": "redis.conf", "sentinel": "sentinel.conf"}[kind]
        (own / name).write_text(replaced((HERE / "redis" / name).read_text(), changes))
        environment = {
            **os.environ,
            "CONF_DIR": str(own),
            "DATA_DIR": str(own / "data"),
            "SECRETS_DIR": str(self.folder / "secrets"),
            "TLS_DIR": str(self.folder / "tls"),
            "PORT": str(PORT),
            "SENTINEL_PORT": str(SENTINEL_PORT),
            "SELF": address,
            "FIRST": SERVERS[0],
            "SENTINELS": " ".join(SENTINELS),
        }
        with (own / "log").open("ab") as log:
            line = ["sh", str(HERE / "redis" / "start.sh"), kind]
            self._running[address] = subprocess.Popen(line, env=environment, stdout=log, stderr=log)

    def kill(self, address: str) -> None:
        process = self._running.pop(address)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for address in list(self._running):
            self.kill(address)

    def ask(self, address: str, *command: str, user: str = "tester", word: str = "tester") -> str:
        port = PORT if address in SERVERS else SENTINEL_PORT
        who = ["--user", user, "--pass", word, "--no-auth-warning"]
        line = ["redis-cli", "--tls", "--cacert", str(self.ca), "-h", address, "-p", str(port), *who, *command]
        answer = run(line)
        return (answer.stdout or answer.stderr).strip()

    def primary(self) -> str:
        """As a sentinel says, once two of them agree that they could choose another."""
        return self.ask(SENTINELS[0], "sentinel", "get-master-addr-by-name", "vtgw").split("\n")[0]

    def replicas(self, address: str) -> int:
        """How many copies this server has that are up to date."""
        return self.ask(address, "info", "replication").count("state=online")

    def whole(self) -> bool:
        primary = self.primary()
        return (
            primary in SERVERS
            and self.replicas(primary) == 2
            and "num-slaves\n2" in self.ask(SENTINELS[0], "sentinel", "master", "vtgw")
            and all(self.ask(one, "sentinel", "ckquorum", "vtgw").startswith("OK 3") for one in SENTINELS)
        )


@contextmanager
def redis_group(folder: Path) -> Iterator[Group]:
    group = Group(folder)
    try:
        for address in (*SERVERS, *SENTINELS):
            group.start(address)
        until(group.whole, 30)
        yield group
    finally:
        group.stop()
