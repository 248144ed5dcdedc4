"""Who asks: by a token, or by the session of a page.

* A token (``Authorization: Bearer``) speaks alone: cookies beside it are not looked at, and none is set.
* A session must be strong, by a means left to administrators (G59); whatever is not read only needs the form token of
  this browser in ``X-CSRF-Token``, because browsers send cookies along with what other sites ask for.
* Tokens that are none are counted by address. A token that is good is never stopped by the failures of others: it has
  256 bits, nobody guesses it, and many applications leave by one address.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable
from datetime import datetime

from aiohttp import web

from gateway.administration.actor import Actor
from gateway.api.problem import Problem
from gateway.pages import administrator
from gateway.pages.base import ForeignForm, Visit, visit_of
from gateway.pages.house import HOUSE
from gateway.reasons import Reason

MOST_FAILURES = 300  # of one address in 24 hours, as for passwords
SAFE = frozenset({"GET", "HEAD"})
_TOKEN = re.compile(r"vtgw_[\x21-\x7e]{16,195}\Z")
_SCHEME = re.compile(r"(?i:bearer) +(\S+)\Z")

ActorOf = Callable[..., Awaitable[Actor | None]]


def visitor(request: web.Request) -> Visit:
    """The request without a session, for tokens and for what anybody may read."""
    house = request.app[HOUSE]
    return Visit(
        house,
        request,
        house.ambient.now(),
        request.headers.get("vtgw-client", ""),
        request.headers.get("vtgw-request-id", "0" * 32),
        None,
    )


async def by_token(visit: Visit, actor_of: ActorOf) -> Actor:
    """The actor whose token the request carries; raises ``Problem`` (401, 429)."""
    lines = visit.request.headers.getall("Authorization", [])
    found = _SCHEME.match(lines[0]) if len(lines) == 1 else None
    secret = found.group(1) if found else ""
    actor = None
    if _TOKEN.match(secret):
        actor = await actor_of(secret, visit.now, address=visit.client, correlation=visit.request_id)
    if actor is None:
        await _count_failure(visit, visit.now)
        raise Problem(401, Reason.TOKEN_REFUSED, "Ce jeton n'est pas connu, est expiré ou a été révoqué.")
    return actor


async def _count_failure(visit: Visit, now: datetime) -> None:
    if not await visit.house.tries.spend(f"tokens-from:{_network(visit.client)}", MOST_FAILURES, now):
        raise Problem(429, Reason.TOO_MANY_ATTEMPTS, headers={"Retry-After": "3600"})


def _network(address: str) -> str:
    """An address as it is counted: a whole /64 for IPv6, because one customer has all of it."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else str(parsed)


async def by_session(request: web.Request) -> tuple[Visit, Actor]:
    """The administrator whose session the request carries; raises ``Problem`` (401, 403)."""
    visit = await visit_of(request)
    if visit.session is None or visit.account is None:
        raise Problem(401, Reason.NO_SESSION, "Envoyez un jeton (Authorization: Bearer), ou connectez-vous.")
    actor = administrator.actor_of(visit)
    if actor is None:
        raise Problem(403, Reason.NOT_ALLOWED, "Votre compte n'administre rien.")
    if administrator.weak(visit):
        raise Problem(
            403, Reason.STEP_UP_NEEDED, "Confirmez d'abord par votre carte ou votre e-CPS que c'est bien vous."
        )
    if request.method not in SAFE:
        try:
            visit.check(request.headers.get("X-CSRF-Token", ""), {})
        except ForeignForm:
            raise Problem(403, Reason.CSRF, "Envoyez dans X-CSRF-Token le jeton que donne GET session.") from None
    return visit, actor
