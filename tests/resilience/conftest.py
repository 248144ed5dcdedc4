"""One demo and two gateways in its place for each file: what one file did to people is nothing to the next, and no gateway
runs in this process beside other tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.resilience.beside import aside
from tests.resilience.copied import copy_records
from tests.resilience.memory import fresh_memory
from tests.resilience.pair import Pair, pair_of
from tests.stories.conftest import demo_alone


@pytest.fixture(scope="module")
def pair_of_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    store, records = fresh_memory()
    with demo_alone(tmp_path_factory.mktemp("demo"), **aside()) as demo:
        copy_records(demo.folder / "state" / "records.db", records)
        with pair_of(demo, store, records) as pair:
            yield pair


@pytest.fixture
def pair(pair_of_file: Pair) -> Pair:
    pair_of_file.demo.forget()
    return pair_of_file
