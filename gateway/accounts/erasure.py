"""What is held of a person: a copy of it, and its erasure (R104, RGPD articles 15, 17 and 20).

Erasing leaves an empty account under its pseudonym, so that traces which must be kept (R148) still tell one person from
another without naming anybody. The empty account goes when the last of them has gone (``upkeep``). Nothing unique stays:
the same person may open a new account with the same number and address at once.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import cast

from gateway.accounts.account import Account
from gateway.accounts.mailboxes import Mailboxes
from gateway.ports import Change, Delete, Records, Row, Update, Value
from gateway.reasons import Stale

# Tables whose rows belong to one account, by the column account_id.
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
_ACCOUNT = (
    "id", "national_id", "family_name", "given_name", "profession", "specialty", "mail", "mail_proved_at", "phone",
    "phone_proved_at", "address", "postal_code", "city", "password_set_at", "password_must_change", "first_strong_at",
    "last_sign_in_at", "last_method", "last_channel", "suspended_at", "suspended_reason", "closed_at", "reactivated_at",
    "warned_at", "memory_void_at", "origin", "space_default", "charter_version", "charter_at", "created_at",
    "updated_at",
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
            "warned_at", "memory_void_at", "charter_version", "charter_at",
        )
    ),
}  # fmt: skip


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


def _plain(row: Row, columns: Collection[str]) -> dict[str, object]:
    """These columns as JSON values."""
    return {name: _iso(row[name]) for name in columns}


def _iso(value: Value) -> object:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
