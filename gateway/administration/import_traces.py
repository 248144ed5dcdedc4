"""What the audit keeps of an import beside its beginning and its end: each account and each scope that existed and was
changed (R93).

What a file makes is counted; who had an account finds in its journal which import attached them where, and what it took
from the file, and a scope has the old and the new values in its history.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import cast

from gateway.administration.actor import Actor, record
from gateway.audit import Act, Record
from gateway.ports import Audit, Change, Insert, Row, Update, Value

# By column, the word for it; what is not here (a date of sign-in, a profession) says nothing of who may come in.
_WORDS: Mapping[str, str] = {
    "family_name": "name",
    "given_name": "name",
    "mail": "mail",
    "mail_key": "mail",
    "national_id": "national_id",
    "password_hash": "password",
    "phone": "phone",
}


_ANY = datetime.min  # of two records that are the same but for their instant
_SHAPE: Mapping[str, str] = {"name": "name", "city": "city", "finess": "finess", "parent_id": "parent"}


class Traces:
    """Written before their effect; a batch that is decided again is not a second act."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._last: list[Record] = []

    async def write(self, found: Sequence[Record]) -> None:
        """Raises ``RecordsUnavailable``."""
        if [replace(one, at=_ANY) for one in found] == self._last:
            return
        await asyncio.gather(*(self._audit.record(one) for one in found))
        self._last = [replace(one, at=_ANY) for one in found]


def traces(
    actor: Actor,
    import_id: str,
    made: Sequence[Change],
    values: Mapping[str, Mapping[str, Value]],
    existing: Container[str],
    now: datetime,
) -> list[Record]:
    """The records of these new rows, and of these values by account, for the accounts that existed before."""
    found: list[Record] = []
    taken: dict[str, set[str]] = {one: {_WORDS[name] for name in of if name in _WORDS} for one, of in values.items()}
    for change in made:
        account = cast(str, change.values.get("account_id", "")) if isinstance(change, Insert) else ""
        if account not in existing or not isinstance(change, Insert):
            continue
        if change.table == "memberships":
            scope = cast(str, change.values["scope_id"])
            found.append(
                record(Act.MEMBERSHIP_ADDED, actor, now, account=account, scope=scope, **{"import": import_id})
            )
        elif change.table == "logins":
            taken.setdefault(account, set()).add("login")
    for account, words in sorted(taken.items()):
        if words:
            facts = {"import": import_id, "what": " ".join(sorted(words))}
            found.append(record(Act.ACCOUNT_CHANGED, actor, now, account=account, **facts))
    return found


def scope_traces(
    actor: Actor, import_id: str, changes: Sequence[Change], rows: Mapping[str, Row], now: datetime
) -> list[Record]:
    """The records of these changes to scopes, ``rows`` as they were; a path alone follows from what is above."""
    found: list[Record] = []
    for change in changes:
        if not isinstance(change, Update):
            continue
        scope = cast(str, change.where["id"])
        row = rows.get(scope)
        names = {_SHAPE[name]: name for name in change.values if name in _SHAPE}
        if row is None or not names:
            continue
        old = {word: row[name] for word, name in names.items()}
        new = {word: change.values[name] for word, name in names.items()}
        found.append(_changed(actor, import_id, scope, old, new, now))
    return found


def retired(actor: Actor, import_id: str, scope: str, now: datetime) -> Record:
    """The record of a scope that a file closes by not having it."""
    return _changed(actor, import_id, scope, {"retired": False}, {"retired": True}, now)


def _changed(
    actor: Actor, import_id: str, scope: str, old: Mapping[str, object], new: Mapping[str, object], now: datetime
) -> Record:
    said = {"old": json.dumps(old, ensure_ascii=False, sort_keys=True)}
    said |= {"new": json.dumps(new, ensure_ascii=False, sort_keys=True)}
    return record(Act.SCOPE_CHANGED, actor, now, scope=scope, **said, **{"import": import_id})
