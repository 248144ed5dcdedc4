"""The kinds of values a configuration holds: addresses, prefixes, instants, secrets, and closed sections."""

from __future__ import annotations

import ipaddress
import os
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from gateway.settings.secret import Secret, read_secret

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
LONGEST_SESSION = 4 * 3600  # R143: the limit of PSC itself, and the national bound


def processes(value: Any) -> Any:
    """``auto``: one worker for each core this process may use."""
    return len(os.sched_getaffinity(0)) if value == "auto" else value


def is_address(host: str) -> bool:
    """Whether a host is written as an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    if host in LOOPBACK:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _web_address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an address starts with https:// and names a host")
    if parts.username or parts.password:
        raise ValueError("an address holds no user name or password")
    return text


def _tls_address(text: str) -> str:
    _web_address(text)
    parts = urlsplit(text)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ValueError("an address over a network must start with https:// (only loopback may be in clear)")
    return text


def contact(text: str) -> str:
    if text.startswith("https:"):
        _web_address(text)
        fits = re.fullmatch(r"[\x21-\x7e]+", text)
    else:
        fits = re.fullmatch(r"mailto:[\w.+-]+@[\w-]+(\.[\w-]+)+|tel:\+?[0-9][0-9.-]{1,19}", text, re.ASCII)
    if not fits:
        raise ValueError("a contact is an address that starts with https:, mailto: or tel:")
    return text


def _origin(text: str) -> str:
    parts = urlsplit(_tls_address(text))
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("an origin has no path")
    # As browsers write it (RFC 6454 §4): what Origin headers and passkeys say is compared letter by letter.
    usual = {"https": 443, "http": 80}[parts.scheme]
    host = parts.netloc.lower().removesuffix(f":{usual}")
    return f"{parts.scheme}://{host}"


def _listen_address(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("a listening address is host:port, for example 0.0.0.0:443 or [::]:443")
    return text


def _network(text: str) -> str:
    ipaddress.ip_network(text)
    return text


def _prefix(text: str) -> str:
    if (
        not text.startswith("/")
        or text.endswith("/")
        or not all(c.isascii() and (c.isalnum() or c in "/_-") for c in text)
    ):
        raise ValueError("the reserved prefix looks like /_gateway: letters, digits, - and _, no slash at the end")
    return text


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("a time zone is written like Europe/Paris or Indian/Reunion") from None
    return text


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("an instant needs its offset, for example 2026-01-01T00:00:00+01:00")
    return value.astimezone(UTC)


WebAddress = Annotated[str, AfterValidator(_web_address)]
TlsAddress = Annotated[str, AfterValidator(_tls_address)]
Origin = Annotated[str, AfterValidator(_origin)]
ListenAddress = Annotated[str, AfterValidator(_listen_address)]
Network = Annotated[str, AfterValidator(_network)]
Prefix = Annotated[str, AfterValidator(_prefix)]
Zone = Annotated[str, AfterValidator(_zone)]
SecretValue = Annotated[Secret, BeforeValidator(read_secret)]
Instant = Annotated[datetime, AfterValidator(_aware)]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
Channel = Literal["mail", "sms", "totp"]
MethodName = Literal["card", "psc", "passkey", "password"]
CardType = Literal["cps", "cpf", "cpe", "cpa"]


class Section(BaseModel):
    """Frozen, and closed: a key that is not listed is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, validate_default=False)
