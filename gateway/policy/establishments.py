"""The authentication policy of establishments and services, resolved field by field (R82), as an immutable value.

A scope is a service, an establishment, a legal entity, a department, a region or the nation. The nearest scope that
sets a field wins. A person attached to several scopes signs in under the strictest of them (R85). What is not set
anywhere takes the national default; after the national cut-off every scope is strong unless a derogation still runs
(R84). The book is replaced whole when anything changes (R83); nothing in it is ever modified.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.identity import Method
from gateway.session.model import Lifetimes

SHORTEST_CODE = timedelta(seconds=60)
LONGEST_CODE = timedelta(seconds=28_800)  # 8 h, the longest any guide given to users mentions


class State(StrEnum):
    """What a scope asks of a password: alone, or followed by a code."""

    PASSWORD_ONLY = "password_only"  # noqa: S105 - a policy word
    STRONG = "strong"


@dataclass(frozen=True, slots=True)
class Switch:
    """A dated change of state (R83). A step back after the cut-off needs ``derogation_until`` (R84)."""

    state: State
    effective_from: datetime
    derogation_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Fields:
    """The policy fields a scope may set (R91); ``None`` is inherited."""

    code_validity: timedelta | None = None
    second_factor_memory: timedelta | None = None
    channels: tuple[str, ...] | None = None
    methods: frozenset[Method] | None = None
    session_absolute: timedelta | None = None
    session_idle: timedelta | None = None
    banner: str | None = None  # said to the scope's people on the gateway's own pages (R92)


@dataclass(frozen=True, slots=True)
class Scope:
    """One node of the tree. ``switches`` are in order of their dates."""

    id: str
    parent: str | None
    kind: str
    name: str
    set: Fields = field(default_factory=Fields)
    switches: tuple[Switch, ...] = ()
    finess: str | None = None


@dataclass(frozen=True, slots=True)
class EstablishmentPolicy:
    """The resolved answer for one person at one instant."""

    strong: bool
    code_validity: timedelta
    second_factor_memory: timedelta
    channels: tuple[str, ...]
    methods: frozenset[Method] | None  # None: whatever the deployment allows
    lifetimes: Lifetimes
    banner: str = ""


@dataclass(frozen=True, slots=True)
class Defaults:
    """The national default, from the configuration."""

    mandatory_from: datetime
    code_validity: timedelta = timedelta(seconds=600)
    second_factor_memory: timedelta = timedelta(0)
    channels: tuple[str, ...] = ("mail",)
    lifetimes: Lifetimes = field(default_factory=Lifetimes)


class PolicyBook:
    """All scopes at one moment. Pure look-ups; unknown scopes count as having set nothing."""

    def __init__(self, defaults: Defaults, scopes: Iterable[Scope] = ()) -> None:
        self._defaults = defaults
        self._scopes: Mapping[str, Scope] = {scope.id: scope for scope in scopes}

    def scope(self, scope_id: str) -> Scope | None:
        return self._scopes.get(scope_id)

    def chain(self, scope_id: str) -> tuple[Scope, ...]:
        """The scope and those above it, nearest first. A circle in the data ends the walk."""
        found: list[Scope] = []
        current = self._scopes.get(scope_id)
        while current is not None and current not in found:
            found.append(current)
            current = self._scopes.get(current.parent) if current.parent else None
        return tuple(found)

    def strong(self, scope_id: str, now: datetime) -> bool:
        """Whether this scope asks more than a password at this instant (R83, R84)."""
        switch = next((one for scope in self.chain(scope_id) if (one := _in_force(scope.switches, now))), None)
        if switch is not None and switch.state is State.STRONG:
            return True
        if now < self._defaults.mandatory_from:
            return False
        return switch is None or switch.derogation_until is None or now >= switch.derogation_until

    def asks_more(self, scope_ids: Sequence[str], now: datetime) -> bool:
        """Whether any of these scopes asks more than a password (R85); on every request, so nothing else is resolved."""
        if not scope_ids:
            return now >= self._defaults.mandatory_from
        return any(self.strong(one, now) for one in scope_ids)

    def policy(self, scope_ids: Sequence[str], now: datetime) -> EstablishmentPolicy:
        """The strictest of the scopes' policies (R85); without a scope, the national default."""
        if not scope_ids:
            return self._resolve((), strong=self.asks_more((), now))
        return strictest([self._resolve(self.chain(one), strong=self.strong(one, now)) for one in scope_ids])

    def _resolve(self, chain: tuple[Scope, ...], *, strong: bool) -> EstablishmentPolicy:
        merged = {
            part.name: next(
                (value for scope in chain if (value := getattr(scope.set, part.name)) is not None),
                None,
            )
            for part in fields(Fields)
        }
        default = self._defaults
        validity = merged["code_validity"]
        memory = merged["second_factor_memory"]
        return EstablishmentPolicy(
            strong=strong,
            code_validity=default.code_validity if validity is None else validity,
            second_factor_memory=default.second_factor_memory if memory is None else memory,
            channels=merged["channels"] or default.channels,
            methods=merged["methods"],
            lifetimes=Lifetimes(
                merged["session_absolute"] or default.lifetimes.absolute,
                merged["session_idle"] or default.lifetimes.idle,
            ),
            banner=merged["banner"] or "",
        )


def strictest(policies: Sequence[EstablishmentPolicy]) -> EstablishmentPolicy:
    """Field by field the most demanding value. An empty list is a programming error: all of nothing proves nothing."""
    if not policies:
        raise ValueError("the strictest of no policy")
    first, *others = policies
    channels = tuple(one for one in first.channels if all(one in other.channels for other in others))
    limited = [policy.methods for policy in policies if policy.methods is not None]
    return EstablishmentPolicy(
        strong=any(policy.strong for policy in policies),
        code_validity=min(policy.code_validity for policy in policies),
        second_factor_memory=min(policy.second_factor_memory for policy in policies),
        channels=channels,
        methods=frozenset.intersection(*limited) if limited else None,
        lifetimes=Lifetimes(
            min(policy.lifetimes.absolute for policy in policies),
            min(policy.lifetimes.idle for policy in policies),
        ),
        banner=next((policy.banner for policy in policies if policy.banner), ""),
    )


def _in_force(switches: Sequence[Switch], now: datetime) -> Switch | None:
    """The last switch whose date has come."""
    past = [switch for switch in switches if switch.effective_from <= now]
    return max(past, key=lambda switch: switch.effective_from) if past else None
