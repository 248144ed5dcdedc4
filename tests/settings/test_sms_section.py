"""The [sms] section: each sender complete, nothing secret in the open, templates that can be escaped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.edges.sms import COUNTRIES, SmsAccess
from gateway.settings import Secret
from gateway.settings.load import load
from gateway.settings.sms import SmsSection
from tests.smallest import SMALLEST

SECRET = Secret("s3cret")
OVH = {
    "sender": "ovh",
    "from": "ViaTraject",
    "application_key": "app",
    "application_secret": SECRET,
    "consumer_key": SECRET,
    "service": "sms-ab12345-1",
}
HTTP2 = {"sender": "http2sms", "from": "ViaTraject", "account": "sms-a-1", "login": "vt", "password": SECRET}
GENERIC = {"sender": "generic_http", "url": "https://sms.test/messages"}


def fault(values: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        SmsSection.model_validate(values)
    (error,) = caught.value.errors()
    assert "s3cret" not in str(error)
    return str(error["msg"])


@pytest.mark.parametrize("values", [OVH, HTTP2, GENERIC, {"sender": "file", "file": "sms.jsonl"}])
def test_every_sender_says_what_it_needs(values: dict[str, Any]) -> None:
    """A sender with its keys is accepted; without one of them the fault names that key."""
    assert SmsSection.model_validate(values).sender == values["sender"]
    for key in values.keys() - {"sender"}:
        told = fault({name: value for name, value in values.items() if name != key})
        assert f"sms.sender = {values['sender']} needs sms.{key}" in told


def test_t4_addresses_are_tls_and_bare() -> None:
    """A service over a network is https; one with fixed parameters takes its address without any."""
    for values in (OVH, HTTP2, GENERIC):
        assert "https://" in fault({**values, "url": "http://sms.test/"})
        assert SmsSection.model_validate({**values, "url": "http://127.0.0.1:8080/x"}).url == "http://127.0.0.1:8080/x"
    assert "bare address" in fault({**HTTP2, "url": "https://sms.test/?password=x"})
    assert "user name" in fault({**GENERIC, "url": "https://a:b@sms.test/"})
    assert "percent" in fault({**GENERIC, "url": "https://sms.test/é"})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"body": '{"to": {to}, "text": "{text}"}'}, "inside quotes"),
        ({"body": "not json {to} {text}"}, "inside quotes"),
        ({"body": '{"text": "{text}"}'}, "must hold {to} and {text}"),
        ({"method": "GET"}, "must hold {to} and {text}"),
        ({"method": "GET", "body": "{to}{text}"}, "takes no sms.body"),
        ({"body": '{"to": "{to}", "text": "{text}", "x": "{message}"}'}, "{message} is not known"),
        ({"body": '{"to": "{to}", "text": "{text}", "x": "{token}"}'}, "needs sms.token_file"),
        ({"body": '{"to": "{to}", "text": "{text}", "x": "{sender}"}'}, "needs sms.from"),
        ({"url": "https://{to}.test/"}, "after the host"),
        ({"url": "https://sms.test/?k={token}"}, "never {token}"),
        ({"headers": {"Authorization": "Bearer abc"}}, "stands in sms.token_file"),
        ({"headers": {"X-Api-Key": "abc"}}, "stands in sms.token_file"),
        ({"headers": {"Host": "x"}}, "each name once"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "each name once"),
        ({"headers": {"Content-Type": "text/xml"}}, "content-type"),
        ({"headers": {"X-A": "1\r\nX-B: 2"}}, "pattern"),
        ({"headers": {"X A": "1"}}, "pattern"),
        ({"success_path": "status"}, "come together"),
        ({"success_value": 0}, "come together"),
        ({"success_status": [302]}, "less than or equal to 299"),
        ({"countries": ["+33", "33"]}, "pattern"),
        ({"countries": []}, "at least 1"),
        ({"from": "ViaTrajectoire"}, "pattern"),
        ({"password": "in the open"}, "never from the configuration text"),
    ],
)
def test_generic_http_faults_are_told_at_start(change: dict[str, Any], told: str) -> None:
    """A template that could not be filled, or a secret in the open, is refused before anybody signs in."""
    assert told in fault({**GENERIC, **change})


def test_the_documented_examples_are_accepted(tmp_path: Path) -> None:
    """The templates shown in config/gateway.toml are accepted as they stand, with every value read."""
    text = (Path(__file__).parents[2] / "config/gateway.toml").read_text()
    block = text[text.index("\n[sms]\n") : text.index("\n[session]\n")]
    keys = [line[1:] for line in block.splitlines() if line.startswith("#") and not line.startswith("# ")]
    for name in ("application_secret", "consumer_key", "password", "token"):
        file = tmp_path / next(line.split('"')[1] for line in keys if line.startswith(f"{name}_file"))
        file.parent.mkdir(exist_ok=True)
        file.write_text("s3cret\n")
    for sender in ("ovh", "http2sms", "generic_http", "file"):
        lines = [f'sender = "{sender}"' if line.startswith("sender ") else line for line in keys]
        if sender in ("ovh", "http2sms"):
            lines = [line for line in lines if not line.startswith("url ")]
        path = tmp_path / "gateway.toml"
        path.write_text(SMALLEST + "[sms]\n" + "\n".join(lines) + "\n")
        sms = load(path, {"GATEWAY_SMS__TOKEN": "other"}).sms
        assert (sms.sender, sms.from_, sms.success_value) == (sender, "ViaTraject", "accepted")
        assert sms.token is not None
        assert sms.token.reveal() == "other"
        assert sms.application_secret is not None
        assert "s3cret" not in repr(sms)


def test_defaults_agree_with_the_sender() -> None:
    """What the settings allow when nothing is said is what the sender allows when nothing is said."""
    values, access = SmsSection(), SmsAccess("none")
    assert values.countries == COUNTRIES == access.countries
    assert (values.timeout, values.method, values.success_status) == (access.timeout, access.method, ())
