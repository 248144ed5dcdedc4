"""Every journey of signing in and of one's own account, told in Chromium: with the mouse, with the keyboard alone, and
without scripts. J1, J5 and J15 are told with the keyboard too (R151); all without scripts (R152)."""

from __future__ import annotations

import json
import re

import pytest

from tests.browser import Person, Way
from tests.chromium.conftest import Meet, forget_account
from tests.visitor import Demo

DEEP = "/Trajectoire/Pages/AccesRestreint/x?id=1&b=2"
APPLICATION = "ViaTrajectoire (application de démonstration)"
PROFESSIONAL = "PROFESSIONNELS LIBÉRAUX OU EN ÉTABLISSEMENT"
LIBERAL = "Connexion à l'espace médecin libéral"
CARD_FAILED = "La lecture de la carte CPS a échoué."
FIRST = "Un-beau-matin-7"

every_way = pytest.mark.parametrize("way", list(Way), ids=lambda way: way.value)
no_keyboard = pytest.mark.parametrize("way", [Way.MOUSE, Way.NO_SCRIPT], ids=lambda way: way.value)


async def in_the_application(me: Person, name: str, path: str = DEEP) -> None:
    """At the page asked for at first, which knows who is there."""
    await me.is_at(path)
    await me.stands_under(APPLICATION)
    await me.sees(name)


@every_way
async def test_j1_j2_first_connection_by_card(demo: Demo, meet: Meet, way: Way) -> None:
    """A doctor without account signs in by card, corrects the form, accepts the charter, and is where she wanted to be."""
    forget_account(demo, "dr-martin")
    me = await meet(way)
    me.reader.insert_card_of("dr-martin")
    await me.open(DEEP)
    await me.stands_under(PROFESSIONAL)
    await me.press("Médecin Libéral")
    await me.stands_under(LIBERAL)
    await me.press("Se connecter par CPS")
    await me.stands_under("Vos informations personnelles")
    await me.sees("Les champs marqués d'un * sont obligatoires")
    assert await me.value_of("Nom") == "MARTIN"
    assert await me.page.get_by_label("Nom", exact=True).is_editable() is False
    # R12, R14, R16: what is wrong is said, and what was right stays
    await me.fill("Mot de passe", "abcdefg1")
    await me.fill("Répéter le mot de passe", "x")
    await me.fill("Ville", "Lyon")
    await me.press("Créer mon compte")
    await me.sees("Ce champ est obligatoire.", "au moins une majuscule", "Les deux mots de passe sont différents.")
    assert await me.value_of("Ville") == "Lyon"
    assert await me.value_of("Mot de passe") == ""
    await me.fill("Email", demo.person("dr-martin")["mail"])
    await me.fill("Mot de passe", FIRST)
    await me.fill("Répéter le mot de passe", FIRST)
    await me.press("Créer mon compte")
    await me.stands_under("Charte d'utilisation")
    await me.tick("J'ai lu et accepte les conditions ci-dessus")
    await me.press("Valider")
    await in_the_application(me, "MARTIN")
    await me.open("/_gateway/account")
    await me.sees("Lyon", demo.person("dr-martin")["mail"])


@no_keyboard
async def test_j2_a_known_doctor_by_card(meet: Meet, way: Way) -> None:
    """One click with the card in the reader opens the page asked for."""
    me = await meet(way)
    me.reader.insert_card_of("dr-bernard")
    await me.open(DEEP)
    await me.press("S'IDENTIFIER PAR CARTE CPS")
    await in_the_application(me, "BERNARD")


@no_keyboard
async def test_j3_ecps_and_its_refusal(meet: Meet, way: Way) -> None:
    """A refusal at Pro Santé Connect ends in a page with a way on; the approval opens the page asked for."""
    me = await meet(way)
    await me.open(DEEP)
    await me.press("S'IDENTIFIER PAR E-CPS")
    await me.answer_psc(None)
    await me.sees("Référence")
    assert "<b>" not in await me.page.inner_text("body")
    assert await me.page.locator("html").get_attribute("lang") == "fr"
    await me.open(DEEP)
    await me.press("S'IDENTIFIER PAR E-CPS")
    await me.answer_psc("dr-bernard")
    await in_the_application(me, "BERNARD")


@every_way
async def test_j5_j8_password_and_code(demo: Demo, meet: Meet, way: Way) -> None:
    """A wrong password and a wrong code are told; a code asked for again opens the page asked for, once."""
    me = await meet(way)
    await me.open(DEEP)
    await me.press("Médecin Libéral")
    await me.sees("Authentification forte par e-mail")
    await me.fill("Identifiant", demo.person("dr-bernard")["account"]["identifier"])
    await me.fill("Mot de passe", "Pas-le-bon-9")
    await me.press("Se connecter")
    await me.sees("Identifiant ou mot de passe incorrect.")
    assert await me.value_of("Mot de passe") == ""
    await me.type_password("dr-bernard")
    await me.stands_under("J'ai reçu mon code")
    await me.sees_nothing_of(demo.person("dr-bernard")["mail"])  # masked (R72)
    first = await me.code_from_mailbox("dr-bernard")
    await me.fill("Code à 6 chiffres", "000000" if first != "000000" else "111111")
    await me.press("Valider")
    await me.sees("Code incorrect ou expiré.")
    demo.advance(60)  # R70: not at once
    await me.press(await me.one_of("Renvoyer un code par e-mail", "Demander un nouveau code par e-mail"))
    second = await me.code_from_mailbox("dr-bernard")
    assert first != second
    await me.fill("Code à 6 chiffres", second)
    await me.press("Valider")
    await in_the_application(me, "BERNARD")


@no_keyboard
async def test_j6_an_agent_and_a_text_message(demo: Demo, meet: Meet, way: Way) -> None:
    """An agent of an establishment gets the code on the mobile, whose number is masked on the page."""
    me = await meet(way)
    await me.open(DEEP)
    await me.type_password("agent-leroy", shared=True)
    await me.stands_under("J'ai reçu mon code")
    if not await me.page.get_by_text("par SMS au").count():
        demo.advance(60)
        await me.press(await me.one_of("Recevoir un code par SMS", "Renvoyer un code par SMS"))
    await me.sees("par SMS au", "78")
    await me.sees_nothing_of("12345678", "12 34 56 78")
    await me.fill("Code à 6 chiffres", await me.code_from("+33612345678", "sms"))
    await me.press("Valider")
    await in_the_application(me, "LEROY")


@no_keyboard
async def test_j7_forgotten_password(demo: Demo, meet: Meet, way: Way) -> None:
    """The link of the mail chooses a password, signs nobody in, and the new password asks for a code as before."""
    me = await meet(way)
    person = demo.person("dr-petit")
    await me.open(DEEP)
    await me.press("Mot de passe oublié?")
    await me.fill("Identifiant", person["account"]["identifier"])
    await me.press("Valider")
    link = await me.link_from_mailbox("dr-petit")
    await me.open(link)
    await me.fill("Mot de passe", "court")
    await me.fill("Répéter le mot de passe", "court")
    await me.press("Valider")
    await me.page.get_by_role("alert").wait_for()
    fresh = f"Un-autre-matin-{list(Way).index(way)}"
    await me.fill("Mot de passe", fresh)
    await me.fill("Répéter le mot de passe", fresh)
    await me.press("Valider")
    await me.open(DEEP)
    await me.stands_under(PROFESSIONAL)
    await me.fill("Nom d'utilisateur", person["account"]["identifier"])
    await me.fill("Mot de passe", fresh)
    await me.press("Se connecter")
    await me.fill("Code à 6 chiffres", await me.code_from_mailbox("dr-petit"))
    await me.press("Valider")
    await in_the_application(me, "PETIT")
    other = await meet(way)
    await other.open(link)
    await other.sees("Référence")  # the link has served


@no_keyboard
async def test_j9_no_card_then_the_card(meet: Meet, way: Way) -> None:
    """Without a card: the page with both columns and both pictures; with the card put in, « ré-essayer » goes on."""
    me = await meet(way)
    await me.open(DEEP)
    await me.press("S'IDENTIFIER PAR CARTE CPS")
    await me.stands_under(CARD_FAILED)
    await me.sees(
        "Je veux me faire aider",
        "Contacter l'assistance SISRA",
        "Je veux essayer de m'auto-dépanner",
        "Outil de vérification du ministère de la santé",
        "Suivez attentivement les instructions",
        "Carte CPS insérée et reconnue",
        "Carte CPS mal insérée / non reconnue",
        "Référence",
    )
    me.reader.insert_card_of("dr-bernard")
    await me.press("J'ai inséré ma carte CPS, je veux ré-essayer")
    await in_the_application(me, "BERNARD")


async def test_j9_a_card_that_is_refused(demo: Demo, meet: Meet) -> None:
    """A revoked card gets the same page, with a reference, and no session."""
    refused = json.loads((demo.folder / "cards" / "refused" / "index.json").read_text())
    revoked = next(one for one in refused if "revoked" in one["reason"].lower())
    me = await meet()
    me.reader.insert(revoked["cert"], revoked["key"])
    await me.open(DEEP)
    await me.press("S'IDENTIFIER PAR CARTE CPS")
    await me.stands_under(CARD_FAILED)
    await me.open(DEEP)
    await me.stands_under(PROFESSIONAL)


async def test_r155_each_refusal_has_a_reference_of_its_own(demo: Demo, meet: Meet) -> None:
    """Two refusals are told apart by the reference on their page, and each leads to its own line of the log."""
    me = await meet()
    seen = []
    for _ in range(2):
        await me.open("/_gateway/sign-in/card?space=liberal")
        await me.stands_under(CARD_FAILED)
        found = re.search(r"\b[0-9A-F]{4}-[0-9A-F]{4}\b", await me.page.inner_text("main"))
        assert found
        seen.append(found[0])
    assert seen[0] != seen[1]
    log = (demo.folder / "gateway.log").read_text().splitlines()
    for reference in seen:
        assert len([line for line in log if f'"reference": "{reference}"' in line]) == 1


@no_keyboard
async def test_j14_switch_of_space(meet: Meet, way: Way) -> None:
    """A doctor goes from one space to the other and back from « Mon compte », without signing in again."""
    me = await meet(way)
    await me.sign_in_by_psc("dr-bernard", "liberal")
    await me.press("Basculer vers l'espace professionnel")
    await me.stands_under(APPLICATION)
    await me.open("/_gateway/account")
    await me.press("Basculer vers l'espace médecin libéral")
    await me.stands_under(APPLICATION)
    await me.open("/_gateway/account")
    await me.sees("Basculer vers l'espace professionnel")


@every_way
async def test_j15_password_changed_in_my_account(demo: Demo, meet: Meet, way: Way) -> None:
    """« Mon compte » shows one's data; the password changes with the old one, and a mail says so."""
    me = await meet(way)
    old = demo.person("dr-bernard")["account"]["password"]
    await me.open("/_gateway/sign-in?space=liberal&return=%2F_gateway%2Faccount")
    await me.type_password("dr-bernard")
    await me.fill("Code à 6 chiffres", await me.code_from_mailbox("dr-bernard"))
    await me.press("Valider")
    await me.open("/_gateway/account")
    await me.stands_under("Mon compte")
    await me.sees("BERNARD", "Dernières connexions")

    async def change(current: str, new: str) -> None:
        await me.turn_to("Changer de mot de passe")
        await me.fill("Mot de passe actuel", current)
        await me.fill("Mot de passe", new)
        await me.fill("Répéter le mot de passe", new)
        await me.press("Valider")

    await change("Pas-le-bon-9", "Nouveau-matin-8")
    await me.sees("Le mot de passe actuel est incorrect.")
    await change(old, "Nouveau-matin-8")
    await me.sees("Votre mot de passe est changé")
    told = await me.message(demo.person("dr-bernard")["mail"])
    assert told["subject"] == "ViaTrajectoire : votre mot de passe a été changé"
    await change("Nouveau-matin-8", old)  # the other stories know the old one
    await me.sees("Votre mot de passe est changé")


@no_keyboard
async def test_j17_which_means_is_for_me(meet: Meet, way: Way) -> None:
    """The help names a means for every family of people, and three answers lead to one's own."""
    me = await meet(way)
    await me.open(DEEP)
    await me.press("Besoin d'aide ?")
    await me.press("Quel moyen est pour moi ?")
    await me.sees("Professionnels à Ordre", "Professionnels ARS", "Professionnels à rôle", "Professionnel autre")
    await me.sees("carte CPS ou e-CPS", "e-CPS uniquement")
    await me.choose("Vous êtes", "Professionnels à rôle")
    await me.choose("Avez-vous une carte CPS, CPF, CPE ou CPA à votre nom ?", "Non")
    await me.choose("Avez-vous un smartphone ?", "Oui")
    await me.press("Voir mon moyen")
    await me.sees("Votre moyen")
    await me.press("Se connecter")
    await me.stands_under(PROFESSIONAL)


@no_keyboard
async def test_j19_after_sign_out_the_back_button_shows_nothing(demo: Demo, meet: Meet, way: Way) -> None:
    """Signed out, neither the application nor the account comes back with « Précédent »."""
    me = await meet(way)
    await me.sign_in_by_psc("dr-bernard", back=DEEP)
    await in_the_application(me, "BERNARD")
    await me.open("/_gateway/account")
    await me.sees("BERNARD")
    await me.press("Se déconnecter")
    await me.sees("Vous êtes déconnecté")
    for _ in range(2):
        await me.go_back()
        await me.sees_nothing_of("BERNARD", "luc.bernard", APPLICATION)
    await me.open("/_gateway/sign-in/psc?space=professionnel")
    await me.sees("Qui êtes-vous ?")  # R44: Pro Santé Connect has been told too


async def test_ten_tabs_with_a_dead_session_end_in_ten_pages(demo: Demo, meet: Meet) -> None:
    """Ten tabs opened at once after the session's end: sign in in the last one, and each goes to its own page."""
    me = await meet()
    await me.sign_in_by_psc("dr-bernard", back=DEEP)
    demo.advance(5 * 3600)
    tabs = [await me.context.new_page() for _ in range(10)]
    gateway = demo.about["gateway"]
    for number, tab in enumerate(tabs):
        await tab.goto(f"{gateway}/Trajectoire/Pages/AccesRestreint/{number}")
        assert await tab.get_by_role("heading", level=1).inner_text() == PROFESSIONAL
    for number, tab in reversed(list(enumerate(tabs))):
        async with tab.expect_navigation():
            await tab.get_by_role("link", name="S'IDENTIFIER PAR E-CPS").click()
        if await tab.get_by_text("Qui êtes-vous").count():
            async with tab.expect_navigation():
                await tab.get_by_label("Qui êtes-vous ?").select_option("dr-bernard")
                await tab.get_by_role("button", name="Se connecter").click()
        assert tab.url == f"{gateway}/Trajectoire/Pages/AccesRestreint/{number}"
        assert "BERNARD" in await tab.inner_text("body")


async def test_ten_tabs_typing_codes(demo: Demo, meet: Meet) -> None:
    """Two tabs that each stand at the code page: the second one ends in a page of its own too, never in an error."""
    me = await meet()
    second = await me.context.new_page()
    await me.open(DEEP)
    await second.goto(demo.about["gateway"] + "/Trajectoire/Pages/AccesRestreint/second")
    await me.type_password("dr-bernard", shared=False)
    await me.fill("Code à 6 chiffres", await me.code_from_mailbox("dr-bernard"))
    await me.press("Valider")
    await in_the_application(me, "BERNARD")
    me.page, first = second, me.page
    await me.type_password("dr-bernard", shared=False)
    if await me.page.get_by_label("Code à 6 chiffres").count():
        await me.fill("Code à 6 chiffres", await me.code_from_mailbox("dr-bernard"))
        await me.press("Valider")
    await in_the_application(me, "BERNARD", "/Trajectoire/Pages/AccesRestreint/second")
    await first.reload()
    assert "BERNARD" in await first.inner_text("body")
