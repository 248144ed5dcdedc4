"""« Quel moyen est pour moi ? »: who signs in by which means, as data (R157, table J17), and what to do next. Pure.

The four families and their means are the table of the project; a person who can use neither card nor application has a
password and codes. Anyone recorded in the Annuaire Santé may activate an e-CPS, with a card or by recorded contact data
(G32). A card is personal and is never lent (G86).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """A family of professions. ``card``: whether its people are given a CPS card."""

    id: str
    title: str
    examples: str
    card: bool
    enrolment: str  # who records its people in the Annuaire Santé

    @property
    def means(self) -> str:
        return "carte CPS ou e-CPS" if self.card else "e-CPS uniquement"


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do; ``link`` is a name of ``Links``, or '' for none."""

    text: str
    link: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Advice:
    """What somebody may sign in with, best first, and the steps towards it."""

    means: tuple[str, ...]
    steps: tuple[Step, ...]
    note: str = ""


FAMILIES = (
    Family(
        "ordre",
        "Professionnels à Ordre",
        "médecins, infirmiers (inscrits à leur Ordre)",
        True,
        "votre Ordre",
    ),
    Family(
        "ars",
        "Professionnels ARS",
        "service social, psychologue, ergothérapeute",
        True,
        "l'Agence régionale de santé",
    ),
    Family(
        "role",
        "Professionnels à rôle",
        "AES, AMP, AS, assistant familial ou médical, éducateur, MJPM, secrétaire",
        False,
        "votre structure (portail RPPS+)",
    ),
    Family(
        "autre",
        "Professionnel autre",
        "direction, direction adjointe, coordinateur, AVS, aide à domicile, gestionnaire des admissions, professionnel "
        "social ou éducatif, DSI",
        False,
        "votre structure (portail RPPS+)",
    ),
)
NEITHER = ("Sans carte ni application", "toute personne qui ne peut utiliser ni l'une ni l'autre")
CODE = "mot de passe et code à usage unique"
CARD, ECPS = "carte CPS", "application e-CPS"
_BY_ID = {family.id: family for family in FAMILIES}
_ORDER_STAFF = Step(
    "Carte d'un salarié de cabinet (CPE ou CPA)\u00a0: le médecin la commande avec sa propre carte, dans le téléservice "
    "TOPS de l'Agence du Numérique en Santé.",
    "tops",
    "Commander une carte (TOPS)",
)


def family_of(family_id: str) -> Family | None:
    return _BY_ID.get(family_id)


def advise(family: Family, *, card: bool, phone: bool) -> Advice:
    """The means of somebody of this family who has, or has not, a card at hand and a smartphone."""
    if card:
        return _with_card(family, phone=phone)
    if phone:
        steps = [
            Step(
                f"Vérifiez que vous êtes enregistré dans l'Annuaire Santé, avec votre adresse ou votre mobile à jour\u00a0: "
                f"c'est {family.enrolment} qui vous enregistre."
            ),
            Step(
                "Installez l'application e-CPS sur votre smartphone et activez-la avec vos coordonnées enregistrées. "
                "Vous y choisissez un code à 4 chiffres.",
                "ecps_wallet",
                "Activer l'application e-CPS",
            ),
            Step("Sur la page de connexion, choisissez «\u00a0e-CPS\u00a0», puis approuvez sur votre téléphone."),
        ]
        if family.card:
            steps.append(
                Step(
                    "Vous avez aussi droit à une carte CPS, utile sans smartphone.",
                    "card_help",
                    "Obtenir une carte CPS",
                )
            )
            return Advice((ECPS, CARD), tuple(steps))
        return Advice((ECPS,), tuple(steps))
    steps = [
        Step(
            "Connectez-vous avec votre nom d'utilisateur et votre mot de passe\u00a0: un code vous est envoyé, à saisir sur la "
            "page. Vérifiez avec votre référent structure que votre compte a une adresse de messagerie à vous seul."
        )
    ]
    if family.card:
        steps = [
            Step(
                f"Demandez une carte CPS\u00a0: elle suit votre enregistrement par {family.enrolment}. Il faudra un lecteur de "
                "carte sur votre poste.",
                "card_help",
                "Obtenir une carte CPS",
            ),
            *steps,
        ]
        return Advice(
            (CARD, CODE), tuple(steps), "Médecin libéral\u00a0: la première connexion se fait par carte ou e-CPS."
        )
    return Advice((CODE,), (*steps, _ORDER_STAFF))


def _with_card(family: Family, *, phone: bool) -> Advice:
    reader = Step(
        "Insérez votre carte dans le lecteur, choisissez la connexion par carte et saisissez votre code porteur.",
        "card_help",
        "Installer et utiliser la carte",
    )
    activate = Step(
        "Activez l'application e-CPS sur votre smartphone avec votre carte\u00a0: vous pourrez ensuite vous connecter sans "
        "lecteur.",
        "ecps_wallet",
        "Activer l'application e-CPS",
    )
    if family.card:
        return Advice((CARD, ECPS) if phone else (CARD,), (reader, activate) if phone else (reader,), _PERSONAL)
    mine = "Votre carte CPE ou CPA sert surtout à accepter la délégation d'un médecin et à activer l'e-CPS."
    if phone:
        return Advice((ECPS,), (activate,), mine)
    return Advice((CODE,), (_code_step(), _ORDER_STAFF), mine)


def _code_step() -> Step:
    return Step("Connectez-vous avec votre nom d'utilisateur et votre mot de passe\u00a0: un code vous est envoyé.")


_PERSONAL = (
    "Votre carte et son code sont personnels\u00a0: ne les prêtez jamais. Pour un assistant, faites une délégation."
)
