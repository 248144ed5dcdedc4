"""The questions of administrators that need sums and joins over many rows, as one port beside ``Records``.

``reach`` is the tuple of path tops somebody sees (``policy.rights.Reach.paths``): rows outside it do not exist for the
answer. All methods raise ``RecordsUnavailable``. Instants are UTC and aware.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from gateway.ports import Row

# What may stand in somebody's way when strong authentication comes (R88, R98, R99). The order of reports.
CATEGORIES = (
    "no_mail", "unproved_mail", "shared_mail", "generic_mailbox", "generic_name", "duplicate", "dormant", "never_strong",
    "no_national_id", "suspended",
)  # fmt: skip
STOPS = ("no_mail", "shared_mail", "dormant", "suspended")  # of those, what keeps a code from anybody


# Kinds of scopes that have sums of their own in the daily statistics, over everything at or below them.
ROLLED = ("nation", "region", "departement")
# Counted once a day for each of them, as things stood; all other measures are events of the day.
SNAPSHOTS = ("people", "ready", "never_strong", "dormant", "shared_mail", "scopes", "scopes_strong")


@dataclass(frozen=True, slots=True)
class Measure:
    """What the counts depend on: the instant, how long an account stays awake, and the words that are no person's
    (upper case without accents) and no person's mailbox (lower case, the part before @); ``prove_first``: whether codes go
    to proved addresses alone (``account.verify_mail = "strict"``), and not to any, which the first code proves."""

    now: datetime
    dormancy: timedelta
    generic_names: tuple[str, ...]
    generic_mailboxes: tuple[str, ...]
    prove_first: bool = False


@dataclass(frozen=True, slots=True)
class Readiness:
    """``people``: accounts that are not closed, each once however many scopes they have; ``ready``: those in none of
    ``STOPS`` and, with ``prove_first``, with an address or a mobile that is proved; ``counts`` by category."""

    people: int
    ready: int
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class AccountQuery:
    """``text``: the beginnings of words of the names, a login, or a mail address; ``category`` one of ``CATEGORIES``, or
    ``ready``; ``scope_path``: only people attached at or below this path; ``after``: the cursor of the page before.

    The order is that of ``search``, then ``id``. With a text, whoever has exactly this login or address comes first,
    then those whose family name begins with its first word, then the others."""

    reach: tuple[str, ...]
    text: str = ""
    category: str = ""
    scope_path: str = ""
    after: str = ""
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Page:
    """``cursor`` is empty on the last page."""

    rows: Sequence[Row]
    cursor: str


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Newest first. ``scope``: one scope; ``scope_path``: at or below; ``before``: only rows with a smaller ``seq``;
    ``since`` ≤ at < ``until``."""

    reach: tuple[str, ...]
    scope: str = ""
    scope_path: str = ""
    account: str = ""
    acts: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class DelegationQuery:
    """In the order of ids. ``account``: given or received by this one; ``state``: a word of ``delegation.State``;
    ``after``: the id of the last one of the page before."""

    reach: tuple[str, ...]
    account: str = ""
    state: str = ""
    after: str = ""
    limit: int = 50


class Overview(Protocol):
    """Answered by the database itself, in bounded time on 500 000 accounts and 100 000 scopes."""

    async def people(self, scope_ids: Sequence[str]) -> Mapping[str, int]:
        """How many accounts that are not closed are attached to each of these scopes or below it, each once a scope.
        Numbers above 5 000 may be a minute old."""

    async def accounts(self, query: AccountQuery, measure: Measure) -> Page:
        """Rows of ``accounts`` (all columns but the password hash) with one more column for each category (0 or 1) and
        ``ready``. National reach also finds people without any scope. ``LookupError`` for an unknown category."""

    async def readiness(self, reach: Sequence[str], measure: Measure) -> Readiness:
        """The exact counts of the report for these path tops (R88).

        ``duplicate``: another account that is not closed has the same ``search`` and belongs to the same place within
        these tops: the same scope, or services of one establishment, or an establishment and its service."""

    async def readiness_each(self, tops: Mapping[str, str], measure: Measure) -> Mapping[str, Readiness]:
        """By key, usually the id of a scope, what ``readiness`` says of its one path top; all from one question. Who has
        several of the scopes counts in each of them, and duplicates are judged within each."""

    async def statistics(self, reach: Sequence[str], since: str, until: str) -> Sequence[Row]:
        """Daily sums within reach, ``since`` ≤ day ≤ ``until`` (2026-03-02): rows of ``day``, ``measure``, ``count``.

        Events of a person are counted once at every scope of a ``ROLLED`` kind, once for the nation, and once for each
        scope the person belongs to otherwise. ``SNAPSHOTS`` exist for ``ROLLED`` kinds alone."""

    async def by_region(self, reach: Sequence[str], since: str, until: str) -> Sequence[Row]:
        """The same summed over the days, by region: rows of ``scope_id`` (the region), ``measure``, ``count``. Of the
        ``SNAPSHOTS`` it is the newest. Who sees a part of a region finds that part under the region's id."""

    async def audit(self, query: AuditQuery) -> Sequence[Row]:
        """Rows of ``audit`` within reach: a row that names a scope belongs there, one that names none belongs to the
        scopes of its account, and what is neither is for those who see everything."""

    async def signs(self, acts: Sequence[str], since: datetime, until: datetime, session: str = "") -> Sequence[Row]:
        """Rows of ``audit`` of these acts with ``since`` ≤ at < ``until`` whose facts name a session, newest first;
        with ``session`` (12 hexadecimal digits) only those that name this one. Found by time: the caller says a short
        one."""

    async def delegations(self, query: DelegationQuery, now: datetime) -> Sequence[Row]:
        """Rows of ``delegations`` whose doctor or delegate is attached within reach, each once; a delegate is known by
        account, or by national identifier as long as no account is (R122). States are those at ``now``."""

    async def places(self, account_ids: Sequence[str], reach: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """By account, the ids of the scopes within reach that it is attached to; of at most some hundred accounts."""


class DayBook(Protocol):
    """Where the sums of days are written. Methods raise ``RecordsUnavailable``."""

    async def events(self, day: str, begin: datetime, end: datetime) -> None:
        """Compute the sums of what happened from ``begin`` to before ``end`` anew, as those of ``day``."""

    async def days(self, since: str, until: str) -> set[str]:
        """Which days from ``since`` to ``until`` have sums of events."""

    async def has_snapshot(self, day: str) -> bool:
        """Whether things were counted on that day."""

    async def snapshot(self, day: str, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Write what was counted: by scope id (``""`` for everything) the numbers of ``SNAPSHOTS``."""

    async def forget(self, before: str, most: int) -> int:
        """Remove up to ``most`` sums of days before this one, the oldest first; how many went."""
