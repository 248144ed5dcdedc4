"""A practice on SQLite, and one on either engine for what races."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.delegations.practice import Practice, practice_on


@pytest.fixture
async def practice(tmp_path: Path) -> AsyncIterator[Practice]:
    async with practice_on(f"sqlite:///{tmp_path / 'records.db'}") as made:
        yield made


@pytest.fixture
async def either(url: str) -> AsyncIterator[Practice]:
    async with practice_on(url) as made:
        yield made
