"""What may be configured about delegations; see ``model``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.policy.delegation import ACTIONS, MODULES
from gateway.settings.kinds import Section

Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,30}$")]
Label = Annotated[str, Field(min_length=1, max_length=80)]


class DelegationSection(Section):
    modules: Annotated[dict[Code, Label], Field(min_length=1, max_length=20)] = MODULES
    actions: Annotated[dict[Code, Label], Field(min_length=1, max_length=20)] = ACTIONS
    finalise_with: Annotated[tuple[Literal["cps", "cpe", "cpa", "ecps"], ...], Field(min_length=1)] = (
        "cps",
        "cpe",
        "cpa",
    )
    staff_methods: Annotated[tuple[Literal["card", "psc", "otp", "passkey"], ...], Field(min_length=1)] = (
        "card",
        "psc",
        "otp",
    )
    max_days: Annotated[int, Field(ge=0, le=3660)] = 0  # 0: any period
    invite_ttl: Annotated[int, Field(ge=3600, le=90 * 86400)] = 14 * 86400
    change_freshness: Annotated[int, Field(ge=60, le=14400)] = 3600
    remind_days: tuple[Annotated[int, Field(ge=1, le=90)], ...] = (15, 3)
    retention_days: Annotated[int, Field(ge=365, le=3660)] = 1095
    searches_per_hour: Annotated[int, Field(ge=5, le=1000)] = 60
