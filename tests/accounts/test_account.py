"""The standing of an account, and names that are no person's."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.accounts.account import Account, Standing
from tests.policy.test_decision import ACCOUNT

YEAR = timedelta(days=365)
WORDS = frozenset({"SECRETARIAT", "SERVICE", "EHPAD"})


@pytest.mark.parametrize(
    ("last", "now", "expected"),
    [
        (datetime(2027, 3, 1, tzinfo=UTC), datetime(2028, 2, 29, tzinfo=UTC), Standing.OPEN),
        (datetime(2027, 3, 1, tzinfo=UTC), datetime(2028, 2, 29, 0, 0, 1, tzinfo=UTC), Standing.DORMANT),
        (datetime(2028, 2, 29, tzinfo=UTC), datetime(2029, 2, 28, tzinfo=UTC), Standing.OPEN),
        (datetime(2028, 2, 29, tzinfo=UTC), datetime(2029, 3, 1, tzinfo=UTC), Standing.DORMANT),
    ],
)
def test_r97_a_year_is_365_days_leap_or_not(last: datetime, now: datetime, expected: Standing) -> None:
    """Day 365 works, day 366 does not, whatever February does."""
    account = replace(ACCOUNT, created_at=last - YEAR, last_sign_in_at=last)
    assert account.standing(now, YEAR) is expected


def test_r97_a_referent_wakes_an_account() -> None:
    """Being reactivated counts like a sign of life, without pretending to be a sign-in."""
    asleep = replace(ACCOUNT, last_sign_in_at=datetime(2026, 1, 1, tzinfo=UTC))
    now = datetime(2027, 6, 1, tzinfo=UTC)
    assert asleep.standing(now, YEAR) is Standing.DORMANT
    woken = replace(asleep, reactivated_at=now - timedelta(days=1))
    assert woken.standing(now, YEAR) is Standing.OPEN
    assert woken.last_sign_in_at == asleep.last_sign_in_at


@pytest.mark.parametrize(
    ("family", "given", "expected"),
    [
        ("Secrétariat", "Gériatrie", True),
        ("ACCUEIL", "EHPAD", True),
        ("SERVICE-SOCIAL", "", True),
        ("MARTIN", "Claire", False),
        ("DESERVICE", "Anne", False),
    ],
)
def test_r98_names_of_services(family: str, given: str, expected: bool) -> None:
    """A word of the list, whole and without accents, marks a name that is no person's."""
    account: Account = replace(ACCOUNT, family_name=family, given_name=given)
    assert account.named_generically(WORDS) is expected
