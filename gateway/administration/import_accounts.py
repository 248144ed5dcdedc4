"""Accounts from a file of VT (R102): one pass to look for what is wrong in the file itself, one to write.

Who a line means is found by its login keys; two accounts for one line is a refusal. What an account may lose to a file:

* The account lies not wholly within the importer's reach, with all that its person belongs to or looks after: nothing; it
  is only attached to the scopes of the line. Otherwise a file that attaches somebody could overwrite them the next time.
* It is, and people have not touched it since it was imported (``updated_at`` is ``created_at``; an import leaves it so):
  what the line brings is taken, a password only over none or over one that was imported.
* People have touched it: only what is empty is filled. A proved address, a name proved by a card, a password chosen here
  stay.

Of two accounts with one address neither has it to itself (R99), unless people have touched the one that had it before.
An imported account has never proved who it is (R79). A row needs the right to import at each scope that it names; only the
nation's team imports people without scope.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from gateway.accounts import foreign
from gateway.accounts.account import Grant, Origin, Role
from gateway.accounts.mailboxes import Mailboxes
from gateway.administration.account_files import NO_PASSWORD, People, Person
from gateway.administration.actor import reserved
from gateway.administration.import_report import MOST_CHANGES, Note, Outcome, Run, TooMany
from gateway.administration.import_traces import Traces, traces
from gateway.administration.tables import Source
from gateway.desk import PolicyDesk
from gateway.identity import Space, searchable
from gateway.policy.rights import Right, Verdict, rank, verdict
from gateway.ports import Ambient, Audit, Bus, Change, Insert, Records, Row, Update, Value
from gateway.reasons import Stale, StoreUnavailable

OPTIONS: tuple[str, ...] = ()
_FORBIDDEN = reserved(Right.IMPORT)
_SHARED = "Adresse mail partagée avec un autre compte : à corriger avant de pouvoir recevoir des codes."


def _alike(change: Change) -> tuple[int, tuple[str, ...]]:
    """Accounts before what belongs to them, and what is written alike side by side: it is one statement then."""
    return ("accounts", "logins", "memberships").index(change.table), tuple(getattr(change, "values", ()))


@dataclass
class _Known:
    """What the database holds about the persons of one batch."""

    owners: Mapping[str, str]  # login key → account
    accounts: Mapping[str, Row]
    holders: Mapping[str, Sequence[Row]]  # canonical address → accounts
    attached: Mapping[str, Sequence[str]]  # account → scopes
    grants: Mapping[str, Sequence[Grant]]
    numbered: Mapping[str, Row]  # FINESS number → scope
    services: Mapping[str, Sequence[Row]]  # establishment → its services


class _Batch:
    """What one transaction will write, account by account, so that no row is changed twice."""

    def __init__(self) -> None:
        self.made: list[Change] = []
        self.values: defaultdict[str, dict[str, Value]] = defaultdict(dict)
        self.touched: set[str] = set()  # accounts that workers may have cached
        self.left: list[str] = []  # addresses that an account gave up


class AccountImport:
    """``run`` may raise ``Unreadable`` and ``RecordsUnavailable``."""

    def __init__(self, records: Records, ambient: Ambient, audit: Audit, bus: Bus | None, desk: PolicyDesk) -> None:
        self._records = records
        self._ambient = ambient
        self._audit = audit
        self._bus = bus
        self._desk = desk

    async def run(self, run: Run, source: Source) -> None:
        await _Accounts(self._records, self._ambient, self._audit, self._bus, self._desk, run).run(source)


class _Accounts:
    def __init__(
        self, records: Records, ambient: Ambient, audit: Audit, bus: Bus | None, desk: PolicyDesk, run: Run
    ) -> None:
        self._records = records
        self._ambient = ambient
        self._traces = Traces(audit)
        self._bus = bus
        self._desk = desk
        self._run = run
        self._national = any(grant.role is Role.NATIONAL for grant in run.actor.grants)

    async def run(self, source: Source) -> None:
        people = People(source, self._run.now())
        if people.ignored:
            self._run.remark("Colonnes ignorées : " + ", ".join(people.ignored))
        async for batch in self._run.batches(source, people.persons, (0.0, 0.1)):
            for person in batch:
                ledger, firsts = self._run.ledger, set[int]()
                if not person.fault:
                    firsts = {ledger.see("key", key, person.line) for key in person.keys}
                if person.mail_key and firsts == {person.line}:
                    ledger.see("mail", person.mail_key, person.line)

        def persons() -> Iterator[Person]:
            for person in people.persons():
                earlier = min(
                    {self._run.ledger.seen("key", one)[0] for one in person.keys} - {0, person.line}, default=0
                )
                doubled = not person.fault and 0 < earlier < person.line
                yield replace(person, fault=f"Même personne que la ligne {earlier}.") if doubled else person

        async for batch in self._run.batches(source, persons, (0.1, 1.0)):
            await self._run.settle(batch, self._settle)
            await self._run.publish()
        await self._run.publish()

    async def _settle(self, persons: Sequence[Person]) -> Sequence[Note]:
        """Decide and write one batch; all or nothing."""
        await self._desk.refresh()
        known = await self._known([person for person in persons if not person.fault])
        batch = _Batch()
        notes = [self._decide(person, known, batch) for person in persons]
        now = self._run.now()
        changes: list[Change] = sorted(batch.made, key=_alike)
        for account_id, values in batch.values.items():
            row = known.accounts[account_id]
            version = cast(int, row["version"])
            # An account that nobody but imports touched stays so; the others are changed as by anybody else.
            moved = {} if _untouched(row) else {"updated_at": now}
            changes.append(
                Update("accounts", {**values, **moved, "version": version + 1}, {"id": account_id, "version": version})
            )
        if len(changes) > MOST_CHANGES and len(persons) > 1:
            raise TooMany
        if changes and not self._run.dry_run:
            who, run_id = self._run.actor, self._run.id
            await self._traces.write(traces(who, run_id, batch.made, batch.values, known.accounts, now))
            await self._records.write(*changes)
            for address in batch.left:
                try:
                    await Mailboxes(self._records).settle(address, now)
                except Stale:
                    continue  # the account that has it now changes all the time: its person can still prove it
            for account_id in sorted(batch.touched | set(batch.values)):
                await self._tell(account_id)
        return notes

    async def _tell(self, account_id: str) -> None:
        if self._bus is not None:
            try:
                await self._bus.publish(f"account:{account_id}")
            except StoreUnavailable:
                return  # workers read it again within seconds

    async def _known(self, persons: Sequence[Person]) -> _Known:
        find = self._records.find

        async def among(table: str, column: str, values: set[str]) -> tuple[Row, ...]:
            return await find(table, {column: sorted(values)}) if values else ()

        owners = {
            cast(str, row["key"]): cast(str, row["account_id"])
            for row in await among("logins", "key", {key for person in persons for key in person.keys})
        }
        national = {person.national_id for person in persons if person.national_id}
        by_number = await among("accounts", "national_id", national)
        sharing = await among("accounts", "mail_canonical", {one.mail_key for one in persons if one.mail_key})
        rows = (*await among("accounts", "id", set(owners.values())), *by_number, *sharing)
        accounts = {cast(str, row["id"]): row for row in rows}
        owners |= {cast(str, row["national_id"]): cast(str, row["id"]) for row in by_number}
        ids = set(accounts)
        attached: defaultdict[str, list[str]] = defaultdict(list)
        for row in await among("memberships", "account_id", ids):
            attached[cast(str, row["account_id"])].append(cast(str, row["scope_id"]))
        grants: defaultdict[str, list[Grant]] = defaultdict(list)
        for row in await among("roles", "account_id", ids):
            grants[cast(str, row["account_id"])].append(Grant(Role(cast(str, row["role"])), cast(str, row["scope_id"])))
        holders: defaultdict[str, list[Row]] = defaultdict(list)
        for row in sharing:
            holders[cast(str, row["mail_canonical"])].append(row)
        places = await among("scopes", "finess", {number for person in persons for number in person.finess})
        numbered: dict[str, Row] = {}
        for row in sorted(places, key=lambda one: (one["kind"] == "etablissement", cast(str, one["id"]))):
            if row["kind"] in ("etablissement", "entite"):
                numbered[cast(str, row["finess"])] = row  # an establishment rather than the entity of the same number
        services: defaultdict[str, list[Row]] = defaultdict(list)
        wanted = {cast(str, numbered[p.finess[0]]["id"]) for p in persons if p.service and p.finess[0] in numbered}
        for row in await among("scopes", "parent_id", wanted):
            services[cast(str, row["parent_id"])].append(row)
        return _Known(owners, accounts, holders, attached, grants, numbered, services)

    def _decide(self, person: Person, known: _Known, batch: _Batch) -> Note:
        """What becomes of one line; its changes go into the batch."""
        scopes, fault = ([], person.fault) if person.fault else self._scopes(person, known)
        found = {known.owners[key] for key in person.keys if key in known.owners}
        if not fault and len(found) > 1:
            fault = "L'identifiant et le numéro national désignent deux comptes différents."
        if fault:
            return Note(person.line, Outcome.REFUSED, person.key, fault)
        if not found:
            return self._create(person, scopes, known, batch)
        return self._refresh(person, scopes, known.accounts[found.pop()], known, batch)

    def _scopes(self, person: Person, known: _Known) -> tuple[list[str], str]:
        """The scopes that the line names, or why it may not."""
        wanted: list[tuple[str, str]] = [(one, one) for one in person.scopes]
        for number in person.finess:
            row = known.numbered.get(number)
            scope_id = cast(str, row["id"]) if row is not None else ""
            if person.service and row is not None:
                spelled = searchable(person.service)
                scope_id = next(
                    (
                        cast(str, one["id"])
                        for one in known.services.get(scope_id, ())
                        if person.service == one["id"] or searchable(cast(str, one["name"])) == spelled
                    ),
                    "" if self._sees(scope_id) else scope_id,
                )
                if not scope_id:
                    return [], f"Service inconnu dans l'établissement {number} : {person.service}."
            wanted.append((number, scope_id))
        found: list[str] = []
        for written, scope_id in wanted:
            scope = self._desk.book.scope(scope_id)
            said = verdict(self._run.actor.grants, Right.IMPORT, scope_id, self._desk.book)
            if scope is None or said is Verdict.HIDDEN:
                return [], f"Périmètre inconnu : {written[:64]}."
            if said is Verdict.FORBIDDEN:
                return [], _FORBIDDEN
            if scope.retired:
                return [], f"Établissement fermé : {written[:64]}."
            found.append(scope_id)
        if not found and not self._national:
            return [], "Indiquez l'établissement (colonne finess ou scope)."
        return list(dict.fromkeys(found)), ""

    def _sees(self, scope_id: str) -> bool:
        return verdict(self._run.actor.grants, Right.SEE, scope_id, self._desk.book) is Verdict.ALLOWED

    def _create(self, person: Person, scopes: Sequence[str], known: _Known, batch: _Batch) -> Note:
        now = self._run.now()
        account_id = "acc_" + self._ambient.token(15)
        remarks = list(person.remarks)
        mail = self._mail(person, None, known, batch, remarks)
        space = person.space or (Space.PROFESSIONNEL if scopes else Space.LIBERAL)
        batch.made.append(
            Insert(
                "accounts",
                {
                    "id": account_id, "national_id": person.national_id, "family_name": person.family_name,
                    "given_name": person.given_name, "search": searchable(person.family_name, person.given_name),
                    "profession": person.profession, **mail, "phone": person.phone, "password_hash": person.password,
                    "password_set_at": now if person.password else None, "password_must_change": False,
                    "last_sign_in_at": person.last_sign_in, "origin": Origin.IMPORT.value, "space_default": space.value,
                    "created_at": now, "updated_at": now, "version": 1,
                },
            )
        )  # fmt: skip
        batch.made += [self._login(key, account_id) for key in person.keys]
        batch.made += [self._membership(account_id, scope) for scope in scopes]
        return Note(person.line, Outcome.CREATED, person.key, " ".join(remarks))

    def _refresh(self, person: Person, scopes: Sequence[str], row: Row, known: _Known, batch: _Batch) -> Note:
        """What the line adds to an account that exists."""
        account_id = cast(str, row["id"])

        def refused(sentence: str) -> Note:
            return Note(person.line, Outcome.REFUSED, person.key, sentence)

        if row["closed_at"] is not None:
            return refused("Ce compte a été effacé.")
        if rank(known.grants.get(account_id, ())) > rank(self._run.actor.grants):
            return refused("Ce compte ne peut pas être modifié par cet import.")
        led = [grant.scope for grant in known.grants.get(account_id, ())]
        ours = self._national or self._reaches([*known.attached.get(account_id, ()), *led])
        untouched = ours and _untouched(row)
        if person.national_id and row["national_id"] != person.national_id:
            stands = known.owners.get(person.national_id) == account_id  # an older number of the same person
            if not stands and (row["national_id"] is not None or not untouched):
                return refused("Le numéro national ne correspond pas à ce compte.")
        if not ours and not _of_that_name(person, row):  # a slip of the pen must not attach a stranger
            return refused("Cet identifiant est celui d'une autre personne : vérifiez l'identifiant et le nom.")
        remarks = list(person.remarks)
        new = [scope for scope in scopes if scope not in known.attached.get(account_id, ())]
        added: list[Change] = [self._membership(account_id, scope) for scope in new]
        if not ours:
            remarks = ["Ce compte existait déjà : seul le rattachement est ajouté."] if new else []
            values: dict[str, Value] = {}
        else:
            added += [self._login(key, account_id) for key in person.keys if key not in known.owners]
            values = self._values(person, row, known, batch, remarks, untouched=untouched)
        if not values and not added:
            return Note(person.line, Outcome.UNCHANGED, person.key, " ".join(remarks))
        batch.made += added
        batch.touched.add(account_id)
        if values:
            batch.values[account_id] |= values
        return Note(person.line, Outcome.UPDATED, person.key, " ".join(remarks))

    def _values(
        self, person: Person, row: Row, known: _Known, batch: _Batch, remarks: list[str], *, untouched: bool
    ) -> dict[str, Value]:
        brought: dict[str, Value] = {"profession": person.profession}
        if untouched:
            brought |= {"family_name": person.family_name, "given_name": person.given_name, "phone": person.phone}
            if row["national_id"] is None:
                brought["national_id"] = person.national_id
        elif row["phone"] is None:
            brought["phone"] = person.phone
        if row["profession"] is not None and not untouched:
            del brought["profession"]
        values: dict[str, Value] = {
            name: value for name, value in brought.items() if value is not None and value != row[name]
        }
        if values.keys() & {"family_name", "given_name"}:
            values["search"] = searchable(person.family_name, person.given_name)
        stored, proved = cast("str | None", row["password_hash"]), row["mail_proved_at"] is not None
        replaceable = untouched and (stored is None or foreign.is_foreign(stored))
        if replaceable and person.password and person.password != stored:
            values |= {"password_hash": person.password, "password_set_at": self._run.now()}
        if stored is not None and NO_PASSWORD in remarks:
            remarks.remove(NO_PASSWORD)
        last = cast("object", row["last_sign_in_at"])
        if untouched and person.last_sign_in and person.last_sign_in != last:
            values["last_sign_in_at"] = person.last_sign_in
        if person.mail_key and person.mail_key != row["mail_canonical"]:
            if row["mail"] is None or (untouched and not proved):
                values |= self._mail(person, row, known, batch, remarks)
            else:
                remarks.append("Adresse mail prouvée conservée." if proved else "Adresse mail du compte conservée.")
        return values

    def _mail(
        self, person: Person, row: Row | None, known: _Known, batch: _Batch, remarks: list[str]
    ) -> dict[str, Value]:
        """The columns of a new address; an account that only imports made no longer has it to itself."""
        address = person.mail_key
        if address is None:
            return {"mail": None, "mail_key": None, "mail_canonical": None} if row is None else {}
        others = [one for one in known.holders.get(address, ()) if row is None or one["id"] != row["id"]]
        shared = bool(others) or self._run.ledger.seen("mail", address)[1] > 1
        if shared:
            remarks.append(_SHARED)
        for other in others:
            if other["mail_key"] is not None and other["mail_proved_at"] is None and _untouched(other):
                batch.values[cast(str, other["id"])] |= {"mail_key": None}
        if row is not None and row["mail"]:
            batch.left.append(cast(str, row["mail"]))
        return {"mail": person.mail, "mail_key": None if shared else address, "mail_canonical": address}

    def _reaches(self, scopes: Sequence[str]) -> bool:
        """Whether all of these lie within reach, and there is one."""
        book = self._desk.book
        reach = self._run.actor.reach(book)
        found = [(scope := book.scope(one)) is not None and scope.path in reach for one in scopes]
        return bool(found) and all(found)

    def _login(self, key: str, account_id: str) -> Insert:
        return Insert("logins", {"key": key, "account_id": account_id, "created_at": self._run.now()})

    def _membership(self, account_id: str, scope_id: str) -> Insert:
        return Insert("memberships", {"account_id": account_id, "scope_id": scope_id, "since": self._run.now()})


def _of_that_name(person: Person, row: Row) -> bool:
    """As for who is invited: a number is one person's whatever the given names, a user name goes with the whole name."""
    family, given = cast(str, row["family_name"]), cast(str, row["given_name"])
    if searchable(person.family_name) != searchable(family):
        return False
    return person.national_id is not None or searchable(person.given_name) == searchable(given)


def _untouched(row: Row) -> bool:
    """Whether nobody but imports has written this account since it was made."""
    return (
        row["origin"] == Origin.IMPORT.value
        and row["updated_at"] == row["created_at"]
        and row["first_strong_at"] is None
    )
