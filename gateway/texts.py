"""What people read in mails and SMS. In French, with times of one zone (R77, R154). Pure but for the time zone.

* A mail is written once, as parts; its plain text and its HTML say the same sentences.
* A mail with a code has no link; of the others, only those that are a link have one (a proof of address, a new password).
* No national identifier, no password, no health data, no full phone number. A notice carries no code either.
* Each message says what to do if it was not you.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from gateway import html

PARIS = ZoneInfo("Europe/Paris")
_GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
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
_HELLO = "Bonjour,"
_ROBOT = "Message automatique de ViaTrajectoire\u00a0: merci de ne pas y répondre."
_HELP = "prévenez votre référent structure ou l'assistance de votre région"


@dataclass(frozen=True, slots=True)
class Text:
    """A mail: subject, plain text, HTML."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Part:
    """A paragraph of a mail. ``kind``: text, code (``value`` is the code), link (``value`` is the address), facts (set
    off), care (what to do if it was not you), small."""

    text: str
    kind: str = "text"
    value: str = ""

    @property
    def plain(self) -> str:
        """As the plain text has it."""
        if self.kind == "code":
            return f"{self.text} {self.value}"
        return f"{self.text}\n{self.value}" if self.kind == "link" else self.text


# Times and lengths


def clock(instant: datetime, zone: ZoneInfo = PARIS) -> str:
    """« 14 h 32 », with no-break spaces."""
    local = instant.astimezone(zone)
    return f"{local.hour}\u00a0h\u00a0{local.minute:02d}"


def day(instant: datetime, zone: ZoneInfo = PARIS) -> str:
    """« 2 mars 2026 »."""
    local = instant.astimezone(zone)
    return f"{local.day}{'er' if local.day == 1 else ''}\u00a0{_MONTHS[local.month - 1]}\u00a0{local.year}"


def moment(instant: datetime, zone: ZoneInfo = PARIS) -> str:
    """« 2 mars 2026 à 14 h 32 »."""
    return f"{day(instant, zone)} à {clock(instant, zone)}"


def limit(until: datetime, now: datetime, zone: ZoneInfo = PARIS) -> str:
    """« jusqu'à 14 h 32 », or « jusqu'au 3 mars 2026 à 2 h 05 » when that is not today."""
    if until.astimezone(zone).date() == now.astimezone(zone).date():
        return f"jusqu'à {clock(until, zone)}"
    return f"jusqu'au {moment(until, zone)}"


def duration(length: timedelta) -> str:
    """« 10 minutes », « 8 heures », « 1 heure 30 »."""
    minutes = round(length.total_seconds() / 60)
    hours, rest = divmod(minutes, 60)
    if hours == 0:
        return f"{minutes}\u00a0minute{'s' if minutes > 1 else ''}"
    text = f"{hours}\u00a0heure{'s' if hours > 1 else ''}"
    return f"{text}\u00a0{rest:02d}" if rest else text


# Codes


def code_mail(code: str, validity: timedelta, until: datetime, asked: datetime, zone: ZoneInfo = PARIS) -> Text:
    """The code by mail: no link, no identifier, no health data (R77)."""
    shown = f"{code[: len(code) // 2]} {code[len(code) // 2 :]}"
    return mail(
        "votre code de connexion",
        # Not the code: lists of mails and locked screens show this line to whoever is near.
        f"Valable {duration(validity)}. Ne le communiquez à personne.",
        Part("Voici votre code de connexion à ViaTrajectoire\u00a0:", "code", shown),
        Part(
            f"Il est valable {duration(validity)} ({limit(until, asked, zone)}) et ne sert qu'une fois. "
            "Saisissez-le dans la fenêtre «\u00a0J'ai reçu mon code\u00a0»."
        ),
        Part("Ne le communiquez à personne, même à l'assistance."),
        care=f"Si vous n'avez pas demandé ce code (demande de {clock(asked, zone)}), changez votre mot de passe et "
        "prévenez votre référent structure.",
    )


def code_sms(code: str, validity: timedelta) -> str:
    """The code by SMS, in one part of GSM-7 characters."""
    minutes = round(validity.total_seconds() / 60)
    span = f"{minutes // 60} h" if minutes >= 60 and minutes % 60 == 0 else f"{minutes} min"
    text = f"ViaTrajectoire : votre code est {code}, valable {span}. Ne le communiquez à personne."
    if len(text) > 160 or not set(text) <= _GSM7:
        raise ValueError("an SMS of one part in GSM-7 was expected")
    return text


# Links


def reset_mail(link: str, until: datetime, zone: ZoneInfo = PARIS) -> Text:
    """The way to a new password (R61)."""
    return mail(
        "votre nouveau mot de passe",
        f"Ce lien sert une seule fois, jusqu'à {clock(until, zone)}.",
        Part("Vous avez demandé à choisir un nouveau mot de passe pour ViaTrajectoire. Ouvrez cette page\u00a0:"),
        Part("Choisir un nouveau mot de passe", "link", link),
        Part(
            f"Elle sert une seule fois, jusqu'à {clock(until, zone)}. Un code vous sera toujours demandé à la connexion."
        ),
        care="Si vous n'avez rien demandé, ne faites rien\u00a0: votre mot de passe reste le même.",
    )


def proof_mail(link: str, until: datetime, zone: ZoneInfo = PARIS) -> Text:
    """The proof that an address is its holder's (R19, R96)."""
    return mail(
        "confirmez votre adresse",
        "Une page à ouvrir pour recevoir vos codes à cette adresse.",
        Part(
            "Cette adresse a été donnée pour un compte ViaTrajectoire. Ouvrez cette page pour confirmer que c'est la "
            "vôtre\u00a0:"
        ),
        Part("Confirmer mon adresse", "link", link),
        Part(f"Elle sert une seule fois, jusqu'au {moment(until, zone)}."),
        care="Si vous n'avez pas donné cette adresse, ne faites rien\u00a0: elle ne sera pas utilisée.",
    )


def invitation_mail(link: str, place: str, until: datetime, zone: ZoneInfo = PARIS) -> Text:
    """An account made by somebody who administers ``place``; its person chooses a password (R100)."""
    return mail(
        "votre invitation",
        f"Ce lien sert une seule fois, jusqu'au {moment(until, zone)}.",
        Part(f"Un compte ViaTrajectoire vous est ouvert pour\u00a0: {place}."),
        Part("Ouvrez cette page pour choisir votre mot de passe et confirmer votre adresse\u00a0:"),
        Part("Choisir mon mot de passe", "link", link),
        Part(
            f"Elle sert une seule fois, jusqu'au {moment(until, zone)}. Personne d'autre que vous ne doit connaître votre "
            "mot de passe."
        ),
        care="Si vous ne travaillez pas là, ne faites rien, et prévenez l'assistance de votre région.",
    )


# Notices (R96, R103): what happened, when, and what to do if it was not you


def account_created_mail(at: datetime, zone: ZoneInfo = PARIS) -> Text:
    return mail(
        "votre compte a été créé",
        "Bienvenue sur ViaTrajectoire.",
        Part(
            f"Votre compte ViaTrajectoire a été créé le {moment(at, zone)}, après votre connexion par carte ou e-CPS.",
        ),
        care=f"Si ce n'était pas vous, {_HELP}.",
    )


def attached_mail(place: str, at: datetime, zone: ZoneInfo = PARIS) -> Text:
    """Somebody said that the person works there (R101)."""
    return mail(
        "votre compte est rattaché à un établissement",
        f"Depuis le {moment(at, zone)}.",
        Part(f"Votre compte ViaTrajectoire a été rattaché à un établissement le {moment(at, zone)}."),
        Part(f"Établissement\u00a0: {place}", "facts"),
        care=f"Si vous ne travaillez pas là, {_HELP}.",
    )


def account_erased_mail(at: datetime, zone: ZoneInfo = PARIS) -> Text:
    """The last message to an address (R104)."""
    return mail(
        "votre compte a été effacé",
        "Vos données de compte ne sont plus gardées.",
        Part(
            f"Votre compte ViaTrajectoire et ses données ont été effacés le {moment(at, zone)}, à la suite d'une demande."
        ),
        Part("Seules les traces de connexion que la loi impose sont encore gardées, pour la durée qu'elle fixe."),
        care=f"Si vous n'avez rien demandé, {_HELP}. Une nouvelle connexion par carte CPS ou e-CPS crée un nouveau compte.",
    )


def password_changed_mail(at: datetime, zone: ZoneInfo = PARIS) -> Text:
    return mail(
        "votre mot de passe a été changé",
        f"Le {moment(at, zone)}.",
        Part(f"Le mot de passe de votre compte ViaTrajectoire a été changé le {moment(at, zone)}."),
        care="Si ce n'était pas vous, connectez-vous par carte CPS ou e-CPS pour le changer, et prévenez votre référent "
        "structure.",
    )


def mail_changed_notice(masked_new: str, at: datetime, zone: ZoneInfo = PARIS) -> Text:
    """To the address the account had until now (R96)."""
    return mail(
        "votre adresse a été changée",
        "Vos codes n'arriveront plus ici.",
        Part(f"L'adresse de messagerie de votre compte ViaTrajectoire a été changée le {moment(at, zone)}."),
        Part(f"Nouvelle adresse\u00a0: {masked_new}", "facts"),
        Part("Vos codes de connexion n'arriveront plus à l'adresse où vous lisez ce message."),
        care=_wronged(),
    )


def mail_change_asked_mail(masked_new: str, at: datetime, zone: ZoneInfo = PARIS) -> Text:
    """To the present address: somebody asked to change it; nothing has changed yet."""
    return mail(
        "un changement d'adresse est demandé",
        f"Demande du {moment(at, zone)}.",
        Part(
            f"Un changement de l'adresse de votre compte ViaTrajectoire, vers {masked_new}, a été demandé le "
            f"{moment(at, zone)}. Votre adresse reste la même tant que la nouvelle n'est pas confirmée."
        ),
        care=_wronged(),
    )


def phone_changed_mail(masked: str, at: datetime, zone: ZoneInfo = PARIS) -> Text:
    return mail(
        "votre téléphone a été changé",
        "Vos codes par SMS iront à un autre numéro.",
        Part(f"Le numéro de téléphone de votre compte ViaTrajectoire a été changé le {moment(at, zone)}."),
        Part(f"Nouveau numéro\u00a0: {masked}" if masked else "Le numéro a été retiré.", "facts"),
        care=_wronged(),
    )


def means_added_mail(label: str, at: datetime, zone: ZoneInfo = PARIS) -> Text:
    return mail(
        "un moyen de connexion a été ajouté",
        f"Le {moment(at, zone)}.",
        Part(f"Un moyen de connexion a été ajouté à votre compte ViaTrajectoire le {moment(at, zone)}."),
        Part(f"Moyen ajouté\u00a0: {label}", "facts"),
        care="Si ce n'était pas vous, connectez-vous par carte CPS ou e-CPS, retirez ce moyen dans «\u00a0Mon compte\u00a0», "
        f"changez votre mot de passe, et {_HELP}.",
    )


def means_removed_mail(label: str, at: datetime, zone: ZoneInfo = PARIS) -> Text:
    return mail(
        "un moyen de connexion a été retiré",
        f"Le {moment(at, zone)}.",
        Part(f"Un moyen de connexion a été retiré de votre compte ViaTrajectoire le {moment(at, zone)}."),
        Part(f"Moyen retiré\u00a0: {label}", "facts"),
        care=_wronged(),
    )


def new_means_used_mail(label: str, at: datetime, zone: ZoneInfo = PARIS) -> Text:
    """The first sign-in of an account by this means."""
    return mail(
        "première connexion par un nouveau moyen",
        f"Le {moment(at, zone)}.",
        Part(f"Votre compte ViaTrajectoire a été ouvert par un moyen nouveau pour lui, le {moment(at, zone)}."),
        Part(f"Moyen utilisé\u00a0: {label}", "facts"),
        care=_wronged(),
    )


def sign_in_mail(label: str, at: datetime, zone: ZoneInfo = PARIS) -> Text:
    return mail(
        "connexion à votre compte",
        f"Le {moment(at, zone)}.",
        Part(f"Votre compte ViaTrajectoire a été ouvert le {moment(at, zone)}."),
        Part(f"Moyen utilisé\u00a0: {label}", "facts"),
        care=_wronged(),
    )


def memory_granted_mail(until: datetime, zone: ZoneInfo = PARIS) -> Text:
    """A browser that need not show a code for a while (R78)."""
    return mail(
        "un navigateur est mémorisé",
        f"Aucun code ne lui sera demandé jusqu'au {moment(until, zone)}.",
        Part(
            "Après votre code, un navigateur a été mémorisé pour votre compte ViaTrajectoire. Sur ce navigateur, le mot de "
            f"passe suffit jusqu'au {moment(until, zone)}."
        ),
        Part("Pour l'oublier plus tôt, choisissez «\u00a0Se déconnecter partout\u00a0» dans «\u00a0Mon compte\u00a0»."),
        care=_wronged(),
    )


def recovery_used_mail(left: int, at: datetime, zone: ZoneInfo = PARIS) -> Text:
    """A recovery code was used; ``left``: how many are still good."""
    if left > 1:
        rest = f"Il vous reste {left} codes de secours."
    elif left == 1:
        rest = "Il vous reste un seul code de secours. Demandez-en de nouveaux dans «\u00a0Mon compte\u00a0»."
    else:
        rest = "Il ne vous reste aucun code de secours. Demandez-en de nouveaux dans «\u00a0Mon compte\u00a0»."
    return mail(
        "un code de secours a servi",
        rest,
        Part(f"Un code de secours a ouvert votre compte ViaTrajectoire le {moment(at, zone)}. Il ne servira plus."),
        Part(rest),
        care=_wronged(),
    )


def dormancy_mail(days_left: int, last_sign_in: datetime, day_of_sleep: datetime, zone: ZoneInfo = PARIS) -> Text:
    """The account is about to fall asleep (R97)."""
    when = f"dans {days_left} jours" if days_left > 1 else "demain"
    return mail(
        f"votre compte s'endort {when}",
        "Une connexion suffit pour le garder ouvert.",
        Part(
            f"Votre dernière connexion à ViaTrajectoire date du {day(last_sign_in, zone)}. Un compte doit servir au moins "
            "une fois par an."
        ),
        Part(f"Sans connexion de votre part, il sera mis en sommeil le {day(day_of_sleep, zone)}.", "facts"),
        Part(
            "Pour le garder ouvert, connectez-vous à ViaTrajectoire comme d'habitude avant cette date. Après elle, une carte "
            "CPS, une e-CPS ou votre référent structure pourront le réveiller."
        ),
        care="Si vous n'utilisez plus ViaTrajectoire, ne faites rien.",
    )


def reactivated_mail(at: datetime, zone: ZoneInfo = PARIS) -> Text:
    return mail(
        "votre compte est de nouveau ouvert",
        f"Depuis le {moment(at, zone)}.",
        Part(f"Votre compte ViaTrajectoire, qui était en sommeil, a été rouvert le {moment(at, zone)}."),
        care=_wronged(),
    )


def _wronged() -> str:
    """What to do about an act that only the holder should have done."""
    return (
        "Si ce n'était pas vous, connectez-vous par carte CPS ou e-CPS, changez votre mot de passe dans «\u00a0Mon "
        f"compte\u00a0», et {_HELP}."
    )


def mail(subject: str, preheader: str, *parts: Part, care: str) -> Text:
    """A mail of these parts, in the house's frame. ``preheader``: the line that lists of mails show beside the subject."""
    subject = f"ViaTrajectoire : {subject}"
    whole: Sequence[Part] = (Part(_HELLO), *parts, Part(care, "care"), Part(_ROBOT, "small"))
    text = "\n\n".join(part.plain for part in whole) + "\n"
    return Text(subject, text, html.render("mail", subject=subject, preheader=preheader, parts=whole))
