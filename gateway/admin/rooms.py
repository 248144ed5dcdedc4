"""All pages of administration, in one room for the composition root. Fixed addresses stand before those with names in
them, so that ``accounts/new`` is never taken for an account."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from gateway.admin.accounts import AccountList
from gateway.admin.asking import AskingPages, EmergencyPages
from gateway.admin.dashboard import DashboardPage
from gateway.admin.delegation import DelegationPages
from gateway.admin.importing import ImportPages
from gateway.admin.insight import CompliancePage, ExplainPage
from gateway.admin.journal import Journal
from gateway.admin.person import PersonPages
from gateway.admin.places import PlacePages
from gateway.admin.policy import PolicyPages
from gateway.admin.preparing import ReadinessTables
from gateway.admin.scope import ScopePage
from gateway.admin.scopes import ScopeList
from gateway.admin.switching import SwitchPages
from gateway.admin.tracing import TracePage
from gateway.admin.uploads import Uploads
from gateway.administration.offices import Offices
from gateway.delegations.oversight import Oversight
from gateway.pages.house import House


class AdminPages:
    """``uploads``: where files of imports wait, and how large they may be; ``oversight``: delegations and who acted."""

    def __init__(self, house: House, offices: Offices, uploads: Uploads, oversight: Oversight) -> None:
        self._rooms = [
            DashboardPage(house, offices),
            ScopeList(house, offices),
            ReadinessTables(house, offices),
            PolicyPages(house, offices),
            PlacePages(house, offices),
            EmergencyPages(house, offices),
            AskingPages(house, offices),
            ScopePage(house, offices),
            SwitchPages(house, offices),
            AccountList(house, offices),
            PersonPages(house, offices, oversight),
            DelegationPages(house, offices, oversight),
            ImportPages(house, offices, uploads),
            Journal(house, offices),
            TracePage(house, offices, oversight),
            CompliancePage(house, offices),
            ExplainPage(house, offices),
        ]

    def routes(self) -> Sequence[web.RouteDef]:
        return [route for room in self._rooms for route in room.routes()]
