"""Codes at the edges of the clock and of their counts, with a clock moved by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.identity import Proof
from gateway.providers.base import Form
from gateway.reasons import Reason
from tests.providers.conftest import hashed, world
from tests.providers.world import World, reason

__all__ = ["hashed", "world"]


@pytest.mark.parametrize("typed", ["000123", " 000 123 "])
async def test_r63_a_code_that_begins_with_zeros(world: World, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    """« 000123 » is sent whole and accepted whole; without its zeros it is another code."""
    monkeypatch.setattr(world.ambient, "digits", lambda count: "000123")
    attempt, _ = await world.login()
    assert "000 123" in world.mail.sent[-1].text
    assert reason(await world.type(attempt, "123")) is Reason.WRONG_CODE
    assert isinstance(await world.type(attempt, typed), Proof)


@pytest.mark.parametrize(
    ("asked", "until"),
    [
        (datetime(2026, 3, 29, 0, 58, tzinfo=UTC), "3\u00a0h\u00a008"),  # 2 h does not exist in Paris that night
        (datetime(2026, 10, 25, 0, 58, tzinfo=UTC), "2\u00a0h\u00a008"),  # 2 h comes twice
        (datetime(2026, 12, 31, 22, 55, tzinfo=UTC), "0\u00a0h\u00a005"),
    ],
)
@pytest.mark.parametrize(("age", "good"), [(599, True), (601, False)])
async def test_r80_nights_when_the_clock_changes(
    world: World, asked: datetime, until: str, age: int, good: bool
) -> None:
    """A code of ten minutes lives ten minutes through a change of hour, and its mail tells the hour people will read."""
    world.ambient.instant = asked
    attempt, _ = await world.login()
    assert until in world.mail.sent[-1].text
    world.ambient.advance(age)
    assert isinstance(await world.type(attempt, world.mail.code), Proof) is good


async def test_r70_r58_wrong_codes_fill_the_day(world: World) -> None:
    """Twenty-five wrong codes in a day close the password way, though right sign-ins stood between them."""
    for turn in range(5):
        attempt, outcome = await world.login(browser=f"{turn:064d}")
        assert isinstance(outcome, Form), (turn, reason(outcome))
        right = world.mail.code
        for _ in range(5):
            no = await world.type(attempt, "000000" if right != "000000" else "111111")
            assert reason(no) is Reason.WRONG_CODE
        world.ambient.advance(3600)
        if turn < 4:
            attempt, _ = await world.login(browser=f"{turn + 10:064d}")
            assert isinstance(await world.type(attempt, world.mail.code), Proof)
    assert reason((await world.login(browser="e" * 64))[1]) is Reason.TOO_MANY_ATTEMPTS
    world.ambient.advance(24 * 3600)
    assert isinstance((await world.login(browser="e" * 64))[1], Form)
