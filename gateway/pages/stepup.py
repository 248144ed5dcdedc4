"""« Confirmez que c'est bien vous »: a fresh proof for what is sensitive, or for a space that asks more (R4, R96, G12).

The session stays; a new proof is added to it, with a new ticket. A code is sent without password here, because the
session already stands for it: such a code is worth nothing once that session is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from aiohttp import web

from gateway.identity import Assurance, Space
from gateway.pages.arrival import STEP_UP, is_fresh
from gateway.pages.base import Handler, Visit, go, handle
from gateway.pages.entrance import Entrance
from gateway.pages.house import House
from gateway.pages.journey import safe_return
from gateway.pages.signin import SignIn
from gateway.providers.base import Form
from gateway.providers.otp import PasswordAndCode
from gateway.reasons import Reason


async def need_fresh(visit: Visit, then: str, *, least: Assurance = Assurance.TRANSITION) -> web.Response | None:
    """``None`` when the session holds a proof of this level, given lately; otherwise the way to give one.

    ``then``: where to come back, a path below the prefix, such as ``/account/mail``.
    """
    prefix = visit.house.prefix
    if visit.session is None:
        return go(f"{prefix}/sign-in?reason={Reason.NO_SESSION.value}&return={quote(prefix + then)}")
    if is_fresh(visit, least):
        return None
    level = "&level=strong" if least is Assurance.SUBSTANTIAL else ""
    return go(f"{prefix}/step-up?then={quote(then)}{level}")


def late(visit: Visit, fields: Mapping[str, str], then: str) -> web.Response:
    """A form of the account sent after the session's end: refused, with what was typed (lesson 17)."""
    prefix = visit.house.prefix
    return visit.message(
        "Votre session est fermée",
        "Rien n'a été enregistré. Reconnectez-vous, puis saisissez de nouveau.",
        status=401,
        actions=[(f"{prefix}/sign-in?return={quote(prefix + then)}", "Se connecter", False)],
        reason=Reason.FORM_EXPIRED,
        typed=fields,
    )


class StepUp:
    """The page of the means, and the code among them."""

    def __init__(self, house: House, entrance: Entrance, sign_in: SignIn, password: PasswordAndCode) -> None:
        self._house = house
        self._entrance = entrance
        self._sign_in = sign_in
        self._password = password

    def routes(self) -> list[web.RouteDef]:
        prefix = self._house.prefix
        table: list[tuple[str, str, Handler]] = [("GET", "/step-up", self.page), ("POST", "/step-up", self.code)]
        return [web.route(method, prefix + path, handle(work)) for method, path, work in table]

    def _target(self, visit: Visit, then: str, space: str | None) -> tuple[str, Space]:
        """Where to go afterwards, and in which space; both are checked."""
        assert visit.session is not None  # noqa: S101 - looked at by the callers
        back = safe_return(self._house.prefix + then, self._house.prefix) if then.startswith("/") else "/"
        return back, self._entrance.space(space) if space else visit.session.space

    async def page(self, visit: Visit) -> web.StreamResponse:
        query = visit.request.query
        if visit.session is None or visit.account is None:
            return go(f"{self._house.prefix}/sign-in?reason={Reason.NO_SESSION.value}")
        back, space = self._target(visit, query.get("then", ""), query.get("space"))
        return await self._show(visit, back, space, query.get("then", ""), query.get("level", ""))

    async def _show(
        self, visit: Visit, back: str, space: Space, then: str, level: str, *, problem: str = "", status: int = 200
    ) -> web.Response:
        house, account = self._house, visit.account
        assert account is not None  # noqa: S101 - looked at by the callers
        strong = level == "strong"
        offered = [name for name in house.methods[space] if name in house.providers]
        channels = () if strong or "password" not in offered else await self._password.channels(account, visit.now)
        return visit.page(
            "step_up",
            status=status,
            methods=[name for name in offered if name in ("card", "psc") or (name == "passkey" and not strong)],
            channels=channels,
            card_direct=house.card_direct,
            space=space.value,
            back=back,
            then=then,
            level=level,
            strong=strong,
            problem=problem,
        )

    async def code(self, visit: Visit) -> web.StreamResponse:
        """Send a code to the person who is signed in, by the channel they choose."""
        fields = await visit.form()
        session, account = visit.session, visit.account
        if session is None or account is None:
            return go(f"{self._house.prefix}/sign-in?reason={Reason.NO_SESSION.value}")
        then = fields.get("then", "")
        back, space = self._target(visit, then, fields.get("space"))
        if "password" not in self._house.methods[space]:
            return await self._show(visit, back, space, then, fields.get("level", ""))
        attempt = await self._entrance.attempts.open(
            visit.browser_id(), space, back, STEP_UP, visit.client, visit.now, account=account.id
        )
        outcome = await self._password.ask(attempt, fields.get("channel"), visit.now)
        if isinstance(outcome, Form):
            return await self._sign_in.to_code(attempt, outcome)
        status = {Reason.DELIVERY_FAILED: 503, Reason.RESEND_TOO_MANY: 429, Reason.RESEND_TOO_SOON: 429}.get(
            outcome.reason, 403
        )
        visit.log(outcome.reason, status)
        problem = "Le code n'a pas pu être envoyé. Choisissez un autre moyen, ou réessayez dans quelques minutes."
        if outcome.reason in (Reason.RESEND_TOO_MANY, Reason.RESEND_TOO_SOON):
            problem = "Trop de codes ont été demandés. Choisissez un autre moyen."
        answer = await self._show(visit, back, space, then, fields.get("level", ""), problem=problem, status=status)
        if status == 503:
            answer.headers["Retry-After"] = "30"
        return answer
