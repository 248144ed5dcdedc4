"""A code as it is kept, what the policy asks of codes, and how a destination is shown. Values alone.

Never the digits: a keyed hash, where it went (a digest), until when, how often sent and how often mistyped.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from gateway import texts

MARK = timedelta(hours=9)  # how long a code is kept: longer than the longest lives, so that a used one stays used
NOBODY = "nobody:"


@dataclass(frozen=True, slots=True)
class CodePolicy:
    """What the policy of this person's scopes asks now."""

    strong: bool
    validity: timedelta = timedelta(seconds=600)
    channels: tuple[str, ...] = ("mail",)
    memory: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class CodeSettings:
    """The deployment's own numbers."""

    digits: int = 6
    max_wrong: int = 5
    resend_delay: timedelta = timedelta(seconds=30)
    max_sends_per_attempt: int = 3
    max_sends_per_day: int = 20
    prove_mail_first: bool = False  # account.verify_mail = strict (R19)
    blocked_names: frozenset[str] = frozenset()  # accounts named after a service get no code (R98)
    allow_mssante: bool = False
    hide_destination: bool = False  # login.uniform_failure: the page must not tell a right password from a wrong one
    usual: CodePolicy = field(default_factory=lambda: CodePolicy(True))  # for identifiers that open nothing
    zone: ZoneInfo = texts.PARIS


@dataclass(frozen=True, slots=True)
class Code:
    """A pending code, as stored: never the digits."""

    digest: str
    channel: str
    ends: float
    sent: float
    sends: int
    wrong: int = 0
    state: str = "pending"  # pending | used | dead
    sent_to: str = ""  # digest of the address it went to

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def read(cls, raw: bytes | None) -> Code | None:
        return None if raw is None else cls(**json.loads(raw))


def destination_of(address: str | None) -> str:
    """Where a code went, as it is kept with the code."""
    return hashlib.sha256((address or "").encode()).hexdigest()[:16]


def is_nobody(account_id: str) -> bool:
    """Whether this stands for an identifier that opens nothing (R81)."""
    return account_id.startswith(NOBODY)


def mask_mail(address: str) -> str:
    """First letter of the mailbox and of the domain (R66): « c•••@e•••.fr »."""
    local, _, domain = address.rpartition("@")
    name, _, top = domain.rpartition(".")
    return f"{local[:1]}•••@{name[:1]}•••.{top}"


def mask_phone(number: str) -> str:
    """The last two digits only (R66)."""
    return f"•• •• •• •• {number[-2:]}"


def place_of(browser: str, account_id: str, channel: str) -> str:
    """Mail and SMS share a place, so that a new code voids the one before whatever its way (R71)."""
    return f"code:{browser[:32]}:{account_id}" + (":totp" if channel == "totp" else "")


def alive(code: Code | None, now: datetime) -> bool:
    return code is not None and code.state == "pending" and now < instant(code.ends)


def instant(stamp: float) -> datetime:
    return datetime.fromtimestamp(stamp, UTC)
