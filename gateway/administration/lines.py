"""The rows of an act on switches: one dated row, one next version and one record of the audit for each scope."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast
from zoneinfo import ZoneInfo

from gateway.administration.actor import Actor, record
from gateway.administration.exact import Plan
from gateway.administration.wishes import announcement
from gateway.audit import Act, Record
from gateway.desk import PolicyDesk
from gateway.policy.establishments import Scope, State, Switch, SwitchKind
from gateway.ports import Ambient, Change, Insert, Row, Update, Value


class Lines:
    """Made for the book in force, and written only over it (``exact``)."""

    def __init__(self, desk: PolicyDesk, ambient: Ambient, zone: ZoneInfo) -> None:
        self._desk = desk
        self._ambient = ambient
        self._zone = zone

    def made(
        self,
        actor: Actor,
        batch: str,
        scopes: Sequence[Scope],
        switch: Switch,
        why: str,
        now: datetime,
        *,
        announce: bool = False,
    ) -> Plan:
        """This switch for each scope; with a banner where it is announced and the scope says nothing of its own."""
        banner = announcement(switch.effective_from, self._zone) if announce else ""
        row: dict[str, Value] = {
            "state": switch.state.value,
            "effective_from": switch.effective_from,
            "derogation_until": switch.derogation_until,
            "kind": switch.kind.value,
            "reason": why,
            "author": actor.id,
            "batch": batch,
            "created_at": now,
        }

        def changes(revision: int) -> Sequence[Change]:
            new = [{**row, "id": f"swi_{self._ambient.token(12)}", "scope_id": scope.id} for scope in scopes]
            said: dict[str, Value] = {"banner": banner, "banner_from": now} if banner else {}
            return [
                *(Insert("switches", one) for one in new),
                *(_next(scope, revision, now, said if scope.set.banner is None else {}) for scope in scopes),
            ]

        return Plan([self._made(actor, scope, switch, batch, why, now) for scope in scopes], changes)

    def undone(self, actor: Actor, rows: Sequence[Row], why: str, now: datetime) -> Plan:
        """These rows of ``switches`` count no more; a banner that announced one goes with it if it is still the same."""
        touched = [(scope, self._announced(scope, row)) for row in rows for scope in [self._scope(row)]]
        cancelled: dict[str, Value] = {"cancelled_at": now, "cancelled_by": actor.id, "cancel_reason": why}

        def changes(revision: int) -> Sequence[Change]:
            said: dict[str, Value] = {"banner": None, "banner_from": None}
            return [
                *(Update("switches", cancelled, {"id": row["id"]}) for row in rows),
                *(_next(scope, revision, now, said if announced else {}) for scope, announced in touched),
            ]

        return Plan([_undone(actor, row, why, now) for row in rows], changes)

    def _made(self, actor: Actor, scope: Scope, switch: Switch, batch: str, why: str, now: datetime) -> Record:
        """Old → new at the date of the switch, and why (R93)."""
        emergency = switch.kind is SwitchKind.BREAKGLASS
        before = self._desk.book.ruling(scope.id, switch.effective_from)
        facts = {
            "batch": batch,
            "old": f"{before.state.value} ({before.why.value})",
            "new": _said(switch.state, switch.effective_from),
            "why": why,
        }
        if switch.derogation_until is not None:
            facts["until"] = switch.derogation_until.isoformat()
        act = Act.SCOPE_BREAKGLASS if emergency else Act.SCOPE_SWITCHED
        return record(act, actor, now, scope=scope.id, **facts)

    def _scope(self, row: Row) -> Scope:
        return self._desk.book.scopes[cast(str, row["scope_id"])]

    def _announced(self, scope: Scope, row: Row) -> bool:
        """Whether the banner of the scope is the one that this switch set."""
        text = announcement(cast(datetime, row["effective_from"]), self._zone)
        return scope.set.banner == text and scope.set.banner_from == row["created_at"]


def _undone(actor: Actor, row: Row, why: str, now: datetime) -> Record:
    return record(
        Act.SCOPE_SWITCH_UNDONE,
        actor,
        now,
        scope=cast(str, row["scope_id"]),
        batch=cast(str, row["batch"]),
        old=_said(State(cast(str, row["state"])), cast(datetime, row["effective_from"])),
        kind=cast(str, row["kind"]),
        why=why,
    )


def _next(scope: Scope, revision: int, now: datetime, said: dict[str, Value]) -> Change:
    values: dict[str, Value] = {"version": scope.version + 1, "revision": revision, "updated_at": now, **said}
    return Update("scopes", values, {"id": scope.id, "version": scope.version})


def _said(state: State, at: datetime) -> str:
    return f"{state.value} from {at.isoformat()}"
