"""One account in the hands of somebody who administers: whether they may do this to it, and writing what they did.

* Who is in nobody's scope within reach does not exist for the actor; people without any scope are the nation's.
* A référent acts alone only on people who work nowhere else, in a practice of their own neither: what takes effect
  everywhere is not one place's to decide.
* What opens an account by mail is no référent's to change once its person came with a card or an e-CPS, and no region's
  while the person also works or looks after something in another: whoever attaches a doctor to their place, which takes
  a number and a name that are public, must not come to hold the doctor's account.
* Nobody acts on the account of somebody higher than themselves, nor alone on that of somebody of their own height who
  looks after another place.
* What is written is written over the version it was judged on; when somebody else was quicker it is judged again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from gateway.accounts.account import Account, Origin, Role
from gateway.accounts.register import Register
from gateway.administration.actor import Actor, ChangedMeanwhile, Faulty, NotThere, NotYours, require, reserved
from gateway.desk import PolicyDesk
from gateway.identity import Space
from gateway.policy.establishments import Scope
from gateway.policy.rights import RANK, TABLE, Right, rank, roles_at
from gateway.ports import Bus, Change, Records, Update, Value
from gateway.reasons import Stale, StoreUnavailable, Taken

TURNS = 20
HIGHER = "Ce compte est celui d'un administrateur\u00a0: seul un administrateur de même niveau peut agir."
_ELSEWHERE = "Cette personne travaille aussi dans un autre établissement ou en libéral\u00a0: adressez-vous à l'équipe régionale."
_THEIRS = (
    "Cette personne s'est déjà connectée par carte ou e-CPS\u00a0: elle change elle-même son adresse dans «\u00a0Mon compte"
    "\u00a0», ou s'adresse à l'équipe régionale."
)
_FAR = "Cette personne travaille aussi dans une autre région\u00a0: adressez-vous à l'équipe nationale."
_ERASED = "Ce compte a été effacé."
_log = structlog.get_logger("gateway.administration")


@dataclass(frozen=True, slots=True)
class Task:
    """One act on one account. ``alone``: it takes effect at all places of the person; ``not_self``: what to say when the
    actor is that person; ``via``: a scope within reach through which the person is seen too; ``keys``: it decides who can
    open the account."""

    actor: Actor
    account_id: str
    version: int | None = None
    alone: bool = False
    not_self: str = ""
    via: str = ""
    keys: bool = False


class Custody:
    """Methods raise ``NotThere``, ``NotYours``, ``ChangedMeanwhile``, ``RecordsUnavailable`` and ``Stale``."""

    def __init__(self, records: Records, register: Register, bus: Bus | None, desk: PolicyDesk) -> None:
        self._records = records
        self._register = register
        self._bus = bus
        self._desk = desk

    def place(self, actor: Actor, right: Right, scope_id: str) -> Scope:
        require(actor, right, scope_id, self._desk.book)
        scope = self._desk.book.scopes[scope_id]
        if scope.retired:
            raise Faulty({"scope": ["Cet établissement est fermé."]})
        return scope

    def place_name(self, actor: Actor, account: Account) -> str:
        """A scope of the person that the actor knows of, in words."""
        return next((scope.name for scope in self.within(actor, account.scopes)), "ViaTrajectoire")

    def within(self, actor: Actor, scope_ids: Sequence[str]) -> Sequence[Scope]:
        book = self._desk.book
        reach = actor.reach(book)
        return [scope for one in scope_ids if (scope := book.scope(one)) is not None and scope.path in reach]

    def height(self, actor: Actor, scope_ids: Sequence[str]) -> int:
        """The rank of the actor at these scopes, among the roles that may look after people."""
        if any(grant.role is Role.NATIONAL for grant in actor.grants):
            return RANK[Role.NATIONAL]
        held = {role for one in scope_ids for role in roles_at(actor.grants, one, self._desk.book)}
        return max((RANK[role] for role in held if Right.PEOPLE in TABLE[role]), default=0)

    async def seen(self, actor: Actor, account_id: str, via: str = "") -> Account:
        account = await self._register.by_id(account_id) if account_id.isprintable() else None
        if account is None:
            raise NotThere
        if actor.reach(self._desk.book).everything:
            return account
        led = [grant.scope for grant in account.grants if grant.scope == via]
        if account.closed_at is not None or not self.within(actor, (*account.scopes, *led)):
            raise NotThere
        return account

    async def read(self, task: Task) -> Account:
        """The account as it is, once it is known that this may be done to it."""
        actor = task.actor
        account = await self.seen(actor, task.account_id, task.via)
        if task.version is not None and task.version != account.version:
            raise ChangedMeanwhile(account.version)
        if account.closed_at is not None:
            raise NotYours(_ERASED)
        if task.not_self and actor.id == account.id:
            raise NotYours(task.not_self)
        height = self.height(actor, (*account.scopes, *((task.via,) if task.via else ())))
        if height == 0:
            raise NotYours(reserved(Right.PEOPLE))
        if rank(account.grants) > height:
            raise NotYours(HIGHER)
        led = [grant.scope for grant in account.grants]
        leads_elsewhere = len(self.within(actor, led)) < len(led)
        elsewhere = leads_elsewhere or len(self.within(actor, account.scopes)) < len(account.scopes)
        # A practice of one's own is no scope; somebody whom a référent invited is theirs all the same.
        practises = account.space is Space.LIBERAL and account.origin is not Origin.REFERENT
        if task.alone and height < RANK[Role.REGION] and (elsewhere or practises):
            raise NotYours(_ELSEWHERE)
        if task.alone and height < RANK[Role.NATIONAL] and leads_elsewhere and rank(account.grants) == height:
            raise NotYours(HIGHER)
        if task.keys and height < RANK[Role.NATIONAL] and elsewhere:
            raise NotYours(_FAR)
        if task.keys and height < RANK[Role.REGION] and account.first_strong_at is not None:
            raise NotYours(_THEIRS)
        return account

    async def write(
        self, task: Task | None, account: Account, now: datetime, *changes: Change, **values: Value
    ) -> Account:
        """One transaction over the account's version; judged again whenever somebody else was quicker."""
        for _ in range(TURNS):
            try:
                await self._records.write(
                    Update(
                        "accounts",
                        {**values, "updated_at": now, "version": account.version + 1},
                        {"id": account.id, "version": account.version, "closed_at": None},
                    ),
                    *changes,
                )
                break
            except Stale:
                account = await (self.read(task) if task is not None else self.present(account.id))
            except Taken:  # the same membership or role, at this instant, by somebody else
                break
        else:
            raise Stale(f"the account {account.id} changes too often")
        await self.tell(account.id)
        return await self.present(account.id)

    async def present(self, account_id: str) -> Account:
        account = await self._register.by_id(account_id)
        if account is None or account.closed_at is not None:
            raise NotThere
        return account

    async def tell(self, account_id: str) -> None:
        if self._bus is not None:
            try:
                await self._bus.publish(f"account:{account_id}")
            except StoreUnavailable as error:  # workers look again within seconds
                _log.warning("workers not told", account=account_id, error=str(error))
