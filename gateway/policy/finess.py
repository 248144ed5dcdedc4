"""The national number of a structure (FINESS): nine characters, a department, a nought, an order number, a key. Pure.

Legal entities and establishments share one space of numbers. Corsica writes its department with a letter; the key is
Luhn's, with A read as 1 and B as 2 (``gateway.identity.luhn``).
"""

from __future__ import annotations

import re
import unicodedata

from gateway.identity import luhn

_NUMBER = re.compile(r"([0-9]{2}|2[AB])0[0-9]{6}\Z")  # ASCII digits only
_BETWEEN = re.compile(r"[\s.\-\u2010-\u2015]+")  # what people type between the groups


def checked(text: str) -> str | None:
    """The number in its one spelling (``2A0000014``); ``None`` when the form or the key is wrong."""
    number = _BETWEEN.sub("", unicodedata.normalize("NFKC", text)).upper()
    return number if _NUMBER.match(number) and luhn(number) else None
