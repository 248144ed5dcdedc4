"""« Agir pour »: taking up a delegation, leaving it, and hearing that it is over (R116, R127–R130).

One context per session, in every tab: it is written in the session, and the session gets a new ticket with each change.
What the browser sends names a delegation and proves nothing: it is judged here, and again at every request.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Protocol
from urllib.parse import quote

from aiohttp import web

from gateway.audit import Act, Record
from gateway.delegations.author import By
from gateway.delegations.context import Context
from gateway.pages.base import SESSION, Handler, Visit, go, handle, set_cookie
from gateway.pages.house import House
from gateway.pages.journey import safe_return
from gateway.reasons import Reason
from gateway.session.keeper import SessionGone
from gateway.session.model import Session

_ID = re.compile(r"dlg_[A-Za-z0-9_-]{1,60}\Z")
REFUSALS: dict[Reason, str] = {
    Reason.DELEGATION_UNKNOWN: "Cette délégation n'existe pas, ou n'est pas la vôtre.",
    Reason.DELEGATION_ENDED: "Cette délégation n'est plus en cours.",
    Reason.DELEGATION_NOT_YET: "Cette délégation n'a pas encore commencé, ou n'est pas encore confirmée.",
    Reason.DELEGATOR_UNAVAILABLE: "Le compte de ce médecin n'est pas actif en ce moment\u00a0: ses délégations sont suspendues.",
    Reason.ACCOUNT_DORMANT: "Votre compte est en sommeil.",
    Reason.LEVEL_TOO_LOW: "Un mot de passe seul ne suffit pas pour agir au nom d'un médecin. Connectez-vous par carte, par "
    "e-CPS ou avec un code.",
    Reason.METHOD_DISABLED: "Le moyen par lequel vous êtes connecté ne permet pas d'agir au nom d'un médecin. Connectez-vous "
    "avec votre carte.",
}


class Taking(Protocol):
    """``delegations.receiving``."""

    async def begin(self, by: By, delegation_id: str, now: datetime, ticket: str) -> Session | Reason: ...

    async def leave(self, by: By, now: datetime, ticket: str, *, why: str = "asked") -> Session: ...


class ActingPages:
    """The pages; ``routes`` says which addresses they answer."""

    def __init__(self, house: House, taking: Taking) -> None:
        self._house = house
        self._taking = taking

    def routes(self) -> list[web.RouteDef]:
        prefix = self._house.prefix
        table: list[tuple[str, str, Handler]] = [
            ("POST", "/acting", self.choose),
            ("GET", "/delegations/ended", self.ended),
        ]
        return [web.route(method, prefix + path, handle(work)) for method, path, work in table]

    async def choose(self, visit: Visit) -> web.StreamResponse:
        """Act for the doctor of this delegation from now on; an empty one is oneself again."""
        fields = await visit.form()
        back = safe_return(fields.get("return"), self._house.prefix)
        by = self._by(visit)
        if by is None:
            return self._nobody(back)
        wanted = fields.get("delegation", "").strip()[:80]
        try:
            if not wanted:
                return await self._leave(visit, by, back, "asked") if by.session.acting_under else go(back)
            ticket = self._house.ambient.token(32)
            outcome = await self._taking.begin(by, wanted, visit.now, ticket)
        except SessionGone:  # another tab was quicker, or the person signed out
            return self._nobody(back)
        if isinstance(outcome, Reason):
            return await self._refused(visit, by, wanted, outcome)
        answer = go(back)
        set_cookie(answer, SESSION, ticket)
        return answer

    async def ended(self, visit: Visit) -> web.StreamResponse:
        """The delegation is over: says so, and the person goes on as themselves (R127).

        Opening this address changes something, and only what is no longer allowed: a context that stands is kept.
        """
        back = safe_return(visit.request.query.get("return"), self._house.prefix)
        by = self._by(visit)
        if by is None:
            return self._nobody(back)
        context = visit.acting
        if by.session.acting_under is None or context is None or context.refusal is None:
            return go(back)
        ticket = self._house.ambient.token(32)
        try:
            visit.session = await self._taking.leave(by, visit.now, ticket, why=context.refusal.value)
        except SessionGone:
            return self._nobody(back)
        visit.acting = None
        answer = self._over(visit, context, back)
        set_cookie(answer, SESSION, ticket)
        return answer

    def _over(self, visit: Visit, context: Context, back: str) -> web.Response:
        doctor = f"le Dr {context.doctor}" if context.doctor else "un médecin"
        return visit.message(
            "Vous n'agissez plus au nom d'un médecin",
            f"Vous agissiez pour {doctor}. {REFUSALS.get(context.refusal or Reason.DELEGATION_ENDED, '')}".strip(),
            "Votre propre session reste ouverte\u00a0: ce que vous ferez maintenant sera fait en votre nom.",
            actions=[
                (back, "Continuer en mon nom", False),
                (f"{self._house.prefix}/delegations", "Voir mes habilitations", False),
            ],
        )

    async def _leave(self, visit: Visit, by: By, back: str, why: str) -> web.Response:
        ticket = self._house.ambient.token(32)
        await self._taking.leave(by, visit.now, ticket, why=why)
        answer = go(back)
        set_cookie(answer, SESSION, ticket)
        return answer

    async def _refused(self, visit: Visit, by: By, wanted: str, reason: Reason) -> web.Response:
        facts = {"asked": "act"}
        if _ID.match(wanted):  # whose it is, if anybody's, is for whoever reads the audit
            facts["delegation"] = wanted
        await self._house.audit.record(
            Record(
                Act.DELEGATION_REFUSED,
                visit.now,
                by.account.id,
                reason,
                address=visit.client,
                correlation=visit.request_id,
                facts=facts,
            )
        )
        actions = [(f"{self._house.prefix}/delegations", "Voir mes habilitations", False)]
        if reason in (Reason.LEVEL_TOO_LOW, Reason.METHOD_DISABLED):
            actions.append((f"{self._house.prefix}/step-up?then=/delegations", "Se connecter autrement", False))
        return visit.message(
            "Vous ne pouvez pas agir pour ce médecin", REFUSALS[reason], status=403, actions=actions, reason=reason
        )

    def _by(self, visit: Visit) -> By | None:
        if visit.session is None or visit.account is None:
            return None
        return By(visit.account, visit.session, visit.client, visit.request_id)

    def _nobody(self, back: str) -> web.Response:
        return go(f"{self._house.prefix}/sign-in?reason={Reason.NO_SESSION.value}&return={quote(back, safe='/')}")
