"""All pages as one aiohttp application; reached through the door alone."""

from __future__ import annotations

from aiohttp import web

from gateway import html
from gateway.pages.account import AccountPages
from gateway.pages.base import HOUSE, Handler, House, Visit, dress, go, handle, visit_of
from gateway.pages.passwords import ForgottenPassword
from gateway.pages.registration import Registration
from gateway.pages.signin import SignIn

_TYPES = {"style.css": "text/css", "logo.svg": "image/svg+xml"}
_LARGEST_FORM = 256 * 1024
# J17: who uses which means (R157).
_MEANS = (
    ("Professionnels à Ordre", "médecins, infirmiers inscrits à leur Ordre", "carte CPS ou e-CPS"),
    ("Professionnels ARS", "service social, psychologue, ergothérapeute", "carte CPS ou e-CPS"),
    (
        "Professionnels à rôle",
        "AES, AMP, AS, assistant familial ou médical, éducateur, MJPM, secrétaire",
        "e-CPS uniquement",
    ),
    (
        "Professionnel autre",
        "direction, coordinateur, AVS, aide à domicile, gestionnaire des admissions, professionnel social ou éducatif, DSI",
        "e-CPS uniquement",
    ),
    ("Sans carte ni application", "toute personne", "mot de passe et code à usage unique"),
)


def make_app(house: House) -> web.Application:
    """The application; ``house`` holds everything it works with."""
    app = web.Application(client_max_size=_LARGEST_FORM, middlewares=[_boundary])
    app[HOUSE] = house
    app.on_response_prepare.append(_no_server_name)
    prefix = house.prefix
    for pages in (SignIn(house), Registration(house), AccountPages(house), ForgottenPassword(house)):
        app.router.add_routes(pages.routes())
    plain: dict[str, Handler] = {
        "/help": _help,
        "/privacy": _privacy,
        "/accessibility": _accessibility,
        "": _home,
        "/": _home,
    }
    for path, work in plain.items():
        app.router.add_get(prefix + path, handle(work))
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
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed, web.HTTPRequestEntityTooLarge) as error:
        visit = await visit_of(request)
        titles = {
            404: "Cette page n'existe pas",
            405: "Cette action n'est pas possible ici",
            413: "Envoi trop volumineux",
        }
        answer = visit.message(titles[error.status], status=error.status, actions=[("/", "Revenir à l'accueil", False)])
        dress(request, answer, visit)
    return answer


async def _home(visit: Visit) -> web.StreamResponse:
    return go(f"{visit.house.prefix}/{'account' if visit.session else 'sign-in'}")


async def _help(visit: Visit) -> web.StreamResponse:
    return visit.page("help", rows=_MEANS)


async def _privacy(visit: Visit) -> web.StreamResponse:
    return visit.message(
        "Données personnelles",
        "Pour ouvrir et sécuriser l'accès à ViaTrajectoire, sont gardés : identité professionnelle, adresse de messagerie, "
        "téléphone si vous l'indiquez, dates et moyens de connexion.",
        "Le mot de passe et les codes ne sont gardés que sous une forme illisible. Les traces de connexion sont effacées "
        "après douze mois au plus.",
        "Vos données sont visibles sous « Mon compte ». Pour exercer vos droits, écrivez à l'assistance de votre région.",
    )


async def _accessibility(visit: Visit) -> web.StreamResponse:
    return visit.message(
        "Accessibilité : non conforme",
        "Ces pages sont conçues pour fonctionner au clavier, avec un lecteur d'écran et sans script. L'audit de conformité "
        "au RGAA n'a pas encore été fait.",
        "Une difficulté ? Signalez-la à l'assistance de votre région, dont le contact est en bas de page.",
    )


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
