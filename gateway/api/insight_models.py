"""What goes in and comes out about what was done and how it goes: audit, dashboard, compliance, explanations."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, RootModel

from gateway.api.kinds import Asked, Flag, Format, Instant, Limit, Number, Said, Text

Name = Annotated[Text, Field(max_length=100)]


class AuditQuery(Asked):
    """``scope``: this one, and those below it with ``below=1``; ``act``: one act, or several with commas; newest first."""

    scope: Name = ""
    below: Flag = False
    account: Name = ""
    act: Annotated[Text, Field(max_length=400)] = ""
    since: Instant | None = None
    until: Instant | None = None
    before: Annotated[Number, Field(ge=1)] | None = None
    limit: Limit = 50
    format: Format | None = None


class AuditLine(Said):
    seq: int
    at: Instant
    act: str
    account: str | None
    reason: str | None
    scope: str | None
    address: str | None
    correlation: str | None
    facts: dict[str, Any]


class AuditPage(Said):
    """``next``: the address of the next page; ``null`` on the last one."""

    audit: list[AuditLine]
    next: str | None


class DashboardQuery(Asked):
    """The last ``days`` days, of one scope and what lies below, or of everything within reach."""

    days: Annotated[Number, Field(ge=1, le=366)] = 30
    scope: Name = ""


class ExplainQuery(Asked):
    """``user``: an account or a login; ``url``: an address of ViaTrajectoire, or its path."""

    user: Annotated[Text, Field(min_length=1, max_length=200)]
    url: Annotated[Text, Field(min_length=1, max_length=8000)]


class RegionSaid(Said):
    """``people`` and ``ready`` as counted last; ``null`` before the first count."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    name: str
    strong: int
    password_only: int
    sign_ins: int
    substantial: int
    codes_sent: int
    codes_not_sent: int
    refused: int
    people: int | None
    ready: int | None


class DeliverySaid(Said):
    """``rate``: the share of codes handed over; ``null`` when none was to be sent."""

    model_config = ConfigDict(from_attributes=True)

    channel: str
    sent: int
    not_sent: int
    rate: float | None


class DashboardSaid(Said):
    """Series have one number for each of ``days`` (R94). ``scopes``: by kind, by state; ``sign_ins``: by means;
    ``adoption``: by level; ``failures``: by reason; ``people``, ``ready`` and ``counts``: readiness now (R88)."""

    model_config = ConfigDict(from_attributes=True)

    since: str
    until: str
    days: list[str]
    scopes: dict[str, dict[str, int]]
    regions: list[RegionSaid]
    sign_ins: dict[str, list[int]]
    adoption: dict[str, list[int]]
    scopes_strong: list[int | None]
    scopes_all: list[int | None]
    delivery: list[DeliverySaid]
    failures: dict[str, int]
    people: int
    ready: int
    counts: dict[str, int]


class ComplianceSaid(RootModel[dict[str, Any]]):
    """The legal status of each means, bounds, derogations that run, reservations (G3, G17, G27)."""


class ExplanationSaid(RootModel[dict[str, Any]]):
    """The verdict, and each rule with what it looked at."""
