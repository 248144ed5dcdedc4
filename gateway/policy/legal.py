"""The legal status of each means of signing in, as the référentiel d'identification électronique knows them (G3, G8).

``psc`` and ``cpx`` are accepted by law. A ``homologue`` means was homologated by the owner of the service, for a time,
under a reference. ``transition`` means were allowed until a date of the nation, and are still on at the owner's risk.
``interdit``: not usable here, whatever else is set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.identity import Method

REMINDER = timedelta(days=90)  # before a homologation ends (G8)

# The means that have a status, and the methods each one opens a session with (R141).
MEANS: Mapping[str, frozenset[Method]] = {
    "psc": frozenset({Method.PSC_CPS, Method.PSC_ECPS}),
    "card": frozenset({Method.CPS, Method.CPE, Method.CPA, Method.CPF}),
    "otp_mail": frozenset({Method.OTP_MAIL}),
    "otp_sms": frozenset({Method.OTP_SMS}),
    "otp_totp": frozenset({Method.OTP_TOTP, Method.OTP_RECOVERY}),
    "passkey": frozenset({Method.PASSKEY}),
    "password": frozenset({Method.PASSWORD}),
}
PASSWORD = "password"  # noqa: S105 - alone; the means above
# As people read them.
NAMES: Mapping[str, str] = {
    "psc": "Pro Santé Connect (e-CPS, carte)",
    "card": "Carte CPS, CPE, CPA ou CPF",
    "otp_mail": "Mot de passe et code par e-mail",
    "otp_sms": "Mot de passe et code par SMS",
    "otp_totp": "Mot de passe et application d'authentification",
    "passkey": "Clé d'accès",
    "password": "Mot de passe seul",
}
CHANNEL_NAMES: Mapping[str, str] = {"mail": "e-mail", "sms": "SMS", "totp": "application d'authentification"}
CHANNELS: Mapping[str, str] = {"mail": "otp_mail", "sms": "otp_sms", "totp": "otp_totp"}  # channel of codes to means


class Status(StrEnum):
    """The words of the référentiel."""

    PSC = "psc"
    CPX = "cpx"
    HOMOLOGUE = "homologue"
    TRANSITION = "transition"
    INTERDIT = "interdit"


@dataclass(frozen=True, slots=True)
class Legal:
    """The status of one means; ``reference`` and ``until`` of its homologation, or the end of the transition."""

    status: Status
    reference: str = ""
    until: datetime | None = None


def forbidden(statuses: Mapping[str, Legal]) -> frozenset[str]:
    """The means that must not be used."""
    return frozenset(name for name, legal in statuses.items() if legal.status is Status.INTERDIT)


def alarm(legal: Legal, now: datetime) -> str | None:
    """What an administrator has to know of a means that is in use: ``ended`` or ``ends-soon``; ``None`` for nothing."""
    if legal.until is None or legal.status not in (Status.HOMOLOGUE, Status.TRANSITION):
        return None
    if now >= legal.until:
        return "ended"
    return "ends-soon" if legal.status is Status.HOMOLOGUE and legal.until - now <= REMINDER else None
