"""Who would be stuck, one person a line, for spreadsheets (R88)."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from gateway.admin.download import table
from gateway.admin.frame import Room
from gateway.administration.actor import Actor
from gateway.pages.administrator import Work
from gateway.pages.base import Visit


class ReadinessTables(Room):
    """The whole reach, or one scope and what lies below; everybody, or the people of one category."""

    section = "accounts"

    def table(self) -> Sequence[tuple[str, str, Work]]:
        return [("GET", "/readiness.csv", self.everybody), ("GET", "/scopes/{scope}/readiness.csv", self.of_scope)]

    async def everybody(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        return await self._table(visit, actor, "")

    async def of_scope(self, visit: Visit, actor: Actor) -> web.StreamResponse:
        return await self._table(visit, actor, visit.request.match_info["scope"])

    async def _table(self, visit: Visit, actor: Actor, scope_id: str) -> web.StreamResponse:
        category = visit.request.query.get("category", "")
        lines = self.offices.readiness.csv(actor, scope_id, visit.now, category)
        return await table(f"preparation-{visit.now:%Y-%m-%d}.csv", lines)
