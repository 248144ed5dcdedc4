"""What people read in mails about delegations (R103, R111, R121, R133). French, pure; see ``texts`` for the house's rules.

A mail names the doctor, the person habilitated and the days. Never rights, patients or numbers. Only those that ask for
something to be done have a link: an invitation, a card to confirm, a period that ends soon.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.accounts.account import Account
from gateway.accounts.delegation import Delegation
from gateway.texts import PARIS, Part, Text, day, mail, moment

_HELP = "prévenez l'assistance de votre région"
_UNKNOWN_TO_YOU = f"Si vous ne connaissez pas ce médecin, ne faites rien, et {_HELP}."
_NOT_MINE = (
    "Si vous n'y êtes pour rien, connectez-vous par carte CPS ou e-CPS, mettez fin à cette délégation dans «\u00a0Mes "
    f"délégations\u00a0», et {_HELP}."
)
_ENDED_BY = {
    "delegator": "Le médecin y a mis fin",
    "delegate": "La personne habilitée l'a rendue",
    "administrator": "L'équipe qui administre ViaTrajectoire y a mis fin",
    "closed": "Le compte de l'un des deux a été effacé",
}


def doctor_of(account: Account) -> str:
    """« Dr Luc BERNARD »."""
    return f"Dr\u00a0{account.given_name} {account.family_name}"


def person_of(delegation: Delegation) -> str:
    """Whom the doctor habilitates, as they call them."""
    return f"{delegation.given_name} {delegation.family_name}"


def span(delegation: Delegation, zone: ZoneInfo = PARIS) -> str:
    """« du 2 mars 2026 au 31 mars 2026 inclus ». ``zone``: that in which days begin and end."""
    first, last = day(delegation.begins, zone), day(delegation.ends - timedelta(microseconds=1), zone)
    return f"le {first}" if first == last else f"du {first} au {last} inclus"


# To the person


def invitation(delegation: Delegation, doctor: Account, link: str, until: datetime, zone: ZoneInfo = PARIS) -> Text:
    """To staff, at the address the doctor gave: finish with your card (R111)."""
    name = doctor_of(doctor)
    return mail(
        "un médecin vous invite",
        f"Ce lien sert une seule fois, jusqu'au {moment(until, zone)}.",
        Part(f"Le {name} vous propose de gérer des dossiers ViaTrajectoire en son nom."),
        Part(f"Période\u00a0: {span(delegation, zone)}", "facts"),
        Part("Pour accepter, ouvrez cette page et présentez votre carte professionnelle\u00a0:"),
        Part("Accepter l'invitation", "link", link),
        Part(
            f"Elle sert une seule fois, jusqu'au {moment(until, zone)}. Votre carte doit être à votre nom\u00a0: ne "
            "transmettez pas ce lien."
        ),
        care=_UNKNOWN_TO_YOU,
    )


def given(delegation: Delegation, doctor: Account, zone: ZoneInfo = PARIS) -> Text:
    """To somebody who may act from the first day on: a colleague, or staff the doctor confirmed (R121)."""
    return mail(
        "un médecin vous habilite",
        f"Période\u00a0: {span(delegation, zone)}.",
        Part(f"Le {doctor_of(doctor)} vous habilite à gérer ses dossiers ViaTrajectoire en son nom."),
        Part(f"Période\u00a0: {span(delegation, zone)}", "facts"),
        Part("Une fois connecté, choisissez «\u00a0Agir pour\u00a0» dans «\u00a0Mes habilitations\u00a0»."),
        care=_UNKNOWN_TO_YOU,
    )


# To the doctor


def accepted(delegation: Delegation, at: datetime, zone: ZoneInfo = PARIS) -> Text:
    """The invited person finished with a card that bears their name."""
    return mail(
        "votre invitation est acceptée",
        f"Le {moment(at, zone)}.",
        Part(f"{person_of(delegation)} a accepté votre délégation de droits avec sa carte, le {moment(at, zone)}."),
        Part(f"Période\u00a0: {span(delegation, zone)}", "facts"),
        care=_NOT_MINE,
    )


def proposed(delegation: Delegation, page: str, at: datetime, zone: ZoneInfo = PARIS) -> Text:
    """Somebody used the link with a card that bears another name: the doctor says whether it is the right person."""
    return mail(
        "une personne est à confirmer",
        "Personne n'a reçu de droits pour l'instant.",
        Part(
            f"Vous avez invité {person_of(delegation)}. Le {moment(at, zone)}, la carte présentée portait un autre nom\u00a0:"
        ),
        Part(delegation.proposed_name or "", "facts"),
        Part("Personne n'a reçu de droits pour l'instant. Dites si c'est la bonne personne\u00a0:"),
        Part("Ouvrir «\u00a0Mes délégations\u00a0»", "link", page),
        care="Si vous ne connaissez pas cette personne, refusez-la sur cette page.",
    )


def granted(delegation: Delegation, at: datetime, zone: ZoneInfo = PARIS) -> Text:
    """A colleague was given all of the doctor's rights."""
    return mail(
        "vous habilitez un médecin",
        f"Le {moment(at, zone)}.",
        Part(f"Une délégation de droits à {person_of(delegation)} a été créée le {moment(at, zone)} sur votre compte."),
        Part(f"Période\u00a0: {span(delegation, zone)}", "facts"),
        care=_NOT_MINE,
    )


def reminder(delegation: Delegation, days_left: int, page: str, zone: ZoneInfo = PARIS) -> Text:
    """The last day comes near (R133)."""
    last = day(delegation.ends - timedelta(microseconds=1), zone)
    when = f"dans {days_left} jours" if days_left > 1 else "bientôt"
    return mail(
        f"une délégation se termine {when}",
        f"Dernier jour\u00a0: le {last}.",
        Part(f"La délégation de droits donnée à {person_of(delegation)} se termine {when}."),
        Part(f"Dernier jour\u00a0: le {last}", "facts"),
        Part("Vous pouvez la prolonger\u00a0:"),
        Part("Ouvrir «\u00a0Mes délégations\u00a0»", "link", page),
        care="Si elle n'est plus utile, ne faites rien\u00a0: elle se termine d'elle-même.",
    )


# To both


def changed(delegation: Delegation, doctor: Account, at: datetime, *, own: bool, zone: ZoneInfo = PARIS) -> Text:
    """Its period or its rights are others. ``own``: to the doctor; else to the person."""
    return mail(
        "une délégation a été modifiée",
        f"Le {moment(at, zone)}.",
        Part(f"{_which(delegation, doctor, own)} a été modifiée le {moment(at, zone)}."),
        Part(f"Période\u00a0: {span(delegation, zone)}", "facts"),
        Part(f"Les droits en cours sont affichés dans «\u00a0{_page(own)}\u00a0»."),
        care=_NOT_MINE if own else _UNKNOWN_TO_YOU,
    )


def ended(delegation: Delegation, doctor: Account, at: datetime, *, own: bool, zone: ZoneInfo = PARIS) -> Text:
    """It is over before its last day; ``revoked_by`` says who wanted it."""
    why = _ENDED_BY[delegation.revoked_by or "delegator"]
    if own and delegation.revoked_by == "delegator":
        why = "Vous y avez mis fin"
    elif not own and delegation.revoked_by == "delegate":
        why = "Vous l'avez rendue"
    return mail(
        "une délégation est terminée",
        f"Le {moment(at, zone)}.",
        Part(f"{_which(delegation, doctor, own)} est terminée depuis le {moment(at, zone)}."),
        Part(f"{why}.", "facts"),
        care=f"Si cela vous étonne, parlez-en à {'cette personne' if own else 'ce médecin'}, ou {_HELP}.",
    )


def _which(delegation: Delegation, doctor: Account, own: bool) -> str:
    if own:
        return f"La délégation de droits donnée à {person_of(delegation)}"
    return f"La délégation de droits que le {doctor_of(doctor)} vous a proposée"


def _page(own: bool) -> str:
    return "Mes délégations" if own else "Mes habilitations"
