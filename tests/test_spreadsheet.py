"""Lines for spreadsheets: quoting, absence, and texts that must not be computed."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.spreadsheet import BOM, line, safe_cell


def test_r88_a_line_of_every_kind() -> None:
    """Texts, numbers, absence, truth and instants, parted by semicolons and ended by CRLF."""
    instant = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    assert line(["Été", 12, -3, 0.5, None, True, False, instant]) == (
        "Été;12;-3;0.5;;oui;non;2026-03-02T09:30:00+00:00\r\n"
    )
    assert BOM.encode() == b"\xef\xbb\xbf"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_r88_no_text_is_computed(start: str) -> None:
    """What a spreadsheet takes for a formula gets an apostrophe, quoted or not."""
    assert safe_cell(f"{start}1+1") == f"'{start}1+1"
    assert line([f"{start}cmd|' /C calc'!A0"]).lstrip('"').startswith(f"'{start}cmd")
    assert safe_cell("") == ""
    assert safe_cell("a=1") == "a=1"


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=6))
def test_r88_what_is_read_is_what_was_written(cells: list[str]) -> None:
    """A reader of RFC 4180 finds the cells again, but for the apostrophes; no cell escapes into the next."""
    (found,) = csv.reader(io.StringIO(line(cells), newline=""), delimiter=";")
    assert found == [safe_cell(cell) for cell in cells]
