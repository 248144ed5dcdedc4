"""Switches: one scope or many, now or dated, seen before, undone after; emergencies; requests of référents (R83–R87)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.administration.actor import Faulty
from gateway.administration.offices import Offices
from gateway.administration.switching import Wanted
from gateway.api.operation import Call, Operation, Reply, names, reason_of
from gateway.api.scopes import ruling_said
from gateway.api.switch_models import (
    AnswerAsked,
    BatchSaid,
    BreakglassAsked,
    BreakglassDone,
    EffectSaid,
    HistorySaid,
    PreviewSaid,
    RequestAsked,
    RequestMade,
    RequestSaid,
    RequestsQuery,
    RequestsSaid,
    ScopeName,
    SwitchAsked,
    SwitchDone,
    SwitchesAsked,
    SwitchSaid,
    UndoAsked,
    UndoDone,
)
from gateway.policy.establishments import State
from gateway.policy.rights import Right
from gateway.ports import Row

_NAMES = {"effective_from": "from", "derogation_until": "until"}  # the office's words, and those of the API


class Switches:
    """``offices.switches`` in the words of the API."""

    def __init__(self, offices: Offices) -> None:
        self._offices = offices

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "switchScope", "POST", "scopes/{scope}/switch", "Basculer un périmètre", self.switch_one,
                {201: SwitchDone}, right=Right.SWITCH, body=SwitchAsked, versioned="may",
            ),
            Operation(
                "breakGlass", "POST", "scopes/{scope}/breakglass", "Ouvrir en urgence un périmètre au mot de passe seul",
                self.breakglass, {201: BreakglassDone}, right=Right.BREAKGLASS, body=BreakglassAsked,
            ),
            Operation(
                "readHistory", "GET", "scopes/{scope}/history", "Lire l'historique des bascules d'un périmètre",
                self.history, {200: HistorySaid}, right=Right.SEE,
            ),
            Operation(
                "askSwitch", "POST", "scopes/{scope}/requests", "Demander une bascule à l'équipe régionale", self.ask,
                {201: RequestMade}, right=Right.ASK, body=RequestAsked,
            ),
            Operation(
                "switchScopes", "POST", "switches", "Basculer plusieurs périmètres en un acte", self.switch_many,
                {201: SwitchDone}, right=Right.SWITCH, body=SwitchesAsked,
            ),
            Operation(
                "previewSwitch", "POST", "switches/preview", "Voir ce qu'une bascule changerait", self.preview,
                {200: PreviewSaid}, right=Right.SWITCH, body=SwitchesAsked,
            ),
            Operation(
                "readBatch", "GET", "switches/{batch}", "Lire un acte de bascule", self.batch, {200: BatchSaid},
                right=Right.SEE,
            ),
            Operation(
                "undoBatch", "POST", "switches/{batch}/undo", "Annuler un acte de bascule", self.undo, {200: UndoDone},
                right=Right.SWITCH, body=UndoAsked,
            ),
            Operation(
                "listRequests", "GET", "requests", "Lire les demandes de bascule", self.requests, {200: RequestsSaid},
                query=RequestsQuery,
            ),
            Operation(
                "answerRequest", "POST", "requests/{request}/answer", "Répondre à une demande de bascule", self.answer,
                {204: None}, right=Right.SWITCH, body=AnswerAsked,
            ),
        ]  # fmt: skip

    async def switch_one(self, call: Call) -> Reply:
        scope = call.path["scope"]
        versions = None if call.version is None else {scope: call.version}
        return await self._switch(call, [scope], _wanted(call, needed=True), versions)

    async def switch_many(self, call: Call) -> Reply:
        body: SwitchesAsked = call.body
        return await self._switch(call, _once_each(body.scopes), _wanted(call, needed=True), body.versions)

    async def _switch(
        self, call: Call, scopes: Sequence[str], wanted: Wanted, versions: Mapping[str, int] | None
    ) -> Reply:
        with names(**_NAMES):
            batch = await self._offices.switches.switch(call.actor, scopes, wanted, call.now, versions)
        made = await self._offices.switches.batch(call.actor, batch, call.now)
        said = SwitchDone(batch=batch, switches=[_switch_said(row) for _, row in made.lines])
        return Reply(said, 201, {"Location": call.address("switches", batch)})

    async def preview(self, call: Call) -> Reply:
        body: SwitchesAsked = call.body
        found = await self._offices.switches.preview(
            call.actor, _once_each(body.scopes), _wanted(call, needed=False), call.now
        )
        effects = [
            EffectSaid(
                scope=ScopeName(id=one.scope.id, name=one.scope.name, kind=one.scope.kind),
                before=ruling_said(one.before),
                after=ruling_said(one.after),
                people=one.people,
                ready=one.ready,
                counts=dict(one.counts),
                version=one.version,
            )
            for one in found.effects
        ]
        faults = {_NAMES.get(name, name): list(sentences) for name, sentences in found.faults.items()}
        if body.reason is None:  # to be given with the act
            faults.pop("reason", None)
        return Reply(PreviewSaid(people=found.people, stuck=found.stuck, faults=faults, effects=effects))

    async def batch(self, call: Call) -> Reply:
        found = await self._offices.switches.batch(call.actor, call.path["batch"], call.now)
        return Reply(
            BatchSaid(
                id=found.id,
                author=found.author,
                reason=found.reason,
                created_at=found.created_at,
                state=found.state.value,
                kind=found.kind.value,
                from_=found.effective_from,
                until=found.derogation_until,
                undone=found.undone,
                switches=[_switch_said(row) for _, row in found.lines],
            )
        )

    async def undo(self, call: Call) -> Reply:
        body: UndoAsked = call.body
        undone = await self._offices.switches.undo(
            call.actor, call.path["batch"], body.reason, call.now, only=_once_each(body.scopes)
        )
        return Reply(UndoDone(undone=undone))

    async def breakglass(self, call: Call) -> Reply:
        body: BreakglassAsked = call.body
        made = await self._offices.switches.breakglass(
            call.actor, call.path["scope"], body.until, body.reason, call.now
        )
        return Reply(BreakglassDone(batch=made), 201, {"Location": call.address("switches", made)})

    async def history(self, call: Call) -> Reply:
        rows = await self._offices.switches.history(call.actor, call.path["scope"])
        return Reply(HistorySaid(switches=[_switch_said(row) for row in rows]))

    async def ask(self, call: Call) -> Reply:
        body: RequestAsked = call.body
        with names(wanted_from="from"):
            made = await self._offices.switches.ask(call.actor, call.path["scope"], body.from_, body.reason, call.now)
        return Reply(RequestMade(id=made), 201, {"Location": call.address("requests")})

    async def requests(self, call: Call) -> Reply:
        query: RequestsQuery = call.query
        rows = await self._offices.switches.requests(call.actor, open_only=not query.all)
        return Reply(RequestsSaid(requests=[_request_said(row) for row in rows]))

    async def answer(self, call: Call) -> Reply:
        body: AnswerAsked = call.body
        await self._offices.switches.answer(call.actor, call.path["request"], body.outcome, body.reason, call.now)
        return Reply(status=204)


def _once_each(ids: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(ids))


def _wanted(call: Call, *, needed: bool) -> Wanted:
    body: SwitchAsked = call.body
    ends = {one for one in (body.until, body.derogation_until) if one is not None}
    if len(ends) > 1:
        raise Faulty({"until": ["until et derogation_until disent deux fins différentes."]})
    return Wanted(
        State(body.state),
        reason_of(call, body.reason, needed=needed),
        body.from_,
        next(iter(ends), None),
        body.announce,
    )


def _switch_said(row: Row) -> SwitchSaid:
    facts: dict[str, Any] = dict(row)
    return SwitchSaid(
        id=facts["id"],
        scope=facts["scope_id"],
        state=facts["state"],
        kind=facts["kind"],
        from_=facts["effective_from"],
        until=facts["derogation_until"],
        reason=facts["reason"],
        author=facts["author"],
        batch=facts["batch"],
        created_at=facts["created_at"],
        cancelled_at=facts["cancelled_at"],
        cancelled_by=facts["cancelled_by"],
        cancel_reason=facts["cancel_reason"],
    )


def _request_said(row: Row) -> RequestSaid:
    facts: dict[str, Any] = dict(row)
    return RequestSaid(
        id=facts["id"],
        scope=facts["scope_id"],
        author=facts["author"],
        from_=facts["wanted_from"],
        reason=facts["reason"],
        created_at=facts["created_at"],
        settled_at=facts["settled_at"],
        settled_by=facts["settled_by"],
        outcome=facts["outcome"],
    )
