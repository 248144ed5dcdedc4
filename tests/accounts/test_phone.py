"""Telephone numbers, as people type them."""

from __future__ import annotations

import pytest

from gateway.accounts.phone import mobile, shown, telephone

INES = "+33612345678"


@pytest.mark.parametrize(
    "typed",
    [
        "0612345678",
        "06 12 34 56 78",
        "06.12.34.56.78",
        "06-12-34-56-78",
        "06/12/34/56/78",
        "06\u00a012\u00a034\u00a056\u00a078",
        "06\u202f12\u202f34\u202f56\u202f78",
        "06\u201112\u201134\u201156\u201178",
        "  06 12 34 56 78\t",
        "+33612345678",
        "+33 6 12 34 56 78",
        "0033 6 12 34 56 78",
        "0033612345678",
        "+33 (0)6 12 34 56 78",
        "+33(0) 6 12 34 56 78",
        "0033 (0)6 12 34 56 78",
        "+33 06 12 34 56 78",
    ],
)
def test_r73_a_mainland_mobile_in_every_spelling(typed: str) -> None:
    """However it is written, the same mobile becomes the same E.164."""
    assert mobile(typed) == telephone(typed) == INES


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("07 31 23 45 67", "+33731234567"),
        ("07 98 76 54 32", "+33798765432"),
        ("06 39 98 12 34", "+33639981234"),
        ("0692 12 34 56", "+262692123456"),
        ("0693 12 34 56", "+262693123456"),
        ("0639 12 34 56", "+262639123456"),
        ("0690 12 34 56", "+590690123456"),
        ("0691 23 45 67", "+590691234567"),
        ("0694 12 34 56", "+594694123456"),
        ("0696 12 34 56", "+596696123456"),
        ("0697 12 34 56", "+596697123456"),
        ("0709 01 23 45", "+590709012345"),
        ("0709 20 12 34", "+262709201234"),
        ("0709 30 12 34", "+594709301234"),
        ("0709 36 12 34", "+262709361234"),
        ("+262 692 12 34 56", "+262692123456"),
        ("+262 (0)692 12 34 56", "+262692123456"),
        ("00262692123456", "+262692123456"),
        ("+590 690 12 34 56", "+590690123456"),
        ("+594 694 12 34 56", "+594694123456"),
        ("+596 696 12 34 56", "+596696123456"),
        ("+33 692 12 34 56", "+262692123456"),
        ("+33 (0)690 12 34 56", "+590690123456"),
        ("+508 55 12 34", "+508551234"),
        ("+687 75.12.34", "+687751234"),
        ("+689 87 12 34 56", "+68987123456"),
        ("00689 89 12 34 56", "+68989123456"),
    ],
)
def test_r73_mobiles_of_every_territory(typed: str, number: str) -> None:
    """The first digits say which territory a mobile belongs to, and +33 before an overseas one is put right."""
    assert mobile(typed) == telephone(typed) == number


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("01 42 34 56 78", "+33142345678"),
        ("+33 4 78 12 34 56", "+33478123456"),
        ("09 72 12 34 56", "+33972123456"),
        ("0800 12 34 56", "+33800123456"),
        ("0262 20 12 34", "+262262201234"),
        ("+262 262 20 12 34", "+262262201234"),
        ("0269 61 12 34", "+262269611234"),
        ("0590 82 12 34", "+590590821234"),
        ("0594 30 12 34", "+594594301234"),
        ("0596 50 12 34", "+596596501234"),
        ("+33 596 50 12 34", "+596596501234"),
        ("+508 41 12 34", "+508411234"),
        ("+687 25 12 34", "+687251234"),
        ("+689 40 41 23 45", "+68940412345"),
        ("+49 170 1234567", "+491701234567"),
        ("+41 79 123 45 67", "+41791234567"),
        ("+1 202-555-0123", "+12025550123"),
    ],
)
def test_r73_landlines_and_other_countries_are_no_mobiles(typed: str, number: str) -> None:
    """What cannot receive a code here is refused as a mobile, and kept as « Téléphone »."""
    assert mobile(typed) is None
    assert telephone(typed) == number


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "15",
        "3624",
        "06 12 34 56",
        "06 12 34 56 789",
        "612345678",
        "33612345678",
        "00 12 34 56 78 90",
        "0700 12 34 56",
        "+33 0",
        "+262 612345678",
        "+590 692 12 34 56",
        "+999 12345678",
        "(06)12345678",
        "06 12 34 56 78 ext. 3",
        "+33612345678;ext=3",
        "tel:+33612345678",
        "06 12 34 56 7O",
        "0800 DOCTEUR",
        "+33612345678,+33612345679",
        "٠٦١٢٣٤٥٦٧٨",
        "０６１２３４５６７８",
        "०६१२३४५६७८",
        "+33\u0666 12345678",
        "06\x0012345678",
        "06\u200b12345678",
        "0612345678" + " " * 40,
        "9" * 5000,
    ],
)
def test_r73_what_is_no_number_is_refused(typed: str) -> None:
    """Wrong lengths, letters, extensions, hidden characters and digits of other scripts are no telephone number."""
    assert mobile(typed) is None
    assert telephone(typed) is None


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (INES, "06 12 34 56 78"),
        ("+33142345678", "01 42 34 56 78"),
        ("+262692123456", "0692 12 34 56"),
        ("+590690123456", "0690 12 34 56"),
        ("+594694123456", "0694 12 34 56"),
        ("+596696123456", "0696 12 34 56"),
        ("+508551234", "+508 55 12 34"),
        ("+687751234", "+687 75 12 34"),
        ("+68987123456", "+689 87 12 34 56"),
        ("+491701234567", "+49 170 1234567"),
    ],
)
def test_r73_numbers_are_shown_as_their_owners_write_them(number: str, text: str) -> None:
    """National spelling with no-break spaces, with the code where there is no ten-digit plan; typed back, it is the same."""
    assert shown(number) == text.replace(" ", "\u00a0")
    assert telephone(shown(number)) == number


def test_old_values_are_shown_as_they_are() -> None:
    """What an older system kept in another form is not lost."""
    for old in ("", "01 42 34 56 78 (secrétariat)", "+999", "0142345678"):
        assert shown(old) == old
