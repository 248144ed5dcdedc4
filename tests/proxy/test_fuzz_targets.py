"""The fuzz targets hold over their seeds and over mutations of them, so that they cannot rot between two fuzzings."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.targets import SEEDS, TARGETS


@pytest.mark.parametrize("name", sorted(TARGETS))
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_the_target_holds(name: str, data: st.DataObject) -> None:
    """Cut, joined, doubled and changed seeds."""
    raw = bytearray(data.draw(st.sampled_from(SEEDS[name])))
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(raw)))
        match data.draw(st.integers(0, 3)):
            case 0:
                raw[at : at + 1] = data.draw(st.binary(max_size=3))
            case 1:
                del raw[at : at + data.draw(st.integers(1, 8))]
            case 2:
                raw[at:at] = data.draw(
                    st.sampled_from((b"\r\n", b"\n", b"\x00", b"%2e", b": ", b"chunked", b"0\r\n\r\n", b";"))
                )
            case _:
                raw[at:at] = data.draw(st.sampled_from(SEEDS[name]))[:80]
    TARGETS[name](bytes(raw))


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_the_seeds_hold(name: str) -> None:
    for seed in SEEDS[name]:
        TARGETS[name](seed)
