"""What référents ask the region for, and its answers (R87); and the emergency that opens a scope for a day (G26)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import cast

from aiohttp import web

from gateway import texts
from gateway.admin.frame import NOTHING, Room, Typed, typed_in
from gateway.admin.states import state_of
from gateway.admin.when import BadDate, instant_of
from gateway.admin.words import REQUEST_OUTCOMES, author, count, zone_name
from gateway.administration.actor import Actor, Faulty, NotThere, require
from gateway.pages.administrator import Work
from gateway.pages.base import Visit, go
from gateway.policy.establishments import Scope
from gateway.policy.rights import Right
from gateway.ports import Row

_HOURS = (1, 2, 4, 8, 12, 24)
_ALL = 200  # settled requests shown


class AskingPages(Room):
    """Requests: the list, one of them, a new one."""

    section = "requests"

    def table(self) -> Sequence[tuple[str, str, Work]]:
        return [
            ("GET", "/requests", self.show),
            ("GET", "/requests/{request}", self.one),
            ("POST", "/requests/{request}/answer", self.answer),
            ("GET", "/scopes/{scope}/ask", self.form),
            ("POST", "/scopes/{scope}/ask", self.ask),
        ]

    async def show(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        every = visit.request.query.get("all") == "1"
        rows = (await self.offices.switches.requests(actor, open_only=not every))[:_ALL]
        names = await self.names([str(row[name]) for row in rows for name in ("author", "settled_by") if row[name]])
        return self.page(
            visit,
            actor,
            "requests",
            "Demandes",
            notice="La demande est traitée." if visit.request.query.get("said") == "answered" else "",
            rows=[self._shown(visit, actor, row, names) for row in rows],
            every=every,
        )

    def _shown(self, visit: Visit, actor: Actor, row: Row, names: Mapping[str, str]) -> SimpleNamespace:
        scope = self.book.scopes[str(row["scope_id"])]
        wanted, settled = cast("datetime | None", row["wanted_from"]), cast("datetime | None", row["settled_at"])
        return SimpleNamespace(
            id=row["id"],
            scope=scope.id,
            name=scope.name,
            state=state_of(scope, self.book.ruling(scope.id, visit.now), self.book, visit.zone),
            author=names.get(str(row["author"]), author(str(row["author"]))),
            at=texts.moment(cast(datetime, row["created_at"]), visit.zone),
            wanted=texts.moment(wanted, visit.zone) if wanted else "dès que possible",
            wanted_at=wanted,
            reason=row["reason"],
            settled=texts.moment(settled, visit.zone) if settled else "",
            settled_by=names.get(str(row["settled_by"]), "") if row["settled_by"] else "",
            outcome=REQUEST_OUTCOMES.get(str(row["outcome"]), "") if row["outcome"] else "",
            may=settled is None and self.may(actor, Right.SWITCH, scope.id),
        )

    async def _find(self, visit: Visit, actor: Actor) -> SimpleNamespace:
        wanted = visit.request.match_info["request"]
        for every in (True, False):
            for row in await self.offices.switches.requests(actor, open_only=every):
                if row["id"] == wanted:
                    names = await self.names([str(row[name]) for name in ("author", "settled_by") if row[name]])
                    return self._shown(visit, actor, row, names)
        raise NotThere

    async def one(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        return await self._one(visit, actor, NOTHING)

    async def _one(
        self,
        visit: Visit,
        actor: Actor,
        typed: Typed,
        faults: Mapping[str, Sequence[str]] | None = None,
        status: int = 200,
    ) -> web.Response:
        found = await self._find(visit, actor)
        return self.page(
            visit,
            actor,
            "request",
            f"Demande pour {found.name}",
            status=status,
            crumbs=[("Demandes", self.url("requests"))],
            one=found,
            typed=typed,
            faults=faults or {},
        )

    async def answer(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        """Settling a request switches nothing: the switch has its own preview."""
        typed = await typed_in(visit)
        request = visit.request.match_info["request"]
        try:
            await self.offices.switches.answer(actor, request, typed.get("outcome"), typed.get("reason"), visit.now)
        except Faulty as refused:
            return await self._one(visit, actor, typed, refused.faults, 422)
        return go(self.url("requests", said="answered"))

    # A new one

    def _scope(self, visit: Visit, actor: Actor, right: Right) -> Scope:
        scope = self.offices.scopes.see(actor, visit.request.match_info["scope"])
        require(actor, right, scope.id, self.book)
        return scope

    async def form(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        return self._ask(visit, actor, self._scope(visit, actor, Right.ASK), NOTHING)

    def _ask(
        self,
        visit: Visit,
        actor: Actor,
        scope: Scope,
        typed: Typed,
        faults: Mapping[str, Sequence[str]] | None = None,
        status: int = 200,
    ) -> web.Response:
        return self.page(
            visit,
            actor,
            "ask",
            "Demander l'authentification forte",
            status=status,
            crumbs=[*self.crumbs(actor, scope), (scope.name, self.url("scopes", scope.id))],
            scope=scope,
            typed=typed,
            faults=faults or {},
            zone=zone_name(visit.zone.key),
        )

    async def ask(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        typed = await typed_in(visit)
        scope = self._scope(visit, actor, Right.ASK)
        try:
            wanted = instant_of(typed.get("wanted_from"), visit.zone) if typed.get("wanted_from") else None
            await self.offices.switches.ask(actor, scope.id, wanted, typed.get("reason"), visit.now)
        except BadDate as error:
            return self._ask(visit, actor, scope, typed, {"wanted_from": [error.sentence]}, 422)
        except Faulty as refused:
            return self._ask(visit, actor, scope, typed, refused.faults, 422)
        return go(self.url("scopes", scope.id, said="asked"))


class EmergencyPages(Room):
    """Break-glass: a page that says what it costs, then the act."""

    section = "scopes"

    def table(self) -> Sequence[tuple[str, str, Work]]:
        return [
            ("GET", "/scopes/{scope}/breakglass", self.form),
            ("POST", "/scopes/{scope}/breakglass", self.open),
        ]

    async def form(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        return await self._show(visit, actor, NOTHING)

    async def _show(
        self,
        visit: Visit,
        actor: Actor,
        typed: Typed,
        faults: Mapping[str, Sequence[str]] | None = None,
        status: int = 200,
    ) -> web.Response:
        scope = self.offices.scopes.see(actor, visit.request.match_info["scope"])
        require(actor, Right.BREAKGLASS, scope.id, self.book)
        most = self.offices.switches.settings.breakglass_max
        people = (await self.offices.overview.people([scope.id])).get(scope.id, 0)
        return self.page(
            visit,
            actor,
            "breakglass",
            "Ouverture de secours",
            status=status,
            crumbs=[*self.crumbs(actor, scope), (scope.name, self.url("scopes", scope.id))],
            scope=scope,
            people=count(people, "personne pourra entrer", "personnes pourront entrer"),
            hours=[(str(one), count(one, "heure")) for one in _HOURS if timedelta(hours=one) <= most],
            most=texts.duration(most),
            typed=typed,
            faults=faults or {},
        )

    async def open(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        typed = await typed_in(visit)
        hours = typed.get("hours")
        if not typed.has("sure"):
            sentence = "Cochez la case pour confirmer."
            return await self._show(visit, actor, typed, {"sure": [sentence]}, 422)
        if not hours.isascii() or not hours.isdigit() or len(hours) > 3:
            return await self._show(visit, actor, typed, {"hours": ["Choisissez une durée."]}, 422)
        until = visit.now + timedelta(hours=int(hours))
        scope_id = visit.request.match_info["scope"]
        try:
            await self.offices.switches.breakglass(actor, scope_id, until, typed.get("reason"), visit.now)
        except Faulty as refused:
            faults = {"hours" if name == "until" else name: one for name, one in refused.faults.items()}
            return await self._show(visit, actor, typed, faults, 422)
        return go(self.url("scopes", scope_id, said="breakglass"))
