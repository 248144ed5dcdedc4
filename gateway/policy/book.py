"""Rows of scopes and switches to scopes of a ``PolicyBook``. Pure: what the database holds in, immutable values out."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from gateway.identity import Method
from gateway.policy.establishments import (
    NOTHING,
    Contact,
    Defaults,
    Fields,
    PolicyBook,
    Scope,
    State,
    Switch,
    SwitchKind,
)
from gateway.policy.legal import Legal, Status
from gateway.ports import Row

_SETTABLE = (
    "code_validity", "second_factor_memory", "channels", "methods", "session_absolute", "session_idle", "banner",
    "banner_from", "contacts", "legal",
)  # fmt: skip


def book_of(defaults: Defaults, scopes: Sequence[Row], switches: Sequence[Row]) -> PolicyBook:
    """The book of these rows. Raises ``ValueError`` for a word no policy knows: the old book then stays in force."""
    return PolicyBook(defaults, scopes_of(scopes, switches))


def scopes_of(scopes: Sequence[Row], switches: Sequence[Row]) -> list[Scope]:
    """The scopes of these rows with their switches, but those undone; raises ``ValueError`` as ``book_of`` does."""
    dated: defaultdict[str, list[tuple[datetime, Switch]]] = defaultdict(list)
    for row in switches:
        if row["cancelled_at"] is not None:
            continue
        switch = Switch(
            State(cast(str, row["state"])),
            cast(datetime, row["effective_from"]),
            cast("datetime | None", row["derogation_until"]),
            SwitchKind(cast(str, row["kind"])),
            cast(str, row["id"]),
            begun=cast(datetime, row["effective_from"]) <= cast(datetime, row["created_at"]),
        )
        dated[cast(str, row["scope_id"])].append((cast(datetime, row["created_at"]), switch))
    found = []
    for row in scopes:
        scope_id = cast(str, row["id"])
        ordered = sorted(dated.get(scope_id, ()), key=lambda one: (one[1].effective_from, one[0]))
        found.append(
            Scope(
                id=scope_id,
                parent=cast("str | None", row["parent_id"]),
                kind=cast(str, row["kind"]),
                name=cast(str, row["name"]),
                set=fields_of(row),
                switches=tuple(switch for _, switch in ordered),
                finess=cast("str | None", row["finess"]),
                city=cast("str | None", row["city"]),
                path=cast("str | None", row["path"]) or "",
                retired=row["retired_at"] is not None,
                version=cast(int, row["version"]),
            )
        )
    return found


def fields_of(row: Row) -> Fields:
    """The policy fields a row of ``scopes`` sets; raises ``ValueError`` as ``book_of`` does."""
    if all(row[name] is None for name in _SETTABLE):
        return NOTHING
    try:
        return _fields(row)
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"the scope {row['id']} says something no policy knows") from error


def _fields(row: Row) -> Fields:
    def seconds(name: str) -> timedelta | None:
        value = cast("int | None", row[name])
        return None if value is None else timedelta(seconds=value)

    channels, methods = cast("str | None", row["channels"]), cast("str | None", row["methods"])
    contacts, legal = cast("str | None", row["contacts"]), cast("str | None", row["legal"])
    return Fields(
        code_validity=seconds("code_validity"),
        second_factor_memory=seconds("second_factor_memory"),
        channels=None if channels is None else tuple(part for part in channels.split(",") if part),
        methods=None if methods is None else frozenset(Method(part) for part in methods.split(",") if part),
        session_absolute=seconds("session_absolute"),
        session_idle=seconds("session_idle"),
        banner=cast("str | None", row["banner"]),
        banner_from=cast("datetime | None", row["banner_from"]),
        contacts=None if contacts is None else tuple(_contact(one) for one in json.loads(contacts)),
        legal=None if legal is None else {name: _legal(one) for name, one in json.loads(legal).items()},
    )


def columns_of(values: Fields) -> dict[str, Any]:
    """The inverse of ``fields_of``: the columns of ``scopes`` that hold these fields."""
    return {
        "code_validity": _whole(values.code_validity),
        "second_factor_memory": _whole(values.second_factor_memory),
        "channels": None if values.channels is None else ",".join(values.channels),
        "methods": None if values.methods is None else ",".join(sorted(one.value for one in values.methods)),
        "session_absolute": _whole(values.session_absolute),
        "session_idle": _whole(values.session_idle),
        "banner": values.banner,
        "banner_from": values.banner_from,
        "contacts": None if values.contacts is None else json.dumps([_plain(one) for one in values.contacts]),
        "legal": None if values.legal is None else json.dumps({n: _said(one) for n, one in values.legal.items()}),
    }


def _whole(value: timedelta | None) -> int | None:
    return None if value is None else int(value.total_seconds())


def _contact(data: Mapping[str, Any]) -> Contact:
    return Contact(data["label"], data["url"], tuple(data.get("topics", ())))


def _plain(contact: Contact) -> dict[str, Any]:
    return {"label": contact.label, "url": contact.url, "topics": list(contact.topics)}


def _legal(data: Mapping[str, Any]) -> Legal:
    until = data.get("until")
    return Legal(Status(data["status"]), data.get("reference", ""), datetime.fromisoformat(until) if until else None)


def _said(legal: Legal) -> dict[str, Any]:
    until = legal.until.isoformat() if legal.until else None
    return {"status": legal.status.value, "reference": legal.reference, "until": until}
