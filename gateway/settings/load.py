"""Reading the configuration: defaults < file < environment, secrets from files, all faults listed together.

* ``GATEWAY_SECTION__KEY`` sets ``[section] key`` (deeper: one more ``__``; values are TOML, or plain text).
* A secret is given as ``key_file = "path"`` in the file, or as ``GATEWAY_SECTION__KEY`` / ``…_FILE`` in the environment.
* Relative paths are relative to the file they are written in.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from gateway.settings.kinds import is_address
from gateway.settings.model import Settings
from gateway.settings.secret import Secret

_ENV = "GATEWAY_"
_NOT_SETTINGS = ("GATEWAY_CONFIG", "GATEWAY_TEST_")


class SettingsError(Exception):
    """The configuration cannot be used. ``faults`` holds one line per fault: file, key, what is wrong."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def load(path: Path, environ: Mapping[str, str] | None = None, text: str | None = None) -> Settings:
    """The settings of this file under this environment; raises ``SettingsError`` with every fault at once.

    ``text``: what stood in the file when it was read before; otherwise it is read now."""
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text("utf-8") if text is None else text)
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: is not TOML: {error}"]) from error
    origins: dict[tuple[str, ...], str] = {}
    faults = _overlay(data, environ or {}, origins)
    _secrets(Settings, data, path.parent, (), origins, faults)
    _absolute(Settings, data, path.parent.resolve())
    settings: Settings | None = None
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        told = error.errors(include_url=False, include_input=False, include_context=False)
        for one in told:
            key = tuple(str(part) for part in one["loc"])
            if one["type"] == "too_short" and any(
                other["loc"][: len(key)] == one["loc"] != other["loc"] for other in told
            ):
                continue  # only because an item of the list is wrong, which is told by itself
            where = next((origins[key[:n]] for n in range(len(key), 0, -1) if key[:n] in origins), str(path))
            faults.append(f"{where}: {_dotted(key)}: {_sentence(one['type'], one['msg'])}")
    if settings is not None:
        faults += [f"{path}: {fault}" for fault in _together(settings)]
    if faults or settings is None:
        raise SettingsError(faults)
    return settings


def _overlay(data: dict[str, Any], environ: Mapping[str, str], origins: dict[tuple[str, ...], str]) -> list[str]:
    faults: list[str] = []
    for name in sorted(environ):
        if not name.startswith(_ENV) or name.startswith(_NOT_SETTINGS):
            continue
        parts = tuple(part.lower() for part in name.removeprefix(_ENV).split("__"))
        if len(parts) < 2 or not all(parts):
            faults.append(f"environment {name}: is not GATEWAY_SECTION__KEY")
            continue
        here: Any = data
        for part in parts[:-1]:
            here = here.setdefault(part, {}) if isinstance(here, dict) else None
        if not isinstance(here, dict):
            faults.append(f"environment {name}: {_dotted(parts[:-1])} is not a section")
            continue
        here[parts[-1]] = environ[name] if _is_secret(parts) else _value(environ[name])
        if _is_secret(parts):
            here[parts[-1]] = Secret(environ[name])
        origins[parts] = f"environment {name}"
    return faults


def _value(text: str) -> Any:
    """A TOML value if it is one, otherwise the text as it stands."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _is_secret(parts: tuple[str, ...]) -> bool:
    model: type[BaseModel] | None = Settings
    for part in parts[:-1]:
        info = model.model_fields.get(part) if model else None
        model = _model_of(info) if info else None
    info = model.model_fields.get(parts[-1]) if model else None
    return info is not None and _holds(info, Secret)


def _holds(info: FieldInfo, kind: type) -> bool:
    def walk(annotation: Any) -> bool:
        return annotation is kind or any(walk(part) for part in get_args(annotation))

    return walk(info.annotation)


def _model_of(info: FieldInfo) -> type[BaseModel] | None:
    def walk(annotation: Any) -> type[BaseModel] | None:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            return annotation
        return next((found for part in get_args(annotation) if (found := walk(part)) is not None), None)

    return walk(info.annotation)


def _secrets(
    model: type[BaseModel],
    data: dict[str, Any],
    base: Path,
    where: tuple[str, ...],
    origins: dict[tuple[str, ...], str],
    faults: list[str],
) -> None:
    """Replace each ``key_file`` of a secret by the secret in it; only the path may stand in the configuration."""
    for name, info in model.model_fields.items():
        if _holds(info, Secret):
            given = data.pop(f"{name}_file", None)
            if given is None or isinstance(data.get(name), Secret):  # given by the environment, which wins
                continue
            source = origins.get((*where, f"{name}_file"), "")
            try:
                data[name] = Secret((base / str(given)).read_text("utf-8").rstrip("\r\n"))
            except (OSError, UnicodeDecodeError) as error:
                faults.append(
                    f"{source or base}: {_dotted((*where, name + '_file'))}: {given} cannot be read ({error})"
                )
                continue
            if not data[name].reveal():
                faults.append(f"{source or base}: {_dotted((*where, name + '_file'))}: {given} is empty")
        elif (inner := _model_of(info)) is not None and isinstance(data.get(name), dict):
            if getattr(info.annotation, "__origin__", None) is dict:
                for key, value in data[name].items():
                    if isinstance(value, dict):
                        _secrets(inner, value, base, (*where, name, key), origins, faults)
            else:
                _secrets(inner, data[name], base, (*where, name), origins, faults)


def _absolute(model: type[BaseModel], data: dict[str, Any], base: Path) -> None:
    """Relative paths become absolute, counted from the folder of the configuration file."""
    for name, info in model.model_fields.items():
        key = info.alias or name
        value = data.get(key)
        if value is None:
            continue
        if _holds(info, Path):
            data[key] = [base / str(one) for one in value] if isinstance(value, list) else base / str(value)
        elif key in ("key", "previous", "crl") and model.__name__ in ("AssertionSection", "CardSection"):
            data[key] = [_file(one, base) for one in value] if isinstance(value, list) else _file(value, base)
        elif key == "url" and isinstance(value, str) and value.startswith("sqlite:///"):
            data[key] = "sqlite:///" + str(base / value.removeprefix("sqlite:///"))
        elif (inner := _model_of(info)) is not None:
            inside = value.values() if getattr(info.annotation, "__origin__", None) is dict else (value,)
            for one in value if isinstance(value, list) else inside:
                if isinstance(one, dict):
                    _absolute(inner, one, base)


def _file(text: Any, base: Path) -> Any:
    return (
        "file:" + str(base / text.removeprefix("file:")) if isinstance(text, str) and text.startswith("file:") else text
    )


def _together(settings: Settings) -> list[str]:
    """What no section can see alone."""
    faults: list[str] = []
    for number, route in enumerate(settings.routes):
        if route.backend not in settings.backends:
            faults.append(f"routes.{number}.backend: no [backends.{route.backend}] is configured")
    if "pages" in settings.backends:
        faults.append("backends.pages: this name is the gateway's own")
    methods = {*settings.methods.liberal, *settings.methods.etablissement}
    if settings.card is not None and settings.listen.card is None and not settings.forwarded.trusted:
        faults.append("card: needs [listen.card], or a TLS terminator listed in forwarded.trusted")
    if settings.listen.card is not None and settings.card is None:
        faults.append("listen.card: needs a [card] section with card.trust")
    if settings.card is not None and not settings.gateway.card_url:
        faults.append("gateway.card_url: needed when [card] is configured")
    if "password" in methods and settings.smtp is None and "mail" in settings.otp.channels:
        faults.append("smtp: needed to send codes by mail (methods include password)")
    if "sms" in settings.otp.channels and settings.sms.sender == "none":
        faults.append("sms.sender: needed because otp.channels includes sms")
    if "passkey" in methods and is_address(urlsplit(settings.gateway.public_url).hostname or ""):
        faults.append("methods: passkeys need a host name in gateway.public_url, not an address")
    if settings.gateway.workers > 1 and settings.store.url.startswith("memory://"):
        faults.append("store.url: memory:// is one process's own, and gateway.workers are several")
    if settings.session.idle > settings.session.absolute:
        faults.append("session.idle: longer than session.absolute")
    if (
        settings.card is not None
        and settings.card.environment == "test"
        and "esw.esante" in settings.gateway.public_url
    ):
        faults.append("card.environment: test cards are refused on a production address")
    known = [region.id for region in settings.regions]
    if len(set(known)) < len(known):
        faults.append("regions.id: each region has one of its own")
    if settings.ui.region and settings.ui.region not in known:
        faults.append(f"ui.region: there is no region {settings.ui.region}")
    for path, key in _files(settings):
        if not path.is_file():
            faults.append(f"{key}: {path} does not exist or is not a file")
    return faults


def _files(settings: Settings) -> list[tuple[Path, str]]:
    found: list[tuple[Path, str]] = []
    for name in ("public", "card"):
        listener = getattr(settings.listen, name)
        if listener is not None and listener.certificate is not None and listener.key is not None:
            found += [(listener.certificate, f"listen.{name}.certificate"), (listener.key, f"listen.{name}.key")]
    if settings.card is not None:
        found += [(path, "card.trust") for path in settings.card.trust]
    if settings.psc is not None and settings.psc.ca is not None:
        found.append((settings.psc.ca, "psc.ca"))
    for name in ("ca", "certificate", "key"):
        if (path := getattr(settings.store, name)) is not None:
            found.append((path, f"store.{name}"))
    if settings.directory.ca is not None:
        found.append((settings.directory.ca, "directory.ca"))
    if settings.charter.file is not None:
        found.append((settings.charter.file, "charter.file"))
    found += [(region.logo, f"regions.{region.id}.logo") for region in settings.regions if region.logo is not None]
    keys = (settings.assertion.key, *settings.assertion.previous)
    found += [(Path(key.removeprefix("file:")), "assertion.key") for key in keys if key]
    if settings.secrets.key_file is not None:
        found.append((settings.secrets.key_file, "secrets.key_file"))
    return found


def _dotted(parts: tuple[str, ...]) -> str:
    return ".".join(parts)


def _sentence(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "unknown key"
    if kind == "missing":
        return "required"
    return message.removeprefix("Value error, ")
