"""Tokens of the API: made, listed, revoked; and who is asking."""

from __future__ import annotations

from typing import Any

from gateway.accounts.account import Role
from gateway.administration.offices import Offices
from gateway.api.account_models import GrantSaid
from gateway.api.operation import Call, Operation, Reply
from gateway.api.token_models import SessionSaid, TokenAsked, TokenMade, TokenSaid, TokensSaid
from gateway.policy.rights import Right
from gateway.ports import Row


class TokenDesk:
    """``offices.tokens`` in the words of the API."""

    def __init__(self, offices: Offices) -> None:
        self._offices = offices

    def operations(self) -> list[Operation]:
        return [
            Operation("readSession", "GET", "session", "Savoir qui demande", self.session, {200: SessionSaid}),
            Operation(
                "listTokens", "GET", "tokens", "Lire les jetons", self.list, {200: TokensSaid}, right=Right.ROLES
            ),
            Operation(
                "createToken", "POST", "tokens", "Créer un jeton, montré une seule fois", self.create, {201: TokenMade},
                right=Right.ROLES, body=TokenAsked,
            ),
            Operation(
                "revokeToken", "DELETE", "tokens/{token}", "Révoquer un jeton", self.revoke, {204: None},
                right=Right.ROLES,
            ),
        ]  # fmt: skip

    async def session(self, call: Call) -> Reply:
        actor, visit = call.actor, call.visit
        roles = [GrantSaid(role=one.role.value, scope=one.scope) for one in actor.grants]
        csrf = visit.csrf() if visit.session is not None else None
        return Reply(SessionSaid(id=actor.id, name=actor.name, roles=roles, csrf=csrf))

    async def list(self, call: Call) -> Reply:
        rows = await self._offices.tokens.list(call.actor, call.now)
        return Reply(TokensSaid(tokens=[_said(row) for row in rows]))

    async def create(self, call: Call) -> Reply:
        body: TokenAsked = call.body
        made, secret = await self._offices.tokens.create(
            call.actor, body.name, Role(body.role), body.scope, call.now, body.days
        )
        return Reply(TokenMade(id=made, token=secret), 201, {"Location": call.address("tokens", made)})

    async def revoke(self, call: Call) -> Reply:
        await self._offices.tokens.revoke(call.actor, call.path["token"], call.now)
        return Reply(status=204)


def _said(row: Row) -> TokenSaid:
    facts: dict[str, Any] = dict(row)
    return TokenSaid(
        id=facts["id"],
        name=facts["name"],
        role=facts["role"],
        scope=facts["scope_id"],
        created_by=facts["created_by"],
        created_at=facts["created_at"],
        expires_at=facts["expires_at"],
        revoked_at=facts["revoked_at"],
        state=facts["state"],
    )
