"""The policy in force, for those who ask about a person: an immutable book, replaced whole when it changes (R83)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

from gateway.accounts.account import Account, Role
from gateway.identity import Method
from gateway.policy.book import scopes_of
from gateway.policy.establishments import Contact, Defaults, EstablishmentPolicy, PolicyBook, Scope
from gateway.policy.legal import CHANNELS, MEANS
from gateway.policy.tree import ScopeTree
from gateway.ports import Records, Row, Span, Where
from gateway.providers.code import CodePolicy
from gateway.reasons import GatewayError
from gateway.session.model import Lifetimes

_PAGE = 1000
_FEW = 400  # ids in one question


class PolicyDesk:
    """``shared_idle``: the idle limit on a shared workstation (R146). ``admin_methods``: the means left to regional and
    national administrators (G59)."""

    def __init__(
        self,
        records: Records,
        defaults: Defaults,
        shared_idle: timedelta,
        admin_methods: frozenset[Method] | None = None,
    ) -> None:
        self._records = records
        self._defaults = defaults
        self._shared_idle = shared_idle
        self._admin_methods = admin_methods
        self._revision = -1
        self._tree: ScopeTree | None = None
        self._reading = asyncio.Lock()
        self.book = PolicyBook(defaults)

    @property
    def tree(self) -> ScopeTree:
        """The scopes of the book in force, as people look for them."""
        if self._tree is None or self._tree.book is not self.book:
            self._tree = ScopeTree(self.book, self._tree)
        return self._tree

    @property
    def revision(self) -> int:
        """Of the book in force: whoever computes a change from the book writes it only over this one."""
        return self._revision

    async def refresh(self) -> None:
        """Read what changed since the last time: one look at a counter when nothing did.

        Raises ``RecordsUnavailable``, or ``ValueError`` for a word no policy knows; the book in force then stays.
        """
        async with self._reading:  # one after the other: an older reading must not be the last to be kept
            await self._read()

    async def catch_up(self) -> None:
        """``refresh`` for whoever administers, before each request: what a colleague, or the very same person by another
        worker, wrote a moment ago is seen. When it cannot be read, the book in force serves on."""
        with contextlib.suppress(GatewayError, ValueError):
            await self.refresh()

    async def _read(self) -> None:
        rows = await self._records.find("revisions", {"name": "policy"}, limit=1)
        revision = cast(int, rows[0]["value"]) if rows else 0
        if revision == self._revision:
            return
        behind = revision < self._revision  # the database is an older one, put back: nothing known still counts
        changed: list[Scope] = []
        async for page in self._changed(-1 if behind else self._revision):
            ids = [row["id"] for row in page]
            switches: list[Row] = []
            for start in range(0, len(ids), _FEW):
                switches += await self._records.find("switches", {"scope_id": ids[start : start + _FEW]})
            changed += scopes_of(page, switches)
        self.book = PolicyBook(self._defaults, changed) if behind else self.book.with_scopes(changed)
        if self._revision < 0:
            self.tree.prepare()  # a second or so of 100 000 scopes: before anybody waits for it
        self._revision = revision

    async def _changed(self, since: int) -> AsyncIterator[Sequence[Row]]:
        last = ""
        while True:
            where: Where = {"revision": Span(after=since + 1), "id": Span(after=last)} if since >= 0 else {
                "id": Span(after=last)
            }  # fmt: skip
            page = await self._records.find("scopes", where, order=("id",), limit=_PAGE)
            fresh = [row for row in page if row["id"] != last]
            if fresh:
                yield fresh
            if len(page) < _PAGE:
                return
            last = cast(str, page[-1]["id"])

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
        """What the person's scopes accept; of administrators what the nation leaves them (G59), but for what is
        forbidden by its legal status: nobody who looks after less locks them out by the settings of a scope."""
        if self._admin_methods is None or not any(grant.role is not Role.REFERENT for grant in account.grants):
            return self.policy(account, now).methods
        return self._admin_methods - self.book.barred(account.scopes)

    def channels(self, account: Account, now: datetime) -> Sequence[str]:
        """Those whose codes would open something: no code is sent that its means lets nobody in with (R91, G59)."""
        found, methods = self.policy(account, now).channels, self.methods(account, now)
        return tuple(one for one in found if methods is None or MEANS.get(CHANNELS.get(one, ""), frozenset()) & methods)

    def banner(self, account: Account, now: datetime) -> str:
        return self.policy(account, now).banner

    def contacts(self, account: Account, now: datetime) -> Sequence[Contact]:
        return self.policy(account, now).contacts

    def above(self, scope: str) -> Sequence[str]:
        """The scope and those above it, nearest first."""
        return [one.id for one in self.book.chain(scope)]

    def for_account(self, account: Account, now: datetime) -> CodePolicy:
        found = self.policy(account, now)
        channels = tuple(self.channels(account, now))
        return CodePolicy(found.strong, found.code_validity, channels, found.second_factor_memory)
