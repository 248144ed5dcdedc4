"""What is held of a person: a copy of it, and its erasure (R104, RGPD articles 15, 17 and 20).

Erasing leaves an empty account under its pseudonym, so that traces which must be kept (R148) still tell one person from
another without naming anybody. The empty account goes when the last of them has gone (``upkeep``). Nothing unique stays:
the same person may open a new account with the same number and address at once.

Delegations have no ``account_id``: two people have a part in each, and what was done for a doctor is kept as long as its
own retention (R149). Those of an erased account end with it, and lose the address they were offered to; of a card that
was only proposed for one, the name goes from its history too.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import cast

from gateway.accounts.account import Account
from gateway.accounts.mailboxes import Mailboxes
from gateway.ports import Change, Delete, Insert, Records, Row, Update, Value, Where
from gateway.reasons import Stale

# Tables whose rows belong to one account, by the column account_id. Not those of delegations: see above.
SATELLITES = (
    "logins",
    "memberships",
    "roles",
    "authenticators",
    "recovery_codes",
    "passkeys",
    "sign_ins",
    "acceptances",
)
_TURNS = 20
_FORMAT = 1
_DELEGATION = (
    "id", "kind", "profession", "place", "mail", "rights", "begins", "ends", "created_at", "finalised_at", "revoked_at",
    "revoked_by",
)  # fmt: skip
_USE = ("method", "began_at", "ended_at")
_ACCOUNT = (
    "id", "national_id", "family_name", "given_name", "profession", "specialty", "mail", "mail_proved_at", "phone",
    "phone_proved_at", "address", "postal_code", "city", "password_set_at", "password_must_change", "first_strong_at",
    "last_sign_in_at", "last_method", "last_channel", "suspended_at", "suspended_reason", "closed_at", "reactivated_at",
    "warned_at", "memory_void_at", "origin", "space_default", "charter_version", "charter_at", "created_at",
    "updated_at", "stated_profession",
)  # fmt: skip
_EMPTY: dict[str, Value] = {
    "family_name": "",
    "given_name": "",
    "password_must_change": False,
    **dict.fromkeys(
        (
            "national_id", "search", "profession", "specialty", "mail", "mail_key", "mail_canonical", "mail_proved_at", "phone",
            "phone_proved_at", "address", "postal_code", "city", "password_hash", "password_set_at", "first_strong_at",
            "last_sign_in_at", "last_method", "last_channel", "suspended_at", "suspended_reason", "reactivated_at",
            "warned_at", "memory_void_at", "charter_version", "charter_at", "stated_profession",
        )
    ),
}  # fmt: skip

# Of a delegation: no link is good any more, and nobody is proposed.
_NO_LINK: Mapping[str, Value] = dict.fromkeys(
    ("invite_digest", "invite_until", "proposed_id", "proposed_name", "proposed_at")
)


class Archive:
    """Methods raise ``RecordsUnavailable``. The audit before, and the sessions after, are the caller's business."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._mailboxes = Mailboxes(records)

    async def export(self, account_id: str) -> dict[str, object]:
        """Everything held of a person as JSON data, instants in ISO 8601; raises ``LookupError`` for no such account.

        Hashes, keys and secrets are left out: they say nothing of the person and would open the account. The keys are
        those of the manual (docs, « Mes données »).
        """
        rows = await self._records.find("accounts", {"id": account_id}, limit=1)
        if not rows:
            raise LookupError(f"no account {account_id}")
        return {
            "format": _FORMAT,
            "account": {**_plain(rows[0], _ACCOUNT), "has_password": rows[0]["password_hash"] is not None},
            "logins": await self._held("logins", account_id, ("key", "created_at"), "key"),
            "memberships": await self._memberships(account_id),
            "roles": await self._held("roles", account_id, ("role", "scope_id", "since"), "role"),
            "acceptances": await self._held(
                "acceptances", account_id, ("charter_version", "text_hash", "method", "accepted_at"), "accepted_at"
            ),
            "sign_ins": await self._held(
                "sign_ins", account_id, ("at", "method", "assurance", "space", "address"), "at"
            ),
            "passkeys": await self._held(
                "passkeys", account_id, ("name", "created_at", "last_used_at", "backed_up"), "created_at"
            ),
            "authenticator": next(
                iter(await self._held("authenticators", account_id, ("created_at",), "created_at")), None
            ),
            "recovery_codes": await self._held("recovery_codes", account_id, ("created_at", "used_at"), "id"),
            "delegations_given": await self._given(account_id),
            "delegations_received": await self._received(rows[0]),
            "traces": await self._traces(account_id),
        }

    async def erase(self, account: Account, now: datetime, reason: str) -> None:
        """Empty the account in one transaction, whatever others do to it meanwhile. Erasing twice changes nothing.

        ``reason`` is a short word that stays with the empty account: who asked (« owner ») or why.
        """
        for _ in range(_TURNS):
            rows = await self._records.find("accounts", {"id": account.id}, limit=1)
            if not rows or rows[0]["closed_at"] is not None:
                return
            (row,) = rows
            version = cast(int, row["version"])
            changes: list[Change] = [
                Update(
                    "accounts",
                    {
                        **_EMPTY,
                        "closed_at": now,
                        "suspended_reason": reason[:200],
                        "updated_at": now,
                        "version": version + 1,
                    },
                    {"id": account.id, "version": version},
                ),
                *(Delete(table, {"account_id": account.id}) for table in SATELLITES),
                *await self._mailboxes.freed(cast("str | None", row["mail_canonical"]), account.id, now),
                *await self._ended(row, now),
            ]
            try:
                await self._records.write(*changes)
                return
            except Stale:
                continue
        raise Stale(f"the account {account.id} changes too often")

    async def _held(self, table: str, account_id: str, columns: Sequence[str], order: str) -> list[dict[str, object]]:
        rows = await self._records.find(table, {"account_id": account_id}, order=(order,))
        return [_plain(row, columns) for row in rows]

    async def _memberships(self, account_id: str) -> list[dict[str, object]]:
        rows = await self._records.find("memberships", {"account_id": account_id}, order=("scope_id",))
        scopes = await self._records.find("scopes", {"id": [cast(str, row["scope_id"]) for row in rows]})
        names = {row["id"]: row["name"] for row in scopes}
        return [{**_plain(row, ("scope_id", "since")), "name": names.get(row["scope_id"])} for row in rows]

    async def _traces(self, account_id: str) -> list[dict[str, object]]:
        rows = await self._records.find("audit", {"account": account_id}, order=("seq",))
        columns = ("at", "act", "reason", "scope", "address", "correlation")
        return [{**_plain(row, columns), "facts": json.loads(cast(str, row["facts"]))} for row in rows]

    async def _given(self, account_id: str) -> list[dict[str, object]]:
        """What the person gave: to whom, and when somebody acted under it."""
        rows = await self._records.find("delegations", {"delegator_id": account_id}, order=("number",))
        return [
            {
                **_plain(row, ("family_name", "given_name", *_DELEGATION)),
                "uses": await self._uses({"delegation_id": row["id"]}),
            }
            for row in rows
        ]

    async def _received(self, account: Row) -> list[dict[str, object]]:
        """What the person received: from whom, and when they acted under it themselves."""
        rows = await self._received_rows(account)
        doctors = await self._records.find("accounts", {"id": sorted({cast(str, row["delegator_id"]) for row in rows})})
        names = {row["id"]: f"{row['given_name']} {row['family_name']}".strip() for row in doctors}
        return [
            {
                **_plain(row, _DELEGATION),
                "doctor": names.get(row["delegator_id"], ""),
                "uses": await self._uses({"delegation_id": row["id"], "user_id": account["id"]}),
            }
            for row in rows
        ]

    async def _uses(self, where: Where) -> list[dict[str, object]]:
        rows = await self._records.find("delegation_uses", where, order=("began_at", "id"))
        return [_plain(row, _USE) for row in rows]

    async def _received_rows(self, account: Row) -> Sequence[Row]:
        """By the account, or by a national number of its person (R122)."""
        found = [*await self._records.find("delegations", {"delegate_id": account["id"]}, order=("created_at", "id"))]
        logins = await self._records.find("logins", {"account_id": account["id"]}, order=("key",))
        keys = {cast(str, row["key"]) for row in logins if not cast(str, row["key"]).startswith("u:")}
        if account["national_id"] is not None:
            keys.add(cast(str, account["national_id"]))
        if keys:
            where: Where = {"delegate_id": None, "delegate_key": sorted(keys)}
            found += await self._records.find("delegations", where, order=("created_at", "id"))
        return found

    async def _ended(self, account: Row, now: datetime) -> Sequence[Change]:
        """What the person gave and received is over; what they were proposed for waits for somebody else."""
        account_id = cast(str, account["id"])
        held = {row["id"]: row for row in await self._records.find("delegations", {"delegator_id": account_id})}
        held |= {row["id"]: row for row in await self._received_rows(account)}
        changes: list[Change] = []
        for row in held.values():
            over = row["revoked_at"] is not None or cast(datetime, row["ends"]) <= now
            end: dict[str, Value] = {} if over else {"revoked_at": now, "revoked_by": "closed"}
            changes += _written(row, now, {"mail": None, **_NO_LINK, **end}, "" if over else "ended", account_id)
        for row in await self._records.find("delegations", {"proposed_id": account_id}):
            if row["id"] not in held:
                pending = row["revoked_at"] is None and row["finalised_at"] is None
                changes += _written(row, now, _NO_LINK, "declined" if pending else "", account_id)
        return [*changes, *await self._unnamed(account_id)]

    async def _unnamed(self, account_id: str) -> Sequence[Change]:
        """No history keeps the name of a card that gained nothing (R112); of a delegation that was theirs it does."""
        proposals = await self._records.find("delegation_history", {"author": account_id, "what": "proposed"})
        ids = sorted({cast(str, row["delegation_id"]) for row in proposals})
        theirs = {row["id"] for row in await self._records.find("delegations", {"id": ids, "delegate_id": account_id})}
        changes: list[Change] = []
        for one in set(ids) - theirs:
            own = [row for row in proposals if row["delegation_id"] == one]
            names = {_detail(row).get("name") for row in own}  # by which the answers to them are known
            answers = await self._records.find("delegation_history", {"delegation_id": one, "what": "declined"})
            for row in (*own, *answers):
                detail = _detail(row)
                if "name" in detail and detail.pop("name") in names:
                    text = json.dumps(detail, ensure_ascii=False)
                    changes.append(Update("delegation_history", {"detail": text}, {"id": row["id"]}))
        return changes


def _written(row: Row, now: datetime, values: Mapping[str, Value], what: str, author: str) -> Sequence[Change]:
    """New values for a delegation that nobody changed since it was read, and a line of its history if something happened."""
    version = cast(int, row["version"])
    where = {"id": row["id"], "version": version}
    changes: list[Change] = [Update("delegations", {**values, "updated_at": now, "version": version + 1}, where)]
    if what:
        happening = {"id": f"dlh_{row['id']}_{version}", "delegation_id": row["id"], "at": now, "what": what}
        changes.append(Insert("delegation_history", {**happening, "author": author, "detail": '{"by": "closed"}'}))
    return changes


def _detail(row: Row) -> dict[str, str]:
    """What a line of history says."""
    return cast("dict[str, str]", json.loads(cast(str, row["detail"])))


def _plain(row: Row, columns: Collection[str]) -> dict[str, object]:
    """These columns as JSON values."""
    return {name: _iso(row[name]) for name in columns}


def _iso(value: Value) -> object:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
