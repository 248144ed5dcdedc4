"""What a password must be (R14), and what it must not be beyond the rule (R15). Pure.

Eight characters with a lower case letter, an upper case letter and a digit; any Unicode in NFKC, no maximum below
1 024 characters and no truncation. Refused: passwords everybody tries, and those that hold the person's own number,
surname or mailbox.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Collection
from enum import StrEnum

SHORTEST, LONGEST = 8, 1024
_WORTH_COMPARING = 4  # a surname of three letters stands in too many good passwords


class PasswordFault(StrEnum):
    """Each fault has its own message."""

    TOO_SHORT = "too-short"
    TOO_LONG = "too-long"
    NO_LOWER = "no-lower"
    NO_UPPER = "no-upper"
    NO_DIGIT = "no-digit"
    COMMON = "common"
    PERSONAL = "personal"
    WEAK = "weak"


def normalise(password: str) -> str:
    """The one spelling that is hashed and compared (NFKC)."""
    return unicodedata.normalize("NFKC", password)


def faults(
    password: str, *, personal: Collection[str] = (), common: Collection[str] = frozenset(), least_bits: float = 0
) -> tuple[PasswordFault, ...]:
    """Everything wrong with a password, in the order it is shown; empty when it may be used."""
    text = normalise(password)
    found: list[PasswordFault] = []
    if len(text) < SHORTEST:
        found.append(PasswordFault.TOO_SHORT)
    if len(text) > LONGEST:
        found.append(PasswordFault.TOO_LONG)
    if not any(character.islower() for character in text):
        found.append(PasswordFault.NO_LOWER)
    if not any(character.isupper() for character in text):
        found.append(PasswordFault.NO_UPPER)
    if not any(character.isdecimal() for character in text):
        found.append(PasswordFault.NO_DIGIT)
    folded = text.casefold()
    if folded in common or folded.rstrip("0123456789!?.*$#@_-") in common:
        found.append(PasswordFault.COMMON)
    if any(len(word) >= _WORTH_COMPARING and word.casefold() in folded for word in personal):
        found.append(PasswordFault.PERSONAL)
    if bits(text) < least_bits:
        found.append(PasswordFault.WEAK)
    return tuple(found)


def bits(text: str) -> float:
    """Entropy of a random password of these classes (the measure of CNIL's 2022 recommendation)."""
    alphabet = 0
    for size, test in ((26, str.islower), (26, str.isupper), (10, str.isdecimal)):
        alphabet += size if any(test(character) for character in text) else 0
    if any(not character.isalnum() for character in text):
        alphabet += 37
    return len(text) * math.log2(alphabet) if alphabet else 0.0
