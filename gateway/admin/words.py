"""What the things of administration are called in French. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.audit import Act
from gateway.policy.establishments import Why

KINDS: Mapping[str, str] = {
    "nation": "Nation",
    "region": "Région",
    "departement": "Département",
    "entite": "Entité juridique",
    "etablissement": "Établissement",
    "service": "Service",
}
STATES: Mapping[str, str] = {"strong": "authentification forte", "password_only": "mot de passe seul"}
WHYS: Mapping[Why, str] = {
    Why.FORBIDDEN: "mot de passe seul interdit",
    Why.BREAKGLASS: "ouverture de secours en cours",
    Why.SWITCH: "bascule décidée",
    Why.DEROGATION: "dérogation en cours",
    Why.DEROGATION_ENDED: "dérogation terminée",
    Why.CUT_OFF: "date nationale atteinte",
    Why.BEFORE_CUT_OFF: "avant la date nationale",
}
CATEGORIES: Mapping[str, str] = {
    "no_mail": "Sans adresse de messagerie",
    "unproved_mail": "Adresse jamais confirmée",
    "shared_mail": "Adresse commune à plusieurs comptes",
    "generic_mailbox": "Boîte de service (accueil@, secretariat@…)",
    "generic_name": "Nom de service et non de personne",
    "duplicate": "Doublon probable",
    "dormant": "Compte en sommeil",
    "never_strong": "Jamais connecté par un moyen fort",
    "no_national_id": "Sans identifiant national",
    "suspended": "Compte suspendu",
}
FIELDS: Mapping[str, str] = {
    "code_validity": "Durée de validité du code",
    "second_factor_memory": "Mémoire du second facteur",
    "channels": "Envoi des codes",
    "methods": "Moyens de connexion acceptés",
    "session_absolute": "Durée d'une session",
    "session_idle": "Durée sans activité",
    "banner": "Annonce",
    "banner_from": "Annonce affichée à partir du",
    "contacts": "Assistance",
    "legal": "Statut des moyens",
}
STATUSES: Mapping[str, str] = {
    "psc": "accepté (Pro Santé Connect)",
    "cpx": "accepté (carte CPx)",
    "homologue": "homologué",
    "transition": "moyen de transition",
    "interdit": "interdit",
}
ALARMS: Mapping[str, str] = {"ended": "échéance dépassée", "ends-soon": "échéance dans moins de 90 jours"}
ROLES: Mapping[str, str] = {
    "national": "administrateur national",
    "region": "administrateur régional",
    "referent": "référent structure",
}
STANDINGS: Mapping[str, str] = {
    "open": "actif",
    "dormant": "en sommeil",
    "suspended": "suspendu",
    "closed": "supprimé",
}
ORIGINS: Mapping[str, str] = {
    "strong": "première connexion par carte ou e-CPS",
    "referent": "invitation d'un référent",
    "import": "import",
}
OUTCOMES: Mapping[str, str] = {
    "created": "créées",
    "changed": "modifiées",
    "updated": "modifiées",
    "unchanged": "inchangées",
    "refused": "refusées",
    "retired": "fermées",
    "warned": "à vérifier",
    "skipped": "ignorées",
    "done": "faite",
}
IMPORT_STATES: Mapping[str, str] = {"running": "en cours", "done": "terminé", "failed": "interrompu"}
REQUEST_OUTCOMES: Mapping[str, str] = {"done": "acceptée", "refused": "refusée"}
ACTS: Mapping[str, str] = {
    Act.SIGN_IN: "Connexion",
    Act.SIGN_IN_REFUSED: "Connexion refusée",
    Act.STEP_UP: "Preuve renouvelée",
    Act.SPACE_CHANGED: "Changement d'espace",
    Act.SIGN_OUT: "Déconnexion",
    Act.SESSION_REVOKED: "Session fermée",
    Act.ACCOUNT_CREATED: "Compte créé",
    Act.ACCOUNT_LINKED: "Compte rattaché",
    Act.ACCOUNT_CHANGED: "Compte modifié",
    Act.CHARTER_ACCEPTED: "Charte acceptée",
    Act.PASSWORD_CHANGED: "Mot de passe changé",
    Act.PASSWORD_RESET_ASKED: "Nouveau mot de passe demandé",
    Act.CODE_SENT: "Code envoyé",
    Act.CODE_NOT_SENT: "Code non envoyé",
    Act.CARD_REFUSED: "Carte refusée",
    Act.PSC_REFUSED: "Pro Santé Connect refusé",
    Act.POLICY_CHANGED: "Politique modifiée",
    Act.SCOPE_SWITCHED: "Bascule",
    Act.SCOPE_SWITCH_UNDONE: "Bascule annulée",
    Act.SCOPE_SWITCH_ASKED: "Bascule demandée",
    Act.SCOPE_SWITCH_ANSWERED: "Demande de bascule traitée",
    Act.SCOPE_BREAKGLASS: "Ouverture de secours",
    Act.SCOPE_CHANGED: "Échelon modifié",
    Act.SCOPES_IMPORTED: "Échelons importés",
    Act.ACCOUNTS_IMPORTED: "Comptes importés",
    Act.ACCOUNT_INVITED: "Invitation",
    Act.ACCOUNT_SUSPENDED: "Compte suspendu",
    Act.ACCOUNT_RESUMED: "Suspension levée",
    Act.MEMBERSHIP_ADDED: "Rattachement",
    Act.MEMBERSHIP_REMOVED: "Détachement",
    Act.ROLE_GRANTED: "Rôle confié",
    Act.ROLE_REVOKED: "Rôle retiré",
    Act.TOKEN_CREATED: "Jeton d'API créé",
    Act.TOKEN_REVOKED: "Jeton d'API révoqué",
    Act.AUDIT_EXPORTED: "Journal exporté",
    Act.READINESS_EXPORTED: "Liste de personnes exportée",
    Act.MAIL_CHANGE_ASKED: "Changement d'adresse demandé",
    Act.MAIL_CHANGED: "Adresse changée",
    Act.MAIL_PROVED: "Adresse confirmée",
    Act.PHONE_CHANGED: "Téléphone changé",
    Act.MEANS_ADDED: "Moyen ajouté",
    Act.MEANS_REMOVED: "Moyen retiré",
    Act.RECOVERY_USED: "Code de secours utilisé",
    Act.MEMORY_GRANTED: "Second facteur mémorisé",
    Act.ACCOUNT_WARNED: "Avertissement avant sommeil",
    Act.ACCOUNT_REACTIVATED: "Compte réveillé",
    Act.ACCOUNT_EXPORTED: "Données remises",
    Act.ACCOUNT_ERASED: "Compte supprimé",
    Act.DATA_PURGED: "Traces purgées",
    Act.EPOCH_BEGUN: "Retour en arrière des données : tout le monde se reconnecte",
    Act.DELEGATION_GIVEN: "Délégation donnée",
    Act.DELEGATION_INVITED_AGAIN: "Invitation à une délégation renvoyée",
    Act.DELEGATION_PROPOSED: "Délégation à confirmer",
    Act.DELEGATION_ACCEPTED: "Délégation acceptée",
    Act.DELEGATION_CONFIRMED: "Délégation confirmée",
    Act.DELEGATION_DECLINED: "Personne refusée par le médecin",
    Act.DELEGATION_CHANGED: "Délégation modifiée",
    Act.DELEGATION_ENDED: "Délégation terminée",
    Act.DELEGATION_REMINDED: "Rappel avant la fin d'une délégation",
    Act.DELEGATION_REFUSED: "Délégation refusée",
    Act.ACTING_BEGUN: "Début d'action pour un médecin",
    Act.ACTING_ENDED: "Fin d'action pour un médecin",
    Act.DIRECTORY_SEARCHED: "Recherche dans l'annuaire",
    Act.TRACE_LOOKED_UP: "Recherche de qui a agi",
}

_REASONS: Mapping[str, str] = {
    "wrong-credentials": "Identifiant ou mot de passe incorrect",
    "too-many-attempts": "Trop d'essais",
    "wrong-code": "Code incorrect",
    "code-expired": "Code expiré",
    "code-used": "Code déjà utilisé",
    "code-dead": "Code épuisé",
    "no-channel": "Aucun envoi possible",
    "delivery-failed": "Envoi en échec",
    "mail-unproved": "Adresse jamais confirmée",
    "mail-shared": "Adresse commune",
    "generic-account": "Compte de service",
    "strong-first": "Premier moyen fort attendu",
    "level-too-low": "Mot de passe seul refusé",
    "method-disabled": "Moyen fermé ici",
    "account-suspended": "Compte suspendu",
    "account-dormant": "Compte en sommeil",
    "account-closed": "Compte supprimé",
    "no-account": "Sans compte",
    "not-a-physician": "Espace réservé aux médecins",
    "attempt-unknown": "Tentative inconnue",
    "attempt-expired": "Tentative expirée",
    "wrong-browser": "Autre navigateur",
    "passkey-refused": "Clé d'accès refusée",
    "passkey-unknown": "Clé d'accès inconnue",
    "card-absent": "Carte absente",
    "card-expired": "Carte expirée",
    "card-revoked": "Carte révoquée",
    "card-revocation-unknown": "Révocation de la carte inconnue",
    "card-type-refused": "Type de carte refusé",
    "card-foreign-issuer": "Carte d'un autre émetteur",
    "psc-cancelled": "Pro Santé Connect abandonné",
    "psc-unavailable": "Pro Santé Connect indisponible",
    "identity-conflict": "Identités contradictoires",
    "not-there": "Personne de ce nom, ou hors du territoire",
    "not-a-delegator": "Réservé aux médecins libéraux",
    "acting-for-another": "Agit pour un autre médecin",
    "delegation-unknown": "Délégation inconnue de cette personne",
    "delegation-not-yet": "Délégation pas encore commencée",
    "delegation-ended": "Délégation terminée",
    "delegation-overlap": "Une autre délégation couvre ces jours",
    "delegator-unavailable": "Compte du médecin suspendu, en sommeil ou supprimé",
    "name-mismatch": "La carte porte un autre nom",
    "search-too-often": "Trop de recherches",
    "directory-down": "Annuaire indisponible",
}
# Words of the facts of acts on delegations.
VALUES: Mapping[str, str] = {
    "delegator": "le médecin",
    "delegate": "la personne habilitée",
    "administrator": "l'administration",
    "assistant": "personnel du cabinet",
    "colleague": "confrère",
    "asked": "à la demande de la personne",
}


def reason_said(word: str) -> str:
    """Why somebody did not come in."""
    if word in _REASONS:
        return _REASONS[word]
    family = {"card": "Carte", "psc": "Pro Santé Connect"}.get(word.partition("-")[0])
    return f"{family} ({word.partition('-')[2]})" if family else word


_ZONES: Mapping[str, str] = {
    "Indian/Reunion": "La Réunion",
    "Indian/Mayotte": "Mayotte",
    "America/Martinique": "la Martinique",
    "America/Guadeloupe": "la Guadeloupe",
    "America/Cayenne": "Cayenne",
    "America/Miquelon": "Saint-Pierre-et-Miquelon",
    "Pacific/Noumea": "Nouméa",
    "Pacific/Tahiti": "Tahiti",
}


def zone_name(key: str) -> str:
    """« Paris », from « Europe/Paris »."""
    return _ZONES.get(key, key.rpartition("/")[2].replace("_", " "))


def count(number: int, one: str, many: str = "") -> str:
    """« 1 personne », « 12 345 personnes », with the spaces of French."""
    return f"{whole(number)}\u00a0{one if number < 2 else many or one + 's'}"


def whole(number: int) -> str:
    """« 12 345 »."""
    return f"{number:,}".replace(",", "\u202f")


def share(part: int, of: int) -> str:
    """« 42 % »; a dash of nothing. Never 100 % while something is missing, never 0 % while something is there."""
    if of <= 0:
        return "–"
    percent = round(100 * part / of)
    if percent == 100 and part < of:
        percent = 99
    if percent == 0 and part > 0:
        return "moins de 1\u00a0%"
    return f"{percent}\u00a0%"


def author(text: str, name: str = "") -> str:
    """Who did something, from how the audit names them."""
    if name:
        return name
    kind, _, rest = text.partition(":")
    if kind == "cli":
        return f"ligne de commande ({rest})" if rest else "ligne de commande"
    if kind == "token":
        return f"jeton d'API {rest}"
    return text or "inconnu"
