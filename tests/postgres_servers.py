"""PostgreSQL servers of which one follows the other, and what may happen to them: killed, paused, promoted, demoted, full."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from bench.process_tree import children
from tests.servers import PostgresServer, program

_HOMES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def until(true: Callable[[], object], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.02)


class Server(PostgresServer):
    """One server, which may become the primary or follow another."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(folder)
        self._paused: list[int] = []

    def ask(self, sentence: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url.replace("+psycopg", ""), autocommit=True, connect_timeout=5) as connection:
            found = connection.execute(sentence)  # type: ignore[call-overload]
            return list(found) if found.description else []

    def configure(self, **values: str) -> None:
        """Settings that need no restart, from now on and after the next start."""
        for name, value in values.items():
            self.ask(f"ALTER SYSTEM SET {name} = '{value}'")
        self.ask("SELECT pg_reload_conf()")
        until(lambda: all(self._shown(name) == value for name, value in values.items()), f"{values} in force")

    def _shown(self, name: str) -> object:
        return self.ask(f"SHOW {name}")[0][0]

    def follow(self, primary: PostgresServer) -> None:
        """Begin as a copy of that server, and stay one."""
        copy = program("pg_basebackup", "postgresql", *_HOMES)
        line = [copy, "-d", self._of(primary), "-D", str(self._data), "-R", "-X", "stream", "-c", "fast"]
        assert self._run(line).wait(60) == 0
        self.start()

    def become_standby(self, primary: PostgresServer) -> None:
        """Start as standby what was stopped as primary, after all it had written went to that server."""
        (self._data / "standby.signal").touch()
        with (self._data / "postgresql.auto.conf").open("a") as file:
            file.write(f"primary_conninfo = '{self._of(primary)}'\nrecovery_target_timeline = 'latest'\n")
        self.own(self._data / "standby.signal")
        self.start()

    def own(self, path: Path) -> None:
        """Give a file to whom the server runs as."""
        if self._as_root:
            shutil.chown(path, "postgres")

    def forget(self) -> None:
        shutil.rmtree(self._data)

    @staticmethod
    def _of(primary: PostgresServer) -> str:
        return f"host=127.0.0.1 port={primary.port} user=postgres"

    def promote(self) -> None:
        line = [program("pg_ctl", "postgresql", *_HOMES), "promote", "-D", str(self._data), "-w", "-t", "30"]
        assert self._run(line).wait(40) == 0

    def pause(self) -> None:
        """Every process stops where it is; the kernel goes on accepting connections and receipting bytes."""
        assert self.process is not None
        self._paused = [self.process.pid]
        os.kill(self.process.pid, signal.SIGSTOP)  # it makes no more children
        for child in children(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGSTOP)
                self._paused.append(child)

    def resume(self) -> None:
        for one in self._paused:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGCONT)
        self._paused = []

    def kill(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)
        for child in (*children(self.process.pid), self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self.process.wait()
        self.process, self._paused = None, []

    def stop(self) -> None:
        """A fast shutdown: sessions are ended, what was written goes to who follows."""
        self.resume()
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
            self.process = None


class Pair:
    """A primary and a standby that follows it; ``url`` names both, in an order that never changes."""

    def __init__(self, folder: Path) -> None:
        self.primary, self.standby = Server(folder / "first"), Server(folder / "second")
        ports = ",".join(f"127.0.0.1:{one.port}" for one in (self.primary, self.standby))
        self.url = f"postgresql+psycopg://postgres@{ports}/postgres"

    def create(self) -> None:
        self.primary.create()
        self._follow()

    def synchronous(self) -> None:
        """From now on nothing is acknowledged before the standby has it."""
        self.primary.configure(synchronous_commit="remote_apply", synchronous_standby_names="*")
        until(lambda: self._state() == [("streaming", "sync")], "a synchronous standby")

    def promote(self) -> None:
        """The standby takes over, whatever the primary does."""
        self.standby.promote()
        self.primary, self.standby = self.standby, self.primary

    def switch(self) -> None:
        """Roles are exchanged in good order."""
        self.primary.stop()
        self.promote()
        self.standby.become_standby(self.primary)
        until(self._state, "a standby that follows")

    def repair(self) -> None:
        """The standby, whatever became of it, begins again as a copy of the primary."""
        if self.standby.process is not None:
            self.standby.kill()
        self.standby.forget()
        self._follow()

    def _follow(self) -> None:
        self.standby.follow(self.primary)
        until(lambda: self._state() == [("streaming", "async")], "a standby that follows")

    def _state(self) -> list[tuple[object, ...]]:
        return self.primary.ask("SELECT state, sync_state FROM pg_stat_replication")

    def close(self) -> None:
        for server in (self.standby, self.primary):
            if server.process is not None:
                server.kill()


@contextlib.contextmanager
def postgres_pair(folder: Path) -> Iterator[Pair]:
    pair = Pair(folder)
    try:
        pair.create()
        yield pair
    finally:
        pair.close()


@contextlib.contextmanager
def one_server(folder: Path, *options: str) -> Iterator[Server]:
    """A server of its own, started with these options."""
    server = Server(folder)
    try:
        server.create()
        if options:
            server.stop()
            server.start(*options)
        yield server
    finally:
        if server.process is not None:
            server.kill()
