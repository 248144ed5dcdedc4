"""Help by problem, which means is for whom, card and e-CPS step by step, personal data, accessibility (R156–R160, G81).

Nobody needs to be signed in here. What is said depends on the region (contacts, links) and on what this deployment
offers; a question asked with the form of ``/help/means`` is answered by its address alone, and nothing of it is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from aiohttp import web

from gateway import texts
from gateway.accounts.towns import Towns
from gateway.pages import means
from gateway.pages.base import Handler, Visit, handle
from gateway.pages.house import House
from gateway.pages.region_pages import RegionPages
from gateway.pages.towns import TownPages


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpFacts:
    """What the legal pages say of this deployment. ``organisation``: who answers for it, '' for "the body that runs it";
    ``data_protection``: where people write about their data, '' for the region's contacts; ``log_days``: how long
    events are kept; ``rate``: per cent of RGAA criteria met, once audited."""

    organisation: str = ""
    data_protection: str = ""
    log_days: int = 365
    status: str = "non conforme"
    stated_on: date | None = None
    audited_by: str = ""
    rate: float | None = None


class HelpPages:
    """``/help``, ``/help/means``, ``/help/card``, ``/privacy``, ``/accessibility``; with them the pages of regions and the
    suggestions of towns."""

    def __init__(self, house: House, towns: Towns, facts: HelpFacts | None = None) -> None:
        self._house = house
        self._facts = facts or HelpFacts()
        self._beside = (RegionPages(house), TownPages(house, towns))

    def routes(self) -> list[web.RouteDef]:
        prefix = self._house.prefix
        table: list[tuple[str, Handler]] = [
            ("/help", self.help),
            ("/help/means", self.which_means),
            ("/help/card", self.card),
            ("/privacy", self.privacy),
            ("/accessibility", self.accessibility),
        ]
        own = [web.get(prefix + path, handle(work)) for path, work in table]
        return own + [route for pages in self._beside for route in pages.routes()]

    async def help(self, visit: Visit) -> web.StreamResponse:
        offered = {method for methods in self._house.methods.values() for method in methods}
        return visit.page(
            "help",
            offered=offered,
            channels=self._house.channels,
            choices=len(self._house.regions.choices),
        )

    async def which_means(self, visit: Visit) -> web.StreamResponse:
        """The table, and the answer to the form if it was filled."""
        asked = visit.request.query
        family = means.family_of(asked.get("family", ""))
        card, phone = asked.get("card", ""), asked.get("phone", "")
        whole = family is not None and card in ("oui", "non") and phone in ("oui", "non")
        return visit.page(
            "means",
            families=means.FAMILIES,
            neither=(*means.NEITHER, means.CODE),
            family=family,
            card=card,
            phone=phone,
            advice=means.advise(family, card=card == "oui", phone=phone == "oui") if family and whole else None,
            fault="" if whole or not asked else "Répondez aux trois questions.",
        )

    async def card(self, visit: Visit) -> web.StreamResponse:
        return visit.page("help_card", direct=self._house.card_direct)

    async def privacy(self, visit: Visit) -> web.StreamResponse:
        return visit.page(
            "privacy",
            facts=self._facts,
            log=f"{round(self._facts.log_days / 30.4)} mois",
            channels=self._house.channels,
        )

    async def accessibility(self, visit: Visit) -> web.StreamResponse:
        stated = self._facts.stated_on
        noon = datetime.combine(stated, time(12), UTC) if stated else None
        return visit.page("accessibility", facts=self._facts, stated=texts.day(noon) if noon else "")
