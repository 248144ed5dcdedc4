"""The page behind an invitation: its person chooses a password, and has thereby proved the address (R100, R19).

It signs nobody in: the code is asked at sign-in, and the charter after it, as for everybody.
"""

from __future__ import annotations

from aiohttp import web

from gateway.accounts.account import Account
from gateway.accounts.password import TooBusy
from gateway.administration.invitations import Invitations
from gateway.audit import Act, Record
from gateway.pages.base import Handler, Visit, go, handle
from gateway.pages.house import House
from gateway.pages.passwords import new_password_faults
from gateway.reasons import Reason, Stale

_BUSY = "Le service est très sollicité. Réessayez dans quelques instants."
_CHANGED = "Votre compte vient de changer par ailleurs. Validez une nouvelle fois."


class InvitationPages:
    """Serves the links of ``Invitations``."""

    def __init__(self, house: House, invitations: Invitations) -> None:
        self._house = house
        self._invitations = invitations

    def routes(self) -> list[web.RouteDef]:
        path = self._house.prefix + "/invitation"
        table: list[tuple[str, Handler]] = [("GET", self.link), ("POST", self.accept)]
        return [web.route(method, path, handle(work)) for method, work in table]

    async def link(self, visit: Visit) -> web.StreamResponse:
        """Opening the link consumes nothing: machines open links of mails before people do."""
        token = visit.request.query.get("token", "")
        account = await self._invitations.invited(token, self._house.register)
        return self._expired(visit) if account is None else self._form(visit, account, token)

    async def accept(self, visit: Visit) -> web.StreamResponse:
        fields = await visit.form()
        house, token = self._house, fields.get("token", "")
        account = await self._invitations.invited(token, house.register)
        if account is None:
            return self._expired(visit)
        wrong = new_password_faults(house, fields, account)
        if wrong:
            visit.log(Reason.BAD_INPUT, 422)
            return self._form(visit, account, token, 422, wrong)
        try:
            hashed = await house.passwords.hash(fields["password"])
        except TooBusy:
            return self._form(visit, account, token, 503, [_BUSY])
        taken = await self._invitations.accept(token, house.register)
        if taken is None:
            return self._expired(visit)
        account, facts = taken
        for act in (Act.PASSWORD_CHANGED, Act.MAIL_PROVED):
            await house.audit.record(
                Record(
                    act,
                    visit.now,
                    account.id,
                    address=visit.client,
                    correlation=visit.request_id,
                    facts={"by": "invitation"},
                )
            )
        try:
            await house.register.change(
                account, visit.now, password_hash=hashed, password_set_at=visit.now, mail_proved_at=visit.now
            )
        except Stale:
            await self._invitations.give_back(token, facts)
            return self._form(visit, account, token, 409, [_CHANGED])
        await house.changed(account.id)
        return go(f"{house.prefix}/sign-in?space={account.space.value}&said=password")

    def _form(
        self, visit: Visit, account: Account, token: str, status: int = 200, faults: list[str] | None = None
    ) -> web.Response:
        return visit.page("invitation", status=status, token=token, login=account.login, faults=faults or [])

    def _expired(self, visit: Visit) -> web.Response:
        return visit.message(
            "Cette invitation n'est plus valable",
            "Elle a déjà servi, a expiré, ou une invitation plus récente vous a été envoyée.",
            "Si vous avez déjà choisi votre mot de passe, connectez-vous. Sinon, demandez une nouvelle invitation à votre "
            "référent structure.",
            status=403,
            actions=[(f"{self._house.prefix}/sign-in", "Se connecter", False)],
            reason=Reason.LINK_EXPIRED,
        )
