"""Scopes: looked for, shown with the origin of every value, changed (R82, R91), and how ready their people are (R88)."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.administration.offices import Offices
from gateway.api.operation import PATCH_KINDS, Call, Operation, Reply, lists_next, names, reason_of
from gateway.api.scope_models import (
    FieldSaid,
    LegalSaid,
    ReadinessQuery,
    ReadinessSaid,
    RulingSaid,
    ScopeChange,
    ScopeLine,
    ScopeNew,
    ScopePage,
    ScopeSaid,
    ScopesQuery,
    SwitchLine,
)
from gateway.policy.establishments import Ruling, Scope, State, Why
from gateway.policy.rights import Right
from gateway.policy.tree import Wanted

_TIMED = (Why.BREAKGLASS, Why.DEROGATION)  # rulings that end by themselves


class Scopes:
    """``offices`` do the work; here it is put in the words of the API."""

    def __init__(self, offices: Offices) -> None:
        self._offices = offices

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "listScopes", "GET", "scopes", "Chercher des périmètres", self.find, {200: ScopePage},
                query=ScopesQuery,
            ),
            Operation(
                "createScope", "POST", "scopes", "Créer un périmètre sous un autre", self.create, {201: ScopeSaid},
                right=Right.SHAPE, body=ScopeNew,
            ),
            Operation(
                "readScope", "GET", "scopes/{scope}", "Lire un périmètre et l'origine de chaque valeur", self.read,
                {200: ScopeSaid}, right=Right.SEE,
            ),
            Operation(
                "changeScope", "PATCH", "scopes/{scope}", "Modifier les réglages d'un périmètre", self.change,
                {200: ScopeSaid}, right=Right.POLICY, body=ScopeChange, kinds=PATCH_KINDS, versioned="must",
            ),
            Operation(
                "readReadiness", "GET", "scopes/{scope}/readiness", "Savoir qui serait bloqué par l'authentification forte",
                self.readiness, {200: ReadinessSaid}, right=Right.SEE, query=ReadinessQuery, table=True,
            ),
        ]  # fmt: skip

    async def find(self, call: Call) -> Reply:
        query: ScopesQuery = call.query
        wanted = Wanted(
            text=query.q,
            kind=query.kind or "",
            state=State(query.state) if query.state else None,
            parent=query.parent,
            retired=query.retired,
        )
        find = self._offices.scopes.find  # a walk over a hundred thousand scopes lets others run beside it
        found, cursor = await asyncio.to_thread(
            find, call.actor, wanted, call.now, after=query.after, limit=query.limit
        )
        address, headers = lists_next(call, cursor)
        return Reply(
            ScopePage(scopes=[ScopeLine(**self._line(one, call)) for one in found], next=address), 200, headers
        )

    async def create(self, call: Call) -> Reply:
        body: ScopeNew = call.body
        with names(scope_id="id"):
            made = await self._offices.scopes.create(
                call.actor, body.parent, body.kind, body.name,
                scope_id=body.id, finess=body.finess, city=body.city, reason=body.reason, now=call.now,
            )  # fmt: skip
        return await self._whole(call, made, 201, {"Location": call.address("scopes", made.id)})

    async def read(self, call: Call) -> Reply:
        return await self._whole(call, self._offices.scopes.see(call.actor, call.path["scope"]))

    async def change(self, call: Call) -> Reply:
        body: ScopeChange = call.body
        changes = body.model_dump(mode="json", include=set(body.model_fields_set) - {"reason"})
        changed = await self._offices.scopes.edit(
            call.actor, call.path["scope"], call.version, changes, reason_of(call, body.reason), call.now
        )
        return await self._whole(call, changed)

    async def readiness(self, call: Call) -> Reply:
        office, scope = self._offices.readiness, call.path["scope"]
        if call.csv:
            return Reply(lines=office.csv(call.actor, scope, call.now), file=f"preparation-{call.now:%Y-%m-%d}.csv")
        found = await office.counts(call.actor, scope, call.now)
        return Reply(ReadinessSaid(scope=scope, people=found.people, ready=found.ready, counts=dict(found.counts)))

    async def _whole(self, call: Call, scope: Scope, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
        offices = self._offices
        people = await offices.overview.people([scope.id])
        policy = offices.scopes.sourced_as_json(scope.id)
        policy.pop("legal")  # said means by means
        said = ScopeSaid(
            **self._line(scope, call),
            policy={
                name: FieldSaid(
                    value=one["value"], from_=one["from"], from_name=one["from_name"], set_here=one["set_here"]
                )
                for name, one in policy.items()
            },
            legal={
                means: LegalSaid(
                    status=one.value.status.value,
                    reference=one.value.reference,
                    until=one.value.until,
                    from_=one.scope,
                    set_here=one.scope == scope.id,
                )
                for means, one in offices.desk.book.legal(scope.id).items()
            },
            switches=[
                SwitchLine(
                    id=one.id,
                    state=one.state.value,
                    kind=one.kind.value,
                    from_=one.effective_from,
                    until=one.derogation_until,
                )
                for one in scope.switches
            ],
            people=people.get(scope.id, 0),
            warnings=list(offices.scopes.warnings(scope)),
        )
        return Reply(said, status, {"ETag": f'"{scope.version}"', **(headers or {})})

    def _line(self, scope: Scope, call: Call) -> dict[str, Any]:
        book = self._offices.desk.book
        ruling = book.ruling(scope.id, call.now)
        return {
            "id": scope.id,
            "parent": scope.parent,
            "kind": scope.kind,
            "name": scope.name,
            "finess": scope.finess,
            "city": scope.city,
            "state": ruling.state.value,
            "ruling": ruling_said(ruling),
            "next_change": book.next_change(scope.id, call.now),
            "retired": scope.retired,
            "version": scope.version,
        }


def ruling_said(ruling: Ruling) -> RulingSaid:
    """A ruling in the words of the API; its end only when it ends by itself."""
    until = ruling.switch.derogation_until if ruling.switch is not None and ruling.why in _TIMED else None
    return RulingSaid(strong=ruling.strong, why=ruling.why.value, scope=ruling.scope, until=until)
