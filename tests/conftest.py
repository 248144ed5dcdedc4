"""Fixtures that rooms of every floor share: one PostgreSQL for the whole run, and a database on either engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.blank import Blank
from tests.servers import PostgresServer, postgres_server


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """Never stopped by a test: who needs one to stop starts their own."""
    with postgres_server(tmp_path_factory.mktemp("postgres")) as server:
        yield server


ENGINES = ["sqlite", "postgresql"]


@pytest.fixture(scope="session")
def sqlite_blank(tmp_path_factory: pytest.TempPathFactory) -> Blank:
    return Blank(tmp_path_factory.mktemp("sqlite"), None)


@pytest.fixture(scope="session")
def postgres_blank(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> Blank:
    return Blank(tmp_path_factory.mktemp("postgres_blank"), postgres)


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest) -> str:
    """A database of its own with today's schema and no rows, once on each engine."""
    return _blank(request).migrated()


@pytest.fixture(params=ENGINES)
def empty_url(request: pytest.FixtureRequest) -> str:
    """A database of its own without any table, once on each engine."""
    return _blank(request).empty()


def _blank(request: pytest.FixtureRequest) -> Blank:
    blank: Blank = request.getfixturevalue("sqlite_blank" if request.param == "sqlite" else "postgres_blank")
    return blank
