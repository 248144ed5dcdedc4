"""Switching one scope or a selection, now or at a date: form, preview, confirmation, result (R83, R84, R88, R89, R92).

Nothing is written before the confirmation. What was read for the preview travels with it, as versions: when somebody
else changed one of the scopes meanwhile nothing is switched, and the preview is shown anew (R83).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import cast

from aiohttp import web

from gateway import texts
from gateway.admin import drafts
from gateway.admin.frame import NOTHING, Room, Typed, asked, typed_in
from gateway.admin.states import because
from gateway.admin.when import BadDate, instant_of, next_hour
from gateway.admin.words import CATEGORIES, KINDS, STATES, count, whole, zone_name
from gateway.administration.actor import Actor, ChangedMeanwhile, Faulty, checked_reason
from gateway.administration.switching import Effect, Preview, Wanted
from gateway.overview import STOPS
from gateway.pages.administrator import Work
from gateway.pages.base import Visit, go
from gateway.policy.establishments import Ruling, Scope, State, SwitchKind
from gateway.policy.rights import Right

_CARRIED = ("state", "when", "from", "derogation_until", "reason", "announce")
_FIELDS = {"effective_from": "from"}  # names of the office that are others in the form


class SwitchPages(Room):
    """admin/switch and what follows it."""

    section = "scopes"

    def table(self) -> Sequence[tuple[str, str, Work]]:
        return [
            ("GET", "/switch", self.form),
            ("POST", "/switch", self.form),
            ("POST", "/switch/preview", self.preview),
            ("GET", "/switch/preview", self.previewed),
            ("POST", "/switch/confirm", self.confirm),
            ("GET", "/switches/{batch}", self.result),
            ("POST", "/switches/{batch}/undo", self.undo),
        ]

    # The form

    async def form(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        """Which scopes, from the address of one scope or from a selection; the rest is to be filled in."""
        typed = asked(visit) if visit.request.method == "GET" else await typed_in(visit)
        scopes = self._scopes(actor, typed)
        if not scopes:
            return self._ask(visit, actor, scopes, NOTHING, {"scopes": ["Choisissez au moins un établissement."]}, 422)
        return self._ask(visit, actor, scopes, typed)

    def _scopes(self, actor: Actor, typed: Typed) -> list[Scope]:
        """Each is seen, or the page is not there."""
        return [self.offices.scopes.see(actor, one) for one in typed.all("scope")]

    def _ask(
        self,
        visit: Visit,
        actor: Actor,
        scopes: Sequence[Scope],
        typed: Typed,
        faults: Mapping[str, Sequence[str]] | None = None,
        status: int = 200,
    ) -> web.Response:
        said = {_FIELDS.get(name, name): list(sentences) for name, sentences in (faults or {}).items()}
        off = any(self.may(actor, Right.SWITCH, one.id) for one in scopes)
        return self.page(
            visit,
            actor,
            "switch",
            "Basculer",
            status=status,
            crumbs=self._way(scopes),
            scopes=[self._line(visit, actor, one) for one in scopes],
            typed=typed,
            faults=said,
            may_off=off,
            past_cut_off=visit.now >= self.book.defaults.mandatory_from,
            cut_off=texts.moment(self.book.defaults.mandatory_from, visit.zone),
            longest=self.offices.switches.settings.derogation_max.days,
            zone=zone_name(visit.zone.key),
            tomorrow=next_hour(visit.now, visit.zone),
        )

    def _way(self, scopes: Sequence[Scope]) -> Sequence[tuple[str, str]]:
        root = [("Établissements et services", self.url("scopes"))]
        return [*root, (scopes[0].name, self.url("scopes", scopes[0].id))] if len(scopes) == 1 else root

    def _line(self, visit: Visit, actor: Actor, scope: Scope) -> SimpleNamespace:
        return SimpleNamespace(
            id=scope.id,
            name=scope.name,
            kind=KINDS.get(scope.kind, scope.kind),
            version=scope.version,
            state=self._said(visit, scope, self.book.ruling(scope.id, visit.now)),
            chosen_below=False,
        )

    def _said(self, visit: Visit, scope: Scope, ruling: Ruling) -> SimpleNamespace:
        return SimpleNamespace(
            strong=ruling.strong,
            emergency=False,
            why=because(scope, ruling, self.book, visit.zone),
        )

    # What it would do

    def _wanted(self, visit: Visit, typed: Typed) -> tuple[Wanted, dict[str, list[str]]]:
        faults: dict[str, list[str]] = {}

        def instant(name: str) -> datetime | None:
            if not typed.get(name):
                return None
            try:
                return instant_of(typed.get(name), visit.zone)
            except BadDate as error:
                faults[name] = [error.sentence]
                return None

        begins = instant("from") if typed.get("when") == "dated" else None
        if typed.get("when") == "dated" and begins is None:
            faults.setdefault("from", ["Indiquez la date et l'heure de la bascule."])
        state = typed.get("state")
        if state not in set(State):
            faults["state"] = ["Choisissez l'état voulu."]
        try:
            checked_reason(typed.get("reason"))
        except Faulty as refused:
            faults |= {name: list(sentences) for name, sentences in refused.faults.items()}
        until = instant("derogation_until") if state == State.PASSWORD_ONLY.value else None
        wanted = Wanted(
            State(state) if state in set(State) else State.STRONG,
            typed.get("reason"),
            begins,
            until,
            typed.has("announce"),
        )
        return wanted, faults

    async def preview(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        """What can be done is shown under an address of its own, so that one may look at the people and come back."""
        typed = await typed_in(visit)
        answer = await self._preview(visit, actor, typed)
        draft = await drafts.keep(visit, actor, typed) if answer.status == 200 else None
        return go(self.url("switch", "preview", draft=draft)) if draft else answer

    async def previewed(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        typed = await drafts.find(visit, actor, visit.request.query.get("draft", ""))
        return await self._preview(visit, actor, typed) if typed is not None else go(self.url("scopes"))

    async def _preview(self, visit: Visit, actor: Actor, typed: Typed, *, changed: bool = False) -> web.StreamResponse:
        scopes = self._scopes(actor, typed)
        wanted, faults = self._wanted(visit, typed)
        if not scopes:
            return self._ask(visit, actor, scopes, typed, {"scopes": ["Choisissez au moins un établissement."]}, 422)
        found = await self.offices.switches.preview(actor, [one.id for one in scopes], wanted, visit.now)
        if faults or found.faults:
            return self._ask(visit, actor, scopes, typed, {**found.faults, **faults}, 422)
        when = texts.moment(wanted.effective_from, visit.zone) if wanted.effective_from else "tout de suite"
        until = texts.moment(wanted.derogation_until, visit.zone) if wanted.derogation_until else ""
        return self.page(
            visit,
            actor,
            "switch_preview",
            "Vérifier avant de basculer",
            status=409 if changed else 200,
            crumbs=self._way(scopes),
            changed=changed,
            effects=[self._effect(visit, one) for one in found.effects],
            total=self._total(found),
            stuck=found.stuck,
            state=STATES[wanted.state.value],
            strong=wanted.state is State.STRONG,
            when=when,
            until=until,
            reason=wanted.reason,
            announce=wanted.announce,
            revoke=self.offices.switches.settings.revoke,
            ids=[one.id for one in scopes],
            carried=[(name, typed.get(name)) for name in _CARRIED if typed.get(name)],
            versions=[f"{one.scope.id}:{one.version}" for one in found.effects],
        )

    def _total(self, found: Preview) -> str:
        """« 312 personnes, 41 resteront bloquées »."""
        people = count(found.people, "personne concernée", "personnes concernées")
        if found.people == 0:
            return "Personne n'est concerné."
        if found.stuck == 0:
            return f"{people}, aucune ne restera bloquée."
        stuck = "restera bloquée" if found.stuck == 1 else "resteront bloquées"
        return f"{people}, {whole(found.stuck)} {stuck}."

    def _effect(self, visit: Visit, effect: Effect) -> SimpleNamespace:
        strict = self.offices.switches.settings.prove_first
        causes = (*STOPS, "unproved_mail") if strict else STOPS
        rows = [(name, CATEGORIES[name], effect.counts.get(name, 0)) for name in causes]
        return SimpleNamespace(
            id=effect.scope.id,
            name=effect.scope.name,
            kind=KINDS.get(effect.scope.kind, effect.scope.kind),
            before=self._said(visit, effect.scope, effect.before),
            after=SimpleNamespace(strong=effect.after.strong, emergency=False, why=""),
            same=effect.before.strong == effect.after.strong,
            people=whole(effect.people),
            ready=whole(effect.ready),
            stuck=effect.people - effect.ready,
            stuck_said=whole(effect.people - effect.ready),
            rows=[(name, label, whole(number)) for name, label, number in rows if number],
        )

    async def confirm(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        typed = await typed_in(visit)
        scopes = self._scopes(actor, typed)
        wanted, faults = self._wanted(visit, typed)
        if faults:
            return self._ask(visit, actor, scopes, typed, faults, 422)
        versions = {}
        for one in typed.all("version"):
            scope_id, _, number = one.rpartition(":")
            if not number.isascii() or not number.isdigit() or len(number) > 9:
                raise web.HTTPBadRequest
            versions[scope_id] = int(number)
        try:
            batch = await self.offices.switches.switch(
                actor, [one.id for one in scopes], wanted, visit.now, versions=versions
            )
        except ChangedMeanwhile:
            return await self._preview(visit, actor, typed, changed=True)
        except Faulty as refused:
            return self._ask(visit, actor, scopes, typed, refused.faults, 422)
        done = await self.offices.switches.batch(actor, batch, visit.now)
        left = len(scopes) - len(done.lines)
        return go(self.url("switches", batch, said="done", left=str(left) if left else ""))

    # What was done

    async def result(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        return await self._result(visit, actor, NOTHING)

    async def _result(
        self,
        visit: Visit,
        actor: Actor,
        typed: Typed,
        faults: Mapping[str, Sequence[str]] | None = None,
        status: int = 200,
    ) -> web.Response:
        batch = await self.offices.switches.batch(actor, visit.request.match_info["batch"], visit.now)
        emergency = batch.kind is SwitchKind.BREAKGLASS
        right = Right.BREAKGLASS if emergency else Right.SWITCH
        names = await self.names(
            [batch.author, *(str(row["cancelled_by"]) for _, row in batch.lines if row["cancelled_by"])]
        )
        lines = []
        for scope, row in batch.lines:
            undone = cast("datetime | None", row["cancelled_at"])
            lines.append(
                SimpleNamespace(
                    id=scope.id,
                    name=scope.name,
                    kind=KINDS.get(scope.kind, scope.kind),
                    now=self._said(visit, scope, self.book.ruling(scope.id, visit.now)),
                    undone=texts.moment(undone, visit.zone) if undone else "",
                    undone_by=names.get(str(row["cancelled_by"]), ""),
                    undone_why=row["cancel_reason"] or "",
                )
            )
        said = {"done": f"La bascule est enregistrée.{_left(visit)}", "undone": "La bascule est annulée."}
        return self.page(
            visit,
            actor,
            "switched",
            "Ouverture de secours" if emergency else "Bascule",
            status=status,
            crumbs=self._way([scope for scope, _ in batch.lines]),
            notice=said.get(visit.request.query.get("said", ""), ""),
            batch=batch.id,
            emergency=emergency,
            state=STATES[batch.state.value],
            author=names[batch.author],
            reason=batch.reason,
            at=texts.moment(batch.created_at, visit.zone),
            begins=texts.moment(batch.effective_from, visit.zone),
            pending=batch.effective_from > visit.now,
            until=texts.moment(batch.derogation_until, visit.zone) if batch.derogation_until else "",
            lines=lines,
            undone=batch.undone,
            may_undo=not batch.undone and all(self.may(actor, right, scope.id) for scope, _ in batch.lines),
            typed=typed,
            faults=faults or {},
        )

    async def undo(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        """The whole act, or the scopes that are ticked."""
        typed = await typed_in(visit)
        batch = visit.request.match_info["batch"]
        only = typed.all("scope") if typed.get("which") == "some" else ()
        if typed.get("which") == "some" and not only:
            return await self._result(visit, actor, typed, {"scope": ["Cochez au moins un établissement."]}, 422)
        try:
            await self.offices.switches.undo(actor, batch, typed.get("reason"), visit.now, only)
        except Faulty as refused:
            return await self._result(visit, actor, typed, refused.faults, 422)
        return go(self.url("switches", batch, said="undone"))


def _left(visit: Visit) -> str:
    """How many of those chosen the act left out, for nothing would have changed there."""
    number = visit.request.query.get("left", "")
    if not number.isascii() or not number.isdigit() or not 0 < len(number) <= 4:
        return ""
    return f" {count(int(number), 'échelon était', 'échelons étaient')} déjà dans cet état à cette date."
