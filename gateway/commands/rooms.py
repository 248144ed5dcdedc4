"""The offices of places for one command: the same as behind the pages and the API, over an open ``Office``."""

from __future__ import annotations

from functools import cached_property
from zoneinfo import ZoneInfo

from gateway.administration.imports import Imports
from gateway.administration.readiness import ReadinessReport
from gateway.administration.scopes import ScopeOffice
from gateway.administration.switching import SwitchBoard
from gateway.commands.office import Office, Problem
from gateway.deployment import bounds, measure_of, switch_settings
from gateway.edges.overview import SqlOverview
from gateway.overview import Measure
from gateway.policy.establishments import Scope


class Rooms:
    """Each is made when a command needs it."""

    def __init__(self, office: Office) -> None:
        self._office = office

    @classmethod
    async def opened(cls, office: Office) -> Rooms:
        """With the policy in force."""
        await office.read_policy()
        return cls(office)

    @cached_property
    def overview(self) -> SqlOverview:
        return SqlOverview(self._office.records)

    @cached_property
    def scopes(self) -> ScopeOffice:
        one = self._office
        return ScopeOffice(one.records, one.revisions, one.audit, one.desk, one.ambient, bounds(one.settings))

    @cached_property
    def switches(self) -> SwitchBoard:
        one, settings = self._office, switch_settings(self._office.settings)
        return SwitchBoard(one.records, one.revisions, one.audit, one.desk, self.overview, one.ambient, settings)

    @cached_property
    def imports(self) -> Imports:
        one = self._office
        return Imports(one.records, one.ambient, one.audit, one.revisions, one.desk, one.store)

    @cached_property
    def readiness(self) -> ReadinessReport:
        settings = self._office.settings
        zone = ZoneInfo(settings.ui.timezone)
        return ReadinessReport(self._office.desk, self.overview, measure_of(settings), zone, self._office.audit)

    @property
    def measure(self) -> Measure:
        return measure_of(self._office.settings)(self._office.now)

    def scope(self, name: str) -> Scope:
        """The scope of this id or FINESS number; raises ``Problem``."""
        book = self._office.desk.book
        found = book.scope(name)
        if found is None:
            numbered = [one for one in book.scopes.values() if one.finess == name and one.kind != "service"]
            if len(numbered) != 1:
                raise Problem(f"no scope has the id or FINESS number {name}")
            found = numbered[0]
        return found
