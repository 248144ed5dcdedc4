"""« Ajouter une délégation de droits »: practice staff by mail, a colleague from the directory (R105–R110, R118–R124)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.accounts.delegation import Kind, State
from gateway.identity import Assurance, Method, Space
from gateway.policy.delegation import DelegationRules
from gateway.ports import Listed
from tests.pages.hollow import PREFIX
from tests.pages.surgery import GARNIER, MOREAU, PAGE, Reading, Surgery, surgery

ASSISTANT, DOCTOR = "/assistants/add", "/doctors/add"
RPPS = GARNIER.rpps


def staff(here: Surgery, **more: str | list[str]) -> dict[str, Any]:
    return {
        "family_name": "Lenoir",
        "given_name": "Jeanne",
        "email": "jeanne.lenoir@example.test",
        "profession": "Secrétaire médicale",
        "rights": ["grandage:consulter", "tnd:envoyer"],
        "start": here.day(),
        "end": here.day(30),
        **more,
    }


def kept(page: Reading, typed: dict[str, Any]) -> None:
    """Every field still holds what was typed, every box its tick."""
    for name, value in typed.items():
        if name != "rights":
            assert page.input(name).get("value", "") == value, name
    for right in typed.get("rights", ()):
        assert "checked" in page.input("rights", right)
    assert page.text.count(" checked") == len(typed.get("rights", ()))


# Who may


@pytest.mark.parametrize("path", [ASSISTANT, DOCTOR])
async def test_nobody_signed_in_is_sent_to_sign_in_and_back_here(tmp_path: Path, path: str) -> None:
    """A search in the address comes back too; a form is shown again with what was typed."""
    async with surgery(tmp_path) as here:
        page = await here.get(f"{path}?name=garnier")
        assert page.status == 303
        assert page.where == f"{PREFIX}/sign-in?reason=no-session&return={PAGE}{path}%3Fname%3Dgarnier"
        sent = await here.post(path, **staff(here))
        assert sent.status == 401
        for words in ("Lenoir", "Jeanne", "jeanne.lenoir@example.test", here.day(30)):
            assert words in sent.words
        assert await here.mine() == ()


@pytest.mark.parametrize("path", [ASSISTANT, DOCTOR])
async def test_r106_r120_whoever_may_not_give_opens_nothing(tmp_path: Path, path: str) -> None:
    """Staff; a doctor in the other space; a doctor acting for another: 403, and no delegation. A to B, never B to C."""
    async with surgery(tmp_path) as here:
        other = await here.colleague()

        async def closed(words: str) -> None:
            for page in (await here.get(path), await here.post(path, rpps=RPPS, **staff(here))):
                assert page.status == 403
                assert words in page.words
            assert await here.mine() == ()

        await here.be(MOREAU, space=Space.PROFESSIONNEL, method=Method.CPE)
        await closed("espace médecin libéral")
        await here.be(space=Space.PROFESSIONNEL)
        await closed("espace médecin libéral")
        await here.be()
        await here.acts_for(other)
        await closed("Vous agissez pour un médecin")
        assert here.directory.asked == []


@pytest.mark.parametrize("path", [ASSISTANT, DOCTOR])
async def test_r106_a_password_alone_leads_to_the_step_up(tmp_path: Path, path: str) -> None:
    async with surgery(tmp_path) as here:
        await here.be(method=Method.PASSWORD, assurance=Assurance.PASSWORD)
        page = await here.get(path)
        assert (page.status, page.where) == (303, f"{PREFIX}/step-up?then=/delegations{path}")
        assert (await here.post(path, rpps=RPPS, **staff(here))).status == 403
        assert await here.mine() == ()


@pytest.mark.parametrize("path", [ASSISTANT, DOCTOR])
async def test_r106_an_old_proof_is_renewed_before_anything_is_typed(tmp_path: Path, path: str) -> None:
    """What was chosen in the address comes back with it."""
    async with surgery(tmp_path, DelegationRules(freshness=timedelta(minutes=5))) as here:
        await here.be()
        here.world.ambient.advance(600)
        page = await here.get(f"{path}?rpps={RPPS}")
        assert (page.status, page.where) == (303, f"{PREFIX}/step-up?then=/delegations{path}%3Frpps%3D{RPPS}")


async def test_r106_a_form_with_an_old_proof_comes_back_as_typed(tmp_path: Path) -> None:
    """403 with the way to the step-up in another tab; after it the very same form is taken."""
    async with surgery(tmp_path, DelegationRules(freshness=timedelta(minutes=5))) as here:
        await here.be()
        here.world.ambient.advance(600)
        page = await here.post(ASSISTANT, **staff(here))
        assert page.status == 403
        assert f'href="{PREFIX}/step-up?then=/delegations/assistants/add%3Fsaid%3Dproved" target="_blank"' in page.text
        assert "nouvel onglet" in page.words
        kept(page, staff(here))
        days = {"start": here.day(), "end": here.day(9)}
        page = await here.post(DOCTOR, rpps=RPPS, doctor="Élodie GARNIER", **days)
        assert page.status == 403
        kept(page, {"rpps": RPPS, "doctor": "Élodie GARNIER", **days})
        assert await here.mine() == ()
        await here.be()
        for path in (ASSISTANT, DOCTOR):
            assert "C'est confirmé" in (await here.get(f"{path}?said=proved")).words
        assert (await here.post(ASSISTANT, **staff(here))).status == 303
        assert len(await here.mine()) == 1


# Practice staff


async def test_r107_r108_r109_r160_the_form(tmp_path: Path) -> None:
    """Names, mail, profession; a box for each module and action; dates that begin today; where cards are ordered."""
    async with surgery(tmp_path) as here:
        await here.be()
        page = await here.get(ASSISTANT)
        assert page.status == 200
        assert "Ajouter une délégation de droits" in page.words
        assert 'href="https://aide.test/tops"' in page.text
        for name in ("family_name", "given_name", "email", "start", "end"):
            assert "required" in page.input(name)
        assert "required" not in page.input("profession")
        assert page.input("start") | {"type": "date", "min": here.day(), "value": here.day()} == page.input("start")
        assert page.input("end") | {"type": "date", "min": here.day()} == page.input("end")
        boxes = [f"{module}:{action}" for module in here.rules.modules for action in here.rules.actions]
        for box in boxes:
            found = page.input("rights", box)
            assert (found["type"], "checked" in found) == ("checkbox", False)
            assert f'<label for="{found["id"]}">' in page.text
        assert "Grand âge : Consulter" in page.words
        assert ">Ajouter</button>" in page.text
        assert f'href="{PAGE}">Revenir' in page.text


async def test_r110_r111_added_it_is_invited_and_the_mail_is_out(tmp_path: Path) -> None:
    """Not usable before it is finished; the list says what was done."""
    async with surgery(tmp_path) as here:
        await here.be()
        done = await here.post(ASSISTANT, **staff(here))
        assert (done.status, done.where) == (303, f"{PAGE}?said=invited")
        (one,) = await here.mine()
        assert (one.kind, one.state(here.now)) == (Kind.ASSISTANT, State.INVITED)
        assert one.rights == {"grandage:consulter", "tnd:envoyer"}
        assert (one.given_name, one.family_name, one.profession) == ("Jeanne", "Lenoir", "Secrétaire médicale")
        assert [to for to, _ in here.posted] == ["jeanne.lenoir@example.test"]
        page = await here.get("?said=invited")
        assert "Un message invite la personne" in page.words
        assert "Jeanne Lenoir" in page.words


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"family_name": ""}, "family_name"),
        ({"given_name": "<b>"}, "given_name"),
        ({"email": "pas-une-adresse"}, "email"),
        ({"email": "acc_bernard@example.test"}, "email"),
        ({"profession": "x" * 90}, "profession"),
        ({"rights": []}, "rights"),
        ({"start": "2020-01-01"}, "start"),
        ({"end": "2020-01-01"}, "end"),
        ({"end": ""}, "end"),
    ],
)
async def test_r107_r108_r109_what_cannot_be_taken_is_said_beside_its_field_and_kept(
    tmp_path: Path, change: dict[str, Any], field: str
) -> None:
    """422; the summary leads to the field, the field to its sentence; nothing is created."""
    async with surgery(tmp_path) as here:
        await here.be()
        page = await here.post(ASSISTANT, **staff(here, **change))
        assert page.status == 422
        assert "<title>Erreur" in page.text
        assert 'role="alert"' in page.text
        assert f'href="#{field}"' in page.text
        assert f'id="{field}-fault"' in page.text
        assert f"{field}-fault" in page.text.partition('aria-describedby="')[2]
        if field != "given_name":
            kept(page, staff(here, **change))
        assert "<b>" not in page.text
        assert await here.mine() == ()
        assert here.posted == []


async def test_r108_a_right_that_is_not_in_the_catalogue_is_refused(tmp_path: Path) -> None:
    """The boxes that exist stay ticked."""
    async with surgery(tmp_path) as here:
        await here.be()
        page = await here.post(ASSISTANT, **staff(here, rights=["grandage:consulter", "grandage:inventer"]))
        assert page.status == 422
        assert 'id="rights-fault"' in page.text
        kept(page, {"rights": ["grandage:consulter"]})
        assert "inventer" not in page.text
        assert await here.mine() == ()


async def test_r109_the_longest_period_is_said_before_and_after(tmp_path: Path) -> None:
    async with surgery(tmp_path, DelegationRules(max_days=30)) as here:
        await here.be()
        assert "30 jours au plus" in (await here.get(ASSISTANT)).words
        page = await here.post(ASSISTANT, **staff(here))  # one day too many
        assert page.status == 422
        assert "Une délégation dure 30 jours au plus" in page.words


async def test_r124_the_same_person_twice_is_refused_with_a_sentence(tmp_path: Path) -> None:
    """Forms sent twice at once make one delegation."""
    async with surgery(tmp_path) as here:
        await here.be()
        both = await asyncio.gather(*(here.post(ASSISTANT, **staff(here)) for _ in range(2)))
        assert sorted(page.status for page in both) == [303, 422]
        (refused,) = (page for page in both if page.status == 422)
        assert "déjà une délégation de votre part" in refused.words
        kept(refused, staff(here))
        assert len(await here.mine()) == 1


async def test_r111_too_much_in_a_day_is_said_and_what_was_typed_is_kept(tmp_path: Path) -> None:
    """For staff and for a fellow doctor: 429, a sentence, nothing created."""
    async with surgery(tmp_path) as here:
        await here.be()
        for number in range(50):
            more = {"email": f"p{number}@example.test"}
            assert (await here.post(ASSISTANT, **{**staff(here), **more})).status == 303
        page = await here.post(ASSISTANT, **staff(here))
        assert page.status == 429
        assert "50 délégations en un jour" in page.words
        kept(page, staff(here))
        period = {"start": here.day(), "end": here.day(9)}
        page = await here.post(DOCTOR, rpps="99700100060", doctor="Élodie GARNIER", **period)
        assert page.status == 429
        assert "50 délégations en un jour" in page.words
        assert len(await here.mine()) == 50


async def test_h4_a_form_without_its_token_changes_nothing(tmp_path: Path) -> None:
    """And shows again what was typed."""
    async with surgery(tmp_path) as here:
        await here.be()
        for path in (ASSISTANT, DOCTOR):
            page = await here.post(path, csrf="x.y", rpps=RPPS, **staff(here))
            assert page.status == 403
            assert "Lenoir" in page.words
        assert await here.mine() == ()


# A fellow doctor


async def test_r118_the_search(tmp_path: Path) -> None:
    """Name and postal code; results say name, speciality and towns, each with « Sélectionner »; what was typed stays."""
    async with surgery(tmp_path) as here:
        await here.be()
        page = await here.get(DOCTOR)
        assert "required" in page.input("name")
        assert "required" not in page.input("postal_code")
        assert ">Rechercher</button>" in page.text
        page = await here.get(f"{DOCTOR}?name=garnier&postal_code=69")
        assert page.status == 200
        assert "1 médecin" in page.words
        for words in ("Dr Élodie GARNIER", "Médecine générale", "69003 Lyon, 69100 Villeurbanne"):
            assert words in page.words
        assert f'href="{PAGE}{DOCTOR}?rpps={RPPS}&amp;name=garnier&amp;postal_code=69"' in page.text
        assert ">Sélectionner</a>" in page.text
        kept(page, {"name": "garnier", "postal_code": "69"})
        assert here.directory.asked == [("garnier", "69")]


async def test_r118_more_than_are_shown_and_none_at_all(tmp_path: Path) -> None:
    async with surgery(tmp_path) as here:
        await here.be()
        here.directory.more = True
        assert "La liste est coupée" in (await here.get(f"{DOCTOR}?name=garnier")).words
        here.directory.more = False
        page = await here.get(f"{DOCTOR}?name=personne")
        assert page.status == 200
        assert "Aucun médecin en activité ne correspond" in page.words


@pytest.mark.parametrize(
    ("query", "field"), [("name=g", "name"), ("name=", "name"), ("name=garnier&postal_code=lyon", "postal_code")]
)
async def test_r118_a_search_that_cannot_be_made(tmp_path: Path, query: str, field: str) -> None:
    async with surgery(tmp_path) as here:
        await here.be()
        page = await here.get(f"{DOCTOR}?{query}")
        assert page.status == 422
        assert f'href="#{field}"' in page.text
        assert f'id="{field}-fault"' in page.text
        assert here.directory.asked == []


async def test_r118_too_many_searches_in_an_hour(tmp_path: Path) -> None:
    async with surgery(tmp_path, searches=2) as here:
        await here.be()
        for _ in range(2):
            assert (await here.get(f"{DOCTOR}?name=garnier")).status == 200
        for query in ("name=garnier", f"rpps={RPPS}&name=garnier"):
            page = await here.get(f"{DOCTOR}?{query}")
            assert page.status == 429
            assert "Réessayez dans une heure" in page.words
            assert page.input("name")["value"] == "garnier"
        here.world.ambient.advance(3601)
        await here.be()
        assert (await here.get(f"{DOCTOR}?name=garnier")).status == 200


async def test_r119_the_period_of_whom_the_directory_names(tmp_path: Path) -> None:
    """No rights to choose. What an address says about a name is shown to nobody."""
    async with surgery(tmp_path) as here:
        await here.be()
        page = await here.get(f"{DOCTOR}?rpps={RPPS}&doctor=Somebody+ELSE&name=garnier&postal_code=69")
        assert page.status == 200
        assert "Dr Élodie GARNIER" in page.words
        assert "ELSE" not in page.text
        assert "les mêmes droits que vous" in page.words
        assert 'name="rights"' not in page.text
        assert page.input("rpps")["value"] == RPPS
        assert page.input("start")["value"] == here.day()
        assert f'href="{PAGE}{DOCTOR}?name=garnier&amp;postal_code=69"' in page.text  # back to the results


@pytest.mark.parametrize("rpps", ["99700100078", "x", "99700100011"])
async def test_r124_whom_the_directory_does_not_name_cannot_be_chosen(tmp_path: Path, rpps: str) -> None:
    """Nobody's number, no number, one's own: the search again, and nothing is created."""
    async with surgery(tmp_path) as here:
        await here.be()
        page = await here.get(f"{DOCTOR}?rpps={rpps}")
        assert page.status == 404
        assert page.input("name")["type"] == "text"
        sent = await here.post(DOCTOR, rpps=rpps, doctor="X Y", start=here.day(), end=here.day(9))
        assert sent.status == 422
        assert await here.mine() == ()


async def test_r121_r122_added_it_is_there_at_once(tmp_path: Path) -> None:
    """Stored on the number: this colleague has no account yet."""
    async with surgery(tmp_path) as here:
        await here.be()
        done = await here.post(DOCTOR, rpps=RPPS, start=here.day(), end=here.day(9))
        assert (done.status, done.where) == (303, f"{PAGE}?said=given")
        (one,) = await here.mine()
        assert (one.kind, one.state(here.now), one.delegate_key) == (Kind.COLLEAGUE, State.ACTIVE, f"8{RPPS}")
        page = await here.get("?said=given")
        assert "La délégation est créée" in page.words
        assert "Élodie GARNIER" in page.words
        assert "à sa première connexion par carte ou e-CPS" in page.words


async def test_r109_r124_days_that_cannot_be_taken_keep_the_choice(tmp_path: Path) -> None:
    """Wrong days, then days that share one with what there is: 422, the doctor chosen stays, each field what was typed."""
    async with surgery(tmp_path) as here:
        await here.be()
        chosen = {"rpps": RPPS, "doctor": "Élodie GARNIER", "specialty": "Médecine générale", "places": "69003 Lyon"}
        wrong = {**chosen, "start": here.day(), "end": "2020-01-01", "name": "garnier", "postal_code": "69"}
        page = await here.post(DOCTOR, **wrong)
        assert page.status == 422
        assert 'id="end-fault"' in page.text
        assert "Dr Élodie GARNIER" in page.words
        kept(page, wrong)
        assert (await here.post(DOCTOR, **chosen, start=here.day(), end=here.day(9))).status == 303
        again = await here.post(DOCTOR, **chosen, start=here.day(9), end=here.day(20))
        assert again.status == 422
        assert "déjà une délégation de votre part" in again.words
        assert len(await here.mine()) == 1


async def test_r123_the_directory_is_down(tmp_path: Path) -> None:
    """Search, choice, form: 503 that says when to come back, what was typed stays, nothing is created."""
    async with surgery(tmp_path) as here:
        await here.be()
        here.directory.down = True
        found = await here.get(f"{DOCTOR}?name=garnier&postal_code=69")
        chosen = await here.get(f"{DOCTOR}?rpps={RPPS}&name=garnier&postal_code=69")
        fields = {"rpps": RPPS, "doctor": "Élodie GARNIER", "start": here.day(), "end": here.day(9)}
        sent = await here.post(DOCTOR, **fields)
        for page in (found, chosen, sent):
            assert page.status == 503
            assert int(page.headers["Retry-After"]) > 0
            assert "L'annuaire national des professionnels ne répond pas" in page.words
        kept(found, {"name": "garnier", "postal_code": "69"})
        kept(chosen, {"name": "garnier", "postal_code": "69"})
        kept(sent, fields)
        assert await here.mine() == ()
        here.directory.down = False
        assert (await here.post(DOCTOR, **fields)).status == 303


async def test_what_people_and_the_directory_write_is_text(tmp_path: Path) -> None:
    """Markup in a name, in a query, in a form is shown, never read by the browser."""
    async with surgery(tmp_path) as here:
        await here.be()
        evil = "<img src=x>"
        here.directory.known.append(Listed("99700100086", "GARNIER" + evil, evil, "10", places=(("69003", evil),)))
        for page in (
            await here.get(f"{DOCTOR}?name=garnier&postal_code=69"),
            await here.get(f"{DOCTOR}?rpps=99700100086&name={evil}"),
            await here.post(DOCTOR, rpps=evil, doctor=evil, specialty=evil, places=evil, start=evil, end=evil),
            await here.post(ASSISTANT, **staff(here, given_name=evil, rights=[evil])),
        ):
            assert "<img src=x" not in page.text
