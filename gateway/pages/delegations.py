"""« Mes délégations »: what one gave, as a médecin libéral; what one received, « Agir pour », and giving it back.

Everybody has the second list (R128). The first is a doctor's own (R105, R106): it is not shown, and cannot be reached,
while the session acts for somebody else (R120). What is over stays to be read, folded.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

from aiohttp import web

from gateway.accounts.delegation import Delegation, Kind, State
from gateway.administration.actor import NotThere, NotYours
from gateway.delegations.author import By
from gateway.delegations.office import DelegationOffice
from gateway.delegations.receiving import Received, ReceivingOffice
from gateway.pages.acting import REFUSALS
from gateway.pages.base import Handler, Visit, handle
from gateway.pages.delegation_room import DelegationRoom, by_of, sign_in, step_up, typed_in
from gateway.pages.delegation_words import given, period, received_state, rights_said
from gateway.pages.house import House
from gateway.pages.stepup import late
from gateway.reasons import Reason

_SAID = {
    "invited": "La délégation est créée. Un message invite la personne à la terminer avec sa carte.",
    "given": "La délégation est créée.",
    "changed": "La délégation est modifiée.",
    "ended": "La délégation est terminée.",
    "resent": "Une nouvelle invitation est partie. L'ancien lien n'est plus valable.",
    "confirmed": "La personne est confirmée.",
    "declined": "La proposition est refusée. Vous pouvez renvoyer l'invitation à la bonne personne.",
    "renounced": "Vous avez rendu cette délégation.",
    "proved": "C'est confirmé. Si une saisie attend dans un autre onglet, fermez celui-ci et validez-la.",
}
# What a doctor has to look at comes first.
_ORDER = (State.PENDING_CONFIRMATION, State.INVITATION_EXPIRED, State.INVITED, State.ACTIVE, State.NOT_STARTED)
_STRONGER = (Reason.LEVEL_TOO_LOW, Reason.METHOD_DISABLED)  # another means would do


class DelegationPages(DelegationRoom):
    """The list, and giving back."""

    def __init__(self, house: House, office: DelegationOffice, receiving: ReceivingOffice) -> None:
        super().__init__(house, office)
        self._receiving = receiving

    def routes(self) -> list[web.RouteDef]:
        prefix = self.house.prefix
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/delegations", self.page),
            ("GET", "/delegations/received/{id}/renounce", self.ask),
            ("POST", "/delegations/received/{id}/renounce", self.renounce),
        ]
        return [web.route(method, prefix + path, handle(work)) for method, path, work in table]

    async def page(self, visit: Visit) -> web.StreamResponse:
        by = by_of(visit)
        if by is None:
            return sign_in(visit, "/delegations")
        barred: Reason | None = None
        mine: Sequence[Delegation] = ()
        try:
            self.office.may(by, visit.now)
            mine = await self.office.given(by, visit.now)
        except NotYours as error:
            barred = error.reason
        received = await self._receiving.received(by.session, by.account, visit.now)
        return visit.page(
            "delegations",
            barred=barred.value if barred is not None else "",
            groups=[self._group(visit, mine, kind) for kind in Kind] if barred is None else (),
            received=[self._received(visit, by, one) for one in received],
            step_up=step_up(visit, "/delegations"),
            physician=by.account.profession in self.house.physicians,
            liberal=by.session.space.value == "liberal",
            notice=_SAID.get(visit.request.query.get("said", ""), ""),
        )

    def _group(self, visit: Visit, mine: Sequence[Delegation], kind: Kind) -> SimpleNamespace:
        rules, now = self.office.rules, visit.now
        own = [one for one in mine if one.kind is kind]
        live = sorted(
            (one for one in own if not one.state(now).over), key=lambda one: (_ORDER.index(one.state(now)), -one.number)
        )
        return SimpleNamespace(
            kind=kind.value,
            live=[given(one, rules, now, visit.zone) for one in live],
            over=[given(one, rules, now, visit.zone) for one in own if one.state(now).over],
        )

    def _received(self, visit: Visit, by: By, one: Received) -> SimpleNamespace:
        delegation, doctor = one.delegation, one.delegator
        state, tag = received_state(delegation, visit.now)
        over = delegation.state(visit.now).over
        here = by.session.acting_under == delegation.id
        why = "" if one.refusal is None or over else REFUSALS.get(one.refusal, "")
        return SimpleNamespace(
            id=delegation.id,
            name=f"{doctor.given_name} {doctor.family_name}".strip() if doctor is not None else "",
            state=state,
            tag=tag,
            period=period(delegation, self.office.rules.zone),
            rights=rights_said(delegation, self.office.rules, "Les mêmes droits que ce médecin sur ses dossiers"),
            over=over,
            here=here and one.refusal is None,
            may=one.refusal is None and not here,
            why=why,
            stronger=not over and one.refusal in _STRONGER,
        )

    # Giving back

    async def _one(self, visit: Visit, by: By) -> Received:
        """The live delegation of this address, if it is this person's; raises ``NotThere``."""
        wanted = visit.request.match_info["id"]
        for one in await self._receiving.received(by.session, by.account, visit.now):
            if one.delegation.id == wanted and not one.delegation.state(visit.now).over:
                return one
        raise NotThere

    async def ask(self, visit: Visit) -> web.StreamResponse:
        by = by_of(visit)
        if by is None:
            return sign_in(visit, "/delegations")
        try:
            one = await self._one(visit, by)
        except NotThere as error:
            return self._not_mine(visit, error)
        doctor = one.delegator
        name = f"Dr\u00a0{doctor.given_name} {doctor.family_name}" if doctor is not None else "un médecin"
        return visit.page(
            "delegation_question",
            title="Rendre cette délégation\u00a0?",
            lines=(
                f"{name}, {period(one.delegation, self.office.rules.zone)}.",
                "Vous ne pourrez plus agir pour ce médecin, dès maintenant. Le médecin en sera informé. Pour agir de "
                "nouveau, il vous faudra une nouvelle délégation.",
            ),
            action=self.url(f"/received/{one.delegation.id}/renounce"),
            button="Rendre la délégation",
            back=self.url(""),
        )

    async def renounce(self, visit: Visit) -> web.StreamResponse:
        typed = await typed_in(visit)
        by = by_of(visit)
        if by is None:
            return late(visit, typed.fields, "/delegations")
        try:
            await self._receiving.renounce(by, visit.request.match_info["id"], visit.now)
        except NotThere as error:
            return self._not_mine(visit, error)
        return self.done("renounced")

    def _not_mine(self, visit: Visit, error: NotThere) -> web.Response:
        return visit.message(
            "Cette délégation n'existe pas",
            "Elle n'est pas, ou n'est plus, parmi celles que vous avez reçues.",
            status=404,
            actions=[(self.url(""), "Revenir à «\u00a0Mes délégations\u00a0»", False)],
            reason=error.reason,
        )
