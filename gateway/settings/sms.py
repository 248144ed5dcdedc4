"""[sms]: who carries codes to telephones. A sender is complete or the configuration is refused; no secret in the open."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from gateway.settings.kinds import SecretValue, Section, TlsAddress


class SmsSection(Section):
    sender: Literal["ovh", "http2sms", "generic_http", "file", "none"] = "none"
    url: TlsAddress | None = None
    from_: Annotated[
        Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9 .-]{0,10}|\+?[0-9]{3,15})$")] | None, Field(alias="from")
    ] = None
    countries: Annotated[
        tuple[Annotated[str, Field(pattern=r"^\+[1-9][0-9]{0,2}$")], ...], Field(min_length=1)
    ] = ("+33", "+262", "+590", "+594", "+596", "+508", "+687", "+689")  # fmt: skip
    application_key: str | None = None
    application_secret: SecretValue | None = None
    consumer_key: SecretValue | None = None
    service: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] | None = None
    account: str | None = None
    login: str | None = None
    password: SecretValue | None = None
    method: Literal["POST", "PUT", "GET"] = "POST"
    headers: dict[
        Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")], Annotated[str, Field(pattern=r"^[\x20-\x7e]+$")]
    ] = Field(default_factory=dict)
    body: str | None = None
    token: SecretValue | None = None
    success_status: tuple[Annotated[int, Field(ge=200, le=299)], ...] = ()
    success_path: Annotated[str, Field(min_length=1)] | None = None
    success_value: bool | int | str | None = None
    file: Path | None = None
    ca: Path | None = None
    timeout: Annotated[float, Field(gt=0, le=60)] = 10

    @model_validator(mode="after")
    def _whole(self) -> SmsSection:
        needs: dict[str, dict[str, object]] = {
            "ovh": {
                "application_key": self.application_key,
                "application_secret_file": self.application_secret,
                "consumer_key_file": self.consumer_key,
                "service": self.service,
                "from": self.from_,
            },
            "http2sms": {
                "account": self.account,
                "login": self.login,
                "password_file": self.password,
                "from": self.from_,
            },
            "generic_http": {"url": self.url},
            "file": {"file": self.file},
        }
        if missing := [f"sms.{key}" for key, value in needs.get(self.sender, {}).items() if not value]:
            raise ValueError(f"sms.sender = {self.sender} needs {', '.join(missing)}")
        if self.url is not None and not re.fullmatch(r"[\x21-\x7e]+", self.url):
            raise ValueError("sms.url: what is not plain ASCII is written in percent-encoding")
        if self.sender == "generic_http":
            self._templates()
        elif self.url is not None and ("?" in self.url or "{" in self.url):
            raise ValueError(f"sms.url of {self.sender} is the bare address of the service")
        return self

    def _templates(self) -> None:
        """The templates of generic_http: known words only, no secret in the open, and a body that can be escaped."""
        url, body = self.url or "", self.body
        given = {name.lower(): value for name, value in self.headers.items()}
        if "{" in urlsplit(url).netloc or "{token}" in url:
            raise ValueError("sms.url takes {to}, {text}, {sender} and {reference} after the host, and never {token}")
        if self.method == "GET" and body is not None:
            raise ValueError("sms.method = GET takes no sms.body: {to} and {text} stand in sms.url")
        whole = url + (body or "")
        if (body is not None or self.method == "GET") and not ("{to}" in whole and "{text}" in whole):
            raise ValueError("sms.url and sms.body together must hold {to} and {text}")
        for word in re.findall(r"\{[A-Za-z_]+\}", "\n".join((whole, *given.values()))):
            if word not in ("{to}", "{text}", "{sender}", "{reference}", "{token}"):
                raise ValueError(
                    f"sms: {word} is not known; there are {{to}}, {{text}}, {{sender}}, {{reference}}, {{token}}"
                )
            if word == "{token}" and self.token is None:
                raise ValueError("sms: {token} needs sms.token_file")
            if word == "{sender}" and not self.from_:
                raise ValueError("sms: {sender} needs sms.from")
        if len(given) < len(self.headers) or given.keys() & {
            "host",
            "content-length",
            "transfer-encoding",
            "connection",
        }:
            raise ValueError("sms.headers: each name once, and none that describes the connection")
        for name, value in given.items():
            if re.search("auth|key|token|secret|passw", name) and "{token}" not in value:
                raise ValueError(f"sms.headers.{name}: a secret stands in sms.token_file; write {{token}} in its place")
        kind = given.get("content-type", "application/json").partition(";")[0].strip().lower()
        if kind not in ("application/json", "application/x-www-form-urlencoded"):
            raise ValueError("sms.headers.content-type is application/json or application/x-www-form-urlencoded")
        if body is not None and kind == "application/json":
            try:  # a value with a quote breaks the body where a word stands outside the quotes
                json.loads(re.sub(r"\{[a-z]+\}", r'\\"', body))
            except ValueError:
                raise ValueError(
                    'sms.body is not JSON with its words inside quotes, for example {to} as "{to}"'
                ) from None
        if (self.success_path is None) != (self.success_value is None):
            raise ValueError("sms.success_path and sms.success_value come together")
