"""Where delegations are kept, with their history and their use. The one room that turns their rows into values and back.

Every change names the version it was decided on, and writes its line of history in the same transaction. Methods raise
``RecordsUnavailable``; changes also ``Stale`` (somebody changed it meanwhile) and additions ``Taken``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from gateway.accounts.delegation import Delegation, Kind
from gateway.ports import Ambient, Change, Insert, Records, Row, Span, Update, Value, Where

# Columns that bear another name than the value's field.
_COLUMNS = {"delegator": "delegator_id", "delegate": "delegate_id", "proposed": "proposed_id"}


@dataclass(frozen=True, slots=True)
class Happening:
    """A line of history: what, by whom (account id, ``cli:…``, ``token:…`` or ``system``), old and new."""

    at: datetime
    what: str
    author: str
    detail: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Use:
    """Somebody acted under it, from then to then; ``session`` is the access journal's name of their session."""

    id: str
    delegation: str
    user: str
    session: str
    method: str
    began_at: datetime
    ended_at: datetime | None


class Delegations:
    """Delegations by id, by doctor, by delegate."""

    def __init__(self, records: Records, ambient: Ambient) -> None:
        self._records = records
        self._ambient = ambient

    async def by_id(self, delegation_id: str) -> Delegation | None:
        if not delegation_id.isprintable():  # typed by somebody: PostgreSQL would say that it cannot answer
            return None
        rows = await self._records.find("delegations", {"id": delegation_id}, limit=1)
        return delegation_of(rows[0]) if rows else None

    async def by_invitation(self, digest: str) -> Delegation | None:
        """The delegation that a link is good for."""
        rows = await self._records.find("delegations", {"invite_digest": digest}, limit=1)
        return delegation_of(rows[0]) if rows else None

    async def given_by(self, account_id: str) -> tuple[Delegation, ...]:
        """All a doctor ever gave, the last added or moved first."""
        rows = await self._records.find("delegations", {"delegator_id": account_id}, order=("-number",))
        return tuple(delegation_of(row) for row in rows)

    async def received_by(self, account_id: str, keys: Collection[str]) -> tuple[Delegation, ...]:
        """All that are this person's, by account or by national identifier (R122), the newest first."""
        rows = [*await self._records.find("delegations", {"delegate_id": account_id})]
        if keys:
            rows += await self._records.find("delegations", {"delegate_id": None, "delegate_key": sorted(keys)})
        found = {cast(str, row["id"]): delegation_of(row) for row in rows}
        return tuple(sorted(found.values(), key=lambda one: (one.created_at, one.id), reverse=True))

    async def add(self, delegation: Delegation, author: str, detail: Mapping[str, str]) -> None:
        """Raises ``Taken`` when the doctor added another one at this instant: read again, judge again."""
        row = {**_row(delegation), "updated_at": delegation.created_at}
        happening = self._happening(delegation.id, delegation.created_at, "given", author, detail)
        await self._records.write(Insert("delegations", row), happening)

    async def change(
        self, delegation: Delegation, now: datetime, what: str, author: str, detail: Mapping[str, str], **fields: Value
    ) -> Delegation:
        """New values for these fields of ``Delegation`` (``rights`` as text: ``"a:b c:d"``), and why."""
        values = {_COLUMNS.get(name, name): value for name, value in fields.items()}
        at = await self._after_the_last(delegation.id, now)
        changes: list[Change] = [
            Update(
                "delegations",
                {**values, "updated_at": now, "version": delegation.version + 1},
                {"id": delegation.id, "version": delegation.version},
            ),
            self._happening(delegation.id, at, what, author, detail),
        ]
        await self._records.write(*changes)
        known = {name: value for name, value in fields.items() if name != "rights"}
        if "rights" in fields:
            known["rights"] = frozenset(cast(str, fields["rights"]).split())  # type: ignore[assignment]
        return replace(delegation, version=delegation.version + 1, **known)  # type: ignore[arg-type]

    async def history(self, delegation_id: str) -> tuple[Happening, ...]:
        """What happened to it, the oldest first."""
        rows = await self._records.find("delegation_history", {"delegation_id": delegation_id}, order=("at", "id"))
        return tuple(
            Happening(
                cast(datetime, row["at"]),
                cast(str, row["what"]),
                cast(str, row["author"]),
                json.loads(cast(str, row["detail"])),
            )
            for row in rows
        )

    async def happened(self, delegation_ids: Collection[str], whats: Collection[str], since: datetime) -> int:
        """How many of these things happened to these delegations from then on."""
        where: Where = {"delegation_id": sorted(delegation_ids), "what": sorted(whats), "at": Span(after=since)}
        return await self._records.count("delegation_history", where)

    # Use

    async def began(self, delegation_id: str, user: str, session: str, method: str, now: datetime) -> None:
        """Somebody acts under it from now on, in this session."""
        row: dict[str, Value] = {
            "id": "use_" + self._ambient.token(12),
            "delegation_id": delegation_id,
            "user_id": user,
            "session": session,
            "method": method,
            "began_at": now,
        }
        await self._records.write(Insert("delegation_uses", row))

    async def ended(self, session: str, now: datetime) -> None:
        """What was begun in this session is over; nothing when nothing was."""
        rows = await self._records.find("delegation_uses", {"session": session, "ended_at": None})
        for row in rows:
            await self._records.write(Update("delegation_uses", {"ended_at": now}, {"id": row["id"]}))

    async def uses(self, delegation_id: str, limit: int = 100) -> tuple[Use, ...]:
        """Who acted under it, the newest first."""
        where = {"delegation_id": delegation_id}
        rows = await self._records.find("delegation_uses", where, order=("-began_at", "-id"), limit=limit)
        return tuple(use_of(row) for row in rows)

    async def use_in(self, session: str) -> Use | None:
        """The use that this session of the access journal is (R149)."""
        rows = await self._records.find("delegation_uses", {"session": session}, limit=1)
        return use_of(rows[0]) if rows else None

    async def _after_the_last(self, delegation_id: str, now: datetime) -> datetime:
        """The instant of a new line of history: after those before it. Of two acts at once the one that came first may be
        written last, and was judged on what the other wrote. Whether nothing came between is for the version to say."""
        rows = await self._records.find("delegation_history", {"delegation_id": delegation_id}, order=("-at",), limit=1)
        last = cast(datetime, rows[0]["at"]) if rows else now
        return now if now >= last else last + timedelta(microseconds=1)

    def _happening(self, delegation_id: str, at: datetime, what: str, author: str, detail: Mapping[str, str]) -> Insert:
        row: dict[str, Value] = {
            "id": "dlh_" + self._ambient.token(12),
            "delegation_id": delegation_id,
            "at": at,
            "what": what,
            "author": author,
            "detail": json.dumps(dict(detail), ensure_ascii=False),
        }
        return Insert("delegation_history", row)


def rights_text(rights: Collection[str]) -> str:
    """Rights as the table holds them."""
    return " ".join(sorted(rights))


def _row(delegation: Delegation) -> dict[str, Value]:
    return {
        "id": delegation.id,
        "number": delegation.number,
        "delegator_id": delegation.delegator,
        "kind": delegation.kind.value,
        "family_name": delegation.family_name,
        "given_name": delegation.given_name,
        "mail": delegation.mail,
        "profession": delegation.profession,
        "place": delegation.place,
        "rights": rights_text(delegation.rights),
        "begins": delegation.begins,
        "ends": delegation.ends,
        "delegate_key": delegation.delegate_key,
        "delegate_id": delegation.delegate,
        "invite_digest": delegation.invite_digest,
        "invite_until": delegation.invite_until,
        "proposed_id": delegation.proposed,
        "proposed_name": delegation.proposed_name,
        "proposed_at": delegation.proposed_at,
        "finalised_at": delegation.finalised_at,
        "revoked_at": delegation.revoked_at,
        "revoked_by": delegation.revoked_by,
        "reminded": delegation.reminded,
        "created_at": delegation.created_at,
        "version": delegation.version,
    }


def delegation_of(row: Row) -> Delegation:
    """A ``delegations`` row as a value."""

    def text(name: str) -> str | None:
        return cast("str | None", row[name])

    def instant(name: str) -> datetime | None:
        return cast("datetime | None", row[name])

    return Delegation(
        id=cast(str, row["id"]),
        number=cast(int, row["number"]),
        delegator=cast(str, row["delegator_id"]),
        kind=Kind(cast(str, row["kind"])),
        family_name=cast(str, row["family_name"]),
        given_name=cast(str, row["given_name"]),
        rights=frozenset(cast(str, row["rights"]).split()),
        begins=cast(datetime, row["begins"]),
        ends=cast(datetime, row["ends"]),
        created_at=cast(datetime, row["created_at"]),
        delegate_key=text("delegate_key"),
        delegate=text("delegate_id"),
        mail=text("mail"),
        profession=text("profession"),
        place=text("place"),
        invite_digest=text("invite_digest"),
        invite_until=instant("invite_until"),
        proposed=text("proposed_id"),
        proposed_name=text("proposed_name"),
        proposed_at=instant("proposed_at"),
        finalised_at=instant("finalised_at"),
        revoked_at=instant("revoked_at"),
        revoked_by=text("revoked_by"),
        reminded=cast("int | None", row["reminded"]),
        version=cast(int, row["version"]),
    )


def use_of(row: Row) -> Use:
    """A ``delegation_uses`` row as a value."""
    return Use(
        cast(str, row["id"]),
        cast(str, row["delegation_id"]),
        cast(str, row["user_id"]),
        cast(str, row["session"]),
        cast(str, row["method"]),
        cast(datetime, row["began_at"]),
        cast("datetime | None", row["ended_at"]),
    )
