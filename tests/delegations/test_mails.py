"""Mails about delegations: who is named, where a link is, and what is never said (R103, R111)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.delegations import mails
from gateway.policy.delegation import PARIS, period
from tests.ambient import START
from tests.delegations.practice import TODAY
from tests.policy.test_delegation import DOCTOR, GIVEN
from tests.test_texts import LINK, Words, squeezed

DOCTOR_BERNARD = replace(DOCTOR, family_name="BERNARD", given_name="Luc")
BEGINS, ENDS = period(TODAY, TODAY + timedelta(days=29), PARIS)
ONE = replace(GIVEN, begins=BEGINS, ends=ENDS, proposed_name="Tom <b>Henry</b>")
LINKED = {
    "invitation": mails.invitation(ONE, DOCTOR_BERNARD, LINK, START + timedelta(days=14)),
    "proposed": mails.proposed(ONE, LINK, START),
    "reminder": mails.reminder(ONE, 15, LINK),
}
NOTICES = {
    "given": mails.given(ONE, DOCTOR_BERNARD),
    "accepted": mails.accepted(ONE, START),
    "granted": mails.granted(ONE, START),
    **{f"changed {own}": mails.changed(ONE, DOCTOR_BERNARD, START, own=own) for own in (True, False)},
    **{
        f"ended by {who} {own}": mails.ended(replace(ONE, revoked_by=who), DOCTOR_BERNARD, START, own=own)
        for who in ("delegator", "delegate", "administrator", "closed")
        for own in (True, False)
    },
}
ALL = {**LINKED, **NOTICES}


@pytest.mark.parametrize("name", ALL)
def test_text_and_html_say_the_same(name: str) -> None:
    mail = ALL[name]
    assert squeezed("".join(Words(mail.html).said)) == squeezed("ViaTrajectoire " + mail.text)
    assert mail.subject.startswith("ViaTrajectoire : ") and len(mail.subject) < 70
    assert "<b>" not in mail.html


@pytest.mark.parametrize("name", ALL)
def test_r111_links_only_where_something_is_to_be_done(name: str) -> None:
    mail = ALL[name]
    targets = [said["href"] for tag, said in Words(mail.html).tags if tag == "a"]
    if name in LINKED:
        assert targets == [LINK] and LINK in mail.text.splitlines()
    else:
        assert targets == [] and "://" not in mail.text


@pytest.mark.parametrize("name", ALL)
def test_r111_no_number_no_right_no_patient(name: str) -> None:
    """Neither of the doctor nor of the person; what may be done to files is not told to whoever reads a mailbox."""
    text = ALL[name].text
    for word in ("8997", "3690780028", "grandage", "Grand âge", "consulter", "patient", "lea@"):
        assert word not in text, word


def test_r111_an_invitation_names_the_doctor_the_days_and_its_end() -> None:
    text = LINKED["invitation"].text.replace("\u00a0", " ")
    for piece in (
        "Dr Luc BERNARD",
        "du 2 mars 2026 au 31 mars 2026 inclus",
        "16 mars 2026 à 10 h 30",
        "une seule fois",
    ):
        assert piece in text, piece


def test_r103_who_ended_it_is_told_as_the_reader_sees_it() -> None:
    said = {name: mail.text for name, mail in NOTICES.items()}
    assert "Vous y avez mis fin." in said["ended by delegator True"]
    assert "Le médecin y a mis fin." in said["ended by delegator False"]
    assert "La personne habilitée l'a rendue." in said["ended by delegate True"]
    assert "Vous l'avez rendue." in said["ended by delegate False"]
    assert "Léa Moreau" in said["ended by administrator True"]
    assert "Dr\u00a0Luc BERNARD" in said["ended by administrator False"]


def test_days_are_those_of_the_zone_and_one_day_is_one() -> None:
    """At 23:30 UTC it is the next day in Paris; the end of the last day is not the day after."""
    begins, ends = period(TODAY, TODAY, PARIS)
    one = replace(ONE, begins=begins.astimezone(UTC), ends=ends.astimezone(UTC))
    assert mails.span(one).replace("\u00a0", " ") == "le 2 mars 2026"
    late = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
    assert "3\u00a0mars" in mails.accepted(ONE, late).text


@pytest.mark.parametrize(("left", "said"), [(15, "dans 15 jours"), (2, "dans 2 jours"), (1, "bientôt")])
def test_r133_a_reminder_says_when(left: int, said: str) -> None:
    mail = mails.reminder(ONE, left, LINK)
    assert said in mail.subject and "31\u00a0mars\u00a02026" in mail.text
