"""What is sent to people when an administrator gave their address: an invitation, or a request to prove it (R100).

Both are links used once, by whoever reads the mailbox. An invitation lets the person choose a password and proves the
address in the same act; it opens no session, and the code at sign-in is asked as always. It is good as long as the
account has the address it went to and no password.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway import texts
from gateway.accounts.account import Account, Origin
from gateway.accounts.links import Links
from gateway.accounts.register import Register
from gateway.ports import Ambient, Store

_AGAIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class InvitationSettings:
    """``base``: where the gateway's own pages begin, as the person's browser knows it; the lives of the two links."""

    base: str
    life: timedelta = timedelta(days=7)
    proof_life: timedelta = timedelta(days=7)
    zone: ZoneInfo = texts.PARIS


def may_be_invited(account: Account) -> bool:
    """Whether the account still waits for its person to choose a password."""
    return (
        account.origin is Origin.REFERENT
        and account.password_hash is None
        and account.last_sign_in_at is None
        and bool(account.mail)
    )


class Invitations:
    """Methods raise ``StoreUnavailable``; those that look an account up also ``RecordsUnavailable``."""

    def __init__(self, store: Store, ambient: Ambient, settings: InvitationSettings) -> None:
        self._links = Links(store, ambient, "invitation")
        self._proofs = Links(store, ambient, "mail-proof")
        self._settings = settings

    async def invite(self, account_id: str, mail: str, place: str, now: datetime) -> texts.Text:
        """The mail with a new link, which voids those before. The account may be written after it."""
        life = self._settings.life
        token = await self._links.make(account_id, {"mail": mail}, life)
        link = f"{self._settings.base}/invitation?token={token}"
        return texts.invitation_mail(link, place, now + life, zone=self._settings.zone)

    async def prove(self, account_id: str, mail: str, now: datetime) -> texts.Text:
        """The mail that asks for a proof of an address the account has already; ``pages.proving`` serves its link."""
        life = self._settings.proof_life
        facts = {"mail": mail, "change": False, "until": (now + life).timestamp(), "asked": now.timestamp()}
        token = await self._proofs.make(account_id, facts, life)
        link = f"{self._settings.base}/mail/prove?token={token}"
        return texts.proof_mail(link, now + life, zone=self._settings.zone)

    async def invited(self, token: str, register: Register) -> Account | None:
        """The account this link is good for, now."""
        return await self._account(await self._links.find(token), register)

    async def accept(self, token: str, register: Register) -> tuple[Account, Mapping[str, Any]] | None:
        """Use the link: the account, and what ``give_back`` needs; ``None`` when it is no longer good."""
        facts = await self._links.take(token)
        account = await self._account(facts, register)
        return (account, facts) if facts is not None and account is not None else None

    async def give_back(self, token: str, facts: Mapping[str, Any]) -> None:
        """The account changed at that instant and nothing was written: the link is good for another try."""
        await self._links.give_back(token, facts, _AGAIN)

    async def void(self, account_id: str) -> None:
        """No invitation of this account is good any more."""
        await self._links.void(account_id)

    async def _account(self, facts: Mapping[str, Any] | None, register: Register) -> Account | None:
        account = await register.by_id(facts["account"]) if facts is not None else None
        if account is None or facts is None or account.closed_at is not None or account.suspended_at is not None:
            return None
        return account if may_be_invited(account) and account.mail == facts["mail"] else None
