"""« Mes délégations »: both lists, who sees which, « Agir pour », giving back (R105, R106, R120, R126, R128, R131)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gateway import html
from gateway.accounts.delegation import State
from gateway.delegations.context import Contexts
from gateway.identity import Assurance, Method, Space
from gateway.ports import Update
from tests.pages.hollow import PREFIX
from tests.pages.surgery import BERNARD, MOREAU, PAGE, PETIT, surgery
from tests.pages.test_templates import Reading

ASSISTANTS = "Assistant(s) habilité(s) à gérer mes dossiers"
DOCTORS = "Médecin(s) habilité(s) à gérer mes dossiers"
ADD = "Ajouter une délégation de droits"


async def test_nobody_signed_in_is_sent_to_sign_in_and_back(tmp_path: Path) -> None:
    async with surgery(tmp_path) as here:
        page = await here.get()
        assert (page.status, page.where) == (303, f"{PREFIX}/sign-in?reason=no-session&return={PAGE}")
        asked = await here.get("/received/dlg_x/renounce")
        assert (asked.status, asked.where) == (303, f"{PREFIX}/sign-in?reason=no-session&return={PAGE}")
        sent = await here.post("/received/dlg_x/renounce")
        assert sent.status == 401


async def test_r105_r160_both_sections_with_their_button_and_what_they_say_when_empty(tmp_path: Path) -> None:
    """The wording of the guides, a sentence in each empty list, and where cards are ordered."""
    async with surgery(tmp_path) as here:
        await here.be()
        page = await here.get()
        assert page.status == 200
        for words in (
            ASSISTANTS,
            DOCTORS,
            "Mes habilitations",
            "Aucun confrère n'est habilité",
            "Aucun médecin ne vous",
        ):
            assert words in page.words
        assert page.words.count(ADD) == 2
        assert f'href="{PAGE}/assistants/add"' in page.text
        assert f'href="{PAGE}/doctors/add"' in page.text
        assert 'href="https://aide.test/tops"' in page.text
        assert f'href="{PREFIX}/account">Revenir' in page.text
        assert "<details" not in page.text  # nothing is over yet


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (State.INVITED, "Invitation envoyée"),
        (State.INVITATION_EXPIRED, "Invitation expirée"),
        (State.PENDING_CONFIRMATION, "À confirmer"),
        (State.NOT_STARTED, "Pas encore commencée"),
        (State.ACTIVE, "En cours"),
        (State.EXPIRED, "Terminée"),
        (State.REVOKED, "Retirée par vous"),
    ],
)
async def test_r126_each_state_in_words_with_what_can_be_done(tmp_path: Path, state: State, said: str) -> None:
    """What is over is folded away and offers nothing; an invitation can be sent again; a name waits for an answer."""
    async with surgery(tmp_path) as here:
        one = await here.has(state)
        await here.be()
        page = await here.get()
        live, _, folded = page.text.partition("<details")
        assert said in page.words
        assert (f'href="{PAGE}/one/{one.id}">Léa MOREAU</a>' in live) is not state.over
        assert (f'href="{PAGE}/one/{one.id}">Léa MOREAU</a>' in folded) is state.over
        assert (f'href="{PAGE}/one/{one.id}/end"' in page.text) is not state.over
        assert (f'action="{PAGE}/one/{one.id}/resend"' in page.text) is (
            state in (State.INVITED, State.INVITATION_EXPIRED)
        )
        assert ("Paul HENRY" in page.words) is (state is State.PENDING_CONFIRMATION)
        assert "Grand âge : Consulter, Compléter" in page.words


async def test_r109_a_period_is_said_with_both_days(tmp_path: Path) -> None:
    async with surgery(tmp_path) as here:
        await here.has(State.ACTIVE)
        await here.be()
        assert "du 28 février 2026 au 30 mars 2026 inclus" in (await here.get()).words


async def test_what_waits_for_the_doctor_comes_first(tmp_path: Path) -> None:
    async with surgery(tmp_path) as here:
        pending = await here.has(State.PENDING_CONFIRMATION)
        active = await here.has(State.ACTIVE, family_name="DURAND")
        await here.be()
        page = await here.get()
        assert page.text.index(pending.id) < page.text.index(active.id)


async def test_r106_r128_staff_see_what_they_received_and_nothing_to_give(tmp_path: Path) -> None:
    async with surgery(tmp_path) as here:
        one = await here.has(State.ACTIVE)
        await here.be(MOREAU, space=Space.PROFESSIONNEL, method=Method.CPE)
        page = await here.get()
        assert page.status == 200
        assert ADD not in page.text
        assert "Seuls les médecins libéraux donnent des délégations" in page.words
        assert "Dr Luc BERNARD" in page.words
        assert "Grand âge : Consulter, Compléter" in page.words
        assert page.input("delegation", one.id)["type"] == "hidden"
        assert "Agir pour" in page.words
        assert f'href="{PAGE}/received/{one.id}/renounce"' in page.text


async def test_r106_a_doctor_in_the_other_space_is_shown_the_way(tmp_path: Path) -> None:
    async with surgery(tmp_path) as here:
        await here.be(space=Space.PROFESSIONNEL)
        page = await here.get()
        assert ADD not in page.text
        assert f'action="{PREFIX}/account/space"' in page.text
        assert "Basculer vers l'espace médecin libéral" in page.words


async def test_r106_a_password_alone_shows_the_way_to_a_stronger_proof(tmp_path: Path) -> None:
    """What one received is shown all the same; nothing of what one gave."""
    async with surgery(tmp_path) as here:
        await here.has(State.ACTIVE)
        await here.be(method=Method.PASSWORD, assurance=Assurance.PASSWORD)
        page = await here.get()
        assert page.status == 200
        assert ADD not in page.text
        assert "MOREAU" not in page.text
        assert f'href="{PREFIX}/step-up?then=/delegations"' in page.text


async def test_r120_while_acting_one_sees_received_ones_and_how_to_come_back(tmp_path: Path) -> None:
    """Dr Bernard acts for Dr Petit: her delegations and his own are out of reach, and the page says what to do."""
    async with surgery(tmp_path) as here:
        await here.has(State.ACTIVE)
        one = await here.colleague()
        await here.be()
        await here.acts_for(one)
        page = await here.get()
        assert page.status == 200
        assert ADD not in page.text
        assert "MOREAU" not in page.text
        assert "vous agissez pour Dr Anne PETIT" in page.words
        assert "cessez d'abord d'agir pour ce médecin" in page.words
        assert page.input("return", PAGE)["type"] == "hidden"
        assert "vous agissez pour ce médecin" in page.words
        assert f'name="delegation" value="{one.id}"' not in page.text  # it is taken up already


@pytest.mark.parametrize(
    ("method", "assurance", "words"),
    [
        (Method.PASSKEY, Assurance.TRANSITION, "Connectez-vous avec votre carte"),
        (Method.PASSWORD, Assurance.PASSWORD, "Un mot de passe seul ne suffit pas"),
    ],
)
async def test_r115_a_means_that_does_not_do_is_said(
    tmp_path: Path, method: Method, assurance: Assurance, words: str
) -> None:
    """No button that would only be refused; another means can be used."""
    async with surgery(tmp_path) as here:
        one = await here.has(State.ACTIVE)
        await here.be(MOREAU, space=Space.PROFESSIONNEL, method=method, assurance=assurance)
        page = await here.get()
        assert words in page.words
        assert one.id not in page.text.replace(f"/received/{one.id}/", "")
        assert f'href="{PREFIX}/step-up?then=/delegations"' in page.text


async def test_r131_a_doctor_who_is_away_suspends_it(tmp_path: Path) -> None:
    async with surgery(tmp_path) as here:
        await here.has(State.ACTIVE)
        await here.world.records.write(Update("accounts", {"suspended_at": here.now}, {"id": BERNARD}))
        await here.be(MOREAU, space=Space.PROFESSIONNEL, method=Method.CPE)
        page = await here.get()
        assert "ses délégations sont suspendues" in page.words
        assert "Agir pour" not in page.words


async def test_r128_what_is_over_is_folded_and_says_by_whom(tmp_path: Path) -> None:
    async with surgery(tmp_path) as here:
        await here.has(State.REVOKED, revoked_by="administrator")
        await here.be(MOREAU, space=Space.PROFESSIONNEL, method=Method.CPE)
        page = await here.get()
        assert "Retirée par l'administration" in page.folded
        assert "Agir pour" not in page.words
        assert "Aucun médecin ne vous a donné de droits" in page.words


async def test_r125_giving_back_asks_once_and_does_it(tmp_path: Path) -> None:
    """The question changes nothing; the answer ends it, and leads to the list that says so."""
    async with surgery(tmp_path) as here:
        one = await here.has(State.ACTIVE)
        await here.be(MOREAU, space=Space.PROFESSIONNEL, method=Method.CPE)
        question = await here.get(f"/received/{one.id}/renounce")
        assert question.status == 200
        assert "Dr Luc BERNARD" in question.words
        assert (await here.read(one)).state(here.now) is State.ACTIVE
        done = await here.post(f"/received/{one.id}/renounce")
        assert (done.status, done.where) == (303, f"{PAGE}?said=renounced")
        after = await here.read(one)
        assert (after.state(here.now), after.revoked_by) == (State.REVOKED, "delegate")
        assert "Vous avez rendu cette délégation" in (await here.get("?said=renounced")).words
        assert (await here.get(f"/received/{one.id}/renounce")).status == 404  # there is nothing to give back


async def test_another_persons_delegation_is_nobodys(tmp_path: Path) -> None:
    """Somebody else's and an invented one look alike, and stay as they are."""
    async with surgery(tmp_path) as here:
        one = await here.has(State.ACTIVE)
        await here.be(PETIT)
        seen = [await here.get(f"/received/{wanted}/renounce") for wanted in (one.id, "dlg_invented")]
        sent = [await here.post(f"/received/{wanted}/renounce") for wanted in (one.id, "dlg_invented")]
        assert {page.status for page in (*seen, *sent)} == {404}
        assert seen[0].words == seen[1].words
        assert (await here.read(one)).state(here.now) is State.ACTIVE


async def test_h4_a_form_without_its_token_changes_nothing(tmp_path: Path) -> None:
    async with surgery(tmp_path) as here:
        one = await here.has(State.ACTIVE)
        await here.be(MOREAU, space=Space.PROFESSIONNEL, method=Method.CPE)
        assert (await here.post(f"/received/{one.id}/renounce", csrf="x.y")).status == 403
        assert (await here.read(one)).state(here.now) is State.ACTIVE


async def test_r126_what_is_over_by_date_is_shown_as_over(tmp_path: Path) -> None:
    """No job has to run for it."""
    async with surgery(tmp_path) as here:
        one = await here.has(State.ACTIVE)
        await here.be()
        here.world.ambient.advance(timedelta(days=40).total_seconds())
        await here.world.records.write(Update("accounts", {"last_sign_in_at": here.now}, {"id": BERNARD}))
        await here.be()
        page = await here.get()
        assert one.id in page.text.partition("<details")[2]
        assert replace(await here.read(one)).state(here.now) is State.EXPIRED


async def test_r151_r153_every_page_is_labelled_described_and_light(tmp_path: Path) -> None:
    """Each field has one label, each reference its target, each form that posts its token; no script of their own; a whole
    first load stays far below 150 kB."""
    shared = sum(len(html.static(name)[0]) for name in ("style.css", "logo.svg", "session.js"))
    async with surgery(tmp_path) as here:
        states = [await here.has(state, given_name=f"Léa {state.name}") for state in State]
        received = await here.colleague()
        await here.be()
        faulty = {"version": str(states[4].version), "start": "x", "end": "y"}
        pages = [
            await here.get(),
            *[await here.get(f"/one/{one.id}") for one in states],
            await here.post(f"/one/{states[4].id}/change", **faulty),
            await here.get(f"/one/{states[4].id}/end"),
            await here.get(f"/received/{received.id}/renounce"),
            await here.get("/assistants/add"),
            await here.post("/assistants/add", email="x"),
            await here.get("/doctors/add"),
            await here.get("/doctors/add?name=g"),
            await here.get("/doctors/add?name=garnier"),
            await here.get("/doctors/add?rpps=99700100060&name=garnier"),
            await here.post("/doctors/add", rpps="99700100060", doctor="Élodie GARNIER", start="x", end="y"),
        ]
    for page in pages:
        read = Reading(page.text)
        ids = [said["id"] for _, said in read.tags if "id" in said]
        assert len(ids) == len(set(ids))
        labels = [said["for"] for said in read.all("label")]
        assert len(labels) == len(set(labels))
        assert {said["id"] for said in read.all("input") if said["type"] != "hidden"} <= set(labels)
        for tag, said in read.tags:
            for one in f"{said.get('aria-describedby', '')} {said.get('aria-labelledby', '')}".split():
                assert one in ids, one
            if said.get("href", "").startswith("#"):
                assert said["href"][1:] in ids, said["href"]
            assert tag != "style" and "style" not in said
            assert not [name for name in said if name.startswith("on")]
        posting = [said for said in read.all("form") if said["method"] == "post"]
        assert len([said for said in read.all("input") if said.get("name") == "csrf"]) == len(posting)
        assert len(read.all("h1")) == 1
        assert [said["src"].partition("?")[0] for said in read.all("script")] == [f"{PREFIX}/static/session.js"]
        assert shared + len(page.text.encode()) < 75_000


async def test_r95_my_account_counts_what_is_not_over(tmp_path: Path) -> None:
    """Given and received, by account or by number; what is over counts for neither."""
    async with surgery(tmp_path) as here:
        await here.has(State.INVITED)
        await here.has(State.REVOKED)
        await here.colleague()
        await here.colleague(delegate=None)
        contexts = Contexts(here.delegations, here.register, here.rules)
        counts = [await contexts.counted(await here.account(who), here.now) for who in (BERNARD, PETIT, MOREAU)]
        assert counts == [(1, 2), (2, 0), (0, 0)]
