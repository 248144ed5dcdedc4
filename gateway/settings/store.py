"""``[store]``: where sessions, attempts, codes and counters live."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from gateway import redis_url
from gateway.redis_url import Shape
from gateway.settings.kinds import SecretValue, Section, is_loopback

_OF_REDIS = (
    "username",
    "password",
    "ca",
    "certificate",
    "key",
    "replicas",
    "sentinel_username",
    "sentinel_password",
)


class StoreSection(Section):
    url: str = ""
    username: str = ""
    password: SecretValue | None = None
    sentinel_username: str = ""
    sentinel_password: SecretValue | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    replicas: Annotated[int, Field(ge=0, le=10)] | None = None

    @model_validator(mode="after")
    def _known(self) -> StoreSection:
        if self.url.startswith(redis_url.SCHEMES):
            self._redis()
            return self
        if self.url and not self.url.startswith(("sqlite:///", "memory://")):
            raise ValueError(
                f"store.url starts with sqlite:///, memory://, {', '.join(redis_url.SCHEMES[:-1])} or {redis_url.SCHEMES[-1]}"
            )
        for name in _OF_REDIS:
            if getattr(self, name) not in ("", None):
                raise ValueError(f"store.{name} is only for Redis, and store.url is none of its addresses")
        return self

    def _redis(self) -> None:
        try:
            address = redis_url.parse(self.url)
        except ValueError as error:
            raise ValueError(f"store.url: {error}") from None  # the cause would show what may hold a password
        far = [host for host, _ in address.hosts if not is_loopback(host)]
        if far and not address.tls:
            how = "rediss://" if address.shape is Shape.SINGLE else "?tls=true"
            raise ValueError(f"a store over a network needs TLS ({how}): {', '.join(far)}")
        if (self.certificate is None) != (self.key is None):
            raise ValueError("store.certificate and store.key come together")
        if not address.tls and (self.ca is not None or self.certificate is not None):
            raise ValueError("store.ca, certificate and key are for TLS, and store.url is in clear")
        if self.password is not None and address.password:
            raise ValueError("the password of the store is given twice: in store.url and in store.password")
        if self.username and address.username:
            raise ValueError("the user of the store is given twice: in store.url and in store.username")
        if (self.username or address.username) and not (self.password or address.password):
            raise ValueError("a user of the store needs a password (store.password_file)")
        if address.shape is not Shape.SENTINEL and (self.sentinel_username or self.sentinel_password):
            raise ValueError("store.sentinel_username and sentinel_password are only for redis+sentinel://")
        if self.sentinel_username and not self.sentinel_password:
            raise ValueError("store.sentinel_username needs store.sentinel_password_file")
