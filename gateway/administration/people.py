"""People, as those who administer see and look after them (R87, R97–R101).

* Who is in nobody's scope within reach does not exist for the actor; people without any scope are the nation's.
* A référent acts alone only on people who work nowhere else: suspending somebody, or giving them another address,
  takes effect everywhere. An address, which opens the account, is the nation's to give to people of two regions.
* Nobody acts on the account of somebody higher than themselves. Nobody ever sees or sets a password.
* The audit is written first, then the account, in one transaction; then the workers and the person hear of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

import structlog

from gateway import texts
from gateway.accounts.account import Account, Grant, Role, Standing
from gateway.accounts.mailboxes import Mailboxes
from gateway.accounts.register import Register
from gateway.administration.actor import (
    Actor,
    Faulty,
    NotYours,
    checked_reason,
    record,
    require,
)
from gateway.administration.custody import HIGHER, TURNS, Custody, Task
from gateway.administration.invitations import Invitations, may_be_invited
from gateway.administration.newcomers import Invitation, mail_fault, newcomer_of
from gateway.administration.roles import misfit, right_to_give
from gateway.administration.welcome import Welcome
from gateway.audit import Act
from gateway.desk import PolicyDesk
from gateway.policy.establishments import Scope
from gateway.policy.rights import Right, rank
from gateway.ports import Ambient, Audit, Bus, Change, Delete, Insert, Records, Value
from gateway.providers.code import mask_mail
from gateway.reasons import Stale, StoreUnavailable, Taken
from gateway.session.keeper import Keeper

__all__ = ["Invitation", "PeopleOffice", "PeopleSettings", "Post"]

_TAKEN = "Cette adresse est déjà celle d'un autre compte. Indiquez une adresse personnelle."
_log = structlog.get_logger("gateway.administration")


class Post(Protocol):
    """Mails that nobody waits for: ``notices.Notices``, or what a command sends before it ends."""

    def post(
        self, account: Account, text: texts.Text, kind: str, correlation: str, *, to: str | None = None
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class PeopleSettings:
    """``generic_names``: words that are no person's, upper case without accents; ``generic_mailboxes``: what stands
    before @ in addresses that several people read, lower case (R98, R20)."""

    dormancy: timedelta
    generic_names: frozenset[str] = frozenset()
    generic_mailboxes: frozenset[str] = frozenset()
    zone: ZoneInfo = field(default=texts.PARIS)


class PeopleOffice:
    """``keeper``, ``bus`` and ``invitations`` are nothing where the store is out of reach (a shell without it).

    Methods raise ``NotThere``, ``NotYours``, ``Faulty``, ``ChangedMeanwhile`` and ``RecordsUnavailable``; those that
    end sessions or invite also ``StoreUnavailable``. ``version`` ``None``: whatever others changed meanwhile.
    """

    def __init__(
        self,
        records: Records,
        register: Register,
        keeper: Keeper | None,
        bus: Bus | None,
        audit: Audit,
        desk: PolicyDesk,
        mailboxes: Mailboxes,
        invitations: Invitations | None,
        notices: Post,
        ambient: Ambient,
        settings: PeopleSettings,
    ) -> None:
        self._keeper = keeper
        self._audit = audit
        self._desk = desk
        self._mailboxes = mailboxes
        self._invitations = invitations
        self._notices = notices
        self._settings = settings
        self._custody = Custody(records, register, bus, desk)
        self._welcome = Welcome(records, register, audit, ambient)

    # Seeing and inviting

    async def see(self, actor: Actor, account_id: str) -> Account:
        """The account, if one of its scopes lies within the actor's reach; raises ``NotThere``."""
        return await self._custody.seen(actor, account_id)

    async def invite(self, actor: Actor, invitation: Invitation, now: datetime) -> Account:
        """Give somebody a place in this scope, and an account if they have none; a link by mail opens it (R100).

        Somebody who has an account already is attached to the scope and keeps what they have; nothing is told of
        where else they work.
        """
        scope = self._custody.place(actor, Right.PEOPLE, invitation.scope_id)
        settings = self._settings
        newcomer = newcomer_of(invitation, settings.generic_names, settings.generic_mailboxes)
        if self._invitations is None:
            raise StoreUnavailable("invitations need the store that the gateway uses; start the gateway once")
        for _ in range(TURNS):
            held = await self._welcome.held_by(newcomer)
            if held is None and await self._mailboxes.holders(newcomer.mail):
                held = await self._welcome.held_by(newcomer)  # who holds it may be they, invited at this instant
                if held is None:
                    raise Faulty({"mail": [_TAKEN]})
            if held is not None:
                return await self._join(actor, held, scope, now)
            account_id = self._welcome.new_id()
            mail = await self._invitations.invite(account_id, newcomer.mail, scope.name, now)
            try:
                account = await self._welcome.create(account_id, newcomer, scope.id, actor, now)
            except Taken:  # somebody else invited them, or took the name, at this instant: look again
                continue
            self._notices.post(account, mail, "invitation", actor.correlation)
            return account
        raise Stale("too many people are invited under this name at once")

    async def resend_invitation(self, actor: Actor, account_id: str, now: datetime) -> Account:
        """Another link, which voids the one before; only while no password was chosen."""
        account = await self._custody.read(Task(actor, account_id, alone=True))
        if not may_be_invited(account):
            raise NotYours("Cette personne a déjà un mot de passe ou une autre façon de se connecter.")
        if account.suspended_at is not None:
            raise NotYours("Ce compte est suspendu\u00a0: levez d'abord la suspension.")
        if self._invitations is None:
            raise StoreUnavailable("invitations need the store that the gateway uses; start the gateway once")
        await self._audit.record(record(Act.ACCOUNT_INVITED, actor, now, account=account.id, again="1"))
        mail = await self._invitations.invite(
            account.id, account.mail or "", self._custody.place_name(actor, account), now
        )
        self._notices.post(account, mail, "invitation", actor.correlation)
        return account

    # The account itself

    async def correct_mail(
        self, actor: Actor, account_id: str, version: int | None, mail: str, reason: str, now: datetime
    ) -> Account:
        """Another address, to be proved again; the old one hears of it (R100, R103)."""
        why = checked_reason(reason)
        if fault := mail_fault(mail, self._settings.generic_mailboxes):
            raise Faulty({"mail": [fault]})
        task = Task(
            actor,
            account_id,
            version,
            alone=True,
            not_self="Changez votre propre adresse dans «\u00a0Mon compte\u00a0».",
            keys=True,
        )
        account = await self._custody.read(task)
        if mail.strip() == account.mail and not account.mail_shared:
            raise Faulty({"mail": ["C'est déjà l'adresse de ce compte."]})
        if any(one != account.id for one in await self._mailboxes.holders(mail)):
            raise Faulty({"mail": [_TAKEN]})
        before = await self._mailboxes.holders(account.mail) if account.mail else ()
        # Findable for as long as traces are kept, and unreadable, as when the holder changes it.
        old = {"before": hashlib.sha256(account.mail.casefold().encode()).hexdigest()[:16]} if account.mail else {}
        await self._audit.record(record(Act.MAIL_CHANGED, actor, now, account=account.id, why=why, **old))
        for _ in range(TURNS):
            try:
                await self._mailboxes.repair_mail(account, mail, now)
                break
            except Taken:
                raise Faulty({"mail": [_TAKEN]}) from None
            except Stale:
                account = await self._custody.read(task)
        else:
            raise Stale(f"the account {account.id} changes too often")
        for one in {account.id, *before}:
            await self._custody.tell(one)
        changed = await self._custody.present(account.id)
        await self._ask_proof(actor, account, changed, now)
        return changed

    async def suspend(self, actor: Actor, account_id: str, version: int | None, reason: str, now: datetime) -> Account:
        """Let nobody in with this account until it is resumed, and end its sessions."""
        why = checked_reason(reason)
        task = Task(
            actor, account_id, version, alone=True, not_self="Vous ne pouvez pas suspendre votre propre compte."
        )
        account = await self._custody.read(task)
        if account.suspended_at is not None:
            return account
        await self._audit.record(record(Act.ACCOUNT_SUSPENDED, actor, now, account=account.id, why=why))
        changed = await self._custody.write(
            task, account, now, suspended_at=now, suspended_reason=why, memory_void_at=now
        )
        if self._keeper is not None:
            try:
                await self._keeper.close_all(account.id, now)
            except StoreUnavailable as error:  # the gate refuses a suspended account all the same
                _log.warning("sessions not ended", account=account.id, error=str(error))
        return changed

    async def resume(self, actor: Actor, account_id: str, version: int | None, reason: str, now: datetime) -> Account:
        """End a suspension; the account has again the standing it had."""
        why = checked_reason(reason)
        task = Task(actor, account_id, version, alone=True)
        account = await self._custody.read(task)
        if account.suspended_at is None:
            return account
        await self._audit.record(record(Act.ACCOUNT_RESUMED, actor, now, account=account.id, why=why))
        return await self._custody.write(task, account, now, suspended_at=None, suspended_reason=None)

    async def reactivate(
        self, actor: Actor, account_id: str, version: int | None, reason: str, now: datetime
    ) -> Account:
        """Wake an account that sleeps for want of a sign-in (R97)."""
        why = checked_reason(reason)
        task = Task(actor, account_id, version, alone=True)
        account = await self._custody.read(task)
        standing = account.standing(now, self._settings.dormancy)
        if standing is Standing.SUSPENDED:
            raise NotYours("Ce compte est suspendu\u00a0: levez d'abord la suspension.")
        if standing is not Standing.DORMANT:
            return account
        await self._audit.record(record(Act.ACCOUNT_REACTIVATED, actor, now, account=account.id, why=why))
        changed = await self._custody.write(task, account, now, reactivated_at=now, warned_at=None)
        notice = texts.reactivated_mail(now, zone=self._settings.zone)
        self._notices.post(changed, notice, "notice", actor.correlation)
        return changed

    async def end_sessions(self, actor: Actor, account_id: str, now: datetime) -> int:
        """Sign the person out everywhere, at once, and let every browser forget the second factor it holds (R78); how
        many sessions ended."""
        task = Task(actor, account_id)
        account = await self._custody.read(task)
        await self._audit.record(record(Act.SESSION_REVOKED, actor, now, account=account.id, sessions="all"))
        await self._custody.write(task, account, now, memory_void_at=now)
        return await self._keeper.close_all(account.id, now) if self._keeper is not None else 0

    # Places and roles

    async def attach(self, actor: Actor, account_id: str, scope_id: str, reason: str, now: datetime) -> Account:
        """The person works here too."""
        why = checked_reason(reason)
        scope = self._custody.place(actor, Right.PEOPLE, scope_id)
        account = await self._custody.read(Task(actor, account_id))
        return await self._join(actor, account, scope, now, why=why)

    async def detach(self, actor: Actor, account_id: str, scope_id: str, reason: str, now: datetime) -> Account:
        """The person works here no more: rights there end, a référent's role too; the account stays (R101)."""
        why = checked_reason(reason)
        require(actor, Right.PEOPLE, scope_id, self._desk.book)
        task = Task(actor, account_id)
        account = await self._custody.read(task)
        if scope_id not in account.scopes:
            return account
        led = Grant(Role.REFERENT, scope_id) in account.grants
        if led and actor.id != account.id:
            require(actor, Right.REFERENTS, scope_id, self._desk.book)
        where = {"account": account.id, "scope": scope_id, "why": why}
        await self._audit.record(record(Act.MEMBERSHIP_REMOVED, actor, now, **where))
        changes: list[Change] = [Delete("memberships", {"account_id": account.id, "scope_id": scope_id})]
        if led:
            await self._audit.record(record(Act.ROLE_REVOKED, actor, now, **where, role=Role.REFERENT.value))
            changes.append(_without(account, Role.REFERENT, scope_id))
        return await self._custody.write(task, account, now, *changes)

    async def grant(
        self, actor: Actor, account_id: str, role: Role, scope_id: str, reason: str, now: datetime
    ) -> Account:
        """Appoint somebody: référents by the region, administrators by the nation."""
        why = checked_reason(reason)
        require(actor, right_to_give(role), scope_id, self._desk.book)
        scope = self._desk.book.scopes[scope_id]
        if fault := misfit(role, scope):
            raise Faulty({"scope": [fault]})
        task = Task(actor, account_id, not_self="Vous ne pouvez pas vous donner un rôle à vous-même.")
        account = await self._custody.read(task)
        if Grant(role, scope_id) in account.grants:
            return account
        await self._audit.record(
            record(Act.ROLE_GRANTED, actor, now, account=account.id, scope=scope_id, why=why, role=role.value)
        )
        values: dict[str, Value] = {"account_id": account.id, "role": role.value, "scope_id": scope_id}
        row = Insert("roles", {**values, "granted_by": actor.id, "since": now})
        return await self._custody.write(task, account, now, row)

    async def revoke(
        self, actor: Actor, account_id: str, role: Role, scope_id: str, reason: str, now: datetime
    ) -> Account:
        """Dismiss somebody; what they could do ends at once."""
        why = checked_reason(reason)
        require(actor, right_to_give(role), scope_id, self._desk.book)
        task = Task(actor, account_id, via=scope_id)
        account = await self._custody.read(task)
        if Grant(role, scope_id) not in account.grants:
            return account
        await self._audit.record(
            record(Act.ROLE_REVOKED, actor, now, account=account.id, scope=scope_id, why=why, role=role.value)
        )
        return await self._custody.write(task, account, now, _without(account, role, scope_id))

    # Parts

    async def _join(self, actor: Actor, account: Account, scope: Scope, now: datetime, **facts: str) -> Account:
        """Attach an account that may lie outside the actor's reach: it says nothing of what it is elsewhere."""
        if rank(account.grants) > self._custody.height(actor, (scope.id,)):
            raise NotYours(HIGHER)
        if scope.id in account.scopes:
            return account
        await self._audit.record(record(Act.MEMBERSHIP_ADDED, actor, now, account=account.id, scope=scope.id, **facts))
        row = Insert("memberships", {"account_id": account.id, "scope_id": scope.id, "since": now})
        changed = await self._custody.write(None, account, now, row)
        notice = texts.attached_mail(scope.name, now, zone=self._settings.zone)
        self._notices.post(changed, notice, "notice", actor.correlation)
        return changed

    async def _ask_proof(self, actor: Actor, before: Account, changed: Account, now: datetime) -> None:
        """Tell the old address, and ask the new one for its proof: by a new invitation while the first one waits."""
        if before.mail:
            notice = texts.mail_changed_notice(mask_mail(changed.mail or ""), now, zone=self._settings.zone)
            self._notices.post(changed, notice, "notice", actor.correlation, to=before.mail)
        if self._invitations is None or not changed.mail:
            return
        try:
            if may_be_invited(changed):
                place = self._custody.place_name(actor, changed)
                mail = await self._invitations.invite(changed.id, changed.mail, place, now)
            else:
                mail = await self._invitations.prove(changed.id, changed.mail, now)
        except StoreUnavailable as error:  # the first code proves the address too
            _log.warning("no proof asked", account=changed.id, error=str(error))
        else:
            self._notices.post(changed, mail, "proof", actor.correlation)


def _without(account: Account, role: Role, scope_id: str) -> Delete:
    return Delete("roles", {"account_id": account.id, "role": role.value, "scope_id": scope_id})
