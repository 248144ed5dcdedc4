"""Rows of scopes and switches to a ``PolicyBook``. Pure: what the database holds in, the immutable value out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast

from gateway.identity import Method
from gateway.policy.establishments import Defaults, Fields, PolicyBook, Scope, State, Switch
from gateway.ports import Row


def book_of(defaults: Defaults, scopes: Sequence[Row], switches: Sequence[Row]) -> PolicyBook:
    """The book of these rows. Raises ``ValueError`` for a word no policy knows: the old book then stays in force."""
    dated: defaultdict[str, list[Switch]] = defaultdict(list)
    for row in switches:
        switch = Switch(
            State(cast(str, row["state"])),
            cast(datetime, row["effective_from"]),
            cast("datetime | None", row["derogation_until"]),
        )
        dated[cast(str, row["scope_id"])].append(switch)
    found = []
    for row in scopes:
        scope_id = cast(str, row["id"])
        ordered = sorted(dated[scope_id], key=lambda one: one.effective_from)
        found.append(
            Scope(
                id=scope_id,
                parent=cast("str | None", row["parent_id"]),
                kind=cast(str, row["kind"]),
                name=cast(str, row["name"]),
                set=_fields(row),
                switches=tuple(ordered),
                finess=cast("str | None", row["finess"]),
            )
        )
    return PolicyBook(defaults, found)


def _fields(row: Row) -> Fields:
    def seconds(name: str) -> timedelta | None:
        value = cast("int | None", row[name])
        return None if value is None else timedelta(seconds=value)

    channels, methods = cast("str | None", row["channels"]), cast("str | None", row["methods"])
    return Fields(
        code_validity=seconds("code_validity"),
        second_factor_memory=seconds("second_factor_memory"),
        channels=None if channels is None else tuple(part for part in channels.split(",") if part),
        methods=None if methods is None else frozenset(Method(part) for part in methods.split(",") if part),
        session_absolute=seconds("session_absolute"),
        session_idle=seconds("session_idle"),
        banner=cast("str | None", row["banner"]),
    )
