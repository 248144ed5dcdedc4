"""Groups of real Redis servers on free ports of 127.0.0.1: with TLS and a user, watched by Sentinel, as a Cluster.

They keep nothing on disk and are quick to fail over. Each can be killed, paused and started again by its place.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import redis
from redis.exceptions import RedisError

from tests.servers import free_port, program

HOST = "127.0.0.1"
SERVICE = "vtgw"
PASSWORD = "tested-secret"


def until(true: Callable[[], object], seconds: float = 20, what: str = "") -> None:
    """Wait until something is true; a server that does not answer yet is no failure."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(RedisError, OSError):
            if true():
                return
        assert time.monotonic() < deadline, f"not in {seconds} s: {what or true}"
        time.sleep(0.03)


class One:
    """A redis-server or a sentinel: its port, its process, and how it is started again."""

    def __init__(self, folder: Path, options: Sequence[str], *, sentinel: bool = False) -> None:
        self._program = program("redis-server", "redis-server")
        self.port = free_port()
        self.folder = folder / str(self.port)
        self.folder.mkdir(parents=True)
        self.options = list(options)
        self._sentinel = sentinel
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def place(self) -> tuple[str, int]:
        return HOST, self.port

    def start(self, *more: str) -> None:
        line = ["--port", str(self.port), "--bind", HOST, "--dir", str(self.folder), "--save", "", *self.options, *more]
        if self._sentinel:
            config = self.folder / "sentinel.conf"
            if not config.exists():
                config.write_text(
                    f"port {self.port}\nbind {HOST}\ndir {self.folder}\n" + "\n".join(self.options) + "\n"
                )
            line = [str(config), "--sentinel"]
        self.process = subprocess.Popen([self._program, *line], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def pause(self) -> None:
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def console(self) -> redis.Redis:
        """An operator's connection; one for each question, so that it survives restarts."""
        return redis.Redis(HOST, self.port, socket_timeout=3, decode_responses=True)

    def ask(self, *command: str | int) -> object:
        with contextlib.closing(self.console()) as console:
            return console.execute_command(*command)

    def is_up(self) -> bool:
        return self.ask("PING") in (True, "PONG")

    def role(self) -> str:
        role = self.ask("ROLE")
        return str(role[0]) if isinstance(role, list) else ""


class Group:
    """What is common to several: whatever was started is stopped."""

    def __init__(self) -> None:
        self.servers: list[One] = []
        self.sentinels: list[One] = []

    def stop(self) -> None:
        for one in (*self.servers, *self.sentinels):
            one.kill()

    def at(self, port: int) -> One:
        return next(one for one in (*self.servers, *self.sentinels) if one.port == port)


class SentinelGroup(Group):
    """A primary, two replicas and three sentinels. ``server`` is the one that was primary first."""

    def __init__(self, folder: Path, *, down_after: int = 500) -> None:
        super().__init__()
        self.server = first = One(folder, ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"])
        copies = [One(folder, [*first.options, "--replicaof", f"{HOST} {first.port}"]) for _ in range(2)]
        self.servers = [first, *copies]
        watch = [
            f"sentinel monitor {SERVICE} {HOST} {first.port} 2",
            f"sentinel down-after-milliseconds {SERVICE} {down_after}",
            f"sentinel failover-timeout {SERVICE} 3000",
            f"sentinel parallel-syncs {SERVICE} 2",
        ]
        self.sentinels = [One(folder, watch, sentinel=True) for _ in range(3)]

    @property
    def url(self) -> str:
        places = ",".join(f"{HOST}:{one.port}" for one in self.sentinels)
        return f"redis+sentinel://{places}/{SERVICE}/0"

    def start(self) -> None:
        for one in self.servers:
            one.start()
        for one in self.servers:
            until(one.is_up)
        until(lambda: _copies(self.server) == 2)  # sentinels look at once, and then every 10 s only
        for one in self.sentinels:
            one.start()
        until(self.is_whole, 30, "the group is whole")

    def primary(self) -> One:
        """As most sentinels say."""
        said: list[int] = []
        for one in self.sentinels:
            with contextlib.suppress(RedisError, OSError):
                where = one.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
                if isinstance(where, list | tuple):
                    said.append(int(where[1]))
        return self.at(max(said, key=said.count))

    def replicas(self) -> int:
        """How many copies the primary has that are up to date."""
        return _copies(self.primary())

    def is_whole(self) -> bool:
        """All servers are there, and every sentinel knows all of them."""
        for one in self.sentinels:
            told = one.ask("SENTINEL", "MASTER", SERVICE)
            assert isinstance(told, dict)
            if (told["flags"], told["num-slaves"], told["num-other-sentinels"]) != ("master", "2", "2"):
                return False
        return self.replicas() == 2

    def start_again(self, one: One) -> None:
        """What comes back is a replica of whoever is primary now."""
        one.start("--replicaof", f"{HOST} {self.primary().port}")
        until(self.is_whole, 30, "the group is whole again")


def _copies(primary: One) -> int:
    return str(primary.ask("INFO", "replication")).count("'state': 'online'")


@contextlib.contextmanager
def sentinel_group(folder: Path, *, down_after: int = 500) -> Iterator[SentinelGroup]:
    group = SentinelGroup(folder, down_after=down_after)
    try:
        group.start()
        yield group
    finally:
        group.stop()


class ClusterGroup(Group):
    """Three primaries with a replica each, the first with a second one: so when it dies, the new primary has a replica.
    ``servers``: the primaries that were first, then their replicas, then the second one."""

    def __init__(self, folder: Path, *, node_timeout: int = 1000) -> None:
        super().__init__()
        options = [
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            str(node_timeout),
            "--repl-diskless-sync-delay",
            "0",
        ]
        options += ["--cluster-replica-validity-factor", "0", "--repl-ping-replica-period", "1"]
        for _ in range(7):
            one = One(folder, options)
            one.options += ["--cluster-port", str(free_port())]  # by itself it would be beyond the highest port
            self.servers.append(one)

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"{HOST}:{one.port}" for one in self.servers[:3])

    def start(self) -> None:
        for one in self.servers:
            one.start()
        for one in self.servers:
            until(one.is_up)
        first, *others = self.servers
        for one in others:
            first.ask("CLUSTER", "MEET", HOST, one.port, one.options[-1])
        until(lambda: all(len(self.nodes(one)) == 7 for one in self.servers), what="all know all")
        for number, one in enumerate(self.servers[:3]):
            last = 16383 if number == 2 else 5461 * (number + 1) - 1
            one.ask("CLUSTER", "ADDSLOTSRANGE", 5461 * number, last)
        for primary, copy in zip((*self.servers[:3], first), self.servers[3:], strict=True):
            until(lambda primary=primary, copy=copy: copy.ask("CLUSTER", "REPLICATE", self.id_of(primary)))
        until(self.is_whole, 30, "the cluster is whole")

    def nodes(self, one: One) -> dict[int, list[str]]:
        """As this one sees them: port → the fields of CLUSTER NODES."""
        with contextlib.closing(one.console()) as console:
            console.response_callbacks.pop("CLUSTER NODES", None)
            lines = [line.split() for line in str(console.execute_command("CLUSTER NODES")).splitlines()]
        return {int(fields[1].split("@")[0].rsplit(":")[-1]): fields for fields in lines}

    def id_of(self, one: One) -> str:
        return str(one.ask("CLUSTER", "MYID"))

    def primaries(self) -> list[One]:
        return [one for one in self.servers if one.process is not None and one.role() == "master"]

    def owner(self, slot: int) -> One:
        """Of this slot, as a living node sees it."""
        for one in self.servers:
            with contextlib.suppress(RedisError, OSError, AssertionError):
                for port, fields in self.nodes(one).items():
                    for part in fields[8:]:
                        low, _, high = part.partition("-")
                        if "fail" not in fields[2] and low.isdigit() and int(low) <= slot <= int(high or low):
                            return self.at(port)
        raise AssertionError("nobody owns the slot")

    def is_whole(self) -> bool:
        living = [one for one in self.servers if one.process is not None]
        states = [str(one.ask("CLUSTER", "INFO")) for one in living]
        healthy = all("'cluster_state': 'ok'" in state or "cluster_state:ok" in state for state in states)
        return healthy and all(_copies(one) >= 1 for one in self.primaries()) and len(self.primaries()) == 3

    def start_again(self, one: One) -> None:
        """It remembers its cluster, and comes back as a replica if its slots are others' now."""
        one.start()
        until(self.is_whole, 30, "the cluster is whole again")


@contextlib.contextmanager
def cluster_group(folder: Path, *, node_timeout: int = 1000) -> Iterator[ClusterGroup]:
    group = ClusterGroup(folder, node_timeout=node_timeout)
    try:
        group.start()
        yield group
    finally:
        group.stop()
