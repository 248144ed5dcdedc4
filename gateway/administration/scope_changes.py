"""Changes to rows of ``scopes`` as every import of scopes writes them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def moves(changes: Sequence[Change]) -> bool:
    """Whether something goes elsewhere: what lies below it must then be as it was read."""
    return any("path" in change.values for change in changes if isinstance(change, Update))


def parents_kept(changes: Sequence[Change]) -> list[Change]:
    """The parents of new scopes, which must still lie where the paths of these say."""
    found: dict[str, str] = {}
    for change in changes:
        if isinstance(change, Insert) and change.values["parent_id"] is not None:
            own = f"{change.values['id']}/"
            found[cast(str, change.values["parent_id"])] = cast(str, change.values["path"]).removesuffix(own)
    return [Update("scopes", {"path": path}, {"id": one, "path": path}) for one, path in sorted(found.items())]


def below(path: str) -> Span:
    """As a condition on ``path``: the scope of this path and all below it."""
    return Span(after=path, before=path[:-1] + chr(ord("/") + 1))
