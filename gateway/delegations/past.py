"""A delegation as it stood at an earlier instant: what its history says was changed since is put back (R149). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from gateway.accounts.delegation import Delegation
from gateway.accounts.delegations import Happening
from gateway.policy.delegation import days, period


def as_of(delegation: Delegation, history: Sequence[Happening], at: datetime, zone: ZoneInfo) -> Delegation:
    """Rights, period, and whether it was accepted or ended, as they were then; ``history`` the oldest first, ``zone``
    that of its days. What was invited or proposed in between is not told."""
    then = replace(
        delegation,
        finalised_at=_by(delegation.finalised_at, at),
        revoked_at=_by(delegation.revoked_at, at),
        revoked_by=delegation.revoked_by if _by(delegation.revoked_at, at) else None,
    )
    for event in reversed(history):
        if event.at <= at:
            break
        then = _undone(then, event.detail, zone)
    return then


def _by(instant: datetime | None, at: datetime) -> datetime | None:
    return instant if instant is not None and instant <= at else None


def _undone(delegation: Delegation, detail: Mapping[str, str], zone: ZoneInfo) -> Delegation:
    """Before a change that wrote what was there: ``start_before``, ``end_before``, ``rights_before``."""
    first, last = days(delegation, zone)
    begins, ends = period(_day(detail, "start_before", first), _day(detail, "end_before", last), zone)
    rights = delegation.rights
    if "rights_before" in detail:
        rights = frozenset(detail["rights_before"].split())
    return replace(delegation, begins=begins, ends=ends, rights=rights)


def _day(detail: Mapping[str, str], name: str, otherwise: date) -> date:
    return date.fromisoformat(detail[name]) if name in detail else otherwise
