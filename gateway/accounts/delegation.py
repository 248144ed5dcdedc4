"""A delegation as a value, and its life, computed from stored instants (R126): who lets whom work on their files."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """To whom rights are handed: practice staff with chosen rights (R105), or a fellow doctor with all of them (R120)."""

    ASSISTANT = "assistant"
    COLLEAGUE = "colleague"


class State(StrEnum):
    """R126. Only ``ACTIVE`` lets somebody act."""

    INVITED = "invited"
    INVITATION_EXPIRED = "invitation_expired"
    PENDING_CONFIRMATION = "pending_confirmation"
    NOT_STARTED = "not_started"
    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"

    @property
    def over(self) -> bool:
        """Whether nothing can come of it any more."""
        return self in (State.EXPIRED, State.REVOKED)


@dataclass(frozen=True, slots=True)
class Delegation:
    """``begins`` ≤ instant < ``ends``: the first instant of the first day, and the first after the last day.

    ``delegate_key`` is an IdNat_PS: of a colleague from the beginning, of staff once a card has finalised it.
    ``delegate`` is their account, as soon as there is one. ``version`` guards concurrent changes.
    """

    id: str
    number: int  # the delegator's next whenever somebody is to have something: of two at once, one finds it taken
    delegator: str  # account
    kind: Kind
    family_name: str
    given_name: str
    rights: frozenset[str]  # "module:action"; of a colleague none: theirs are all
    begins: datetime
    ends: datetime
    created_at: datetime
    delegate_key: str | None = None
    delegate: str | None = None
    mail: str | None = None
    profession: str | None = None  # as the doctor stated it; of a colleague the directory's speciality
    place: str | None = None  # of a colleague: postal code and town
    invite_digest: str | None = None  # of the link that is good now
    invite_until: datetime | None = None
    proposed: str | None = None  # account whose card did not bear the invited name (R112)
    proposed_name: str | None = None
    proposed_at: datetime | None = None
    finalised_at: datetime | None = None
    revoked_at: datetime | None = None
    revoked_by: str | None = None  # delegator, delegate, administrator, closed
    reminded: int | None = None  # days before the end that were written of last (R133)
    version: int = 1

    def state(self, now: datetime) -> State:
        """What it is at this instant."""
        if self.revoked_at is not None:  # whatever the clock says: set back, it opens nothing
            return State.REVOKED
        if now >= self.ends:
            return State.EXPIRED
        if self.finalised_at is not None:
            return State.NOT_STARTED if now < self.begins else State.ACTIVE
        if self.proposed is not None:
            return State.PENDING_CONFIRMATION
        expired = self.invite_until is None or now >= self.invite_until
        return State.INVITATION_EXPIRED if expired else State.INVITED

    def belongs_to(self, account_id: str, keys: Collection[str]) -> bool:
        """Whether this person is the delegate; ``keys`` are the national identifiers of their account (R122)."""
        return self.delegate == account_id or (self.delegate is None and self.delegate_key in keys)

    def overlaps(self, begins: datetime, ends: datetime) -> bool:
        return self.begins < ends and begins < self.ends
