"""Real servers for the tests, started from the installed programs on free ports of 127.0.0.1."""

from __future__ import annotations

import atexit
import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import psycopg
import pytest


def free_port() -> int:
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """So many different ones."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def program(name: str, package: str, *elsewhere: Path) -> str:
    """The path of a program; without it the test is skipped, or fails with CI=true."""
    found = shutil.which(name) or next((str(path / name) for path in elsewhere if (path / name).exists()), None)
    if found is None:
        message = f"{name} is not installed (Debian package {package})"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


def wait_for_port(port: int, process: subprocess.Popen[bytes], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        assert process.poll() is None, f"the server ended with {process.returncode}"
        time.sleep(0.05)
    raise AssertionError("the server does not answer")


class RedisServer:
    """A redis-server that can be stopped, paused and started again."""

    def __init__(self, folder: Path) -> None:
        self._program = program("redis-server", "redis-server")
        self._folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [self._program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for_port(self.port, self.process)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    server = RedisServer(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _demote() -> None:
    user = pwd.getpwnam("postgres")
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)


class PostgresServer:
    """A PostgreSQL of its own, with trust for this machine; run as the user postgres when we are root."""

    def __init__(self, folder: Path) -> None:
        homes = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        self._initdb = program("initdb", "postgresql", *homes)
        self._postgres = program("postgres", "postgresql", *homes)
        self._data = folder / "data"
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self._as_root = os.geteuid() == 0
        if self._as_root:
            for part in (folder, *folder.parents):  # pytest makes its folders for its owner alone
                if part.stat().st_uid == 0 and part != Path("/") and str(part).startswith("/tmp/"):
                    part.chmod(0o755)
            shutil.chown(folder, "postgres")

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        """A copy of what was made once: initdb takes seconds of a processor."""
        subprocess.run(["cp", "-a", str(_initialised(self._initdb, os.getpid())), str(self._data)], check=True)
        self.start()

    def start(self, *more: str) -> None:
        """``more``: options of the command line. It returns when the server lets somebody in."""
        options = ["-p", str(self.port), "-h", "127.0.0.1", "-k", "", "-F", *more]
        self.process = self._run([self._postgres, "-D", str(self._data), *options])
        wait_for_port(self.port, self.process)
        deadline = time.monotonic() + 20
        while True:  # it listens before it is ready
            try:
                psycopg.connect(self.url.replace("+psycopg", ""), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "the server lets nobody in"
                time.sleep(0.05)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def kill(self) -> None:
        assert self.process is not None
        subprocess.run(["pkill", "-KILL", "-P", str(self.process.pid)], check=False)
        self.process.kill()
        self.process.wait()
        self.process = None

    def _run(self, line: list[str]) -> subprocess.Popen[bytes]:
        return _as_postgres(line)


def _as_postgres(line: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        line,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        preexec_fn=_demote if os.geteuid() == 0 else None,
    )


@cache
def _initialised(initdb: str, process: int) -> Path:
    """The folder of a server that never ran; of this process."""
    folder = Path(tempfile.mkdtemp(prefix=f"postgres-{process}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    data = folder / "data"
    assert _as_postgres([initdb, "-D", str(data), "-U", "postgres", "--auth=trust", "-E", "UTF8", "-N"]).wait() == 0
    return data


@contextlib.contextmanager
def postgres_server(folder: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(folder)
    server.create()
    try:
        yield server
    finally:
        server.stop()
