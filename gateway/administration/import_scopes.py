"""Scopes from a file (R82): one pass to look for what is wrong in the file itself, then one for each kind, from the top down,
so that parents may come anywhere and none is its own ancestor.

* What exists keeps its id and its policy; its name, its town and its number follow the file, its parent only with the
  option ``move``.
* An establishment of FINESS belongs to its legal entity when both lie in the same department, otherwise to its department:
  the region that looks after a place is the region it lies in.
* Establishments that came from FINESS and are absent from an extraction that covers their department are reported, and
  retired with the option ``retire`` when nobody is attached to them.

A row needs the right to shape its parent; who may not even see the parent is told what an unknown one is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

from gateway.accounts.account import Role
from gateway.administration.actor import Actor, NotThere, reserved
from gateway.administration.import_absent import Absent
from gateway.administration.import_report import MOST_CHANGES, Note, Outcome, Run, TooMany
from gateway.administration.import_traces import Traces, scope_traces
from gateway.administration.revisions import Revisions
from gateway.administration.scope_changes import at, below, changed, moves, parents_kept
from gateway.administration.scope_files import Extraction, Place, Table, is_finess
from gateway.administration.tables import Source, Unreadable
from gateway.desk import PolicyDesk
from gateway.identity import searchable
from gateway.policy.rights import Right, Verdict, verdict
from gateway.policy.territories import DEPARTMENTS, REGIONS, department, of_finess
from gateway.policy.tree import KINDS
from gateway.ports import Audit, Change, Insert, Records, Row, Value
from gateway.reasons import Stale

OPTIONS = ("move", "retire")
_UNKNOWN = NotThere().sentence
_FORBIDDEN = reserved(Right.SHAPE)
_NATIONAL = "Ce qui dépend directement du pays est créé par l'équipe nationale."
_NUMBERED = "Ce numéro FINESS est déjà celui d'un autre élément."
_MOST_MOVED = 400  # scopes below one that moves
_RANK = {kind: place for place, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class _Parent:
    id: str
    kind: str
    path: str


class ScopeImport:
    """``run`` is called once. Raises ``Unreadable``, ``RecordsUnavailable``."""

    def __init__(self, records: Records, revisions: Revisions, audit: Audit, desk: PolicyDesk) -> None:
        self._records = records
        self._revisions = revisions
        self._audit = audit
        self._desk = desk

    async def run(self, run: Run, source: Source) -> None:
        await _Scopes(self._records, self._revisions, Traces(self._audit), self._desk, run, source).run()


class _Scopes:
    def __init__(
        self, records: Records, revisions: Revisions, written: Traces, desk: PolicyDesk, run: Run, source: Source
    ) -> None:
        self._records = records
        self._revisions = revisions
        self._traces = written
        self._desk = desk
        self._run = run
        self._actor: Actor = run.actor
        self._national = any(grant.role is Role.NATIONAL for grant in run.actor.grants)
        self._finess = is_finess(source)
        if self._finess and source.encoding == "cp1252":
            source = replace(source, encoding="iso-8859-15")  # as the ministry writes it
        self._source = source
        self._move = run.options.get("move") == "1"
        self._top = self._nation = False  # whether there is a nation already: written, and with this batch
        self._where: dict[str, str] = {}  # INSEE code of a department → its scope

    async def run(self) -> None:
        file = Extraction(self._source) if self._finess else Table(self._source)
        kinds, codes = await self._survey(file)
        if file.ignored:
            self._run.remark("Colonnes ignorées : " + ", ".join(file.ignored))
        await self._desk.refresh()
        self._top = any(scope.kind == "nation" for scope in self._desk.book.scopes.values())
        if self._finess:
            await self._territories(codes)
        passes = [kind for kind in KINDS if kind in kinds]
        for number, kind in enumerate(passes, 1):
            share = (number / (len(passes) + 1), (number + 1) / (len(passes) + 1))
            async for batch in self._run.batches(self._source, partial(self._of_kind, file, kind), share):
                await self._run.settle(batch, self._settle)
        if self._finess and "etablissement" in kinds:
            absent = Absent(self._records, self._revisions, self._traces, self._desk, self._run)
            await absent.report(set(self._where.values()))
        await self._run.publish()

    async def _survey(self, file: Table | Extraction) -> tuple[set[str], set[str]]:
        """The kinds in the file and the departments it speaks of; what is wrong in a line by itself is noted."""
        kinds: set[str] = set()
        codes: set[str] = set()
        async for batch in self._run.batches(self._source, file.places, (0.0, 0.1)):
            for place in batch:
                self._run.ledger.last = place.line
                self._run.ledger.see("present", place.finess, place.line)
                if place.fault:
                    self._run.add([Note(place.line, Outcome.REFUSED, place.key, place.fault)])
                    continue
                kinds.add(place.kind)
                for name, value in _names(place):
                    self._run.ledger.see(name, value, place.line)
                if place.owner:
                    kinds.add("entite")
                codes |= {code for code in (department(place.department), of_finess(place.owner)) if code}
        return kinds, codes

    def _of_kind(self, file: Table | Extraction, kind: str) -> Iterator[Place]:
        """What the file says of this kind; of legal entities also those that only their establishments name."""
        ledger = self._run.ledger
        for place in file.places():
            if place.fault:
                continue
            if place.kind == kind:
                firsts = {ledger.seen(name, value)[0] for name, value in _names(place)}
                earlier = min(firsts - {place.line}, default=0)
                yield replace(place, fault=f"Déjà à la ligne {earlier}.") if earlier else place
            elif (
                kind == "entite"
                and place.owner
                and not ledger.seen("finess", f"entite {place.owner}")[0]
                and ledger.see("implied", place.owner, place.line) == place.line
            ):
                yield Place(
                        place.line, place.read, "entite", f"Entité juridique {place.owner}", finess=place.owner,
                        department=of_finess(place.owner) or place.department, implied=True,
                    )  # fmt: skip

    async def _settle(self, places: Sequence[Place]) -> Sequence[Note]:
        """Decide and write one batch; all or nothing, and over the tree that it was decided on."""
        await self._desk.refresh()
        seen = self._desk.revision
        self._nation = self._top
        by_id, by_finess = await self._known(places)
        owners = await self._owners(places)
        notes: list[Note] = []
        changes: list[Change] = []
        planned: dict[str, str] = {}
        wanted: list[Change]
        for place in places:
            known = by_id.get(place.id) if place.id else None
            same = by_finess.get((place.finess, place.kind)) if place.finess and place.kind != "service" else None
            known = known or same or by_id.get(place.new_id)
            if place.fault:
                note, wanted = Note(place.line, Outcome.REFUSED, place.key, place.fault), []
            elif known is None:
                note, wanted, path = self._new(place, owners)
                if wanted:
                    self._nation = self._nation or place.kind == "nation"
                    planned[place.new_id] = f"{place.kind}\t{path}"
            elif place.implied:
                continue
            else:
                note, wanted = await self._same(place, known, same, owners)
            if place.implied and note.outcome is Outcome.REFUSED:
                continue  # the establishment itself will say so
            notes.append(note)
            changes += wanted
        if len(changes) > MOST_CHANGES and len(places) > 1:
            raise TooMany
        if changes and not self._run.dry_run:
            moved, kept = moves(changes), parents_kept(changes)

            def written(revision: int) -> Sequence[Change]:
                if moved and revision != seen + 1:
                    raise Stale("somebody else changed a scope")
                return [*kept, *(at(revision, change) for change in changes)]

            await self._traces.write(scope_traces(self._actor, self._run.id, changes, by_id, self._run.now()))
            await self._revisions.write(written)
        self._top = self._nation
        if self._run.dry_run:
            for name, value in planned.items():
                self._run.ledger.keep(name, value)
        return notes

    async def _known(self, places: Sequence[Place]) -> tuple[dict[str, Row], dict[tuple[str, str], Row]]:
        """The rows that these places may mean, by id, and by number and kind."""
        ids = sorted({place.new_id for place in places})
        numbers = sorted({place.finess for place in places if place.finess})
        rows = await self._records.find("scopes", {"id": ids})
        numbered = await self._records.find("scopes", {"finess": numbers}, order=("-id",)) if numbers else ()
        return (
            {cast(str, row["id"]): row for row in (*rows, *numbered)},
            {(cast(str, row["finess"]), cast(str, row["kind"])): row for row in numbered},
        )

    async def _owners(self, places: Sequence[Place]) -> dict[str, _Parent]:
        """The legal entities of these establishments, by number, as they are or would be."""
        numbers = sorted({place.owner for place in places if place.owner})
        found: dict[str, _Parent] = {}
        for number in numbers:
            if (kept := self._parent(f"ej-{number}")) is not None:
                found[number] = kept
        rows = (
            await self._records.find("scopes", {"finess": numbers, "kind": "entite"}, order=("-id",)) if numbers else ()
        )
        for row in rows:
            if row["path"] is not None:
                found[cast(str, row["finess"])] = _Parent(cast(str, row["id"]), "entite", cast(str, row["path"]))
        return found

    def _parent(self, scope_id: str) -> _Parent | None:
        scope = self._desk.book.scope(scope_id)
        if scope is not None and scope.path:
            return _Parent(scope.id, scope.kind, scope.path)
        kind, _, path = (self._run.ledger.kept(scope_id) or "").partition("\t")
        return _Parent(scope_id, kind, path) if path else None

    def _wanted_parent(self, place: Place, owners: dict[str, _Parent]) -> _Parent | str | None:
        """Where the place should hang, or why it cannot; ``None``: at the top."""
        if self._finess and not place.parent:
            code = department(place.department)
            if code is None:
                return f"Département inconnu : {place.department or 'absent'}."
            above = self._parent(self._where[code]) if code in self._where else None
            if above is None:
                return _UNKNOWN
            owner = owners.get(place.owner)
            return owner if owner is not None and owner.path.startswith(above.path) else above
        if not place.parent:
            return None if place.kind == "nation" else "Indiquez le rattachement (colonne parent)."
        return self._parent(place.parent) or _UNKNOWN

    def _objection(self, place: Place, parent: _Parent | None) -> str:
        """Why the actor cannot put something there; empty when they can."""
        if parent is None:
            if not self._national:
                return _UNKNOWN
            return "Il n'y a qu'un périmètre national." if self._nation else ""
        if self._desk.book.scope(parent.id) is not None:  # otherwise planned, and allowed with its own parent
            said = verdict(self._actor.grants, Right.SHAPE, parent.id, self._desk.book)
            if said is not Verdict.ALLOWED:
                return _UNKNOWN if said is Verdict.HIDDEN else _FORBIDDEN
        if parent.kind == "nation" and not self._national:
            return _NATIONAL
        if _RANK.get(parent.kind, len(KINDS)) >= _RANK[place.kind]:
            return f"Un élément de type {place.kind} ne peut pas dépendre d'un élément de type {parent.kind}."
        return ""

    def _new(self, place: Place, owners: dict[str, _Parent]) -> tuple[Note, list[Change], str]:
        parent = self._wanted_parent(place, owners)
        objection = parent if isinstance(parent, str) else self._objection(place, parent)
        if objection or isinstance(parent, str):
            return Note(place.line, Outcome.REFUSED, place.key, objection), [], ""
        path = f"{parent.path if parent else '/'}{place.new_id}/"
        detail = "Entité juridique connue par ses établissements seulement." if place.implied else ""
        made = Insert(
            "scopes",
            {
                "id": place.new_id, "parent_id": parent.id if parent else None, "kind": place.kind, "name": place.name,
                "finess": place.finess or None, "city": place.city or None, "path": path,
                "source": "finess" if self._finess else "csv", "updated_at": self._run.now(), "version": 1,
            },
        )  # fmt: skip
        return Note(place.line, Outcome.CREATED, place.new_id, detail), [made], path

    async def _same(
        self, place: Place, known: Row, same: Row | None, owners: dict[str, _Parent]
    ) -> tuple[Note, list[Change]]:
        """What the file changes of a scope that exists."""

        def refused(sentence: str) -> tuple[Note, list[Change]]:
            return Note(place.line, Outcome.REFUSED, place.key, sentence), []

        scope_id, path = cast(str, known["id"]), cast("str | None", known["path"])
        above = cast("str | None", known["parent_id"])
        if (
            verdict(self._actor.grants, Right.SHAPE, above or scope_id, self._desk.book) is not Verdict.ALLOWED
            or not path
        ):
            return refused(_UNKNOWN)
        if known["kind"] != place.kind:
            return refused(f"{scope_id} existe déjà, avec le type {known['kind']}.")
        if same is not None and same["id"] != scope_id:
            return refused(_NUMBERED)
        if place.id and place.id != scope_id:
            return refused(_NUMBERED)
        brought: dict[str, Value] = {"name": place.name, "city": place.city, "finess": place.finess}
        values = {name: value for name, value in brought.items() if value and value != known[name]}
        detail, lower = "", list[Change]()
        parent = self._wanted_parent(place, owners) if self._finess or place.parent else None
        if isinstance(parent, _Parent) and parent.id != above:
            if not self._move:
                detail = "Rattachement conservé (option move pour le changer)."
            elif objection := self._objection(place, parent):
                return refused(objection)
            else:
                moved = await self._moved(scope_id, path, f"{parent.path}{scope_id}/")
                if moved is None:
                    return refused(f"Plus de {_MOST_MOVED} éléments en dépendent : à déplacer depuis sa page.")
                values |= {"parent_id": parent.id, "path": f"{parent.path}{scope_id}/"}
                lower = moved
        if known["retired_at"] is not None:
            detail = f"{detail} Cet élément est fermé et le reste.".strip()
        if not values:
            return Note(place.line, Outcome.UNCHANGED, scope_id, detail), []
        return Note(place.line, Outcome.UPDATED, scope_id, detail), [changed(known, values, self._run.now()), *lower]

    async def _moved(self, scope_id: str, before: str, after: str) -> list[Change] | None:
        """New paths for all that lies below; ``None`` when it is too much for one transaction."""
        rows = await self._records.find("scopes", {"path": below(before)}, limit=_MOST_MOVED + 2)
        if len(rows) > _MOST_MOVED + 1:
            return None
        return [
            changed(row, {"path": after + cast(str, row["path"]).removeprefix(before)}, self._run.now())
            for row in rows
            if row["id"] != scope_id
        ]

    async def _territories(self, codes: set[str]) -> None:
        """The scopes of the departments in the file and of their regions: by id, else by name, else made."""
        await self._desk.refresh()
        book = self._desk.book
        nation = next((one for one in book.scopes.values() if one.kind == "nation" and not one.parent), None)
        if nation is None:
            raise Unreadable("Il n'y a pas encore de périmètre national : importez-le d'abord.")
        named = {
            (one.kind, searchable(one.name)): one
            for one in book.scopes.values()
            if one.kind in ("region", "departement") and one.path
        }
        rows = [
            Place(1, 0, "region", REGIONS[code], f"r-{code}", nation.id)
            for code in sorted({DEPARTMENTS[one][1] for one in codes})
            if f"r-{code}" not in book.scopes and ("region", searchable(REGIONS[code])) not in named
        ]
        if self._national:
            await self._run.settle(rows, self._settle)
        await self._desk.refresh()
        lower: list[Place] = []
        for code in sorted(codes):
            name, region = DEPARTMENTS[code]
            above = self._parent(f"r-{region}")
            if above is None and (found := named.get(("region", searchable(REGIONS[region])))) is not None:
                above = _Parent(found.id, "region", found.path)
            alike = named.get(("departement", searchable(name)))
            if f"d-{code}" not in book.scopes and alike is not None and above and alike.path.startswith(above.path):
                self._where[code] = alike.id
                continue
            self._where[code] = f"d-{code}"
            if f"d-{code}" not in book.scopes and above is not None and not self._objection(_A_DEPARTMENT, above):
                lower.append(Place(1, 0, "departement", name, f"d-{code}", above.id))
        await self._run.settle(lower, self._settle)


_A_DEPARTMENT = Place(1, 0, "departement", "")


def _names(place: Place) -> list[tuple[str, str]]:
    """What no two lines of a file may share."""
    found = [("id", place.id)] if place.id else []
    if place.finess and place.kind != "service":
        found.append(("finess", f"{place.kind} {place.finess}"))
    return found
