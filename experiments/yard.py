"""The estates that experiments run on, each started when the first experiment needs it, all around one demo."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from experiments.estate import Estate, estate
from tests.stories.conftest import running
from tests.visitor import Demo


class Yard:
    """One estate at a time runs: they share a few cores."""

    def __init__(self, folder: Path, demo: Demo, workers: int) -> None:
        self._workers = workers  # of each gateway of the pair
        self._folder = folder
        self._demo = demo
        self._stack = ExitStack()
        self._name = ""
        self._count = 0
        self._estate: Estate

    def estate(self, kind: str) -> Estate:
        """The estate of this kind; the one before is stopped when it is another."""
        if kind != self._name:
            self.close()
            self._count += 1
            self._estate = self._stack.enter_context(self._open(kind, self._folder / f"{kind}-{self._count}"))
            self._name = kind
        return self._estate

    def close(self) -> None:
        """Stop what runs; also after an experiment that left an estate broken."""
        self._name = ""
        self._stack.close()

    def _open(self, kind: str, folder: Path) -> AbstractContextManager[Estate]:
        if kind == "wired":
            return estate(folder, gateways=1, workers=2, store="redis", records="postgres", wired=True, demo=self._demo)
        if kind == "files":
            return estate(folder, gateways=1, workers=3, store="sqlite", records="sqlite", demo=self._demo)
        if kind == "clocks":
            return estate(folder, store="redis", records="postgres", clocked=True, demo=self._demo)
        if kind == "cluster":
            return estate(folder, workers=2, store="cluster", records="postgres", demo=self._demo)
        return estate(folder, workers=self._workers, demo=self._demo)


@contextmanager
def yard(folder: Path, workers: int = 3) -> Iterator[Yard]:
    """A demo, and estates around it; all is stopped at the end."""
    folder.chmod(0o755)  # PostgreSQL runs as a user of its own
    world = folder / "world"
    world.mkdir()
    with running(world) as demo:
        made = Yard(folder, demo, workers)
        try:
            yield made
        finally:
            made.close()
