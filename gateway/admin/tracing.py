"""« Qui a agi ? »: from a line of the access journal, or a session and its hour, to the person, the doctor and the
delegation (R149). Posted, so that no name of a session stands in logs and histories; every search is in the audit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import SimpleNamespace

from aiohttp import web

from gateway import texts
from gateway.admin.delegation import party, state_said
from gateway.admin.frame import NOTHING, Room, Typed, typed_in
from gateway.admin.when import BadDate, instant_of
from gateway.admin.words import zone_name
from gateway.administration.actor import Actor, Faulty
from gateway.administration.offices import Offices
from gateway.delegations.facts import Trace
from gateway.delegations.oversight import NobodyKnown, Oversight
from gateway.pages.administrator import Work
from gateway.pages.base import Visit
from gateway.pages.delegation_words import STATES, means, period, rights_said
from gateway.pages.house import House

_LEVELS: Mapping[str, str] = {
    "substantial": "substantiel (carte ou e-CPS)",
    "transition": "moyen de transition",
    "password": "mot de passe seul",
}
_SPACES: Mapping[str, str] = {"liberal": "médecin libéral", "professionnel": "professionnel"}
_NO_LINE = "Ce n'est pas une ligne du journal d'accès. Copiez la ligne entière, de la première accolade à la dernière."
_NO_SESSION = "Personne n'était connecté lors de cette demande\u00a0: elle ne porte aucune session."
_NOTHING = "Collez une ligne du journal d'accès, ou indiquez une session."
_LONGEST = 20_000  # characters of a line


class TracePage(Room):
    """GET and POST admin/trace."""

    section = "trace"

    def __init__(self, house: House, offices: Offices, oversight: Oversight) -> None:
        super().__init__(house, offices)
        self._oversight = oversight

    def table(self) -> Sequence[tuple[str, str, Work]]:
        return [("GET", "/trace", self.form), ("POST", "/trace", self.trace)]

    async def form(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        self._oversight.require_tracing(actor)
        return self._show(visit, actor, NOTHING)

    async def trace(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        self._oversight.require_tracing(actor)
        typed = await typed_in(visit)
        field = "line" if typed.get("line") else "session"
        try:
            session, at = _of_line(typed.get("line")) if field == "line" else _of_fields(visit, typed)
            if not session:
                return self._show(visit, actor, typed, answer=_NO_SESSION)
            found = await self._oversight.trace(actor, session, at, visit.now)
        except NobodyKnown as nobody:
            return self._show(visit, actor, typed, {field: [nobody.sentence]})
        except Faulty as refused:
            said = {field if name == "session" else name: some for name, some in refused.faults.items()}
            return self._show(visit, actor, typed, said)
        return self._show(visit, actor, typed, found=self._found(visit, found))

    def _show(
        self,
        visit: Visit,
        actor: Actor,
        typed: Typed,
        faults: Mapping[str, Sequence[str]] | None = None,
        *,
        answer: str = "",
        found: SimpleNamespace | None = None,
    ) -> web.Response:
        return self.page(
            visit,
            actor,
            "trace",
            "Qui a agi\u00a0?",
            status=422 if faults else 200,
            typed=typed,
            faults=faults or {},
            answer=answer,
            found=found,
            zone=zone_name(visit.zone.key),
        )

    def _found(self, visit: Visit, trace: Trace) -> SimpleNamespace:
        sign, rules = trace.sign, self._oversight.rules
        person = party(self, trace.person)
        found = SimpleNamespace(
            person=person,
            at=texts.moment(trace.at, visit.zone),
            means=means(sign.means),
            level=_LEVELS.get(sign.assurance, ""),
            space=_SPACES.get(sign.space, ""),
            signed_in=texts.moment(sign.signed_in_at, visit.zone) if sign.signed_in_at else "",
            since=texts.moment(sign.since, visit.zone),
            address=sign.address,
            acted=None,
        )
        if (acted := trace.acted_for) is None:
            return found
        then = acted.then
        found.acted = SimpleNamespace(
            id=acted.id,
            url=self.url("delegations", acted.id) if then else "",
            doctor=party(self, acted.doctor) if acted.doctor else None,
            period=period(then.delegation, rules.zone) if then else "",
            rights=rights_said(then.delegation, rules, "tous ceux du médecin") if then else (),
            then=state_said(then.delegation, then.state) if then else "",
            now=STATES[acted.now] if acted.now else "",
        )
        return found


def _of_line(text: str) -> tuple[str, datetime]:
    """Session and instant of a line; the session is empty when nobody was signed in. Raises ``Faulty``."""
    try:
        said = json.loads(text[:_LONGEST])
        at = datetime.fromisoformat(str(said["timestamp"]))
        if at.tzinfo is None:
            raise ValueError("an instant without its zone")
        return str(said["session"] or ""), at.astimezone(UTC)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise Faulty({"line": [_NO_LINE]}) from None


def _of_fields(visit: Visit, typed: Typed) -> tuple[str, datetime | None]:
    """What was typed, the hour as that of the region. Raises ``Faulty``."""
    session = "".join(typed.get("session").lower().split())
    if not session:
        raise Faulty({"session": [_NOTHING]})
    if not typed.get("at"):
        return session, None
    try:
        return session, instant_of(typed.get("at"), visit.zone)
    except BadDate as error:
        raise Faulty({"at": [error.sentence]}) from None
