"""« Test yourself »: assertions that a backend must believe, and such that it must refuse, as JSON (``assertion.tests``).

Off unless a deployment asks for it. The keys come from the gateway's secret and serve for this alone, and the issuer is the
address of this page: an application that is set up for the gateway itself believes none of them.
"""

from __future__ import annotations

import json

from aiohttp import web

from gateway.assertion_tests import TrialKeys, document
from gateway.pages.base import Handler, Visit, handle
from gateway.pages.house import House

AUDIENCE = "self-test"


class AssertionTests:
    """``key`` is 32 secret bytes, the same in every worker: they all answer with the same keys."""

    def __init__(self, house: House, key: bytes) -> None:
        self._house = house
        self._keys = TrialKeys(key)

    def routes(self) -> list[web.RouteDef]:
        root = self._house.prefix + "/assertion-tests"
        table: list[tuple[str, Handler]] = [("", self.document), ("/jwks.json", self.key_set)]
        return [web.get(root + path, handle(work, quiet=True)) for path, work in table]

    async def document(self, visit: Visit) -> web.StreamResponse:
        """Everything a self-test needs, made for this instant."""
        found = document(
            self._keys,
            issuer=f"{self._house.public_url}{self._house.prefix}/assertion-tests",
            audience=AUDIENCE,
            now=visit.now,
            chance=self._house.ambient.token(9),
        )
        return _json(found)

    async def key_set(self, _: Visit) -> web.StreamResponse:
        return _json(self._keys.jwks)


def _json(data: object) -> web.Response:
    return web.Response(text=json.dumps(data, ensure_ascii=False), content_type="application/json")
