"""The administrators' side of the composition root: every office of ``administration``, over what ``app`` opened."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway.accounts.mailboxes import Mailboxes
from gateway.accounts.register import Register
from gateway.administration.audit_trail import AuditTrail
from gateway.administration.compliance import Compliance
from gateway.administration.dashboard import Dashboard
from gateway.administration.explain import Explainer
from gateway.administration.imports import Imports
from gateway.administration.invitations import Invitations
from gateway.administration.offices import Offices
from gateway.administration.people import PeopleOffice, Post
from gateway.administration.readiness import ReadinessReport
from gateway.administration.revisions import Revisions
from gateway.administration.scopes import ScopeOffice
from gateway.administration.statistics import Statistics
from gateway.administration.switching import SwitchBoard
from gateway.administration.tokens import Tokens
from gateway.deployment import (
    bounds,
    compliance_settings,
    explain_settings,
    measure_of,
    people_settings,
    routes,
    rules,
    switch_settings,
)
from gateway.desk import PolicyDesk
from gateway.overview import DayBook, Overview
from gateway.pages.house import Charter
from gateway.ports import Ambient, Audit, Bus, Records
from gateway.providers.codes import Codes
from gateway.session.keeper import Keeper
from gateway.settings import Settings

_FORGOTTEN = timedelta(days=1)  # no import takes as long


def offices_of(
    settings: Settings,
    *,
    ambient: Ambient,
    records: Records,
    bus: Bus,
    overview: Overview,
    audit: Audit,
    desk: PolicyDesk,
    register: Register,
    keeper: Keeper,
    codes: Codes,
    invitations: Invitations,
    notices: Post,
    charter: Charter,
) -> Offices:
    """The offices of this deployment; nothing is started here."""
    revisions, zone = Revisions(records, bus), ZoneInfo(settings.ui.timezone)
    measure = measure_of(settings)
    return Offices(
        desk=desk,
        overview=overview,
        scopes=ScopeOffice(records, revisions, audit, desk, ambient, bounds(settings)),
        switches=SwitchBoard(records, revisions, audit, desk, overview, ambient, switch_settings(settings)),
        people=PeopleOffice(
            records,
            register,
            keeper,
            bus,
            audit,
            desk,
            Mailboxes(records),
            invitations,
            notices,
            ambient,
            people_settings(settings),
        ),
        tokens=Tokens(records, audit, desk, ambient, settings.admin.token_days),
        imports=Imports(records, ambient, audit, revisions, desk, bus),
        explainer=Explainer(
            desk, register, records, routes(settings), rules(settings, charter), codes, explain_settings(settings)
        ),
        compliance=Compliance(desk, overview, records, compliance_settings(settings)),
        dashboard=Dashboard(desk, overview, measure, zone),
        readiness=ReadinessReport(desk, overview, measure, zone, audit),
        audit_trail=AuditTrail(overview, audit, desk),
        measure=measure,
    )


def statistics_of(settings: Settings, day_book: DayBook, overview: Overview, desk: PolicyDesk) -> Statistics:
    return Statistics(day_book, overview, desk, measure_of(settings), ZoneInfo(settings.ui.timezone))


def waiting_room(settings: Settings) -> Path:
    """Where files of imports wait to be read; made when it is not there, for us alone."""
    folder = settings.gateway.state_dir / "imports"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def swept(folder: Path, now: datetime) -> None:
    """Remove files that nobody reads any more: their process died a day ago or longer."""
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            if now.timestamp() - path.stat().st_mtime > _FORGOTTEN.total_seconds():
                path.unlink()
