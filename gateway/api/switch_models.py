"""What goes in and comes out about switches (R83, R84, R87, R92)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.api.kinds import Asked, Flag, Id, Instant, Reason, Said, Truth, Whole
from gateway.api.scope_models import RulingSaid, StateWord


class SwitchAsked(Asked):
    """``from`` left out: now. ``until`` and ``derogation_until`` are one thing: the end of a step back (R84)."""

    state: StateWord
    from_: Instant | None = Field(None, alias="from")
    until: Instant | None = None
    derogation_until: Instant | None = None
    announce: Truth = False
    reason: Reason | None = None


class SwitchesAsked(SwitchAsked):
    """``versions``: by scope, what the decision was taken on; a scope changed since stops the whole act."""

    scopes: Annotated[list[Id], Field(min_length=1, max_length=2000)]
    versions: dict[Id, Annotated[Whole, Field(ge=1, le=2**31 - 1)]] | None = None


class ScopeName(Said):
    id: str
    name: str
    kind: str


class EffectSaid(Said):
    """What would change for one scope; ``before`` and ``after`` at the instant the switch takes effect."""

    scope: ScopeName
    before: RulingSaid
    after: RulingSaid
    people: int
    ready: int
    counts: dict[str, int]
    version: int


class PreviewSaid(Said):
    """``stuck``: people who could not sign in any more; ``faults``: why it cannot be done, by field."""

    people: int
    stuck: int
    faults: dict[str, list[str]]
    effects: list[EffectSaid]


class SwitchSaid(Said):
    id: str
    scope: str
    state: StateWord
    kind: str
    from_: Instant = Field(serialization_alias="from")
    until: Instant | None
    reason: str
    author: str
    batch: str | None
    created_at: Instant
    cancelled_at: Instant | None
    cancelled_by: str | None
    cancel_reason: str | None


class SwitchDone(Said):
    """``switches``: one for each scope for which something changes."""

    batch: str
    switches: list[SwitchSaid]


class HistorySaid(Said):
    """Newest first, those undone included."""

    switches: list[SwitchSaid]


class BatchSaid(Said):
    id: str
    author: str
    reason: str
    created_at: Instant
    state: StateWord
    kind: str
    from_: Instant = Field(serialization_alias="from")
    until: Instant | None
    undone: bool
    switches: list[SwitchSaid]


class UndoAsked(Asked):
    """``scopes`` left out: the whole batch."""

    reason: Reason
    scopes: Annotated[tuple[Id, ...], Field(max_length=2000)] = ()


class UndoDone(Said):
    undone: int


class BreakglassAsked(Asked):
    until: Instant
    reason: Reason


class BreakglassDone(Said):
    """``batch`` undoes it before its end."""

    batch: str


class RequestAsked(Asked):
    """``from`` left out: as soon as possible."""

    from_: Instant | None = Field(None, alias="from")
    reason: Reason


class RequestMade(Said):
    id: str


class RequestsQuery(Asked):
    """``all``: those answered too."""

    all: Flag = False


class RequestSaid(Said):
    id: str
    scope: str
    author: str
    from_: Instant | None = Field(serialization_alias="from")
    reason: str
    created_at: Instant
    settled_at: Instant | None
    settled_by: str | None
    outcome: str | None


class RequestsSaid(Said):
    requests: list[RequestSaid]


class AnswerAsked(Asked):
    outcome: Literal["done", "refused"]
    reason: Reason
