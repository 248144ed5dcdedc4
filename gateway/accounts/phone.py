"""Telephone numbers as people of France and its overseas territories type them (R73). Pure.

A mobile is kept in E.164. Ten digits that begin with 06 or 07 belong to the mainland or to an overseas département by
their first digits (numbering plan of ARCEP), so « 0692 12 34 56 » is +262 692… even when +33 was put before it. Which
mobile numbers are in use is not asked: blocks open every year, and the code sent to the number proves it anyway.
"""

from __future__ import annotations

import re

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, PhoneNumberType

# First digits after the 0, longest match first: country calling code. Everything else in 06 and 073–079 is mainland.
_MOBILES = {
    "63998": 33,  # numbers for fiction, on the mainland by decision of ARCEP
    "70935": 262, "70936": 262, "70937": 262,
    "7090": 590, "7091": 596, "7092": 262, "7093": 594,
    "639": 262, "692": 262, "693": 262, "690": 590, "691": 590, "694": 594, "696": 596, "697": 596,
}  # fmt: skip
_OVERSEAS = ("RE", "YT", "GP", "MQ", "GF")  # they share the ten-digit plan with the mainland
_TEN_DIGITS = frozenset({33, 262, 590, 594, 596})
_PACIFIC = frozenset({508, 687, 689})  # numbers of their own length, only recognised after their code
_MOBILE_TYPES = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
_GEOGRAPHIC = frozenset({PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
_LONGEST = 40
_BETWEEN = re.compile(r"[\s.\-/\u2010-\u2015\u2212]")
_NUMBER = re.compile(r"(?:(?:\+|00)([1-9][0-9]{6,14})|(0[1-9][0-9]{8}))")
_TRUNK_ZERO = re.compile(r"^((?:\+|00)[1-9][0-9]{0,2})\(0\)")


def mobile(typed: str) -> str | None:
    """The E.164 of a French or overseas mobile, or ``None`` for anything else: landline, foreign, wrong (R73)."""
    number = _typed(typed)
    if number is None:
        return None
    digits, national = number
    if not national and (parsed := _parsed(f"+{digits}")) is not None and parsed.country_code in _PACIFIC:
        valid = phonenumbers.is_valid_number(parsed) and phonenumbers.number_type(parsed) in _MOBILE_TYPES
        return _e164(parsed) if valid else None
    if national:
        return _of_plan(digits.removeprefix("0"))
    for code in _TEN_DIGITS:
        if digits.startswith(str(code)):
            found = _of_plan(digits.removeprefix(str(code)).removeprefix("0"))
            return found if found is not None and found.startswith(f"+{code}") else None
    return None


def telephone(typed: str) -> str | None:
    """The E.164 of any valid number, landlines and other countries (with + or 00) included, or ``None``."""
    if (found := mobile(typed)) is not None:
        return found
    number = _typed(typed)
    if number is None:
        return None
    digits, national = number
    if not national:
        parsed = _parsed(f"+{digits}")
        return _e164(parsed) if parsed is not None and phonenumbers.is_valid_number(parsed) else None
    # An overseas landline (0262, 0590, …) is looked for first: the mainland's metadata claims some of them too.
    overseas = {
        _e164(parsed)
        for region in _OVERSEAS
        if (parsed := _parsed(digits, region)) is not None
        and phonenumbers.is_valid_number_for_region(parsed, region)
        and phonenumbers.number_type(parsed) in _GEOGRAPHIC
    }
    if len(overseas) == 1:
        return overseas.pop()
    parsed = _parsed(digits, "FR")
    return _e164(parsed) if parsed is not None and phonenumbers.is_valid_number(parsed) else None


def shown(e164: str) -> str:
    """The number as its owner writes it, with no-break spaces: « 06 12 34 56 78 », « +687 75 12 34 ».

    What is no E.164 number (kept from an older system) is returned as it is.
    """
    parsed = _parsed(e164) if re.fullmatch(r"\+[1-9][0-9]{6,14}", e164) else None
    if parsed is None:
        return e164
    ours = parsed.country_code in _TEN_DIGITS
    text = phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL if ours else PhoneNumberFormat.INTERNATIONAL)
    return re.sub(r"[ .\-]+", "\u00a0", text)


def _typed(typed: str) -> tuple[str, bool] | None:
    """The digits of what was typed, and whether they are national (0 and nine more), which +33 also makes them.

    Digits of other scripts, letters and extensions are refused.
    """
    text = _BETWEEN.sub("", typed) if len(typed) <= _LONGEST else ""
    text = _TRUNK_ZERO.sub(r"\1", text)
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    if match[2]:
        return match[2], True
    mainland = re.fullmatch(r"330?([1-9][0-9]{8})", match[1])
    return (f"0{mainland[1]}", True) if mainland else (match[1], False)


def _of_plan(digits: str) -> str | None:
    """Nine digits of the shared plan as a mobile in E.164, or ``None``."""
    if not re.fullmatch(r"6[0-9]{8}|7[0-9]{8}", digits):
        return None
    code = next((_MOBILES[digits[:size]] for size in (5, 4, 3) if digits[:size] in _MOBILES), None)
    if code is None:
        if digits[0] == "7" and digits[1] < "3":  # 0700 to 0729: machines, and blocks not opened
            return None
        code = 33
    return f"+{code}{digits}"


def _parsed(text: str, region: str | None = None) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(text, region)
    except NumberParseException:
        return None


def _e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)
