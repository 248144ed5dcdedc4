"""The policy in force, for those who ask about a person: an immutable book, replaced whole every few seconds (R83)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from gateway.accounts.account import Account
from gateway.identity import Method
from gateway.policy.book import book_of
from gateway.policy.establishments import Defaults, EstablishmentPolicy, PolicyBook
from gateway.ports import Records
from gateway.providers.code import CodePolicy
from gateway.session.model import Lifetimes


class PolicyDesk:
    """``shared_idle``: the idle limit on a shared workstation (R146)."""

    def __init__(self, records: Records, defaults: Defaults, shared_idle: timedelta) -> None:
        self._records = records
        self._defaults = defaults
        self._shared_idle = shared_idle
        self.book = PolicyBook(defaults)

    async def refresh(self) -> None:
        """Read the scopes again. Raises ``RecordsUnavailable``, or ``ValueError`` for a word no policy knows."""
        scopes = await self._records.find("scopes", {}, order=("id",))
        switches = await self._records.find("switches", {}, order=("effective_from",))
        self.book = book_of(self._defaults, scopes, switches)

    def policy(self, account: Account, now: datetime) -> EstablishmentPolicy:
        return self.book.policy(account.scopes, now)

    def strong(self, account: Account, now: datetime) -> bool:
        return self.policy(account, now).strong

    def lifetimes(self, account: Account, now: datetime, *, shared: bool) -> Lifetimes:
        found = self.policy(account, now).lifetimes
        return replace(found, idle=min(found.idle, self._shared_idle)) if shared else found

    def memory(self, account: Account, now: datetime) -> timedelta:
        return self.policy(account, now).second_factor_memory

    def methods(self, account: Account, now: datetime) -> frozenset[Method] | None:
        return self.policy(account, now).methods

    def channels(self, account: Account, now: datetime) -> Sequence[str]:
        return self.policy(account, now).channels

    def banner(self, account: Account, now: datetime) -> str:
        return self.policy(account, now).banner

    def above(self, scope: str) -> Sequence[str]:
        """The scope and those above it, nearest first."""
        return [one.id for one in self.book.chain(scope)]

    def for_account(self, account: Account, now: datetime) -> CodePolicy:
        found = self.policy(account, now)
        return CodePolicy(found.strong, found.code_validity, found.channels, found.second_factor_memory)
