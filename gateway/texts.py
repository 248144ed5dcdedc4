"""What people read in mails and SMS. In French, with times of Europe/Paris (R77, R154). Pure but for the time zone."""

from __future__ import annotations

import html
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

PARIS = ZoneInfo("Europe/Paris")
_GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_NARROW = "\u202f"  # narrow no-break space, before « : » « ? » and inside times
_MONTHS = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
]


@dataclass(frozen=True, slots=True)
class Text:
    """A mail: subject, plain text, HTML."""

    subject: str
    text: str
    html: str


def clock(instant: datetime) -> str:
    """« 14 h 32 », with no-break spaces."""
    local = instant.astimezone(PARIS)
    return f"{local.hour}\u00a0h\u00a0{local.minute:02d}"


def day(instant: datetime) -> str:
    """« 2 mars 2026 »."""
    local = instant.astimezone(PARIS)
    return f"{local.day}{'er' if local.day == 1 else ''}\u00a0{_MONTHS[local.month - 1]}\u00a0{local.year}"


def duration(length: timedelta) -> str:
    """« 10 minutes », « 8 heures », « 1 heure 30 »."""
    minutes = round(length.total_seconds() / 60)
    hours, rest = divmod(minutes, 60)
    if hours == 0:
        return f"{minutes}\u00a0minute{'s' if minutes > 1 else ''}"
    text = f"{hours}\u00a0heure{'s' if hours > 1 else ''}"
    return f"{text}\u00a0{rest:02d}" if rest else text


def code_mail(code: str, validity: timedelta, until: datetime, asked: datetime) -> Text:
    """The code by mail: no link, no identifier, no health data (R77)."""
    shown = f"{code[: len(code) // 2]} {code[len(code) // 2 :]}"
    lines = [
        "Bonjour,",
        f"Voici votre code de connexion à ViaTrajectoire\u00a0: {shown}.",
        f"Il est valable {duration(validity)} (jusqu'à {clock(until)}) et ne sert qu'une fois. "
        "Saisissez-le dans la fenêtre «\u00a0J'ai reçu mon code\u00a0».",
        "Ne le communiquez à personne, même à l'assistance.",
        f"Si vous n'avez pas demandé ce code (demande de {clock(asked)}), changez votre mot de passe et prévenez votre "
        "référent structure.",
    ]
    return _mail("ViaTrajectoire : votre code de connexion", lines, big=shown)


def code_sms(code: str, validity: timedelta) -> str:
    """The code by SMS, in one part of GSM-7 characters."""
    minutes = round(validity.total_seconds() / 60)
    span = f"{minutes // 60} h" if minutes >= 60 and minutes % 60 == 0 else f"{minutes} min"
    text = f"ViaTrajectoire : votre code est {code}, valable {span}. Ne le communiquez à personne."
    if len(text) > 160 or not set(text) <= _GSM7:
        raise ValueError("an SMS of one part in GSM-7 was expected")
    return text


def reset_mail(link: str, until: datetime) -> Text:
    lines = [
        "Bonjour,",
        "Vous avez demandé à choisir un nouveau mot de passe pour ViaTrajectoire. Ouvrez cette page\u00a0:",
        link,
        f"Elle sert une seule fois, jusqu'à {clock(until)}. Un code vous sera toujours demandé à la connexion.",
        "Si vous n'avez rien demandé, ne faites rien\u00a0: votre mot de passe reste le même.",
    ]
    return _mail("ViaTrajectoire : votre nouveau mot de passe", lines, link=link)


def password_changed_mail(at: datetime) -> Text:
    lines = [
        "Bonjour,",
        f"Le mot de passe de votre compte ViaTrajectoire a été changé le {day(at)} à {clock(at)}.",
        "Si ce n'était pas vous, connectez-vous par carte CPS ou e-CPS pour le changer, et prévenez votre référent structure.",
    ]
    return _mail("ViaTrajectoire : votre mot de passe a été changé", lines)


def account_created_mail(at: datetime) -> Text:
    lines = [
        "Bonjour,",
        f"Votre compte ViaTrajectoire a été créé le {day(at)} à {clock(at)}, après votre connexion par carte ou e-CPS.",
        "Si ce n'était pas vous, prévenez l'assistance de votre région.",
    ]
    return _mail("ViaTrajectoire : votre compte a été créé", lines)


def _mail(subject: str, lines: list[str], *, big: str | None = None, link: str | None = None) -> Text:
    parts = []
    for line in lines:
        safe = html.escape(line, quote=False)
        if big is not None and big in line:
            safe = safe.replace(big, f'<strong style="font-size:1.6em;letter-spacing:.1em">{big}</strong>')
        if link is not None and line == link:
            safe = f'<a href="{html.escape(link)}" style="color:#0b4f8a">{safe}</a>'
        parts.append(f'<p style="margin:0 0 1em">{safe}</p>')
    body = (
        '<!doctype html><html lang="fr"><body style="margin:0;background:#f4f6f8;padding:24px">'
        '<div style="max-width:34em;margin:auto;background:#fff;border-radius:8px;padding:24px;'
        'font:16px/1.5 system-ui,sans-serif;color:#1c2733">'
        '<p style="margin:0 0 1em;color:#0b4f8a;font-weight:600">ViaTrajectoire</p>'
        f"{''.join(parts)}</div></body></html>"
    )
    return Text(subject, "\n\n".join(lines) + "\n", body)
