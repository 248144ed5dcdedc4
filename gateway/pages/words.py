"""Words for people: what a means and a profession are called."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.identity import Method

MEANS: Mapping[Method, str] = {
    Method.CPS: "carte CPS",
    Method.CPE: "carte CPE",
    Method.CPA: "carte CPA",
    Method.CPF: "carte CPF",
    Method.PSC_CPS: "carte CPS (Pro Santé Connect)",
    Method.PSC_ECPS: "e-CPS",
    Method.OTP_MAIL: "mot de passe et code par e-mail",
    Method.OTP_SMS: "mot de passe et code par SMS",
    Method.OTP_TOTP: "mot de passe et application d'authentification",
    Method.OTP_RECOVERY: "mot de passe et code de secours",
    Method.PASSKEY: "clé d'accès",
    Method.PASSWORD: "mot de passe",
    Method.MONSISRA: "MonSisra",
}
# Nomenclature TRE_G15 and the categories beside it.
PROFESSIONS: Mapping[str, str] = {
    "10": "Médecin",
    "21": "Pharmacien",
    "40": "Chirurgien-dentiste",
    "50": "Sage-femme",
    "60": "Infirmier",
    "70": "Masseur-kinésithérapeute",
    "80": "Pédicure-podologue",
    "93": "Psychologue",
    "94": "Ergothérapeute",
    "41": "Assistant de service social",
    "99": "Professionnel à rôle",
}
# Nomenclature TRE_R38: the specialities most seen; others are shown by their code.
SPECIALTIES: Mapping[str, str] = {
    "SM02": "Anesthésie-réanimation",
    "SM04": "Cardiologie et maladies vasculaires",
    "SM15": "Dermatologie et vénéréologie",
    "SM18": "Gériatrie",
    "SM20": "Gynécologie-obstétrique",
    "SM25": "Médecine du travail",
    "SM26": "Qualifié en médecine générale",
    "SM27": "Médecine interne",
    "SM29": "Médecine physique et de réadaptation",
    "SM32": "Neurologie",
    "SM36": "Oncologie médicale",
    "SM38": "Ophtalmologie",
    "SM40": "Pédiatrie",
    "SM41": "Pneumologie",
    "SM42": "Psychiatrie",
    "SM44": "Radiodiagnostic",
    "SM49": "Santé publique",
    "SM53": "Spécialiste en médecine générale",
    "SM54": "Médecine générale",
    "SM59": "Médecine d'urgence",
}
