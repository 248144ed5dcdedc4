"""The scopes of a book as people look for them: below a place, by words, by kind, by state. Pure.

Made from one book and kept as long as that book is in force; what costs a walk over all scopes is computed when first
asked for, and taken over from the tree before where nothing changed: one switch among 100 000 scopes spells no names.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import islice

from gateway.identity import searchable
from gateway.policy.establishments import PolicyBook, Scope, State
from gateway.policy.rights import Reach

KINDS = ("nation", "region", "departement", "entite", "etablissement", "service")  # from the top down
_RANK = {kind: place for place, kind in enumerate(KINDS)}


def rank(kind: str) -> int:
    """How far from the top; kinds nobody knows come last."""
    return _RANK.get(kind, len(KINDS))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list of scopes shows. ``text``: words of the name, the town, or the FINESS number."""

    text: str = ""
    kind: str = ""
    state: State | None = None
    parent: str = ""
    retired: bool = False


class ScopeTree:
    """``before``: the tree of the book before this one, whose words and order go on where they still hold."""

    def __init__(self, book: PolicyBook, before: ScopeTree | None = None) -> None:
        self.book = book
        self._words: dict[str, str] = {}
        self._renamed = False
        self._order: Sequence[Scope] | None = None
        self._spell(before)
        if before is not None and before._order is not None and not self._renamed:
            self._order = [book.scopes[scope.id] for scope in before._order]

    def _spell(self, before: ScopeTree | None) -> None:
        """What is searched for, by scope. The order of lists depends on nothing else but the kind."""
        known = before.book.scopes if before is not None else {}
        words = before._words if before is not None else {}
        self._renamed = len(known) != len(self.book.scopes)
        for scope in self.book.scopes.values():
            old = known.get(scope.id)
            if old is scope or (old is not None and _named(old) == _named(scope)):
                self._words[scope.id] = words[scope.id]
            else:
                self._words[scope.id] = searchable(*_named(scope)[1:], scope.id)
                self._renamed = True

    @cached_property
    def children(self) -> Mapping[str, Sequence[Scope]]:
        """By parent, in the order of lists."""
        found: defaultdict[str, list[Scope]] = defaultdict(list)
        for scope in self.order:
            if scope.parent:
                found[scope.parent].append(scope)
        return dict(found)

    @property
    def order(self) -> Sequence[Scope]:
        """By kind from the top down, then by name: the order of lists."""
        if self._order is None:
            self._order = sorted(self.book.scopes.values(), key=self._place)
        return self._order

    def _place(self, scope: Scope) -> tuple[int, str, str]:
        return (rank(scope.kind), self._words[scope.id], scope.id)

    def find(self, reach: Reach, wanted: Wanted, now: datetime, after: str = "") -> Iterator[Scope]:
        """The scopes that are wanted and within reach, in order, from behind the scope ``after`` on; lazily, so that a
        page costs a page. An ``after`` that no book knows finds nothing."""
        words = searchable(wanted.text).split()
        if wanted.text.strip() and not words:
            return  # signs only: nothing is named so
        first, others = (words[0], words[1:]) if words else ("", ())
        spelled, tops, retired, state_of = self._words, reach.paths, wanted.retired, self._states(now)
        for scope in self._from(after):
            if scope.retired is not retired or not scope.path.startswith(tops):
                continue
            if wanted.kind and scope.kind != wanted.kind:
                continue
            if wanted.parent and scope.parent != wanted.parent:
                continue
            if first and first not in spelled[scope.id]:
                continue
            if others and not all(word in spelled[scope.id] for word in others):
                continue
            if wanted.state is not None and state_of(scope) is not wanted.state:
                continue
            yield scope

    def _from(self, after: str) -> Iterator[Scope]:
        if not after:
            return iter(self.order)
        last = self.book.scope(after)
        if last is None:
            return iter(())
        return islice(self.order, bisect_right(self.order, self._place(last), key=self._place), None)

    def below(self, scope_id: str) -> Iterator[Scope]:
        """The scope and everything below it, parents first. A circle in the data ends the walk."""
        top = self.book.scope(scope_id)
        waiting = [top] if top is not None else []
        seen: set[str] = set()
        while waiting:
            scope = waiting.pop()
            if scope.id in seen:
                continue
            seen.add(scope.id)
            yield scope
            waiting.extend(reversed(self.children.get(scope.id, ())))

    def states(self, reach: Reach, now: datetime, kind: str = "etablissement") -> Mapping[State, int]:
        """How many scopes of a kind are in each state now (R94). Walks them all: for the dashboard, not for requests."""
        state_of = self._states(now)
        return Counter(
            state_of(scope)
            for scope in self.book.scopes.values()
            if scope.kind == kind and scope.path in reach and not scope.retired
        )

    def _states(self, now: datetime) -> Callable[[Scope], State]:
        """The state of each scope as its ruling says it; one that says nothing itself shares the answer of the
        one above."""
        known: dict[str, State] = {}

        def state_of(scope: Scope) -> State:
            walked: list[str] = []
            one = scope
            while one.id not in known:
                walked.append(one.id)
                above = self.book.scope(one.parent) if one.parent else None
                if one.switches or one.set.legal or above is None or above.id in walked:
                    known[one.id] = self.book.ruling(one.id, now).state
                else:
                    one = above
            for scope_id in walked:
                known[scope_id] = known[one.id]
            return known[scope.id]

        return state_of

    def prepare(self) -> None:
        """Put everything in its order now, rather than when somebody first looks."""
        self._order = self.order


def _named(scope: Scope) -> tuple[str, str, str, str]:
    return scope.kind, scope.name, scope.city or "", scope.finess or ""
