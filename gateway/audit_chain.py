"""The chain that the audit is: what each row's hash covers, what the head and the checkpoints say, and what is wrong
with a chain that was tampered with (R93, G2). Pure.

* The hash of a row is SHA-256 over the hash before and every column of the row, as a JSON array: no two rows share one.
* A chain begins with a hash made of a number: the first row has the next. Rows before it are older than the chain.
* The head says where the chain ends. Its MAC is made with a key that is not in the database, so that whoever takes the
  last rows away cannot write a head that fits.
* A checkpoint is signed. One of kind ``time`` says how the chain stood, one of kind ``purge`` where it begins since
  rows that were too old were removed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

COLUMNS = ("seq", "at", "act", "account", "reason", "scope", "address", "correlation", "facts")
_FORM = "vt-gateway audit 1"
_COORDINATE = 32  # bytes of one P-256 coordinate
_FAULTS_KEPT = 1000


def link(before: str, row: Mapping[str, Any]) -> str:
    """The hash of this row after the row of hash ``before``."""
    return _digest([before, *(_plain(row[name]) for name in COLUMNS)])


def genesis(seq: int) -> str:
    """The hash before the first row of a chain, which has the number ``seq + 1``."""
    return _digest([_FORM, seq])


def mac(key: bytes, seq: int, found: str) -> str:
    """What the head carries, so that nobody without the key can move it."""
    return hmac.new(key, json.dumps([_FORM, seq, found]).encode(), hashlib.sha256).hexdigest()


def vouched(key: bytes, head: Mapping[str, Any]) -> bool:
    """Whether this head was written by a holder of the key."""
    return hmac.compare_digest(mac(key, head["seq"], head["hash"]).encode(), str(head["mac"]).encode())


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """``signature``: raw r‖s of ES256 over ``statement``, as unpadded base64url."""

    seq: int
    kind: str  # time, purge
    hash: str
    at: datetime
    kid: str = ""
    signature: str = ""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Checkpoint:
        return cls(**{name: row[name] for name in cls.__slots__})

    def row(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def statement(self) -> bytes:
        """What is signed; no JWT looks like it."""
        return json.dumps([_FORM, "checkpoint", self.kind, self.seq, self.hash, _plain(self.at)]).encode()

    def signed(self, kid: str, signature: bytes) -> Checkpoint:
        text = urlsafe_b64encode(signature).rstrip(b"=").decode("ascii")
        return Checkpoint(self.seq, self.kind, self.hash, self.at, kid, text)

    def is_signed_by(self, jwk: Mapping[str, str]) -> bool:
        """Whether the holder of this P-256 key signed it."""
        try:
            raw = _bytes(self.signature)
            if len(raw) != 2 * _COORDINATE:
                return False
            x, y = (int.from_bytes(_bytes(jwk[name]), "big") for name in ("x", "y"))
            key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
            r, s = (int.from_bytes(half, "big") for half in (raw[:_COORDINATE], raw[_COORDINATE:]))
            key.verify(encode_dss_signature(r, s), self.statement, ec.ECDSA(hashes.SHA256()))
        except (InvalidSignature, ValueError):
            return False
        return True


class Wrong(StrEnum):
    """What can be wrong with a chain."""

    ALTERED = "altered"  # a row is not what was written, or the row before it is not
    MISSING = "missing"
    EXTRA = "extra"  # a row that nobody chained, or that was removed and is back
    BEGINNING = "beginning"  # the first row does not follow from where a chain begins
    RESTART = "restart"  # the head was gone, altered, or under another key: a second chain begins
    HEAD = "head"
    CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True)
class Fault:
    kind: Wrong
    seq: int
    text: str


class Examination:
    """Reads a whole chain once: ``row`` for each row in the order of ``seq``, then ``end`` with the head.

    ``keys``: public halves of the keys that may have signed, as JWKs. ``witnesses``: hashes by number that were kept
    elsewhere (the log has one line for each checkpoint). ``count`` faults were found; ``faults`` are the first of them.
    """

    def __init__(
        self,
        checkpoints: Iterable[Checkpoint],
        keys: Sequence[Mapping[str, str]],
        witnesses: Mapping[int, str] | None = None,
    ) -> None:
        self.faults: list[Fault] = []
        self.count = 0
        self.older = 0  # rows before the chain
        self.rows = 0  # rows of the chain
        self.checkpoints = 0
        self.first: int | None = None  # number of the first row of the chain
        self.last: int | None = None
        self.purged: Checkpoint | None = None
        self._hash: str | None = None  # of the last row of the chain; unknown after a gap
        self._next: int | None = None  # the number that comes next, once it is known
        self._said: dict[int, list[tuple[str, str]]] = {}  # by number, what should be there and who says so
        for one in sorted(checkpoints, key=lambda one: (one.kind, one.seq)):
            self._take(one, {key["kid"]: key for key in keys})
        for seq, found in (witnesses or {}).items():
            self._expect(seq, found, f"the witness of row {seq}")

    def _take(self, one: Checkpoint, keys: Mapping[str, Mapping[str, str]]) -> None:
        self.checkpoints += 1
        name = f"the checkpoint of row {one.seq} ({one.kind})"
        if one.kid not in keys:
            self._fault(Wrong.CHECKPOINT, one.seq, f"{name} is signed with an unknown key, {one.kid}")
        elif not one.is_signed_by(keys[one.kid]):
            self._fault(Wrong.CHECKPOINT, one.seq, f"{name} was altered: its signature does not fit")
        elif one.kind == "purge":  # in the order of their numbers: the newest stays
            self.purged = one
            self._hash, self._next = one.hash, one.seq + 1
        else:
            self._expect(one.seq, one.hash, name)

    def _expect(self, seq: int, found: str, who: str) -> None:
        self._said.setdefault(seq, []).append((found, who))

    def row(self, row: Mapping[str, Any]) -> None:
        """The next row in the order of ``seq``, all columns and ``hash``."""
        seq, stored = row["seq"], row["hash"]
        if self.purged is not None and seq <= self.purged.seq:
            self._fault(Wrong.EXTRA, seq, f"row {seq} lies before the beginning of the chain, {self.purged.seq + 1}")
            return
        if stored is None and self._next is None:
            self.older += 1
            return
        self._look_for_gap(seq)
        self._next = seq + 1
        self._compare(seq, stored)
        if stored is None:
            self._fault(Wrong.EXTRA, seq, f"row {seq} was not written by the gateway: it has no hash")
            return
        self._follow(seq, stored, row)
        self.rows += 1
        self.first = seq if self.first is None else self.first
        self.last, self._hash = seq, stored  # later rows are judged by what is there

    def _look_for_gap(self, seq: int) -> None:
        if self._next is not None and seq > self._next:
            self._missing(self._next, seq - 1)
            self._hash = None

    def _follow(self, seq: int, stored: str, row: Mapping[str, Any]) -> None:
        begins = link(genesis(seq - 1), row) == stored
        if self._hash is not None:
            if link(self._hash, row) == stored:
                return
            if begins:
                text = f"a second chain begins with row {seq}: the head was gone, altered, or under another key"
                self._fault(Wrong.RESTART, seq, text)
            else:
                self._fault(
                    Wrong.ALTERED, seq, f"row {seq} does not follow from the row before: one of them was altered"
                )
        elif self.last is None and self.purged is None and not begins:
            text = f"row {seq} does not begin a chain: rows before it are missing, or it was altered"
            self._fault(Wrong.BEGINNING, seq, text)

    def _compare(self, seq: int, stored: str | None) -> None:
        for found, who in self._said.pop(seq, ()):
            if found != stored:
                self._fault(Wrong.CHECKPOINT, seq, f"{who} says another hash than row {seq} has")

    def end(self, head: Mapping[str, Any] | None, key: bytes) -> None:
        """After the last row. The head must have been read after the rows."""
        self._end_of_rows(head, key)
        for seq, said in sorted(self._said.items()):
            if self.purged is not None and seq <= self.purged.seq:
                self._compare_purged(seq, said)
                continue
            for _, who in said:
                self._fault(Wrong.CHECKPOINT, seq, f"{who} speaks of a row that is not there")

    def _compare_purged(self, seq: int, said: Sequence[tuple[str, str]]) -> None:
        """Older ones speak of rows that were removed; one of the same row must agree."""
        if self.purged is not None and seq == self.purged.seq and any(found != self.purged.hash for found, _ in said):
            self._fault(Wrong.CHECKPOINT, seq, f"two checkpoints of row {seq} contradict each other")

    def _end_of_rows(self, head: Mapping[str, Any] | None, key: bytes) -> None:
        if head is None:
            if self.last is not None or self.purged is not None or self._said:
                self._fault(Wrong.HEAD, self.last or 0, "the head of the chain is missing")
            return
        if not vouched(key, head):
            self._fault(Wrong.HEAD, head["seq"], "the head was altered, or is under another key: its MAC does not fit")
        last, found = self.last, self._hash
        if last is None and self.purged is not None:
            last = self.purged.seq
        if last is None:
            self._fault(Wrong.MISSING, head["seq"], f"the chain has no row, and its head is at row {head['seq']}")
        elif head["seq"] > last:
            self._missing(last + 1, head["seq"])
        elif head["seq"] < last:
            text = f"the head is at row {head['seq']}, and there are rows up to {last}: it was put back, or rows were added"
            self._fault(Wrong.HEAD, head["seq"], text)
        elif head["hash"] != found:
            self._fault(Wrong.HEAD, head["seq"], f"the head says another hash than row {last} has")

    def _missing(self, first: int, last: int) -> None:
        many = f"rows {first} to {last} are missing" if last > first else f"row {first} is missing"
        self._fault(Wrong.MISSING, first, many)

    def _fault(self, kind: Wrong, seq: int, text: str) -> None:
        self.count += 1
        if len(self.faults) < _FAULTS_KEPT:
            self.faults.append(Fault(kind, seq, text))


def _digest(parts: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()


def _plain(value: object) -> object:
    return value.astimezone(UTC).isoformat(timespec="microseconds") if isinstance(value, datetime) else value


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
