"""The list of scopes: search, state, people, and a selection that lasts from page to page without script (R82, R83).

The selection travels in the form itself: what is ticked on this page, and hidden fields for the other pages. Choosing
writes nothing; the button leads to ``switching``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace

from aiohttp import web

from gateway import texts
from gateway.admin.frame import Room, Typed, asked, typed_in
from gateway.admin.states import state_of
from gateway.admin.words import KINDS, count, whole
from gateway.administration.actor import Actor
from gateway.pages.administrator import Work
from gateway.pages.base import Visit
from gateway.policy.establishments import Scope, State
from gateway.policy.rights import TABLE, Right
from gateway.policy.tree import Wanted

PAGE = 50
MOST = 2000  # scopes of one selection


class ScopeList(Room):
    """GET shows; POST shows the same with what was chosen so far."""

    section = "scopes"

    def table(self) -> Sequence[tuple[str, str, Work]]:
        return [("GET", "/scopes", self.show), ("POST", "/scopes", self.choose)]

    async def show(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        return await self._list(visit, actor, asked(visit))

    async def choose(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        return await self._list(visit, actor, await typed_in(visit))

    async def _list(self, visit: Visit, actor: Actor, typed: Typed) -> web.StreamResponse:
        wanted = _wanted(typed)
        after = typed.get("after")
        find = self.offices.scopes.find  # a walk over a hundred thousand scopes lets others run beside it
        found, more = await asyncio.to_thread(find, actor, wanted, visit.now, after=after, limit=PAGE)
        chosen = self._chosen(visit, actor, typed, wanted, found)
        here = {scope.id for scope in found}
        people = await self.offices.overview.people([scope.id for scope in found])
        parent = self.book.scope(wanted.parent) if wanted.parent else None
        held = {right for grant in actor.grants for right in TABLE[grant.role]}
        may_switch = Right.SWITCH in held or self.offices.switches.settings.referent_can_enable
        return self.page(
            visit,
            actor,
            "scopes",
            "Établissements et services",
            filters=SimpleNamespace(
                q=wanted.text,
                kind=wanted.kind,
                state=wanted.state.value if wanted.state else "",
                parent=wanted.parent,
                retired=wanted.retired,
            ),
            kinds=[("", "tous"), *KINDS.items()],
            parent=parent if parent is not None and parent.path in actor.reach(self.book) else None,
            rows=[self._row(visit, actor, one, people.get(one.id, 0), chosen) for one in found],
            said_rows=f"{count(len(found), 'ligne')} sur cette page" if more or after else count(len(found), "ligne"),
            after=after,
            more=more,
            may_switch=may_switch,
            may_import=Right.SHAPE in held,
            chosen=chosen,
            elsewhere=[one for one in chosen if one not in here],
            said_chosen=count(len(chosen), "échelon choisi", "échelons choisis"),
        )

    def _chosen(
        self, visit: Visit, actor: Actor, typed: Typed, wanted: Wanted, found: Sequence[Scope]
    ) -> tuple[str, ...]:
        """The selection so far: only what the actor sees, in the order it was chosen."""
        if typed.has("none"):
            return ()
        reach = actor.reach(self.book)
        kept = [one for one in typed.all("scope") if (scope := self.book.scope(one)) and scope.path in reach]
        if typed.has("all"):
            kept += [scope.id for scope in found]
        if typed.has("every"):
            kept += self._every(visit, actor, wanted)
        return tuple(dict.fromkeys(kept))[:MOST]

    def _every(self, visit: Visit, actor: Actor, wanted: Wanted) -> list[str]:
        """All that the search finds, as far as one selection goes."""
        ids: list[str] = []
        cursor = ""
        while len(ids) < MOST:
            found, cursor = self.offices.scopes.find(actor, wanted, visit.now, after=cursor, limit=500)
            ids += [scope.id for scope in found]
            if not cursor:
                break
        return ids

    def _row(self, visit: Visit, actor: Actor, scope: Scope, people: int, chosen: Sequence[str]) -> SimpleNamespace:
        ruling = self.book.ruling(scope.id, visit.now)
        state = state_of(scope, ruling, self.book, visit.zone)
        coming = self.book.next_change(scope.id, visit.now)
        enables = self.offices.switches.settings.referent_can_enable
        above = self.crumbs(actor, scope)
        return SimpleNamespace(
            id=scope.id,
            name=scope.name,
            kind=KINDS.get(scope.kind, scope.kind),
            finess=scope.finess,
            where=", ".join(part for part in (above[-1][0] if above else "", scope.city or "") if part),
            retired=scope.retired,
            strong=state.strong,
            emergency=state.emergency,
            why=state.why,
            next=texts.day(coming, visit.zone) if coming else "",
            people=whole(people),
            chosen=scope.id in chosen,
            may=not scope.retired and self.may(actor, Right.SWITCH, scope.id, referent_enables=enables),
        )


def _wanted(typed: Typed) -> Wanted:
    state = typed.get("f_state") or typed.get("state")
    return Wanted(
        text=typed.get("q")[:200],
        kind=typed.get("kind") if typed.get("kind") in KINDS else "",
        state=State(state) if state in set(State) else None,
        parent=typed.get("parent"),
        retired=typed.has("retired"),
    )
