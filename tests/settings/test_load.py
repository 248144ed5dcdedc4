"""The configuration: every key known, every fault told, no secret shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.deployment import keys_of_this_machine
from gateway.settings import Secret, SettingsError, load
from tests.smallest import SMALLEST

ROOT = Path(__file__).parents[2]


def faults(tmp_path: Path, text: str, **environ: str) -> list[str]:
    path = tmp_path / "gateway.toml"
    path.write_text(text)
    try:
        load(path, environ)
    except SettingsError as error:
        return error.faults
    return []


def test_a_small_configuration_is_enough(tmp_path: Path) -> None:
    """Ten lines make a gateway; paths are relative to the file."""
    path = tmp_path / "gateway.toml"
    path.write_text(SMALLEST)
    settings = load(path)
    assert settings.gateway.state_dir == tmp_path / "state"
    assert settings.session.idle == 1800


def test_all_faults_at_once_with_file_and_key(tmp_path: Path) -> None:
    """Unknown keys, wrong values and missing files are listed together, each with its key."""
    text = SMALLEST.replace('state_dir = "state"', 'state_dir = "state"\nprefx = 1\nworkers = 0') + (
        "[otp]\ncode_validity = 28801\n[nonsense]\n[charter]\nfile = 'missing.html'\n"
    )
    found = faults(tmp_path, text.replace('backend = "vt"', 'backend = "other"'))
    keys = {line.split(": ")[1] for line in found}
    assert keys == {"gateway.prefx", "gateway.workers", "otp.code_validity", "nonsense"}
    assert all(str(tmp_path / "gateway.toml") in line for line in found)
    found = faults(
        tmp_path, SMALLEST.replace('backend = "vt"', 'backend = "other"') + "[charter]\nfile = 'missing.html'\n"
    )
    assert {line.split(": ")[1] for line in found} == {"routes.0.backend", "charter.file"}


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (("https://vt.test", "http://vt.test"), "gateway.public_url"),
        (('security = "none"', 'security = "tls"\npassword = "in the text"'), "smtp.password"),
        (('host = "127.0.0.1"', 'host = "relay.test"'), "smtp"),
        (('"/"', '"relative"'), "routes.0.path"),
        (("127.0.0.1:0", "127.0.0.1"), "listen.public.address"),
        (('class = "protected"', 'class = "open"'), "routes.0.class"),
        (('url = "http://', 'urls = ["http://a.test", "https://b.test"]\n#url = "http://'), "backends.vt"),
        (('url = "http://', 'urls = ["http://a.test"]\nurl = "http://'), "backends.vt"),
        (('url = "http://', '#url = "http://'), "backends.vt"),
    ],
)
def test_t4_unsafe_values_are_refused(tmp_path: Path, change: tuple[str, str], key: str) -> None:
    """Clear text over a network, secrets in the text and odd values each name their key."""
    (fault,) = faults(tmp_path, SMALLEST.replace(*change, 1))
    assert fault.split(": ")[1] == key
    assert "in the text" not in fault


def test_several_workers_need_a_store_they_share(tmp_path: Path) -> None:
    """memory:// is one process's own: two workers would each have their own sessions, counters and used codes."""
    memory = SMALLEST + '[store]\nurl = "memory://"\n'
    assert faults(tmp_path, memory) == []
    (fault,) = faults(tmp_path, memory, GATEWAY_GATEWAY__WORKERS="2")
    assert "store.url: memory://" in fault


@pytest.mark.parametrize(
    ("environ", "own"),
    [
        ({}, ()),
        ({"GATEWAY_STORE__URL": "memory://", "GATEWAY_RECORDS__URL": "sqlite:///x.db"}, ()),
        ({"GATEWAY_STORE__URL": "redis://127.0.0.1:6399/0"}, ("secrets.key_file", "assertion.key")),
        ({"GATEWAY_RECORDS__URL": "postgresql+psycopg://127.0.0.1/vt"}, ("secrets.key_file", "assertion.key")),
        ({"GATEWAY_STORE__URL": "redis://127.0.0.1:6399/0", "GATEWAY_SECRETS__KEY_FILE": "{}"}, ("assertion.key",)),
    ],
)
def test_keys_made_here_are_named_when_memory_is_shared(
    tmp_path: Path, environ: dict[str, str], own: tuple[str, ...]
) -> None:
    """Another machine could not read what was signed and sealed with them."""
    path, key = tmp_path / "gateway.toml", tmp_path / "key"
    path.write_text(SMALLEST)
    key.write_text("any")
    settings = load(path, {name: value.replace("{}", str(key)) for name, value in environ.items()})
    assert keys_of_this_machine(settings) == own


def test_environment_and_secret_files(tmp_path: Path) -> None:
    """The environment wins over the file; secrets come from files or the environment and never show."""
    (tmp_path / "pw").write_text("marked-secret\n")
    path = tmp_path / "gateway.toml"
    path.write_text(SMALLEST + 'username = "vt"\npassword_file = "pw"\n')
    settings = load(path, {"GATEWAY_SESSION__IDLE": "900", "GATEWAY_CONFIG": "x"})
    assert settings.session.idle == 900
    assert settings.smtp is not None and settings.smtp.password is not None
    assert settings.smtp.password.reveal() == "marked-secret"
    assert "marked-secret" not in repr(settings) + str(settings.smtp.password)
    settings = load(path, {"GATEWAY_SMTP__PASSWORD": "from-env"})
    assert settings.smtp is not None and settings.smtp.password is not None
    assert settings.smtp.password.reveal() == "from-env"
    found = faults(tmp_path, SMALLEST, GATEWAY_SESSION__NOTHING="1", GATEWAY_X="1")
    assert any("environment GATEWAY_SESSION__NOTHING" in line and "unknown key" in line for line in found)
    assert any("GATEWAY_X" in line for line in found)
    (missing,) = faults(tmp_path, SMALLEST + 'password_file = "nowhere"\n')
    assert "smtp.password_file" in missing


def test_every_key_stands_in_the_documented_file() -> None:
    """config/gateway.toml names each key of the model, and nothing that the model does not know."""
    from pydantic import BaseModel

    from gateway.settings.load import _model_of
    from gateway.settings.model import Settings

    text = (ROOT / "config/gateway.toml").read_text()
    sections: dict[str, set[str]] = {}
    here = ""
    for line in text.splitlines():
        if match := re.match(r"#?\[\[?([a-z_.]+)\]?\]", line):
            here = match[1]
            sections.setdefault(here, set())
        elif match := re.match(r"#?([a-z_0-9]+) = ", line):
            sections[here].add(match[1])

    def walk(model: type[BaseModel], where: str) -> None:
        for name, info in model.model_fields.items():
            inner = _model_of(info)
            key = info.alias or name
            if inner is not None and inner.__module__.startswith("gateway"):
                many = getattr(info.annotation, "__origin__", None) is dict
                walk(inner, f"{where}.{key}".strip(".") + (".vt" if many else ""))
            elif "Secret" in str(info.annotation):
                assert f"{key}_file" in sections[where], f"{where}.{key}_file"
            elif where not in ("listen.plain", "listen.management") or key == "address":  # in clear: no certificate
                assert key in sections.get(where, set()), f"{where}.{key}"

    walk(Settings, "")
    assert repr(Secret("x")) == "Secret(***)"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("https://VT.Test", "https://vt.test"),
        ("https://vt.test:443/", "https://vt.test"),
        ("https://vt.test:8443", "https://vt.test:8443"),
        ("http://localhost:80", "http://localhost"),
    ],
)
def test_origins_are_kept_as_browsers_write_them(tmp_path: Path, typed: str, kept: str) -> None:
    """Capitals and the usual port go, because what browsers say of their origin is compared letter by letter."""
    path = tmp_path / "gateway.toml"
    path.write_text(SMALLEST.replace("https://vt.test", typed))
    assert load(path).gateway.public_url == kept


def test_passkeys_need_a_host_name(tmp_path: Path) -> None:
    """A public address that is a number cannot have passkeys, and the start says so."""
    text = (
        SMALLEST.replace("https://vt.test", "https://127.0.0.1:8443") + '[methods]\nliberal = ["passkey", "password"]\n'
    )
    (fault,) = faults(tmp_path, text)
    assert "passkeys need a host name" in fault


def test_r148_a_longer_retention_needs_its_reason(tmp_path: Path) -> None:
    """More than a year of traces is refused without a reason, and more than three never."""
    assert faults(tmp_path, SMALLEST + "[log]\nretention_days = 700\n")
    assert not faults(
        tmp_path, SMALLEST + '[log]\nretention_days = 700\nretention_reason = "contrôle interne documenté"\n'
    )
    assert faults(tmp_path, SMALLEST + '[log]\nretention_days = 1096\nretention_reason = "x"\n')
