"""FINESS numbers: form, key, spelling."""

from __future__ import annotations

import pytest

from gateway.policy.finess import checked

GOOD = [
    "750712184", "690781810", "130786049", "970100228", "970408589", "760021832",
    "2A0000014", "2B0000020", "2A0001236", "2B0007777",
]  # fmt: skip


@pytest.mark.parametrize("number", GOOD)
def test_finess_numbers_of_structures_are_taken(number: str) -> None:
    """Mainland, overseas and Corsican numbers whose key is right."""
    assert checked(number) == number


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("75 071 218 4", "750712184"),
        (" 750712184\n", "750712184"),
        ("75-071-2184", "750712184"),
        ("75\u202f071\u00a02184", "750712184"),
        ("2a0000014", "2A0000014"),
        ("７50712184", "750712184"),
    ],
)
def test_finess_is_spelled_one_way(typed: str, number: str) -> None:
    """Spaces, hyphens, small letters and full-width digits are how people type, not other numbers."""
    assert checked(typed) == number


@pytest.mark.parametrize(
    "text",
    [
        "", "754567860", "458174839", "2A0000015", "75071218", "7507121840", "751712184", "2C0000014", "0B0307377",
        "A20000014", "75O712184", "٧50712184", "750712184x", "690781811",
    ],
)  # fmt: skip
def test_finess_that_is_none_is_refused(text: str) -> None:
    """A wrong key, a wrong length, a department that does not exist, digits of another script."""
    assert checked(text) is None
