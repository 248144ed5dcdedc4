"""One delegation as administrators see it: its people, days and rights, what happened, who acted, and its end (R126).

Nothing is given or widened here. Ending it asks for a reason, takes effect at once, and is told to both people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace

from aiohttp import web

from gateway import texts
from gateway.accounts.delegation import Delegation, Kind, State
from gateway.admin.frame import NOTHING, Room, Typed, typed_in
from gateway.administration.actor import Actor, Faulty
from gateway.administration.offices import Offices
from gateway.delegations.facts import DelegationFacts, DelegationFile, Party
from gateway.delegations.oversight import Oversight
from gateway.pages.administrator import Work
from gateway.pages.base import Visit, go
from gateway.pages.delegation_words import STATES, TAGS, happening, means, period, rights_said
from gateway.pages.house import House
from gateway.policy.delegation import DelegationRules

_ENDED: Mapping[str, str] = {
    "delegator": "Retirée par le médecin",
    "delegate": "Rendue par la personne habilitée",
    "administrator": "Retirée par l'administration",
    "closed": "Terminée\u00a0: compte supprimé",
}
_KINDS: Mapping[Kind, str] = {Kind.ASSISTANT: "personnel du cabinet", Kind.COLLEAGUE: "confrère"}
_ERASED = "compte supprimé"


class DelegationPages(Room):
    """admin/delegations/{delegation} and its end."""

    section = "accounts"

    def __init__(self, house: House, offices: Offices, oversight: Oversight) -> None:
        super().__init__(house, offices)
        self._oversight = oversight

    def table(self) -> Sequence[tuple[str, str, Work]]:
        return [("GET", "/delegations/{delegation}", self.show), ("POST", "/delegations/{delegation}/end", self.end)]

    async def show(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        return await self._show(visit, actor, NOTHING, {})

    async def end(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        typed = await typed_in(visit)
        name = visit.request.match_info["delegation"]
        try:
            await self._oversight.end(actor, name, typed.get("reason"), visit.now)
        except Faulty as refused:
            return await self._show(visit, actor, typed, refused.faults)
        return go(self.url("delegations", name, said="ended"))

    async def _show(
        self, visit: Visit, actor: Actor, typed: Typed, faults: Mapping[str, Sequence[str]]
    ) -> web.StreamResponse:
        found = await self._oversight.detail(actor, visit.request.match_info["delegation"], visit.now)
        facts, one = found.facts, found.facts.delegation
        doctor, delegate = party(self, facts.doctor), party(self, facts.delegate)
        known = doctor if doctor.url else delegate
        ended = visit.request.query.get("said") == "ended" and facts.state is State.REVOKED
        return self.page(
            visit,
            actor,
            "delegation",
            "Délégation de droits",
            status=422 if faults else 200,
            crumbs=[("Comptes", self.url("accounts")), *([(known.name, known.url)] if known.url else [])],
            notice="La délégation est terminée. Le médecin et la personne habilitée sont prévenus." if ended else "",
            one=one,
            doctor=doctor,
            delegate=delegate,
            kind=_KINDS[one.kind],
            state=state_said(one, facts.state),
            tag=TAGS.get(facts.state, ""),
            period=period(one, self._oversight.rules.zone),
            rights=rights_said(one, self._oversight.rules, "tous ceux du médecin"),
            created=texts.moment(one.created_at, visit.zone),
            history=await self._history(visit, found),
            uses=self._uses(visit, found),
            may=found.endable,
            typed=typed,
            faults=faults,
        )

    async def _history(self, visit: Visit, found: DelegationFile) -> Sequence[SimpleNamespace]:
        """What happened, the newest first."""
        authors = await self.names([one.author for one in found.history if one.author != "system"])
        return [
            SimpleNamespace(
                at=texts.moment(one.at, visit.zone),
                what=_ENDED.get(one.detail.get("by", ""), "Terminée")
                if one.what == "ended"
                else happening(one, self._oversight.rules),
                who=authors.get(one.author, "ViaTrajectoire"),
                why=one.detail.get("why", ""),
            )
            for one in reversed(found.history)
        ]

    def _uses(self, visit: Visit, found: DelegationFile) -> Sequence[SimpleNamespace]:
        return [
            SimpleNamespace(
                person=party(self, found.users[one.user]),
                means=means(one.method),
                began=texts.moment(one.began_at, visit.zone),
                ended=texts.moment(one.ended_at, visit.zone) if one.ended_at else "",
                session=one.session,
            )
            for one in found.uses
        ]


def party(room: Room, one: Party) -> SimpleNamespace:
    """Somebody, with the way to their page for who may see it."""
    name = one.name or _ERASED
    return SimpleNamespace(
        name=name,
        url=room.url("accounts", one.account) if one.seen and one.account else "",
        number=one.national_id or "",
    )


def state_said(one: Delegation, state: State) -> str:
    """The state, and of one that was ended who did it."""
    return _ENDED.get(one.revoked_by or "", STATES[state]) if state is State.REVOKED else STATES[state]


def in_line(room: Room, facts: DelegationFacts, account_id: str, rules: DelegationRules) -> SimpleNamespace:
    """One delegation in the list of a person: given by them, or received."""
    one = facts.delegation
    given = one.delegator == account_id
    return SimpleNamespace(
        url=room.url("delegations", one.id),
        way="donnée à" if given else "reçue de",
        other=(facts.delegate if given else facts.doctor).name or _ERASED,
        kind=_KINDS[one.kind],
        period=period(one, rules.zone),
        state=state_said(one, facts.state),
        tag=TAGS.get(facts.state, ""),
    )
