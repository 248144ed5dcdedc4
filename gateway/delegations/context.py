"""For whom a session acts, as pages show it: read anew for each page, like the gate does for each request (R129, R130)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import structlog

from gateway.accounts.account import Account
from gateway.accounts.delegation import Delegation
from gateway.accounts.delegations import Delegations
from gateway.accounts.register import Register
from gateway.policy.delegation import DelegationRules, keys_of, last_second, may_act, rights_of
from gateway.reasons import Reason, RecordsUnavailable
from gateway.session.model import Session

_log = structlog.get_logger("gateway.delegations")


@dataclass(frozen=True, slots=True)
class Context:
    """The delegation a session acts under and its doctor, as far as they are to be found; ``refusal``: why it no longer
    stands. ``rights`` are those in force; ``last``: the last second, in the zone where its days are counted."""

    delegation: Delegation | None
    delegator: Account | None
    refusal: Reason | None
    rights: frozenset[str] = frozenset()
    last: datetime | None = None

    @property
    def doctor(self) -> str:
        """The doctor's names, for people."""
        return f"{self.delegator.given_name} {self.delegator.family_name}".strip() if self.delegator else ""


class Contexts:
    """``of`` and ``counted`` raise ``RecordsUnavailable``."""

    def __init__(self, delegations: Delegations, register: Register, rules: DelegationRules) -> None:
        self._delegations = delegations
        self._register = register
        self._rules = rules

    async def of(self, session: Session, account: Account, now: datetime) -> Context | None:
        """The context of a session; ``None`` when it acts for nobody but the person themselves."""
        if session.acting_under is None:
            return None
        delegation = await self._delegations.by_id(session.acting_under)
        delegator = await self._register.by_id(delegation.delegator) if delegation is not None else None
        refusal = may_act(delegation, delegator, session, account, self._rules, now)
        rights = rights_of(delegation, self._rules) if delegation is not None else frozenset()
        last = last_second(delegation, self._rules.zone) if delegation is not None else None
        return Context(delegation, delegator, refusal, rights, last)

    async def counted(self, account: Account, now: datetime) -> tuple[int, int]:
        """How many delegations this person gave, and received, that are not over: for « Mon compte »."""
        given = await self._delegations.given_by(account.id)
        received = await self._delegations.received_by(account.id, keys_of(account))
        live = [[one for one in some if not one.state(now).over] for some in (given, received)]
        return len(live[0]), len(live[1])

    async def renewed(self, before: Session, after: Session, now: datetime) -> None:
        """The session goes on under another name, with another proof or in another space: so does the doctor's list of uses.
        Nothing when it acts for nobody. The session is what it is by now, so this never fails: a line that could not be
        written is one in the log."""
        if after.acting_under is None:
            return
        try:
            await self._delegations.ended(before.digest[:12], now)
            await self._delegations.began(after.acting_under, after.account, after.digest[:12], after.method.value, now)
        except RecordsUnavailable as error:
            _log.warning("use not followed", session=after.digest[:12], error=str(error))

    async def over(self, session: Session, now: datetime) -> None:
        """The session is closed: what was done under a delegation in it ends here, for the doctor's list of uses. Nobody stays
        signed in for want of that line: it is one in the log then."""
        try:
            await self._delegations.ended(session.digest[:12], now)
        except RecordsUnavailable as error:
            _log.warning("use not closed", session=session.digest[:12], error=str(error))
