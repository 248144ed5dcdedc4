"""Addresses of PostgreSQL as libpq and SQLAlchemy write them."""

from __future__ import annotations

import pytest

from gateway.database_url import parse

S = "postgresql+psycopg://"


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        (f"{S}u@h1:5432,h2:5433/db", (("h1", "5432"), ("h2", "5433"))),
        (f"{S}u@h1,h2/db?sslmode=verify-full", (("h1", ""), ("h2", ""))),
        (f"{S}u@/db?host=h1:5432&host=h2:5433", (("h1", "5432"), ("h2", "5433"))),
        (f"{S}u@/db?host=h1,h2&port=5432,5433", (("h1", "5432"), ("h2", "5433"))),
        (f"{S}u@/db?host=h1&host=h2&port=5433", (("h1", "5433"), ("h2", "5433"))),
        (f"{S}u@[::1]:5432,[2001:db8::2]/db", (("::1", "5432"), ("2001:db8::2", ""))),
        (f"{S}u@/db?host=2001:db8::2&port=5433", (("2001:db8::2", "5433"),)),
        (f"{S}u@%2Frun%2Fpostgresql/db", (("/run/postgresql", ""),)),
        (f"{S}/db?host=/run/postgresql", (("/run/postgresql", ""),)),
        (f"{S}/db", (("", ""),)),
    ],
)
def test_hosts(url: str, hosts: tuple[tuple[str, str], ...]) -> None:
    """Both ways to write several servers, ports with them or apart, sockets, and no host at all."""
    found = parse(url)
    assert found.hosts == hosts
    assert found.parameters["dbname"] == "db"


def test_what_else_stands_there() -> None:
    """Escapes are undone, a password may hold anything, and other parameters are libpq's."""
    found = parse(f"{S}vt:p%40ss%2F%3A@h1/d%20b?sslmode=verify-full&options=-c%20geqo%3Doff&connect_timeout=")
    assert dict(found.parameters) == {
        "user": "vt",
        "password": "p@ss/:",
        "dbname": "d b",
        "sslmode": "verify-full",
        "options": "-c geqo=off",
    }


def test_where_it_is_really_connected_to() -> None:
    """An address given beside the name wins: it is what must be near for TLS to be left out."""
    assert parse(f"{S}u@localhost/db").reached == ("localhost",)
    assert parse(f"{S}u@localhost/db?hostaddr=192.0.2.1").reached == ("192.0.2.1",)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://u@h/db", "starts with"),
        (f"{S}u:secret@h1/db?host=h2", "not in both"),
        (f"{S}u:secret@h1:1,h2:2/db?port=3", "not in both"),
        (f"{S}u:secret@h1,h2/db?port=1,2,3", "one for each host"),
        (f"{S}u:secret@h1:port/db", "a port is a number"),
        (f"{S}u:secret@h1:70000/db", "a port is a number"),
        (f"{S}u:secret@/db?host=[::1", "brackets"),
    ],
)
def test_what_is_wrong_is_told_without_the_password(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as error:
        parse(url)
    assert "secret" not in str(error.value)
