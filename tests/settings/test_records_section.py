"""``[records]``: which addresses are taken, and TLS for every server that is not on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.settings import SettingsError, load
from tests.smallest import SMALLEST

S = "postgresql+psycopg://vt:hidden@"


def faults(tmp_path: Path, lines: str) -> list[str]:
    path = tmp_path / "gateway.toml"
    path.write_text(f"{SMALLEST}\n[records]\n{lines}\n")
    try:
        load(path, {})
    except SettingsError as error:
        return error.faults
    return []


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////var/lib/vt-gateway/records.db",
        f"{S}127.0.0.1:5432,[::1]:5433,localhost/vt",
        f"{S}/vt?host=/run/postgresql",
        "postgresql+psycopg:///vt",
        f"{S}db1.example.fr:5432,db2.example.fr:5432/vt?sslmode=verify-full&sslrootcert=system",
        f"{S}/vt?host=db1.example.fr:5432&host=db2.example.fr:5432&sslmode=verify-full",
    ],
)
def test_addresses_that_are_taken(tmp_path: Path, url: str) -> None:
    assert faults(tmp_path, f'url = "{url}"\npool = 20') == []


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://vt@localhost/vt", "starts with"),
        (f"{S}db.example.fr/vt", "sslmode=verify-full"),
        (f"{S}localhost,db.example.fr/vt", "sslmode=verify-full"),
        (f"{S}/vt?host=localhost&host=db.example.fr", "sslmode=verify-full"),
        (f"{S}localhost/vt?hostaddr=192.0.2.1", "sslmode=verify-full"),
        (f"{S}db.example.fr/vt?sslmode=require", "sslmode=verify-full"),
        (f"{S}db.example.fr:x/vt?sslmode=verify-full", "a port is a number"),
    ],
)
def test_t4_addresses_that_are_refused(tmp_path: Path, url: str, why: str) -> None:
    """In clear or unchecked over a network, for any of the servers; the fault does not show the password."""
    (fault,) = faults(tmp_path, f'url = "{url}"')
    assert fault.split(": ")[1] == "records"
    assert why in fault
    assert "hidden" not in fault
