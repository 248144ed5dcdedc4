"""What goes in and comes out about delegations, and about who was behind a request (R126, R149)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.api.kinds import Asked, Cursor, Instant, Limit, Said, Text

StateWord = Literal[
    "invited", "invitation_expired", "pending_confirmation", "not_started", "active", "expired", "revoked"
]
KindWord = Literal["assistant", "colleague"]
EndedBy = Literal["delegator", "delegate", "administrator", "closed"]
SessionName = Annotated[Text, Field(pattern="^[0-9a-f]{12}$")]


class DelegationsQuery(Asked):
    """``account``: given or received by this account; ``state``: as it is now."""

    account: Annotated[Text, Field(max_length=100)] = ""
    state: StateWord | None = None
    limit: Limit = 50
    after: Cursor = ""


class PartySaid(Said):
    """``account`` is ``null`` for somebody who has none yet; names are empty once an account is erased."""

    account: str | None
    national_id: str | None
    family_name: str
    given_name: str


class DelegationLine(Said):
    """``rights``: those in force, ``module:action``; ``all_rights``: a colleague's, who has the doctor's own;
    ``first_day`` and ``last_day`` are both included; ``proposed``: whose card waits for the doctor's word."""

    id: str
    kind: KindWord
    state: StateWord
    doctor: PartySaid
    delegate: PartySaid
    mail: str | None
    profession: str | None
    place: str | None
    all_rights: bool
    rights: list[str]
    first_day: str
    last_day: str
    created_at: Instant
    finalised_at: Instant | None
    proposed: str | None
    revoked_at: Instant | None
    revoked_by: EndedBy | None


class DelegationPage(Said):
    """``next``: the address of the next page; ``null`` on the last one."""

    delegations: list[DelegationLine]
    next: str | None


class EventSaid(Said):
    """``author``: an account, ``token:…``, ``cli:…`` or ``system``; ``detail``: what changed, with ``…_before``."""

    at: Instant
    what: str
    author: str
    detail: dict[str, str]


class UseSaid(Said):
    """``session``: as the access journal names it; ``ended_at`` is ``null`` until it is known."""

    person: PartySaid
    session: str
    means: str
    began_at: Instant
    ended_at: Instant | None


class DelegationSaid(DelegationLine):
    """``history``: the oldest first; ``uses``: the newest hundred."""

    history: list[EventSaid]
    uses: list[UseSaid]


class TraceQuery(Asked):
    """``session``: as a line of the access journal names it; ``at``: the line's ``timestamp``. Without it the newest session
    of that name."""

    session: SessionName
    at: Instant | None = None


class ActedForSaid(Said):
    """The delegation as it was at ``at``; all but ``delegation`` is ``null`` once it is no longer kept."""

    delegation: str
    doctor: PartySaid | None
    kind: KindWord | None
    all_rights: bool | None
    rights: list[str]
    first_day: str | None
    last_day: str | None
    state_then: StateWord | None
    state_now: StateWord | None


class TraceSaid(Said):
    """``since``: when the session got this name; ``means``, ``assurance`` and ``space``: words of the headers (R141);
    ``acted_for``: ``null`` for who acted in their own name."""

    session: str
    at: Instant
    person: PartySaid
    means: str
    assurance: str | None
    space: str | None
    since: Instant
    signed_in_at: Instant | None
    address: str | None
    acted_for: ActedForSaid | None
