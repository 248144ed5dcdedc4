"""Scopes as administrators change them: their settings (R91), their names, their place in the tree.

Nothing outside the actor's reach exists here (``NotThere``). Every change is audited with the old and the new value
(R93) before it is written, raises the version of the scope, and is in force in this worker when the method returns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from gateway.administration.actor import Actor, ChangedMeanwhile, Faulty, checked_reason, record, require
from gateway.administration.exact import ExactWriter, Plan
from gateway.administration.fields import NAMES, Bounds, changed, checked_line, plain
from gateway.administration.revisions import Revisions
from gateway.administration.shape import Shape, checked_id, id_from
from gateway.audit import Act, Record
from gateway.desk import PolicyDesk
from gateway.policy import finess as numbers
from gateway.policy import tree
from gateway.policy.book import columns_of
from gateway.policy.establishments import Scope
from gateway.policy.rights import Right
from gateway.ports import Ambient, Audit, Change, Insert, Records, Update

__all__ = ["Bounds", "ScopeOffice"]

_SHAPE = ("name", "city", "retired", "parent")
_LONG_MEMORY = timedelta(hours=4)  # G24
_LONG_CODE = timedelta(minutes=10)  # NIST, OWASP
_MOST = 500  # scopes on one page


class ScopeOffice:
    """``bounds``: what the nation lets scopes set."""

    def __init__(
        self,
        records: Records,
        revisions: Revisions,
        audit: Audit,
        desk: PolicyDesk,
        ambient: Ambient,
        bounds: Bounds,
    ) -> None:
        self._writer = ExactWriter(revisions, audit, desk)
        self._shape = Shape(records, desk)
        self._desk = desk
        self._ambient = ambient
        self.bounds = bounds

    # Reading

    def see(self, actor: Actor, scope_id: str) -> Scope:
        """The scope as it is in force; ``NotThere`` outside the actor's reach."""
        require(actor, Right.SEE, scope_id, self._desk.book)
        return self._scope(scope_id)

    def find(
        self, actor: Actor, wanted: tree.Wanted, now: datetime, *, after: str = "", limit: int = 50
    ) -> tuple[list[Scope], str]:
        """A page of the scopes within reach, and the cursor of the next page, empty on the last (R82).

        Raises ``Faulty`` for a cursor that is none of this actor's.
        """
        reach = actor.reach(self._desk.book)
        last = self._desk.book.scope(after) if after else None
        if after and (last is None or last.path not in reach):
            raise Faulty({"after": ["Cette page n'existe pas."]})
        limit = max(1, min(limit, _MOST))
        found: list[Scope] = []
        for scope in self._desk.tree.find(reach, wanted, now, after):
            if len(found) == limit:
                return found, found[-1].id
            found.append(scope)
        return found, ""

    def sourced_as_json(self, scope_id: str) -> dict[str, Any]:
        """Every field of R91: its value as ``edit`` takes it, the scope it comes from, and whether it is set here (R82).

        ``from`` is ``None`` for the nation's default of the configuration. ``legal`` says in ``sources`` where each
        means' status comes from. For a scope the actor may see; an unknown one gets the defaults.
        """
        book = self._desk.book
        scope = book.scope(scope_id)
        found: dict[str, Any] = {}
        for name, one in book.sourced(scope_id).items():
            found[name] = {
                "value": plain(name, one.value),
                "from": one.scope,
                "from_name": self._name(one.scope),
                "set_here": scope is not None and getattr(scope.set, name) is not None,
            }
        found["legal"]["sources"] = {
            means: {"from": one.scope, "from_name": self._name(one.scope)}
            for means, one in book.legal(scope_id).items()
        }
        return found

    def warnings(self, scope: Scope) -> list[str]:
        """What the settings in force there cost, in sentences (G24, R91)."""
        sourced = self._desk.book.sourced(scope.id)
        found = []
        if sourced["second_factor_memory"].value > _LONG_MEMORY:
            found.append(
                "Le second facteur est mémorisé plus de 4 heures : c'est plus que ce que le référentiel conseille."
            )
        if sourced["code_validity"].value > _LONG_CODE:
            found.append("Les codes sont valables plus de 10 minutes : c'est plus que ce que les normes conseillent.")
        return found

    # Changing

    async def edit(
        self,
        actor: Actor,
        scope_id: str,
        version: int | None,
        changes: Mapping[str, Any],
        reason: str,
        now: datetime,
    ) -> Scope:
        """The scope with these settings (R91), name, town, place or end; unchanged when they say nothing new.

        ``version`` is the one the actor read; ``None`` does not look. A reason is needed for a memory of the second
        factor (G11), a legal status, a move and an end; elsewhere it may be empty. Raises ``NotThere``, ``NotYours``,
        ``ChangedMeanwhile``, ``Faulty``.
        """

        async def plan() -> Plan | None:
            book = self._desk.book
            require(actor, Right.SEE, scope_id, book)
            for right in _rights(changes):
                require(actor, right, scope_id, book)
            scope = self._scope(scope_id)
            if version is not None and scope.version != version:
                raise ChangedMeanwhile(scope.version)
            settings = changed(scope.set, {k: v for k, v in changes.items() if k not in _SHAPE}, self.bounds)
            shape = await self._shape.changed(actor, scope, {k: v for k, v in changes.items() if k in _SHAPE}, now)
            old = {name: plain(name, getattr(scope.set, name)) for name in NAMES}
            new = {name: plain(name, getattr(settings, name)) for name in NAMES}
            told = {name for name in NAMES if old[name] != new[name]}
            if not told and not shape.new:
                return None
            why = _why(reason, needed=_needs_reason(told, new, shape.new))
            records: list[Record] = []
            if told:
                facts = _facts({n: old[n] for n in told}, {n: new[n] for n in told}, why)
                records.append(record(Act.POLICY_CHANGED, actor, now, scope=scope_id, **facts))
            if shape.new:
                facts = _facts(shape.old, shape.new, why)
                records.append(record(Act.SCOPE_CHANGED, actor, now, scope=scope_id, **facts))
            columns = {**columns_of(settings), **shape.columns, "version": scope.version + 1, "updated_at": now}

            def written(revision: int) -> Sequence[Change]:
                row = Update("scopes", {**columns, "revision": revision}, {"id": scope_id, "version": scope.version})
                return [row, *shape.others(revision)]

            return Plan(records, written)

        await self._writer.write(plan)
        return self._scope(scope_id)

    async def create(
        self,
        actor: Actor,
        parent_id: str,
        kind: str,
        name: str,
        *,
        scope_id: str = "",
        finess: str = "",
        city: str = "",
        reason: str,
        now: datetime,
    ) -> Scope:
        """A new scope below ``parent_id``; its id is made from the FINESS number or the name when none is given.

        Raises ``NotThere``, ``NotYours``, and ``Faulty`` on ``kind``, ``name``, ``city``, ``finess``, ``scope_id``.
        """
        made = ""

        async def plan() -> Plan:
            nonlocal made
            book = self._desk.book
            require(actor, Right.SHAPE, parent_id, book)
            parent = self._scope(parent_id)
            faults = self._shape.faults_below(parent, kind)
            number = numbers.checked(finess) if finess.strip() else None
            if finess.strip() and number is None:
                faults["finess"] = ["Ce numéro FINESS n'est pas valable : 9 caractères, le dernier est une clé."]
            elif number and any(one.finess == number for one in book.scopes.values()):
                faults["finess"] = ["Ce numéro FINESS est déjà celui d'un autre élément."]
            if faults:
                raise Faulty(faults)
            label = checked_line("name", name, 2, 120)
            town = checked_line("city", city, 0, 80) or None
            made = checked_id(scope_id, book) if scope_id else id_from(number or label, book)
            why = _why(reason, needed=False)
            new = {"parent": parent_id, "kind": kind, "name": label, "finess": number, "city": town}
            facts = _facts({}, new, why)
            row = {
                "id": made,
                "parent_id": parent_id,
                "kind": kind,
                "name": label,
                "finess": number,
                "city": town,
                "path": f"{parent.path}{made}/",
                "source": actor.id,
                "updated_at": now,
                "version": 1,
            }
            return Plan(
                [record(Act.SCOPE_CHANGED, actor, now, scope=made, **facts)],
                lambda revision: [Insert("scopes", {**row, "revision": revision})],
            )

        await self._writer.write(plan)
        return self._scope(made)

    def _scope(self, scope_id: str) -> Scope:
        """Of a scope that was found to be there."""
        return self._desk.book.scopes[scope_id]

    def _name(self, scope_id: str | None) -> str:
        scope = self._desk.book.scope(scope_id) if scope_id else None
        return scope.name if scope else "Réglage national"


def _rights(changes: Mapping[str, Any]) -> list[Right]:
    found = {Right.SHAPE if name in _SHAPE else Right.LEGAL if name == "legal" else Right.POLICY for name in changes}
    return sorted(found)


def _needs_reason(told: set[str], new: Mapping[str, Any], shape: Mapping[str, Any]) -> bool:
    memory = "second_factor_memory" in told and bool(new["second_factor_memory"])
    return memory or "legal" in told or "parent" in shape or "retired" in shape


def _why(reason: str, *, needed: bool) -> str:
    return checked_reason(reason) if needed or reason.strip() else ""


def _facts(old: Mapping[str, Any], new: Mapping[str, Any], why: str) -> dict[str, str]:
    return {
        "old": json.dumps(old, ensure_ascii=False, sort_keys=True),
        "new": json.dumps(new, ensure_ascii=False, sort_keys=True),
        "why": why,
    }
