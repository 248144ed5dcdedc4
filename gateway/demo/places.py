"""The places of the demo: two regions, with what each scope sets and the switches it has seen. All invented."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Turn:
    """A dated switch, in days from the demo's beginning; ``until``: the end of its derogation."""

    state: str
    since: float = -30
    until: float | None = None
    reason: str = "démonstration"


@dataclass(frozen=True)
class Place:
    """A scope, the policy it sets, and its switches. ``announced``: its banner is shown from this day on."""

    id: str
    parent: str | None
    kind: str
    name: str
    finess: str | None = None
    city: str | None = None
    code_validity: int | None = None
    channels: str | None = None
    turns: Sequence[Turn] = ()
    banner: str | None = None
    announced: float | None = None
    retired: bool = False


STRONG = Turn("strong")
_COMING = "L'authentification forte sera activée dans votre établissement. Vérifiez votre adresse dans «\u00a0Mon compte\u00a0»."


def _later(days: float, derogation: float) -> tuple[Turn, ...]:
    """Passwords for now, strong on a day to come."""
    return (
        Turn("password_only", -60, derogation, "Équipes en cours de formation"),
        Turn("strong", days, None, "Calendrier régional"),
    )


def _derogation(until: float, reason: str = "Adresses des agents à vérifier") -> tuple[Turn, ...]:
    return (Turn("password_only", -45, until, reason),)


# The first eight are those of the contract; stories rely on them.
PLACES: tuple[Place, ...] = (
    Place("nation", None, "nation", "France"),
    Place("aura", "nation", "region", "Auvergne-Rhône-Alpes"),
    Place("rhone", "aura", "departement", "Rhône"),
    Place("exemple-sante", "rhone", "entite", "Exemple Santé", "690000013", "Lyon"),
    Place("ehpad-glycines", "exemple-sante", "etablissement", "EHPAD Les Glycines", "690780010", "Lyon", 28_800,
          "mail,sms,totp", (STRONG,)),
    Place("ssr-lac", "exemple-sante", "etablissement", "SSR du Lac", "690780028", "Bron", 600, "mail", (STRONG,)),
    Place("ch-exemple", "exemple-sante", "etablissement", "CH de l'Exemple", "690780036", "Givors", None, "mail",
          (Turn("password_only", -30, 365),)),
    Place("ch-exemple-geriatrie", "ch-exemple", "service", "Gériatrie", turns=(STRONG,)),
    # Auvergne-Rhône-Alpes
    Place("isere", "aura", "departement", "Isère"),
    Place("haute-savoie", "aura", "departement", "Haute-Savoie"),
    Place("puy-de-dome", "aura", "departement", "Puy-de-Dôme"),
    Place("reseau-saone", "rhone", "entite", "Réseau de la Saône", "690000021", "Villefranche-sur-Saône"),
    Place("ehpad-tilleuls", "reseau-saone", "etablissement", "EHPAD Les Tilleuls", "690780051",
          "Villefranche-sur-Saône", turns=_later(10, 60), banner=_COMING, announced=-5),
    Place("ehpad-roseraie", "reseau-saone", "etablissement", "EHPAD La Roseraie", "690780069", "Belleville-en-Beaujolais",
          turns=_derogation(5)),
    Place("ssr-beaujolais", "reseau-saone", "etablissement", "SSR du Beaujolais", "690780077", "Tarare",
          turns=_derogation(-3)),
    Place("clinique-confluent", "rhone", "etablissement", "Clinique du Confluent", "690780085", "Lyon",
          channels="mail,sms", turns=(STRONG,)),
    Place("had-rhone", "rhone", "etablissement", "HAD du Rhône", "690780093", "Lyon"),
    Place("groupe-chartreuse", "isere", "entite", "Groupe hospitalier de Chartreuse", "380000018", "Grenoble"),
    Place("ch-chartreuse", "groupe-chartreuse", "etablissement", "CH de Chartreuse", "380780015", "Grenoble", 3_600,
          "mail,totp", (STRONG,)),
    Place("ch-chartreuse-urgences", "ch-chartreuse", "service", "Urgences"),
    Place("ch-chartreuse-medecine", "ch-chartreuse", "service", "Médecine polyvalente",
          turns=_derogation(20, "Postes partagés en cours de remplacement")),
    Place("ehpad-belledonne", "groupe-chartreuse", "etablissement", "EHPAD de Belledonne", "380780023", "Allevard",
          turns=_later(21, 90), banner=_COMING, announced=7),
    Place("usld-drac", "groupe-chartreuse", "etablissement", "USLD du Drac", "380780031", "Échirolles",
          turns=_derogation(12)),
    Place("ssr-vercors", "isere", "etablissement", "SSR du Vercors", "380780049", "Villard-de-Lans", turns=(STRONG,)),
    Place("ehpad-noyers", "isere", "etablissement", "EHPAD Les Noyers", "380780056", "Tullins"),
    Place("ch-leman", "haute-savoie", "etablissement", "CH du Léman", "740780010", "Thonon-les-Bains", turns=(STRONG,)),
    Place("ehpad-alpages", "haute-savoie", "etablissement", "EHPAD Les Alpages", "740780028", "La Clusaz",
          turns=_later(3, 30), banner=_COMING, announced=-20),
    Place("ssr-montblanc", "haute-savoie", "etablissement", "SSR du Mont-Blanc", "740780036", "Sallanches",
          turns=_derogation(150)),
    Place("esms-aravis", "haute-savoie", "etablissement", "Maison d'accueil des Aravis", "740780044", "Thônes"),
    Place("ch-volcans", "puy-de-dome", "etablissement", "CH des Volcans", "630780013", "Clermont-Ferrand",
          turns=(STRONG,)),
    Place("ehpad-source", "puy-de-dome", "etablissement", "EHPAD de la Source", "630780021", "Royat",
          turns=_derogation(45)),
    Place("ehpad-ancien", "puy-de-dome", "etablissement", "EHPAD du Vieux Pont", "630780039", "Thiers", retired=True),
    # La Réunion
    Place("reunion", "nation", "region", "La Réunion"),
    Place("reunion-974", "reunion", "departement", "La Réunion (974)"),
    Place("groupe-ocean", "reunion-974", "entite", "Groupe hospitalier de l'Océan", "970400016", "Saint-Denis"),
    Place("ch-ocean", "groupe-ocean", "etablissement", "CH de l'Océan", "970408019", "Saint-Denis", turns=(STRONG,)),
    Place("ch-ocean-ssr", "ch-ocean", "service", "Soins de suite"),
    Place("clinique-filaos", "groupe-ocean", "etablissement", "Clinique des Filaos", "970408027", "Saint-Paul",
          turns=_later(14, 45), banner=_COMING, announced=-2),
    Place("ehpad-flamboyants", "reunion-974", "etablissement", "EHPAD Les Flamboyants", "970408035", "Saint-Pierre",
          turns=_derogation(8)),
    Place("ssr-hauts", "reunion-974", "etablissement", "SSR des Hauts", "970408043", "Cilaos", turns=_derogation(75)),
    Place("ehpad-vanille", "reunion-974", "etablissement", "EHPAD de la Vanille", "970408050", "Saint-Benoît"),
    Place("had-ocean", "reunion-974", "etablissement", "HAD de l'Océan Indien", "970408068", "Saint-Denis",
          turns=(STRONG,)),
)  # fmt: skip
