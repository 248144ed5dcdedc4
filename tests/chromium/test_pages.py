"""Every page, looked at: by axe-core in light, in dark and on a phone; at 320 px; by people, in docs/pages.

A new page is one line of ``SIGHTS``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from playwright.async_api import Request

from tests.browser import DESK, NARROW, PHONE, SHOTS, Person, Way, wants_new
from tests.chromium.conftest import Meet, forget_account
from tests.chromium.handed import COLLEAGUE, DOCTOR, PENDING, SHARED, forget_given, hand_out
from tests.stories.test_delegations import PASSWORD, doctor, invite
from tests.visitor import Demo

_P = "/_gateway"
_DEEP = "/Trajectoire/Pages/AccesRestreint/accueil"
_FIRST_LOAD = 150_000  # bytes (R153)
Reach = Callable[[Person], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Sight:
    """One page: the name of its pictures, what it is in French, how one comes to it, and the way one works there."""

    name: str
    title: str
    reach: Reach
    way: Way = Way.MOUSE


def at(path: str) -> Reach:
    """Anybody sees it."""

    async def reach(me: Person) -> None:
        await me.open(path)

    return reach


def own(path: str, key: str = "dr-bernard", space: str = "professionnel") -> Reach:
    """Seen after signing in by e-CPS."""

    async def reach(me: Person) -> None:
        await me.sign_in_by_psc(key, space, _P + path)

    return reach


async def _wrong_password(me: Person) -> None:
    await me.open(f"{_P}/sign-in?space=liberal")
    await me.fill("Identifiant", "899700100011")
    await me.fill("Mot de passe", "Pas-le-bon-9")
    await me.press("Se connecter")


async def _code(me: Person) -> None:
    await me.open(f"{_P}/sign-in?space=liberal")
    await me.type_password("dr-bernard")


async def _wrong_code(me: Person) -> None:
    await _code(me)
    code = await me.code_from_mailbox("dr-bernard")
    await me.fill("Code à 6 chiffres", "000000" if code != "000000" else "111111")
    await me.press("Valider")


async def _code_by_sms(me: Person) -> None:
    await me.open(f"{_P}/sign-in?space=professionnel")
    await me.type_password("agent-leroy")


async def _register(me: Person) -> None:
    forget_account(me.demo, "dr-martin")
    await me.open(f"{_P}/sign-in/psc?space=liberal")
    await me.answer_psc("dr-martin")


async def _register_faults(me: Person) -> None:
    await _register(me)
    await me.fill("Mot de passe", "abcdefg1")
    await me.press("Créer mon compte")


async def _charter(me: Person) -> None:
    await _register(me)
    await me.fill("Email", "claire.martin@example.test")
    await me.fill("Mot de passe", "Un-beau-matin-7")
    await me.fill("Répéter le mot de passe", "Un-beau-matin-7")
    await me.press("Créer mon compte")


async def _card_failed(me: Person) -> None:
    await me.open(f"{_P}/sign-in?space=liberal")
    await me.press("Se connecter par CPS")


async def _psc_refused(me: Person) -> None:
    await me.open(f"{_P}/sign-in/psc?space=professionnel")
    await me.answer_psc(None)


async def _forgot_sent(me: Person) -> None:
    await me.open(f"{_P}/password/forgot")
    await me.fill("Identifiant", "899700100029")
    await me.press("Valider")


async def _reset(me: Person) -> None:
    await _forgot_sent(me)
    await me.open(await me.link_from_mailbox("dr-petit"))


async def _signed_out(me: Person) -> None:
    await me.sign_in_by_psc("dr-bernard")
    await me.press("Se déconnecter")


async def _idle(me: Person) -> None:
    await me.sign_in_by_psc("dr-bernard")
    me.demo.advance(31 * 60)
    await me.open(_DEEP)


async def _someone_else(me: Person) -> None:
    await me.sign_in_by_psc("dr-bernard")
    me.reader.insert_card_of("dr-petit")
    await me.open(f"{_P}/sign-in/card?space=liberal")


async def _cookies_refused(me: Person) -> None:
    await me.open(f"{_P}/sign-in?space=liberal")
    await me.context.clear_cookies()
    await me.type_password("dr-bernard")


async def _old_form(me: Person) -> None:
    await me.open(f"{_P}/sign-in?space=liberal")
    await me.context.clear_cookies()
    other = await me.context.new_page()
    await other.goto(me.page.url)
    await me.type_password("dr-bernard")


async def _prove_mail(me: Person) -> None:
    await own("/account/mail")(me)
    await me.fill("Nouvelle adresse", "luc@cabinet-bernard.test")
    await me.press("Valider")
    text = (await me.message("luc@cabinet-bernard.test", holding="https://"))["text"]
    await me.open(next(word for word in text.split() if word.startswith("https://")))


async def _phone_code(me: Person) -> None:
    await own("/account/phone")(me)
    await me.fill("Téléphone", "06 12 34 56 90")
    await me.press("Valider")


async def _recovery_codes(me: Person) -> None:
    """Whatever an earlier look added is taken away first."""
    await own("/account/authenticator", "dr-rousseau")(me)
    if await me.page.get_by_role("button", name="Retirer").count():
        await me.press("Retirer l'application")
        await me.open(f"{_P}/account/authenticator")
    link = await me.page.locator('a[href^="otpauth:"]').get_attribute("href")
    secret = parse_qs(urlsplit(link or "").query)["secret"][0]
    now = datetime.fromisoformat(me.demo.console("GET", "/clock")["now"])
    await me.fill("Code à 6 chiffres", pyotp.TOTP(secret).at(now))
    await me.press("Valider")


async def _authenticator(me: Person) -> None:
    await _recovery_codes(me)
    await me.open(f"{_P}/account/authenticator")


async def _held_form(me: Person) -> None:
    """A form of the application, sent after the idle end."""
    await me.sign_in_by_psc("dr-bernard", back=_DEEP)
    me.demo.advance(31 * 60)
    async with me.page.expect_navigation():
        await me.page.evaluate(
            "() => { const form = document.createElement('form'); form.method = 'post';"
            " document.body.append(form); form.submit(); }"
        )


def unproved(path: str) -> Reach:
    """Seen by somebody signed in whose last proof is old: half an hour after typing a code."""

    async def reach(me: Person) -> None:
        await _code(me)
        await me.fill("Code à 6 chiffres", await me.code_from_mailbox("dr-bernard"))
        await me.press("Valider")
        me.demo.advance(29 * 60)
        await me.open(_P + path)

    return reach


async def _switch_preview(me: Person) -> None:
    """What switching two departments on would do; nothing is confirmed."""
    await own("/admin/switch?scope=rhone&scope=isere", "admin-aura")(me)
    await me.fill("Motif", "Calendrier régional")
    await me.press("Voir l'effet")


async def _explained(me: Person) -> None:
    await own("/admin/explain", "referent-glycines")(me)
    await me.fill("Identifiant de la personne", "pleroy")
    await me.fill("Adresse dans ViaTrajectoire", _DEEP)
    await me.press("Expliquer cette connexion")


def handed(path: str, key: str = DOCTOR) -> Reach:
    """Seen by a doctor who gave, or received, what ``handed`` writes."""

    async def reach(me: Person) -> None:
        await hand_out(me.demo)
        await me.sign_in_by_psc(key, "liberal", f"{_P}/delegations{path}")

    return reach


async def _assistant_faults(me: Person) -> None:
    await handed("/assistants/add")(me)
    await me.fill("Nom", "Lenoir")
    await me.fill("Email", "jeanne.lenoir")
    await me.press("Ajouter")


async def _colleague_period(me: Person) -> None:
    await handed("/doctors/add?name=garnier")(me)
    await me.press("Sélectionner")


async def _acting(me: Person) -> None:
    await handed("", COLLEAGUE)(me)
    # As Pro Santé Connect says the name, or as the records had it before.
    await me.press(await me.one_of("Agir pour Dr Anne PETIT", "Agir pour Dr ANNE PETIT"))
    await me.open(f"{_P}/delegations")


async def _joining(me: Person) -> None:
    """The mailed link, opened by a secretary who has never been here."""
    forget_account(me.demo, "secretary-roche")
    forget_given(me.demo, "dr-rousseau")
    invite(doctor(me.demo, "dr-rousseau"), "secretary-roche")
    await me.open(await me.link_from_mailbox("secretary-roche"))


async def _staff_register(me: Person) -> None:
    await _joining(me)
    me.reader.insert_card_of("secretary-roche")
    await me.press("Accepter avec ma carte")


async def _joined(me: Person) -> None:
    await _staff_register(me)
    await me.page.get_by_label("Profession *").select_option(label="Secrétaire médicale")
    await me.fill("Mot de passe", PASSWORD)
    await me.fill("Répéter le mot de passe", PASSWORD)
    await me.press("Créer mon compte")
    await me.tick("J'ai lu et accepte les conditions ci-dessus")
    await me.press("Valider")


async def _acting_ended(me: Person) -> None:
    """The doctor has ended what the secretary was acting under."""
    await _joined(me)
    await me.press("Agir pour Dr NADIA ROUSSEAU")
    giver = doctor(me.demo, "dr-rousseau")
    giver.click("Marie-Ève Roche")
    giver.click("Mettre fin à cette délégation")
    giver.submit("/end")
    await me.open(_DEEP)
    await me.stands_under("Vous n'agissez plus au nom d'un médecin")


SIGHTS = (
    Sight("sign-in-professionnel", "Connexion, espace professionnel", at(f"{_P}/sign-in?space=professionnel")),
    Sight("sign-in-liberal", "Connexion, espace médecin libéral", at(f"{_P}/sign-in?space=liberal")),
    Sight("sign-in-wrong", "Identifiant ou mot de passe incorrect", _wrong_password),
    Sight("sign-in-idle", "Session fermée après un temps sans activité", _idle),
    Sight("code", "J'ai reçu mon code (e-mail)", _code),
    Sight("code-sms", "J'ai reçu mon code (SMS)", _code_by_sms),
    Sight("code-wrong", "Code incorrect ou expiré", _wrong_code),
    Sight("card-failed", "La lecture de la carte CPS a échoué", _card_failed),
    Sight("psc-refused", "Pro Santé Connect refusé", _psc_refused),
    Sight("register", "Vos informations personnelles", _register),
    Sight("register-faults", "Vos informations personnelles, à corriger", _register_faults),
    Sight("charter", "Charte d'utilisation, à accepter", _charter),
    Sight("charter-text", "Charte d'utilisation, à relire", at(f"{_P}/charter/text")),
    Sight("forgot", "Mot de passe oublié", at(f"{_P}/password/forgot")),
    Sight("forgot-sent", "Mot de passe oublié, lien envoyé", _forgot_sent),
    Sight("reset", "Choisir un nouveau mot de passe", _reset),
    Sight("account", "Mon compte", own("/account")),
    Sight("account-liberal", "Mon compte, espace médecin libéral", own("/account", space="liberal")),
    Sight("account-mail", "Mon compte : adresse de messagerie", own("/account/mail")),
    Sight("account-telephone", "Mon compte : téléphone", own("/account/phone")),
    Sight("account-address", "Mon compte : adresse postale", own("/account/address")),
    Sight("account-password", "Mon compte : mot de passe", own("/account/password")),
    Sight("account-authenticator", "Mon compte : application d'authentification", own("/account/authenticator")),
    Sight("account-authenticator-on", "Mon compte : application active", _authenticator),
    Sight("recovery-codes", "Codes de secours", _recovery_codes),
    Sight("account-telephone-code", "Mon compte : code reçu sur le téléphone", _phone_code),
    Sight("prove-mail", "Confirmer mon adresse", _prove_mail),
    Sight("account-passkeys", "Mon compte : clés d'accès", own("/account/passkeys")),
    Sight("account-passkeys-add", "Ajouter une clé d'accès", own("/account/passkeys/add")),
    Sight("sign-in-passkey", "Connexion par clé d'accès", at(f"{_P}/sign-in/passkey?space=liberal")),
    Sight("account-data", "Mon compte : mes données", own("/account/data")),
    Sight("delegations", "Mes délégations", handed("")),
    Sight("delegations-empty", "Mes délégations, rien encore", own("/delegations", "dr-rousseau", "liberal")),
    Sight("delegations-received", "Mes habilitations", handed("", COLLEAGUE)),
    Sight("delegations-acting", "Mes habilitations, en agissant pour un médecin", _acting),
    Sight("delegation", "Une délégation, utilisée", handed(f"/one/{SHARED}")),
    Sight("delegation-pending", "Une délégation, à confirmer", handed(f"/one/{PENDING}")),
    Sight("delegation-end", "Mettre fin à une délégation", handed(f"/one/{SHARED}/end")),
    Sight("delegation-assistant", "Ajouter une délégation à un assistant", handed("/assistants/add")),
    Sight("delegation-assistant-faults", "Ajouter une délégation à un assistant, à corriger", _assistant_faults),
    Sight("delegation-doctor", "Ajouter une délégation à un médecin : annuaire", handed("/doctors/add?name=garnier")),
    Sight("delegation-doctor-period", "Ajouter une délégation à un médecin : période", _colleague_period),
    Sight("joining", "Invitation d'un médecin", _joining),
    Sight("joining-register", "Invitation d'un médecin : vos informations personnelles", _staff_register),
    Sight("joined", "Invitation acceptée", _joined),
    Sight("acting-ended", "Vous n'agissez plus au nom d'un médecin", _acting_ended),
    Sight("step-up", "Confirmez que c'est bien vous", unproved("/step-up?then=/account/mail")),
    Sight("someone-else", "Une autre session est ouverte", _someone_else),
    Sight("cookies-refused", "Votre navigateur n'a pas gardé le cookie de connexion", _cookies_refused),
    Sight("old-form", "Ce formulaire n'est plus valable", _old_form),
    Sight("held-form", "Votre saisie n'est pas perdue", _held_form),
    Sight("signed-out", "Vous êtes déconnecté", _signed_out),
    Sight("help", "Besoin d'aide ?", at(f"{_P}/help")),
    Sight("help-means", "Quel moyen est pour moi ?", at(f"{_P}/help/means")),
    Sight("help-card", "Comment s'authentifier par Carte CPS ou e-CPS ?", at(f"{_P}/help/card")),
    Sight("region", "Choisir ma région", at(f"{_P}/region")),
    Sight("privacy", "Données personnelles", at(f"{_P}/privacy")),
    Sight("accessibility", "Accessibilité", at(f"{_P}/accessibility")),
    Sight("admin-dashboard", "Administration : tableau de bord", own("/admin", "admin-national")),
    Sight("admin-scopes", "Administration : établissements et services", own("/admin/scopes", "admin-aura")),
    Sight("admin-scope", "Administration : un établissement", own("/admin/scopes/ehpad-glycines", "admin-aura")),
    Sight(
        "admin-scope-referent",
        "Administration : un établissement, vu par son référent",
        own("/admin/scopes/ehpad-glycines", "referent-glycines"),
    ),
    Sight("admin-policy", "Administration : politique", own("/admin/scopes/ehpad-glycines/policy", "admin-aura")),
    Sight("admin-legal", "Administration : statut légal", own("/admin/scopes/aura/legal", "admin-national")),
    Sight("admin-place", "Administration : fiche", own("/admin/scopes/ehpad-glycines/edit", "admin-aura")),
    Sight("admin-place-new", "Administration : nouvel échelon", own("/admin/scopes/exemple-sante/add", "admin-aura")),
    Sight(
        "admin-breakglass",
        "Administration : ouverture de secours",
        own("/admin/scopes/ehpad-glycines/breakglass", "admin-aura"),
    ),
    Sight("admin-switch", "Administration : basculer", own("/admin/switch?scope=ch-exemple", "admin-aura")),
    Sight("admin-switch-preview", "Administration : vérifier avant de basculer", _switch_preview),
    Sight("admin-accounts", "Administration : comptes", own("/admin/accounts", "admin-aura")),
    Sight("admin-account", "Administration : un compte", own("/admin/accounts/acc_agent-leroy", "referent-glycines")),
    Sight("admin-account-new", "Administration : inviter", own("/admin/accounts/new", "referent-glycines")),
    Sight("admin-requests", "Administration : demandes", own("/admin/requests", "admin-aura")),
    Sight("admin-imports", "Administration : imports", own("/admin/imports", "admin-aura")),
    Sight("admin-audit", "Administration : journal", own("/admin/audit", "admin-aura")),
    Sight("admin-compliance", "Administration : conformité", own("/admin/compliance", "admin-national")),
    Sight("admin-explain", "Administration : expliquer une connexion", _explained),
    Sight("not-found", "Cette page n'existe pas", at(f"{_P}/nothing")),
)


@pytest.mark.parametrize("sight", SIGHTS, ids=lambda sight: sight.name)
async def test_r151_axe_finds_nothing_serious(meet: Meet, sight: Sight) -> None:
    """Light, dark and on a phone: nothing serious; at 400 % nothing is cut off; and the pictures are there."""
    me = await meet(sight.way)
    await sight.reach(me)
    await me.page.get_by_role("heading", level=1).wait_for()
    assert await me.page.get_by_role("heading", level=1).count() == 1
    assert await me.page.title() != ""
    found = {}
    for size, scheme, rules in ((DESK, "light", ()), (DESK, "dark", ("color-contrast",)), (PHONE, "light", ())):
        await me.wear(size, scheme)
        found[f"{size[0]} {scheme}"] = await me.axe(*rules)  # dark differs in its colours alone
    await me.wear(NARROW)
    assert await me.overflow() == []
    await me.wear()
    await me.shot(sight.name)
    assert {dress: faults for dress, faults in found.items() if faults} == {}


def test_the_index_of_the_pictures() -> None:
    """docs/pages/README.md shows every page of the table and no other."""
    text = _index()
    path = SHOTS / "README.md"
    if wants_new(path):
        path.write_text(text)
    assert path.read_text() == text
    shown = {f"{one.name}{suffix}.png" for one in SIGHTS for suffix in ("", "-phone")}
    assert len(shown) == 2 * len(SIGHTS)  # no page takes the picture of another
    assert {one.name for one in SHOTS.glob("*.png")} <= shown


def _index() -> str:
    lines = [
        "# The pages",
        "",
        "Made in Chromium by the tests (`tests/chromium/test_pages.py`): at 1280 px, and at 390 px as on a phone. Tests",
        "leave pictures as they are; `VTGW_SHOTS=1 make test ARGS=tests/chromium` makes them anew.",
        "",
        "| Page | Desk | Phone |",
        "|---|---|---|",
    ]
    lines += [f"| {one.title} | [{one.name}]({one.name}.png) | [phone]({one.name}-phone.png) |" for one in SIGHTS]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("space", ["professionnel", "liberal"])
async def test_r153_weight_of_the_first_load(meet: Meet, space: str) -> None:
    """The sign-in page with all it loads, heads included, is under 150 kB, from the gateway alone."""
    me = await meet()
    requests: list[Request] = []
    me.context.on("requestfinished", lambda one: requests.append(one))
    await me.page.goto(f"{me.demo.about['gateway']}{_P}/sign-in?space={space}", wait_until="networkidle")
    sizes = [await one.sizes() for one in requests]
    weight = sum(one["responseBodySize"] + one["responseHeadersSize"] for one in sizes)
    assert {one.url.split("/_gateway")[0] for one in requests} == {me.demo.about["gateway"]}
    assert len(requests) >= 2
    assert weight < _FIRST_LOAD
    print(f"first load of {space}: {weight} bytes in {len(requests)} requests")


async def test_r151_skip_link_is_first_and_leads_to_the_content(demo: Demo, meet: Meet) -> None:
    """The first Tab shows « Aller au contenu », which puts the reader past the head of the page."""
    me = await meet(Way.KEYBOARD)
    await me.open(f"{_P}/help")
    await me.page.keyboard.press("Tab")
    link = me.page.get_by_role("link", name="Aller au contenu")
    assert await link.evaluate("one => one === document.activeElement")
    await me.page.keyboard.press("Enter")
    assert (await me.page.evaluate("() => document.activeElement.id")) == "main"
