"""What every act on a delegation does around its row: the audit before it, the workers and the people after it.

Once a row is written the act is done: a bus that is silent or an address that cannot be read is a line in the log, and
no error to whoever acted. Workers look again within seconds all the same (R130).

History knows these words: ``given``, ``resent``, ``proposed``, ``accepted``, ``confirmed``, ``declined``, ``changed``,
``ended``, ``reminded``. Its details are short texts: ``start``, ``end``, ``rights`` (each with ``…_before`` when it
changed), ``name``, ``method``, ``by`` (who ended it), ``days``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Protocol
from zoneinfo import ZoneInfo

import structlog

from gateway import texts
from gateway.accounts.account import Account
from gateway.accounts.delegation import Delegation
from gateway.accounts.delegations import Delegations
from gateway.accounts.register import Register
from gateway.audit import Act, Record
from gateway.delegations import mails
from gateway.delegations.author import By
from gateway.ports import Audit, Bus, Value
from gateway.reasons import Reason, RecordsUnavailable, Stale, StoreUnavailable

TURNS = 20  # how often an act is tried again that others overtook
_KIND = "delegation"
_log = structlog.get_logger("gateway.delegations")
# Fields of a delegation whose link leads nowhere any more, and of one that nobody is proposed for.
NO_LINK: Mapping[str, Value] = {"invite_digest": None, "invite_until": None}
NOBODY: Mapping[str, Value] = {"proposed": None, "proposed_name": None, "proposed_at": None}


def digest_of(token: str) -> str:
    """What is kept of a link."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Post(Protocol):
    """``Notices.post``: never waits, never fails."""

    def __call__(
        self, account: Account, text: texts.Text, kind: str, correlation: str, *, to: str | None = None
    ) -> None: ...


class Acts:
    """Methods raise ``RecordsUnavailable`` where nothing was written yet."""

    def __init__(
        self, delegations: Delegations, register: Register, audit: Audit, bus: Bus, post: Post, zone: ZoneInfo
    ) -> None:
        self._delegations = delegations
        self._register = register
        self._audit = audit
        self._bus = bus
        self._post = post
        self._zone = zone

    async def record(
        self,
        act: Act,
        by: By,
        delegation_id: str,
        now: datetime,
        facts: Mapping[str, str] | None = None,
        *,
        reason: Reason | None = None,
    ) -> None:
        """Write what is about to happen, or what was refused."""
        record = Record(
            act,
            now,
            by.account.id,
            reason,
            address=by.address or None,
            correlation=by.correlation or None,
            facts={"delegation": delegation_id, **(facts or {})},
        )
        await self._audit.record(record)

    async def tell_workers(self, delegation_id: str) -> None:
        try:
            await self._bus.publish(f"delegation:{delegation_id}")
        except StoreUnavailable as error:  # workers look again within seconds
            _log.warning("workers not told", delegation=delegation_id, error=str(error))

    def tell(self, account: Account, text: texts.Text, correlation: str, *, to: str | None = None) -> None:
        """A mail to somebody; ``to``: to this address, on the account's behalf."""
        self._post(account, text, _KIND, correlation, to=to)

    async def tell_person(self, delegation: Delegation, doctor: Account, text: texts.Text, correlation: str) -> None:
        """A mail to whom the delegation is for: their account's address, or that to which they were invited."""
        try:
            account = await self._account(delegation)
        except RecordsUnavailable as error:
            _log.warning("person not told", delegation=delegation.id, error=str(error))
            return
        if account is not None:
            self.tell(account, text, correlation)
        elif delegation.mail is not None:
            self.tell(doctor, text, correlation, to=delegation.mail)

    async def revoke(
        self,
        read: Callable[[], Awaitable[Delegation]],
        author: str,
        revoked_by: str,
        before: Callable[[Delegation], Awaitable[None]],
        now: datetime,
        **detail: str,
    ) -> tuple[Delegation, bool]:
        """End it whatever others do to it at this instant; false when it was over already, and nothing was done.

        ``read`` finds it, anew for each try, or raises why the author may not; ``before`` writes the audit."""
        for _ in range(TURNS):
            one = await read()
            if one.state(now).over:
                return one, False
            await before(one)
            try:
                ended = await self._delegations.change(
                    one,
                    now,
                    "ended",
                    author,
                    {"by": revoked_by, **detail},
                    revoked_at=now,
                    revoked_by=revoked_by,
                    **NO_LINK,
                )
            except Stale:
                continue
            await self.tell_workers(ended.id)
            return ended, True
        raise Stale("a delegation changes too often")

    async def tell_ended(self, delegation: Delegation, doctor: Account | None, now: datetime, correlation: str) -> None:
        """A mail to both."""
        if doctor is None:
            return
        self.tell(doctor, mails.ended(delegation, doctor, now, own=True, zone=self._zone), correlation)
        text = mails.ended(delegation, doctor, now, own=False, zone=self._zone)
        await self.tell_person(delegation, doctor, text, correlation)

    async def _account(self, delegation: Delegation) -> Account | None:
        if delegation.delegate is not None:
            return await self._register.by_id(delegation.delegate)
        return await self._register.by_login(delegation.delegate_key) if delegation.delegate_key is not None else None
