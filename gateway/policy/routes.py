"""Which door a path is, and whether it is locked. What no route matches is protected (R6).

Matching is by whole segments on the canonical path, without case (VT is an IIS site, used with mixed case). A path
with anything a backend might read in a second way (``;`` parameters, ``:`` streams, ``~`` short names, characters
outside ASCII) is never classified public or usager: it needs a session.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.identity import Space

_TWO_READINGS = re.compile(r"[;:~]|[^\x00-\x7f]")


def odd(path: str) -> bool:
    """Whether a backend might read this canonical path in a second way."""
    return _TWO_READINGS.search(path) is not None


class RouteClass(StrEnum):
    """Public: no session needed. Usager: VT's own login, nothing of ours. Protected: a session, or no entry."""

    PUBLIC = "public"
    USAGER = "usager"
    PROTECTED = "protected"


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """A prefix of paths and the backend behind it. ``space`` is where people without a session are sent to sign in.

    Two routes are equal only if they are one: decisions are remembered by route.
    """

    path: str
    kind: RouteClass
    backend: str
    space: Space


class RouteTable:
    """Routes in order; the first match wins. An empty table is refused: all of nothing would be open to debate."""

    def __init__(self, routes: Sequence[Route]) -> None:
        if not routes:
            raise ValueError("a route table needs at least one route")
        self._routes = tuple((route.path.lower().rstrip("/"), route, _locked(route)) for route in routes)
        last = routes[-1]
        self._fallback = Route("/", RouteClass.PROTECTED, last.backend, last.space)
        self._seen: dict[str, Route] = {}

    def match(self, path: str) -> Route:
        """The route of a canonical path. Total: what is not listed is protected, on the last route's backend."""
        known = self._seen.get(path)
        if known is None:
            known = self._find(path)
            if len(self._seen) >= 4096:  # bounded: paths come from clients
                self._seen.clear()
            self._seen[path] = known
        return known

    def _find(self, path: str) -> Route:
        lowered = path.lower()
        two_readings = odd(path)
        for prefix, route, locked in self._routes:
            if lowered == prefix or lowered.startswith(prefix + "/"):
                return locked if two_readings else route
        return self._fallback


def _locked(route: Route) -> Route:
    """The same place, with a session demanded."""
    if route.kind is RouteClass.PROTECTED:
        return route
    return Route(route.path, RouteClass.PROTECTED, route.backend, route.space)
