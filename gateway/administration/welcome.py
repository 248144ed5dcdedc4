"""The account of somebody who is invited: found by its number or user name, or made (R98, R100)."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from gateway.accounts.account import Account, Origin
from gateway.accounts.register import Register
from gateway.administration.actor import Actor, Faulty, record
from gateway.administration.newcomers import Newcomer, facts_of, user_names
from gateway.audit import Act
from gateway.identity import searchable
from gateway.ports import Ambient, Audit, Change, Insert, Records
from gateway.reasons import Stale

_SOMEBODY_ELSE = "Cet identifiant est celui d'une autre personne\u00a0: vérifiez l'identifiant et le nom."


class Welcome:
    """Methods raise ``RecordsUnavailable``."""

    def __init__(self, records: Records, register: Register, audit: Audit, ambient: Ambient) -> None:
        self._records = records
        self._register = register
        self._audit = audit
        self._ambient = ambient

    def new_id(self) -> str:
        return "acc_" + self._ambient.token(15)

    async def held_by(self, newcomer: Newcomer) -> Account | None:
        """The account that has this number or user name already.

        Raises ``Faulty`` when it bears another name: a slip of the pen must not attach a stranger. A national number
        is one person's whatever their given names; a user name is compared with all of the name.
        """
        if not newcomer.login:
            return None
        account = await self._register.by_login(newcomer.login)
        if account is None:
            return None
        family = searchable(account.family_name) == searchable(newcomer.family_name)
        given = newcomer.national is not None or searchable(account.given_name) == searchable(newcomer.given_name)
        if not family or not given:
            raise Faulty({"identifier": [_SOMEBODY_ELSE]})
        return account

    async def create(self, account_id: str, newcomer: Newcomer, scope_id: str, actor: Actor, now: datetime) -> Account:
        """Account, login and membership in one transaction, after the audit. Raises ``Taken``."""
        key = newcomer.login or await self._free_name(newcomer)
        await self._audit.record(
            record(Act.ACCOUNT_INVITED, actor, now, account=account_id, scope=scope_id, **facts_of(newcomer))
        )
        changes: list[Change] = [
            Insert(
                "accounts",
                {
                    "id": account_id,
                    "national_id": newcomer.national.text if newcomer.national else None,
                    "family_name": newcomer.family_name,
                    "given_name": newcomer.given_name,
                    "search": searchable(newcomer.family_name, newcomer.given_name),
                    "mail": newcomer.mail,
                    "mail_key": newcomer.mail_key,
                    "mail_canonical": newcomer.mail_key,
                    "password_must_change": False,
                    "origin": Origin.REFERENT.value,
                    "space_default": newcomer.space.value,
                    "created_at": now,
                    "updated_at": now,
                    "version": 1,
                },
            ),
            Insert("logins", {"key": key, "account_id": account_id, "created_at": now}),
            Insert("memberships", {"account_id": account_id, "scope_id": scope_id, "since": now}),
        ]
        await self._records.write(*changes)
        made = await self._register.by_id(account_id)
        assert made is not None  # noqa: S101 - written in the transaction just above
        return made

    async def _free_name(self, newcomer: Newcomer) -> str:
        names = user_names(newcomer.family_name, newcomer.given_name)
        held = {cast(str, row["key"]) for row in await self._records.find("logins", {"key": names})}
        free = next((name for name in names if name not in held), None)
        if free is None:
            raise Stale("no user name is free for this name")
        return free
