"""One estate for all experiments of a run: two gateways of two workers on Sentinel and a pair of PostgreSQL, behind HAProxy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from experiments.yard import Yard, yard


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    with yard(tmp_path_factory.mktemp("experiments"), workers=2) as made:
        yield made
