"""The standing of an account, and names that are no person's."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.accounts.account import Account, Origin, Standing
from gateway.accounts.register import mail_key
from gateway.identity import Space
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


def test_s2_a_clock_set_back_opens_nothing() -> None:
    """A suspended or closed account stays so whatever the clock says."""
    now = datetime(2026, 3, 1, tzinfo=UTC)
    later = now + timedelta(days=1)
    assert replace(ACCOUNT, suspended_at=later).standing(now, YEAR) is Standing.SUSPENDED
    assert replace(ACCOUNT, closed_at=later).standing(now, YEAR) is Standing.CLOSED


@pytest.mark.parametrize(
    ("typed", "good"),
    [
        ("c.martin@chu-lyon.fr", True),
        ("=?utf-8?q?luc.bernard?=@example.test", False),
        ("a=?b@example.test", False),
        ("c martin@example.test", False),
        ("c,martin@example.test", False),
        ("c.martin@localhost", False),
    ],
)
def test_r18_what_is_a_mail_address(typed: str, good: bool) -> None:
    """An encoded word (RFC 2047) would be delivered to somebody else's mailbox: it is no address."""
    assert (mail_key(typed) is not None) is good


@pytest.mark.parametrize(
    ("origin", "space", "scopes", "expected"),
    [
        (Origin.STRONG, Space.LIBERAL, (), True),
        (Origin.REFERENT, Space.PROFESSIONNEL, ("ehpad",), False),
        (Origin.REFERENT, Space.LIBERAL, (), False),
        (Origin.IMPORT, Space.LIBERAL, (), True),
        (Origin.IMPORT, Space.LIBERAL, ("ehpad",), True),
        (Origin.IMPORT, Space.PROFESSIONNEL, (), True),
        (Origin.IMPORT, Space.PROFESSIONNEL, ("ehpad",), False),
    ],
)
def test_r79_r86_who_needs_a_card_before_a_password(
    origin: Origin, space: Space, scopes: tuple[str, ...], expected: bool
) -> None:
    """A liberal account does; people a référent made, or an import placed in an establishment, get codes at once."""
    one = replace(ACCOUNT, origin=origin, space=space, scopes=scopes, first_strong_at=None)
    assert one.strong_first is expected
    assert replace(one, first_strong_at=one.created_at).strong_first is False
