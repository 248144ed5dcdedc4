"""The scopes of a book as people look for them: below a place, by words, by kind, by state. Pure.

Made from one book and kept as long as that book is in force; what costs a walk over all scopes is computed when first
asked for.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from gateway.identity import searchable
from gateway.policy.establishments import PolicyBook, Scope, State
from gateway.policy.rights import Reach

KINDS = ("nation", "region", "departement", "entite", "etablissement", "service")  # from the top down


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list of scopes shows. ``text``: words of the name, the town, or the FINESS number."""

    text: str = ""
    kind: str = ""
    state: State | None = None
    parent: str = ""
    retired: bool = False


class ScopeTree:
    """``order``: all scopes by path, so that what lies below one follows it."""

    def __init__(self, book: PolicyBook) -> None:
        self.book = book

    @cached_property
    def children(self) -> Mapping[str, Sequence[Scope]]:
        """By parent, in the order of their names."""
        found: defaultdict[str, list[Scope]] = defaultdict(list)
        for scope in self.book.scopes.values():
            if scope.parent:
                found[scope.parent].append(scope)
        for below in found.values():
            below.sort(key=lambda scope: (self._words[scope.id], scope.id))
        return found

    @cached_property
    def order(self) -> Sequence[Scope]:
        """By kind from the top down, then by name: the order of lists."""
        rank = {kind: place for place, kind in enumerate(KINDS)}
        return sorted(
            self.book.scopes.values(),
            key=lambda scope: (rank.get(scope.kind, len(KINDS)), self._words[scope.id], scope.id),
        )

    @cached_property
    def _words(self) -> Mapping[str, str]:
        return {
            scope.id: searchable(scope.name, scope.city or "", scope.finess or "", scope.id)
            for scope in self.book.scopes.values()
        }

    def find(self, reach: Reach, wanted: Wanted, now: datetime) -> Iterator[Scope]:
        """The scopes that are wanted and within reach, in order; lazily, so that a page costs a page."""
        words = searchable(wanted.text).split()
        for scope in self.order:
            if scope.path not in reach or not scope.path or scope.retired != wanted.retired:
                continue
            if wanted.kind and scope.kind != wanted.kind:
                continue
            if wanted.parent and scope.parent != wanted.parent:
                continue
            if words and not all(word in self._words[scope.id] for word in words):
                continue
            if wanted.state is not None and self.book.ruling(scope.id, now).state is not wanted.state:
                continue
            yield scope

    def below(self, scope_id: str) -> Iterator[Scope]:
        """The scope and everything below it, parents first."""
        top = self.book.scope(scope_id)
        waiting = [top] if top is not None else []
        while waiting:
            scope = waiting.pop()
            yield scope
            waiting.extend(reversed(self.children.get(scope.id, ())))

    def states(self, reach: Reach, now: datetime, kind: str = "etablissement") -> Mapping[State, int]:
        """How many scopes of a kind are in each state now (R94). Walks them all: for the dashboard, not for requests."""
        return Counter(
            self.book.ruling(scope.id, now).state
            for scope in self.book.scopes.values()
            if scope.kind == kind and scope.path in reach and not scope.retired
        )
