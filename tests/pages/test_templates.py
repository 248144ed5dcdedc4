"""The looks, without a browser: every page of ours with the facts it gets, and the colours of the style sheet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway import html

ROOT = Path(__file__).parents[2]
CSS = (ROOT / "gateway/static/style.css").read_text()
PREFIX = "/_vtg"
LINKS = SimpleNamespace(
    procedure="https://aide.test/procedure",
    card_help="https://aide.test/carte",
    ecps_wallet="https://aide.test/ecps",
    card_diagnostic="https://aide.test/diagnostic",
    card_support="https://aide.test/ans",
    faq="https://aide.test/faq",
    tops="https://aide.test/tops",
    accessibility=None,
    monsisra_support="https://aide.test/sara",
)
CONTACTS = (
    SimpleNamespace(label="Équipe régionale", url="mailto:equipe@aide.test", topics=("connexion", "comptes"), hours=""),
    SimpleNamespace(label="Cartes et e-CPS", url="https://aide.test/cartes", topics=("cartes", "e-CPS")),
)
KEEP = SimpleNamespace(warn=120, idle_at=1_800_000_000_000, ends_at=1_800_003_600_000, until="14\u00a0h\u00a032")
WHO = SimpleNamespace(given_name="Claire", family_name="BERNARD")
IDENTITY = SimpleNamespace(family_name="BERNARD", given_name="Claire", specialty=None)
CODE = {"channel": "mail", "channels": "mail,sms", "destination": "c•••@v•••", "until": "2026-03-02T13:32:00+00:00"}
SIGN_IN: dict[str, Any] = {
    "methods": ["card", "psc", "passkey", "password"],
    "card_direct": True,
    "back": "/dossier?n=1&p=2",
    "problem": "",
    "notice": "",
    "identifier": "",
}
REGISTER: dict[str, Any] = {
    "identity": IDENTITY,
    "profession": "Médecin",
    "typed": {},
    "faults": {},
    "required": frozenset({"email", "password"}),
}
CODE_PAGE: dict[str, Any] = {
    "facts": CODE,
    "until": "14\u00a0h\u00a032",
    "attempt": "a1",
    "problem": "",
    "expired": False,
    "space": "liberal",
    "back": "/",
}
STAFF = SimpleNamespace(doctor="Luc BERNARD", mail="a@b.test", login="3690780028/000000042", asks_profession=True)
DELEGATED: dict[str, Any] = {
    "doctor": "Luc BERNARD",
    "period": "du 2 mars 2026 au 31 mars 2026 inclus",
    "rights": ("Grand âge\u00a0: Consulter", "Sanitaire\u00a0: Consulter"),
}
CHARTER: dict[str, Any] = {"text": "<h2>1. Objet</h2><p>…</p>", "version": "2026-1", "back": "/", "problem": ""}
MESSAGE: dict[str, Any] = {
    "title": "Ce lien n'est plus valable",
    "lines": ("Il a déjà servi.",),
    "reference": "AB12-CD34",
}
LINK = SimpleNamespace(url="/sign-in", label="Recommencer", post=False)
BUTTON = SimpleNamespace(url="/again", label="Réessayer", post=True)
# Name of the picture: template, facts.
PAGES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "sign-in-liberal": ("sign_in", {**SIGN_IN, "space": "liberal"}),
    "sign-in-professionnel": ("sign_in", {**SIGN_IN, "space": "professionnel", "channels": ("mail", "sms")}),
    "sign-in-last": ("sign_in", {**SIGN_IN, "space": "liberal", "last": "psc", "notice": "Reconnectez-vous."}),
    "sign-in-wrong": (
        "sign_in",
        {
            **SIGN_IN,
            "methods": ["card", "psc", "password"],
            "space": "professionnel",
            "last": "card",
            "identifier": "c.bernard",
            "problem": "Identifiant ou mot de passe incorrect.",
        },
    ),
    "code": ("code", CODE_PAGE),
    "code-wrong": ("code", {**CODE_PAGE, "expired": True, "problem": "Code incorrect ou expiré.", "soon": True}),
    "code-app": (
        "code",
        {**CODE_PAGE, "facts": {"channel": "totp", "channels": "mail,totp"}, "remember_hours": "8\u00a0heures"},
    ),
    "register": ("register", REGISTER),
    "register-wrong": (
        "register",
        {
            **REGISTER,
            "typed": {"email": "accueil@ehpad.test", "postal_code": "69001"},
            "faults": {"email": ["Cette adresse n'est pas valable."], "password": ["Ce champ est obligatoire."]},
            "towns": [("69001", "LYON"), ("69002", "LYON")],
            "warning": "Cette adresse semble partagée.",
        },
    ),
    "register-staff": (
        "register",
        {
            **REGISTER,
            "joining": STAFF,
            "professions": ("Secrétaire médicale",),
            "other": "autre",
            "typed": {"profession": "autre"},
            "faults": {"profession": ["Ce champ est obligatoire."], "profession_other": ["Ce texte est trop long."]},
        },
    ),
    "joining": (
        "joining",
        {
            **DELEGATED,
            "token": "t",
            "invited": "Léa MOREAU",
            "until": "16 mars 2026 à 10\u00a0h\u00a030",
            "needed": "votre carte CPE",
            "ways": ("card", "psc"),
            "problem": "Choisissez un des moyens proposés.",
        },
    ),
    "joined": ("joined", {**DELEGATED, "delegation": "dlg_1", "begun": True, "identifier": "3690780028/000000042"}),
    "charter": ("charter", {**CHARTER, "ask": True, "problem": "Cochez la case.", "warning": "Adresse partagée ?"}),
    "charter-text": ("charter", {**CHARTER, "ask": False}),
    "card-failed": ("card_failed", {"explanation": "", "retry": "/card", "other": "/sign-in", "reference": "AB12"}),
    "forgot": ("forgot", {}),
    "reset": ("reset", {"token": "t", "faults": ["Le mot de passe doit contenir au moins un chiffre."]}),
    "message": ("message", {**MESSAGE, "actions": (LINK, BUTTON), "typed": [("Ville", "Lyon")]}),
}
# Labels of the printed guides that each page keeps (journeys, section 6).
LABELS: Mapping[str, tuple[str, ...]] = {
    "sign-in-liberal": (
        "Médecin Libéral",
        "Connexion à l'espace médecin libéral",
        "Fermer",
        "Authentification par carte CPS ou l'application e-CPS",
        "Authentification par carte CPS",
        "Se connecter par CPS",
        "Comment faire?",
        "Authentification par l'application e-CPS",
        "Se connecter par e-CPS",
        "Authentification forte par e-mail",
        "Identifiant",
        "Mot de passe",
        "Se connecter",
        "Mot de passe oublié?",
        "Besoin d'aide ?",
        "Accéder à la procédure de connexion ViaTrajectoire",
    ),
    "sign-in-professionnel": (
        "PROFESSIONNELS LIBÉRAUX OU EN ÉTABLISSEMENT",
        "S'IDENTIFIER PAR CARTE CPS",
        "OU",
        "S'IDENTIFIER PAR E-CPS",
        "Nom d'utilisateur",
        "Comment s'authentifier par Carte CPS ou e-CPS ?",
    ),
    "code": ("J'ai reçu mon code", "Valider", "Renvoyer un code par e-mail"),
    "register": (
        "Vos informations personnelles",
        "Les champs marqués d'un * sont obligatoires",
        "Email *",
        "Répéter le mot de passe *",
        "Téléphone",
        "Adresse",
        "Code Postal / Ville",
        "Saisir un code postal ou une ville",
        "Créer mon compte",
    ),
    "charter": ("J'ai lu et accepte les conditions ci-dessus", "Valider"),
    "card-failed": (
        "La lecture de la carte CPS a échoué.",
        "Je veux me faire aider",
        "Contacter l'assistance SISRA",
        "Je veux essayer de m'auto-dépanner",
        "Outil de vérification du ministère de la santé",
        "Suivez attentivement les instructions",
        "J'ai inséré ma carte CPS, je veux ré-essayer",
        "Carte CPS insérée et reconnue",
        "Carte CPS mal insérée / non reconnue",
    ),
}


def page(*, signed_in: bool = False, rich: bool = True) -> SimpleNamespace:
    """What pages.base gives; ``rich``: with what only some deployments and sessions have."""
    facts: dict[str, Any] = {
        "prefix": PREFIX,
        "csrf": "token",
        "static": lambda name: f"{PREFIX}/static/{name}?v={html.static(name)[1]}",
        "account": WHO if signed_in else None,
        "links": LINKS,
        "contacts": CONTACTS,
    }
    if rich:
        facts |= {
            "region": SimpleNamespace(name="Ma région", logo="", theme=""),
            "banner": "L'authentification forte sera activée le 2 avril 2026." if signed_in else "",
            "keepalive": KEEP if signed_in else None,
        }
    return SimpleNamespace(**facts)


def render(name: str, **facts: bool) -> str:
    template, said = PAGES[name]
    return html.render(template, page=page(**facts), **said)


class Reading(HTMLParser):
    """Tags with their attributes, and what is read."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.said: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.said.append(data)

    @property
    def words(self) -> str:
        return " ".join("".join(self.said).replace("\u00a0", " ").split())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [said for name, said in self.tags if name == tag]


@pytest.mark.parametrize("name", PAGES)
def test_r151_fields_are_labelled_and_described(name: str) -> None:
    """Each visible field has one label, each reference its target, no identifier stands twice, one cursor at most."""
    read = Reading(render(name))
    ids = [said["id"] for _, said in read.tags if "id" in said]
    assert len(ids) == len(set(ids))
    labels = {said["for"] for said in read.all("label")}
    for said in read.all("input"):
        if said.get("type") != "hidden":
            assert said["id"] in labels
    for _, said in read.tags:
        for one in (said.get("aria-describedby", "") + " " + said.get("aria-labelledby", "")).split():
            assert one in ids, one
        if said.get("href", "").startswith("#"):
            assert said["href"][1:] in ids
    assert len([said for _, said in read.tags if "autofocus" in said]) <= 1
    assert len(read.all("h1")) == 1 and read.all("html") == [{"lang": "fr"}]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("signed_in", [False, True])
def test_pages_obey_their_own_policy(name: str, signed_in: bool) -> None:
    """No inline style or script, nothing from elsewhere, a token in every form that posts."""
    read = Reading(render(name, signed_in=signed_in))
    for tag, said in read.tags:
        assert tag != "style" and "style" not in said and not [one for one in said if one.startswith("on")]
        for key in ("src", "srcset"):
            assert said.get(key, PREFIX).startswith(PREFIX)
        if tag == "link":
            assert said["href"].startswith(PREFIX)
        if tag == "script":
            assert said["src"] and "defer" in said
    forms = [said for said in read.all("form") if said.get("method") == "post"]
    assert len([said for said in read.all("input") if said.get("name") == "csrf"]) == len(forms)


@pytest.mark.parametrize("name", PAGES)
def test_pages_need_no_newer_facts(name: str) -> None:
    """Region, banner and keepalive may be absent: error pages of the door have none."""
    assert "Accessibilité" in render(name, rich=False)


@pytest.mark.parametrize("name", LABELS)
def test_labels_of_the_guides(name: str) -> None:
    """The wording people have in their printed guides is there, letter by letter."""
    words = Reading(render(name)).words
    for label in LABELS[name]:
        assert label in words, label


def test_r35_card_page() -> None:
    """Two columns of help, the two pictures, the lost card and MonSisra."""
    read = Reading(render("card-failed"))
    targets = [said["href"] for said in read.all("a")]
    assert {LINKS.card_diagnostic, LINKS.card_support, LINKS.monsisra_support, "/card"} <= set(targets)
    assert len(read.all("figure")) == 2
    assert "MonSisra" in read.words


def test_r156_r158_help_on_every_page() -> None:
    """Each page leads to the procedure, the card page, the questions, and to each team with its topics."""
    for name in PAGES:
        read = Reading(render(name))
        targets = {said["href"] for said in read.all("a")}
        assert {LINKS.procedure, LINKS.faq, f"{PREFIX}/help", *(one.url for one in CONTACTS)} <= targets
        assert "cartes, e-CPS" in read.words


@pytest.mark.parametrize(
    ("channels", "heading"),
    [
        (("mail",), "Authentification forte par e-mail"),
        (("sms",), "Authentification forte par SMS"),
        (("mail", "sms"), "Authentification forte par e-mail ou SMS"),
        (("mail", "totp"), "Authentification forte par e-mail"),
        (("totp",), "Authentification forte par code"),
    ],
)
def test_heading_follows_the_channels(channels: tuple[str, ...], heading: str) -> None:
    """The heading of the password form tells how the code comes."""
    text = html.render("sign_in", page=page(), **{**SIGN_IN, "space": "liberal", "channels": channels})
    assert f'<h2 id="login">{heading}</h2>' in text


def test_methods_by_order_of_the_configuration() -> None:
    """Sections stand in the order of the configuration; card and e-CPS share one, in theirs."""
    facts = {**SIGN_IN, "space": "professionnel", "methods": ["password", "psc", "card"]}
    words = Reading(html.render("sign_in", page=page(), **facts)).words
    order = [
        words.index(one) for one in ("Nom d'utilisateur et", "S'IDENTIFIER PAR E-CPS", "S'IDENTIFIER PAR CARTE CPS")
    ]
    assert order == sorted(order)


def test_r65_code_field() -> None:
    """One field for the code, numeric, offered by the phone; the channels offered are those of the account."""
    read = Reading(render("code"))
    field = next(said for said in read.all("input") if said.get("id") == "code")
    assert (field["inputmode"], field["autocomplete"]) == ("numeric", "one-time-code")
    assert [said["value"] for said in read.all("button") if said.get("name") == "channel"] == ["mail", "sms"]
    app = Reading(render("code-app")).words
    assert "Saisissez le code de votre application d'authentification" in app
    assert "J'utilise un code de secours" in app and "8 heures" in app and "indésirables" not in app


def test_g82_what_the_script_of_sessions_needs() -> None:
    """A page of a session carries its end and a form that prolongs it without script; others carry nothing."""
    body = Reading(render("forgot", signed_in=True)).all("body")[0]
    assert body["data-idle"] == str(KEEP.idle_at) and body["data-warn"] == "120" and body["data-prefix"] == PREFIX
    assert f'action="{PREFIX}/session/extend"' in render("forgot", signed_in=True)
    assert Reading(render("forgot")).all("body") == [{}]


def test_typed_text_is_escaped() -> None:
    """What people type comes back as text."""
    facts = {**SIGN_IN, "space": "liberal", "identifier": '"><b>', "problem": "<i>"}
    text = html.render("sign_in", page=page(), **facts)
    assert "<b>" not in text and "<i>" not in text


def test_r153_weight() -> None:
    """A whole first load (page, style, scripts, logo) stays below 30 kB, far from the 150 kB allowed."""
    shared = sum(len(html.static(name)[0]) for name in ("style.css", "logo.svg", "session.js"))
    assert len(html.static("session.js")[0]) <= 3072
    for name in PAGES:
        pictures = (
            sum(len(html.static(one)[0]) for one in ("card-in.svg", "card-out.svg")) if name == "card-failed" else 0
        )
        assert shared + pictures + len(render(name, signed_in=True).encode()) < 30_000


# Colours: text on what it stands on, then what has only to be seen.
READ_ON = (
    ("ink", "paper"), ("ink", "ground"), ("ink", "accent-soft"), ("ink", "bad-soft"), ("ink", "good-soft"),
    ("soft", "paper"), ("soft", "ground"), ("accent", "paper"), ("accent", "ground"), ("accent", "accent-soft"),
    ("accent-ink", "accent"), ("bad", "paper"), ("bad", "bad-soft"), ("good", "paper"), ("soft", "accent-soft"),
)  # fmt: skip
SEEN_ON = (("edge", "paper"), ("edge", "ground"), ("accent", "paper"), ("bad", "paper"), ("edge", "accent-soft"))


def colours(block: str) -> dict[str, str]:
    return dict(re.findall(r"--([a-z-]+):(#[0-9a-f]{3,6})", block))


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(one * 2 for one in colour[1:])
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
def test_r151_contrast(dark: bool) -> None:
    """Text has 4.5:1 on each background it stands on, borders of fields 3:1, by day and by night (WCAG 1.4.3, 1.4.11)."""
    light, night = re.findall(r":root\{([^}]*--ground[^}]*)\}", CSS)[:2]
    palette = colours(light) | (colours(night) if dark else {})
    for pairs, least in ((READ_ON, 4.5), (SEEN_ON, 3.0)):
        for one, other in pairs:
            first, second = sorted((luminance(palette[one]), luminance(palette[other])))
            assert (second + 0.05) / (first + 0.05) >= least, (one, other)


def test_style_is_ours_alone() -> None:
    """Nothing is fetched by the style sheet, and each preference of the reader has its rules."""
    assert "url(" not in CSS and "@import" not in CSS and "@font-face" not in CSS
    for wish in (
        "prefers-color-scheme:dark",
        "prefers-contrast:more",
        "forced-colors",
        "prefers-reduced-motion",
        "print",
    ):
        assert wish in CSS
