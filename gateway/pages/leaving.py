"""How long a session still lasts, and its end: « Rester connecté », « Se déconnecter » (R143–R145, R44, J19)."""

from __future__ import annotations

from aiohttp import web

from gateway.audit import Act, Record
from gateway.pages.arrival import arrivals_of
from gateway.pages.base import SESSION, Handler, Visit, go, handle
from gateway.pages.house import House
from gateway.pages.joining_marker import marker_key
from gateway.reasons import ProviderUnavailable, Reason
from gateway.session.keeper import digest_of

_OURS = "__Host-vtgw"
_FORGOTTEN = 300  # tickets that no session has, from one address a day: each takes room in the store for an hour
_WIPED = 40  # cookies of the application expired at most


async def forget_registration(visit: Visit) -> None:
    """A first connection that this browser finished a moment ago is not there for who comes next, nor an invitation."""
    if visit.browser is None:
        return
    for key in (f"registration:{visit.browser}", marker_key(visit.browser), arrivals_of(visit)):
        (raw,) = await visit.house.store.read(key)
        if raw is not None:
            await visit.house.store.swap(key, raw, None)


class Leaving:
    """The pages; ``routes`` says which addresses they answer."""

    def __init__(self, house: House) -> None:
        self._house = house

    def routes(self) -> list[web.RouteDef]:
        prefix = self._house.prefix
        table: list[tuple[str, str, Handler]] = [
            ("POST", "/session/extend", self.extend),
            ("POST", "/sign-out", self.sign_out),
            ("GET", "/signed-out", self.signed_out),
            ("GET", "/resume", self.resume),
        ]
        plain = [web.route(method, prefix + path, handle(work)) for method, path, work in table]
        # Asking how long one may stay is not activity: a page left open would never be signed out.
        return [*plain, web.get(prefix + "/session", handle(self.session, quiet=True))]

    async def session(self, visit: Visit) -> web.StreamResponse:
        session, account = visit.session, visit.account
        if session is None or account is None:
            return web.json_response(
                {"signed_in": False, "sign_in": f"{self._house.public_url}{self._house.prefix}/sign-in"}, status=401
            )
        return web.json_response(
            {
                "signed_in": True,
                "idnat_ps": account.national_id.text if account.national_id else None,
                "family_name": account.family_name,
                "given_name": account.given_name,
                "method": session.method.value,
                "assurance": session.assurance.word,
                "space": session.space.value,
                "expires": session.ends_at.isoformat(),
                "idle_expires": min(session.seen_at + session.lifetimes.idle, session.ends_at).isoformat(),
                "now": visit.now.isoformat(),
                "acting": self._acting(visit),
            }
        )

    def _acting(self, visit: Visit) -> dict[str, object] | None:
        """For whom the session acts now; a context that no longer stands is none (R127)."""
        context = visit.acting
        if context is None or context.refusal is not None or context.delegation is None or context.delegator is None:
            return None
        doctor = context.delegator
        return {
            "delegation": context.delegation.id,
            "kind": context.delegation.kind.value,
            "on_behalf_of": doctor.national_id.text if doctor.national_id else doctor.id,
            "family_name": doctor.family_name,
            "given_name": doctor.given_name,
            "rights": sorted(context.rights),
            "until": context.delegation.ends.isoformat(),
        }

    async def extend(self, visit: Visit) -> web.StreamResponse:
        """« Rester connecté »: an act like any other. JSON for the page's script, back to the page without it."""
        await visit.form()
        session = visit.session
        script = "application/json" in visit.request.headers.get("Accept", "")
        if session is None:
            if script:
                return web.json_response({"signed_in": False}, status=401)
            return go(f"{self._house.prefix}/sign-in?reason={Reason.SESSION_IDLE.value}")
        await self._house.keeper.touch(session, visit.now)
        await self._house.changed(session.account)  # the door may hold an older instant for some seconds
        if script:
            ends = min(visit.now + session.lifetimes.idle, session.ends_at)
            return web.json_response(
                {
                    "idle_expires": ends.isoformat(),
                    "expires": session.ends_at.isoformat(),
                    "now": visit.now.isoformat(),
                }
            )
        return go(self._came_from(visit) or "/")

    def _came_from(self, visit: Visit) -> str:
        """The page of ours where the button was pressed, if one can be led back there."""
        referer, own = visit.request.headers.get("Referer", ""), self._house.public_url + self._house.prefix
        if not referer.startswith((f"{own}/account", f"{own}/delegations")):
            return ""
        return referer.removeprefix(self._house.public_url)

    async def sign_out(self, visit: Visit) -> web.StreamResponse:
        await visit.form()
        house, session = self._house, visit.session
        if session is None and (ticket := visit.request.cookies.get(SESSION)):  # a suspended person's, for example
            session = await house.keeper.resume(digest_of(ticket), visit.now)
            if session is None and await house.tries.spend(f"forgotten-from:{visit.client}", _FORGOTTEN, visit.now):
                await house.keeper.forget(digest_of(ticket))
        target = f"{house.prefix}/signed-out"
        if session is not None:
            record = Record(
                Act.SIGN_OUT, visit.now, session.account, address=visit.client, correlation=visit.request_id
            )
            await house.audit.record(record)
            await house.keeper.close(session, visit.now)
            if session.acting_under is not None:
                await house.contexts.over(session, visit.now)
            await forget_registration(visit)
            hint = house.unseal(session.logout_hint) if session.logout_hint else None
            if hint and house.sign_out_elsewhere is not None:
                try:  # here it is over already; if PSC is down, the person is told what may still be open there
                    target = await house.sign_out_elsewhere.end_session_url(hint, house.ambient.token(8)) or target
                except ProviderUnavailable:
                    visit.log(Reason.PSC_UNAVAILABLE, 303)
                    target += "?psc=open"
        answer = go(target)
        self.wipe(visit, answer)
        return answer

    def wipe(self, visit: Visit, answer: web.StreamResponse) -> None:
        """Nothing of the session stays in the browser: our cookie, the application's (R145), what was cached."""
        answer.del_cookie(SESSION, path="/", secure=True, httponly=True, samesite="Lax")
        theirs = [name for name in visit.request.cookies if not name.startswith(_OURS)]
        for name in theirs[:_WIPED]:
            for path in self._house.backend_cookie_paths:
                answer.headers.add("Set-Cookie", f"{name}=; Path={path}; Max-Age=0; Secure; HttpOnly; SameSite=Lax")
        answer.headers["Clear-Site-Data"] = '"cache"'

    async def signed_out(self, visit: Visit) -> web.StreamResponse:
        lines = ["Retirez votre carte du lecteur si vous quittez ce poste."]
        if visit.request.query.get("psc") == "open":
            lines.append(
                "Pro Santé Connect n'a pas répondu\u00a0: sa propre session peut rester ouverte jusqu'à quatre heures. "
                "Fermez le navigateur si le poste est partagé."
            )
        return visit.message(
            "Vous êtes déconnecté", *lines, actions=[(f"{self._house.prefix}/sign-in", "Se connecter", False)]
        )

    async def resume(self, visit: Visit) -> web.StreamResponse:
        """Where somebody comes out who signed in again because a form was refused: the form waits in the other tab."""
        if visit.session is None:
            return go(f"{self._house.prefix}/sign-in?return={self._house.prefix}/resume")
        return visit.message(
            "Vous êtes reconnecté",
            "Fermez cet onglet, revenez à celui de votre formulaire et rechargez-le\u00a0: votre navigateur propose de "
            "renvoyer ce que vous aviez saisi.",
            actions=[("/", "Revenir à l'accueil", False)],
        )
