"""Which passkeys open an account: their public keys, their counters, the names their holders gave them.

Rules of the room:

* A credential belongs to one account; the database holds that, never a look before a leap.
* Ten for an account, however many tabs add one at the same instant: an addition is also a change of the account.
* A counter moves by a guarded update: of two uses that say the same count one is the first, the other is refused.

Methods may raise ``RecordsUnavailable``. Nothing here is secret, and yet credential ids are written in no log and no
form: there a passkey is called by its ``reference``.
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from gateway.ports import Delete, Insert, Records, Row, Update
from gateway.reasons import Stale

MOST = 10  # passkeys of one account
NAME_LENGTH = 60  # characters
_TURNS = 20


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """A credential that has just been made, for the account that made it. ``id`` and ``public_key`` (a COSE key) are
    unpadded base64url."""

    id: str
    public_key: str
    sign_count: int
    name: str
    backed_up: bool


@dataclass(frozen=True, slots=True)
class Passkey:
    """A credential of an account. ``backed_up``: its holder's devices share it (WebAuthn §6.1.3)."""

    id: str
    account_id: str
    public_key: str
    sign_count: int
    name: str
    backed_up: bool
    created_at: datetime
    last_used_at: datetime | None

    @property
    def reference(self) -> str:
        return reference_of(self.id)


class PasskeyRegister:
    """Passkeys by credential and by account."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def list(self, account_id: str) -> tuple[Passkey, ...]:
        """The passkeys of an account, the oldest first."""
        rows = await self._records.find("passkeys", {"account_id": account_id}, order=("created_at", "id"))
        return tuple(map(_whole, rows))

    async def count(self, account_id: str) -> int:
        return len(await self._records.find("passkeys", {"account_id": account_id}))

    async def find(self, credential_id: str) -> Passkey | None:
        """The passkey of this credential id (unpadded base64url), whoever holds it."""
        rows = await self._records.find("passkeys", {"id": credential_id}, limit=1)
        return _whole(rows[0]) if rows else None

    async def add(self, account_id: str, new: NewPasskey, now: datetime) -> bool:
        """Keep one more; false when the account has ten, or is no more.

        Raises ``Taken`` for a credential that somebody has already, and ``Stale`` when the account changes all the time.
        """
        for _ in range(_TURNS):
            # The account's version is read before its passkeys are counted, and is unchanged when the new one is written.
            accounts = await self._records.find("accounts", {"id": account_id}, limit=1)
            if not accounts or accounts[0]["closed_at"] is not None or await self.count(account_id) >= MOST:
                return False
            version = cast(int, accounts[0]["version"])
            try:
                await self._records.write(
                    Update(
                        "accounts",
                        {"version": version + 1, "updated_at": now},
                        {"id": account_id, "version": version},
                    ),
                    Insert(
                        "passkeys",
                        {
                            "id": new.id,
                            "account_id": account_id,
                            "public_key": new.public_key,
                            "sign_count": new.sign_count,
                            "name": new.name,
                            "backed_up": new.backed_up,
                            "created_at": now,
                            "last_used_at": None,
                        },
                    ),
                )
            except Stale:
                continue
            return True
        raise Stale(f"the account {account_id} changes too often")

    async def used(self, credential_id: str, old_count: int, new_count: int, now: datetime) -> bool:
        """Write a use down; false when the count is no longer the one that was judged, or the passkey is gone."""
        try:
            await self._records.write(
                Update(
                    "passkeys",
                    {"sign_count": new_count, "last_used_at": now},
                    {"id": credential_id, "sign_count": old_count},
                )
            )
        except Stale:
            return False
        return True

    async def rename(self, account_id: str, credential_id: str, name: str) -> bool:
        """Another name (``clean_name``); false when the account has no such passkey."""
        try:
            await self._records.write(
                Update("passkeys", {"name": name}, {"id": credential_id, "account_id": account_id})
            )
        except Stale:
            return False
        return True

    async def remove(self, account_id: str, credential_id: str) -> None:
        """Forget a passkey of this account; one of another account stays."""
        await self._records.write(Delete("passkeys", {"id": credential_id, "account_id": account_id}))


def reference_of(credential_id: str) -> str:
    """What a passkey is called in forms and, by its first eight characters, in the audit."""
    return hashlib.sha256(credential_id.encode()).hexdigest()[:16]


def clean_name(typed: str) -> str:
    """A name as it is kept: one line of printable characters, 60 at most; perhaps nothing is left."""
    text = " ".join(unicodedata.normalize("NFC", typed[: 4 * NAME_LENGTH]).split())
    return "".join(character for character in text if character.isprintable())[:NAME_LENGTH].strip()


def _whole(row: Row) -> Passkey:
    return Passkey(
        id=cast(str, row["id"]),
        account_id=cast(str, row["account_id"]),
        public_key=cast(str, row["public_key"]),
        sign_count=cast(int, row["sign_count"]),
        name=cast(str, row["name"]),
        backed_up=bool(row["backed_up"]),
        created_at=cast(datetime, row["created_at"]),
        last_used_at=cast("datetime | None", row["last_used_at"]),
    )
