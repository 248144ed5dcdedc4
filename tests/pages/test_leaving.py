"""« Se déconnecter » with a ticket that no session has, as far as this worker's clock can tell."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from gateway.pages.base import SESSION
from tests.pages.staff import MOREAU as STAFF
from tests.pages.staff import Browser, staffed
from tests.pages.surgery import PREFIX


@pytest.mark.parametrize("left", [True, False])
async def test_r144_what_no_session_has_is_ended_too_and_takes_little_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: bool
) -> None:
    """It is forgotten everywhere, as long as its address has not sent hundreds today; the browser is signed out anyway."""
    asked: list[str] = []

    async def spend(key: str, most: int, now: datetime) -> bool:
        asked.append(key)
        return left

    async with staffed(tmp_path) as place:
        forgotten: list[str] = []

        async def forget(digest: str) -> None:
            forgotten.append(digest)

        monkeypatch.setattr(place.house.tries, "spend", spend)
        monkeypatch.setattr(place.house.keeper, "forget", forget)
        place.card.holder, me = STAFF, Browser(place)
        await place.invite()
        await me.join()
        await me.get(f"{PREFIX}/delegations/invitation?token={'u' * 32}")
        me.cookies[SESSION] = "x" * 43
        asked.clear()
        answer = await me.post("/sign-out", follow=False)
        assert (answer.status, answer.location) == (303, f"{PREFIX}/signed-out")
        assert me.cookies[SESSION] in ("", '""')
        assert [one.split(":")[0] for one in asked] == ["forgotten-from"]
        assert len(forgotten) == left
