"""A session as a value. States that depend on time are computed from stored instants, never stored as flags."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.clocks import SKEW
from gateway.identity import Assurance, Method, Proof, Space


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long a session lives (R143): from its opening, and from its last request."""

    absolute: timedelta = timedelta(hours=4)
    idle: timedelta = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in. ``digest`` names it in the store; the ticket itself lives only in the browser's cookie."""

    digest: str
    account: str
    space: Space
    proofs: tuple[Proof, ...]
    opened_at: datetime
    seen_at: datetime
    lifetimes: Lifetimes
    reference: str  # pseudonymous reference given to backends (``sid``)
    acting_under: str | None = None
    logout_hint: str | None = None  # sealed id_token for the provider's sign-out (R44)
    agent: str = ""  # browser and system in a few words, for the person's own list of sessions
    address: str = ""  # where it was opened from, likewise

    @property
    def ends_at(self) -> datetime:
        """The absolute end: own limit, or the end of the newest proof if that comes first (R43)."""
        own = self.opened_at + self.lifetimes.absolute
        until = self.proof.until
        return own if until is None else min(own, until)

    def ended(self, now: datetime) -> bool:
        return now >= self.ends_at

    def idle(self, now: datetime) -> bool:
        return now >= self.seen_at + self.lifetimes.idle

    @property
    def proof(self) -> Proof:
        """The proof that speaks: the strongest, the newest of equals."""
        return max(self.proofs, key=lambda proof: (proof.assurance, proof.at))

    @property
    def method(self) -> Method:
        return self.proof.method

    @property
    def assurance(self) -> Assurance:
        return self.proof.assurance

    def fresh(self, now: datetime, max_age: timedelta, least: Assurance) -> bool:
        """Whether a proof of at least this level is at most this old (R96, R4). A remembered second factor is not one,
        and neither is a proof from the future, further than clocks differ: a clock set back makes nothing fresh."""
        return any(
            proof.assurance >= least and -SKEW <= now - proof.at <= max_age and not proof.remembered
            for proof in self.proofs
        )
