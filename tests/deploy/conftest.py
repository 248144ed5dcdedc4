"""One demo world for all samples: gateways are put beside it, on its files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stories.conftest import running
from tests.visitor import Demo


@pytest.fixture(scope="session")
def around(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder = tmp_path_factory.mktemp("around")
    for place in (folder, folder.parent, folder.parent.parent):
        place.chmod(0o755)  # nginx's worker is another user
    with running(folder) as demo:
        yield demo
