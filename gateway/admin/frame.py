"""Around every page of administration: what a room is, its addresses, its navigation, what was typed into its forms.

A room asks the offices for everything; a page shows only what they returned for this actor. Navigation shows what the
actor's roles can do at all; whether they may do it *there*, each office decides again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from aiohttp import web

from gateway.admin.words import author
from gateway.administration.actor import Actor
from gateway.administration.offices import Offices
from gateway.pages.administrator import Work, administered
from gateway.pages.base import Visit, handle
from gateway.pages.house import House
from gateway.policy.establishments import PolicyBook, Scope
from gateway.policy.rights import TABLE, Right, Verdict, verdict

SECTIONS: Sequence[tuple[str, str, str]] = (
    ("dashboard", "", "Tableau de bord"),
    ("scopes", "/scopes", "Établissements et services"),
    ("accounts", "/accounts", "Comptes"),
    ("requests", "/requests", "Demandes"),
    ("imports", "/imports", "Imports"),
    ("audit", "/audit", "Journal"),
    ("trace", "/trace", "Qui a agi ?"),
    ("compliance", "/compliance", "Conformité"),
    ("explain", "/explain", "Expliquer"),
)
_NEEDS: Mapping[str, Right] = {"imports": Right.IMPORT, "trace": Right.DELEGATIONS}
_TOO_MANY = 5000  # values of one name in one form


@dataclass(frozen=True, slots=True)
class Typed:
    """What came with a form or an address: one value by name, or all of them."""

    fields: Mapping[str, str]
    lists: Mapping[str, tuple[str, ...]]

    def get(self, name: str, otherwise: str = "") -> str:
        return self.fields.get(name, otherwise).strip()

    def all(self, name: str) -> tuple[str, ...]:
        return self.lists.get(name, ())

    def has(self, name: str) -> bool:
        """Whether a box is ticked."""
        return bool(self.fields.get(name))

    @property
    def version(self) -> int:
        """The version the form was filled in for; raises ``HTTPBadRequest`` for a form that is not ours."""
        text = self.fields.get("version", "")
        if not text.isascii() or not text.isdigit() or len(text) > 9:
            raise web.HTTPBadRequest
        return int(text)


NOTHING = Typed({}, {})


async def typed_in(visit: Visit) -> Typed:
    """The posted form, once it is known to be ours; raises ``ForeignForm``."""
    fields = await visit.form()
    data = await visit.request.post()
    return Typed(fields, {name: _many([one for one in data.getall(name) if isinstance(one, str)]) for name in data})


def asked(visit: Visit) -> Typed:
    """What the address asks for."""
    query = visit.request.query
    return Typed(dict(query), {name: _many(query.getall(name)) for name in query})


def _many(values: Sequence[str]) -> tuple[str, ...]:
    if len(values) > _TOO_MANY:
        raise web.HTTPBadRequest
    return tuple(dict.fromkeys(values))


class Room(ABC):
    """Some pages of administration. ``section``: which entry of the navigation they belong to."""

    section: ClassVar[str] = ""

    def __init__(self, house: House, offices: Offices) -> None:
        self.house = house
        self.offices = offices
        self.root = f"{house.prefix}/admin"

    @abstractmethod
    def table(self) -> Sequence[tuple[str, str, Work]]:
        """Method, path below ``admin``, and what answers."""

    def routes(self) -> Sequence[web.RouteDef]:
        return [web.route(method, self.root + path, handle(administered(work))) for method, path, work in self.table()]

    @property
    def book(self) -> PolicyBook:
        return self.offices.desk.book

    def url(self, *parts: str, **query: str) -> str:
        """An address below ``admin``; empty values of the query are left out."""
        path = "/".join([self.root, *(quote(part, safe="") for part in parts)])
        kept = {name: value for name, value in query.items() if value}
        return f"{path}?{urlencode(kept)}" if kept else path

    def may(self, actor: Actor, right: Right, scope_id: str, *, referent_enables: bool = False) -> bool:
        """Whether a page offers this; the office asks again when it is done."""
        return verdict(actor.grants, right, scope_id, self.book, referent_enables=referent_enables) is Verdict.ALLOWED

    async def names(self, authors: Sequence[str]) -> Mapping[str, str]:
        """How people know those who decided something: by the names the audit gives them."""
        found: dict[str, str] = {}
        for one in dict.fromkeys(authors):
            account = await self.house.register.by_id(one) if ":" not in one else None
            found[one] = author(one, f"{account.given_name} {account.family_name}".strip() if account else "")
        return found

    def crumbs(self, actor: Actor, scope: Scope) -> list[tuple[str, str]]:
        """The scopes above this one that the actor sees, from the top: name and address."""
        reach = actor.reach(self.book)
        above = [one for one in self.book.chain(scope.id)[1:] if one.path in reach]
        return [(one.name, self.url("scopes", one.id)) for one in reversed(above)]

    def page(
        self,
        visit: Visit,
        actor: Actor,
        template: str,
        title: str,
        *,
        status: int = 200,
        crumbs: Sequence[tuple[str, str]] = (),
        notice: str = "",
        **facts: Any,
    ) -> web.Response:
        held = {right for grant in actor.grants for right in TABLE[grant.role]}
        shown = [
            SimpleNamespace(url=f"{self.root}{path}" or self.root, label=label, here=name == self.section)
            for name, path, label in SECTIONS
            if name not in _NEEDS or _NEEDS[name] in held
        ]
        return visit.page(
            f"admin/{template}",
            status=status,
            title=title,
            root=self.root,
            sections=shown,
            crumbs=crumbs,
            notice=notice,
            url=self.url,
            **facts,
        )
