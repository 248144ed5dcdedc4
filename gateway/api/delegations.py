"""Delegations and who acted: listed, read, ended; from a line of the access journal to the person (R126, R149)."""

from __future__ import annotations

from gateway.accounts.delegation import State
from gateway.api.delegation_models import (
    DelegationLine,
    DelegationPage,
    DelegationSaid,
    DelegationsQuery,
    TraceQuery,
    TraceSaid,
)
from gateway.api.kinds import Reasoned
from gateway.api.operation import Call, Operation, Reply, lists_next
from gateway.delegations.oversight import Oversight
from gateway.policy.rights import Right


class DelegationDesk:
    """``delegations.oversight`` in the words of the API."""

    def __init__(self, oversight: Oversight) -> None:
        self._oversight = oversight

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "listDelegations", "GET", "delegations", "Lire les délégations", self.find, {200: DelegationPage},
                right=Right.SEE, query=DelegationsQuery,
            ),
            Operation(
                "readDelegation", "GET", "delegations/{delegation}", "Lire une délégation, son histoire et son usage",
                self.read, {200: DelegationSaid}, right=Right.SEE,
            ),
            Operation(
                "endDelegation", "POST", "delegations/{delegation}/end", "Mettre fin à une délégation", self.end,
                {200: DelegationSaid}, right=Right.DELEGATIONS, body=Reasoned,
            ),
            Operation(
                "traceSession", "GET", "trace", "Savoir qui a agi, pour qui, et par quel moyen", self.trace,
                {200: TraceSaid}, right=Right.DELEGATIONS, query=TraceQuery,
            ),
        ]  # fmt: skip

    async def find(self, call: Call) -> Reply:
        query: DelegationsQuery = call.query
        found = await self._oversight.listed(
            call.actor,
            account=query.account or None,
            state=State(query.state) if query.state else None,
            after=query.after or None,
            limit=query.limit,
            now=call.now,
        )
        lines = [DelegationLine.model_validate(one.as_json()) for one in found]
        more = lines[-1].id if len(lines) == query.limit else ""
        address, headers = lists_next(call, more)
        return Reply(DelegationPage(delegations=lines, next=address), 200, headers)

    async def read(self, call: Call) -> Reply:
        found = await self._oversight.detail(call.actor, call.path["delegation"], call.now)
        return Reply(DelegationSaid.model_validate(found.as_json()))

    async def end(self, call: Call) -> Reply:
        body: Reasoned = call.body
        await self._oversight.end(call.actor, call.path["delegation"], body.reason, call.now)
        return await self.read(call)

    async def trace(self, call: Call) -> Reply:
        query: TraceQuery = call.query
        found = await self._oversight.trace(call.actor, query.session, query.at, call.now)
        return Reply(TraceSaid.model_validate(found.as_json()))
