"""An account as a value, and its standing, computed from stored instants (R97)."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.identity import Identity, NationalId, Space, plain


class Standing(StrEnum):
    """What an account may do now."""

    OPEN = "open"
    DORMANT = "dormant"
    SUSPENDED = "suspended"
    CLOSED = "closed"  # erased on the person's request: only a pseudonym is left (R104)


class Origin(StrEnum):
    """How the account came to be: at a strong sign-in, by a référent, or by import (R79)."""

    STRONG = "strong"
    REFERENT = "referent"
    IMPORT = "import"


class Role(StrEnum):
    """What somebody looks after, the widest first (R87, R100)."""

    NATIONAL = "national"
    REGION = "region"
    REFERENT = "referent"


@dataclass(frozen=True, slots=True)
class Grant:
    """A role over a scope and all that lies below it."""

    role: Role
    scope: str


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
    closed_at: datetime | None = None
    reactivated_at: datetime | None = None  # woken by a référent (R97)
    warned_at: datetime | None = None
    memory_void_at: datetime | None = None
    password_must_change: bool = False
    mail_shared: bool = False  # the address belongs to another account too (R99)
    charter_version: str | None = None
    charter_at: datetime | None = None
    scopes: tuple[str, ...] = ()
    grants: tuple[Grant, ...] = ()
    stated_profession: str | None = None  # in the person's own words (R113): shown, never forwarded
    version: int = 1

    @property
    def identity(self) -> Identity:
        """The person as the account knows them, for proofs that bring no identity of their own."""
        national = self.national_id or NationalId("raw", self.id)
        return Identity(national, self.family_name, self.given_name, self.profession, self.specialty)

    @property
    def login(self) -> str:
        """What the person types, as password managers and applications should file it; empty when there is none."""
        if self.national_id is not None:
            return self.national_id.text
        return self.logins[0].removeprefix("u:") if self.logins else ""

    @property
    def awake_at(self) -> datetime:
        """The last sign of life: sign-in, creation, or being woken by a référent (R97)."""
        return max(one for one in (self.created_at, self.last_sign_in_at, self.reactivated_at) if one is not None)

    @property
    def void(self) -> str:
        """Changes with every act that ends what browsers remember and what is half-way; empty before the first one.

        Compared for equality: which of two machines' clocks is ahead plays no part."""
        return self.memory_void_at.isoformat() if self.memory_void_at else ""

    def standing(self, now: datetime, dormancy: timedelta) -> Standing:
        """Closed or suspended by a person, dormant by time, otherwise open."""
        if self.closed_at is not None:  # whatever the clock says: set back, it opens nothing (S2)
            return Standing.CLOSED
        if self.suspended_at is not None:
            return Standing.SUSPENDED
        if now - self.awake_at > dormancy:
            return Standing.DORMANT
        return Standing.OPEN

    @property
    def strong_first(self) -> bool:
        """Whether a card or Pro Santé Connect has to come before a password may open this account (R79): nobody who
        knows the person made it. A référent does, and so does an import that says where in an establishment they work."""
        placed = self.origin is Origin.IMPORT and self.space is Space.PROFESSIONNEL and bool(self.scopes)
        return self.first_strong_at is None and self.origin is not Origin.REFERENT and not placed

    def named_generically(self, words: Collection[str]) -> bool:
        """Whether the name is a service's and no person's (R98). ``words`` are upper case, without accents."""
        return any(word in words for word in re.split(r"[^A-Z0-9]+", plain(f"{self.family_name} {self.given_name}")))
