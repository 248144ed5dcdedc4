"""Delegations as those who administer see them, and who was behind a request of the access journal (R149).

* A delegation lies within somebody's reach when its doctor or its delegate works there; everything else does not exist.
* The nation and the regions end delegations and find out who acted; a référent does neither.
* Whoever looks up a person is written down before they are told, also when they learn nothing. Nobody known and somebody
  out of reach are the same answer.
* Nothing here gives, widens or prolongs a right: only the doctor does (R106).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

from gateway.accounts.account import Account
from gateway.accounts.delegation import Delegation, State
from gateway.accounts.delegations import Delegations, Happening, delegation_of
from gateway.accounts.register import Register, account_of
from gateway.administration.actor import Actor, Faulty, NotThere, NotYours, checked_reason, record, reserved
from gateway.audit import Act
from gateway.delegations.acts import Acts, Post
from gateway.delegations.facts import (
    ActedFor,
    DelegationFacts,
    DelegationFile,
    Party,
    Trace,
    facts_of,
    party_of,
)
from gateway.delegations.past import as_of
from gateway.delegations.signs import Sign, Signs, is_name
from gateway.desk import PolicyDesk
from gateway.overview import DelegationQuery, Overview
from gateway.policy.delegation import DelegationRules
from gateway.policy.rights import TABLE, Right, Verdict, verdict
from gateway.ports import Audit, Bus, Records
from gateway.reasons import Reason

_FEW = 400  # ids in one question


class NobodyKnown(NotThere):
    """No session of that name at that instant, or one of somebody out of reach: nothing tells the two apart."""

    def __init__(self) -> None:
        super().__init__()
        self.sentence = (
            "Personne n'est connu sous ce nom de session à ce moment. Vérifiez le nom et l'heure, et que cette personne "
            "relève bien de votre territoire."
        )


class Oversight:
    """``retention``: how long traces are kept. Methods raise ``NotThere``, ``NotYours`` and ``RecordsUnavailable``."""

    def __init__(
        self,
        *,
        delegations: Delegations,
        register: Register,
        records: Records,
        overview: Overview,
        audit: Audit,
        bus: Bus,
        post: Post,
        desk: PolicyDesk,
        rules: DelegationRules,
        retention: timedelta,
    ) -> None:
        self._delegations = delegations
        self._register = register
        self._records = records
        self._overview = overview
        self._audit = audit
        self._desk = desk
        self._acts = Acts(delegations, register, audit, bus, post, rules.zone)
        self._signs = Signs(overview, records, retention)
        self.rules = rules

    # Delegations

    async def listed(
        self, actor: Actor, *, account: str | None, state: State | None, after: str | None, limit: int, now: datetime
    ) -> Sequence[DelegationFacts]:
        """Those within reach in the order of their ids; the id of the last is ``after`` of the next page. ``account``:
        only what this one gave or received."""
        reach = actor.reach(self._desk.book).paths
        if not reach:
            raise NotYours("Cette page est réservée à l'administration.")
        query = DelegationQuery(reach, account or "", state.value if state else "", after or "", limit)
        rows = await self._overview.delegations(query, now)
        return await self._told(actor, [delegation_of(row) for row in rows], now)

    async def detail(self, actor: Actor, delegation_id: str, now: datetime) -> DelegationFile:
        """One with its history and its use."""
        one = await self._seen(actor, delegation_id)
        (facts,) = await self._told(actor, [one], now)
        uses = await self._delegations.uses(one.id)
        users = await self._parties(actor, {use.user for use in uses})
        endable = not facts.state.over and await self._decides(actor, await self._people(one))
        return DelegationFile(facts, await self._delegations.history(one.id), uses, users, endable)

    async def end(self, actor: Actor, delegation_id: str, reason: str, now: datetime) -> Delegation:
        """End it at once, whatever state it is in, and tell both by mail. One that is over is returned unchanged. Raises
        also ``Faulty`` for a reason that is none, and ``Stale`` when it changes without a pause."""
        why = checked_reason(reason)
        found = await self._endable(actor, delegation_id)
        doctor = await self._register.by_id(found.delegator)
        bears_on = await self._bears_on(actor, found)

        async def read() -> Delegation:
            return await self._endable(actor, delegation_id)

        async def before(one: Delegation) -> None:
            facts = {"delegation": one.id, "delegator": one.delegator, "by": "administrator", "why": why}
            await self._audit.record(record(Act.DELEGATION_ENDED, actor, now, account=bears_on, **facts))

        ended, done = await self._acts.revoke(read, actor.id, "administrator", before, now, why=why)
        if done:
            await self._acts.tell_ended(ended, doctor, now, actor.correlation)
        return ended

    async def _seen(self, actor: Actor, delegation_id: str) -> Delegation:
        one = await self._delegations.by_id(delegation_id) if delegation_id.isprintable() else None
        if one is None or not (self._sees_all(actor) or await self._places(actor, await self._people(one))):
            raise NotThere
        return one

    async def _endable(self, actor: Actor, delegation_id: str) -> Delegation:
        one = await self._seen(actor, delegation_id)
        if not await self._decides(actor, await self._people(one)):
            raise NotYours(reserved(Right.DELEGATIONS))
        return one

    async def _bears_on(self, actor: Actor, one: Delegation) -> str:
        """Under which account the act stands in the audit: the doctor's, or the delegate's when the actor knows of the
        doctor only through them, so that they find their own act again."""
        places = await self._places(actor, await self._people(one))
        return one.delegator if self._sees_all(actor) or one.delegator in places else next(iter(places))

    # Who acted

    async def trace(self, actor: Actor, session: str, at: datetime | None, now: datetime) -> Trace:
        """Who was behind this session (12 hexadecimal digits of the access journal) at this instant; without one, the
        newest session of that name.

        Raises ``NobodyKnown`` (also for somebody out of reach), ``Faulty`` for what is no name of a session.
        """
        self.require_tracing(actor)
        if not is_name(session):
            raise Faulty({"session": ["Le nom d'une session est fait de 12 chiffres ou lettres de a à f."]})
        sign = await self._signs.of(session, at, now)
        found = await self._traced(actor, sign, at, now, _Shelf()) if sign is not None else None
        known = found is not None and await self._told_of(actor, found)
        facts = {"looked_for": session} | ({"moment": at.isoformat()} if at else {})
        asked = record(Act.TRACE_LOOKED_UP, actor, now, account=sign.account if sign else None, **facts)
        await self._audit.record(asked if known else replace(asked, reason=Reason.NOT_THERE))
        if found is None or not known:
            raise NobodyKnown
        return found

    async def traces(
        self, actor: Actor, lines: Sequence[tuple[str, datetime]], now: datetime
    ) -> Sequence[Trace | None]:
        """The same for many lines of a journal at once, for who sees everything: sessions with the instants of their
        lines; ``None`` for nobody known. One record of the audit for all of them."""
        self.require_tracing(actor)
        if not self._sees_all(actor):
            raise NotYours("Cette action est réservée à l'équipe nationale.")
        wanted: dict[str, datetime] = {}
        for session, at in lines:
            wanted[session] = max(at, wanted.get(session, at))
        if not wanted:
            return []
        instants = {"since": min(at for _, at in lines).isoformat(), "until": max(at for _, at in lines).isoformat()}
        await self._audit.record(
            record(Act.TRACE_LOOKED_UP, actor, now, sessions=str(len(wanted)), lines=str(len(lines)), **instants)
        )
        signs, shelf = await self._signs.many(wanted, now), _Shelf()
        return [
            await self._traced(actor, sign, at, now, shelf) if (sign := signs.get(session)) is not None else None
            for session, at in lines
        ]

    def require_tracing(self, actor: Actor) -> None:
        """Raises ``NotYours`` for who finds out nothing anywhere."""
        if not any(Right.DELEGATIONS in TABLE[grant.role] for grant in actor.grants):
            raise NotYours(reserved(Right.DELEGATIONS))

    async def _traced(self, actor: Actor, sign: Sign, at: datetime | None, now: datetime, shelf: _Shelf) -> Trace:
        moment = max(at, sign.since) if at is not None else sign.since
        await self._shelve(actor, {sign.account}, shelf)
        person = shelf.parties[sign.account]
        if sign.delegation is None:
            return Trace(sign, moment, person, None)
        one = await self._kept(sign.delegation, shelf)
        if one is None:
            return Trace(sign, moment, person, ActedFor(sign.delegation, None, None, None))
        await self._shelve(actor, {one.delegator}, shelf)
        doctor = shelf.parties[one.delegator]
        then = facts_of(
            as_of(one, shelf.histories[one.id], moment, self.rules.zone), doctor, person, self.rules, moment
        )
        return Trace(sign, moment, person, ActedFor(one.id, doctor, then, one.state(now)))

    async def _kept(self, delegation_id: str, shelf: _Shelf) -> Delegation | None:
        if delegation_id not in shelf.delegations:
            shelf.delegations[delegation_id] = await self._delegations.by_id(delegation_id)
            shelf.histories[delegation_id] = await self._delegations.history(delegation_id)
        return shelf.delegations[delegation_id]

    async def _shelve(self, actor: Actor, account_ids: Collection[str], shelf: _Shelf) -> None:
        if missing := [one for one in account_ids if one not in shelf.parties]:
            shelf.parties.update(await self._parties(actor, missing))

    async def _told_of(self, actor: Actor, found: Trace) -> bool:
        """Whether the actor is told: the person works in their reach, or the doctor they acted for."""
        doctor = found.acted_for.doctor if found.acted_for else None
        people = [found.sign.account, *([doctor.account] if doctor and doctor.account else [])]
        return await self._decides(actor, people)

    # People within reach

    def _sees_all(self, actor: Actor) -> bool:
        return actor.reach(self._desk.book).everything

    async def _places(self, actor: Actor, account_ids: Collection[str]) -> Mapping[str, Sequence[str]]:
        """By account, the scopes within the actor's reach where its person works; whoever works in none is missing."""
        reach = actor.reach(self._desk.book).paths
        found: dict[str, Sequence[str]] = {}
        ids = sorted(account_ids)
        for start in range(0, len(ids), _FEW):
            found.update(await self._overview.places(ids[start : start + _FEW], reach))
        return {one: places for one, places in found.items() if places}

    async def _decides(self, actor: Actor, account_ids: Collection[str]) -> bool:
        """Whether the actor may act on what is these people's."""
        if self._sees_all(actor):
            return True
        places = await self._places(actor, account_ids)
        return any(
            verdict(actor.grants, Right.DELEGATIONS, scope, self._desk.book) is Verdict.ALLOWED
            for scopes in places.values()
            for scope in scopes
        )

    async def _people(self, one: Delegation) -> Sequence[str]:
        """The accounts of a delegation: of the delegate only once there is one."""
        if one.delegate is not None:
            return (one.delegator, one.delegate)
        found = await self._register.by_login(one.delegate_key) if one.delegate_key is not None else None
        return (one.delegator, found.id) if found is not None else (one.delegator,)

    async def _parties(self, actor: Actor, account_ids: Collection[str]) -> Mapping[str, Party]:
        """Every one of these accounts, also those that are gone."""
        accounts: dict[str, Account] = {}
        ids = sorted(account_ids)
        for start in range(0, len(ids), _FEW):
            rows = await self._records.find("accounts", {"id": ids[start : start + _FEW]})
            accounts.update({cast(str, row["id"]): account_of(row, [], []) for row in rows})
        near = set(ids) if self._sees_all(actor) else set(await self._places(actor, ids))
        return {one: party_of(accounts.get(one), one, seen=one in near and one in accounts) for one in ids}

    async def _told(self, actor: Actor, found: Sequence[Delegation], now: datetime) -> Sequence[DelegationFacts]:
        people = {one.id: await self._people(one) for one in found}
        parties = await self._parties(actor, {who for pair in people.values() for who in pair})
        return [
            facts_of(one, parties[one.delegator], _delegate(one, people[one.id], parties), self.rules, now)
            for one in found
        ]


class _Shelf:
    """What was read for one question and need not be read twice."""

    def __init__(self) -> None:
        self.parties: dict[str, Party] = {}
        self.delegations: dict[str, Delegation | None] = {}
        self.histories: dict[str, Sequence[Happening]] = {}


def _delegate(one: Delegation, people: Sequence[str], parties: Mapping[str, Party]) -> Party:
    """As their account names them; until there is one, and once it is erased, as the doctor did."""
    found = parties[people[1]] if len(people) > 1 else Party(None, one.delegate_key, "", "", False)
    return found if found.name else replace(found, family_name=one.family_name, given_name=one.given_name)
