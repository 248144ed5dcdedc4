"""One account as its référent sees it, and what can be done to it (R100, R101): each act a small form of its own.

A password is never seen nor set here. Of the person's places only those within the actor's reach are shown, and nothing
tells whether there are others. The version read with the page travels in the forms whose values others may change.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import cast

from aiohttp import web

from gateway import texts
from gateway.accounts.account import Account, Grant, Role, Standing
from gateway.accounts.phone import shown as phone_shown
from gateway.admin.delegation import in_line
from gateway.admin.finding import Found, place_of
from gateway.admin.frame import NOTHING, Room, Typed, typed_in
from gateway.admin.words import KINDS, ORIGINS, ROLES, STANDINGS
from gateway.administration.actor import Actor, ChangedMeanwhile, Faulty
from gateway.administration.invitations import may_be_invited
from gateway.administration.offices import Offices
from gateway.delegations.oversight import Oversight
from gateway.identity import Method
from gateway.pages.administrator import Work
from gateway.pages.base import Visit, go
from gateway.pages.house import House
from gateway.pages.words import MEANS, PROFESSIONS
from gateway.policy.rights import Right

_SAID = {
    "invited": "La personne est rattachée. Si elle n'avait pas de compte, un lien lui est envoyé pour choisir son mot de "
    "passe.",
    "again": "Une nouvelle invitation est envoyée\u00a0; le lien d'avant ne sert plus.",
    "mail": "L'adresse est corrigée. Un lien de confirmation y est envoyé, et l'ancienne adresse est prévenue.",
    "suspend": "Le compte est suspendu et ses sessions sont fermées.",
    "resume": "La suspension est levée.",
    "reactivate": "Le compte est réveillé.",
    "sessions": "Les sessions sont fermées.",
    "attach": "La personne est rattachée.",
    "detach": "La personne est détachée.",
    "grant": "Le rôle est confié.",
    "revoke": "Le rôle est retiré.",
}
_DELEGATIONS = 500
_Act = Callable[[Visit, Actor, str, Typed], Awaitable[object]]


class PersonPages(Room):
    """admin/accounts/{account} and its acts."""

    section = "accounts"

    def __init__(self, house: House, offices: Offices, oversight: Oversight) -> None:
        super().__init__(house, offices)
        self._oversight = oversight

    def table(self) -> Sequence[tuple[str, str, Work]]:
        acts = {
            "mail": self._mail,
            "suspend": self._suspend,
            "resume": self._resume,
            "reactivate": self._reactivate,
            "sessions": self._sessions,
            "again": self._again,
            "attach": self._attach,
            "detach": self._detach,
            "grant": self._grant,
            "revoke": self._revoke,
        }
        routes: list[tuple[str, str, Work]] = [("GET", "/accounts/{account}", self.show)]
        routes += [("POST", f"/accounts/{{account}}/{name}", self._doing(name, act)) for name, act in acts.items()]
        return routes

    async def show(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        return await self._show(visit, actor, NOTHING, "")

    def _doing(self, name: str, act: _Act) -> Work:
        """The act, then the page again: with what was typed when it was refused."""

        async def work(visit: Visit, actor: Actor) -> web.StreamResponse:
            typed = await typed_in(visit)
            account_id = visit.request.match_info["account"]
            try:
                await act(visit, actor, account_id, typed)
            except _Unclear as unclear:
                return await self._show(
                    visit, actor, typed, name, faults={"place": [unclear.found.fault]}, found=unclear.found, status=422
                )
            except Faulty as refused:
                return await self._show(visit, actor, typed, name, faults=refused.faults, status=422)
            except ChangedMeanwhile:
                return await self._show(visit, actor, typed, name, status=409)
            if name == "detach" and not await self._still_seen(actor, account_id):
                return go(self.url("accounts"))
            return go(self.url("accounts", account_id, said=name))

        return work

    async def _still_seen(self, actor: Actor, account_id: str) -> bool:
        account = await self.house.register.by_id(account_id)
        reach = actor.reach(self.book)
        scopes = [self.book.scope(one) for one in account.scopes] if account else []
        return reach.everything or any(one is not None and one.path in reach for one in scopes)

    # The acts

    async def _mail(self, visit: Visit, actor: Actor, account: str, typed: Typed) -> None:
        await self.offices.people.correct_mail(
            actor, account, typed.version, typed.get("mail"), typed.get("reason"), visit.now
        )

    async def _suspend(self, visit: Visit, actor: Actor, account: str, typed: Typed) -> None:
        await self.offices.people.suspend(actor, account, typed.version, typed.get("reason"), visit.now)

    async def _resume(self, visit: Visit, actor: Actor, account: str, typed: Typed) -> None:
        await self.offices.people.resume(actor, account, typed.version, typed.get("reason"), visit.now)

    async def _reactivate(self, visit: Visit, actor: Actor, account: str, typed: Typed) -> None:
        await self.offices.people.reactivate(actor, account, typed.version, typed.get("reason"), visit.now)

    async def _sessions(self, visit: Visit, actor: Actor, account: str, typed: Typed) -> None:
        await self.offices.people.end_sessions(actor, account, visit.now)

    async def _again(self, visit: Visit, actor: Actor, account: str, typed: Typed) -> None:
        await self.offices.people.resend_invitation(actor, account, visit.now)

    async def _attach(self, visit: Visit, actor: Actor, account: str, typed: Typed) -> None:
        scope = self._place(visit, actor, typed)
        await self.offices.people.attach(actor, account, scope, typed.get("reason"), visit.now)

    async def _detach(self, visit: Visit, actor: Actor, account: str, typed: Typed) -> None:
        await self.offices.people.detach(actor, account, typed.get("scope"), typed.get("reason"), visit.now)

    async def _grant(self, visit: Visit, actor: Actor, account: str, typed: Typed) -> None:
        role = _role(typed)
        scope = self._place(visit, actor, typed)
        await self.offices.people.grant(actor, account, role, scope, typed.get("reason"), visit.now)

    async def _revoke(self, visit: Visit, actor: Actor, account: str, typed: Typed) -> None:
        await self.offices.people.revoke(
            actor, account, _role(typed), typed.get("scope"), typed.get("reason"), visit.now
        )

    def _place(self, visit: Visit, actor: Actor, typed: Typed) -> str:
        found = place_of(self.offices, actor, typed, visit.now)
        if found.scope is None:
            raise _Unclear(found)
        return found.scope.id

    # The page

    async def _show(
        self,
        visit: Visit,
        actor: Actor,
        typed: Typed,
        act: str,
        *,
        faults: Mapping[str, Sequence[str]] | None = None,
        found: Found | None = None,
        status: int = 200,
    ) -> web.Response:
        account = await self.offices.people.see(actor, visit.request.match_info["account"])
        reach = actor.reach(self.book)
        scopes = [one for one in map(self.book.scope, account.scopes) if one is not None and one.path in reach]
        standing = account.standing(visit.now, self.house.dormancy)
        sessions = await self.house.keeper.sessions_of(account.id, visit.now)
        profession = account.profession or ""
        roles = [role for role in Role if self._may_grant(actor, role)]
        return self.page(
            visit,
            actor,
            "account",
            f"{account.given_name} {account.family_name}",
            status=status,
            crumbs=[("Comptes", self.url("accounts"))],
            notice=_SAID.get(visit.request.query.get("said", ""), "") if status == 200 else "",
            account=account,
            identifier=account.login,
            profession=PROFESSIONS.get(profession, profession),
            phone=phone_shown(account.phone) if account.phone else "",
            standing=STANDINGS[standing.value],
            open=standing is Standing.OPEN,
            dormant=standing is Standing.DORMANT,
            suspended=standing is Standing.SUSPENDED,
            closed=standing is Standing.CLOSED,
            origin=ORIGINS.get(account.origin.value, account.origin.value),
            created=texts.day(account.created_at, visit.zone),
            first_strong=texts.day(account.first_strong_at, visit.zone) if account.first_strong_at else "",
            password=texts.day(account.password_set_at, visit.zone) if account.password_set_at else "",
            invited=may_be_invited(account),
            sessions=len(sessions),
            sign_ins=await self._sign_ins(visit, account),
            delegations=await self._delegations(visit, actor, account),
            scopes=[SimpleNamespace(id=one.id, name=one.name, kind=KINDS.get(one.kind, one.kind)) for one in scopes],
            grants=[self._grant_shown(actor, one) for one in account.grants if self._seen(actor, one)],
            roles=[(role.value, ROLES[role.value]) for role in roles],
            may=standing is not Standing.CLOSED and (reach.everything or self._may(actor, account)),
            mine=account.id == actor.id,
            act=act,
            typed=typed,
            faults=faults or {},
            choices=found.choices if found else (),
            conflict=status == 409,
        )

    async def _delegations(self, visit: Visit, actor: Actor, account: Account) -> Sequence[SimpleNamespace]:
        """Given and received, the newest first; those of whom the actor sees one of the two people, as of this one."""
        found = await self._oversight.listed(
            actor, account=account.id, state=None, after=None, limit=_DELEGATIONS, now=visit.now
        )
        newest = sorted(found, key=lambda one: one.delegation.created_at, reverse=True)
        return [in_line(self, one, account.id, self._oversight.rules) for one in newest]

    def _may(self, actor: Actor, account: Account) -> bool:
        return any(self.may(actor, Right.PEOPLE, one) for one in account.scopes)

    def _may_grant(self, actor: Actor, role: Role) -> bool:
        right = Right.REFERENTS if role is Role.REFERENT else Right.ROLES
        return any(self.may(actor, right, one.scope) for one in actor.grants if self.book.scope(one.scope)) or (
            any(one.role is Role.NATIONAL for one in actor.grants)
        )

    def _seen(self, actor: Actor, grant: Grant) -> bool:
        scope = self.book.scope(grant.scope)
        return actor.reach(self.book).everything or (scope is not None and scope.path in actor.reach(self.book))

    def _grant_shown(self, actor: Actor, grant: Grant) -> SimpleNamespace:
        scope = self.book.scope(grant.scope)
        right = Right.REFERENTS if grant.role is Role.REFERENT else Right.ROLES
        return SimpleNamespace(
            role=grant.role.value,
            label=ROLES[grant.role.value],
            scope=grant.scope,
            name=scope.name if scope else grant.scope,
            may=self.may(actor, right, grant.scope),
        )

    async def _sign_ins(self, visit: Visit, account: Account) -> Sequence[SimpleNamespace]:
        rows = await self.house.register.last_sign_ins(account.id)
        return [
            SimpleNamespace(
                at=texts.moment(cast(datetime, row["at"]), visit.zone),
                means=_means(str(row["method"])),
                space="médecin libéral" if row["space"] == "liberal" else "professionnel",
            )
            for row in rows
        ]


class _Unclear(Exception):
    """What was written names no single place."""

    def __init__(self, found: Found) -> None:
        super().__init__(found.fault)
        self.found = found


def _role(typed: Typed) -> Role:
    try:
        return Role(typed.get("role"))
    except ValueError:
        raise Faulty({"role": ["Choisissez un rôle."]}) from None


def _means(word: str) -> str:
    try:
        return MEANS[Method(word)]
    except ValueError:  # a means that this version no longer knows
        return word
