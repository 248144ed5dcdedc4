"""The authentication policy of establishments and services, resolved field by field (R82), as an immutable value.

A scope is a service, an establishment, a legal entity, a department, a region or the nation. The nearest scope that
sets a field wins. A person attached to several scopes signs in under the strictest of them (R85). What is not set
anywhere takes the national default; after the national cut-off every scope is strong unless a derogation still runs
(R84). The book is replaced whole when anything changes (R83); nothing in it is ever modified.

Whether a scope is strong is one ``Ruling``, with the rule that decided. The rules, first match first:

0. Where a password alone is forbidden by its legal status, nothing makes it enough (G3).
1. A break-glass still running on the scope or above it: a password is enough (G26).
2. The newest switch that has come, of the nearest scope that has one: strong, or a password until its derogation ends.
3. The national cut-off; before it a password is enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from gateway.clocks import SKEW
from gateway.identity import Method
from gateway.policy.legal import CHANNELS, MEANS, PASSWORD, Legal, Status, forbidden
from gateway.session.model import Lifetimes

SHORTEST_CODE = timedelta(seconds=60)
LONGEST_CODE = timedelta(seconds=28_800)  # 8 h, the longest any guide given to users mentions


class State(StrEnum):
    """What a scope asks of a password: alone, or followed by a code."""

    PASSWORD_ONLY = "password_only"  # noqa: S105 - a policy word
    STRONG = "strong"


class SwitchKind(StrEnum):
    """An ordinary dated change, or the emergency that opens a scope for a day at most (G26)."""

    SWITCH = "switch"
    BREAKGLASS = "breakglass"


@dataclass(frozen=True, slots=True)
class Switch:
    """A dated change of state (R83). A step back after the cut-off needs ``derogation_until`` (R84).

    ``begun``: it was in force when it was made. Then a machine whose clock is behind does not wait for that instant.
    """

    state: State
    effective_from: datetime
    derogation_until: datetime | None = None
    kind: SwitchKind = SwitchKind.SWITCH
    id: str = ""
    begun: bool = False


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom a scope's people may ask (R91)."""

    label: str
    url: str
    topics: tuple[str, ...] = ()


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
    banner_from: datetime | None = None  # with the banner, never inherited without it
    contacts: tuple[Contact, ...] | None = None
    legal: Mapping[str, Legal] | None = None  # by means; inherited means by means (G3)


NOTHING = Fields()


@dataclass(frozen=True, slots=True)
class Scope:
    """One node of the tree. ``switches`` are those not undone, in order of their dates."""

    id: str
    parent: str | None
    kind: str
    name: str
    set: Fields = NOTHING
    switches: tuple[Switch, ...] = ()
    finess: str | None = None
    city: str | None = None
    path: str = ""
    retired: bool = False
    version: int = 1


class Why(StrEnum):
    """Which rule made a scope strong or not."""

    FORBIDDEN = "password-forbidden"
    BREAKGLASS = "breakglass"
    SWITCH = "switch"
    DEROGATION = "derogation"
    DEROGATION_ENDED = "derogation-ended"
    CUT_OFF = "cut-off"
    BEFORE_CUT_OFF = "before-cut-off"


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whether more than a password is asked, why, and which switch of which scope says so, if one does."""

    strong: bool
    why: Why
    scope: str | None = None
    switch: Switch | None = None

    @property
    def state(self) -> State:
        return State.STRONG if self.strong else State.PASSWORD_ONLY


@dataclass(frozen=True, slots=True)
class Sourced:
    """A value and the scope that set it; ``None``: the national default of the configuration."""

    value: Any
    scope: str | None


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
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class Defaults:
    """The national default, from the configuration."""

    mandatory_from: datetime
    code_validity: timedelta = timedelta(seconds=600)
    second_factor_memory: timedelta = timedelta(0)
    channels: tuple[str, ...] = ("mail",)
    lifetimes: Lifetimes = field(default_factory=Lifetimes)
    legal: Mapping[str, Legal] = field(default_factory=dict)


class PolicyBook:
    """All scopes at one moment. Pure look-ups; unknown scopes count as having set nothing."""

    def __init__(self, defaults: Defaults, scopes: Iterable[Scope] = ()) -> None:
        self.defaults = defaults
        self._scopes: dict[str, Scope] = {scope.id: scope for scope in scopes}

    def with_scopes(self, changed: Iterable[Scope]) -> PolicyBook:
        """Another book in which these scopes are as given, and the others as they were."""
        other = PolicyBook(self.defaults)
        other._scopes = {**self._scopes, **{scope.id: scope for scope in changed}}
        return other

    @property
    def scopes(self) -> Mapping[str, Scope]:
        return self._scopes

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

    def ruling(self, scope_id: str, now: datetime, *, emergencies: bool = True) -> Ruling:
        """Whether this scope asks more than a password at this instant, and why (R83, R84, G26).

        Without ``emergencies`` of an instant gone by, to the letter: then no clock is behind.
        """
        slack = SKEW if emergencies else timedelta(0)
        chain = self.chain(scope_id)
        # (0)
        if (barred := self._password_barred(chain)) is not None:
            return barred
        # (1)
        if emergencies:
            for scope in chain:
                for switch in scope.switches:
                    if switch.kind is SwitchKind.BREAKGLASS and _runs(switch, now, slack):
                        return Ruling(False, Why.BREAKGLASS, scope.id, switch)
        # (2)
        cut_off = now >= self.defaults.mandatory_from
        for scope in chain:
            ordinary = _in_force(scope.switches, now, slack)
            if ordinary is None:
                continue
            if ordinary.state is State.STRONG:
                return Ruling(True, Why.SWITCH, scope.id, ordinary)
            if ordinary.derogation_until is not None:
                if now < ordinary.derogation_until:
                    return Ruling(False, Why.DEROGATION, scope.id, ordinary)
                return Ruling(True, Why.DEROGATION_ENDED, scope.id, ordinary)
            return Ruling(cut_off, Why.CUT_OFF if cut_off else Why.SWITCH, scope.id, ordinary)
        # (3)
        return Ruling(cut_off, Why.CUT_OFF if cut_off else Why.BEFORE_CUT_OFF)

    def _password_barred(self, chain: Sequence[Scope]) -> Ruling | None:
        for scope in chain:
            if scope.set.legal is not None and (said := scope.set.legal.get(PASSWORD)) is not None:
                return Ruling(True, Why.FORBIDDEN, scope.id) if said.status is Status.INTERDIT else None
        nation = self.defaults.legal.get(PASSWORD)
        return Ruling(True, Why.FORBIDDEN) if nation is not None and nation.status is Status.INTERDIT else None

    def strong(self, scope_id: str, now: datetime) -> bool:
        return self.ruling(scope_id, now).strong

    def asks_more(self, scope_ids: Sequence[str], now: datetime, *, emergencies: bool = True) -> bool:
        """Whether any of these scopes asks more than a password (R85); on every request, so nothing else is resolved."""
        if not scope_ids:
            return now >= self.defaults.mandatory_from or self._password_barred(()) is not None
        return any(self.ruling(one, now, emergencies=emergencies).strong for one in scope_ids)

    def next_change(self, scope_id: str, now: datetime) -> datetime | None:
        """The first instant after ``now`` at which a date of the scope or of one above it comes."""
        dates = [
            date
            for scope in self.chain(scope_id)
            for switch in scope.switches
            for date in (switch.effective_from, switch.derogation_until)
            if date is not None and date > now
        ]
        if self.defaults.mandatory_from > now:
            dates.append(self.defaults.mandatory_from)
        return min(dates, default=None)

    def policy(self, scope_ids: Sequence[str], now: datetime) -> EstablishmentPolicy:
        """The strictest of the scopes' policies (R85); without a scope, the national default."""
        if not scope_ids:
            return self._resolve((), now, strong=self.asks_more((), now))
        return strictest([self._resolve(self.chain(one), now, strong=self.strong(one, now)) for one in scope_ids])

    def barred(self, scope_ids: Sequence[str]) -> frozenset[Method]:
        """The methods whose means any of these scopes must not use, by their legal status (G3)."""
        chains = [self.chain(one) for one in scope_ids] or [()]
        means = frozenset[str]().union(*(forbidden(self._sourced(chain, "legal").value) for chain in chains))
        return _methods(means)

    def sourced(self, scope_id: str | None) -> Mapping[str, Sourced]:
        """Every field of R91 with the scope it comes from, by the names of ``Fields`` (R82). ``None``: the nation's own."""
        chain = self.chain(scope_id) if scope_id else ()
        return {part.name: self._sourced(chain, part.name) for part in fields(Fields)}

    def legal(self, scope_id: str | None) -> Mapping[str, Sourced]:
        """By means, its legal status and who set it (G3)."""
        return self._legal(self.chain(scope_id) if scope_id else ())

    def _legal(self, chain: Sequence[Scope]) -> Mapping[str, Sourced]:
        found: dict[str, Sourced] = {name: Sourced(status, None) for name, status in self.defaults.legal.items()}
        for scope in reversed(chain):
            found.update({name: Sourced(status, scope.id) for name, status in (scope.set.legal or {}).items()})
        return found

    def _sourced(self, chain: Sequence[Scope], name: str) -> Sourced:
        if name == "banner_from":  # a date belongs to the words beside it
            for scope in chain:
                if scope.set.banner is not None:
                    return Sourced(scope.set.banner_from, scope.id)
            return Sourced(None, None)
        if name == "legal":  # means by means; the scope is the nearest that says anything
            nearest = next((scope.id for scope in chain if scope.set.legal is not None), None)
            return Sourced({means: one.value for means, one in self._legal(chain).items()}, nearest)
        for scope in chain:
            value = getattr(scope.set, name)
            if value is not None:
                return Sourced(value, scope.id)
        return Sourced(self._default(name), None)

    def _default(self, name: str) -> Any:
        default = self.defaults
        return {
            "code_validity": default.code_validity,
            "second_factor_memory": default.second_factor_memory,
            "channels": default.channels,
            "session_absolute": default.lifetimes.absolute,
            "session_idle": default.lifetimes.idle,
        }.get(name)

    def _resolve(self, chain: tuple[Scope, ...], now: datetime, *, strong: bool) -> EstablishmentPolicy:
        def value(name: str) -> Any:
            return self._sourced(chain, name).value

        barred = forbidden(value("legal"))
        methods = value("methods")
        if barred:
            allowed = frozenset(Method) if methods is None else methods
            methods = allowed - _methods(barred)
        begins = value("banner_from")
        return EstablishmentPolicy(
            strong=strong,
            code_validity=value("code_validity"),
            second_factor_memory=value("second_factor_memory"),
            channels=tuple(one for one in value("channels") if CHANNELS.get(one) not in barred),
            methods=methods,
            lifetimes=Lifetimes(value("session_absolute"), value("session_idle")),
            banner=(value("banner") or "") if begins is None or begins <= now else "",
            contacts=value("contacts") or (),
        )


def _methods(means: Iterable[str]) -> frozenset[Method]:
    return frozenset(method for one in means for method in MEANS.get(one, ()))


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
        contacts=tuple(dict.fromkeys(one for policy in policies for one in policy.contacts)),
    )


def _in_force(switches: Sequence[Switch], now: datetime, slack: timedelta) -> Switch | None:
    """The last ordinary switch whose date has come; of equal dates the one made last."""
    past = [one for one in switches if one.kind is SwitchKind.SWITCH and _began(one, now, slack)]
    return max(reversed(past), key=lambda switch: switch.effective_from) if past else None


def _runs(switch: Switch, now: datetime, slack: timedelta) -> bool:
    until = switch.derogation_until
    return _began(switch, now, slack) and until is not None and now < until


def _began(switch: Switch, now: datetime, slack: timedelta) -> bool:
    return switch.effective_from <= (now + slack if switch.begun else now)
