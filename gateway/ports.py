"""The narrow openings to the outside world. Each has two implementations from the first day.

Error contracts are part of a port: whatever fails outside, callers see only the errors named here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from gateway.audit import Record


class Ambient(Protocol):
    """This machine: its clock and its chance. Read once at each entrance; everything inward takes ``now``."""

    def now(self) -> datetime:
        """The present instant, UTC and aware."""

    def monotonic(self) -> float:
        """Seconds that never go back; only for durations."""

    def token(self, size: int = 32) -> str:
        """``size`` random bytes from the system, as unpadded base64url."""

    def digits(self, count: int) -> str:
        """``count`` uniformly random decimal digits, leading zeros kept (R63)."""


class Store(Protocol):
    """Short-lived shared state in three verbs. Every method raises ``StoreUnavailable`` and nothing else.

    Keys are ASCII text up to 200 characters, values bytes up to 64 KiB. An expired key is absent at its very instant,
    judged by the clock the store was given. A value once written is seen by every later read of every worker.
    """

    async def read(self, *keys: str) -> tuple[bytes | None, ...]:
        """The values of the keys, in order; ``None`` for what is absent."""

    async def write(self, key: str, value: bytes, ttl: timedelta) -> None:
        """Set the key whatever it held."""

    async def swap(self, key: str, old: bytes | None, new: bytes | None, ttl: timedelta | None = None) -> bool:
        """Compare and set, atomic among all workers: only if the key holds ``old`` (``None``: is absent) make it
        ``new`` (``None``: absent). ``ttl`` is needed when ``new`` is not ``None``. True when it was done."""

    async def close(self) -> None:
        """Let go of files and connections; never raises."""


class Bus(Protocol):
    """A word to all workers: what was cached may have changed. Lossy by contract; the 5 s cache age is the floor."""

    async def publish(self, message: str) -> None:
        """Tell every worker, this one included. Raises ``StoreUnavailable``."""

    def listen(self, heard: Callable[[str], None]) -> None:
        """Call ``heard`` in the event loop for each message; registered once, before ``start``."""


Value = str | int | float | bool | datetime | None


@dataclass(frozen=True, slots=True)
class Span:
    """As the value of a condition: ``after`` ≤ column < ``before``; ``None`` leaves that side open.

    An absent column value lies in no span. Texts are ordered as ``order`` orders them, so that a walk through a table
    can go on where it stopped.
    """

    after: datetime | str | int | None = None
    before: datetime | str | int | None = None


Where = Mapping[str, Value | Span | Sequence[Value]]


@dataclass(frozen=True, slots=True)
class Insert:
    """A new row. A value that must be unique and is not raises ``Taken``."""

    table: str
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Update:
    """New values for exactly one row; none or several matching rows raise ``Stale`` and undo the whole write."""

    table: str
    values: Mapping[str, Value]
    where: Where


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the matching rows, none included. Many rows are removed a few at a time, by keys found with a limit."""

    table: str
    where: Where


@dataclass(frozen=True, slots=True)
class Find:
    """One question, as ``Records.find`` takes it."""

    table: str
    where: Where
    order: Sequence[str] = ()
    limit: int | None = None


Change = Insert | Update | Delete
Row = Mapping[str, Value]


class Hold(Protocol):
    """Being the only one who does something, as long as it lasts."""

    async def lost(self) -> None:
        """Returns when it is lost: from then on another may do the same."""


class Alone(Protocol):
    """Who does something alone, among all workers and machines of one database."""

    def alone(self, name: str) -> AbstractAsyncContextManager[Hold | None]:
        """Within it nobody else has the same name; ``None`` when somebody has it already. It never waits for them. Raises
        ``RecordsUnavailable`` on entering."""


class Records(Alone, Protocol):
    """Durable rows. Methods raise ``RecordsUnavailable``; ``write`` also ``Taken`` and ``Stale``.

    Tables and columns are those of ``edges.database``; an unknown name is a programming error (``LookupError``).
    Instants come back UTC and aware whatever the engine.
    """

    async def find(
        self,
        table: str,
        where: Where,
        *,
        order: Sequence[str] = (),
        limit: int | None = None,
    ) -> tuple[Row, ...]:
        """Rows whose columns equal the values (a sequence: one of them; a span: within). ``-column`` in ``order`` sorts
        downwards."""

    async def find_all(self, *questions: Find) -> tuple[tuple[Row, ...], ...]:
        """The rows of several questions, one after the other on one connection: what belongs together costs one turn."""

    async def count(self, table: str, where: Where) -> int:
        """How many rows ``find`` would find."""

    async def write(self, *changes: Change) -> None:
        """All changes in one transaction, in order, or none; durable when it returns."""

    async def amend(self, table: str, where: Where, compose: Callable[[Row | None], Sequence[Change]]) -> None:
        """Read the one row that matches and write what ``compose`` makes of it, in one transaction.

        From the reading on nobody else amends that row, whichever worker or machine; they wait. Without a row
        ``compose`` gets ``None`` and nothing is held: two that insert it race, and the second raises ``Taken``. What
        ``compose`` raises undoes everything and comes out."""

    async def close(self) -> None:
        """Let go of the connections; never raises."""


@dataclass(frozen=True, slots=True)
class Message:
    """One text to one recipient. ``html`` only for mail. ``deadline``: of no use after this instant."""

    to: str
    subject: str
    text: str
    html: str | None
    kind: str
    correlation: str
    deadline: datetime


class Sender(Protocol):
    """A way to reach a person. Raises ``SenderFailed`` when the message was not accepted for delivery."""

    async def send(self, message: Message) -> str:
        """Hand the message over; returns the receipt (the other side's id, for the log)."""

    async def close(self) -> None:
        """Let go of connections; never raises."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A physician as the national directory lists them. Codes are bare (``10``, ``SM54``); ``places`` are pairs of
    postal code and town, where they practise."""

    rpps: str
    family_name: str
    given_name: str
    profession: str
    specialty: str = ""  # code of the savoir-faire
    specialty_name: str = ""
    places: tuple[tuple[str, str], ...] = ()
    active: bool = True


class Directory(Protocol):
    """The national directory of professionals (Annuaire Santé). Methods raise ``DirectoryUnavailable``."""

    async def search(self, name: str, postal_code: str = "", *, limit: int = 50) -> tuple[Sequence[Listed], bool]:
        """Active physicians whose names begin with the words typed (family and given names in any order, accents,
        hyphens and particles ignored), of places whose postal code begins so; in the order of names. The second value:
        whether there are more than ``limit``."""

    async def by_rpps(self, rpps: str) -> Listed | None:
        """Who has this number, active or not; ``None`` when nobody has."""

    async def close(self) -> None:
        """Let go of files and connections; never raises."""


class Signer(Protocol):
    """An ES256 key: a file, or a device."""

    @property
    def kid(self) -> str:
        """Key id: the RFC 7638 thumbprint."""

    @property
    def public_jwk(self) -> Mapping[str, str]:
        """The public half as a JWK, with ``kid``, ``use`` and ``alg``."""

    async def sign(self, data: bytes) -> bytes:
        """The raw r‖s signature (64 bytes) of SHA-256(data). Raises ``KeyUnavailable``."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a certificate's revocation. ``revoked`` is ``None`` when nobody knows; ``why`` says why."""

    revoked: bool | None
    why: str = ""


class RevocationView(Protocol):
    """What is known of revoked certificates at this moment; answers from memory and never waits."""

    def status(self, authority: str, serial: int, now: datetime) -> Standing:
        """The standing of a serial number under the authority of this name (``providers.certificates.Authority``)."""


class Audit(Protocol):
    """Where acts are written before they take effect. Raises ``RecordsUnavailable``: then the act must not happen."""

    async def record(self, record: Record) -> None:
        """Write durably, and log one line."""
