"""The audit as a list: filters, pages, export (R93). Lines are shown as they were written; nothing here can change one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

from aiohttp import web

from gateway import texts
from gateway.admin.download import table
from gateway.admin.frame import Room, Typed, asked, typed_in
from gateway.admin.states import in_words
from gateway.admin.when import BadDate, field_of, instant_of
from gateway.admin.words import ACTS, FIELDS, ROLES, STATES, VALUES, author, count, reason_said, zone_name
from gateway.administration.actor import Actor
from gateway.audit import Act
from gateway.overview import AuditQuery
from gateway.pages.administrator import Work
from gateway.pages.base import Visit
from gateway.ports import Row

PAGE = 50
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00\Z", re.ASCII)
_HIDDEN = frozenset({
    "author", "author_name", "old", "new", "why", "batch", "request", "token", "role", "session", "asked", "instead_of",
    "more", "stage",
})  # fmt: skip
_FACTS = {
    "name": "Nom", "until": "Jusqu'au", "from": "Souhaité pour", "since": "Depuis le", "means": "Moyen", "method": "Moyen",
    "channel": "Envoi", "outcome": "Réponse", "space": "Espace", "import": "Import", "state": "État", "kind": "Nature",
    "acts": "Actes", "dry_run": "Essai", "phase": "Étape", "again": "Nouvel envoi",
    "what": "Objet", "delegation": "Délégation", "looked_for": "Session cherchée", "moment": "Au moment", "sessions": "Sessions",
    "lines": "Lignes", "assurance": "Niveau", "proposed": "Personne proposée", "by": "Par", "delegator": "Médecin",
    "delegate": "Personne habilitée", "start": "Premier jour", "end": "Dernier jour", "rights": "Droits",
    "start_before": "Premier jour avant", "end_before": "Dernier jour avant", "rights_before": "Droits avant",
    "days_left": "Jours restants", "found": "Trouvés",
}  # fmt: skip
_SHAPE = {"name": "Nom", "city": "Ville", "retired": "Fermé", "parent": "Échelon du dessus", "kind": "Échelon",
          "finess": "FINESS"}  # fmt: skip


class Journal(Room):
    """GET admin/audit and its export."""

    section = "audit"

    def table(self) -> Sequence[tuple[str, str, Work]]:
        return [("GET", "/audit", self.show), ("POST", "/audit/export", self.export)]

    async def show(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        typed = asked(visit)
        query, faults = self._query(visit, actor, typed)
        rows: Sequence[Row] = () if faults else await self.offices.audit_trail.page(actor, query, visit.now)
        scope = self.book.scope(typed.get("scope"))
        kept = {name: typed.get(name) for name in ("scope", "account", "act", "since", "until")}
        kept["below"] = "1" if query.scope_path else ""
        more = len(rows) == PAGE
        return self.page(
            visit,
            actor,
            "audit",
            "Journal",
            status=422 if faults else 200,
            crumbs=[*self.crumbs(actor, scope), (scope.name, self.url("scopes", scope.id))] if scope else (),
            scope=scope,
            typed=typed,
            faults=faults,
            acts=[("", "tous"), *sorted(((key, label) for key, label in ACTS.items()), key=lambda one: one[1])],
            since=field_of(query.since, visit.zone) or typed.get("since"),
            until=field_of(query.until, visit.zone) or typed.get("until"),
            history=await lines_of(self, visit, rows),
            said_rows=count(len(rows), "acte"),
            kept=[(name, value) for name, value in kept.items() if value],
            next=self.url("audit", **kept, before=str(rows[-1]["seq"])) if more else "",
            first=self.url("audit", **kept) if query.before else "",
            zone=zone_name(visit.zone.key),
        )

    def _query(self, visit: Visit, actor: Actor, typed: Typed) -> tuple[AuditQuery, dict[str, list[str]]]:
        """What the form asks for, and the dates that could not be read. Raises ``NotThere`` for a scope out of reach."""
        faults: dict[str, list[str]] = {}
        instants: dict[str, datetime | None] = {}
        for name in ("since", "until"):
            instants[name] = None
            if typed.get(name):
                try:
                    instants[name] = instant_of(typed.get(name), visit.zone)
                except BadDate as error:
                    faults[name] = [error.sentence]
        scope = self.offices.scopes.see(actor, typed.get("scope")) if typed.get("scope") else None
        below = scope is not None and typed.has("below")
        before, act = typed.get("before"), typed.get("act")
        query = AuditQuery(
            reach=actor.reach(self.book).paths,
            scope=scope.id if scope and not below else "",
            scope_path=scope.path if scope and below else "",
            account=typed.get("account")[:200],
            acts=(act,) if act in set(Act) else (),
            since=instants["since"],
            until=instants["until"],
            before=int(before) if before.isascii() and before.isdigit() and len(before) < 16 else None,
            limit=PAGE,
        )
        return query, faults

    async def export(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        """The same rows as a table. Exporting is an act of its own, so it is posted."""
        typed = await typed_in(visit)
        query, faults = self._query(visit, actor, typed)
        if faults:
            raise web.HTTPBadRequest
        lines = self.offices.audit_trail.export(actor, query, visit.now)
        return await table(f"journal-{visit.now:%Y-%m-%d}.csv", lines)


async def history_of(room: Room, visit: Visit, actor: Actor, scope_id: str, limit: int) -> Sequence[SimpleNamespace]:
    """The newest lines about one scope."""
    query = AuditQuery(reach=actor.reach(room.book).paths, scope=scope_id, limit=limit)
    return await lines_of(room, visit, await room.offices.audit_trail.page(actor, query, visit.now))


async def lines_of(room: Room, visit: Visit, rows: Sequence[Row]) -> Sequence[SimpleNamespace]:
    """Rows of ``audit`` as people read them."""
    accounts = await room.names([str(row["account"]) for row in rows if row["account"]])
    found = []
    for row in rows:
        facts = json.loads(cast(str, row["facts"]) or "{}")
        scope = room.book.scope(str(row["scope"])) if row["scope"] else None
        on, on_url = "", ""
        if scope is not None:
            on, on_url = scope.name, room.url("scopes", scope.id)
        elif row["account"]:
            on, on_url = accounts[str(row["account"])], room.url("accounts", str(row["account"]))
        who = str(facts.get("author") or row["account"] or "")
        found.append(
            SimpleNamespace(
                at=texts.moment(cast(datetime, row["at"]), visit.zone),
                what=ACTS.get(str(row["act"]), str(row["act"])),
                who=author(who, str(facts.get("author_name") or accounts.get(who, ""))),
                on=on,
                on_url=on_url,
                more=_more(room, visit, row, facts),
            )
        )
    return found


def _more(room: Room, visit: Visit, row: Row, facts: Mapping[str, Any]) -> list[str]:
    """The facts of an act: old → new, why, and the rest as it was written."""
    lines = []
    if facts.get("why"):
        lines.append(f"Motif\u00a0: {_why(row, str(facts['why']))}")
    old, new = _values(facts.get("old")), _values(facts.get("new"))
    if isinstance(old, dict) and isinstance(new, dict):
        for name in {**old, **new}:
            label = FIELDS.get(name) or _SHAPE.get(name, name)
            lines.append(f"{label}\u00a0: {_said(visit, name, old.get(name))} → {_said(visit, name, new.get(name))}")
    elif old or new:
        lines.append(" → ".join(_state(visit, one) for one in (old, new) if one))
    if row["reason"]:
        lines.append(f"Cause\u00a0: {reason_said(str(row['reason']))}")
    if facts.get("role"):
        lines.append(f"Rôle\u00a0: {ROLES.get(str(facts['role']), facts['role'])}")
    for name, value in facts.items():
        if name == "from" and "session" in facts:  # the name of the session before
            continue
        if name not in _HIDDEN and value:
            lines.append(f"{_FACTS.get(name, name)}\u00a0: {_fact(visit, str(value))}")
    return lines


def _why(row: Row, text: str) -> str:
    """A reason as somebody wrote it; of the end of acting the word that the gateway has for it."""
    return VALUES.get(text) or reason_said(text) if row["act"] == Act.ACTING_ENDED.value else text


def _fact(visit: Visit, text: str) -> str:
    """An instant in the hour of the region, a word in French; everything else as it was written."""
    if text in VALUES:
        return VALUES[text]
    if _INSTANT.match(text):
        return texts.moment(datetime.fromisoformat(text), visit.zone)
    return text


def _values(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _said(visit: Visit, name: str, value: Any) -> str:
    if value is None:
        return "hérité" if name in FIELDS else "–"
    if isinstance(value, bool):
        return "oui" if value else "non"
    try:
        return ", ".join(in_words(name, value, visit.zone))
    except (TypeError, ValueError, KeyError, AttributeError):  # a spelling of another version
        return str(value)


def _state(visit: Visit, text: Any) -> str:
    """« strong from 2026-03-02T08:00:00+00:00 », « password_only (cut-off) »: as ``switching`` writes them."""
    said = str(text)
    state, _, rest = said.partition(" ")
    label = STATES.get(state, state)
    if rest.startswith("from "):
        try:
            return f"{label} à partir du {texts.moment(datetime.fromisoformat(rest[5:]), visit.zone)}"
        except ValueError:
            return said
    return label
