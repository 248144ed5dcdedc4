"""A doctor's own delegations: seeing them, and writing without two at once agreeing on what neither saw.

Who has what and when is judged on all that the doctor gave, and written under the next of the doctor's numbers: of two
acts at once one finds its number taken, and is judged again on what the other wrote (R124). A single delegation is
guarded by its version besides.

Each gift, each link sent again and each change is a mail to somebody, whom nobody asked: one person hears of one doctor
so often in a day and no more (R111). Ending and narrowing are never refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.accounts.delegation import Delegation
from gateway.accounts.delegations import Delegations, Happening, Use, rights_text
from gateway.accounts.register import Register
from gateway.administration.actor import ChangedMeanwhile, NotThere
from gateway.audit import Act
from gateway.delegations.acts import TURNS, Acts, Post
from gateway.delegations.author import By
from gateway.delegations.judging import (
    NotFresh,
    Overlap,
    Person,
    TooOften,
    is_fresh,
    next_number,
    refuse_overlap,
    require_doctor,
)
from gateway.policy.delegation import DelegationRules, days
from gateway.ports import Audit, Bus, Value
from gateway.reasons import Reason, Stale, Taken

_DAY = timedelta(days=1)
_GIVEN_A_DAY = 50  # by one doctor
_TOLD_A_DAY = 20  # to one person, by one doctor
_TELLING = frozenset({"given", "resent", "changed"})
_TOO_MANY_GIVEN = f"Vous avez déjà donné {_GIVEN_A_DAY} délégations en un jour. Réessayez demain."
_TOO_MANY_TOLD = "Cette personne a déjà reçu beaucoup de messages de votre part en un jour. Réessayez demain."


class DoctorsOwn:
    """Methods raise ``Barred`` (a ``NotYours``) for whoever gives no rights, ``NotThere`` for a delegation that is not
    theirs, and ``RecordsUnavailable``."""

    def __init__(
        self,
        delegations: Delegations,
        register: Register,
        audit: Audit,
        bus: Bus,
        post: Post,
        rules: DelegationRules,
        zone: ZoneInfo,
    ) -> None:
        self.rules = rules
        self._delegations = delegations
        self._register = register
        self._acts = Acts(delegations, register, audit, bus, post, zone)
        self._zone = zone

    # Who may, and seeing

    def may(self, by: By, now: datetime) -> None:
        """Raises ``Barred``, with the reason and a sentence."""
        require_doctor(by, self.rules, now)

    def fresh(self, by: By, now: datetime) -> bool:
        """Whether this person may give and widen rights now without proving again that it is they."""
        return is_fresh(by, self.rules, now)

    async def given(self, by: By, now: datetime) -> Sequence[Delegation]:
        """All of this doctor's, the last added or moved first."""
        self.may(by, now)
        return await self._delegations.given_by(by.account.id)

    async def one(self, by: By, delegation_id: str, now: datetime) -> Delegation:
        """Raises ``NotThere`` when it is not this doctor's."""
        self.may(by, now)
        found = await self._delegations.by_id(delegation_id)
        if found is None or found.delegator != by.account.id:
            raise NotThere
        return found

    async def history(self, by: By, delegation_id: str, now: datetime) -> Sequence[Happening]:
        """What happened to it, the oldest first."""
        return await self._delegations.history((await self.one(by, delegation_id, now)).id)

    async def uses(self, by: By, delegation_id: str, now: datetime) -> Sequence[Use]:
        """Who acted under it, the newest first."""
        return await self._delegations.uses((await self.one(by, delegation_id, now)).id)

    # For the acts

    def _need_fresh(self, by: By, now: datetime) -> None:
        self.may(by, now)
        if not self.fresh(by, now):
            raise NotFresh

    async def _versioned(self, by: By, delegation_id: str, version: int, now: datetime) -> Delegation:
        one = await self.one(by, delegation_id, now)
        if one.version != version:
            raise ChangedMeanwhile(one.version)
        return one

    async def _add(self, by: By, made: Delegation, person: Person, now: datetime) -> Delegation:
        """Raises ``Overlap`` and ``TooOften``."""
        detail = {"kind": made.kind.value, **self._said(made)}
        for turn in range(TURNS):
            given = await self._delegations.given_by(by.account.id)
            await self._judge(by, given, person, made, now, recorded=turn > 0, added=True)
            if turn == 0:
                await self._acts.record(Act.DELEGATION_GIVEN, by, made.id, now, detail)
            made = replace(made, number=next_number(given))
            try:
                await self._delegations.add(made, by.account.id, detail)
            except Taken:
                continue
            await self._acts.tell_workers(made.id)
            return made
        raise Stale("too many delegations are given at once")

    async def _write(
        self,
        by: By,
        one: Delegation,
        now: datetime,
        act: Act,
        what: str,
        detail: Mapping[str, str],
        fields: Mapping[str, Value],
        *,
        told: Mapping[str, str] | None = None,
        person: Person | None = None,
        span: tuple[datetime, datetime] | None = None,
    ) -> Delegation:
        """New values for one that nobody changed since it was read; raises ``ChangedMeanwhile``. ``person``: whose it will
        be, when that, or its ``span``, is more than before; then it also raises ``Overlap``. ``told``: the facts for the
        audit, where the history's hold a name."""
        begins, ends = span or (one.begins, one.ends)
        after, fields = replace(one, begins=begins, ends=ends), {**fields, "begins": begins, "ends": ends}
        for turn in range(TURNS):
            if person is not None:
                given = await self._delegations.given_by(by.account.id)
                await self._judge(by, given, person, after, now, recorded=turn > 0)
                fields = {**fields, "number": next_number(given)}
            if turn == 0:
                await self._acts.record(act, by, one.id, now, detail if told is None else told)
            try:
                changed = await self._delegations.change(one, now, what, by.account.id, detail, **fields)
            except Taken:
                continue
            except Stale:
                found = await self.one(by, one.id, now)
                raise ChangedMeanwhile(found.version) from None
            await self._acts.tell_workers(changed.id)
            return changed
        raise Stale("too many delegations change at once")

    async def _judge(
        self,
        by: By,
        given: Sequence[Delegation],
        person: Person,
        after: Delegation,
        now: datetime,
        *,
        recorded: bool,
        added: bool = False,
    ) -> None:
        """Raises ``Overlap``, and ``TooOften`` for one that is added; the audit hears of it when it has the act already."""
        try:
            refuse_overlap(given, person, after.begins, after.ends, now, but=after.id)
            if added:
                if sum(one.created_at > now - _DAY for one in given) >= _GIVEN_A_DAY:
                    raise TooOften(Reason.RESEND_TOO_MANY, _TOO_MANY_GIVEN)
                await self._pace(given, person, now)
        except (Overlap, TooOften) as error:
            if recorded:
                await self._acts.record(Act.DELEGATION_REFUSED, by, after.id, now, reason=error.reason)
            raise

    async def _pace(self, given: Sequence[Delegation], person: Person, now: datetime) -> None:
        """Raises ``TooOften`` when this person heard of this doctor often enough for a day."""
        since = now - _DAY
        lately = [
            one.id
            for one in given
            if person.has(one) and one.ends > since and (one.revoked_at is None or one.revoked_at >= since)
        ]
        if lately and await self._delegations.happened(lately, _TELLING, since) >= _TOLD_A_DAY:
            raise TooOften(Reason.RESEND_TOO_MANY, _TOO_MANY_TOLD)

    def _said(self, one: Delegation) -> dict[str, str]:
        """Its days and rights in short texts, for the audit and the history."""
        first, last = days(one, self.rules.zone)
        return {"start": first.isoformat(), "end": last.isoformat(), "rights": rights_text(one.rights)}
