"""The place of scopes in their tree: names, moves, ends, and the ids of new ones.

A scope lies below one of a higher kind. What lies below a scope that moves gets its new path in the same transaction.
A scope ends only when nobody and nothing living is attached to it; it is never deleted, for the audit speaks of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

from gateway.administration.actor import Actor, Faulty, NotYours, require
from gateway.administration.fields import checked_line
from gateway.desk import PolicyDesk
from gateway.identity import plain
from gateway.policy.establishments import PolicyBook, Scope
from gateway.policy.rights import Right, Verdict, verdict
from gateway.policy.tree import KINDS, rank
from gateway.ports import Change, Records, Update

_ID = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9_-])?\Z")  # a dot at the end would be no address
_LONGEST_MOVE = 2000  # scopes that one move takes along: more would not end within the time of a transaction


@dataclass(frozen=True, slots=True)
class Reshaped:
    """What changes: as the audit says it, as the row has it, and the rows of those below, each with its new path."""

    old: Mapping[str, Any] = field(default_factory=dict)
    new: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, Any] = field(default_factory=dict)
    below: Sequence[tuple[Scope, str]] = ()

    def others(self, revision: int) -> Sequence[Change]:
        """The rewritten paths below."""
        return [
            Update("scopes", {"path": path, "revision": revision}, {"id": scope.id, "path": scope.path})
            for scope, path in self.below
        ]


class Shape:
    """Asked with the book in force, and written only over it (``exact``)."""

    def __init__(self, records: Records, desk: PolicyDesk) -> None:
        self._records = records
        self._desk = desk

    async def changed(self, actor: Actor, scope: Scope, changes: Mapping[str, Any], now: datetime) -> Reshaped:
        """What these changes of ``name``, ``city``, ``parent`` and ``retired`` come to; those that say nothing new are
        left out. Raises ``Faulty``, ``NotThere``, ``NotYours``."""
        old: dict[str, Any] = {}
        new: dict[str, Any] = {}
        columns: dict[str, Any] = {}
        if "name" in changes and (name := checked_line("name", changes["name"], 2, 120)) != scope.name:
            old["name"], new["name"], columns["name"] = scope.name, name, name
        if "city" in changes:
            city = checked_line("city", "" if changes["city"] is None else changes["city"], 0, 80) or None
            if city != scope.city:
                old["city"], new["city"], columns["city"] = scope.city, city, city
        below: Sequence[tuple[Scope, str]] = ()
        if "parent" in changes and changes["parent"] != scope.parent:
            parent = self._parent(actor, scope, changes["parent"])
            below = self._below(scope, parent)
            old["parent"], new["parent"] = scope.parent, parent.id
            columns.update(parent_id=parent.id, path=f"{parent.path}{scope.id}/")
        if "retired" in changes:
            retired = changes["retired"]
            if not isinstance(retired, bool):
                raise Faulty({"retired": ["Indiquez true ou false."]})
            if retired != scope.retired:
                await self._may_end(scope) if retired else self._may_live(scope, columns.get("parent_id"))
                old["retired"], new["retired"] = scope.retired, retired
                columns["retired_at"] = now if retired else None
        return Reshaped(old, new, columns, below)

    def faults_below(self, parent: Scope, kind: Any) -> dict[str, Sequence[str]]:
        """Why nothing of this kind can be below this scope; empty when it can."""
        faults: dict[str, Sequence[str]] = {}
        if kind not in KINDS[1:]:
            faults["kind"] = [f"Choisissez un niveau parmi {', '.join(KINDS[1:])}."]
        elif rank(parent.kind) >= rank(kind):
            faults["kind"] = [f"Rien de ce niveau ne se place sous « {parent.name} »."]
        if parent.retired:
            faults["parent"] = [f"« {parent.name} » est fermé."]
        elif not parent.path:
            faults["parent"] = [f"« {parent.name} » n'est rattaché à rien."]
        return faults

    def _parent(self, actor: Actor, scope: Scope, wanted: Any) -> Scope:
        """Where it may move: within reach on both sides, below a higher kind, and not below itself."""
        book = self._desk.book
        if scope.parent is None:
            raise Faulty({"parent": ["Cet élément est le sommet : il ne se déplace pas."]})
        if verdict(actor.grants, Right.SHAPE, scope.parent, book) is not Verdict.ALLOWED:
            raise NotYours("Cet élément ne peut être déplacé que par l'échelon au-dessus.")
        if not isinstance(wanted, str):
            raise Faulty({"parent": ["Indiquez l'identifiant de l'élément au-dessus."]})
        require(actor, Right.SHAPE, wanted, book)
        parent = book.scopes[wanted]
        if scope in book.chain(wanted):
            raise Faulty({"parent": ["Un élément ne se place pas sous lui-même."]})
        faults = self.faults_below(parent, scope.kind)
        if faults:
            raise Faulty({"parent": [sentence for sentences in faults.values() for sentence in sentences]})
        return parent

    def _below(self, scope: Scope, parent: Scope) -> Sequence[tuple[Scope, str]]:
        """Those below with the paths they will have."""
        found = []
        paths = {scope.id: f"{parent.path}{scope.id}/"}
        for one in self._desk.tree.below(scope.id):
            if one.id == scope.id or one.parent is None:
                continue
            paths[one.id] = f"{paths[one.parent]}{one.id}/"
            found.append((one, paths[one.id]))
            if len(found) > _LONGEST_MOVE:
                raise Faulty(
                    {"parent": [f"Plus de {_LONGEST_MOVE} éléments en dépendent : déplacez-en d'abord une partie."]}
                )
        return found

    async def _may_end(self, scope: Scope) -> None:
        living = [one.name for one in self._desk.tree.children.get(scope.id, ()) if not one.retired]
        if living:
            more = f" et {len(living) - 3} de plus" if len(living) > 3 else ""
            raise Faulty({"retired": [f"Encore ouverts en dessous : {', '.join(living[:3])}{more}."]})
        people = await self._records.count("memberships", {"scope_id": scope.id})
        if people:
            raise Faulty({"retired": [f"Personnes encore rattachées : {people}. Détachez-les d'abord."]})
        if scope.parent is None:
            raise Faulty({"retired": ["Le sommet ne se ferme pas."]})

    def _may_live(self, scope: Scope, moved_to: str | None) -> None:
        parent = self._desk.book.scope(moved_to or scope.parent or "")
        if parent is not None and parent.retired:
            raise Faulty({"retired": [f"« {parent.name} », au-dessus, est fermé."]})


def checked_id(text: str, book: PolicyBook) -> str:
    """An id for a new scope as somebody chose it; raises ``Faulty``."""
    if not _ID.match(text):
        raise Faulty({"scope_id": ["Un identifiant : 64 caractères au plus, parmi a-z, 0-9, le point et les tirets."]})
    if book.scope(text) is not None:
        raise Faulty({"scope_id": ["Cet identifiant est déjà pris."]})
    return text


def id_from(text: str, book: PolicyBook) -> str:
    """An id nobody has, from a FINESS number or a name."""
    words = re.sub(r"[^a-z0-9]+", "-", plain(text).lower()).strip("-")[:56].strip("-") or "element"
    if book.scope(words) is None:
        return words
    return next(one for number in count(2) if book.scope(one := f"{words}-{number}") is None)
