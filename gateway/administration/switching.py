"""Strong authentication switched on and off, for one scope or two thousand, now or at a date (R83–R93).

A switch is a dated row that is never changed, only undone: the one before it governs again. All lines of one act are
one batch, written in one transaction or not at all. Whoever reads a version and sends it back is told when somebody
else was faster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from gateway import texts
from gateway.administration.actor import (
    Actor,
    ChangedMeanwhile,
    Faulty,
    NotThere,
    checked_reason,
    require,
)
from gateway.administration.exact import ExactWriter, Plan
from gateway.administration.lines import Lines
from gateway.administration.requests import Requests
from gateway.administration.revisions import Revisions
from gateway.administration.wishes import (
    SwitchSettings,
    Wanted,
    begins,
    chosen,
    faults_of,
    faults_of_choice,
    faults_of_reason,
    instant_for,
    says_nothing_new,
    with_switch,
)
from gateway.desk import PolicyDesk
from gateway.overview import Measure, Overview
from gateway.policy.establishments import Ruling, Scope, State, Switch, SwitchKind
from gateway.policy.rights import Right
from gateway.ports import Ambient, Audit, Records, Row

__all__ = ["Batch", "Effect", "Preview", "SwitchBoard", "SwitchSettings", "Wanted"]


@dataclass(frozen=True, slots=True)
class Effect:
    """What a switch does to one scope: the rulings at its date without and with it, and whom it meets, those below
    included. ``version`` comes back with the act."""

    scope: Scope
    before: Ruling
    after: Ruling
    people: int
    ready: int
    counts: Mapping[str, int]
    version: int


@dataclass(frozen=True, slots=True)
class Preview:
    """``people`` and ``stuck`` of all scopes together, each person once. ``faults``: what the act would be refused for."""

    effects: tuple[Effect, ...]
    people: int
    stuck: int
    faults: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Batch:
    """One act. ``lines``: the scopes within the actor's reach with their rows; ``undone``: all of these were."""

    id: str
    author: str
    reason: str
    created_at: datetime
    state: State
    effective_from: datetime
    derogation_until: datetime | None
    kind: SwitchKind
    lines: tuple[tuple[Scope, Row], ...]
    undone: bool


class SwitchBoard:
    """All acts on the state of scopes, with requests of référents (``requests``)."""

    def __init__(
        self,
        records: Records,
        revisions: Revisions,
        audit: Audit,
        desk: PolicyDesk,
        overview: Overview,
        ambient: Ambient,
        settings: SwitchSettings,
    ) -> None:
        self._records = records
        self._writer = ExactWriter(revisions, audit, desk)
        self._desk = desk
        self._overview = overview
        self._ambient = ambient
        self._lines = Lines(desk, ambient, settings.zone)
        self._asked = Requests(records, audit, desk)
        self.settings = settings

    # Switching

    async def preview(self, actor: Actor, scope_ids: Sequence[str], wanted: Wanted, now: datetime) -> Preview:
        """What ``switch`` would do, and whom it would leave without a way in (R88); writes nothing.

        Raises ``NotThere`` and ``NotYours`` as ``switch`` does; everything else it would be refused for is in ``faults``.
        """
        await self._desk.refresh()
        book = self._desk.book
        scopes = chosen(actor, scope_ids, wanted.state, book, referent=self.settings.referent_can_enable)
        at = instant_for(scopes, now)
        faults = {**self._faults(wanted, at), **faults_of_choice(scopes)}
        if wanted.reason.strip():  # it may still be typed
            faults.update(faults_of_reason(wanted.reason))
        if "scopes" in faults and not any(scope.retired for scope in scopes):
            return Preview((), 0, 0, faults)
        switch = Switch(wanted.state, begins(wanted, at), wanted.derogation_until)
        if not faults and all(says_nothing_new(scope, switch) for scope in scopes):
            faults[""] = [_NOTHING_NEW]
        after = with_switch(book, scopes, switch)
        measure = self._measure(now)
        crowds = await self._overview.readiness_each({scope.id: scope.path for scope in scopes}, measure)
        effects = []
        for scope in scopes:
            found = crowds[scope.id]
            was, will = (one.ruling(scope.id, switch.effective_from) for one in (book, after))
            effects.append(Effect(scope, was, will, found.people, found.ready, found.counts, scope.version))
        # The empty ones say nothing, and the fewer tops the better.
        tops = [scope.path for scope in scopes if crowds[scope.id].people]
        total = crowds[scopes[0].id] if len(scopes) == 1 else await self._overview.readiness(tops, measure)
        return Preview(tuple(effects), total.people, total.people - total.ready, faults)

    def _measure(self, now: datetime) -> Measure:
        said = self.settings
        return Measure(now, said.dormancy, said.generic_names, said.generic_mailboxes, said.prove_first)

    async def switch(
        self,
        actor: Actor,
        scope_ids: Sequence[str],
        wanted: Wanted,
        now: datetime,
        versions: Mapping[str, int] | None = None,
    ) -> str:
        """Switch these scopes, all or none; the id of the batch. Scopes for which it says nothing new are left out.

        ``versions``: those read before, by scope. Raises ``NotThere``, ``NotYours``, ``ChangedMeanwhile``, and
        ``Faulty`` on ``scopes``, ``effective_from``, ``derogation_until``, ``announce``, ``reason``.
        """
        batch = f"swb_{self._ambient.token(12)}"

        async def plan() -> Plan:
            book = self._desk.book
            scopes = chosen(actor, scope_ids, wanted.state, book, referent=self.settings.referent_can_enable)
            for scope in scopes:
                if versions is not None and versions.get(scope.id, scope.version) != scope.version:
                    raise ChangedMeanwhile(scope.version)
            at = instant_for(scopes, now)
            faults = {**self._faults(wanted, at), **faults_of_choice(scopes), **faults_of_reason(wanted.reason)}
            if faults:
                raise Faulty(faults)
            switch = Switch(wanted.state, begins(wanted, at), wanted.derogation_until)
            lines = [scope for scope in scopes if not says_nothing_new(scope, switch)]
            if not lines:
                raise Faulty({"": [_NOTHING_NEW]})
            why = checked_reason(wanted.reason)
            return self._lines.made(actor, batch, lines, switch, why, at, announce=wanted.announce)

        await self._writer.write(plan)
        return batch

    async def breakglass(self, actor: Actor, scope_id: str, until: datetime, reason: str, now: datetime) -> str:
        """Open a scope and what lies below to passwords, at once and for a day at most (G26); the id of the batch, by
        which ``undo`` ends it early. Raises ``NotThere``, ``NotYours``, ``Faulty`` on ``until``, ``reason``."""
        batch = f"swb_{self._ambient.token(12)}"

        async def plan() -> Plan:
            require(actor, Right.BREAKGLASS, scope_id, self._desk.book)
            scope = self._desk.book.scopes[scope_id]
            faults = dict(faults_of_choice([scope]))
            if not now < until <= now + self.settings.breakglass_max:
                longest = texts.duration(self.settings.breakglass_max)
                faults["until"] = [f"L'accès de secours finit dans {longest} au plus."]
            if faults:
                raise Faulty(faults)
            why = checked_reason(reason)
            switch = Switch(State.PASSWORD_ONLY, now, until, SwitchKind.BREAKGLASS)
            return self._lines.made(actor, batch, [scope], switch, why, now)

        await self._writer.write(plan)
        return batch

    async def undo(self, actor: Actor, batch_id: str, reason: str, now: datetime, only: Sequence[str] = ()) -> int:
        """Undo a batch, or its lines of the scopes ``only``: what was before governs again. How many lines were undone.

        A banner that announced the switch goes with it, if it still says the same. Raises ``NotThere`` unless all lines
        touched are within reach, ``NotYours``, and ``Faulty`` when they are undone already.
        """
        undone = 0

        async def plan() -> Plan:
            nonlocal undone
            book = self._desk.book
            rows = await self._records.find("switches", {"batch": batch_id}, order=("scope_id",))
            touched = [row for row in rows if not only or row["scope_id"] in only]
            if not touched or not set(only) <= {row["scope_id"] for row in touched}:
                raise NotThere
            ids = [cast(str, row["scope_id"]) for row in touched]
            for one in ids:
                require(actor, Right.SEE, one, book)
            right = Right.BREAKGLASS if touched[0]["kind"] == SwitchKind.BREAKGLASS else Right.SWITCH
            for one in ids:
                require(actor, right, one, book)
            living = [row for row in touched if row["cancelled_at"] is None]
            if not living:
                raise Faulty({"": ["Ce changement est déjà annulé."]})
            why = checked_reason(reason)
            undone = len(living)
            return self._lines.undone(actor, living, why, now)

        await self._writer.write(plan)
        return undone

    # Reading

    async def batch(self, actor: Actor, batch_id: str, now: datetime) -> Batch:
        """The act with its lines within reach; ``NotThere`` when there are none."""
        await self._desk.refresh()
        rows = await self._records.find("switches", {"batch": batch_id}, order=("scope_id",))
        reach = actor.reach(self._desk.book)
        scopes = self._desk.book.scopes
        lines = tuple(
            (scope, row)
            for row in rows
            if (scope := scopes.get(cast(str, row["scope_id"]))) is not None and scope.path in reach
        )
        if not lines:
            raise NotThere
        first = lines[0][1]
        return Batch(
            batch_id,
            cast(str, first["author"]),
            cast(str, first["reason"]),
            cast(datetime, first["created_at"]),
            State(cast(str, first["state"])),
            cast(datetime, first["effective_from"]),
            cast("datetime | None", first["derogation_until"]),
            SwitchKind(cast(str, first["kind"])),
            lines,
            all(row["cancelled_at"] is not None for _, row in lines),
        )

    async def history(self, actor: Actor, scope_id: str) -> Sequence[Row]:
        """The switches of the scope, those undone too, the newest first (R93)."""
        await self._desk.refresh()
        require(actor, Right.SEE, scope_id, self._desk.book)
        return await self._records.find("switches", {"scope_id": scope_id}, order=("-created_at", "id"))

    # What référents ask for

    async def ask(self, actor: Actor, scope_id: str, wanted_from: datetime | None, reason: str, now: datetime) -> str:
        """Ask the region to switch a scope (R87); the id of the request. See ``Requests.ask``."""
        return await self._asked.ask(actor, scope_id, wanted_from, reason, now)

    async def requests(self, actor: Actor, *, open_only: bool = True) -> Sequence[Row]:
        """The requests within reach. See ``Requests.within_reach``."""
        return await self._asked.within_reach(actor, open_only=open_only)

    async def answer(self, actor: Actor, request_id: str, outcome: str, reason: str, now: datetime) -> None:
        """Settle a request. See ``Requests.answer``."""
        await self._asked.answer(actor, request_id, outcome, reason, now)

    def _faults(self, wanted: Wanted, now: datetime) -> dict[str, Sequence[str]]:
        return faults_of(wanted, self._desk.book.defaults.mandatory_from, self.settings, now)


_NOTHING_NEW = "Rien ne changerait : cet état est déjà prévu à cette date."
