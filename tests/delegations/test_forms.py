"""What a doctor typed: whom, which rights, which days (R107–R109)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest

from gateway.administration.actor import Faulty
from gateway.delegations.forms import Invitation, invitation_of, period_of
from gateway.policy.delegation import DelegationRules

RULES = DelegationRules()
TODAY = date(2026, 3, 2)
DAY = timedelta(days=1)
TYPED = {
    "family_name": "Moreau",
    "given_name": "Léa",
    "email": "lea@example.test",
    "profession": "",
    "start": "2026-03-02",
    "end": "2026-03-31",
}
RIGHTS = ("grandage:consulter", "tnd:envoyer")


def read(rights: Sequence[str] = RIGHTS, own: str | None = "luc@example.test", **typed: str) -> Invitation:
    return invitation_of({**TYPED, **typed}, rights, own, TODAY, RULES)


def faults(rights: Sequence[str] = RIGHTS, own: str | None = "luc@example.test", **typed: str) -> list[str]:
    """The fields that something is said about; every sentence is one."""
    with pytest.raises(Faulty) as caught:
        read(rights, own, **typed)
    assert all(said and one.endswith(".") for said in caught.value.faults.values() for one in said)
    return sorted(caught.value.faults)


def test_r107_what_was_typed_as_values() -> None:
    """Spaces are squeezed, an empty profession is none, the rights are a set."""
    assert read(family_name="  Moreau   Petit ", email=" lea@example.test ") == Invitation(
        "Moreau Petit", "Léa", "lea@example.test", None, frozenset(RIGHTS), TODAY, date(2026, 3, 31)
    )
    assert read(profession="Secrétaire médicale").profession == "Secrétaire médicale"
    assert read(family_name="D’ALMÉIDA-NÚÑEZ", own=None).family_name == "D’ALMÉIDA-NÚÑEZ"


@pytest.mark.parametrize("name", ["", "   ", "42", "-", "x" * 81, "a\x00b", "a\u202eb", "http://evil.example", "www.x.fr",
                                  "<b>x</b>", "a@b.fr"])  # fmt: skip
def test_r107_a_name_is_a_name(name: str) -> None:
    """It is shown to others, in mails too: no address of a page, no sign that turns text around."""
    assert faults(family_name=name) == ["family_name"]
    assert faults(given_name=name) == ["given_name"]
    if name.strip():
        assert faults(profession=name) == ["profession"]


@pytest.mark.parametrize("mail", ["", "lea", "lea@", "@example.test", "lea@example", "lea@example.test, b@example.test",
                                  "lea@exa mple.test", "lea\n@example.test"])  # fmt: skip
def test_r107_an_address_is_one(mail: str) -> None:
    assert faults(email=mail) == ["email"]


@pytest.mark.parametrize("mail", ["luc@example.test", "LUC@Example.Test", " luc@example.test ", "ｌuc@example.test"])
def test_r107_the_doctors_own_address_is_refused(mail: str) -> None:
    """In any spelling; a doctor without an address has none to be refused."""
    assert faults(email=mail) == ["email"]
    assert read(own=None, email="luc@example.test").mail == "luc@example.test"


@pytest.mark.parametrize("rights", [(), ("grandage:inventer",), (*RIGHTS, "x:y"), ("",)])
def test_r108_unknown_or_no_rights_are_refused(rights: Sequence[str]) -> None:
    assert faults(rights) == ["rights"]


def test_everything_wrong_is_said_at_once() -> None:
    assert faults((), family_name="", given_name="", email="", start="x", end="y") == [
        "email", "end", "family_name", "given_name", "rights", "start",
    ]  # fmt: skip
    with pytest.raises(Faulty) as caught:
        invitation_of({}, (), None, TODAY, RULES)
    assert len(caught.value.faults) == 6


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [
        ("2026-03-02", "2026-03-02", (date(2026, 3, 2), date(2026, 3, 2))),  # today alone
        ("02/03/2026", "1/4/2026", (date(2026, 3, 2), date(2026, 4, 1))),  # as people type it
        (" 2026-03-02 ", "2028-02-29", (date(2026, 3, 2), date(2028, 2, 29))),
        ("2026-03-02", "2036-03-09", (date(2026, 3, 2), date(2036, 3, 9))),
    ],
)
def test_r109_days(start: str, end: str, days: tuple[date, date]) -> None:
    assert period_of({"start": start, "end": end}, TODAY, RULES) == days


@pytest.mark.parametrize(
    ("start", "end", "wrong"),
    [
        ("2026-03-01", "2026-03-31", ["start"]),  # yesterday
        ("2026-03-01", "2026-03-01", ["end", "start"]),
        ("2026-03-05", "2026-03-04", ["end"]),
        ("2026-02-29", "2026-03-31", ["start"]),  # no such day
        ("2026-03-02", "31/04/2026", ["end"]),
        ("2026-03-02", "03/31/2026", ["end"]),  # the American way
        ("20260302", "2026-03-31", ["start"]),
        ("2026-W10-1", "2026-03-31", ["start"]),
        ("٢٠٢٦-03-02", "2026-03-31", ["start"]),
        ("2026-03-02T00:00", "2026-03-31", ["start"]),
        ("2026-03-02", "hier", ["end"]),
        ("", "", ["end", "start"]),
        ("2026-03-02", "2036-03-10", ["end"]),  # more than ten years
        ("2026-03-02", "9999-12-31", ["end"]),
        ("0000-01-01", "0001-01-01", ["end", "start"]),
    ],
)
def test_r109_days_that_are_none(start: str, end: str, wrong: list[str]) -> None:
    with pytest.raises(Faulty) as caught:
        period_of({"start": start, "end": end}, TODAY, RULES)
    assert sorted(caught.value.faults) == wrong


def test_r109_a_period_that_runs_keeps_its_first_day() -> None:
    """That one alone of all days gone by; and its last day is never one of them."""
    began = TODAY - 5 * DAY
    typed = {"start": began.isoformat(), "end": TODAY.isoformat()}
    assert period_of(typed, TODAY, RULES, began=began) == (began, TODAY)
    for start, end in ((began - DAY, TODAY), (began + DAY, TODAY), (began, TODAY - DAY)):
        with pytest.raises(Faulty):
            period_of({"start": start.isoformat(), "end": end.isoformat()}, TODAY, RULES, began=began)


def test_r109_no_longer_than_configured() -> None:
    """Both days count."""
    rules = replace(RULES, max_days=30)
    typed = {"start": "2026-03-02", "end": "2026-03-31"}
    assert period_of(typed, TODAY, rules) == (TODAY, date(2026, 3, 31))
    with pytest.raises(Faulty) as caught:
        period_of({**typed, "end": "2026-04-01"}, TODAY, rules)
    assert caught.value.faults == {"end": ["Une délégation dure 30 jours au plus."]}
