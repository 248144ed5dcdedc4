"""Suggestions for « Code Postal / Ville » (R13): as JSON for the browser, and for the form without a script."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web

from gateway.accounts.towns import LONGEST, Town, Towns
from gateway.pages.base import dress
from gateway.pages.house import House

_MOST = 20


async def look_up(towns: Towns, text: str, limit: int = 12) -> tuple[Town, ...]:
    """``towns.find`` for pages: the list is read in a thread the first time, so that nobody else waits for it."""
    if not towns.ready:
        await asyncio.to_thread(towns.load)
    return towns.find(text, limit)


class TownPages:
    """GET ``/towns?q=``: a list of ``{"postal_code", "city"}``, the same for everybody."""

    def __init__(self, house: House, towns: Towns) -> None:
        self._house = house
        self._towns = towns

    def routes(self) -> list[web.RouteDef]:
        return [web.get(self._house.prefix + "/towns", self.suggest)]

    async def suggest(self, request: web.Request) -> web.StreamResponse:
        text = request.query.get("q", "")
        found = await look_up(self._towns, text, _MOST) if len(text) <= LONGEST else ()
        said = [{"postal_code": town.postal_code, "city": town.name} for town in found]
        answer = web.Response(
            text=json.dumps(said, ensure_ascii=False, separators=(",", ":")),
            status=200 if len(text) <= LONGEST else 400,
            content_type="application/json",
        )
        answer.headers["Cache-Control"] = "public, max-age=86400" if answer.status == 200 else "no-store"
        dress(request, answer, None)
        return answer
