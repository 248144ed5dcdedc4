"""What the ways of signing in share: the page of a space, the attempt they open, and what a late tab is told."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from gateway.identity import Space
from gateway.pages.attempts import Attempts
from gateway.pages.base import LAST, Visit, go
from gateway.pages.house import House
from gateway.pages.journey import safe_return
from gateway.providers.base import Attempt
from gateway.reasons import Reason


class Entrance:
    """Attempts, and the two sign-in pages."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.attempts = Attempts(house.store, house.ambient)

    def space(self, text: str | None) -> Space:
        try:
            return Space(text or "")
        except ValueError:
            return self._house.default_space

    async def open(
        self, visit: Visit, method: str, fields: Mapping[str, str], *, shared: bool = False, name: str = ""
    ) -> Attempt:
        """A new attempt; 404 for a means that this space does not offer. ``name``: what the attempt is called when it
        is not simply its means."""
        space = self.space(fields.get("space"))
        if method not in self._house.providers or method not in self._house.methods[space]:
            raise web.HTTPNotFound
        back = safe_return(fields.get("return"), self._house.prefix)
        return await self.attempts.open(
            visit.browser_id(), space, back, name or method, visit.client, visit.now, shared=shared
        )

    def show(
        self,
        visit: Visit,
        space: Space,
        back: str,
        *,
        status: int = 200,
        problem: str = "",
        notice: str = "",
        identifier: str = "",
    ) -> web.Response:
        """The sign-in page of this space."""
        house = self._house
        offered = [name for name in house.methods[space] if name in house.providers]
        last = visit.request.cookies.get(LAST, "")
        return visit.page(
            "sign_in",
            status=status,
            space=space.value,
            back=back,
            methods=offered,
            channels=house.channels,
            card_direct=house.card_direct,
            last=last if last in offered else "",
            problem=problem,
            notice=notice,
            identifier=identifier,
        )

    def lost(self, visit: Visit, reason: Reason, back: str | None = None) -> web.Response:
        """An attempt that is no more. A late tab of somebody who is signed in by now goes to its own target."""
        if visit.session is not None:
            return go(safe_return(back, self._house.prefix))
        if visit.browser is None:
            return visit.message(
                "Votre navigateur n'a pas gardé le cookie de connexion",
                "Autorisez les cookies de ce site (ils ne servent qu'à la connexion), puis recommencez.",
                status=403,
                actions=[(f"{self._house.prefix}/sign-in", "Recommencer", False)],
                reason=Reason.COOKIES_REFUSED,
            )
        return visit.message(
            "Cette connexion n'est plus en cours",
            "Elle a déjà servi, a attendu trop longtemps ou a commencé dans un autre navigateur.",
            status=403,
            actions=[(f"{self._house.prefix}/sign-in", "Recommencer", False)],
            reason=reason,
        )
