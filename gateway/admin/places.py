"""The tree itself: the card of a scope (name, town, place, end) and new scopes below it. The office judges all of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from gateway.admin.frame import NOTHING, Room, Typed, typed_in
from gateway.admin.words import KINDS
from gateway.administration.actor import Actor, ChangedMeanwhile, Faulty, checked_reason, require
from gateway.pages.administrator import Work
from gateway.pages.base import Visit, go
from gateway.policy.establishments import Scope
from gateway.policy.rights import Right

_ORDER = tuple(KINDS)


class PlacePages(Room):
    """Edit one, add one below."""

    section = "scopes"

    def table(self) -> Sequence[tuple[str, str, Work]]:
        return [
            ("GET", "/scopes/{scope}/edit", self.form),
            ("POST", "/scopes/{scope}/edit", self.save),
            ("GET", "/scopes/{scope}/add", self.new),
            ("POST", "/scopes/{scope}/add", self.add),
        ]

    def _scope(self, visit: Visit, actor: Actor) -> Scope:
        scope = self.offices.scopes.see(actor, visit.request.match_info["scope"])
        require(actor, Right.SHAPE, scope.id, self.book)
        return scope

    def _way(self, actor: Actor, scope: Scope) -> list[tuple[str, str]]:
        return [*self.crumbs(actor, scope), (scope.name, self.url("scopes", scope.id))]

    # The card

    async def form(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        scope = self._scope(visit, actor)
        return self._edit(visit, actor, scope, _card(scope))

    async def save(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        typed = await typed_in(visit)
        scope = self._scope(visit, actor)
        card = _card(scope)
        changes: dict[str, Any] = {
            name: typed.get(name)
            for name in ("name", "city", "parent")
            if name in typed.fields and typed.get(name) != card.get(name)
        }
        if typed.has("retired") != scope.retired:
            changes["retired"] = typed.has("retired")
        try:
            why = checked_reason(typed.get("reason"))
            await self.offices.scopes.edit(actor, scope.id, typed.version, changes, why, visit.now)
        except Faulty as refused:
            return self._edit(visit, actor, scope, typed, faults=refused.faults, status=422)
        except ChangedMeanwhile:
            scope = self._scope(visit, actor)
            return self._edit(visit, actor, scope, typed, status=409)
        return go(self.url("scopes", scope.id, said="shape"))

    def _edit(
        self,
        visit: Visit,
        actor: Actor,
        scope: Scope,
        typed: Typed,
        *,
        faults: Mapping[str, Sequence[str]] | None = None,
        status: int = 200,
    ) -> web.Response:
        above = self.book.scope(scope.parent) if scope.parent else None
        movable = above is not None and self.may(actor, Right.SHAPE, above.id)
        return self.page(
            visit,
            actor,
            "place",
            "Modifier la fiche",
            status=status,
            crumbs=self._way(actor, scope),
            scope=scope,
            typed=typed,
            faults=faults or {},
            conflict=status == 409,
            present=_card(scope),
            above=above.name if movable and above else "",
            movable=movable,
            version=scope.version,
        )

    # A new one

    async def new(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        return self._add(visit, actor, self._scope(visit, actor), NOTHING)

    async def add(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        typed = await typed_in(visit)
        parent = self._scope(visit, actor)
        try:
            made = await self.offices.scopes.create(
                actor,
                parent.id,
                typed.get("kind"),
                typed.get("name"),
                finess=typed.get("finess"),
                city=typed.get("city"),
                reason=checked_reason(typed.get("reason")),
                now=visit.now,
            )
        except Faulty as refused:
            return self._add(visit, actor, parent, typed, faults=refused.faults, status=422)
        return go(self.url("scopes", made.id, said="made"))

    def _add(
        self,
        visit: Visit,
        actor: Actor,
        parent: Scope,
        typed: Typed,
        *,
        faults: Mapping[str, Sequence[str]] | None = None,
        status: int = 200,
    ) -> web.Response:
        rank = _ORDER.index(parent.kind) if parent.kind in _ORDER else 0
        return self.page(
            visit,
            actor,
            "place_new",
            "Ajouter un échelon",
            status=status,
            crumbs=self._way(actor, parent),
            parent=parent,
            kinds=[(one, KINDS[one]) for one in _ORDER[rank + 1 :]],
            typed=typed,
            faults=faults or {},
        )


def _card(scope: Scope) -> Typed:
    return Typed(
        {
            "name": scope.name,
            "city": scope.city or "",
            "parent": scope.parent or "",
            "retired": "on" if scope.retired else "",
        },
        {},
    )
