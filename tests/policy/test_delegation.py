"""Who may hand rights to whom, who may act, and what a period is: the rules, without a clock or a table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounts.delegation import Delegation, Kind, State
from gateway.identity import Identity, NationalId, Space
from gateway.policy.delegation import (
    PARIS,
    DelegationRules,
    by_actions,
    chosen_rights,
    days,
    last_second,
    period,
    rights_of,
    same_person,
)
from tests.policy.test_decision import ACCOUNT, NOW

DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)
RULES = DelegationRules()
DOCTOR = replace(
    ACCOUNT, id="acc_doctor", national_id=NationalId("8", "99700100011"), logins=("899700100011",), scopes=()
)
STAFF = replace(
    ACCOUNT,
    id="acc_lea",
    national_id=NationalId("3", "690780028/000000042"),
    logins=("3690780028/000000042", "u:lea.moreau"),
    family_name="MOREAU",
    given_name="Léa",
    profession=None,
    space=Space.PROFESSIONNEL,
    first_strong_at=NOW - 9 * DAY,
)
GIVEN = Delegation(
    id="dlg_1",
    number=1,
    delegator=DOCTOR.id,
    kind=Kind.ASSISTANT,
    family_name="Moreau",
    given_name="Léa",
    rights=frozenset({"grandage:consulter", "tnd:envoyer"}),
    begins=NOW - 2 * DAY,
    ends=NOW + 2 * DAY,
    created_at=NOW - 3 * DAY,
    delegate=STAFF.id,
    delegate_key="3690780028/000000042",
    finalised_at=NOW - 2 * DAY,
)
COLLEAGUE: dict[str, Any] = {"kind": Kind.COLLEAGUE, "rights": frozenset()}


# Periods (R109)


def paris(year: int, month: int, day: int, hour: int, minute: int, second: int = 0, *, fold: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=PARIS, fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("first", "last", "begins", "ends", "hours"),
    [
        # A winter day and a summer day.
        ((2026, 3, 2), (2026, 3, 2), "2026-03-01T23:00", "2026-03-02T23:00", 24),
        ((2026, 7, 1), (2026, 7, 31), "2026-06-30T22:00", "2026-07-31T22:00", 31 * 24),
        # Clocks go forward in the night to 29 March: the day has 23 hours.
        ((2026, 3, 29), (2026, 3, 29), "2026-03-28T23:00", "2026-03-29T22:00", 23),
        ((2026, 3, 28), (2026, 3, 28), "2026-03-27T23:00", "2026-03-28T23:00", 24),
        ((2026, 3, 28), (2026, 3, 30), "2026-03-27T23:00", "2026-03-30T22:00", 71),
        # And back in the night to 25 October: it has 25.
        ((2026, 10, 25), (2026, 10, 25), "2026-10-24T22:00", "2026-10-25T23:00", 25),
        ((2026, 10, 24), (2026, 10, 26), "2026-10-23T22:00", "2026-10-26T23:00", 73),
        # Over the end of February, with and without a leap day; on it; over a new year.
        ((2028, 2, 28), (2028, 2, 29), "2028-02-27T23:00", "2028-02-29T23:00", 48),
        ((2028, 2, 29), (2028, 2, 29), "2028-02-28T23:00", "2028-02-29T23:00", 24),
        ((2026, 2, 28), (2026, 3, 1), "2026-02-27T23:00", "2026-03-01T23:00", 48),
        ((2026, 12, 31), (2027, 1, 1), "2026-12-30T23:00", "2027-01-01T23:00", 48),
    ],
)
def test_r109_whole_days_of_paris(
    first: tuple[int, int, int], last: tuple[int, int, int], begins: str, ends: str, hours: int
) -> None:
    """From 00:00 of the first day to before 00:00 after the last, in real hours, both ways."""
    start, end = period(date(*first), date(*last), PARIS)
    assert (start.astimezone(UTC).isoformat()[:16], end.astimezone(UTC).isoformat()[:16]) == (begins, ends)
    assert end.astimezone(UTC) - start.astimezone(UTC) == timedelta(hours=hours)
    one = replace(GIVEN, begins=start.astimezone(UTC), ends=end.astimezone(UTC))
    assert days(one, PARIS) == (date(*first), date(*last))
    shown = last_second(one, PARIS)
    assert shown.isoformat()[:19] == f"{date(*last).isoformat()}T23:59:59"
    assert end - shown.astimezone(UTC) == timedelta(seconds=1)


@pytest.mark.parametrize(
    ("day", "instant", "active"),
    [
        ((2026, 3, 29), paris(2026, 3, 28, 23, 59, 59), False),
        ((2026, 3, 29), paris(2026, 3, 29, 0, 0), True),
        ((2026, 3, 29), paris(2026, 3, 29, 1, 59, 59), True),
        ((2026, 3, 29), paris(2026, 3, 29, 3, 0), True),
        ((2026, 3, 29), paris(2026, 3, 29, 23, 59, 59), True),
        ((2026, 3, 29), paris(2026, 3, 30, 0, 0), False),
        ((2026, 10, 25), paris(2026, 10, 24, 23, 59, 59), False),
        ((2026, 10, 25), paris(2026, 10, 25, 0, 0), True),
        ((2026, 10, 25), paris(2026, 10, 25, 2, 30), True),
        ((2026, 10, 25), paris(2026, 10, 25, 2, 30, fold=1), True),  # the same time once more
        ((2026, 10, 25), paris(2026, 10, 25, 23, 59, 59), True),
        ((2026, 10, 25), paris(2026, 10, 26, 0, 0), False),
    ],
)
def test_r109_active_from_the_first_second_to_the_last(
    day: tuple[int, int, int], instant: datetime, active: bool
) -> None:
    begins, ends = period(date(*day), date(*day), PARIS)
    assert (replace(GIVEN, begins=begins, ends=ends).state(instant) is State.ACTIVE) is active


@given(
    st.dates(date(2000, 1, 1), date(2100, 1, 1)),
    st.integers(0, 800),
)
def test_r109_days_come_back_whatever_they_are(first: date, length: int) -> None:
    """From any days to instants and back; the next period begins where this one ends."""
    last = first + length * DAY
    begins, ends = period(first, last, PARIS)
    assert days(replace(GIVEN, begins=begins, ends=ends), PARIS) == (first, last)
    assert period(last + DAY, last + DAY, PARIS)[0] == ends


# Rights (R108, R120)


@pytest.mark.parametrize(
    ("typed", "fit"),
    [
        (["grandage:consulter"], True),
        (["grandage:consulter", "tnd:envoyer"], True),
        ([], False),
        (["grandage:inventer"], False),
        (["grandage:consulter", "inventer:consulter"], False),
        (["grandage"], False),
        ([""], False),
        (["grandage:consulter "], False),
        (["GRANDAGE:CONSULTER"], False),
    ],
)
def test_r108_chosen_from_the_catalogue_and_at_least_one(typed: list[str], fit: bool) -> None:
    assert chosen_rights(typed, RULES) == (frozenset(typed) if fit else None)


def test_r108_the_catalogue_is_every_pair() -> None:
    assert len(RULES.catalogue) == 12
    small = replace(RULES, modules={"a": "A"}, actions={"x": "X", "y": "Y"})
    assert small.catalogue == {"a:x", "a:y"}


def test_r120_a_colleague_has_all_and_staff_what_was_chosen() -> None:
    """What the catalogue no longer has is in force for nobody."""
    small = replace(RULES, modules={"grandage": "G"})
    assert rights_of(GIVEN, RULES) == GIVEN.rights
    assert rights_of(GIVEN, small) == {"grandage:consulter"}
    assert rights_of(replace(GIVEN, **COLLEAGUE), RULES) == RULES.catalogue
    assert rights_of(replace(GIVEN, **COLLEAGUE), small) == small.catalogue


RIGHTS = st.frozensets(st.tuples(st.sampled_from("abcd"), st.sampled_from("wxyz")).map(":".join))


@given(RIGHTS)
def test_r136_products_grant_exactly_the_rights(rights: frozenset[str]) -> None:
    """Together the same rights, nothing more; no module twice; one product where one is enough."""
    groups = by_actions(rights)
    granted = [f"{module}:{action}" for actions, modules in groups for action in actions for module in modules]
    assert sorted(granted) == sorted(rights)
    modules = [module for _, some in groups for module in some]
    assert len(modules) == len(set(modules))
    assert len({actions for actions, _ in groups}) == len(groups)
    wanted = {one.split(":")[1] for one in rights}
    if len(rights) == len(wanted) * len(modules):
        assert len(groups) == (1 if rights else 0)


# The same person (R112)


@pytest.mark.parametrize(
    ("invited", "card", "same"),
    [
        (("MOREAU", "Léa"), ("MOREAU", "LEA"), True),
        (("moreau", "lea"), ("MOREAU", "Léa"), True),
        (("Moreau", "Léa"), ("MOREAUX", "LEA"), False),
        (("Moreau", "Léa"), ("MOREAU", "LEO"), False),
        (("Moreau", "Léa"), ("MOREAU", "LEANA"), False),  # a beginning of a name is another name
        (("Le Goff", "Anne-Marie"), ("LE GOFF", "ANNE MARIE"), True),
        (("Le-Goff", "Anne Marie"), ("LE GOFF", "Anne-Marie"), True),
        (("LeGoff", "Anne"), ("LE GOFF", "ANNE"), False),  # the doctor is asked
        (("D'Alméida", "Inès"), ("D’ALMEIDA", "INES"), True),
        (("Muñoz-Núñez", "José"), ("MUNOZ NUNEZ", "JOSE"), True),
        (("Muñoz", "José"), ("MUNOZ NUNEZ", "JOSE"), False),  # half of a family name
        (("Moreau", "Léa"), ("MOREAU", "LEA, MARIE CLAIRE"), True),  # cards bear all given names
        (("Moreau", "Léa Marie"), ("MOREAU", "LEA"), True),
        (("Moreau", "Marie"), ("MOREAU", "LEA MARIE"), False),  # not the first
        (("Moreau", "Léa Claire"), ("MOREAU", "LEA MARIE"), False),
        (("Moreau", "Marie-Ève"), ("MOREAU", "MARIE EVE JEANNE"), True),
        (("Moreau", "Marie"), ("MOREAU", "MARIE-EVE"), True),
        (("Léa", "Moreau"), ("MOREAU", "LEA"), False),  # the wrong way round
        (("Ҫelik", "Ayşe"), ("CELIK", "AYSE"), False),  # a letter of another alphabet
        (("Çelik", "Ayşe"), ("CELIK", "AYSE"), True),
        (("", "Léa"), ("", "LEA"), False),
        (("-", "Léa"), ("'", "LEA"), False),
        (("Moreau", ""), ("MOREAU", ""), False),
        (("Moreau", "Léa"), ("MOREAU", ""), False),
        (("Moreau", "-"), ("MOREAU", "LEA"), False),
    ],
)
def test_r112_the_same_name(invited: tuple[str, str], card: tuple[str, str], same: bool) -> None:
    """Accents, hyphens, apostrophes and case are ignored; letters are not."""
    one = replace(GIVEN, family_name=invited[0], given_name=invited[1])
    assert same_person(one, Identity(NationalId("3", "690780028/1"), *card)) is same
