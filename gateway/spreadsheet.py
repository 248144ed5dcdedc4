"""Tables for spreadsheets: what a French Excel opens with a double click, and what no spreadsheet computes. Pure.

A file is ``BOM`` and then lines: cells parted by ``;``, ended by CRLF, quoted as RFC 4180 quotes. A text that a
spreadsheet would take for a formula gets an apostrophe before it, and is then shown as it was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

BOM = "\ufeff"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_QUOTED = (";", '"', "\r", "\n")


def line(cells: Sequence[object]) -> str:
    """One line, its end included. Absence is an empty cell, an instant is ISO 8601, truth is ``oui`` or ``non``."""
    return ";".join(_cell(value) for value in cells) + "\r\n"


def safe_cell(text: str) -> str:
    """The text, with an apostrophe before it when a spreadsheet would compute it."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "oui" if value else "non"
        case int() | float():
            return str(value)  # a number is no formula, its sign included
        case datetime():
            return value.isoformat()
    text = safe_cell(str(value))
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in _QUOTED) else text
