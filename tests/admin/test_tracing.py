"""« Qui a agi ? » and the delegations of a person, on pages: found, linked, ended, and nothing told out of reach (R149)."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.audit import Act
from gateway.ports import Update
from tests.admin.hall import ROOT, Hall
from tests.delegations.watch import FIRST, SECOND, THIRD
from tests.pages.hollow import PREFIX

PARIS = ZoneInfo("Europe/Paris")


async def given(hall: Hall, name: str = "dlg_1", doctor: str = "nobody", delegate: str = "anna", **more: Any) -> None:
    await hall.office.watch.given(name, doctor, delegate=delegate, family_name=delegate.upper(), **more)


async def acted(hall: Hall) -> datetime:
    """Anna acts for the doctor; the instant she began at."""
    await given(hall)
    await hall.office.watch.acting(account="anna")
    return hall.office.world.now


def line(session: str | None, at: datetime) -> str:
    """A line of the access journal."""
    stamp = at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return json.dumps({"event": "request", "timestamp": stamp, "id": "a" * 32, "path": "/x", "session": session})


async def ask(hall: Hall, who: str = "nora", **typed: str) -> Any:
    return await hall.send(await hall.get("trace", who), "/trace", who, **typed)


async def test_r149_a_line_of_the_journal_leads_to_the_person(hall: Hall) -> None:
    """In plain French, with the ways to the person and to the delegation; the regional team finds the same."""
    began = await acted(hall)
    for who in ("nora", "aude"):
        page = await ask(hall, who, line=line(SECOND, began + timedelta(minutes=3)))
        assert page.status == 200, page.words
        assert "Dominique ANNA agissait pour le Dr Dominique NOBODY" in page.words
        assert "carte CPE" in page.words and "substantiel" in page.words and "Espace professionnel" in page.words
        assert "du 1er mars 2026 au 31 mars 2026 inclus" in page.words
        assert "Grand âge : Consulter" in page.words and "État à ce moment En cours" in page.words
        assert f"{ROOT}/accounts/anna" in page.read.links and f"{ROOT}/delegations/dlg_1" in page.read.links
        assert (f"{ROOT}/accounts/nobody" in page.read.links) is (who == "nora")  # a doctor of nowhere is the nation's
        assert (await hall.get("accounts/anna", who)).status == 200
        assert (await hall.get("delegations/dlg_1", who)).status == 200


async def test_r149_a_session_and_its_hour_as_people_type_them(hall: Hall) -> None:
    """The hour of the region, to the minute; without an hour the newest; in one's own name before and after."""
    began = await acted(hall)
    minute = began.astimezone(PARIS).strftime("%Y-%m-%dT%H:%M")
    typed = began.astimezone(PARIS).strftime("%d/%m/%Y %H h %M")
    for at in (minute, typed, ""):
        page = await ask(hall, session=f" {SECOND.upper()} ", at=at)
        assert page.status == 200 and "agissait pour le Dr Dominique NOBODY" in page.words, at
    hall.office.world.ambient.advance(60)
    now = hall.office.world.now
    await hall.office.watch.sign(Act.ACTING_ENDED, THIRD, now, "anna", **{"from": SECOND, "delegation": "dlg_1"})
    for session in (FIRST, THIRD):
        assert "Dominique ANNA agissait en son propre nom" in (await ask(hall, session=session)).words


async def test_r149_what_is_then_and_what_is_now(hall: Hall) -> None:
    """A delegation that was ended since, and one that is no longer kept."""
    began = await acted(hall)
    hall.office.world.ambient.advance(3600)
    page = await hall.send(await hall.get("delegations/dlg_1"), "/end", reason="Départ du cabinet")
    assert page.status == 303
    page = await ask(hall, line=line(SECOND, began))
    assert "État à ce moment En cours" in page.words and "État aujourd'hui Retirée" in page.words
    await hall.office.watch.sign(Act.ACTING_BEGUN, "a" * 12, began, "anna", delegation="dlg_gone", **{"from": FIRST})
    page = await ask(hall, session="a" * 12)
    assert "un médecin dont la délégation n'est plus conservée" in page.words and "dlg_gone" in page.words


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({}, "Collez une ligne"),
        ({"line": "GET /x"}, "Ce n'est pas une ligne"),
        ({"line": "[1]"}, "Ce n'est pas une ligne"),
        ({"line": '{"session":"0123456789ab"}'}, "Ce n'est pas une ligne"),
        ({"line": '{"session":"0123456789ab","timestamp":"2026-03-02T09:30:00"}'}, "Ce n'est pas une ligne"),
        ({"line": '{"session":{"a":1},"timestamp":"2026-03-02T09:30:00Z"}'}, "12 chiffres ou lettres"),
        ({"line": "[" * 30_000}, "Ce n'est pas une ligne"),
        ({"session": "abc"}, "12 chiffres ou lettres"),
        ({"session": "f" * 12}, "Personne n'est connu"),
        ({"session": "f" * 12, "at": "01/01/1970 0:00"}, "Personne n'est connu"),
        ({"session": "f" * 12, "at": "01/01/0001 0:00"}, "Cette date n'existe pas"),
        ({"session": "f" * 12, "at": "hier"}, "Cette date n'est pas lisible"),
    ],
)
async def test_r149_what_finds_nobody_is_said_beside_its_field(hall: Hall, typed: dict[str, str], said: str) -> None:
    """422, the sentence, and what was typed kept."""
    page = await ask(hall, **typed)
    assert page.status == 422 and said in page.words
    assert 'aria-invalid="true"' in page.text
    for name, value in typed.items():
        if name != "line":
            assert (name, value) in page.read.form("/trace").fields


async def test_r149_a_request_of_nobody(hall: Hall) -> None:
    """A line without a session: nobody was signed in, and nothing is searched."""
    page = await ask(hall, line=line(None, hall.office.world.now))
    assert page.status == 200 and "Personne n'était connecté" in page.words
    assert await hall.office.world.audited("trace:look-up") == []


async def test_r87_who_is_out_of_reach_is_nobody_known(hall: Hall) -> None:
    """Another region reads the very words of an unknown session; a référent has no such page, nor its entry."""
    await acted(hall)
    hidden, unknown = [await ask(hall, "remi", session=one) for one in (SECOND, "f" * 12)]
    assert (hidden.status, hidden.still.replace(SECOND, "f" * 12)) == (422, unknown.still)
    assert (await hall.get("trace", "eva")).status == 403
    assert (await hall.post("trace", "eva", session=SECOND)).status == 403
    assert f"{ROOT}/trace" not in (await hall.get("audit", "eva")).read.links
    assert f"{ROOT}/trace" in (await hall.get("audit", "aude")).read.links
    assert (await hall.post("trace", None, session=SECOND)).status == 401


async def test_r149_every_search_is_in_the_journal(hall: Hall) -> None:
    """With who searched, readable there; of a person within reach, under their name."""
    await acted(hall)
    await ask(hall, "aude", session=SECOND)
    (said,) = await hall.office.world.audited("trace:look-up")
    assert (said["account"], said["facts"]["author"]) == ("anna", "aude")
    page = await hall.get("audit?act=trace:look-up", "aude")
    assert "Recherche de qui a agi" in page.words and "Session cherchée : " + SECOND in page.words


async def test_r126_the_delegations_of_a_person(hall: Hall) -> None:
    """Given and received, with their states, the newest first, each with the way to its page."""
    await given(hall, "dlg_1")
    await given(hall, "dlg_2", "anna", "both", created_at=hall.office.world.now)
    page = await hall.get("accounts/anna", "aude")
    links = [one for one in page.read.links if "/delegations/" in one]
    assert links == [f"{ROOT}/delegations/dlg_2", f"{ROOT}/delegations/dlg_1"]
    assert "reçue de Dominique NOBODY" in page.words and "donnée à Dominique BOTH" in page.words
    assert "En cours" in page.words
    assert "Délégations" not in (await hall.get("accounts/bruno", "aude")).words


async def test_r125_a_delegation_is_ended_from_its_page(hall: Hall) -> None:
    """With a reason, kept when it is refused; the history has both; a référent sees the page without the form."""
    await acted(hall)
    page = await hall.get("delegations/dlg_1", "aude")
    assert "carte CPE" in page.words and SECOND in page.words
    bad = await hall.send(page, "/end", "aude", reason="x")
    assert bad.status == 422 and ("reason", "x") in bad.read.form("/end").fields
    done = await hall.send(bad, "/end", "aude", reason="Départ du cabinet")
    assert done.status == 303
    after = await hall.get(done.location, "aude")
    assert "La délégation est terminée" in after.words
    assert "Retirée par l'administration" in after.words and "Départ du cabinet" in after.words
    assert not [form for form in after.read.forms if form.action.endswith("/end")]
    journal = await hall.get("audit?act=delegation:end", "aude")
    assert "Délégation terminée" in journal.words and "Par : l'administration" in journal.words
    referent = await hall.get("delegations/dlg_1", "eva")
    assert referent.status == 200
    await given(hall, "dlg_2")
    seen = await hall.get("delegations/dlg_2", "eva")
    assert not [form for form in seen.read.forms if form.action.endswith("/end")]
    assert (await hall.post("delegations/dlg_2/end", "eva", reason="essai")).status == 403
    assert (await hall.post("delegations/dlg_2/end", "remi", reason="essai")).status == 404
    nothing = await hall.get(f"{PREFIX}/nothing", "remi")
    assert (await hall.get("delegations/dlg_2", "remi")).still == nothing.still
    assert (await hall.office.watch.delegations.by_id("dlg_2")).revoked_at is None  # type: ignore[union-attr]


async def test_r151_structure_of_what_is_found(hall: Hall) -> None:
    """Headings in order, ids once, labels, captions: the answer, the delegation, the person."""
    began = await acted(hall)
    pages = [
        await ask(hall, line=line(SECOND, began)),
        await hall.get("delegations/dlg_1"),
        await hall.get("accounts/anna"),
    ]
    for page in pages:
        read = page.read
        levels = [int(tag[1]) for tag, _ in read.tags if tag in ("h1", "h2", "h3")]
        assert levels.count(1) == 1 and all(later - before <= 1 for before, later in pairwise(levels))
        ids = [said["id"] for _, said in read.tags if "id" in said]
        assert len(ids) == len(set(ids))
        assert len(read.all("table")) == len(read.all("caption"))
        assert all("scope" in said for said in read.all("th"))


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "{{ 7*7 }}"])
async def test_hostile_names_are_text(hall: Hall, name: str) -> None:
    """Whatever a person is called, or somebody typed."""
    await acted(hall)
    await hall.office.world.records.write(
        *(Update("accounts", {"family_name": name}, {"id": one}) for one in ("anna", "nobody"))
    )
    for page in (
        await ask(hall, session=SECOND), await hall.get("delegations/dlg_1"), await hall.get("accounts/anna"),
        await ask(hall, line=name),
    ):  # fmt: skip
        assert "<script>" not in page.text and ">49<" not in page.text and " 49 " not in page.text
    assert name in (await ask(hall, session=SECOND)).words


async def test_the_journal_says_acts_of_sessions_in_words(hall: Hall) -> None:
    """No name of a session under a wrong label, no word of programs where there is a French one."""
    await acted(hall)
    now = hall.office.world.now
    facts = {"from": SECOND, "delegation": "dlg_1", "why": "asked"}
    await hall.office.watch.sign(Act.ACTING_ENDED, THIRD, now, "anna", **facts)
    await hall.office.watch.sign(Act.ACTING_ENDED, "a" * 12, now, "anna", **{**facts, "why": "delegator-unavailable"})
    page = await hall.get("audit?account=anna", "aude")
    assert "Début d'action pour un médecin" in page.words and "Délégation : dlg_1" in page.words
    assert "Motif : à la demande de la personne" in page.words and "Motif : Compte du médecin suspendu" in page.words
    assert FIRST not in page.words and "Souhaité pour" not in page.words
