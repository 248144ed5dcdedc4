"""One scope on one page: its state in a sentence, every value with where it comes from, its people, what is coming and
what was, requests and history (R82, R83, R88, R93).

Nothing is changed here; each change has a page of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

from aiohttp import web

from gateway import texts
from gateway.admin.frame import Room
from gateway.admin.journal import history_of
from gateway.admin.states import in_words, sentence, state_of
from gateway.admin.words import CATEGORIES, FIELDS, KINDS, STATES, author, count, share, whole
from gateway.administration.actor import Actor
from gateway.administration.dashboard import reach_of
from gateway.overview import AccountQuery
from gateway.pages.administrator import Work
from gateway.pages.base import Visit
from gateway.policy.establishments import Ruling, Scope
from gateway.policy.rights import Right
from gateway.ports import Row

_SAID = {
    "policy": "La politique est enregistrée.",
    "same": "Rien n'a changé.",
    "shape": "La fiche est enregistrée.",
    "made": "L'échelon est créé.",
    "asked": "La demande est envoyée à l'équipe régionale.",
    "answered": "La demande est traitée.",
    "breakglass": "L'ouverture de secours est en cours.",
}
_PEOPLE, _CHILDREN, _HISTORY = 20, 50, 15


class ScopePage(Room):
    """GET admin/scopes/{id}."""

    section = "scopes"

    def table(self) -> Sequence[tuple[str, str, Work]]:
        return [("GET", "/scopes/{scope}", self.show)]

    async def show(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        scope = self.offices.scopes.see(actor, visit.request.match_info["scope"])
        ruling = self.book.ruling(scope.id, visit.now)
        switches = await self.offices.switches.history(actor, scope.id)
        asked = [one for one in await self.offices.switches.requests(actor) if one["scope_id"] == scope.id]
        names = await self.names([str(one["author"]) for one in [*switches, *asked]])
        below = reach_of(actor, self.offices.desk, scope.id).paths
        measure = self.offices.measure(visit.now)
        readiness = await self.offices.overview.readiness(below, measure)
        people = await self.offices.overview.accounts(AccountQuery(reach=below, limit=_PEOPLE), measure)
        enables = self.offices.switches.settings.referent_can_enable
        state = state_of(scope, ruling, self.book, visit.zone)
        coming = self.book.next_change(scope.id, visit.now)
        return self.page(
            visit,
            actor,
            "scope",
            scope.name,
            crumbs=self.crumbs(actor, scope) or [("Établissements et services", self.url("scopes"))],
            notice=_SAID.get(visit.request.query.get("said", ""), ""),
            scope=scope,
            kind=KINDS.get(scope.kind, scope.kind),
            state=state,
            sentence=sentence(scope, ruling, self.book, visit.zone, self._decided(ruling, switches, names)),
            coming=texts.moment(coming, visit.zone) if coming else "",
            warnings=self.offices.scopes.warnings(scope),
            policy=self._policy(visit, scope),
            people=[self._person(one) for one in people.rows],
            people_said=count(readiness.people, "personne"),
            more_people=readiness.people > len(people.rows),
            readiness=SimpleNamespace(
                people=readiness.people,
                ready=count(readiness.ready, "personne prête", "personnes prêtes"),
                share=share(readiness.ready, readiness.people),
                rows=[(name, label, whole(readiness.counts.get(name, 0))) for name, label in CATEGORIES.items()],
            ),
            children=self._children(visit, scope),
            switches=[self._switch(visit, one, names) for one in switches],
            requests=[self._request(visit, one, names) for one in asked],
            history=await history_of(self, visit, actor, scope.id, _HISTORY),
            may=SimpleNamespace(
                policy=self.may(actor, Right.POLICY, scope.id),
                legal=self.may(actor, Right.LEGAL, scope.id),
                switch=not scope.retired and self.may(actor, Right.SWITCH, scope.id, referent_enables=enables),
                undo=self.may(actor, Right.SWITCH, scope.id),
                ask=not scope.retired
                and not ruling.strong
                and self.may(actor, Right.ASK, scope.id)
                and not self.may(actor, Right.SWITCH, scope.id),
                people=self.may(actor, Right.PEOPLE, scope.id),
                shape=self.may(actor, Right.SHAPE, scope.id),
                breakglass=not scope.retired and self.may(actor, Right.BREAKGLASS, scope.id),
                explain=self.may(actor, Right.EXPLAIN, scope.id),
            ),
        )

    def _decided(self, ruling: Ruling, switches: Sequence[Row], names: Mapping[str, str]) -> str:
        """Who decided the present state, when the switch that says so is this scope's own."""
        if ruling.switch is None:
            return ""
        row = next((one for one in switches if one["id"] == ruling.switch.id), None)
        return names.get(str(row["author"]), author(str(row["author"]))) if row is not None else ""

    def _policy(self, visit: Visit, scope: Scope) -> Sequence[SimpleNamespace]:
        """Each field, its value in words, and where it comes from (R82)."""
        rows = []
        for name, one in self.offices.scopes.sourced_as_json(scope.id).items():
            if name == "banner_from" and one["value"] is None:
                continue
            words: Any = in_words(name, one["value"], visit.zone)
            source = "ici" if one["set_here"] else one["from_name"] if one["from"] else "réglage national"
            rows.append(SimpleNamespace(label=FIELDS.get(name, name), words=words, source=source, here=one["set_here"]))
        return rows

    def _person(self, row: Row) -> SimpleNamespace:
        return SimpleNamespace(
            id=row["id"],
            name=f"{row['family_name']} {row['given_name']}",
            mail=row["mail"] or "",
            ready=bool(row["ready"]),
            faults=[label for name, label in CATEGORIES.items() if row[name]],
        )

    def _children(self, visit: Visit, scope: Scope) -> SimpleNamespace:
        below = [one for one in self.offices.desk.tree.children.get(scope.id, ()) if not one.retired]
        return SimpleNamespace(
            count=len(below),
            rows=[
                SimpleNamespace(
                    id=one.id,
                    name=one.name,
                    kind=KINDS.get(one.kind, one.kind),
                    state=state_of(one, self.book.ruling(one.id, visit.now), self.book, visit.zone),
                )
                for one in below[:_CHILDREN]
            ],
        )

    def _switch(self, visit: Visit, row: Row, names: Mapping[str, str]) -> SimpleNamespace:
        until = cast("datetime | None", row["derogation_until"])
        begins = cast(datetime, row["effective_from"])
        undone = cast("datetime | None", row["cancelled_at"])
        emergency = row["kind"] == "breakglass"
        what = "Ouverture de secours" if emergency else STATES.get(str(row["state"]), str(row["state"])).capitalize()
        return SimpleNamespace(
            batch=row["batch"] or "",
            what=what,
            begins=texts.moment(begins, visit.zone),
            until=texts.moment(until, visit.zone) if until else "",
            pending=begins > visit.now and undone is None,
            undone=texts.moment(undone, visit.zone) if undone else "",
            undone_why=row["cancel_reason"] or "",
            author=names.get(str(row["author"]), author(str(row["author"]))),
            reason=row["reason"],
        )

    def _request(self, visit: Visit, row: Row, names: Mapping[str, str]) -> SimpleNamespace:
        wanted = cast("datetime | None", row["wanted_from"])
        return SimpleNamespace(
            id=row["id"],
            author=names.get(str(row["author"]), author(str(row["author"]))),
            at=texts.moment(cast(datetime, row["created_at"]), visit.zone),
            wanted=texts.moment(wanted, visit.zone) if wanted else "dès que possible",
            reason=row["reason"],
        )
