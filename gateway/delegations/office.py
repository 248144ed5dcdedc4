"""What a doctor does with their delegations (R105–R112, R118–R126).

* Only a médecin libéral who acts for nobody else, from a session of more than a password; only on their own delegations:
  another's and none look alike.
* Giving, confirming and widening ask for a proof of a short while ago; ending asks for nothing more than the session.
* The audit first, then the row with its line of history, then the workers, then the mails.
* Of two acts at once that touch who has what and when, one is judged again on what the other wrote.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.accounts.delegation import Delegation, Kind, State
from gateway.accounts.delegations import Delegations, rights_text
from gateway.accounts.register import Register
from gateway.administration.actor import Faulty
from gateway.audit import Act
from gateway.delegations import mails
from gateway.delegations.acts import NO_LINK, NOBODY, TURNS, Post, digest_of
from gateway.delegations.author import By
from gateway.delegations.forms import Invitation
from gateway.delegations.judging import NotFresh, Person, TooOften
from gateway.delegations.own import DoctorsOwn
from gateway.identity import NationalId
from gateway.policy.delegation import DelegationRules, chosen_rights, keys_of, period, rights_of
from gateway.ports import Ambient, Audit, Bus, Directory, Listed
from gateway.reasons import DirectoryUnavailable, Reason, Stale

__all__ = ["DelegationOffice", "NotFresh"]

_RESENT_A_DAY = 5
_DAY = timedelta(days=1)
_RPPS = re.compile(r"[0-9]{11}\Z")
_OVER = "Cette délégation est terminée\u00a0: elle ne peut plus changer."
_NOT_INVITED = "Cette délégation n'attend plus de réponse à une invitation."
_NOT_PENDING = "Cette délégation n'attend pas de confirmation."
_GONE = "Cette personne n'a plus de compte ViaTrajectoire. Refusez-la, puis renvoyez l'invitation."
_NOT_LISTED = "Ce médecin n'est pas dans l'annuaire, ou n'y est plus en activité."
_ONESELF = "C'est vous-même. Choisissez un autre médecin."
_NO_RIGHTS = "Choisissez au moins un droit dans la liste."


class DelegationOffice(DoctorsOwn):
    """``directory`` is nothing where none is configured: then there are no colleagues to add."""

    def __init__(
        self,
        *,
        delegations: Delegations,
        register: Register,
        audit: Audit,
        bus: Bus,
        post: Post,
        ambient: Ambient,
        directory: Directory | None,
        rules: DelegationRules,
        base: str,
        zone: ZoneInfo,
    ) -> None:
        super().__init__(delegations, register, audit, bus, post, rules, zone)
        self._ambient = ambient
        self._directory = directory
        self._base = base

    # Giving

    async def invite(self, by: By, asked: Invitation, now: datetime) -> Delegation:
        """To practice staff: of no use before a card has used the mailed link (R110). Raises ``NotFresh``, ``Overlap``,
        ``TooOften``."""
        self._need_fresh(by, now)
        begins, ends = period(asked.first, asked.last, self.rules.zone)
        token = self._ambient.token(24)
        holder = await self._register.by_mail(asked.mail)
        until = min(now + self.rules.invite_life, ends)
        made = Delegation(
            id="dlg_" + self._ambient.token(12),
            number=0,
            delegator=by.account.id,
            kind=Kind.ASSISTANT,
            family_name=asked.family_name,
            given_name=asked.given_name,
            rights=asked.rights,
            begins=begins,
            ends=ends,
            created_at=now,
            mail=asked.mail,
            profession=asked.profession,
            invite_digest=digest_of(token),
            invite_until=until,
        )
        made = await self._add(by, made, Person(holder.id if holder else None, (), asked.mail), now)
        self._send_link(by, made, token, until)
        return made

    async def add_colleague(self, by: By, rpps: str, first: date, last: date, now: datetime) -> Delegation:
        """To a physician of the national directory, who is asked again by number (R118–R122): the same rights as the
        doctor's own, from the first day on. Raises ``NotFresh``, ``Overlap``, ``TooOften``, ``Faulty`` for somebody who
        cannot be chosen, and ``DirectoryUnavailable``: nothing is created then (R123)."""
        self._need_fresh(by, now)
        key = NationalId("8", rpps).text
        if key in keys_of(by.account):
            raise Faulty({"": [_ONESELF]})
        listed = await self._listed(rpps)
        account = await self._register.by_login(key)
        begins, ends = period(first, last, self.rules.zone)
        made = Delegation(
            id="dlg_" + self._ambient.token(12),
            number=0,
            delegator=by.account.id,
            kind=Kind.COLLEAGUE,
            family_name=listed.family_name,
            given_name=listed.given_name,
            rights=frozenset(),
            begins=begins,
            ends=ends,
            created_at=now,
            delegate_key=key,
            delegate=account.id if account else None,
            profession=listed.specialty_name or None,
            place=" ".join(listed.places[0]).strip() or None if listed.places else None,
            finalised_at=now,
        )
        made = await self._add(by, made, Person(made.delegate, (key,)), now)
        if account is not None:
            self._acts.tell(account, mails.given(made, by.account, self._zone), by.correlation)
        self._acts.tell(by.account, mails.granted(made, now, self._zone), by.correlation)
        return made

    async def _listed(self, rpps: str) -> Listed:
        if self._directory is None:
            raise DirectoryUnavailable("no directory is configured")
        found = await self._directory.by_rpps(rpps) if _RPPS.match(rpps) else None
        if found is None or not found.active or found.profession not in self.rules.physicians:
            raise Faulty({"": [_NOT_LISTED]})
        return found

    # Invitation and confirmation

    async def resend(self, by: By, delegation_id: str, now: datetime) -> Delegation:
        """Another link, which voids the one before (R111). Raises ``Faulty`` when nobody is invited any more, and
        ``TooOften``."""
        for _ in range(TURNS):
            one = await self.one(by, delegation_id, now)
            if one.state(now) not in (State.INVITED, State.INVITATION_EXPIRED):
                raise Faulty({"": [_NOT_INVITED]})
            past = await self._delegations.history(one.id)
            if sum(event.what == "resent" and event.at > now - _DAY for event in past) >= _RESENT_A_DAY:
                sentence = f"L'invitation a déjà été renvoyée {_RESENT_A_DAY} fois en un jour. Réessayez demain."
                raise TooOften(Reason.RESEND_TOO_MANY, sentence)
            await self._pace(await self._delegations.given_by(by.account.id), Person.of(one), now)
            token = self._ambient.token(24)
            until = min(now + self.rules.invite_life, one.ends)
            await self._acts.record(Act.DELEGATION_INVITED_AGAIN, by, one.id, now)
            try:
                changed = await self._delegations.change(
                    one, now, "resent", by.account.id, {}, invite_digest=digest_of(token), invite_until=until
                )
            except Stale:
                continue
            await self._acts.tell_workers(changed.id)
            self._send_link(by, changed, token, until)
            return changed
        raise Stale("a delegation changes too often")

    async def confirm(self, by: By, delegation_id: str, version: int, now: datetime) -> Delegation:
        """The person of the card is the right one: it becomes theirs (R112). Raises ``NotFresh``, ``Overlap``,
        ``ChangedMeanwhile``, and ``Faulty`` when there is nothing to confirm."""
        self._need_fresh(by, now)
        one = await self._versioned(by, delegation_id, version, now)
        if one.state(now) is not State.PENDING_CONFIRMATION or one.proposed is None:
            raise Faulty({"": [_NOT_PENDING]})
        account = await self._register.by_id(one.proposed)
        if account is None or account.closed_at is not None or account.id == by.account.id:
            raise Faulty({"": [_GONE]})
        changed = await self._write(
            by,
            one,
            now,
            Act.DELEGATION_CONFIRMED,
            "confirmed",
            {"name": one.proposed_name or "", "name_before": mails.person_of(one)},
            {
                "delegate": account.id,
                "delegate_key": account.national_id.text if account.national_id else None,
                "family_name": account.family_name,
                "given_name": account.given_name,
                "finalised_at": now,
                **NO_LINK,
                **NOBODY,
            },
            told={"delegate": account.id},
            person=Person.with_account(account),
        )
        self._acts.tell(account, mails.given(changed, by.account, self._zone), by.correlation)
        return changed

    async def decline(self, by: By, delegation_id: str, version: int, now: datetime) -> Delegation:
        """The person of the card is somebody else, and forgotten; another link can be sent. Raises ``ChangedMeanwhile``, and
        ``Faulty`` when there is nobody to decline."""
        one = await self._versioned(by, delegation_id, version, now)
        if one.state(now) is not State.PENDING_CONFIRMATION:
            raise Faulty({"": [_NOT_PENDING]})
        detail = {"name": one.proposed_name or ""}
        fields, told = {**NO_LINK, **NOBODY}, {"proposed": one.proposed or ""}
        return await self._write(by, one, now, Act.DELEGATION_DECLINED, "declined", detail, fields, told=told)

    # Change and end

    async def change(
        self,
        by: By,
        delegation_id: str,
        version: int,
        first: date,
        last: date,
        rights: frozenset[str] | None,
        now: datetime,
    ) -> Delegation:
        """Other days, other rights (R125). ``rights`` ``None``: a colleague's, who has all of them, or as they are. Raises
        ``NotFresh`` and ``TooOften`` when something is added, ``Overlap``, ``ChangedMeanwhile``, and ``Faulty`` for one that is
        over."""
        one = await self._versioned(by, delegation_id, version, now)
        if one.state(now).over:
            raise Faulty({"": [_OVER]})
        begins, ends = period(first, last, self.rules.zone)
        wanted = one.rights if rights is None else chosen_rights(rights, self.rules)
        if wanted is None or (rights is not None and one.kind is Kind.COLLEAGUE):
            raise Faulty({"rights": [_NO_RIGHTS]})
        if (begins, ends, wanted) == (one.begins, one.ends, one.rights):
            return one
        longer = begins < one.begins or ends > one.ends
        if longer or wanted - rights_of(one, self.rules):
            self._need_fresh(by, now)
            # Only what adds is counted: taking away is never refused, and to do it again something was added between.
            await self._pace(await self._delegations.given_by(by.account.id), Person.of(one), now)
        before, after = self._said(one), self._said(replace(one, begins=begins, ends=ends, rights=wanted))
        detail = {name: after[name] for name in after if after[name] != before[name]}
        detail |= {f"{name}_before": before[name] for name in detail}
        changed = await self._write(
            by,
            one,
            now,
            Act.DELEGATION_CHANGED,
            "changed",
            detail,
            {"rights": rights_text(wanted), "reminded": None},
            person=Person.of(one) if longer else None,
            span=(begins, ends),
        )
        self._acts.tell(by.account, mails.changed(changed, by.account, now, own=True, zone=self._zone), by.correlation)
        text = mails.changed(changed, by.account, now, own=False, zone=self._zone)
        await self._acts.tell_person(changed, by.account, text, by.correlation)
        return changed

    async def end(self, by: By, delegation_id: str, now: datetime) -> Delegation:
        """Now, whatever others do to it; one that is over stays as it is (R125)."""

        async def read() -> Delegation:
            return await self.one(by, delegation_id, now)

        async def before(one: Delegation) -> None:
            await self._acts.record(Act.DELEGATION_ENDED, by, one.id, now, {"by": "delegator"})

        ended, done = await self._acts.revoke(read, by.account.id, "delegator", before, now)
        if done:
            await self._acts.tell_ended(ended, by.account, now, by.correlation)
        return ended

    def _send_link(self, by: By, made: Delegation, token: str, until: datetime) -> None:
        """The invitation, to the address the doctor gave (R111)."""
        link = f"{self._base}/delegations/invitation?token={token}"
        text = mails.invitation(made, by.account, link, until, self._zone)
        self._acts.tell(by.account, text, by.correlation, to=made.mail)
