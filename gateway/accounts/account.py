"""An account as a value, and its standing, computed from stored instants (R97)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.identity import NationalId, Space


class Standing(StrEnum):
    """What an account may do now."""

    OPEN = "open"
    DORMANT = "dormant"
    SUSPENDED = "suspended"


class Origin(StrEnum):
    """How the account came to be: at a strong sign-in, by a référent, or by import (R79)."""

    STRONG = "strong"
    REFERENT = "referent"
    IMPORT = "import"


@dataclass(frozen=True, slots=True)
class Account:
    """What is remembered of one person. ``version`` guards concurrent changes."""

    id: str
    national_id: NationalId | None
    logins: tuple[str, ...]  # canonical login keys, see identity.Login
    family_name: str
    given_name: str
    profession: str | None
    specialty: str | None
    mail: str | None
    phone: str | None  # E.164
    origin: Origin
    space: Space
    created_at: datetime
    mail_proved_at: datetime | None = None
    phone_proved_at: datetime | None = None
    address: str | None = None
    postal_code: str | None = None
    city: str | None = None
    password_hash: str | None = None
    password_set_at: datetime | None = None
    first_strong_at: datetime | None = None
    last_sign_in_at: datetime | None = None
    last_method: str | None = None
    last_channel: str | None = None
    suspended_at: datetime | None = None
    charter_version: str | None = None
    charter_at: datetime | None = None
    scopes: tuple[str, ...] = ()
    version: int = 1

    def standing(self, now: datetime, dormancy: timedelta) -> Standing:
        """Suspended by a person, dormant by time, otherwise open."""
        if self.suspended_at is not None and self.suspended_at <= now:
            return Standing.SUSPENDED
        if now - (self.last_sign_in_at or self.created_at) > dormancy:
            return Standing.DORMANT
        return Standing.OPEN
