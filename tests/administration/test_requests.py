"""A référent's request to the region, sent from two tabs at one instant (R87)."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from gateway.administration.actor import Faulty
from gateway.administration.requests import Requests
from tests.administration.world import REFERENT, World, world_in


class Interrupted:
    """Records with somebody else who asks, and is answered, right after the reading number ``turn``."""

    def __init__(self, world: World, turn: int) -> None:
        self._world = world
        self._left = turn

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._world.records, name)
        if name not in ("find", "count"):
            return real

        async def reading(*args: Any, **options: Any) -> Any:
            found = await real(*args, **options)
            self._left -= 1
            if self._left == 0:
                other = Requests(self._world.records, self._world.audit, self._world.desk)
                await other.ask(REFERENT, "ehpad", None, "depuis l'autre onglet", self._world.now)
            return found

        return reading


@pytest.mark.parametrize("turn", [1, 2])
async def test_r87_of_two_requests_sent_at_once_one_is_made(tmp_path: Path, turn: int) -> None:
    """Wherever the other one comes in between, a person has one request that waits."""
    async with world_in(tmp_path) as world:
        between: Any = Interrupted(world, turn)
        with contextlib.suppress(Faulty):
            await Requests(between, world.audit, world.desk).ask(REFERENT, "ehpad", None, "sans attendre", world.now)
        assert await world.records.count("requests", {"settled_at": None}) == 1
