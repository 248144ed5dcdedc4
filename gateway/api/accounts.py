"""People: looked for, invited, corrected, suspended, woken, signed out, attached, appointed (R97–R101)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.accounts.account import Account, Role
from gateway.administration.actor import Faulty
from gateway.administration.offices import Offices
from gateway.administration.people import Invitation
from gateway.api.account_models import (
    AccountChange,
    AccountLine,
    AccountPage,
    AccountSaid,
    AccountsQuery,
    GrantSaid,
    InvitationAsked,
    PlaceAsked,
    RoleAsked,
    SessionsEnded,
)
from gateway.api.kinds import Reasoned
from gateway.api.operation import PATCH_KINDS, Call, Operation, Reply, lists_next, reason_of
from gateway.overview import CATEGORIES, AccountQuery
from gateway.policy.rights import Right
from gateway.ports import Row


class Accounts:
    """``offices.people`` in the words of the API."""

    def __init__(self, offices: Offices) -> None:
        self._offices = offices

    def operations(self) -> list[Operation]:
        right = Right.PEOPLE
        return [
            Operation(
                "listAccounts", "GET", "accounts", "Chercher des personnes", self.find, {200: AccountPage},
                right=Right.SEE, query=AccountsQuery,
            ),
            Operation(
                "inviteAccount", "POST", "accounts", "Inviter une personne", self.invite, {201: AccountSaid},
                right=right, body=InvitationAsked,
            ),
            Operation(
                "readAccount", "GET", "accounts/{account}", "Lire un compte", self.read, {200: AccountSaid},
                right=Right.SEE,
            ),
            Operation(
                "changeAccount", "PATCH", "accounts/{account}", "Corriger, suspendre ou réactiver un compte", self.change,
                {200: AccountSaid}, right=right, body=AccountChange, kinds=PATCH_KINDS, versioned="may",
            ),
            Operation(
                "signOutAccount", "POST", "accounts/{account}/sign-out", "Fermer toutes les sessions d'une personne",
                self.sign_out, {200: SessionsEnded}, right=right,
            ),
            Operation(
                "inviteAgain", "POST", "accounts/{account}/invitation", "Envoyer une nouvelle invitation",
                self.invite_again, {200: AccountSaid}, right=right,
            ),
            Operation(
                "attachAccount", "POST", "accounts/{account}/scopes", "Rattacher une personne à un périmètre",
                self.attach, {200: AccountSaid}, right=right, body=PlaceAsked,
            ),
            Operation(
                "detachAccount", "DELETE", "accounts/{account}/scopes/{scope}", "Détacher une personne d'un périmètre",
                self.detach, {204: None}, right=right, query=Reasoned,
            ),
            Operation(
                "grantRole", "POST", "accounts/{account}/roles", "Donner un rôle", self.grant, {200: AccountSaid},
                right=Right.REFERENTS, body=RoleAsked,
            ),
            Operation(
                "revokeRole", "DELETE", "accounts/{account}/roles", "Retirer un rôle", self.revoke, {204: None},
                right=Right.REFERENTS, query=RoleAsked,
            ),
        ]  # fmt: skip

    async def find(self, call: Call) -> Reply:
        query: AccountsQuery = call.query
        path = self._offices.scopes.see(call.actor, query.scope).path if query.scope else ""
        reach = call.actor.reach(self._offices.desk.book).paths
        page = await self._offices.overview.accounts(
            AccountQuery(
                reach=reach,
                text=query.q,
                category=query.category or "",
                scope_path=path,
                after=query.after,
                limit=query.limit,
            ),
            self._offices.measure(call.now),
        )
        places = await self._offices.overview.places([str(row["id"]) for row in page.rows], reach)
        lines = [_line(row, places.get(str(row["id"]), ())) for row in page.rows]
        address, headers = lists_next(call, page.cursor)
        return Reply(AccountPage(accounts=lines, next=address), 200, headers)

    async def invite(self, call: Call) -> Reply:
        body: InvitationAsked = call.body
        made = await self._offices.people.invite(
            call.actor,
            Invitation(body.scope, body.family_name, body.given_name, body.mail, body.identifier, body.space),
            call.now,
        )
        return self._said(call, made, 201, {"Location": call.address("accounts", made.id)})

    async def read(self, call: Call) -> Reply:
        return self._said(call, await self._offices.people.see(call.actor, call.path["account"]))

    async def change(self, call: Call) -> Reply:
        body: AccountChange = call.body
        wanted = {
            name: value for name in ("mail", "suspended", "dormant") if (value := getattr(body, name)) is not None
        }
        if len(wanted) != 1:
            raise Faulty({"": ["Demandez un seul changement : mail, suspended ou dormant."]})
        if wanted.get("dormant"):
            raise Faulty({"dormant": ["Un compte ne peut être que réveillé : dormant doit être false."]})
        people, reason = self._offices.people, reason_of(call, body.reason, needed=True)
        who = (call.actor, call.path["account"], call.version)
        if body.mail is not None:
            changed = await people.correct_mail(*who, body.mail, reason, call.now)
        elif body.suspended is not None:
            changed = await (people.suspend if body.suspended else people.resume)(*who, reason, call.now)
        else:
            changed = await people.reactivate(*who, reason, call.now)
        return self._said(call, changed)

    async def sign_out(self, call: Call) -> Reply:
        ended = await self._offices.people.end_sessions(call.actor, call.path["account"], call.now)
        return Reply(SessionsEnded(ended=ended))

    async def invite_again(self, call: Call) -> Reply:
        return self._said(
            call, await self._offices.people.resend_invitation(call.actor, call.path["account"], call.now)
        )

    async def attach(self, call: Call) -> Reply:
        body: PlaceAsked = call.body
        account = call.path["account"]
        return self._said(
            call, await self._offices.people.attach(call.actor, account, body.scope, body.reason, call.now)
        )

    async def detach(self, call: Call) -> Reply:
        account, scope = call.path["account"], call.path["scope"]
        await self._offices.people.detach(call.actor, account, scope, call.query.reason, call.now)
        return Reply(status=204)  # the person may lie outside the actor's reach from now on

    async def grant(self, call: Call) -> Reply:
        body: RoleAsked = call.body
        changed = await self._offices.people.grant(
            call.actor, call.path["account"], Role(body.role), body.scope, body.reason, call.now
        )
        return self._said(call, changed)

    async def revoke(self, call: Call) -> Reply:
        query: RoleAsked = call.query
        await self._offices.people.revoke(
            call.actor, call.path["account"], Role(query.role), query.scope, query.reason, call.now
        )
        return Reply(status=204)

    def _said(self, call: Call, account: Account, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
        book = self._offices.desk.book
        reach = call.actor.reach(book)

        def seen(scope_id: str) -> bool:
            scope = book.scope(scope_id)
            return reach.everything if scope is None else scope.path in reach

        said = AccountSaid(
            id=account.id,
            family_name=account.family_name,
            given_name=account.given_name,
            national_id=account.national_id.text if account.national_id else None,
            logins=[one.removeprefix("u:") for one in account.logins],
            profession=account.profession,
            specialty=account.specialty,
            mail=account.mail,
            mail_proved=account.mail_proved_at is not None,
            mail_shared=account.mail_shared,
            phone=account.phone,
            phone_proved=account.phone_proved_at is not None,
            standing=account.standing(call.now, call.visit.house.dormancy).value,
            origin=account.origin.value,
            space=account.space.value,
            created_at=account.created_at,
            last_sign_in_at=account.last_sign_in_at,
            last_method=account.last_method,
            first_strong_at=account.first_strong_at,
            scopes=[one for one in account.scopes if seen(one)],
            roles=[GrantSaid(role=one.role.value, scope=one.scope) for one in account.grants if seen(one.scope)],
            version=account.version,
        )
        return Reply(said, status, {"ETag": f'"{account.version}"', **(headers or {})})


def _line(row: Row, scopes: Sequence[str]) -> AccountLine:
    facts: dict[str, Any] = dict(row)
    return AccountLine(
        id=facts["id"],
        family_name=facts["family_name"] or "",
        given_name=facts["given_name"] or "",
        national_id=facts["national_id"],
        profession=facts["profession"],
        mail=facts["mail"],
        mail_proved=facts["mail_proved_at"] is not None,
        last_sign_in_at=facts["last_sign_in_at"],
        scopes=list(scopes),
        categories=[name for name in CATEGORIES if facts[name]],
        ready=bool(facts["ready"]),
        version=facts["version"],
    )
