"""A national directory of the demo's people: the part of the FHIR interface that a search needs, with its key header."""

from __future__ import annotations

import asyncio
import unicodedata
from typing import Any

from aiohttp import web

from gateway.demo.people import PEOPLE, Someone

KEY = "demo-key"


class Directory:
    """Practitioners by identifier or family name."""

    def __init__(self) -> None:
        self.mode = "ok"

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/fhir/v2/Practitioner", self._search)
        return app

    async def _search(self, request: web.Request) -> web.Response:
        if self.mode == "down" and request.transport is not None:
            request.transport.abort()
        if self.mode == "slow":
            await asyncio.sleep(30)
        if self.mode == "error":
            return web.json_response(_outcome("exception"), status=500)
        if request.headers.get("ESANTE-API-KEY") != KEY:
            return web.json_response(_outcome("login"), status=401)
        family, identifier = request.query.get("family", ""), request.query.get("identifier", "")
        found = [
            person
            for person in PEOPLE
            if person.rpps
            and (
                (family and _plain(person.family_name).startswith(_plain(family)))
                or identifier in (person.rpps, person.idnat)
            )
        ]
        entries = [{"resource": _resource(person), "search": {"mode": "match"}} for person in found]
        bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(found), "entry": entries}
        return web.json_response(bundle, content_type="application/fhir+json")


def _plain(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text.upper()) if c.isalnum())


def _outcome(code: str) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": code}]}


def _resource(person: Someone) -> dict[str, Any]:
    return {
        "resourceType": "Practitioner",
        "id": f"003-{person.key}",
        "active": True,
        "identifier": [
            {"type": {"coding": [{"code": "IDNPS"}]}, "system": "urn:oid:1.2.250.1.71.4.2.1", "value": person.idnat},
            {"type": {"coding": [{"code": "RPPS"}]}, "system": "https://rpps.esante.gouv.fr", "value": person.rpps},
        ],
        "name": [{"family": person.family_name.upper(), "given": [person.given_name]}],
        "qualification": [{"code": {"coding": [{"code": person.profession}]}}],
    }
