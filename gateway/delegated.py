"""The delegations' side of the composition root: offices, pages and jobs, over what ``app`` opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from gateway.accounts.delegations import Delegations
from gateway.accounts.register import Register
from gateway.delegations.context import Contexts
from gateway.delegations.office import DelegationOffice
from gateway.delegations.oversight import Oversight
from gateway.delegations.receiving import ReceivingOffice
from gateway.delegations.search import DirectorySearch
from gateway.delegations.upkeep import DelegationUpkeep
from gateway.deployment import delegation_rules
from gateway.desk import PolicyDesk
from gateway.jobs import Job
from gateway.notices import Notices
from gateway.overview import Overview
from gateway.pages.acting import ActingPages
from gateway.pages.app import Pages
from gateway.pages.delegating import DelegatingPages
from gateway.pages.delegation_detail import DelegationDetail
from gateway.pages.delegations import DelegationPages
from gateway.pages.house import House
from gateway.pages.joining import JoiningPages
from gateway.ports import Ambient, Audit, Bus, Directory, Records, Store
from gateway.session.keeper import Keeper
from gateway.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationSide:
    """The offices of this deployment; nothing is started here."""

    office: DelegationOffice
    receiving: ReceivingOffice
    search: DirectorySearch
    upkeep: DelegationUpkeep
    oversight: Oversight

    def rooms(self, house: House) -> Sequence[Pages]:
        return (
            DelegationPages(house, self.office, self.receiving),
            DelegatingPages(house, self.office, self.search),
            DelegationDetail(house, self.office, house.register),
            JoiningPages(house, self.receiving),
            ActingPages(house, self.receiving),
        )

    def jobs(self) -> Sequence[Job]:
        return self.upkeep.jobs()


def contexts_of(settings: Settings, delegations: Delegations, register: Register) -> Contexts:
    return Contexts(delegations, register, delegation_rules(settings))


def delegation_side(
    settings: Settings,
    *,
    ambient: Ambient,
    store: Store,
    bus: Bus,
    records: Records,
    register: Register,
    delegations: Delegations,
    keeper: Keeper,
    audit: Audit,
    directory: Directory | None,
    notices: Notices,
    overview: Overview,
    desk: PolicyDesk,
) -> DelegationSide:
    rules, zone = delegation_rules(settings), ZoneInfo(settings.ui.timezone)
    base = settings.gateway.public_url + settings.gateway.prefix
    section = settings.delegation
    return DelegationSide(
        office=DelegationOffice(
            delegations=delegations,
            register=register,
            audit=audit,
            bus=bus,
            post=notices.post,
            ambient=ambient,
            directory=directory,
            rules=rules,
            base=base,
            zone=zone,
        ),
        receiving=ReceivingOffice(
            delegations=delegations,
            register=register,
            keeper=keeper,
            audit=audit,
            bus=bus,
            post=notices.post,
            rules=rules,
            base=base,
            zone=zone,
        ),
        search=DirectorySearch(store, audit, directory, rules, section.searches_per_hour),
        upkeep=DelegationUpkeep(
            records,
            delegations,
            register,
            audit,
            notices.post,
            remind_days=section.remind_days,
            retention=timedelta(days=section.retention_days),
            rules=rules,
            base=base,
            zone=zone,
        ),
        oversight=Oversight(
            delegations=delegations,
            register=register,
            records=records,
            overview=overview,
            audit=audit,
            bus=bus,
            post=notices.post,
            desk=desk,
            rules=rules,
            retention=timedelta(days=settings.log.retention_days),
        ),
    )
