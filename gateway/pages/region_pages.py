"""Choosing one's region (a cookie, no account needed), and the style sheet and logo of each region."""

from __future__ import annotations

import hashlib

from aiohttp import web

from gateway.pages.base import REGION, Handler, Visit, dress, go, handle, set_cookie
from gateway.pages.house import House
from gateway.reasons import Reason

_KEPT = 400 * 86400


class RegionPages:
    """``house.regions`` as pages."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> list[web.RouteDef]:
        prefix = self._house.prefix
        table: list[tuple[str, str, Handler]] = [("GET", "/region", self.page), ("POST", "/region", self.choose)]
        return [
            *(web.route(method, prefix + path, handle(work)) for method, path, work in table),
            web.get(prefix + "/theme/{id}.css", self.theme),
            web.get(prefix + "/region-logo/{id}", self.logo),
        ]

    async def page(self, visit: Visit) -> web.StreamResponse:
        return self._form(visit)

    def _form(self, visit: Visit, fault: str = "", status: int = 200) -> web.Response:
        kept = visit.request.cookies.get(REGION, "")
        return visit.page(
            "region",
            status=status,
            choices=self._house.regions.choices,
            chosen=kept if self._house.regions.by_id(kept) else self._house.regions.default,
            current=visit.region,
            fault=fault,
        )

    async def choose(self, visit: Visit) -> web.StreamResponse:
        """Keeps the choice in the browser; '' forgets it."""
        fields = await visit.form()
        wanted = fields.get("region")
        if wanted is None or (wanted and self._house.regions.by_id(wanted) is None):
            visit.log(Reason.BAD_INPUT, 422)
            return self._form(visit, "Choisissez une région de la liste.", 422)
        answer = go(f"{self._house.prefix}/help")
        set_cookie(answer, REGION, wanted, _KEPT if wanted else 0)
        return answer

    async def theme(self, request: web.Request) -> web.StreamResponse:
        region = self._house.regions.by_id(request.match_info["id"])
        if region is None or not region.theme:
            raise web.HTTPNotFound
        return _lasting(request, region.theme.encode(), "text/css")

    async def logo(self, request: web.Request) -> web.StreamResponse:
        region = self._house.regions.by_id(request.match_info["id"])
        if region is None or region.logo is None:
            raise web.HTTPNotFound
        answer = _lasting(request, region.logo.data, region.logo.kind)
        # Opened by itself a drawing is a document: it may be styled and do nothing else.
        answer.headers["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
        )
        return answer


def _lasting(request: web.Request, data: bytes, kind: str) -> web.Response:
    """Kept by browsers for a year under the address that names its version, looked at again under any other."""
    answer = web.Response(body=data, content_type=kind)
    named = request.query.get("v") == hashlib.sha256(data).hexdigest()[:12]
    answer.headers["Cache-Control"] = "public, max-age=31536000, immutable" if named else "no-cache"
    dress(request, answer, None)
    return answer
