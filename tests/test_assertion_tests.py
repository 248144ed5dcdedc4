"""Assertions by which backends test themselves, judged by the reference (``assertion_check``)."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.assertion_check import Unbelievable, conclude
from gateway.assertion_tests import TrialKeys, document
from gateway.assertion_tests.press import Press

VECTORS = json.loads((Path(__file__).parents[1] / "examples/backends/vectors.json").read_text("utf-8"))
NOW = datetime.fromtimestamp(VECTORS["now"], UTC)


def judged(token: str, now: datetime = NOW, **other: Any) -> Any:
    expected = {"issuer": VECTORS["issuer"], "audience": VECTORS["audience"]} | other
    return conclude(token, VECTORS["jwks"], expected["issuer"], expected["audience"], now)


@pytest.mark.parametrize("one", VECTORS["good"], ids=lambda one: one["name"])
def test_r136_what_is_right_is_believed_and_read_exactly(one: dict[str, Any]) -> None:
    found = judged(one["token"])
    given, wanted = found.delegation, one["expect"]["delegation"]
    assert found.person == one["expect"]["person"]
    assert (given is None) == (wanted is None)
    if given is not None:
        assert sorted(map(list, given.rights)) == wanted["rights"]
        assert (given.identifier, given.on_behalf_of, given.kind) == (
            wanted["identifier"],
            wanted["on_behalf_of"],
            wanted["kind"],
        )
        assert given.until.strftime("%Y-%m-%dT%H:%M:%SZ") == wanted["until"]


@pytest.mark.parametrize("one", VECTORS["bad"], ids=lambda one: one["name"])
def test_r136_what_is_wrong_in_one_thing_is_refused(one: dict[str, Any]) -> None:
    assert one["why"].endswith(".")
    with pytest.raises(Unbelievable):
        judged(one["token"])


def test_every_good_one_dies_within_its_minute_and_for_others_at_once() -> None:
    """Nothing is believed two minutes later, by another backend, or under another issuer or key set."""
    stranger = TrialKeys(b"another seed of thirty-two bytes").jwks
    for one in VECTORS["good"]:
        for moment in (NOW + timedelta(minutes=2), NOW - timedelta(minutes=2)):
            with pytest.raises(Unbelievable):
                judged(one["token"], moment)
        for other in ({"audience": "another"}, {"issuer": "https://vt.example.fr"}):
            with pytest.raises(Unbelievable):
                judged(one["token"], **other)
        with pytest.raises(Unbelievable):
            conclude(one["token"], stranger, VECTORS["issuer"], VECTORS["audience"], NOW)


def test_the_committed_vectors_are_those_made_today() -> None:
    """The same seed and instant give the same file, so that nothing in it is older than the rules."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "examples/backends"))
    try:
        import make_vectors  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    assert make_vectors.vectors() == VECTORS
    names = [one["name"] for one in (*VECTORS["good"], *VECTORS["bad"])]
    assert len(names) == len(set(names)) > 100


@pytest.mark.parametrize(("until", "year"), [("9999-12-31T23:59:59Z", 9999), ("9999-12-31T23:59:59-12:00", None)])
def test_the_last_day_of_all_is_judged_like_another(until: str, year: int | None) -> None:
    """A date at the edge of what a calendar holds is read, and one beyond it refused: neither is a fault of the reader."""
    keys = TrialKeys(b"x" * 32)
    press = Press(keys, "i", "a", NOW, "c")
    token = press.token(press.claims(authorization_details=press.delegation(valid_until=until)))
    if year is None:
        with pytest.raises(Unbelievable, match="date"):
            conclude(token, keys.jwks, "i", "a", NOW)
    else:
        said = conclude(token, keys.jwks, "i", "a", NOW).delegation
        assert said is not None
        assert said.until.year == year


def test_keys_need_chance_and_documents_differ_by_it() -> None:
    with pytest.raises(ValueError, match="chance"):
        TrialKeys(b"short")
    keys = TrialKeys(b"x" * 32)
    one, two = (document(keys, issuer="i", audience="a", now=NOW, chance=chance) for chance in "ab")
    assert one["jwks"] == two["jwks"]
    assert not {each["token"] for each in one["good"]} & {each["token"] for each in two["good"]}
