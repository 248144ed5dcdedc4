"""What goes in and comes out about tokens, and about who asks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.api.account_models import GrantSaid, RoleWord
from gateway.api.kinds import Asked, Id, Instant, Line, Said, Whole


class TokenAsked(Asked):
    """``days`` left out: as the deployment sets it (``admin.token_days``)."""

    name: Line
    role: RoleWord
    scope: Id
    days: Annotated[Whole, Field(ge=1, le=366)] | None = None


class TokenMade(Said):
    """``token`` is said once and never again."""

    id: str
    token: str


class TokenSaid(Said):
    id: str
    name: str
    role: RoleWord
    scope: str
    created_by: str
    created_at: Instant
    expires_at: Instant
    revoked_at: Instant | None
    state: Literal["active", "expired", "revoked"]


class TokensSaid(Said):
    tokens: list[TokenSaid]


class SessionSaid(Said):
    """Who asks, and what they look after. ``csrf``: for ``X-CSRF-Token``; only said to a session."""

    id: str
    name: str
    roles: list[GrantSaid]
    csrf: str | None
