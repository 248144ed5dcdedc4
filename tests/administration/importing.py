"""A world with imports, and files for them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.administration.actor import Actor
from gateway.administration.imports import Imports
from tests.administration.world import NATIONAL, World, world_in


def numbered(stem: str) -> str:
    """The FINESS or RPPS number that begins so: its last digit is Luhn's."""
    total = 0
    for place, character in enumerate(reversed(stem)):
        digit = {"A": 1, "B": 2}.get(character) or int(character)
        if place % 2 == 0:
            digit = digit * 2 - 9 if digit > 4 else digit * 2
        total += digit
    return stem + str(-total % 10)


class Heard:
    """A bus that remembers."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    async def publish(self, message: str) -> None:
        self.messages.append(message)

    def listen(self, heard: Any) -> None:
        raise AssertionError("nobody listens here")


@dataclass
class Importing:
    world: World
    folder: Path
    bus: Heard = field(default_factory=Heard)

    def __post_init__(self) -> None:
        world = self.world
        self.imports = Imports(world.records, world.ambient, world.audit, world.revisions, world.desk, self.bus)
        self.last = ""

    async def load(
        self, kind: str, content: str | bytes, actor: Actor = NATIONAL, *, dry_run: bool = False, **options: str
    ) -> tuple[dict[str, int], list[dict[str, Any]], str]:
        """Import this content to the end: the counts, the report, the fault."""
        path = self.folder / "upload.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.last = await self.imports.start(actor, kind, path, dry_run=dry_run, options=options, now=self.world.now)
        assert await self.imports.wait(self.last, 120)
        row = await self.imports.status(actor, self.last)
        assert row["state"] == ("failed" if row["fault"] else "done")
        assert not path.exists()
        report = await self.imports.report(actor, self.last)
        return json.loads(str(row["counts"])), list(report), str(row["fault"] or "")

    async def dump(self, *tables: str) -> Mapping[str, Sequence[Any]]:
        return {table: await self.world.records.find(table, {}) for table in tables}


@asynccontextmanager
async def importing_in(folder: Path) -> AsyncIterator[Importing]:
    async with world_in(folder) as world:
        made = Importing(world, folder)
        yield made
        await made.imports.close()


def csv_of(*rows: Sequence[str]) -> str:
    return "".join(";".join(row) + "\n" for row in rows)
