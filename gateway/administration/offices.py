"""All offices of administration as one value: what pages and API work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from gateway.administration.audit_trail import AuditTrail
from gateway.administration.compliance import Compliance
from gateway.administration.dashboard import Dashboard
from gateway.administration.explain import Explainer
from gateway.administration.imports import Imports
from gateway.administration.people import PeopleOffice
from gateway.administration.readiness import ReadinessReport
from gateway.administration.scopes import ScopeOffice
from gateway.administration.switching import SwitchBoard
from gateway.administration.tokens import Tokens
from gateway.desk import PolicyDesk
from gateway.overview import Measure, Overview


@dataclass(frozen=True, slots=True, kw_only=True)
class Offices:
    """``measure``: what counts of people depend on, at an instant."""

    desk: PolicyDesk
    overview: Overview
    scopes: ScopeOffice
    switches: SwitchBoard
    people: PeopleOffice
    tokens: Tokens
    imports: Imports
    explainer: Explainer
    compliance: Compliance
    dashboard: Dashboard
    readiness: ReadinessReport
    audit_trail: AuditTrail
    measure: Callable[[datetime], Measure]
