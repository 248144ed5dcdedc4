"""What was done and how it goes: the audit (R93), the dashboard (R94), compliance (G3, G27), and why a rule decides."""

from __future__ import annotations

import json
from typing import Any

from gateway.administration.actor import Faulty
from gateway.administration.offices import Offices
from gateway.api.insight_models import (
    AuditLine,
    AuditPage,
    AuditQuery,
    ComplianceSaid,
    DashboardQuery,
    DashboardSaid,
    ExplainQuery,
    ExplanationSaid,
)
from gateway.api.operation import Call, Operation, Reply, lists_next, names
from gateway.audit import Act
from gateway.overview import AuditQuery as Filters
from gateway.policy.rights import Right
from gateway.ports import Row


class Insight:
    """``offices`` in the words of the API."""

    def __init__(self, offices: Offices) -> None:
        self._offices = offices

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "readAudit", "GET", "audit", "Lire le journal, le plus récent d'abord", self.audit, {200: AuditPage},
                right=Right.SEE, query=AuditQuery, table=True,
            ),
            Operation(
                "readDashboard", "GET", "dashboard", "Lire le tableau de bord", self.dashboard, {200: DashboardSaid},
                right=Right.SEE, query=DashboardQuery,
            ),
            Operation(
                "readCompliance", "GET", "compliance", "Lire l'état de conformité", self.compliance,
                {200: ComplianceSaid}, right=Right.SEE,
            ),
            Operation(
                "explain", "GET", "explain", "Savoir quelle règle décide, et pourquoi", self.explain,
                {200: ExplanationSaid}, right=Right.EXPLAIN, query=ExplainQuery,
            ),
        ]  # fmt: skip

    async def audit(self, call: Call) -> Reply:
        query: AuditQuery = call.query
        filters = self._filters(call, query)
        if call.csv:
            lines = self._offices.audit_trail.export(call.actor, filters, call.now)
            return Reply(lines=lines, file="journal.csv")
        rows = await self._offices.audit_trail.page(call.actor, filters, call.now)
        said = [_line(row) for row in rows]
        more = str(said[-1].seq) if len(said) == query.limit else ""
        address, headers = lists_next(call, more, "before")
        return Reply(AuditPage(audit=said, next=address), 200, headers)

    def _filters(self, call: Call, query: AuditQuery) -> Filters:
        acts = tuple(one for one in query.act.split(",") if one)
        known = {one.value for one in Act}
        if any(one not in known for one in acts):
            raise Faulty({"act": ["Cet acte n'est pas connu."]})
        path = self._offices.scopes.see(call.actor, query.scope).path if query.scope else ""
        return Filters(
            reach=call.actor.reach(self._offices.desk.book).paths,
            scope="" if query.below else query.scope,
            scope_path=path if query.below else "",
            account=query.account,
            acts=acts,
            since=query.since,
            until=query.until,
            before=query.before,
            limit=query.limit,
        )

    async def dashboard(self, call: Call) -> Reply:
        query: DashboardQuery = call.query
        found = await self._offices.dashboard.figures(call.actor, call.now, query.days, query.scope)
        return Reply(DashboardSaid.model_validate(found))

    async def compliance(self, call: Call) -> Reply:
        return Reply(ComplianceSaid(await self._offices.compliance.report(call.actor, call.now)))

    async def explain(self, call: Call) -> Reply:
        query: ExplainQuery = call.query
        with names(who="user"):
            found = await self._offices.explainer.explain(call.actor, query.user, query.url, call.now)
        return Reply(ExplanationSaid(found.as_json()))


def _line(row: Row) -> AuditLine:
    facts: dict[str, Any] = {name: row[name] for name in AuditLine.model_fields}
    if isinstance(facts["facts"], str):
        facts["facts"] = json.loads(facts["facts"])
    return AuditLine(**facts)
