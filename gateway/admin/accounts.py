"""The list of people within reach, by words, by place, by what may stand in their way; and the invitation (R88, R100)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import cast

from aiohttp import web

from gateway import texts
from gateway.admin.finding import Found, place_of
from gateway.admin.frame import Room, Typed, asked, typed_in
from gateway.admin.words import CATEGORIES, count, whole
from gateway.administration.actor import Actor, Faulty
from gateway.administration.dashboard import reach_of
from gateway.administration.people import Invitation
from gateway.identity import Space
from gateway.overview import AccountQuery
from gateway.pages.administrator import Work
from gateway.pages.base import Visit, go
from gateway.policy.rights import TABLE, Right

PAGE = 50


class AccountList(Room):
    """GET admin/accounts, and a new one."""

    section = "accounts"

    def table(self) -> Sequence[tuple[str, str, Work]]:
        return [
            ("GET", "/accounts", self.show),
            ("GET", "/accounts/new", self.new),
            ("POST", "/accounts/new", self.invite),
        ]

    async def show(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        typed = asked(visit)
        category = typed.get("category")
        if category not in (*CATEGORIES, "ready"):
            category = ""
        scope = self.offices.scopes.see(actor, typed.get("scope")) if typed.get("scope") else None
        measure = self.offices.measure(visit.now)
        query = AccountQuery(
            reach=reach_of(actor, self.offices.desk, scope.id if scope else "").paths,
            text=typed.get("q")[:200],
            category=category,
            after=typed.get("after")[:500],
            limit=PAGE,
        )
        found = await self.offices.overview.accounts(query, measure)
        readiness = await self.offices.overview.readiness(query.reach, measure)
        choices = [("", f"tous ({whole(readiness.people)})"), ("ready", f"Prêts ({whole(readiness.ready)})")]
        choices += [(name, f"{label} ({whole(readiness.counts.get(name, 0))})") for name, label in CATEGORIES.items()]
        held = {right for grant in actor.grants for right in TABLE[grant.role]}
        return self.page(
            visit,
            actor,
            "accounts",
            "Comptes",
            crumbs=[*self.crumbs(actor, scope), (scope.name, self.url("scopes", scope.id))] if scope else (),
            filters=SimpleNamespace(q=query.text, category=category),
            scope=scope,
            choices=choices,
            rows=[self._row(visit, one) for one in found.rows],
            said_rows=count(len(found.rows), "ligne") + (" sur cette page" if found.cursor or query.after else ""),
            next=self.url(
                "accounts", q=query.text, category=category, scope=scope.id if scope else "", after=found.cursor
            )
            if found.cursor
            else "",
            first=self.url("accounts", q=query.text, category=category, scope=scope.id if scope else "")
            if query.after
            else "",
            export=self.url("scopes", scope.id, "readiness.csv", category=category)
            if scope
            else self.url("readiness.csv", category=category),
            may_import=Right.IMPORT in held,
        )

    def _row(self, visit: Visit, row: Mapping[str, object]) -> SimpleNamespace:
        last = cast("datetime | None", row["last_sign_in_at"])
        return SimpleNamespace(
            id=row["id"],
            name=f"{row['family_name']} {row['given_name']}",
            mail=row["mail"] or "",
            last=texts.day(last, visit.zone) if last else "",
            ready=bool(row["ready"]),
            faults=[label for name, label in CATEGORIES.items() if row[name]],
        )

    # A new one

    async def new(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        typed = asked(visit)
        if typed.get("scope"):
            self.offices.scopes.see(actor, typed.get("scope"))
        return self._form(visit, actor, typed)

    def _form(
        self,
        visit: Visit,
        actor: Actor,
        typed: Typed,
        faults: Mapping[str, Sequence[str]] | None = None,
        found: Found | None = None,
    ) -> web.Response:
        scope = self.book.scope(typed.get("scope")) if typed.get("scope") else None
        shown = scope if scope is not None and scope.path in actor.reach(self.book) else None
        return self.page(
            visit,
            actor,
            "account_new",
            "Inviter une personne",
            status=422 if faults else 200,
            crumbs=[("Comptes", self.url("accounts"))],
            typed=typed,
            faults=faults or {},
            scope=shown,
            choices=found.choices if found else (),
        )

    async def invite(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        typed = await typed_in(visit)
        found = place_of(self.offices, actor, typed, visit.now)
        if found.scope is None:
            return self._form(visit, actor, typed, {"place": [found.fault]}, found)
        liberal = typed.get("space") == Space.LIBERAL.value
        invitation = Invitation(
            found.scope.id,
            typed.get("family_name"),
            typed.get("given_name"),
            typed.get("mail"),
            typed.get("identifier"),
            Space.LIBERAL.value if liberal else Space.PROFESSIONNEL.value,
        )
        try:
            account = await self.offices.people.invite(actor, invitation, visit.now)
        except Faulty as refused:
            return self._form(visit, actor, typed, refused.faults, found)
        return go(self.url("accounts", account.id, said="invited"))
