"""``[store]``: every address of Redis that is accepted, and what is said of those that are not."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from subprocess import run

import pytest

from gateway.deployment import store_access
from gateway.settings import SettingsError, load
from tests.smallest import SMALLEST


def faults(tmp_path: Path, store: str, **environ: str) -> list[str]:
    path = tmp_path / "gateway.toml"
    path.write_text(SMALLEST + f"[store]\n{store}\n")
    for name in ("ca.pem", "own.pem", "own.key"):
        (tmp_path / name).touch()
    (tmp_path / "password").write_text("very-secret\n")
    try:
        load(path, environ)
    except SettingsError as error:
        return error.faults
    return []


TLS = 'ca = "ca.pem"\ncertificate = "own.pem"\nkey = "own.key"\nusername = "vt"\npassword_file = "password"'


@pytest.mark.parametrize(
    "store",
    [
        'url = "redis://127.0.0.1:6399/0"',
        'url = "redis://localhost"',
        'url = "redis://[::1]:6399/3"',
        f'url = "rediss://redis.example.fr/0"\n{TLS}',
        'url = "rediss://vt:secret@redis.example.fr:6379/0"\nreplicas = 1',
        'url = "redis+sentinel://127.0.0.1:1,127.0.0.1:2,127.0.0.1:3/vtgw/0"\nreplicas = 0',
        f'url = "redis+sentinel://s1.fr,s2.fr,s3.fr/vtgw/0?tls=true"\n{TLS}\nsentinel_password_file = "password"',
        f'url = "redis+cluster://r1.fr,r2.fr:7000,[2001:db8::1]:7000?tls=true"\n{TLS}',
    ],
)
def test_every_shape_is_accepted(tmp_path: Path, store: str) -> None:
    """One server, Sentinel and Cluster, in clear on loopback and with TLS over a network."""
    assert faults(tmp_path, store) == []


@pytest.mark.parametrize(
    ("store", "said"),
    [
        ('url = "mysql://x"', "store.url starts with sqlite:///, memory://, redis://"),
        ('url = "rediss+sentinel://h/s/0"', "store.url starts with"),
        ('url = "redis://redis.example.fr:6379/0"', "needs TLS (rediss://): redis.example.fr"),
        ('url = "redis+sentinel://127.0.0.1:1,s2.fr:2/vtgw/0"', "needs TLS (?tls=true): s2.fr"),
        ('url = "redis+cluster://r1.fr:1?tls=false"', "needs TLS (?tls=true): r1.fr"),
        ('url = "redis+cluster://r1.fr:1?tls=yes"', "tls is true or false"),
        ('url = "redis+sentinel://127.0.0.1:1"', "names the service"),
        ('url = "redis+cluster://127.0.0.1:1/4"', "only the database 0"),
        ('url = "redis://127.0.0.1:1,127.0.0.1:2/0"', "names one host"),
        ('url = "redis+cluster://127.0.0.1:1,127.0.0.1:1"', "twice"),
        ('url = "redis://127.0.0.1:66000"', "a port is a number"),
        ('url = "redis://127.0.0.1:1/db"', "the database is a number"),
        ('url = "redis://::1:6399"', "an IPv6 address stands in brackets"),
        ('url = "redis://u:p#w@127.0.0.1 /0"', "a host is a name or an address"),
        ('url = "rediss://r.fr?ssl_cert_reqs=none"', "'ssl_cert_reqs' is not known"),
        ('url = "redis://127.0.0.1?ssl_ca_certs=/x"', "in clear"),
        ('url = "redis://127.0.0.1"\nca = "ca.pem"', "store.url is in clear"),
        ('url = "rediss://r.fr"\ncertificate = "own.pem"', "come together"),
        ('url = "redis://u:very-secret@127.0.0.1"\npassword_file = "password"', "given twice"),
        ('url = "redis://u@127.0.0.1"', "needs a password"),
        ('url = "redis://127.0.0.1"\nusername = "u"', "needs a password"),
        ('url = "redis://127.0.0.1"\nsentinel_username = "u"', "only for redis+sentinel://"),
        ('url = "redis+sentinel://127.0.0.1/s"\nsentinel_username = "u"', "needs store.sentinel_password_file"),
        ('url = "memory://"\nreplicas = 1', "store.replicas is only for Redis"),
        ('password_file = "password"', "store.password is only for Redis"),
        ('url = "redis://127.0.0.1"\npassword = "very-secret"', "a secret comes from a file"),
        ('url = "redis://127.0.0.1"\nreplicas = -1', "greater than or equal to 0"),
        ('url = "rediss://r.fr"\nca = "none.pem"', "does not exist"),
        ('url = "redis://127.0.0.1"\npassword_file = "none"', "cannot be read"),
    ],
)
def test_bad_addresses_are_told(tmp_path: Path, store: str, said: str) -> None:
    """Each with what is wrong, under its section, and without the password."""
    (fault,) = faults(tmp_path, store)
    assert ": store" in fault
    assert said in fault
    assert "very-secret" not in fault and "p#w" not in fault


def test_secrets_come_from_files_or_the_environment(tmp_path: Path) -> None:
    """And arrive where connections are made; the settings do not show them."""
    path = tmp_path / "gateway.toml"
    path.write_text(SMALLEST + '[store]\nurl = "redis+sentinel://127.0.0.1/s"\nusername = "u"\npassword_file = "one"\n')
    (tmp_path / "one").write_text("first-secret\n")
    (tmp_path / "two").write_text("second-secret\n")
    settings = load(path, {"GATEWAY_STORE__SENTINEL_PASSWORD_FILE": str(tmp_path / "two")})
    access = store_access(settings)
    assert (access.username, access.password, access.sentinel_password) == ("u", "first-secret", "second-secret")
    assert access.replicas is None
    assert "-secret" not in repr(settings) + repr(access)


def test_check_lists_bad_addresses_and_bad_files(tmp_path: Path) -> None:
    """`vt-gateway check` tells an operator, before anything is started."""
    path = tmp_path / "gateway.toml"
    for store, said in (
        ('url = "redis+cluster://r1.fr"', "needs TLS"),
        ('url = "rediss://r1.fr"\nca = "ca.pem"', "store.ca, certificate, key: "),
    ):
        path.write_text(SMALLEST + f"[store]\n{store}\n")
        (tmp_path / "ca.pem").write_text("no certificate")
        done = run(
            [sys.executable, "-m", "gateway", "check", "--config", path, "--json"], capture_output=True, timeout=60
        )
        (fault,) = json.loads(done.stdout)
        assert done.returncode == 78
        assert said in fault
