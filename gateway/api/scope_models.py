"""What goes in and comes out about scopes (R82, R91)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from gateway.api.kinds import (
    Asked,
    Cursor,
    Flag,
    Format,
    Id,
    Instant,
    Limit,
    Line,
    Reason,
    Said,
    Search,
    Text,
    Whole,
)

StateWord = Literal["strong", "password_only"]
KindWord = Literal["nation", "region", "departement", "entite", "etablissement", "service"]
Seconds = Annotated[Whole, Field(ge=0, le=86_400)]


class ScopesQuery(Asked):
    """Filters of a list of scopes. ``q``: words of the name, the town, or the FINESS number."""

    q: Search = ""
    kind: KindWord | None = None
    state: StateWord | None = None
    parent: Annotated[Text, Field(max_length=100)] = ""
    retired: Flag = False
    limit: Limit = 50
    after: Cursor = ""


class ReadinessQuery(Asked):
    format: Format | None = None


class RulingSaid(Said):
    """Whether a code is asked, the rule that says so, the scope it was set on, and its end when it has one."""

    strong: bool
    why: str
    scope: str | None
    until: Instant | None


class ScopeLine(Said):
    id: str
    parent: str | None
    kind: str
    name: str
    finess: str | None
    city: str | None
    state: StateWord
    ruling: RulingSaid
    next_change: Instant | None
    retired: bool
    version: int


class ScopePage(Said):
    """``next``: the address of the next page; ``null`` on the last one."""

    scopes: list[ScopeLine]
    next: str | None


class FieldSaid(Said):
    """A value, and the scope that sets it; ``from`` is ``null`` for the national default."""

    value: Any
    from_: str | None = Field(serialization_alias="from")
    from_name: str | None
    set_here: bool


class LegalSaid(Said):
    """The legal status of a means (G3), and the scope that sets it."""

    status: str
    reference: str
    until: Instant | None
    from_: str | None = Field(serialization_alias="from")
    set_here: bool


class SwitchLine(Said):
    id: str
    state: StateWord
    kind: str
    from_: Instant = Field(serialization_alias="from")
    until: Instant | None


class ScopeSaid(ScopeLine):
    """``policy``: every field of R91 by name; ``switches``: those not undone; ``people``: accounts attached here or below;
    ``warnings``: what is allowed and unwise."""

    policy: dict[str, FieldSaid]
    legal: dict[str, LegalSaid]
    switches: list[SwitchLine]
    people: int
    warnings: list[str]


class ContactAsked(Asked):
    label: Line
    url: Annotated[Text, Field(min_length=1, max_length=500)]
    topics: Annotated[tuple[Line, ...], Field(max_length=20)] = ()


class LegalAsked(Asked):
    status: Literal["psc", "cpx", "homologue", "transition", "interdit"]
    reference: Annotated[Text, Field(max_length=200)] = ""
    until: Instant | None = None


class ScopeChange(Asked):
    """Fields left out stay as they are; ``null`` inherits."""

    code_validity: Seconds | None = None
    second_factor_memory: Seconds | None = None
    session_absolute: Seconds | None = None
    session_idle: Seconds | None = None
    channels: Annotated[list[Literal["mail", "sms", "totp"]], Field(max_length=3)] | None = None
    methods: (
        Annotated[
            list[Literal["psc", "card", "otp_mail", "otp_sms", "otp_totp", "passkey", "password"]], Field(max_length=7)
        ]
        | None
    ) = None
    banner: Annotated[Text, Field(max_length=1000)] | None = None
    banner_from: Instant | None = None
    contacts: Annotated[list[ContactAsked], Field(max_length=20)] | None = None
    legal: dict[Line, LegalAsked] | None = None
    name: Line = ""
    city: Annotated[Text, Field(max_length=100)] | None = None
    retired: bool = False
    parent: Id = ""
    reason: Reason | None = None


class ScopeNew(Asked):
    parent: Id
    kind: Literal["region", "departement", "entite", "etablissement", "service"]
    name: Line
    id: Annotated[Text, Field(max_length=60)] = ""
    finess: Annotated[Text, Field(max_length=9)] = ""
    city: Annotated[Text, Field(max_length=100)] = ""
    reason: Reason


class ReadinessSaid(Said):
    """``counts``: accounts by what stands in their way (R88); an account may be in several."""

    scope: str
    people: int
    ready: int
    counts: dict[str, int]
