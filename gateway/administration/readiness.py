"""Who would be stuck if strong authentication came today: counts, lists and a table for a spreadsheet (R88).

Asked about one scope and what lies below it, or about all the actor sees. Counts and lists agree: a list of a category
has as many people as its count says.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import cast
from zoneinfo import ZoneInfo

from gateway.administration.actor import Actor, Faulty, record
from gateway.administration.dashboard import reach_of
from gateway.audit import Act
from gateway.desk import PolicyDesk
from gateway.overview import CATEGORIES, AccountQuery, Measure, Overview, Page, Readiness
from gateway.ports import Audit, Row
from gateway.spreadsheet import BOM, line

_PAGE = 500
HEADINGS = {
    "no_mail": "Sans adresse",
    "unproved_mail": "Adresse non prouvée",
    "shared_mail": "Adresse partagée",
    "generic_mailbox": "Boîte de service",
    "generic_name": "Nom générique",
    "duplicate": "Doublon possible",
    "dormant": "En sommeil",
    "never_strong": "Jamais de connexion forte",
    "no_national_id": "Sans identifiant national",
    "suspended": "Suspendu",
}


class ReadinessReport:
    """``zone``: in which instants are written for people. Raises ``RecordsUnavailable`` and the ``Refused`` family."""

    def __init__(
        self,
        desk: PolicyDesk,
        overview: Overview,
        measure: Callable[[datetime], Measure],
        zone: ZoneInfo,
        audit: Audit,
    ) -> None:
        self._audit = audit
        self._desk = desk
        self._overview = overview
        self._measure = measure
        self._zone = zone

    async def counts(self, actor: Actor, scope_id: str, now: datetime) -> Readiness:
        """``scope_id`` empty: all the actor sees."""
        return await self._overview.readiness(reach_of(actor, self._desk, scope_id).paths, self._measure(now))

    async def people(
        self, actor: Actor, scope_id: str, category: str, after: str, now: datetime, *, limit: int = 50
    ) -> Page:
        """The people of a category (``overview.CATEGORIES`` or ``ready``), or everybody."""
        if category and category != "ready" and category not in CATEGORIES:
            raise Faulty({"category": ["Cette catégorie n'existe pas."]})
        paths = reach_of(actor, self._desk, scope_id).paths
        query = AccountQuery(paths, category=category, after=after, limit=limit)
        return await self._overview.accounts(query, self._measure(now))

    async def csv(self, actor: Actor, scope_id: str, now: datetime, category: str = "") -> AsyncIterator[str]:
        """The lines of the table: the headings, then one for each person, read a page at a time. Written down first:
        a list of names and addresses leaves the house (G42)."""
        page = await self.people(actor, scope_id, category, "", now, limit=_PAGE)
        facts = {"category": category} if category else {}
        await self._audit.record(record(Act.READINESS_EXPORTED, actor, now, scope=scope_id or None, **facts))
        paths = reach_of(actor, self._desk, scope_id).paths
        yield BOM + line(
            [
                "Compte", "Nom", "Prénom", "Identifiant national", "Adresse de messagerie", "Dernière connexion",
                "Établissements et services", "Prêt", *(HEADINGS[name] for name in CATEGORIES),
            ]
        )  # fmt: skip
        while True:
            places = await self._overview.places([cast(str, row["id"]) for row in page.rows], paths)
            for row in page.rows:
                yield line(self._cells(row, places.get(cast(str, row["id"]), ())))
            if not page.cursor:
                return
            page = await self.people(actor, scope_id, category, page.cursor, now, limit=_PAGE)

    def _cells(self, row: Row, places: Sequence[str]) -> Sequence[object]:
        scopes = [self._desk.book.scope(one) for one in places]
        seen = cast("datetime | None", row["last_sign_in_at"])
        return [
            row["id"],
            row["family_name"],
            row["given_name"],
            row["national_id"],
            row["mail"],
            None if seen is None else seen.astimezone(self._zone).strftime("%d/%m/%Y %H:%M"),
            " | ".join(sorted(scope.name for scope in scopes if scope is not None)),
            bool(row["ready"]),
            *(bool(row[name]) for name in CATEGORIES),
        ]
