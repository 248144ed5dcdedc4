"""Addresses that history gave to several accounts (R99): finding them, and giving each account one of its own.

An account whose address is shared has the address and its canonical spelling, but not the unique key. When a single
account is left with an address, it receives the key, and has to prove the address again: what was proved while
somebody else read the same mailbox proves little.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from gateway.accounts.account import Account
from gateway.accounts.register import mail_key
from gateway.ports import Change, Records, Row, Span, Update, Value
from gateway.reasons import Stale, Taken

_PAGE = 500
_TURNS = 20


class Mailboxes:
    """Methods raise ``RecordsUnavailable``."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def shared_mails(self) -> dict[str, tuple[str, ...]]:
        """Account ids by the canonical address that they share; every group has two or more."""
        groups: dict[str, list[str]] = {}
        last = ""
        while True:
            rows = await self._records.find(
                "accounts", {"mail_key": None, "id": Span(after=last)}, order=("id",), limit=_PAGE
            )
            for row in rows:
                if row["mail_canonical"] is not None and row["id"] != last:
                    groups.setdefault(cast(str, row["mail_canonical"]), []).append(cast(str, row["id"]))
            if len(rows) < _PAGE:
                return {address: tuple(ids) for address, ids in sorted(groups.items()) if len(ids) > 1}
            last = cast(str, rows[-1]["id"])

    async def holders(self, address: str) -> tuple[str, ...]:
        """The ids of the accounts with this address, in any spelling."""
        key = mail_key(address)
        return tuple(cast(str, row["id"]) for row in await self._sharing(key)) if key else ()

    async def repair_mail(self, account: Account, new_address: str, now: datetime) -> None:
        """Give the account an address of its own, to be proved again (R100).

        Raises ``ValueError`` when it is no address, ``Taken`` when another account has it, and ``Stale`` when the
        account changed since it was read.
        """
        key = mail_key(new_address)
        if key is None:
            raise ValueError("not a mail address")
        if any(holder != account.id for holder in await self.holders(new_address)):
            raise Taken("accounts.mail_key")
        values: dict[str, Value] = {
            "mail": new_address.strip(),
            "mail_key": key,
            "mail_canonical": key,
            "mail_proved_at": None,
            "updated_at": now,
            "version": account.version + 1,
        }
        old = mail_key(account.mail) if account.mail else None
        freed = await self.freed(old, account.id, now) if old != key else []
        await self._records.write(Update("accounts", values, {"id": account.id, "version": account.version}), *freed)

    async def settle(self, address: str, now: datetime) -> None:
        """After an account left this address by another way: the one account that still has it receives the key."""
        key = mail_key(address)
        for _ in range(_TURNS):
            changes = await self.freed(key, None, now)
            try:
                if changes:
                    await self._records.write(*changes)
                return
            except Stale:
                continue
        raise Stale("the account changes too often")

    async def freed(self, key: str | None, leaving: str | None, now: datetime) -> Sequence[Change]:
        """The change to write when the account ``leaving`` gives up this canonical address, if one follows from it."""
        left = [row for row in await self._sharing(key) if row["id"] != leaving] if key else []
        if len(left) != 1 or left[0]["mail_key"] is not None:
            return []
        (one,) = left
        version = cast(int, one["version"])
        return [
            Update(
                "accounts",
                {"mail_key": key, "mail_proved_at": None, "updated_at": now, "version": version + 1},
                {"id": one["id"], "version": version},
            )
        ]

    async def _sharing(self, key: str | None) -> tuple[Row, ...]:
        return await self._records.find("accounts", {"mail_canonical": key}, order=("id",))
