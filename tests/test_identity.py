"""Identifiers: one spelling inside, many outside."""

from __future__ import annotations

import pytest

from gateway.accounts.register import mail_key
from gateway.identity import Login, NationalId, luhn


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("899700000005", "899700000005"),
        ("99700000005", "899700000005"),
        (" 8 99 700 000 005 ", "899700000005"),
        ("8.997.000.00005", "899700000005"),
        ("8\u00a0997\u202f00000005", "899700000005"),
        ("８９９７０００００００５", "899700000005"),
        ("0069209997", "0069209997"),
        ("02A9209997", "02A9209997"),
        ("069A209997", "069A209997"),
        ("PLeroy", "u:pleroy"),
        ("p.leroy", "u:p.leroy"),
        ("8997000000051", "u:8997000000051"),
        ("3690780028/000000042", "3690780028/000000042"),
        (" 3690780028/000000042\u00a0", "3690780028/000000042"),
        ("3690780028 / 000000042", "3690780028/000000042"),
        ("３６９０７８００２８／４２", "3690780028/42"),
        ("500000000029751/CPAT0001", "500000000029751/CPAT0001"),
        (
            "500000000029751/cpat0001",
            "500000000029751/cpat0001",
        ),  # a number of the structure's own: letters as they are
        ("32a0000014/a-1", "32A0000014/a-1"),
        ("1690780028/7", "1690780028/7"),
        ("4732829320/7", "4732829320/7"),
        ("6100000000012/7", "6100000000012/7"),
        ("2690780028/7", "u:2690780028/7"),  # no such type
        ("8690780028/7", "u:8690780028/7"),
        ("0690780028/7", "u:0690780028/7"),
        ("369078002/7", "u:369078002/7"),  # the structure is too short,
        ("3690780028123456/7", "u:3690780028123456/7"),  # or too long
        ("3690780028/", "u:3690780028/"),
        ("3690780028/1234567890123456", "u:3690780028/1234567890123456"),
        ("3690780028/42/1", "u:3690780028/42/1"),
        ("3690780028/é", "u:3690780028/é"),
        ("service/Durand", "u:service/durand"),
        ("ch\\Durand", "u:ch\\durand"),
        ("a / b", None),
        ("", None),
        ("a b", None),
        ("x" * 200, None),
    ],
)
def test_r52_r56_what_people_type(typed: str, key: str | None) -> None:
    """Every spelling of one identifier opens one account; what cannot be one is refused."""
    found = Login.parse(typed)
    assert (found.key if found else None) == key


@pytest.mark.parametrize("text", ["3690780028/000000042", "500000000029751/CPAT0001", "32A0000014/a-1"])
def test_r114_r115_what_a_card_says_of_staff_is_what_they_type(text: str) -> None:
    """The login key is the very text under which a card made the account."""
    found, typed = NationalId.parse(text), Login.parse(text)
    assert found is not None and typed is not None
    assert typed.key == found.text == text
    lowered = Login.parse(text.lower())
    assert lowered is not None and lowered.key.partition("/")[0] == text.partition("/")[0]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("899700000005", "8"),
        ("0069209997", "0"),
        ("3690780028/000000042", "3"),
        ("500000000029751/CPAT0001", "5"),
        ("89970000000", None),
        ("8997000000055", None),
        ("799700000005", None),
        ("8９９７０００００００５", None),
        ("ANS20231122132732", None),
        ("", None),
    ],
)
def test_r56_what_cards_and_directories_say(text: str, kind: str | None) -> None:
    """Exact forms only; nothing is trimmed, padded or searched."""
    found = NationalId.parse(text)
    assert (found.kind if found else None) == kind
    assert found is None or found.text == text


@pytest.mark.parametrize(
    ("number", "good"),
    [
        ("99712345679", True),
        ("19999999998", True),
        ("99712345678", False),
        ("99712345679015", True),
        ("750712184", True),
        ("2A0000014", True),
        ("0B6087510", True),
        ("0B6087511", False),
        ("732829320", True),
        ("73282932000074", True),
        ("", False),
        ("1234x", False),
    ],
)
def test_luhn_keys(number: str, good: bool) -> None:
    """The key of RPPS, FINESS, SIREN and SIRET numbers, letters read as digits."""
    assert luhn(number) is good


@pytest.mark.parametrize(
    ("typed", "key"),
    [
        ("A.B@X.fr", "a.b@x.fr"),
        (" inès@hôpital.fr ", "inès@xn--hpital-ixa.fr"),
        ("a@b", None),
        ("@x.fr", None),
        ("a b@x.fr", None),
        ("a@x.fr, b@x.fr", None),
        ("a@x.fr\r\nBcc: c@x.fr", None),
        ("a@-x.fr", None),
    ],
)
def test_r18_mail_addresses(typed: str, key: str | None) -> None:
    """Two spellings of one mailbox are one key; what is not one address is none."""
    assert mail_key(typed) == key
