"""All pages as one aiohttp application; reached through the door alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aiohttp import web

from gateway import html
from gateway.pages.base import Visit, dress, go, handle, visit_of
from gateway.pages.house import HOUSE, House
from gateway.reasons import GatewayError

_TYPES = {
    "style.css": "text/css",
    "admin.css": "text/css",
    "logo.svg": "image/svg+xml",
    "card-in.svg": "image/svg+xml",
    "card-out.svg": "image/svg+xml",
    "session.js": "text/javascript",
    "passkey.js": "text/javascript",
    "towns.js": "text/javascript",
}
_LARGEST_FORM = 256 * 1024


class Pages(Protocol):
    """A room of pages: which addresses it answers."""

    def routes(self) -> Sequence[web.RouteDef]: ...


def make_app(house: House, rooms: Sequence[Pages]) -> web.Application:
    """The application of these rooms; ``house`` holds everything they share."""
    app = web.Application(client_max_size=_LARGEST_FORM, middlewares=[_boundary])
    app[HOUSE] = house
    app.on_response_prepare.append(_no_server_name)
    prefix = house.prefix
    for room in rooms:
        app.router.add_routes(room.routes())
    app.router.add_get(prefix, handle(_home))
    app.router.add_get(prefix + "/", handle(_home))
    app.router.add_get(prefix + "/static/{name}", _static)
    app.router.add_get(prefix + "/jwks.json", _jwks)
    app.router.add_get("/.well-known/jwks.json", _jwks)
    return app


async def _no_server_name(_: web.Request, answer: web.StreamResponse) -> None:
    """H1: no answer says what made it."""
    answer.headers.pop("Server", None)


@web.middleware
async def _boundary(request: web.Request, handler: web.Handler) -> web.StreamResponse:  # type: ignore[name-defined]
    """Addresses that do not exist, methods that are not served: a French page like every other."""
    try:
        answer: web.StreamResponse = await handler(request)
    except (
        web.HTTPBadRequest, web.HTTPNotFound, web.HTTPMethodNotAllowed, web.HTTPRequestEntityTooLarge
    ) as error:  # fmt: skip
        try:
            visit = await visit_of(request)
        except GatewayError:  # the page is the same without knowing who asks
            house = request.app[HOUSE]
            visit = Visit(house, request, house.ambient.now(), "", request.headers.get("vtgw-request-id", ""), None)
        titles = {
            400: "La demande n'est pas valide",
            404: "Cette page n'existe pas",
            405: "Cette action n'est pas possible ici",
            413: "Envoi trop volumineux",
        }
        answer = visit.message(titles[error.status], status=error.status, actions=[("/", "Revenir à l'accueil", False)])
        dress(request, answer, visit)
    return answer


async def _home(visit: Visit) -> web.StreamResponse:
    return go(f"{visit.house.prefix}/{'account' if visit.session else 'sign-in'}")


async def _static(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"] or ""
    if name not in _TYPES:
        raise web.HTTPNotFound
    data, version = html.static(name)
    answer = web.Response(body=data, content_type=_TYPES[name])
    lasting = request.query.get("v") == version
    answer.headers["Cache-Control"] = "public, max-age=31536000, immutable" if lasting else "no-cache"
    dress(request, answer, None)
    return answer


async def _jwks(request: web.Request) -> web.StreamResponse:
    answer = web.Response(body=request.app[HOUSE].key_set(), content_type="application/json")
    answer.headers["Cache-Control"] = "public, max-age=300"
    dress(request, answer, None)
    return answer
