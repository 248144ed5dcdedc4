"""Changes to rows of ``scopes`` as every import of scopes writes them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import cast

from gateway.ports import Change, Insert, Row, Span, Update, Value


def changed(row: Row, values: Mapping[str, Value], now: datetime) -> Update:
    """These values for a row that nobody changed since it was read."""
    version = cast(int, row["version"])
    return Update(
        "scopes",
        {**values, "updated_at": now, "version": version + 1},
        {"id": row["id"], "version": version},
    )


def at(revision: int, change: Change) -> Change:
    """The change under the revision of the policy that it is written with."""
    if isinstance(change, Insert | Update):
        return replace(change, values={**change.values, "revision": revision})
    return change


def below(path: str) -> Span:
    """As a condition on ``path``: the scope of this path and all below it."""
    return Span(after=path, before=path[:-1] + chr(ord("/") + 1))
