"""A PostgreSQL over TLS, checked as ``sslmode=verify-full`` says: authority and name."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.edges.database import Database
from gateway.reasons import RecordsUnavailable
from tests.postgres_servers import Server, one_server
from tests.redis_tls import authority, certificate


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    ours = authority(folder, "ca")
    authority(folder, "other")
    certificate(folder, "server", ours, "localhost")
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("tls")
    with one_server(folder) as made:
        for name in ("server.pem", "server.key"):
            shutil.copyfile(keys / name, folder / "data" / name)
            (folder / "data" / name).chmod(0o600)
            made.own(folder / "data" / name)
        made.stop()
        made.start("-c", "ssl=on", "-c", "ssl_cert_file=server.pem", "-c", "ssl_key_file=server.key")
        yield made


def address(server: Server, keys: Path, *, host: str = "localhost", ca: str = "ca") -> str:
    return (
        f"postgresql+psycopg://postgres@{host}:{server.port}/postgres"
        f"?sslmode=verify-full&sslrootcert={keys / f'{ca}.pem'}"
    )


async def test_the_connection_is_encrypted(server: Server, keys: Path) -> None:
    database = Database(address(server, keys))
    (row,) = await database.read(sa.text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
    assert row["ssl"] is True
    await database.close()


@pytest.mark.parametrize("wrong", [{"ca": "other"}, {"host": "127.0.0.1"}])
async def test_another_authority_or_another_name_is_refused(server: Server, keys: Path, wrong: dict[str, str]) -> None:
    """Nothing is asked over such a connection."""
    database = Database(address(server, keys, **wrong))
    with pytest.raises(RecordsUnavailable, match="certificate"):
        await database.count("accounts", {})
    await database.close()
