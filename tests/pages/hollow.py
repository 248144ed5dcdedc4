"""A house with nothing in it but what help pages need, behind aiohttp's own server on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import fields
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.accounts.towns import Towns
from gateway.identity import Space
from gateway.pages.help import HelpFacts, HelpPages
from gateway.pages.house import HOUSE, House
from gateway.pages.regions import Contact, Links, Region, Regions, logo_of, theme_of
from tests.ambient import TestAmbient

PREFIX = "/_gateway"
LINKS = Links(
    procedure="https://aide.test/procedure",
    faq="https://aide.test/faq",
    card_help="https://aide.test/carte",
    card_diagnostic="https://aide.test/diagnostic",
    card_support="https://aide.test/ans",
    tops="https://aide.test/tops",
    ecps_help="https://aide.test/e-cps",
    ecps_wallet="https://aide.test/wallet",
    monsisra_support="https://aide.test/sara",
)
PARIS = ZoneInfo("Europe/Paris")
EVERYBODY = Contact("Assistance nationale", "mailto:aide@aide.test", ("connexion",))
TEAMS = (
    Contact("Équipe identités et cartes", "mailto:cartes@aura.test", ("Pro Santé Connect", "activation e-CPS")),
    Contact("Équipe ViaTrajectoire", "tel:+33400000000", ("comptes", "connexion"), "de 9\u00a0h à 18\u00a0h"),
)
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle cx="4" cy="4" r="4"/></svg>'
NEUTRAL = Region(links=LINKS, zone=PARIS, contacts=(EVERYBODY,))
AURA = Region(
    id="aura",
    name="Auvergne-Rhône-Alpes",
    scope="reg-84",
    links=LINKS,
    zone=PARIS,
    contacts=TEAMS,
    logo=logo_of(SVG),
    theme=theme_of({"accent": "#7A1F5C", "dark_accent": "#eaa6d0", "dark_accent_ink": "#2b0a20"}),
)
REUNION = Region(id="reunion", name="La Réunion", scope="reg-04", links=LINKS, zone=ZoneInfo("Indian/Reunion"))
REGIONS = Regions(PREFIX, NEUTRAL, (AURA, REUNION))


def house_of(regions: Regions = REGIONS, **more: Any) -> House:
    """A house of which only what is given here may be used."""
    empty: dict[str, Any] = dict.fromkeys(field.name for field in fields(House))
    given: dict[str, Any] = {
        "prefix": PREFIX,
        "public_url": "https://vt.test",
        "form_targets": (),
        "ambient": TestAmbient(),
        "methods": {Space.LIBERAL: ["card", "psc", "password"], Space.PROFESSIONNEL: ["psc", "password"]},
        "channels": ["mail", "sms"],
        "card_direct": True,
        "regions": regions,
        "csrf_key": b"k" * 32,
        "warn": timedelta(minutes=2),
        "rules": SimpleNamespace(above=lambda scope: [scope]),
    }
    return House(**{**empty, **given, **more})


@asynccontextmanager
async def served(house: House, facts: HelpFacts | None = None) -> AsyncIterator[TestClient[Any, Any]]:
    """A browser that talks to the help pages alone, with the headers the door would stamp."""
    app = web.Application()
    app[HOUSE] = house
    app.router.add_routes(HelpPages(house, Towns(), facts).routes())
    stamped: Mapping[str, str] = {
        "vtgw-client": "192.0.2.7",
        "vtgw-request-id": "ab" * 16,
        "vtgw-scheme": "https",
        "vtgw-host": "vt.test",
    }
    async with TestClient(TestServer(app), headers=stamped) as client:
        yield client


class Nobody:
    """The contexts of people who act for nobody but themselves."""

    async def of(self, *_: object) -> None:
        return None
