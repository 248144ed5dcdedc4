"""One delegation: changed, ended, invited again, confirmed; what happened and who used it (R111, R112, R125, R126)."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import pytest

from gateway.accounts.delegation import State
from gateway.identity import Assurance, Method, Space
from gateway.policy.delegation import DelegationRules, period
from gateway.session.keeper import digest_of
from tests.pages.hollow import PREFIX
from tests.pages.surgery import HENRY, MOREAU, PAGE, PETIT, surgery

FORMS = ("change", "end", "resend", "confirm", "decline")


async def test_nobody_signed_in_is_sent_to_sign_in_and_a_form_is_kept(tmp_path: Path) -> None:
    """No address with an id is one to come back to: the list is. What was typed is shown again."""
    async with surgery(tmp_path) as here:
        one = await here.has()
        page = await here.get(f"/one/{one.id}")
        assert (page.status, page.where) == (303, f"{PREFIX}/sign-in?reason=no-session&return={PAGE}")
        sent = await here.post(f"/one/{one.id}/change", version="1", start="2026-04-01", end="2026-05-01")
        assert sent.status == 401
        assert "2026-05-01" in sent.words
        assert (await here.read(one)).version == 1


async def test_another_doctors_and_an_invented_one_look_alike(tmp_path: Path) -> None:
    """404 for reading and for every form, with the same words, and nothing changes."""
    async with surgery(tmp_path) as here:
        one = await here.has(State.PENDING_CONFIRMATION)
        await here.be(PETIT)
        pages = [await here.get(f"/one/{wanted}") for wanted in (one.id, "dlg_invented")]
        assert [page.status for page in pages] == [404, 404]
        assert pages[0].words == pages[1].words
        fields = {"version": "1", "start": here.day(), "end": here.day(2), "rights": "tnd:creer"}
        for form in FORMS:
            assert (await here.post(f"/one/{one.id}/{form}", **fields)).status == 404, form
        assert (await here.get(f"/one/{one.id}/end")).status == 404
        assert await here.read(one) == one


async def test_r106_r120_whoever_may_not_give_opens_nothing(tmp_path: Path) -> None:
    """Staff, a doctor in the other space, a doctor who acts for another: 403 with why, for every address."""
    async with surgery(tmp_path) as here:
        one = await here.has(State.PENDING_CONFIRMATION)
        other = await here.colleague()

        async def closed(words: str) -> None:
            seen = [await here.get(f"/one/{one.id}"), await here.get(f"/one/{one.id}/end")]
            seen += [await here.post(f"/one/{one.id}/{form}", version="1") for form in FORMS]
            assert {page.status for page in seen} == {403}
            assert all(words in page.words for page in seen)

        await here.be(MOREAU, space=Space.PROFESSIONNEL, method=Method.CPE)
        await closed("espace médecin libéral")
        await here.be(space=Space.PROFESSIONNEL)
        await closed("espace médecin libéral")
        await here.be()
        await here.acts_for(other)
        await closed("Vous agissez pour un médecin")
        assert await here.read(one) == one


async def test_r106_a_password_alone_leads_to_the_step_up(tmp_path: Path) -> None:
    """From a page at once; from a form with what was typed."""
    async with surgery(tmp_path) as here:
        one = await here.has()
        await here.be(method=Method.PASSWORD, assurance=Assurance.PASSWORD)
        page = await here.get(f"/one/{one.id}")
        assert (page.status, page.where) == (303, f"{PREFIX}/step-up?then=/delegations")
        sent = await here.post(f"/one/{one.id}/change", version="1", start="2026-04-01", end="2026-05-01")
        assert sent.status == 403
        assert "2026-05-01" in sent.words
        assert f'href="{PREFIX}/step-up?then=/delegations"' in sent.text
        assert (await here.post(f"/one/{one.id}/end")).status == 403
        assert await here.read(one) == one


async def test_the_page_says_all_there_is_and_the_form_holds_what_stands(tmp_path: Path) -> None:
    async with surgery(tmp_path) as here:
        one = await here.has()
        await here.be()
        page = await here.get(f"/one/{one.id}")
        assert page.status == 200
        for words in ("Délégation de Léa MOREAU", "En cours", "Secrétaire médicale", "lea.moreau@example.test"):
            assert words in page.words
        assert (page.input("start")["value"], page.input("end")["value"]) == ("2026-02-28", "2026-03-30")
        assert (page.input("start")["min"], page.input("end")["min"]) == ("2026-02-28", "2026-03-02")
        assert page.input("start")["type"] == "date"
        ticked = [value for value in _rights(page.text) if "checked" in page.input("rights", value)]
        assert sorted(ticked) == ["grandage:completer", "grandage:consulter"]
        assert len(_rights(page.text)) == 12
        assert page.input("version")["value"] == "1"
        assert f'href="{PAGE}">Revenir' in page.text
        assert "Personne n'a encore agi pour vous" in page.words


async def test_r125_a_change_is_written_and_said(tmp_path: Path) -> None:
    """New last day, other rights; the history shows what was before, by whom."""
    async with surgery(tmp_path) as here:
        one = await here.has()
        await here.be()
        fields = {"version": "1", "start": "2026-02-28", "end": here.day(5), "rights": ["tnd:creer", "tnd:envoyer"]}
        done = await here.post(f"/one/{one.id}/change", **fields)
        assert (done.status, done.where) == (303, f"{PAGE}/one/{one.id}?said=changed")
        after = await here.read(one)
        assert after.rights == {"tnd:creer", "tnd:envoyer"}
        assert (after.begins, after.ends) == period(date(2026, 2, 28), date(2026, 3, 7), here.rules.zone)
        page = await here.get(f"/one/{one.id}?said=changed")
        assert "La délégation est modifiée" in page.words
        assert "dernier jour : 7 mars 2026 (avant : 30 mars 2026)" in page.words
        assert "droits : Troubles du neurodéveloppement créer" in page.words
        assert "Vous" in page.words.partition("Événement")[2]


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"rights": []}, "rights", "Choisissez au moins un droit"),
        ({"rights": ["grandage:inventer"]}, "rights", "Choisissez au moins un droit"),
        ({"end": "2026-02-27"}, "end", "Le dernier jour ne peut pas"),
        ({"end": "demain"}, "end", "Indiquez une date"),
        ({"start": "2026-02-01"}, "start", "Le premier jour ne peut pas"),
    ],
)
async def test_r108_r109_what_cannot_be_taken_is_said_beside_its_field_and_kept(
    tmp_path: Path, fields: dict[str, str | list[str]], field: str, words: str
) -> None:
    async with surgery(tmp_path) as here:
        one = await here.has()
        await here.be()
        typed = {"version": "1", "start": "2026-02-28", "end": here.day(9), "rights": ["tnd:creer"], **fields}
        page = await here.post(f"/one/{one.id}/change", **typed)
        assert page.status == 422
        assert words in page.words
        assert f'href="#{field}"' in page.text
        assert f'id="{field}-fault"' in page.text
        assert "<details open>" in page.text
        assert "<title>Erreur" in page.text
        assert page.input("end")["value"] == typed["end"]
        ticked = [value for value in _rights(page.text) if "checked" in page.input("rights", value)]
        assert ticked == [one for one in typed["rights"] if one == "tnd:creer"]
        assert await here.read(one) == one


async def test_faults_of_rights_and_of_days_are_said_together(tmp_path: Path) -> None:
    async with surgery(tmp_path) as here:
        one = await here.has()
        await here.be()
        page = await here.post(f"/one/{one.id}/change", version="1", start="2026-02-28", end="")
        assert page.status == 422
        assert 'id="rights-fault"' in page.text
        assert 'id="end-fault"' in page.text


async def test_r125_changed_meanwhile_nothing_is_lost(tmp_path: Path) -> None:
    """Another tab was quicker: 409, what was typed stays in the form, what holds stands beside it, and sending once more
    is for the present version."""
    async with surgery(tmp_path) as here:
        one = await here.has()
        await here.be()
        quicker = {"version": "1", "start": "2026-02-28", "end": here.day(3), "rights": ["sanitaire:consulter"]}
        assert (await here.post(f"/one/{one.id}/change", **quicker)).status == 303
        slower = {"version": "1", "start": "2026-02-28", "end": here.day(7), "rights": ["tnd:creer"]}
        page = await here.post(f"/one/{one.id}/change", **slower)
        assert page.status == 409
        assert "du 28 février 2026 au 5 mars 2026 inclus" in page.words
        assert "Sanitaire : Consulter" in page.words
        assert page.input("end")["value"] == here.day(7)
        assert "checked" in page.input("rights", "tnd:creer")
        assert "checked" not in page.input("rights", "sanitaire:consulter")
        assert page.input("version")["value"] == "2"
        assert (await here.read(one)).rights == {"sanitaire:consulter"}
        again = await here.post(f"/one/{one.id}/change", **{**slower, "version": page.input("version")["value"]})
        assert again.status == 303
        assert (await here.read(one)).rights == {"tnd:creer"}


@pytest.mark.parametrize("version", ["", "x", "-1", "9" * 12])
async def test_a_form_that_is_not_ours_is_no_form(tmp_path: Path, version: str) -> None:
    async with surgery(tmp_path) as here:
        one = await here.has()
        await here.be()
        fields = {"version": version, "start": "2026-02-28", "end": here.day(3), "rights": "tnd:creer"}
        assert (await here.post(f"/one/{one.id}/change", **fields)).status == 400
        assert await here.read(one) == one


async def test_r106_widening_asks_for_a_fresh_proof_and_keeps_what_was_typed(tmp_path: Path) -> None:
    """An hour after signing in: 403 with the form as typed and a way to the step-up in another tab; after it the very
    same form is taken. Less needs no fresh proof."""
    async with surgery(tmp_path, DelegationRules(freshness=timedelta(minutes=5))) as here:
        one = await here.has()
        await here.be()
        here.world.ambient.advance(600)
        wide = {
            "version": "1",
            "start": "2026-02-28",
            "end": "2026-04-20",
            "rights": ["grandage:consulter", "tnd:creer"],
        }
        page = await here.post(f"/one/{one.id}/change", **wide)
        assert page.status == 403
        assert f'href="{PREFIX}/step-up?then=/delegations%3Fsaid%3Dproved" target="_blank"' in page.text
        assert page.input("end")["value"] == "2026-04-20"
        assert "checked" in page.input("rights", "tnd:creer")
        assert "<details open>" in page.text
        assert await here.read(one) == one
        less = {"version": "1", "start": "2026-02-28", "end": here.day(9), "rights": "grandage:consulter"}
        assert (await here.post(f"/one/{one.id}/change", **less)).status == 303
        await here.be()
        assert (await here.post(f"/one/{one.id}/change", **{**wide, "version": "2"})).status == 303


async def test_r119_a_colleague_has_days_and_no_rights_to_choose(tmp_path: Path) -> None:
    """Rights in the form of a colleague are looked at by nobody."""
    async with surgery(tmp_path) as here:
        one = await here.colleague()
        await here.be(PETIT)
        page = await here.get(f"/one/{one.id}")
        assert "Les mêmes droits que vous sur vos dossiers" in page.words
        assert _rights(page.text) == []
        fields = {"version": "1", "start": "2026-02-28", "end": here.day(3), "rights": "tnd:creer"}
        assert (await here.post(f"/one/{one.id}/change", **fields)).status == 303
        assert (await here.read(one)).rights == frozenset()


async def test_r125_ending_asks_once_needs_no_fresh_proof_and_no_version(tmp_path: Path) -> None:
    """The question changes nothing. Twice is as good as once."""
    async with surgery(tmp_path, DelegationRules(freshness=timedelta(minutes=5))) as here:
        one = await here.has()
        await here.be()
        here.world.ambient.advance(600)
        question = await here.get(f"/one/{one.id}/end")
        assert question.status == 200
        assert "Mettre fin à cette délégation ?" in question.words
        assert "Léa MOREAU" in question.words
        assert f'href="{PAGE}/one/{one.id}"' in question.text
        assert await here.read(one) == one
        for _ in range(2):
            done = await here.post(f"/one/{one.id}/end")
            assert (done.status, done.where) == (303, f"{PAGE}?said=ended")
        assert (await here.read(one)).state(here.now) is State.REVOKED
        assert len(await here.world.audited("delegation:end")) == 1
        assert (await here.get(f"/one/{one.id}/end")).where == f"{PAGE}/one/{one.id}"


@pytest.mark.parametrize("state", [State.EXPIRED, State.REVOKED])
async def test_r126_what_is_over_is_read_and_not_changed(tmp_path: Path, state: State) -> None:
    async with surgery(tmp_path) as here:
        one = await here.has(state)
        await here.be()
        page = await here.get(f"/one/{one.id}")
        assert page.status == 200
        assert "/change" not in page.text
        assert "/end" not in page.text
        fields = {"version": "1", "start": here.day(), "end": here.day(3), "rights": "tnd:creer"}
        sent = await here.post(f"/one/{one.id}/change", **fields)
        assert sent.status == 422
        assert "terminée" in sent.words
        assert await here.read(one) == one


async def test_r111_an_invitation_is_sent_again_five_times_a_day(tmp_path: Path) -> None:
    """The sixth is refused with a sentence, and nothing is sent."""
    async with surgery(tmp_path) as here:
        one = await here.has(State.INVITATION_EXPIRED)
        await here.be()
        for _ in range(5):
            done = await here.post(f"/one/{one.id}/resend")
            assert (done.status, done.where) == (303, f"{PAGE}/one/{one.id}?said=resent")
        assert [to for to, _ in here.posted] == ["lea.moreau@example.test"] * 5
        page = await here.post(f"/one/{one.id}/resend")
        assert page.status == 429
        assert "Réessayez demain" in page.words
        assert len(here.posted) == 5
        assert "Invitation renvoyée" in (await here.get(f"/one/{one.id}")).words


async def test_r111_changed_too_often_in_a_day_is_said(tmp_path: Path) -> None:
    """Each change is a mail to the person: after twenty in a day, 429 with a sentence and nothing saved for what adds
    something; what takes away is saved as ever."""
    async with surgery(tmp_path) as here:
        one = await here.has(State.INVITED)
        await here.be()
        for turn in range(21):
            now = await here.read(one)
            start = here.day(-2)
            page = await here.post(
                f"/one/{one.id}/change",
                version=str(now.version),
                start=start,
                end=here.day(4 - turn % 2 if turn < 20 else 5),
                rights=["grandage:consulter"],
            )
            assert page.status == (429 if turn == 20 else 303), page.words
        assert "beaucoup de messages" in page.words
        assert (await here.read(one)).version == now.version
        less = {
            "version": str(now.version),
            "start": here.day(-2),
            "end": here.day(1),
            "rights": ["grandage:consulter"],
        }
        assert (await here.post(f"/one/{one.id}/change", **less)).status == 303


async def test_r111_nobody_is_invited_any_more(tmp_path: Path) -> None:
    async with surgery(tmp_path) as here:
        one = await here.has(State.ACTIVE)
        await here.be()
        page = await here.post(f"/one/{one.id}/resend")
        assert page.status == 422
        assert "n'attend plus de réponse" in page.words
        assert here.posted == []


async def test_r112_the_doctor_says_who_it_is(tmp_path: Path) -> None:
    """Both names are shown; confirmed, it is the person's of the card."""
    async with surgery(tmp_path) as here:
        one = await here.has(State.PENDING_CONFIRMATION)
        await here.be()
        page = await here.get(f"/one/{one.id}")
        assert "Vous avez invité Léa MOREAU" in page.words
        assert "au nom de Paul HENRY" in page.words
        done = await here.post(f"/one/{one.id}/confirm", version=page.input("version")["value"])
        assert (done.status, done.where) == (303, f"{PAGE}/one/{one.id}?said=confirmed")
        after = await here.read(one)
        assert (after.state(here.now), after.delegate) == (State.ACTIVE, HENRY)
        assert "Personne confirmée : Paul HENRY" in (await here.get(f"/one/{one.id}")).words


async def test_r112_declined_nobody_has_gained_anything(tmp_path: Path) -> None:
    async with surgery(tmp_path) as here:
        one = await here.has(State.PENDING_CONFIRMATION)
        await here.be()
        done = await here.post(f"/one/{one.id}/decline", version="1")
        assert (done.status, done.where) == (303, f"{PAGE}/one/{one.id}?said=declined")
        after = await here.read(one)
        assert (after.state(here.now), after.delegate, after.proposed) == (State.INVITATION_EXPIRED, None, None)
        assert "Personne refusée : Paul HENRY" in (await here.get(f"/one/{one.id}")).words
        late = await here.post(f"/one/{one.id}/decline", version="2")
        assert late.status == 422


@pytest.mark.parametrize("answer", ["confirm", "decline"])
async def test_r112_an_answer_to_an_older_page_is_not_taken(tmp_path: Path, answer: str) -> None:
    """The doctor answers for the name they saw, and for no other."""
    async with surgery(tmp_path) as here:
        one = await here.has(State.PENDING_CONFIRMATION)
        await here.delegations.change(
            one, here.now, "proposed", MOREAU, {}, proposed=MOREAU, proposed_name="Léa MOREAU"
        )
        await here.be()
        page = await here.post(f"/one/{one.id}/{answer}", version="1")
        assert page.status == 409
        assert "a changé pendant ce temps" in page.words
        assert "au nom de Léa MOREAU" in page.words
        assert (await here.read(one)).state(here.now) is State.PENDING_CONFIRMATION


async def test_r106_confirming_asks_for_a_fresh_proof(tmp_path: Path) -> None:
    async with surgery(tmp_path, DelegationRules(freshness=timedelta(minutes=5))) as here:
        one = await here.has(State.PENDING_CONFIRMATION)
        await here.be()
        here.world.ambient.advance(600)
        page = await here.post(f"/one/{one.id}/confirm", version="1")
        assert page.status == 403
        assert 'target="_blank"' in page.text
        assert (await here.read(one)).state(here.now) is State.PENDING_CONFIRMATION


async def test_r149_who_used_it_when_and_by_which_means(tmp_path: Path) -> None:
    """A use that goes on has no end yet; names come from accounts."""
    async with surgery(tmp_path) as here:
        one = await here.has()
        await here.be(MOREAU, space=Space.PROFESSIONNEL, method=Method.CPE)
        await here.acts_for(one)
        ticket = here.ticket
        here.world.ambient.advance(60)
        await here.be()
        page = await here.get(f"/one/{one.id}")
        row = page.words.partition("Moyen de connexion")[2]
        assert "Léa MOREAU 2 mars 2026 à 10 h 30 jusqu'à la fin de sa session carte CPE" in row
        await here.delegations.ended(digest_of(ticket)[:12], here.now)
        assert "2 mars 2026 à 10 h 31 carte CPE" in (await here.get(f"/one/{one.id}")).words


async def test_an_administrator_is_named_by_what_they_are(tmp_path: Path) -> None:
    """Doctors read that the administration ended it, not who of it."""
    async with surgery(tmp_path) as here:
        one = await here.has()
        fields = {"revoked_at": here.now, "revoked_by": "administrator"}
        await here.delegations.change(one, here.now, "ended", "acc_somebody", {"by": "administrator"}, **fields)
        await here.be()
        page = await here.get(f"/one/{one.id}")
        assert "Retirée par l'administration L'administration" in page.words
        assert "acc_somebody" not in page.text


def _rights(text: str) -> list[str]:
    return re.findall(r'name="rights" value="([^"]+)"', text)
