"""Fixtures that rooms of every floor share: one PostgreSQL for the whole run, and an empty database on either engine."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import PostgresServer, free_port, postgres_server


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """Never stopped by a test: who needs one to stop starts their own."""
    with postgres_server(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of its own, once on each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'records.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"test_{free_port()}_{time.monotonic_ns()}"
    subprocess.run(
        ["psql", "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "-qc", f"CREATE DATABASE {name}"],
        check=True,
    )
    return server.url.rpartition("/")[0] + "/" + name
