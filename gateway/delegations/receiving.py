"""What a delegate does: accepts an invitation with a card, sees what they received, acts, gives back (R112–R117, R128).

* An invitation is used once, in the transaction that does what it is for: of two at once one wins.
* Another person's card gains nothing: the doctor is asked (R112).
* Acting is a context of the session under a new ticket; whether it stands is asked again at every request (R129, R130).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import structlog

from gateway.accounts.account import Account, Standing
from gateway.accounts.delegation import Delegation, State
from gateway.accounts.delegations import Delegations
from gateway.accounts.register import Register
from gateway.administration.actor import NotThere
from gateway.audit import Act
from gateway.clocks import SKEW
from gateway.delegations import mails
from gateway.delegations.acts import NO_LINK, TURNS, Acts, Post, digest_of
from gateway.delegations.author import By
from gateway.delegations.judging import Overlap, Person, next_number, refuse_overlap
from gateway.identity import Proof
from gateway.policy.delegation import DelegationRules, keys_of, may_act, same_person
from gateway.ports import Audit, Bus, Value
from gateway.reasons import GatewayError, Reason, RecordsUnavailable, Stale, Taken
from gateway.session.keeper import Keeper
from gateway.session.model import Session

_CARD_AGE = timedelta(minutes=30)
_log = structlog.get_logger("gateway.delegations")


@dataclass(frozen=True, slots=True)
class Received:
    """A delegation and its doctor; ``refusal``: why one cannot act under it now."""

    delegation: Delegation
    delegator: Account | None
    refusal: Reason | None


class Outcome(StrEnum):
    """What became of an invitation."""

    ACTIVE = "active"  # it is this person's
    PENDING = "pending"  # the card bears another name: the doctor is asked
    ALREADY = "already"  # they have one of this doctor's in these days
    WRONG_MEANS = "wrong-means"  # no card of an accepted type was shown of late
    OWN = "own"  # the doctor's own card
    LOST = "lost"  # the link is good for nothing


_REFUSED = {
    Outcome.ALREADY: Reason.DELEGATION_OVERLAP,
    Outcome.WRONG_MEANS: Reason.METHOD_DISABLED,
    Outcome.OWN: Reason.NOT_ALLOWED,
    Outcome.LOST: Reason.LINK_EXPIRED,
}


class ReceivingOffice:
    """Methods raise ``RecordsUnavailable``; ``begin`` and ``leave`` also ``StoreUnavailable`` and ``SessionGone``."""

    def __init__(
        self,
        *,
        delegations: Delegations,
        register: Register,
        keeper: Keeper,
        audit: Audit,
        bus: Bus,
        post: Post,
        rules: DelegationRules,
        base: str,
        zone: ZoneInfo,
    ) -> None:
        self.rules = rules
        self._delegations = delegations
        self._register = register
        self._keeper = keeper
        self._acts = Acts(delegations, register, audit, bus, post, zone)
        self._base = base
        self._zone = zone

    # An invitation

    async def invited(self, token: str, now: datetime) -> tuple[Delegation, Account] | None:
        """The delegation that a link is good for, and the doctor; ``None`` when it is good for nothing now. Looking
        consumes nothing: machines open the links of mails before people do (R111)."""
        if not 10 <= len(token) <= 64 or not token.isascii():
            return None
        found = await self._delegations.by_invitation(digest_of(token))
        if found is None or found.state(now) is not State.INVITED:
            return None
        doctor = await self._register.by_id(found.delegator)
        if doctor is None or doctor.profession not in self.rules.physicians:
            return None
        return (found, doctor) if doctor.standing(now, self.rules.dormancy) is Standing.OPEN else None

    async def finalise(self, token: str, by: By, now: datetime) -> tuple[Outcome, Delegation | None]:
        """Use a link with the newest card of the session (R112, R117): its name decides. The link is used by ``ACTIVE`` and
        ``PENDING`` alone."""
        for _ in range(TURNS):
            found = await self.invited(token, now)
            if found is None:
                return await self._refuse(Outcome.LOST, by, None, now)
            one, doctor = found
            card = self._card(by, now)
            if doctor.id == by.account.id or (card and keys_of(doctor).intersection(card.identity.keys)):
                return await self._refuse(Outcome.OWN, by, one, now)
            if card is None:
                return await self._refuse(Outcome.WRONG_MEANS, by, one, now)
            given = await self._delegations.given_by(doctor.id)
            try:
                person = Person(by.account.id, keys_of(by.account).union(card.identity.keys))
                refuse_overlap(given, person, one.begins, one.ends, now, but=one.id)
            except Overlap:
                return await self._refuse(Outcome.ALREADY, by, one, now)
            try:
                # Under the doctor's next number: what was judged on ``given`` holds only if nothing was added since.
                return await self._use(one, doctor, card, by, next_number(given), now)
            except (Stale, Taken):
                continue
        raise Stale("a delegation changes too often")

    async def _use(
        self, one: Delegation, doctor: Account, card: Proof, by: By, number: int, now: datetime
    ) -> tuple[Outcome, Delegation]:
        identity, account = card.identity, by.account
        method = {"method": card.method.value}
        fields: Mapping[str, Value]
        if same_person(one, identity):
            key = identity.id.text if identity.id else None
            fields = {"delegate": account.id, "delegate_key": key, "finalised_at": now, "number": number, **NO_LINK}
            await self._acts.record(Act.DELEGATION_ACCEPTED, by, one.id, now, {**method, "delegator": doctor.id})
            changed = await self._delegations.change(one, now, "accepted", account.id, method, **fields)
            await self._acts.tell_workers(changed.id)
            self._acts.tell(doctor, mails.accepted(changed, now, self._zone), by.correlation)
            return Outcome.ACTIVE, changed
        name = f"{identity.given_name} {identity.family_name}".strip()
        fields = {"proposed": account.id, "proposed_name": name, "proposed_at": now, **NO_LINK}
        facts = {**method, "delegator": doctor.id}
        await self._acts.record(Act.DELEGATION_PROPOSED, by, one.id, now, facts, reason=Reason.NAME_MISMATCH)
        changed = await self._delegations.change(one, now, "proposed", account.id, {**method, "name": name}, **fields)
        await self._acts.tell_workers(changed.id)
        page = f"{self._base}/delegations"
        self._acts.tell(doctor, mails.proposed(changed, page, now, self._zone), by.correlation)
        return Outcome.PENDING, changed

    def _card(self, by: By, now: datetime) -> Proof | None:
        """The newest card of this session that is accepted, was shown of late, and is of this account's person."""
        own = keys_of(by.account)
        fit = [
            proof
            for proof in by.session.proofs
            if proof.method in self.rules.finalising
            and -SKEW <= now - proof.at <= _CARD_AGE
            and not proof.remembered
            and own.intersection(proof.identity.keys)
        ]
        return max(fit, key=lambda proof: proof.at) if fit else None

    async def _refuse(
        self, outcome: Outcome, by: By, one: Delegation | None, now: datetime
    ) -> tuple[Outcome, Delegation | None]:
        facts = {"asked": "finalise", "outcome": outcome.value}
        delegation_id = one.id if one is not None else ""
        await self._acts.record(Act.DELEGATION_REFUSED, by, delegation_id, now, facts, reason=_REFUSED[outcome])
        return outcome, one

    # What one has

    async def received(self, session: Session, account: Account, now: datetime) -> Sequence[Received]:
        """All that is this person's, what is alive first; each with why they cannot act under it now (R128)."""
        doctors: dict[str, Account | None] = {}
        found = []
        for one in await self._delegations.received_by(account.id, keys_of(account)):
            if one.delegator not in doctors:
                doctors[one.delegator] = await self._register.by_id(one.delegator)
            doctor = doctors[one.delegator]
            found.append(Received(one, doctor, may_act(one, doctor, session, account, self.rules, now)))
        return sorted(found, key=lambda each: each.delegation.state(now).over)

    async def renounce(self, by: By, delegation_id: str, now: datetime) -> None:
        """Give it back, now; one that is over stays as it is. Raises ``NotThere`` when it is not this person's."""

        async def read() -> Delegation:
            found = await self._delegations.by_id(delegation_id)
            if found is None or not found.belongs_to(by.account.id, keys_of(by.account)):
                raise NotThere
            return found

        async def before(one: Delegation) -> None:
            await self._acts.record(
                Act.DELEGATION_ENDED, by, one.id, now, {"by": "delegate", "delegator": one.delegator}
            )

        doctor = await self._register.by_id((await read()).delegator)
        ended, done = await self._acts.revoke(read, by.account.id, "delegate", before, now)
        if done:
            await self._acts.tell_ended(ended, doctor, now, by.correlation)

    # Acting

    async def begin(self, by: By, delegation_id: str, now: datetime, ticket: str) -> Session | Reason:
        """Act under it from now on, under this new ticket, or why not (R115, R116, R120, R131, R132). What the session did
        under another one ends."""
        one = await self._delegations.by_id(delegation_id)
        doctor = await self._register.by_id(one.delegator) if one is not None else None
        refusal = may_act(one, doctor, by.session, by.account, self.rules, now)
        if refusal is not None or one is None:
            return refusal or Reason.DELEGATION_UNKNOWN
        trace, method = digest_of(ticket)[:12], by.session.method.value
        before = by.session.acting_under
        facts = {"delegator": one.delegator, "method": method, "session": trace, "from": by.session.digest[:12]}
        if before is not None:
            facts["instead_of"] = before
        await self._acts.record(Act.ACTING_BEGUN, by, one.id, now, facts)
        await self._delegations.began(one.id, by.account.id, trace, method, now)
        try:
            _, session = await self._keeper.act_under(by.session, one.id, now, ticket)
        except GatewayError:  # nobody will ever hold this ticket
            await self._over(trace, now)
            raise
        if before is not None:
            await self._over(by.session.digest[:12], now)
        return session

    async def leave(self, by: By, now: datetime, ticket: str, *, why: str = "asked") -> Session:
        """Be oneself again, under this new ticket. ``why``: a short word for the audit."""
        trace = digest_of(ticket)[:12]
        facts = {"method": by.session.method.value, "session": trace, "from": by.session.digest[:12], "why": why}
        await self._acts.record(Act.ACTING_ENDED, by, by.session.acting_under or "", now, facts)
        _, session = await self._keeper.act_under(by.session, None, now, ticket)
        await self._over(by.session.digest[:12], now)
        return session

    async def _over(self, trace: str, now: datetime) -> None:
        """Close the line of use. The session is what it is by now: a line left open reads « until its session's end »."""
        try:
            await self._delegations.ended(trace, now)
        except RecordsUnavailable as error:
            _log.warning("use not closed", session=trace, error=str(error))
