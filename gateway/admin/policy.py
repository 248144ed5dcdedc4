"""The policy of one scope: the form of R91, field by field with what would be inherited, and the legal statuses (G3).

The version read with the form travels in it: when somebody else wrote meanwhile nothing is saved, and the page shows
what was typed beside what holds now (R83).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from aiohttp import web

from gateway.admin import policy_form
from gateway.admin.frame import Room, Typed, typed_in
from gateway.admin.states import in_words, length
from gateway.admin.words import FIELDS, STATUSES, zone_name
from gateway.administration.actor import Actor, ChangedMeanwhile, Faulty, checked_reason, require
from gateway.administration.fields import plain
from gateway.pages.administrator import Work
from gateway.pages.base import Visit, go
from gateway.policy.establishments import Scope
from gateway.policy.legal import CHANNEL_NAMES, MEANS, NAMES
from gateway.policy.rights import Right

# What a choice costs, said where it is made (regulation, points 2 and 3).
COSTS: Mapping[str, str] = {
    "code_validity": "8 heures est plus long que ce que recommandent le NIST et l'OWASP (10 minutes)\u00a0: un code lu "
    "par quelqu'un d'autre sert d'autant plus longtemps.",
    "second_factor_memory": "Un navigateur retenu ne redemande pas de code. Le projet de référentiel conseille 4 heures "
    "au plus\u00a0; le motif est obligatoire et reste au journal.",
    "channels": "Un code par e-mail est une seconde étape et non un second facteur (CNIL)\u00a0; un code par SMS est un "
    "moyen faible, que l'ANSSI déconseille.",
    "methods": "Ce qui n'est pas coché ne permet plus d'entrer. Pro Santé Connect doit rester possible.",
    "session_absolute": "Au bout de cette durée il faut se reconnecter, quoi qu'on fasse.",
    "session_idle": "Sans activité pendant cette durée, la session se ferme.",
}
_LEGAL = ("otp_mail", "otp_sms", "otp_totp", "passkey", "password", "card")


class PolicyPages(Room):
    """GET and POST of the two forms."""

    section = "scopes"

    def table(self) -> Sequence[tuple[str, str, Work]]:
        return [
            ("GET", "/scopes/{scope}/policy", self.form),
            ("POST", "/scopes/{scope}/policy", self.save),
            ("GET", "/scopes/{scope}/legal", self.legal),
            ("POST", "/scopes/{scope}/legal", self.save_legal),
        ]

    def _scope(self, visit: Visit, actor: Actor, right: Right) -> Scope:
        scope = self.offices.scopes.see(actor, visit.request.match_info["scope"])
        require(actor, right, scope.id, self.book)
        return scope

    def _present(self, scope: Scope) -> dict[str, Any]:
        """What the scope sets itself; ``None`` for what it inherits."""
        sourced = self.offices.scopes.sourced_as_json(scope.id)
        return {name: one["value"] if one["set_here"] else None for name, one in sourced.items()}

    # The fields of R91

    async def form(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        scope = self._scope(visit, actor, Right.POLICY)
        return self._show(visit, actor, scope, policy_form.shown(self._present(scope), visit.zone))

    async def save(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        typed = await typed_in(visit)
        scope = self._scope(visit, actor, Right.POLICY)
        values, faults = policy_form.read(typed, visit.zone)
        present = self._present(scope)
        if faults:
            return self._show(visit, actor, scope, typed, faults=faults, status=422)
        changes = policy_form.changed(values, present)
        if not changes and typed.version == scope.version:
            return go(self.url("scopes", scope.id, said="same"))
        try:
            why = checked_reason(typed.get("reason"))
            await self.offices.scopes.edit(actor, scope.id, typed.version, changes, why, visit.now)
        except Faulty as refused:
            return self._show(visit, actor, scope, typed, faults=self._in_minutes(refused.faults), status=422)
        except ChangedMeanwhile:
            scope = self._scope(visit, actor, Right.POLICY)
            return self._show(visit, actor, scope, typed, values=values, status=409)
        return go(self.url("scopes", scope.id, said="policy"))

    def _in_minutes(self, faults: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
        """The bounds as the form counts."""
        bounds = self.offices.scopes.bounds
        limits = {
            "code_validity": (60, bounds.code_validity_max),
            "second_factor_memory": (0, bounds.second_factor_memory_max),
            "session_absolute": (60, bounds.session_absolute_max),
            "session_idle": (60, bounds.session_idle_max),
        }
        return {
            name: [
                f"Choisissez une durée de {length(limits[name][0])} à {length(int(limits[name][1].total_seconds()))}."
            ]
            if name in limits
            else sentences
            for name, sentences in faults.items()
        }

    def _show(
        self,
        visit: Visit,
        actor: Actor,
        scope: Scope,
        typed: Typed,
        *,
        faults: Mapping[str, Sequence[str]] | None = None,
        values: Mapping[str, Any] | None = None,
        status: int = 200,
    ) -> web.Response:
        above = self.book.sourced(scope.parent)
        bounds = self.offices.scopes.bounds
        durations = [
            SimpleNamespace(
                name=name,
                label=FIELDS[name],
                presets=[(str(one), length(one)) for one in presets],
                inherited=self._inherited(visit, above, name),
                cost=COSTS[name],
            )
            for name, presets in policy_form.DURATIONS.items()
        ]
        return self.page(
            visit,
            actor,
            "policy",
            "Modifier la politique",
            status=status,
            crumbs=[*self.crumbs(actor, scope), (scope.name, self.url("scopes", scope.id))],
            scope=scope,
            typed=typed,
            faults=faults or {},
            conflict=self._compared(visit, scope, values) if values is not None else (),
            durations=durations,
            inherited={name: self._inherited(visit, above, name) for name in FIELDS},
            channels=[(one, CHANNEL_NAMES[one]) for one in bounds.channels],
            means=[(one, NAMES[one]) for one in bounds.means],
            rows=policy_form.rows(typed),
            costs=COSTS,
            labels=FIELDS,
            zone=zone_name(visit.zone.key),
            version=scope.version,
        )

    def _inherited(self, visit: Visit, above: Mapping[str, Any], name: str) -> str:
        """What would hold here without a value of its own, and where that comes from."""
        one = above[name]
        source = self.book.scope(one.scope) if one.scope else None
        words = ", ".join(in_words(name, plain(name, one.value), visit.zone))
        return f"{words} ({source.name if source else 'réglage national'})"

    def _compared(self, visit: Visit, scope: Scope, values: Mapping[str, Any]) -> Sequence[tuple[str, str, str]]:
        """Where what was typed and what holds now differ: field, typed, present."""
        present = self._present(scope)

        def said(name: str, value: Any) -> str:
            return "hérité" if value is None else ", ".join(in_words(name, value, visit.zone))

        differing = policy_form.changed(values, present)
        return [(FIELDS[name], said(name, value), said(name, present.get(name))) for name, value in differing.items()]

    # Legal statuses

    async def legal(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        scope = self._scope(visit, actor, Right.LEGAL)
        typed = policy_form.legal_shown(self._present(scope)["legal"], _LEGAL, visit.zone)
        return self._show_legal(visit, actor, scope, typed)

    async def save_legal(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        typed = await typed_in(visit)
        scope = self._scope(visit, actor, Right.LEGAL)
        legal, faults = policy_form.legal_read(typed, _LEGAL, visit.zone)
        if faults:
            return self._show_legal(visit, actor, scope, typed, faults=faults, status=422)
        try:
            await self.offices.scopes.edit(
                actor, scope.id, typed.version, {"legal": legal}, typed.get("reason"), visit.now
            )
        except Faulty as refused:
            return self._show_legal(visit, actor, scope, typed, faults=refused.faults, status=422)
        except ChangedMeanwhile:
            scope = self._scope(visit, actor, Right.LEGAL)
            return self._show_legal(visit, actor, scope, typed, status=409)
        return go(self.url("scopes", scope.id, said="policy"))

    def _show_legal(
        self,
        visit: Visit,
        actor: Actor,
        scope: Scope,
        typed: Typed,
        *,
        faults: Mapping[str, Sequence[str]] | None = None,
        status: int = 200,
    ) -> web.Response:
        present = self.book.legal(scope.id)
        rows = []
        for name in _LEGAL:
            held = present.get(name)
            words = in_words("legal", plain("legal", {name: held.value}), visit.zone)[0] if held else ""
            choices = ("cpx", "interdit") if name == "card" else ("homologue", "transition", "interdit")
            rows.append(
                SimpleNamespace(
                    name=name,
                    label=NAMES[name],
                    present=words.partition("\u00a0: ")[2] or "–",
                    choices=[("", "hériter"), *((one, STATUSES[one]) for one in choices)],
                    dated=name in MEANS and name != "card",
                )
            )
        return self.page(
            visit,
            actor,
            "legal",
            "Statut légal des moyens",
            status=status,
            crumbs=[*self.crumbs(actor, scope), (scope.name, self.url("scopes", scope.id))],
            scope=scope,
            typed=typed,
            faults=faults or {},
            conflict=status == 409,
            rows=rows,
            zone=zone_name(visit.zone.key),
            version=scope.version,
        )
